/* SPDX-License-Identifier: MIT */
/* fabric.c - see fabric.h. By model, since a cluster buys its compute NICs together, and
 * those for storage or the front end apart from them. */
#include "launcher/place/fabric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

#define MODELS_MAX 64u /* of one job; rarer ones than that are not its fabric */

/* ---- what the user wants ---- */

/* "mlx5_0", or "mlx5_*" for all names that begin so. */
static bool matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool list_matches(const struct strlist *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (matches(l->items[i], name))
            return true;
    }
    return false;
}

/* One word alone says a rule; anything else is a list of names. */
static bool is_word(const struct strlist *l, const char *word)
{
    return l->n == 1 && strcmp(l->items[0], word) == 0;
}

static uint32_t pci_vendor(const struct topo *t, const struct topo_nic *n)
{
    return n->pci >= 0 ? t->pci[n->pci].m->vendor : 0;
}

static bool is_excluded(const struct fabric *f, const struct topo_nic *n)
{
    return !topo_nic_is_rdma(n) ||
           list_matches(&f->spec->bind.exclude_nics, n->m->name);
}

/* Its physical function hangs on the same bridge. */
static bool has_physical(const struct fabric *f, const struct topo *t,
                         const struct topo_nic *n)
{
    if (!n->m->virtual_function || n->pci < 0)
        return false;
    for (size_t i = 0; i < t->n_nics; i++) {
        const struct topo_nic *o = &t->nics[i];
        if (!o->m->virtual_function && o->pci >= 0 && !is_excluded(f, o) &&
            t->pci[o->pci].parent == t->pci[n->pci].parent &&
            pci_vendor(t, o) == pci_vendor(t, n))
            return true;
    }
    return false;
}

static bool is_candidate(const struct fabric *f, const struct topo *t,
                         const struct topo_nic *n)
{
    if (is_excluded(f, n))
        return false;
    if (f->listed)
        return list_matches(&f->spec->bind.nic, n->m->name);
    return !has_physical(f, t, n);
}

/* ---- models ---- */

uint64_t fabric_rate(const struct topo_nic *n)
{
    int port = topo_nic_port(n);
    for (size_t i = 0; i < n->m->n_ports && port >= 0; i++) {
        if ((int)n->m->ports[i]->number == port)
            return n->m->ports[i]->rate_mbits;
    }
    return 0;
}

/* An export of hwloc says what a link does now, and no more. */
static uint64_t pci_rate(const Aolani__PciLink *l)
{
    if (!l)
        return 0;
    return l->max_mts && l->max_width ? (uint64_t)l->max_mts * l->max_width
                                      : l->now_mbytes * 8;
}

static struct fabric_model model_of(const struct topo *t, const struct topo_nic *n)
{
    struct fabric_model m = {.kind = (int)n->m->kind, .rate_mbits = fabric_rate(n)};
    if (n->pci >= 0) {
        const Aolani__PciNode *pci = t->pci[n->pci].m;
        m.vendor = pci->vendor;
        m.device = pci->device;
        m.pci_mbits = pci_rate(pci->link);
    }
    return m;
}

static bool is_model(const struct fabric_model *a, const struct fabric_model *b)
{
    return a->kind == b->kind && a->vendor == b->vendor && a->device == b->device;
}

static bool is_better(const struct fabric_model *a, const struct fabric_model *b)
{
    bool ib_a = a->kind == AOLANI__NIC__KIND__INFINIBAND;
    bool ib_b = b->kind == AOLANI__NIC__KIND__INFINIBAND;
    if (ib_a != ib_b)
        return ib_a;
    if (a->n != b->n)
        return a->n > b->n;
    if (a->rate_mbits != b->rate_mbits)
        return a->rate_mbits > b->rate_mbits;
    if (a->pci_mbits != b->pci_mbits)
        return a->pci_mbits > b->pci_mbits;
    if (a->vendor != b->vendor)
        return a->vendor < b->vendor;
    if (a->device != b->device)
        return a->device < b->device;
    return a->kind < b->kind;
}

struct census {
    struct fabric_model models[MODELS_MAX];
    size_t n;
};

static void count_model(struct census *c, const struct fabric_model *m)
{
    size_t i = 0;
    while (i < c->n && !is_model(&c->models[i], m))
        i++;
    if (i == c->n) {
        if (c->n == MODELS_MAX)
            return;
        c->models[c->n] = *m;
        c->models[c->n++].n = 0;
    }
    struct fabric_model *to = &c->models[i];
    to->n++;
    if (m->rate_mbits > to->rate_mbits)
        to->rate_mbits = m->rate_mbits;
    if (m->pci_mbits > to->pci_mbits)
        to->pci_mbits = m->pci_mbits;
}

static const struct fabric_model *best_model(const struct census *c)
{
    const struct fabric_model *best = NULL;
    for (size_t i = 0; i < c->n; i++) {
        if (!best || is_better(&c->models[i], best))
            best = &c->models[i];
    }
    return best;
}

static void census_of_node(const struct fabric *f, const struct topo *t,
                           struct census *c)
{
    for (size_t i = 0; i < t->n_nics; i++) {
        struct fabric_model m = model_of(t, &t->nics[i]);
        if (is_candidate(f, t, &t->nics[i]))
            count_model(c, &m);
    }
}

struct rates {
    struct {
        uint64_t rate, n;
    } all[MODELS_MAX];
    size_t n;
};

static void count_rate(struct rates *r, uint64_t rate)
{
    size_t i = 0;
    while (i < r->n && r->all[i].rate != rate)
        i++;
    if (i == MODELS_MAX)
        return;
    if (i == r->n) {
        r->all[r->n].rate = rate;
        r->all[r->n++].n = 0;
    }
    r->all[i].n++;
}

/* The rate of most of its ports that are up; of equals the higher. */
static uint64_t common_rate(const struct fabric *f, struct topo *const *topos,
                            uint32_t n_nodes)
{
    struct rates r = {.n = 0};
    uint64_t best = 0, most = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        for (size_t k = 0; k < topos[i]->n_nics; k++) {
            const struct topo_nic *nic = &topos[i]->nics[k];
            struct fabric_model m = model_of(topos[i], nic);
            if (m.rate_mbits > 0 && is_model(&m, &f->model) &&
                is_candidate(f, topos[i], nic))
                count_rate(&r, m.rate_mbits);
        }
    }
    for (size_t i = 0; i < r.n; i++) {
        if (r.all[i].n > most || (r.all[i].n == most && r.all[i].rate > best)) {
            best = r.all[i].rate;
            most = r.all[i].n;
        }
    }
    return best;
}

static bool any_has(const struct fabric *f, struct topo *const *topos, uint32_t n_nodes,
                    const char *pattern)
{
    for (uint32_t i = 0; i < n_nodes; i++) {
        for (size_t k = 0; k < topos[i]->n_nics; k++) {
            const struct topo_nic *n = &topos[i]->nics[k];
            if (matches(pattern, n->m->name) && !is_excluded(f, n))
                return true;
        }
    }
    return false;
}

static int find_missing(struct fabric *f, struct topo *const *topos, uint32_t n_nodes)
{
    const struct strlist *l = &f->spec->bind.nic;
    int rc = 0;
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        if (!any_has(f, topos, n_nodes, l->items[i]))
            rc = strlist_add(&f->missing, l->items[i]);
    }
    return rc;
}

int fabric_choose(const struct spec *s, struct topo *const *topos, uint32_t n_nodes,
                  struct fabric *ret)
{
    struct fabric f = {.spec = s};
    struct census c = {.n = 0};
    const struct strlist *nic = &s->bind.nic;
    f.none = is_word(nic, "none");
    f.listed = !f.none && nic->n > 0 && !is_word(nic, "auto");
    if (f.listed && find_missing(&f, topos, n_nodes) < 0) {
        fabric_fini(&f);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n_nodes && !f.none; i++)
        census_of_node(&f, topos[i], &c);
    const struct fabric_model *best = best_model(&c);
    if (best)
        f.model = *best;
    else
        f.none = true;
    if (!f.none && !f.listed)
        f.rate_mbits = common_rate(&f, topos, n_nodes);
    *ret = f;
    return 0;
}

void fabric_fini(struct fabric *f)
{
    strlist_fini(&f->missing);
    *f = (struct fabric){0};
}

/* ---- of one node ---- */

/* Its largest model of the job's kind; NULL: the job's own is there, or none of its kind. */
static const struct fabric_model *own_model(const struct fabric *f, struct census *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (is_model(&c->models[i], &f->model))
            return NULL;
        if (c->models[i].kind == f->model.kind)
            c->models[n++] = c->models[i];
    }
    c->n = n;
    return best_model(c);
}

static enum fabric_verdict judge(const struct fabric *f, const struct topo *t,
                                 const struct topo_nic *n,
                                 const struct fabric_model *wanted)
{
    if (!is_candidate(f, t, n))
        return FABRIC_NOT;
    struct fabric_model m = model_of(t, n);
    if (!f->listed && !is_model(&m, wanted))
        return FABRIC_LEFT_OUT;
    if (topo_nic_port(n) < 0)
        return FABRIC_DOWN;
    if (!f->listed && wanted == &f->model && f->rate_mbits && m.rate_mbits &&
        m.rate_mbits != f->rate_mbits)
        return FABRIC_SLOWER;
    return FABRIC_USABLE;
}

void fabric_of_node(const struct fabric *f, const struct topo *t,
                    enum fabric_verdict *verdicts, bool *own)
{
    struct census c = {.n = 0};
    const struct fabric_model *wanted = &f->model;
    *own = false;
    if (!f->none && !f->listed) {
        census_of_node(f, t, &c);
        const struct fabric_model *mine = own_model(f, &c);
        *own = mine != NULL;
        if (mine)
            wanted = mine;
    }
    for (size_t i = 0; i < t->n_nics; i++)
        verdicts[i] = f->none ? FABRIC_NOT : judge(f, t, &t->nics[i], wanted);
}

/* Slower, of the right model, and beside a GPU that has no other NIC: its own, which has
 * lost lanes or a cable, and not one for the front end. */
static bool is_own_of_gpu(const struct topo *t, const enum fabric_verdict *verdicts,
                          uint32_t nic)
{
    for (uint32_t g = 0; g < t->n_gpus; g++) {
        struct topo_path path = topo_path_gpu_nic(t, g, nic);
        bool others = false;
        for (uint32_t i = 0; i < t->n_nics && !others; i++) {
            struct topo_path other = topo_path_gpu_nic(t, g, i);
            others = (verdicts[i] == FABRIC_USABLE || verdicts[i] == FABRIC_DOWN) &&
                     topo_path_compare(&other, &path) <= 0;
        }
        if (path.level == TOPO_SWITCH && !others)
            return true;
    }
    return false;
}

void fabric_of_gpus(const struct topo *t, enum fabric_verdict *verdicts, bool *slow)
{
    bool own[LIMIT_NICS] = {false};
    for (uint32_t i = 0; i < t->n_nics; i++)
        own[i] = verdicts[i] == FABRIC_SLOWER && is_own_of_gpu(t, verdicts, i);
    for (uint32_t i = 0; i < t->n_nics; i++) {
        if (own[i])
            verdicts[i] = FABRIC_USABLE;
        if (slow)
            slow[i] = own[i];
    }
}
