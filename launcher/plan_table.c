/* SPDX-License-Identifier: MIT */
/* plan_table.c - a plan as a person reads it: a table for each kind of node, then what is
 * to be known of it; last what differs between the nodes, where the eye ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_text.h"
#include "launcher/plan_view.h"
#include "launcher/report_table.h"
#include "proto/base/size.h"
#include "proto/base/utf8.h"

#define TEXT_MAX (1u << 20)

struct sheet {
    const struct plan_view *v;
    struct page page;
    uint32_t node; /* the first of the block */
    size_t block, n_nodes;
    const struct topo *topo;
};

static const struct plan *plan_of(const struct sheet *s)
{
    return s->v->in.plan;
}

static uint32_t first_rank(const struct sheet *s)
{
    return plan_of(s)->first_rank[s->node];
}

static uint32_t n_ranks(const struct sheet *s)
{
    return plan_of(s)->first_rank[s->node + 1] - first_rank(s);
}

static void fail(struct sheet *s, int rc)
{
    if (s->page.rc == 0 && rc < 0)
        s->page.rc = rc;
}

/* ---- the node */

static bool one_model(const struct topo *t)
{
    for (size_t i = 1; i < t->n_gpus; i++) {
        if (strcmp(t->gpus[i].m->model, t->gpus[0].m->model) != 0)
            return false;
    }
    return true;
}

static void count_words(struct buf *b, size_t n, const char *what)
{
    (void)buf_printf(b, "%s%zu %s%s", b->len ? ", " : "", n, what, n == 1 ? "" : "s");
}

static void print_machine(struct sheet *s)
{
    const struct topo *t = s->topo;
    struct buf b;
    char text[PLAN_TEXT], size[SIZE_TEXT];
    uint64_t memory = 0;
    size_t numa = 0;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < t->n_numa; i++) {
        numa += !t->numa[i].of_gpu;
        memory += t->numa[i].of_gpu ? 0 : t->numa[i].mem_bytes;
    }
    if (t->m && t->m->product[0])
        (void)buf_printf(&b, "%s", t->m->product);
    if (t->n_packages)
        count_words(&b, t->n_packages, "package");
    if (t->known)
        count_words(&b, numa, "NUMA node");
    count_words(&b, t->n_cores, "core");
    if (memory)
        (void)buf_printf(&b, ", %s", size_text(memory, size));
    if (t->n_gpus > 0 && one_model(t))
        (void)buf_printf(&b, ", %zu x %s", t->n_gpus, plan_model(&t->gpus[0], text));
    else if (t->known)
        count_words(&b, t->n_gpus, "GPU");
    if (t->m && t->m->gpu_driver[0])
        (void)buf_printf(&b, ", driver %s", t->m->gpu_driver);
    page_wrap(&s->page, "  ", b.len ? (char *)b.data : "");
    buf_fini(&b);
}

static void print_head(struct sheet *s)
{
    struct buf names;
    uint32_t n = n_ranks(s);
    char ranks[80];
    buf_init(&names, TEXT_MAX);
    fail(s, plan_view_block_names(s->v, s->block, &names));
    (void)snprintf(ranks, sizeof ranks, "%u rank%s", n, n == 1 ? "" : "s");
    if (s->page.rc == 0 && s->n_nodes > 1)
        fail(s,
             buf_printf(&names,
                        ": %zu nodes alike, %s on each; rank numbers are those of %s",
                        s->n_nodes, ranks, s->v->in.names[s->node]));
    else if (s->page.rc == 0)
        fail(s, buf_printf(&names, ": %s", ranks));
    if (s->page.rc == 0)
        page_wrap(&s->page, "", (char *)names.data);
    buf_fini(&names);
    print_machine(s);
}

/* ---- the table */

struct columns {
    bool gpu, model, nic, rate, link, numa;
};

static const Aolani__PciLink *nic_link(const struct topo *t, const struct topo_nic *n)
{
    return n->pci >= 0 ? t->pci[n->pci].m->link : NULL;
}

static struct columns choose_columns(const struct sheet *s)
{
    struct columns c = {0};
    char text[PLAN_TEXT];
    for (uint32_t i = first_rank(s); i < first_rank(s) + n_ranks(s); i++) {
        const struct plan_rank *r = &plan_of(s)->ranks[i];
        const struct topo_nic *n = plan_view_nic(s->v, i);
        c.gpu = c.gpu || r->n_gpus > 0;
        c.nic = c.nic || n;
        c.rate = c.rate || (n && plan_nic_rate(n) > 0);
        c.link = c.link || (n && *plan_link_now(nic_link(s->topo, n), text));
        c.numa = c.numa || rankset_next(&r->numa, 0) >= 0;
    }
    c.model = c.gpu && !one_model(s->topo);
    return c;
}

static void table_head(struct table *t, const struct columns *c, char *align)
{
    char *at = align;
    struct {
        bool is;
        char align;
        const char *name;
    } all[] = {{true, 'r', "rank"},      {true, 'r', "local"},
               {c->gpu, 'r', "gpu"},     {c->gpu, 'l', "bus"},
               {c->model, 'l', "model"}, {c->nic, 'l', "nic"},
               {c->nic, 'l', "path"},    {c->rate, 'r', "rate"},
               {c->link, 'l', "link"},   {c->nic && c->gpu, 'l', "gdr"},
               {c->numa, 'l', "numa"},   {true, 'l', "cores"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].is)
            *at++ = all[i].align;
    }
    *at = '\0';
    table_init(t, align);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].is)
            table_cell(t, "%s", all[i].name);
    }
}

static void cell_set(struct table *t, const struct rankset *s)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    if (plan_cpus(s, &text) < 0)
        t->bad = true;
    else
        table_cell(t, "%s", text.len ? (char *)text.data : "any");
    buf_fini(&text);
}

static void cell_cores(struct table *t, const char *cpus)
{
    struct rankset set = {0};
    if (rankset_parse(&set, cpus, NULL) < 0)
        table_cell(t, "%s", cpus);
    else
        cell_set(t, &set);
    rankset_fini(&set);
}

static void cells_gpu(struct table *t, const struct sheet *s, const struct columns *c,
                      const struct plan_rank *r, size_t i)
{
    char text[PLAN_TEXT];
    const struct topo_gpu *g = i < r->n_gpus ? &s->topo->gpus[r->gpus[i]] : NULL;
    if (!c->gpu)
        return;
    if (g)
        table_cell(t, "%u", r->gpus[i]);
    else
        table_cell(t, "-");
    table_cell(t, "%s", g ? plan_bus(g->m->bus_id) : "");
    if (c->model)
        table_cell(t, "%.24s", g ? plan_model(g, text) : "");
}

static void cells_nic(struct table *t, const struct sheet *s, const struct columns *c,
                      const struct plan_rank *r)
{
    char text[PLAN_TEXT];
    const struct topo_nic *n = plan_view_nic(s->v, r->rank);
    const struct plan_view_rank *v = &s->v->ranks[r->rank];
    if (!c->nic)
        return;
    table_cell(t, "%s", n ? n->m->name : "-");
    table_cell(t, "%s", n ? plan_path(&r->nic) : "");
    if (c->rate)
        table_cell(t, "%s", n ? plan_rate(plan_nic_rate(n), text) : "");
    if (c->link)
        table_cell(t, "%s", n ? plan_link_now(nic_link(s->topo, n), text) : "");
    if (c->gpu)
        table_cell(t, "%s", !v->has_gpu || !v->has_nic ? "" : v->gdr ? "yes" : "no");
}

static void add_rank(struct table *t, const struct sheet *s, const struct columns *c,
                     const struct plan_rank *r)
{
    table_cell(t, "%u", r->rank);
    table_cell(t, "%u", r->local_rank);
    cells_gpu(t, s, c, r, 0);
    cells_nic(t, s, c, r);
    if (c->numa)
        cell_set(t, &r->numa);
    cell_cores(t, r->cpus);
    /* Its further GPUs, one below the other. */
    for (size_t i = 1; i < r->n_gpus; i++) {
        size_t before = t->n;
        table_cell(t, "%s", "");
        table_cell(t, "%s", "");
        cells_gpu(t, s, c, r, i);
        while ((t->n - before) % t->n_columns != 0 && !t->bad)
            table_cell(t, "%s", "");
    }
}

/* Cells at the end of a line may be empty. */
static void add_lines(struct sheet *s, const char *text)
{
    while (*text && s->page.rc == 0) {
        size_t len = strcspn(text, "\n"), keep = len;
        while (keep > 0 && text[keep - 1] == ' ')
            keep--;
        fail(s, buf_printf(s->page.out, "%.*s\n", (int)keep, text));
        text += len + (text[len] == '\n');
    }
}

static void print_ranks(struct sheet *s)
{
    struct columns c = choose_columns(s);
    struct table t;
    struct buf lines;
    struct page page = {.out = &lines};
    char align[16];
    buf_init(&lines, TEXT_MAX);
    table_head(&t, &c, align);
    for (uint32_t i = 0; i < n_ranks(s); i++)
        add_rank(&t, s, &c, &plan_of(s)->ranks[first_rank(s) + i]);
    table_print(&t, &page, t.n_columns - 1);
    fail(s, page.rc);
    add_lines(s, lines.len ? (char *)lines.data : "");
    buf_fini(&lines);
    table_fini(&t);
}

/* ---- below the table */

/* "0-3,8": the local ranks of which `is` says so, as numbers in the job. */
static bool which_ranks(struct sheet *s,
                        bool (*is)(const struct sheet *, uint32_t, uint32_t),
                        uint32_t like, struct buf *out)
{
    struct rankset set = {0};
    size_t n = 0;
    for (uint32_t i = first_rank(s); i < first_rank(s) + n_ranks(s); i++) {
        if (!is(s, i, like))
            continue;
        n++;
        fail(s, rankset_add(&set, i));
    }
    fail(s, buf_printf(out, "rank%s ", n == 1 ? "" : "s"));
    fail(s, plan_cpus(&set, out));
    rankset_fini(&set);
    return n > 0;
}

static bool same_gdr(const struct sheet *s, uint32_t rank, uint32_t like)
{
    const struct plan_view_rank *a = &s->v->ranks[rank], *b = &s->v->ranks[like];
    return a->has_gpu && a->has_nic && a->gdr == b->gdr && strcmp(a->why, b->why) == 0;
}

static bool same_nccl(const struct sheet *s, uint32_t rank, uint32_t like)
{
    const struct plan_view_rank *a = &s->v->ranks[rank], *b = &s->v->ranks[like];
    return a->nccl_differs && b->nccl_differs && a->nccl.nic == b->nccl.nic &&
           a->nccl.path == b->nccl.path && a->nccl.gdr == b->nccl.gdr;
}

/* Each kind once, at its first rank. */
static bool is_first(const struct sheet *s,
                     bool (*is)(const struct sheet *, uint32_t, uint32_t),
                     uint32_t rank)
{
    for (uint32_t i = first_rank(s); i < rank; i++) {
        if (is(s, i, rank))
            return false;
    }
    return is(s, rank, rank);
}

static void print_gdr(struct sheet *s)
{
    for (uint32_t i = first_rank(s); i < first_rank(s) + n_ranks(s); i++) {
        const struct plan_view_rank *r = &s->v->ranks[i];
        if (!is_first(s, same_gdr, i) || (r->gdr && !r->why[0]))
            continue;
        struct buf b;
        buf_init(&b, TEXT_MAX);
        fail(s, buf_printf(&b, "%s for ", r->gdr ? "yes" : "no"));
        (void)which_ranks(s, same_gdr, i, &b);
        if (r->why[0])
            fail(s, buf_printf(&b, ": %s", r->why));
        if (s->page.rc == 0)
            page_wrap(&s->page, "  GPUDirect (gdr): ", (char *)b.data);
        buf_fini(&b);
    }
}

static void print_nccl(struct sheet *s)
{
    for (uint32_t i = first_rank(s); i < first_rank(s) + n_ranks(s); i++) {
        const struct plan_view_rank *r = &s->v->ranks[i];
        if (!is_first(s, same_nccl, i))
            continue;
        struct buf b;
        buf_init(&b, TEXT_MAX);
        fail(s, buf_printf(&b, "%s (%s, GPUDirect %s) for ",
                           s->topo->nics[r->nccl.nic].m->name,
                           nccl_path_name(r->nccl.path), r->nccl.gdr ? "yes" : "no"));
        (void)which_ranks(s, same_nccl, i, &b);
        fail(s, buf_printf(&b, ", not the NIC of the plan"));
        if (s->page.rc == 0)
            page_wrap(&s->page, "  NCCL will take: ", (char *)b.data);
        buf_fini(&b);
    }
}

/* Their indexes, where the value is a list of UUIDs of this node's GPUs. */
static bool uuids_as_indexes(const struct topo *t, const char *value, struct buf *out)
{
    size_t n = 0;
    for (const char *at = value; *at; n++) {
        size_t len = strcspn(at, ","), g = 0;
        while (g < t->n_gpus && (strlen(t->gpus[g].m->uuid) != len ||
                                 strncmp(t->gpus[g].m->uuid, at, len) != 0))
            g++;
        if (g == t->n_gpus || buf_printf(out, "%s%zu", n ? "," : "", g) < 0)
            return false;
        at += len + (at[len] == ',');
    }
    return n > 0;
}

/* Broken after commas alone, with nothing added: it can be copied. */
static void wrap_value(struct sheet *s, const char *text)
{
    size_t at = 0;
    page_printf(&s->page, "    ");
    for (size_t n; *text; text += n) {
        n = strcspn(text, ",");
        n += text[n] == ',';
        if (at > 0 && 4 + at + n > PAGE_COLUMNS) {
            page_printf(&s->page, "\n      ");
            at = 2;
        }
        fail(s, buf_printf(s->page.out, "%.*s", (int)n, text));
        at += n;
    }
    page_printf(&s->page, "\n");
}

static void print_variable(struct sheet *s, const char *text)
{
    const char *equals = strchr(text, '=');
    struct buf b;
    buf_init(&b, TEXT_MAX);
    if (equals && uuids_as_indexes(s->topo, equals + 1, &b))
        page_printf(&s->page, "    %.*s=(the UUIDs of gpu %s)\n", (int)(equals - text),
                    text, (char *)b.data);
    else
        wrap_value(s, text);
    buf_fini(&b);
}

static const char *value_of(const struct strlist *vars, const char *name, size_t len)
{
    for (size_t i = 0; i < vars->n; i++) {
        if (strncmp(vars->items[i], name, len) == 0 && vars->items[i][len] == '=')
            return vars->items[i] + len + 1;
    }
    return NULL;
}

/* "mlx5_0:1 +3": the first is what matters, and the lists of a node are much alike. */
static void print_short(struct sheet *s, const char *value, struct buf *out)
{
    size_t commas = 0, first = strcspn(value, ",");
    for (const char *c = value; *c; c++)
        commas += *c == ',';
    if (commas < 2)
        fail(s, buf_printf(out, "%s", value));
    else
        fail(s, buf_printf(out, "%.*s +%zu", (int)first, value, commas));
}

/* One line for a variable of which each rank has its own value, in the order of ranks. */
static void print_rank_variable(struct sheet *s, const char *name, size_t len)
{
    struct buf all, one;
    buf_init(&all, TEXT_MAX);
    fail(s, buf_printf(&all, "%.*s: ", (int)len, name));
    for (uint32_t i = 0; i < n_ranks(s); i++) {
        const char *value =
            value_of(&s->v->ranks[first_rank(s) + i].env.vars, name, len);
        buf_init(&one, TEXT_MAX);
        fail(s, buf_printf(&all, "%s", i ? "; " : ""));
        if (value && uuids_as_indexes(s->topo, value, &one))
            fail(s, buf_printf(&all, "gpu %s", (char *)one.data));
        else
            print_short(s, value ? value : "-", &all);
        buf_fini(&one);
    }
    if (s->page.rc == 0)
        page_wrap(&s->page, "    ", (char *)all.data);
    buf_fini(&all);
}

static void print_environment(struct sheet *s)
{
    const struct strlist *vars = &s->v->envs[s->node].vars;
    const struct strlist *own = &s->v->ranks[first_rank(s)].env.vars;
    if (vars->n > 0)
        page_printf(&s->page, "  environment of its ranks\n");
    for (size_t i = 0; i < vars->n; i++)
        print_variable(s, vars->items[i]);
    if (own->n > 0)
        page_printf(&s->page, "  environment of each rank\n");
    for (size_t i = 0; i < own->n; i++)
        print_rank_variable(s, own->items[i], strcspn(own->items[i], "="));
}

static void print_notes(struct sheet *s)
{
    const struct plan *p = plan_of(s);
    for (size_t i = 0; i < p->n_notes; i++) {
        if (p->notes[i].node == s->node)
            page_wrap(&s->page, p->notes[i].compromise ? "  warning: " : "  note: ",
                      p->notes[i].text);
    }
    const struct strlist *of_env = &s->v->envs[s->node].notes;
    for (size_t i = 0; i < of_env->n; i++)
        page_wrap(&s->page, "  note: ", of_env->items[i]);
    for (size_t i = 0; s->topo->m && i < s->topo->m->n_notes; i++)
        page_wrap(&s->page, "  note: ", s->topo->m->notes[i]);
}

static void print_block(struct sheet *s)
{
    print_head(s);
    print_ranks(s);
    print_gdr(s);
    print_nccl(s);
    print_environment(s);
    print_notes(s);
    page_printf(&s->page, "\n");
}

/* ---- of the whole job */

static void print_memory(struct sheet *s)
{
    const struct plan *p = s->v->in.plan;
    const char *policy = s->v->in.spec->bind.memory;
    bool bound = false;
    for (uint32_t i = 0; i < p->world_size && !bound; i++)
        bound = rankset_next(&p->ranks[i].numa, 0) >= 0;
    if (bound && policy && strcmp(policy, "none") != 0)
        page_printf(&s->page, "memory: %s\n",
                    strcmp(policy, "bind") == 0 ? "on the rank's NUMA nodes alone"
                                                : "preferred on the rank's NUMA nodes");
}

static void print_job(struct sheet *s)
{
    const struct plan_view *v = s->v;
    for (size_t i = 0; i < v->notes.n; i++)
        page_wrap(&s->page, "warning: ", v->notes.items[i]);
    if (plan_view_is_lone_rank(v))
        page_wrap(&s->page, "note: ",
                  "each node has one rank, which gets all its GPUs; for a rank on each "
                  "GPU: [job] ranks_per_node = \"gpu\" (-r gpu)");
    print_memory(s);
    if (v->diff.n_nodes > 1 && !v->in.shared_host)
        fail(s, plan_diff_format(&v->diff, v->in.names, s->page.out));
}

int plan_table(const struct plan_view *v, struct buf *out)
{
    struct sheet s = {.v = v, .page = {.out = out}};
    for (size_t b = 0; b < v->n_blocks; b++) {
        s.block = b;
        s.node = v->blocks[b];
        s.topo = v->in.topos[s.node];
        s.n_nodes = 0;
        for (uint32_t i = 0; i < v->in.plan->n_nodes; i++)
            s.n_nodes += v->block_of[i] == b;
        print_block(&s);
    }
    print_job(&s);
    return s.page.rc;
}
