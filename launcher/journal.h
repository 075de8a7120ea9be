/* SPDX-License-Identifier: MIT */
/* journal - the truth about a run: an append-only file of protobuf records.
 *
 * File: "AOLJRNL1", then records: u32 payload length, u32 CRC-32C of type, length and
 * payload, u16 type, u16 0, payload; little endian. A torn last record is normal (the
 * head died): readers stop there and writers truncate it away on reopening. One writer
 * thread does all file I/O, in batches with fdatasync, so that no commit delays the
 * loop. Safe on NFS and Lustre: one writer, appends only, no locks, no mmap.
 */
#ifndef LAUNCHER_JOURNAL_H
#define LAUNCHER_JOURNAL_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"

enum journal_type {
    JOURNAL_RUN_START = 1,    /* JRunStart */
    JOURNAL_NODE = 2,         /* JNode */
    JOURNAL_PHASE = 3,        /* JPhase */
    JOURNAL_RANK = 4,         /* JRank */
    JOURNAL_STEPS = 5,        /* JSteps */
    JOURNAL_SUMMARY = 6,      /* JSummary */
    JOURNAL_END = 7,          /* JEnd */
    JOURNAL_BINDING = 8,      /* JBinding */
    JOURNAL_CULPRIT = 9,      /* JCulprit */
    JOURNAL_SPELL = 10,       /* JSpell */
    JOURNAL_SIGNALS = 11,     /* JSignals: merged, one a minute and node */
    JOURNAL_RESUME = 12,      /* JResume */
    JOURNAL_ATTEMPT = 13,     /* JAttempt */
    JOURNAL_FAULT = 15,       /* JFault */
    JOURNAL_PROGRESS = 14,    /* JProgress: now and then, while ranks end steps */
    JOURNAL_STEP_SOURCE = 16, /* JStepSource */
    JOURNAL_STALL = 17, /* JStall: what it had come to; the last of a number counts */
};

struct journal;
/* Creates (or reopens at its end) path with mode 0600 and starts the writer. on_error is
 * called once, on the loop, when a write failed (disk full): the run goes on, the gap is
 * said; what was lost in all journal_close tells. */
int journal_open(struct loop *l, const char *path,
                 void (*on_error)(void *arg, const struct err *e), void *arg,
                 struct journal **ret, struct err *e);
/* Queue one record; returns its number (>= 1) or -ENOMEM, ERR_LIMIT (queue over 64 MiB:
 * the file system is stuck). Never blocks. */
int64_t journal_append(struct journal *j, enum journal_type type,
                       const ProtobufCMessage *m);
/* cb on the loop once record `number` is on disk (or has failed for good: status < 0),
 * never from within this call. -ENOMEM. Not called any more after journal_close. */
int journal_when_durable(struct journal *j, int64_t number,
                         void (*cb)(void *arg, int status), void *arg);
/* Write all, sync, stop the thread, free. Blocks for as long as the disk takes. Negative:
 * some records were lost, now or before; e says how many and why. */
int journal_close(struct journal *j, struct err *e);

/* ---- reading ---- */
struct journal_reader;
int journal_reader_open(const char *path, struct journal_reader **ret, struct err *e);
/* 1 and a record, 0 at the end (also at a torn one: *ret_torn says so), negative on
 * failure. The payload is valid until the next call. */
int journal_reader_next(struct journal_reader *r, enum journal_type *ret_type,
                        const uint8_t **ret_payload, size_t *ret_len, bool *ret_torn,
                        struct err *e);
/* Where the last whole record ends; 0: there is not even a header. */
uint64_t journal_reader_offset(const struct journal_reader *r);
void journal_reader_close(struct journal_reader *r);

#endif
