/* SPDX-License-Identifier: MIT */
/* ask_now.c - a command of Slurm's for a verb that has no loop; see ask.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launcher/slurm/ask_impl.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define LOOK_MS 50 /* between two looks whether it has ended */

enum { IN, OUT, ERR, N_PIPES };

struct run {
    char *const *argv;
    const char *input; /* what is not yet written */
    size_t left;
    int fd[N_PIPES]; /* our ends; -1: closed */
    pid_t pid;       /* 0: there is none (any more) */
    int wait_status;
    uint64_t end_ns;
    struct buf *out;
    struct said said;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* ---- start ---- */

static int make_pipes(struct run *r, int theirs[N_PIPES])
{
    for (int i = 0; i < N_PIPES; i++) {
        int fd[2];
        if (pipe2(fd, O_CLOEXEC) < 0)
            return -errno;
        int our = i == IN ? 1 : 0;
        r->fd[i] = fd[our];
        theirs[i] = fd[!our];
        if (fcntl(r->fd[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

/* A session of its own, as on the loop: no signals from the terminal, and one group to
 * end. What this program ignores the command need not. */
static int spawn(struct run *r, const int theirs[N_PIPES], char **env)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc)
        return -rc;
    rc = posix_spawnattr_init(&attr);
    if (rc) {
        (void)posix_spawn_file_actions_destroy(&files);
        return -rc;
    }
    for (int i = 0; i < N_PIPES && !rc; i++)
        rc = posix_spawn_file_actions_adddup2(&files, theirs[i], i);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    if (!rc)
        rc = posix_spawnp(&r->pid, r->argv[0], &files, &attr, r->argv, env);
    if (rc)
        r->pid = 0;
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    return -rc;
}

static int start(struct run *r, struct err *e)
{
    int theirs[N_PIPES] = {-1, -1, -1};
    char **env = NULL;
    int rc = make_pipes(r, theirs);
    if (rc == 0)
        rc = askcmd_env(r->argv[0], &env);
    if (rc == 0)
        rc = spawn(r, theirs, env);
    free(env);
    for (int i = 0; i < N_PIPES; i++)
        close_fd(&theirs[i]);
    return rc < 0 ? askcmd_not_started(r->argv, rc, e) : 0;
}

/* ---- talk ---- */

static void feed(struct run *r)
{
    ssize_t n = r->left > 0 ? write(r->fd[IN], r->input, r->left) : 0;
    if (n > 0) {
        r->input += n;
        r->left -= (size_t)n;
    }
    if (r->left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&r->fd[IN]); /* what it does not read it says itself */
}

static int hear(struct run *r, int which, struct err *e)
{
    uint8_t some[16384];
    ssize_t n = read(r->fd[which], some, sizeof some);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        close_fd(&r->fd[which]);
        return 0;
    }
    if (which == ERR) {
        said_add(&r->said, some, (size_t)n, askcmd_keep, &r->said);
        return 0;
    }
    int rc = buf_add(r->out, some, (size_t)n);
    if (rc == ERR_LIMIT)
        return askcmd_too_much(r->argv, e);
    return rc < 0 ? err_sys(e, rc, "run \"%s\"", r->argv[0]) : 0;
}

static int left_ms(const struct run *r)
{
    uint64_t now = clock_mono_ns();
    return now >= r->end_ns ? 0 : (int)((r->end_ns - now) / 1000000u) + 1;
}

/* Has it ended? Its status is kept. */
static bool has_ended(struct run *r)
{
    if (r->pid > 0 && waitpid(r->pid, &r->wait_status, WNOHANG) == r->pid) {
        r->pid = 0;
        uint64_t words = clock_mono_ns() + ASKCMD_WORDS_MS * 1000000ull;
        r->end_ns = r->end_ns < words ? r->end_ns : words;
    }
    return r->pid == 0;
}

static int talk_once(struct run *r, struct err *e)
{
    struct pollfd p[N_PIPES];
    for (int i = 0; i < N_PIPES; i++)
        p[i] = (struct pollfd){.fd = r->fd[i], .events = i == IN ? POLLOUT : POLLIN};
    int wait = left_ms(r);
    int n = poll(p, N_PIPES, wait < LOOK_MS ? wait : LOOK_MS);
    if (n < 0)
        return errno == EINTR ? 0 : err_sys(e, -errno, "run \"%s\"", r->argv[0]);
    if (p[IN].revents)
        feed(r);
    for (int i = OUT; i <= ERR; i++) {
        int rc = p[i].revents ? hear(r, i, e) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Until it has ended, and its words too: somebody else may keep the pipes open. */
static int talk(struct run *r, struct err *e)
{
    for (;;) {
        bool open = r->fd[OUT] >= 0 || r->fd[ERR] >= 0;
        if (has_ended(r) && (!open || left_ms(r) == 0))
            return 0;
        if (left_ms(r) == 0)
            return -ETIMEDOUT;
        int rc = 0;
        if (open)
            rc = talk_once(r, e);
        else
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (rc < 0)
            return rc;
    }
}

static int run(struct run *r, struct err *e)
{
    int rc = start(r, e);
    if (rc < 0)
        return rc;
    rc = talk(r, e);
    said_end(&r->said, askcmd_keep, &r->said);
    if (rc == -ETIMEDOUT)
        return askcmd_too_slow(r->argv, &r->said, e);
    if (rc == 0 && r->wait_status != 0)
        return askcmd_failed(r->argv, r->wait_status, &r->said, e);
    return rc;
}

static int run_now(char *const *argv, const char *input, struct buf *out,
                   int *ret_wait_status, struct err *e)
{
    struct run r = {.argv = argv,
                    .input = input,
                    .left = input ? strlen(input) : 0,
                    .fd = {-1, -1, -1},
                    .end_ns = clock_mono_ns() + SLURM_ASK_MS * 1000000ull,
                    .out = out};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    (void)sigaction(SIGPIPE, &ignore, &old); /* it need not read its input */
    said_init(&r.said);
    int rc = buf_add(out, "", 0);
    rc = rc < 0 ? err_sys(e, rc, "run \"%s\"", argv[0]) : run(&r, e);
    (void)sigaction(SIGPIPE, &old, NULL);
    for (int i = 0; i < N_PIPES; i++)
        close_fd(&r.fd[i]);
    if (r.pid > 0) {
        (void)kill(-r.pid, SIGKILL);
        (void)waitpid(r.pid, NULL, 0);
    }
    said_fini(&r.said);
    *ret_wait_status = r.wait_status;
    return rc;
}

int slurm_run_now(char *const *argv, const char *input, struct buf *out, struct err *e)
{
    int status;
    return run_now(argv, input, out, &status, e);
}

static int job_now(uint32_t id, bool may_plugin, struct slurm_job *ret, bool *ret_again,
                   struct err *e)
{
    struct askcmd_job c;
    struct buf out;
    int status = 0;
    askcmd_of_job(&c, id, may_plugin);
    log_info("job %u: asking %s", id, c.argv[0]);
    buf_init(&out, SLURM_ASK_BYTES);
    int rc = run_now(c.argv, NULL, &out, &status, e);
    if (rc == 0)
        rc = askcmd_job(&out, id, ret, e);
    buf_fini(&out);
    *ret_again =
        rc < 0 && rc != -ETIMEDOUT && c.plugin && askcmd_plugin_failed(status, id, e);
    return rc;
}

int slurm_job_now(uint32_t id, struct slurm_job *ret, struct err *e)
{
    struct err why = {0};
    bool again;
    int rc = job_now(id, true, ret, &again, &why);
    if (again)
        rc = job_now(id, false, ret, &again, &why);
    if (rc < 0 && e)
        *e = why;
    return rc;
}
