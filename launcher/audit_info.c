/* SPDX-License-Identifier: MIT */
/* audit_info.c - see audit_info.h. */
#include "launcher/audit_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int keep(char **ret, const char *text)
{
    free(*ret);
    *ret = strdup(text ? text : "");
    return *ret ? 0 : -ENOMEM;
}

static uint32_t count_cpus(const Aolani__NodeInfo *m)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->n_cores; i++)
        n += (uint32_t)m->cores[i]->n_pus;
    return n;
}

int audit_info_fill(const char *host, const Aolani__NodeInfo *m, struct audit_node *ret)
{
    int rc = keep(&ret->host, host);
    rc = rc < 0 ? rc : keep(&ret->machine, m ? m->boot_id : "");
    rc = rc < 0 ? rc : keep(&ret->kernel, m ? m->kernel : "");
    rc =
        rc < 0 ? rc : keep(&ret->product, m && m->topology ? m->topology->product : "");
    if (m) {
        ret->mem_bytes = m->mem_bytes;
        ret->cpus = count_cpus(m);
    }
    return rc;
}
