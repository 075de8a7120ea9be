/* SPDX-License-Identifier: MIT */
/* plan_diff.c - see plan_diff.h. Nodes of which all facts are equal are one class, and a
 * large job has few: every fact is compared once for each class. */
#include "launcher/plan_diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_diff_words.h"
#include "launcher/plan_facts.h"
#include "proto/base/size.h"

#define MEMORY_PERCENT 2u /* the kernel takes its part, and not the same everywhere */
#define ORDER_TEXT     4096u

struct item { /* a difference of a class; what it points at is the facts' */
    struct difference d;
    char *text;
};

struct class
{
    struct facts facts;
    uint64_t hash;
    size_t n_nodes;
    struct item *items;
    size_t n_items, cap_items;
    size_t n_missing, n_more; /* GPUs */
};

struct use {
    const struct fact *fact;
    struct class *class;
};

struct work {
    struct class *classes;
    uint32_t *class_of; /* of each node */
    size_t n_nodes, n_classes;
    struct use *uses; /* all facts, sorted */
    size_t n_uses;
    const struct use **mine; /* of one key, by class */
    size_t n_gpus;           /* of most nodes */
    uint64_t *memory;        /* of each node */
    uint64_t usual_memory;
};

/* ---- classes ---- */

static uint64_t mix(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_of(const struct facts *f)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < f->n; i++) {
        h = (h ^ f->list[i].kind) * 0x100000001b3u;
        h = mix(mix(h, fact_id(f, &f->list[i])), fact_value(f, &f->list[i]));
    }
    return h;
}

static bool same_facts(const struct facts *a, const struct facts *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++)
        same = a->list[i].kind == b->list[i].kind &&
               strcmp(fact_id(a, &a->list[i]), fact_id(b, &b->list[i])) == 0 &&
               strcmp(fact_value(a, &a->list[i]), fact_value(b, &b->list[i])) == 0;
    return same;
}

static int classify(struct work *w, const struct topo *t, uint32_t node)
{
    struct facts f;
    int rc = facts_of(t, &f);
    if (rc < 0)
        return rc;
    uint64_t hash = hash_of(&f);
    size_t c = 0;
    while (c < w->n_classes &&
           (w->classes[c].hash != hash || !same_facts(&w->classes[c].facts, &f)))
        c++;
    if (c < w->n_classes)
        facts_fini(&f);
    else
        w->classes[w->n_classes++] = (struct class){.facts = f, .hash = hash};
    w->classes[c].n_nodes++;
    w->class_of[node] = (uint32_t)c;
    for (size_t i = 0; i < t->n_numa; i++)
        w->memory[node] += t->numa[i].of_gpu ? 0 : t->numa[i].mem_bytes;
    return 0;
}

/* ---- what most have ---- */

static int by_key(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int by = (x->fact->kind > y->fact->kind) - (x->fact->kind < y->fact->kind);
    by = by ? by
            : strverscmp(fact_id(&x->class->facts, x->fact),
                         fact_id(&y->class->facts, y->fact));
    return by;
}

static int by_key_and_value(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int by = by_key(a, b);
    by = by ? by
            : strcmp(fact_value(&x->class->facts, x->fact),
                     fact_value(&y->class->facts, y->fact));
    return by ? by : (x->class > y->class) - (x->class < y->class);
}

static const char *value_of(const struct use *u)
{
    return fact_value(&u->class->facts, u->fact);
}

/* Of the uses of one key; NULL: most have no such thing. */
static const struct use *choose(const struct use *list, size_t n, size_t n_nodes)
{
    const struct use *best = NULL;
    size_t best_nodes = 0, all = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t nodes = 0;
        for (end = i; end < n && strcmp(value_of(&list[i]), value_of(&list[end])) == 0;
             end++)
            nodes += list[end].class->n_nodes;
        bool better =
            best && nodes == best_nodes &&
            (list[i].fact->rank > best->fact->rank ||
             (list[i].fact->rank == best->fact->rank && list[i].class < best->class));
        if (nodes > best_nodes || better) {
            best = &list[i];
            best_nodes = nodes;
        }
        all += nodes;
    }
    size_t without = n_nodes - all;
    bool to_be = list->fact->kind != FACT_DESCRIBED;
    return without > best_nodes || (without == best_nodes && !to_be) ? NULL : best;
}

/* ---- where a class differs ---- */

static const struct fact *find(const struct facts *f, enum fact_kind kind,
                               const char *id)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->list[i].kind == kind && strcmp(fact_id(f, &f->list[i]), id) == 0)
            return &f->list[i];
    }
    return NULL;
}

static bool has_item(const struct class *c, enum fact_kind kind, const char *id)
{
    for (size_t i = 0; i < c->n_items; i++) {
        if (c->items[i].d.kind == kind && (!id || strcmp(c->items[i].d.id, id) == 0))
            return true;
    }
    return false;
}

/* The ids in `order` that `other` has too. */
static void common_order(const char *order, const char *other, char *ret, size_t len)
{
    size_t at = 0;
    while (*order) {
        size_t n = strcspn(order, " ");
        for (const char *p = other; *p; p += strcspn(p, " ") + 1) {
            if (strncmp(p, order, n + 1) != 0)
                continue;
            at += (size_t)snprintf(ret + at, len - at, "%.*s", (int)n + 1, order);
            at = at < len ? at : len - 1;
            break;
        }
        order += n + 1;
    }
    ret[at < len ? at : len - 1] = '\0';
}

static bool same_order(const char *a, const char *b)
{
    char x[ORDER_TEXT] = "", y[ORDER_TEXT] = "";
    common_order(a, b, x, sizeof x);
    common_order(b, a, y, sizeof y);
    return strcmp(x, y) == 0;
}

/* Explained by what is told already, or nothing to speak of. */
static bool is_idle(const struct class *c, const struct difference *d)
{
    if (has_item(c, FACT_DESCRIBED, NULL))
        return true;
    switch (d->kind) {
    case FACT_DESCRIBED:
    case FACT_GPU:
    case FACT_NIC:
        return false;
    case FACT_DRIVER:
        return !d->mine || !d->others;
    case FACT_ALLOWED:
        return has_item(c, FACT_CORES, NULL);
    case FACT_GPU_ORDER:
        return !d->mine || !d->others || same_order(d->mine, d->others);
    case FACT_GPU_NUMA:
    case FACT_NIC_NUMA:
        return !d->mine || !d->others || has_item(c, FACT_NUMA, NULL);
    case FACT_GPU_NOW:
        return !d->mine || !d->others || has_item(c, FACT_GPU_LINK, d->id);
    case FACT_NIC_NOW:
        return !d->mine || !d->others || has_item(c, FACT_NIC_LINK, d->id);
    default:
        return !d->mine || !d->others;
    }
}

static int add_item(struct class *c, const struct difference *d)
{
    if (c->n_items == c->cap_items) {
        size_t cap = c->cap_items ? 2 * c->cap_items : 8;
        struct item *more = realloc(c->items, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        c->items = more;
        c->cap_items = cap;
    }
    struct item new = {.d = *d};
    int rc = plan_diff_say(d, &new.text);
    if (rc == 0 && new.text)
        c->items[c->n_items++] = new;
    return rc;
}

static int compare_class(struct class *c, const struct use *mine, const struct use *ref,
                         const struct use *key)
{
    struct difference d = {.kind = key->fact->kind,
                           .id = fact_id(&key->class->facts, key->fact),
                           .mine = mine ? value_of(mine) : NULL,
                           .others = ref ? value_of(ref) : NULL,
                           .gpu = -1};
    if (d.mine == d.others || (d.mine && d.others && strcmp(d.mine, d.others) == 0))
        return 0;
    if (is_idle(c, &d))
        return 0;
    const struct fact *own = find(&c->facts, FACT_GPU, d.id);
    d.gpu = own ? own->rank : ref && d.kind == FACT_GPU ? ref->fact->rank : -1;
    if (d.kind == FACT_GPU) {
        c->n_missing += !mine;
        c->n_more += mine != NULL;
    }
    return add_item(c, &d);
}

static int compare_key(struct work *w, const struct use *list, size_t n)
{
    const struct use *ref = choose(list, n, w->n_nodes);
    int rc = 0;
    w->n_gpus += ref && ref->fact->kind == FACT_GPU;
    for (size_t i = 0; i < n; i++)
        w->mine[list[i].class - w->classes] = &list[i];
    for (size_t c = 0; c < w->n_classes && rc == 0; c++)
        rc = compare_class(&w->classes[c], w->mine[c], ref, list);
    for (size_t i = 0; i < n; i++)
        w->mine[list[i].class - w->classes] = NULL;
    return rc;
}

static int compare_all(struct work *w)
{
    size_t at = 0, end;
    int rc = 0;
    for (size_t c = 0; c < w->n_classes; c++)
        w->n_uses += w->classes[c].facts.n;
    w->uses = calloc(w->n_uses + 1, sizeof *w->uses);
    w->mine = calloc(w->n_classes + 1, sizeof *w->mine);
    if (!w->uses || !w->mine)
        return -ENOMEM;
    for (size_t c = 0; c < w->n_classes; c++) {
        for (size_t i = 0; i < w->classes[c].facts.n; i++)
            w->uses[at++] = (struct use){&w->classes[c].facts.list[i], &w->classes[c]};
    }
    qsort(w->uses, w->n_uses, sizeof *w->uses, by_key_and_value);
    for (size_t i = 0; i < w->n_uses && rc == 0; i = end) {
        for (end = i; end < w->n_uses && by_key(&w->uses[i], &w->uses[end]) == 0; end++)
            ;
        rc = compare_key(w, w->uses + i, end - i);
    }
    return rc;
}

/* None of the others' GPUs is there: one difference, not sixteen. */
static int fold_gpus(struct work *w, struct class *c)
{
    struct item one = {.d = {.kind = FACT_GPU, .id = ""}};
    size_t n = 0, at = SIZE_MAX;
    int rc;
    if (c->n_missing < 2 || c->n_missing < w->n_gpus)
        return 0;
    if (c->n_more == 0)
        rc = asprintf(&one.text, "no GPU (others %zu)", w->n_gpus);
    else if (c->n_more == w->n_gpus)
        rc = asprintf(&one.text, "its GPUs are at other PCI addresses");
    else
        rc = asprintf(&one.text, "%zu GPU%s (others %zu), at other PCI addresses",
                      c->n_more, c->n_more == 1 ? "" : "s", w->n_gpus);
    if (rc < 0)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_items; i++) {
        if (c->items[i].d.kind != FACT_GPU) {
            c->items[n++] = c->items[i];
            continue;
        }
        free(c->items[i].text);
        if (at == SIZE_MAX) {
            at = n;
            c->items[n++] = one;
        }
    }
    c->n_items = n;
    return 0;
}

/* ---- memory ---- */

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool memory_alike(uint64_t a, uint64_t b)
{
    uint64_t more = a > b ? a : b, less = a > b ? b : a;
    return more - less <= more / 100 * MEMORY_PERCENT;
}

/* The amount that the most nodes have, as nearly as this is compared. */
static int find_usual_memory(struct work *w)
{
    uint64_t *sorted = calloc(w->n_nodes + 1, sizeof *sorted);
    size_t n = 0, best = 0, from = 0, to = 0;
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < w->n_nodes; i++) {
        if (w->memory[i] > 0)
            sorted[n++] = w->memory[i];
    }
    qsort(sorted, n, sizeof *sorted, by_size);
    for (size_t i = 0; i < n; i++) {
        while (!memory_alike(sorted[from], sorted[i]))
            from++;
        while (to < n && memory_alike(sorted[to], sorted[i]))
            to++;
        if (to - from >= best) {
            best = to - from;
            w->usual_memory = sorted[i];
        }
    }
    free(sorted);
    return 0;
}

/* NULL in *ret: as the others. */
static int say_memory(const struct work *w, uint32_t node, char **ret)
{
    char mine[SIZE_TEXT], others[SIZE_TEXT];
    *ret = NULL;
    if (w->memory[node] == 0 || memory_alike(w->memory[node], w->usual_memory))
        return 0;
    return asprintf(ret, "memory %s (others %s)", size_text(w->memory[node], mine),
                    size_text(w->usual_memory, others)) < 0
               ? -ENOMEM
               : 0;
}

/* ---- groups ---- */

static bool same_what(const struct plan_diff_group *g, const struct class *c,
                      const char *memory)
{
    bool same = g->n_what == c->n_items + (memory != NULL);
    for (size_t i = 0; i < c->n_items && same; i++)
        same = strcmp(g->what[i], c->items[i].text) == 0;
    return same && (!memory || strcmp(g->what[g->n_what - 1], memory) == 0);
}

/* `memory` becomes the group's. */
static int make_group(struct plan_diff *d, const struct class *c, char *memory)
{
    struct plan_diff_group g = {.n_what = c->n_items + (memory != NULL)};
    g.what = calloc(g.n_what + 1, sizeof *g.what);
    g.named = calloc(g.n_what + 1, sizeof *g.named);
    bool good = g.what && g.named;
    for (size_t i = 0; i < c->n_items && good; i++) {
        const struct difference *of = &c->items[i].d;
        g.named[i] = of->kind >= FACT_NIC ? strlen(of->id) : 0;
        good = (g.what[i] = strdup(c->items[i].text)) != NULL;
    }
    if (good && memory)
        g.what[g.n_what - 1] = memory;
    else
        free(memory);
    d->groups[d->n_groups++] = g;
    return good ? 0 : -ENOMEM;
}

static int add_node(struct plan_diff_group *g, uint32_t node)
{
    /* Room doubles: it is full at each power of two. */
    if ((g->n_nodes & (g->n_nodes - 1)) == 0) {
        size_t cap = g->n_nodes ? 2 * g->n_nodes : 1;
        uint32_t *more = realloc(g->nodes, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        g->nodes = more;
    }
    g->nodes[g->n_nodes++] = node;
    return 0;
}

static int group_node(struct plan_diff *d, const struct work *w, uint32_t node)
{
    const struct class *c = &w->classes[w->class_of[node]];
    char *memory = NULL;
    int rc = say_memory(w, node, &memory);
    size_t g = 0;
    while (g < d->n_groups && !same_what(&d->groups[g], c, memory))
        g++;
    if (g < d->n_groups)
        free(memory);
    else if (rc == 0)
        rc = make_group(d, c, memory);
    if (rc < 0)
        return rc;
    d->n_differ += d->groups[g].n_what > 0;
    return add_node(&d->groups[g], node);
}

static int make_groups(struct plan_diff *d, const struct work *w)
{
    d->groups = calloc(w->n_nodes, sizeof *d->groups);
    int rc = d->groups ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < w->n_nodes && rc == 0; i++)
        rc = group_node(d, w, i);
    for (size_t g = 1; g < d->n_groups && rc == 0; g++) {
        if (d->groups[g].n_what > 0)
            continue;
        struct plan_diff_group same = d->groups[g];
        memmove(d->groups + 1, d->groups, g * sizeof *d->groups);
        d->groups[0] = same;
        break;
    }
    return rc;
}

static void work_fini(struct work *w)
{
    for (size_t c = 0; w->classes && c < w->n_classes; c++) {
        for (size_t i = 0; i < w->classes[c].n_items; i++)
            free(w->classes[c].items[i].text);
        free(w->classes[c].items);
        facts_fini(&w->classes[c].facts);
    }
    free(w->classes);
    free(w->class_of);
    free(w->uses);
    free(w->mine);
    free(w->memory);
}

int plan_diff(struct topo *const *topos, size_t n, struct plan_diff *ret)
{
    struct work w = {.n_nodes = n};
    struct plan_diff d = {.n_nodes = n};
    w.classes = calloc(n + 1, sizeof *w.classes);
    w.class_of = calloc(n + 1, sizeof *w.class_of);
    w.memory = calloc(n + 1, sizeof *w.memory);
    int rc = w.classes && w.class_of && w.memory ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = classify(&w, topos[i], i);
    if (rc == 0)
        rc = compare_all(&w);
    for (size_t c = 0; c < w.n_classes && rc == 0; c++)
        rc = fold_gpus(&w, &w.classes[c]);
    if (rc == 0)
        rc = find_usual_memory(&w);
    if (rc == 0)
        rc = make_groups(&d, &w);
    work_fini(&w);
    if (rc < 0)
        plan_diff_fini(&d);
    else
        *ret = d;
    return rc;
}

void plan_diff_fini(struct plan_diff *d)
{
    for (size_t g = 0; g < d->n_groups; g++) {
        for (size_t i = 0; d->groups[g].what && i < d->groups[g].n_what; i++)
            free(d->groups[g].what[i]);
        free(d->groups[g].what);
        free(d->groups[g].named);
        free(d->groups[g].nodes);
    }
    free(d->groups);
    *d = (struct plan_diff){0};
}
