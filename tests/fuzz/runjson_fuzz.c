/* SPDX-License-Identifier: MIT */
/* runjson_fuzz - any bytes as a run.json. What is taken makes a page that a terminal can
 * hold, and is written again as a file that makes the same page. The first two bytes choose
 * how many ranks are asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report.h"
#include "launcher/report_view.h"

#define PAGE_BYTES (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool truth, const char *what, int line)
{
    if (truth)
        return;
    fprintf(stderr, "runjson_fuzz.c:%d: not so: %s\n", line, what);
    abort();
}
#define check(truth) check_that((truth), #truth, __LINE__)

static void check_page(const struct buf *page)
{
    for (size_t i = 0; i < page->len; i++)
        check(page->data[i] >= ' ' || page->data[i] == '\n');
}

/* Some thousand empty rows of a kind are a long file and no other page. */
static int page_of(const char *json, size_t len, uint32_t ranks, struct buf *page)
{
    struct err e;
    int rc = report_text_from_json(json, len, ranks, page, &e);
    check(rc == 0 || rc == ERR_PARSE || rc == ERR_LIMIT);
    check(rc == 0 || e.text[0] != '\0');
    return rc;
}

static void write_again(const char *json, size_t len, uint32_t ranks,
                        const struct buf *page)
{
    struct report_view v;
    struct buf text, again;
    struct err e;
    buf_init(&text, PAGE_BYTES);
    buf_init(&again, PAGE_BYTES);
    check(view_from_json(&v, json, len, &e) == 0);
    check(view_to_json(&v, &text) == 0);
    view_fini(&v);
    if (page_of((const char *)text.data, text.len, ranks, &again) < 0) {
        fprintf(stderr, "%s\n%s\n", e.text, (const char *)text.data);
        abort();
    }
    check(again.len == page->len && memcmp(again.data, page->data, page->len) == 0);
    buf_fini(&text);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf page;
    if (size < 2)
        return 0;
    uint32_t ranks = (data[0] & 15u) << (data[1] & 15u);
    const char *json = (const char *)data + 2;
    buf_init(&page, PAGE_BYTES);
    if (page_of(json, size - 2, ranks, &page) == 0) {
        check_page(&page);
        write_again(json, size - 2, ranks, &page);
    }
    buf_fini(&page);
    return 0;
}
