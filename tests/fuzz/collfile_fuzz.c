/* SPDX-License-Identifier: MIT */
/* collfile_fuzz - a rank that writes anything into its file of collectives: the agent reads
 * inside it, comes to an end, and says only what the head takes. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/collrelay.h"
#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/collrec.h"
#include "proto/wire/colltime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_BYTES, STEP_RECORDS, STEP_CHOOSE, STEP_CUT, STEP_DRAIN, N_STEPS };

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    const Aolani__CollTimes *t = (const void *)m;
    const Aolani__CollAnchors *a = (const void *)m;
    (void)arg;
    assert(protobuf_c_message_get_packed_size(m) <= message_rule(type)->max_payload);
    if (type == MSG_COLL_TIMES)
        assert(t->records.len <= LIMIT_COLL_TIMES * COLLTIME_BYTES);
    for (size_t i = 0; type == MSG_COLL_ANCHORS && i < a->n_candidates; i++)
        assert(a->candidates[i]->n_ranks - 1 < UINT16_MAX);
    (void)t;
    return 1;
}

static uint64_t on_credit(void *arg)
{
    (void)arg;
    return 1u << 20;
}

static int on_add(void *arg, uint32_t rank, const struct steprec *rec)
{
    (void)arg;
    assert(rank == 0 && rec->source == STEPREC_NCCL && rec->confidence <= 100);
    (void)rank;
    (void)rec;
    return 0;
}

static void write_bytes(struct cur *c, int fd)
{
    uint8_t bytes[256];
    size_t at = cur_u32(c) % (COLLFILE_BYTES + 100), n = cur_u8(c);
    n = n < cur_left(c) ? n : cur_left(c);
    cur_bytes(c, bytes, n);
    ssize_t done = pwrite(fd, bytes, n, (off_t)at);
    (void)done;
}

/* Well formed, one after the other: what gets as far as the anchors. */
static void write_records(struct cur *c, int fd, uint64_t *head, uint64_t *t_ns)
{
    uint8_t n = cur_u8(c), kind = cur_u8(c), func = cur_u8(c), bytes[COLLREC_BYTES];
    uint32_t lanes = 1, every = cur_u16(c);
    for (unsigned i = 0; i < n; i++) {
        *t_ns += every * 1000u;
        struct collrec r = {.t_ns = *t_ns,
                            .comm = func & 3,
                            .bytes = 1u << (func & 15),
                            .seq = (uint32_t)*head,
                            .dur_ns = every,
                            .n_ranks = func & 64 ? 0 : 4,
                            .kind = kind,
                            .flags = (uint8_t)(kind >> 6),
                            .sig = {func & 7, 7, func & 15}};
        collrec_encode(&r, bytes);
        size_t at = offsetof(struct collfile, lane) + offsetof(struct colllane, record);
        ssize_t done =
            pwrite(fd, bytes, sizeof bytes,
                   (off_t)(at + (*head & (COLL_RECORDS - 1)) * sizeof bytes));
        (void)done;
        ++*head;
    }
    ssize_t done = pwrite(fd, head, sizeof *head, offsetof(struct collfile, lane));
    done = pwrite(fd, &lanes, sizeof lanes, offsetof(struct collfile, n_lanes));
    (void)done;
}

static void choose(struct collrelay *r, struct cur *c)
{
    Aolani__CollAnchor m = AOLANI__COLL_ANCHOR__INIT;
    struct err e;
    uint8_t func = cur_u8(c);
    m.key = (uint32_t)(func & 7) << 16 | 7 << 8 | (func & 15);
    m.n_ranks = 4;
    m.deep_every = cur_u8(c);
    m.deep_n = 2;
    (void)collrelay_choose(r, &m, &e);
}

static void play(struct collrelay *r, int fd, struct cur *c)
{
    uint64_t head = 0, t_ns = 1000000000, now_ns = t_ns;
    while (cur_left(c) > 0 && !c->bad) {
        switch ((enum step)(cur_u8(c) % N_STEPS)) {
        case STEP_BYTES:
            write_bytes(c, fd);
            break;
        case STEP_RECORDS:
            write_records(c, fd, &head, &t_ns);
            break;
        case STEP_CHOOSE:
            choose(r, c);
            break;
        case STEP_CUT:
            if (ftruncate(fd, cur_u32(c) % COLLFILE_BYTES) < 0)
                return;
            break;
        case STEP_DRAIN:
        case N_STEPS:
            now_ns = t_ns > now_ns ? t_ns : now_ns;
            now_ns += cur_u16(c) * 1000000ull;
            collrelay_drain(r, now_ns, false);
            break;
        }
    }
    collrelay_drain(r, now_ns, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/aolani-collfuzz-XXXXXX";
    struct collrelay *r = NULL;
    const char *path;
    struct cur c = cur_of(data, size);
    if (!mkdtemp(dir))
        return 0;
    struct collrelay_config config = {
        .dir = dir, .up = {on_send, on_credit, NULL}, .add = on_add};
    if (collrelay_create(&config, &r, NULL) == 0 &&
        collrelay_open_rank(r, 0, &path, NULL) == 0) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert(fd >= 0);
        play(r, fd, &c);
        close(fd);
    }
    collrelay_destroy(r);
    (void)rmdir(dir);
    return 0;
}
