/* SPDX-License-Identifier: MIT */
/* cusum.c - one sum, upwards while the rank is well and downwards while it is slow. While a
 * change is verified nothing is learnt from it: a value that turns out to be the new state
 * must not have moved the old one.
 *
 * The sum may have wandered above 0 for long before the change. So of the last values those
 * are taken for the new state that make the likeliest split, now that both states are
 * known. */
#include "launcher/variance/cusum.h"

#include <math.h>

#define WINSOR      4.0
#define SLACK       0.5
#define LIMIT       12.0
#define MAD_TO_S    1.4826
#define SIGMA_LEAST 1e-3
#define SIGMAS \
    1.25          /* the median of 16 normal values errs by 0.31 sigma: four of that */
#define CLEAR 3.0 /* sigma: no doubt */

void cusum_init(struct cusum *c, bool peers)
{
    *c = (struct cusum){.peers = peers};
    usual_init(&c->usual);
}

static double sigma(const struct cusum *c)
{
    return fmax(c->usual.mad * MAD_TO_S, SIGMA_LEAST);
}

static double verified_median(const struct cusum *c)
{
    struct usual u;
    usual_init(&u);
    for (unsigned i = 0; i < CUSUM_VERIFY; i++)
        usual_add(&u, c->verify[i]);
    return u.median;
}

static void remember(struct cusum *c, uint32_t step, double x)
{
    unsigned i = c->n_recent++ % CUSUM_VERIFY;
    c->recent[i] = (float)x;
    c->at[i] = step;
}

/* The step of the change from one level to another. */
static uint32_t changed_at(const struct cusum *c, double from, double to)
{
    unsigned n = c->n_recent < CUSUM_VERIFY ? c->n_recent : CUSUM_VERIFY, best = 0;
    double sum = 0, most = 0;
    for (unsigned k = 1; k <= n; k++) {
        double x = (double)c->recent[(c->n_recent - k) % CUSUM_VERIFY];
        sum += (x - (from + to) / 2) * (to > from ? 1 : -1);
        if (sum > most) {
            most = sum;
            best = k;
        }
    }
    if (best == 0 || best == n)
        return c->left;
    return c->at[(c->n_recent - best) % CUSUM_VERIFY];
}

static bool is_change(const struct cusum *c, double before, double after)
{
    return after - before >= fmax(CUSUM_MINIMUM, SIGMAS * sigma(c));
}

static enum cusum_news become_slow(struct cusum *c, double before, double after)
{
    c->slow = true;
    c->before = before;
    c->after = after;
    c->since = c->at_once ? c->left : changed_at(c, before, after);
    c->n_recent = 0;
    return CUSUM_SLOW;
}

static enum cusum_news verify_slow(struct cusum *c, double median)
{
    double before = c->peers ? fmax(c->usual.median, 0) : c->usual.median;
    bool was_again = c->again;
    c->again = false;
    if (!is_change(c, before, median)) {
        for (unsigned i = 0; i < CUSUM_VERIFY; i++)
            usual_add(&c->usual, (double)c->verify[i]);
        return CUSUM_NOTHING;
    }
    if (was_again)
        return become_slow(c, before, (c->after + median) / 2);
    if (median - before >= CLEAR * sigma(c))
        return become_slow(c, before, median);
    c->after = median;
    c->again = c->verifying = true;
    c->n_verify = 0;
    return CUSUM_NOTHING;
}

static enum cusum_news verify_recovery(struct cusum *c, double median)
{
    if (median - c->before > fmin((c->after - c->before) / 2, CUSUM_MINIMUM))
        return CUSUM_NOTHING;
    if (c->at_once)
        usual_init(&c->usual);
    for (unsigned i = 0; i < CUSUM_VERIFY; i++)
        usual_add(&c->usual, c->verify[i]);
    c->slow = c->at_once = false;
    c->recovered = changed_at(c, c->after, median);
    c->n_recent = 0;
    return CUSUM_RECOVERED;
}

static enum cusum_news verify(struct cusum *c, double x)
{
    c->verify[c->n_verify++] = (float)x;
    if (c->n_verify < CUSUM_VERIFY)
        return CUSUM_NOTHING;
    double median = verified_median(c);
    c->verifying = false;
    c->sum = 0;
    return c->slow ? verify_recovery(c, median) : verify_slow(c, median);
}

static enum cusum_news begin(struct cusum *c, uint32_t step, double x)
{
    if (c->usual.n == 0)
        c->left = step;
    usual_add(&c->usual, x);
    if (c->usual.n < CUSUM_VERIFY || !c->peers || !is_change(c, 0, c->usual.median))
        return CUSUM_NOTHING;
    c->at_once = true;
    return become_slow(c, 0, c->usual.median);
}

enum cusum_news cusum_add(struct cusum *c, uint32_t step, double x)
{
    if (!isfinite(x))
        return CUSUM_NOTHING;
    if (c->usual.n < CUSUM_VERIFY)
        return begin(c, step, x);
    if (c->verifying)
        return verify(c, x);
    remember(c, step, x);
    double z = (c->slow ? c->after - x : x - c->usual.median) / sigma(c);
    double next = c->sum + fmax(-WINSOR, fmin(WINSOR, z)) - SLACK;
    if (!c->slow)
        usual_add(&c->usual, x);
    if (next > 0 && c->sum <= 0)
        c->left = step;
    c->sum = next > 0 ? next : 0;
    c->verifying = c->sum > LIMIT;
    c->n_verify = 0;
    return CUSUM_NOTHING;
}
