/* SPDX-License-Identifier: MIT */
/* toml_fuzz.c - any bytes as a job file: the tree is sound, errors can be shown, and
 * what stands at the end does not change whether a right file is right. */
#include "proto/base/limits.h"
#include "proto/base/toml.h"
#include "proto/base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_text(const char *s, size_t len)
{
    check(s[len] == '\0');
    for (size_t n; len; s += n, len -= n) {
        uint32_t c;
        n = utf8_decode(s, len, &c);
        check(n > 0);
    }
}

static void check_node(const struct toml_node *n, unsigned depth)
{
    check(depth <= LIMIT_TOML_DEPTH && n->pos.line >= 1 && n->pos.col >= 1);
    if (n->key)
        check_text(n->key, n->key_len);
    if (n->type == TOML_STRING || n->type == TOML_DATETIME)
        check_text(n->u.string.data, n->u.string.len);
    if (n->type != TOML_ARRAY && n->type != TOML_TABLE)
        return;
    for (const struct toml_node *c = n->u.first; c; c = c->next) {
        check(c->parent == n && (c->key != NULL) == (n->type == TOML_TABLE));
        if (c->key && strlen(c->key) == c->key_len)
            check(toml_get(n, c->key) == c); /* no key twice */
        check_node(c, depth + 1);
    }
}

static size_t parse(const char *text, size_t len)
{
    struct toml_doc *d;
    struct buf b;
    if (toml_parse("fuzz", text, len, &d, NULL) < 0)
        return 1;
    check_node(toml_root(d), 0);
    size_t n = toml_n_errors(d);
    toml_complain(d, toml_root(d)->pos, "a complaint");
    buf_init(&b, LIMIT_TOML_BYTES);
    check(toml_errors(d, &b) == 0);
    for (size_t i = 0; i < b.len; i++)
        check(b.data[i] == '\n' || b.data[i] >= 0x20);
    check_text((char *)b.data, b.len);
    buf_fini(&b);
    toml_destroy(d);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char tail[] = "\n# a comment\n";
    char *longer = malloc(size + sizeof tail - 1);
    if (!longer)
        return 0;
    if (size)
        memcpy(longer, data, size);
    memcpy(longer + size, tail, sizeof tail - 1);
    if (parse((const char *)data, size) == 0)
        check(parse(longer, size + sizeof tail - 1) == 0);
    free(longer);
    return 0;
}
