/* SPDX-License-Identifier: MIT */
/* Nodes that are not like the rest, by what they are and by what they give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launcher/audit/audit_units.h"
#include "tests/lib/audit_sim.h"

struct fleet {
    struct audit a;
    struct random r;
};

static Aolani__AuditFinding *add_finding(struct audit_node *n, const char *id,
                                         uint32_t verdict, const char *value)
{
    Aolani__AuditFindings *f = n->found;
    Aolani__AuditFinding *x = calloc(1, sizeof *x);
    aolani__audit_finding__init(x);
    x->id = sim_text(id);
    x->verdict = verdict;
    x->evidence = sim_text("seen so");
    x->value = sim_text(value);
    f->findings = realloc(f->findings, (f->n_findings + 1) * sizeof *f->findings);
    f->findings[f->n_findings++] = x;
    return x;
}

static void make(struct fleet *f, size_t n)
{
    struct audit_sim s = AUDIT_SIM(n, 1);
    s.spread = .01;
    random_init(&f->r, 7);
    sim_make(&s, &f->r, &f->a);
    for (size_t i = 0; i < n; i++) {
        struct audit_node *x = &f->a.nodes[i];
        x->found = calloc(1, sizeof *x->found);
        aolani__audit_findings__init(x->found);
        x->found->uid = 0;
        add_finding(x, "HV7", AUDIT_PASS, "");
        add_finding(x, "PC4", AUDIT_PASS, "");
        add_finding(x, "GP7", AUDIT_PASS, "570.86.15");
    }
}

static void set(char **text, const char *to)
{
    free(*text);
    *text = sim_text(to);
}

static Aolani__AuditFinding *finding(struct fleet *f, size_t node, size_t k)
{
    return f->a.nodes[node].found->findings[k];
}

enum { HV7, PC4, GP7 };

/* ---- what is changed on some nodes */

static void nothing(struct fleet *f)
{
    (void)f;
}
static void another_driver(struct fleet *f)
{
    set(&finding(f, 3, GP7)->value, "550.54.14");
}
static void two_other_drivers(struct fleet *f)
{
    set(&finding(f, 1, GP7)->value, "550.54.14");
    set(&finding(f, 3, GP7)->value, "550.54.14");
}
static void all_their_own(struct fleet *f)
{
    char value[24];
    for (size_t i = 0; i < f->a.n; i++) {
        (void)snprintf(value, sizeof value, "%zu", i);
        set(&finding(f, i, GP7)->value, value);
    }
}
static void fails_here(struct fleet *f)
{
    finding(f, 2, PC4)->verdict = AUDIT_FAIL;
}
static void passes_here(struct fleet *f)
{
    for (size_t i = 0; i < f->a.n; i++)
        finding(f, i, PC4)->verdict = i == 2 ? AUDIT_PASS : AUDIT_FAIL;
}
static void unseen_here(struct fleet *f)
{
    finding(f, 2, PC4)->verdict = AUDIT_UNKNOWN;
}
static void unseen_by_a_user(struct fleet *f)
{
    finding(f, 2, PC4)->verdict = AUDIT_UNKNOWN;
    f->a.nodes[2].found->uid = 1000;
}
static void near_a_threshold(struct fleet *f)
{
    finding(f, 2, HV7)->verdict = AUDIT_WARN;
}
static void hostile_value(struct fleet *f)
{
    set(&finding(f, 2, GP7)->value, "\033[31m\n\xff");
}
static void another_kernel(struct fleet *f)
{
    set(&f->a.nodes[0].kernel, "5.15.0");
}
static void another_product(struct fleet *f)
{
    set(&f->a.nodes[4].product, "Planet R9");
    f->a.nodes[4].cpus = 8;
    set(&f->a.nodes[4].kernel, "5.15.0");
    set(&finding(f, 4, GP7)->value, "1");
}
static void a_lost_dimm(struct fleet *f)
{
    f->a.nodes[1].mem_bytes = 60ull << 30;
}
static void a_reserved_page(struct fleet *f)
{
    f->a.nodes[1].mem_bytes -= 1ull << 30;
}
static void fewer_cpus(struct fleet *f)
{
    f->a.nodes[1].cpus = 2;
}
static void not_looked_at(struct fleet *f)
{
    aolani__audit_findings__free_unpacked(f->a.nodes[2].found, NULL);
    f->a.nodes[2].found = NULL;
    f->a.nodes[2].error = sim_text("lost");
}

/* ---- what is measured */

static void busy(struct fleet *f, size_t node, uint32_t percent)
{
    Aolani__AuditMeasured *m = f->a.nodes[node].measured;
    m->busy = realloc(m->busy, (m->n_busy + 1) * sizeof *m->busy);
    Aolani__AuditBusy *b = calloc(1, sizeof *b);
    aolani__audit_busy__init(b);
    b->pid = 4321;
    b->name = sim_text("train");
    b->uid = 1007;
    b->percent = percent;
    m->busy[m->n_busy++] = b;
}
static void one_is_busy(struct fleet *f)
{
    busy(f, 2, 98);
}
static void one_is_busy_on_one_machine(struct fleet *f)
{
    for (size_t i = 0; i < f->a.n; i++)
        set(&f->a.nodes[i].machine, "boot");
    busy(f, 2, 98);
}
static void all_are_busy(struct fleet *f)
{
    for (size_t i = 0; i < f->a.n; i++)
        busy(f, i, 90);
}
static void hardly_busy(struct fleet *f)
{
    busy(f, 2, 15);
}
static void very_busy(struct fleet *f)
{
    for (int i = 0; i < 40; i++)
        busy(f, 2, UINT32_MAX);
}
static void stolen(struct fleet *f)
{
    for (size_t k = 0; k < 4; k++) {
        f->a.nodes[1].measured->cores[k]->lost_ns = 20000000;
        f->a.nodes[1].measured->cores[k]->stolen_ns = 19000000;
    }
}
static void absurd_cores(struct fleet *f)
{
    for (size_t k = 0; k < 4; k++) {
        Aolani__AuditCore *c = f->a.nodes[1].measured->cores[k];
        c->lost_ns = c->window_ns = c->longest_ns = c->gaps = c->interrupts =
            UINT64_MAX;
        c->stolen_ns = c->preempted_ns = INT64_MAX;
    }
}
static void empty_windows(struct fleet *f)
{
    for (size_t k = 0; k < 4; k++)
        f->a.nodes[1].measured->cores[k]->window_ns = 0;
}
static void slow_numa(struct fleet *f)
{
    f->a.nodes[3].measured->memory[1]->all_mbytes = 90000;
}
static void slow_core(struct fleet *f)
{
    for (size_t k = 0; k < 2; k++)
        f->a.nodes[3].measured->memory[k]->one_mbytes = 5000;
}
static void busy_and_slow(struct fleet *f)
{
    slow_core(f);
    busy(f, 3, 180);
}
static void absurd_memory(struct fleet *f)
{
    for (size_t k = 0; k < 2; k++)
        f->a.nodes[3].measured->memory[k]->all_mbytes = UINT64_MAX;
}

static void gpus(struct fleet *f, uint64_t rated, uint64_t to)
{
    for (size_t i = 0; i < f->a.n; i++) {
        Aolani__AuditMeasured *m = f->a.nodes[i].measured;
        m->n_copies = 2;
        m->copies = calloc(2, sizeof *m->copies);
        for (size_t k = 0; k < 2; k++) {
            Aolani__AuditCopy *c = calloc(1, sizeof *c);
            aolani__audit_copy__init(c);
            c->bus_id = sim_text(k ? "0000:3b:00.0" : "0000:18:00.0");
            c->to_mbytes = c->from_mbytes = to;
            c->within_mbytes = 1800000;
            c->rated_mbytes = rated;
            m->copies[k] = c;
        }
    }
}
static void good_gpus(struct fleet *f)
{
    gpus(f, 64000, 55000);
}
static void slow_gpu(struct fleet *f)
{
    gpus(f, 64000, 55000);
    f->a.nodes[0].measured->copies[1]->to_mbytes = 26000;
}
static void slow_gpus(struct fleet *f)
{
    gpus(f, 64000, 55000);
    for (size_t k = 0; k < 2; k++)
        f->a.nodes[0].measured->copies[k]->from_mbytes = 26000;
}
static void failed_gpu(struct fleet *f)
{
    gpus(f, 64000, 55000);
    Aolani__AuditCopy *c = f->a.nodes[0].measured->copies[0];
    c->to_mbytes = c->from_mbytes = c->within_mbytes = 0;
    c->error = sim_text("ECC error");
}
static void all_below_rating(struct fleet *f)
{
    gpus(f, 64000, 12000);
}

static void test_fleets(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        void (*change)(struct fleet *f);
        const char *want;
    } cases[] = {
        {"nothing", 5, nothing, ""},
        {"one node alone", 1, another_kernel, ""},
        {"another driver", 5, another_driver,
         "differs 3: driver, VBIOS and InfoROM: 550.54.14 (others 570.86.15)\n"},
        {"two with another driver", 5, two_other_drivers,
         "differs 1: driver, VBIOS and InfoROM: 550.54.14 (others 570.86.15)\n"
         "differs 3: driver, VBIOS and InfoROM: 550.54.14 (others 570.86.15)\n"},
        {"as many on both sides: the first is the rest", 4, two_other_drivers,
         "differs 1: driver, VBIOS and InfoROM: 550.54.14 (others 570.86.15)\n"
         "differs 3: driver, VBIOS and InfoROM: 550.54.14 (others 570.86.15)\n"},
        {"all their own", 5, all_their_own, ""},
        {"of two, the other one", 2, all_their_own,
         "differs 1: driver, VBIOS and InfoROM: 1 (others 0)\n"},
        {"fails here", 5, fails_here,
         "differs 2: ACS between GPUs and NICs: fail, seen so (others pass)\n"},
        {"of two, the worse", 3, fails_here,
         "differs 2: ACS between GPUs and NICs: fail, seen so (others pass)\n"},
        {"passes here", 5, passes_here,
         "differs 2: ACS between GPUs and NICs: pass, seen so (others fail)\n"},
        {"unseen here", 5, unseen_here,
         "differs 2: ACS between GPUs and NICs: unknown, seen so (others pass)\n"},
        {"unseen, by another user", 5, unseen_by_a_user, ""},
        {"near a threshold", 5, near_a_threshold, ""},
        {"a hostile value", 5, hostile_value,
         "differs 2: driver, VBIOS and InfoROM: ?[31m ? (others 570.86.15)\n"},
        {"another kernel", 5, another_kernel,
         "differs 0: kernel 5.15.0 (others 6.1.0)\n"},
        {"another product differs in nothing else", 5, another_product,
         "differs 4: another machine: Planet R9 (others Planet R8)\n"},
        {"a lost DIMM", 5, a_lost_dimm,
         "differs 1: 60.0 GiB of memory (others 64.0 GiB)\n"},
        {"a reserved page", 5, a_reserved_page, ""},
        {"fewer CPUs", 5, fewer_cpus, "differs 1: 2 CPUs (others 4)\n"},
        {"not looked at", 5, not_looked_at, ""},

        {"one is busy", 5, one_is_busy,
         "noisy 2: other programs want 98 % of a CPU (others 0 %): train, process 4321 "
         "of user 1007\n"},
        {"one is busy, on one machine", 5, one_is_busy_on_one_machine,
         "noisy 2: other programs want 98 % of a CPU (others 0 %): train, process 4321 "
         "of user 1007\n"},
        {"all are busy", 5, all_are_busy, ""},
        {"hardly busy", 5, hardly_busy, ""},
        {"very busy", 5, very_busy,
         "noisy 2: other programs want 819200 % of a CPU (others 0 %): most by train, "
         "process 4321 of user 1007\n"},
        {"stolen", 5, stolen,
         "noisy 1: CPUs lose 8.0 % of their time (others 0.21 %), most to the "
         "hypervisor; CPU 0 8.0 %\n"},
        {"absurd cores", 5, absurd_cores,
         "noisy 1: CPUs lose 100 % of their time (others 0.21 %), most to interrupts, "
         "or "
         "the firmware; CPU 0 100 %\n"},
        {"empty windows", 5, empty_windows, ""},
        {"a slow NUMA node", 5, slow_numa,
         "memory 3: memory of NUMA node 1 gives 90 GB/s (others 208 GB/s)\n"},
        {"a slow core", 5, slow_core,
         "memory 3: memory, one core alone, gives 5.0 GB/s (others 14 GB/s)\n"},
        {"busy, and therefore slow", 5, busy_and_slow,
         "noisy 3: other programs want 180 % of a CPU (others 0 %): train, process "
         "4321 "
         "of user 1007\n"},
        {"absurd memory", 5, absurd_memory, ""},

        {"good GPUs", 5, good_gpus, ""},
        {"a slow GPU", 5, slow_gpu,
         "gpu 0: GPU 0000:3b:00.0: copies to it run at 26 GB/s (others 55 GB/s)\n"},
        {"a slow GPU of a single node", 1, slow_gpu,
         "gpu 0: GPU 0000:3b:00.0: copies to it run at 26 GB/s (others 55 GB/s)\n"},
        {"two slow GPUs", 5, slow_gpus,
         "gpu 0: GPU 0000:18:00.0: copies from it run at 26 GB/s (others 55 GB/s), and "
         "1 more GPU\n"},
        {"a GPU that failed", 5, failed_gpu,
         "gpu 0: GPU 0000:18:00.0: no copy could be measured: ECC error\n"},
        {"all below their rating", 5, all_below_rating, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet f;
        char said[4000] = "";
        size_t at = 0;
        make(&f, cases[i].n);
        cases[i].change(&f);
        assert_int_equal(audit_compare(&f.a), 0);
        for (size_t k = 0; k < f.a.n_remarks && at < sizeof said; k++)
            at += (size_t)snprintf(said + at, sizeof said - at, "%s %u: %s\n",
                                   audit_remark_name(f.a.remarks[k].kind),
                                   f.a.remarks[k].a, f.a.remarks[k].text);
        if (strcmp(said, cases[i].want) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, said);
        audit_fini(&f.a);
    }
}

static void test_units(void **state)
{
    (void)state;
    char text[UNIT_TEXT];
    assert_string_equal(unit_share(0, text), "0.00 %");
    assert_string_equal(unit_share(.00001, text), "< 0.01 %");
    assert_string_equal(unit_share(.0191, text), "1.9 %");
    assert_string_equal(unit_share(1, text), "100 %");
    assert_string_equal(unit_mbytes(94, text), "94 MB/s");
    assert_string_equal(unit_mbytes(1234, text), "1.2 GB/s");
    assert_string_equal(unit_mbytes(210499, text), "210 GB/s");
    assert_string_equal(unit_mbytes(UINT64_MAX, text), "an absurd speed");
    assert_string_equal(unit_ns(0, text), "0 ns");
    assert_string_equal(unit_ns(760, text), "760 ns");
    assert_string_equal(unit_ns(41200000, text), "41 ms");
    assert_true(strlen(unit_ns(UINT64_MAX, text)) < UNIT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fleets),
        cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
