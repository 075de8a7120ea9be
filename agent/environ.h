/* SPDX-License-Identifier: MIT */
/* environ - the environment of a rank. Pure: all comes in, one array goes out.
 *
 * Weakest first: the binding (see envbind.h), the base (see envbase.h), what this module
 * computes, Prepare.env, RankPlan.env, PMIx. So what the user set wins, but for the AOLANI_* identity and the PMIx
 * variables, which must be true.
 */
#ifndef AGENT_ENVIRON_H
#define AGENT_ENVIRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct environ_spec {
    char *const *base; /* NULL-ended, each name once */
    char *const *own;  /* what the agent was started with; NULL-ended */
    bool after_setup;  /* it comes from a setup text, which knew Prepare.env */
    const Aolani__Prepare *plan;
    const Aolani__RankPlan *rank;
    const char *workdir; /* for PWD */
    uint32_t attempt;
    const char *master_addr;
    uint32_t master_port;
    const char *step_path;   /* NULL: no ring */
    const char *coll_path;   /* NULL: NCCL's collectives are not followed */
    const char *profiler;    /* libnccl-profiler-aolani.so, with coll_path */
    const char *nccl_file;   /* where NCCL is to say what it says; NULL: as it will */
    const char *ras_address; /* for NCCL_RAS_ADDR, unless the user has set it */
    const char *library;     /* libaolani.so; NULL: none */
    const char *python;      /* aolani.py; NULL: none */
    const char *agent_dir;   /* where they lie */
    const char *tmp_dir;     /* of this job on this node */
    const char *shm_dir;
    bool only_loopback;   /* the host has no other interface */
    unsigned omp_threads; /* 0: not set */
    Aolani__KeyValue *const *pmix;
    size_t n_pmix;
};

/* *ret: NULL-ended, one allocation per entry; for environ_free. */
int environ_build(const struct environ_spec *s, char ***ret, struct err *e);
/* What the setup text itself runs in: no rank's. */
int environ_build_setup(const struct environ_spec *s, char ***ret, struct err *e);
void environ_free(char **env);

/* "AOLANI_MARK=<run>.<node>", by which processes of a job are found; buf of 80 bytes. */
#define ENVIRON_MARK_BYTES 80
void environ_mark(const char *run_id, uint32_t node, char ret[ENVIRON_MARK_BYTES]);

#endif
