/* SPDX-License-Identifier: MIT */
/* attribute_charge.c - late steps wait in line for what their nodes say of that time, and
 * are then charged to rank and mechanism. The line keeps its order, so that what is told
 * does not depend on how the nodes' messages interleave. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/attribute_impl.h"

/* ---- blame, by rank and mechanism */

static size_t slot_of(const struct attribute *a, uint32_t rank, enum mechanism what)
{
    uint32_t h = (rank * (uint32_t)MECH_N + (uint32_t)what) * 2654435761u;
    size_t i = (h >> 8) & (a->max_blames - 1);
    while (a->blames[i].rank != UINT32_MAX &&
           (a->blames[i].rank != rank || a->blames[i].what != what))
        i = (i + 1) & (a->max_blames - 1);
    return i;
}

static bool blames_grow(struct attribute *a)
{
    size_t max = a->max_blames ? 2 * a->max_blames : ATTRIBUTE_TOP;
    struct blame *old = a->blames, *blames = malloc(max * sizeof *blames);
    size_t n = a->max_blames;
    if (!blames)
        return false;
    for (size_t i = 0; i < max; i++)
        blames[i].rank = UINT32_MAX;
    a->blames = blames;
    a->max_blames = max;
    for (size_t i = 0; i < n; i++)
        if (old[i].rank != UINT32_MAX)
            a->blames[slot_of(a, old[i].rank, old[i].what)] = old[i];
    free(old);
    return true;
}

/* NULL: there are too many; the totals are right nevertheless. */
static struct blame *blame_of(struct attribute *a, uint32_t rank, enum mechanism what,
                              uint32_t step)
{
    bool full = a->n_blames * 4 >= a->max_blames * 3;
    if (full && (a->max_blames >= ATTRIBUTE_BLAMES || !blames_grow(a)) &&
        a->n_blames + 1 >= a->max_blames)
        return NULL;
    struct blame *b = &a->blames[slot_of(a, rank, what)];
    if (b->rank == UINT32_MAX) {
        *b = (struct blame){.rank = rank, .what = what, .first_step = step};
        a->n_blames++;
    }
    b->last_step = step;
    return b;
}

static void blame(struct attribute *a, const struct charge *c, const struct excess *x)
{
    int top = 0;
    for (int i = 1; i < MECH_N; i++)
        top = x->part[i] > x->part[top] ? i : top;
    for (int i = 0; i < MECH_N; i++) {
        struct blame *b = x->part[i] > 0
                              ? blame_of(a, c->r.rank, (enum mechanism)i, c->r.step)
                              : NULL;
        if (!b)
            continue;
        b->steps += i == top;
        b->excess_us += x->part[i];
        b->loss_us += c->loss_us * x->part[i] / x->us;
    }
}

static bool is_worse(const struct blame *a, const struct blame *b)
{
    if (a->loss_us != b->loss_us)
        return a->loss_us > b->loss_us;
    if (a->excess_us != b->excess_us)
        return a->excess_us > b->excess_us;
    return a->rank != b->rank ? a->rank < b->rank : a->what < b->what;
}

static int compare_blame(const void *a, const void *b)
{
    return is_worse(a, b) ? -1 : is_worse(b, a);
}

void charge_top(struct attribute *a)
{
    size_t n = 0, worst = 0;
    for (size_t i = 0; i < a->max_blames; i++) {
        const struct blame *b = &a->blames[i];
        if (b->rank == UINT32_MAX)
            continue;
        if (n < ATTRIBUTE_TOP)
            a->top[n++] = *b;
        else if (is_worse(b, &a->top[worst]))
            a->top[worst] = *b;
        else
            continue;
        if (n < ATTRIBUTE_TOP)
            continue;
        worst = 0;
        for (size_t j = 1; j < n; j++)
            worst = is_worse(&a->top[worst], &a->top[j]) ? j : worst;
    }
    qsort(a->top, n, sizeof *a->top, compare_blame);
}

/* ---- one late step */

static void look(const struct attribute *a, uint32_t rank, uint32_t wall_us,
                 uint64_t end_ns, struct signals_seen *ret)
{
    uint32_t node = 0;
    const char *cpus = NULL, *gpu = NULL, *nic = NULL;
    uint64_t wall_ns = (uint64_t)wall_us * 1000;
    signals_nothing(ret);
    ret->covered = true; /* there is nothing to wait for */
    if (!a->signals || !a->ops.where)
        return;
    a->ops.where(a->ops.arg, rank, &node, &cpus, &gpu, &nic);
    signals_over(a->signals, node, end_ns > wall_ns ? end_ns - wall_ns : 0, end_ns,
                 cpus, gpu, nic, ret);
}

/* Power limits slow all GPUs down alike; only what is more than another one's is a cause of
 * being later than it. */
static void less_peer(const struct attribute *a, const struct charge *c,
                      struct signals_seen *seen)
{
    struct signals_seen peer;
    if (!c->has_peer || !(seen->gpu_throttle > 0))
        return;
    look(a, c->peer, c->peer_wall, c->peer_end_ns, &peer);
    if (peer.gpu_throttle > 0)
        seen->gpu_throttle = fmax(seen->gpu_throttle - peer.gpu_throttle, 0);
}

static void charge_culprit(struct attribute *a, const struct charge *c,
                           const struct excess *x)
{
    struct culprit told = {
        .rank = c->r.rank,
        .step = c->r.step,
        .attempt = c->attempt,
        .t_end_ns = c->r.t_end_ns,
        .busy_us = steprec_busy_us(&c->r),
        .usual_us = (uint32_t)fmin(fmax(c->usual.busy + 0.5, 0), UINT32_MAX),
        .loss_us = c->loss_us,
        .excess = *x,
    };
    struct attributed *k = &a->ranks[c->r.rank];
    struct spell *s = spell_of(a, c->r.rank, c->attempt, c->r.step);
    for (int i = 0; i < MECH_N; i++)
        a->loss_us[i] += c->loss_us * x->part[i] / x->us;
    blame(a, c, x);
    if (s) {
        s->steps++;
        s->excess_us += x->us;
        s->loss_us += c->loss_us;
        for (int i = 0; i < MECH_N; i++)
            s->part[i] += x->part[i];
    } else if (c->attempt == a->attempt && c->r.step >= k->cusum.left) {
        toll_add(&k->toll, x, c->loss_us);
    }
    if (a->ops.culprit)
        a->ops.culprit(a->ops.arg, &told);
}

static void charge_now(struct attribute *a, const struct charge *c,
                       struct signals_seen *seen)
{
    struct excess x;
    if (c->kind == CHARGE_SPELL) {
        spell_tell(a, c);
        return;
    }
    less_peer(a, c, seen);
    excess_split(&c->r, c->excess_us, &c->usual, seen, &x);
    if (c->kind == CHARGE_CULPRIT)
        charge_culprit(a, c, &x);
    else if (c->kind == CHARGE_SMALL)
        small_charge(a, c, &x);
    else
        for (int i = 0; i < MECH_N; i++)
            a->common_us[i] += x.part[i];
}

void charge_settle(struct attribute *a, uint64_t now_ms, bool all)
{
    while (a->n_queue > 0) {
        struct charge *c = &a->queue[a->head];
        struct signals_seen seen;
        signals_nothing(&seen);
        if (c->kind != CHARGE_SPELL)
            look(a, c->r.rank, c->r.wall_us, c->r.t_end_ns, &seen);
        if (c->kind != CHARGE_SPELL && !seen.covered && !all && now_ms < c->deadline_ms)
            return;
        struct charge copy = *c; /* being told may come back to here */
        a->head = (a->head + 1) % ATTRIBUTE_QUEUE;
        a->n_queue--;
        charge_now(a, &copy, &seen);
    }
}

void charge_add(struct attribute *a, const struct charge *c, uint64_t now_ms)
{
    if (a->n_queue == ATTRIBUTE_QUEUE) {
        a->queue[a->head].deadline_ms = 0;
        charge_settle(a, now_ms, false);
    }
    a->queue[(a->head + a->n_queue++) % ATTRIBUTE_QUEUE] = *c;
}
