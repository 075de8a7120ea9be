/* SPDX-License-Identifier: MIT */
/* rassaid - what NCCL's RAS service answers to STATUS (NCCL 2.24 and later; its user guide,
 * "RAS"), read for whom it names. Pure, bounded, of untrusted text whose form differs
 * from release to release: a line that is not understood is passed over.
 *
 * It names processes by pid (in their own PID namespace) and node address, and ranks by
 * their number in a communicator, which need not be the job's. Of ranks that are alike it
 * names none when they are many: half of a communicator, without VERBOSE more than ten. */
#ifndef LAUNCHER_RASSAID_H
#define LAUNCHER_RASSAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RASSAID_NAMED 64u
#define RASSAID_HOST  48u
#define RASSAID_WORD  24u

enum rassaid_what {                      /* the worst first */
                    RASSAID_DEAD,        /* NCCL gave the process up */
                    RASSAID_UNREACHABLE, /* it does not answer */
                    RASSAID_ERROR,       /* it reports an error */
                    RASSAID_BEHIND, /* has launched fewer collectives than another */
                    RASSAID_STATUS, /* another state than the most of its communicator */
};

struct rassaid_one {
    enum rassaid_what what;
    int64_t pid;             /* -1: not said */
    char host[RASSAID_HOST]; /* an address; "" */
    uint32_t comm_rank;      /* UINT32_MAX: not said */
    uint32_t comm_size;      /* 0: not known */
    char word[RASSAID_WORD]; /* BEHIND: "AllReduce", "" before NCCL 2.26; STATUS:
                              * "FINALIZE"; ERROR: what it reports, where that is said */
    uint64_t at, most;       /* BEHIND: operations launched, by it and by the first */
};

struct rassaid {
    struct rassaid_one one[RASSAID_NAMED]; /* the worst first, each process once */
    size_t n;
    uint64_t more;    /* that there was no room for */
    bool has_table;   /* its table of communicators was read, */
    bool all_agree;   /* nothing in it differs, and nobody is named */
    char version[16]; /* "2.28.7"; "" */
};

void rassaid_read(const char *text, size_t len, struct rassaid *ret);

#endif
