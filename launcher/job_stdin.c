/* SPDX-License-Identifier: MIT */
/* job_stdin.c - our standard input on its way to the rank that --stdin names. Nothing is
 * read before the ranks are started: what a job that never starts would have read is still
 * there for whoever comes next. */
#include <unistd.h>

#include "launcher/job_impl.h"
#include "proto/base/log.h"

int job_check_stdin(const struct spec *s, uint64_t world_size, struct err *e)
{
    if (s->stdin_rank < 0 || (uint64_t)s->stdin_rank < world_size)
        return 0;
    err_set(e, ERR_USAGE, "--stdin %lld: the job has %llu ranks",
            (long long)s->stdin_rank, (unsigned long long)world_size);
    return err_hint(e, "ranks are counted from 0");
}

static uint32_t stdin_node(const struct job *j)
{
    return j->plan.ranks[j->config.spec->stdin_rank].node;
}

static int on_send(void *arg, uint64_t offset, const uint8_t *data, size_t len,
                   bool eof)
{
    struct job *j = arg;
    Aolani__Stdin m = AOLANI__STDIN__INIT;
    m.rank = (uint32_t)j->config.spec->stdin_rank;
    m.offset = offset;
    m.data.data = (uint8_t *)data;
    m.data.len = len;
    m.eof = eof;
    j->sent_input = j->sent_input || len > 0;
    return fleet_send(j->fleet, stdin_node(j), MSG_STDIN, j->config.attempt, &m.base);
}

/* The rank must not take a part for the whole. */
static void on_failed(void *arg, const struct err *e)
{
    struct job *j = arg;
    job_set_stop(j, STOP_ERROR, err_exit_status(e->code), "%s", e->text);
    job_event(j, JOB_EV_FAILED);
}

void job_begin_stdin(struct job *j)
{
    static const struct stdinfeed_ops ops = {.send = on_send, .failed = on_failed};
    struct err e;
    if (j->config.spec->stdin_rank < 0)
        return;
    if (stdinfeed_create(j->loop, STDIN_FILENO, &ops, j, &j->input, &e) < 0)
        on_failed(j, &e);
}

int job_on_stdin_taken(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                       struct err *e)
{
    const Aolani__StdinTaken *m = (const void *)msg;
    int64_t rank = j->config.spec->stdin_rank;
    if (rank < 0 || m->rank != (uint64_t)rank || !j->ranks || node != stdin_node(j))
        return err_set(e, ERR_PROTO, "rank %u takes no standard input", m->rank);
    if (m->closed)
        log_info("rank %u on %s reads no more standard input", m->rank,
                 job_node_name(j, node));
    return j->input ? stdinfeed_taken(j->input, m->offset, m->closed, e) : 0;
}

void job_end_stdin(struct job *j)
{
    stdinfeed_destroy(j->input);
    j->input = NULL;
}
