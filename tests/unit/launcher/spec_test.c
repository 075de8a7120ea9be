/* SPDX-License-Identifier: MIT */
/* spec_test.c - golden diagnostics, layers, what keys say together. Run from the repository's root;
 * UPDATE_GOLDEN=1 writes the *.expected files anew, to be read in the diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/suggest.h"
#include "tests/lib/spec.h"

/* ---- golden ---- */

static void golden_one(const char *path)
{
    char expected[256], want[16384];
    struct buf diag;
    struct spec *s = NULL;
    struct err e;
    buf_init(&diag, 1 << 20);
    int rc = spec_load(path, NULL, NULL, 0, NULL, &s, &diag, &e);
    spec_destroy(s);
    char *got = text_of(&diag);
    snprintf(expected, sizeof expected, "%.*s.expected", (int)strlen(path) - 5, path);
    if (getenv("UPDATE_GOLDEN"))
        write_file(expected, got);
    read_expected(expected, want, sizeof want);
    if (strcmp(got, want))
        fprintf(stderr, "%s: got\n%s", path, got);
    assert_string_equal(got, want);
    assert_int_equal(rc, ERR_USAGE);
    buf_fini(&diag);
}

static void test_golden(void **state)
{
    (void)state;
    glob_t g;
    assert_int_equal(chdir("tests/golden/spec"), 0);
    assert_int_equal(glob("*.toml", 0, NULL, &g), 0);
    assert_true(g.gl_pathc > 10);
    for (size_t i = 0; i < g.gl_pathc; i++)
        golden_one(g.gl_pathv[i]);
    globfree(&g);
    assert_int_equal(chdir(root), 0);
}

static void test_configs_parse(void **state)
{
    (void)state;
    glob_t g;
    assert_int_equal(glob("configs/*.toml", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct buf diag;
        struct spec *s = NULL;
        struct err e = {0};
        bool site = strstr(g.gl_pathv[i], "site.toml") != NULL;
        buf_init(&diag, 1 << 20);
        int rc = spec_load(site ? "configs/local.toml" : g.gl_pathv[i],
                           site ? g.gl_pathv[i] : NULL, NULL, 0, NULL, &s, &diag, &e);
        if (rc)
            fprintf(stderr, "%s: %s\n%s", g.gl_pathv[i], e.text, text_of(&diag));
        assert_int_equal(rc, 0);
        assert_int_equal(s->notes.n, 0);
        spec_destroy(s);
        buf_fini(&diag);
    }
    globfree(&g);
}

/* ---- layers ---- */

static void test_defaults(void **state)
{
    (void)state;
    struct spec *s;
    char path[100];
    assert_int_equal(load("[job]\ncommand = [\"true\"]\n", &s), 0);
    assert_string_equal(s->job.name, "job");
    assert_string_equal(s->job.workdir, folder);
    snprintf(path, sizeof path, "%s/runs", folder);
    assert_string_equal(s->job.output, path);
    assert_int_equal(s->job.ranks_per_node, 1);
    assert_int_equal(s->job.time_limit_ms, 0);
    assert_int_equal(s->job.mpi, SPEC_MPI_AUTO);
    assert_int_equal(s->job.spool_bytes, 1 << 30);
    assert_int_equal(s->nodes.backend, BACKEND_LOCAL);
    assert_int_equal(s->local.nodes, 1);
    assert_string_equal(s->ssh.command.items[0], "ssh");
    assert_int_equal(s->ssh.connect_timeout_ms, 30000);
    assert_true(s->bind.cores);
    assert_int_equal(s->failure.head_lease_ms, 60000);
    assert_int_equal(s->notes.n, 0);
    spec_destroy(s);
}

static void test_layers(void **state)
{
    (void)state;
    static const struct spec_flag flag = {"failure.grace", "4s", "--grace"};
    static const struct spec_flag env[] = {{"job.env", "C=flag", "-x"},
                                           {"job.env", "D", "-x"}};
    static const char job[] = "[job]\ncommand=[\"true\"]\nenv={B=\"job\",C=\"job\"}\n"
                              "[failure]\ngrace=2\n";
    static const char site[] =
        "[job]\nenv=[\"A=site\",\"B=site\"]\n[failure]\ngrace=\"1s\"\n"
        "head_lease=\"9s\"\n";
    const struct spec_key *grace = spec_key("failure.grace");
    size_t row = spec_key_index(grace);
    struct spec *s;

    assert_int_equal(
        load_with("[job]\ncommand=[\"true\"]\n", site, NULL, 0, NULL, &s, NULL), 0);
    assert_int_equal(s->failure.grace_ms, 1000);
    assert_int_equal(s->origin[row], FROM_SITE);
    spec_destroy(s);

    setenv("D", "here", 1);
    assert_int_equal(load_with(job, site, env, 2, NULL, &s, NULL), 0);
    assert_int_equal(s->failure.grace_ms, 2000);
    assert_int_equal(s->failure.head_lease_ms, 9000);
    assert_int_equal(s->origin[row], FROM_FILE);
    assert_string_equal(s->set_by[row], "job.toml:5");
    assert_int_equal(s->job.env.n, 4);
    assert_string_equal(s->job.env.items[0], "A=site");
    assert_string_equal(s->job.env.items[1], "B=job");
    assert_string_equal(s->job.env.items[2], "C=flag");
    assert_string_equal(s->job.env.items[3], "D=here");
    spec_destroy(s);

    setenv("AOLANI_FAILURE_GRACE", "3", 1);
    assert_int_equal(load_with(job, site, NULL, 0, NULL, &s, NULL), 0);
    assert_int_equal(s->failure.grace_ms, 3000);
    assert_string_equal(s->set_by[row], "AOLANI_FAILURE_GRACE");
    spec_destroy(s);

    assert_int_equal(load_with(job, site, &flag, 1, NULL, &s, NULL), 0);
    assert_int_equal(s->failure.grace_ms, 4000);
    assert_int_equal(s->origin[row], FROM_FLAG);
    assert_string_equal(spec_set_by(s, "failure.grace"), "--grace");
    spec_destroy(s);
    unsetenv("AOLANI_FAILURE_GRACE");
}

static void test_errors_name_variable_and_flag(void **state)
{
    (void)state;
    static const struct spec_flag flags[] = {
        {"nodes.count", "two", "-N"},
        {"bind.cpus", "none", "--set bind.cpus"},
        {"job.mpi", "pmi", "--mpi"},
        {"ssh.options", "[\"a\"", "--ssh-options"},
        {"job.env", "SPEC_TEST_IS_NOT_SET", "-x"},
    };
    struct spec *s;
    char *diag;
    setenv("AOLANI_SSH_WINDOW", "many", 1);
    setenv("AOLANI_BIND_STRICT", "perhaps", 1);
    setenv("AOLANI_LOCAL_NODES", "", 1);
    setenv("AOLANI_NO_SUCH", "1", 1);
    assert_int_equal(load_with("[job]\ncommand = [\"true\"]\nzap = 1\n", NULL, flags, 5,
                               NULL, &s, &diag),
                     ERR_USAGE);
    assert_string_equal(
        diag,
        "job.toml:3:1: unknown key \"zap\" in [job]\n"
        "  3 | zap = 1\n"
        "    | ^\n"
        "AOLANI_SSH_WINDOW: expected an integer, found \"many\"\n"
        "AOLANI_BIND_STRICT: expected true or false, found \"perhaps\"\n"
        "-N: expected an integer or \"all\", found \"two\"\n"
        "--set bind.cpus: unknown key \"bind.cpus\"; did you mean \"bind.cpu\"?\n"
        "--mpi: expected \"auto\", \"pmix\" or \"none\", found \"pmi\"; did you mean "
        "\"pmix\"?\n"
        "--ssh-options: expected a list such as [\"one\", \"two\"], found \"[\"a\"\"\n"
        "-x: \"SPEC_TEST_IS_NOT_SET\" is not set here; give it a value: "
        "SPEC_TEST_IS_NOT_SET=...\n");
    free(diag);
    unsetenv("AOLANI_SSH_WINDOW");
    unsetenv("AOLANI_BIND_STRICT");
    unsetenv("AOLANI_LOCAL_NODES");
    unsetenv("AOLANI_NO_SUCH");
}

static void test_site_errors_come_first(void **state)
{
    (void)state;
    struct spec *s;
    char *diag;
    assert_int_equal(load_with("[job]\nx = 1\ncommand = [\"true\"]\n",
                               "[job]\nname = \"a\"\n", NULL, 0, NULL, &s, &diag),
                     ERR_USAGE);
    const char *site =
        strstr(diag, "site.toml:2:1: [job] name has no place in a site file");
    const char *job = strstr(diag, "job.toml:2:1: unknown key");
    assert_non_null(site);
    assert_true(job > site);
    free(diag);
}

static void test_extra_arguments(void **state)
{
    (void)state;
    char *extra[] = {"--lr", "0.1", NULL};
    struct spec *s;
    assert_int_equal(
        load_with("[job]\ncommand = [\"train\"]\n", NULL, NULL, 0, extra, &s, NULL), 0);
    assert_int_equal(s->job.command.n, 3);
    assert_string_equal(s->job.command.items[2], "0.1");
    spec_destroy(s);
    assert_int_equal(load_with("", NULL, NULL, 0, extra, &s, NULL), 0);
    assert_int_equal(s->job.command.n, 2);
    spec_destroy(s);
}

static void test_relative_paths(void **state)
{
    (void)state;
    static const struct spec_flag flag = {"job.output", "out", "-o"};
    struct spec *s;
    struct buf diag;
    char path[200], *want = NULL;
    setenv("HOME", "/home/nobody", 1);
    buf_init(&diag, 1 << 16);
    assert_int_equal(chdir(folder), 0);
    mkdir("sub", 0700);
    write_file("sub/a.toml",
               "[job]\ncommand=[\"true\"]\nworkdir=\".\"\noutput=\"./o\"\n");
    write_file("sub/b.toml",
               "[job]\ncommand=[\"true\"]\nworkdir=\"~/x\"\noutput=\"/abs\"\n");
    assert_int_equal(spec_load("sub/a.toml", NULL, NULL, 0, NULL, &s, &diag, NULL), 0);
    snprintf(path, sizeof path, "%s/sub", folder);
    assert_string_equal(s->job.workdir, path);
    snprintf(path, sizeof path, "%s/sub/o", folder);
    assert_string_equal(s->job.output, path);
    spec_destroy(s);
    assert_int_equal(spec_load("sub/b.toml", NULL, NULL, 0, NULL, &s, &diag, NULL), 0);
    assert_string_equal(s->job.workdir, "/home/nobody/x");
    assert_string_equal(s->job.output, "/abs");
    spec_destroy(s);
    assert_int_equal(spec_load("sub/a.toml", NULL, &flag, 1, NULL, &s, &diag, NULL), 0);
    assert_true(asprintf(&want, "%s/out", folder) > 0);
    assert_string_equal(s->job.output, want);
    free(want);
    spec_destroy(s);
    buf_fini(&diag);
    assert_int_equal(chdir(root), 0);
}

/* ---- nodes ---- */

static void test_backend(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct spec_flag flag;
        int want;  /* back end, or ERR_USAGE */
        int64_t n; /* local nodes, or texts of hosts */
    } t[] = {
        {"[local]\nnodes=3\n", {0}, BACKEND_LOCAL, 3},
        {"[nodes]\nhosts=\"a[1-3]\"\n", {0}, BACKEND_SSH, 1},
        {"[nodes]\nhosts=[\"a\",\"b\"]\nbackend=\"ssh\"\n", {0}, BACKEND_SSH, 2},
        {"[local]\nnodes=3\n", {"nodes.hosts", "x,y", "-H"}, BACKEND_SSH, 1},
        {"[nodes]\nhosts=\"a\"\n",
         {"local.nodes", "2", "--local-nodes"},
         BACKEND_LOCAL,
         2},
        {"[nodes]\nhosts=\"a\"\n",
         {"nodes.backend", "local", "--backend"},
         BACKEND_LOCAL,
         1},
        {"[local]\nnodes=3\n", {"nodes.backend", "ssh", "--backend"}, ERR_USAGE, 0},
        {"[local]\nnodes=3\n", {"nodes.count", "2", "-N"}, BACKEND_LOCAL, 2},
        {"[nodes]\ncount=4\n", {0}, BACKEND_LOCAL, 4},
        {"[nodes]\ncount=4\n[local]\nnodes=3\n", {0}, ERR_USAGE, 0},
        {"[nodes]\ncount=4\n", {"local.nodes", "3", "--local-nodes"}, BACKEND_LOCAL, 3},
        {"[nodes]\nhosts=\"a[1-3]\"\ncount=2\n", {0}, BACKEND_SSH, 1},
        {"[nodes]\nhosts=\"a[1-3]\"\n", {"nodes.count", "4", "-N"}, ERR_USAGE, 0},
        {"[nodes]\nhosts=\"a[1-3],a2\"\n", {0}, ERR_USAGE, 0},
        {"[nodes]\nhosts=\"a[1-3]\"\ncount=2\nspares=1\n", {0}, BACKEND_SSH, 1},
        {"[nodes]\nhosts=\"a[1-3]\"\ncount=2\nspares=2\n", {0}, ERR_USAGE, 0},
        {"[nodes]\nhosts=\"a[1-3]\"\n",
         {"nodes.spares", "3", "--spares"},
         ERR_USAGE,
         0},
        {"[nodes]\nspares=1\n", {0}, ERR_USAGE, 0},
        {"[nodes]\nspares=1\n", {"local.nodes", "2", "-N"}, BACKEND_LOCAL, 2},
        {"[nodes]\nhosts=[]\nbackend=\"ssh\"\n", {0}, ERR_USAGE, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char text[200];
        struct spec *s;
        snprintf(text, sizeof text, "[job]\ncommand=[\"true\"]\n%s", t[i].text);
        int rc =
            load_with(text, NULL, &t[i].flag, t[i].flag.key ? 1 : 0, NULL, &s, NULL);
        if (rc != (t[i].want < 0 ? t[i].want : 0))
            print_message("row %zu\n", i);
        assert_int_equal(rc, t[i].want < 0 ? t[i].want : 0);
        if (rc)
            continue;
        assert_int_equal(s->nodes.backend, t[i].want);
        if (t[i].want == BACKEND_LOCAL)
            assert_int_equal(s->nodes.hosts.n, 0);
        assert_int_equal(t[i].want == BACKEND_LOCAL ? s->local.nodes
                                                    : (int64_t)s->nodes.hosts.n,
                         t[i].n);
        spec_destroy(s);
    }
}

static void test_hostfile_becomes_hosts(void **state)
{
    (void)state;
    struct spec *s;
    char path[100];
    snprintf(path, sizeof path, "%s/h", folder);
    write_file(path, "# all\n\n  gpu[01-02]  # rack\r\nlogin,x\n");
    assert_int_equal(load("[job]\ncommand=[\"true\"]\n[nodes]\nhostfile=\"h\"\n", &s),
                     0);
    assert_null(s->nodes.hostfile);
    assert_int_equal(s->nodes.hosts.n, 2);
    assert_string_equal(s->nodes.hosts.items[0], "gpu[01-02]");
    assert_string_equal(s->nodes.hosts.items[1], "login,x");
    assert_int_equal(s->nodes.backend, BACKEND_SSH);
    assert_non_null(strstr(spec_set_by(s, "nodes.hosts"), "job.toml:4, hostfile "));
    spec_destroy(s);
}

static void test_odd_hostfiles(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *want; /* text NULL: a file of the system */
    } cases[] = {
        {"/dev/zero", NULL, "read hostfile \"/dev/zero\": it is too large"},
        {"/proc", NULL, "read hostfile \"/proc\": Is a directory"},
        {"/dev/null", NULL, "hostfile \"/dev/null\" names no host"},
        {"odd", "a\nb\001c\n", "odd:2: "},
        {"last", "a\nb,", "last:2: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[100], text[200];
        struct spec *s = NULL;
        struct buf diag;
        struct err e;
        buf_init(&diag, 1 << 20);
        snprintf(path, sizeof path, "%s/%s", folder, cases[i].file);
        if (cases[i].text)
            write_file(path, cases[i].text);
        snprintf(path, sizeof path, "%s/job.toml", folder);
        snprintf(text, sizeof text,
                 "[job]\ncommand=[\"true\"]\n[nodes]\nhostfile=\"%s\"\n",
                 cases[i].file);
        write_file(path, text);
        assert_int_equal(spec_load(path, NULL, NULL, 0, NULL, &s, &diag, &e),
                         ERR_USAGE);
        char *got = text_of(&diag);
        if (!strstr(got, cases[i].want))
            fail_msg("%s: %s", cases[i].file, got);
        buf_fini(&diag);
    }
}

/* In a job of Slurm's its nodes are meant, unless somebody says otherwise. */
static void test_backend_inside_slurm(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *nodelist; /* NULL: not in a job of Slurm's */
        enum spec_backend want;
    } t[] = {
        {"", "n[1-4]", BACKEND_SLURM},
        {"", NULL, BACKEND_LOCAL},
        {"[nodes]\ncount=2\n", "n[1-4]", BACKEND_SLURM},
        {"[nodes]\nbackend=\"auto\"\n", "n[1-4]", BACKEND_SLURM},
        {"[nodes]\nbackend=\"slurm\"\n", "n[1-4]", BACKEND_SLURM},
        {"[nodes]\nbackend=\"slurm\"\n", NULL, BACKEND_SLURM},
        {"[nodes]\nbackend=\"slurm\"\nhosts=\"n1\"\n", "n[1-4]", BACKEND_SLURM},
        {"[nodes]\nhosts=\"n1\"\n", "n[1-4]", BACKEND_SSH},
        {"[nodes]\nbackend=\"ssh\"\nhosts=\"n1\"\n", "n[1-4]", BACKEND_SSH},
        {"[nodes]\nbackend=\"local\"\n", "n[1-4]", BACKEND_LOCAL},
        {"[local]\nnodes=2\n", "n[1-4]", BACKEND_LOCAL},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct spec *s;
        char text[300];
        (void)snprintf(text, sizeof text, "[job]\ncommand=[\"true\"]\n%s", t[i].text);
        if (t[i].nodelist) {
            setenv("SLURM_JOB_ID", "12", 1);
            setenv("SLURM_JOB_NODELIST", t[i].nodelist, 1);
        }
        assert_int_equal(load(text, &s), 0);
        unsetenv("SLURM_JOB_ID");
        unsetenv("SLURM_JOB_NODELIST");
        if (s->nodes.backend != t[i].want)
            fprintf(stderr, "row %zu\n", i);
        assert_int_equal(s->nodes.backend, t[i].want);
        spec_destroy(s);
    }
}

/* The tasks that Slurm was asked for are the ranks, where the job file is silent. */
static void test_tasks_of_slurm(void **state)
{
    (void)state;
    static const struct {
        const char *text, *per_node, *shares;
        int64_t want;
        size_t notes;
    } t[] = {
        {"", "2", "2(x4)", 2, 0},
        {"", NULL, "2(x4)", 2, 0},
        {"", NULL, "3,1", 1, 1},
        {"ranks_per_node=3\n", "2", "2(x4)", 3, 0},
        {"ranks_per_node=\"gpu\"\n", "2", "2(x4)", 0, 0},
        {"[nodes]\nhosts=\"a,b\"\n", "2", "2(x4)", 1, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct spec *s;
        char text[300];
        (void)snprintf(text, sizeof text, "[job]\ncommand=[\"true\"]\n%s", t[i].text);
        setenv("SLURM_JOB_ID", "12", 1);
        setenv("SLURM_JOB_NODELIST", "n[1-4]", 1);
        setenv("SLURM_NTASKS", "8", 1);
        setenv("SLURM_TASKS_PER_NODE", t[i].shares, 1);
        if (t[i].per_node)
            setenv("SLURM_NTASKS_PER_NODE", t[i].per_node, 1);
        assert_int_equal(load(text, &s), 0);
        unsetenv("SLURM_JOB_ID");
        unsetenv("SLURM_JOB_NODELIST");
        unsetenv("SLURM_NTASKS");
        unsetenv("SLURM_TASKS_PER_NODE");
        unsetenv("SLURM_NTASKS_PER_NODE");
        assert_int_equal(s->job.ranks_per_node, t[i].want);
        assert_int_equal(s->notes.n, t[i].notes);
        spec_destroy(s);
    }
}

static void test_later_keys_are_noted(void **state)
{
    (void)state;
    struct spec *s;
    assert_int_equal(load("[job]\ncommand=[\"true\"]\n[failure]\nhang_timeout=60\n"
                          "[steps]\nsource=\"nccl\"\nlog_pattern=\"(1)\"\n",
                          &s),
                     0);
    assert_int_equal(s->failure.hang_timeout_ms, 60000);
    assert_int_equal(s->notes.n, 2);
    assert_string_equal(s->notes.items[0],
                        "job.toml:4: [failure] hang_timeout is not in "
                        "effect in this version");
    assert_string_equal(s->notes.items[1],
                        "job.toml:7: [steps] log_pattern is not looked for: "
                        "steps.source asks for another source");
    spec_destroy(s);
}

static void test_env_that_is_ours_is_noted(void **state)
{
    (void)state;
    struct spec *s;
    assert_int_equal(load("[job]\ncommand=[\"true\"]\n"
                          "env={RANK=0,RANKS=1,MASTER_PORT=5,AOLANI_MARK=\"x\"}\n",
                          &s),
                     0);
    assert_int_equal(s->notes.n, 3);
    assert_string_equal(s->notes.items[0],
                        "job.toml:3: [job] env sets RANK: every rank gets this value "
                        "and not its own");
    assert_string_equal(s->notes.items[2], "job.toml:3: [job] env sets AOLANI_MARK: "
                                           "ranks get ours all the same");
    spec_destroy(s);
}

/* ---- small parts ---- */

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t want;
    } t[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"1K", 0, 1024},
        {"64M", 0, 64 << 20},
        {"64MiB", 0, 64 << 20},
        {"1g", 0, 1 << 30},
        {"1GB", 0, 1 << 30},
        {"10B", 0, 10},
        {"", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"1X", -EINVAL, 0},
        {"1 M", -EINVAL, 0},
        {"1.5G", -EINVAL, 0},
        {"99999999T", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint64_t got = 0;
        assert_int_equal(spec_parse_size(t[i].text, &got), t[i].rc);
        assert_int_equal(got, t[i].want);
    }
}

static void test_suggest(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned want;
    } t[] = {{"", "", 0},
             {"abc", "abc", 0},
             {"abc", "", 3},
             {"comand", "command", 1},
             {"hsots", "hosts", 1},
             {"time-limit", "time_limit", 0},
             {"kitten", "sitting", 3},
             {"Nodes", "nodes", 0}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        assert_int_equal(suggest_distance(t[i].a, t[i].b), t[i].want);
        assert_int_equal(suggest_distance(t[i].b, t[i].a), t[i].want);
    }
    struct suggest s;
    suggest_init(&s, "xyzzy");
    suggest_offer(&s, "hosts");
    assert_null(s.best);
    suggest_init(&s, "host");
    suggest_offer(&s, "hostfile");
    suggest_offer(&s, "hosts");
    assert_string_equal(s.best, "hosts");
}

static void test_missing_files(void **state)
{
    (void)state;
    struct spec *s = NULL;
    struct err e;
    struct buf diag;
    buf_init(&diag, 1 << 16);
    assert_int_equal(spec_load("/no/such.toml", NULL, NULL, 0, NULL, &s, &diag, &e),
                     ERR_USAGE);
    assert_non_null(strstr(e.text, "No such file"));
    assert_int_equal(
        spec_load("configs/local.toml", "/no/site.toml", NULL, 0, NULL, &s, &diag, &e),
        ERR_USAGE);
    assert_non_null(strstr(e.text, "site file"));
    assert_int_equal(spec_load("/tmp", NULL, NULL, 0, NULL, &s, &diag, &e), ERR_USAGE);
    assert_int_equal(diag.len, 0);
    assert_null(s);
    buf_fini(&diag);
    spec_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_configs_parse),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_errors_name_variable_and_flag),
        cmocka_unit_test(test_site_errors_come_first),
        cmocka_unit_test(test_extra_arguments),
        cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_backend),
        cmocka_unit_test(test_hostfile_becomes_hosts),
        cmocka_unit_test(test_odd_hostfiles),
        cmocka_unit_test(test_backend_inside_slurm),
        cmocka_unit_test(test_tasks_of_slurm),
        cmocka_unit_test(test_later_keys_are_noted),
        cmocka_unit_test(test_env_that_is_ours_is_noted),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_suggest),
        cmocka_unit_test(test_missing_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
