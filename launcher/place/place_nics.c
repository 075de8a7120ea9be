/* SPDX-License-Identifier: MIT */
/* place_nics.c - the NIC of each rank: the nearest that may be used, and among equals the
 * one with the fewest ranks, then on another card, then behind another switch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/balance.h"
#include "launcher/place/nicchoice.h"

/* ---- which there are ---- */

static int compare_nics(const struct topo *t, uint32_t a, uint32_t b)
{
    int c = topo_compare_bus_ids(t->nics[a].m->bus_id, t->nics[b].m->bus_id);
    if (c == 0)
        c = strcmp(t->nics[a].m->name, t->nics[b].m->name);
    return c ? c : a < b ? -1 : a > b;
}

static void find_usable(struct choice *c)
{
    fabric_of_gpus(c->topo, c->verdicts, c->slow);
    for (uint32_t i = 0; i < c->topo->n_nics; i++) {
        size_t at = c->n_nics;
        if (c->verdicts[i] != FABRIC_USABLE)
            continue;
        for (; at > 0 && compare_nics(c->topo, c->nics[at - 1], i) > 0; at--)
            c->nics[at] = c->nics[at - 1];
        c->nics[at] = i;
        c->n_nics++;
    }
}

/* ---- who is near to what ---- */

static struct topo_path path_to(const struct choice *c, const struct seeker *s,
                                uint32_t nic)
{
    if (s->gpu >= 0)
        return topo_path_gpu_nic(c->topo, (uint32_t)s->gpu, nic);
    return topo_path_of_places(&s->place, &c->topo->nics[nic].place);
}

static int look_around(struct choice *c, struct seeker *s)
{
    int rc = 0;
    s->path = s->before = (struct topo_path){.level = TOPO_SYS};
    for (size_t i = 0; i < c->n_nics && rc == 0; i++) {
        struct topo_path path = path_to(c, s, c->nics[i]);
        int order =
            rankset_next(&s->best, 0) < 0 ? -1 : topo_path_compare(&path, &s->path);
        if (order > 0)
            continue;
        if (order < 0)
            rankset_fini(&s->best);
        s->path = path;
        rc = rankset_add(&s->best, (uint32_t)i);
    }
    s->before = s->path;
    for (uint32_t i = 0; i < c->topo->n_nics; i++) {
        struct topo_path path = path_to(c, s, i);
        if (c->verdicts[i] == FABRIC_DOWN && topo_path_compare(&path, &s->before) < 0)
            s->before = path;
    }
    return rc;
}

static int seek_by_gpus(struct choice *c)
{
    const struct topo *t = c->topo;
    if (!(c->seekers = calloc(t->n_gpus, sizeof *c->seekers)))
        return -ENOMEM;
    c->n_seekers = t->n_gpus;
    int rc = 0;
    for (uint32_t i = 0; i < t->n_gpus && rc == 0; i++) {
        c->seekers[i].gpu = (int)i;
        rc = look_around(c, &c->seekers[i]);
    }
    for (uint32_t i = 0; i < c->site->n_ranks; i++)
        c->seeker_of[i] = c->site->ranks[i].gpus[0];
    return rc;
}

static int place_of_rank(const struct choice *c, const struct plan_rank *r,
                         struct topo_place *ret)
{
    struct rankset cpus = {0};
    int rc = *r->cpus ? rankset_parse(&cpus, r->cpus, NULL)
                      : rankset_merge(&cpus, &c->topo->allowed);
    if (rc == 0)
        rc = topo_place_of_cpus(c->topo, &cpus, ret);
    rankset_fini(&cpus);
    return rc;
}

static int seek_by_cores(struct choice *c)
{
    if (!(c->seekers = calloc(c->site->n_ranks, sizeof *c->seekers)))
        return -ENOMEM;
    int rc = 0;
    for (uint32_t i = 0; i < c->site->n_ranks && rc == 0; i++) {
        const struct plan_rank *r = &c->site->ranks[i];
        c->seeker_of[i] = (uint32_t)c->n_seekers;
        if (i > 0 && strcmp(r->cpus, c->site->ranks[i - 1].cpus) == 0) {
            c->seeker_of[i]--;
            continue;
        }
        struct seeker *s = &c->seekers[c->n_seekers++];
        s->gpu = -1;
        rc = place_of_rank(c, r, &s->place);
        if (rc == 0)
            rc = look_around(c, s);
    }
    return rc;
}

/* ---- one for each ---- */

struct turn {
    const struct choice *choice;
    uint32_t rank;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    const struct choice *c = x->choice;
    int gpu_x = c->seekers[c->seeker_of[x->rank]].gpu;
    int gpu_y = c->seekers[c->seeker_of[y->rank]].gpu;
    int order = gpu_x >= 0 && gpu_y >= 0
                    ? place_compare_gpus(c->topo, (uint32_t)gpu_x, (uint32_t)gpu_y)
                    : 0;
    return order ? order : x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int add_to_group(struct choice *c, uint32_t rank)
{
    const struct rankset *best = &c->seekers[c->seeker_of[rank]].best;
    size_t i = 0;
    while (i < c->n_groups && (!rankset_contains(c->groups[i].best, best) ||
                               !rankset_contains(best, c->groups[i].best)))
        i++;
    struct group *g = &c->groups[i];
    if (i == c->n_groups) {
        if (!(g->ranks = calloc(c->site->n_ranks, sizeof *g->ranks)))
            return -ENOMEM;
        g->best = best;
        c->n_groups++;
    }
    g->ranks[g->n++] = rank;
    return 0;
}

static int find_groups(struct choice *c)
{
    uint32_t n = c->site->n_ranks;
    struct turn *turns = calloc(n, sizeof *turns);
    int rc = turns && (c->groups = calloc(n, sizeof *c->groups)) ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        turns[i] = (struct turn){c, i};
    if (rc == 0)
        qsort(turns, n, sizeof *turns, compare_turns);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = add_to_group(c, turns[i].rank);
    free(turns);
    return rc;
}

/* Functions of one card have their address in common but for the last digit. */
static bool same_card(const struct topo *t, uint32_t a, uint32_t b)
{
    const char *x = t->nics[a].m->bus_id, *y = t->nics[b].m->bus_id;
    const char *dot = strrchr(x, '.');
    return dot && strncmp(x, y, (size_t)(dot - x) + 1) == 0;
}

/* The bridge above the one that a device is plugged in: that of a switch. */
static int switch_of(const struct topo *t, uint32_t nic)
{
    int pci = t->nics[nic].pci;
    for (int up = 0; up < 2 && pci >= 0; up++)
        pci = t->pci[pci].parent;
    return pci;
}

struct crowd {
    uint32_t nic, card, behind_switch; /* ranks that it has already */
};

static struct crowd crowd_at(const struct choice *c, const struct balance *b, size_t at)
{
    struct crowd all = {.nic = b->has[at]};
    for (size_t i = 0; i < c->n_nics; i++) {
        if (same_card(c->topo, c->nics[i], c->nics[at]))
            all.card += b->has[i];
        if (switch_of(c->topo, c->nics[i]) == switch_of(c->topo, c->nics[at]))
            all.behind_switch += b->has[i];
    }
    return all;
}

static bool is_less_crowded(const struct crowd *a, const struct crowd *b)
{
    if (a->nic != b->nic)
        return a->nic < b->nic;
    if (a->card != b->card)
        return a->card < b->card;
    return a->behind_switch < b->behind_switch;
}

static void deal_group(const struct choice *c, struct balance *b, size_t group)
{
    const struct group *g = &c->groups[group];
    for (size_t k = 0; k < g->n; k++) {
        size_t best = c->n_nics;
        struct crowd least = {0};
        for (int64_t i = rankset_next(g->best, 0); i >= 0;
             i = rankset_next(g->best, (uint32_t)i + 1)) {
            struct crowd here = crowd_at(c, b, (size_t)i);
            if (best < c->n_nics && !is_less_crowded(&here, &least))
                continue;
            best = (size_t)i;
            least = here;
        }
        balance_give(b, group, best);
    }
}

/* Those with the fewest to choose from first. */
static void deal_nics(const struct choice *c, struct balance *b)
{
    for (size_t width = 1; width <= c->n_nics; width++) {
        for (size_t i = 0; i < c->n_groups; i++) {
            if (rankset_count(c->groups[i].best) == width)
                deal_group(c, b, i);
        }
    }
}

/* Its own first, then the others in the bus's order. */
static int set_nics(const struct choice *c, uint32_t rank, size_t own)
{
    const struct seeker *s = &c->seekers[c->seeker_of[rank]];
    struct plan_rank *r = &c->site->ranks[rank];
    if (!(r->nics = calloc(rankset_count(&s->best), sizeof *r->nics)))
        return -ENOMEM;
    r->nics[r->n_nics++] = c->nics[own];
    for (int64_t i = rankset_next(&s->best, 0); i >= 0;
         i = rankset_next(&s->best, (uint32_t)i + 1)) {
        if ((size_t)i != own)
            r->nics[r->n_nics++] = c->nics[i];
    }
    r->nic = path_to(c, s, c->nics[own]);
    return 0;
}

static int assign_nics(struct choice *c)
{
    struct balance b;
    int rc = balance_init(&b, c->n_groups, c->n_nics);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->n_groups; i++) {
        b.count[i] = (uint32_t)c->groups[i].n;
        for (size_t k = 0; k < c->n_nics; k++)
            b.may[i * c->n_nics + k] = rankset_has(c->groups[i].best, (uint32_t)k);
    }
    for (size_t k = 0; k < c->n_nics; k++)
        b.weight[k] = 1;
    deal_nics(c, &b);
    rc = balance_even(&b);
    for (size_t i = 0; i < c->n_groups && rc == 0; i++) {
        size_t next = 0;
        for (size_t k = 0; k < c->n_nics && rc == 0; k++) {
            for (uint32_t m = 0; m < b.given[i * c->n_nics + k] && rc == 0; m++)
                rc = set_nics(c, c->groups[i].ranks[next++], k);
        }
    }
    balance_fini(&b);
    return rc;
}

/* ---- of the node ---- */

static int set_node_nics(const struct choice *c, uint32_t node)
{
    const struct plan *plan = c->p->plan;
    struct plan_node *n = &plan->nodes[node];
    bool near[LIMIT_NICS] = {false};
    for (size_t i = 0; i < n->n_gpus; i++) {
        const struct seeker *s = &c->seekers[n->gpus[i]];
        for (int64_t k = rankset_next(&s->best, 0); k >= 0;
             k = rankset_next(&s->best, (uint32_t)k + 1))
            near[c->nics[k]] = true;
    }
    for (uint32_t i = plan->first_rank[node]; i < plan->first_rank[node + 1]; i++) {
        for (size_t k = 0; k < plan->ranks[i].n_nics; k++)
            near[plan->ranks[i].nics[k]] = true;
    }
    if (!(n->nics = calloc(c->n_nics + 1, sizeof *n->nics)))
        return -ENOMEM;
    for (uint32_t i = 0; i < c->topo->n_nics; i++) {
        if (near[i])
            n->nics[n->n_nics++] = i;
    }
    return 0;
}

/* Below a host bridge being alike is locality, and known. */
static bool is_flat(const struct choice *c)
{
    if (c->topo->n_gpus < 2 || c->n_nics < 2 || c->seekers[0].gpu < 0)
        return false;
    struct topo_path first = path_to(c, &c->seekers[0], c->nics[0]);
    for (size_t i = 0; i < c->n_seekers; i++) {
        for (size_t k = 0; k < c->n_nics; k++) {
            struct topo_path path = path_to(c, &c->seekers[i], c->nics[k]);
            if (topo_path_compare(&path, &first) != 0)
                return false;
        }
    }
    return first.level != TOPO_SWITCH;
}

static void choice_fini(struct choice *c)
{
    for (size_t i = 0; i < c->n_seekers; i++) {
        topo_place_fini(&c->seekers[i].place);
        rankset_fini(&c->seekers[i].best);
    }
    for (size_t i = 0; i < c->n_groups; i++)
        free(c->groups[i].ranks);
    free(c->seekers);
    free(c->seeker_of);
    free(c->groups);
    free(c);
}

int place_nics(struct placing *p, const struct site *s, struct err *e)
{
    struct choice *c = calloc(1, sizeof *c);
    int rc =
        c && (c->seeker_of = calloc(s->n_ranks, sizeof *c->seeker_of)) ? 0 : -ENOMEM;
    if (rc < 0)
        goto fail;
    c->p = p;
    c->site = s;
    c->topo = s->topo;
    fabric_of_node(&p->fabric, s->topo, c->verdicts, &c->own_model);
    find_usable(c);
    rc = s->ranks[0].n_gpus > 0 ? seek_by_gpus(c) : seek_by_cores(c);
    if (rc == 0 && c->n_nics > 0) {
        rc = find_groups(c);
        if (rc == 0)
            rc = assign_nics(c);
    }
    bool flat = rc == 0 && is_flat(c);
    for (uint32_t i = 0; i < s->n_nodes && rc == 0; i++) {
        p->plan->nodes[s->first_node + i].flat = flat;
        rc = set_node_nics(c, s->first_node + i);
    }
    if (rc == 0)
        rc = nicchoice_tell(c, e);
fail:
    if (c)
        choice_fini(c);
    return rc;
}
