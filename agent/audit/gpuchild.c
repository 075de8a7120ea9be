/* SPDX-License-Identifier: MIT */
/* gpuchild.c - see gpuchild.h. The child's end shows in a pipe: one that cannot be killed
 * keeps its end open, and we go on without it. */
#include "agent/audit/gpuchild.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define NS_PER_MS     1000000u
#define REAP_TRIES    200
#define REAP_PAUSE_MS 5

void *gpuchild_memory(size_t size)
{
    void *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void gpuchild_free(void *shared, size_t size)
{
    if (shared)
        (void)munmap(shared, size);
}

/* CUDA maps the memory of all GPUs, and to wake them costs seconds of computing. What
 * crashes shall leave no file. */
static void set_limits(void)
{
    static const int limits[] = {RLIMIT_AS, RLIMIT_CPU};
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit r;
        if (getrlimit(limits[i], &r) < 0)
            continue;
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(limits[i], &r);
    }
}

static _Noreturn void be_the_child(int end, pid_t parent, void (*ask)(void *shared),
                                   void *shared)
{
    end = fcntl(end, F_DUPFD_CLOEXEC, 3); /* whoever starts us may have closed those */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        (void)dup2(null, fd);
    if (end < 0 || null < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        getppid() != parent)
        _exit(1);
    set_limits();
    (void)signal(SIGPIPE, SIG_DFL);
    ask(shared);
    _exit(write(end, "", 1) == 1 ? 0 : 1);
}

/* 1: it said that it has finished; 0: its end of the pipe is closed. */
static int wait_end(int fd, uint64_t until_ns)
{
    for (;;) {
        uint64_t now = clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint8_t byte;
        if (now >= until_ns)
            return -ETIMEDOUT;
        int rc = poll(&p, 1, (int)((until_ns - now) / NS_PER_MS) + 1);
        if (rc > 0)
            rc = (int)read(fd, &byte, 1);
        else if (rc == 0)
            continue;
        if (rc >= 0)
            return rc;
        if (errno != EINTR)
            return -errno;
    }
}

/* One that is stuck in the driver, even on its way out, is left: it ends when the driver
 * lets go of it. false, and *ret_status 0, then. */
static bool reap(pid_t pid, int *ret_status)
{
    const struct timespec pause = {.tv_nsec = REAP_PAUSE_MS * NS_PER_MS};
    *ret_status = 0;
    for (int i = 0; i < REAP_TRIES; i++) {
        pid_t rc = waitpid(pid, ret_status, WNOHANG);
        if (rc != 0 && !(rc < 0 && errno == EINTR))
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static int gave_up(int status, struct err *e)
{
    if (WIFSIGNALED(status))
        return err_set(e, -EIO, "the driver's library crashed (signal %d)",
                       WTERMSIG(status));
    return err_set(e, -EIO, "the driver's library gave up (status %d)",
                   WEXITSTATUS(status));
}

int gpuchild_run(void (*ask)(void *shared), void *shared, uint64_t limit_ms,
                 struct err *e)
{
    int ends[2];
    pid_t self = getpid();
    uint64_t until = clock_mono_ns() + limit_ms * NS_PER_MS;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, -errno, "ask the GPUs' driver");
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        be_the_child(ends[1], self, ask, shared);
    }
    int rc = pid < 0 ? -errno : 0;
    (void)close(ends[1]);
    if (pid > 0)
        rc = wait_end(ends[0], until);
    (void)close(ends[0]);
    if (pid < 0)
        return err_sys(e, rc, "ask the GPUs' driver");
    if (rc < 0)
        (void)kill(pid, SIGKILL);
    int status;
    bool is_left = !reap(pid, &status);
    if (is_left && rc == 0) { /* it closed our pipe, and went on */
        (void)kill(pid, SIGKILL);
        (void)reap(pid, &status);
        return err_set(e, -EIO,
                       "the driver's library did not end with what it was asked");
    }
    if (rc == -ETIMEDOUT)
        return err_set(e, rc, "the driver's library did not answer within %.1f s",
                       (double)limit_ms / 1000.0);
    if (rc < 0)
        return err_sys(e, rc, "ask the GPUs' driver");
    return rc == 0 ? gave_up(status, e) : 0;
}
