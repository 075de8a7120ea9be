/* SPDX-License-Identifier: MIT */
/* audit_compare.c - what stands out between nodes, in the order of what explains what: CPUs
 * that are busy with something else also slow memory and links down, and are named alone. */
#include "launcher/audit/audit_compare.h"

#include <errno.h>
#include <stdlib.h>

#include "launcher/audit/likes.h"
#include "launcher/audit/spread.h"

static int by_factor(const void *x, const void *y)
{
    const struct compare_found *p = x, *q = y;
    if (p->factor != q->factor)
        return p->factor > q->factor ? -1 : 1;
    return (p->node > q->node) - (p->node < q->node);
}

int compare_say(struct audit *a, enum audit_remark_kind kind, struct compare_found *f,
                size_t n)
{
    int rc = 0;
    if (n > 1)
        qsort(f, n, sizeof *f, by_factor);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = audit_remark(a, kind, f[i].node, f[i].node, "%s", f[i].text);
    return rc;
}

struct costs {
    const struct audit *a;
    const uint32_t *machines;
    double
        *of; /* of each machine, at its first node: the best of what was seen there */
    double *some; /* those of one class */
    double factor, least;
    double *ret, *usual;
};

/* The classes of likes are told apart by their first node: all of one in one go. */
static int compare_class(struct costs *c, uint32_t class, const uint32_t *of_class)
{
    struct spread s;
    size_t n = 0;
    for (uint32_t i = of_class[class]; i; i = of_class[c->a->n + i - 1])
        if (c->machines[i - 1] == i - 1 && c->of[i - 1] > 0)
            c->some[n++] = c->of[i - 1];
    if (n < 2)
        return 0;
    int rc = spread_make(c->some, n, c->factor, &s);
    for (uint32_t i = of_class[class]; rc == 0 && i; i = of_class[c->a->n + i - 1]) {
        double cost = c->of[c->machines[i - 1]];
        c->usual[i - 1] = s.median;
        if (cost > s.median * s.limit && cost - s.median > c->least)
            c->ret[i - 1] = cost / s.median;
    }
    return rc;
}

/* Lists of the nodes of each class: [class] is its first node + 1, [n + node] its next. */
static uint32_t *list_classes(const struct audit *a, const uint32_t *likes)
{
    uint32_t *list = calloc(2 * a->n + 1, sizeof *list);
    for (uint32_t i = (uint32_t)a->n; list && i-- > 0;) {
        list[a->n + i] = list[likes[i]];
        list[likes[i]] = i + 1;
    }
    return list;
}

int compare_costs(const struct audit *a, const double *cost, const uint32_t *likes,
                  const uint32_t *machines, double factor, double least, double **ret,
                  double **usual)
{
    size_t room = a->n ? a->n : 1;
    struct costs c = {.a = a,
                      .machines = machines,
                      .of = calloc(room, sizeof(double)),
                      .some = calloc(room, sizeof(double)),
                      .ret = calloc(room, sizeof(double)),
                      .usual = calloc(room, sizeof(double)),
                      .factor = factor,
                      .least = least};
    uint32_t *of_class = list_classes(a, likes);
    int rc = c.of && c.some && c.ret && c.usual && of_class ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        double *of = &c.of[machines[i]];
        if (cost[i] > 0 && (*of <= 0 || cost[i] < *of))
            *of = cost[i];
    }
    for (uint32_t i = 0; rc == 0 && i < a->n; i++)
        if (likes[i] == i)
            rc = compare_class(&c, i, of_class);
    free(of_class);
    free(c.of);
    free(c.some);
    if (rc == 0)
        *ret = c.ret;
    if (rc == 0 && usual)
        *usual = c.usual;
    if (rc < 0)
        free(c.ret);
    if (rc < 0 || !usual)
        free(c.usual);
    return rc;
}

static void find_noisy(const struct audit *a, bool *noisy)
{
    for (size_t i = 0; i < a->n_remarks; i++)
        if (a->remarks[i].kind == REMARK_NOISY)
            noisy[a->remarks[i].a] = true;
}

int audit_compare(struct audit *a)
{
    uint32_t *likes = NULL, *machines = NULL;
    bool *noisy = calloc(a->n ? a->n : 1, sizeof *noisy);
    int rc = noisy ? likes_make(a, &likes) : -ENOMEM;
    if (rc == 0)
        rc = likes_machines(a, &machines);
    if (rc == 0)
        rc = compare_facts(a);
    if (rc == 0)
        rc = compare_noise(a, likes, machines);
    if (rc == 0) {
        find_noisy(a, noisy);
        rc = compare_memory(a, likes, machines, noisy);
    }
    if (rc == 0)
        rc = compare_gpus(a, likes);
    if (rc == 0)
        rc = compare_links(a, noisy);
    free(likes);
    free(machines);
    free(noisy);
    return rc;
}
