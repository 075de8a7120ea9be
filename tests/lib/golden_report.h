/* SPDX-License-Identifier: MIT */
/* golden_report - reports of summaries against golden files, and through run.json.
 * Included after cmocka. */
#ifndef TESTS_LIB_GOLDEN_REPORT_H
#define TESTS_LIB_GOLDEN_REPORT_H

#include "launcher/report.h"
#include "tests/lib/golden.h"

/* tests/golden/report/NAME.txt, and NAME.json of a small run. */
static void golden_report(const char *name, const struct summary *s)
{
    struct buf page, json;
    buf_init(&page, 1u << 20);
    buf_init(&json, 1u << 20);
    assert_int_equal(report_text(s, &page), 0);
    assert_int_equal(report_json(s, &json), 0);
    golden_check_width((const char *)page.data);
    golden_check("report", name, "txt", &page);
    if (s->n_ranks < 10)
        golden_check("report", name, "json", &json);
    buf_fini(&page);
    buf_fini(&json);
}

/* What run.json keeps gives the page again. */
static void golden_report_again(const struct summary *s)
{
    struct buf page, json, again;
    struct err e = {0};
    buf_init(&page, 1u << 20);
    buf_init(&json, 1u << 20);
    buf_init(&again, 1u << 20);
    assert_int_equal(report_text(s, &page), 0);
    assert_int_equal(report_json(s, &json), 0);
    if (report_text_from_json((const char *)json.data, json.len, 0, &again, &e))
        fail_msg("%s", e.text);
    assert_string_equal((const char *)again.data, (const char *)page.data);
    buf_fini(&page);
    buf_fini(&json);
    buf_fini(&again);
}

#endif
