/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/collread.h"
#include "tests/lib/collwriter.h"

struct fixture {
    char dir[64], path[80];
    struct collread r;
    struct collfile *f;
};

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    struct err e;
    struct stat st;
    strcpy(x->dir, "/tmp/aolani-coll-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->path, sizeof x->path, "%s/coll-0", x->dir);
    assert_int_equal(collread_create(x->path, &x->r, &e), 0);
    assert_int_equal(stat(x->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, COLLFILE_BYTES);
    x->f = collwriter_open(x->path);
    assert_true(x->f->magic == COLLFILE_MAGIC && x->f->version == COLLFILE_VERSION);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    collwriter_close(x->f);
    collread_close(&x->r);
    unlink(x->path);
    assert_int_equal(rmdir(x->dir), 0);
    free(x);
    return 0;
}

static unsigned peek(struct fixture *x, unsigned lane, unsigned max,
                     uint32_t *ret_first)
{
    static uint8_t out[COLL_RECORDS][COLLREC_BYTES];
    uint64_t lost;
    struct collrec r;
    collread_look(&x->r);
    unsigned n = collread_peek(&x->r, lane, out, max, &lost);
    assert_true(n <= max && lost == 0);
    if (n > 0) {
        assert_true(collrec_decode(out[0], &r));
        *ret_first = r.seq;
    }
    return n;
}

static void put(struct fixture *x, unsigned lane, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++) {
        struct collrec r = {.kind = COLLREC_CALL, .seq = i};
        (void)collwriter_put(x->f, lane, &r);
    }
}

static void test_records_wait_until_they_are_taken(void **state)
{
    struct fixture *x = *state;
    uint32_t first = 0;
    assert_int_equal(peek(x, 0, 10, &first), 0);
    put(x, 2, 0, 5);
    assert_int_equal(peek(x, 0, 10, &first), 0);
    assert_int_equal(peek(x, 2, 3, &first), 3);
    assert_int_equal(peek(x, 2, 10, &first), 5);
    assert_int_equal(first, 0);
    collread_take(&x->r, 2, 4);
    assert_int_equal(peek(x, 2, 10, &first), 1);
    assert_int_equal(first, 4);
    /* The producer sees the room: as many as fit, and then none. */
    put(x, 2, 5, COLL_RECORDS + 100);
    assert_int_equal(atomic_load(&x->f->lane[2].dropped), 101);
    for (uint32_t got = 4, n; (n = peek(x, 2, 1000, &first)) > 0; got += n) {
        assert_int_equal(first, got);
        collread_take(&x->r, 2, n);
    }
    put(x, 2, 9000, 1);
    assert_int_equal(peek(x, 2, 10, &first), 1);
    assert_int_equal(first, 9000);
}

static void test_wish_is_whole_when_its_number_is_even(void **state)
{
    struct fixture *x = *state;
    struct collread_wish w = {COLL_DEPTH_ENQUEUED, 32, 2, 0x1122334455667788, 0x10203};
    struct collwish *is = &x->f->wish;
    for (uint32_t i = 1; i <= 3; i++) {
        w.deep_every = 32 * i;
        collread_wish(&x->r, &w);
        assert_int_equal(atomic_load(&is->gen), 2 * i);
        assert_true(is->depth == w.depth && is->deep_every == w.deep_every &&
                    is->deep_n == w.deep_n && is->anchor_comm == w.anchor_comm &&
                    is->anchor_key == w.anchor_key);
    }
}

/* What a program may do to the file, and what is left of it here. */
static void test_hostile_files(void **state)
{
    static const struct {
        const char *name;
        uint32_t n_lanes;
        uint64_t head;
        bool cut;
        unsigned n;
        uint64_t lost;
    } t[] = {
        {"more lanes than there are", UINT32_MAX, 2, false, 2, 0},
        {"a head far ahead", 1, UINT64_MAX, false, 0, COLL_RECORDS},
        {"a head that went back", 1, 0, false, 2, 0}, /* below: it was 1, then -2 */
        {"just too far", 1, COLL_RECORDS + 1, false, 0, COLL_RECORDS},
        {"no lane at all", 0, 5, false, 0, 0},
        {"truncated to nothing", 1, 3, true, 0, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        void *own;
        assert_int_equal(setup(&own), 0);
        struct fixture *x = own;
        uint8_t out[8][COLLREC_BYTES];
        uint64_t lost = 0;
        unsigned n = 0;
        if (strcmp(t[i].name, "a head that went back") == 0)
            x->r.lane[0].tail = UINT64_MAX - 1; /* two before the head */
        atomic_store(&x->f->n_lanes, t[i].n_lanes);
        atomic_store(&x->f->lane[0].head, t[i].head);
        if (t[i].cut)
            assert_int_equal(truncate(x->path, 0), 0);
        collread_look(&x->r);
        assert_true(x->r.n_lanes <= COLL_LANES);
        if (x->r.n_lanes > 0)
            n = collread_peek(&x->r, 0, out, 8, &lost);
        collread_take(&x->r, 0, n);
        struct collread_wish w = {COLL_DEPTH_CALLS, 0, 0, 0, 0};
        collread_wish(&x->r, &w);
        if (n != t[i].n || lost != t[i].lost)
            fail_msg("%s: %u records, %llu lost", t[i].name, n,
                     (unsigned long long)lost);
        teardown(&own);
    }
    (void)state;
}

static void test_a_file_that_cannot_be_made(void **state)
{
    struct fixture *x = *state;
    struct collread r;
    struct err e;
    char path[128];
    snprintf(path, sizeof path, "%s/none/coll-0", x->dir);
    assert_int_equal(collread_create(path, &r, &e), -ENOENT);
    assert_non_null(strstr(e.text, path));
    /* One of that name is replaced, a link is not followed. */
    snprintf(path, sizeof path, "%s/link", x->dir);
    assert_int_equal(symlink(x->path, path), 0);
    assert_int_equal(collread_create(path, &r, &e), 0);
    put(x, 0, 7, 1);
    collread_look(&r);
    assert_int_equal(r.n_lanes, 0);
    collread_close(&r);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_wait_until_they_are_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wish_is_whole_when_its_number_is_even,
                                        setup, teardown),
        cmocka_unit_test(test_hostile_files),
        cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_made, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
