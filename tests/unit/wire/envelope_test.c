/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "proto/wire/envelope.h"

static const struct envelope sample = {.source = 1,
                                       .destination = 0,
                                       .attempt = 3,
                                       .type = 0x0405,
                                       .epoch = 0x0102030405060708ull,
                                       .seq = 9,
                                       .ack = UINT64_MAX};

static void test_layout_is_little_endian(void **state)
{
    (void)state;
    static const uint8_t want[ENVELOPE_BYTES] = {
        1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5,   4,   0,   0,   8,   7,   6,   5,
        4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255};
    uint8_t x[ENVELOPE_BYTES];
    envelope_encode(&sample, x);
    assert_memory_equal(x, want, sizeof x);
}

static void test_round_trip_with_payload(void **state)
{
    (void)state;
    uint8_t x[ENVELOPE_BYTES + 3];
    struct envelope v;
    struct err e;
    envelope_encode(&sample, x);
    memcpy(x + ENVELOPE_BYTES, "abc", 3);
    assert_int_equal(envelope_decode(x, sizeof x, &v, &e), 0);
    assert_int_equal(v.source, 1);
    assert_int_equal(v.attempt, 3);
    assert_int_equal(v.type, 0x0405);
    assert_true(v.epoch == sample.epoch && v.seq == 9 && v.ack == UINT64_MAX);
    assert_ptr_equal(v.payload, x + ENVELOPE_BYTES);
    assert_int_equal(v.payload_len, 3);
}

static void test_short_and_flagged_are_refused(void **state)
{
    (void)state;
    uint8_t x[ENVELOPE_BYTES];
    struct envelope v = {.type = 77};
    struct err e;
    envelope_encode(&sample, x);
    for (size_t len = 0; len < sizeof x; len++)
        assert_int_equal(envelope_decode(x, len, &v, &e), ERR_PROTO);
    x[14] = 1;
    assert_int_equal(envelope_decode(x, sizeof x, &v, &e), ERR_PROTO);
    assert_int_equal(v.type, 77);
    assert_string_equal(e.text, "read an envelope: unknown flags 0x0001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_is_little_endian),
        cmocka_unit_test(test_round_trip_with_payload),
        cmocka_unit_test(test_short_and_flagged_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
