/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/options.h"

/* Verbs of the test's own: the real ones bring the whole launcher with them. */
static int no_verb(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static const struct verb_info run = {"run",      VERB_RUN, no_verb,
                                     "job.toml", "[args]", "Run."};
static const struct verb_info check = {"check",    VERB_CHECK, no_verb,
                                       "job.toml", "[args]",   "Check."};
static const struct verb_info report = {"report", VERB_REPORT, no_verb,
                                        "RUN",    NULL,        "Report."};
static const struct verb_info compare = {"compare", VERB_COMPARE, no_verb,
                                         "A...",    "B...",       "Compare."};

static const struct verb_info audit = {"audit",      VERB_AUDIT, no_verb,
                                       "[job.toml]", NULL,       "Audit."};

static const struct verb_info submit = {"submit",   VERB_SUBMIT, no_verb,
                                        "job.toml", "[args]",    "Submit."};
static const struct verb_info status = {"status",   VERB_STATUS, no_verb,
                                        "[RUN...]", NULL,        "Status."};
static const struct verb_info logs = {"logs",  VERB_LOGS, no_verb,
                                      "[RUN]", NULL,      "Logs."};
static const struct verb_info stop = {"stop", VERB_STOP, no_verb, "RUN", NULL, "Stop."};

bool verbs_name_exists(const char *name)
{
    return !strcmp(name, "check");
}

/* Words between single blanks, into an argv that lives as long as the caller's buffer. */
static int split(char *line, char **argv)
{
    int n = 0;
    argv[n++] = "verb";
    for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
        argv[n++] = w;
    argv[n] = NULL;
    return n;
}

static void test_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *flags;        /* "key=value,..." */
        const char *path, *extra; /* first word after "--" */
        int verbosity;
        bool label;
    } t[] = {
        {"j.toml", "", "j.toml", NULL, 0, false},
        {"j.toml -N 2", "nodes.count=2(-N)", "j.toml", NULL, 0, false},
        {"-N2 j.toml", "nodes.count=2(-N)", "j.toml", NULL, 0, false},
        {"--nodes=2 j.toml -vv", "nodes.count=2(--nodes)", "j.toml", NULL, 2, false},
        {"--ranks_per_node 4 j", "job.ranks_per_node=4(--ranks_per_node)", "j", NULL, 0,
         false},
        {"-lv -Ha,b -H c j", "nodes.hosts=a,b(-H) nodes.hosts=c(-H)", "j", NULL, 1,
         true},
        {"-q j -- -N 7", "", "j", "-N", -1, false},
        {"j --", "", "j", "", 0, false},
        {"-x A=b=c -xHOME j", "job.env=A=b=c(-x) job.env=HOME(-x)", "j", NULL, 0,
         false},
        {"--set bind.cpu=none j", "bind.cpu=none(--set bind.cpu)", "j", NULL, 0, false},
        {"--set=job.name= j", "job.name=(--set job.name)", "j", NULL, 0, false},
        {"-t 1h -o out --grace=5s j",
         "job.time_limit=1h(-t) job.output=out(-o) failure.grace=5s(--grace)", "j",
         NULL, 0, false},
        {"--time=-5 j", "job.time_limit=-5(--time)", "j", NULL, 0, false},
        {"-", "", "-", NULL, 0, false},
        {"-qv j", "", "j", NULL, 1, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char line[200], *argv[40], got[300] = "";
        struct options o;
        struct err e = {0};
        strcpy(line, t[i].line);
        int argc = split(line, argv);
        int rc = options_parse(&run, argc, argv, &o, &e);
        if (rc)
            print_message("row %zu: %s\n", i, e.text);
        assert_int_equal(rc, 0);
        for (size_t f = 0; f < o.n_flags; f++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s=%s(%s)",
                     f ? " " : "", o.flags[f].key, o.flags[f].value,
                     o.flags[f].spelled);
        assert_string_equal(got, t[i].flags);
        assert_string_equal(o.path, t[i].path);
        assert_int_equal(o.verbosity, t[i].verbosity);
        assert_int_equal(o.label, t[i].label);
        assert_int_equal(o.extra != NULL, t[i].extra != NULL);
        if (t[i].extra)
            assert_string_equal(o.extra[0] ? o.extra[0] : "", t[i].extra);
        options_fini(&o);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const struct verb_info *v;
        const char *line, *text, *hint;
    } t[] = {
        {&run, "", "which job.toml? the command line names none",
         "usage: aolani-run run [options] job.toml"},
        {&run, "--ndoes 2 j", "unknown option \"--ndoes\"", "did you mean --nodes?"},
        {&run, "--node 2 j", "unknown option \"--node\"", "did you mean --nodes?"},
        {&run, "--lable j", "unknown option \"--lable\"", "did you mean --label?"},
        {&run, "--zzzzzz j", "unknown option \"--zzzzzz\"",
         "aolani-run run --help lists all"},
        {&run, "-np 8 j", "unknown option \"-np\"",
         "ranks are given per node: -r RANKS -N NODES"},
        {&run, "-n 8 j", "unknown option \"-n\"",
         "ranks are given per node: -r RANKS -N NODES"},
        {&run, "--nproc_per_node=8 j", "unknown option \"--nproc_per_node\"",
         "use --ranks-per-node"},
        {&run, "-vZ j", "unknown option \"-Z\"", NULL},
        {&run, "j --nodes", "option \"--nodes\" needs a value: N", ""},
        {&run, "j -N -- 2", "option \"-N\" needs a value: N", ""},
        {&run, "--label=yes j", "option \"--label\" takes no value", ""},
        {&run, "--show j", "option \"--show\" is not one of aolani-run run", NULL},
        {&check, "-l j", "option \"-l\" is not one of aolani-run check", NULL},
        {&run, "--set x j", "--set \"x\": expected section.key=value", NULL},
        {&run, "j k", "unexpected argument \"k\" after \"j\"",
         "arguments of the program come after \"--\""},
        {&run, "-v check j", "unexpected argument \"j\" after \"check\"",
         "the verb comes first: aolani-run check j"},
        {&report, "r -- x", "aolani-run report takes nothing after \"--\"", ""},
        {&report, "r --ranks 0", "--ranks \"0\": expected a number of 1 to 10000000",
         ""},
        {&report, "r --ranks 1e3",
         "--ranks \"1e3\": expected a number of 1 to 10000000", ""},
        {&report, "r --ranks=10000001",
         "--ranks \"10000001\": expected a number of 1 to 10000000", ""},
        {&run, "--ranks 8 j", "option \"--ranks\" is not one of aolani-run run", NULL},
        {&report, "-N 2 r", "option \"-N\" is not one of aolani-run report", NULL},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char line[200], *argv[40];
        struct options o;
        struct err e = {0};
        strcpy(line, t[i].line);
        int argc = split(line, argv);
        assert_int_equal(options_parse(t[i].v, argc, argv, &o, &e), ERR_USAGE);
        assert_string_equal(e.text, t[i].text);
        if (t[i].hint)
            assert_string_equal(e.hint, t[i].hint);
        options_fini(&o);
    }
}

/* For compare "--" parts the sides, and options may stand anywhere. */
static void test_sides(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t n, n_first;
        double days;
        bool paired;
    } t[] = {
        {"a -- b", 2, 1, 0, false},
        {"a b", 2, 1, 0, false},
        {"a b -- c", 3, 2, 0, false},
        {"a -- b c --paired --days 3", 3, 1, 3, true},
        {"--days=2.5 a b -- c d", 4, 2, 2.5, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char line[100], *argv[20];
        struct options o;
        struct err e;
        snprintf(line, sizeof line, "%s", t[i].line);
        if (options_parse(&compare, split(line, argv), argv, &o, &e))
            fail_msg("%s: %s", t[i].line, e.text);
        const struct options_compare *c = &o.compare;
        if (c->runs.n != t[i].n || c->n_first != t[i].n_first ||
            c->paired != t[i].paired ||
            (t[i].days > 0 ? c->days != t[i].days : c->days == c->days))
            fail_msg("%s: %zu runs, %zu first, %g days", t[i].line, c->runs.n,
                     c->n_first, c->days);
        options_fini(&o);
    }
}

static void test_audit(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int rc;
        const char *path, *skip; /* ids with commas; of a refusal its text */
        bool local, no_measure;
    } t[] = {
        {"--local", 0, "", "", true, false},
        {"j.toml --no-measure -v", 0, "j.toml", "", false, true},
        {"--local --skip HV1,KP2 --skip TM1", 0, "", "HV1,KP2,TM1", true, false},
        {"--local --skip HV77", ERR_USAGE, "", "no probe \"HV77\"", true, false},
        {"j.toml --label", ERR_USAGE, "", "not one of aolani-run audit", false, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char line[200], *argv[40], got[100] = "";
        struct options o;
        struct err e = {0};
        strcpy(line, t[i].line);
        int argc = split(line, argv);
        assert_int_equal(options_parse(&audit, argc, argv, &o, &e), t[i].rc);
        if (t[i].rc < 0) {
            assert_non_null(strstr(e.text, t[i].skip));
        } else {
            for (size_t k = 0; k < o.audit.skip.n; k++)
                snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                         k ? "," : "", o.audit.skip.items[k]);
            assert_string_equal(got, t[i].skip);
            assert_string_equal(o.path ? o.path : "", t[i].path);
            assert_int_equal(o.audit.local, t[i].local);
            assert_int_equal(o.audit.no_measure, t[i].no_measure);
        }
        options_fini(&o);
    }
}

/* Every option stands in --help of its verb and in the man page. */
/* What the verbs that know runs make of their words. */
static void test_runs(void **state)
{
    (void)state;
    static const struct {
        const struct verb_info *v;
        const char *line, *want, *why; /* want NULL: refused, why says how */
    } t[] = {
        {&logs, "", "path - lines -1 attempt 0 ranks  flags", NULL},
        {&logs, "-f r", "path r lines -1 attempt 0 ranks  flags follow", NULL},
        {&logs, "-n5 r", "path r lines 5 attempt 0 ranks  flags", NULL},
        {&logs, "-fn 0 r", "path r lines 0 attempt 0 ranks  flags follow", NULL},
        {&logs, "--ranks 0-3,7 --rank 5 --err --attempt 2",
         "path - lines -1 attempt 2 ranks 0-3,5,7 flags err", NULL},
        {&logs, "--launcher --out",
         "path - lines -1 attempt 0 ranks  flags out launcher", NULL},
        {&logs, "a b", NULL, "unexpected argument \"b\""},
        {&logs, "-n x", NULL, "--lines \"x\": expected a number, 0 at least"},
        {&logs, "--attempt 0", NULL, "--attempt \"0\": expected a number, 1 at least"},
        {&logs, "--rank 262144", NULL, "no more than 262144 ranks"},
        {&logs, "--ranks 3-1", NULL, "--ranks \"3-1\": "},
        {&logs, "--ranks 5000000", NULL, "--ranks \"5000000\": "},
        {&logs, "--nodes 2", NULL, "option \"--nodes\" is not one of aolani-run logs"},
        {&status, "a b c --json", "path a lines -1 attempt 0 ranks  flags runs 3",
         NULL},
        {&status, "--over", "path - lines -1 attempt 0 ranks  flags over", NULL},
        {&stop, "r --now", "path r lines -1 attempt 0 ranks  flags now", NULL},
        {&stop, "--now", NULL, "which RUN?"},
        {&submit, "j --print", "path j lines -1 attempt 0 ranks  flags print", NULL},
        {&submit, "--prepare j -- x", "path j lines -1 attempt 0 ranks  flags prepare",
         NULL},
        {&submit, "-f j", NULL, "option \"-f\" is not one of aolani-run submit"},
        {&run, "-n 4 j", NULL, "unknown option \"-n\""},
        {&run, "-np 4 j", NULL, "unknown option \"-np\""},
        {&run, "--ranks 4 j", NULL, "option \"--ranks\" is not one of aolani-run run"},
        {&report, "r --ranks 4-5", NULL, "expected a number of 1 to"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char line[200], *argv[40], got[300];
        struct options o;
        struct err e = {0};
        struct buf ranks;
        strcpy(line, t[i].line);
        int argc = split(line, argv);
        int rc = options_parse(t[i].v, argc, argv, &o, &e);
        if (rc ? t[i].want != NULL || !strstr(e.text, t[i].why) : !t[i].want)
            fail_msg("case %zu: %d \"%s\"", i, rc, e.text);
        buf_init(&ranks, 100);
        assert_int_equal(rankset_format(&o.runs.ranks, &ranks), 0);
        assert_int_equal(buf_add(&ranks, "", 1), 0);
        (void)snprintf(got, sizeof got,
                       "path %s lines %d attempt %d ranks %s flags%s%s%s%s%s%s%s%s",
                       o.path ? o.path : "-", (int)o.runs.lines, (int)o.runs.attempt,
                       (char *)ranks.data, o.runs.print ? " print" : "",
                       o.runs.prepare ? " prepare" : "", o.runs.over ? " over" : "",
                       o.runs.follow ? " follow" : "", o.runs.only[0] ? " out" : "",
                       o.runs.only[1] ? " err" : "", o.runs.launcher ? " launcher" : "",
                       o.runs.now ? " now" : "");
        if (o.runs.runs.n > 1)
            snprintf(got + strlen(got), sizeof got - strlen(got), " runs %zu",
                     o.runs.runs.n);
        if (t[i].want)
            assert_string_equal(got, t[i].want);
        buf_fini(&ranks);
        options_fini(&o);
    }
}

static void test_help_and_man_page(void **state)
{
    (void)state;
    static char page[200000];
    struct buf out;
    FILE *f = fopen("doc/aolani-run.1.scd", "r");
    assert_non_null(f);
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    buf_init(&out, 1 << 16);
    assert_int_equal(options_help(&run, &out), 0);
    assert_int_equal(options_help(&check, &out), 0);
    assert_int_equal(options_help(&report, &out), 0);
    assert_int_equal(options_help(&compare, &out), 0);
    assert_int_equal(options_help(&audit, &out), 0);
    assert_int_equal(options_help(&submit, &out), 0);
    assert_int_equal(options_help(&status, &out), 0);
    assert_int_equal(options_help(&logs, &out), 0);
    assert_int_equal(options_help(&stop, &out), 0);
    assert_int_equal(buf_add(&out, "", 1), 0);
    assert_non_null(
        strstr((char *)out.data, "  -N, --nodes N                use N nodes"));
    assert_non_null(strstr((char *)out.data, "      --show"));
    for (char *line = strtok((char *)out.data, "\n"); line; line = strtok(NULL, "\n")) {
        char name[40];
        char *dashes = strstr(line, "--");
        if (strncmp(line, "  ", 2) || !dashes || sscanf(dashes, "%39[a-z-]", name) != 1)
            continue;
        if (!strstr(page, name))
            print_message("%s is not in the man page\n", name);
        assert_non_null(strstr(page, name));
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sides),    cmocka_unit_test(test_audit),
        cmocka_unit_test(test_runs),     cmocka_unit_test(test_help_and_man_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
