/* SPDX-License-Identifier: MIT */
/* nccl.c - see nccl.h. Paths from ncclgraph.h are changed as NCCL does after its search (C2C,
 * PXN, no GPUDirect), network by network and GPU by GPU: a network that one GPU has come to
 * reach through another counts when the next ones choose theirs. */
#include "launcher/place/nccl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/ncclgraph.h"

#define CHANNELS 64u /* NCCL's maximum */

const char *nccl_path_name(enum nccl_path p)
{
    static const char *const names[] = {"LOC", "NVL", "NVB", "C2C", "PIX", "PXB",
                                        "P2C", "PXN", "PHB", "SYS", "NET", "DIS"};
    return (unsigned)p < sizeof names / sizeof *names ? names[p] : "DIS";
}

/* ---- state ---- */

struct way {
    enum nccl_path type;
    float bandwidth;
};

struct locals { /* what is nearest to one, by index */
    uint32_t at[NCCLGRAPH_NETS];
    size_t n;
};

struct predictor {
    const struct topo *t;
    const struct nccl_env *env;
    const uint32_t *gpus;
    struct ncclgraph graph;
    size_t n_gpus, n_nets;
    struct way *up;       /* [gpu][net]: from the GPU */
    struct way *down;     /* [net][gpu]: to it */
    struct way *to_cpu;   /* [gpu]: its own CPU */
    struct way *from_cpu; /* [gpu][net]: from that CPU to the network */
    int *via;             /* [gpu][net]: through this GPU; -1 */
    struct locals *nets;  /* [gpu] */
    unsigned *share;      /* [gpu]: networks that it uses in turn */
    bool *nvlink;
};

static bool better(const struct way *a, const struct way *b)
{
    return a->bandwidth > b->bandwidth ||
           (a->bandwidth == b->bandwidth && a->type < b->type);
}

static bool equal(const struct way *a, const struct way *b)
{
    return a->bandwidth == b->bandwidth && a->type == b->type;
}

static struct way *up(const struct predictor *p, size_t gpu, size_t net)
{
    return &p->up[gpu * p->n_nets + net];
}

static struct way *down(const struct predictor *p, size_t net, size_t gpu)
{
    return &p->down[net * p->n_gpus + gpu];
}

/* ---- the nearest (ncclTopoGetLocal, ncclTopoGetLocalNet) ---- */

/* The GPUs that are nearest to a network: is g one of them? */
static struct way nearest_gpu(const struct predictor *p, size_t net, size_t *ret_n)
{
    struct way best = {.type = NCCL_PATH_DIS};
    *ret_n = 0;
    for (size_t g = 0; g < p->n_gpus; g++) {
        const struct way *w = down(p, net, g);
        if (better(w, &best)) {
            best = *w;
            *ret_n = 0;
        }
        *ret_n += equal(w, &best) ? 1u : 0u;
    }
    return best;
}

static void find_nets(struct predictor *p, size_t gpu)
{
    struct way best = {.type = NCCL_PATH_DIS};
    struct locals *l = &p->nets[gpu];
    l->n = 0;
    for (size_t n = 0; n < p->n_nets; n++) {
        const struct way *w = up(p, gpu, n);
        if (better(w, &best)) {
            best = *w;
            l->n = 0;
        }
        if (equal(w, &best) && w->type != NCCL_PATH_DIS)
            l->at[l->n++] = (uint32_t)n;
    }
    size_t n_gpus = 1;
    if (l->n > 0)
        (void)nearest_gpu(p, l->at[0], &n_gpus);
    p->share[gpu] = n_gpus ? (unsigned)((l->n + n_gpus - 1) / n_gpus) : 1;
}

static unsigned mirror(unsigned value, unsigned power_of_two)
{
    unsigned ret = 0;
    for (unsigned b = 1, m = power_of_two >> 1; b < power_of_two; b <<= 1, m >>= 1)
        ret |= value & b ? m : 0;
    return ret;
}

/* The GPU's number in NCCL: NVML's, whatever of them the job uses. */
static unsigned number_of(const struct predictor *p, size_t gpu)
{
    int32_t nvml = p->t->gpus[p->gpus[gpu]].m->nvml_index;
    return nvml >= 0 ? (unsigned)nvml : (unsigned)p->gpus[gpu];
}

/* -1: none. */
static int net_of(const struct predictor *p, size_t gpu, unsigned channel)
{
    const struct locals *l = &p->nets[gpu];
    unsigned n = (unsigned)l->n;
    if (n == 0)
        return -1;
    unsigned at = number_of(p, gpu);
    if ((n & (n - 1)) == 0)
        at = mirror(at, n);
    at += channel % p->share[gpu];
    return (int)l->at[at % n];
}

/* ---- PXN: through the GPU that is nearest to a network ---- */

/* -1: none of the nearest uses it. */
static int gpu_of_net(const struct predictor *p, size_t net)
{
    size_t n;
    struct way best = nearest_gpu(p, net, &n);
    unsigned most = 1;
    for (size_t g = 0; g < p->n_gpus; g++) {
        if (equal(down(p, net, g), &best) && p->share[g] > most)
            most = p->share[g];
    }
    for (unsigned c = 0; c < CHANNELS && c < most; c++) {
        for (size_t g = 0; g < p->n_gpus; g++) {
            if (equal(down(p, net, g), &best) && net_of(p, g, c) == (int)net)
                return (int)g;
        }
    }
    return -1;
}

static bool by_pxn(struct predictor *p, size_t net, size_t gpu)
{
    int peer = p->env->pxn ? gpu_of_net(p, net) : -1;
    if (peer < 0 || (size_t)peer == gpu || !p->nvlink[gpu] || !p->nvlink[peer])
        return false;
    const struct way *theirs = up(p, (size_t)peer, net);
    struct way *ours = up(p, gpu, net);
    if (theirs->type > (p->env->pxn_c2c ? NCCL_PATH_P2C : NCCL_PATH_PXB) ||
        !(theirs->bandwidth > ours->bandwidth || ours->type > NCCL_PATH_PXN))
        return false;
    *ours = (struct way){.type = NCCL_PATH_PXN, .bandwidth = theirs->bandwidth};
    p->via[gpu * p->n_nets + net] = peer;
    return true;
}

/* ---- GPUDirect RDMA (ncclTopoCheckGdr) ---- */

static bool gdr(const struct predictor *p, size_t gpu, size_t net,
                enum nccl_path *ret_type)
{
    enum nccl_path type = up(p, gpu, net)->type;
    int via = p->via[gpu * p->n_nets + net];
    if (type == NCCL_PATH_PXN && via >= 0)
        type = up(p, (size_t)via, net)->type;
    *ret_type = type;
    if (type == NCCL_PATH_P2C && p->env->gdr_c2c)
        type = NCCL_PATH_C2C;
    return type <= p->env->gdr_level;
}

static enum nccl_path merged(enum nccl_path a, enum nccl_path b)
{
    enum nccl_path most = a > b ? a : b, least = a > b ? b : a;
    return most == NCCL_PATH_PHB && least == NCCL_PATH_C2C ? NCCL_PATH_P2C : most;
}

/* All traffic goes through the GPU's CPU. */
static void divert(struct predictor *p, size_t gpu, size_t net)
{
    const struct way *a = &p->to_cpu[gpu], *b = &p->from_cpu[gpu * p->n_nets + net];
    struct way w = {.type = merged(a->type, b->type),
                    .bandwidth =
                        a->bandwidth < b->bandwidth ? a->bandwidth : b->bandwidth};
    *up(p, gpu, net) = *down(p, net, gpu) = w;
}

/* ---- paths ---- */

static struct way way_of(const struct ncclgraph_path *p)
{
    return (struct way){.type = p->type, .bandwidth = p->bandwidth};
}

/* The CPU that is the fewest links away; -1: none. */
static int nearest_cpu(const struct ncclgraph *g, const struct ncclgraph_path *paths)
{
    int cpu = -1;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i].kind == NCCLGRAPH_CPU && paths[i].hops > 0 &&
            (cpu < 0 || paths[i].hops < paths[cpu].hops))
            cpu = (int)i;
    }
    return cpu;
}

static int read_gpu(struct predictor *p, size_t gpu, struct ncclgraph_path *paths)
{
    const struct ncclgraph *g = &p->graph;
    int rc = ncclgraph_paths(g, g->gpus[gpu], paths);
    for (size_t n = 0; n < p->n_nets && rc == 0; n++)
        *down(p, n, gpu) = way_of(&paths[g->nets[n].node]);
    int cpu = rc == 0 ? nearest_cpu(g, paths) : -1;
    if (cpu < 0)
        return rc;
    p->to_cpu[gpu] = way_of(&paths[cpu]);
    rc = ncclgraph_paths(g, (uint32_t)cpu, paths);
    for (size_t n = 0; n < p->n_nets && rc == 0; n++)
        p->from_cpu[gpu * p->n_nets + n] = way_of(&paths[g->nets[n].node]);
    return rc;
}

static int read_paths(struct predictor *p)
{
    const struct ncclgraph *g = &p->graph;
    struct ncclgraph_path *paths = calloc(g->n_nodes + 1, sizeof *paths);
    int rc = paths ? 0 : -ENOMEM;
    for (size_t n = 0; n < p->n_nets && rc == 0; n++) {
        rc = ncclgraph_paths(g, g->nets[n].node, paths);
        for (size_t i = 0; i < p->n_gpus && rc == 0; i++)
            *up(p, i, n) = way_of(&paths[g->gpus[i]]);
    }
    for (size_t i = 0; i < p->n_gpus && rc == 0; i++)
        rc = read_gpu(p, i, paths);
    free(paths);
    return rc;
}

static void by_c2c(struct predictor *p)
{
    for (size_t n = 0; n < p->n_nets; n++) {
        for (size_t g = 0; g < p->n_gpus; g++) {
            if (merged(p->to_cpu[g].type, p->from_cpu[g * p->n_nets + n].type) !=
                NCCL_PATH_P2C)
                continue;
            struct way *a = up(p, g, n), *b = down(p, n, g);
            a->type = a->type < NCCL_PATH_P2C ? a->type : NCCL_PATH_P2C;
            b->type = b->type < NCCL_PATH_P2C ? b->type : NCCL_PATH_P2C;
        }
    }
}

static void adjust_one(struct predictor *p, size_t net, size_t gpu)
{
    enum nccl_path type;
    bool changed = by_pxn(p, net, gpu);
    if (up(p, gpu, net)->type < NCCL_PATH_PHB && !gdr(p, gpu, net, &type)) {
        divert(p, gpu, net);
        changed = true;
    }
    for (size_t i = 0; i < p->n_gpus && changed; i++)
        find_nets(p, i);
}

static void adjust(struct predictor *p)
{
    by_c2c(p);
    for (size_t g = 0; g < p->n_gpus; g++)
        find_nets(p, g);
    for (size_t n = 0; n < p->n_nets; n++) {
        for (size_t g = 0; g < p->n_gpus; g++)
            adjust_one(p, n, g);
    }
}

/* ---- the answer ---- */

static int choose(const struct predictor *p, size_t gpu, struct nccl_choice *ret)
{
    const struct locals *l = &p->nets[gpu];
    int at = net_of(p, gpu, 0);
    if (at < 0) {
        snprintf(ret->why, sizeof ret->why, "no RDMA NIC that NCCL can use");
        return 0;
    }
    ret->candidates = calloc(l->n, sizeof *ret->candidates);
    if (!ret->candidates)
        return -ENOMEM;
    ret->n_candidates = l->n;
    for (size_t i = 0; i < l->n; i++)
        ret->candidates[i] = p->graph.nets[l->at[i]].nics[0];
    const struct ncclgraph_net *net = &p->graph.nets[at];
    const struct way *w = up(p, gpu, (size_t)at);
    enum nccl_path type;
    ret->n_fused = net->n_nics;
    memcpy(ret->fused, net->nics, sizeof ret->fused);
    ret->nic = net->nics[0];
    ret->path = w->type;
    ret->bandwidth = (double)w->bandwidth;
    ret->gdr = gdr(p, gpu, (size_t)at, &type);
    const char *relation = ret->gdr ? "is within" : "is beyond";
    if (type == NCCL_PATH_P2C && ret->gdr && p->env->gdr_level < NCCL_PATH_P2C)
        relation = "counts as C2C, within";
    snprintf(ret->why, sizeof ret->why, "distance %s%s %s %s", nccl_path_name(type),
             w->type == NCCL_PATH_PXN ? " of the GPU that relays" : "", relation,
             nccl_path_name(p->env->gdr_level));
    return 0;
}

static int init(struct predictor *p, const uint32_t *nics, size_t n_nics)
{
    int rc = ncclgraph_build(p->t, p->env, nics, n_nics, p->gpus, p->n_gpus, &p->graph);
    if (rc < 0)
        return rc;
    p->n_nets = p->graph.n_nets;
    size_t pairs = p->n_gpus * p->n_nets + 1;
    p->up = calloc(pairs, sizeof *p->up);
    p->down = calloc(pairs, sizeof *p->down);
    p->from_cpu = calloc(pairs, sizeof *p->from_cpu);
    p->via = malloc(pairs * sizeof *p->via);
    p->to_cpu = calloc(p->n_gpus + 1, sizeof *p->to_cpu);
    p->nets = calloc(p->n_gpus + 1, sizeof *p->nets);
    p->share = calloc(p->n_gpus + 1, sizeof *p->share);
    p->nvlink = calloc(p->n_gpus + 1, sizeof *p->nvlink);
    if (!p->up || !p->down || !p->from_cpu || !p->via || !p->to_cpu || !p->nets ||
        !p->share || !p->nvlink)
        return -ENOMEM;
    for (size_t i = 0; i < pairs; i++)
        p->via[i] = -1;
    for (size_t i = 0; i < p->n_gpus; i++)
        p->nvlink[i] = ncclgraph_has_nvlink(p->t, &p->t->gpus[p->gpus[i]]);
    return read_paths(p);
}

static void fini(struct predictor *p)
{
    ncclgraph_fini(&p->graph);
    free(p->up);
    free(p->down);
    free(p->from_cpu);
    free(p->via);
    free(p->to_cpu);
    free(p->nets);
    free(p->share);
    free(p->nvlink);
}

/* The GPUs that NCCL knows, by their place in the list. */
static size_t ours(const struct topo *t, const uint32_t *gpus, size_t n,
                   struct nccl_choice *ret, uint32_t *known, size_t *at)
{
    size_t n_known = 0;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct nccl_choice){.path = NCCL_PATH_DIS, .known = true};
        const char *vendor = t->gpus[gpus[i]].m->vendor;
        if (*vendor && strcmp(vendor, "NVIDIA") != 0) {
            ret[i].known = false;
            snprintf(ret[i].why, sizeof ret[i].why, "not a GPU of NVIDIA");
            continue;
        }
        at[n_known] = i;
        known[n_known++] = gpus[i];
    }
    return n_known;
}

int nccl_predict(const struct topo *t, const struct nccl_env *env, const uint32_t *nics,
                 size_t n_nics, const uint32_t *gpus, size_t n_gpus,
                 struct nccl_choice *ret, struct err *e)
{
    uint32_t *known = calloc(n_gpus + 1, sizeof *known);
    size_t *at = calloc(n_gpus + 1, sizeof *at);
    struct predictor p = {.t = t, .env = env, .gpus = known};
    int rc = known && at ? 0 : -ENOMEM;
    if (rc == 0 && (p.n_gpus = ours(t, gpus, n_gpus, ret, known, at)) > 0)
        rc = init(&p, nics, n_nics);
    if (rc == 0)
        adjust(&p);
    for (size_t i = 0; i < p.n_gpus && rc == 0; i++)
        rc = choose(&p, i, &ret[at[i]]);
    for (size_t i = 0; rc < 0 && known && at && i < n_gpus; i++)
        nccl_choice_fini(&ret[i]);
    fini(&p);
    free(known);
    free(at);
    return rc < 0 ? err_sys(e, rc, "predict what NCCL does") : 0;
}

void nccl_choice_fini(struct nccl_choice *c)
{
    free(c->candidates);
    *c = (struct nccl_choice){0};
}
