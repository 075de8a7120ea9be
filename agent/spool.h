/* SPDX-License-Identifier: MIT */
/* spool - one stream of a rank's output as a file: what was written, what was read, and
 * what is off the disk again. Knows nothing of messages; see output.h for the whole. */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

#define SPOOL_TAIL 64u

struct spool {
    uint32_t rank;
    Aolani__Stream which;
    int fd;
    bool adopted;     /* may have holes from before */
    uint64_t size;    /* of the file, when last asked; the next five are file offsets */
    uint64_t sent;    /* what comes next */
    uint64_t acked;   /* all before it is at the head */
    uint64_t punched; /* all before it is off the disk */
    uint64_t given_up;   /* the end of the last gap */
    uint64_t gap;        /* the length of a gap before `sent` that has not been said */
    uint64_t shift;      /* offset in the stream minus offset in the file */
    uint32_t truncated;  /* how often: acknowledgements of before mean another file */
    uint64_t changed_ns; /* when the file was last changed, when last asked */
    uint8_t tail[SPOOL_TAIL]; /* the last bytes before `sent` */
    size_t tail_len;
};

/* A new file in dir. *ret_child: the program's descriptor of it, which only appends. */
int spool_create(struct spool *s, const char *dir, uint32_t rank, Aolani__Stream which,
                 int *ret_child, struct err *e);
/* Take up a file that another agent made, from its first byte that is left. 1: it is one;
 * 0: by its name it is not. */
int spool_adopt(struct spool *s, const char *dir, int dir_fd, const char *name,
                struct err *e);
void spool_close(struct spool *s);

/* Ask for its size. What waits beyond `bound` bytes is given up. */
void spool_look(struct spool *s, uint64_t bound);
/* The bytes from s->sent on, at most `want`; 0 when they are a gap. */
size_t spool_read(struct spool *s, uint8_t *to, size_t want);
/* The bytes from a file offset on; how many. Whether they were sent or not. */
size_t spool_peek(const struct spool *s, uint64_t from, uint8_t *to, size_t want);
/* These, which spool_read gave, are on their way. */
void spool_sent(struct spool *s, const uint8_t *data, size_t len);
/* All before `end` is at the head; truncated: s->truncated when that was sent. */
void spool_acked(struct spool *s, uint64_t end, uint32_t truncated);

#endif
