/* SPDX-License-Identifier: MIT */
/* The page and the JSON of audits, against golden files; and what no node may do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/lib/audit_sim.h"
#include "tests/lib/golden.h"

#define MOST (8u << 20)

struct said { /* what differs from "pass" */
    const char *id;
    uint32_t verdict;
    const char *evidence, *more;
};

static const struct said guest[] = {
    {"HV1", AUDIT_FAIL, "ecx bit 31 set", ""},
    {"HV2", AUDIT_FAIL, "\"KVMKVMKVM\" (kvm)", ""},
    {"HV7", AUDIT_FAIL, "median 2048 cycles, 760 ns: a hypervisor serves it", ""},
    {"HV10", AUDIT_WARN, "the kernel finds no counters in this CPU", ""},
    {"PC1", AUDIT_FAIL, "all 8 GPUs on one flat bus", ""},
    {"PC4", AUDIT_UNKNOWN, "configuration space ends after 64 bytes", "root"},
    {"NU1", AUDIT_FAIL, "-1 for 16 devices", ""},
    {"KP8", AUDIT_FAIL, "no cpufreq", ""},
    {"NW1", AUDIT_UNKNOWN, "there is no HCA here", ""},
    {"NW7", AUDIT_UNKNOWN, "not tried by this user", "root"},
    {"TM2", AUDIT_WARN, "\"kvm-clock\", 48 ns to read", ""},
    {NULL, 0, NULL, NULL}};
static const struct said locked[] = {{"KP1", AUDIT_FAIL, "read-only", ""},
                                     {"KP2", AUDIT_FAIL, "read-only", ""},
                                     {"KP3", AUDIT_FAIL, "read-only", ""},
                                     {"KP4", AUDIT_FAIL, "read-only", ""},
                                     {"KP5", AUDIT_FAIL, "read-only", ""},
                                     {"KP6", AUDIT_FAIL, "read-only", ""},
                                     {"KP7", AUDIT_FAIL, "read-only", ""},
                                     {"KP8", AUDIT_FAIL, "read-only", ""},
                                     {"PC3", AUDIT_FAIL, "0000:18:00.0 x8 of x16", ""},
                                     {NULL, 0, NULL, NULL}};
static const struct said user[] = {
    {"HV4", AUDIT_UNKNOWN, "no table of the firmware is to be seen", "root"},
    {"PC4", AUDIT_UNKNOWN, "configuration space ends after 64 bytes", "root"},
    {NULL, 0, NULL, NULL}};
static const struct said good[] = {{NULL, 0, NULL, NULL}};
static const struct said hostile[] = {
    {"HV1", AUDIT_FAIL, "\033]0;owned\007\nnodes: bare metal\xff", "\033[2J"},
    {"PC1", AUDIT_FAIL, "", "root\n\nroot"},
    {NULL, 0, NULL, NULL}};

static const struct said *find_said(const struct said *s, const char *id)
{
    while (s->id && strcmp(s->id, id) != 0)
        s++;
    return s->id ? s : NULL;
}

static void look(struct audit_node *n, const struct said *s)
{
    n->found = calloc(1, sizeof *n->found);
    aolani__audit_findings__init(n->found);
    n->found->findings = calloc(AUDIT_N_PROBES, sizeof *n->found->findings);
    n->found->uid = s == user ? 1000 : 0;
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        Aolani__AuditFinding *f = calloc(1, sizeof *f);
        const char *id = audit_probe_info((enum audit_probe)p)->id;
        const struct said *x = find_said(s, id);
        aolani__audit_finding__init(f);
        f->id = sim_text(id);
        f->verdict = x ? x->verdict : AUDIT_PASS;
        f->evidence = sim_text(x ? x->evidence : "as it should be");
        f->source = sim_text("/sys");
        if (x)
            f->more = sim_text(x->more);
        n->found->findings[n->found->n_findings++] = f;
    }
}

static void look_all(struct audit *a, const struct said *s)
{
    for (size_t i = 0; i < a->n; i++)
        look(&a->nodes[i], s);
}

static Aolani__AuditCost *cost(uint64_t median)
{
    Aolani__AuditCost *c = calloc(1, sizeof *c);
    aolani__audit_cost__init(c);
    c->least = median - 1;
    c->median = median;
    c->p99 = median * 2;
    return c;
}

static void measure_more(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++) {
        Aolani__AuditMeasured *m = a->nodes[i].measured;
        m->exit = cost(760);
        m->clock = cost(31);
        m->ticks = 250;
        m->clocksource = sim_text("tsc");
        m->n_notes = 1;
        m->notes = calloc(1, sizeof *m->notes);
        m->notes[0] = sim_text("there is no GPU, and nothing to copy to");
    }
}

static void unmeasure(struct audit_node *n)
{
    aolani__audit_measured__free_unpacked(n->measured, NULL);
    n->measured = NULL;
}

static void guest_alone(struct audit *a)
{
    look_all(a, guest);
    measure_more(a);
}

/* Alike, but one link is slow, one node is busy, one could not be reached, one is another
 * machine; and this is not the first audit. */
static void mixed(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (i != 6)
            look(&a->nodes[i], i == 4 ? locked : good);
    unmeasure(&a->nodes[6]);
    unmeasure(&a->nodes[5]);
    a->nodes[6].error = sim_text("the connection was lost");
    a->nodes[6].hint = sim_text("ssh gpu-007 true");
    a->nodes[5].measure_error = sim_text("it did not answer within 15 s");
    a->past = calloc(a->n, sizeof *a->past);
    for (size_t i = 0; i < a->n; i++) {
        a->past[i].audits = 4;
        for (int k = 0; k < REMARK_KINDS; k++)
            a->past[i].of[k] = 4;
    }
    a->past[2].with[REMARK_LINK] = 3;
    a->past[7].with[REMARK_MEMORY] = 2;
}

static void as_a_user(struct audit *a)
{
    look_all(a, user);
    for (size_t i = 0; i < a->n; i++)
        unmeasure(&a->nodes[i]);
    a->measured = false;
}

static void all_alike(struct audit *a)
{
    look_all(a, good);
}

static void nothing_known(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++)
        unmeasure(&a->nodes[i]);
}

static void of_a_hostile_node(struct audit *a)
{
    look_all(a, hostile);
    free(a->nodes[0].product);
    a->nodes[0].product = sim_text("\033[31mred\033[0m \xc3\x28");
    for (size_t k = 0; k < 4; k++)
        a->nodes[0].measured->cores[k]->window_ns = UINT64_MAX;
    a->nodes[0].measured->memory[0]->one_mbytes = UINT64_MAX;
    a->nodes[0].measured->exit = cost(UINT64_MAX);
    audit_remark(a, REMARK_GPU, 0, 0, "%s", "\033[2Jgone\n");
}

static void check_json(const struct buf *json)
{
    json_error_t e;
    json_t *o = json_loads((const char *)json->data, JSON_REJECT_DUPLICATES, &e);
    if (!o)
        fail_msg("no JSON: %s at line %d", e.text, e.line);
    json_decref(o);
}

static void check_printable(const struct buf *page)
{
    for (size_t i = 0; i < page->len; i++)
        if (page->data[i] != '\n' && (page->data[i] < ' ' || page->data[i] == 0x7f))
            fail_msg("a control character: %u at %zu", page->data[i], i);
}

static void test_pages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        void (*change)(struct audit *a);
        bool verbose, json;
        uint32_t slow_node, noisy;
        uint32_t rails, slow_rail, fit;
    } cases[] = {
        {"guest", 1, guest_alone, false, true, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"guest-verbose", 1, guest_alone, true, false, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"mixed", 8, mixed, false, false, 2, 3, 0, 0, 0},
        {"user", 2, as_a_user, false, true, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"alike", 64, all_alike, false, false, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"nothing", 2, nothing_known, false, true, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"hostile", 1, of_a_hostile_node, true, false, SIM_NOBODY, SIM_NOBODY, 0, 0, 0},
        {"rails-end", 8, all_alike, false, false, 2, SIM_NOBODY, 8, 3, 0},
        {"rails-node", 8, all_alike, false, false, 2, SIM_NOBODY, 8, SIM_NOBODY, 3},
        {"rails-switch", 3, nothing_known, false, true, SIM_NOBODY, SIM_NOBODY, 2, 1,
         0},
        {"rails-pair", 2, all_alike, false, false, 0, SIM_NOBODY, 8, 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_sim s = AUDIT_SIM(cases[i].n, 3);
        struct audit a;
        struct buf page, json;
        s.slow_node = cases[i].slow_node;
        s.noisy = cases[i].noisy;
        s.spread = .01;
        s.factor = 12;
        s.rails = cases[i].rails;
        s.slow_rail = s.rails ? cases[i].slow_rail : SIM_NOBODY;
        s.fit = cases[i].fit;
        s.mbytes = s.rails ? 48000 : s.mbytes;
        s.trip_ns = s.rails ? 4000 : s.trip_ns;
        sim_run(&s, &a);
        cases[i].change(&a);
        a.rails_fit = s.fit;
        audit_judge(&a);
        /* Once more, with what was changed: what was said before goes. */
        for (size_t k = 0; k < a.n_remarks; k++)
            free(a.remarks[k].text);
        a.n_remarks = 0;
        free(a.remarks);
        a.remarks = NULL;
        assert_int_equal(audit_compare(&a), 0);
        buf_init(&page, MOST);
        buf_init(&json, MOST);
        assert_int_equal(audit_page(&a, cases[i].verbose, &page), 0);
        assert_int_equal(audit_json(&a, &json), 0);
        golden_check("audit", cases[i].name, "txt", &page);
        golden_check_width((const char *)page.data);
        check_printable(&page);
        check_json(&json);
        if (cases[i].json)
            golden_check("audit", cases[i].name, "json", &json);
        buf_fini(&page);
        buf_fini(&json);
        audit_fini(&a);
    }
}

static void test_a_page_that_is_too_long(void **state)
{
    (void)state;
    struct audit_sim s = AUDIT_SIM(8, 3);
    struct audit a;
    sim_run(&s, &a);
    look_all(&a, guest);
    audit_judge(&a);
    for (size_t most = 0; most < 3000; most += 37) {
        struct buf b;
        buf_init(&b, most);
        assert_int_equal(audit_json(&a, &b), ERR_LIMIT);
        buf_fini(&b);
        buf_init(&b, most);
        int rc = audit_page(&a, true, &b);
        assert_true(rc == ERR_LIMIT || (rc == 0 && b.len <= most));
        buf_fini(&b);
    }
    audit_fini(&a);
}

/* ---- what a page may claim */

static void one_weak_sign(struct audit *a)
{
    look_all(a, good);
    a->nodes[0].found->findings[AUDIT_HV7]->verdict = AUDIT_WARN;
}

static void weak_sign_and_a_fail(struct audit *a)
{
    one_weak_sign(a);
    a->nodes[0].found->findings[AUDIT_PC3]->verdict = AUDIT_FAIL;
}

static void much_unseen(struct audit *a)
{
    look_all(a, good);
    a->nodes[0].found->findings[AUDIT_HV4]->verdict = AUDIT_UNKNOWN;
    for (int p = AUDIT_HV7; p <= AUDIT_HV12; p++)
        a->nodes[0].found->findings[p]->verdict = AUDIT_UNKNOWN;
}

static void many_verdicts(struct audit *a)
{
    look_all(a, good);
    for (int p = AUDIT_KP1; p <= AUDIT_KP15; p++)
        a->nodes[0].found->findings[p]->verdict = (uint32_t)(p % AUDIT_VERDICTS);
}

static void drop_pairs(struct audit *a)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        aolani__audit_pair__free_unpacked(a->pairs[i].p, NULL);
    a->n_pairs = 0;
}

static void no_pairs(struct audit *a)
{
    look_all(a, good);
    drop_pairs(a);
}

static void nothing_measured(struct audit *a)
{
    no_pairs(a);
    for (size_t i = 0; i < a->n; i++)
        unmeasure(&a->nodes[i]);
}

static void pairs_fail(struct audit *a)
{
    look_all(a, good);
    for (size_t i = 0; i < a->n_pairs; i++) {
        aolani__audit_pair__free_unpacked(a->pairs[i].p, NULL);
        a->pairs[i].p = NULL;
        a->pairs[i].error = sim_text("no route to host");
    }
}

static void slow_one_way(struct audit *a)
{
    look_all(a, good);
    a->pairs[0].p->back_mbytes = a->pairs[0].p->there_mbytes / 20;
}

static void long_names(struct audit *a)
{
    look_all(a, good);
    for (size_t i = 0; i < a->n; i++) {
        char name[80];
        (void)snprintf(name, sizeof name,
                       "gpu-%03zu.rack-17.hall-2.training.example.com", i);
        free(a->nodes[i].host);
        a->nodes[i].host = sim_text(name);
    }
}

static void same_notes(struct audit *a)
{
    look_all(a, good);
    measure_more(a);
    a->nodes[1].measured->notes[0][0] = 'T';
    unmeasure(&a->nodes[2]);
    a->nodes[2].measure_error = sim_text("no answer in time (asked to measure)");
}

/* One that is unlike in everything, and one that is in a thing of the end of the list. */
static void two_unlike(struct audit *a)
{
    look_all(a, good);
    for (int p = AUDIT_PC1; p <= AUDIT_KP15; p++)
        a->nodes[1].found->findings[p]->verdict = AUDIT_FAIL;
    a->nodes[2].found->findings[AUDIT_GP2]->verdict = AUDIT_WARN;
}

static void lost_on_the_way(struct audit *a)
{
    look_all(a, good);
    a->nodes[1].error = sim_text("the connection was lost");
}

static void test_what_a_page_claims(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        void (*change)(struct audit *a);
        const char *has, *has_not;
    } cases[] = {
        {"one weak sign", 1, one_weak_sign, "gpu-001: bare metal; one weak sign",
         "no sign"},
        {"one weak sign and a fail", 1, weak_sign_and_a_fail,
         "one weak sign of a hypervisor, and 1 of 4 tests fail", "no hypervisor"},
        {"much unseen", 1, much_unseen, "  - not seen: 6 of the weaker signs\n",
         "bare metal"},
        {"many verdicts", 1, many_verdicts, "probes", "bare metal; no sign of a\n"},
        {"no pairs", 3, no_pairs, "No node stands out; no pair was measured.\n",
         "link"},
        {"nothing measured", 3, nothing_measured,
         "No node is unlike the rest; nothing was measured.\n", "stands out"},
        {"two nodes, a pair fails", 2, pairs_fail,
         "1 could not be measured: gpu-001 and gpu-002: no route to host\n", "Slow"},
        {"all pairs fail", 8, pairs_fail, "Between nodes: nothing could be measured\n",
         "Slow"},
        {"two nodes, slow one way", 2, slow_one_way, "Slow pairs\n",
         "fast with others"},
        {"long names", 4, long_names, "gpu-00", "\t"},
        {"the same notes", 40, same_notes,
         "  gpu-[001,004-040]: there is no GPU, and nothing to copy to\n"
         "  gpu-002: There is no GPU, and nothing to copy to\n"
         "  gpu-003: no answer in time (asked to measure)\n",
         "more (--json"},
        {"two unlike", 8, two_unlike, "  gpu-003: ECC: warn",
         "locked memory: fail, as"},
        {"lost on the way", 3, lost_on_the_way,
         "gpu-002: was lost during the audit: the connection was lost\n",
         "could not be looked at"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_sim s = AUDIT_SIM(cases[i].n, 3);
        struct audit a;
        struct buf page;
        s.spread = .01;
        sim_run(&s, &a);
        cases[i].change(&a);
        audit_judge(&a);
        assert_int_equal(audit_compare(&a), 0);
        buf_init(&page, MOST);
        assert_int_equal(audit_page(&a, false, &page), 0);
        assert_int_equal(buf_add(&page, "", 1), 0);
        const char *text = (const char *)page.data;
        if (!strstr(text, cases[i].has) || strstr(text, cases[i].has_not))
            fail_msg("%s: no \"%s\", or \"%s\" in\n%s", cases[i].name, cases[i].has,
                     cases[i].has_not, text);
        golden_check_width(text);
        buf_fini(&page);
        audit_fini(&a);
    }
}

/* A thousand nodes, each with words of its own: the page stays one that is read. */
static void test_many_kinds_of_nodes(void **state)
{
    (void)state;
    struct audit_sim s = AUDIT_SIM(300, 3);
    struct audit a;
    struct buf page;
    sim_run(&s, &a);
    look_all(&a, good);
    for (size_t i = 0; i < a.n; i++)
        for (size_t bit = 0; bit < 9; bit++)
            if (i >> bit & 1)
                a.nodes[i].found->findings[AUDIT_KP1 + bit]->verdict = AUDIT_WARN;
    audit_judge(&a);
    assert_int_equal(audit_compare(&a), 0);
    buf_init(&page, MOST);
    assert_int_equal(audit_page(&a, false, &page), 0);
    size_t lines = 0;
    for (size_t i = 0; i < page.len; i++)
        lines += page.data[i] == '\n';
    if (lines > 250)
        fail_msg("%zu lines", lines);
    golden_check_width((const char *)page.data);
    buf_fini(&page);
    audit_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_a_page_that_is_too_long),
        cmocka_unit_test(test_what_a_page_claims),
        cmocka_unit_test(test_many_kinds_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
