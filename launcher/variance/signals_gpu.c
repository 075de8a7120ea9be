/* SPDX-License-Identifier: MIT */
/* signals_gpu.c - what the GPUs did over the whole run, for the report. A count is that of
 * the intervals in which it was known. */
#include <math.h>

#include "launcher/variance/signals_impl.h"

void signals_gpu_init(struct gpu_known *k)
{
    *k = (struct gpu_known){.sum = {.watts = NAN,
                                    .watts_most = NAN,
                                    .celsius = NAN,
                                    .celsius_most = NAN,
                                    .mem_celsius_most = NAN,
                                    .sm_mhz_least = NAN,
                                    .sm_max_mhz = NAN,
                                    .power_us = NAN,
                                    .heat_us = NAN,
                                    .brake_us = NAN,
                                    .sync_us = NAN,
                                    .board_us = NAN,
                                    .reliability_us = NAN,
                                    .ecc_corrected = NAN,
                                    .ecc_errors = NAN,
                                    .remapped_rows = NAN,
                                    .pcie_replays = NAN,
                                    .nvlink_errors = NAN}};
}

/* more: -1 is not known. */
static void count(double *sum, int64_t more)
{
    if (more >= 0)
        *sum = isnan(*sum) ? (double)more : *sum + (double)more;
}

/* NAN is no number to these two. */
static void highest(double *of, double value, int64_t told)
{
    *of = told < 0 ? *of : fmax(*of, value);
}

static void lowest(double *of, double value, int64_t told)
{
    *of = told < 0 ? *of : fmin(*of, value);
}

static void add(double *sum, double *seconds, double more, double s)
{
    *sum = isnan(*sum) ? more : *sum + more;
    *seconds += s;
}

void signals_gpu_take(struct gpu_known *k, const Aolani__GpuSignal *g, double us)
{
    struct signals_gpu *t = &k->sum;
    double s = us / 1e6;
    t->seconds += s;
    if (g->energy_mj >= 0)
        add(&t->watts, &k->watts_s, (double)g->energy_mj / 1e3, s);
    if (g->celsius >= 0)
        add(&t->celsius, &k->celsius_s, g->celsius * s, s);
    highest(&t->watts_most, g->milliwatts / 1e3, g->milliwatts);
    highest(&t->celsius_most, g->celsius, g->celsius);
    highest(&t->mem_celsius_most, g->mem_celsius, g->mem_celsius);
    lowest(&t->sm_mhz_least, g->sm_mhz, g->sm_mhz);
    highest(&t->sm_max_mhz, g->sm_max_mhz, g->sm_max_mhz);
    count(&t->power_us, g->power_us);
    count(&t->heat_us, g->heat_us);
    count(&t->brake_us, g->brake_us);
    count(&t->sync_us, g->sync_us);
    count(&t->board_us, g->board_us);
    count(&t->reliability_us, g->reliability_us);
    count(&t->ecc_corrected, g->ecc_corrected);
    count(&t->ecc_errors, g->ecc_errors);
    count(&t->remapped_rows, g->remapped_rows);
    count(&t->pcie_replays, g->pcie_replays);
    count(&t->nvlink_errors, g->nvlink_errors);
    t->reasons |= g->reasons < 0 ? 0 : (uint32_t)g->reasons;
}

size_t signals_n_gpus(const struct signals *s, uint32_t node)
{
    const struct node_signals *n = node < s->n_nodes ? s->nodes[node] : NULL;
    return n ? n->n_gpus : 0;
}

static double mean(double sum, double of)
{
    return of > 0 ? sum / of : NAN;
}

void signals_gpu(const struct signals *s, uint32_t node, size_t i,
                 struct signals_gpu *ret)
{
    const struct gpu_known *k = &s->nodes[node]->gpus[i];
    *ret = k->sum;
    ret->uuid = k->uuid;
    ret->watts = mean(k->sum.watts, k->watts_s);
    ret->celsius = mean(k->sum.celsius, k->celsius_s);
}
