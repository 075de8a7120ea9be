/* SPDX-License-Identifier: MIT */
/* stepsource - which of several sources the steps of a job are taken from. Pure.
 *
 * The program's own marks are better than its collectives, and these better than lines of
 * its output (enum steprec_source). Where any may be used the best one is, as soon as it
 * tells of as many ranks as the one before; but one rank alone that marks its steps does
 * not outweigh a source that tells of them all. With another source numbers and times mean
 * something else, so that statistics begin anew. */
#ifndef LAUNCHER_VARIANCE_STEPSOURCE_H
#define LAUNCHER_VARIANCE_STEPSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/steprec.h"

#define STEPSOURCES       (STEPREC_LOG + 1)
#define STEPSOURCE_STEADY 8u /* steps, before a lesser source may take over */
#define STEPSOURCE_TEXT   320u

struct stepsource_seen {
    uint8_t *ranks; /* a bit for each */
    uint32_t n;     /* of them are set */
    uint64_t records;
};

struct stepsource {
    uint32_t world_size;
    bool any;         /* "auto" */
    unsigned allowed; /* bits 1 << enum steprec_source */
    enum steprec_source chosen;
    struct stepsource_seen seen[STEPSOURCES];
};

enum stepsource_verdict {
    STEPSOURCE_DROP, /* not from where steps are taken */
    STEPSOURCE_TAKE,
    STEPSOURCE_FIRST, /* take it; it is the first at all */
    STEPSOURCE_ANEW,  /* take it, and forget what came from the source before */
};

/* wish: "auto", "client", "nccl", "log". reads_output: there is a log_pattern. -ENOMEM; s
 * may be given to stepsource_fini all the same. */
int stepsource_init(struct stepsource *s, const char *wish, bool reads_output,
                    uint32_t world_size);
void stepsource_fini(struct stepsource *s); /* takes a zeroed one */
/* n records of a rank have come, whose source (as in the record) is this. */
enum stepsource_verdict stepsource_see(struct stepsource *s, uint32_t rank,
                                       unsigned source, uint64_t n);
/* What a record says of its source, which a program may have written: of what only the
 * agent makes it is believed. */
enum steprec_source stepsource_of(unsigned source);

const char *stepsource_name(enum steprec_source source); /* "client"; "" of none */
/* "marked by the program (libaolani)"; detail: of NCCL's collectives, may be "". */
void stepsource_words(enum steprec_source source, const char *detail,
                      char ret[STEPSOURCE_TEXT]);
/* Why from there: why no better one was taken, or that it was asked for. nccl_why: why
 * NCCL told nothing, in words; may be "". */
void stepsource_why(const struct stepsource *s, const char *nccl_why,
                    char ret[STEPSOURCE_TEXT]);
/* No record came at all: what to do about it. False: nobody asked for a source. */
bool stepsource_missing(const struct stepsource *s, const char *nccl_why,
                        char ret[STEPSOURCE_TEXT]);

#endif
