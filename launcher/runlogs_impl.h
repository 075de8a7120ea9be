/* SPDX-License-Identifier: MIT */
/* runlogs_impl - what the two parts of runlogs share. Private to runlogs*.c. */
#ifndef LAUNCHER_RUNLOGS_IMPL_H
#define LAUNCHER_RUNLOGS_IMPL_H

#include <limits.h>
#include <stddef.h>

#include "launcher/label.h"
#include "launcher/rankplaces.h"
#include "launcher/runlogs.h"
#include "proto/base/buf.h"

/* One stream of one rank (its file, or its segments one after another), or the file of one
 * batch job. */
struct logsource {
    uint64_t key;              /* 2 * rank + stream, or the batch job */
    uint64_t first, last, now; /* segments: there are, and being read */
    uint64_t at;               /* of the segment `now` */
    bool begun, labelled;
    struct label label;
};

struct runlogs {
    const struct runlogs_config *c;
    char folder[PATH_MAX]; /* of the attempt, or of the run */
    uint32_t attempt;      /* 0: none yet */
    struct logsource *sources;
    size_t n;
    bool many; /* ranks: lines are labelled */
    struct rankplaces places;
    uint64_t places_ms;    /* when they were read; 0: never */
    uint64_t journal_size; /* when it was read for the end; 0: that is to be done */
    struct buf out;
    bool moved;  /* something was written in this look */
    bool looked; /* once: what is new from now is read from its beginning */
};

/* runlogs_sources.c: find the files of the folder, print what they have more. */
int runlogs_look(struct runlogs *l, struct err *e);
/* Forget them all; a last line without an end has its label, too. */
int runlogs_finish_sources(struct runlogs *l, struct err *e);

#endif
