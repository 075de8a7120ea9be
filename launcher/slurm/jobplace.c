/* SPDX-License-Identifier: MIT */
/* jobplace.c - see jobplace.h. */
#include "launcher/slurm/jobplace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "launcher/slurm/ask.h"

/* "   Command=/path with blanks": each stands on a line of its own. */
static void take(const char *line, size_t len, const char *name, char *ret)
{
    size_t n = strlen(name);
    if (len <= n || strncmp(line, name, n) != 0 || len - n >= PATH_MAX ||
        line[n] != '/')
        return;
    memcpy(ret, line + n, len - n);
    ret[len - n] = '\0';
}

void jobplace_of_scontrol(const char *text, struct jobplace *ret)
{
    ret->command[0] = ret->folder[0] = '\0';
    while (*text) {
        text += strspn(text, " \n");
        size_t len = strcspn(text, "\n");
        take(text, len, "Command=", ret->command);
        take(text, len, "WorkDir=", ret->folder);
        text += len;
    }
}

int jobplace_now(uint32_t job, struct jobplace *ret, struct err *e)
{
    char id[16];
    struct buf out;
    struct err why;
    (void)snprintf(id, sizeof id, "%" PRIu32, job);
    char *argv[] = {"scontrol", "show", "job", id, NULL};
    buf_init(&out, 1u << 20);
    int rc = slurm_run_now(argv, NULL, &out, &why);
    if (rc == 0)
        rc = buf_add(&out, "", 1) ? err_sys(&why, -ENOMEM, "ask Slurm for job %s", id)
                                  : 0;
    if (rc == 0)
        jobplace_of_scontrol((const char *)out.data, ret);
    else if (why.code == ERR_USAGE)
        rc = err_set(e, ERR_USAGE, "Slurm knows no such job (any more)");
    else if (e)
        *e = why;
    buf_fini(&out);
    return rc;
}
