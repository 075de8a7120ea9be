/* SPDX-License-Identifier: MIT */
/* emulator - one rank of a bulk synchronous program: a fixed amount of computing, then a
 * barrier with all ranks of the machine, marked as a training program marks its steps.
 *
 * usage: emulator --shared FILE --schedule FILE --oracle PREFIX [--steps N] [--work-us N]
 *                 [--group PREFIX]
 *
 * The amount is counted in iterations, measured once at the start, never by a clock: who
 * takes the core away makes the step longer. Ranks sleep in the barrier. What the schedule
 * has for this rank of "blocked" (sleep), "work" (more iterations) and "faults" (touch fresh
 * memory) is done in the first step after its time, in the middle of the computing; stop,
 * hog and quota are the injector's. --group PREFIX: the rank moves into the control group
 * PREFIX<rank> before anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/aolani.h"
#include "tests/score/shared.h"
#include "tests/score/speed.h"

#define TRIALS     25
#define TRIAL      400000u
#define FAULT_SPAN (64u << 20)
#define PAGE       4096u

struct emulator {
    struct shared *shared;
    const char *oracle, *group;
    uint32_t rank, ranks;
    uint64_t steps, work_us;
    double per_us;  /* iterations in a microsecond */
    double page_us; /* the price of a fresh page */
    struct speed speed;
    struct event events[SCORE_EVENTS];
    size_t n_events, next;
    struct done done[SCORE_EVENTS];
    size_t n_done;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void barrier(struct emulator *e)
{
    struct shared *s = e->shared;
    uint32_t turn = atomic_load(&s->turn);
    if (atomic_fetch_add(&s->arrived, 1) + 1 == e->ranks) {
        atomic_store(&s->arrived, 0);
        atomic_fetch_add(&s->turn, 1);
        wake_all(&s->turn);
    }
    while (atomic_load(&s->turn) == turn)
        wait_while(&s->turn, turn);
}

static void touch(uint64_t pages)
{
    uint64_t bytes = pages * PAGE < FAULT_SPAN ? pages * PAGE : FAULT_SPAN;
    if (bytes == 0)
        return;
    char *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return;
    /* One fault for each small page is what is wanted, not one for two megabytes. */
    madvise(at, bytes, MADV_NOHUGEPAGE);
    for (uint64_t i = 0; i < bytes; i += PAGE)
        ((volatile char *)at)[i] = 1;
    munmap(at, bytes);
}

static void calibrate(struct emulator *e)
{
    double work[TRIALS], pages[TRIALS];
    for (int i = 0; i < TRIALS; i++) {
        barrier(e); /* all at once, as they will be later */
        uint64_t from = cpu_ns();
        compute(TRIAL);
        uint64_t between = cpu_ns();
        touch(512);
        work[i] = (double)(between - from) / 1000;
        pages[i] = (double)(cpu_ns() - between) / 1000;
    }
    qsort(work, TRIALS, sizeof *work, by_value);
    qsort(pages, TRIALS, sizeof *pages, by_value);
    e->per_us = TRIAL / work[TRIALS / 2];
    e->page_us = pages[TRIALS / 2] / 512;
}

/* Returns what the rank lost, microseconds. */
static double inject(struct emulator *e, const struct event *v)
{
    uint64_t from_cpu = cpu_ns();
    switch (v->what) {
    case WHAT_BLOCKED:
        sleep_until(now_ns() + v->size_us * 1000);
        /* What it took longer is time in which the core was another's. */
        return (double)v->size_us;
    case WHAT_WORK:
        compute((uint64_t)((double)v->size_us * e->per_us));
        break;
    default:
        touch((uint64_t)((double)v->size_us / e->page_us));
        break;
    }
    return (double)(cpu_ns() - from_cpu) / 1000;
}

/* What is due, if anything: one in a step. */
static void inject_due(struct emulator *e)
{
    uint64_t now = now_ns(), t0 = atomic_load(&e->shared->t0_ns);
    if (e->next == e->n_events || now < t0 + e->events[e->next].at_us * 1000)
        return;
    const struct event *v = &e->events[e->next++];
    struct done *d = &e->done[e->n_done++];
    *d = (struct done){.from_ns = now, .rank = v->rank, .what = v->what};
    d->size_us = inject(e, v);
    d->to_ns = now_ns();
}

static void run_steps(struct emulator *e)
{
    uint64_t half = (uint64_t)((double)e->work_us * e->per_us / 2);
    for (uint64_t step = 0; step < e->steps; step++) {
        uint64_t from = now_ns();
        aolani_step_begin(step);
        double slower = speed_compute(&e->speed, half);
        inject_due(e);
        slower += speed_compute(&e->speed, half);
        aolani_wait_begin();
        speed_note(&e->speed, from, now_ns(), slower);
        barrier(e);
        aolani_wait_end();
        aolani_step_end();
    }
}

static void join_group(const struct emulator *e)
{
    char path[SCORE_PATH];
    if (!e->group)
        return;
    snprintf(path, sizeof path, "%s%u/cgroup.procs", e->group, e->rank);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        die("join the control group by", path);
    close(fd);
}

/* Only what is this rank's, and for itself to do. */
static void take_events(struct emulator *e, const char *schedule)
{
    size_t n = schedule_read(schedule, e->events);
    for (size_t i = 0; i < n; i++) {
        const struct event *v = &e->events[i];
        if (v->rank == e->rank &&
            (v->what == WHAT_BLOCKED || v->what == WHAT_WORK || v->what == WHAT_FAULTS))
            e->events[e->n_events++] = *v;
    }
}

static uint32_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    if (!text) {
        errno = ENOENT;
        die("find the variable", variable);
    }
    return (uint32_t)strtoul(text, NULL, 10);
}

static struct emulator *from_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"shared", required_argument, NULL, 'm'},
                                            {"schedule", required_argument, NULL, 's'},
                                            {"oracle", required_argument, NULL, 'o'},
                                            {"steps", required_argument, NULL, 'n'},
                                            {"work-us", required_argument, NULL, 'w'},
                                            {"group", required_argument, NULL, 'g'},
                                            {0}};
    struct emulator *e = calloc(1, sizeof *e);
    const char *shared = NULL, *schedule = NULL;
    int c;
    if (!e)
        die("get memory for", "the emulator");
    e->steps = 1000;
    e->work_us = 7000;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'm':
            shared = optarg;
            break;
        case 's':
            schedule = optarg;
            break;
        case 'o':
            e->oracle = optarg;
            break;
        case 'n':
            e->steps = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            e->work_us = strtoull(optarg, NULL, 10);
            break;
        case 'g':
            e->group = optarg;
            break;
        default:
            exit(2);
        }
    }
    e->rank = number_of("RANK");
    e->ranks = number_of("WORLD_SIZE");
    errno = EINVAL;
    if (!shared || !schedule || !e->oracle || e->rank >= SCORE_RANKS ||
        e->ranks > SCORE_RANKS)
        die("start with these arguments", argv[0]);
    join_group(e);
    e->shared = shared_map(shared);
    take_events(e, schedule);
    return e;
}

int main(int argc, char **argv)
{
    char name[16];
    struct emulator *e = from_arguments(argc, argv);
    atomic_store(&e->shared->pid[e->rank], getpid());
    calibrate(e);
    speed_init(&e->speed, e->per_us, e->steps);
    barrier(e);
    if (e->rank == 0) {
        atomic_store(&e->shared->t0_ns, now_ns());
        atomic_store(&e->shared->started, 1);
        wake_all(&e->shared->started);
    }
    barrier(e);
    run_steps(e);
    atomic_store(&e->shared->over, 1);
    wake_all(&e->shared->over);
    snprintf(name, sizeof name, "rank%u", e->rank);
    oracle_write(e->oracle, name, e->done, e->n_done);
    speed_write(&e->speed, e->oracle, e->rank);
    free(e);
    return 0;
}
