/* SPDX-License-Identifier: MIT */
/* srunwords.c - see srunwords.h. The words are those of Slurm 20.11 to 24.05. */
#include "launcher/slurm/srunwords.h"

#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABEL_DIGITS 7

long srunwords_label(const char *line, const char **ret_text)
{
    const char *p = line + strspn(line, " ");
    size_t n = strspn(p, "0123456789");
    *ret_text = line;
    if (n == 0 || n > MAX_LABEL_DIGITS || p[n] != ':')
        return -1;
    *ret_text = p + n + 1 + (p[n + 1] == ' ');
    return strtol(p, NULL, 10);
}

/* ---- by the beginning of what srun says */

struct opening {
    const char *begins;
    enum srunwords_kind kind;
    const char *text; /* NULL: as srun said it */
    const char *hint;
};

#define ENDED_HINT "see squeue, and the end of the job's time limit"
#define MUNGE_HINT "is munged running on this machine? try: munge -n | unmunge"
#define CTLD_HINT  "does slurmctld run? try: scontrol ping"

static const struct opening openings[] = {
    {"Job step aborted", SRUNWORDS_ABORTED, NULL, ""},
    {"Timed out waiting for job step to complete", SRUNWORDS_LINGERS, NULL, ""},
    {"Application launch failed", SRUNWORDS_NOISE, NULL, ""},
    {"cluster configuration lacks support for cpu binding", SRUNWORDS_NOISE, NULL, ""},
    {"launch/slurm:", SRUNWORDS_NOISE, NULL, ""},
    {"Cancelled pending job step", SRUNWORDS_NOISE, NULL, ""},
    {"Force Terminated", SRUNWORDS_ABORTED, NULL, ""},
    {"forcing job termination", SRUNWORDS_NOISE, NULL, ""},
    {"Terminating", SRUNWORDS_NOISE, NULL, ""},
    {"If munged is up", SRUNWORDS_NOISE, NULL, ""},
    {"Step created for", SRUNWORDS_NOISE, NULL, ""},
    {"step creation", SRUNWORDS_WAITS, NULL, ""},
    {"Munge encode failed", SRUNWORDS_FATAL,
     "Slurm cannot sign for you: munge does not answer", MUNGE_HINT},
    {"Unable to contact slurm controller", SRUNWORDS_FATAL,
     "Slurm's controller does not answer", CTLD_HINT},
    {"Check SLURM_JOB_ID environment variable", SRUNWORDS_FATAL, "Slurm's job is over",
     ENDED_HINT},
    {"Node failure on ", SRUNWORDS_NODES_LOST, NULL, ""},
};

/* ---- by why srun got no step: "Unable to create step for job 6: REASON" */

static const struct opening refusals[] = {
    {"Requested node configuration is not available", SRUNWORDS_UNAVAILABLE,
     "Slurm starts no step there: the node is down, or no longer in the job",
     "see sinfo -R, and scontrol show node"},
    {"Node count specification invalid", SRUNWORDS_UNAVAILABLE,
     "Slurm starts no step there: the node is down, or no longer in the job",
     "see sinfo -R, and scontrol show node"},
    {"Invalid job id", SRUNWORDS_FATAL, "Slurm's job is over", ENDED_HINT},
    {"Job/step already completing", SRUNWORDS_FATAL, "Slurm's job is ending",
     ENDED_HINT},
    {"Job has already finished", SRUNWORDS_FATAL, "Slurm's job is over", ENDED_HINT},
    {"Requested nodes are busy", SRUNWORDS_FATAL,
     "other steps of Slurm's job have taken its nodes",
     "let other steps overlap: srun --overlap"},
    {"Unable to contact slurm controller", SRUNWORDS_FATAL,
     "Slurm's controller does not answer", CTLD_HINT},
    {"Access/permission denied", SRUNWORDS_FATAL, "Slurm's job is of another user", ""},
};

static const struct opening *find(const struct opening *table, size_t n,
                                  const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strncmp(text, table[i].begins, strlen(table[i].begins)) == 0)
            return &table[i];
    }
    return NULL;
}

static void keep(char ret[SRUNWORDS_TEXT], const char *text)
{
    (void)snprintf(ret, SRUNWORDS_TEXT, "%s", text);
}

static void take(const struct opening *o, const char *said, struct srunwords *ret)
{
    ret->kind = o->kind;
    ret->hint = o->hint;
    keep(ret->text, o->text ? o->text : said);
    if (o->kind == SRUNWORDS_NODES_LOST) {
        keep(ret->nodes, said + strlen(o->begins));
        keep(ret->text, "Slurm says that the node has failed");
    }
}

/* ---- "n[1-2]: tasks 0-1: Killed" */

static int status_of(const char *how)
{
    static const struct {
        const char *begins;
        int signum;
    } table[] = {
        {"Killed", SIGKILL},  {"Terminated", SIGTERM}, {"Segmentation fault", SIGSEGV},
        {"Aborted", SIGABRT}, {"Bus error", SIGBUS},   {"Out Of Memory", SIGKILL}};
    static const char code[] = "Exited with exit code ";
    if (strncmp(how, code, sizeof code - 1) == 0)
        return (int)(strtol(how + sizeof code - 1, NULL, 10) & 0xff) << 8;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strncmp(how, table[i].begins, strlen(table[i].begins)) == 0)
            return table[i].signum;
    }
    return 1 << 8;
}

static bool read_ended(const char *said, struct srunwords *ret)
{
    const char *at = strstr(said, ": task");
    if (!at)
        return false;
    const char *ids = at + strlen(": task");
    ids += *ids == 's';
    if (*ids++ != ' ')
        return false;
    size_t n = strspn(ids, "0123456789-,");
    if (n == 0 || n >= sizeof ret->tasks || strncmp(ids + n, ": ", 2) != 0)
        return false;
    ret->kind = SRUNWORDS_TASKS_ENDED;
    if ((size_t)(at - said) < sizeof ret->nodes)
        memcpy(ret->nodes, said, (size_t)(at - said));
    memcpy(ret->tasks, ids, n);
    ret->tasks[n] = '\0';
    keep(ret->text, ids + n + 2);
    ret->wait_status = status_of(ret->text);
    return true;
}

/* ---- "Task launch for StepId=4.0 failed on node n3: Communication connection failure" */

static bool read_refused(const char *said, struct srunwords *ret)
{
    static const char begin[] = "Task launch for ", middle[] = " failed on node ";
    const char *at = strstr(said, middle);
    if (strncmp(said, begin, sizeof begin - 1) != 0 || !at)
        return false;
    at += sizeof middle - 1;
    size_t n = strcspn(at, ": ");
    if (n == 0 || n >= sizeof ret->nodes)
        return false;
    ret->kind = SRUNWORDS_REFUSED;
    memcpy(ret->nodes, at, n);
    ret->nodes[n] = '\0';
    at += n + strspn(at + n, ": ");
    (void)snprintf(ret->text, sizeof ret->text, "its slurmd does not start a task: %s",
                   *at ? at : "no reason is given");
    ret->hint = "see sinfo -R, and whether slurmd runs there";
    return true;
}

static bool read_no_step(const char *said, struct srunwords *ret)
{
    const char *at =
        strncmp(said, "Unable to create step for job ", 30) == 0 ||
                strncmp(said, "Unable to confirm allocation for job ", 37) == 0
            ? strchr(said, ':')
            : NULL;
    if (!at)
        return false;
    at += 1 + strspn(at + 1, " ");
    const struct opening *o = find(refusals, sizeof refusals / sizeof *refusals, at);
    ret->kind = SRUNWORDS_FATAL;
    if (o)
        take(o, at, ret);
    else
        (void)snprintf(ret->text, sizeof ret->text, "Slurm starts no step: %s", at);
    return true;
}

/* "Job 6 step creation temporarily disabled, retrying (Requested nodes are busy)" */
static bool read_waits(const char *said, struct srunwords *ret)
{
    if (!strstr(said, "step creation") || !strstr(said, "disabled, retrying"))
        return false;
    const char *why = strchr(said, '(');
    ret->kind = SRUNWORDS_WAITS;
    keep(ret->text, why ? why + 1 : said);
    ret->text[strcspn(ret->text, ")")] = '\0';
    return true;
}

static const char *without(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : text;
}

void srunwords_read(const char *line, struct srunwords *ret)
{
    const char *said = without(line, "srun: ");
    said = without(without(said, "error: "), "fatal: ");
    *ret = (struct srunwords){.kind = SRUNWORDS_OTHER, .hint = ""};
    if (read_ended(said, ret) || read_refused(said, ret) || read_no_step(said, ret) ||
        read_waits(said, ret))
        return;
    const struct opening *o = find(openings, sizeof openings / sizeof *openings, said);
    if (o)
        take(o, said, ret);
    else
        keep(ret->text, said);
}
