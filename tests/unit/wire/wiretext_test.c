/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/wiretext.h"

/* As a peer would send it: packed, and unpacked here. */
static void test_every_text_is_made_printable(void **state)
{
    (void)state;
    Aolani__NodeInfo m = AOLANI__NODE_INFO__INIT;
    Aolani__Limit limit = AOLANI__LIMIT__INIT;
    char *addresses[] = {"10.0.0.1", "10.0.0.2\n"};
    Aolani__Limit *limits[] = {&limit};
    uint8_t packed[500];
    limit.name = "nofile\x1b[2J";
    m.hostname = "n1\x1b]0;x\a";
    m.addresses = addresses;
    m.n_addresses = 2;
    m.limits = limits;
    m.n_limits = 1;
    assert_in_range(aolani__node_info__get_packed_size(&m), 1, sizeof packed);
    size_t len = aolani__node_info__pack(&m, packed);
    Aolani__NodeInfo *got = aolani__node_info__unpack(NULL, len, packed);
    assert_non_null(got);
    wiretext_make_printable(&got->base);
    assert_string_equal(got->hostname, "n1?]0;x?");
    assert_string_equal(got->boot_id, "");
    assert_string_equal(got->addresses[0], "10.0.0.1");
    assert_string_equal(got->addresses[1], "10.0.0.2 ");
    assert_string_equal(got->limits[0]->name, "nofile?[2J");
    aolani__node_info__free_unpacked(got, NULL);
}

static void test_bytes_stay(void **state)
{
    (void)state;
    uint8_t data[] = {0x1b, '\n', 0xff};
    Aolani__Output m = AOLANI__OUTPUT__INIT;
    m.data.data = data;
    m.data.len = sizeof data;
    wiretext_make_printable(&m.base);
    assert_memory_equal(data, "\x1b\n\xff", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_text_is_made_printable),
        cmocka_unit_test(test_bytes_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
