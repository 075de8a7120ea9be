/* SPDX-License-Identifier: MIT */
/* batch - a step's bytes as the kernels want them, in one block of memory that the host fills
 * and one copy takes to the device.
 *
 * The gradient of an embedding is the sum over all places where its byte stands. To add
 * those up on many threads, yet always in the same order, the host sorts the places by byte
 * (each keeps its order) and cuts what belongs to a byte into segments of at most
 * BATCH_SEGMENT places: one thread adds up a segment, another the segments of a byte.
 * A place is a byte of a window that may be context: number stream * places + position.
 */
#ifndef CUDA_BATCH_H
#define CUDA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BATCH_SEGMENT = 64, BATCH_BYTES = 256 };

/* What differs between steps and is no text. Doubles hold each of them exactly. */
struct batch_numbers {
    uint64_t step;
    double fix1, fix2; /* of AdamW: see optim.c */
    double stop;       /* 1: this rank wants to */
};

struct batch {
    uint32_t streams, context, positions;
    size_t places;   /* of a stream */
    size_t segments; /* the most there can be */
    size_t bytes;    /* of the block */
    /* Into the block; the device's copy has them at the same distance from its start. */
    uint8_t *block;
    struct batch_numbers *numbers;
    uint32_t *segment;       /* [segments + 1]: where in order one begins */
    uint32_t *byte_segments; /* [257]: the first segment of a byte */
    uint32_t *order;         /* [streams * places] */
    uint8_t *windows;        /* [streams][context + positions] */
};

/* Sizes of a rank's batch; false when places do not fit in 32 bits. */
bool batch_plan(struct batch *b, uint32_t streams, uint32_t context,
                uint32_t positions);
void batch_lay(struct batch *b,
               void *block); /* b->bytes of zeroed memory, aligned to 8 */
void batch_put(struct batch *b, uint32_t stream, const uint8_t *window);
void batch_sort(struct batch *b); /* when all windows are there */

#endif
