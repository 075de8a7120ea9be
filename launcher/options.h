/* SPDX-License-Identifier: MIT */
/* options - the command line of every verb, read by one table that also writes --help.
 *
 * No abbreviations; '-' and '_' in a name are alike; options and the operand come in any
 * order; all after "--" belongs to the program. A verb does
 *
 *   struct options o;
 *   struct err e;
 *   int rc = options_parse(verbs_find("run"), argc, argv, &o, &e);
 *   if (rc > 0)
 *       return 0;                       // --help or --version was printed
 *   if (!rc)
 *       rc = options_load_spec(&o, &spec, &e);   // diagnostics printed
 *   if (rc) {
 *       log_err(&e);
 *       ...
 *   }
 *   options_fini(&o);
 */
#ifndef LAUNCHER_OPTIONS_H
#define LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "launcher/spec.h"
#include "launcher/verbs.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/rankset.h"

struct options_compare { /* NAN: not given */
    struct strlist runs; /* of both sides, as typed */
    size_t n_first;      /* of them, before "--" or, of two, the first */
    bool split;          /* there was a "--" */
    double days, price[2], price_ratio;
    double gpu_share; /* 0 to 1 */
    bool paired;
    struct strlist labels; /* two, or none */
};

struct options_audit {
    bool local, no_measure, no_pairs, no_history;
    const char *root;    /* NULL: none */
    struct strlist skip; /* ids of probes, checked */
};

struct options_runs {
    bool print, prepare; /* submit */
    struct strlist runs; /* status: all that were named */
    bool over;
    bool follow, launcher; /* logs */
    bool only[2];          /* standard output, standard error; neither: both */
    int64_t lines;         /* -1: all */
    int64_t attempt;       /* 0: the last */
    struct rankset ranks;  /* empty: all */
    bool now;              /* stop */
    bool force;            /* resume */
};

struct options {
    const char *path;        /* the operand: a job file or a run; NULL when none came */
    const char *site;        /* --site FILE; NULL: the default places */
    struct spec_flag *flags; /* owned; texts borrowed from argv or from `texts` */
    size_t n_flags;
    struct strlist texts; /* owned */
    char *const *extra;   /* into argv: what follows "--", NULL-ended; NULL: no "--" */
    int verbosity;        /* -1 with -q, 0, 1 with -v, 2 with -vv */
    bool label;           /* -l */
    int64_t stdin_rank;   /* --stdin; -1: none */
    bool show;            /* check --show */
    bool offline;         /* check --offline */
    bool json;            /* report, plan, compare, audit, status --json */
    int64_t ranks;        /* report --ranks; 0: none */
    struct strlist topologies; /* plan --topology, as typed */
    const char *sysfs;         /* plan --sysfs; NULL: none */
    const char *draw;          /* plan --draw: "text", "svg"; NULL: the table */
    struct options_compare compare;
    struct options_audit audit;
    struct options_runs runs;
};

/* 0; 1 when --help or --version was asked for and printed on stdout; ERR_USAGE, -ENOMEM.
 * ret is valid (for options_fini) in every case. Borrows argv. A missing operand that the
 * verb needs is ERR_USAGE. On 0 the log level is set from -v and -q. */
int options_parse(const struct verb_info *v, int argc, char **argv, struct options *ret,
                  struct err *e);
void options_fini(struct options *o);

/* options_compare.c: an operand, "--", the end of the words; an option by its name. */
void options_compare_init(struct options_compare *c);
void options_compare_fini(struct options_compare *c);
int options_compare_run(struct options_compare *c, const char *word, struct err *e);
int options_compare_split(struct options_compare *c, struct err *e);
int options_compare_end(struct options_compare *c, struct err *e);
int options_compare_set(struct options_compare *c, const char *name, const char *value,
                        struct err *e);

/* options_audit.c: an option by its name; ids of probes, as typed, to those there are. */
int options_audit_set(struct options_audit *a, const char *name, const char *value,
                      struct err *e);
int options_audit_skip(struct strlist *ret, const char *words, const char *who,
                       struct err *e);
void options_audit_fini(struct options_audit *a);

/* options_runs.c: of the verbs that know runs; an option by its name. */
int options_runs_set(struct options_runs *r, const char *name, const char *value,
                     struct err *e);
void options_runs_fini(struct options_runs *r);

/* The spec of o's job file, site file, environment and flags. Prints the diagnostics on
 * stderr when there are some and logs the spec's notes as warnings. */
int options_load_spec(const struct options *o, struct spec **ret, struct err *e);

/* --help of one verb, to a buffer (the man page's list is checked against it). */
int options_help(const struct verb_info *v, struct buf *out);
/* Its options alone, a line each. */
int options_list(const struct verb_info *v, struct buf *out);

#endif
