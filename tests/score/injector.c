/* SPDX-License-Identifier: MIT */
/* injector - does to the ranks of the emulator what the schedule says, when it says so, and
 * writes down what it has done.
 *
 * usage: injector SHARED SCHEDULE ORACLE RANKS [GROUPS]
 *
 * stop: SIGSTOP, and SIGCONT after its size. hog: a process of its own on the rank's core
 * (in a session of its own: the kernel shares a core between sessions) computes until it has
 * had `size` of CPU time. quota: the control group GROUPS<rank> gets QUOTA_SHARE of a core
 * for `size`; what the kernel says it held back is the size that is written down. All by
 * absolute times: a poller would disturb more than it injects. Meanwhile the kernel writes
 * down who else ran on the cores of the ranks (witness.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/score/shared.h"
#include "tests/score/witness.h"

#define QUOTA_PERIOD_US 20000
#define QUOTA_US        5000

struct injector {
    struct shared *shared;
    const char *oracle, *groups;
    struct event events[SCORE_EVENTS];
    size_t n_events;
    struct done done[SCORE_EVENTS];
    size_t n_done;
    struct witness witness[SCORE_RANKS];
};

static bool is_over(const struct injector *i, uint32_t rank)
{
    pid_t pid = atomic_load(&i->shared->pid[rank]);
    return atomic_load(&i->shared->over) || pid <= 0 || kill(pid, 0) < 0;
}

static void note(struct injector *i, const struct event *v, uint64_t from_ns,
                 double size_us)
{
    i->done[i->n_done++] = (struct done){.from_ns = from_ns,
                                         .to_ns = now_ns(),
                                         .rank = v->rank,
                                         .what = v->what,
                                         .size_us = size_us};
}

static void do_stop(struct injector *i, const struct event *v)
{
    pid_t pid = atomic_load(&i->shared->pid[v->rank]);
    uint64_t from = now_ns();
    kill(pid, SIGSTOP);
    sleep_until(from + v->size_us * 1000);
    kill(pid, SIGCONT);
    note(i, v, from, (double)(now_ns() - from) / 1000);
}

/* ---- quota: two ages of control groups */

static bool group_write(const struct injector *i, uint32_t rank, const char *file,
                        const char *text)
{
    char path[SCORE_PATH];
    snprintf(path, sizeof path, "%s%u/%s", i->groups, rank, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

static bool quota_set(const struct injector *i, uint32_t rank, bool on)
{
    char text[64];
    snprintf(text, sizeof text, on ? "%d %d" : "max %d",
             on ? QUOTA_US : QUOTA_PERIOD_US, QUOTA_PERIOD_US);
    if (group_write(i, rank, "cpu.max", text))
        return true;
    snprintf(text, sizeof text, "%d", on ? QUOTA_US : -1);
    return group_write(i, rank, "cpu.cfs_quota_us", text);
}

/* What the kernel held back so far, microseconds. */
static double throttled(const struct injector *i, uint32_t rank)
{
    char path[SCORE_PATH], line[128];
    double us = 0;
    unsigned long long v;
    snprintf(path, sizeof path, "%s%u/cpu.stat", i->groups, rank);
    FILE *f = fopen(path, "re");
    if (!f)
        die("open", path);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "throttled_time %llu", &v) == 1)
            us = (double)v / 1000;
        else if (sscanf(line, "throttled_usec %llu", &v) == 1)
            us = (double)v;
    }
    fclose(f);
    return us;
}

static void do_quota(struct injector *i, const struct event *v)
{
    double before = throttled(i, v->rank);
    uint64_t from = now_ns();
    if (!quota_set(i, v->rank, true))
        die("set the quota of", i->groups);
    sleep_until(from + v->size_us * 1000);
    quota_set(i, v->rank, false);
    note(i, v, from, throttled(i, v->rank) - before);
}

/* ---- hog */

static void hog_spin(uint64_t us)
{
    uint64_t until = cpu_ns() + us * 1000, at_most = now_ns() + us * 10000;
    volatile uint64_t x = 0;
    while (cpu_ns() < until && now_ns() < at_most)
        for (int k = 0; k < 2000; k++)
            x = x + 1;
}

static void hog_run(struct injector *i, uint32_t rank)
{
    char name[16];
    cpu_set_t set;
    uint64_t t0 = atomic_load(&i->shared->t0_ns);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    if (sched_getaffinity(atomic_load(&i->shared->pid[rank]), sizeof set, &set) < 0 ||
        sched_setaffinity(0, sizeof set, &set) < 0)
        die("move a hog to the core of", "its rank");
    for (size_t k = 0; k < i->n_events; k++) {
        const struct event *v = &i->events[k];
        if (v->what != WHAT_HOG || v->rank != rank)
            continue;
        sleep_until(t0 + v->at_us * 1000);
        if (is_over(i, rank))
            break;
        uint64_t from = now_ns(), from_cpu = cpu_ns();
        hog_spin(v->size_us);
        note(i, v, from, (double)(cpu_ns() - from_cpu) / 1000);
    }
    snprintf(name, sizeof name, "hog%u", rank);
    oracle_write(i->oracle, name, i->done, i->n_done);
    _exit(0);
}

static void run_schedule(struct injector *i)
{
    uint64_t t0 = atomic_load(&i->shared->t0_ns);
    for (size_t k = 0; k < i->n_events; k++) {
        const struct event *v = &i->events[k];
        if (v->what != WHAT_STOP && v->what != WHAT_QUOTA)
            continue;
        sleep_until(t0 + v->at_us * 1000);
        if (is_over(i, v->rank))
            break;
        if (v->what == WHAT_STOP)
            do_stop(i, v);
        else
            do_quota(i, v);
    }
    oracle_write(i->oracle, "injector", i->done, i->n_done);
}

/* ---- what else runs there */

static void watch(struct injector *i, uint32_t ranks)
{
    for (uint32_t r = 0; r < ranks; r++) {
        cpu_set_t set;
        int cpu = 0;
        if (sched_getaffinity(atomic_load(&i->shared->pid[r]), sizeof set, &set) < 0 ||
            CPU_COUNT(&set) != 1)
            continue;
        while (!CPU_ISSET(cpu, &set))
            cpu++;
        int rc = witness_open(&i->witness[r], cpu);
        if (rc < 0)
            fprintf(stderr, "score: who else runs on CPU %d is not known: %s\n", cpu,
                    strerror(-rc));
    }
}

/* The period first, once: the quota is then one short write. Version 1 alone has it apart. */
static void groups_init(const struct injector *i, uint32_t ranks)
{
    char text[16];
    snprintf(text, sizeof text, "%d", QUOTA_PERIOD_US);
    for (uint32_t r = 0; i->groups && r < ranks; r++)
        group_write(i, r, "cpu.cfs_period_us", text);
}

int main(int argc, char **argv)
{
    static struct injector i;
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: injector SHARED SCHEDULE ORACLE RANKS [GROUPS]\n");
        return 2;
    }
    i.shared = shared_map(argv[1]);
    i.n_events = schedule_read(argv[2], i.events);
    i.oracle = argv[3];
    uint32_t ranks = (uint32_t)strtoul(argv[4], NULL, 10);
    i.groups = argc == 6 ? argv[5] : NULL;
    groups_init(&i, ranks);
    while (atomic_load(&i.shared->started) == 0)
        wait_while(&i.shared->started, 0);
    watch(&i, ranks);
    for (uint32_t r = 0; r < ranks; r++) {
        pid_t pid = fork();
        if (pid < 0)
            die("start a hog for", argv[1]);
        if (pid == 0)
            hog_run(&i, r);
    }
    run_schedule(&i);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    while (atomic_load(&i.shared->over) == 0)
        wait_while(&i.shared->over, 0);
    for (uint32_t r = 0; r < ranks; r++)
        witness_write(&i.witness[r], i.oracle, r, atomic_load(&i.shared->pid[r]));
    return 0;
}
