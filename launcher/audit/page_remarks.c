/* SPDX-License-Identifier: MIT */
/* page_remarks.c - what stands out, what earlier audits found of it, and what nobody could
 * see. Nodes of which the same is to be said are named together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_judge.h"
#include "launcher/audit/audit_page.h"

#define OF_A_KIND 20u  /* lines */
#define OF_A_NODE 6u   /* of them, where there are more: it shall not hide the others */
#define TEXT      400u /* bytes of one */
#define WORDS     80u  /* of what would tell more */

static const char *const heads[REMARK_KINDS] = {
    [REMARK_DIFFERS] = "Unlike the rest",
    [REMARK_NOISY] = "Noisy: CPUs that do not run the job all of the time",
    [REMARK_MEMORY] = "Slow memory",
    [REMARK_GPU] = "Slow copies to and from GPUs",
    [REMARK_RAIL] = "Slow rails: the same NIC of all nodes, so look at its switch",
    [REMARK_LINK] = "Slow links: with whomever they were measured",
    [REMARK_PAIR] = "Slow pairs",
};

/* ---- what stands out */

struct same { /* a remark, and where it was said first */
    const struct audit_remark *r;
    size_t first, at;
};

static int by_text(const void *x, const void *y)
{
    const struct same *p = x, *q = y;
    int c = strcmp(p->r->text, q->r->text);
    return c ? c : (p->at > q->at) - (p->at < q->at);
}

static int by_first(const void *x, const void *y)
{
    const struct same *p = x, *q = y;
    if (p->first != q->first)
        return p->first > q->first ? 1 : -1;
    return (p->r->a > q->r->a) - (p->r->a < q->r->a);
}

static void page_same(struct page *p, const struct audit *a, const struct same *s,
                      size_t n, uint32_t *nodes)
{
    char text[TEXT + 1], pair[TEXT + 300];
    const struct audit_remark *r = s->r;
    page_clean(r->text, text, TEXT);
    for (size_t i = 0; i < n; i++)
        nodes[i] = s[i].r->a;
    if (r->kind == REMARK_RAIL) {
        page_wrap(p, "  ", text);
        return;
    }
    if (r->kind != REMARK_PAIR) {
        page_hosts(p, a, "  ", nodes, n, text);
        return;
    }
    char here[121], other[121];
    snprintf(pair, sizeof pair, "%s and %s: %s",
             page_clean(a->nodes[r->a].host, here, 120),
             page_clean(a->nodes[r->b].host, other, 120), text);
    page_wrap(p, "  ", pair);
}

static size_t run_of(const struct same *s, size_t from, size_t n)
{
    size_t k = from + 1;
    while (k < n && s[k].first == s[from].first && s[k].r->kind != REMARK_PAIR)
        k++;
    return k;
}

static bool met_other(const struct audit *a, uint32_t x, uint32_t than)
{
    for (size_t i = 0; i < a->n_pairs; i++) {
        const struct audit_pair *p = &a->pairs[i];
        if (p->p && ((p->a == x && p->b != than) || (p->b == x && p->a != than)))
            return true;
    }
    return false;
}

/* Of two nodes alone, or where the others were lost, nobody knows whose fault it is. */
static bool all_met_others(const struct audit *a, const struct same *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!met_other(a, s[i].r->a, s[i].r->b) || !met_other(a, s[i].r->b, s[i].r->a))
            return false;
    return true;
}

static size_t count_runs(const struct same *s, size_t n)
{
    size_t runs = 0;
    for (size_t i = 0; i < n; i = run_of(s, i, n))
        runs++;
    return runs;
}

static void page_runs(struct page *p, const struct audit *a, const struct same *s,
                      size_t n, uint32_t *nodes)
{
    uint32_t *of_node = calloc(a->n, sizeof *of_node);
    size_t lines = 0, left = 0;
    bool all = count_runs(s, n) <= OF_A_KIND;
    if (!of_node) {
        p->rc = p->rc ? p->rc : -ENOMEM;
        return;
    }
    for (size_t i = 0, end; i < n; i = end) {
        end = run_of(s, i, n);
        if (lines < OF_A_KIND && (all || of_node[s[i].r->a]++ < OF_A_NODE)) {
            page_same(p, a, s + i, end - i, nodes);
            lines++;
        } else {
            left += end - i;
        }
    }
    if (left > 0)
        page_printf(p, "  and %zu more (--json has all)\n", left);
    free(of_node);
}

static void page_kind(struct page *p, const struct audit *a, struct same *s, size_t n,
                      uint32_t *nodes)
{
    qsort(s, n, sizeof *s, by_text);
    for (size_t k = 0; k < n; k++)
        s[k].first =
            k > 0 && !strcmp(s[k - 1].r->text, s[k].r->text) ? s[k - 1].first : s[k].at;
    qsort(s, n, sizeof *s, by_first);
    bool fast = s->r->kind == REMARK_PAIR && all_met_others(a, s, n);
    page_printf(p, "%s%s\n", heads[s->r->kind],
                fast ? ": each of the two is fast with others" : "");
    page_runs(p, a, s, n, nodes);
}

/* Only of what at least two have is it known that nobody stands out. */
static const char *nothing_stands_out(const struct audit *a)
{
    size_t found = 0, measured = 0, pairs = 0;
    for (size_t i = 0; i < a->n; i++) {
        found += a->nodes[i].found != NULL;
        measured += a->nodes[i].measured != NULL;
    }
    for (size_t i = 0; i < a->n_pairs; i++)
        pairs += a->pairs[i].p != NULL;
    if (found < 2)
        return NULL;
    if (measured < 2)
        return pairs > 0 ? "No node is unlike the rest, and no link or pair stands out."
                         : "No node is unlike the rest; nothing was measured.";
    return pairs > 0 ? "No node, link or pair stands out."
                     : "No node stands out; no pair was measured.";
}

void page_remarks(struct page *p, const struct audit *a)
{
    struct same *s = calloc(a->n_remarks + 1, sizeof *s);
    uint32_t *nodes = calloc(a->n_remarks + 1, sizeof *nodes);
    if (!s || !nodes)
        p->rc = p->rc ? p->rc : -ENOMEM;
    else if (a->n_remarks == 0 && nothing_stands_out(a))
        page_printf(p, "\n%s\n", nothing_stands_out(a));
    else if (a->n_remarks > 0) {
        page_printf(p, "\nWhat stands out\n\n");
        for (size_t i = 0, end; i < a->n_remarks; i = end) {
            for (end = i;
                 end < a->n_remarks && a->remarks[end].kind == a->remarks[i].kind;
                 end++)
                s[end] = (struct same){.r = &a->remarks[end], .at = end};
            page_kind(p, a, s + i, end - i, nodes);
        }
    }
    free(s);
    free(nodes);
}

/* ---- earlier audits */

static const char *const pasts[REMARK_KINDS] = {
    [REMARK_DIFFERS] = "unlike the rest", [REMARK_NOISY] = "noisy",
    [REMARK_MEMORY] = "slow memory",      [REMARK_GPU] = "slow copies to or from GPUs",
    [REMARK_RAIL] = "slow rail",          [REMARK_LINK] = "slow link",
    [REMARK_PAIR] = "in a slow pair",
};

static bool could_see_now(const struct audit *a, uint32_t x, enum audit_remark_kind k)
{
    if (k == REMARK_DIFFERS)
        return a->nodes[x].found;
    if (k != REMARK_LINK && k != REMARK_PAIR)
        return a->nodes[x].measured;
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].a == x || a->pairs[i].b == x)
            return true;
    return false;
}

static void page_past_of(struct page *p, const struct audit *a, uint32_t x,
                         enum audit_remark_kind k, bool now)
{
    const struct audit_past *past = &a->past[x];
    uint32_t of = past->of[k] + could_see_now(a, x, k), with = past->with[k] + now;
    char text[160];
    snprintf(text, sizeof text, "%s in %u of the last %u audits%s", pasts[k], with, of,
             now ? ", this one among them" : "");
    page_hosts(p, a, "  ", &x, 1, text);
}

void page_past(struct page *p, const struct audit *a)
{
    bool *now = calloc((a->n ? a->n : 1) * REMARK_KINDS, sizeof *now);
    unsigned lines = 0;
    if (!now)
        p->rc = p->rc ? p->rc : -ENOMEM;
    for (size_t i = 0; now && i < a->n_remarks; i++) {
        if (a->remarks[i].kind == REMARK_RAIL) /* of no node */
            continue;
        now[a->remarks[i].a * REMARK_KINDS + a->remarks[i].kind] = true;
        now[a->remarks[i].b * REMARK_KINDS + a->remarks[i].kind] = true;
    }
    for (uint32_t x = 0; now && a->past && x < a->n; x++)
        for (int k = 0; k < REMARK_KINDS; k++) {
            if (a->past[x].with[k] + now[x * REMARK_KINDS + (uint32_t)k] < 2)
                continue;
            if (lines++ == 0)
                page_printf(p, "\nEarlier audits\n");
            if (lines <= 2 * OF_A_KIND)
                page_past_of(p, a, x, (enum audit_remark_kind)k,
                             now[x * REMARK_KINDS + (uint32_t)k]);
        }
    if (lines > 2 * OF_A_KIND)
        page_printf(p, "  and %u more (--json has all)\n", lines - 2 * OF_A_KIND);
    free(now);
}

/* ---- what could not be seen */

struct unseen {
    char more[WORDS + 1];
    bool of[AUDIT_N_PROBES];
};

static size_t find_more(struct unseen *list, size_t n, size_t most, const char *more)
{
    size_t i = 0;
    while (i < n && strcmp(list[i].more, more) != 0)
        i++;
    return i < most ? i : most;
}

static void page_more(struct page *p, const struct unseen *u)
{
    char text[AUDIT_N_PROBES * 80 + WORDS + 16];
    size_t at = (size_t)snprintf(text, sizeof text, "%s", u->more);
    const char *between = ": ";
    for (int i = 0; i < AUDIT_N_PROBES && at < sizeof text; i++) {
        if (!u->of[i])
            continue;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", between,
                               audit_probe_info((enum audit_probe)i)->title);
        between = "; ";
    }
    page_wrap(p, "  ", text);
}

static void note_more(struct unseen *list, size_t *n, size_t most, const char *more,
                      enum audit_probe i)
{
    char clean[WORDS + 1];
    size_t k = find_more(list, *n, most, page_clean(more, clean, WORDS));
    if (k == most)
        return;
    if (k == *n) {
        list[(*n)++] = (struct unseen){.of = {false}};
        memcpy(list[k].more, clean, sizeof clean);
    }
    list[k].of[i] = true;
}

void page_unseen(struct page *p, const struct audit *a)
{
    enum { MOST = 12 };
    struct unseen list[MOST];
    size_t n = 0;
    for (size_t x = 0; x < a->n; x++)
        for (int i = 0; i < AUDIT_N_PROBES; i++) {
            const struct audit_node *node = &a->nodes[x];
            const Aolani__AuditFinding *f = audit_finding(node, (enum audit_probe)i);
            if (f && f->more && *f->more &&
                judge_probe(node, (enum audit_probe)i) == AUDIT_UNKNOWN)
                note_more(list, &n, MOST, f->more, (enum audit_probe)i);
        }
    if (n > 0)
        page_printf(p, "\nNot seen, and what would tell more\n");
    for (size_t k = 0; k < n; k++)
        page_more(p, &list[k]);
}
