/* SPDX-License-Identifier: MIT */
/* skipped - a case that cannot run here says why: what it prints last before skip() stands
 * in the suite's last lines. After cmocka.h. */
#ifndef TESTS_LIB_SKIPPED_H
#define TESTS_LIB_SKIPPED_H

#define skip_because(...)           \
    do {                            \
        print_message(__VA_ARGS__); \
        print_message("\n");        \
        skip();                     \
    } while (0)

#endif
