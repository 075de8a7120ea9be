/* SPDX-License-Identifier: MIT */
/* aolani.c - the rank's end of the step ring; see aolani.h.
 *
 * A step is cut into busy stretches by the waits inside it, and clocks are read at the
 * cuts, so that what a rank does while it waits for others (spin or sleep) is never
 * charged to it. One reading is five system calls, about a microsecond; in a control
 * group that a quota throttles it is six. A program with thousands of waits in a step
 * gets the full reading only at the rate below and for the others a bare clock: the
 * record then says that it is partial, and errs towards blaming nothing.
 *
 * A library inside someone else's program owns nothing but its ring: it keeps errno, it
 * looks twice before it closes a descriptor (the program may have closed ours and
 * reused the number), and a forked child of a marking process is not the rank and stays
 * silent. Of processes that have nothing to do with each other (programs that a rank starts)
 * the first one that begins a step is the rank, while it lives. The one object of state is
 * here because the interface has no handle by design.
 */
#pragma GCC visibility push(default)
#include "proto/client/aolani.h"
#pragma GCC visibility pop

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/cgroupstat.h"
#include "proto/client/keptfd.h"
#include "proto/client/ringmap.h"
#include "proto/wire/steprec.h"

/* Waits of a step that are always read in full, and how many more per time: together at
 * most a thousandth or two of the step. */
#define WAITS_FREE    16u
#define WAIT_EVERY_NS 1000000u
#define LOOK_EVERY_NS 1000000000u /* at the control group: a process can be moved */
#define ASK_EVERY_NS  1000000000u /* whether the process that marks is gone */

struct sample {
    uint64_t wall_ns, cpu_ns, delay_ns, throttled_ns;
    uint64_t nvcsw, nivcsw, minflt, majflt;
};

enum client_state { CLIENT_UNTRIED, CLIENT_OFF, CLIENT_ON };

struct client {
    enum client_state state;
    struct ring *ring;
    char path[PATH_MAX]; /* of its file */
    uint32_t rank;
    pid_t pid, tid; /* who marks */
    bool marked;    /* this process has begun a step: the ring is its own */
    void *lock;
    uint64_t asked_ns; /* for it, in vain; 0: not yet */
    bool gap;          /* the ring refused the last record */

    struct keptfd sched; /* schedstat of thread tid */
    struct cgroupstat group;
    uint64_t looked_ns;

    bool in_step;
    uint16_t kind;  /* flags of the step: SPECIAL, and of which sort */
    bool no_delay;  /* run delay could not be read in this step */
    bool moved;     /* a reading of this step came from another thread */
    bool coarse;    /* the wait in progress is timed by the bare clock */
    unsigned depth; /* of nested waits */
    uint32_t n_waits;
    uint64_t step, begin_ns, wait_from_ns, wait_ns, coarse_ns;
    struct sample since; /* start of the busy stretch in progress */
    struct sample busy;  /* sum over the finished ones */
};

static struct client client = {.sched.fd = -1};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- schedstat: nanoseconds this thread was runnable and did not run */

static void sched_open(struct client *c)
{
    keptfd_close(&c->sched);
    (void)keptfd_open(&c->sched, "/proc/thread-self/schedstat");
}

/* "<cpu ns> <run delay ns> <slices>" */
static bool sched_read_delay(const struct client *c, uint64_t *ret_ns)
{
    char text[80];
    uint64_t v = 0;
    if (!keptfd_read(&c->sched, text, sizeof text))
        return false;
    const char *p = strchr(text, ' ');
    if (!p || p[1] < '0' || p[1] > '9')
        return false;
    for (p++; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    *ret_ns = v;
    return true;
}

/* ---- readings */

static void sample_take(struct client *c, struct sample *s)
{
    struct rusage u;
    memset(s, 0, sizeof *s);
    s->wall_ns = clock_ns(CLOCK_MONOTONIC);
    if (gettid() != c->tid) {
        c->moved = true;
        return;
    }
    s->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!sched_read_delay(c, &s->delay_ns))
        c->no_delay = true;
    s->throttled_ns = cgroupstat_read(&c->group, s->delay_ns);
    if (getrusage(RUSAGE_THREAD, &u) < 0)
        return;
    s->nvcsw = (uint64_t)u.ru_nvcsw;
    s->nivcsw = (uint64_t)u.ru_nivcsw;
    s->minflt = (uint64_t)u.ru_minflt;
    s->majflt = (uint64_t)u.ru_majflt;
}

static void add_delta(uint64_t *sum, uint64_t from, uint64_t to)
{
    if (to > from)
        *sum += to - from;
}

static void busy_add(struct client *c, const struct sample *now)
{
    const struct sample *from = &c->since;
    uint64_t delay = 0, throttled = 0, wall = 0, cpu = 0;
    add_delta(&delay, from->delay_ns, now->delay_ns);
    add_delta(&throttled, from->throttled_ns, now->throttled_ns);
    add_delta(&wall, from->wall_ns, now->wall_ns);
    add_delta(&cpu, from->cpu_ns, now->cpu_ns);
    /* The group's time is at most an explanation of ours: of all that the thread did not
     * run, where it never slept. Newer kernels do not count all of it as run delay. */
    uint64_t away = now->nvcsw > from->nvcsw || wall < cpu ? 0 : wall - cpu;
    uint64_t most = delay > away ? delay : away;
    throttled = throttled < most ? throttled : most;
    c->busy.throttled_ns += throttled;
    c->busy.delay_ns += delay > throttled ? delay : throttled;
    c->busy.wall_ns += wall;
    c->busy.cpu_ns += cpu;
    add_delta(&c->busy.nvcsw, from->nvcsw, now->nvcsw);
    add_delta(&c->busy.nivcsw, from->nivcsw, now->nivcsw);
    add_delta(&c->busy.minflt, from->minflt, now->minflt);
    add_delta(&c->busy.majflt, from->majflt, now->majflt);
}

/* ---- the ring */

static bool rank_from_env(uint32_t *ret)
{
    const char *text = secure_getenv("RANK");
    char *end;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || *end || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static void client_open(struct client *c)
{
    int saved = errno;
    const char *path = secure_getenv("AOLANI_STEP_PATH");
    c->state = CLIENT_OFF;
    /* Kept: later the program may be changing its environment in another thread. */
    if (path && strlen(path) < sizeof c->path && rank_from_env(&c->rank))
        c->ring = ringmap_open(strcpy(c->path, path));
    if (c->ring) {
        c->pid = getpid();
        c->tid = gettid();
        sched_open(c);
        c->state = CLIENT_ON;
    }
    errno = saved;
}

static inline bool client_is_on(struct client *c)
{
    if (c->state == CLIENT_UNTRIED)
        client_open(c);
    return c->state == CLIENT_ON;
}

/* Make the calling thread the one that marks. False: it may not, being in a child of
 * the process that does. */
static bool client_adopt_thread(struct client *c)
{
    pid_t tid = gettid();
    if (tid == c->tid)
        return true;
    pid_t pid = getpid();
    if (pid != c->pid && c->marked) {
        c->state = CLIENT_OFF;
        return false;
    }
    if (pid != c->pid)
        c->asked_ns = 0;
    c->pid = pid;
    c->tid = tid;
    sched_open(c);
    c->looked_ns = 0;
    return true;
}

/* A second thread that asks, against the rules, finds the lock of the first: what the
 * process has it keeps. */
static bool client_ask(struct client *c)
{
    void *lock;
    if (ringmap_lock(c->path, &lock)) {
        c->lock = lock;
        c->marked = true;
    } else if (!c->marked) {
        atomic_store_explicit(&c->ring->others, 1, memory_order_relaxed);
    }
    return c->marked;
}

static bool client_has_ring(struct client *c)
{
    if (c->marked)
        return true;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (c->asked_ns != 0 && now - c->asked_ns < ASK_EVERY_NS)
        return false;
    c->asked_ns = now;
    return client_ask(c);
}

/* ---- the record */

static uint32_t us_of(uint64_t ns)
{
    uint64_t us = (ns + 500) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static uint16_t sat16(uint64_t v)
{
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

/* What the busy time consisted of. What is neither CPU nor run delay is sleep if the
 * thread gave the CPU up of its own will, and otherwise was taken without the kernel
 * having seen it: by a hypervisor, or a stop signal. */
static void record_parts(const struct client *c, struct steprec *r)
{
    uint64_t wall = c->busy.wall_ns;
    wall = wall > c->coarse_ns ? wall - c->coarse_ns : 0;
    uint64_t cpu = c->busy.cpu_ns < wall ? c->busy.cpu_ns : wall;
    uint64_t delay = c->busy.delay_ns < wall - cpu ? c->busy.delay_ns : wall - cpu;
    uint64_t rest = wall - cpu - delay;

    r->cpu_us = us_of(cpu);
    r->nvcsw = sat16(c->busy.nvcsw);
    r->nivcsw = sat16(c->busy.nivcsw);
    r->majflt = sat16(c->busy.majflt);
    r->minflt16 = sat16(c->busy.minflt / 16);
    if (c->no_delay)
        return;
    r->rundelay_us = us_of(delay);
    r->throttled_us =
        us_of(c->busy.throttled_ns < delay ? c->busy.throttled_ns : delay);
    if (c->busy.nvcsw > 0)
        r->blocked_us = us_of(rest);
    else
        r->stolen_us = us_of(rest);
}

static void record_push(struct client *c, uint64_t end_ns)
{
    uint8_t bytes[STEPREC_BYTES];
    bool partial = c->moved || c->no_delay || c->coarse_ns > 0;
    struct steprec r = {
        .rank = c->rank,
        .step = c->step > UINT32_MAX ? UINT32_MAX : (uint32_t)c->step,
        .t_end_ns = end_ns,
        .wall_us = us_of(end_ns - c->begin_ns),
        .wait_us = us_of(c->wait_ns),
        .n_coll = c->n_waits,
        .flags = (uint16_t)(c->kind | (partial ? STEPREC_PARTIAL : 0) |
                            (c->gap ? STEPREC_GAP : 0)),
        .source = STEPREC_CLIENT,
        .confidence = 100,
    };
    if (!c->moved)
        record_parts(c, &r);
    steprec_encode(&r, bytes);
    c->gap = ring_push(c->ring, bytes) < 0;
}

/* ---- the interface */

/* What may have changed since the last time: the control group of this thread, and
 * descriptors that the program has closed. Not a part of any step. */
static void client_look(struct client *c)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (c->looked_ns != 0 && now - c->looked_ns < LOOK_EVERY_NS)
        return;
    c->looked_ns = now;
    if (!keptfd_is_ours(&c->sched))
        sched_open(c);
    cgroupstat_look(&c->group);
}

void aolani_step_begin(uint64_t step)
{
    struct client *c = &client;
    if (!client_is_on(c))
        return;
    int saved = errno;
    if (client_adopt_thread(c) && client_has_ring(c)) {
        c->in_step = true;
        c->no_delay = c->moved = c->coarse = false;
        c->kind = 0;
        c->step = step;
        c->n_waits = c->depth > 0;
        c->wait_ns = c->coarse_ns = 0;
        memset(&c->busy, 0, sizeof c->busy);
        client_look(c);
        sample_take(c, &c->since);
        c->begin_ns = c->wait_from_ns = c->since.wall_ns;
    }
    errno = saved;
}

void aolani_step_end(void)
{
    struct client *c = &client;
    struct sample now;
    if (!client_is_on(c) || !c->in_step)
        return;
    int saved = errno;
    sample_take(c, &now);
    if (c->depth == 0 || c->coarse)
        busy_add(c, &now);
    if (c->depth > 0) {
        c->wait_ns += now.wall_ns - c->wait_from_ns;
        c->coarse_ns += c->coarse ? now.wall_ns - c->wait_from_ns : 0;
    }
    c->in_step = false;
    /* A child that inherited a step in progress must not end it for its parent. */
    if (!c->moved || getpid() == c->pid)
        record_push(c, now.wall_ns);
    errno = saved;
}

void aolani_wait_begin(void)
{
    struct client *c = &client;
    struct sample now;
    if (!client_is_on(c) || c->depth++ > 0 || !c->in_step)
        return;
    int saved = errno;
    uint64_t at = clock_ns(CLOCK_MONOTONIC);
    c->coarse = c->n_waits >= WAITS_FREE + (at - c->begin_ns) / WAIT_EVERY_NS;
    c->n_waits++;
    if (!c->coarse) {
        sample_take(c, &now);
        busy_add(c, &now);
        at = now.wall_ns;
    }
    c->wait_from_ns = at;
    errno = saved;
}

void aolani_wait_end(void)
{
    struct client *c = &client;
    if (!client_is_on(c) || c->depth == 0 || --c->depth > 0 || !c->in_step)
        return;
    int saved = errno;
    if (c->coarse) {
        uint64_t waited = clock_ns(CLOCK_MONOTONIC) - c->wait_from_ns;
        c->wait_ns += waited;
        c->coarse_ns += waited;
    } else {
        sample_take(c, &c->since);
        c->wait_ns += c->since.wall_ns - c->wait_from_ns;
    }
    c->coarse = false;
    errno = saved;
}

static void step_mark(uint16_t flags)
{
    struct client *c = &client;
    if (client_is_on(c) && c->in_step)
        c->kind |= flags;
}

void aolani_step_special(void)
{
    step_mark(STEPREC_SPECIAL);
}

void aolani_step_checkpoint(void)
{
    step_mark(STEPREC_SPECIAL | STEPREC_CHECKPOINT);
}

void aolani_step_evaluation(void)
{
    step_mark(STEPREC_SPECIAL | STEPREC_EVALUATION);
}

void aolani_step_waits_unknown(void)
{
    step_mark(STEPREC_HOST_PACED);
}

int aolani_stop_requested(void)
{
    struct client *c = &client;
    (void)client_is_on(c);
    return c->ring &&
           atomic_load_explicit(&c->ring->stop_requested, memory_order_relaxed) != 0;
}
