/* SPDX-License-Identifier: MIT */
/* options.c - one table of options; parsing, --help and "did you mean" walk it. Values
 * are not understood here: an option that sets a key of the job file says which, and the
 * spec reads its text as it reads every other layer. */
#include "launcher/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report.h"
#include "launcher/suggest.h"
#include "proto/base/limits.h"

enum {
    RUN = VERB_RUN,
    CHECK = VERB_CHECK,
    REPORT = VERB_REPORT,
    PLAN = VERB_PLAN,
    COMPARE_ = VERB_COMPARE,
    AUDIT = VERB_AUDIT,
    SUBMIT = VERB_SUBMIT,
    RESUME = VERB_RESUME,
    STATUS = VERB_STATUS,
    LOGS = VERB_LOGS,
    STOP = VERB_STOP
};
/* NODES: which nodes, and how to reach them; JOB: also what runs there. */
enum {
    JOB = RUN | CHECK | PLAN | SUBMIT,
    NODES = JOB | AUDIT,
    ALL = NODES | REPORT | COMPARE_ | STATUS | LOGS | STOP | RESUME,
};

enum action {
    SET_KEY,
    SET_ANY,
    SITE,
    LABEL,
    STDIN,
    SHOW,
    OFFLINE,
    JSON,
    RANKS,
    TOPOLOGY,
    SYSFS,
    DRAW,
    COMPARE,
    AUDITING,
    RUNS,
    VERBOSE,
    QUIET,
    HELP,
    VERSION
};

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *value; /* what --help calls it; NULL: takes none */
    unsigned verbs;
    enum action action;
    const char *key; /* SET_KEY: of the job file */
    const char *help;
};

static const struct option_row rows[] = {
    {'N', "nodes", "N", NODES, SET_KEY, "nodes.count",
     "use N nodes (of the hosts, or simulated)"},
    {'H', "host", "LIST", NODES, SET_KEY, "nodes.hosts",
     "run on these hosts: gpu[01-16],login"},
    {0, "spares", "N", NODES, SET_KEY, "nodes.spares",
     "N more hosts that may take a place"},
    {0, "hostfile", "FILE", NODES, SET_KEY, "nodes.hostfile",
     "run on the hosts of a file"},
    {0, "local-nodes", "N", NODES, SET_KEY, "local.nodes",
     "simulate N nodes on this machine"},
    {0, "backend", "NAME", NODES, SET_KEY, "nodes.backend",
     "auto, local, ssh or slurm"},
    {'p', "partition", "NAME", NODES, SET_KEY, "slurm.partition",
     "of Slurm, to ask for nodes there"},
    {'A', "account", "NAME", NODES, SET_KEY, "slurm.account",
     "whose hours are spent, in Slurm"},
    {0, "qos", "NAME", NODES, SET_KEY, "slurm.qos", "of Slurm, to ask for nodes with"},
    {0, "gres", "LIST", NODES, SET_KEY, "slurm.gres",
     "what to ask of each node: gpu:8"},
    {'C', "constraint", "WORDS", NODES, SET_KEY, "slurm.constraint",
     "features that nodes must have: ib&a100"},
    {'r', "ranks-per-node", "N", JOB, SET_KEY, "job.ranks_per_node",
     "start N ranks on every node"},
    {'x', "env", "NAME[=VALUE]", JOB, SET_KEY, "job.env",
     "give a variable to every rank"},
    {0, "forward-env", "NAMES", JOB, SET_KEY, "job.forward_env",
     "what travels: auto, all, none or NAME,PREFIX_*"},
    {'w', "workdir", "DIR", JOB, SET_KEY, "job.workdir", "where the program starts"},
    {'t', "time", "DURATION", JOB, SET_KEY, "job.time_limit",
     "stop the job after 90s, 30m, 12h"},
    {'o', "output", "DIR", JOB, SET_KEY, "job.output",
     "where run directories are made"},
    {0, "name", "NAME", JOB, SET_KEY, "job.name", "name of the job"},
    {0, "mpi", "KIND", JOB, SET_KEY, "job.mpi", "auto, pmix or none"},
    {0, "grace", "DURATION", JOB, SET_KEY, "failure.grace",
     "from TERM to KILL when stopping"},
    {0, "ssh-command", "WORDS", NODES, SET_KEY, "ssh.command",
     "reach hosts with this in place of ssh"},
    {0, "ssh-options", "WORDS", NODES, SET_KEY, "ssh.options", "more options for ssh"},
    {0, "set", "KEY=VALUE", NODES, SET_ANY, NULL,
     "set any key of the job file: bind.cpu=none"},
    {0, "site", "FILE", NODES, SITE, NULL, "read this site file"},
    {'l', "label", NULL, RUN | SUBMIT | RESUME, LABEL, NULL,
     "begin every line of output with node:rank:"},
    {'u', "unbuffered", NULL, JOB, SET_KEY, "job.unbuffered",
     "ranks write line by line, as to a terminal"},
    {0, "stdin", "RANK", RUN, STDIN, NULL,
     "give this rank our standard input (others read nothing)"},
    {0, "offline", NULL, CHECK, OFFLINE, NULL,
     "look at the job file alone, ask no node"},
    {0, "show", NULL, CHECK, SHOW, NULL, "print every value and who set it"},
    {0, "topology", "FILE", PLAN, TOPOLOGY, NULL,
     "of a node: hwloc XML, or a copied root; may be repeated"},
    {0, "sysfs", "DIR", PLAN, SYSFS, NULL, "port states from here, not from the XML"},
    {0, "draw", "KIND", PLAN, DRAW, NULL, "draw the nodes: text or svg"},
    {0, "ranks", "N", REPORT, RANKS, NULL, "what the same noise would cost N ranks"},
    {0, "paired", NULL, COMPARE_, COMPARE, NULL,
     "the runs were made in turns: first with first, ..."},
    {0, "days", "D", COMPARE_, COMPARE, NULL, "what it means for a job of D days on A"},
    {0, "price", "A,B", COMPARE_, COMPARE, NULL, "of a GPU by the hour, on each side"},
    {0, "price-ratio", "P", COMPARE_, COMPARE, NULL,
     "A is P times as dear as B, by the hour"},
    {0, "gpu-share", "PERCENT", COMPARE_, COMPARE, NULL, "of the cost that is GPUs"},
    {0, "labels", "A,B", COMPARE_, COMPARE, NULL, "what to call the sides: metal,vm"},
    {0, "local", NULL, AUDIT, AUDITING, NULL, "audit this machine; no job, no agent"},
    {0, "root", "DIR", AUDIT, AUDITING, NULL,
     "audit the machine whose files are in a folder"},
    {0, "no-measure", NULL, AUDIT, AUDITING, NULL, "look only, measure nothing"},
    {0, "no-pairs", NULL, AUDIT, AUDITING, NULL, "do not measure between nodes"},
    {0, "skip", "ID", AUDIT, AUDITING, NULL, "leave this probe out; may be repeated"},
    {0, "no-history", NULL, AUDIT, AUDITING, NULL,
     "neither read nor keep what audits find"},
    {0, "print", NULL, SUBMIT, RUNS, NULL, "print the batch script, submit nothing"},
    {0, "prepare", NULL, SUBMIT, RUNS, NULL,
     "make the run directory and its batch script only"},
    {0, "over", NULL, STATUS, RUNS, NULL,
     "exit with 0 if it has ended for good, else 1"},
    {'f', "follow", NULL, LOGS, RUNS, NULL, "go on until the run has ended"},
    {'n', "lines", "N", LOGS, RUNS, NULL, "only the last N lines of each file"},
    {0, "rank", "N", LOGS, RUNS, NULL, "of this rank alone"},
    {0, "ranks", "LIST", LOGS, RUNS, NULL, "of these ranks: 0-7,12"},
    {0, "out", NULL, LOGS, RUNS, NULL, "standard output alone"},
    {0, "err", NULL, LOGS, RUNS, NULL, "standard error alone"},
    {0, "attempt", "N", LOGS, RUNS, NULL, "of this attempt, not of the last"},
    {0, "launcher", NULL, LOGS, RUNS, NULL, "what the batch jobs said, not the ranks"},
    {0, "force", NULL, RESUME, RUNS, NULL,
     "although a former head may live, or the run has ended"},
    {0, "now", NULL, STOP, RUNS, NULL, "without grace: the ranks are killed"},
    {0, "json", NULL, REPORT | PLAN | COMPARE_ | AUDIT | STATUS, JSON, NULL,
     "print it as JSON"},
    {'v', "verbose", NULL, ALL, VERBOSE, NULL, "say more; twice: say all"},
    {'q', "quiet", NULL, ALL, QUIET, NULL, "only errors"},
    {'h', "help", NULL, ALL, HELP, NULL, "print this"},
    {'V', "version", NULL, ALL, VERSION, NULL, "print the version"},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* What people type who come from other launchers. */
static const struct {
    const char *name, *hint;
} habits[] = {
    {"-n", "ranks are given per node: -r RANKS -N NODES"},
    {"-np", "ranks are given per node: -r RANKS -N NODES"},
    {"--np", "ranks are given per node: -r RANKS -N NODES"},
    {"--ntasks", "ranks are given per node: -r RANKS -N NODES"},
    {"--nproc-per-node", "use --ranks-per-node"},
    {"--ntasks-per-node", "use --ranks-per-node"},
    {"--npernode", "use --ranks-per-node"},
    {"--nnodes", "use --nodes"},
    {"--hosts", "use --host"},
    {"--tag-output", "use --label"},
    {"--chdir", "use --workdir"},
};

struct parse {
    const struct verb_info *v;
    int argc;
    char **argv;
    int i; /* the word being read */
    struct options *o;
    struct err *e;
    bool asked; /* --help or --version was served */
};

static bool same_name(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((a[i] == '_' ? '-' : a[i]) != b[i])
            return false;
    return b[len] == '\0';
}

/* Of this verb, or else of another: a name may mean something else in each. */
static const struct option_row *find_long(const struct parse *p, const char *name,
                                          size_t len)
{
    const struct option_row *r = NULL;
    for (size_t i = 0; i < N_ROWS && !(r && r->verbs & p->v->bit); i++)
        if (same_name(name, rows[i].name, len) && (!r || rows[i].verbs & p->v->bit))
            r = &rows[i];
    return r;
}

static const struct option_row *find_letter(const struct parse *p, char c)
{
    const struct option_row *r = NULL;
    for (size_t i = 0; i < N_ROWS && !(r && r->verbs & p->v->bit); i++)
        if (rows[i].letter == c && (!r || rows[i].verbs & p->v->bit))
            r = &rows[i];
    return r;
}

static const char *habit_hint(const char *typed)
{
    for (size_t i = 0; i < sizeof habits / sizeof habits[0]; i++)
        if (same_name(typed, habits[i].name, strlen(typed)))
            return habits[i].hint;
    return NULL;
}

/* ---- what an option does ---- */

static int keep_text(struct options *o, const char **ret, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    int rc = n < 0 ? -ENOMEM : strlist_add(&o->texts, text);
    if (n >= 0)
        free(text);
    if (!rc)
        *ret = o->texts.items[o->texts.n - 1];
    return rc;
}

static int add_flag(struct parse *p, const char *key, const char *value,
                    const char *spelled)
{
    struct options *o = p->o;
    struct spec_flag *more = realloc(o->flags, (o->n_flags + 1) * sizeof *more);
    if (!more)
        return err_sys(p->e, -ENOMEM, "read the options");
    o->flags = more;
    o->flags[o->n_flags++] = (struct spec_flag){key, value, spelled};
    return 0;
}

/* --set section.key=value */
static int add_any(struct parse *p, const char *text)
{
    const char *equals = strchr(text, '='), *key, *spelled;
    if (!equals || equals == text) {
        err_set(p->e, ERR_USAGE, "--set \"%s\": expected section.key=value", text);
        return err_hint(p->e, "for example --set bind.cpu=none");
    }
    int len = (int)(equals - text);
    if (keep_text(p->o, &key, "%.*s", len, text) ||
        keep_text(p->o, &spelled, "--set %.*s", len, text))
        return err_sys(p->e, -ENOMEM, "read the options");
    return add_flag(p, key, equals + 1, spelled);
}

static int serve_help(struct parse *p)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    int rc = options_help(p->v, &out);
    if (!rc)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    p->asked = true;
    return rc ? err_sys(p->e, rc, "print the help") : 0;
}

static bool is_number(const char *value, long long least, long long most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end || end == value || n < least || n > most)
        return false;
    *ret = n;
    return true;
}

static int set_stdin(struct parse *p, const char *value)
{
    if (is_number(value, 0, (long long)LIMIT_RANKS - 1, &p->o->stdin_rank))
        return 0;
    return err_set(p->e, ERR_USAGE, "--stdin \"%s\": expected the number of a rank",
                   value);
}

static int set_ranks(struct parse *p, const char *value)
{
    if (is_number(value, 1, REPORT_RANKS_MOST, &p->o->ranks))
        return 0;
    return err_set(p->e, ERR_USAGE, "--ranks \"%s\": expected a number of 1 to %d",
                   value, REPORT_RANKS_MOST);
}

static int apply(struct parse *p, const struct option_row *r, const char *value,
                 const char *spelled)
{
    struct options *o = p->o;
    switch (r->action) {
    case SET_KEY:
        return add_flag(p, r->key, value ? value : "true", spelled);
    case SET_ANY:
        return add_any(p, value);
    case SITE:
        o->site = value;
        break;
    case LABEL:
        o->label = true;
        break;
    case STDIN:
        return set_stdin(p, value);
    case SHOW:
        o->show = true;
        break;
    case OFFLINE:
        o->offline = true;
        break;
    case JSON:
        o->json = true;
        break;
    case RANKS:
        return set_ranks(p, value);
    case TOPOLOGY:
        if (strlist_add(&o->topologies, value))
            return err_sys(p->e, -ENOMEM, "read the command line");
        break;
    case SYSFS:
        o->sysfs = value;
        break;
    case DRAW:
        if (strcmp(value, "text") != 0 && strcmp(value, "svg") != 0)
            return err_set(p->e, ERR_USAGE, "%s \"%s\": it is \"text\" or \"svg\"",
                           spelled, value);
        o->draw = value;
        break;
    case COMPARE:
        return options_compare_set(&o->compare, r->name, value, p->e);
    case AUDITING:
        return options_audit_set(&o->audit, r->name, value, p->e);
    case RUNS:
        return options_runs_set(&o->runs, r->name, value, p->e);
    case VERBOSE:
        o->verbosity = o->verbosity < 0 ? 1 : o->verbosity + 1;
        break;
    case QUIET:
        o->verbosity = -1;
        break;
    case HELP:
        return serve_help(p);
    case VERSION:
        printf("aolani-run %s\n", AOLANI_VERSION);
        p->asked = true;
        break;
    }
    return 0;
}

/* ---- reading words ---- */

static int unknown(struct parse *p, const char *typed, const char *name)
{
    struct suggest near;
    err_set(p->e, ERR_USAGE, "unknown option \"%s\"", typed);
    if (habit_hint(typed))
        return err_hint(p->e, "%s", habit_hint(typed));
    suggest_init(&near, name);
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].verbs & p->v->bit)
            suggest_offer(&near, rows[i].name);
    if (near.best)
        return err_hint(p->e, "did you mean --%s?", near.best);
    return err_hint(p->e, "aolani-run %s --help lists all", p->v->name);
}

static int check_row(struct parse *p, const struct option_row *r, const char *typed)
{
    if (r->verbs & p->v->bit)
        return 0;
    if (habit_hint(typed))
        return unknown(p, typed, typed);
    err_set(p->e, ERR_USAGE, "option \"%s\" is not one of aolani-run %s", typed,
            p->v->name);
    return err_hint(p->e, "aolani-run %s --help lists all", p->v->name);
}

/* The value of an option: joined to it, or the next word. */
static int take_value(struct parse *p, const struct option_row *r, const char *joined,
                      const char *typed, const char **ret)
{
    if (joined) {
        *ret = joined;
        return 0;
    }
    if (p->i + 1 >= p->argc || !strcmp(p->argv[p->i + 1], "--"))
        return err_set(p->e, ERR_USAGE, "option \"%s\" needs a value: %s", typed,
                       r->value);
    *ret = p->argv[++p->i];
    return 0;
}

static int read_long(struct parse *p, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '='), *typed, *value = NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *r = find_long(p, name, len);
    if (keep_text(p->o, &typed, "--%.*s", (int)len, name))
        return err_sys(p->e, -ENOMEM, "read the options");
    if (!r)
        return unknown(p, typed, typed + 2);
    int rc = check_row(p, r, typed);
    if (rc)
        return rc;
    if (!r->value && equals)
        return err_set(p->e, ERR_USAGE, "option \"%s\" takes no value", typed);
    if (r->value && (rc = take_value(p, r, equals ? equals + 1 : NULL, typed, &value)))
        return rc;
    return apply(p, r, value, typed);
}

/* -lv, -N2, -N 2 */
static int read_letters(struct parse *p, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const struct option_row *r = find_letter(p, *c);
        const char *typed, *value = NULL;
        if (keep_text(p->o, &typed, "-%c", *c))
            return err_sys(p->e, -ENOMEM, "read the options");
        if (!r || (c == word + 1 && !(r->verbs & p->v->bit) && habit_hint(word)))
            return unknown(p, c == word + 1 ? word : typed, word + 1);
        int rc = check_row(p, r, typed);
        if (rc)
            return rc;
        if (!r->value) {
            if ((rc = apply(p, r, NULL, typed)) || p->asked)
                return rc;
            continue;
        }
        rc = take_value(p, r, c[1] ? c + 1 : NULL, typed, &value);
        return rc ? rc : apply(p, r, value, typed);
    }
    return 0;
}

static int read_operand(struct parse *p, const char *word)
{
    if (p->v->bit == VERB_COMPARE) {
        p->o->path = p->o->path ? p->o->path : word;
        return options_compare_run(&p->o->compare, word, p->e);
    }
    if (p->v->bit == VERB_STATUS && strlist_add(&p->o->runs.runs, word))
        return err_sys(p->e, -ENOMEM, "read the command line");
    if (!p->o->path || p->v->bit == VERB_STATUS) {
        p->o->path = p->o->path ? p->o->path : word;
        return 0;
    }
    err_set(p->e, ERR_USAGE, "unexpected argument \"%s\" after \"%s\"", word,
            p->o->path);
    if (verbs_name_exists(p->o->path))
        return err_hint(p->e, "the verb comes first: aolani-run %s %s", p->o->path,
                        word);
    if (p->v->rest)
        return err_hint(p->e, "arguments of the program come after \"--\"");
    return p->e ? p->e->code : ERR_USAGE;
}

static int read_words(struct parse *p)
{
    for (p->i = 1; p->i < p->argc; p->i++) {
        const char *word = p->argv[p->i];
        int rc;
        if (!strcmp(word, "--") && p->v->bit == VERB_COMPARE) {
            if ((rc = options_compare_split(&p->o->compare, p->e)))
                return rc;
            continue;
        }
        if (!strcmp(word, "--")) {
            p->o->extra = p->argv + p->i + 1;
            if (!p->v->rest && p->i + 1 < p->argc)
                return err_set(p->e, ERR_USAGE,
                               "aolani-run %s takes nothing after \"--\"", p->v->name);
            return 0;
        }
        if (!strncmp(word, "--", 2))
            rc = read_long(p, word);
        else if (*word == '-' && word[1])
            rc = read_letters(p, word);
        else
            rc = read_operand(p, word);
        if (rc || p->asked)
            return rc;
    }
    return 0;
}

int options_parse(const struct verb_info *v, int argc, char **argv, struct options *ret,
                  struct err *e)
{
    static const enum log_level levels[] = {LOG_ERROR_, LOG_NOTE_, LOG_INFO_,
                                            LOG_DEBUG_};
    struct err own;
    struct parse p = {v, argc, argv, 0, ret, e ? e : &own, false};
    *ret = (struct options){.stdin_rank = -1, .runs.lines = -1};
    options_compare_init(&ret->compare);
    int rc = read_words(&p);
    if (rc || p.asked)
        return rc ? rc : 1;
    if (v->bit == VERB_COMPARE && (rc = options_compare_end(&ret->compare, p.e)))
        return rc;
    if (v->operand && !ret->path && v->operand[0] != '[') {
        err_set(e, ERR_USAGE, "which %s? the command line names none", v->operand);
        return err_hint(e, "usage: aolani-run %s [options] %s", v->name, v->operand);
    }
    int n = ret->verbosity > 2 ? 2 : ret->verbosity;
    log_setup("aolani-run", levels[n + 1], NULL, NULL);
    return 0;
}

void options_fini(struct options *o)
{
    strlist_fini(&o->texts);
    strlist_fini(&o->topologies);
    options_audit_fini(&o->audit);
    options_runs_fini(&o->runs);
    options_compare_fini(&o->compare);
    free(o->flags);
    *o = (struct options){0};
}

/* ---- --help ---- */

int options_list(const struct verb_info *v, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < N_ROWS && !rc; i++) {
        const struct option_row *r = &rows[i];
        char left[64], letter[8] = "    ";
        if (!(r->verbs & v->bit))
            continue;
        if (r->letter)
            snprintf(letter, sizeof letter, "-%c, ", r->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, r->name, r->value ? " " : "",
                 r->value ? r->value : "");
        rc = buf_printf(out, "  %-28s %s\n", left, r->help);
    }
    return rc;
}

int options_help(const struct verb_info *v, struct buf *out)
{
    int rc = buf_printf(out, "usage: aolani-run %s [options]%s%s%s%s\n%s\n\noptions:\n",
                        v->name, v->operand ? " " : "", v->operand ? v->operand : "",
                        v->rest ? " -- " : "", v->rest ? v->rest : "", v->summary);
    return rc ? rc : options_list(v, out);
}
