/* SPDX-License-Identifier: MIT */
/* steplog_fuzz.c - a pattern, then what two ranks write. The first line is the pattern; in
 * the rest each byte above 0xf0 ends a piece and says whose the next one is and how much
 * later it comes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/steplog.h"

static struct {
    uint64_t now_ns, t_ns[2];
    uint32_t last[2];
    bool is_known[2];
    unsigned told; /* of one reading */
} fuzz;

static uint64_t on_now(void)
{
    return fuzz.now_ns += 1000;
}

/* Steps of one reading rise by one and end in order; walls are of its time. A number that
 * does not rise says so: it fell, beyond what can be counted on. */
static void on_step(void *arg, uint32_t rank, const struct steprec *r)
{
    (void)arg;
    if (rank > 1 || r->rank != rank || r->confidence < 1 || r->confidence > 100 ||
        r->wait_us != 0 || r->source != STEPREC_LOG || r->t_end_ns < fuzz.t_ns[rank] ||
        r->t_end_ns > fuzz.now_ns + 1000000000000ull)
        abort();
    if (fuzz.is_known[rank] && r->step <= fuzz.last[rank] &&
        !(r->flags & STEPREC_RENUMBERED))
        abort();
    fuzz.is_known[rank] = true;
    fuzz.t_ns[rank] = r->t_end_ns;
    fuzz.last[rank] = r->step;
    if (++fuzz.told > 2 * STEPLOG_RANGE * 4096u)
        abort();
}

static void feed(struct steplog *l, const uint8_t *data, size_t size)
{
    uint64_t t_ns = 1000;
    unsigned who = 0;
    for (size_t at = 0, end; at < size; at = end + 1) {
        for (end = at; end < size && data[end] <= 0xf0; end++)
            ;
        fuzz.told = 0;
        steplog_add(l, who & 1, who >> 1 & 1, data + at, end - at, t_ns);
        if (end < size) {
            who = data[end];
            t_ns += (uint64_t)(data[end] - 0xf0) * 1000000;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = memchr(data, '\n', size);
    char pattern[300];
    size_t len = lf ? (size_t)(lf - data) : 0;
    struct steplog *l;
    struct err e;
    if (!lf || len >= sizeof pattern)
        return 0;
    memcpy(pattern, data, len);
    pattern[len] = '\0';
    memset(&fuzz, 0, sizeof fuzz);
    const struct steplog_config c = {
        .pattern = pattern, .n_ranks = 2, .now_ns = on_now, .step = on_step};
    if (steplog_create(&c, &l, &e) < 0)
        return 0;
    feed(l, lf + 1, size - len - 1);
    steplog_destroy(l);
    return 0;
}
