/* SPDX-License-Identifier: MIT */
/* hostlist_fuzz.c - any text as a host list: no name can be an option of ssh, and the
 * folded form reads back to the same names and folds to itself. */
#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

#include <stdlib.h>
#include <string.h>

#define MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t sort_unique(struct hostlist *l)
{
    size_t n = 0;
    qsort(l->names, l->n, sizeof *l->names, compare);
    for (size_t i = 0; i < l->n; i++)
        n += i == 0 || strcmp(l->names[i - 1], l->names[i]) != 0;
    return n;
}

static void check_names(const struct hostlist *l)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._:@%-";
    check(l->n > 0 && l->n <= LIMIT_HOSTS);
    for (size_t i = 0; i < l->n; i++) {
        size_t len = strlen(l->names[i]);
        check(len > 0 && len <= LIMIT_HOST_NAME && l->names[i][0] != '-');
        check(strspn(l->names[i], allowed) == len);
    }
}

static void check_folding(struct hostlist *l)
{
    struct hostlist back = {0};
    struct buf once, twice;
    buf_init(&once, MAX);
    buf_init(&twice, MAX);
    check(hostlist_format(l, &once) == 0);
    check(hostlist_parse(&back, (char *)once.data, NULL) == 0);
    check(hostlist_format(&back, &twice) == 0);
    check(strcmp((char *)once.data, (char *)twice.data) == 0);
    size_t n = sort_unique(l);
    check(back.n == n && sort_unique(&back) == n);
    for (size_t i = 0, j = 0; i < l->n; i++) {
        if (i == 0 || strcmp(l->names[i - 1], l->names[i]) != 0)
            check(strcmp(l->names[i], back.names[j++]) == 0);
    }
    buf_fini(&once);
    buf_fini(&twice);
    hostlist_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostlist l = {0};
    struct err e;
    char *text = strndup((const char *)data, size);
    if (!text)
        return 0;
    if (hostlist_parse(&l, text, &e) == 0) {
        check_names(&l);
        check_folding(&l);
    } else {
        check(l.n == 0 && e.text[0]);
    }
    hostlist_fini(&l);
    free(text);
    return 0;
}
