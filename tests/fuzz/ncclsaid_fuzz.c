/* SPDX-License-Identifier: MIT */
/* ncclsaid_fuzz.c - any bytes as what NCCL said: whatever is taken of them is a message that
 * the head takes as it was meant, and words are printable. */
#include "proto/base/utf8.h"
#include "proto/wire/message.h"
#include "proto/wire/ncclsaid_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void check_words(const char *text)
{
    char copy[NCCLSAID_WORDS];
    check(strlen(text) < sizeof copy);
    memcpy(copy, text, strlen(text) + 1);
    utf8_make_printable(copy);
    check(strcmp(copy, text) == 0);
}

static void check_same(const struct ncclsaid *a, const struct ncclsaid *b)
{
    check(a->n_uses == b->n_uses && a->n_warnings == b->n_warnings);
    check(a->no_device == b->no_device && strcmp(a->network, b->network) == 0);
    check(strcmp(a->ib, b->ib) == 0);
    for (size_t i = 0; i < a->n_uses; i++)
        check(strcmp(ncclsaid_net(a, &a->uses[i]), ncclsaid_net(b, &b->uses[i])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ncclsaid said, taken;
    static struct ncclsaid_message out;
    size_t half = size / 2;
    memset(&said, 0, sizeof said);
    memset(&taken, 0, sizeof taken);
    ncclsaid_add(&said, data, half); /* in two pieces, as it may come */
    ncclsaid_add(&said, data + half, size - half);
    ncclsaid_end(&said);
    check_words(said.ib);
    for (size_t i = 0; i < said.n_warnings; i++)
        check_words(said.warnings[i]);
    ncclsaid_fill(&said, 0, &out);
    check(aolani__nccl_said__get_packed_size(&out.m) <=
          message_rule(MSG_NCCL_SAID)->max_payload);
    check(ncclsaid_take(&out.m, &taken, NULL) == 0);
    check_same(&said, &taken);
    return 0;
}
