/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>

#include "launcher/jobstate.h"

#define COUNT(name) +1
enum { N_STATES = 0 JOB_STATES(COUNT), N_EVENTS = 0 JOB_EVENTS(COUNT) };

static bool reaches_closed(enum job_state from, bool *seen)
{
    if (from == JOB_CLOSED)
        return true;
    if (seen[from])
        return false;
    seen[from] = true;
    for (int ev = 0; ev < N_EVENTS; ev++) {
        enum job_state to = jobstate_next(from, (enum job_event)ev);
        if (to != from && reaches_closed(to, seen))
            return true;
    }
    return false;
}

static void test_every_state_leads_to_the_end(void **state)
{
    (void)state;
    for (int s = 0; s < N_STATES; s++) {
        bool seen[N_STATES] = {false};
        if (!reaches_closed((enum job_state)s, seen))
            fail_msg("%s never ends", jobstate_name((enum job_state)s));
    }
}

static void test_every_state_is_reached(void **state)
{
    (void)state;
    bool seen[N_STATES] = {[JOB_BOOTING] = true};
    for (int round = 0; round < N_STATES; round++) {
        for (int s = 0; s < N_STATES; s++) {
            for (int ev = 0; ev < N_EVENTS && seen[s]; ev++)
                seen[jobstate_next((enum job_state)s, (enum job_event)ev)] = true;
        }
    }
    for (int s = 0; s < N_STATES; s++) {
        if (!seen[s])
            fail_msg("%s is never reached", jobstate_name((enum job_state)s));
    }
}

/* Whatever goes wrong, and whatever the user asks, a live job moves on. */
static void test_trouble_moves_every_live_state(void **state)
{
    (void)state;
    for (int s = JOB_BOOTING; s <= JOB_RUNNING; s++) {
        assert_int_not_equal(jobstate_next((enum job_state)s, JOB_EV_FAILED), s);
        assert_int_not_equal(jobstate_next((enum job_state)s, JOB_EV_STOP_ASKED), s);
        assert_int_not_equal(jobstate_next((enum job_state)s, JOB_EV_KILL_ASKED), s);
    }
    assert_int_equal(jobstate_next(JOB_STOPPING, JOB_EV_KILL_ASKED), JOB_KILLING);
    assert_int_equal(jobstate_next(JOB_STOPPING, JOB_EV_GRACE_OVER), JOB_KILLING);
    assert_int_equal(jobstate_next(JOB_KILLING, JOB_EV_GRACE_OVER), JOB_ENDING);
}

static void test_late_events_change_nothing(void **state)
{
    (void)state;
    for (int ev = 0; ev < N_EVENTS; ev++)
        assert_int_equal(jobstate_next(JOB_CLOSED, (enum job_event)ev), JOB_CLOSED);
    assert_int_equal(jobstate_next(JOB_ENDING, JOB_EV_DURABLE), JOB_ENDING);
    assert_int_equal(jobstate_next(JOB_RUNNING, JOB_EV_ALL_UP), JOB_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_leads_to_the_end),
        cmocka_unit_test(test_every_state_is_reached),
        cmocka_unit_test(test_trouble_moves_every_live_state),
        cmocka_unit_test(test_late_events_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
