/* SPDX-License-Identifier: MIT */
/* askcmd.c - what a command of Slurm's is given, and why it failed: for both ways to run
 * one, with a loop and without. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/slurm/ask_impl.h"
#include "launcher/slurm/srunargs.h"

#define IS_DOWN "Slurm's controller may be down or busy; `scontrol ping` asks"

/* ---- environment ---- */

/* These hand what they have on to the job, so no more of the user's may be changed than
 * must be. */
static bool hands_on(const char *program)
{
    return strcmp(program, "sbatch") == 0 || strcmp(program, "salloc") == 0;
}

/* Variables that are options of the commands: formats, filters, "ask before cancelling".
 * What says which cluster it is (SLURM_CONF, SLURM_CLUSTERS) stays. */
static bool is_option(const char *entry)
{
    static const char *const begins[] = {
        "SQUEUE_",
        "SINFO_",
        "SCANCEL_",
        "SCONTROL_",
        "LC_ALL=",
        "SLURM_JSON=",
        "SLURM_YAML=",
        "SLURM_TIME_FORMAT=",
        "SLURM_DEBUG_FLAGS=",
    };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (strncmp(entry, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return false;
}

/* Variables that are options of sbatch, where a run cannot have them: its jobs come one
 * after the other and write into its directory, and nobody waits for them here. */
static bool is_option_of_sbatch(const char *entry)
{
    static const char *const begins[] = {
        "SBATCH_ARRAY_INX=", "SBATCH_ERROR=",  "SBATCH_NO_REQUEUE=",
        "SBATCH_OPEN_MODE=", "SBATCH_OUTPUT=", "SBATCH_REQUEUE=",
        "SBATCH_WAIT=",
    };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (strncmp(entry, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return false;
}

static bool is_left_out(const char *program, const char *entry)
{
    if (strcmp(program, "srun") == 0)
        return srunargs_is_of_our_job(entry);
    return hands_on(program) ? is_option_of_sbatch(entry) : is_option(entry);
}

int askcmd_env(const char *program, char ***ret)
{
    /* Seconds since 1970: the only time that means the same in summer and winter. */
    static char locale[] = "LC_ALL=C", seconds[] = "SLURM_TIME_FORMAT=%s";
    size_t n = 0, kept = 0;
    bool asks = !hands_on(program) && strcmp(program, "srun") != 0;
    while (environ && environ[n])
        n++;
    char **env = malloc((n + 3) * sizeof *env);
    if (!env)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!is_left_out(program, environ[i]))
            env[kept++] = environ[i];
    }
    if (asks) {
        env[kept++] = locale;
        env[kept++] = seconds;
    }
    env[kept] = NULL;
    *ret = env;
    return 0;
}

/* ---- words ---- */

void askcmd_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

char **askcmd_copy(char *const *argv)
{
    size_t n = 0;
    while (argv[n])
        n++;
    char **copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(argv[i]);
        if (!copy[i]) {
            askcmd_free(copy);
            return NULL;
        }
    }
    return copy;
}

void askcmd_keep(void *arg, const char *line)
{
    said_keep(arg, line);
}

/* "scontrol show job 12", cut where it gets long. */
static const char *shown(char *const *argv, char *to, size_t size)
{
    size_t n = 0;
    to[0] = '\0';
    for (size_t i = 0; argv[i] && n < size - 1; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%s", i ? " " : "", argv[i]);
    if (n >= size)
        (void)strcpy(to + size - 4, "...");
    said_strip(to);
    return to;
}

int askcmd_not_started(char *const *argv, int code, struct err *e)
{
    if (code != -ENOENT)
        return err_sys(e, code, "run \"%s\"", argv[0]);
    err_set(e, code, "run \"%s\": Slurm's commands are not in PATH", argv[0]);
    return err_hint(e, "load the site's module for Slurm, or add the folder of its "
                       "commands to PATH");
}

/* Slurm's commands put their names before each line. */
static const char *last_words(char *const *argv, const struct said *said)
{
    const char *last = said->last, *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    size_t n = strlen(name);
    if (strncmp(last, name, n) == 0 && strncmp(last + n, ": ", 2) == 0)
        last += n + 2;
    if (strncmp(last, "error: ", 7) == 0)
        last += 7;
    return last;
}

/* The way out, by what the command said in any of its lines. */
static void add_hint(const struct said *said, struct err *e)
{
    static const struct {
        const char *said, *hint;
    } rows[] = {
        {"unged", "munged, which proves to Slurm who asks, does not run on this host"},
        {"uthentication error",
         "this host and Slurm's controller do not trust each other: "
         "munged, its key or the clock"},
        {"nable to contact slurm controller", IS_DOWN},
        {"timed out", IS_DOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strstr(said_kept(said), rows[i].said)) {
            (void)err_hint(e, "%s", rows[i].hint);
            return;
        }
    }
}

int askcmd_failed(char *const *argv, int wait_status, const struct said *said,
                  struct err *e)
{
    char words[120];
    const char *last = last_words(argv, said);
    (void)shown(argv, words, sizeof words);
    if (strstr(last, "Invalid job id"))
        return err_set(e, ERR_USAGE, "run \"%s\": Slurm knows no such job (any more)",
                       words);
    if (WIFSIGNALED(wait_status))
        return err_set(e, -EIO, "run \"%s\": it was ended by signal %d (%s)", words,
                       WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    if (!*last)
        return err_set(e, -EIO, "run \"%s\": it failed without a word (exit status %d)",
                       words, WEXITSTATUS(wait_status));
    err_set(e, -EIO, "run \"%s\": %s", words, last);
    add_hint(said, e);
    return -EIO;
}

int askcmd_too_slow(char *const *argv, const struct said *said, struct err *e)
{
    char words[120];
    const char *last = last_words(argv, said);
    err_set(e, -ETIMEDOUT, "run \"%s\": no answer within %u s%s%s",
            shown(argv, words, sizeof words), SLURM_ASK_MS / 1000, *last ? ": " : "",
            last);
    return err_hint(e, IS_DOWN);
}

int askcmd_too_much(char *const *argv, struct err *e)
{
    char words[120];
    return err_set(e, ERR_LIMIT, "run \"%s\": it printed more than %u KiB",
                   shown(argv, words, sizeof words), SLURM_ASK_BYTES >> 10);
}
