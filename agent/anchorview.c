/* SPDX-License-Identifier: MIT */
#include "agent/anchorview.h"

#include <math.h>
#include <string.h>

#define PERIODS_MOST 512.0
#define RATIOS_MOST  64.0

void anchorviews_init(struct anchorviews *v, struct anchorsig *sigs, size_t n_sigs)
{
    *v = (struct anchorviews){.sigs = sigs, .n_sigs = n_sigs};
    for (unsigned i = 0; i < ANCHORSIG_VIEWS; i++)
        v->view[i].who = ANCHORVIEW_NOBODY;
}

void anchorviews_set(struct anchorviews *v, unsigned at, size_t who)
{
    v->view[at] = (struct anchorview){.who = who};
    memset(v->view[at].comm_stamp, 0xff, sizeof v->view[at].comm_stamp);
    for (unsigned i = 0; i < ANCHORSIG_VIEWS; i++) {
        v->view[at].mark[i] = v->view[i].id;
        v->view[i].ratio[at] = (struct anchorview_ratio){0};
        v->view[i].mark[at] = 0;
    }
    for (size_t i = 0; i < v->n_sigs; i++) {
        v->sigs[i].seen[at] = 0;
        v->sigs[i].stamp[at] = UINT32_MAX;
    }
}

/* Boyer's and Moore's. */
static void vote(struct anchorview_ratio *r, uint32_t k)
{
    if (r->votes == 0 && k != r->k)
        *r = (struct anchorview_ratio){.k = k, .n = r->n};
    r->votes = k == r->k ? r->votes + 1 : r->votes - 1;
    r->same += k == r->k;
    r->n += 1;
    if (r->n >= RATIOS_MOST) {
        r->n /= 2;
        r->same /= 2;
        r->votes /= 2;
    }
}

static void end_period(struct anchorviews *v, unsigned at)
{
    struct anchorview *w = &v->view[at];
    for (unsigned i = 0; i < ANCHORSIG_VIEWS; i++) {
        if (i != at && w->n > 0)
            vote(&w->ratio[i], v->view[i].id - w->mark[i]);
        w->mark[i] = v->view[i].id;
    }
    w->id++;
    w->n += 1;
    if (w->n < PERIODS_MOST)
        return;
    w->n /= 2;
    for (size_t i = 0; i < v->n_sigs; i++)
        v->sigs[i].seen[at] /= 2;
    for (unsigned i = 0; i < ANCHORVIEW_COMMS; i++)
        w->comm_seen[i] /= 2;
}

unsigned anchorviews_comm(uint64_t comm)
{
    return (unsigned)(comm * 0x9e3779b97f4a7c15u >> 56);
}

static void see_comm(struct anchorview *w, unsigned comm)
{
    if (w->comm_stamp[comm] != w->id && w->n > 0)
        w->comm_seen[comm]++;
    w->comm_stamp[comm] = w->id;
}

void anchorviews_call(struct anchorviews *v, size_t who)
{
    struct anchorsig *s = &v->sigs[who];
    for (unsigned i = 0; i < ANCHORSIG_VIEWS; i++) {
        struct anchorview *w = &v->view[i];
        if (w->who == who)
            end_period(v, i);
        if (s->stamp[i] != w->id && w->n > 0)
            s->seen[i]++;
        s->stamp[i] = w->id;
        if (anchorsig_reduces(s))
            see_comm(w, anchorviews_comm(s->comm));
    }
}

double anchorviews_share(const struct anchorviews *v, unsigned at,
                         const struct anchorsig *s)
{
    return v->view[at].n > 0 ? fmin(1, s->seen[at] / v->view[at].n) : 0;
}

double anchorviews_comm_share(const struct anchorviews *v, unsigned at, unsigned comm)
{
    const struct anchorview *w = &v->view[at];
    return w->n > 0 ? fmin(1, w->comm_seen[comm] / w->n) : 0;
}

uint32_t anchorviews_ratio(const struct anchorviews *v, unsigned fast, unsigned slow,
                           double *ret_share, double *ret_n)
{
    const struct anchorview_ratio *r = &v->view[slow].ratio[fast];
    *ret_n = r->n;
    *ret_share = r->n > 0 ? r->same / r->n : 0;
    return r->k;
}
