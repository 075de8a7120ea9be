/* SPDX-License-Identifier: MIT */
/* xid_fuzz.c - any bytes as a record of the kernel's log: what is taken for an error of a GPU
 * is printable and within its limits, and nothing beyond the bytes is read. */
#include "agent/xid.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void check_text(const char *text, size_t size)
{
    check(memchr(text, '\0', size) != NULL);
    for (; *text; text++)
        check(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xid x;
    char *exact = malloc(size ? size : 1); /* so that a byte beyond is seen */
    if (!exact)
        return 0;
    memcpy(exact, data, size);
    if (xid_parse(exact, size, &x)) {
        check(x.number < 1000000 && exact[0] >= '0' && exact[0] <= '9');
        check_text(x.text, sizeof x.text);
        check_text(x.bus, sizeof x.bus);
        check(strlen(x.bus) >= 12);
    }
    free(exact);
    return 0;
}
