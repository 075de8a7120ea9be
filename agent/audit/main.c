/* SPDX-License-Identifier: MIT */
/* main.c - aolani-audit: looks at this machine, and measures it. Not for users,
 * but --text is of use to them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/audit/looks.h"
#include "agent/audit/measure.h"
#include "agent/audit/parent.h"
#include "agent/audit/serve.h"
#include "agent/audit/show.h"

#define SKIPS_MAX 128u

static const char usage[] =
    "usage: aolani-audit --text [--measure] [--root DIR] [--skip ID]...\n"
    "       aolani-audit --serve [--root DIR]\n"
    "\n"
    "Looks at this machine: is it bare metal, and what can be seen and set on "
    "it?\n"
    "  --text      what each probe finds, in words; \"aolani-run audit\" says "
    "what\n"
    "              follows from it\n"
    "  --measure   also what can only be measured, for 5 s at most\n"
    "  --root DIR  the machine whose files are below DIR, not this one\n"
    "  --skip ID   without this probe: HV4\n"
    "  --serve     answers questions on standard input, binary\n"
    "  --version   and no more\n"
    "Exit status: 0; 1 if the machine cannot be looked at; 2 for wrong "
    "usage.\n";

#define MEASURE_MS 5000u

struct options {
    const char *root;
    char *skip[SKIPS_MAX];
    size_t n_skip;
    bool text, serve, measure;
};

/* 0 go on, 1 all done, 2 wrong. */
static int read_option(int c, struct options *ret)
{
    switch (c) {
    case 'r':
        ret->root = optarg;
        return 0;
    case 's':
        ret->serve = true;
        return 0;
    case 't':
        ret->text = true;
        return 0;
    case 'm':
        ret->measure = true;
        return 0;
    case 'k':
        if (ret->n_skip == SKIPS_MAX)
            return 2;
        ret->skip[ret->n_skip++] = optarg;
        return 0;
    case 'h':
        return fputs(usage, stdout) < 0 ? 2 : 1;
    case 'V':
        return printf("aolani-audit " AOLANI_VERSION "\n") < 0 ? 2 : 1;
    default:
        return 2;
    }
}

static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option all[] = {
        {"root", required_argument, NULL, 'r'}, {"serve", no_argument, NULL, 's'},
        {"text", no_argument, NULL, 't'},       {"measure", no_argument, NULL, 'm'},
        {"skip", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},    {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", all, NULL)) != -1;) {
        int rc = read_option(c, ret);
        if (rc)
            return rc;
    }
    if (optind == argc && ret->text != ret->serve &&
        (ret->text || (!ret->measure && !ret->n_skip)) && !(ret->measure && ret->root))
        return 0;
    fputs(usage, stderr);
    return 2;
}

static int complain(const struct err *e)
{
    (void)fprintf(stderr, "aolani-audit: %s%s%s%s\n", e->text, e->hint[0] ? " (" : "",
                  e->hint, e->hint[0] ? ")" : "");
    return 1;
}

/* The drivers' libraries may print: not among our answers. */
static int take_stdout(struct err *e)
{
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_sys(e, -errno, "take standard output");
    return out;
}

static int serve(const struct options *o)
{
    struct machine *m = NULL;
    struct err why = {0}, e = {0};
    int out = take_stdout(&e);
    int rc = out < 0 ? out : parent_watch(STDIN_FILENO, out, &e);
    if (rc == 0) {
        (void)machine_open(o->root, &m, &why); /* each answer says why */
        rc = serve_run(m, &why, STDIN_FILENO, out, &e);
    }
    machine_close(m);
    return rc < 0 ? complain(&e) : 0;
}

static void no_progress(void *arg, const char *what, unsigned percent)
{
    (void)arg;
    (void)what;
    (void)percent;
}

static int show(const struct options *o, const struct machine *m, struct buf *out,
                struct err *e)
{
    Aolani__AuditFindings *found;
    Aolani__AuditMeasured *measured;
    int rc = looks_run(m, o->skip, o->n_skip, NULL, NULL, &found, e);
    if (rc < 0)
        return rc;
    rc = show_findings(found, out);
    aolani__audit_findings__free_unpacked(found, NULL);
    if (rc < 0)
        return err_set(e, rc, "show what was found: it is too much");
    if (!o->measure)
        return 0;
    rc = measure_run(MEASURE_MS, no_progress, NULL, &measured, e);
    if (rc < 0)
        return rc;
    rc = show_measured(measured, out);
    aolani__audit_measured__free_unpacked(measured, NULL);
    return rc < 0 ? err_set(e, rc, "show what was measured: it is too much") : 0;
}

static int text(const struct options *o)
{
    struct machine *m;
    struct err e = {0};
    struct buf out;
    int rc = machine_open(o->root, &m, &e);
    if (rc < 0)
        return complain(&e);
    buf_init(&out, 4u << 20);
    rc = show(o, m, &out, &e);
    machine_close(m);
    if (rc == 0 && (fwrite(out.data, 1, out.len, stdout) < out.len || fflush(stdout)))
        rc = err_sys(&e, -errno, "write to standard output");
    buf_fini(&out);
    return rc < 0 ? complain(&e) : 0;
}

int main(int argc, char **argv)
{
    static const struct rlimit no_core = {0, 0};
    struct options o = {0};
    int rc = read_options(argc, argv, &o);
    if (rc > 0)
        return rc == 2 ? 2 : 0;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGPIPE, SIG_IGN);
    return o.serve ? serve(&o) : text(&o);
}
