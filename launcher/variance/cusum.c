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
#define BLOCK_NOISE 0.28 /* sigma, of the mean of the middle half of 16 normal values */
#define BLOCKS_FEW  4u   /* before their own spread counts */
#define BLOCKS_MOST 64u  /* the weight of the past */
#define DEV_TO_S    1.2533 /* of a mean deviation */
#define SIGMAS      4.5    /* of a block: some change */
#define CLEAR       11.0   /* no doubt */
#define LEVEL       5.0    /* of the mean of blocks */
#define MAYBE       0.6    /* of the minimum: worth another block */
#define AGAIN_MOST  4u

void cusum_init(struct cusum *c, bool peers)
{
    *c = (struct cusum){.peers = peers};
    usual_init(&c->usual);
}

static double sigma(const struct cusum *c)
{
    return fmax(c->usual.mad * MAD_TO_S, SIGMA_LEAST);
}

/* Of the block at hand: the mean of its middle half. Four wild values do nothing to it,
 * and of a rank that is slow in every other step it is half of that. */
static double middle_of_block(const struct cusum *c)
{
    float v[CUSUM_VERIFY];
    double sum = 0;
    for (unsigned i = 0; i < CUSUM_VERIFY; i++) {
        unsigned at = i;
        for (; at > 0 && v[at - 1] > c->verify[i]; at--)
            v[at] = v[at - 1];
        v[at] = c->verify[i];
    }
    for (unsigned i = CUSUM_VERIFY / 4; i < CUSUM_VERIFY * 3 / 4; i++)
        sum += (double)v[i];
    return sum / (CUSUM_VERIFY / 2);
}

/* Sigma of a block. */
static double noise(const struct cusum *c)
{
    double own = c->n_blocks >= BLOCKS_FEW ? c->spread * DEV_TO_S : 0;
    return fmax(BLOCK_NOISE * sigma(c), own);
}

static void remember(struct cusum *c, uint32_t step, double x)
{
    unsigned i = c->n_recent++ % CUSUM_VERIFY;
    c->recent[i] = (float)x;
    c->at[i] = step;
}

struct split { /* of the last values in two */
    double middle, sign, sum, most;
    uint32_t step;
    bool is_whole; /* all of them */
};

static void split_at(struct split *s, double x, uint32_t step)
{
    s->sum += (x - s->middle) * s->sign;
    s->is_whole = s->sum > s->most;
    if (!s->is_whole)
        return;
    s->most = s->sum;
    s->step = step;
}

/* The step of the change from one level to another. A sum may cross its limit before it,
 * where a slow rank is very unsteady; so the values that verified it are looked at, too. */
static uint32_t changed_at(const struct cusum *c, double from, double to)
{
    unsigned n = c->n_recent < CUSUM_VERIFY ? c->n_recent : CUSUM_VERIFY;
    struct split s = {
        .middle = (from + to) / 2, .sign = to > from ? 1 : -1, .step = c->left};
    for (unsigned i = CUSUM_VERIFY; i-- > 0;)
        split_at(&s, (double)c->verify[i], c->block_at + i);
    for (unsigned k = 1; k <= n; k++) {
        unsigned i = (c->n_recent - k) % CUSUM_VERIFY;
        split_at(&s, (double)c->recent[i], c->at[i]);
    }
    return s.is_whole ? c->left : s.step;
}

/* More than noise; whether it is enough to matter, more of them tell. */
static bool may_be_change(const struct cusum *c, double size)
{
    return size >= fmax(MAYBE * CUSUM_MINIMUM, SIGMAS * noise(c));
}

static bool is_clear(const struct cusum *c, double size)
{
    return size >= fmax(CUSUM_CLEAR, CLEAR * noise(c));
}

static enum cusum_news become_slow(struct cusum *c, double before, double after)
{
    c->slow = true;
    c->before = before;
    c->after = after;
    if (c->at_once)
        c->since = c->above;
    c->n_recent = c->n_verify = c->n_again = 0;
    c->sum = 0;
    c->over = c->held = 0;
    c->n_over = c->n_held = 0;
    return CUSUM_SLOW;
}

/* What is usual of blocks; a wild one counts as four times the spread. */
static void learn_block(struct cusum *c, double middle)
{
    double weight = 1.0 / (c->n_blocks < BLOCKS_MOST ? c->n_blocks + 1 : BLOCKS_MOST);
    double most = WINSOR * fmax(noise(c), CUSUM_MINIMUM);
    double off = fmax(-most, fmin(most, middle - c->level));
    if (c->n_blocks == 0)
        off = middle - c->level;
    else
        c->spread += (fabs(off) - c->spread) /
                     (c->n_blocks < BLOCKS_MOST ? c->n_blocks : BLOCKS_MOST);
    bool was_above = c->n_blocks > 0 && c->level > CUSUM_MINIMUM / 2;
    c->level += weight * off;
    c->n_blocks += c->n_blocks < UINT32_MAX;
    if (!was_above)
        c->above = c->block_at;
}

/* Above the peers, for as long as is known: its own past is no measure then. */
static bool is_above(const struct cusum *c, double middle)
{
    double n = c->n_blocks < BLOCKS_MOST ? c->n_blocks : BLOCKS_MOST;
    if (!c->peers || middle < CUSUM_MINIMUM)
        return false;
    if (n < 2)
        return is_clear(c, middle);
    double doubt = LEVEL * noise(c) / sqrt(n) * (1 + 3 / n);
    return c->level >= fmax(CUSUM_MINIMUM, doubt);
}

static enum cusum_news end_block(struct cusum *c)
{
    double middle = middle_of_block(c);
    c->n_verify = 0;
    learn_block(c, middle);
    if (!is_above(c, middle))
        return CUSUM_NOTHING;
    c->at_once = true;
    return become_slow(c, 0, c->level);
}

/* after: the mean of the blocks that have spoken for a change. */
static enum cusum_news verify_slow(struct cusum *c)
{
    double before = c->peers ? fmax(c->usual.median, 0) : c->usual.median;
    double middle = middle_of_block(c);
    c->n_again++;
    c->after = c->n_again == 1 ? middle : c->after + (middle - c->after) / c->n_again;
    if (c->n_again == 1)
        c->since = changed_at(c, before, middle);
    if (is_clear(c, middle - before))
        return become_slow(c, before, c->after);
    if (may_be_change(c, middle - before)) {
        if (c->n_again >= 2 && c->after - before >= CUSUM_MINIMUM)
            return become_slow(c, before, c->after);
        if (c->n_again < AGAIN_MOST) {
            c->verifying = true;
            return CUSUM_NOTHING;
        }
    }
    for (unsigned i = 0; i < CUSUM_VERIFY; i++)
        usual_add(&c->usual, (double)c->verify[i]);
    return end_block(c);
}

static enum cusum_news verify_recovery(struct cusum *c)
{
    double middle = middle_of_block(c), size = c->after - c->before;
    bool doubtful = c->at_once && !is_clear(c, size);
    if (middle - c->before > fmin(size / 2, CUSUM_MINIMUM))
        return CUSUM_NOTHING;
    if (++c->n_again == 1)
        c->recovered = changed_at(c, c->after, middle);
    if (c->n_again == 1 && doubtful) {
        c->verifying = true;
        return CUSUM_NOTHING;
    }
    if (c->at_once) {
        usual_init(&c->usual);
        c->n_blocks = 0;
        c->level = c->spread = 0;
    }
    for (unsigned i = 0; i < CUSUM_VERIFY; i++)
        usual_add(&c->usual, (double)c->verify[i]);
    c->slow = c->at_once = false;
    c->n_recent = 0;
    c->n_again = 0;
    learn_block(c, middle);
    return CUSUM_RECOVERED;
}

static enum cusum_news verify(struct cusum *c)
{
    if (c->n_verify < CUSUM_VERIFY)
        return CUSUM_NOTHING;
    c->verifying = false;
    c->sum = 0;
    enum cusum_news news = c->slow ? verify_recovery(c) : verify_slow(c);
    for (unsigned i = 0; news == CUSUM_NOTHING && i < CUSUM_VERIFY; i++)
        remember(c, c->block_at + i, (double)c->verify[i]);
    c->n_verify = 0;
    return news;
}

/* What may turn out to be the recovery is no part of the slow time yet. */
static void measure_size(struct cusum *c, double x)
{
    if (c->sum <= 0 && !c->verifying) {
        c->over += c->held;
        c->n_over += c->n_held;
        c->held = 0;
        c->n_held = 0;
    }
    c->held += x;
    c->n_held++;
}

double cusum_size(const struct cusum *c)
{
    return c->n_over ? c->over / c->n_over - c->before : c->after - c->before;
}

bool cusum_is_well(const struct cusum *c)
{
    return !c->slow && !c->verifying && c->sum <= 0 && c->usual.n >= CUSUM_VERIFY;
}

bool cusum_is_doubtful(const struct cusum *c)
{
    return c->slow || c->verifying || c->sum > LIMIT / 2;
}

static void sum_up(struct cusum *c, uint32_t step, double x)
{
    remember(c, step, x);
    double z = (c->slow ? c->after - x : x - c->usual.median) / sigma(c);
    double next = c->sum + fmax(-WINSOR, fmin(WINSOR, z)) - SLACK;
    if (!c->slow)
        usual_add(&c->usual, x);
    if (next > 0 && c->sum <= 0)
        c->left = step;
    c->sum = next > 0 ? next : 0;
    c->verifying = c->sum > LIMIT;
    c->n_again = 0;
}

enum cusum_news cusum_add(struct cusum *c, uint32_t step, double x)
{
    if (!isfinite(x))
        return CUSUM_NOTHING;
    if (c->n_verify == 0)
        c->block_at = step;
    if (c->slow)
        measure_size(c, x);
    c->verify[c->n_verify++ % CUSUM_VERIFY] = (float)x;
    if (c->verifying)
        return verify(c);
    if (c->usual.n < CUSUM_VERIFY) {
        c->left = c->usual.n == 0 ? step : c->left;
        usual_add(&c->usual, x);
    } else {
        sum_up(c, step, x);
    }
    if (c->verifying || c->slow)
        c->n_verify = 0;
    return c->n_verify == CUSUM_VERIFY ? end_block(c) : CUSUM_NOTHING;
}
