/* SPDX-License-Identifier: MIT */
/* job_steplog.c - steps of ranks that are looked for in their output. */
#include "agent/job_impl.h"
#include "proto/base/clock.h"

static void on_shown(void *arg, uint32_t rank, unsigned stream, const void *data,
                     size_t len, uint64_t t_ns)
{
    struct job *j = arg;
    steplog_add(j->steplog, rank, stream, data, len, t_ns);
}

static void on_step(void *arg, uint32_t rank, const struct steprec *rec)
{
    struct job *j = arg;
    (void)steprelay_add(j->steps, rank, rec); /* what it loses it counts */
}

static void on_fill(void *arg, uint32_t rank, uint64_t from_ns, uint64_t to_ns,
                    uint32_t n, struct steprec *rec)
{
    job_fill_lines(arg, rank, from_ns, to_ns, n, rec);
}

/* The head has compiled the same pattern: what fails here is the node's, and no reason
 * not to run. */
void job_watch_output(struct job *j)
{
    const Aolani__Prepare *p = j->plan;
    struct err e;
    struct steplog_config c = {.pattern = p->step_pattern,
                               .first_rank = p->first_rank[j->c.node],
                               .n_ranks = (uint32_t)p->n_ranks,
                               .now_ns = clock_mono_ns,
                               .step = on_step,
                               .fill = on_fill,
                               .arg = j};
    if (!p->step_pattern[0])
        return;
    if (steplog_create(&c, &j->steplog, &e) < 0)
        job_log(j, LOG_WARN_, "steps are not looked for in the output: %s", e.text);
    else
        output_watch(j->output, on_shown, j);
}

void job_unwatch_output(struct job *j)
{
    if (!j->steplog || !j->output)
        return;
    output_look(j->output);
    output_watch(j->output, NULL, NULL);
    uint64_t skipped = steplog_skipped(j->steplog);
    if (skipped > 0)
        job_log(j, LOG_WARN_,
                "%llu lines of output were not compared with log_pattern, which took "
                "too long",
                (unsigned long long)skipped);
    steplog_destroy(j->steplog);
    j->steplog = NULL;
}
