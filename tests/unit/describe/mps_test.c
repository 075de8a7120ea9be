/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/mps.h"
#include "tests/lib/tree.h"

static void test_daemon(void **state)
{
    (void)state;
    static const struct {
        const char *vendor, *files; /* "path=text " of what is there */
        bool mps;
        const char *note; /* NULL: none */
    } table[] = {
        {"NVIDIA", "proc/1/comm=init", false, NULL},
        {"NVIDIA", "proc/7/comm=nvidia-cuda-mps", false, NULL}, /* with other pipes */
        {"NVIDIA", "proc/7/comm=nvidia-cuda-mps pipes/control=", true,
         "serves the GPUs"},
        {"NVIDIA",
         "proc/7/comm=nvidia-cuda-mps pipes/control= "
         "pipes/nvidia-cuda-mps-control.pid=7",
         true, "serves the GPUs"},
        {"NVIDIA",
         "proc/7/comm=bash pipes/control= pipes/nvidia-cuda-mps-control.pid=7", false,
         "cannot be seen from here"},
        {"NVIDIA", "pipes/control=", false, "cannot be seen from here"},
        {"NVIDIA",
         "proc/7/comm=bash pipes/control= pipes/nvidia-cuda-mps-control.pid=..", false,
         "cannot be seen from here"},
        {"AMD", "proc/7/comm=nvidia-cuda-mps pipes/control=", false, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-mps-XXXXXX", proc[64], pipes[64], command[64];
        char files[256], *left = NULL;
        Aolani__Topology *t = malloc(sizeof *t);
        Aolani__Gpu *g;
        struct err e;
        assert_non_null(t);
        aolani__topology__init(t);
        assert_int_equal(gpulist_add(t, table[i].vendor, &g), 0);
        assert_non_null(mkdtemp(dir));
        (void)snprintf(files, sizeof files, "%s", table[i].files);
        for (char *at = strtok_r(files, " ", &left); at;
             at = strtok_r(NULL, " ", &left)) {
            char *text = strchr(at, '=');
            *text++ = '\0';
            tree_put(dir, at, text);
        }
        (void)snprintf(proc, sizeof proc, "%s/proc", dir);
        (void)snprintf(pipes, sizeof pipes, "%s/pipes", dir);
        assert_int_equal(mps_annotate(t, proc, pipes, &e), 0);
        bool noted = table[i].note
                         ? t->n_notes == 1 && strstr(t->notes[0], table[i].note)
                         : t->n_notes == 0;
        if (t->mps != table[i].mps || !noted)
            fail_msg("%s: mps %d, note \"%s\"", table[i].files, t->mps,
                     t->n_notes ? t->notes[0] : "");
        aolani__topology__free_unpacked(t, NULL);
        (void)snprintf(command, sizeof command, "rm -r %s", dir);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_daemon)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
