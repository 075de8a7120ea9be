/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/base/limits.h"
#include "proto/wire/message.h"

#define N_PHASES 5

static void test_rules_are_found_by_number(void **state)
{
    (void)state;
    size_t n;
    const struct message_rule *r = message_rules(&n);
    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(message_rule(r[i].type), &r[i]);
        if (i > 0)
            assert_true(r[i].type > r[i - 1].type);
        assert_true(r[i].phases != 0 && r[i].max_payload > 0);
        assert_true(r[i].max_payload <= LIMIT_FRAME);
    }
    static const uint32_t none[] = {0, 33, 39, 47, 65536, UINT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(message_rule(none[i]));
}

/* Events in the order in which both ends may legitimately see them: the phase of the
 * receiver when each arrives. */
static void test_orders_of_events_that_happen(void **state)
{
    (void)state;
    static const struct {
        enum message_type type;
        enum phase phase;
        bool ok;
    } t[] = {
        {MSG_NODE_INFO, PHASE_GREETING, true},
        {MSG_NODE_INFO, PHASE_ENDING, true}, /* END was sent before it came */
        {MSG_NODE_INFO, PHASE_RUNNING, false},
        {MSG_PREPARE, PHASE_GREETING, false},
        {MSG_PREPARE, PHASE_RUNNING, false},
        {MSG_PREPARED, PHASE_READY, true},
        {MSG_PREPARED, PHASE_ENDING, true}, /* STOP and END crossed it */
        {MSG_PREPARED, PHASE_GREETING, false},
        {MSG_START, PHASE_PREPARED, true},
        {MSG_START, PHASE_READY, false},
        {MSG_START, PHASE_RUNNING, false},
        {MSG_REACH, PHASE_PREPARED, true},
        {MSG_REACH, PHASE_RUNNING, false},
        {MSG_REACHED, PHASE_ENDING, true}, /* END crossed it */
        {MSG_REACHED, PHASE_RUNNING, false},
        {MSG_STARTED, PHASE_ENDING, true},
        {MSG_RANK_EXIT, PHASE_ENDING, true},
        {MSG_RANK_EXIT, PHASE_PREPARED, false},
        {MSG_STOP, PHASE_GREETING, true},
        {MSG_STOP, PHASE_PREPARED, true},
        {MSG_END, PHASE_GREETING, true},
        {MSG_END, PHASE_PREPARED, true},
        {MSG_NODE_DONE, PHASE_RUNNING, false},
        {MSG_NODE_DONE, PHASE_ENDING, true},
        {MSG_OUTPUT, PHASE_READY, false},
        {MSG_ABORT, PHASE_ENDING, true},
        {MSG_FENCE_DONE, PHASE_PREPARED, false},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (((message_rule(t[i].type)->phases & t[i].phase) != 0) != t[i].ok)
            fail_msg("%s in phase %d", message_rule(t[i].type)->name, t[i].phase);
    for (unsigned p = 1; p < 1u << N_PHASES; p <<= 1)
        assert_true(message_rule(MSG_LOG)->phases & p);
}

static const char *sender_word(enum sender s)
{
    return s == SENDER_BOTH ? "both" : s == SENDER_HEAD ? "head" : "agent";
}

static void phase_words(unsigned phases, char *ret, size_t size)
{
    static const char *const names[N_PHASES] = {"greeting", "ready", "prepared",
                                                "running", "ending"};
    size_t at = 0;
    ret[0] = '\0';
    if (phases == PHASES_ANY) {
        snprintf(ret, size, "any");
        return;
    }
    for (size_t i = 0; i < N_PHASES; i++)
        if (phases & 1u << i)
            at +=
                (size_t)snprintf(ret + at, size - at, "%s%s", at ? ", " : "", names[i]);
}

/* The table of PROTOCOL.md is written by hand; here it is held to the list. */
static void test_protocol_md_has_the_same_table(void **state)
{
    (void)state;
    size_t n, found = 0;
    bool here = false;
    const struct message_rule *r = message_rules(&n);
    FILE *f = fopen("proto/wire/PROTOCOL.md", "r");
    assert_non_null(f);
    char line[512];
    while (fgets(line, sizeof line, f)) {
        unsigned number;
        if (strncmp(line, "## ", 3) == 0)
            here = strstr(line, "Messages") != NULL;
        if (!here || sscanf(line, "| %u |", &number) != 1)
            continue;
        char want[256], phases[64];
        assert_true(found < n);
        phase_words(r[found].phases, phases, sizeof phases);
        snprintf(want, sizeof want, "| %d | %s | %s | %s | %zu | %s |", r[found].type,
                 r[found].name, sender_word(r[found].sender), phases,
                 r[found].max_payload, r[found].bulk ? "yes" : "");
        if (strncmp(line, want, strlen(want)) != 0)
            fail_msg("PROTOCOL.md says\n%sthe list says\n%s", line, want);
        found++;
    }
    fclose(f);
    assert_int_equal(found, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_are_found_by_number),
        cmocka_unit_test(test_orders_of_events_that_happen),
        cmocka_unit_test(test_protocol_md_has_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
