/* SPDX-License-Identifier: MIT */
/* runfind.c - see runfind.h. */
#include "launcher/runfind.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher/runhead.h"
#include "launcher/slurm/chain.h"
#include "launcher/slurm/jobplace.h"

/* What makes a folder a run's is its journal. NULL: it is none. */
static char *run_at(const char *dir)
{
    char path[PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/journal", dir) >= (int)sizeof path ||
        stat(path, &st) || !S_ISREG(st.st_mode))
        return NULL;
    return realpath(dir, NULL);
}

static char *latest_in(const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/latest", folder) >= (int)sizeof path)
        return NULL;
    return run_at(path);
}

static char *run_of_file(const char *file)
{
    char path[PATH_MAX];
    const char *slash = strrchr(file, '/');
    (void)snprintf(path, sizeof path, "%.*s", slash ? (int)(slash - file) : 1,
                   slash ? file : ".");
    return run_at(*path ? path : "/");
}

static int find_path(const char *run, char **ret, struct err *e)
{
    struct stat st;
    if (stat(run, &st))
        return err_set(e, ERR_USAGE, "find the run \"%s\": %s", run, strerror(errno));
    bool folder = S_ISDIR(st.st_mode);
    char *found = folder ? run_at(run) : run_of_file(run);
    if (!found && folder)
        found = latest_in(run);
    if (!found) {
        err_set(e, ERR_USAGE, "there is no run in \"%s\"", run);
        return err_hint(
            e, "name a run directory, the folder that holds them, or the id of "
               "a job of Slurm's");
    }
    *ret = found;
    return 0;
}

/* ---- by a job of Slurm's ---- */

static bool is_of_job(const char *dir, uint32_t job)
{
    struct chain c;
    struct runhead h;
    bool found = !chain_read(dir, &c, NULL) && chain_has(&c, job);
    chain_fini(&c);
    return found || (!runhead_read(dir, &h, NULL) && h.pid && h.slurm_job == job);
}

char *runfind_by_job(const char *folder, uint32_t job)
{
    char *found = NULL;
    struct dirent *d;
    DIR *dir = opendir(folder);
    while (dir && !found && (d = readdir(dir))) {
        char path[PATH_MAX];
        if (d->d_name[0] == '.' || !strcmp(d->d_name, "latest") ||
            snprintf(path, sizeof path, "%s/%s", folder, d->d_name) >= (int)sizeof path)
            continue;
        if (is_of_job(path, job))
            found = run_at(path);
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

/* Its script lies in the run directory, or it ran aolani-run where the runs are. */
static char *run_of_place(const struct jobplace *p, uint32_t job)
{
    char folder[PATH_MAX];
    char *found = *p->command == '/' ? run_of_file(p->command) : NULL;
    if (!found && *p->folder &&
        snprintf(folder, sizeof folder, "%s/%s", p->folder, RUNFIND_DEFAULT) <
            (int)sizeof folder)
        found = runfind_by_job(folder, job);
    return found;
}

static int find_job(uint32_t job, char **ret, struct err *e)
{
    struct jobplace p;
    struct err why;
    char *found = runfind_by_job(RUNFIND_DEFAULT, job);
    int rc = found ? 0 : jobplace_now(job, &p, &why);
    if (!found && rc == 0)
        found = run_of_place(&p, job);
    if (found) {
        *ret = found;
        return 0;
    }
    err_set(e, ERR_USAGE, "find the run of job %u: %s", job,
            rc ? why.text : "it is not one of aolani-run, or its run lies elsewhere");
    return err_hint(e, "name the run directory, or go to where the job was submitted");
}

static bool is_job_id(const char *text, uint32_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || *end || *text < '1' || *text > '9' || n > UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

int runfind(const char *run, char **ret, struct err *e)
{
    struct stat st;
    uint32_t job;
    if (run)
        return stat(run, &st) && is_job_id(run, &job) ? find_job(job, ret, e)
                                                      : find_path(run, ret, e);
    char *found = latest_in(RUNFIND_DEFAULT);
    if (!found) {
        err_set(e, ERR_USAGE, "which run? there is none in \"%s\"", RUNFIND_DEFAULT);
        return err_hint(
            e, "name a run directory, the folder that holds them, or the id of "
               "a job of Slurm's");
    }
    *ret = found;
    return 0;
}
