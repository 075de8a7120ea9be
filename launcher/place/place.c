/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. Machine by machine: GPUs, then cores, then NICs; what is decided
 * over the whole job, its fabric and its numbers, comes first. */
#include "launcher/place/place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/place/place_impl.h"
#include "proto/base/limits.h"

/* ---- notes ---- */

static int add_note(struct placing *p, uint32_t node, bool compromise, char *text)
{
    struct plan *plan = p->plan;
    if (plan->n_notes == p->cap_notes) {
        size_t cap = p->cap_notes ? 2 * p->cap_notes : 16;
        struct plan_note *more = realloc(plan->notes, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        plan->notes = more;
        p->cap_notes = cap;
    }
    plan->notes[plan->n_notes++] =
        (struct plan_note){.node = node, .compromise = compromise, .text = text};
    return 0;
}

static int vnote(struct placing *p, uint32_t node, bool compromise, const char *fmt,
                 va_list ap)
{
    char *text;
    if (vasprintf(&text, fmt, ap) < 0)
        return -ENOMEM;
    int rc = add_note(p, node, compromise, text);
    if (rc < 0)
        free(text);
    return rc;
}

int place_note(struct placing *p, uint32_t node, struct err *e, const char *fmt, ...)
{
    va_list ap;
    (void)e;
    va_start(ap, fmt);
    int rc = vnote(p, node, false, fmt, ap);
    va_end(ap);
    return rc;
}

int place_compromise(struct placing *p, uint32_t node, const char *hint, struct err *e,
                     const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = vnote(p, node, true, fmt, ap);
    va_end(ap);
    if (rc < 0 || !p->spec->bind.strict)
        return rc;
    err_set(e, ERR_BIND, "node \"%s\": %s", p->names[node],
            p->plan->notes[p->plan->n_notes - 1].text);
    return err_hint(e, "%s%swithout [bind] strict the job would run like this", hint,
                    *hint ? "; " : "");
}

/* ---- how many ranks ---- */

/* Why it has no GPU, and the way out. */
static const char *why_no_gpus(const struct topo *t, const char **hint)
{
    *hint = t->hint ? t->hint : "";
    if (t->why)
        return t->why;
    if (!t->known)
        return "it does not say what it is made of";
    if (place_has_devices(t))
        return "it has no GPU";
    *hint = "a topology that was exported has devices unless lstopo had --no-io";
    return "no device of it is known";
}

static int complain_no_gpus(char *const *names, struct topo *const *topos,
                            uint32_t n_nodes, const struct spec *s, struct err *e)
{
    struct failure *all = calloc(n_nodes, sizeof *all);
    char text[400];
    const char *hint = "";
    size_t n = 0;
    for (uint32_t i = 0; all && i < n_nodes; i++) {
        if (place_gpu_share(s, topos[i], 0, 1).n > 0)
            continue;
        const char *way;
        all[n++] = (struct failure){names[i], why_no_gpus(topos[i], &way), ""};
        if (!*hint)
            hint = way;
    }
    if (!all)
        return err_sys(e, -ENOMEM, "count the GPUs");
    failures_format(all, n, text, sizeof text);
    free(all);
    err_set(e, ERR_BIND, "ranks_per_node = \"gpu\": %s", text);
    return err_hint(e, "%s%sset [job] ranks_per_node to a number", hint,
                    *hint ? "; or " : "");
}

static int count_ranks(const struct spec *s, bool shared_host, char *const *names,
                       struct topo *const *topos, uint32_t n_nodes,
                       uint32_t *first_rank, struct err *e)
{
    int64_t per_node = s->job.ranks_per_node;
    uint64_t sum = 0;
    if (per_node > LIMIT_LOCAL_RANKS)
        return err_set(e, ERR_BIND, "%lld ranks per node are more than %u",
                       (long long)per_node, LIMIT_LOCAL_RANKS);
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint32_t n = (uint32_t)per_node;
        if (per_node <= 0) {
            n = place_gpu_share(s, topos[shared_host ? 0 : i], shared_host ? i : 0,
                                shared_host ? n_nodes : 1)
                    .n;
            if (n == 0)
                return complain_no_gpus(names, topos, n_nodes, s, e);
        }
        sum += n;
        if (sum > LIMIT_RANKS)
            return err_set(e, ERR_BIND, "the ranks of %u nodes are more than %u",
                           n_nodes, LIMIT_RANKS);
        first_rank[i + 1] = (uint32_t)sum;
    }
    return 0;
}

static int plan_alloc(struct plan *p, uint32_t n_nodes)
{
    p->n_nodes = n_nodes;
    p->world_size = p->first_rank[n_nodes];
    p->ranks = calloc(p->world_size, sizeof *p->ranks);
    p->nodes = calloc(n_nodes, sizeof *p->nodes);
    if (!p->ranks || !p->nodes)
        return -ENOMEM;
    for (uint32_t node = 0, i = 0; node < n_nodes; node++) {
        for (; i < p->first_rank[node + 1]; i++)
            p->ranks[i] = (struct plan_rank){
                .rank = i, .node = node, .local_rank = i - p->first_rank[node]};
    }
    return 0;
}

/* ---- machine by machine ---- */

static int place_site(struct placing *p, const struct site *s, struct err *e)
{
    int rc = 0;
    if (s->topo->why)
        rc = place_compromise(p, s->first_node, s->topo->hint, e,
                              "what it is made of is not known: %s", s->topo->why);
    if (rc == 0)
        rc = place_gpus(p, s, e);
    if (rc == 0)
        rc = place_cores(p, s, e);
    if (rc == 0)
        rc = place_nics(p, s, e);
    return rc;
}

static int place_all(struct placing *p, bool shared_host, struct topo *const *topos,
                     struct err *e)
{
    struct plan *plan = p->plan;
    uint32_t step = shared_host ? plan->n_nodes : 1;
    int rc = fabric_choose(p->spec, topos, shared_host ? 1 : plan->n_nodes, &p->fabric);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        plan->nodes[i].topo = topos[shared_host ? 0 : i];
        p->any_gpus |= place_gpu_share(p->spec, plan->nodes[i].topo, 0, 1).n > 0;
    }
    for (uint32_t i = 0; i < plan->n_nodes && rc == 0; i += step) {
        uint32_t first = plan->first_rank[i];
        struct site s = {.topo = plan->nodes[i].topo,
                         .first_node = i,
                         .n_nodes = step,
                         .ranks = &plan->ranks[first],
                         .n_ranks = plan->first_rank[i + step] - first};
        rc = place_site(p, &s, e);
    }
    fabric_fini(&p->fabric);
    return rc;
}

int place(const struct spec *s, bool shared_host, char *const *names,
          struct topo *const *topos, uint32_t n_nodes, struct plan *ret, struct err *e)
{
    struct plan plan = {0};
    struct placing p = {.spec = s, .plan = &plan, .names = names};
    int rc = -ENOMEM;
    plan.first_rank = calloc((size_t)n_nodes + 1, sizeof *plan.first_rank);
    if (plan.first_rank)
        rc = count_ranks(s, shared_host, names, topos, n_nodes, plan.first_rank, e);
    if (rc == 0)
        rc = plan_alloc(&plan, n_nodes);
    if (rc == 0)
        rc = place_all(&p, shared_host, topos, e);
    if (rc < 0) {
        plan_fini(&plan);
        return rc == -ENOMEM ? err_sys(e, rc, "place the ranks") : rc;
    }
    *ret = plan;
    return 0;
}

void plan_fini(struct plan *p)
{
    for (uint32_t i = 0; p->ranks && i < p->world_size; i++) {
        free(p->ranks[i].cpus);
        rankset_fini(&p->ranks[i].numa);
        free(p->ranks[i].gpus);
        free(p->ranks[i].nics);
    }
    for (uint32_t i = 0; p->nodes && i < p->n_nodes; i++) {
        free(p->nodes[i].gpus);
        free(p->nodes[i].nics);
    }
    for (size_t i = 0; i < p->n_notes; i++)
        free(p->notes[i].text);
    free(p->notes);
    free(p->ranks);
    free(p->nodes);
    free(p->first_rank);
    *p = (struct plan){0};
}
