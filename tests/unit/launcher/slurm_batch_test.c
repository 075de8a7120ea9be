/* SPDX-License-Identifier: MIT */
/* The batch script of a run, whole, and the words of its #SBATCH lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/slurm/batch.h"
#include "tests/lib/golden.h"

static void make(const struct batch *b, const char *const *words, struct buf *out)
{
    struct strlist options = {0};
    struct batch with = *b;
    struct err e = {0};
    for (; *words; words++)
        assert_int_equal(strlist_add(&options, *words), 0);
    with.options = &options;
    buf_init(out, BATCH_BYTES);
    if (batch_format(&with, out, &e))
        fail_msg("%s", e.text);
    strlist_fini(&options);
}

static void test_golden(void **state)
{
    (void)state;
    static const char *const words[] = {"--nodes=4",
                                        "--ntasks-per-node=8",
                                        "--job-name=llama",
                                        "--partition=gpu",
                                        "--time=0-12:00:00",
                                        "--no-kill",
                                        NULL};
    static const struct {
        const char *name;
        struct batch b;
    } t[] = {
        {"plain",
         {.run = "/work/runs/llama-TIME-ID", .program = "/opt/aolani/bin/aolani-run"}},
        {"requeue",
         {.run = "/work/o'hara/runs/llama-TIME-ID",
          .program = "/opt/aolani/bin/aolani-run",
          .requeue = true,
          .alone = true,
          .label = true}},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct buf out;
        make(&t[i].b, words, &out);
        golden_check("slurm", t[i].name, "batch", &out);
        golden_check_width((const char *)out.data);
        buf_fini(&out);
    }
}

/* Line by line as sbatch reads them. */
static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *run, *words[4], *want;
    } t[] = {
        {"/r",
         {"--nodes=2"},
         "#SBATCH --output=/r/slurm-%j.out\n#SBATCH --nodes=2\n\n"},
        {"/a b", {0}, "#SBATCH --output=\"/a b/slurm-%j.out\"\n\n"},
        {"/50%", {0}, "#SBATCH --output=/50%%/slurm-%j.out\n\n"},
        {"/r", {"-n", "8", "--mem=0"}, "\n#SBATCH -n 8\n#SBATCH --mem=0\n\n"},
        {"/r", {"--comment=a b"}, "\n#SBATCH --comment=\"a b\"\n\n"},
        {"/r", {"--comment=a#b"}, "\n#SBATCH --comment=\"a#b\"\n\n"},
        {"/r", {"--comment=a\"b"}, "\n#SBATCH --comment=\"a\\\"b\"\n\n"},
        {"/r", {"--comment=$(x)`y`"}, "\n#SBATCH --comment=\"$(x)`y`\"\n\n"},
        {"/r", {"-J", ""}, "\n#SBATCH -J \"\"\n\n"},
        {"/r", {"--constraint=a&b|c"}, "\n#SBATCH --constraint=a&b|c\n\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct buf out;
        make(&(struct batch){.run = t[i].run, .program = "/p"}, t[i].words, &out);
        if (!strstr((const char *)out.data, t[i].want))
            fail_msg("case %zu: no\n%sin\n%s", i, t[i].want, (char *)out.data);
        buf_fini(&out);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *run, *word, *why;
    } t[] = {
        {"/r", "--comment=a\nb", "cannot stand on a #SBATCH line"},
        {"/r", "a\tb", "cannot stand on a #SBATCH line"},
        {"/a\nb", "--mem=0", "cannot stand on a #SBATCH line"},
        {"/a\\b", "--mem=0", "Slurm takes no \"\\\""},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct buf out;
        struct err e;
        struct strlist options = {0};
        buf_init(&out, BATCH_BYTES);
        assert_int_equal(strlist_add(&options, t[i].word), 0);
        struct batch b = {.run = t[i].run, .program = "/p", .options = &options};
        assert_int_equal(batch_format(&b, &out, &e), ERR_USAGE);
        if (!strstr(e.text, t[i].why))
            fail_msg("case %zu: \"%s\"", i, e.text);
        strlist_fini(&options);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
