/* SPDX-License-Identifier: MIT */
/* keeper.c - see keeper.h. */
#include "agent/keeper.h"

#include "agent/cgroup.h"
#include "agent/folders.h"
#include "agent/proc.h"
#include "agent/shmleft.h"
#include "proto/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_SWEEP_MS 5000 /* what has not died by then hangs in the kernel */
#define KEEPER_TICK_MS  10
#define KEEPER_LOOK_MS  200

static const int keeper_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
#define KEEPER_SIGNALS (sizeof keeper_signals / sizeof *keeper_signals)

static void keeper_set(sigset_t *ret)
{
    sigemptyset(ret);
    for (size_t i = 0; i < KEEPER_SIGNALS; i++)
        sigaddset(ret, keeper_signals[i]);
}

static void keeper_pause(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

pid_t keeper_fork(struct err *e)
{
    sigset_t set, old;
    pid_t keeper = getpid();
    /* From here on, so that none ends the keeper before it waits for them. */
    keeper_set(&set);
    (void)sigprocmask(SIG_BLOCK, &set, &old);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_sys(e, -errno, "become the parent of orphans");
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, -errno, "start the agent");
    if (pid > 0)
        return pid;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return err_sys(e, -errno, "arm the parent-death signal");
    return getppid() == keeper ? 0 : err_set(e, -ESRCH, "start the agent: killed");
}

/* ---- while the agent lives ---- */

static int keeper_await(pid_t agent)
{
    sigset_t set;
    keeper_set(&set);
    for (;;) {
        int status, signum = sigwaitinfo(&set, NULL);
        if (signum > 0 && signum != SIGCHLD)
            (void)kill(agent,
                       signum); /* not yet waited for: the number is still its own */
        if (signum == SIGCHLD && waitpid(agent, &status, WNOHANG) == agent)
            return status;
    }
}

/* The channel is the agent's alone: its end must be seen when the agent ends. */
static void keeper_let_go(void)
{
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) {
        if (null < 0 || dup2(null, i) < 0)
            close(i);
    }
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
        return;
    for (int i = 3; i < 64; i++) /* before Linux 5.9; nothing much is open yet */
        close(i);
}

/* ---- after it ---- */

static bool keeper_kill_child(void *arg, pid_t pid)
{
    struct proc_stat st;
    (void)arg;
    if (proc_stat_read(pid, &st) == 0 && st.ppid == getpid())
        (void)proc_kill(pid, st.start);
    return true;
}

/* Children of those that die come to us in turn. True: none is left. */
static bool keeper_sweep(void)
{
    uint64_t end = clock_mono_ns() / 1000000 + KEEPER_SWEEP_MS;
    do {
        pid_t pid;
        (void)proc_each(keeper_kill_child, NULL);
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD)
            return true;
        keeper_pause(KEEPER_TICK_MS);
    } while (clock_mono_ns() / 1000000 < end);
    return false;
}

static void keeper_say_swept(const struct folders *f, pid_t agent)
{
    char *path = folders_swept_path(f, agent);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (fd >= 0)
        close(fd);
    free(path);
}

/* Of ranks that died with the agent; nobody has seen what they held. */
static void keeper_clear_shared_memory(const struct folders *f)
{
    struct folders_owner owner;
    struct shmleft_found found;
    struct shmleft *s = NULL;
    if (folders_read_owner(f, &owner, NULL) == 0 &&
        shmleft_create("/dev/shm", f->shm, owner.start, &s, NULL) == 0 &&
        shmleft_load_pids(s, f->pids, NULL) == 0)
        shmleft_clear(s, &found);
    shmleft_destroy(s);
}

/* Unless another agent comes within the lease. */
static void keeper_clean_up(struct folders *f, uint64_t lease_ms)
{
    struct folders_owner owner;
    uint64_t end = clock_mono_ns() / 1000000 + lease_ms;
    do {
        if (folders_read_owner(f, &owner, NULL) < 0 || owner.alive)
            return;
        keeper_pause(KEEPER_LOOK_MS);
    } while (clock_mono_ns() / 1000000 < end);
    struct cgroup *g;
    if (folders_take_over(f, NULL) < 0)
        return;
    if (owner.cgroup[0] && cgroup_adopt(owner.cgroup, &g, NULL) == 0) {
        (void)cgroup_kill(g);
        (void)cgroup_remove(g);
        cgroup_destroy(g);
    }
    (void)folders_remove(f, NULL);
}

static void keeper_end_as(int status) __attribute__((noreturn));
static void keeper_end_as(int status)
{
    if (WIFSIGNALED(status)) {
        struct rlimit none = {0, 0};
        sigset_t set;
        (void)setrlimit(RLIMIT_CORE, &none); /* the agent's own is enough */
        (void)signal(WTERMSIG(status), SIG_DFL);
        sigemptyset(&set);
        (void)sigprocmask(SIG_SETMASK, &set, NULL);
        (void)raise(WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void keeper_run(pid_t agent, const char *run_id, uint32_t node, uint64_t lease_ms)
{
    struct folders f;
    (void)prctl(PR_SET_NAME, "aolani-keeper");
    keeper_let_go();
    int status = keeper_await(agent);
    bool swept = keeper_sweep();
    /* One that has returned from main has left nothing, or has told the head of it. */
    if (WIFEXITED(status) || folders_init(&f, run_id, node, NULL) < 0)
        keeper_end_as(status);
    keeper_clear_shared_memory(&f);
    if (swept)
        keeper_say_swept(&f, agent);
    if (fork() == 0) {
        (void)setsid();
        keeper_clean_up(&f, lease_ms);
        _exit(0);
    }
    keeper_end_as(status);
}
