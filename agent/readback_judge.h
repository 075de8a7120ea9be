/* SPDX-License-Identifier: MIT */
/* readback_judge - is what a rank has what was asked? A part of readback. Pure.
 *
 * Each check has a text for people and a key, its substance: another thread that does the
 * same changes the text and not the key, and is no news to the head.
 */
#ifndef AGENT_READBACK_JUDGE_H
#define AGENT_READBACK_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/readback_cgroup.h"
#include "agent/readback_memory.h"
#include "agent/readback_threads.h"
#include "proto/wire/aolani.pb-c.h"

struct readback_check {
    bool there; /* something was asked of it */
    Aolani__Binding__State state;
    char text[400]; /* drift: what; unverified: why */
    char key[160];
};
enum { READBACK_CPUS, READBACK_MEMORY, READBACK_GPU, READBACK_CGROUP, READBACK_CHECKS };
extern const char *const readback_check_names[READBACK_CHECKS];

/* A process that has memory on a GPU. */
enum readback_user {
    READBACK_RANK,    /* of a rank of this node: .owner */
    READBACK_JOB,     /* else of the job */
    READBACK_FOREIGN, /* of somebody else */
    READBACK_MPS,     /* a server that holds it for its clients */
    READBACK_HIDDEN,  /* not to be seen from here */
};
struct readback_gpu_use {
    char uuid[96];
    pid_t pid;
    enum readback_user user;
    int owner;
    char name[16];
};

void readback_judge_cpus(const struct readback_threads *t, struct readback_check *c);

struct readback_memory_seen {
    bool asked;            /* the plan binds or prefers */
    struct rankset *numa;  /* to these */
    struct rankset *nodes; /* of the machine, with CPUs */
    int rc;                /* of the sample */
    const struct readback_pages *pages;
};
void readback_judge_memory(const struct readback_memory_seen *m,
                           struct readback_check *c);

/* Of rank `owner`, whose GPUs are these. why: there is no answer. */
void readback_judge_gpu(const struct readback_gpu_use *uses, size_t n, const char *why,
                        int owner, char *const *gpus, size_t n_gpus,
                        struct readback_check *c);

/* need: CPUs of all ranks that share the quota. */
void readback_judge_cgroup(const struct readback_cgroup *g, bool bound,
                           const struct readback_cpus *asked, unsigned need,
                           struct readback_check *c);

/* None is followed any more. */
void readback_judge_no_more(struct readback_check checks[READBACK_CHECKS]);

/* Of all checks and of what was seen (NULL: of the checks alone): another one is worth a
 * message. */
uint64_t readback_substance(const struct readback_check checks[READBACK_CHECKS],
                            const Aolani__Binding *b, unsigned threads_class);

#endif
