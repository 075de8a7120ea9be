/* SPDX-License-Identifier: MIT */
/* parent.c - see parent.h.
 *
 * A thread of its own sleeps in poll(2) until the other end of a pipe is gone. It costs a
 * measurement nothing, where a signal would interrupt the calls that are timed, and looking
 * now and then would leave a CPU busy until the next look. It never holds a lock, so that
 * the main thread may fork as if it were alone. */
#include "agent/audit/parent.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct ends { /* the thread's, for good */
    int in, out;
};

static void end_now(void) __attribute__((noreturn));
static void end_now(void)
{
    if (getsid(0) == getpid()) /* else the group may be a shell's */
        (void)kill(0, SIGKILL);
    _exit(1);
}

static void *wait_for_end(void *arg)
{
    const struct ends *ends = arg;
    for (;;) {
        /* Without POLLIN: what is to be read is no business of ours. */
        struct pollfd p[2] = {{.fd = ends->in, .events = POLLRDHUP}, {.fd = ends->out}};
        if (poll(p, 2, -1) < 0 && errno != EINTR && errno != EAGAIN)
            return NULL; /* no memory: the end of what is read is met later */
        if ((p[0].revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) ||
            (p[1].revents & (POLLHUP | POLLERR | POLLNVAL)))
            end_now();
    }
}

int parent_watch(int in, int out, struct err *e)
{
    struct ends *ends = malloc(sizeof *ends);
    pthread_t thread;
    sigset_t all, before;
    if (!ends)
        return err_sys(e, -ENOMEM, "watch who asked for the audit");
    *ends = (struct ends){in, out};
    /* Of no use for what poll sees, but another process may hold the pipe open. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, wait_for_end, ends);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(ends);
        return err_sys(e, -rc, "watch who asked for the audit");
    }
    (void)pthread_detach(thread);
    return 0;
}
