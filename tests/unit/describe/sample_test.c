/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/describe/sample.h"
#include "proto/wire/aolani.pb-c.h"
#include "tests/lib/tree.h"
#include "tests/unit/describe/nvmlfake.h"

struct sampler {
    pid_t pid;
    int ask, hear;
};

static void start(struct sampler *s, const char *sysfs)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        struct err e;
        (void)close(in[1]);
        (void)close(out[0]);
        _exit(sample_run(in[0], out[1], sysfs, &e) == 0 ? 0 : 1);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    s->ask = in[1];
    s->hear = out[0];
}

/* Its exit status once it has been told that nothing more comes. */
static int end(struct sampler *s)
{
    int status;
    (void)close(s->ask);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    char more;
    assert_int_equal(read(s->hear, &more, 1), 0);
    (void)close(s->hear);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_all(int fd, uint8_t *at, size_t n)
{
    while (n > 0) {
        ssize_t r = read(fd, at, n);
        assert_true(r > 0);
        at += r;
        n -= (size_t)r;
    }
}

static Aolani__GpuSample *hear(struct sampler *s)
{
    uint8_t head[4], body[65536];
    read_all(s->hear, head, sizeof head);
    size_t n =
        head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    assert_true(n <= sizeof body);
    read_all(s->hear, body, n);
    Aolani__GpuSample *m = aolani__gpu_sample__unpack(NULL, n, body);
    assert_non_null(m);
    return m;
}

/* "A: 4711 1073741824, 4712 0; B:" */
static void show(const Aolani__GpuSample *m, char *ret, size_t size)
{
    size_t n = (size_t)snprintf(ret, size, "%s", m->error);
    for (size_t i = 0; i < m->n_gpus; i++) {
        const Aolani__GpuSample__Use *u = m->gpus[i];
        n += (size_t)snprintf(ret + n, size - n, "%s%s:", n > 0 ? "; " : "", u->uuid);
        for (size_t k = 0; k < u->n_processes; k++)
            n += (size_t)snprintf(ret + n, size - n, "%s %d %llu", k > 0 ? "," : "",
                                  u->processes[k]->pid,
                                  (unsigned long long)u->processes[k]->mem_bytes);
    }
}

static void check(struct sampler *s, const char *facts, const char *want)
{
    char got[4096];
    assert_int_equal(nvmlfake_facts(facts), 0);
    assert_int_equal(write(s->ask, "\n", 1), 1);
    Aolani__GpuSample *m = hear(s);
    show(m, got, sizeof got);
    if (strcmp(got, want) != 0)
        fail_msg("facts:\n%sgot \"%s\", wanted \"%s\"", facts, got, want);
    aolani__gpu_sample__free_unpacked(m, NULL);
}

#define GPU(uuid, more)     "gpu bus=0:1:0 uuid=" uuid " " more "\n"
#define P(pid, bytes, kind) "process pid=" pid " bytes=" bytes " kind=" kind "\n"

static void test_processes(void **state)
{
    (void)state;
    static const struct {
        const char *facts, *want;
    } table[] = {
        {GPU("A", ""), "A:"},
        {GPU("A", "") P("7", "100", "0"), "A: 7 100"},
        {GPU("A", "") P("7", "100", "0") P("8", "200", "0") GPU("B", "")
             P("9", "1", "0"),
         "A: 7 100, 8 200; B: 9 1"},
        {GPU("A", "") P("8", "5", "1") P("7", "100", "0"), "A: 7 100, 8 5"},
        /* What it does not know, and what it cannot see. */
        {GPU("A", "") P("7", "18446744073709551615", "0"), "A: 7 0"},
        {GPU("A", "") P("0", "10", "0") P("0", "20", "0"), "A: 0 10, 0 20"},
        {GPU("A", "") P("4294967295", "10", "0"), "A: 0 10"},
        /* One that computes and draws is one. */
        {GPU("A", "") P("7", "100", "0") P("7", "300", "1"), "A: 7 300"},
        {GPU("A", "handle=15") GPU("B", "") P("9", "1", "0"), "B: 9 1"},
        {GPU("A", "uuid_code=15") GPU("B", ""), "B:"},
        {"", ""},
    };
    static const char *const eras[] = {"418", "470", "535", "570"};
    for (size_t k = 0; k < sizeof eras / sizeof *eras; k++) {
        struct sampler s;
        assert_int_equal(nvmlfake_driver(eras[k]), 0);
        assert_int_equal(nvmlfake_facts(""), 0);
        start(&s, "/nowhere");
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            check(&s, table[i].facts, table[i].want);
        assert_int_equal(end(&s), 0);
    }
}

/* ---- signals */

/* "A: power heat brake other | pcie nvlink ecc | sm mem max temp mW": of times whether they
 * are known, since the interval is a real one. */
static void show_signals(const Aolani__GpuSample *m, char *ret, size_t size)
{
    size_t n = 0;
    *ret = '\0';
    for (size_t i = 0; i < m->n_signals; i++) {
        const Aolani__GpuSignal *g = m->signals[i];
        const int64_t times[] = {g->power_us, g->heat_us, g->brake_us, g->other_us};
        n += (size_t)snprintf(ret + n, size - n, "%s%s:", n > 0 ? "; " : "", g->uuid);
        for (size_t k = 0; k < 4; k++) {
            assert_true(times[k] <= (int64_t)(m->interval_ns / 1000));
            n += (size_t)snprintf(ret + n, size - n, " %s", times[k] < 0 ? "-" : "t");
        }
        n += (size_t)snprintf(ret + n, size - n, " | %d %d %d | %d %d %d %d %d",
                              (int)g->pcie_replays, (int)g->nvlink_errors,
                              (int)g->ecc_errors, g->sm_mhz, g->mem_mhz, g->sm_max_mhz,
                              g->celsius, g->milliwatts);
    }
}

static void check_signals(struct sampler *s, const char *facts, const char *want)
{
    char got[4096];
    assert_int_equal(nvmlfake_facts(facts), 0);
    assert_int_equal(write(s->ask, "\n", 1), 1);
    Aolani__GpuSample *m = hear(s);
    show_signals(m, got, sizeof got);
    if (strcmp(got, want) != 0)
        fail_msg("facts:\n%sgot \"%s\", wanted \"%s\"", facts, got, want);
    aolani__gpu_sample__free_unpacked(m, NULL);
}

#define F(id, value)        "field id=" id " value=" value "\n"
#define FT(id, value, type) "field id=" id " value=" value " type=" type "\n"
#define GAUGES              "sm=1410 sm_max=1980 mem_clock=2619 temp=61 power=312000"
#define TIMES(v)            F("74", v) F("75", v) F("76", v) F("77", v) F("79", v)
#define LATER(v)            F("251", v) F("252", v) F("253", v)
#define EVENTS(v)           F("94", v) F("4", v)
#define LINKS(v)            F("38", v) F("45", v) F("52", v) F("59", v)
#define ALL(v)              TIMES(v) LATER(v) EVENTS(v) LINKS(v)

static void test_signals_of_each_driver(void **state)
{
    (void)state;
    static const struct {
        const char *era, *want;
    } table[] = {
        {"418", "A: t t - t | -1 8 2 | 1410 2619 1980 61 312000"},
        {"470", "A: t t - t | 2 8 2 | 1410 2619 1980 61 312000"},
        {"535", "A: t t - t | 2 8 2 | 1410 2619 1980 61 312000"},
        {"570", "A: t t t t | 2 8 2 | 1410 2619 1980 61 312000"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sampler s;
        assert_int_equal(nvmlfake_driver(table[i].era), 0);
        start(&s, "/nowhere");
        check_signals(&s, GPU("A", GAUGES) ALL("100"), "");
        check_signals(&s, GPU("A", GAUGES) ALL("102"), table[i].want);
        assert_int_equal(end(&s), 0);
    }
}

/* "A: sync board reliability | corrected rows | memory reasons", then whether energy is known
 * and, of a meter, how much. */
static void show_more(const Aolani__GpuSample *m, char *ret, size_t size)
{
    size_t n = 0;
    *ret = '\0';
    for (size_t i = 0; i < m->n_signals; i++) {
        const Aolani__GpuSignal *g = m->signals[i];
        const int64_t times[] = {g->sync_us, g->board_us, g->reliability_us};
        n += (size_t)snprintf(ret + n, size - n, "%s:", g->uuid);
        for (size_t k = 0; k < 3; k++)
            n += (size_t)snprintf(ret + n, size - n, " %s", times[k] < 0 ? "-" : "t");
        n += (size_t)snprintf(ret + n, size - n, " | %d %d | %d %d | %s",
                              (int)g->ecc_corrected, (int)g->remapped_rows,
                              g->mem_celsius, (int)g->reasons,
                              g->energy_mj < 0    ? "-"
                              : g->energy_mj == 7 ? "7"
                                                  : "e");
    }
}

/* What an old driver lacks is unknown, never zero. Energy without a meter is made of the
 * power. */
static void test_more_signals_of_each_driver(void **state)
{
    (void)state;
#define MORE(v) \
    TIMES("1") F("3", v) F("142", v) F("143", v) F("83", v) FT("82", "74", "1")
    static const struct {
        const char *era, *gauges, *want;
    } table[] = {
        {"418", "reasons=36", "A: t t t | 7 -1 | 74 36 | -"},
        {"418", "power=100000", "A: t t t | 7 -1 | 74 -1 | e"},
        {"470", "reasons=36", "A: t t t | 7 14 | 74 36 | 7"},
        {"535", "reasons=0 power=1", "A: t t t | 7 14 | 74 0 | 7"},
        {"570", "reasons=36", "A: t t t | 7 14 | 74 36 | 7"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sampler s;
        char facts[2048], got[4096];
        assert_int_equal(nvmlfake_driver(table[i].era), 0);
        start(&s, "/nowhere");
        (void)snprintf(facts, sizeof facts, "gpu bus=0:1:0 uuid=A %s\n" MORE("100"),
                       table[i].gauges);
        check_signals(&s, facts, "");
        (void)snprintf(facts, sizeof facts, "gpu bus=0:1:0 uuid=A %s\n" MORE("107"),
                       table[i].gauges);
        assert_int_equal(nvmlfake_facts(facts), 0);
        assert_int_equal(write(s.ask, "s\n", 2), 2);
        Aolani__GpuSample *m = hear(&s);
        show_more(m, got, sizeof got);
        if (strcmp(got, table[i].want) != 0)
            fail_msg("%s: \"%s\", wanted \"%s\"", table[i].era, got, table[i].want);
        aolani__gpu_sample__free_unpacked(m, NULL);
        assert_int_equal(end(&s), 0);
    }
}

static void test_signals_that_are_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *want;
    } table[] = {
        {"", "", "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        /* The driver was loaded anew. */
        {ALL("100"), ALL("3"), "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        {F("94", "7"), F("94", "7"), "A: - - - - | 0 -1 -1 | -1 -1 -1 -1 -1"},
        /* Of a field that was not there yet nothing is known, nor of one that fails. */
        {"", F("94", "7"), "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        {F("94", "7"), "field id=94 value=9 code=15\n",
         "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        {F("52", "7"), F("52", "8") F("59", "4000"),
         "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        /* The other place of three of them; settings are in the first. */
        {F("269", "1") F("270", "1") F("271", "1") FT("251", "1", "1"),
         F("269", "2") F("270", "2") F("271", "2") FT("251", "0", "1"),
         "A: - t t - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        /* A time that is no counter of time, and one that has gone by too fast. */
        {FT("74", "1", "0") FT("75", "1", "1"), FT("74", "2", "0") FT("75", "2", "1"),
         "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        {F("74", "1"), F("74", "900000000000"),
         "A: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1"},
        /* Not as a total: over all links. */
        {"field id=161 value=1 scope=4294967295\n",
         "field id=161 value=4 scope=4294967295\n",
         "A: - - - - | -1 3 -1 | -1 -1 -1 -1 -1"},
        /* Small numbers may have small types. */
        {FT("94", "1", "1"), FT("94", "4", "1"),
         "A: - - - - | 3 -1 -1 | -1 -1 -1 -1 -1"},
    };
    struct sampler s;
    char facts[2048];
    assert_int_equal(nvmlfake_driver("570"), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        start(&s, "/nowhere");
        (void)snprintf(facts, sizeof facts, GPU("A", "") "%s", table[i].before);
        check_signals(&s, facts, "");
        (void)snprintf(facts, sizeof facts, GPU("A", "") "%s", table[i].after);
        check_signals(&s, facts, table[i].want);
        assert_int_equal(end(&s), 0);
    }
}

static void test_signals_of_gpus_that_come_and_go(void **state)
{
    (void)state;
#define ONE(uuid, v)  GPU(uuid, "") F("94", v)
#define SAYS(uuid, v) uuid ": - - - - | " v " -1 -1 | -1 -1 -1 -1 -1"
    struct sampler s;
    assert_int_equal(nvmlfake_driver("570"), 0);
    start(&s, "/nowhere");
    check_signals(&s, ONE("A", "1"), "");
    check_signals(&s, ONE("A", "2") ONE("B", "5"), SAYS("A", "1"));
    check_signals(&s, ONE("B", "6"), SAYS("B", "1"));
    check_signals(&s, ONE("A", "9") ONE("B", "7"), SAYS("B", "1"));
    check_signals(&s, ONE("A", "9") ONE("B", "7"), SAYS("A", "0") "; " SAYS("B", "0"));
    /* A divided one is told of as a whole. */
    check_signals(&s, GPU("A", "mig=1") F("94", "10") "instance index=0 uuid=MIG-x\n",
                  SAYS("A", "1"));
    check_signals(&s, "count code=999\n", "");
    check_signals(&s, ONE("A", "10"),
                  ""); /* after an interval of which nothing is known */
    check_signals(&s, ONE("A", "10"), SAYS("A", "0"));
    assert_int_equal(end(&s), 0);
}

static void test_many_processes(void **state)
{
    (void)state;
    struct sampler s;
    char facts[8192] = GPU("A", ""), want[8192] = "A:";
    for (int i = 1; i <= 60; i++) {
        (void)snprintf(facts + strlen(facts), 64, "process pid=%d bytes=%d\n", i,
                       i * 10);
        (void)snprintf(want + strlen(want), 64, "%s %d %d", i > 1 ? "," : "", i,
                       i * 10);
    }
    assert_int_equal(nvmlfake_driver("570"), 0);
    start(&s, "/nowhere");
    check(&s, facts, want);
    assert_int_equal(end(&s), 0);
}

static void test_mig(void **state)
{
    (void)state;
    struct sampler s;
    assert_int_equal(nvmlfake_driver("570"), 0);
    start(&s, "/nowhere");
    check(&s,
          GPU("A", "mig=1") "instance index=0 uuid=MIG-x\n" P("7", "1", "0")
              P("8", "2", "2") "instance index=4 uuid=MIG-y\n" GPU("B", ""),
          "MIG-x: 7 1, 8 2; MIG-y:; B:");
    check(&s, GPU("A", "mig=1") GPU("B", ""), "B:");
    assert_int_equal(end(&s), 0);
}

static void test_no_driver_then_one(void **state)
{
    (void)state;
    struct sampler s;
    assert_int_equal(nvmlfake_driver("570"), 0);
    start(&s, "/nowhere");
    check(&s, "init code=9\n",
          "cannot use NVIDIA's management library: the driver is not loaded");
    check(&s, "init code=9\n",
          "cannot use NVIDIA's management library: the driver is not loaded");
    check(&s, GPU("A", ""), "A:");
    check(&s, "count code=999\n",
          "cannot read NVIDIA's GPUs: the driver reports an error");
    check(&s, GPU("A", ""), "A:");
    assert_int_equal(end(&s), 0);
}

static void test_lines(void **state)
{
    (void)state;
    struct sampler s;
    assert_int_equal(nvmlfake_driver("570"), 0);
    assert_int_equal(nvmlfake_facts(GPU("A", "")), 0);
    start(&s, "/nowhere");
    /* An answer for each line, none for the beginning of one. */
    assert_int_equal(write(s.ask, "a line\n\nhalf", 12), 12);
    for (int i = 0; i < 2; i++)
        aolani__gpu_sample__free_unpacked(hear(&s), NULL);
    assert_int_equal(end(&s), 0);

    /* Nobody listens any more: it ends by itself, and well. */
    int status;
    start(&s, "/nowhere");
    (void)close(s.hear);
    assert_int_equal(write(s.ask, "\n", 1), 1);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(s.ask);
}

/* The driver is asked for processes only where somebody wants them. */
static void test_signals_alone(void **state)
{
    (void)state;
    struct sampler s;
    static const size_t gpus[] = {1, 0, 0, 1};
    assert_int_equal(nvmlfake_driver("570"), 0);
    assert_int_equal(nvmlfake_facts(GPU("A", "") P("4711", "1", "0")), 0);
    start(&s, "/nowhere");
    assert_int_equal(write(s.ask, "\ns\ns\n\n", 6), 6);
    for (size_t i = 0; i < 4; i++) {
        Aolani__GpuSample *m = hear(&s);
        assert_string_equal(m->error, "");
        assert_int_equal(m->n_gpus, gpus[i]);
        assert_int_equal(m->n_signals, i > 0); /* the first has none */
        aolani__gpu_sample__free_unpacked(m, NULL);
    }
    assert_int_equal(end(&s), 0);
}

/* ---- AMD */

#define NODES  "class/kfd/kfd/topology/nodes/"
#define DEVICE "bus/pci/devices/0000:01:00.0/"
static void test_amd(void **state)
{
    (void)state;
    struct sampler s;
    char dir[] = "/tmp/aolani-kfd-XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    tree_put(dir, NODES "0/gpu_id", "0\n");
    tree_put(dir, NODES "0/properties", "cpu_cores_count 8\nunique_id 5\n");
    tree_put(dir, NODES "1/gpu_id", "4660\n");
    tree_put(dir, NODES "1/properties",
             "simd_count 304\nunique_id 255\nlocation_id 256\n");
    tree_put(dir, DEVICE "pcie_replay_count", "3\n");
    tree_put(dir, DEVICE "ras/umc_err_count", "ue: 1\nce: 40\n");
    tree_put(dir, DEVICE "pp_dpm_sclk", "0: 132Mhz *\n1: 2100Mhz\n");
    tree_put(dir, DEVICE "hwmon/hwmon4/freq1_input", "1900000000\n");
    tree_put(dir, DEVICE "hwmon/hwmon4/freq2_input", "900000000\n");
    tree_put(dir, DEVICE "hwmon/hwmon4/temp1_input", "44000\n");
    tree_put(dir, DEVICE "hwmon/hwmon4/power1_average", "130000000\n");
    /* One that a control group keeps from us cannot be read. */
    tree_put(dir, NODES "2/gpu_id", "");
    tree_put(dir, NODES "2/properties", "");
    tree_put(dir, NODES "3/gpu_id", "4661\n");
    tree_put(dir, NODES "3/properties", "simd_count 304\nunique_id 256\n");
    tree_put(dir, "class/kfd/kfd/proc/4711/vram_4660", "1048576\n");
    tree_put(dir, "class/kfd/kfd/proc/4711/vram_4661", "0\n");
    tree_put(dir, "class/kfd/kfd/proc/4712/pasid", "1\n");
    assert_int_equal(nvmlfake_driver(NULL), 0);
    start(&s, dir);
    check(&s, "", "GPU-00000000000000ff: 4711 1048576; GPU-0000000000000100:");
    tree_put(dir, DEVICE "pcie_replay_count", "5\n");
    check_signals(&s, "",
                  "GPU-00000000000000ff: - - - - | 2 -1 0 | 1900 900 2100 44 130000; "
                  "GPU-0000000000000100: - - - - | -1 -1 -1 | -1 -1 -1 -1 -1");
    assert_int_equal(end(&s), 0);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
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
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_many_processes),
        cmocka_unit_test(test_signals_of_each_driver),
        cmocka_unit_test(test_more_signals_of_each_driver),
        cmocka_unit_test(test_signals_that_are_not_there),
        cmocka_unit_test(test_signals_of_gpus_that_come_and_go),
        cmocka_unit_test(test_mig),
        cmocka_unit_test(test_no_driver_then_one),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_signals_alone),
        cmocka_unit_test(test_amd),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
