/* SPDX-License-Identifier: MIT */
/* page_notes.c - what nodes say beside their numbers, and why there are none. What many of
 * them say is said once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_page.h"

#define NOTES_MOST 6u

struct note {
    const char *text;
    uint32_t node, first; /* who said the same first */
};

static int by_text(const void *x, const void *y)
{
    const struct note *p = x, *q = y;
    int c = strcmp(p->text, q->text);
    return c ? c : (p->node > q->node) - (p->node < q->node);
}

static int by_first(const void *x, const void *y)
{
    const struct note *p = x, *q = y;
    if (p->first != q->first)
        return p->first > q->first ? 1 : -1;
    return by_text(x, y);
}

static void page_busy(struct page *p, const struct audit *a)
{
    char name[41];
    for (size_t i = 0; a->n == 1 && a->nodes[0].measured && i < NOTES_MOST &&
                       i < a->nodes[0].measured->n_busy;
         i++) {
        const Aolani__AuditBusy *b = a->nodes[0].measured->busy[i];
        page_printf(
            p, "  busy meanwhile: %s, process %d of user %u, wants %u %% of a CPU\n",
            page_clean(b->name, name, 40), (int)b->pid, b->uid, b->percent);
    }
}

static void add(struct note *list, size_t *n, const char *text, uint32_t node)
{
    if (list)
        list[*n] = (struct note){text, node, node};
    ++*n;
}

/* list: NULL: counts them only. */
static size_t list_notes(const struct audit *a, struct note *list)
{
    size_t n = 0;
    for (uint32_t x = 0; x < a->n; x++) {
        const struct audit_node *node = &a->nodes[x];
        const Aolani__AuditMeasured *m = node->measured;
        if (node->measure_error)
            add(list, &n, node->measure_error, x);
        for (size_t i = 0; m && i < m->n_notes && i < NOTES_MOST; i++)
            add(list, &n, m->notes[i], x);
    }
    return n;
}

static void print_notes(struct page *p, const struct audit *a, struct note *list,
                        size_t n, uint32_t *nodes)
{
    unsigned lines = 0;
    char text[301];
    qsort(list, n, sizeof *list, by_text);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(list[i - 1].text, list[i].text))
            list[i].first = list[i - 1].first;
    qsort(list, n, sizeof *list, by_first);
    for (size_t i = 0, end; i < n; i = end, lines++) {
        size_t k = 0;
        for (end = i; end < n && !strcmp(list[end].text, list[i].text); end++)
            if (k == 0 || nodes[k - 1] != list[end].node)
                nodes[k++] = list[end].node;
        if (lines < NOTES_MOST)
            page_hosts(p, a, "  ", nodes, k, page_clean(list[i].text, text, 300));
    }
    if (lines > NOTES_MOST)
        page_printf(p, "  and %u more (--json has all)\n", lines - NOTES_MOST);
}

void page_notes(struct page *p, const struct audit *a)
{
    size_t n = list_notes(a, NULL);
    struct note *list = calloc(n + 1, sizeof *list);
    uint32_t *nodes = calloc(n + 1, sizeof *nodes);
    page_busy(p, a);
    if (!list || !nodes)
        p->rc = p->rc ? p->rc : -ENOMEM;
    else if (n > 0) {
        list_notes(a, list);
        print_notes(p, a, list, n, nodes);
    }
    free(list);
    free(nodes);
}
