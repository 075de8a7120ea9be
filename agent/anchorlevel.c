/* SPDX-License-Identifier: MIT */
#include "agent/anchorlevel.h"

#include <math.h>

#define RATIOS_LEAST 3.0   /* periods, before anything is said of what is in them */
#define SHARES_LEAST 6.0   /* or of how often something is in them */
#define RIVALS_MOST  4096u /* periods: nobody has taken over */
#define RIVALS_LONE  65536u
#define EXACT_LEAST  0.6  /* of them with the same number of shorter ones in them */
#define PARTS_MOST   256u /* micro-batches in a step, where little tells of them */
#define LOG_EVERY    10u  /* people log every tenth step, machines have 8 parts */
#define MANY         16u /* calls; the same number in nearly all periods is no chance */
#define ALIKE_LEAST  0.9
#define YOUNG        24u   /* calls, before it has shown whether it takes over */
#define LONE_WAIT    64u   /* periods with hardly anything in them: layers look so */
#define PART_WAIT    64u   /* that may be parts of a step */
#define APART_WAIT   4096u /* of ranks that are never connected with all others */
#define LAYERS_MOST  512u
#define BULK         0.2 /* of all bytes that are reduced */
#define TAIL         0.002
#define GAPS_LEAST   0.18 /* of the time, to make a burst of what has others beside it */
#define UNCOVERED    0.22 /* of the time: evaluations take less */
#define STRETCH      0.75 /* of a part, for the optimizer */
#define STRETCH_EACH 0.1  /* and for what noise does to medians */

/* Whom those reach whose gradients are reduced, by the sizes of the communicators. UNKNOWN:
 * those are, or are larger than the job, whose ranks then are not NCCL's. */
enum reach { REACH_UNKNOWN, REACH_SOME, REACH_ALL };

/* What comes in each of the shorter periods (fast), and what only in the longer. */
struct contents {
    bool has_gaps;
    bool fast_reduces, fast_small, fast_all_reduces, fast_sends;
    enum reach fast_reach;
    bool slow_reduces, slow_small, slow_reduces_elsewhere;
    double fast_bytes, slow_bytes; /* reduced */
};

enum pace { RARE, SLOW, FAST };

static enum pace pace_of(const struct anchorviews *v, const struct anchorlevel *fast,
                         const struct anchorlevel *slow, const struct anchorsig *s)
{
    if (anchorviews_share(v, fast->view, s) > ANCHORVIEW_USUAL)
        return FAST;
    return anchorviews_share(v, slow->view, s) > ANCHORVIEW_USUAL ? SLOW : RARE;
}

static void add(struct contents *c, enum pace pace, const struct anchorsig *s)
{
    bool large = anchorsig_reduces(s), small = anchorsig_is_small(s);
    if (pace == FAST) {
        c->fast_reduces |= large;
        c->fast_small |= small;
        c->fast_sends |= s->sig.func == COLL_SEND || s->sig.func == COLL_RECV;
        c->fast_all_reduces |= large && s->sig.func == COLL_ALLREDUCE;
        c->fast_bytes += large ? s->bytes : 0;
    } else if (pace == SLOW) {
        c->slow_reduces |= large;
        c->slow_small |= small;
        c->slow_bytes += large ? s->bytes : 0;
    }
}

/* In which communicators the shorter periods reduce. */
struct comms {
    double share[ANCHORVIEW_COMMS]; /* of the periods */
    uint16_t ranks[ANCHORVIEW_COMMS];
};
enum what { GRADIENTS, ANYTHING };

static void note_comms(const struct anchorviews *v, const struct anchorlevel *fast,
                       enum what what, struct comms *ret)
{
    *ret = (struct comms){0};
    for (size_t i = 0; i < v->n_sigs; i++) {
        const struct anchorsig *s = &v->sigs[i];
        unsigned at = anchorviews_comm(s->comm);
        double share = 0;
        if (s->count > 0 && anchorsig_reduces(s))
            share = anchorviews_comm_share(v, fast->view, at);
        else if (s->count > 0 && what == ANYTHING && anchorsig_is_small(s))
            share = anchorviews_share(v, fast->view, s);
        if (share > 0)
            ret->ranks[at] = s->n_ranks;
        ret->share[at] = fmax(ret->share[at], share);
    }
}

static bool is_used(const struct comms *c, unsigned at)
{
    return c->share[at] > ANCHORVIEW_USUAL;
}

static unsigned count_used(const struct comms *c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ANCHORVIEW_COMMS; i++)
        n += is_used(c, i);
    return n;
}

static enum reach reach_of(const struct anchorviews *v, const struct anchorlevel *l,
                           enum what what)
{
    struct comms c;
    uint64_t ranks = 1;
    note_comms(v, l, what, &c);
    for (unsigned i = 0; i < ANCHORVIEW_COMMS; i++) {
        if (c.ranks[i] > v->world)
            return REACH_UNKNOWN;
        if (is_used(&c, i) && ranks < v->world)
            ranks *= c.ranks[i];
    }
    return ranks >= v->world ? REACH_ALL : REACH_SOME;
}

/* Are there large reductions of the slow kind in a communicator with none of the fast? */
static bool reduces_elsewhere(const struct anchorviews *v,
                              const struct anchorlevel *fast,
                              const struct anchorlevel *slow)
{
    struct comms used;
    note_comms(v, fast, GRADIENTS, &used);
    for (size_t i = 0; i < v->n_sigs; i++) {
        const struct anchorsig *s = &v->sigs[i];
        if (s->count == 0 || !anchorsig_reduces(s) || pace_of(v, fast, slow, s) != SLOW)
            continue;
        if (!is_used(&used, anchorviews_comm(s->comm)))
            return true;
    }
    return false;
}

static struct contents look(const struct anchorviews *v, const struct anchorlevel *fast,
                            const struct anchorlevel *slow)
{
    struct contents c = {0};
    for (size_t i = 0; i < v->n_sigs; i++)
        if (v->sigs[i].count > 0)
            add(&c, pace_of(v, fast, slow, &v->sigs[i]), &v->sigs[i]);
    c.fast_reach = c.fast_sends ? REACH_UNKNOWN : reach_of(v, fast, GRADIENTS);
    if (c.slow_reduces && c.fast_reach != REACH_ALL)
        c.slow_reduces_elsewhere = reduces_elsewhere(v, fast, slow);
    return c;
}

/* Does nothing that comes in each of them make it likely that they are steps? */
static bool is_bare(const struct contents *c, const struct anchorsig *fast)
{
    return fast->usual < ANCHORSIG_FEW || (!c->fast_small && !c->fast_all_reduces);
}

/* Layers, or buckets: they come in a burst, and the rest of the step is something else. If
 * they might be steps as well, with an evaluation after some, more is reduced after them
 * than its results. */
static bool is_burst(const struct contents *c, const struct anchorsig *fast,
                     const struct anchorsig *slow, uint32_t k)
{
    double covered = k * anchorsig_mean(fast) / slow->median;
    bool ends = c->slow_bytes >= TAIL * (c->slow_bytes + c->fast_bytes) ||
                (c->slow_small && !c->fast_small && k % LOG_EVERY != 0);
    return 1 - covered >= UNCOVERED && (is_bare(c, fast) || ends);
}

/* A few parts, all alike, and a small all-reduce after the last. */
static bool are_parts(const struct contents *c, const struct anchorsig *fast,
                      const struct anchorsig *slow, uint32_t k, double share)
{
    if (!c->slow_small || c->fast_small || c->fast_all_reduces)
        return false;
    if (k > PARTS_MOST || k % LOG_EVERY == 0 || share < ANCHORVIEW_USUAL)
        return false;
    double longer = slow->median / anchorsig_mean(fast) - k;
    return longer <= STRETCH + STRETCH_EACH * k;
}

static bool takes_over(const struct anchorviews *v, const struct anchorlevel *fast,
                       const struct anchorlevel *slow)
{
    double share, n;
    uint32_t k = anchorviews_ratio(v, fast->view, slow->view, &share, &n);
    if (n < RATIOS_LEAST)
        return false;
    if (reach_of(v, fast, ANYTHING) == REACH_SOME &&
        reach_of(v, slow, ANYTHING) == REACH_ALL)
        return true;
    if (share < EXACT_LEAST) /* one of them is no loop */
        return slow->rep->usual >= MANY &&
               slow->rep->tally.alike >= ALIKE_LEAST * slow->rep->tally.n;
    struct contents c = look(v, fast, slow);
    if (k == 0) /* not a part of it at all */
        return c.slow_reduces || !c.fast_reduces;
    if (c.slow_reduces && !c.fast_reduces)
        return true;
    if (c.slow_bytes >= BULK * (c.slow_bytes + c.fast_bytes) && c.slow_reduces)
        return true;
    return c.slow_reduces_elsewhere || is_burst(&c, fast->rep, slow->rep, k) ||
           are_parts(&c, fast->rep, slow->rep, k, share);
}

bool anchorlevel_is_known(const struct anchorviews *v, const struct anchorlevel *l,
                          size_t n)
{
    double share, seen;
    for (size_t i = 1; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            (void)anchorviews_ratio(v, l[k].view, l[i].view, &share, &seen);
            if (seen < RATIOS_LEAST)
                return false;
        }
    }
    return true;
}

/* Is it seen already that so many parts make no step? */
static bool are_no_parts(const struct anchorlevel *l, const struct anchorsig *s)
{
    if (s->n < 2 || s->n > ANCHORSIG_RING || l->rep->usual == 0)
        return false;
    uint32_t k = s->calls[s->n - 1] / l->rep->usual;
    uint32_t before = s->calls[s->n - 2] / l->rep->usual;
    return k == before && (k > PARTS_MOST || k % LOG_EVERY == 0);
}

/* Who could take over when more is known of it? What reduces gradients elsewhere could at
 * any age, if it is not of a former phase; others have shown it soon. What comes more often
 * than the level itself could not. */
static bool is_rival(const struct contents *c, const struct anchorlevel *l,
                     const struct anchorsig *s, const struct comms *used,
                     uint64_t now_ns)
{
    bool is_young = s->count < YOUNG, reduces = anchorsig_reduces(s);
    bool is_here = is_young || s->seen[l->view] > 0 ||
                   (double)(now_ns - s->last_ns) <= PART_WAIT * l->rep->median;
    bool small = anchorsig_is_small(s);
    bool ends = is_bare(c, l->rep) || reduces || (small && !c->fast_small);
    if (c->has_gaps && s->count > 1 && is_here && ends)
        return true;
    if (is_young && small)
        return !c->fast_small && !c->fast_all_reduces;
    bool is_elsewhere =
        c->fast_reach != REACH_ALL && !is_used(used, anchorviews_comm(s->comm));
    return reduces && is_here && (!c->fast_reduces || is_elsewhere);
}

static bool has_rival(const struct anchorviews *v, const struct anchorlevel *l,
                      const struct contents *c, uint64_t now_ns)
{
    struct comms used;
    note_comms(v, l, GRADIENTS, &used);
    bool is_inner = c->fast_sends || !c->fast_reduces || is_bare(c, l->rep);
    double recent = l->rep->median * (is_inner ? LAYERS_MOST : PARTS_MOST);
    for (size_t i = 0; i < v->n_sigs; i++) {
        const struct anchorsig *s = &v->sigs[i];
        bool is_live = s->count > 0 && s->count / 8 <= l->rep->count &&
                       now_ns >= s->last_ns && (double)(now_ns - s->last_ns) <= recent;
        bool is_over = anchorsig_is_small(s) && are_no_parts(l, s) && !c->has_gaps;
        if (is_live && !is_over && pace_of(v, l, l, s) != FAST &&
            is_rival(c, l, s, &used, now_ns))
            return true;
    }
    return false;
}

/* Have gradients been reduced, at any time, where they are not in its periods? */
static bool reduces_outside(const struct anchorviews *v, const struct anchorlevel *l)
{
    struct comms used;
    note_comms(v, l, GRADIENTS, &used);
    for (size_t i = 0; i < v->n_sigs; i++) {
        const struct anchorsig *s = &v->sigs[i];
        if (s->count > 0 && anchorsig_reduces(s) &&
            !is_used(&used, anchorviews_comm(s->comm)))
            return true;
    }
    return false;
}

/* Parts of a step have no norm; but neither has every program, and where all is reduced in
 * one communicator by all-reduces, as it is without shards, there are hardly parts. */
static bool may_be_part(const struct anchorviews *v, const struct anchorlevel *l,
                        const struct contents *c)
{
    struct comms used;
    note_comms(v, l, GRADIENTS, &used);
    return !c->fast_small &&
           (!c->fast_all_reduces || c->fast_sends || count_used(&used) > 1);
}

bool anchorlevel_is_early(const struct anchorviews *v, const struct anchorlevel *l,
                          uint64_t now_ns)
{
    struct contents c = look(v, l, l);
    const struct anchorsig_tally *t = &l->rep->tally;
    double covered = t->n * anchorsig_mean(l->rep);
    bool is_apart = !c.fast_sends && reach_of(v, l, ANYTHING) == REACH_SOME;
    uint32_t wait = l->rep->usual < ANCHORSIG_FEW ? LONE_WAIT : 0;
    uint32_t most = is_bare(&c, l->rep) ? RIVALS_LONE : RIVALS_MOST;
    double gaps = t->time - fmin(covered, t->alike_time);
    c.has_gaps = gaps >= GAPS_LEAST * t->time;
    double looks = SHARES_LEAST;
    if (is_apart) {
        wait = APART_WAIT;
    } else if (may_be_part(v, l, &c)) {
        wait += PART_WAIT;
        looks = PART_WAIT / 2;
    }
    if (v->view[l->view].n < looks || l->rep->count < wait ||
        (!c.fast_reduces && !c.fast_small) || (is_apart && reduces_outside(v, l)))
        return true;
    return l->rep->count < most && has_rival(v, l, &c, now_ns);
}

size_t anchorlevel_step(const struct anchorviews *v, const struct anchorlevel *l,
                        size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (takes_over(v, &l[at], &l[i]))
            at = i;
    return at;
}
