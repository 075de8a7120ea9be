/* SPDX-License-Identifier: MIT */
/* placereport.c - see placereport.h. Nodes are alike whose lines differ in names only. */
#include "launcher/placereport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/hostlist.h"

#define NAMES_SHOWN 28u /* columns of a folded list */
#define CELLS       8u  /* those that follow the two names */
#define CELL_TEXT   40u

struct row {
    const struct place_node *node;
    size_t index; /* of the node */
    char cells[CELLS][CELL_TEXT];
};

static const char *const heads[CELLS] = {"path",    "agent", "cores", "memory",
                                         "memlock", "files", "stack", "core"};

/* A soft limit is what a program meets. */
static void fill_limit(char cell[CELL_TEXT], const struct rlimits *l,
                       enum rlimits_name name)
{
    char value[RLIMITS_VALUE];
    (void)snprintf(cell, CELL_TEXT, "%s",
                   l->known[name] ? rlimits_value(name, l->v[name].rlim_cur, value)
                                  : "?");
}

static void fill_row(struct row *r, const struct place_node *n, size_t index)
{
    *r = (struct row){.node = n, .index = index};
    if (!n->hostname[0]) {
        for (size_t i = 0; i < CELLS; i++)
            strcpy(r->cells[i], "-");
        return;
    }
    (void)snprintf(r->cells[0], CELL_TEXT, "%s", n->link);
    (void)snprintf(r->cells[1], CELL_TEXT, "%s", n->agent);
    (void)snprintf(r->cells[2], CELL_TEXT, "%zu", n->cores);
    (void)snprintf(r->cells[3], CELL_TEXT, "%.1f GiB",
                   (double)n->mem_bytes / (double)(1u << 30));
    fill_limit(r->cells[4], &n->limits, RLIMITS_MEMLOCK);
    fill_limit(r->cells[5], &n->limits, RLIMITS_NOFILE);
    fill_limit(r->cells[6], &n->limits, RLIMITS_STACK);
    fill_limit(r->cells[7], &n->limits, RLIMITS_CORE);
}

static int compare_cells(const struct row *a, const struct row *b)
{
    int by = !a->node->hostname[0] - !b->node->hostname[0];
    for (size_t i = 0; i < CELLS && by == 0; i++)
        by = strcmp(a->cells[i], b->cells[i]);
    return by;
}

static int by_cells(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int by = compare_cells(x, y);
    return by ? by : (x->index > y->index) - (x->index < y->index);
}

/* Groups in the order of their first nodes. */
struct group {
    size_t first, n, index;
};

static int by_index(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static size_t make_groups(struct row *rows, size_t n, struct group *groups)
{
    size_t n_groups = 0;
    qsort(rows, n, sizeof *rows, by_cells);
    for (size_t i = 0; i < n; i++) {
        if (n_groups == 0 || compare_cells(&rows[i - 1], &rows[i]) != 0)
            groups[n_groups++] = (struct group){.first = i, .index = rows[i].index};
        groups[n_groups - 1].n++;
    }
    qsort(groups, n_groups, sizeof *groups, by_index);
    return n_groups;
}

static void cell_names(struct table *t, char **names, size_t n)
{
    struct hostlist l = {.names = names, .n = n};
    struct buf folded;
    buf_init(&folded, 1u << 24);
    if (hostlist_format(&l, &folded) < 0)
        table_cell(t, "%zu nodes", n);
    else if (folded.len > NAMES_SHOWN && n > 1)
        table_cell(t, "%.*s... (%zu)", (int)NAMES_SHOWN - 10, (char *)folded.data, n);
    else
        table_cell(t, "%s", (char *)folded.data);
    buf_fini(&folded);
}

static int add_group(struct table *t, const struct row *rows, const struct group *g)
{
    char **names = calloc(2 * g->n, sizeof *names);
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < g->n; i++) {
        names[i] = (char *)rows[g->first + i].node->name;
        names[g->n + i] = (char *)rows[g->first + i].node->hostname;
    }
    cell_names(t, names, g->n);
    if (names[g->n][0])
        cell_names(t, names + g->n, g->n);
    else
        table_cell(t, "not reached");
    for (size_t i = 0; i < CELLS; i++)
        table_cell(t, "%s", rows[g->first].cells[i]);
    free(names);
    return 0;
}

static int add_table(struct page *p, const struct place_node *nodes, size_t n)
{
    struct row *rows = calloc(n + 1, sizeof *rows);
    struct group *groups = calloc(n + 1, sizeof *groups);
    struct table t;
    int rc = rows && groups ? 0 : -ENOMEM;
    table_init(&t, "llllrrrrrr");
    table_cell(&t, "node");
    table_cell(&t, "host");
    for (size_t i = 0; i < CELLS; i++)
        table_cell(&t, "%s", heads[i]);
    for (size_t i = 0; rc == 0 && i < n; i++)
        fill_row(&rows[i], &nodes[i], i);
    size_t n_groups = rc == 0 ? make_groups(rows, n, groups) : 0;
    for (size_t i = 0; rc == 0 && i < n_groups; i++)
        rc = add_group(&t, rows, &groups[i]);
    if (rc == 0)
        table_print(&t, p, 0);
    table_fini(&t);
    free(rows);
    free(groups);
    return rc;
}

struct notes {
    struct page *page;
    const char *head;
};

/* Each may be as long as a line. */
static void add_note(void *arg, const char *names, const char *what, const char *hint)
{
    const struct notes *t = arg;
    char text[1400];
    (void)hint;
    (void)snprintf(text, sizeof text, "%s on %s", what, names);
    page_wrap(t->page, t->head, text);
}

struct problems {
    struct page *page;
    int n;
};

static void add_problem(void *arg, const char *names, const char *error,
                        const char *hint)
{
    struct problems *s = arg;
    char text[1200];
    (void)snprintf(text, sizeof text, "%s: %s", names, error);
    page_printf(s->page, "%s", s->n++ ? "" : "\n");
    page_wrap(s->page, "", text);
    if (hint[0])
        page_wrap(s->page, "    hint: ", hint);
}

int placereport_text(const struct place_node *nodes, size_t n, struct buf *out)
{
    struct page p = {.out = out};
    struct problems s = {.page = &p};
    struct notes programs = {&p, "  program  "}, ways = {&p, "  not direct  "};
    struct failure *all = calloc(n + 1, sizeof *all);
    size_t bad = 0, found = 0, walled = 0;
    int rc = all ? add_table(&p, nodes, n) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (nodes[i].link_why[0])
            all[walled++] = (struct failure){nodes[i].name, nodes[i].link_why, ""};
    }
    if (rc == 0)
        failures_each(all, walled, add_note, &ways);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (nodes[i].program[0])
            all[found++] = (struct failure){nodes[i].name, nodes[i].program, ""};
    }
    if (rc == 0)
        failures_each(all, found, add_note, &programs);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (nodes[i].error[0])
            all[bad++] = (struct failure){nodes[i].name, nodes[i].error, nodes[i].hint};
    }
    if (rc == 0)
        failures_each(all, bad, add_problem, &s);
    free(all);
    rc = rc ? rc : p.rc;
    return rc ? rc : s.n;
}
