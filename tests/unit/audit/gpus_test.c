/* SPDX-License-Identifier: MIT */
/* What is said of GPUs whose driver says so: in a recorded tree, and by tests/lib/nvml_fake.c
 * as drivers of four ages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/prctl.h>

#include "agent/audit/gpus_impl.h"
#include "tests/lib/machine_case.h"
#include "tests/unit/describe/nvmlfake.h"

#define N_IDS   12u
#define ENOUGH  30000u /* ms: never waited for */
#define DEVICES "/sys/bus/pci/devices/"

/* A GPU on a root port of its own, or below a switch. */
#define GPU(way, id, numa)                                     \
    "/sys/devices/" way "/" id "/vendor 0x10de|\n"             \
    "/sys/devices/" way "/" id "/class 0x030200|\n"            \
    "/sys/devices/" way "/" id "/numa_node " numa "|\n"        \
    "link /sys/devices/" way "/" id "/driver "                 \
    "../../../../bus/pci/drivers/nvidia\n"                     \
    "/proc/driver/nvidia/gpus/" id "/information Model: \t\t " \
    "NVIDIA H100|Video BIOS: \t 96.00.74.00.01|\n"             \
    "link " DEVICES id " ../../../devices/" way "/" id "\n"

/* Two below a switch, one beside them on the socket, one on the other. */
#define BUS                                                                           \
    "/sys/bus/pci/slots/none none|\n"                                                 \
    "dir /sys/bus/pci/devices\n" GPU(                                                 \
        "pci0000:16/0000:16:01.0/0000:17:00.0/0000:18:00.0", "0000:19:00.0", "0")     \
        GPU("pci0000:16/0000:16:01.0/0000:17:00.0/0000:18:01.0", "0000:1a:00.0", "0") \
            GPU("pci0000:38/0000:38:01.0", "0000:39:00.0", "0")                       \
                GPU("pci0000:b8/0000:b8:01.0", "0000:b9:00.0", "1")

#define SOUND                                                                      \
    BUS "/sys/module/nvidia/version 570.86.15|\n"                                  \
        "facts number gpus 4\n"                                                    \
        "facts number gpu.virtualization 0\nfacts number gpu.mig 0\n"              \
        "facts number gpu.mig-pending 0\nfacts number gpu.ecc 1\n"                 \
        "facts number gpu.ecc-pending 1\nfacts number gpu.persistence 1\n"         \
        "facts number gpu.rows-corrected 0\nfacts number gpu.rows-uncorrected 0\n" \
        "facts number gpu.rows-pending 0\nfacts number gpu.rows-failed 0\n"        \
        "facts number gpu.reasons 1\nfacts number gpu.clock 1980\n"                \
        "facts number gpu.clock-default 1980\nfacts number gpu.clock-max 1980\n"   \
        "facts number gpu.compute-mode 0\nfacts number gpu.gsp 1\n"                \
        "facts number gpu.links 18\nfacts number gpu.links-active 18\n"            \
        "facts number gpu.fabric 3\nfacts number gpu.fabric-status 0\n"            \
        "facts number gpu.processes 0\nfacts number gpu0.gpu1 20\n"                \
        "facts number gpu0.gpu2 40\nfacts number gpu1.gpu2 40\n"                   \
        "facts number gpu0.gpu3 50\nfacts number gpu1.gpu3 50\n"                   \
        "facts number gpu2.gpu3 50\n"

#define F(fact) "facts number " fact "\n"
#define NEWER   "a newer driver, or another model of GPU"

static const struct machine_case recorded[] = {
    {"sound", AUDIT_HV13, "", AUDIT_PASS, "all 4 gpus: not virtualized", 0},
    {"a guest's", AUDIT_HV13, F("gpu.virtualization 1"), AUDIT_FAIL,
     "all 4 gpus: passed through to a guest", 0},
    {"virtual ones", AUDIT_HV13, F("gpu.virtualization 2"), AUDIT_FAIL,
     "all 4 gpus: a virtual gpu", 0},
    {"a host's", AUDIT_HV13, F("gpu2.virtualization 3"), AUDIT_WARN,
     "gpu 2 (0000:39:00.0): the host of virtual gpus", 0},
    {"it does not say", AUDIT_HV13, F("gpu.virtualization -1"), AUDIT_UNKNOWN,
     "all 4 gpus: virtualization not said", NEWER},

    {"sound", AUDIT_GP1, "", AUDIT_PASS, "all 4 gpus: MIG off", 0},
    {"one divided", AUDIT_GP1, F("gpu3.mig 1") F("gpu3.mig-pending 1"), AUDIT_FAIL,
     "gpu 3 (0000:b9:00.0): MIG is on", 0},
    {"one to be divided", AUDIT_GP1, F("gpu3.mig-pending 1"), AUDIT_WARN,
     "gpu 3 (0000:b9:00.0): MIG is on after the next reset", 0},
    {"before there was MIG", AUDIT_GP1, F("gpu.mig -1"), AUDIT_PASS, "MIG off", 0},

    {"sound", AUDIT_GP2, "", AUDIT_PASS, "ECC on", 0},
    {"off", AUDIT_GP2, F("gpu.ecc 0") F("gpu.ecc-pending 0"), AUDIT_WARN,
     "all 4 gpus: ECC is off", 0},
    {"pending", AUDIT_GP2, F("gpu1.ecc-pending 0"), AUDIT_WARN,
     "gpu 1 (0000:1a:00.0): ECC changes with the next reset", 0},
    {"none", AUDIT_GP2, F("gpu.ecc -1"), AUDIT_UNKNOWN, "ECC not known to it", NEWER},

    {"sound", AUDIT_GP3, "", AUDIT_PASS, "persistence mode on", 0},
    {"off", AUDIT_GP3, F("gpu.persistence 0"), AUDIT_WARN, "persistence mode is off",
     0},

    {"sound", AUDIT_GP4, "", AUDIT_PASS, "no rows wait to be remapped", 0},
    {"failed", AUDIT_GP4, F("gpu0.rows-failed 1"), AUDIT_FAIL,
     "gpu 0 (0000:19:00.0): memory rows could not be remapped", 0},
    {"pending", AUDIT_GP4, F("gpu0.rows-pending 1") F("gpu1.rows-pending 1"),
     AUDIT_FAIL, "gpus 0-1: memory rows wait for a reset", 0},
    {"repaired", AUDIT_GP4, F("gpu0.rows-uncorrected 2"), AUDIT_PASS,
     "gpu 0 (0000:19:00.0): rows remapped after uncorrectable errors", 0},
    {"pages of an older one", AUDIT_GP4,
     F("gpu.rows-failed -1") F("gpu.pages-pending 0") F("gpu2.pages-pending 1"),
     AUDIT_FAIL, "gpu 2 (0000:39:00.0): memory pages wait for a reset", 0},
    {"neither", AUDIT_GP4, F("gpu.rows-failed -1"), AUDIT_UNKNOWN, "not known to it",
     NEWER},

    {"sound", AUDIT_GP5, "", AUDIT_PASS, "not slowed", 0},
    {"at its power limit", AUDIT_GP5, F("gpu.reasons 4"), AUDIT_PASS,
     "at its power limit", 0},
    {"hot", AUDIT_GP5, F("gpu1.reasons 0x20"), AUDIT_WARN,
     "gpu 1 (0000:1a:00.0): slowed by its driver: hot", 0},
    {"too hot", AUDIT_GP5, F("gpu1.reasons 0x48") F("gpu3.reasons 0x88"), AUDIT_FAIL,
     "gpu 1 (0000:1a:00.0): slowed by its hardware: too hot; gpu 3 (0000:b9:00.0): "
     "slowed by its hardware: power brake",
     0},
    {"for whatever reason", AUDIT_GP5, F("gpu0.reasons 8") F("gpu2.reasons 8"),
     AUDIT_FAIL, "gpus 0,2: slowed by its hardware", 0},

    {"sound", AUDIT_GP6, "", AUDIT_PASS, "no setting slows it", 0},
    {"a default below the maximum", AUDIT_GP6,
     F("gpu.clock 1095") F("gpu.clock-default 1095"), AUDIT_PASS, "no setting slows it",
     0},
    {"set low", AUDIT_GP6, F("gpu2.clock 1200"), AUDIT_WARN,
     "gpu 2 (0000:39:00.0): clocks for applications are set below the default", 0},
    {"held", AUDIT_GP6,
     F("gpu.clock 1095") F("gpu.clock-default 1095") F("gpu2.reasons 2"), AUDIT_WARN,
     "gpu 2 (0000:39:00.0): held below its fastest clock by a setting", 0},

    {"sound", AUDIT_GP7, "", AUDIT_PASS,
     "4 gpus; driver 570.86.15, vbios 96.00.74.00.01, inforom ?", 0},
    {"another vbios", AUDIT_GP7,
     "/proc/driver/nvidia/gpus/0000:39:00.0/information Video BIOS: 96.00.89.00.02|\n",
     AUDIT_WARN, "gpu 2 (0000:39:00.0): another vbios than 96.00.74.00.01", 0},
    {"lost", AUDIT_GP7, F("gpu2.code 15"), AUDIT_FAIL,
     "gpu 2 (0000:39:00.0): it is lost: it has fallen off the bus", 0},
    {"no such code", AUDIT_GP7, F("gpu2.code 1e300"), AUDIT_FAIL,
     "gpu 2 (0000:39:00.0): ", 0},
    {"not for us", AUDIT_GP7, F("gpu2.code 4"), AUDIT_WARN,
     "gpu 2 (0000:39:00.0): this user may not use it", 0},
    {"held for a guest", AUDIT_GP7, F("gpus 3") "gone " DEVICES "0000:b9:00.0/driver\n",
     AUDIT_WARN, "1 on the bus not held by the nvidia driver: 0000:b9:00.0 (no driver)",
     0},
    {"hidden by a container", AUDIT_GP7, F("gpus 3"), AUDIT_PASS, "3 gpus; ", 0},

    {"sound", AUDIT_GP8, "", AUDIT_PASS, "compute mode: default", 0},
    {"prohibited", AUDIT_GP8, F("gpu.compute-mode 2"), AUDIT_FAIL,
     "all 4 gpus: compute mode: prohibited", 0},
    {"exclusive", AUDIT_GP8, F("gpu1.compute-mode 3"), AUDIT_WARN,
     "gpu 1 (0000:1a:00.0): compute mode: exclusive process", 0},

    {"sound", AUDIT_GP9, "", AUDIT_PASS, "all 4 gpus: 18 of 18 NVLinks active", 0},
    {"one down", AUDIT_GP9, F("gpu1.links-active 17"), AUDIT_FAIL,
     "gpu 1 (0000:1a:00.0): not all of 18 NVLinks active", 0},
    {"none", AUDIT_GP9, F("gpu.links-active 0"), AUDIT_WARN,
     "all 4 gpus: no NVLink is active", 0},
    {"there are none", AUDIT_GP9, F("gpu.links-active 0") F("gpu.links 0"), AUDIT_PASS,
     "all 4 gpus: it has no NVLinks", 0},
    {"bridges", AUDIT_GP9, F("gpu.links-active 12"), AUDIT_PASS,
     "all 4 gpus: 12 of 18 NVLinks active", 0},
    {"not joined", AUDIT_GP9, F("gpu.fabric 2"), AUDIT_FAIL,
     "all 4 gpus: it has not joined the NVLink fabric (fabric manager)", 0},
    {"joined in vain", AUDIT_GP9, F("gpu3.fabric-status 999"), AUDIT_FAIL,
     "gpu 3 (0000:b9:00.0): it has not joined", 0},
    {"not begun", AUDIT_GP9, F("gpu.fabric 1"), AUDIT_WARN, "has not begun", 0},

    {"sound", AUDIT_GP10, "", AUDIT_PASS, "all 4 gpus: no other process uses it", 0},
    {"in use", AUDIT_GP10, F("gpu3.processes 2"), AUDIT_FAIL,
     "gpu 3 (0000:b9:00.0): in use by 2 other processes", 0},
    {"by one", AUDIT_GP10, F("gpu3.processes 1"), AUDIT_FAIL,
     "in use by 1 other process", 0},
    {"by somebody unseen", AUDIT_GP10,
     F("gpu.memory-mb 81559") F("gpu.memory-used-mb 600") F("gpu0.memory-used-mb 9000"),
     AUDIT_WARN, "gpu 0 (0000:19:00.0): memory in use, by no process", 0},

    {"sound", AUDIT_PC7, "", AUDIT_PASS, "6 pairs of gpus alike for both", 0},
    {"one socket for the driver", AUDIT_PC7, F("gpu2.gpu3 30"), AUDIT_WARN,
     "1 of 6 pairs differ: gpus 2 and 3 on one socket for the driver, on different "
     "sockets for the kernel",
     0},
    {"one switch for the driver", AUDIT_PC7, F("gpu0.gpu2 10"), AUDIT_WARN,
     "1 of 6 pairs differ: gpus 0 and 2 on one switch for the driver", 0},
    {"flat for the kernel", AUDIT_PC7,
     "/sys/devices/pci0000:38/0000:38:01.0/0000:39:00.0/numa_node -1|\n"
     "/sys/devices/pci0000:b8/0000:b8:01.0/0000:b9:00.0/numa_node -1|\n",
     AUDIT_PASS, "1 pairs of gpus alike", 0},
    {"one gpu", AUDIT_PC7, F("gpus 1"), AUDIT_PASS, "one gpu: nothing to compare", 0},
    {"no answers", AUDIT_PC7,
     F("gpu0.gpu1 -1") F("gpu0.gpu2 -1") F("gpu0.gpu3 -1") F("gpu1.gpu2 -1")
         F("gpu1.gpu3 -1") F("gpu2.gpu3 -1"),
     AUDIT_UNKNOWN, "no pair of gpus of which both say where it is",
     "PCI devices in /sys, as the host has them"},

    {"none is left", AUDIT_GP1, F("gpu.code 15"), AUDIT_UNKNOWN,
     "none of 4 can be used: it is lost", "the nvidia driver"},
    {"none is shown", AUDIT_GP1, F("gpus 0"), AUDIT_UNKNOWN,
     "4 on the bus; the driver shows none", "the nvidia driver"},
};

static const struct machine_case bare[] = {
    {"not recorded", AUDIT_GP9, BUS, AUDIT_UNKNOWN,
     "4 on the bus; what the driver says was not recorded", "the driver's answers"},
    {"no gpu", AUDIT_HV13, "", AUDIT_UNKNOWN, "there is no gpu here", 0},
    {"amd's", AUDIT_GP1,
     DEVICES "0000:c1:00.0/vendor 0x1002|\n" DEVICES "0000:c1:00.0/class 0x120000|\n",
     AUDIT_UNKNOWN, "1 gpu that NVIDIA did not make; not asked", 0},
};

/* To ask the driver of a GPU would load it: not where another holds them all, or none. */
static void test_may_ask(void **state)
{
    static const struct {
        const char *rows;
        bool may;
    } machines[] = {
        {SOUND, true},
        {"", true},
        {DEVICES "0000:c1:00.0/vendor 0x1002|\n" DEVICES
                 "0000:c1:00.0/class 0x120000|\n",
         true},
        {DEVICES "0000:19:00.0/vendor 0x10de|\n" DEVICES
                 "0000:19:00.0/class 0x030200|\n",
         false},
        {DEVICES "0000:19:00.0/vendor 0x10de|\n" DEVICES
                 "0000:19:00.0/class 0x030200|\nlink " DEVICES
                 "0000:19:00.0/driver ../../../bus/pci/drivers/vfio-pci\n",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct machine_tree t;
        struct machine *m;
        struct gpus_pci p;
        machine_tree_make(&t, machines[i].rows, "");
        assert_int_equal(machine_open(t.dir, &m, NULL), 0);
        gpus_list_pci(m, &p);
        if (gpus_may_ask(&p) != machines[i].may)
            fail_msg("machine %zu", i);
        machine_close(m);
        machine_tree_end(&t);
    }
}

static void test_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        machine_case_check(look_gpus, N_IDS, SOUND, &recorded[i]);
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        machine_case_check(look_gpus, N_IDS, "", &bare[i]);
}

/* ---- asked of a driver */

#define A "gpu bus=00000000:19:00.0 uuid=GPU-a "
#define B "gpu bus=00000000:1A:00.0 uuid=GPU-b "
#define FINE                                                                          \
    "virt=0 ecc=1 ecc_pending=1 persistence=1 rows=0 pages=0 reasons=1 app=1980 "     \
    "app_default=1980 gr_max=1980 compute=0 gsp=1 links=18 fabric=3 mem=85899345920 " \
    "vbios=96.00.74.00.01 inforom=G520.0200.00.05 "
#define BOTH \
    "driver version=570.86.15\n" A FINE "\n" B FINE "\napart a=0 b=1 level=20\n"

struct asked {
    const char *title, *era, *facts;
    uint64_t limit_ms;
    enum audit_probe id;
    enum audit_verdict verdict;
    const char *evidence, *more;
};

static const struct asked asked[] = {
    {"sound", "570", BOTH, ENOUGH, AUDIT_GP7, AUDIT_PASS,
     "2 gpus; driver 570.86.15, vbios 96.00.74.00.01, inforom G520.0200.00.05", ""},
    {"sound", "570", BOTH, ENOUGH, AUDIT_HV13, AUDIT_PASS, "not virtualized", ""},
    {"sound", "570", BOTH, ENOUGH, AUDIT_PC7, AUDIT_PASS, "1 pairs of gpus alike", ""},
    {"sound", "570", BOTH, ENOUGH, AUDIT_GP5, AUDIT_PASS, "not slowed", ""},
    {"sound", "570", BOTH, ENOUGH, AUDIT_GP9, AUDIT_PASS, "18 of 18", ""},
    {"sound", "570", BOTH, ENOUGH, AUDIT_GP10, AUDIT_PASS, "no other process", ""},
    {"a guest", "570", A FINE "virt=1\n", ENOUGH, AUDIT_HV13, AUDIT_FAIL,
     "gpu 0 (0000:19:00.0): passed through to a guest", ""},
    {"divided", "570", A FINE "\n" B FINE "mig=1\n", ENOUGH, AUDIT_GP1, AUDIT_FAIL,
     "gpu 1 (0000:1a:00.0): MIG is on", ""},
    {"to be divided", "470", A FINE "mig_pending=1\n", ENOUGH, AUDIT_GP1, AUDIT_WARN,
     "after the next reset", ""},
    {"no ECC", "470", A FINE "ecc=0 ecc_pending=0\n", ENOUGH, AUDIT_GP2, AUDIT_WARN,
     "ECC is off", ""},
    {"no persistence", "418", A FINE "persistence=0\n", ENOUGH, AUDIT_GP3, AUDIT_WARN,
     "persistence mode is off", ""},
    {"rows that failed", "470", A FINE "rows=1101\n", ENOUGH, AUDIT_GP4, AUDIT_FAIL,
     "memory rows could not be remapped", ""},
    {"rows that wait", "535", A FINE "rows=0110\n", ENOUGH, AUDIT_GP4, AUDIT_FAIL,
     "memory rows wait", ""},
    {"rows before there were any", "418", A FINE "pages=1 rows=11\n", ENOUGH, AUDIT_GP4,
     AUDIT_FAIL, "memory pages wait", ""},
    {"heat, an older driver", "470", A FINE "reasons=64\n", ENOUGH, AUDIT_GP5,
     AUDIT_FAIL, "too hot", ""},
    {"heat", "570", A FINE "reasons=64\n", ENOUGH, AUDIT_GP5, AUDIT_FAIL, "too hot",
     ""},
    {"low clocks", "570", A FINE "app=1200\n", ENOUGH, AUDIT_GP6, AUDIT_WARN,
     "below the default", ""},
    {"clocks held", "570", A FINE "reasons=2 app=1200 app_default=1200\n", ENOUGH,
     AUDIT_GP6, AUDIT_WARN, "held below its fastest clock", ""},
    {"prohibited", "570", A FINE "compute=2\n", ENOUGH, AUDIT_GP8, AUDIT_FAIL,
     "prohibited", ""},
    {"a link down", "570", A FINE "\n" B FINE "links_down=1\n", ENOUGH, AUDIT_GP9,
     AUDIT_FAIL, "gpu 1 (0000:1a:00.0): not all of 18 NVLinks active", ""},
    {"no fabric", "570", A FINE "fabric=2\n", ENOUGH, AUDIT_GP9, AUDIT_FAIL,
     "has not joined the NVLink fabric", ""},
    {"a driver that knows no fabric", "470", A FINE "fabric=2\n", ENOUGH, AUDIT_GP9,
     AUDIT_PASS, "18 of 18", ""},
    {"memory of nobody", "570", A FINE "used=9000\n", ENOUGH, AUDIT_GP10, AUDIT_WARN,
     "memory in use, by no process", ""},
    {"a process without a number", "570",
     A FINE "\nprocess pid=0 bytes=1073741824 kind=0\n", ENOUGH, AUDIT_GP10, AUDIT_FAIL,
     "in use by 1 other process", ""},
    {"other firmware", "570", A FINE "\n" B FINE "inforom=G520.0200.00.04\n", ENOUGH,
     AUDIT_GP7, AUDIT_WARN, "another inforom than G520.0200.00.05", ""},
    {"far apart", "570", A FINE "\n" B FINE "\napart a=0 b=1 level=50\n", ENOUGH,
     AUDIT_PC7, AUDIT_WARN, "on different sockets for the driver, on one switch", ""},
    {"it knows nothing", "418", A "\n", ENOUGH, AUDIT_GP3, AUDIT_UNKNOWN, "not said",
     NEWER},

    {"one lost", "570", A FINE "\n" B FINE "handle=15\n", ENOUGH, AUDIT_GP7, AUDIT_FAIL,
     "gpu 1: it is lost: it has fallen off the bus", ""},
    {"one lost while it is asked", "570", A FINE "\n" B FINE "uuid_code=15\n", ENOUGH,
     AUDIT_GP7, AUDIT_FAIL, "gpu 1 (0000:1a:00.0): it is lost", ""},
    {"one hangs", "570", A FINE "\n" B FINE "hang=1\n", 1500, AUDIT_GP7, AUDIT_WARN,
     "gpu 1 (0000:1a:00.0): it did not answer in time",
     "\"nvidia-smi\" and the kernel's log say which GPU"},
    {"one hangs, what of the other", "570", A FINE "\n" B FINE "hang=1\n", 1500,
     AUDIT_GP5, AUDIT_PASS, "gpu 0 (0000:19:00.0): not slowed", ""},
    {"the driver hangs", "570", "init delay=60\n" BOTH, 200, AUDIT_GP1, AUDIT_UNKNOWN,
     "4 on the bus; the driver's library did not answer within 0.2 s",
     "\"nvidia-smi\" and the kernel's log say which GPU"},
    {"the driver crashes", "570", "init crash=1\n" BOTH, ENOUGH, AUDIT_GP1,
     AUDIT_UNKNOWN, "4 on the bus; the driver's library crashed (signal 6)",
     "\"nvidia-smi\" and the kernel's log say which GPU"},
    {"no module", "570", "init code=9\n", ENOUGH, AUDIT_GP1, AUDIT_UNKNOWN,
     "the driver is not loaded",
     "\"modprobe nvidia\" and the kernel's log say why; in a container, the GPUs may "
     "not "
     "have been passed on"},
    {"it cannot count", "570", "count code=999\n", ENOUGH, AUDIT_GP1, AUDIT_UNKNOWN,
     "the driver reports an error", "the nvidia driver"},
    {"no library", NULL, "", ENOUGH, AUDIT_GP1, AUDIT_UNKNOWN,
     "cannot load NVIDIA's management library", "the nvidia driver"},
};

static void check_asked(const struct machine *m, const struct asked *c)
{
    static struct gpus g;
    static struct gpus_pci p;
    struct findings f;
    assert_int_equal(nvmlfake_driver(c->era), 0);
    assert_int_equal(nvmlfake_facts(c->facts), 0);
    gpus_ask(c->limit_ms, &g);
    gpus_list_pci(m, &p);
    findings_init(&f);
    gpus_judge(m, &g, &p, &f);
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, N_IDS);
    const Aolani__AuditFinding *a = machine_tree_found(&f, c->id);
    if (a->verdict != c->verdict || !strstr(a->evidence, c->evidence) ||
        strcmp(a->more, c->more) != 0)
        fail_msg("%s: %s is %s, \"%s\", more \"%s\"; not %s, \"%s\", more \"%s\"",
                 c->title, a->id, audit_verdict_name((enum audit_verdict)a->verdict),
                 a->evidence, a->more, audit_verdict_name(c->verdict), c->evidence,
                 c->more);
    findings_fini(&f);
}

static void test_asked(void **state)
{
    struct machine_tree t;
    struct machine *m;
    (void)state;
    machine_tree_make(&t, BUS, "");
    assert_int_equal(machine_open(t.dir, &m, NULL), 0);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        check_asked(m, &asked[i]);
    machine_close(m);
    machine_tree_end(&t);
}

/* A process is named where it can be. */
static void test_process(void **state)
{
    static struct gpus g;
    char facts[512];
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, "trainer"), 0);
    assert_int_equal(nvmlfake_driver("570"), 0);
    (void)snprintf(facts, sizeof facts, A FINE "\nprocess pid=%d bytes=1073741824\n",
                   (int)getpid());
    assert_int_equal(nvmlfake_facts(facts), 0);
    gpus_ask(ENOUGH, &g);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.gpu[0].n_processes, 1);
    assert_int_equal(g.gpu[0].process[0].pid, getpid());
    assert_string_equal(g.gpu[0].process[0].name, "trainer");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_may_ask),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_process),
    };
    (void)argc;
    if (nvmlfake_start(argv) < 0)
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nvmlfake_end();
    return rc;
}
