/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"
#include "agent/describe/nvml.h"
#include "agent/describe/nvml_impl.h"
#include "proto/base/limits.h"
#include "tests/unit/describe/nvmlfake.h"

#define A       "GPU-aaaaaaaa-0000-0000-0000-000000000000"
#define B       "GPU-bbbbbbbb-0000-0000-0000-000000000000"
#define H       " name=NVIDIA_H100 mem=85520809984 cc=90 links=18\n"
#define GPU_A   "gpu bus=00000000:18:00.0 uuid=" A H
#define GPU_B   "gpu bus=00000000:2A:00.0 uuid=" B H
#define SHOWN_A "0 0000:18:00.0 " A " at 1 numa 3\n"
#define SHOWN_B "1 0000:2a:00.0 " B " at 2 numa 7\n"

/* ---- what the bus shows: "bus vendor" a GPU, with its function in pci, on NUMA nodes of
 * its own; a '-' before it is a function that is no GPU to hwloc */

static void add_pci(Aolani__Topology *t, const char *bus_id, bool is_device,
                    uint32_t numa)
{
    Aolani__PciNode *p = malloc(sizeof *p);
    assert_non_null(p);
    aolani__pci_node__init(p);
    p->kind =
        is_device ? AOLANI__PCI_NODE__KIND__DEVICE : AOLANI__PCI_NODE__KIND__BRIDGE;
    assert_int_equal(msg_text(&p->bus_id, bus_id), 0);
    if (numa) {
        p->located = 1;
        assert_int_equal(msg_push_u32(&p->numa, &p->n_numa, numa), 0);
        assert_int_equal(msg_format(&p->cpus, "%u-%u", numa * 8, numa * 8 + 7), 0);
    }
    assert_int_equal(msg_push(&t->pci, &t->n_pci, p), 0);
}

static Aolani__Topology *machine(const char *text)
{
    static const uint32_t numas[] = {3, 7, 11, 13};
    Aolani__Topology *t = malloc(sizeof *t);
    assert_non_null(t);
    aolani__topology__init(t);
    char bus[32], vendor[16];
    int n;
    for (unsigned i = 0; sscanf(text, " %31s %15s%n", bus, vendor, &n) == 2;
         i++, text += n) {
        Aolani__Gpu *g;
        add_pci(t, bus + (*bus == '-'), true, numas[i]);
        if (*bus == '-')
            continue;
        assert_int_equal(gpulist_add(t, vendor, &g), 0);
        assert_int_equal(msg_text(&g->bus_id, bus), 0);
        g->pci = (uint32_t)t->n_pci;
        g->located = 1;
        assert_int_equal(msg_push_u32(&g->numa, &g->n_numa, numas[i]), 0);
    }
    return t;
}

static void show(const Aolani__Topology *t, char *ret, size_t size)
{
    *ret = '\0';
    for (size_t i = 0; i < t->n_gpus; i++) {
        const Aolani__Gpu *g = t->gpus[i];
        size_t n = strlen(ret);
        (void)snprintf(ret + n, size - n, "%d %s %s", g->nvml_index, g->bus_id,
                       g->uuid);
        n = strlen(ret);
        if (g->partition)
            (void)snprintf(ret + n, size - n, " part %u of %.12s", g->partition,
                           g->parent_uuid);
        n = strlen(ret);
        if (g->n_numa)
            (void)snprintf(ret + n, size - n, " at %u numa %u\n", g->pci, g->numa[0]);
        else
            (void)snprintf(ret + n, size - n, " nowhere\n");
    }
}

static bool has_note(const Aolani__Topology *t, const char *part)
{
    for (size_t i = 0; i < t->n_notes; i++)
        if (strstr(t->notes[i], part))
            return true;
    return false;
}

struct example {
    const char *era, *facts, *bus, *want;
    const char *notes[4]; /* parts of them */
    const char *visible;
    unsigned hidden;
};

static void check(const struct example *x)
{
    Aolani__Topology *t = machine(x->bus);
    char got[2048];
    struct err e;
    size_t n_notes = 0;
    assert_int_equal(nvmlfake_driver(x->era), 0);
    assert_int_equal(nvmlfake_facts(x->facts), 0);
    assert_int_equal(nvml_annotate(t, x->visible, &e), 0);
    show(t, got, sizeof got);
    bool is_right = strcmp(got, x->want) == 0 && t->hidden_gpus == x->hidden;
    for (size_t i = 0; i < 4 && x->notes[i]; i++, n_notes++)
        is_right = is_right && has_note(t, x->notes[i]);
    if (!is_right || t->n_notes != n_notes) {
        print_error("driver %s, facts:\n%sgot:\n%swanted:\n%s",
                    x->era ? x->era : "none", x->facts, got, x->want);
        for (size_t i = 0; i < t->n_notes; i++)
            print_error("note: %s\n", t->notes[i]);
        fail();
    }
    aolani__topology__free_unpacked(t, NULL);
}

#define BOTH "0000:18:00.0 NVIDIA 0000:2a:00.0 NVIDIA"

static void test_whole_gpus(void **state)
{
    (void)state;
    static const struct example table[] = {
        {"570", GPU_A GPU_B, BOTH, SHOWN_A SHOWN_B, {NULL}, NULL, 0},
        {"535", GPU_A GPU_B, BOTH, SHOWN_A SHOWN_B, {NULL}, NULL, 0},
        {"470", GPU_A GPU_B, BOTH, SHOWN_A SHOWN_B, {NULL}, NULL, 0},
        {"418", GPU_A GPU_B, BOTH, SHOWN_A SHOWN_B, {NULL}, NULL, 0},
        /* NVML's order, whatever that of the bus is. */
        {"570",
         GPU_B GPU_A,
         BOTH,
         "0 0000:2a:00.0 " B " at 2 numa 7\n"
         "1 0000:18:00.0 " A " at 1 numa 3\n",
         {NULL},
         NULL,
         0},
        /* Domains past 65535 and below. */
        {"570",
         "gpu bus=00010000:01:00.0 uuid=" A H "gpu bus=00000002:01:00.0 uuid=" B H,
         "10000:01:00.0 NVIDIA 0002:01:00.0 NVIDIA",
         "0 10000:01:00.0 " A " at 1 numa 3\n1 0002:01:00.0 " B " at 2 numa 7\n",
         {NULL},
         NULL,
         0},
        {"418",
         "gpu bus=00010000:01:00.0 uuid=" A H,
         "10000:01:00.0 NVIDIA",
         "0 10000:01:00.0 " A " at 1 numa 3\n",
         {NULL},
         NULL,
         0},
        /* Those that hwloc takes for no GPU, or does not see. */
        {"570",
         GPU_A GPU_B,
         "0000:18:00.0 NVIDIA -0000:2a:00.0 NVIDIA",
         SHOWN_A SHOWN_B,
         {NULL},
         NULL,
         0},
        {"570",
         GPU_A GPU_B,
         "0000:18:00.0 NVIDIA",
         SHOWN_A "1 0000:2a:00.0 " B " nowhere\n",
         {NULL},
         NULL,
         0},
        {"570", GPU_A, "", "0 0000:18:00.0 " A " nowhere\n", {NULL}, NULL, 0},
        /* Those that the driver does not show: a cgroup, a fault. */
        {"570",
         GPU_B,
         BOTH,
         "0 0000:2a:00.0 " B " at 2 numa 7\n",
         {"1 NVIDIA GPU on the bus is left out"},
         NULL,
         0},
        {"570",
         "",
         BOTH,
         "",
         {"2 NVIDIA GPUs on the bus are left out, since the driver does not show them "
          "to "
          "this process (a cgroup, a container, another driver, or a fault): "
          "0000:18:00.0, 0000:2a:00.0"},
         NULL,
         0},
        /* Others' are no concern of NVML's. */
        {"570",
         GPU_A,
         "0000:05:00.0 AMD 0000:18:00.0 NVIDIA",
         "0 0000:18:00.0 " A " at 2 numa 7\n-1 0000:05:00.0  at 1 numa 3\n",
         {NULL},
         NULL,
         0},
        {"570", GPU_A GPU_B, BOTH, SHOWN_B, {NULL}, "1", 1},
        {"570", GPU_A GPU_B, BOTH, SHOWN_B, {NULL}, "GPU-bbbb", 1},
        /* Numbers count what the driver shows. */
        {"570",
         GPU_B,
         BOTH,
         "0 0000:2a:00.0 " B " at 2 numa 7\n",
         {"on the bus is left out"},
         "0",
         0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(&table[i]);
}

static void test_gpus_that_cannot_be_used(void **state)
{
    (void)state;
    static const struct example table[] = {
        {"570",
         "gpu handle=15\n" GPU_B,
         BOTH,
         SHOWN_B,
         {"gpu 0 is left out: it is lost", "on the bus is left out"},
         NULL,
         0},
        {"570",
         "gpu bus=00000000:18:00.0 uuid_code=15\n" GPU_B,
         BOTH,
         SHOWN_B,
         {"gpu 0 (0000:18:00.0) is left out: it is lost: it has fallen off the bus"},
         NULL,
         0},
        {"570",
         "gpu bus=00000000:18:00.0 uuid=" A " mig_code=16\n",
         BOTH,
         "",
         {"gpu 0 (0000:18:00.0) is left out: it must be reset",
          "on the bus is left out"},
         NULL,
         0},
        {"570",
         "gpu handle=4\n",
         "",
         "",
         {"gpu 0 is left out: this user may not use it"},
         NULL,
         0},
        {"570", "gpu handle=999\n", "", "", {"the driver reports an error"}, NULL, 0},
        /* Whatever number of them there is something to say of. */
        {"570",
         "gpu handle=15\ngpu handle=15\ngpu handle=15\n",
         "0000:18:00.0 NVIDIA",
         "",
         {"gpu 0 is left out", "gpu 1 is left out", "gpu 2 is left out",
          "on the bus is left out"},
         NULL,
         0},
        /* No UUID is no reason. */
        {"570",
         "gpu bus=00000000:18:00.0 uuid_code=999" H,
         "0000:18:00.0 NVIDIA",
         "0 0000:18:00.0  at 1 numa 3\n",
         {"gpu 0 (0000:18:00.0) has no UUID"},
         NULL,
         0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(&table[i]);
}

#define I(index, n) \
    "instance index=" index " uuid=MIG-" n " name=MIG_1g.10gb mem=9999\n"
#define MIG_A  "gpu bus=00000000:18:00.0 mig=1 uuid=" A H
#define LEGACY "MIG-" A "/1/0"

static void test_mig(void **state)
{
    (void)state;
    static const struct example table[] = {
        {"570",
         MIG_A I("0", "x1") I("3", "x2") GPU_B,
         BOTH,
         "0 0000:18:00.0 MIG-x1 part 1 of GPU-aaaaaaaa at 1 numa 3\n"
         "0 0000:18:00.0 MIG-x2 part 2 of GPU-aaaaaaaa at 1 numa 3\n" SHOWN_B,
         {"gpu 0 (0000:18:00.0) is divided into 2 MIG instances: a CUDA program can "
          "use "
          "one of them at a time"},
         NULL,
         0},
        {"470",
         MIG_A "instance index=0 uuid=" LEGACY "\n",
         "0000:18:00.0 NVIDIA",
         "0 0000:18:00.0 " LEGACY " part 1 of GPU-aaaaaaaa at 1 numa 3\n",
         {"is divided into 1 MIG instance:"},
         NULL,
         0},
        {"570",
         MIG_A GPU_B,
         BOTH,
         SHOWN_B,
         {"gpu 0 (0000:18:00.0) is left out: MIG is enabled and it has no instance"},
         NULL,
         0},
        {"570",
         MIG_A "instance index=0 handle=4\n" GPU_B,
         BOTH,
         SHOWN_B,
         {"instances of gpu 0 (0000:18:00.0) are left out: this user may not use it"},
         NULL,
         0},
        {"570",
         MIG_A I("0", "x1") I("1", "x2"),
         "0000:18:00.0 NVIDIA",
         "0 0000:18:00.0 MIG-x2 part 2 of GPU-aaaaaaaa at 1 numa 3\n",
         {"is divided into 2"},
         "MIG-x2",
         1},
        {"570",
         MIG_A I("0", "x1") I("1", "x2") GPU_B,
         BOTH,
         SHOWN_B,
         {"is divided into 2"},
         "1",
         2},
        /* A driver that knows no MIG says nothing of it. */
        {"418", MIG_A, "0000:18:00.0 NVIDIA", SHOWN_A, {NULL}, NULL, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(&table[i]);
}

static void test_a_library_that_fails(void **state)
{
    (void)state;
    static const struct example table[] = {
        {"570",
         "init code=18\n",
         "0000:18:00.0 NVIDIA",
         "-1 0000:18:00.0  at 1 numa 3\n",
         {"library are of different versions; UUIDs and NVIDIA's own order of the GPUs "
          "are "
          "not known: the driver was updated"},
         NULL,
         0},
        {"570",
         "init code=9\n",
         "0000:18:00.0 NVIDIA",
         "-1 0000:18:00.0  at 1 numa 3\n",
         {"the driver is not loaded"},
         NULL,
         0},
        {"570",
         "count code=999\n",
         "0000:18:00.0 NVIDIA",
         "-1 0000:18:00.0  at 1 numa 3\n",
         {"the driver reports an error"},
         NULL,
         0},
        {"570",
         "init print=1\n" GPU_A,
         "0000:18:00.0 NVIDIA",
         SHOWN_A,
         {NULL},
         NULL,
         0},
        {"570",
         "init crash=1\n",
         "0000:18:00.0 NVIDIA",
         "-1 0000:18:00.0  at 1 numa 3\n",
         {"library crashed (signal 6)"},
         NULL,
         0},
        {NULL,
         "",
         "0000:18:00.0 NVIDIA",
         "-1 0000:18:00.0  at 1 numa 3\n",
         {"cannot load NVIDIA's management library"},
         NULL,
         0},
        /* Numbers still mean what is on the bus. */
        {NULL, "", BOTH, "-1 0000:2a:00.0  at 2 numa 7\n", {"cannot load"}, "1", 1},
        /* A machine without such GPUs is none the worse. */
        {NULL, "", "", "", {NULL}, NULL, 0},
        {"570",
         "init code=9\n",
         "0000:05:00.0 AMD",
         "-1 0000:05:00.0  at 1 numa 3\n",
         {NULL},
         NULL,
         0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(&table[i]);
}

static void test_one_that_hangs_is_left_behind(void **state)
{
    (void)state;
    Aolani__Topology *seen;
    assert_int_equal(nvmlfake_driver("570"), 0);
    assert_int_equal(nvmlfake_facts("init delay=3600\n"), 0);
    assert_int_equal(nvml_ask(100, &seen), 0);
    assert_non_null(strstr(seen->error, "did not answer within"));
    assert_int_equal(seen->n_gpus, 0);
    aolani__topology__free_unpacked(seen, NULL);
}

/* To wake GPUs takes the driver seconds, of the processor's too. */
static void test_one_that_computes_is_waited_for(void **state)
{
    (void)state;
    struct rlimit r;
    Aolani__Topology *seen;
    int status;
    assert_int_equal(nvmlfake_driver("570"), 0);
    assert_int_equal(nvmlfake_facts("init compute=2\n" GPU_A), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (getrlimit(RLIMIT_CPU, &r) < 0)
            _exit(2);
        r.rlim_cur = 1;
        if (setrlimit(RLIMIT_CPU, &r) < 0 || nvml_ask(LIMIT_NVML_MS, &seen) < 0)
            _exit(2);
        _exit(*seen->error != '\0' || seen->n_gpus != 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_all_that_is_known(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(nvmlfake_driver("570"), 0);
    assert_int_equal(
        nvmlfake_facts(
            "driver version=570.86.15\ngpu bus=00000000:18:00.0 numa=4 uuid=" A H
            "gpu bus=00000000:2a:00.0 uuid=" B " mig=1" H I("5", "x")),
        0);
    Aolani__Topology *t = machine(BOTH);
    assert_int_equal(nvml_annotate(t, NULL, &e), 0);
    assert_string_equal(t->gpu_driver, "NVIDIA 570.86.15");
    assert_int_equal(t->n_gpus, 2);
    const Aolani__Gpu *g = t->gpus[0], *i = t->gpus[1];
    assert_string_equal(g->model, "NVIDIA H100");
    assert_string_equal(g->vendor, "NVIDIA");
    assert_int_equal(g->mem_bytes, 85520809984);
    assert_int_equal(g->mem_numa, 4);
    assert_int_equal(g->compute, 90);
    assert_int_equal(g->nvlinks, 18);
    assert_int_equal(g->partition, 0);
    assert_string_equal(i->model, "MIG 1g.10gb");
    assert_string_equal(i->parent_uuid, B);
    assert_int_equal(i->mem_bytes, 9999);
    assert_int_equal(i->mem_numa, -1);
    assert_int_equal(i->nvlinks, 0);
    aolani__topology__free_unpacked(t, NULL);
}

static int teardown(void **state)
{
    (void)state;
    nvmlfake_end();
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (nvmlfake_start(argv) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_gpus),
        cmocka_unit_test(test_gpus_that_cannot_be_used),
        cmocka_unit_test(test_mig),
        cmocka_unit_test(test_a_library_that_fails),
        cmocka_unit_test(test_one_that_hangs_is_left_behind),
        cmocka_unit_test(test_one_that_computes_is_waited_for),
        cmocka_unit_test(test_all_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
