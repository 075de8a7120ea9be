/* SPDX-License-Identifier: MIT */
/* Copies of tests/lib/cuda_fake.c, whose GPUs are as fast as a line says; and what /sys says
 * of the way to a GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/gpucopy_impl.h"
#include "tests/lib/machine_tree.h"
#include "tests/unit/describe/nvmlfake.h"

#define ENOUGH 60000u /* ms: never waited for */

/* ---- a driver */

static void driver_is(bool is_there, const char *facts)
{
    char path[PATH_MAX], self[PATH_MAX], so[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int up = 0; up < 3; up++) /* tests/unit/audit/x_test */
        *strrchr(self, '/') = '\0';
    (void)snprintf(so, sizeof so, "%s/lib/libcuda.so.1", self);
    nvmlfake_path(path, sizeof path, "libcuda.so.1");
    (void)unlink(path);
    if (is_there) {
        assert_int_equal(symlink(so, path), 0);
    } else { /* one that is none, in the way of a real one */
        FILE *f = fopen(path, "w");
        assert_true(f && fclose(f) == 0);
    }
    nvmlfake_path(path, sizeof path, "cuda");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(facts, f) >= 0 && fclose(f) == 0);
    assert_int_equal(setenv("CUDA_FAKE", path, 1), 0);
}

static void free_copies(Aolani__AuditCopy **c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        aolani__audit_copy__free_unpacked(c[i], NULL);
    free(c);
}

/* ---- what is measured */

#define GPU(bus, number)                     \
    "gpu bus=0000:" bus ":00.0 uuid=" number \
    " to=50000 from=40000 within=900000 mb=80000 "

struct expected {
    const char *bus_id;
    uint64_t to, from, within; /* it is no more than this; 0: not measured */
    const char *error;
};

static const struct {
    const char *title, *facts;
    struct expected gpus[4];
} measured[] = {
    {"two, in the order of their buses",
     GPU("5D", "7") "\n" GPU("18", "8") "\n",
     {{"0000:18:00.0", 50000, 40000, 900000, ""},
      {"0000:5d:00.0", 50000, 40000, 900000, ""}}},
    {"a slow link",
     GPU("18", "8") "to=250 from=200\n",
     {{"0000:18:00.0", 250, 200, 900000, ""}}},
    {"memory in use",
     GPU("18", "8") "mb=200\n",
     {{"0000:18:00.0", 50000, 40000, 0, "its memory is in use: not copied within"}}},
    {"more of it",
     GPU("18", "8") "mb=20\n" GPU("19", "9") "\n",
     {{"0000:18:00.0", 0, 0, 0, "out of memory: another process may use it"},
      {"0000:19:00.0", 50000, 40000, 900000, ""}}},
    {"not for us",
     GPU("18", "8") "code=46\n" GPU("19", "9") "\n",
     {{"0000:18:00.0", 0, 0, 0, "in use by another process, exclusively"},
      {"0000:19:00.0", 50000, 40000, 900000, ""}}},
    {"copies fail",
     GPU("18", "8") "copy_code=214\n" GPU("19", "9") "copy_code=999\n" GPU(
         "1a", "10") "copy_code=12345\n",
     {{"0000:18:00.0", 0, 0, 0, "an uncorrectable memory error"},
      {"0000:19:00.0", 0, 0, 0, "CUDA_ERROR_UNKNOWN"},
      {"0000:1a:00.0", 0, 0, 0, "the driver reports an error"}}},
};

static bool is_up_to(uint64_t v, uint64_t most)
{
    return most ? v > 0 && v <= most : v == 0;
}

static void test_measured(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++) {
        Aolani__AuditCopy **c = NULL;
        struct err e = {0};
        size_t n = 0, k = 0;
        driver_is(true, measured[i].facts);
        if (gpucopy_run(ENOUGH, &c, &n, &e) < 0)
            fail_msg("%s: %s", measured[i].title, e.text);
        for (; k < n && k < 4 && measured[i].gpus[k].bus_id; k++) {
            const struct expected *x = &measured[i].gpus[k];
            if (strcmp(c[k]->bus_id, x->bus_id) != 0 ||
                strcmp(c[k]->error, x->error) != 0 ||
                !is_up_to(c[k]->to_mbytes, x->to) ||
                !is_up_to(c[k]->from_mbytes, x->from) ||
                !is_up_to(c[k]->within_mbytes, x->within))
                fail_msg("%s: %s to %llu from %llu within %llu \"%s\"",
                         measured[i].title, c[k]->bus_id,
                         (unsigned long long)c[k]->to_mbytes,
                         (unsigned long long)c[k]->from_mbytes,
                         (unsigned long long)c[k]->within_mbytes, c[k]->error);
        }
        if (k != n || (k < 4 && measured[i].gpus[k].bus_id))
            fail_msg("%s: %zu gpus", measured[i].title, n);
        if (i == 0)
            assert_string_equal(c[0]->uuid, "GPU-abababab-abab-abab-abab-ababababab08");
        free_copies(c, n);
    }
}

/* ---- what is not */

static const struct {
    const char *title;
    bool is_there;
    const char *facts;
    uint64_t budget_ms;
    int rc;
    const char *text;
} unusable[] = {
    {"no library", false, GPU("18", "8") "\n", ENOUGH, 0, ""},
    {"no gpu", true, "", ENOUGH, 0, ""},
    {"none that may be used", true, "init code=100\n", ENOUGH, 0, ""},
    {"no fabric", true, "init code=802\n", ENOUGH, -EIO,
     "cannot use CUDA: the system is not ready: the fabric manager may not run"},
    {"it hangs", true, "init hang=1\n", 300, -ETIMEDOUT,
     "the driver's library did not answer within 0.3 s"},
    {"it crashes", true, "init crash=1\n", ENOUGH, -EIO,
     "the driver's library crashed (signal 6)"},
    {"no time at all", true, "init hang=1\n", 0, -ETIMEDOUT,
     "the driver's library did not answer within 0.0 s"},
};

static void test_unusable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
        Aolani__AuditCopy **c = NULL;
        struct err e = {.text = ""};
        size_t n = 0;
        driver_is(unusable[i].is_there, unusable[i].facts);
        int rc = gpucopy_run(unusable[i].budget_ms, &c, &n, &e);
        if (rc != unusable[i].rc || n != 0 || strcmp(e.text, unusable[i].text) != 0)
            fail_msg("%s: %d, %zu gpus, \"%s\"", unusable[i].title, rc, n, e.text);
        free_copies(c, n);
    }
}

/* One that hangs costs itself and those after it. */
static void test_hang(void **state)
{
    Aolani__AuditCopy **c = NULL;
    struct err e = {0};
    size_t n = 0;
    (void)state;
    driver_is(true, GPU("18", "8") "hang=1\n" GPU("19", "9") "\n");
    assert_int_equal(gpucopy_run(3000, &c, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(c[0]->error,
                        "the driver's library did not answer within 3.0 s");
    assert_string_equal(c[1]->error, "no time was left for it");
    assert_true(c[0]->to_mbytes == 0 && c[1]->to_mbytes == 0);
    free_copies(c, n);
}

/* ---- the way there */

#define ID     "0000:19:00.0"
#define PORT   "/sys/devices/pci0000:16/0000:16:01.0"
#define SWITCH PORT "/0000:17:00.0"
#define END    SWITCH "/0000:18:00.0/" ID
#define LINK(path, speed, width) \
    path "/max_link_speed " speed "|\n" path "/max_link_width " width "|\n"
#define WAY                                                                            \
    "link /sys/bus/pci/devices/" ID                                                    \
    " ../../../devices/pci0000:16/0000:16:01.0/0000:17:00.0/0000:18:00.0/" ID "\n" END \
    "/vendor 0x10de|\n"

static const struct {
    const char *title, *rows;
    uint64_t rated;
} ways[] = {
    {"the fifth generation", WAY LINK(END, "32.0 GT/s PCIe", "16"), 63015},
    {"the first", WAY LINK(END, "2.5 GT/s", "1"), 250},
    {"the second", WAY LINK(END, "5.0 GT/s PCIe", "8"), 4000},
    {"the third", WAY LINK(END, "8.0 GT/s PCIe", "16"), 15753},
    {"the sixth", WAY LINK(END, "64.0 GT/s PCIe", "16"), 121000},
    {"a slower port above",
     WAY LINK(END, "32.0 GT/s PCIe", "16") LINK(SWITCH, "32.0 GT/s PCIe", "16")
         LINK(PORT, "16.0 GT/s PCIe", "16"),
     31507},
    {"a narrower one",
     WAY LINK(END, "32.0 GT/s PCIe", "16")
         LINK(SWITCH "/0000:18:00.0", "32.0 GT/s PCIe", "8"),
     31507},
    {"a port that does not say",
     WAY LINK(END, "32.0 GT/s PCIe", "16") LINK(PORT, "Unknown", "255"), 63015},
    {"none is said", WAY, 0},
    {"not known", WAY LINK(END, "Unknown", "16"), 0},
    {"no such width", WAY LINK(END, "32.0 GT/s PCIe", "255"), 0},
    {"no width", WAY LINK(END, "32.0 GT/s PCIe", "0"), 0},
    {"no such speed", WAY LINK(END, "-3 GT/s", "16"), 0},
    {"nor this", WAY LINK(END, "1e300 GT/s", "16"), 0},
    {"nor this", WAY LINK(END, "nan GT/s", "16"), 0},
    {"no such device", "", 0},
};

static void test_rated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct machine_tree t;
        struct machine *m;
        machine_tree_make(&t, ways[i].rows, "");
        assert_int_equal(machine_open(t.dir, &m, NULL), 0);
        uint64_t rated = gpucopy_rated(m, ID);
        if (rated != ways[i].rated)
            fail_msg("%s: %llu", ways[i].title, (unsigned long long)rated);
        machine_close(m);
        machine_tree_end(&t);
    }
}

static const struct {
    const char *list;
    bool is_known;
    uint8_t first[2]; /* bytes */
} lists[] = {
    {"0-3,8", true, {0x0f, 0x01}},
    {"5", true, {0x20, 0}},
    {"0-15", true, {0xff, 0xff}},
    {"8191", true, {0, 0}},
    {"8192", false, {0}},
    {"3-1", false, {0}},
    {"1-99999999999999999999", false, {0}},
    {"-1", false, {0}},
    {"1-", false, {0}},
    {"1,,2", false, {0}},
    {"x", false, {0}},
    {"1 2", false, {0}},
    {"", false, {0}},
};

static void test_near(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct machine_tree t;
        struct machine *m;
        char row[128];
        struct numaset near;
        (void)snprintf(row, sizeof row, "/sys/bus/pci/devices/" ID "/local_cpulist %s|",
                       lists[i].list);
        machine_tree_make(&t, row, "");
        assert_int_equal(machine_open(t.dir, &m, NULL), 0);
        bool is_known = gpucopy_near(m, ID, &near);
        if (is_known != lists[i].is_known ||
            (is_known && memcmp(near.word, lists[i].first, 2) != 0))
            fail_msg("\"%s\": %d", lists[i].list, is_known);
        machine_close(m);
        machine_tree_end(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured), cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_hang),     cmocka_unit_test(test_rated),
        cmocka_unit_test(test_near),
    };
    char path[PATH_MAX];
    (void)argc;
    if (nvmlfake_start(argv) < 0)
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nvmlfake_path(path, sizeof path, "cuda");
    (void)unlink(path);
    nvmlfake_path(path, sizeof path, "libcuda.so.1");
    (void)unlink(path);
    nvmlfake_end();
    return rc;
}
