/* SPDX-License-Identifier: MIT */
/* What is asked of Slurm, word for word; times and GPUs as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/slurm/options.h"
#include "launcher/spec.h"

#define JOB "[job]\ncommand = [\"true\"]\nname = \"j\"\n"

static void read_word(struct strlist *l, const char *text)
{
    assert_int_equal(strlist_add(l, text), 0);
}

/* ---- words ---- */

struct wish {
    int64_t count, spares, ranks;
    const char *hosts, *partition, *account, *qos, *time, *gres, *constraint, *begin;
    const char *extra[4];
};

static const struct {
    struct wish w;
    const char *words; /* "!" and a part of the error */
} words[] = {
    {{.ranks = 1}, "--nodes=1 --ntasks-per-node=1 --job-name=j --no-kill"},
    {{.count = 4, .spares = 2, .ranks = 8},
     "--nodes=6 --ntasks-per-node=8 --job-name=j --no-kill"},
    {{.count = 2,
      .ranks = 2,
      .partition = "gpu,big",
      .account = "proj",
      .qos = "high",
      .time = "90m",
      .gres = "gpu:2",
      .constraint = "ib&a100",
      .begin = "now+1hour"},
     "--nodes=2 --ntasks-per-node=2 --job-name=j --partition=gpu,big --account=proj "
     "--qos=high --time=0-01:30:00 --gres=gpu:2 --constraint=ib&a100 --begin=now+1hour "
     "--no-kill"},
    /* a rank for each GPU */
    {{.count = 2, .gres = "gpu:a100:4"},
     "--nodes=2 --ntasks-per-node=4 --job-name=j --gres=gpu:a100:4 --no-kill"},
    {{.count = 2}, "--nodes=2 --exclusive --job-name=j --no-kill"},
    {{.count = 2, .gres = "nvme:1"},
     "--nodes=2 --exclusive --job-name=j --gres=nvme:1 --no-kill"},
    {{.count = 2, .extra = {"--gpus-per-node=4"}},
     "--nodes=2 --job-name=j --no-kill --gpus-per-node=4"},
    {{.count = 2, .ranks = 4, .extra = {"-n", "8"}},
     "--nodes=2 --job-name=j --no-kill -n 8"},
    {{.count = 2, .ranks = 4, .extra = {"--exclusive", "--mem=0"}},
     "--nodes=2 --job-name=j --no-kill --exclusive --mem=0"},
    {{.count = 2, .ranks = 4, .extra = {"--cpus-per-task=8"}},
     "--nodes=2 --ntasks-per-node=4 --job-name=j --no-kill --cpus-per-task=8"},
    /* nodes by name */
    {{.ranks = 1, .hosts = "n[1-3]"},
     "--nodelist=n[1-3] --nodes=3 --ntasks-per-node=1 --job-name=j --no-kill"},
    {{.ranks = 1, .hosts = "n[1-3]", .spares = 1},
     "--nodelist=n[1-3] --nodes=3 --ntasks-per-node=1 --job-name=j --no-kill"},
    {{.ranks = 1, .hosts = "n[1-2]-ib"},
     "--nodelist=n1-ib,n2-ib --nodes=2 --ntasks-per-node=1 --job-name=j --no-kill"},
    {{.count = 5, .ranks = 1, .hosts = "n1"},
     "--nodelist=n1 --nodes=5 --ntasks-per-node=1 --job-name=j --no-kill"},
    {{.ranks = 1, .begin = "2h"},
     "--nodes=1 --ntasks-per-node=1 --job-name=j --begin=now+7200 --no-kill"},
    {{.ranks = 1, .time = "UNLIMITED"},
     "--nodes=1 --ntasks-per-node=1 --job-name=j --time=UNLIMITED --no-kill"},
    {{.ranks = 1, .time = "soon"}, "![slurm] time: \"soon\" is no time"},
    {{.ranks = 1, .partition = "-N99"}, "![slurm] partition \"-N99\": a value cannot"},
    {{.ranks = 1, .account = "a\n#SBATCH -N99"}, "!one line of printable text"},
    {{.ranks = 1, .begin = "--wrap=x"}, "![schedule] begin"},
};

static void spec_of(const struct wish *w, struct spec *s)
{
    s->job.name = "j";
    s->job.ranks_per_node = w->ranks;
    s->nodes.backend = BACKEND_SLURM;
    s->nodes.count = w->count;
    s->nodes.spares = w->spares;
    if (w->hosts)
        read_word(&s->nodes.hosts, w->hosts);
    s->slurm.partition = (char *)w->partition;
    s->slurm.account = (char *)w->account;
    s->slurm.qos = (char *)w->qos;
    s->slurm.time = (char *)w->time;
    s->slurm.gres = (char *)w->gres;
    s->slurm.constraint = (char *)w->constraint;
    s->schedule.begin = (char *)w->begin;
    for (size_t i = 0; i < 4 && w->extra[i]; i++)
        read_word(&s->slurm.extra, w->extra[i]);
}

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct spec s = {0};
        struct strlist got = {0};
        struct err e = {0};
        char line[1000] = "";
        spec_of(&words[i].w, &s);
        int rc = slurm_options(&s, &got, &e);
        for (size_t k = 0; k < got.n && rc == 0; k++)
            (void)snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s",
                           k ? " " : "", got.items[k]);
        if (words[i].words[0] == '!') {
            assert_int_equal(rc < 0 ? ERR_USAGE : rc, ERR_USAGE);
            if (!strstr(e.text, words[i].words + 1))
                fail_msg("\"%s\" is not in \"%s\"", words[i].words + 1, e.text);
        } else {
            assert_int_equal(rc, 0);
            assert_string_equal(line, words[i].words);
        }
        strlist_fini(&got);
        strlist_fini(&s.nodes.hosts);
        strlist_fini(&s.slurm.extra);
    }
}

/* ---- times ---- */

static const struct {
    const char *text;
    uint64_t s; /* 0: no time */
} times[] = {
    {"90m", 5400},
    {"12h", 43200},
    {"1h30m", 5400},
    {"2d", 172800},
    {"500ms", 1},
    {"90", 5400}, /* minutes, as Slurm has it */
    {"90:30", 5430},
    {"1:30:00", 5400},
    {"1-0", 86400},
    {"1-12:30", 131400},
    {"1-12:30:15", 131415},
    {"7-00:00:00", 604800},
    {"UNLIMITED", SLURM_TIME_UNLIMITED},
    {"infinite", SLURM_TIME_UNLIMITED},
    {"", 0},
    {"0", 0},
    {"0:00", 0},
    {"-1", 0},
    {"1-", 0},
    {"-5:00", 0},
    {"1-2-3", 0},
    {"1:2:3:4", 0},
    {"1-1:1:1:1", 0},
    {"1:", 0},
    {":30", 0},
    {" 90", 0},
    {"90 ", 0},
    {"1e3", 0},
    {"0x10", 0},
    {"90x", 0},
    {"99999999999999999999", 0},
    {"99999-0", 0},
    {"20y", 0},
    {"soon", 0},
};

static void test_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct err e = {0};
        uint64_t s = 0;
        int rc = slurm_time_parse(times[i].text, &s, &e);
        if (s != times[i].s || (rc == 0) != (times[i].s > 0))
            fail_msg("\"%s\": %d, %llu", times[i].text, rc, (unsigned long long)s);
        if (rc)
            assert_non_null(strstr(e.hint, "90m"));
    }
}

/* ---- GPUs ---- */

static const struct {
    const char *gres;
    uint32_t n;
} gpus[] = {
    {NULL, 0},
    {"", 0},
    {"gpu", 1},
    {"gpu:4", 4},
    {"gpu:a100:4", 4},
    {"gpu:a100", 1},
    {"gpu:a100:2,gpu:v100:1", 3},
    {"nvme:1,gpu:2", 2},
    {"gres/gpu:2", 2},
    {"gres:gpu:8", 8},
    {"gpu:2(S:0)", 2},
    {"nvme:4", 0},
    {"gpus:4", 0},
    {"mygpu:4", 0},
    {"gpu:4x", 0},
    {"gpu:99999999999", 0},
    {",,,", 0},
};

static void test_gpus(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
        if (slurm_gres_gpus(gpus[i].gres) != gpus[i].n)
            fail_msg("\"%s\": %u", gpus[i].gres, slurm_gres_gpus(gpus[i].gres));
}

/* ---- in the job file ---- */

static const struct {
    const char *text, *said; /* said: a part of the diagnostics; NULL: it is right */
} files[] = {
    {"[slurm]\npartition = \"gpu\"\ntime = \"1-12\"\nextra = [\"--mem=0\", \"-C\", "
     "\"ib\"]\n",
     NULL},
    {"[slurm]\ntime = \"soon\"\n", ":5:8: \"soon\" is no time for Slurm"},
    {"[slurm]\npartition = \"--wrap=x\"\n", "a value cannot begin with \"-\""},
    {"[slurm]\nqos = \"a\\nb\"\n", "one line of printable text"},
    {"[slurm]\nextra = [\"--no-shell\"]\n", "nothing would give the nodes back"},
    {"[slurm]\nextra = [\"-Q\"]\n", "the number of the job would not be known"},
    {"[slurm]\nextra = [\"--wait\"]\n", "would wait for the job's end"},
    {"[slurm]\nextra = [\"--array=1-3\"]\n", "a run has one job at a time"},
    {"[slurm]\nextra = [\"-a1-3\"]\n", "a run has one job at a time"},
    {"[slurm]\nextra = [\"--wait-all-nodes=1\"]\n", NULL},
    {"[slurm]\nextra = [\"--comment=a\\nb\"]\n", "one line of printable text"},
    {"[slurm]\nextra = [\"\"]\n", "it is empty"},
    {"[schedule]\nbegin = \"-x\"\n", "a value cannot begin with \"-\""},
};

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/slurm_options_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct spec *s = NULL;
        struct buf diag;
        struct err e = {0};
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_true(dprintf(fd, "%s%s", JOB, files[i].text) > 0);
        buf_init(&diag, 1 << 20);
        int rc = spec_load(path, "/dev/null", NULL, 0, NULL, &s, &diag, &e);
        assert_int_equal(buf_add(&diag, "", 1), 0);
        const char *said = (const char *)diag.data;
        if (!files[i].said)
            assert_string_equal(said, "");
        else if (!strstr(said, files[i].said))
            fail_msg("\"%s\" is not in: %s", files[i].said, said);
        assert_int_equal(rc, files[i].said ? ERR_USAGE : 0);
        spec_destroy(s);
        buf_fini(&diag);
    }
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_gpus),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
