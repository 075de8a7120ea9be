/* SPDX-License-Identifier: MIT */
/* gpusignals.c - see gpusignals.h. */
#include "agent/describe/gpusignals.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe/msg.h"

/* Drivers add to their counters of time in steps of 100 ms, and those of several reasons
 * overlap: a little more than the interval is all of it, much more is no such time. */
#define SLACK_NS 1000000000u
/* No GPU takes as much: what says so is no meter. */
#define MOST_WATTS 20000u

void gpusignals_begin(struct gpusignals *g, uint64_t now_ns, Aolani__GpuSample *s)
{
    g->interval_ns = g->round > 0 && now_ns > g->at_ns ? now_ns - g->at_ns : 0;
    g->at_ns = now_ns;
    g->round++;
    s->interval_ns = g->interval_ns;
}

static struct gpusignals_gpu *find(struct gpusignals *g, const char *uuid)
{
    struct gpusignals_gpu *free_one = NULL;
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->gpu[i].uuid, uuid) == 0)
            return &g->gpu[i];
        if (g->gpu[i].round + 1 < g->round)
            free_one = &g->gpu[i]; /* it has gone */
    }
    if (!free_one && g->n < LIMIT_GPUS)
        free_one = &g->gpu[g->n++];
    if (free_one) {
        *free_one = (struct gpusignals_gpu){0};
        (void)snprintf(free_one->uuid, sizeof free_one->uuid, "%s", uuid);
    }
    return free_one;
}

/* Of all of these counters that are there; -1: of none, or one fell. */
static int64_t growth(const struct gpusignals_gpu *before,
                      const struct gpusignals_reading *r, uint32_t which)
{
    uint64_t sum = 0;
    uint32_t both = before->parts == r->parts ? before->known & r->known & which : 0;
    for (unsigned c = 0; c < GPUSIGNALS_COUNTERS; c++) {
        if (!(both >> c & 1))
            continue;
        if (r->count[c] < before->count[c])
            return -1;
        sum += r->count[c] - before->count[c];
    }
    return both && sum <= INT64_MAX ? (int64_t)sum : -1;
}

static int64_t time_us(const struct gpusignals *g, const struct gpusignals_gpu *before,
                       const struct gpusignals_reading *r, uint32_t which)
{
    int64_t ns = growth(before, r, which);
    uint64_t all = g->interval_ns;
    if (ns < 0 || (uint64_t)ns > 2 * all + SLACK_NS)
        return -1;
    return (int64_t)(((uint64_t)ns < all ? (uint64_t)ns : all) / 1000);
}

#define BIT(c) (1u << GPUSIGNALS_##c)

/* Of the GPU's own meter; where it has none, as if it had taken all the time what it takes
 * now. */
static int64_t energy_mj(const struct gpusignals *g,
                         const struct gpusignals_gpu *before,
                         const struct gpusignals_reading *r)
{
    int64_t mj = growth(before, r, BIT(ENERGY));
    if (mj >= 0 && (uint64_t)mj <= (g->interval_ns + SLACK_NS) / 1000000 * MOST_WATTS)
        return mj;
    return r->milliwatts < 0
               ? -1
               : (int64_t)((double)r->milliwatts * ((double)g->interval_ns / 1e9));
}

static void fill(const struct gpusignals *g, const struct gpusignals_gpu *b,
                 const struct gpusignals_reading *r, Aolani__GpuSignal *m)
{
    m->power_us = time_us(g, b, r, BIT(POWER));
    m->heat_us = time_us(g, b, r, BIT(HEAT) | BIT(HEAT_HARD));
    m->brake_us = time_us(g, b, r, BIT(BRAKE));
    m->other_us = time_us(g, b, r, BIT(SYNC) | BIT(BOARD) | BIT(RELIABILITY));
    m->pcie_replays = growth(b, r, BIT(PCIE));
    m->nvlink_errors = growth(b, r, BIT(NVLINK));
    m->ecc_errors = growth(b, r, BIT(ECC));
    m->sync_us = time_us(g, b, r, BIT(SYNC));
    m->board_us = time_us(g, b, r, BIT(BOARD));
    m->reliability_us = time_us(g, b, r, BIT(RELIABILITY));
    m->energy_mj = energy_mj(g, b, r);
    m->ecc_corrected = growth(b, r, BIT(ECC_CORRECTED));
    m->remapped_rows = growth(b, r, BIT(ROWS));
    m->mem_celsius = r->mem_celsius;
    m->reasons = r->reasons;
    m->sm_mhz = r->sm_mhz;
    m->mem_mhz = r->mem_mhz;
    m->sm_max_mhz = r->sm_max_mhz;
    m->celsius = r->celsius;
    m->milliwatts = r->milliwatts;
}

static int tell(const struct gpusignals *g, const struct gpusignals_gpu *before,
                const struct gpusignals_reading *r, Aolani__GpuSample *s)
{
    Aolani__GpuSignal *m = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    aolani__gpu_signal__init(m);
    fill(g, before, r, m);
    if (msg_text(&m->uuid, before->uuid) < 0 ||
        msg_push(&s->signals, &s->n_signals, m) < 0) {
        protobuf_c_message_free_unpacked(&m->base, NULL);
        return -ENOMEM;
    }
    return 0;
}

int gpusignals_add(struct gpusignals *g, Aolani__GpuSample *s, const char *uuid,
                   const struct gpusignals_reading *r)
{
    struct gpusignals_gpu *of = find(g, uuid);
    int rc = 0;
    if (!of || of->round == g->round) /* two of one name: parts of one GPU */
        return 0;
    if (of->round + 1 == g->round && g->interval_ns > 0)
        rc = tell(g, of, r, s);
    of->round = g->round;
    of->known = r->known;
    of->parts = r->parts;
    memcpy(of->count, r->count, sizeof of->count);
    return rc;
}
