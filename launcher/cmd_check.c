/* SPDX-License-Identifier: MIT */
/* cmd_check.c - `aolani-run check job.toml`: first all that can be known without starting
 * anything or asking any host, then the nodes themselves (placecheck.h). */
#include <stdio.h>
#include <string.h>

#include "launcher/options.h"
#include "launcher/herecheck.h"
#include "launcher/nodes.h"
#include "launcher/placecheck.h"
#include "launcher/run.h"
#include "launcher/slurm/facts.h"
#include "launcher/slurm/forecast.h"
#include "launcher/slurm/options.h"
#include "launcher/verbs.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* As a shell would take it, so that a blank in a word is seen; what a terminal would obey
 * is shown as '?'. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+=./:,@%^";
    bool quote = !*word || word[strspn(word, plain)];
    printf(quote ? " '" : " ");
    for (const char *c = word; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", stdout);
        else
            putchar((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
    }
    if (quote)
        putchar('\'');
}

static void print_summary(const struct spec *s, const struct nodes *n,
                          const char *verdict)
{
    char limit[24] = "no time limit";
    if (s->job.time_limit_ms)
        clock_format_duration(s->job.time_limit_ms, limit, sizeof limit);
    printf("%s%s\n  runs", s->path, verdict);
    for (size_t i = 0; i < s->job.command.n && i < 12; i++)
        print_word(s->job.command.items[i]);
    printf("%s\n  on %zu %s%s", s->job.command.n > 12 ? " ..." : "", n->n,
           n->backend == BACKEND_LOCAL ? "simulated node" : "host",
           n->n == 1 ? "" : "s");
    if (n->n_spares > 0)
        printf(" and %zu spare%s", n->n_spares, n->n_spares == 1 ? "" : "s");
    if (s->job.ranks_per_node == 0)
        printf(", a rank for each GPU");
    else
        printf(", %lld rank%s each", (long long)s->job.ranks_per_node,
               s->job.ranks_per_node == 1 ? "" : "s");
    printf("; %s%s; output in %s\n", s->job.time_limit_ms ? "at most " : "", limit,
           s->job.output);
}

static int show(const struct spec *s, struct err *e)
{
    struct buf out;
    buf_init(&out, 16u << 20);
    int rc = spec_show(s, &out);
    if (!rc)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return rc ? err_sys(e, rc, "show the job's values") : 0;
}

/* What is wrong on this machine, each told with its line. */
static int check_here(const struct options *o, const struct spec *s,
                      const struct nodes *n, struct err *e)
{
    unsigned bad = herecheck_output(s);
    if (n->backend == BACKEND_SSH)
        bad += herecheck_ssh(s);
    else if (n->backend == BACKEND_SLURM)
        bad += herecheck_program(s, false);
    else if (o->offline || o->show)
        bad += herecheck_program(s, true);
    if (!bad)
        return 0;
    return err_set(e, ERR_USAGE, "job file \"%s\" cannot run here: %u error%s", s->path,
                   bad, bad == 1 ? "" : "s");
}

/* Nodes that are still to be asked for: how many, and when Slurm would have them. None is
 * asked for a check. */
static int check_queue(const struct options *o, const struct spec *s, struct err *e)
{
    struct nodes nodes = {.backend = BACKEND_SLURM};
    struct buf words;
    nodes.n = slurm_options_nodes(s);
    nodes.n_spares = s->nodes.spares > 0 ? (size_t)s->nodes.spares : 0;
    int rc = check_here(o, s, &nodes, e);
    if (rc || o->show)
        return rc;
    print_summary(s, &nodes, o->offline ? ": ok" : "");
    if (o->offline)
        return 0;
    fflush(stdout);
    buf_init(&words, 1000);
    rc = slurm_forecast(s, &words, e);
    if (!rc)
        printf("  %.*s\n", (int)words.len, (const char *)words.data);
    buf_fini(&words);
    return rc;
}

/* The exit status, or negative. --show is a question about the file. */
static int check(const struct options *o, const struct spec *s, struct err *e)
{
    struct nodes nodes = {0};
    bool offline = o->offline || o->show;
    int rc = o->show ? show(s, e) : 0;
    if (!rc && s->nodes.backend == BACKEND_SLURM && !slurm_is_inside())
        return check_queue(o, s, e);
    if (rc || (rc = nodes_resolve(s, &nodes, e)))
        return rc;
    rc = check_here(o, s, &nodes, e);
    if (!rc && !o->show)
        print_summary(s, &nodes, offline ? ": ok" : "");
    if (!rc && !offline) {
        struct rlimits limits;
        fflush(stdout);
        run_raise_limits(nodes.backend, &limits);
        nodes_enlist_spares(&nodes);
        rc = placecheck(s, &nodes, &limits, e);
    }
    nodes_fini(&nodes);
    return rc;
}

int cmd_check(int argc, char **argv)
{
    struct options o;
    struct spec *s = NULL;
    struct err e;
    int rc = options_parse(verbs_find("check"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = options_load_spec(&o, &s, &e);
    if (!rc)
        rc = check(&o, s, &e);
    if (rc < 0)
        log_err(&e);
    spec_destroy(s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : rc;
}
