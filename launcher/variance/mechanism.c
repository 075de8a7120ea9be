/* SPDX-License-Identifier: MIT */
/* mechanism.c - the names and words of mechanisms, and who is behind them. */
#include "launcher/variance/mechanism.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name, *phrase;
    enum mech_kind kind;
} mechanisms[MECH_N + 1] = {
    [MECH_THROTTLED] = {"throttled", "a CPU quota", KIND_LIMIT},
    [MECH_PREEMPTED] = {"preempted", "other processes on its core", KIND_NEIGHBOUR},
    [MECH_STOLEN] = {"stolen", "CPU time taken by the hypervisor", KIND_HYPERVISOR},
    [MECH_STOPPED] = {"stopped", "a signal that stopped it", KIND_LIMIT},
    [MECH_BLOCKED] = {"blocked", "waiting for input, output, a lock or a timer",
                      KIND_OWN},
    [MECH_FAULTS] = {"page faults", "page faults", KIND_OWN},
    [MECH_GPU] = {"gpu throttled", "its GPU being slowed down", KIND_GPU},
    [MECH_LINK] = {"link errors", "errors on a link", KIND_BANDWIDTH},
    [MECH_MEMORY] = {"memory bandwidth", "memory bandwidth taken by others",
                     KIND_BANDWIDTH},
    [MECH_WORK] = {"own work", "own work or a slower core", KIND_OWN},
    [MECH_GPU_SLOW] = {"gpu slow", "its GPU taking longer, for no reason to be seen",
                       KIND_GPU},
    [MECH_NETWORK] = {"network", "the network", KIND_NETWORK},
    [MECH_UNKNOWN] = {"unknown", "something that could not be measured", KIND_UNKNOWN},
    [MECH_MIXED] = {"mixed", "several things at once", KIND_UNKNOWN},
};

static const char *const kinds[KIND_N] = {
    [KIND_HYPERVISOR] = "VM exits and stolen CPU time",
    [KIND_BANDWIDTH] = "contention for memory and links",
    [KIND_NEIGHBOUR] = "other processes on the cores",
    [KIND_LIMIT] = "quotas and stop signals",
    [KIND_GPU] = "GPUs slowed down",
    [KIND_NETWORK] = "the network",
    [KIND_OWN] = "the program itself, or slower cores",
    [KIND_UNKNOWN] = "not known",
};

const char *mech_name(enum mechanism m)
{
    return mechanisms[m].name;
}

int mech_find(const char *name)
{
    for (int i = 0; name && i <= MECH_N; i++)
        if (!strcmp(mechanisms[i].name, name))
            return i;
    return -1;
}

const char *mech_phrase(enum mechanism m)
{
    return mechanisms[m].phrase;
}

enum mech_kind mech_kind(enum mechanism m)
{
    return mechanisms[m].kind;
}

const char *mech_kind_phrase(enum mech_kind k)
{
    return kinds[k];
}
