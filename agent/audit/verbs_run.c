/* SPDX-License-Identifier: MIT */
/* verbs_run.c - round trips of messages, and writes into the other end's memory. Who waits
 * looks at the completion queue without pause, as NCCL does: what is measured is the way,
 * not how soon a thread wakes up. */
#if __has_include(<infiniband/verbs.h>)
#include "agent/audit/verbs_impl.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "agent/audit/pair_impl.h"
#include "proto/base/clock.h"

#define WARM_TRIPS   16u
#define IDLE_POLLS   4096u /* then others on this CPU have a turn */
#define IS_TAKEN     0x100u
#define MESSAGE_LAST 1u
#define GRACE_NS     500000000u /* for completions of what is under way */

int verbs_take(struct verbs *v, unsigned place)
{
    struct ibv_sge at = {.addr = v->own.address + VERBS_TAKES + place * VERBS_MESSAGE,
                         .length = VERBS_MESSAGE,
                         .lkey = v->mr->lkey};
    struct ibv_recv_wr wr = {.wr_id = IS_TAKEN | place, .sg_list = &at, .num_sge = 1};
    struct ibv_recv_wr *bad = NULL;
    int rc = v->qp->context->ops.post_recv(v->qp, &wr, &bad);
    return rc > 0 ? -rc : rc;
}

static int broken(struct err *e, const struct verbs *v, const char *what, int status)
{
    return err_set(e, -EIO,
                   "%s between \"%s\" and \"%s\" by RDMA: the work failed (%d)", what,
                   v->own.name, v->peer.name, status);
}

static int posted(struct err *e, const struct verbs *v, const char *what, int rc)
{
    rc = rc > 0 ? -rc : rc;
    return rc == 0 ? 0
                   : err_sys(e, rc, "%s between \"%s\" and \"%s\" by RDMA", what,
                             v->own.name, v->peer.name);
}

/* The next completion; -ETIMEDOUT. */
static int next(struct verbs *v, const char *what, uint64_t until_ns,
                struct ibv_wc *ret, struct err *e)
{
    for (unsigned idle = 1;; idle++) {
        int n = v->cq->context->ops.poll_cq(v->cq, 1, ret);
        if (n < 0)
            return broken(e, v, what, n);
        if (n > 0)
            return ret->status == IBV_WC_SUCCESS ? 0
                                                 : broken(e, v, what, (int)ret->status);
        if (idle % 64 == 0 && clock_mono_ns() >= until_ns)
            return err_sys(e, -ETIMEDOUT, "%s between \"%s\" and \"%s\" by RDMA", what,
                           v->own.name, v->peer.name);
        if (idle % IDLE_POLLS == 0)
            (void)sched_yield();
    }
}

static int send_message(struct verbs *v, const char *what, unsigned char flag,
                        struct err *e)
{
    unsigned char *at = v->memory + VERBS_SENDS;
    struct ibv_sge sge = {.addr = v->own.address + VERBS_SENDS,
                          .length = VERBS_MESSAGE,
                          .lkey = v->mr->lkey};
    struct ibv_send_wr wr = {.sg_list = &sge,
                             .num_sge = 1,
                             .opcode = IBV_WR_SEND,
                             .send_flags = IBV_SEND_SIGNALED};
    struct ibv_send_wr *bad = NULL;
    at[0] = flag;
    return posted(e, v, what, v->qp->context->ops.post_send(v->qp, &wr, &bad));
}

/* A message from the other end, and that ours has gone, in whichever order: only then may
 * the memory it is sent from be used again. sent: ours is under way. */
static int exchange(struct verbs *v, const char *what, bool sent, uint64_t until_ns,
                    unsigned char *ret_flag, struct err *e)
{
    bool taken = false;
    while (!taken || sent) {
        struct ibv_wc wc = {0};
        int rc = next(v, what, until_ns, &wc, e);
        if (rc < 0)
            return rc;
        if (!(wc.wr_id & IS_TAKEN)) {
            sent = false;
            continue;
        }
        unsigned place = wc.wr_id & (IS_TAKEN - 1);
        taken = true;
        *ret_flag = v->memory[VERBS_TAKES + place * VERBS_MESSAGE];
        rc = posted(e, v, what, verbs_take(v, place));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int trip(struct verbs *v, unsigned char flag, uint64_t until_ns, struct err *e)
{
    unsigned char back;
    int rc = send_message(v, "measure trips", flag, e);
    return rc < 0 ? rc : exchange(v, "measure trips", true, until_ns, &back, e);
}

int verbs_trips(struct verbs *v, uint64_t window_ms, uint64_t *ret_ns, size_t most,
                size_t *ret_n, struct err *e)
{
    uint64_t from = clock_mono_ns(), until = from + window_ms * 1000000;
    size_t n = 0;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < WARM_TRIPS; i++)
        rc = trip(v, 0, until + GRACE_NS, e);
    from = clock_mono_ns();
    do { /* one at least */
        rc = rc < 0 ? rc : trip(v, 0, until + GRACE_NS, e);
        uint64_t now = clock_mono_ns();
        ret_ns[n] = now - from;
        n += rc == 0;
        from = now;
    } while (rc == 0 && n < most && from < until);
    if (rc == 0)
        rc = trip(v, MESSAGE_LAST, until + GRACE_NS, e);
    if (rc == 0)
        *ret_n = n;
    return rc;
}

int verbs_echo(struct verbs *v, uint64_t window_ms, struct err *e)
{
    uint64_t until = clock_mono_ns() + window_ms * 1000000 + GRACE_NS;
    unsigned char flag = 0;
    bool sent = false;
    int rc = 0;
    while (rc == 0 && flag != MESSAGE_LAST) {
        rc = exchange(v, "answer trips", sent, until, &flag, e);
        if (rc == 0)
            rc = send_message(v, "answer trips", flag, e);
        sent = true;
    }
    struct ibv_wc wc = {0};
    return rc < 0 ? rc : next(v, "answer trips", until, &wc, e);
}

static int write_block(struct verbs *v, unsigned number, struct err *e)
{
    uint64_t at = (uint64_t)(number % VERBS_BLOCKS) * VERBS_BLOCK;
    struct ibv_sge sge = {
        .addr = v->own.address + at, .length = VERBS_BLOCK, .lkey = v->mr->lkey};
    struct ibv_send_wr wr = {
        .sg_list = &sge,
        .num_sge = 1,
        .opcode = IBV_WR_RDMA_WRITE,
        .send_flags = IBV_SEND_SIGNALED,
        .wr.rdma = {.remote_addr = v->peer.address + at, .rkey = v->peer.rkey}};
    struct ibv_send_wr *bad = NULL;
    return posted(e, v, "write", v->qp->context->ops.post_send(v->qp, &wr, &bad));
}

int verbs_push(struct verbs *v, uint64_t window_ms, uint64_t *ret_bytes,
               uint64_t *ret_ns, struct err *e)
{
    struct pair_rate rate;
    uint64_t from = clock_mono_ns(), until = from + window_ms * 1000000;
    uint64_t written = 0;
    unsigned begun = 0, under_way = 0;
    int rc = 0;
    pair_rate_start(&rate, from, window_ms * 1000000);
    (void)pair_rate_add(&rate, from, 0);
    for (bool more = true; rc == 0 && (more || under_way > 0);) {
        struct ibv_wc wc = {0};
        for (; rc == 0 && more && under_way < VERBS_DEPTH; under_way++)
            rc = write_block(v, begun++, e);
        if (rc == 0)
            rc = next(v, "write", until + GRACE_NS, &wc, e);
        if (rc < 0)
            break;
        under_way--;
        written += VERBS_BLOCK;
        more = pair_rate_add(&rate, clock_mono_ns(), written);
    }
    if (rc == 0)
        pair_rate_steady(&rate, ret_bytes, ret_ns);
    return rc;
}
#else
typedef int verbs_run_is_not_built; /* see verbs_none.c */
#endif
