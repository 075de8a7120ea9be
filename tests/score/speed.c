/* SPDX-License-Identifier: MIT */
/* speed.c - see the header. */
#include "tests/score/speed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/score/shared.h"

#define KEPT 0.05

void compute(uint64_t iterations)
{
    uint64_t x = iterations | 1;
    for (uint64_t i = 0; i < iterations; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    __asm__ volatile("" : : "r"(x));
}

void speed_init(struct speed *s, double per_us, size_t max)
{
    *s = (struct speed){.per_us = per_us, .max = max};
    s->slow = calloc(max, sizeof *s->slow);
    if (!s->slow)
        die("get memory for", "the speed of the core");
}

double speed_compute(const struct speed *s, uint64_t iterations)
{
    uint64_t from = now_ns();
    compute(iterations);
    return (double)(now_ns() - from) / 1000 - (double)iterations / s->per_us;
}

void speed_note(struct speed *s, uint64_t from_ns, uint64_t to_ns, double us)
{
    if (us * 1000 > KEPT * (double)(to_ns - from_ns) && s->n < s->max)
        s->slow[s->n++] = (struct slow){from_ns, to_ns, us};
}

void speed_write(struct speed *s, const char *prefix, uint32_t rank)
{
    char path[SCORE_PATH];
    snprintf(path, sizeof path, "%s.speed%" PRIu32, prefix, rank);
    FILE *f = fopen(path, "we");
    if (!f)
        die("make", path);
    for (size_t i = 0; i < s->n; i++)
        fprintf(f, "%" PRIu64 " %" PRIu64 " slow %" PRIu32 " %.1f\n",
                s->slow[i].from_ns, s->slow[i].to_ns, rank, s->slow[i].us);
    if (fclose(f) != 0)
        die("write", path);
    free(s->slow);
    s->slow = NULL;
}
