/* SPDX-License-Identifier: MIT */
/* verbs.c - the table of verbs. A name that a later version will have is known as such,
 * so that a script fails with the reason and not with "no such job file". */
#include "launcher/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/options.h"
#include "launcher/suggest.h"

static const struct verb_info verbs[] = {
    {"run", VERB_RUN, cmd_run, "job.toml", "[more arguments of the program]",
     "Start the program of a job file on all its nodes and wait for its end."},
    {"check", VERB_CHECK, cmd_check, "job.toml", "[more arguments of the program]",
     "Check a job file and its nodes, without starting the program."},
    {"plan", VERB_PLAN, cmd_plan, "job.toml", "[more arguments of the program]",
     "Print which rank gets which GPU, NIC, NUMA node and cores; start nothing."},
    {"report", VERB_REPORT, cmd_report, "RUN", NULL,
     "Print the report of a run: its directory, or a folder with a run in it."},
    {"compare", VERB_COMPARE, cmd_compare, "A...", "B...",
     "Say how much slower the runs B are than the runs A, how sure, and what it "
     "costs."},
    {"audit", VERB_AUDIT, cmd_audit, "[job.toml]", NULL,
     "Say whether machines are bare metal, and which link or node is slow."},
    {"resume", VERB_RESUME, cmd_resume, "RUN", NULL,
     "Go on with a run that was cut off, or is to be continued."},
    {"submit", VERB_SUBMIT, cmd_submit, "job.toml", "[more arguments of the program]",
     "Hand a job to Slurm, to be run by batch jobs; say which."},
    {"status", VERB_STATUS, cmd_status, "[RUN...]", NULL,
     "Say how runs stand: how far they are, what they wait for, how they ended."},
    {"logs", VERB_LOGS, cmd_logs, "[RUN]", NULL,
     "Print what the ranks of a run wrote, also while they do."},
    {"stop", VERB_STOP, cmd_stop, "RUN", NULL,
     "End a run that goes on elsewhere, and cancel its jobs that wait."},
};
#define N_VERBS (sizeof verbs / sizeof verbs[0])

static const char *const later[] = {"attach", "init"};

static const char top[] =
    "usage: aolani-run [run] job.toml [options] [-- more arguments of the program]\n"
    "       aolani-run VERB [options]\n"
    "Start a training job on all its nodes and say where the time went.\n"
    "\nverbs:\n";

const struct verb_info *verbs_find(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

static int print_help(void)
{
    fputs(top, stdout);
    for (size_t i = 0; i < N_VERBS; i++)
        printf("  %-8s %s\n", verbs[i].name, verbs[i].summary);
    struct buf out;
    buf_init(&out, 1 << 16);
    if (!options_list(&verbs[0], &out))
        printf("\noptions of run:\n%s", (char *)out.data);
    buf_fini(&out);
    puts("\naolani-run VERB --help lists those of a verb; all of it: man aolani-run");
    return 0;
}

static bool is_later(const char *name)
{
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (!strcmp(later[i], name))
            return true;
    return false;
}

bool verbs_name_exists(const char *name)
{
    return verbs_find(name) || is_later(name);
}

/* A word that is neither a verb nor a file, nor looks like one. */
static int complain_of(const char *word)
{
    struct err e;
    struct suggest near;
    suggest_init(&near, word);
    for (size_t i = 0; i < N_VERBS; i++)
        suggest_offer(&near, verbs[i].name);
    if (is_later(word))
        err_set(&e, ERR_USAGE, "the verb \"%s\" is not in this version", word);
    else
        err_set(&e, ERR_USAGE, "there is no verb and no job file \"%s\"", word);
    if (near.best)
        err_hint(&e, "did you mean \"%s\"?", near.best);
    else
        err_hint(&e, "aolani-run --help lists the verbs");
    log_err(&e);
    return 2;
}

int verbs_main(int argc, char **argv)
{
    const struct verb_info *run = &verbs[0];
    if (argc < 2) {
        struct err e;
        err_set(&e, ERR_USAGE, "which job? the command line is empty");
        err_hint(&e, "usage: aolani-run job.toml; aolani-run --help says more");
        log_err(&e);
        return 2;
    }
    const char *word = argv[1];
    const struct verb_info *v = verbs_find(word);
    if (v)
        return v->fn(argc - 1, argv + 1);
    if (!strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help"))
        return print_help();
    if (is_later(word))
        return complain_of(word);
    if (*word != '-' && !strpbrk(word, "./") && access(word, F_OK))
        return complain_of(word);
    return run->fn(argc, argv);
}
