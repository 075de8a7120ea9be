/* SPDX-License-Identifier: MIT */
/* plan_view.c - see plan_view.h. */
#include "launcher/plan_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/forward.h"
#include "launcher/plan_text.h"
#include "proto/base/hostlist.h"

const struct topo_nic *plan_view_nic(const struct plan_view *v, uint32_t rank)
{
    const struct plan_rank *r = &v->in.plan->ranks[rank];
    return r->n_nics ? &v->in.topos[r->node]->nics[r->nics[0]] : NULL;
}

bool plan_view_is_lone_rank(const struct plan_view *v)
{
    const struct spec *s = v->in.spec;
    bool has_gpus = false;
    if (s->job.ranks_per_node != 1 || spec_set_by(s, "job.ranks_per_node"))
        return false;
    for (uint32_t i = 0; i < v->in.plan->world_size && !has_gpus; i++)
        has_gpus = v->in.plan->ranks[i].n_gpus > 1;
    return has_gpus;
}

int plan_view_block_names(const struct plan_view *v, size_t block, struct buf *out)
{
    uint32_t n = v->in.plan->n_nodes;
    struct hostlist l = {0};
    l.names = calloc(n, sizeof *l.names);
    for (uint32_t i = 0; l.names && i < n; i++) {
        if (v->block_of[i] == block)
            l.names[l.n++] = v->in.names[i];
    }
    int rc = l.names ? hostlist_format(&l, out) : -ENOMEM;
    free(l.names);
    return rc;
}

/* ---- NCCL ---- */

static bool is_fused(const struct nccl_choice *c, uint32_t nic)
{
    bool found = c->nic == nic;
    for (size_t i = 0; i < c->n_fused && !found; i++)
        found = c->fused[i] == nic;
    return found;
}

/* Of the one NIC that the plan gives it. */
static int ask_own_nic(struct plan_view *v, const struct nccl_env *env, uint32_t rank,
                       struct err *e)
{
    const struct plan_rank *r = &v->in.plan->ranks[rank];
    struct plan_view_rank *to = &v->ranks[rank];
    struct nccl_choice c = {0};
    int rc = nccl_predict(v->in.topos[r->node], env, r->nics, 1, r->gpus, 1, &c, e);
    if (rc == 0 && c.known && c.n_candidates > 0) {
        to->gdr = c.gdr;
        (void)snprintf(to->why, sizeof to->why, "%s", c.why);
    } else if (rc == 0) {
        to->gdr = r->nic.known && r->nic.level == TOPO_SWITCH;
        (void)snprintf(to->why, sizeof to->why, "%s %s",
                       "by the path alone:", plan_path(&r->nic));
    }
    nccl_choice_fini(&c);
    return rc;
}

static int judge_rank(struct plan_view *v, const struct nccl_env *env, uint32_t rank,
                      struct nccl_choice *choice, struct err *e)
{
    const struct plan_rank *r = &v->in.plan->ranks[rank];
    struct plan_view_rank *to = &v->ranks[rank];
    to->nccl = *choice;
    *choice = (struct nccl_choice){0};
    to->predicted = to->nccl.known && to->nccl.n_candidates > 0;
    to->has_nic = r->n_nics > 0;
    if (!to->has_nic)
        return 0;
    to->nccl_differs = to->predicted && !is_fused(&to->nccl, r->nics[0]);
    if (!to->predicted || to->nccl_differs)
        return ask_own_nic(v, env, rank, e);
    to->gdr = to->nccl.gdr;
    (void)snprintf(to->why, sizeof to->why, "%s", to->nccl.why);
    return 0;
}

/* nccl.h: the variables that the ranks will have. */
struct nccl_vars {
    struct nccl_env env;
    const char *hca; /* of the user; NULL: the plan's is in effect */
};

static int predict_node(const struct plan_view *v, const struct nccl_vars *vars,
                        uint32_t node, struct nccl_choice *ret, struct err *e)
{
    const struct plan_node *n = &v->in.plan->nodes[node];
    const struct topo *t = v->in.topos[node];
    if (n->n_gpus == 0)
        return 0;
    if (!vars->hca)
        return nccl_predict(t, &vars->env, n->nics, n->n_nics, n->gpus, n->n_gpus, ret,
                            e);
    uint32_t *named = calloc(t->n_nics + 1, sizeof *named);
    if (!named)
        return err_sys(e, -ENOMEM, "predict what NCCL does");
    size_t n_named = nccl_nics_named(t, vars->hca, named);
    int rc = nccl_predict(t, &vars->env, named, n_named, n->gpus, n->n_gpus, ret, e);
    free(named);
    return rc;
}

static int ask_nccl(struct plan_view *v, const struct nccl_vars *vars, uint32_t node,
                    struct err *e)
{
    const struct plan *p = v->in.plan;
    const struct plan_node *n = &p->nodes[node];
    struct nccl_choice *all = calloc(n->n_gpus + 1, sizeof *all);
    int rc = all ? predict_node(v, vars, node, all, e)
                 : err_sys(e, -ENOMEM, "predict what NCCL does");
    for (uint32_t r = p->first_rank[node]; r < p->first_rank[node + 1] && rc == 0;
         r++) {
        size_t at = 0;
        while (at < n->n_gpus &&
               (!p->ranks[r].n_gpus || n->gpus[at] != p->ranks[r].gpus[0]))
            at++;
        v->ranks[r].has_gpu = at < n->n_gpus;
        /* Ranks that share a GPU: NCCL refuses that, the first of them is told of. */
        if (at < n->n_gpus)
            rc = judge_rank(v, &vars->env, r, &all[at], e);
    }
    for (size_t i = 0; all && i < n->n_gpus; i++)
        nccl_choice_fini(&all[i]);
    free(all);
    return rc;
}

/* ---- the environment ---- */

struct conflict {
    struct plan_view *v;
    int rc;
};

static void on_conflict(void *arg, const char *name, const char *theirs,
                        const char *ours)
{
    struct conflict *c = arg;
    char *text = NULL;
    int n = asprintf(&text,
                     "%s is \"%.100s\" in the job's environment and stays so; the plan "
                     "would have \"%.100s\"",
                     name, theirs, ours);
    for (size_t i = 0; n >= 0 && i < c->v->notes.n; i++) {
        if (strncmp(c->v->notes.items[i], name, strlen(name)) == 0)
            n = -1; /* another node's or rank's: once is enough */
    }
    if (text && n >= 0)
        c->rc = c->rc ? c->rc : strlist_add(&c->v->notes, text);
    else if (!text)
        c->rc = -ENOMEM;
    free(text);
}

static int find_conflicts(struct plan_view *v, const struct forward *f)
{
    struct conflict c = {.v = v};
    const struct strlist *env = &v->in.spec->job.env;
    for (uint32_t i = 0; i < v->in.plan->n_nodes; i++)
        bindenv_conflicts(&v->envs[i], env, f->list, f->n, on_conflict, &c);
    for (uint32_t i = 0; i < v->in.plan->world_size; i++)
        bindenv_conflicts(&v->ranks[i].env, env, f->list, f->n, on_conflict, &c);
    return c.rc;
}

/* What changes NCCL's choice comes to the ranks from here and from the job file, which
 * wins. */
static void read_nccl_vars(const struct plan_view *v, const struct forward *f,
                           struct nccl_vars *ret)
{
    const struct strlist *env = &v->in.spec->job.env;
    char text[300];
    *ret = (struct nccl_vars){.env = nccl_env_default};
    for (size_t i = 0; i < f->n; i++) {
        (void)snprintf(text, sizeof text, "%s=%s", f->list[i]->key, f->list[i]->value);
        nccl_env_set(&ret->env, text);
        if (strcmp(f->list[i]->key, "NCCL_IB_HCA") == 0)
            ret->hca = f->list[i]->value;
    }
    for (size_t i = 0; i < env->n; i++) {
        nccl_env_set(&ret->env, env->items[i]);
        if (strncmp(env->items[i], "NCCL_IB_HCA=", 12) == 0)
            ret->hca = env->items[i] + 12;
    }
}

static int add_environment(struct plan_view *v, struct err *e)
{
    const struct plan *p = v->in.plan;
    struct forward f = {0};
    struct nccl_vars nccl;
    int rc = forward_select(&v->in.spec->job.forward_env, v->in.environ_, &f, e);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < p->n_nodes && rc == 0; i++)
        rc = bindenv_node(v->in.spec, p, i, &v->envs[i]);
    for (uint32_t i = 0; i < p->world_size && rc == 0; i++)
        rc = bindenv_rank(v->in.spec, p, i, &v->ranks[i].env);
    if (rc == 0)
        rc = find_conflicts(v, &f);
    if (rc < 0)
        err_sys(e, rc, "tell programs of their binding");
    read_nccl_vars(v, &f, &nccl);
    for (uint32_t i = 0; i < p->n_nodes && rc == 0; i++)
        rc = ask_nccl(v, &nccl, i, e);
    forward_fini(&f);
    return rc;
}

/* ---- blocks ---- */

static bool same_strings(const struct strlist *a, const struct strlist *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static bool same_numa(const struct rankset *a, const struct rankset *b)
{
    int64_t x = rankset_next(a, 0), y = rankset_next(b, 0);
    while (x >= 0 && x == y) {
        x = rankset_next(a, (uint32_t)x + 1);
        y = rankset_next(b, (uint32_t)y + 1);
    }
    return x == y;
}

static bool same_gpu(const struct topo_gpu *a, const struct topo_gpu *b)
{
    return strcmp(a->m->bus_id, b->m->bus_id) == 0 &&
           strcmp(a->m->model, b->m->model) == 0;
}

static bool same_nic(const struct topo_nic *a, const struct topo_nic *b)
{
    return strcmp(a->m->name, b->m->name) == 0 && plan_nic_rate(a) == plan_nic_rate(b);
}

static bool same_rank(const struct plan_view *v, uint32_t a, uint32_t b)
{
    const struct plan_rank *x = &v->in.plan->ranks[a], *y = &v->in.plan->ranks[b];
    const struct plan_view_rank *vx = &v->ranks[a], *vy = &v->ranks[b];
    const struct topo *tx = v->in.topos[x->node], *ty = v->in.topos[y->node];
    bool same = strcmp(x->cpus, y->cpus) == 0 && x->n_gpus == y->n_gpus &&
                x->n_nics == y->n_nics && same_numa(&x->numa, &y->numa) &&
                topo_path_compare(&x->nic, &y->nic) == 0 && vx->gdr == vy->gdr &&
                vx->nccl_differs == vy->nccl_differs && strcmp(vx->why, vy->why) == 0;
    for (size_t i = 0; i < x->n_gpus && same; i++)
        same = x->gpus[i] == y->gpus[i] &&
               same_gpu(&tx->gpus[x->gpus[i]], &ty->gpus[y->gpus[i]]);
    for (size_t i = 0; i < x->n_nics && same; i++)
        same = same_nic(&tx->nics[x->nics[i]], &ty->nics[y->nics[i]]);
    return same;
}

static bool same_notes(const struct plan *p, uint32_t a, uint32_t b)
{
    size_t x = 0, y = 0;
    for (;; x++, y++) {
        while (x < p->n_notes && p->notes[x].node != a)
            x++;
        while (y < p->n_notes && p->notes[y].node != b)
            y++;
        if (x == p->n_notes || y == p->n_notes)
            return x == p->n_notes && y == p->n_notes;
        if (strcmp(p->notes[x].text, p->notes[y].text) != 0)
            return false;
    }
}

/* What its description could not see. */
static bool same_sight(const struct topo *a, const struct topo *b)
{
    size_t n_a = a->m ? a->m->n_notes : 0, n_b = b->m ? b->m->n_notes : 0;
    bool same = n_a == n_b;
    for (size_t i = 0; i < n_a && same; i++)
        same = strcmp(a->m->notes[i], b->m->notes[i]) == 0;
    return same;
}

static bool same_node(const struct plan_view *v, uint32_t a, uint32_t b)
{
    const struct plan *p = v->in.plan;
    uint32_t fa = p->first_rank[a], fb = p->first_rank[b];
    uint32_t n = p->first_rank[a + 1] - fa;
    bool same = n == p->first_rank[b + 1] - fb && v->differs[a] == v->differs[b] &&
                same_notes(p, a, b) && same_sight(v->in.topos[a], v->in.topos[b]) &&
                same_strings(&v->envs[a].notes, &v->envs[b].notes);
    for (uint32_t i = 0; i < n && same; i++)
        same = same_rank(v, fa + i, fb + i);
    return same;
}

static int note_differences(struct plan_view *v)
{
    v->differs = calloc(v->diff.n_nodes + 1, sizeof *v->differs);
    if (!v->differs)
        return -ENOMEM;
    for (size_t g = 0; g < v->diff.n_groups; g++) {
        const struct plan_diff_group *at = &v->diff.groups[g];
        for (size_t i = 0; i < at->n_nodes && at->n_what > 0; i++)
            v->differs[at->nodes[i]] = at;
    }
    return 0;
}

static int make_blocks(struct plan_view *v)
{
    uint32_t n = v->in.plan->n_nodes;
    v->block_of = calloc((size_t)n + 1, sizeof *v->block_of);
    v->blocks = calloc((size_t)n + 1, sizeof *v->blocks);
    if (!v->block_of || !v->blocks)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = 0;
        while (b < v->n_blocks && !same_node(v, v->blocks[b], i))
            b++;
        if (b == v->n_blocks)
            v->blocks[v->n_blocks++] = i;
        v->block_of[i] = b;
    }
    return 0;
}

/* ---- all ---- */

int plan_view_init(struct plan_view *v, const struct plan_input *in, struct err *e)
{
    const struct plan *p = in->plan;
    *v = (struct plan_view){.in = *in};
    v->ranks = calloc((size_t)p->world_size + 1, sizeof *v->ranks);
    v->envs = calloc((size_t)p->n_nodes + 1, sizeof *v->envs);
    int rc = v->ranks && v->envs ? plan_diff(in->topos, p->n_nodes, &v->diff) : -ENOMEM;
    if (rc < 0)
        err_sys(e, rc, "show the plan of %u nodes", p->n_nodes);
    if (rc == 0)
        rc = add_environment(v, e);
    if (rc == 0 && ((rc = note_differences(v)) < 0 || (rc = make_blocks(v)) < 0))
        err_sys(e, rc, "show the plan of %u nodes", p->n_nodes);
    if (rc < 0)
        plan_view_fini(v);
    return rc;
}

void plan_view_fini(struct plan_view *v)
{
    const struct plan *p = v->in.plan;
    for (uint32_t i = 0; v->ranks && i < p->world_size; i++) {
        bindenv_fini(&v->ranks[i].env);
        nccl_choice_fini(&v->ranks[i].nccl);
    }
    for (uint32_t i = 0; v->envs && i < p->n_nodes; i++)
        bindenv_fini(&v->envs[i]);
    plan_diff_fini(&v->diff);
    strlist_fini(&v->notes);
    free(v->differs);
    free(v->ranks);
    free(v->envs);
    free(v->block_of);
    free(v->blocks);
    *v = (struct plan_view){0};
}
