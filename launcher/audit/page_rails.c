/* SPDX-License-Identifier: MIT */
/* page_rails.c - what the NICs of the nodes have in common: from which to which the usual
 * bandwidth of the rails is, and for which there was no time. */
#include <stdio.h>
#include <string.h>

#include "launcher/audit/audit_page.h"
#include "launcher/audit/audit_units.h"
#include "launcher/audit/spread.h"

#define NAME 20u /* bytes of a NIC's */

static bool is_rdma(const struct audit_pair *x)
{
    return x->p && x->p->transport && !strcmp(x->p->transport, "rdma");
}

const char *page_rail_name(const struct audit *a, uint32_t rail)
{
    for (size_t i = 0; i < a->n; i++)
        if (rail < a->nodes[i].n_rails && a->nodes[i].rails[rail])
            return a->nodes[i].rails[rail];
    return "";
}

uint32_t page_rail_count(const struct audit *a)
{
    uint32_t most = 0;
    for (size_t i = 0; i < a->n; i++)
        most = a->nodes[i].n_rails > most ? a->nodes[i].n_rails : most;
    return most;
}

/* MB/s; 0: nothing was measured on it. */
static uint64_t usual_of(const struct audit *a, uint32_t rail, double *room)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_pairs; i++) {
        const Aolani__AuditPair *p = a->pairs[i].p;
        if (a->pairs[i].rail != rail || !is_rdma(&a->pairs[i]))
            continue;
        uint64_t v = p->there_mbytes;
        v = p->back_mbytes > 0 && p->back_mbytes < v ? p->back_mbytes : v;
        if (v > 0)
            room[n++] = (double)v;
    }
    return (uint64_t)(spread_median(room, n) + .5);
}

static bool was_tried(const struct audit *a, uint32_t rail)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].rail == rail)
            return true;
    return false;
}

static void page_missed(struct page *p, const struct audit *a, uint32_t n)
{
    char text[AUDIT_RAILS * (NAME + 2) + 160], name[NAME + 1];
    size_t at = 0;
    for (uint32_t r = 0; r < n; r++)
        if (!was_tried(a, r))
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s",
                                   at ? ", " : "no time was left for the rails ",
                                   page_clean(page_rail_name(a, r), name, NAME));
    if (at > 0)
        page_wrap(p, "  ", text);
}

static bool was_at(const struct audit *a, uint32_t node, uint32_t rail)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        if ((a->pairs[i].a == node || a->pairs[i].b == node) &&
            a->pairs[i].rail == rail)
            return true;
    return false;
}

static void page_fit(struct page *p, const struct audit *a, uint32_t n)
{
    size_t short_of = 0;
    for (uint32_t x = 0; x < a->n; x++) {
        bool all = true;
        for (uint32_t r = 0; r < a->nodes[x].n_rails && all; r++)
            all = !a->nodes[x].rails[r] || was_at(a, x, r);
        short_of += !all;
    }
    page_printf(p, "  %u of %u rails of a pair had time in a round, others in another",
                a->rails_fit, n);
    if (short_of > 0)
        page_printf(p, "; of %zu node%s not all", short_of, short_of > 1 ? "s" : "");
    page_printf(p, "\n");
}

void page_rails(struct page *p, const struct audit *a, double *room)
{
    char lo[UNIT_TEXT], hi[UNIT_TEXT], x[NAME + 1], y[NAME + 1], text[240];
    uint32_t n = page_rail_count(a), worst = 0, best = 0, known = 0;
    uint64_t usual[AUDIT_RAILS] = {0};
    if (n < 2 || a->n_pairs == 0)
        return;
    for (uint32_t r = 0; r < n; r++) {
        usual[r] = usual_of(a, r, room);
        worst = usual[r] > 0 && (known == 0 || usual[r] < usual[worst]) ? r : worst;
        best = usual[r] > 0 && (known == 0 || usual[r] > usual[best]) ? r : best;
        known += usual[r] > 0;
    }
    if (known == 0) {
        page_wrap(
            p, "  ",
            "by RDMA nothing could be measured; by TCP it was one address of each "
            "node, whichever of its NICs that leads to");
        return;
    }
    snprintf(text, sizeof text, "usual bandwidth of %u rails: from %s (%s) to %s (%s)",
             known, unit_mbytes(usual[worst], lo),
             page_clean(page_rail_name(a, worst), x, NAME),
             unit_mbytes(usual[best], hi),
             page_clean(page_rail_name(a, best), y, NAME));
    if (known > 1)
        page_wrap(p, "  ", text);
    if (a->rails_fit > 0)
        page_fit(p, a, n);
    page_missed(p, a, n);
}
