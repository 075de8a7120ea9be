/* SPDX-License-Identifier: MIT */
/* compare_links.c - says whose links are slow, and between whom; links.h finds them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_units.h"
#include "launcher/audit/links.h"
#include "launcher/audit/spread.h"

#define WHY  120 /* bytes of a node's own words */
#define NAME 40  /* of the name of a NIC */

struct words {
    char text[400];
};

/* ---- which NICs */

static const char *name_of(const struct audit *a, uint32_t x, uint32_t rail)
{
    const struct audit_node *n = &a->nodes[x];
    return rail < n->n_rails && n->rails[rail] ? n->rails[rail] : "";
}

/* " mlx5_3", of a pair where they differ " mlx5_3 to mlx5_5"; "" where there is one rail, or
 * where it is all of them. */
static void say_name(const struct audit *a, const struct links *l,
                     const struct links_blame *b, char *ret, size_t len)
{
    const char *x = name_of(a, b->a, b->rail), *y = name_of(a, b->b, b->rail);
    bool one = b->rails == 1 && (b->all_rails > 1 || b->aspect != LINKS_FAILED);
    ret[0] = '\0';
    if (l->n_rails > 1 && one && *x)
        (void)snprintf(ret, len, " %.*s%s%.*s", NAME, x, strcmp(x, y) ? " to " : "",
                       NAME, strcmp(x, y) ? y : "");
}

static double speed_of(const struct audit_pair *p)
{
    uint64_t there = p->p ? p->p->there_mbytes : 0, back = p->p ? p->p->back_mbytes : 0;
    return (double)(there < back || back == 0 ? there : back);
}

/* The median of those that are not slow: of x on other rails, or of others on this one. */
static uint64_t usual_of(const struct audit *a, const struct links *l, uint32_t x,
                         uint32_t rail, bool own, double *room)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct audit_pair *p = &a->pairs[i];
        bool is_own = p->a == x || p->b == x, same = links_rail(l, p) == rail;
        if (is_own == own && same != own && l->pairs[i].slow == 0 &&
            !(l->wide >> links_rail(l, p) & 1) && speed_of(p) > 0)
            room[n++] = speed_of(p);
    }
    return (uint64_t)(spread_median(room, n) + .5);
}

/* What it is compared with. Of one NIC among several: the same of others, and its others. */
static int say_others(const struct audit *a, const struct links *l,
                      const struct links_blame *b, char *ret, size_t len)
{
    char usual[UNIT_TEXT], own[UNIT_TEXT];
    (void)snprintf(ret, len, "others %s",
                   unit_mbytes((uint64_t)(l->mbytes + .5), usual));
    if (l->n_rails < 2 || b->rails > 1 || b->whose == LINKS_OF_RAIL)
        return 0;
    double *room = calloc(l->n + 1, sizeof *room);
    if (!room)
        return -ENOMEM;
    uint64_t same = usual_of(a, l, b->a, b->rail, false, room);
    uint64_t other = usual_of(a, l, b->a, b->rail, true, room);
    free(room);
    (void)unit_mbytes(same, usual);
    (void)unit_mbytes(other, own);
    if (same > 0 && other > 0)
        (void)snprintf(ret, len, "other %.*s links %s, its other NICs %s", NAME,
                       name_of(a, b->a, b->rail), usual, own);
    else if (other > 0)
        (void)snprintf(ret, len, "its other NICs %s", own);
    return 0;
}

/* ---- what is wrong */

static unsigned slow_of(const struct links *l, const struct links_blame *b)
{
    return b->whose == LINKS_OF_RAIL ? l->was[b->rail].slow : l->pairs[b->pair].slow;
}

static int say_bytes(const struct audit *a, const struct links *l,
                     const struct links_blame *b, const char *name, struct words *w)
{
    char here[UNIT_TEXT], others[200];
    const struct audit_pair *p = &a->pairs[b->pair];
    unsigned seen = links_seen_by(p, slow_of(l, b), b->a);
    bool out = seen >> LINKS_SENDS & 1, in = seen >> LINKS_RECEIVES & 1;
    uint64_t there = p->a == b->a ? p->p->there_mbytes : p->p->back_mbytes;
    uint64_t back = p->a == b->a ? p->p->back_mbytes : p->p->there_mbytes;
    uint64_t v = b->aspect == LINKS_SENDS ? there : back;
    bool both = (out && in) || b->whose == LINKS_OF_RAIL;
    const char *verb = both                       ? "runs at"
                       : b->aspect == LINKS_SENDS ? "sends at"
                                                  : "receives at";
    int rc = say_others(a, l, b, others, sizeof others);
    if (both)
        v = there < back ? there : back;
    (void)snprintf(w->text, sizeof w->text, "link%s %s %s (%s)", name, verb,
                   unit_mbytes(v, here), others);
    return rc;
}

static int say_blame(const struct audit *a, const struct links *l,
                     const struct links_blame *b, struct words *w)
{
    const struct audit_pair *p = &a->pairs[b->pair];
    char here[UNIT_TEXT], others[UNIT_TEXT], name[2 * NAME + 8];
    say_name(a, l, b, name, sizeof name);
    const char *of = *name ? "link" : "", *gap = *name ? " " : "";
    switch (b->aspect) {
    case LINKS_FAILED:
        (void)snprintf(w->text, sizeof w->text, "%s%s%snothing could be measured%s%.*s",
                       of, name, gap, p->error && *p->error ? ": " : "", WHY,
                       p->error ? p->error : "");
        break;
    case LINKS_FALLBACK:
        (void)snprintf(w->text, sizeof w->text,
                       "%s%s%sruns over TCP (others RDMA)%s%.*s", of, name, gap,
                       p->p->note && *p->p->note ? ": " : "", WHY,
                       p->p->note ? p->p->note : "");
        break;
    case LINKS_TRIPS:
        (void)snprintf(w->text, sizeof w->text, "%s%s%sround trips take %s (others %s)",
                       of, name, *name ? ": " : "", unit_ns(p->p->p50_ns, here),
                       unit_ns((uint64_t)l->trip_ns, others));
        break;
    default:
        return say_bytes(a, l, b, name, w);
    }
    return 0;
}

static uint32_t count_named(const struct audit *a, uint32_t x)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < a->nodes[x].n_rails; r++)
        n += a->nodes[x].rails[r] != NULL;
    return n;
}

/* ", on all 8 rails" */
static void say_rails(const struct audit *a, const struct links_blame *b, char *ret,
                      size_t len)
{
    ret[0] = '\0';
    if (b->rails < 2 || b->aspect == LINKS_FAILED)
        return;
    if (b->rails == b->all_rails)
        (void)snprintf(ret, len, ", on all %u rails%s", b->rails,
                       b->rails < count_named(a, b->a) ? " measured" : "");
    else
        (void)snprintf(ret, len, ", on %u of %u rails, the worst %.*s", b->rails,
                       b->all_rails, NAME, name_of(a, b->a, b->rail));
}

/* Of a pair that is slow one way the sender comes first. */
static int say_pair(struct audit *a, const struct links *l, const struct links_blame *b)
{
    struct links_blame turned = *b;
    struct words w;
    char rails[NAME + 60];
    if (b->aspect == LINKS_RECEIVES) {
        turned.a = b->b;
        turned.b = b->a;
        turned.aspect = LINKS_SENDS;
    }
    int rc = say_blame(a, l, &turned, &w);
    say_rails(a, &turned, rails, sizeof rails);
    return rc < 0 ? rc
                  : audit_remark(a, REMARK_PAIR, turned.a, turned.b, "%s%s%s", w.text,
                                 rails, b->all == 1 ? ", measured once" : "");
}

static int say_rail(struct audit *a, const struct links *l, const struct links_blame *b)
{
    struct links_blame nameless = *b;
    struct words w;
    nameless.rails = l->n_rails;
    int rc = say_blame(a, l, &nameless, &w);
    return rc < 0 ? rc
                  : audit_remark(a, REMARK_RAIL, b->a, b->a, "rail %.*s: all nodes: %s",
                                 NAME, name_of(a, b->a, b->rail), w.text);
}

/* With whom the node was slow. */
static int count_partners(const struct audit *a, const struct links *l,
                          const struct links_blame *b, uint32_t *ret)
{
    bool *seen = calloc(a->n + 1, sizeof *seen);
    *ret = 0;
    if (!seen)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        const struct audit_pair *p = &a->pairs[i];
        uint32_t other = p->a == b->a ? p->b : p->a;
        if ((p->a != b->a && p->b != b->a) || seen[other] || !l->pairs[i].slow ||
            (b->rails == 1 && links_rail(l, p) != b->rail))
            continue;
        seen[other] = true;
        ++*ret;
    }
    free(seen);
    return 0;
}

static int say_one(struct audit *a, const struct links *l, const struct links_blame *b)
{
    struct words w;
    char rails[NAME + 60];
    if (b->whose == LINKS_OF_PAIR)
        return say_pair(a, l, b);
    if (b->whose == LINKS_OF_RAIL)
        return say_rail(a, l, b);
    uint32_t partners;
    int rc = say_blame(a, l, b, &w);
    rc = rc < 0 ? rc : count_partners(a, l, b, &partners);
    say_rails(a, b, rails, sizeof rails);
    return rc < 0 ? rc
                  : audit_remark(a, REMARK_LINK, b->a, b->a, "%s%s, with %u partners",
                                 w.text, rails, partners);
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
