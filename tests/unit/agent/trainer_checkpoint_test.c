/* SPDX-License-Identifier: MIT */
/* The trainer is a program of its own, so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/workload/checkpoint.c"

enum { N = 5 };
static char dir[64], path[96];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/aolani-ckpt-XXXXXX");
    assert_non_null(mkdtemp(dir));
    strcat(dir, "/kept"); /* made by the first save */
    snprintf(path, sizeof path, "%s/trainer.ckpt", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(dir);
    *strrchr(dir, '/') = '\0';
    return rmdir(dir); /* no temporary file is left */
}

static int get(void *arg, unsigned array, size_t at, double *piece, size_t n)
{
    double **arrays = arg;
    memcpy(piece, arrays[array] + at, n * sizeof *piece);
    return 0;
}

static int put(void *arg, unsigned array, size_t at, const double *piece, size_t n)
{
    double **arrays = arg;
    memcpy(arrays[array] + at, piece, n * sizeof *piece);
    return 0;
}

static int refuse(void *arg, unsigned array, size_t at, double *piece, size_t n)
{
    (void)arg;
    (void)at;
    (void)piece;
    (void)n;
    return array == 1 ? -1 : 0;
}

static struct checkpoint of(double *arrays[3])
{
    return (struct checkpoint){.step = 7,
                               .identity_name = {"--a", "--b", "--c", "--d", "--e"},
                               .identity = {1, 2, 3, 4, 5},
                               .n = N,
                               .arrays = 3,
                               .get = get,
                               .put = put,
                               .arg = arrays};
}

static void test_bit_for_bit(void **state)
{
    (void)state;
    char why[256];
    double w[N] = {0.1, -0.0, 1e-310, 1e300, 3}, m[N] = {1, 2, 3, 4, 5}, v[N] = {9};
    double w2[N], m2[N], v2[N];
    double *from[] = {w, m, v}, *to[] = {w2, m2, v2};
    struct checkpoint a = of(from), b = of(to);
    b.step = 0;
    assert_int_equal(checkpoint_load(dir, &b, why, sizeof why), 0);
    for (a.step = 7; a.step < 9; a.step++) { /* over an older one, too */
        assert_int_equal(checkpoint_save(dir, &a, why, sizeof why), 0);
        assert_int_equal(checkpoint_load(dir, &b, why, sizeof why), 1);
        assert_int_equal(b.step, a.step);
    }
    assert_memory_equal(w, w2, sizeof w);
    assert_memory_equal(m, m2, sizeof m);
    assert_memory_equal(v, v2, sizeof v);
}

static void flip(long at)
{
    FILE *f = fopen(path, "r+b");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 1, f);
    fclose(f);
}

static void test_damage_is_seen(void **state)
{
    (void)state;
    char why[256];
    double w[N] = {1}, m[N] = {2}, v[N] = {3};
    double *arrays[] = {w, m, v};
    struct checkpoint c = of(arrays);
    static const struct {
        long flip, cut;
        const char *says;
    } cases[] = {
        {0, 0, "is no checkpoint of this version"},
        {16, 0, "damaged"}, /* the step */
        {90, 0, "damaged"},
        {-1, 0, "damaged"},
        {-1000, 1, "damaged"},
        {-1000, 150, "cut short"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(checkpoint_save(dir, &c, why, sizeof why), 0);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        if (cases[i].flip > -1000)
            flip(cases[i].flip);
        if (cases[i].cut)
            assert_int_equal(truncate(path, st.st_size - cases[i].cut), 0);
        assert_int_equal(checkpoint_load(dir, &c, why, sizeof why), -1);
        assert_non_null(strstr(why, cases[i].says));
        assert_int_equal(c.step, 7);
    }
}

static void test_another_model_is_refused(void **state)
{
    (void)state;
    char why[256];
    double w[N] = {1}, m[N] = {2}, v[N] = {3};
    double *arrays[] = {w, m, v};
    struct checkpoint c = of(arrays), other = c;
    assert_int_equal(checkpoint_save(dir, &c, why, sizeof why), 0);
    other.identity[2] = 33;
    assert_int_equal(checkpoint_load(dir, &other, why, sizeof why), -1);
    assert_non_null(strstr(why, "is of --c 3, this run of 33"));
    other = c;
    other.arrays = 2;
    assert_int_equal(checkpoint_load(dir, &other, why, sizeof why), -1);
    assert_non_null(strstr(why, "another model"));
}

static void test_save_fails_with_the_path(void **state)
{
    (void)state;
    char why[256];
    double w[N] = {1}, m[N] = {2}, v[N] = {3};
    double *arrays[] = {w, m, v};
    struct checkpoint c = of(arrays);
    assert_int_equal(checkpoint_save("/nonexistent/a/b", &c, why, sizeof why), -1);
    assert_non_null(strstr(why, "\"/nonexistent/a/b\": No such file"));
    c.get = refuse; /* as a device that failed */
    assert_int_equal(checkpoint_save(dir, &c, why, sizeof why), -1);
    assert_non_null(strstr(why, "Input/output error"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bit_for_bit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_model_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_fails_with_the_path, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
