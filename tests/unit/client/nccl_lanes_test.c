/* SPDX-License-Identifier: MIT */
/* What the driver of tests/nccl cannot bring about at will: who is writing just then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "proto/client/nccl/lanes.c"

static void test_a_lane_that_is_taken_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        unsigned home, taken, lane; /* taken: bits; lane: COLL_LANES is none */
        bool gap;
    } t[] = {
        {0, 0x00, 0, false},          {3, 0x00, 3, false},
        {11, 0x00, 3, false},         {3, 0x08, 4, false},
        {7, 0x80, 0, false},          {7, 0xfd, 1, false},
        {2, 0xff, COLL_LANES, false}, {2, 0xff, COLL_LANES, false},
        {5, 0x00, 5, true},           {5, 0x00, 5, false},
    };
    struct lanes *l = calloc(1, sizeof *l);
    struct collfile *f = calloc(1, COLLFILE_BYTES);
    assert_true(l && f);
    collfile_init(f);
    l->file = f;
    unsigned wrote[COLL_LANES] = {0}, homeless = 0, most = 0;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct collrec r = {.kind = COLLREC_CALL, .t_ns = 100 - i}, got;
        for (unsigned n = 0; n < COLL_LANES; n++)
            atomic_store(&l->state[n].taken, t[i].taken >> n & 1);
        lanes_push(l, t[i].home, &r);
        homeless += t[i].lane == COLL_LANES;
        assert_int_equal(atomic_load(&f->homeless), homeless);
        for (unsigned n = 0; n < COLL_LANES; n++) {
            wrote[n] += n == t[i].lane;
            assert_int_equal(atomic_load(&f->lane[n].head), wrote[n]);
            assert_int_equal(atomic_load(&l->state[n].taken), t[i].taken >> n & 1);
        }
        if (t[i].lane == COLL_LANES)
            continue;
        most = t[i].lane + 1 > most ? t[i].lane + 1 : most;
        assert_int_equal(atomic_load(&f->n_lanes), most);
        assert_true(
            collrec_decode(f->lane[t[i].lane].record[wrote[t[i].lane] - 1], &got));
        assert_int_equal(got.flags, t[i].gap ? COLLREC_GAP : 0);
        /* Time stands still in a lane where a thread was slow to come. */
        assert_int_equal(got.t_ns, l->state[t[i].lane].last_ns);
        assert_true(got.t_ns >= 100 - i);
    }
    free(l);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lane_that_is_taken_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
