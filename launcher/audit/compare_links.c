/* SPDX-License-Identifier: MIT */
/* compare_links.c - says whose links are slow, and between whom; links.h finds them. */
#include <stdio.h>
#include <stdlib.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_units.h"
#include "launcher/audit/links.h"

#define WHY 120 /* bytes of a node's own words */

struct words {
    char text[320];
};

static void say_bytes(const struct links *l, const struct links_blame *b,
                      const struct audit_pair *p, struct words *w)
{
    char here[UNIT_TEXT], others[UNIT_TEXT];
    unsigned seen = links_seen_by(p, l->pairs[b->pair].slow, b->a);
    bool out = seen >> LINKS_SENDS & 1, in = seen >> LINKS_RECEIVES & 1;
    uint64_t there = p->a == b->a ? p->p->there_mbytes : p->p->back_mbytes;
    uint64_t back = p->a == b->a ? p->p->back_mbytes : p->p->there_mbytes;
    uint64_t v = b->aspect == LINKS_SENDS ? there : back;
    const char *verb = out && in                  ? "runs at"
                       : b->aspect == LINKS_SENDS ? "sends at"
                                                  : "receives at";
    if (out && in)
        v = there < back ? there : back;
    snprintf(w->text, sizeof w->text, "link %s %s (others %s)", verb,
             unit_mbytes(v, here), unit_mbytes((uint64_t)(l->mbytes + .5), others));
}

static void say_blame(const struct audit *a, const struct links *l,
                      const struct links_blame *b, struct words *w)
{
    const struct audit_pair *p = &a->pairs[b->pair];
    char here[UNIT_TEXT], others[UNIT_TEXT];
    switch (b->aspect) {
    case LINKS_FAILED:
        snprintf(w->text, sizeof w->text, "nothing could be measured%s%.*s",
                 p->error && *p->error ? ": " : "", WHY, p->error ? p->error : "");
        break;
    case LINKS_FALLBACK:
        snprintf(w->text, sizeof w->text, "runs over TCP (others RDMA)%s%.*s",
                 p->p->note && *p->p->note ? ": " : "", WHY,
                 p->p->note ? p->p->note : "");
        break;
    case LINKS_TRIPS:
        snprintf(w->text, sizeof w->text, "round trips take %s (others %s)",
                 unit_ns(p->p->p50_ns, here), unit_ns((uint64_t)l->trip_ns, others));
        break;
    default:
        say_bytes(l, b, p, w);
    }
}

/* Of a pair that is slow one way the sender comes first. */
static int say_pair(struct audit *a, const struct links *l, const struct links_blame *b)
{
    struct links_blame turned = *b;
    struct words w;
    if (b->aspect == LINKS_RECEIVES) {
        turned.a = b->b;
        turned.b = b->a;
        turned.aspect = LINKS_SENDS;
    }
    say_blame(a, l, &turned, &w);
    return audit_remark(a, REMARK_PAIR, turned.a, turned.b, "%s%s", w.text,
                        b->all == 1 ? ", measured once" : "");
}

static int say_one(struct audit *a, const struct links *l, const struct links_blame *b)
{
    struct words w;
    if (b->is_pair)
        return say_pair(a, l, b);
    say_blame(a, l, b, &w);
    return audit_remark(a, REMARK_LINK, b->a, b->a, "%s, with %u partners", w.text,
                        b->slow);
}

int compare_links(struct audit *a, const bool *noisy)
{
    struct links l;
    struct links_blame *blame = NULL;
    size_t n = 0;
    int rc = links_make(a, &l);
    if (rc < 0)
        return rc;
    rc = links_blame(a, &l, noisy, &blame, &n);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = say_one(a, &l, &blame[i]);
    free(blame);
    links_fini(&l);
    return rc;
}
