/* SPDX-License-Identifier: MIT */
/* What the nodes of one srun say, line by line, and what they may be sent after each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/slurm/srunseats.h"

#define N     3
#define LINES 24

static const char letters[] = "sHNSRDG"; /* by enum srunseat_state */
static const char steps[] = "wPQKx";     /* by enum srunseats_step */

struct bench {
    struct srunseats s;
    struct srunseat seats[N];
    struct srunseat *of_task[N];
};

static void begin(struct bench *b)
{
    static const char *const names[N] = {"n1", "n2", "n3"};
    *b = (struct bench){.s = {.seats = b->seats, .of_task = b->of_task, .n = N}};
    for (size_t i = 0; i < N; i++)
        b->seats[i].name = names[i];
    srunseats_again(&b->s);
}

/* "TASK:TEXT" each; "!": the step that is next is done; "~n2": it is given up. */
static char play(struct bench *b, const char *line)
{
    struct srunseat *seat;
    const char *rest;
    if (line[0] == '!') {
        srunseats_did(&b->s, srunseats_next(&b->s));
        return '!';
    }
    if (line[0] == '~') {
        srunseats_of_name(&b->s, line + 1)->state = SRUNSEAT_GONE;
        return '~';
    }
    static const char events[] = ".oMVF"; /* by enum srunseats_event */
    return events[srunseats_line(&b->s, line[0] - '0', line + 2, "x86_64", "1.0", &seat,
                                 &rest)];
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *lines[LINES];
        const char *events; /* of each line, see play */
        const char *states; /* of n1, n2, n3, then the next step */
    } table[] = {
        {{0}, "", "sssw"},
        {{"0:AOLANI-NODE x86_64 n1"}, "o", "Hssw"},
        /* tasks are in an order of their own */
        {{"2:AOLANI-NODE x86_64 n1", "0:AOLANI-NODE x86_64 n3", "2:AOLANI-READY 1.0"},
         "ooo",
         "RsHw"},
        /* all have it */
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-HAVE", "0:AOLANI-READY 1.0",
          "1:AOLANI-READY 1.0", "2:AOLANI-READY 1.0"},
         "ooooooo",
         "RRRK"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-READY 1.0", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0", "!"},
         "oooooo!",
         "DDDx"},
        /* one needs it, and nothing is sent before the last has answered */
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2", "0:AOLANI-NEED",
          "1:AOLANI-READY 1.0"},
         "oooo",
         "NRsw"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-NEED", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0"},
         "oooooo",
         "NRRP"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-NEED", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0", "!", "0:AOLANI-STORED"},
         "oooooo!o",
         "SRRQ"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-NEED", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0", "!", "0:AOLANI-STORED", "!", "0:AOLANI-UNPACKED",
          "0:AOLANI-READY 1.0"},
         "oooooo!o!oo",
         "RRRK"},
        /* who has it waits for the whole of a bundle that was begun */
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-NEED", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0", "!", "~n1"},
         "oooooo!~",
         "GRRQ"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n2",
          "2:AOLANI-NODE x86_64 n3", "0:AOLANI-NEED", "1:AOLANI-READY 1.0",
          "2:AOLANI-READY 1.0", "!", "~n1", "!"},
         "oooooo!~!",
         "GRRK"},
        /* who is given up holds up nobody, and is not given a key */
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-READY 1.0", "~n2", "~n3", "!"},
         "oo~~!",
         "DGGx"},
        {{"~n1", "~n2", "~n3"}, "~~~", "GGGx"},
        {{"0:AOLANI-NODE x86_64 n1", "~n1", "0:AOLANI-READY 1.0"}, "o~o", "Gssw"},
        /* wrong, or not ours */
        {{"0:AOLANI-NODE aarch64 n1"}, "M", "Hssw"},
        {{"~n1", "0:AOLANI-NODE aarch64 n1"}, "~o", "Gssw"}, /* no caller may be left */
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-READY 0.9"}, "oV", "Hssw"},
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-FAIL no place"}, "oF", "Hssw"},
        {{"0:AOLANI-NODE x86_64 n1", "1:AOLANI-NODE x86_64 n1"}, "o.", "Hssw"},
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-NODE x86_64 n2"}, "o.", "Hssw"},
        {{"3:AOLANI-NODE x86_64 n1"}, ".", "sssw"},
        {{"0:AOLANI-NODE x86_64 n4"}, ".", "sssw"},
        {{"0:AOLANI-NODE x86_64"}, ".", "sssw"},
        {{"0:AOLANI-NODE"}, ".", "sssw"},
        {{"0:AOLANI-READY 1.0"}, "o", "sssw"},
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-STORED", "0:AOLANI-READYX 1.0"},
         "ooo",
         "Hssw"},
        {{"0:hello", "0:"}, "..", "sssw"},
        /* what comes after the key changes nothing */
        {{"0:AOLANI-NODE x86_64 n1", "0:AOLANI-READY 1.0", "~n2", "~n3", "!",
          "0:AOLANI-NEED", "0:AOLANI-FAIL x"},
         "oo~~!oo",
         "DGGx"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bench b;
        char events[LINES + 1] = "", states[N + 2] = "";
        begin(&b);
        for (size_t k = 0; k < LINES && table[i].lines[k]; k++)
            events[k] = play(&b, table[i].lines[k]);
        for (size_t k = 0; k < N; k++)
            states[k] = letters[b.seats[k].state];
        states[N] = steps[srunseats_next(&b.s)];
        if (strcmp(events, table[i].events) != 0 ||
            strcmp(states, table[i].states) != 0)
            print_error("row %zu: %s %s, not %s %s\n", i, events, states,
                        table[i].events, table[i].states);
        assert_string_equal(events, table[i].events);
        assert_string_equal(states, table[i].states);
    }
}

/* Another srun for those who are left: nothing of the first counts. */
static void test_again(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    (void)play(&b, "0:AOLANI-NODE x86_64 n1");
    (void)play(&b, "1:AOLANI-NODE x86_64 n2");
    (void)play(&b, "0:AOLANI-NEED");
    (void)play(&b, "1:AOLANI-NEED");
    (void)play(&b, "~n3");
    (void)play(&b, "!");
    assert_true(b.s.pushed && b.seats[0].copied);
    (void)play(&b, "~n1");
    srunseats_again(&b.s);
    assert_null(srunseats_of_task(&b.s, 0));
    assert_int_equal(b.seats[0].state, SRUNSEAT_GONE);
    assert_int_equal(b.seats[1].state, SRUNSEAT_SILENT);
    (void)play(&b, "0:AOLANI-NODE x86_64 n2");
    (void)play(&b, "0:AOLANI-READY 1.0");
    assert_int_equal(srunseats_next(&b.s), SRUNSEATS_SERVE);
    assert_ptr_equal(srunseats_of_task(&b.s, 0), &b.seats[1]);
    assert_null(srunseats_of_task(&b.s, -1));
    assert_null(srunseats_of_task(&b.s, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
