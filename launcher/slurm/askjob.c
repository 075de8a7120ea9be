/* SPDX-License-Identifier: MIT */
/* askjob.c - which program is asked for a job, and the job in what it says: for both ways to
 * run one, with a loop and without.
 *
 * aolani-slurm (plugin.c) is asked where it is there, since it needs no commands in PATH;
 * scontrol, where it is not or does not work. Both print the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/libdir.h"
#include "launcher/slurm/ask_impl.h"
#include "launcher/slurm/facts_impl.h"
#include "proto/base/log.h"

#define PLUGIN          "aolani-slurm"
#define PLUGIN_ANSWERED 4 /* its exit status for what Slurm itself said */

void askcmd_of_job(struct askcmd_job *c, uint32_t id, bool may_plugin)
{
    static char scontrol[] = "scontrol", detailed[] = "-d", one_line[] = "-o";
    static char show[] = "show", job[] = "job";
    char folder[PATH_MAX - sizeof PLUGIN];
    (void)snprintf(c->id, sizeof c->id, "%u", id);
    /* libslurm does not heed SLURM_CLUSTERS as the commands do. */
    c->plugin =
        may_plugin && !getenv("SLURM_CLUSTERS") &&
        libdir_find(PLUGIN, "Slurm's plug-in", folder, sizeof folder, NULL) == 0;
    if (c->plugin) {
        (void)snprintf(c->program, sizeof c->program, "%s/" PLUGIN, folder);
        char *const argv[] = {c->program, job, c->id, NULL};
        memcpy(c->argv, argv, sizeof argv);
    } else {
        char *const argv[] = {scontrol, detailed, one_line, show, job, c->id, NULL};
        memcpy(c->argv, argv, sizeof argv);
    }
}

bool askcmd_plugin_failed(int wait_status, uint32_t id, const struct err *e)
{
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == PLUGIN_ANSWERED)
        return false;
    log_info("job %u: %s; scontrol is asked instead", id, e->text);
    return true;
}

/* For an array there is a line for each of its jobs. */
int askcmd_job(const struct buf *out, uint32_t id, struct slurm_job *ret, struct err *e)
{
    const char *line = out->len > 0 ? (const char *)out->data : "";
    for (const char *next; line; line = next ? next + 1 : NULL) {
        const char *at = line + strlen("JobId=");
        uint64_t v = 0;
        next = strchr(line, '\n');
        if (strncmp(line, "JobId=", strlen("JobId=")) != 0 ||
            !facts_number(&at, UINT32_MAX, &v) || v != id)
            continue;
        char *one = strndup(line, next ? (size_t)(next - line) : strlen(line));
        int rc = one ? slurm_job_of_scontrol(one, ret, e)
                     : err_sys(e, -ENOMEM, "ask for job %u", id);
        free(one);
        return rc;
    }
    return err_set(e, ERR_PROTO, "ask for job %u: Slurm says nothing of it", id);
}
