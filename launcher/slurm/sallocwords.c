/* SPDX-License-Identifier: MIT */
/* sallocwords.c - see sallocwords.h. */
#include "launcher/slurm/sallocwords.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 300u

/* ---- a line ---- */

static const struct {
    const char *text; /* "#": the job's number */
    enum salloc_word word;
} lines[] = {
    {"Pending job allocation #", SALLOC_PENDING},
    {"Granted job allocation #", SALLOC_GRANTED},
    {"Job allocation # has been revoked", SALLOC_REVOKED},
    {"Job # has exceeded its time limit and its allocation has been revoked",
     SALLOC_REVOKED},
    {"job # queued and waiting for resources", SALLOC_PENDING},
    {"job # has been allocated resources", SALLOC_PASS},
    {"Relinquishing job allocation #", SALLOC_PASS},
    {"Requested partition configuration not available now", SALLOC_PASS},
    {"Waiting for resource configuration", SALLOC_PASS},
    {"Nodes ", SALLOC_PASS},
    {"Job has been cancelled", SALLOC_ERROR},
    {"Job aborted due to signal", SALLOC_PASS},
    {"Interrupted by signal", SALLOC_PASS},
    {"Job allocation time limit to be reached", SALLOC_PASS},
    {"Required node not available (down, drained or reserved)", SALLOC_PASS},
    {"unrecognized option", SALLOC_ERROR},
    {"invalid option", SALLOC_ERROR},
    {"unrecognised option", SALLOC_ERROR},
};

/* Does the text begin so? A number in it is kept. */
static bool begins(const char *text, const char *form, uint32_t *ret_id)
{
    unsigned long id = 0;
    for (; *form; form++) {
        if (*form != '#') {
            if (*text++ != *form)
                return false;
            continue;
        }
        char *end;
        if (!isdigit((unsigned char)*text))
            return false;
        errno = 0;
        id = strtoul(text, &end, 10);
        if (errno || id == 0 || id > UINT32_MAX)
            return false;
        text = end;
    }
    if (id)
        *ret_id = (uint32_t)id;
    return true;
}

static bool skip(const char **at, const char *start)
{
    size_t n = strlen(start);
    if (strncmp(*at, start, n) != 0)
        return false;
    *at += n;
    return true;
}

enum salloc_word sallocwords_line(const char *line, uint32_t *ret_id,
                                  const char **ret_text)
{
    const char *at = line;
    bool ours = skip(&at, "salloc: ") || skip(&at, "sbatch: ");
    bool bad = skip(&at, "error: ") || skip(&at, "fatal: ");
    *ret_text = at;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (begins(at, lines[i].text, ret_id))
            return bad ? SALLOC_ERROR : lines[i].word;
    if (!*at || strncmp(at, "Try \"s", 6) == 0)
        return SALLOC_PASS;
    return bad || !ours ? SALLOC_ERROR : SALLOC_SAYS;
}

/* ---- what went wrong ---- */

/* In the order of what says most. A row without words of its own gives Slurm's. */
static const struct {
    const char *said; /* a part of a line */
    int code;
    const char *hint;
} reasons[] = {
    {"salloc: not found", ERR_BOOT,
     "there is no salloc in PATH: is this a login node of a Slurm cluster?"},
    {"Munge encode failed", ERR_BOOT,
     "munged does not answer on this machine; its administrator can start it"},
    {"Protocol authentication error", ERR_BOOT,
     "munge does not work between this machine and Slurm's, or their clocks differ"},
    {"Unable to contact slurm controller", ERR_BOOT,
     "slurmctld does not answer: `scontrol ping` says whether it is up"},
    {"Unable to establish configuration source", ERR_BOOT,
     "this machine does not know its cluster: is it a login node of it?"},
    {"Unable to establish control machine address", ERR_BOOT,
     "this machine does not know its cluster: is it a login node of it?"},
    {"nvalid partition", ERR_USAGE,
     "`sinfo -s` lists the partitions; -p or [slurm] partition chooses"},
    {"group not permitted to use this partition", ERR_USAGE,
     "`sinfo -s` lists the partitions; -p or [slurm] partition chooses"},
    {"Invalid account", ERR_USAGE,
     "`sacctmgr show associations user=$USER` lists your accounts; -A or [slurm] "
     "account chooses"},
    {"nvalid qos", ERR_USAGE,
     "`sacctmgr show associations user=$USER format=account,qos` lists them; --qos or "
     "[slurm] qos chooses"},
    {"Invalid generic resource", ERR_USAGE,
     "`sinfo -o \"%P %D %G\"` lists what nodes have; --gres or [slurm] gres asks for "
     "it"},
    {"Invalid feature", ERR_USAGE,
     "`sinfo -o \"%P %D %f\"` lists what nodes have; -C or [slurm] constraint asks "
     "for it"},
    {"Requested time limit is invalid", ERR_USAGE,
     "`sinfo -o \"%P %l\"` lists the limits; [slurm] time asks for less"},
    {"Requested node configuration is not available", ERR_USAGE,
     "its partition has no such nodes, CPUs, GPUs or memory: `sinfo -o \"%P %D %c %m "
     "%G\"` lists what there is"},
    {"Node count specification invalid", ERR_USAGE,
     "`sinfo -s` says how many nodes a partition has; -N asks for fewer"},
    {"More processors requested than permitted", ERR_USAGE,
     "-r, or [job] ranks_per_node, asks for a CPU for each rank"},
    {"Invalid node name", ERR_USAGE, "`sinfo -N` lists the nodes"},
    {"violates accounting/QOS policy", ERR_USAGE,
     "`sacctmgr show qos` and your site's pages say what a job may ask for"},
    {"unrecognized option", ERR_USAGE,
     "[slurm] extra are options of salloc and sbatch"},
    {"invalid option", ERR_USAGE, "[slurm] extra are options of salloc and sbatch"},
    {"Job has been cancelled", ERR_BOOT, "somebody cancelled it: scancel"},
    {"allocation failure: ", ERR_USAGE, NULL},
    {"Invalid --", ERR_USAGE, NULL},
    {"Invalid time specification", ERR_USAGE, NULL},
    {"Job submit/allocate failed", ERR_USAGE, NULL},
    {"Unable to allocate resources", ERR_USAGE, NULL},
};

/* The line that says it, without what precedes it in every such line. */
static void words_of(const char *errors, const char *at, char out[WHY_MAX])
{
    const char *line = at;
    while (line > errors && line[-1] != '\n')
        line--;
    (void)skip(&line, "Job submit/allocate failed: ");
    (void)skip(&line, "Unable to allocate resources: ");
    (void)skip(&line, "allocation failure: ");
    (void)snprintf(out, WHY_MAX, "%.*s", (int)strcspn(line, "\n"), line);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

int sallocwords_error(const char *errors, struct err *e)
{
    char why[WHY_MAX] = "";
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        const char *at = strstr(errors, reasons[i].said);
        if (!at)
            continue;
        words_of(errors, at, why);
        err_set(e, reasons[i].code, "ask Slurm for nodes: %s", why);
        return reasons[i].hint ? err_hint(e, "%s", reasons[i].hint) : reasons[i].code;
    }
    if (*errors)
        words_of(errors, errors, why);
    return err_set(e, ERR_BOOT, "ask Slurm for nodes: %s",
                   *why ? why : "salloc ended and did not say why");
}

/* ---- the environment ---- */

static const char begin_mark[] = "aolani-begin", end_mark[] = "aolani-end";

bool sallocenv_is_whole(const struct buf *said)
{
    return said->len >= sizeof end_mark &&
           memcmp(said->data + said->len - sizeof end_mark, end_mark,
                  sizeof end_mark) == 0;
}

/* What stands before the begin may be anybody's. */
static const char *find_begin(const char *at, const char *end)
{
    return memmem(at, (size_t)(end - at), begin_mark, sizeof begin_mark);
}

static bool is_ours(const char *entry)
{
    if (strncmp(entry, "SLURM_", 6) != 0)
        return false;
    size_t n = strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (entry[n] != '=')
        return false;
    for (const char *c = entry + n + 1; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return true;
}

static bool has(const struct strlist *l, size_t from, const char *start)
{
    for (size_t i = from; i < l->n; i++)
        if (strncmp(l->items[i], start, strlen(start)) == 0)
            return true;
    return false;
}

int sallocenv_parse(const struct buf *said, struct strlist *ret, struct err *e)
{
    size_t before = ret->n;
    const char *at = NULL, *end = NULL;
    if (sallocenv_is_whole(said)) {
        end = (const char *)said->data + said->len;
        at = find_begin((const char *)said->data, end);
    }
    for (at = at ? at + sizeof begin_mark : end; at < end; at += strlen(at) + 1)
        if (is_ours(at) && strlist_add(ret, at) < 0)
            return err_sys(e, -ENOMEM, "read what salloc says");
    if (!has(ret, before, "SLURM_JOB_ID=") || !has(ret, before, "SLURM_JOB_NODELIST="))
        return err_set(e, ERR_PROTO,
                       "read what salloc says: it names no job and no nodes");
    return 0;
}
