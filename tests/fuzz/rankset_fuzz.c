/* SPDX-License-Identifier: MIT */
/* rankset_fuzz.c - any text as a set: what is printed reads back to the same set. */
#include "proto/base/rankset.h"

#include <stdlib.h>
#include <string.h>

#define MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_printing(const struct rankset *s)
{
    struct rankset back = {0};
    struct buf once, twice;
    buf_init(&once, MAX);
    buf_init(&twice, MAX);
    check(rankset_format(s, &once) == 0);
    check(rankset_parse(&back, (char *)once.data, NULL) == 0);
    check(rankset_format(&back, &twice) == 0);
    check(strcmp((char *)once.data, (char *)twice.data) == 0);
    check(rankset_count(s) == rankset_count(&back));
    check(rankset_next(s, 0) == rankset_next(&back, 0));
    buf_fini(&once);
    buf_fini(&twice);
    rankset_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rankset s = {0};
    struct err e;
    char *text = strndup((const char *)data, size);
    if (!text)
        return 0;
    check(rankset_add(&s, 77) == 0);
    if (rankset_parse(&s, text, &e) == 0) {
        check_printing(&s);
    } else {
        check(rankset_count(&s) == 1 && rankset_has(&s, 77) && e.text[0]);
    }
    rankset_fini(&s);
    free(text);
    return 0;
}
