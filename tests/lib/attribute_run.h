/* SPDX-License-Identifier: MIT */
/* attribute_run - a stream of steps through the attribution, and what it says of them; the
 * totals of every run are checked, whatever was planted. Included after cmocka. */
#ifndef TESTS_LIB_ATTRIBUTE_RUN_H
#define TESTS_LIB_ATTRIBUTE_RUN_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/attribute.h"
#include "tests/lib/stream.h"

#define MOST 4096

struct heard {
    struct culprit culprits[MOST];
    struct spell spells[64];
    size_t n_culprits, n_spells;
};

struct run {
    struct stream stream;
    struct steps *steps;
    struct attribute *attribute;
    struct attribution is;
    struct heard heard;
};

static void on_culprit(void *arg, const struct culprit *c)
{
    struct heard *h = arg;
    if (h->n_culprits < MOST)
        h->culprits[h->n_culprits++] = *c;
}

static void on_spell(void *arg, const struct spell *s)
{
    struct heard *h = arg;
    if (h->n_spells < 64)
        h->spells[h->n_spells++] = *s;
}

static void open_run(struct run *r, const struct stream *stream, uint32_t warmup,
                     const struct signals *signals, struct attribute_ops *ops)
{
    struct attribute_ops own = {
        .culprit = on_culprit, .spell = on_spell, .arg = &r->heard};
    memset(r, 0, sizeof *r);
    r->stream = *stream;
    assert_int_equal(stream_init(&r->stream), 0);
    assert_int_equal(
        attribute_create(stream->world, signals, ops ? ops : &own, &r->attribute), 0);
    struct steps_ops so = {
        .record = attribute_record, .closed = attribute_step, .arg = r->attribute};
    assert_int_equal(steps_create(stream->world, warmup, &so, &r->steps), 0);
}

static double sum_of(const double v[MECH_N])
{
    double sum = 0;
    for (int i = 0; i < MECH_N; i++) {
        assert_true(isfinite(v[i]) && v[i] >= 0);
        sum += v[i];
    }
    return sum;
}

/* Of every run, whatever was planted. */
static void check_totals(struct run *r)
{
    struct steps_job job;
    steps_job(r->steps, &job);
    double loss = sum_of(r->is.loss_us) + r->is.small_us;
    if (job.loss_sum == STEPS_UNKNOWN)
        job.loss_sum = 0;
    if (fabs(loss - (double)job.loss_sum) > 1e-6 * (double)job.loss_sum + 1e-3)
        fail_msg("the losses sum up to %.3f, the steps say %llu", loss,
                 (unsigned long long)job.loss_sum);
    assert_true(r->is.steps == job.closed);
    assert_true(r->is.t_us == (double)job.t_sum);
    for (size_t i = 0; i < r->heard.n_culprits; i++) {
        const struct excess *x = &r->heard.culprits[i].excess;
        if (fabs(sum_of(x->part) - x->us) > 1e-6 * x->us)
            fail_msg("the parts of step %u sum up to %.3f, not to %.3f",
                     r->heard.culprits[i].step, sum_of(x->part), x->us);
    }
    for (size_t i = 1; i < r->is.n_blames; i++)
        assert_true(r->is.blames[i - 1].loss_us >= r->is.blames[i].loss_us);
}

static void end_run(struct run *r)
{
    steps_finish(r->steps);
    attribute_finish(r->attribute, r->stream.clock_ns / 1000000);
    attribute_result(r->attribute, &r->is);
    check_totals(r);
}

static void close_run(struct run *r)
{
    steps_destroy(r->steps);
    attribute_destroy(r->attribute);
    stream_fini(&r->stream);
}

static struct run *the_run(void)
{
    static struct run r; /* large */
    return &r;
}

static struct stream quiet(uint32_t world, const struct planted *p, size_t n)
{
    return (struct stream){.world = world,
                           .busy_us = 10000,
                           .coll_us = 300,
                           .sigma = 0.01,
                           .source = p && p[0].what == PLANT_GPU ? STEPREC_NCCL : 0,
                           .seed = 7,
                           .planted = p,
                           .n_planted = n};
}

#endif
