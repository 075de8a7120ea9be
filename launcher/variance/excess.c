/* SPDX-License-Identifier: MIT */
/* excess.c - what was measured fills the excess first, then what can only be inferred.
 *
 * Three kinds of time are kept apart, because each has causes of its own: time that the
 * rank was runnable and did not run, time that it waited, and CPU time. Of time that it
 * waited a page read from disk, an error on a link or a throttled GPU is the cause where
 * there is evidence of one, and being blocked the symptom. Errors on a link never explain
 * CPU time, and a node's lower memory bandwidth explains nothing else. */
#include "launcher/variance/excess.h"

#include <math.h>

#define FAULT_NS 500.0 /* of a page fault, where no probe has said */
/* A probe's faults take pages that it has just freed, and the quickest count: the least. A
 * burst takes cold ones and gives them back, for about twice as much. */
#define FAULT_BURST    2.0
#define STEAL_HIGH     0.05 /* share of a CPU: then it may hide behind a voluntary switch */
#define GPU_HIGH       0.05 /* share of the time that a GPU was slowed down */
#define MEMORY_LOW     0.9  /* bandwidth against the usual */
#define MOSTLY         0.1  /* of the excess: less of something is as good as none */
#define SECOND_US      1e6  /* what signals speak of at least */
#define FAULT_SWITCHES 1.5  /* switches that a page read from disk may take */

struct split {
    const struct steprec *r;
    const struct excess_usual *u;
    const struct signals_seen *seen;
    struct excess *x;
    double left;    /* not yet explained */
    double host;    /* measured in all, even beyond the excess */
    double blocked; /* above the usual */
    double cpu;     /* above the usual, and not yet explained */
    double gpu;     /* slowed down, and not yet charged */
};

static double above(double v, double usual)
{
    double d = v - (isfinite(usual) ? usual : 0);
    return d > 0 ? d : 0;
}

/* Returns what was taken. */
static double take(struct split *s, enum mechanism m, double us)
{
    double part = fmin(us, s->left);
    if (!(part > 0))
        return 0;
    s->x->part[m] += part;
    s->left -= part;
    return part;
}

static void take_measured(struct split *s, enum mechanism m, double us)
{
    s->host += us;
    (void)take(s, m, us);
}

static double seen_or(double v, double unknown)
{
    return isfinite(v) ? v : unknown;
}

static void not_running(struct split *s)
{
    const struct steprec *r = s->r;
    double delay = (double)r->rundelay_us - r->throttled_us;
    take_measured(s, MECH_THROTTLED, above(r->throttled_us, s->u->throttled));
    take_measured(s, MECH_PREEMPTED,
                  above(delay, fmax(s->u->rundelay - s->u->throttled, 0)));
    take_measured(s, MECH_STOLEN, above(r->stolen_us, s->u->stolen));
}

/* A thread that sleeps once in a step lets all time that was taken from it in that step
 * look like sleep. It was not sleep where the rank did not sleep more often than usual and
 * the hypervisor took as much at the time. */
static bool is_hidden_steal(const struct split *s)
{
    double steal = seen_or(s->seen->steal, 0);
    double taken = steal * fmax(SECOND_US, s->r->wall_us);
    if (s->r->flags & STEPREC_SAMPLED) /* how often it slept is not known */
        return false;
    return s->r->nvcsw <= s->u->nvcsw + 0.5 && steal >= STEAL_HIGH &&
           taken >= s->blocked;
}

static bool is_page_read(const struct split *s)
{
    double faults = above(s->r->majflt, s->u->majflt);
    return faults > 0 && above(s->r->nvcsw, s->u->nvcsw) <= FAULT_SWITCHES * faults;
}

static double gpu_throttled(const struct split *s)
{
    double share = seen_or(s->seen->gpu_throttle, 0);
    double seen = share >= GPU_HIGH ? share * s->r->wall_us : 0;
    return fmax(seen, s->r->gpu_throttle_us);
}

static void waiting(struct split *s)
{
    double blocked = s->blocked;
    if (s->r->flags & STEPREC_STOPPED) {
        take_measured(s, MECH_STOPPED, blocked);
    } else if (is_hidden_steal(s)) {
        take_measured(s, MECH_STOLEN, blocked);
    } else if (is_page_read(s)) {
        take_measured(s, MECH_FAULTS, blocked);
    } else {
        double gpu = fmin(s->gpu, blocked);
        s->gpu -= gpu;
        (void)take(s, MECH_GPU, gpu);
        if (s->seen->link_errors > 0)
            (void)take(s, MECH_LINK, blocked - gpu);
        else
            take_measured(s, MECH_BLOCKED, blocked - gpu);
    }
}

static void working(struct split *s)
{
    double us = s->x->us;
    double outside = s->x->part[MECH_PREEMPTED] + s->x->part[MECH_STOLEN];
    double count = above(s->r->minflt16 * 16.0, s->u->faults);
    double ns = seen_or(s->seen->fault_ns, 0) > 0 ? s->seen->fault_ns : FAULT_NS;
    double faults = fmin(count * ns * FAULT_BURST / 1000, s->cpu);
    s->host += s->cpu;
    s->cpu -= faults;
    (void)take(s, MECH_FAULTS, faults);
    /* A rank that spins until its GPU is ready has more CPU time, too. */
    s->cpu -= fmin(s->cpu, take(s, MECH_GPU, s->gpu));
    if (seen_or(s->seen->memory_ratio, 1) < MEMORY_LOW && outside <= MOSTLY * us)
        (void)take(s, MECH_MEMORY, s->cpu);
    else
        (void)take(s, MECH_WORK, s->cpu);
}

/* The client library speaks for programs without a GPU, too. */
static bool is_of_gpu(const struct split *s)
{
    return s->r->source == STEPREC_NCCL || s->r->source == STEPREC_FLOW ||
           s->r->flags & STEPREC_HOST_PACED || isfinite(s->seen->gpu_mhz);
}

/* In a step that its program did not mark a host that waits for its GPU may spin, which looks
 * like work, and what was sampled is of one thread: so what is left is not the GPU's by
 * elimination. */
static bool is_blind(const struct split *s)
{
    return !steprec_is_marked(s->r) && s->r->flags & STEPREC_PARTIAL;
}

static void left_over(struct split *s)
{
    if (!is_of_gpu(s) || (is_blind(s) && s->seen->link_errors == 0))
        (void)take(s, MECH_UNKNOWN, s->left);
    else if (s->seen->link_errors > 0)
        (void)take(s, MECH_LINK, s->left);
    else
        (void)take(s, MECH_GPU_SLOW, s->left);
}

enum mechanism excess_class(const double part[MECH_N], double us)
{
    int top = MECH_UNKNOWN;
    if (!(us > 0))
        return MECH_UNKNOWN;
    for (int i = 0; i < MECH_N; i++)
        if (part[i] > part[top])
            top = i;
    return part[top] >= 0.5 * us * (1 - 1e-9) ? (enum mechanism)top : MECH_MIXED;
}

void excess_split(const struct steprec *r, double excess_us,
                  const struct excess_usual *u, const struct signals_seen *seen,
                  struct excess *ret)
{
    *ret = (struct excess){.us = isfinite(excess_us) && excess_us > 0 ? excess_us : 0};
    struct split s = {.r = r, .u = u, .seen = seen, .x = ret, .left = ret->us};
    s.blocked = above(r->blocked_us, u->blocked);
    s.cpu = above(r->cpu_us, u->cpu);
    s.gpu = gpu_throttled(&s);
    not_running(&s);
    waiting(&s);
    working(&s);
    left_over(&s);
    /* Of a GPU that had work queued up, a stall of the host is only seen when the queue
     * ran dry. */
    ret->hidden = (r->source == STEPREC_NCCL || r->flags & STEPREC_HOST_PACED) &&
                  s.host > ret->us * (1 + MOSTLY) + 1;
    ret->what = excess_class(ret->part, ret->us);
}
