/* SPDX-License-Identifier: MIT */
/* What salloc says and what it means: words of Slurm 22.05 against a real controller in
 * each of these states, but for accounts and QOS, which are from its source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/allocwait.h"
#include "launcher/slurm/sallocwords.h"

/* ---- lines ---- */

static const struct {
    const char *line;
    enum salloc_word word;
    uint32_t id;
    const char *text; /* NULL: not looked at */
} lines[] = {
    {"salloc: Pending job allocation 12", SALLOC_PENDING, 12, NULL},
    {"salloc: job 12 queued and waiting for resources", SALLOC_PENDING, 12, NULL},
    {"salloc: job 12 has been allocated resources", SALLOC_PASS, 12, NULL},
    {"salloc: Granted job allocation 4294967295", SALLOC_GRANTED, 4294967295u, NULL},
    {"salloc: Waiting for resource configuration", SALLOC_PASS, 0, NULL},
    {"salloc: Nodes n[1-2] are ready for job", SALLOC_PASS, 0, NULL},
    {"salloc: Requested partition configuration not available now", SALLOC_PASS, 0,
     NULL},
    {"salloc: Relinquishing job allocation 12", SALLOC_PASS, 12, NULL},
    {"salloc: Job allocation 12 has been revoked.", SALLOC_REVOKED, 12, NULL},
    {"salloc: Job 12 has exceeded its time limit and its allocation has been revoked.",
     SALLOC_REVOKED, 12, NULL},
    {"salloc: Job aborted due to signal", SALLOC_PASS, 0, NULL},
    {"salloc: error: invalid partition specified: nope", SALLOC_ERROR, 0,
     "invalid partition specified: nope"},
    {"salloc: error: Job submit/allocate failed: Invalid qos specification",
     SALLOC_ERROR, 0, "Job submit/allocate failed: Invalid qos specification"},
    {"salloc: unrecognized option '--nosuch'", SALLOC_ERROR, 0, NULL},
    {"Try \"salloc --help\" for more information", SALLOC_PASS, 0, NULL},
    {"sh: 9: exec: salloc: not found", SALLOC_ERROR, 0, NULL},
    {"salloc: Project x has 3 hours left", SALLOC_SAYS, 0,
     "Project x has 3 hours left"},
    {"salloc: lua: use -p gpu for GPUs", SALLOC_SAYS, 0, "lua: use -p gpu for GPUs"},
    /* no numbers */
    {"salloc: Pending job allocation", SALLOC_SAYS, 0, NULL},
    {"salloc: Pending job allocation x", SALLOC_SAYS, 0, NULL},
    {"salloc: Pending job allocation 0", SALLOC_SAYS, 0, NULL},
    {"salloc: Pending job allocation -1", SALLOC_SAYS, 0, NULL},
    {"salloc: Pending job allocation 99999999999999999999", SALLOC_SAYS, 0, NULL},
    {"salloc: ", SALLOC_PASS, 0, NULL},
    {"", SALLOC_PASS, 0, NULL},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        uint32_t id = 0;
        const char *text = NULL;
        enum salloc_word word = sallocwords_line(lines[i].line, &id, &text);
        if (word != lines[i].word || id != lines[i].id)
            fail_msg("\"%s\": %d, %u", lines[i].line, (int)word, id);
        assert_non_null(text);
        if (lines[i].text)
            assert_string_equal(text, lines[i].text);
    }
}

/* ---- errors ---- */

static const struct {
    const char *errors;
    int code;
    const char *text, *hint; /* hint: a part; "": there is none */
} errors[] = {
    {"invalid partition specified: nope\n"
     "Job submit/allocate failed: Invalid partition name specified",
     ERR_USAGE, "ask Slurm for nodes: invalid partition specified: nope", "sinfo -s"},
    {"Job submit/allocate failed: Invalid account or account/partition combination "
     "specified",
     ERR_USAGE,
     "ask Slurm for nodes: Invalid account or account/partition combination specified",
     "[slurm] account"},
    {"Job submit/allocate failed: Invalid qos specification", ERR_USAGE,
     "ask Slurm for nodes: Invalid qos specification", "--qos"},
    {"Job submit/allocate failed: Requested node configuration is not available",
     ERR_USAGE, "ask Slurm for nodes: Requested node configuration is not available",
     "no such nodes"},
    {"Invalid generic resource (gres) specification", ERR_USAGE,
     "ask Slurm for nodes: Invalid generic resource (gres) specification", "--gres"},
    {"Job submit/allocate failed: Invalid feature specification", ERR_USAGE,
     "ask Slurm for nodes: Invalid feature specification", "constraint"},
    {"Job submit/allocate failed: Invalid node name specified", ERR_USAGE,
     "ask Slurm for nodes: Invalid node name specified", "sinfo -N"},
    {"Invalid time specification (pos=0): foo\nInvalid --begin specification",
     ERR_USAGE, "ask Slurm for nodes: Invalid --begin specification", ""},
    {"unrecognized option '--nosuch'", ERR_USAGE,
     "ask Slurm for nodes: unrecognized option '--nosuch'", "[slurm] extra"},
    {"If munged is up, restart with --num-threads=10\n"
     "Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such "
     "file "
     "or directory (Did you start munged?)\n"
     "Job submit/allocate failed: Protocol authentication error",
     ERR_BOOT,
     "ask Slurm for nodes: Munge encode failed: Failed to access "
     "\"/run/munge/munge.socket.2\": No such file or directory (Did you start munged?)",
     "munged does not answer on this machine"},
    {"Job submit/allocate failed: Protocol authentication error", ERR_BOOT,
     "ask Slurm for nodes: Protocol authentication error", "clocks"},
    {"Job submit/allocate failed: Unable to contact slurm controller (connect failure)",
     ERR_BOOT,
     "ask Slurm for nodes: Unable to contact slurm controller (connect failure)",
     "scontrol ping"},
    {"Job submit/allocate failed: the site says no", ERR_USAGE,
     "ask Slurm for nodes: the site says no", ""},
    {"Job has been cancelled\nJob submit/allocate failed: Job/step already completing "
     "or completed",
     ERR_BOOT, "ask Slurm for nodes: Job has been cancelled", "scancel"},
    {"sh: 9: exec: salloc: not found", ERR_BOOT,
     "ask Slurm for nodes: sh: 9: exec: salloc: not found", "login node"},
    {"something else\nand more", ERR_BOOT, "ask Slurm for nodes: something else", ""},
    {"a\x1b[31mb", ERR_BOOT, "ask Slurm for nodes: a?[31mb", ""},
    {"", ERR_BOOT, "ask Slurm for nodes: salloc ended and did not say why", ""},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct err e = {0};
        assert_int_equal(sallocwords_error(errors[i].errors, &e), errors[i].code);
        assert_int_equal(e.code, errors[i].code);
        assert_string_equal(e.text, errors[i].text);
        if (!strstr(e.hint, errors[i].hint) || (!*errors[i].hint && *e.hint))
            fail_msg("\"%s\": hint \"%s\"", errors[i].errors, e.hint);
    }
}

/* ---- the environment ---- */

#define T(s) s, sizeof s - 1
static const struct {
    const char *said;
    size_t len;
    bool whole;
    const char *got; /* NULL: ERR_PROTO */
} envs[] = {
    {T("aolani-begin\0HOME=/"
       "x\0SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n[1-2]\0aolani-end\0"),
     true, "SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n[1-2]"},
    {T("a word of the site's\naolani-begin\0SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n1\0"
       "SLURM_X=\0aolani-end\0"),
     true, "SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1 SLURM_X="},
    /* what is not well-formed is left out */
    {T("aolani-begin\0SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n1\0SLURM_a=1\0SLURM_B\0"
       "XSLURM_C=1\0SLURM_D=a\nb\0SLURM_E=\x1b\0LD_PRELOAD=x\0aolani-end\0"),
     true, "SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1"},
    {T("aolani-begin\0SLURM_JOB_ID=7\0aolani-end\0"), true, NULL},
    {T("aolani-begin\0SLURM_JOB_NODELIST=n1\0aolani-end\0"), true, NULL},
    {T("SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n1\0aolani-end\0"), true, NULL},
    {T("aolani-end\0"), true, NULL},
    {T("aolani-begin\0SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n1\0"), false, NULL},
    {T("aolani-begin\0SLURM_JOB_ID=7\0SLURM_JOB_NODELIST=n1\0aolani-en"), false, NULL},
    {T("aolani-begin\0SLURM_JOB_ID=7\0aolani-end"), false, NULL},
    {T(""), false, NULL},
};

static void test_envs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof envs / sizeof *envs; i++) {
        struct buf said;
        struct strlist got = {0};
        struct err e = {0};
        char text[200] = "";
        buf_init(&said, SALLOCENV_BYTES);
        assert_int_equal(buf_add(&said, envs[i].said, envs[i].len), 0);
        assert_int_equal(sallocenv_is_whole(&said), envs[i].whole);
        int rc = sallocenv_parse(&said, &got, &e);
        assert_int_equal(rc, envs[i].got ? 0 : ERR_PROTO);
        for (size_t k = 0; k < got.n; k++)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                           k ? " " : "", got.items[k]);
        if (envs[i].got)
            assert_string_equal(text, envs[i].got);
        strlist_fini(&got);
        buf_fini(&said);
    }
}

/* ---- when the log speaks ---- */

static void test_news(void **state)
{
    (void)state;
    static const uint64_t min = 60000, start = 1000000000000000ull;
    static const struct {
        uint64_t at_ms, start_real_ns;
        uint32_t position;
        const char *reason;
        bool news;
    } rows[] = {
        {2000, 0, 3, "Priority", true},
        {12000, 0, 3, "Priority", false},
        {22000, 0, 2, "Priority", true}, /* the place has changed */
        {32000, 0, 2, "Resources", true},
        {42000, start, 2, "Resources", true}, /* when it may start is known */
        {52000, start + 60000000000ull, 2, "Resources",
         false}, /* hardly another guess */
        {62000, start + 600000000000ull, 2, "Resources", true},
        {62000 + min - 1, start + 600000000000ull, 2, "Resources", false},
        {62000 + min, start + 600000000000ull, 2, "Resources", true}, /* in a minute */
        {62000 + 2 * min, start + 600000000000ull, 2, "Resources", false},
        {62000 + 3 * min, start + 600000000000ull, 2, "Resources", true}, /* in two */
        {62000 + 4 * min, 0, 2, "Resources", true},
    };
    struct allocwait_said said = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slurm_queue q = {.position = rows[i].position,
                                .start_real_ns = rows[i].start_real_ns};
        (void)snprintf(q.reason, sizeof q.reason, "%s", rows[i].reason);
        if (allocwait_is_news(&said, &q, rows[i].at_ms) != rows[i].news)
            fail_msg("row %zu", i);
    }
    struct slurm_queue q = {.position = 2, .reason = "Resources"};
    unsigned n = 0;
    for (uint64_t h = 0; h < 7 * 24 * 60; h++)
        n += allocwait_is_news(&said, &q, 62000 + (5 + h) * min);
    assert_in_range(n, 24 * 6, 24 * 7 + 10); /* a week: about once an hour */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_envs),
        cmocka_unit_test(test_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
