/* SPDX-License-Identifier: MIT */
/* report_beyond.c - what the measured loss means beyond the run: what more ranks like these
 * would lose, and what others took at least. What articles say of virtualization stands
 * beside that as theirs. A part of report. */
#include <math.h>
#include <stdio.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"
#include "launcher/variance/amplify.h"

#define SHOWN      0.05 /* percent of the step time: less is not said */
#define MANY_RANKS 1024u
#define GROWS      1.0 /* percent more: then a larger job is told of unasked */
#define HAS_CAUSE  0.1 /* of the loss: so much by slow ranks is said beside it */

/* ---- a larger job */

/* What spells are of the loss. A slow rank has a cause of its own, and is no noise of which
 * a larger job has more: the excess does not hold it either. */
static double caused_part(const struct report_view *v)
{
    double sum = 0, all = view_loss_us(v);
    for (size_t i = 0; i < v->variance.n_spells; i++)
        sum += v->variance.spells[i].loss_us;
    return all > 0 ? fmin(sum / all, 1) : 0;
}

/* Both as a share of the step time: a loss of l of the median turns 1 - s + s * r out of 1,
 * where s is the share now and r how it grows. */
static void page_amplified(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    uint32_t ranks = v->ask_ranks ? v->ask_ranks : MANY_RANKS;
    double s = unit_per(view_loss_us(v), a->t_us), caused = caused_part(v), with;
    struct amplify now, then;
    if (v->n_ranks == 1 && v->ask_ranks)
        page_printf(p, "  with %u ranks: unknown, one rank waits for nobody\n", ranks);
    if (v->n_ranks == 1 || !a->excess.counts ||
        (!v->ask_ranks && v->n_ranks >= MANY_RANKS))
        return;
    amplify_to(&a->excess, v->n_ranks ? (uint32_t)v->n_ranks : 1, &now);
    amplify_to(&a->excess, ranks, &then);
    if (!(now.loss > 0) || !(s > 0 && s < 1)) {
        if (v->ask_ranks)
            page_printf(p, "  with %u ranks: unknown, no rank was ever late here\n",
                        ranks);
        return;
    }
    with = s * caused + s * (1 - caused) * then.loss / now.loss;
    with /= 1 - s + with;
    if (!v->ask_ranks && with - s < GROWS / 100)
        return;
    page_printf(
        p,
        "  with %u ranks that are like these: straggler loss %.1f %% instead of "
        "%.1f %%%s\n",
        ranks, 100 * with, 100 * s, then.reach < ranks ? ", at least" : "");
    if (then.reach < ranks)
        page_printf(p, "  (the data reach %.0f ranks: what is rarer was not seen)\n",
                    then.reach);
    if (caused >= HAS_CAUSE)
        page_printf(p,
                    "  (the slow ranks above, %.1f %% here, are taken to stay as they "
                    "are, and only the rest to grow)\n",
                    100 * s * caused);
}

/* ---- virtualization */

/* What exits cost at most: every interrupt one exit, each at the price of the probe. */
static double exit_share(const struct report_view *v, const struct signals_node **ret)
{
    double most = NAN;
    for (size_t i = 0; v->signals && i < v->n_nodes; i++) {
        const struct signals_node *n = &v->signals[i];
        double share = n->exits_per_second * n->exit_ns * 1e-9;
        if (!isnan(share) && !(share <= most)) {
            most = share;
            *ret = n;
        }
    }
    return most;
}

static void page_outside(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    const struct signals_node *worst = NULL;
    double left = a->t_us - a->outside_us, share = exit_share(v, &worst);
    double percent = left > 0 ? unit_percent(a->outside_us, left) : 0;
    char text[200];
    snprintf(
        text, sizeof text,
        "others made the steps at least %.1f %% longer (lower bound: only CPU time "
        "and memory bandwidth that were seen to go elsewhere)",
        percent);
    if (percent >= SHOWN)
        page_wrap(p, "  ", text);
    if (worst) {
        snprintf(
            text, sizeof text,
            "exits to a hypervisor for interrupts: at most %.2f %% of a CPU (%.0f a "
            "second and CPU, at %.2f us)",
            100 * share, worst->exits_per_second, worst->exit_ns / 1e3);
        page_wrap(p, "  ", text);
    }
    page_printf(
        p, "  said of virtualization in articles: 15 to 25 %%; not measured here\n");
}

void page_beyond(struct page *p, const struct report_view *v)
{
    page_amplified(p, v);
    page_outside(p, v);
}
