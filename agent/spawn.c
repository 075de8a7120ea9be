/* SPDX-License-Identifier: MIT */
/* spawn.c - see spawn.h. */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct spawn_record {
    int32_t call, error;
};

/* ---- in the child, after fork: system calls only ---- */

static void spawn_say(int fd, int call, int error)
{
    struct spawn_record r = {call, error};
    ssize_t n = write(fd, &r, sizeof r); /* below PIPE_BUF: whole or not at all */
    (void)n;
}

static void spawn_fail(int fd, int call) __attribute__((noreturn));
static void spawn_fail(int fd, int call)
{
    spawn_say(fd, call, errno);
    _exit(call == SPAWN_EXEC && errno == ENOENT ? 127 : 126);
}

static void spawn_reset_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &dfl, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A group of its own to signal, and no terminal. The leader of a session would get one
 * for good with the first `> /dev/stdout`, and hang up its children when it exits. */
static void spawn_leave_group(bool on_terminal)
{
    if (on_terminal)
        (void)setpgid(0, 0);
    else
        (void)setsid();
}

/* Has it as much already? Whoever started us may have given up more. */
static bool spawn_has_oom_score(int fd, int score)
{
    char text[16];
    int has = 0;
    ssize_t n = read(fd, text, sizeof text);
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        has = 10 * has + (text[i] - '0');
    return has >= score;
}

static void spawn_raise_oom_score(int score)
{
    char text[16], *p = text + sizeof text;
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    for (int n = score; p == text + sizeof text || n; n /= 10)
        *--p = (char)('0' + n % 10);
    if (fd >= 0 && !spawn_has_oom_score(fd, score)) {
        ssize_t n = write(fd, p, (size_t)(text + sizeof text - p));
        (void)n;
    }
    if (fd >= 0)
        close(fd);
}

static void spawn_enter_cgroup(int entrance, int report)
{
    if (entrance >= 0 && write(entrance, "0", 1) != 1)
        spawn_say(report, SPAWN_CGROUP, errno);
}

/* A control group takes CPUs away without an error. Only here it is sure that the program
 * has not yet chosen others. */
static void spawn_compare_cpus(const struct spawn_spec *s, int report)
{
    unsigned char now[LIMIT_CPUS / 8];
    if (s->cpus_bytes <= sizeof now &&
        sched_getaffinity(0, sizeof now, (cpu_set_t *)(void *)now) == 0 &&
        memcmp(now, s->cpus, s->cpus_bytes) != 0)
        spawn_say(report, SPAWN_OTHER_CPUS, 0);
}

/* Inherited by exec. One bit more than there are, which is how the kernel counts. */
static void spawn_bind_memory(const struct spawn_memory *m, int report)
{
    if (m->mode == 0 ||
        syscall(SYS_set_mempolicy, m->mode, m->nodes, 8 * sizeof m->nodes + 1) == 0)
        return;
    if (m->must)
        spawn_fail(report, SPAWN_MEMORY);
    spawn_say(report, SPAWN_MEMORY_FREE, errno);
}

/* 0, 1, 2 as the rank shall have them, the report pipe at 3, nothing else. The four are
 * first moved above 9, so that none is overwritten before it was used. */
static int spawn_arrange_fds(const struct spawn_spec *s, int report)
{
    int in = s->fd_in >= 0 ? s->fd_in : open("/dev/null", O_RDONLY | O_CLOEXEC);
    int from[4] = {in, s->fd_out, s->fd_err, report};
    for (int i = 0; i < 4; i++) {
        if (from[i] < 0 || (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10)) < 0)
            spawn_fail(report, SPAWN_STDIO);
    }
    report = from[3];
    for (int i = 0; i < 3; i++) {
        if (dup2(from[i], i) < 0)
            spawn_fail(report, SPAWN_STDIO);
    }
    if (dup3(report, 3, O_CLOEXEC) < 0)
        spawn_fail(report, SPAWN_STDIO);
    /* Before Linux 5.9 what is open stays so: ours has close-on-exec everywhere. */
    (void)syscall(SYS_close_range, 4u, ~0u, 0u);
    return 3;
}

static void spawn_child(const struct spawn_spec *s, pid_t parent, int report)
    __attribute__((noreturn));
static void spawn_child(const struct spawn_spec *s, pid_t parent, int report)
{
    spawn_leave_group(s->on_terminal);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        spawn_fail(report, SPAWN_PDEATHSIG);
    if (getppid() != parent) /* it died before the signal was armed */
        _exit(126);
    spawn_reset_signals();
    spawn_enter_cgroup(s->cgroup_entrance, report);
    spawn_raise_oom_score(s->oom_score_adj);
    if (s->cpus && sched_setaffinity(0, s->cpus_bytes, s->cpus) < 0)
        spawn_fail(report, SPAWN_AFFINITY);
    if (s->cpus)
        spawn_compare_cpus(s, report);
    spawn_bind_memory(&s->memory, report);
    report = spawn_arrange_fds(s, report);
    if (s->limits) /* last: what is open above it stays usable, new ones fail */
        rlimits_apply(s->limits);
    (void)umask(s->umask);
    if (chdir(s->workdir) < 0)
        spawn_fail(report, SPAWN_CHDIR);
    execve(s->path, s->argv, s->env);
    if (errno == ENOEXEC && s->sh_argv)
        execve("/bin/sh", s->sh_argv, s->env);
    spawn_fail(report, SPAWN_EXEC);
}

/* ---- in the agent ---- */

int spawn_start(const struct spawn_spec *s, pid_t *ret_pid, int *ret_fd, struct err *e)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_sys(e, -errno, "make a pipe");
    (void)fcntl(report[0], F_SETFL, O_NONBLOCK);

    /* A signal between fork and the child's reset would run the agent's handler there. */
    sigset_t all, old;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        spawn_child(s, parent, report[1]);
    int error = errno;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return err_set(e, -error, "start a process: %s%s", strerror(error),
                       error == EAGAIN ? " (the limit of processes, of this user or of "
                                         "the control group, is reached)"
                                       : "");
    }
    *ret_pid = pid;
    *ret_fd = report[0];
    return 0;
}

int spawn_outcome_read(int fd, struct spawn_outcome *o)
{
    for (;;) {
        struct spawn_record r;
        ssize_t n = read(fd, &r, sizeof r);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n != (ssize_t)sizeof r)
            return 1;
        if (r.call == SPAWN_CGROUP) {
            o->cgroup_error = r.error;
            continue;
        }
        if (r.call == SPAWN_MEMORY_FREE) {
            o->memory_error = r.error;
            continue;
        }
        if (r.call == SPAWN_OTHER_CPUS) {
            o->other_cpus = true;
            continue;
        }
        o->call = r.call;
        o->error = r.error;
        return 1;
    }
}

int spawn_outcome_err(const struct spawn_outcome *o, const struct spawn_spec *s,
                      struct err *e)
{
    switch (o->call) {
    case 0:
        return 0;
    case SPAWN_EXEC:
        return err_sys(e, -o->error, "execute \"%s\"", s->path);
    case SPAWN_AFFINITY:
        return err_sys(e, -o->error, "bind to the chosen cores");
    case SPAWN_MEMORY:
        return err_sys(e, -o->error, "bind its memory to the chosen NUMA nodes");
    case SPAWN_CHDIR:
        return err_sys(e, -o->error, "change to the folder \"%s\"", s->workdir);
    case SPAWN_PDEATHSIG:
        return err_sys(e, -o->error, "arm the parent-death signal");
    default:
        return err_sys(e, -o->error, "arrange the standard descriptors");
    }
}
