/* SPDX-License-Identifier: MIT */
/* likes.c - see likes.h. Nodes are sorted by what makes them alike, not compared with each
 * other: there may be very many. */
#include "launcher/audit/likes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int (*order_f)(const struct audit_node *x, const struct audit_node *y);

struct place {
    const struct audit_node *node;
    uint32_t i;
    order_f order;
};

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static size_t numa_of(const struct audit_node *n)
{
    return n->measured ? n->measured->n_memory : 0;
}

static int by_product(const struct audit_node *x, const struct audit_node *y)
{
    int c = strcmp(text_of(x->product), text_of(y->product));
    if (c == 0)
        c = (x->cpus > y->cpus) - (x->cpus < y->cpus);
    if (c == 0)
        c = (numa_of(x) > numa_of(y)) - (numa_of(x) < numa_of(y));
    return c;
}

static int by_machine(const struct audit_node *x, const struct audit_node *y)
{
    return strcmp(text_of(x->machine), text_of(y->machine));
}

static int by_order(const void *x, const void *y)
{
    const struct place *p = x, *q = y;
    int c = p->order(p->node, q->node);
    return c ? c : (p->i > q->i) - (p->i < q->i);
}

static int sort_likes(const struct audit *a, order_f order, bool alone_if_empty,
                      uint32_t **ret)
{
    struct place *list = calloc(a->n ? a->n : 1, sizeof *list);
    uint32_t *first = calloc(a->n ? a->n : 1, sizeof *first);
    if (!list || !first) {
        free(list);
        free(first);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < a->n; i++)
        list[i] = (struct place){&a->nodes[i], i, order};
    qsort(list, a->n, sizeof *list, by_order);
    for (size_t k = 0; k < a->n; k++) {
        bool alone = alone_if_empty && !*text_of(list[k].node->machine);
        bool same = k > 0 && !alone && order(list[k - 1].node, list[k].node) == 0;
        first[list[k].i] = same ? first[list[k - 1].i] : list[k].i;
    }
    free(list);
    *ret = first;
    return 0;
}

int likes_make(const struct audit *a, uint32_t **ret)
{
    return sort_likes(a, by_product, false, ret);
}

int likes_machines(const struct audit *a, uint32_t **ret)
{
    return sort_likes(a, by_machine, true, ret);
}
