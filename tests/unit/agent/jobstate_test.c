/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>

#include "agent/jobstate.h"

static void test_every_state_can_be_reached(void **state)
{
    (void)state;
    bool seen[JOB_STATES] = {[JOB_IDLE] = true};
    for (int round = 0; round < JOB_STATES; round++) {
        for (int s = 0; s < JOB_STATES; s++) {
            for (int ev = 0; seen[s] && ev < JOB_EVENTS; ev++) {
                int to = jobstate_next((enum job_state)s, (enum job_event)ev);
                if (to >= 0)
                    seen[to] = true;
            }
        }
    }
    for (int s = 0; s < JOB_STATES; s++)
        assert_true(seen[s]);
}

/* The head may give up, and the lease may be over, in any state. */
static void test_nothing_keeps_a_job_from_its_end(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATES; s++) {
        int end = jobstate_next((enum job_state)s, JOB_EV_END);
        int lost = jobstate_next((enum job_state)s, JOB_EV_LOST);
        assert_true(jobstate_next((enum job_state)s, JOB_EV_STOP) >= 0);
        assert_int_equal(end, s == JOB_DONE ? JOB_DONE : JOB_ENDING);
        if (s == JOB_RUNNING || s == JOB_STOPPING) { /* ranks first */
            assert_int_equal(lost, JOB_STOPPING);
            assert_int_equal(jobstate_next(JOB_STOPPING, JOB_EV_GONE), JOB_DRAINED);
            lost = jobstate_next(JOB_DRAINED, JOB_EV_LOST);
        }
        assert_int_equal(lost, s == JOB_DONE ? JOB_DONE : JOB_ENDING);
    }
    assert_int_equal(jobstate_next(JOB_ENDING, JOB_EV_CLEARED), JOB_DONE);
}

static void test_what_must_not_be(void **state)
{
    (void)state;
    static const struct {
        enum job_state from;
        enum job_event ev;
    } table[] = {
        {JOB_IDLE, JOB_EV_START},       {JOB_PREPARING, JOB_EV_START},
        {JOB_RUNNING, JOB_EV_START},    {JOB_DRAINED, JOB_EV_START},
        {JOB_ENDING, JOB_EV_START},     {JOB_DONE, JOB_EV_START},
        {JOB_PREPARED, JOB_EV_PREPARE}, {JOB_RUNNING, JOB_EV_PREPARE},
        {JOB_ENDING, JOB_EV_PREPARE},   {JOB_RUNNING, JOB_EV_CLEARED},
        {JOB_IDLE, JOB_EV_GONE},        {JOB_DONE, JOB_EV_CLEARED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (jobstate_next(table[i].from, table[i].ev) >= 0)
            fail_msg("%s while %s", jobstate_event_name(table[i].ev),
                     jobstate_name(table[i].from));
    }
}

static void test_from_done_nothing_leads_out(void **state)
{
    (void)state;
    for (int ev = 0; ev < JOB_EVENTS; ev++) {
        int to = jobstate_next(JOB_DONE, (enum job_event)ev);
        assert_true(to < 0 || to == JOB_DONE);
        assert_non_null(jobstate_event_name((enum job_event)ev));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_can_be_reached),
        cmocka_unit_test(test_nothing_keeps_a_job_from_its_end),
        cmocka_unit_test(test_what_must_not_be),
        cmocka_unit_test(test_from_done_nothing_leads_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
