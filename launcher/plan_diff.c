/* SPDX-License-Identifier: MIT */
/* plan_diff.c - see plan_diff.h. Nodes of which all facts are equal are one class, and a
 * large job has few: every fact is compared once for each class. */
#include "launcher/plan_diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_diff_impl.h"

#define ORDER_TEXT 4096u

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
        rc = diff_find_memory(&w);
    if (rc == 0)
        rc = diff_make_groups(&d, &w);
    work_fini(&w);
    if (rc < 0)
        plan_diff_fini(&d);
    else
        *ret = d;
    return rc;
}
