/* SPDX-License-Identifier: MIT */
/* The tier rule and the four questions, on findings that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_judge.h"

struct only { /* what differs from a machine of which all is right */
    enum audit_probe p;
    uint32_t verdict;
    bool gone; /* not looked at */
};

static char empty[] = "";

static void make(struct audit_node *n, const struct only *only, size_t n_only)
{
    *n = (struct audit_node){.found = calloc(1, sizeof *n->found)};
    aolani__audit_findings__init(n->found);
    n->found->findings = calloc(AUDIT_N_PROBES, sizeof *n->found->findings);
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        Aolani__AuditFinding f;
        bool gone = false;
        aolani__audit_finding__init(&f);
        f.id = (char *)(uintptr_t)audit_probe_info((enum audit_probe)p)->id;
        f.evidence = f.source = f.more = f.value = empty;
        f.verdict = AUDIT_PASS;
        for (size_t i = 0; i < n_only; i++)
            if (only[i].p == (enum audit_probe)p) {
                f.verdict = only[i].verdict;
                gone = only[i].gone;
            }
        if (gone)
            continue;
        Aolani__AuditFinding *copy = malloc(sizeof *copy);
        *copy = f;
        n->found->findings[n->found->n_findings++] = copy;
    }
}

static void unmake(struct audit_node *n)
{
    for (size_t i = 0; i < n->found->n_findings; i++)
        free(n->found->findings[i]);
    free(n->found->findings);
    free(n->found);
}

#define F(p)                         \
    {                                \
        AUDIT_##p, AUDIT_FAIL, false \
    }
#define W(p)                         \
    {                                \
        AUDIT_##p, AUDIT_WARN, false \
    }
#define U(p)                            \
    {                                   \
        AUDIT_##p, AUDIT_UNKNOWN, false \
    }
#define GONE(p)            \
    {                      \
        AUDIT_##p, 0, true \
    }
#define Q_P AUDIT_PASS
#define Q_W AUDIT_WARN
#define Q_F AUDIT_FAIL
#define Q_U AUDIT_UNKNOWN
#define BAD(p)               \
    {                        \
        AUDIT_##p, 77, false \
    }

static void test_machines(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct only only[8];
        size_t n;
        enum audit_machine want;
        unsigned reasons, unknown;
    } cases[] = {
        {"all right", {{0}}, 0, MACHINE_BARE_METAL, 0, 0},
        {"one strong sign", {F(HV1)}, 1, MACHINE_VIRTUALIZED, 1, 0},
        {"a GPU that is passed through", {F(HV13)}, 1, MACHINE_VIRTUALIZED, 1, 0},
        {"strong beats unseen", {F(HV4), U(HV1), U(HV2)}, 3, MACHINE_VIRTUALIZED, 1, 2},
        {"one weak sign", {W(HV10)}, 1, MACHINE_BARE_METAL, 1, 0},
        {"two weak signs", {W(HV10), F(HV7)}, 2, MACHINE_SUSPECT, 2, 0},
        {"a vendor's name alone", {W(HV4)}, 1, MACHINE_BARE_METAL, 1, 0},
        {"a vendor's name and a weak sign", {W(HV4), W(HV8)}, 2, MACHINE_SUSPECT, 2, 0},
        {"what only informs", {F(HV3), F(HV6), F(CT1)}, 3, MACHINE_BARE_METAL, 0, 0},
        {"CPUID was not seen", {U(HV1)}, 1, MACHINE_UNKNOWN, 0, 1},
        {"a probe was left out", {GONE(HV5)}, 1, MACHINE_UNKNOWN, 0, 1},
        {"a verdict of a later version", {BAD(HV2)}, 1, MACHINE_UNKNOWN, 0, 1},
        {"no GPU", {U(HV13)}, 1, MACHINE_BARE_METAL, 0, 0},
        {"some weak ones unseen",
         {U(HV7), U(HV9), U(HV10)},
         3,
         MACHINE_BARE_METAL,
         0,
         0},
        {"most weak ones unseen",
         {U(HV7), U(HV9), U(HV10), U(HV12)},
         4,
         MACHINE_UNKNOWN,
         0,
         4},
        {"two weak signs, the rest unseen",
         {W(HV7), W(HV8), U(HV9), U(HV10), U(HV11), U(HV12)},
         6,
         MACHINE_SUSPECT,
         2,
         4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_node n;
        make(&n, cases[i].only, cases[i].n);
        struct audit a = {.nodes = &n, .n = 1};
        audit_judge(&a);
        if (n.verdict != cases[i].want || n.n_reasons != cases[i].reasons ||
            n.n_unknown != cases[i].unknown)
            fail_msg("%s: %s, %u reasons, %u unseen", cases[i].name,
                     audit_machine_name(n.verdict), n.n_reasons, n.n_unknown);
        unmake(&n);
    }
}

static void test_questions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct only only[16];
        size_t n;
        enum audit_verdict want[AUDIT_QUESTIONS];
    } cases[] = {
        {"all right", {{0}}, 0, {Q_P, Q_P, Q_P, Q_P}},
        {"one of each fails", {F(PC4), F(NU1), F(NW8)}, 3, {Q_F, Q_F, Q_P, Q_F}},
        {"a warning", {W(PC2)}, 1, {Q_W, Q_P, Q_P, Q_P}},
        {"root would see more", {U(PC4), U(PC8), U(NW7)}, 3, {Q_P, Q_P, Q_P, Q_P}},
        {"what answers is unseen", {U(PC1), U(NU4), U(NW1)}, 3, {Q_U, Q_U, Q_P, Q_U}},
        {"a fail is known", {U(PC1), F(PC3)}, 2, {Q_F, Q_P, Q_P, Q_P}},
        {"unseen, and a warning", {U(PC1), W(PC3)}, 2, {Q_U, Q_P, Q_P, Q_P}},
        {"a value is not as it should be", {W(KP1), W(KP2)}, 2, {Q_P, Q_P, Q_P, Q_P}},
        {"one knob cannot be set", {F(KP8)}, 1, {Q_P, Q_P, Q_W, Q_P}},
        {"a locked kernel",
         {F(KP1), F(KP2), F(KP3), F(KP4), F(KP5), F(KP6), F(KP7), F(KP8)},
         8,
         {Q_P, Q_P, Q_F, Q_P}},
        {"a user who may not try",
         {U(KP1), U(KP2), U(KP3), U(KP4), U(KP5), U(KP6), U(KP9), U(KP8)},
         8,
         {Q_P, Q_P, Q_U, Q_P}},
        {"a user, and one knob is not there",
         {U(KP1), U(KP2), U(KP3), U(KP4), U(KP5), U(KP6), U(KP9), F(KP8)},
         8,
         {Q_P, Q_P, Q_W, Q_P}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_node n;
        make(&n, cases[i].only, cases[i].n);
        struct audit a = {.nodes = &n, .n = 1};
        audit_judge(&a);
        for (int t = 0; t < AUDIT_QUESTIONS; t++)
            if (n.tests[t] != cases[i].want[t])
                fail_msg("%s: %s is %s", cases[i].name,
                         audit_topic_name((enum audit_topic)t),
                         audit_verdict_name(n.tests[t]));
        unmake(&n);
    }
}

static void test_nothing_was_looked_at(void **state)
{
    (void)state;
    struct audit_node n = {.verdict = MACHINE_SUSPECT};
    struct audit a = {.nodes = &n, .n = 1};
    audit_judge(&a);
    assert_int_equal(n.verdict, MACHINE_UNKNOWN);
    for (int t = 0; t < AUDIT_QUESTIONS; t++)
        assert_int_equal(n.tests[t], AUDIT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_nothing_was_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
