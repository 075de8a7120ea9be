/* SPDX-License-Identifier: MIT */
/* What a job demands, against nodes of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit_require.h"

#define FINDINGS_MAX 8u

struct fact {
    const char *id;
    enum audit_verdict verdict;
    const char *evidence, *more;
};

struct rig {
    struct audit audit;
    struct audit_node node;
    Aolani__AuditFindings found;
    Aolani__AuditFinding all[FINDINGS_MAX], *list[FINDINGS_MAX];
};

static void setup_node(struct rig *r, enum audit_machine verdict,
                       const struct fact *facts)
{
    memset(r, 0, sizeof *r);
    r->audit.nodes = &r->node;
    r->audit.n = 1;
    r->node.host = (char *)"gpu1";
    r->node.verdict = verdict;
    aolani__audit_findings__init(&r->found);
    r->found.findings = r->list;
    for (size_t i = 0; i < FINDINGS_MAX && facts[i].id; i++) {
        aolani__audit_finding__init(&r->all[i]);
        r->all[i].id = (char *)facts[i].id;
        r->all[i].verdict = facts[i].verdict;
        r->all[i].evidence = (char *)facts[i].evidence;
        r->all[i].more = (char *)(facts[i].more ? facts[i].more : "");
        r->list[r->found.n_findings++] = &r->all[i];
    }
    r->node.found = &r->found;
}

static void test_one_node(void **state)
{
    static const struct {
        bool metal;
        const char *net;
        enum audit_machine verdict;
        struct fact facts[FINDINGS_MAX];
        const char *error, *hint; /* parts; NULL: it is what is required */
    } table[] = {
        {false, "none", MACHINE_VIRTUALIZED, {{0}}, NULL, NULL},
        {true, "none", MACHINE_BARE_METAL, {{0}}, NULL, NULL},
        {true,
         "none",
         MACHINE_VIRTUALIZED,
         {{"HV1", AUDIT_FAIL, "ecx bit 31 set", NULL},
          {"HV2", AUDIT_PASS, "none", NULL}},
         "not bare metal but virtualized: HV1: ecx bit 31 set",
         "require_bare_metal"},
        {true,
         "none",
         MACHINE_VIRTUALIZED,
         {{"HV1", AUDIT_FAIL, "a", NULL},
          {"HV2", AUDIT_FAIL, "b", NULL},
          {"HV4", AUDIT_FAIL, "c", NULL},
          {"HV5", AUDIT_FAIL, "d", NULL},
          {"HV12", AUDIT_WARN, "e", NULL}},
         "HV4: c; and 2 more",
         ""},
        {true,
         "none",
         MACHINE_SUSPECT,
         {{"HV7", AUDIT_WARN, "median 4000 ns", NULL},
          {"HV8", AUDIT_WARN, "kvm-clock", NULL}},
         "may not be bare metal: HV7: the cost of CPUID; HV8: clock sources",
         ""},
        {true,
         "none",
         MACHINE_UNKNOWN,
         {{"HV1", AUDIT_PASS, "clear", NULL},
          {"HV2", AUDIT_PASS, "none", NULL},
          {"HV4", AUDIT_UNKNOWN, "not readable", "root"},
          {"HV5", AUDIT_PASS, "not there", NULL}},
         "cannot be told: HV4: not readable",
         "more would tell: root"},
        {true,
         "none",
         MACHINE_UNKNOWN,
         {{"HV2", AUDIT_PASS, "none", NULL},
          {"HV4", AUDIT_PASS, "a vendor", NULL},
          {"HV5", AUDIT_PASS, "not there", NULL}},
         "cannot be told: HV1: it was left out",
         ""},
        {false,
         "ib",
         MACHINE_VIRTUALIZED,
         {{"NW1", AUDIT_PASS, "mlx5_0 port 1 active", NULL},
          {"NW5", AUDIT_PASS, "may be opened", NULL}},
         NULL,
         NULL},
        {false,
         "ib",
         MACHINE_BARE_METAL,
         {{"NW1", AUDIT_UNKNOWN, "there is no HCA here", ""}},
         "NW1: there is no HCA here",
         "require_net"},
        {false,
         "ib",
         MACHINE_BARE_METAL,
         {{"NW1", AUDIT_FAIL, "mlx5_0 port 1 down", NULL}},
         "NW1: mlx5_0 port 1 down",
         ""},
        {false,
         "ib",
         MACHINE_BARE_METAL,
         {{"NW1", AUDIT_PASS, "mlx5_0 port 1 active", NULL},
          {"NW5", AUDIT_FAIL, "uverbs0: EACCES", NULL}},
         "NW5: uverbs0: EACCES",
         ""},
        {false, "ib", MACHINE_BARE_METAL, {{0}}, "NW1: it was left out", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rig r;
        struct audit_unmet u;
        struct spec s = {.audit = {.require_bare_metal = table[i].metal,
                                   .require_net = (char *)table[i].net}};
        setup_node(&r, table[i].verdict, table[i].facts);
        assert_int_equal(audit_requires(&s),
                         table[i].metal || strcmp(table[i].net, "none") != 0);
        assert_int_equal(audit_require(&s, &r.audit, &u), 0);
        const char *error = u.n ? u.all[0].error : "", *hint = u.n ? u.all[0].hint : "";
        if (u.n != (table[i].error != NULL) ||
            (u.n && (!strstr(error, table[i].error) || !strstr(hint, table[i].hint))))
            fail_msg("row %zu: %zu: \"%s\", \"%s\"", i, u.n, error, hint);
        audit_unmet_fini(&u);
    }
}

static void test_node_without_an_audit(void **state)
{
    static const struct fact none[FINDINGS_MAX] = {{0}};
    struct rig r;
    struct audit_unmet u;
    struct spec s = {.audit = {.require_bare_metal = true, .require_net = "ib"}};
    (void)state;
    setup_node(&r, MACHINE_UNKNOWN, none);
    r.node.found = NULL;
    r.node.error = (char *)"its agent died";
    assert_int_equal(audit_require(&s, &r.audit, &u), 0);
    assert_int_equal(u.n, 1);
    assert_string_equal(u.all[0].error, "its agent died");
    assert_string_equal(u.all[0].name, "gpu1");
    audit_unmet_fini(&u);
}

/* Both lacks of a node are told, and evidence of any length fits. */
static void test_both_and_long(void **state)
{
    static char evidence[600];
    memset(evidence, 'x', sizeof evidence - 1);
    struct fact facts[FINDINGS_MAX] = {{"HV1", AUDIT_FAIL, evidence, NULL},
                                       {"HV2", AUDIT_FAIL, evidence, NULL},
                                       {"HV4", AUDIT_FAIL, evidence, NULL},
                                       {"HV5", AUDIT_FAIL, evidence, NULL},
                                       {"NW1", AUDIT_FAIL, evidence, NULL}};
    struct rig r;
    struct audit_unmet u;
    struct spec s = {.audit = {.require_bare_metal = true, .require_net = "ib"}};
    (void)state;
    setup_node(&r, MACHINE_VIRTUALIZED, facts);
    assert_int_equal(audit_require(&s, &r.audit, &u), 0);
    assert_int_equal(u.n, 2);
    assert_non_null(strstr(u.all[0].error, "and 1 more"));
    assert_non_null(strstr(u.all[1].error, "NW1: xxx"));
    audit_unmet_fini(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_node),
        cmocka_unit_test(test_node_without_an_audit),
        cmocka_unit_test(test_both_and_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
