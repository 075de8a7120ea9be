/* SPDX-License-Identifier: MIT */
/* auditlist.c - see auditlist.h. */
#include "proto/wire/auditlist.h"

#include <string.h>

#define AUDIT_ROW(id, topic, tier, title) {#id, AUDIT_##topic, AUDIT_##tier, title},
static const struct audit_probe_info probes[] = {AUDIT_PROBES(AUDIT_ROW)};

static const char *const verdicts[AUDIT_VERDICTS] = {"unknown", "pass", "warn", "fail"};
static const char *const topics[AUDIT_TOPICS] = {
    [AUDIT_TOPOLOGY] = "topology",
    [AUDIT_NUMA] = "numa",
    [AUDIT_TUNABLES] = "tunables",
    [AUDIT_NETWORK] = "network",
    [AUDIT_HYPERVISOR] = "hypervisor",
    [AUDIT_CONTAINER] = "container",
    [AUDIT_GPU] = "gpu",
    [AUDIT_TIMERS] = "timers",
};

const struct audit_probe_info *audit_probe_info(enum audit_probe p)
{
    return &probes[p];
}

int audit_probe_find(const char *id)
{
    for (int i = 0; i < AUDIT_N_PROBES; i++)
        if (!strcmp(probes[i].id, id))
            return i;
    return -1;
}

const char *audit_verdict_name(enum audit_verdict v)
{
    return verdicts[v];
}

const char *audit_topic_name(enum audit_topic t)
{
    return topics[t];
}
