/* SPDX-License-Identifier: MIT */
/* verbs - what comes after "aolani-run": the table of verbs and how main finds one.
 *
 * A verb gets argv with itself (or the program's name, when it was left out) in argv[0]
 * and returns the exit status of the program. */
#ifndef LAUNCHER_VERBS_H
#define LAUNCHER_VERBS_H

#include <stdbool.h>

enum verb_bit {
    VERB_RUN = 1,
    VERB_CHECK = 2,
    VERB_REPORT = 4,
    VERB_PLAN = 8,
    VERB_COMPARE = 16,
    VERB_AUDIT = 32,
    VERB_RESUME = 64,
    VERB_SUBMIT = 128,
    VERB_STATUS = 256,
    VERB_LOGS = 512,
    VERB_STOP = 1024
};

struct verb_info {
    const char *name;
    enum verb_bit bit; /* which rows of the option table it takes */
    int (*fn)(int argc, char **argv);
    const char *
        operand; /* "job.toml", "RUN"; "[job.toml]": it may be left out; NULL: takes none */
    const char *rest;    /* what "--" leads to; NULL: nothing may follow */
    const char *summary; /* one line of --help */
};

/* NULL when there is no such verb. */
const struct verb_info *verbs_find(const char *name);
/* Also for verbs that only later versions have. */
bool verbs_name_exists(const char *name);
/* Find the verb in argv[1] (run, when it is none), call it, return its exit status. */
int verbs_main(int argc, char **argv);

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_submit(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_stop(int argc, char **argv);

#endif
