/* SPDX-License-Identifier: MIT */
/* bindenv.c - see bindenv.h.
 *
 * What is left unset on purpose: NCCL_SOCKET_IFNAME (which of a node's addresses the others
 * reach is no matter of locality, and NCCL's own search finds the network of MASTER_ADDR);
 * NCCL's and UCX's tuning; OMP_PROC_BIND (a rank has several cores to move among); FI_* (over
 * Slingshot and EFA libfabric takes the nearest NIC by itself, and a name given to one
 * provider would shut out the others).
 */
#include "launcher/place/bindenv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"

#define NCCL_HCAS \
    32u /* MAX_IB_DEVS of NCCL: what is named after them is not looked at */
#define AMD_DIGITS 16

enum vendor { NVIDIA, AMD, N_VENDORS };

static const struct {
    const char *name; /* as in Gpu.vendor */
    const char *visible;
} vendors[N_VENDORS] = {
    [NVIDIA] = {"NVIDIA", "CUDA_VISIBLE_DEVICES"},
    [AMD] = {"AMD", "ROCR_VISIBLE_DEVICES"},
};

static int add_note(struct bindenv *b, const char *text)
{
    return strlist_add(&b->notes, text);
}

/* An empty value is no variable: to a program it would mean "none of them". */
static int add_var(struct bindenv *b, const char *name, const struct buf *value)
{
    char *text = NULL;
    if (value->len == 0)
        return 0;
    if (asprintf(&text, "%s=%s", name, (const char *)value->data) < 0)
        return -ENOMEM;
    int rc = strlist_add(&b->vars, text);
    free(text);
    return rc;
}

/* ---- GPUs ---- */

/* Some GPUs of a node, in the order that programs shall see them. */
struct gpus {
    const struct topo *topo;
    const uint32_t *list;
    size_t n;
};

static bool is_of(const struct topo *t, uint32_t gpu, enum vendor v)
{
    return strcmp(t->gpus[gpu].m->vendor, vendors[v].name) == 0;
}

static bool is_mig(const struct topo *t, uint32_t gpu)
{
    return strncmp(t->gpus[gpu].m->uuid, "MIG-", 4) == 0;
}

/* ROCr's form is GPU- and 16 digits; the driver's has 0x, or nothing, before them. */
static bool format_amd_uuid(const char *uuid, char *ret, size_t size)
{
    if (strncmp(uuid, "GPU-", 4) == 0)
        uuid += 4;
    else if (strncmp(uuid, "0x", 2) == 0 || strncmp(uuid, "0X", 2) == 0)
        uuid += 2;
    size_t n = strlen(uuid);
    if (n == 0 || n > AMD_DIGITS || strspn(uuid, "0123456789abcdefABCDEF") != n)
        return false;
    int at = snprintf(ret, size, "GPU-%.*s%s", (int)(AMD_DIGITS - n),
                      "0000000000000000", uuid);
    for (int i = 4; i < at; i++)
        ret[i] = (char)tolower((unsigned char)ret[i]);
    return true;
}

/* "": it has none that the runtime would understand. */
static void format_uuid(const struct topo *t, uint32_t gpu, enum vendor v, char *ret,
                        size_t size)
{
    const char *uuid = t->gpus[gpu].m->uuid;
    ret[0] = '\0';
    if (v == AMD)
        (void)format_amd_uuid(uuid, ret, size);
    else if (strlen(uuid) < size &&
             (strncmp(uuid, "GPU-", 4) == 0 || strncmp(uuid, "MIG-", 4) == 0) &&
             strcspn(uuid, ", ") == strlen(uuid))
        (void)snprintf(ret, size, "%s", uuid);
}

/* Each has a UUID, and it is its own: partitions of one function may share theirs. */
static bool have_uuids(const struct gpus *g, enum vendor v)
{
    char a[100], b[100];
    for (size_t i = 0; i < g->n; i++) {
        if (!is_of(g->topo, g->list[i], v))
            continue;
        format_uuid(g->topo, g->list[i], v, a, sizeof a);
        if (!a[0])
            return false;
        for (size_t k = 0; k < g->topo->n_gpus; k++) {
            format_uuid(g->topo, (uint32_t)k, v, b, sizeof b);
            if (k != g->list[i] && is_of(g->topo, (uint32_t)k, v) && strcmp(a, b) == 0)
                return false;
        }
    }
    return true;
}

/* Without UUIDs an index is all there is. It means the same GPU to the runtime only where
 * ours is the order of the bus, nothing is hidden, and nobody else counts in between. */
static bool indexes_are_sure(const struct topo *t)
{
    if (!t->m || t->m->hidden_gpus > 0 || t->m->visible[0])
        return false;
    for (size_t i = 0; i < t->n_gpus; i++) {
        const Aolani__Gpu *m = t->gpus[i].m;
        if (m->partition > 0 || is_mig(t, (uint32_t)i) || !m->bus_id[0] ||
            strcmp(m->vendor, t->gpus[0].m->vendor) != 0)
            return false;
        if (i > 0 && topo_compare_bus_ids(t->gpus[i - 1].m->bus_id, m->bus_id) >= 0)
            return false;
    }
    return true;
}

/* All of them in order would be what it sees anyway: any doubt about the indexes is then
 * a doubt about nothing. A part of them is another matter. */
static bool are_all_in_order(const struct gpus *g)
{
    bool all = g->n == g->topo->n_gpus;
    for (size_t i = 0; i < g->n && all; i++)
        all = g->list[i] == i;
    return all;
}

static int list_gpus(const struct gpus *g, enum vendor v, bool uuids, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < g->n && rc == 0; i++) {
        char text[100];
        if (!is_of(g->topo, g->list[i], v))
            continue;
        if (uuids)
            format_uuid(g->topo, g->list[i], v, text, sizeof text);
        else
            (void)snprintf(text, sizeof text, "%u", g->list[i]);
        rc = buf_printf(out, "%s%s", out->len ? "," : "", text);
    }
    return rc;
}

static bool has_vendor(const struct gpus *g, enum vendor v)
{
    for (size_t i = 0; i < g->n; i++) {
        if (is_of(g->topo, g->list[i], v))
            return true;
    }
    return false;
}

static int add_visible(struct bindenv *b, const struct gpus *g, enum vendor v)
{
    bool uuids = have_uuids(g, v);
    if (!has_vendor(g, v))
        return 0;
    if (!uuids && !(indexes_are_sure(g->topo) && are_all_in_order(g))) {
        char text[200];
        (void)snprintf(
            text, sizeof text,
            "%s is not set: the GPUs' UUIDs are not known, and their indexes "
            "could mean others",
            vendors[v].visible);
        return add_note(b, text);
    }
    struct buf value;
    buf_init(&value, LIMIT_BIND_VALUE);
    int rc = list_gpus(g, v, uuids, &value);
    if (rc == 0)
        rc = add_var(b, vendors[v].visible, &value);
    buf_fini(&value);
    return rc;
}

/* CUDA shows a process one MIG instance, the first of its list, whatever follows: so a
 * list of all would give every rank the same. */
static bool has_mig(const struct gpus *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (is_mig(g->topo, g->list[i]))
            return true;
    }
    return false;
}

static bool each_its_own(const struct spec *s, const struct gpus *g)
{
    return strcmp(s->bind.gpu, "own") == 0 || has_mig(g);
}

static struct gpus gpus_of_node(const struct spec *s, const struct plan *p,
                                uint32_t node)
{
    const struct plan_node *n = &p->nodes[node];
    bool none = strcmp(s->bind.gpu, "none") == 0;
    return (struct gpus){n->topo, n->gpus, none ? 0 : n->n_gpus};
}

static int add_gpus_of_node(const struct spec *s, const struct gpus *g,
                            struct bindenv *b)
{
    int rc = 0;
    if (has_vendor(g,
                   NVIDIA)) /* or a program's own indexes would not be nvidia-smi's */
        rc = strlist_add(&b->vars, "CUDA_DEVICE_ORDER=PCI_BUS_ID");
    if (rc == 0 && has_mig(g) && strcmp(s->bind.gpu, "own") != 0)
        rc = add_note(b,
                      "each rank sees its own MIG instance alone: CUDA shows a process "
                      "no more than one");
    if (each_its_own(s, g))
        return rc;
    for (enum vendor v = 0; v < N_VENDORS && rc == 0; v++)
        rc = add_visible(b, g, v);
    return rc;
}

static int add_gpus_of_rank(const struct spec *s, const struct plan *p,
                            const struct plan_rank *r, struct bindenv *b)
{
    struct gpus all = gpus_of_node(s, p, r->node), own = {all.topo, r->gpus, r->n_gpus};
    int rc = 0;
    if (all.n == 0 || !each_its_own(s, &all))
        return 0;
    for (enum vendor v = 0; v < N_VENDORS && rc == 0; v++)
        rc = add_visible(b, &own, v);
    return rc;
}

/* ---- NICs ---- */

static bool binds_nics(const struct spec *s)
{
    return s->bind.nic.n != 1 || strcmp(s->bind.nic.items[0], "none") != 0;
}

/* What NCCL's own transport and UCX open by libibverbs. */
static bool is_verbs(const struct topo_nic *n)
{
    return n->m->kind == AOLANI__NIC__KIND__INFINIBAND ||
           n->m->kind == AOLANI__NIC__KIND__ROCE ||
           n->m->kind == AOLANI__NIC__KIND__OTHER_RDMA;
}

/* ",mlx5_0:1"; `most`: no more than so many. Returns how many there are. */
static size_t list_nics(const struct topo *t, const uint32_t *nics, size_t n,
                        size_t most, struct buf *out, int *rc)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const struct topo_nic *nic = &t->nics[nics[i]];
        int port = topo_nic_port(nic);
        if (!is_verbs(nic) || port < 0 || !nic->m->name[0] ||
            strlen(nic->m->name) > LIMIT_DEVICE_NAME || strpbrk(nic->m->name, ":, "))
            continue;
        if (++found <= most && *rc == 0)
            *rc = buf_printf(out, "%s%s:%d", found > 1 ? "," : "", nic->m->name, port);
    }
    return found;
}

/* The same on all ranks of a node: NCCL compares what they have, and hangs where they
 * differ. "=": without it mlx5_1 would mean mlx5_10 too. */
static int add_nccl_hcas(const struct plan_node *n, struct bindenv *b)
{
    struct buf value;
    int rc = 0;
    buf_init(&value, LIMIT_BIND_VALUE);
    size_t found = list_nics(n->topo, n->nics, n->n_nics, NCCL_HCAS, &value, &rc);
    char *var = NULL;
    if (rc == 0 && found > 0 &&
        asprintf(&var, "NCCL_IB_HCA==%s", (const char *)value.data) < 0)
        rc = -ENOMEM;
    if (rc == 0 && found > 0)
        rc = strlist_add(&b->vars, var);
    if (rc == 0 && found > NCCL_HCAS) {
        char text[160];
        (void)snprintf(text, sizeof text,
                       "NCCL_IB_HCA names %u of the %zu NICs: NCCL takes no more",
                       NCCL_HCAS, found);
        rc = add_note(b, text);
    }
    free(var);
    buf_fini(&value);
    return rc;
}

static int add_ucx_devices(const struct plan *p, const struct plan_rank *r,
                           struct bindenv *b)
{
    struct buf value;
    int rc = 0;
    buf_init(&value, LIMIT_BIND_VALUE);
    (void)list_nics(p->nodes[r->node].topo, r->nics, r->n_nics, SIZE_MAX, &value, &rc);
    if (rc == 0)
        rc = add_var(b, "UCX_NET_DEVICES", &value);
    buf_fini(&value);
    return rc;
}

/* ---- the whole ---- */

int bindenv_node(const struct spec *s, const struct plan *p, uint32_t node,
                 struct bindenv *ret)
{
    struct gpus g = gpus_of_node(s, p, node);
    *ret = (struct bindenv){0};
    int rc = add_gpus_of_node(s, &g, ret);
    if (rc == 0 && binds_nics(s))
        rc = add_nccl_hcas(&p->nodes[node], ret);
    return rc;
}

int bindenv_rank(const struct spec *s, const struct plan *p, uint32_t rank,
                 struct bindenv *ret)
{
    *ret = (struct bindenv){0};
    int rc = add_gpus_of_rank(s, p, &p->ranks[rank], ret);
    if (rc == 0 && binds_nics(s))
        rc = add_ucx_devices(p, &p->ranks[rank], ret);
    return rc;
}

void bindenv_fini(struct bindenv *b)
{
    strlist_fini(&b->vars);
    strlist_fini(&b->notes);
    *b = (struct bindenv){0};
}

/* ---- what the user set ---- */

static const char *value_in(const struct strlist *l, const char *name, size_t len)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strncmp(l->items[i], name, len) == 0 && l->items[i][len] == '=')
            return l->items[i] + len + 1;
    }
    return NULL;
}

static const char *forwarded_value(Aolani__KeyValue *const *list, size_t n,
                                   const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(list[i]->key) == len && memcmp(list[i]->key, name, len) == 0)
            return list[i]->value;
    }
    return NULL;
}

void bindenv_conflicts(const struct bindenv *b, const struct strlist *job_env,
                       Aolani__KeyValue *const *forwarded, size_t n_forwarded,
                       void (*each)(void *arg, const char *name, const char *theirs,
                                    const char *ours),
                       void *arg)
{
    for (size_t i = 0; i < b->vars.n; i++) {
        const char *var = b->vars.items[i];
        size_t len = strcspn(var, "=");
        const char *theirs = value_in(job_env, var, len);
        if (!theirs)
            theirs = forwarded_value(forwarded, n_forwarded, var, len);
        char *name =
            theirs && strcmp(theirs, var + len + 1) != 0 ? strndup(var, len) : NULL;
        if (name)
            each(arg, name, theirs, var + len + 1);
        free(name);
    }
}
