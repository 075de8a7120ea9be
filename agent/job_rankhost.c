/* SPDX-License-Identifier: MIT */
/* job_rankhost.c - what the host gave to a rank in a step that the rank itself did not mark.
 * Nothing is read until there is such a step to come. */
#include "agent/job_impl.h"
#include "proto/base/clock.h"

void job_sample_ranks(struct job *j)
{
    size_t n;
    if (!j->steplog && (!j->coll || !collrelay_is_told(j->coll)))
        return;
    if (!j->hosts && j->ranks) {
        const struct task *tasks = ranks_tasks(j->ranks, &n);
        (void)rankhosts_create(tasks, n, &j->hosts); /* without: nothing is known */
    }
    if (j->hosts)
        rankhosts_tick(j->hosts, clock_mono_ns());
}

void job_forget_ranks(struct job *j)
{
    rankhosts_destroy(j->hosts);
    j->hosts = NULL;
}

static bool look(struct job *j, uint32_t rank, uint64_t from_ns, uint64_t to_ns,
                 struct rankhost_figures *ret)
{
    return j->hosts &&
           rankhosts_over(j->hosts, rank, from_ns, to_ns, clock_mono_ns(), ret);
}

void job_fill_host(struct job *j, uint32_t rank, struct steprec *r)
{
    struct rankhost_figures f;
    uint64_t wall_ns = (uint64_t)r->wall_us * 1000;
    uint64_t from_ns = r->t_end_ns > wall_ns ? r->t_end_ns - wall_ns : 0;
    if (look(j, rank, from_ns, r->t_end_ns, &f))
        rankhost_fill(&f, 1, r);
}

/* Where there is no GPU that it may have waited for, a rank that sleeps until the next line
 * waits for the others, or for what all of them wait for. */
void job_fill_lines(struct job *j, uint32_t rank, uint64_t from_ns, uint64_t to_ns,
                    uint32_t n, struct steprec *r)
{
    struct rankhost_figures f;
    if (!look(j, rank, from_ns, to_ns, &f))
        return;
    if (f.direct && !job_has_gpus())
        rankhost_fill_waits(&f, n, r);
    else
        rankhost_fill(&f, n, r);
}
