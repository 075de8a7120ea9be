/* SPDX-License-Identifier: MIT */
/* steps.c - records in, statistics out.
 *
 * A record counts twice, independently: in its rank's own statistics, always, and in the
 * step that all ranks make together, where it is compared with the others. So a record
 * that comes too late for its step, or whose step never became whole, is lost for the
 * comparison alone. A rank whose step number does not rise has been restarted; its steps
 * then belong to its next attempt and are never mixed with the first one's.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/steps.h"
#include "launcher/variance/stepwindow.h"

#define CLOSE_AFTER_MS 2000
#define RECENT         128  /* steps that the live line speaks of */
#define JOB_PRECISION  7    /* 0.39 % */
#define SMALL_WORLD    256u /* ranks with histograms as fine as the job's */
#define RANK_PRECISION 5    /* 1.56 %, 10 KiB a rank */
#define SLOW_PERCENT   105  /* of the median: a rank counts as slowest above it */
#define LOG_CHANCE     6.9  /* -ln 0.001: how often alike ranks may seem to differ */
#define STANDS_FOR     64u  /* steps like it that one compared step may speak for */

struct rank {
    bool known; /* has reported, and has histograms */
    uint32_t attempt, last_step, warm;
    uint64_t n, dropped, loss_sum, slowest_n;
    uint64_t busy_sum, wait_sum, cpu_sum, rundelay_sum, throttled_sum, blocked_sum,
        stolen_sum;
    uint64_t paced_sum; /* of wall, in which it is not known yet what was waiting */
    struct hist wall, busy, wait;
    double mean, m2; /* Welford's, of wall */
};

struct recent {
    uint32_t step, t, loss, median, lead;
    int32_t slowest;
    uint64_t charged, lead_end_ns;
    bool counted;
};

struct steps {
    struct steps_ops ops;
    uint32_t world_size, warmup, n_known;
    uint32_t attempt; /* the latest of any rank */
    struct rank *ranks;
    struct stepwindow window;
    uint32_t *scratch; /* world_size */
    struct hist t;
    uint64_t closed, special, uncompared, loss_sum;
    uint64_t paced_sum; /* of t, since a step was compared */
    double loss_squares;
    struct recent recent[RECENT];
    uint64_t n_recent; /* ever */
    uint64_t now_ms;
    uint32_t told_attempt; /* of the step that was told of last */
    uint64_t told_next;    /* one more than its last whole step */
    uint64_t
        done_before; /* the same of the attempts before it, whichever got farthest */
};

int steps_create(uint32_t world_size, uint32_t warmup, const struct steps_ops *ops,
                 struct steps **ret)
{
    struct steps *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->world_size = world_size;
    s->warmup = warmup;
    if (ops)
        s->ops = *ops;
    s->ranks = calloc(world_size, sizeof *s->ranks);
    s->scratch = calloc(world_size, sizeof *s->scratch);
    if (!s->ranks || !s->scratch || stepwindow_init(&s->window, world_size) < 0 ||
        hist_init(&s->t, JOB_PRECISION) < 0) {
        steps_destroy(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void steps_destroy(struct steps *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->ranks && i < s->world_size; i++) {
        hist_fini(&s->ranks[i].wall);
        hist_fini(&s->ranks[i].busy);
        hist_fini(&s->ranks[i].wait);
    }
    stepwindow_fini(&s->window);
    hist_fini(&s->t);
    free(s->ranks);
    free(s->scratch);
    free(s);
}

/* ---- one rank */

/* Histograms come with the first record: most of a large job's memory, and a job that
 * marks no steps needs none of it. */
static bool rank_is_ready(struct steps *s, struct rank *k)
{
    unsigned p = s->world_size <= SMALL_WORLD ? JOB_PRECISION : RANK_PRECISION;
    if (k->known)
        return true;
    if (hist_init(&k->wall, p) < 0 || hist_init(&k->busy, p) < 0 ||
        hist_init(&k->wait, p) < 0) {
        hist_fini(&k->wall);
        hist_fini(&k->busy);
        hist_fini(&k->wait);
        return false;
    }
    k->known = true;
    s->n_known++;
    return true;
}

/* The part of `of` that is like `part` of `whole`: no more than STANDS_FOR of them. */
static uint64_t as_much(uint64_t of, uint32_t part, uint32_t whole)
{
    uint64_t most = (uint64_t)whole * STANDS_FOR;
    double share = whole > 0 ? (double)part / whole : 0;
    return (uint64_t)((double)(of < most ? of : most) * share);
}

static void rank_count_wait(struct rank *k, const struct steprec *r)
{
    uint32_t busy = steprec_busy_us(r);
    uint64_t waited = as_much(k->paced_sum, r->wait_us, r->wall_us);
    waited = waited < k->paced_sum ? waited : k->paced_sum;
    hist_add(&k->busy, busy);
    hist_add(&k->wait, r->wait_us);
    k->busy_sum += busy + (k->paced_sum - waited);
    k->wait_sum += r->wait_us + waited;
    k->paced_sum = 0;
}

static void rank_count(struct rank *k, const struct steprec *r)
{
    hist_add(&k->wall, r->wall_us);
    k->n++;
    if (r->flags & STEPREC_HOST_PACED)
        k->paced_sum += r->wall_us;
    else
        rank_count_wait(k, r);
    k->cpu_sum += r->cpu_us;
    k->rundelay_sum += r->rundelay_us;
    k->throttled_sum += r->throttled_us;
    k->blocked_sum += r->blocked_us;
    k->stolen_sum += r->stolen_us;
    double d = r->wall_us - k->mean;
    k->mean += d / (double)k->n;
    k->m2 += d * (r->wall_us - k->mean);
}

static void rank_restart(struct steps *s, struct rank *k, uint32_t attempt)
{
    k->attempt = attempt;
    k->warm = 0;
    if (attempt > s->attempt)
        s->attempt = attempt;
}

static uint64_t key_of(const struct rank *k, uint32_t step)
{
    return (uint64_t)k->attempt << 32 | step;
}

/* ---- one step of all ranks */

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t median_busy(struct steps *s, const struct open_step *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->world_size; i++)
        if (o->busy[i] != STEP_ABSENT)
            s->scratch[n++] = o->busy[i];
    qsort(s->scratch, n, sizeof *s->scratch, compare_u32);
    return s->scratch[(n - 1) / 2];
}

/* Charge the straggler loss. */
static void charge(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    uint32_t top = 0, busy = 0;
    c->median = median_busy(s, o);
    for (uint32_t i = 0; i < s->world_size; i++) {
        if (o->busy[i] != STEP_ABSENT && o->busy[i] > busy) {
            top = i;
            busy = o->busy[i];
        }
    }
    if (busy <= c->median)
        return;
    c->loss = busy - c->median;
    c->charged = c->loss + as_much(s->paced_sum, c->loss, c->t);
    c->slowest = (int32_t)top;
    s->loss_sum += c->charged;
    s->loss_squares += (double)c->charged * (double)c->charged;
    s->ranks[top].loss_sum += c->charged;
    if ((uint64_t)busy * 100 > (uint64_t)c->median * SLOW_PERCENT)
        s->ranks[top].slowest_n++;
}

/* Of the ranks that mark steps at all: one that never does is not waited for. */
static bool has_enough(const struct steps *s, uint32_t n)
{
    return (uint64_t)n * 10 >= (uint64_t)s->n_known * 9;
}

/* That what a rank slept was waiting for others nobody has said; see steps.h. */
static bool is_doubtful(const struct steps *s, const struct open_step *o)
{
    const struct steprec *top = &o->late[0];
    if (o->c.n_late == 0 || top->source != STEPREC_LOG)
        return false;
    return (uint64_t)o->c.n_compared * 10 < (uint64_t)s->world_size * 9 ||
           (uint64_t)steprec_busy_us(top) * 2 < o->c.t;
}

static void step_close(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    open_step_close(o, s->world_size, has_enough(s, c->n_compared));
    c->enough = has_enough(s, c->n);
    if (!c->enough)
        return; /* the slowest rank may be among those that are missing */
    if (c->flags & STEPREC_SPECIAL) {
        s->special++;
    } else if (!c->warming) {
        c->counted = true;
        c->paced = c->paced || is_doubtful(s, o);
        if (!c->paced)
            charge(s, o);
        s->paced_sum = c->paced ? s->paced_sum + c->t : 0;
        s->uncompared += c->paced;
        hist_add(&s->t, c->t);
        s->closed++;
    }
    s->recent[s->n_recent++ % RECENT] = (struct recent){.step = c->step,
                                                        .t = c->t,
                                                        .loss = c->loss,
                                                        .charged = c->charged,
                                                        .median = c->median,
                                                        .lead = c->lead,
                                                        .lead_end_ns = c->lead_end_ns,
                                                        .slowest = c->slowest,
                                                        .counted = c->counted};
}

/* Steps are closed when their ranks are there, and told of in order. */
static void step_tell(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    if (c->attempt != s->told_attempt) {
        s->done_before = s->told_next > s->done_before ? s->told_next : s->done_before;
        s->told_next = 0;
        s->told_attempt = c->attempt;
    }
    c->repeated = c->step < s->done_before;
    if (c->enough)
        s->told_next = (uint64_t)c->step + 1;
    c->now_ms = s->now_ms;
    c->busy = o->busy;
    c->late = o->late;
    if (s->ops.closed)
        s->ops.closed(s->ops.arg, c);
}

static void tell_and_trim(struct steps *s)
{
    for (size_t i = 0; i < s->window.n && s->window.at[i]->closed; i++)
        step_tell(s, s->window.at[i]);
    stepwindow_trim(&s->window);
}

/* A rank's records come in order: nobody reports a step from before one that all have
 * reported. */
static void close_older(struct steps *s, const struct open_step *than)
{
    for (size_t i = 0; i < s->window.n && s->window.at[i] != than; i++)
        if (!s->window.at[i]->closed)
            step_close(s, s->window.at[i]);
}

/* Too many ranks have gone on without it. */
static bool is_hopeless(const struct steps *s, const struct open_step *o)
{
    uint32_t n = o->c.n;
    for (uint32_t i = 0; i < s->world_size; i++)
        n += s->ranks[i].known && key_of(&s->ranks[i], s->ranks[i].last_step) < o->key;
    return !has_enough(s, n);
}

static struct open_step *step_of(struct steps *s, struct rank *k, uint32_t step,
                                 uint64_t now_ms)
{
    if (k->attempt < s->attempt && key_of(k, step) < s->window.floor) {
        /* Its restart did not show, because its last records were lost. */
        rank_restart(s, k, s->attempt);
    }
    if (stepwindow_is_full(&s->window)) {
        step_close(s, s->window.at[0]);
        tell_and_trim(s);
    }
    struct open_step *o = stepwindow_get(&s->window, key_of(k, step), now_ms);
    return o && !o->closed ? o : NULL;
}

void steps_done_before(struct steps *s, uint64_t step)
{
    s->done_before = step;
}

void steps_add(struct steps *s, const struct steprec *r, uint64_t now_ms)
{
    if (r->rank >= s->world_size)
        return;
    struct rank *k = &s->ranks[r->rank];
    s->now_ms = now_ms;
    bool was_known = k->known;
    if (!rank_is_ready(s, k))
        return;
    if (was_known && r->step <= k->last_step)
        rank_restart(s, k, k->attempt + 1);
    k->last_step = r->step;
    struct open_step *o = step_of(s, k, r->step, now_ms);
    bool warming = k->warm < s->warmup;
    k->warm += warming;
    if (!warming && !(r->flags & STEPREC_SPECIAL)) {
        rank_count(k, r);
        if (s->ops.record)
            s->ops.record(s->ops.arg, r, k->attempt);
    }
    if (!o)
        return;
    open_step_add(o, r, warming);
    if (o->c.n == s->world_size) {
        step_close(s, o);
        close_older(s, o);
        tell_and_trim(s);
    }
}

void steps_dropped(struct steps *s, uint32_t rank, uint64_t dropped)
{
    if (rank < s->world_size && dropped > s->ranks[rank].dropped)
        s->ranks[rank].dropped = dropped;
}

void steps_tick(struct steps *s, uint64_t now_ms)
{
    bool before = true; /* all of those before are closed */
    s->now_ms = now_ms;
    for (size_t i = 0; i < s->window.n; i++) {
        struct open_step *o = s->window.at[i];
        if (!o->closed && now_ms >= o->first_ms + CLOSE_AFTER_MS &&
            (has_enough(s, o->c.n) || (before && is_hopeless(s, o))))
            step_close(s, o);
        before = before && o->closed;
    }
    tell_and_trim(s);
}

void steps_finish(struct steps *s)
{
    for (size_t i = 0; i < s->window.n; i++)
        if (!s->window.at[i]->closed)
            step_close(s, s->window.at[i]);
    tell_and_trim(s);
}

/* ---- what it comes to */

static double recent_rate(const struct recent *first, const struct recent *last,
                          size_t n, uint64_t t_sum)
{
    /* The ends of one rank's steps on one clock say it best. */
    if (n > 1 && first->lead == last->lead && last->lead_end_ns > first->lead_end_ns)
        return (double)(n - 1) * 1e9 / (double)(last->lead_end_ns - first->lead_end_ns);
    return t_sum > 0 ? (double)n * 1e6 / (double)t_sum : 0;
}

/* The losses of some steps, and how they fell on the ranks. */
struct losses {
    uint64_t top, next, all; /* of the rank charged most, of the one after it */
    double squares;          /* sum of the squares of the steps' losses */
    uint64_t t_sum;          /* the time of these steps */
};

/* Hoeffding's bound on a weighted sum of independent draws, for any of the ranks: it holds
 * for losses of any distribution, a few long pauses too, where counting or a normal
 * approximation would not. */
static bool is_no_chance(const struct losses *l, uint32_t world_size)
{
    double over = (double)l->top / (double)l->all - 1.0 / world_size;
    double n = (double)l->all * (double)l->all / l->squares; /* as many equal losses */
    return 2 * over * over * n > LOG_CHANCE + log(world_size);
}

static bool stands_out(const struct losses *l, uint32_t world_size)
{
    return l->top * 2 > l->all && l->top > l->next * 2 && l->top * 50 > l->t_sum &&
           is_no_chance(l, world_size);
}

static void losses_take(struct losses *l, uint64_t loss)
{
    if (loss > l->top) {
        l->next = l->top;
        l->top = loss;
    } else if (loss > l->next) {
        l->next = loss;
    }
}

/* The rank that stands out in the recent steps, if any does. */
static void recent_slowest(const struct recent *c, size_t n, uint32_t world_size,
                           uint64_t t_sum, struct steps_now *ret)
{
    struct losses l = {.t_sum = t_sum};
    ret->slowest_rank = -1;
    for (size_t i = 0; i < n; i++) {
        uint64_t loss = 0, median = 0, charged = 0, top = l.top;
        bool seen = c[i].slowest < 0;
        l.all += c[i].charged;
        l.squares += (double)c[i].charged * (double)c[i].charged;
        for (size_t j = 0; j < i && !seen; j++)
            seen = c[j].slowest == c[i].slowest;
        for (size_t j = i; j < n && !seen; j++) {
            if (c[j].slowest != c[i].slowest)
                continue;
            loss += c[j].loss;
            median += c[j].median;
            charged += c[j].charged;
        }
        losses_take(&l, charged);
        if (l.top == top)
            continue;
        ret->slowest_rank = c[i].slowest;
        ret->slowest_percent = median ? 100.0 * (double)loss / (double)median : 0;
    }
    if (!stands_out(&l, world_size))
        ret->slowest_rank = -1;
}

void steps_now(const struct steps *s, struct steps_now *ret)
{
    size_t n = s->n_recent < RECENT ? (size_t)s->n_recent : RECENT, timed = 0;
    uint32_t t[RECENT];
    uint64_t t_sum = 0;
    *ret = (struct steps_now){.closed = s->n_recent, .slowest_rank = -1};
    if (n == 0)
        return;
    const struct recent *last = &s->recent[(s->n_recent - 1) % RECENT];
    const struct recent *first = &s->recent[(s->n_recent - n) % RECENT];
    for (size_t i = 0; i < n; i++) {
        t_sum += s->recent[i].t;
        if (s->recent[i].counted || s->closed == 0)
            t[timed++] = s->recent[i].t;
    }
    ret->step = last->step;
    ret->rate = recent_rate(first, last, n, t_sum);
    recent_slowest(s->recent, n, s->world_size, t_sum, ret);
    if (timed == 0)
        return;
    qsort(t, timed, sizeof *t, compare_u32);
    ret->p50 = t[(timed - 1) / 2];
    ret->p99 = t[(timed * 99 + 99) / 100 - 1];
}

static bool is_uncompared(const struct steps *s)
{
    return s->closed > 0 && s->uncompared == s->closed;
}

void steps_job(const struct steps *s, struct steps_job *ret)
{
    *ret = (struct steps_job){
        .closed = s->closed,
        .special = s->special,
        .uncompared = s->uncompared,
        .p50 = hist_quantile(&s->t, 0.5),
        .p90 = hist_quantile(&s->t, 0.9),
        .p99 = hist_quantile(&s->t, 0.99),
        .max = s->t.count ? s->t.max : 0,
        .t_sum = s->t.sum,
        .loss_sum = is_uncompared(s) ? STEPS_UNKNOWN : s->loss_sum,
    };
}

void steps_rank(const struct steps *s, uint32_t rank, struct steps_rank *ret)
{
    *ret = (struct steps_rank){.rank = rank};
    if (rank >= s->world_size)
        return;
    const struct rank *k = &s->ranks[rank];
    ret->dropped = k->dropped;
    ret->last_step = k->last_step;
    if (k->n == 0)
        return;
    ret->n = k->n;
    ret->p50 = hist_quantile(&k->wall, 0.5);
    ret->p90 = hist_quantile(&k->wall, 0.9);
    ret->p99 = hist_quantile(&k->wall, 0.99);
    ret->max = k->wall.max;
    ret->mean = k->mean;
    ret->cv = k->mean > 0 ? sqrt(k->m2 / (double)k->n) / k->mean : 0;
    bool known = k->wait.count > 0;
    ret->busy_p50 = known ? hist_quantile(&k->busy, 0.5) : STEPS_UNKNOWN;
    ret->wait_p50 = known ? hist_quantile(&k->wait, 0.5) : STEPS_UNKNOWN;
    ret->busy_sum = known ? k->busy_sum + k->paced_sum : STEPS_UNKNOWN;
    ret->wait_sum = known ? k->wait_sum : STEPS_UNKNOWN;
    ret->wall_sum = k->wall.sum;
    ret->cpu_sum = k->cpu_sum;
    ret->rundelay_sum = k->rundelay_sum;
    ret->throttled_sum = k->throttled_sum;
    ret->blocked_sum = k->blocked_sum;
    ret->stolen_sum = k->stolen_sum;
    known = known && !is_uncompared(s);
    ret->loss_sum = known ? k->loss_sum : STEPS_UNKNOWN;
    ret->slowest_n = known ? k->slowest_n : STEPS_UNKNOWN;
}

int32_t steps_culprit(const struct steps *s)
{
    struct losses l = {
        .all = s->loss_sum, .squares = s->loss_squares, .t_sum = s->t.sum};
    int32_t rank = -1;
    for (uint32_t i = 0; i < s->world_size; i++) {
        if (s->ranks[i].loss_sum > l.top)
            rank = (int32_t)i;
        losses_take(&l, s->ranks[i].loss_sum);
    }
    return stands_out(&l, s->world_size) ? rank : -1;
}
