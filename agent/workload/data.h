/* SPDX-License-Identifier: MIT */
/* data - one rank's shard of the text.
 *
 * The file is cut into `streams` parts of equal length; rank r of w owns the parts
 * [r*streams/w, (r+1)*streams/w) and reads no other bytes. What a part gives in a step
 * depends on the step alone, so the global batch is the same for any number of ranks.
 */
#ifndef WORKLOAD_DATA_H
#define WORKLOAD_DATA_H

#include <stddef.h>
#include <stdint.h>

struct data {
    int fd;
    uint64_t size, part_len;
    uint32_t context, positions;
    uint32_t first, n; /* this rank's parts */
    uint8_t *window;   /* context + positions bytes */
};

/* streams is a multiple of world. 0, or -1 with a text for people in why. */
int data_open(struct data *d, const char *path, uint32_t streams, uint32_t context,
              uint32_t positions, uint32_t rank, uint32_t world, char *why, size_t len);
void data_close(struct data *d);
/* Part `first + i`'s bytes of a step (counted from 0): targets are at
 * [context, context + positions), each guessed from the context bytes before it. NULL and
 * a text when the file cannot be read. Valid until the next call. */
const uint8_t *data_window(struct data *d, uint32_t i, uint64_t step, char *why,
                           size_t len);

#endif
