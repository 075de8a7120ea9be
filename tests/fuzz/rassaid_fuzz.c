/* SPDX-License-Identifier: MIT */
/* rassaid_fuzz.c - any bytes as an answer of NCCL's RAS service: who is named by it is
 * bounded, and words are of the characters that names and addresses have. */
#include "launcher/rassaid.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void check_word(const char *text, size_t size)
{
    check(memchr(text, '\0', size) != NULL);
    for (; *text; text++)
        check(isalnum((unsigned char)*text) || strchr("._:%-+", *text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rassaid r;
    char *exact = malloc(size ? size : 1); /* so that a byte beyond is seen */
    if (!exact)
        return 0;
    memcpy(exact, data, size);
    rassaid_read(exact, size, &r);
    check(r.n <= RASSAID_NAMED && (r.more == 0 || r.n > 0));
    check(!r.all_agree || (r.has_table && r.n == 0));
    check_word(r.version, sizeof r.version);
    for (size_t i = 0; i < r.n; i++) {
        check(r.one[i].what <= RASSAID_STATUS && r.one[i].pid >= -1);
        check(i == 0 || r.one[i - 1].what <= r.one[i].what);
        check(r.one[i].what != RASSAID_BEHIND || r.one[i].at < r.one[i].most);
        check_word(r.one[i].host, sizeof r.one[i].host);
        check_word(r.one[i].word, sizeof r.one[i].word);
    }
    free(exact);
    return 0;
}
