/* SPDX-License-Identifier: MIT */
/* links.c - which measurements are slow; see links.h. links_blame.c says whose fault. */
#include "launcher/audit/links.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/spread.h"

#define MANY     16u /* measurements, from which on their spread can be relied on */
#define SOME     6u
#define WIDE_BUT 8u /* one measurement in as many may be good, of a slow rail */
#define TRIP_LEAST \
    10000.0 /* ns more than usual: less is the scheduler's, not the link's */
#define BYTES_LEAST 2.5    /* MB/s less than usual: they are told in whole ones */
#define RDMA_LEAST  3000.0 /* ns; no scheduler is on that way */
/* Ends that share cores wait for each other, and for all others there. */
#define SHARED_LEAST  1e6 /* ns */
#define SHARED_FACTOR 12.0

static bool is_rdma(const Aolani__AuditPair *p)
{
    return p->transport && !strcmp(p->transport, "rdma");
}

/* What the numbers of a pair say of `a`: the cost of each aspect, 0 where not known. */
static double cost_of(const Aolani__AuditPair *p, enum links_aspect aspect)
{
    uint64_t v = aspect == LINKS_SENDS      ? p->there_mbytes
                 : aspect == LINKS_RECEIVES ? p->back_mbytes
                                            : p->p50_ns;
    if (v == 0)
        return 0;
    return aspect == LINKS_TRIPS ? (double)v : 1 / (double)v;
}

/* Measurements of one kind: of the bandwidth there and back, or of round trips. */
struct sample {
    double *x; /* costs */
    size_t n;
    double usual, limit;
};

static bool counts(const struct links *l, const struct audit_pair *p)
{
    return p->p && is_rdma(p->p) == l->rdma;
}

static void note_best(double *best, double cost)
{
    if (cost > 0 && (*best <= 0 || cost < *best))
        *best = cost;
}

static void take(struct sample *s, double *best, const struct links *l,
                 const struct audit_pair *p, enum links_aspect aspect)
{
    uint32_t rail = links_rail(l, p);
    double cost = cost_of(p->p, aspect);
    if (cost <= 0)
        return;
    s->x[s->n++] = cost;
    note_best(&best[p->a * l->n_rails + rail], cost);
    note_best(&best[p->b * l->n_rails + rail], cost);
}

/* A first cut by a factor alone keeps what is slow out of the spread. */
static void find_limit(struct sample *s, double first)
{
    double least = s->n >= MANY ? 1.3 : s->n >= SOME ? 2 : 3;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->x[i] < s->usual * first)
            s->x[n++] = log(s->x[i]);
    double median = spread_median(s->x, n);
    for (size_t i = 0; i < n; i++)
        s->x[i] = fabs(s->x[i] - median);
    double mads = SPREAD_MADS * 1.4826 * spread_median(s->x, n);
    /* The usual is of the best of each end; others lie around their own median. */
    double limit = exp(median + mads) / s->usual;
    s->limit = limit > least ? limit : least;
}

static int find_usual(const struct audit *a, const struct links *l, struct sample *s,
                      bool trips)
{
    size_t ends = a->n * l->n_rails, n = 0;
    double *best = calloc(ends ? ends : 1, sizeof *best);
    s->x = calloc(a->n_pairs * 2 + 1, sizeof *s->x);
    if (!best || !s->x) {
        free(best);
        return -ENOMEM;
    }
    for (size_t i = 0; i < a->n_pairs; i++) {
        if (!counts(l, &a->pairs[i]))
            continue;
        take(s, best, l, &a->pairs[i], trips ? LINKS_TRIPS : LINKS_SENDS);
        if (!trips)
            take(s, best, l, &a->pairs[i], LINKS_RECEIVES);
    }
    for (size_t i = 0; i < ends; i++)
        if (best[i] > 0)
            best[n++] = best[i];
    s->usual = spread_median(best, n);
    free(best);
    find_limit(s, trips ? 3 : 2);
    return 0;
}

static void mark(struct links_pair *p, enum links_aspect aspect, double factor)
{
    p->slow |= 1u << aspect;
    if (factor > p->factor)
        p->factor = factor;
}

static void weigh(struct links_pair *ret, const struct audit_pair *p,
                  enum links_aspect aspect, const struct sample *s, double least)
{
    double cost = cost_of(p->p, aspect);
    if (s->usual <= 0 || cost <= s->usual * s->limit || cost - s->usual <= least)
        return;
    if (aspect == LINKS_TRIPS || 1 / s->usual - 1 / cost > BYTES_LEAST)
        mark(ret, aspect, cost / s->usual);
}

static bool is_on_one_machine(const struct audit *a, const struct audit_pair *p)
{
    const char *x = a->nodes[p->a].machine, *y = a->nodes[p->b].machine;
    return x && y && x[0] && !strcmp(x, y);
}

static void judge_pair(const struct audit *a, const struct links *l,
                       const struct audit_pair *p, const struct sample *bytes,
                       const struct sample *trips, struct links_pair *ret)
{
    ret->factor = 1;
    if (!p->p) {
        /* Where none could be measured it is the way of all of them, and nobody's link. */
        if (l->any)
            mark(ret, LINKS_FAILED, 1e3);
        return;
    }
    if (is_rdma(p->p) != l->rdma) {
        if (l->rdma)
            mark(ret, LINKS_FALLBACK, 1e2);
        return;
    }
    bool shared = is_on_one_machine(a, p);
    double more = shared ? (SHARED_FACTOR - 1) * bytes->usual : 0;
    double ns = l->rdma ? RDMA_LEAST : shared ? SHARED_LEAST : TRIP_LEAST;
    weigh(ret, p, LINKS_SENDS, bytes, more);
    weigh(ret, p, LINKS_RECEIVES, bytes, more);
    weigh(ret, p, LINKS_TRIPS, trips, ns);
}

static bool most_by_rdma(const struct audit *a)
{
    size_t rdma = 0, other = 0;
    for (size_t i = 0; i < a->n_pairs; i++) {
        rdma += a->pairs[i].p && is_rdma(a->pairs[i].p);
        other += a->pairs[i].p && !is_rdma(a->pairs[i].p);
    }
    return rdma > other;
}

static bool any_measured(const struct audit *a)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].p)
            return true;
    return false;
}

static uint32_t count_rails(const struct audit *a)
{
    uint32_t n = 1;
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].rail >= n && a->pairs[i].rail < AUDIT_RAILS)
            n = a->pairs[i].rail + 1;
    return n;
}

uint32_t links_rail(const struct links *l, const struct audit_pair *p)
{
    return p->rail < l->n_rails ? p->rail : 0;
}

/* ---- a rail of all nodes */

struct rail {
    uint32_t slow, all;
    uint32_t
        both[2]; /* nodes that were in all of the slow ones so far; the same: one */
    bool alone;  /* there is one such node: it may be that one's fault */
    uint32_t shows;
};

static void count_on_rail(struct rail *r, const struct links *l,
                          const struct audit_pair *p, uint32_t i)
{
    r->all++;
    if (!l->pairs[i].slow)
        return;
    if (r->slow++ == 0) {
        *r = (struct rail){1, r->all, {p->a, p->b}, true, i};
        return;
    }
    for (int k = 0; k < 2; k++)
        if (r->both[k] != p->a && r->both[k] != p->b)
            r->both[k] = r->both[!k];
    r->alone = r->alone && (r->both[0] == p->a || r->both[0] == p->b);
    if (l->pairs[i].factor > l->pairs[r->shows].factor)
        r->shows = i;
}

static bool is_wide(const struct rail *r)
{
    return r->slow > 1 && !r->alone && (r->all - r->slow) * WIDE_BUT <= r->all;
}

/* Where all rails are, it is none of them. */
static void find_wide(const struct audit *a, struct links *l)
{
    struct rail rails[AUDIT_RAILS] = {{0}};
    uint32_t n = 0, wide = 0;
    for (uint32_t i = 0; i < a->n_pairs; i++)
        count_on_rail(&rails[links_rail(l, &a->pairs[i])], l, &a->pairs[i], i);
    for (uint32_t r = 0; r < l->n_rails; r++) {
        n += rails[r].all > 0 && !is_wide(&rails[r]);
        wide |= (uint32_t)is_wide(&rails[r]) << r;
    }
    if (n == 0 || wide == 0)
        return;
    l->wide = wide;
    for (uint32_t r = 0; r < l->n_rails; r++) {
        l->shows[r] = rails[r].shows;
        l->was[r] = l->pairs[rails[r].shows];
    }
    for (size_t i = 0; i < a->n_pairs; i++)
        if (wide >> links_rail(l, &a->pairs[i]) & 1)
            l->pairs[i] = (struct links_pair){0, 1};
}

int links_make(const struct audit *a, struct links *ret)
{
    struct sample bytes = {0}, trips = {0};
    struct links l = {.n = a->n_pairs, .rdma = most_by_rdma(a), .any = any_measured(a)};
    int rc = -ENOMEM;
    l.n_rails = l.rdma ? count_rails(a) : 1;
    l.pairs = calloc(l.n ? l.n : 1, sizeof *l.pairs);
    if (!l.pairs || find_usual(a, &l, &bytes, false) < 0 ||
        find_usual(a, &l, &trips, true) < 0)
        goto fail;
    for (size_t i = 0; i < l.n; i++)
        judge_pair(a, &l, &a->pairs[i], &bytes, &trips, &l.pairs[i]);
    find_wide(a, &l);
    l.mbytes = bytes.usual > 0 ? 1 / bytes.usual : 0;
    l.trip_ns = trips.usual;
    *ret = l;
    l.pairs = NULL;
    rc = 0;
fail:
    free(bytes.x);
    free(trips.x);
    links_fini(&l);
    return rc;
}

void links_fini(struct links *l)
{
    free(l->pairs);
    *l = (struct links){0};
}

enum links_aspect links_worst(unsigned slow)
{
    for (int k = LINKS_ASPECTS - 1; k > LINKS_TRIPS; k--)
        if (slow >> k & 1)
            return (enum links_aspect)k;
    for (int k = 0; k < LINKS_TRIPS; k++)
        if (slow >> k & 1)
            return (enum links_aspect)k;
    return LINKS_TRIPS;
}

unsigned links_seen_by(const struct audit_pair *p, unsigned slow, uint32_t x)
{
    unsigned sends = slow >> LINKS_SENDS & 1, receives = slow >> LINKS_RECEIVES & 1;
    if (p->a == x)
        return slow;
    return (slow & ~(1u << LINKS_SENDS | 1u << LINKS_RECEIVES)) |
           sends << LINKS_RECEIVES | receives << LINKS_SENDS;
}
