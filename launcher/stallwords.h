/* SPDX-License-Identifier: MIT */
/* stallwords - who stands out among the ranks of a job in which no step ends, in a few
 * lines: who is stopped, gone, held or behind, and what NCCL's RAS service says. Pure, no
 * clock. A later look says only what differs from the one before. */
#ifndef LAUNCHER_STALLWORDS_H
#define LAUNCHER_STALLWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/rassaid.h"
#include "proto/base/limits.h"
#include "proto/base/rankset.h"

#define STALLWORDS_EACH 3u /* that are alike and get a line each */
#define STALLWORDS_TEXT 512u

struct stallrank { /* what is known of a rank after a look */
    bool runs;     /* it has not ended, by all that its agent said */
    bool answered; /* its node did, in this look */
    bool traced;
    bool has_cores; /* CPU used since the look before is known: */
    char state;     /* a letter of /proc/PID/stat; '\0': no process */
    char wait_channel[LIMIT_WAIT_CHANNEL + 1];
    uint8_t told; /* why it was named last; 0: it was not. stallwords_ranks's own */
    uint32_t pid, threads;
    uint32_t pids[LIMIT_STALL_PIDS]; /* as its processes know themselves */
    uint8_t n_pids;
    uint64_t ended;         /* its last step and one; 0: none is known */
    uint64_t cpu_ms, at_ms; /* of the answer */
    float cores;            /* 1: one CPU all the time */
};

struct stallwords {
    struct stallrank *ranks;
    uint32_t n;
    const char *const *node_of_rank;
    void (*say)(void *arg, const char *text);
    /* The rank's node has this address. */
    bool (*is_at)(void *arg, uint32_t rank, const char *address);
    void *arg;
};

/* "runs hard", "is stopped by a signal (state T)". */
const char *stallwords_doing(const struct stallrank *r);
/* How many lines were said; 0: all is as it was. first: what is not remarkable is said too.
 * named (may be NULL): gets whoever stands out, whether said or not. */
unsigned stallwords_ranks(struct stallwords *w, bool first, struct rankset *named);
/* The rank of the job that NCCL calls by this process and address; -1: none can be told. */
int64_t stallwords_rank_of(const struct stallwords *w, int64_t pid, const char *host);
/* "rank 5 (process 8123 on 10.0.0.2) does not answer; 2 more ..." */
void stallwords_nccl(const struct stallwords *w, const struct rassaid *said, char *ret,
                     size_t len);

#endif
