/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "agent/workload/cuda/batch.h"

static size_t align8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

bool batch_plan(struct batch *b, uint32_t streams, uint32_t context, uint32_t positions)
{
    size_t places = (size_t)context + positions - 1, all = places * streams;
    if (all >= UINT32_MAX)
        return false;
    *b = (struct batch){.streams = streams,
                        .context = context,
                        .positions = positions,
                        .places = places,
                        .segments = all / BATCH_SEGMENT + BATCH_BYTES};
    b->bytes = align8(sizeof *b->numbers + (b->segments + 1) * sizeof *b->segment +
                      (BATCH_BYTES + 1) * sizeof *b->byte_segments +
                      all * sizeof *b->order + (size_t)streams * (places + 1));
    return true;
}

void batch_lay(struct batch *b, void *block)
{
    b->block = block;
    b->numbers = block;
    b->segment = (uint32_t *)(b->numbers + 1);
    b->byte_segments = b->segment + b->segments + 1;
    b->order = b->byte_segments + BATCH_BYTES + 1;
    b->windows = (uint8_t *)(b->order + b->places * b->streams);
}

void batch_put(struct batch *b, uint32_t stream, const uint8_t *window)
{
    memcpy(b->windows + stream * (b->places + 1), window, b->places + 1);
}

/* The segments of all bytes, given where each byte begins in the order. */
static void cut(struct batch *b, const uint32_t begin[BATCH_BYTES + 1])
{
    uint32_t s = 0;
    for (unsigned byte = 0; byte < BATCH_BYTES; byte++) {
        b->byte_segments[byte] = s;
        for (uint32_t at = begin[byte]; at < begin[byte + 1]; at += BATCH_SEGMENT)
            b->segment[s++] = at;
    }
    b->byte_segments[BATCH_BYTES] = s;
    for (size_t i = s; i <= b->segments; i++)
        b->segment[i] = begin[BATCH_BYTES]; /* empty, and the end of the last one */
}

void batch_sort(struct batch *b)
{
    uint32_t begin[BATCH_BYTES + 1] = {0}, next[BATCH_BYTES];
    size_t width = b->places + 1; /* the last byte of a window is a target alone */
    for (uint32_t i = 0; i < b->streams; i++)
        for (size_t q = 0; q < b->places; q++)
            begin[b->windows[i * width + q] + 1]++;
    for (unsigned byte = 0; byte < BATCH_BYTES; byte++) {
        begin[byte + 1] += begin[byte];
        next[byte] = begin[byte];
    }
    for (uint32_t i = 0; i < b->streams; i++)
        for (size_t q = 0; q < b->places; q++)
            b->order[next[b->windows[i * width + q]]++] = (uint32_t)(i * b->places + q);
    cut(b, begin);
}
