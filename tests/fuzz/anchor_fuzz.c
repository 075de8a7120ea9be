/* SPDX-License-Identifier: MIT */
/* anchor_fuzz.c - any records at all: what is offered has been called often and steadily,
 * steps have a length, and they follow each other. */
#include <math.h>
#include <stdlib.h>

#include "agent/anchor.h"
#include "proto/base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* After a byte for the ranks of the job: a record as it stands; the same kinds again and again, in time; choose one; look. */
enum op { OP_RAW, OP_REPEAT, OP_CHOOSE, OP_LOOK, N_OPS };

struct state {
    struct anchors *anchors;
    struct collrec last;
    uint64_t end_ns, changes;
};

static void check(int truth)
{
    if (!truth)
        abort();
}

static void on_step(void *arg, const struct anchor_step *s)
{
    struct state *x = arg;
    check(s->end_ns > s->begin_ns && s->confidence <= 100 && s->n_coll > 0);
    x->end_ns = s->end_ns;
}

static void raw(struct state *x, struct cur *c)
{
    uint8_t bytes[COLLREC_BYTES] = {0};
    struct collrec r;
    cur_bytes(c, bytes, sizeof bytes);
    if (!collrec_decode(bytes, &r))
        return;
    x->last = r;
    anchors_add(x->anchors, &r);
}

static void repeat(struct state *x, struct cur *c)
{
    unsigned times = cur_u8(c) % 64u, kinds = 1 + cur_u8(c) % 8u;
    uint32_t after = cur_u32(c), seq = x->last.seq;
    for (unsigned i = 0; i < times * kinds && !c->bad; i++) {
        x->last.t_ns += after;
        x->last.kind = COLLREC_CALL;
        x->last.sig.size_class = (uint8_t)(i % kinds);
        x->last.seq = seq + 1 + i / kinds;
        anchors_add(x->anchors, &x->last);
    }
}

static void look(struct state *x, uint64_t now_ns)
{
    struct anchor_candidate list[ANCHOR_CANDIDATES];
    uint64_t changes, comm;
    size_t n = anchors_candidates(x->anchors, list, &changes);
    check(n <= ANCHOR_CANDIDATES && changes >= x->changes);
    x->changes = changes;
    for (size_t i = 0; i < n; i++)
        check(list[i].count >= ANCHOR_COUNT && list[i].steady <= 1000 &&
              isfinite(list[i].period_ns) && list[i].period_ns > 0);
    (void)anchors_is_lost(x->anchors, now_ns);
    (void)anchors_chosen(x->anchors, &comm);
}

static void choose(struct state *x, struct cur *c)
{
    struct anchor_candidate list[ANCHOR_CANDIDATES];
    uint64_t changes;
    struct anchor_class class = {.sig = x->last.sig, .n_ranks = x->last.n_ranks};
    size_t n = anchors_candidates(x->anchors, list, &changes), at = cur_u8(c);
    if (at < n)
        class = list[at].class;
    (void)anchors_choose(x->anchors, &class);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(data, size);
    struct state x = {0};
    x.anchors = anchors_create(cur_u8(&c), on_step, &x);
    if (!x.anchors)
        return 0;
    while (cur_left(&c) > 0 && !c.bad) {
        switch ((enum op)(cur_u8(&c) % N_OPS)) {
        case OP_RAW:
            raw(&x, &c);
            break;
        case OP_REPEAT:
            repeat(&x, &c);
            break;
        case OP_CHOOSE:
            choose(&x, &c);
            break;
        case OP_LOOK:
        case N_OPS:
            look(&x, cur_u64(&c));
            break;
        }
    }
    look(&x, x.end_ns);
    anchors_destroy(x.anchors);
    return 0;
}
