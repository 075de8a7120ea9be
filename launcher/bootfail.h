/* SPDX-License-Identifier: MIT */
/* bootfail - a starter that ended or fell silent before its agent was ready: what the user
 * is told, and whether and when another is worth a try. Pure. */
#ifndef LAUNCHER_BOOTFAIL_H
#define LAUNCHER_BOOTFAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/said.h"
#include "proto/base/err.h"

enum bootfail_silence {
    BOOTFAIL_NO_ANSWER, /* nothing of ours was said */
    BOOTFAIL_NO_COPY,   /* while the agent was being copied */
    BOOTFAIL_CLOSED,    /* it closed its output, and runs on */
};

struct bootfail {
    const char *starter; /* its name: "ssh" */
    bool local;          /* it is the agent itself */
    const struct said *said;
    const char
        *greeting;  /* the last line of start-up files on standard output, or "" */
    unsigned tries; /* so far, this one included */
};

/* All set e: text, and the hint if there is a way out. */
void bootfail_exit(const struct bootfail *f, int wait_status, struct err *e);
void bootfail_silent(const struct bootfail *f, enum bootfail_silence how,
                     uint64_t limit_ms, struct err *e);
/* The node's own AOLANI-FAIL. */
void bootfail_node(const struct bootfail *f, const char *reason, struct err *e);

/* After this end: milliseconds until the next try, 0: none. lot: any number, so that those
 * who were dropped together do not come back together. ret_why (64 bytes or more) is set when
 * there is one. */
uint64_t bootfail_retry_ms(const struct bootfail *f, int wait_status, uint16_t lot,
                           char *ret_why, size_t len);

#endif
