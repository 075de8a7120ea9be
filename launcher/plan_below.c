/* SPDX-License-Identifier: MIT */
/* plan_below.c - what stands below the table of a kind of node; see plan_sheet.h. */
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_sheet.h"
#include "launcher/plan_text.h"

/* ---- GPUDirect, NCCL */

/* "0-3,8": the local ranks of which `is` says so, as numbers in the job. */
static bool which_ranks(struct sheet *s,
                        bool (*is)(const struct sheet *, uint32_t, uint32_t),
                        uint32_t like, struct buf *out)
{
    struct rankset set = {0};
    size_t n = 0;
    for (uint32_t i = sheet_first_rank(s); i < sheet_first_rank(s) + sheet_n_ranks(s);
         i++) {
        if (!is(s, i, like))
            continue;
        n++;
        sheet_fail(s, rankset_add(&set, i));
    }
    sheet_fail(s, buf_printf(out, "rank%s ", n == 1 ? "" : "s"));
    sheet_fail(s, plan_cpus(&set, out));
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
    for (uint32_t i = sheet_first_rank(s); i < rank; i++) {
        if (is(s, i, rank))
            return false;
    }
    return is(s, rank, rank);
}

static void print_gdr(struct sheet *s)
{
    for (uint32_t i = sheet_first_rank(s); i < sheet_first_rank(s) + sheet_n_ranks(s);
         i++) {
        const struct plan_view_rank *r = &s->v->ranks[i];
        if (!is_first(s, same_gdr, i) || (r->gdr && !r->why[0]))
            continue;
        struct buf b;
        buf_init(&b, SHEET_TEXT);
        sheet_fail(s, buf_printf(&b, "%s for ", r->gdr ? "yes" : "no"));
        (void)which_ranks(s, same_gdr, i, &b);
        if (r->why[0])
            sheet_fail(s, buf_printf(&b, ": %s", r->why));
        if (s->page.rc == 0)
            page_wrap(&s->page, "  GPUDirect (gdr): ", (char *)b.data);
        buf_fini(&b);
    }
}

static void print_nccl(struct sheet *s)
{
    for (uint32_t i = sheet_first_rank(s); i < sheet_first_rank(s) + sheet_n_ranks(s);
         i++) {
        const struct plan_view_rank *r = &s->v->ranks[i];
        if (!is_first(s, same_nccl, i))
            continue;
        struct buf b;
        buf_init(&b, SHEET_TEXT);
        sheet_fail(s, buf_printf(&b, "%s (%s, GPUDirect %s) for ",
                                 s->topo->nics[r->nccl.nic].m->name,
                                 nccl_path_name(r->nccl.path),
                                 r->nccl.gdr ? "yes" : "no"));
        (void)which_ranks(s, same_nccl, i, &b);
        sheet_fail(s, buf_printf(&b, ", not the NIC of the plan"));
        if (s->page.rc == 0)
            page_wrap(&s->page, "  NCCL will take: ", (char *)b.data);
        buf_fini(&b);
    }
}

/* ---- environment */

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
        sheet_fail(s, buf_printf(s->page.out, "%.*s", (int)n, text));
        at += n;
    }
    page_printf(&s->page, "\n");
}

static void print_variable(struct sheet *s, const char *text)
{
    const char *equals = strchr(text, '=');
    struct buf b, line;
    buf_init(&b, SHEET_TEXT);
    buf_init(&line, SHEET_TEXT);
    if (equals && uuids_as_indexes(s->topo, equals + 1, &b)) {
        sheet_fail(s, buf_printf(&line, "%.*s=(the UUIDs of gpu %s)",
                                 (int)(equals - text), text, (char *)b.data));
        text = line.len ? (char *)line.data : text;
    }
    wrap_value(s, text);
    buf_fini(&line);
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
        sheet_fail(s, buf_printf(out, "%s", value));
    else
        sheet_fail(s, buf_printf(out, "%.*s +%zu", (int)first, value, commas));
}

/* One line for a variable of which each rank has its own value, in the order of ranks. */
static void print_rank_variable(struct sheet *s, const char *name, size_t len)
{
    struct buf all, one;
    buf_init(&all, SHEET_TEXT);
    sheet_fail(s, buf_printf(&all, "%.*s: ", (int)len, name));
    for (uint32_t i = 0; i < sheet_n_ranks(s); i++) {
        const char *value =
            value_of(&s->v->ranks[sheet_first_rank(s) + i].env.vars, name, len);
        buf_init(&one, SHEET_TEXT);
        sheet_fail(s, buf_printf(&all, "%s", i ? "; " : ""));
        if (value && uuids_as_indexes(s->topo, value, &one))
            sheet_fail(s, buf_printf(&all, "gpu %s", (char *)one.data));
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
    const struct strlist *own = &s->v->ranks[sheet_first_rank(s)].env.vars;
    if (vars->n > 0)
        page_printf(&s->page, "  environment of its ranks\n");
    for (size_t i = 0; i < vars->n; i++)
        print_variable(s, vars->items[i]);
    if (own->n > 0)
        page_printf(&s->page, "  environment of each rank\n");
    for (size_t i = 0; i < own->n; i++)
        print_rank_variable(s, own->items[i], strcspn(own->items[i], "="));
}

/* Of what its ranks are told; ranks have much in common. */
static void print_env_notes(struct sheet *s)
{
    const struct strlist *of_node = &s->v->envs[s->node].notes;
    const char *last = "";
    for (size_t i = 0; i < of_node->n; i++)
        page_wrap(&s->page, "  note: ", of_node->items[i]);
    for (uint32_t r = 0; r < sheet_n_ranks(s); r++) {
        const struct strlist *own = &s->v->ranks[sheet_first_rank(s) + r].env.notes;
        for (size_t i = 0; i < own->n; i++) {
            if (strcmp(own->items[i], last) != 0)
                page_wrap(&s->page, "  note: ", own->items[i]);
            last = own->items[i];
        }
    }
}

static void print_notes(struct sheet *s)
{
    const struct plan *p = sheet_plan(s);
    for (size_t i = 0; i < p->n_notes; i++) {
        if (p->notes[i].node == s->node)
            page_wrap(&s->page, p->notes[i].compromise ? "  warning: " : "  note: ",
                      p->notes[i].text);
    }
    print_env_notes(s);
    for (size_t i = 0; s->topo->m && i < s->topo->m->n_notes; i++)
        page_wrap(&s->page, "  note: ", s->topo->m->notes[i]);
}

void sheet_below(struct sheet *s)
{
    print_gdr(s);
    print_nccl(s);
    print_environment(s);
    print_notes(s);
}
