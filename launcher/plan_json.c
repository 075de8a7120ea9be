/* SPDX-License-Identifier: MIT */
/* plan_json.c - a plan for programs. One object, stable: keys are added, never renamed or
 * removed.
 *
 *   nodes        [{host, ranks, env, warnings, notes, flat, source, differs, gpus, nics}]
 *     ranks      [{rank, local_rank, gpu, gpus, nic, nics, numa, cpus, nccl, env}]
 *       gpu      null, or its first {index, pci, uuid (null: not known), name}
 *       gpus     all its own, as gpu
 *       nic      null, or its own {name, pci (null: not on PCI), path ("PIX", "PXB", "PHB",
 *                "NODE", "SYS"; two NUMA nodes of one package are SYS, as what is not
 *                known), gdr (whether GPUDirect RDMA is used), why (of gdr), rate_mbits,
 *                link ("gen5 x16, now gen3 x8")}
 *       nics     names of all that are as near, its own first
 *       numa     [node] where its memory belongs; []: anywhere
 *       cpus     "0-27"; "": not bound
 *       nccl     null: not predicted; else {nic, path (NCCL's own types), gdr, differs
 *                (from nic above), candidates [name]}
 *       env      of this rank alone
 *     env        of all ranks of the node, {NAME: value}
 *     warnings   [text] compromises, which [bind] strict refuses; what differs
 *     notes      [text] what else is to be known
 *     flat       every GPU is as near to every NIC
 *     source     what the description was made from
 *     differs    [text] from most nodes; []: as they are
 *   differences  [{hosts [name], what [text]}], nodes that differ alike; what is [] for
 *                those that are as most are
 *   warnings     [text] of the whole job
 *   notes        [text] of the whole job
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_text.h"
#include "launcher/plan_view.h"
#include "proto/base/utf8.h"

/* What comes from nodes is shown as a terminal can take it. */
static json_t *text_of(const char *text)
{
    char *copy = strdup(text);
    if (copy)
        utf8_make_printable(copy);
    json_t *j = copy ? json_string(copy) : NULL;
    free(copy);
    return j;
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? text_of(text) : json_null();
}

static json_t *texts(char *const *list, size_t n)
{
    json_t *j = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(j, text_of(list[i]));
    return j;
}

static json_t *variables(const struct strlist *vars)
{
    json_t *j = json_object();
    for (size_t i = 0; i < vars->n; i++) {
        const char *text = vars->items[i];
        size_t len = strcspn(text, "=");
        char *name = strndup(text, len);
        if (name)
            json_object_set_new(j, name, text_of(text[len] ? text + len + 1 : ""));
        free(name);
    }
    return j;
}

/* ---- a rank */

static json_t *gpu_of(const struct topo *t, uint32_t index)
{
    const Aolani__Gpu *m = t->gpus[index].m;
    json_t *j = json_object();
    json_object_set_new(j, "index", json_integer(index));
    json_object_set_new(j, "pci", text_of(m->bus_id));
    json_object_set_new(j, "uuid", text_or_null(m->uuid));
    json_object_set_new(j, "name", text_of(m->model));
    return j;
}

static json_t *nic_of(const struct plan_view *v, const struct plan_rank *r)
{
    const struct topo_nic *n = plan_view_nic(v, r->rank);
    const struct plan_view_rank *says = &v->ranks[r->rank];
    char text[PLAN_TEXT];
    if (!n)
        return json_null();
    const struct topo *t = v->in.topos[r->node];
    const Aolani__PciLink *link = n->pci >= 0 ? t->pci[n->pci].m->link : NULL;
    json_t *j = json_object();
    json_object_set_new(j, "name", text_of(n->m->name));
    json_object_set_new(j, "pci", text_or_null(n->m->bus_id));
    json_object_set_new(j, "path", json_string(topo_path_name(&r->nic)));
    json_object_set_new(j, "gdr", json_boolean(says->has_gpu && says->gdr));
    json_object_set_new(j, "why", text_of(says->why));
    json_object_set_new(j, "rate_mbits", json_integer((json_int_t)plan_nic_rate(n)));
    json_object_set_new(j, "link", text_of(plan_link_now(link, text)));
    return j;
}

static json_t *nccl_of(const struct plan_view *v, const struct plan_rank *r)
{
    const struct plan_view_rank *says = &v->ranks[r->rank];
    const struct topo *t = v->in.topos[r->node];
    if (!says->predicted)
        return json_null();
    json_t *j = json_object(), *names = json_array();
    for (size_t i = 0; i < says->nccl.n_candidates; i++)
        json_array_append_new(names,
                              text_of(t->nics[says->nccl.candidates[i]].m->name));
    json_object_set_new(j, "nic", text_of(t->nics[says->nccl.nic].m->name));
    json_object_set_new(j, "path", json_string(nccl_path_name(says->nccl.path)));
    json_object_set_new(j, "gdr", json_boolean(says->nccl.gdr));
    json_object_set_new(j, "differs", json_boolean(says->nccl_differs));
    json_object_set_new(j, "candidates", names);
    return j;
}

/* Of a machine with one NUMA node no rank is bound to it, and all belong there. */
static json_t *numa_of(const struct topo *t, const struct plan_rank *r)
{
    json_t *j = json_array();
    const struct topo_numa *only = NULL;
    size_t n_nodes = 0;
    for (int64_t n = -1; (n = rankset_next(&r->numa, (uint32_t)(n + 1))) >= 0;)
        json_array_append_new(j, json_integer(n));
    for (size_t i = 0; i < t->n_numa; i++) {
        if (!t->numa[i].of_gpu && n_nodes++ == 0)
            only = &t->numa[i];
    }
    if (n_nodes == 1 && t->known && json_array_size(j) == 0)
        json_array_append_new(j, json_integer(only->os));
    return j;
}

static json_t *rank_of(const struct plan_view *v, const struct plan_rank *r)
{
    const struct topo *t = v->in.topos[r->node];
    json_t *j = json_object(), *gpus = json_array(), *nics = json_array();
    for (size_t i = 0; i < r->n_gpus; i++)
        json_array_append_new(gpus, gpu_of(t, r->gpus[i]));
    for (size_t i = 0; i < r->n_nics; i++)
        json_array_append_new(nics, text_of(t->nics[r->nics[i]].m->name));
    json_object_set_new(j, "rank", json_integer(r->rank));
    json_object_set_new(j, "local_rank", json_integer(r->local_rank));
    json_object_set_new(j, "gpu", r->n_gpus ? gpu_of(t, r->gpus[0]) : json_null());
    json_object_set_new(j, "nic", nic_of(v, r));
    json_object_set_new(j, "numa", numa_of(t, r));
    json_object_set_new(j, "cpus", json_string(r->cpus));
    json_object_set_new(j, "gpus", gpus);
    json_object_set_new(j, "nics", nics);
    json_object_set_new(j, "nccl", nccl_of(v, r));
    json_object_set_new(j, "env", variables(&v->ranks[r->rank].env.vars));
    return j;
}

/* ---- a node */

static json_t *node_of(const struct plan_view *v, uint32_t node)
{
    const struct plan *p = v->in.plan;
    const struct topo *t = v->in.topos[node];
    const struct plan_diff_group *g = v->differs[node];
    json_t *j = json_object(), *ranks = json_array(), *warnings = json_array();
    json_t *notes = texts(v->envs[node].notes.items, v->envs[node].notes.n);
    for (uint32_t i = p->first_rank[node]; i < p->first_rank[node + 1]; i++) {
        json_t *of_rank = texts(v->ranks[i].env.notes.items, v->ranks[i].env.notes.n);
        json_array_append_new(ranks, rank_of(v, &p->ranks[i]));
        json_array_extend(notes, of_rank);
        json_decref(of_rank);
    }
    for (size_t i = 0; i < p->n_notes; i++) {
        if (p->notes[i].node == node)
            json_array_append_new(p->notes[i].compromise ? warnings : notes,
                                  text_of(p->notes[i].text));
    }
    for (size_t i = 0; t->m && i < t->m->n_notes; i++)
        json_array_append_new(notes, text_of(t->m->notes[i]));
    json_object_set_new(j, "host", text_of(v->in.names[node]));
    json_object_set_new(j, "ranks", ranks);
    json_object_set_new(j, "env", variables(&v->envs[node].vars));
    json_object_set_new(j, "warnings", warnings);
    json_object_set_new(j, "notes", notes);
    json_object_set_new(j, "flat", json_boolean(p->nodes[node].flat));
    json_object_set_new(j, "source", text_of(t->m ? t->m->source : ""));
    json_object_set_new(j, "differs", g ? texts(g->what, g->n_what) : json_array());
    return j;
}

/* ---- the job */

static json_t *differences(const struct plan_view *v)
{
    json_t *all = json_array();
    for (size_t g = 0; g < v->diff.n_groups; g++) {
        const struct plan_diff_group *from = &v->diff.groups[g];
        json_t *j = json_object(), *hosts = json_array();
        for (size_t i = 0; i < from->n_nodes; i++)
            json_array_append_new(hosts, text_of(v->in.names[from->nodes[i]]));
        json_object_set_new(j, "hosts", hosts);
        json_object_set_new(j, "what", texts(from->what, from->n_what));
        json_array_append_new(all, j);
    }
    return all;
}

static json_t *job_of(const struct plan_view *v)
{
    json_t *j = json_object(), *nodes = json_array(), *notes = json_array();
    for (uint32_t i = 0; i < v->in.plan->n_nodes; i++)
        json_array_append_new(nodes, node_of(v, i));
    if (plan_view_is_lone_rank(v))
        json_array_append_new(
            notes, json_string("each node has one rank, which gets all its GPUs"));
    json_object_set_new(j, "nodes", nodes);
    json_object_set_new(j, "differences", differences(v));
    json_object_set_new(j, "warnings", texts(v->notes.items, v->notes.n));
    json_object_set_new(j, "notes", notes);
    return j;
}

static int on_bytes(const char *data, size_t len, void *arg)
{
    struct buf *out = arg;
    return buf_add(out, data, len);
}

int plan_json(const struct plan_view *v, struct buf *out)
{
    json_t *j = job_of(v);
    int rc = j && json_dump_callback(j, on_bytes, out, JSON_INDENT(1)) == 0
                 ? buf_printf(out, "\n")
                 : -ENOMEM;
    json_decref(j);
    return rc;
}
