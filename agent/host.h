/* SPDX-License-Identifier: MIT */
/* host - what this node is: the description that the head plans with. */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/rankset.h"
#include "proto/base/rlimits.h"
#include "proto/wire/aolani.pb-c.h"

struct host {
    Aolani__NodeInfo *info; /* owned, as protobuf-c allocates */
    struct rlimits limits;  /* as we were started */
    struct rankset allowed; /* the CPUs that the agent may use */
    struct rankset memory;  /* the NUMA nodes, likewise; empty: not known */
    char *dir;              /* where the agent and its helpers lie */
    char *pmix_helper;      /* path; NULL: not there */
    char *describe_helper;  /* aolani-describe */
    char *audit_helper;     /* aolani-audit */
    char *library;          /* libaolani.so.1; NULL: not there */
    char *python;           /* aolani.py; likewise */
    char *profiler;         /* libnccl-profiler-aolani.so; likewise */
};

/* sysfs: "/sys", or a copied tree in tests. */
int host_describe(const char *sysfs, struct host *ret, struct err *e);
void host_fini(struct host *h);

/* Every CPU of the text is one that we may use. ERR_BIND says which is not. "" is fine. */
int host_check_cpus(const struct host *h, const char *cpus, struct err *e);
/* The same of a NUMA node and the memory there. */
int host_check_numa(const struct host *h, uint32_t numa, struct err *e);
/* Cores (not hardware threads) that a binding gives; "": 0. */
unsigned host_count_cores(const struct host *h, const char *cpus);

/* Cores as sets of hardware threads within `allowed`, in order of their lowest. */
int host_read_cores(const char *sysfs, const struct rankset *allowed,
                    Aolani__Core ***ret, size_t *ret_n, struct err *e);

#endif
