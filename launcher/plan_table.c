/* SPDX-License-Identifier: MIT */
/* plan_table.c - a plan as a person reads it: a table for each kind of node, then what is
 * to be known of it; last what differs between the nodes, where the eye ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_sheet.h"
#include "launcher/plan_text.h"
#include "proto/base/size.h"
#include "proto/base/utf8.h"

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
    buf_init(&b, SHEET_TEXT);
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
    if (t->n_gpus > 0 && one_model(t) && *plan_model(&t->gpus[0], text))
        (void)buf_printf(&b, ", %zu x %s", t->n_gpus, text);
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
    uint32_t n = sheet_n_ranks(s);
    char ranks[80];
    buf_init(&names, SHEET_TEXT);
    sheet_fail(s, plan_view_block_names(s->v, s->block, &names));
    (void)snprintf(ranks, sizeof ranks, "%u rank%s", n, n == 1 ? "" : "s");
    if (s->page.rc == 0 && s->n_nodes > 1)
        sheet_fail(
            s, buf_printf(&names,
                          ": %zu nodes alike, %s on each; rank numbers are those of %s",
                          s->n_nodes, ranks, s->v->in.names[s->node]));
    else if (s->page.rc == 0)
        sheet_fail(s, buf_printf(&names, ": %s", ranks));
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
    for (uint32_t i = sheet_first_rank(s); i < sheet_first_rank(s) + sheet_n_ranks(s);
         i++) {
        const struct plan_rank *r = &sheet_plan(s)->ranks[i];
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
    buf_init(&text, SHEET_TEXT);
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
        sheet_fail(s, buf_printf(s->page.out, "%.*s\n", (int)keep, text));
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
    buf_init(&lines, SHEET_TEXT);
    table_head(&t, &c, align);
    for (uint32_t i = 0; i < sheet_n_ranks(s); i++)
        add_rank(&t, s, &c, &sheet_plan(s)->ranks[sheet_first_rank(s) + i]);
    table_print(&t, &page, t.n_columns - 1);
    sheet_fail(s, page.rc);
    add_lines(s, lines.len ? (char *)lines.data : "");
    buf_fini(&lines);
    table_fini(&t);
}

static void print_block(struct sheet *s)
{
    print_head(s);
    print_ranks(s);
    sheet_below(s);
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
        sheet_fail(s, plan_diff_format(&v->diff, v->in.names, s->page.out));
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
