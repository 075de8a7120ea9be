/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/base/log.h"

static void keep(enum log_level level, const char *line, void *arg)
{
    (void)level;
    (void)snprintf(arg, 2000, "%s", line);
}

/* What a peer says must not move the cursor, or look like another line of ours. */
static void test_no_control_character_gets_out(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } table[] = {
        {"plain, \xc3\xa4", "p: warning: plain, \xc3\xa4"},
        {"\x1b[2J\x1b]0;title\a", "p: warning: ?[2J?]0;title?"},
        {"a\np: the job is done\r\n", "p: warning: a p: the job is done? "},
        {"\xc2\x9b"
         "2J \x9b \xff",
         "p: warning: ??2J ? ?"},
    };
    char line[2000];
    log_setup("p", LOG_NOTE_, keep, line);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        log_warn("%s", table[i].text);
        assert_string_equal(line, table[i].line);
    }
    log_setup("aolani", LOG_NOTE_, NULL, NULL);
}

static void test_level(void **state)
{
    (void)state;
    char line[2000] = "";
    log_setup("p", LOG_NOTE_, keep, line);
    log_info("not shown");
    assert_string_equal(line, "");
    log_answer("shown");
    assert_string_equal(line, "p: shown");
    log_setup("aolani", LOG_NOTE_, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_control_character_gets_out),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
