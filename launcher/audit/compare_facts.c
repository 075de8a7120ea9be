/* SPDX-License-Identifier: MIT */
/* compare_facts.c - nodes that are not like the rest: another kernel, driver or setting, a
 * probe that fails here alone. Each thing is compared by itself with what most nodes have;
 * of as many on both sides, with the better. What is different on every node (and there are
 * more than two) is a node's own, and no difference. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_judge.h"

#define VALUE_SHOWN 60  /* bytes */
#define EVIDENCE    120 /* likewise */
#define MEMORY_SAME .03 /* a share: firmware takes more here than there */

struct fact { /* of one node */
    const char *key;
    uint32_t node;
    unsigned bad; /* more is worse */
};

struct facts {
    struct audit *a;
    struct fact *list; /* of those nodes of which it is known */
    size_t n;
    bool *other; /* nodes of another product: everything else differs, too */
    bool *said;  /* nodes of which this probe has been told */
};

static int by_key(const void *x, const void *y)
{
    const struct fact *p = x, *q = y;
    int c = strcmp(p->key, q->key);
    return c ? c : (p->node > q->node) - (p->node < q->node);
}

static size_t group_end(const struct facts *f, size_t from)
{
    size_t k = from + 1;
    while (k < f->n && !strcmp(f->list[k].key, f->list[from].key))
        k++;
    return k;
}

static unsigned group_bad(const struct facts *f, size_t from, size_t to)
{
    unsigned least = f->list[from].bad;
    for (size_t i = from; i < to; i++)
        least = f->list[i].bad < least ? f->list[i].bad : least;
    return least;
}

/* What most nodes have; NULL: all the same, or all their own. Sorts the list. */
static const char *most_have(struct facts *f)
{
    size_t most = 0, at = 0, groups = 0;
    unsigned bad = 0;
    if (f->n < 2)
        return NULL;
    qsort(f->list, f->n, sizeof *f->list, by_key);
    for (size_t i = 0, end; i < f->n; i = end, groups++) {
        end = group_end(f, i);
        unsigned b = group_bad(f, i, end);
        bool better = end - i == most &&
                      (b < bad || (b == bad && f->list[i].node < f->list[at].node));
        if (end - i > most || better) {
            most = end - i;
            at = i;
            bad = b;
        }
    }
    if (groups < 2 || (most == 1 && f->n > 2))
        return NULL;
    return f->list[at].key;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void add(struct facts *f, uint32_t node, const char *key, unsigned bad)
{
    if (*or_empty(key) && !f->other[node])
        f->list[f->n++] = (struct fact){key, node, bad};
}

/* ---- the machine itself */

static const char *product_of(const struct audit_node *n)
{
    return n->product;
}

static const char *kernel_of(const struct audit_node *n)
{
    return n->kernel;
}

static int compare_text(struct facts *f, const char *what, bool is_product,
                        const char *(*of)(const struct audit_node *n))
{
    int rc = 0;
    f->n = 0;
    for (uint32_t i = 0; i < f->a->n; i++)
        add(f, i, of(&f->a->nodes[i]), 0);
    const char *most = most_have(f);
    for (size_t i = 0; most && i < f->n && rc == 0; i++) {
        if (!strcmp(f->list[i].key, most))
            continue;
        uint32_t x = f->list[i].node;
        rc = audit_remark(f->a, REMARK_DIFFERS, x, x, "%s %.*s (others %.*s)", what,
                          VALUE_SHOWN, f->list[i].key, VALUE_SHOWN, most);
        f->other[x] = f->other[x] || is_product;
    }
    return rc;
}

struct size_fact {
    uint64_t v;
    uint32_t node;
};

static int by_size(const void *x, const void *y)
{
    const struct size_fact *p = x, *q = y;
    return (p->v > q->v) - (p->v < q->v);
}

static int say_size(struct audit *a, uint32_t x, bool cpus, uint64_t here,
                    uint64_t others)
{
    if (cpus)
        return audit_remark(a, REMARK_DIFFERS, x, x, "%llu CPUs (others %llu)",
                            (unsigned long long)here, (unsigned long long)others);
    return audit_remark(a, REMARK_DIFFERS, x, x, "%.1f GiB of memory (others %.1f GiB)",
                        (double)here / (1 << 30), (double)others / (1 << 30));
}

/* Against the median: exactly for CPUs, nearly for memory. Of two, with the larger. */
static int compare_size(struct facts *f, bool cpus)
{
    struct size_fact *list = calloc(f->a->n ? f->a->n : 1, sizeof *list);
    size_t n = 0;
    int rc = list ? 0 : -ENOMEM;
    for (uint32_t i = 0; list && i < f->a->n; i++) {
        uint64_t v = cpus ? f->a->nodes[i].cpus : f->a->nodes[i].mem_bytes;
        if (v > 0 && !f->other[i])
            list[n++] = (struct size_fact){v, i};
    }
    if (n > 1)
        qsort(list, n, sizeof *list, by_size);
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint64_t v = list[i].v, usual = list[n / 2].v;
        double off = ((double)v - (double)usual) / (double)usual;
        if (cpus ? v != usual : off > MEMORY_SAME || off < -MEMORY_SAME)
            rc = say_size(f->a, list[i].node, cpus, v, usual);
    }
    free(list);
    return rc;
}

/* ---- what probes say */

static int compare_values(struct facts *f, enum audit_probe p)
{
    int rc = 0;
    f->n = 0;
    for (uint32_t i = 0; i < f->a->n; i++) {
        const Aolani__AuditFinding *x = audit_finding(&f->a->nodes[i], p);
        f->said[i] = false;
        if (x)
            add(f, i, x->value, judge_probe(&f->a->nodes[i], p));
    }
    const char *most = most_have(f);
    for (size_t i = 0; most && i < f->n && rc == 0; i++) {
        if (!strcmp(f->list[i].key, most))
            continue;
        uint32_t x = f->list[i].node;
        f->said[x] = true;
        rc = audit_remark(f->a, REMARK_DIFFERS, x, x, "%s: %.*s (others %.*s)",
                          audit_probe_info(p)->title, VALUE_SHOWN, f->list[i].key,
                          VALUE_SHOWN, most);
    }
    return rc;
}

/* What changes from one moment to the next, between alike nodes: near a threshold, or with
 * what the node does just now. Only a fail of it says something. */
static bool is_fickle(enum audit_probe p)
{
    return p == AUDIT_HV7 || p == AUDIT_HV12 || p == AUDIT_PC3 || p == AUDIT_GP5 ||
           p == AUDIT_GP10;
}

static bool verdict_matters(const struct facts *f, enum audit_probe p, uint32_t x,
                            enum audit_verdict here, enum audit_verdict most,
                            uint32_t other)
{
    if (here == most || f->said[x])
        return false;
    if (is_fickle(p))
        return here == AUDIT_FAIL && p != AUDIT_HV7 && p != AUDIT_HV12;
    /* Who looked as another user saw less, or more. */
    if (here == AUDIT_UNKNOWN || most == AUDIT_UNKNOWN)
        return f->a->nodes[x].found->uid == f->a->nodes[other].found->uid;
    return true;
}

static int say_verdict(struct facts *f, enum audit_probe p, uint32_t x,
                       enum audit_verdict most)
{
    const Aolani__AuditFinding *found = audit_finding(&f->a->nodes[x], p);
    const char *evidence = found ? or_empty(found->evidence) : "";
    enum audit_verdict here = judge_probe(&f->a->nodes[x], p);
    return audit_remark(f->a, REMARK_DIFFERS, x, x, "%s: %s%s%.*s (others %s)",
                        audit_probe_info(p)->title, audit_verdict_name(here),
                        *evidence ? ", " : "", EVIDENCE, evidence,
                        audit_verdict_name(most));
}

static int compare_verdicts(struct facts *f, enum audit_probe p)
{
    static const unsigned bad[AUDIT_VERDICTS] = {
        [AUDIT_PASS] = 0, [AUDIT_UNKNOWN] = 1, [AUDIT_WARN] = 2, [AUDIT_FAIL] = 3};
    int rc = 0;
    f->n = 0;
    for (uint32_t i = 0; i < f->a->n; i++) {
        enum audit_verdict v = judge_probe(&f->a->nodes[i], p);
        if (audit_finding(&f->a->nodes[i], p))
            add(f, i, audit_verdict_name(v), bad[v]);
    }
    const char *name = most_have(f);
    if (!name)
        return 0;
    uint32_t other = 0;
    for (size_t i = f->n; i-- > 0;)
        if (!strcmp(f->list[i].key, name))
            other = f->list[i].node;
    enum audit_verdict most = judge_probe(&f->a->nodes[other], p);
    for (size_t i = 0; i < f->n && rc == 0; i++) {
        uint32_t x = f->list[i].node;
        if (verdict_matters(f, p, x, judge_probe(&f->a->nodes[x], p), most, other))
            rc = say_verdict(f, p, x, most);
    }
    return rc;
}

int compare_facts(struct audit *a)
{
    size_t room = a->n ? a->n : 1;
    struct facts f = {.a = a,
                      .list = calloc(room, sizeof *f.list),
                      .other = calloc(room, sizeof *f.other),
                      .said = calloc(room, sizeof *f.said)};
    int rc = f.list && f.other && f.said ? 0 : -ENOMEM;
    if (rc == 0)
        rc = compare_text(&f, "another machine:", true, product_of);
    if (rc == 0)
        rc = compare_text(&f, "kernel", false, kernel_of);
    if (rc == 0)
        rc = compare_size(&f, true);
    if (rc == 0)
        rc = compare_size(&f, false);
    for (int p = 0; p < AUDIT_N_PROBES && rc == 0; p++) {
        rc = compare_values(&f, (enum audit_probe)p);
        if (rc == 0)
            rc = compare_verdicts(&f, (enum audit_probe)p);
    }
    free(f.list);
    free(f.other);
    free(f.said);
    return rc;
}
