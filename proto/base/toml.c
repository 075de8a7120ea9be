/* SPDX-License-Identifier: MIT */
/* toml.c - see toml.h; how the work is shared out, see toml_internal.h. */
#include "proto/base/toml_internal.h"
#include "proto/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parse_clean(struct toml_doc *d)
{
    struct toml_parser p = {.d = d};
    d->hash = calloc(TOML_HASH, sizeof(struct toml_inner *));
    d->root = toml_new_node(&p);
    if (!d->hash || !d->root)
        return -ENOMEM;
    d->root->type = TOML_TABLE;
    d->root->pos = (struct toml_pos){1, 1};
    d->root->flags = TOML_F_HEADER;
    toml_read_document(&p);
    free(d->hash);
    d->hash = NULL;
    return p.no_memory ? -ENOMEM : 0;
}

/* As some editors save by default. A job file has a letter, a bracket or a '#' first, so a
 * zero among the first two bytes is half of such a unit. */
static bool is_utf16(const char *text, size_t len)
{
    return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 ||
                        memcmp(text, "\xfe\xff", 2) == 0 || !text[0] != !text[1]);
}

int toml_parse(const char *name, const char *text, size_t len, struct toml_doc **ret,
               struct err *e)
{
    if (len > LIMIT_TOML_BYTES) {
        err_set(e, ERR_LIMIT, "read \"%s\": larger than %u KiB", name,
                LIMIT_TOML_BYTES / 1024);
        err_hint(e, "is this the file that was meant?");
        return ERR_LIMIT;
    }
    if (is_utf16(text, len)) {
        err_set(e, ERR_PARSE, "read \"%s\": it is UTF-16 text", name);
        return err_hint(e, "save it as UTF-8");
    }
    int rc = -ENOMEM;
    struct toml_doc *d = calloc(1, sizeof *d);
    if (!d || !(d->name = strdup(name)))
        goto fail;
    rc = toml_clean(d, text, len);
    if (rc == 0)
        rc = parse_clean(d);
    if (rc < 0)
        goto fail;
    *ret = d;
    return 0;
fail:
    toml_destroy(d);
    return err_sys(e, rc, "read \"%s\"", name);
}

static int read_all(int fd, struct buf *b)
{
    for (;;) {
        uint8_t *at;
        int rc = buf_reserve(b, b->max - b->len < 4096 ? b->max - b->len : 4096, &at);
        if (rc < 0)
            return rc;
        size_t room = b->max - b->len < 4096 ? b->max - b->len : 4096;
        if (room == 0) /* one byte past the limit is enough for toml_parse to refuse */
            return 0;
        ssize_t n = read(fd, at, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        b->len += (size_t)n;
    }
}

int toml_parse_file(const char *path, struct toml_doc **ret, struct err *e)
{
    struct buf b;
    buf_init(&b, LIMIT_TOML_BYTES + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, -errno, "open \"%s\"", path);
    int rc = read_all(fd, &b);
    close(fd);
    if (rc < 0)
        err_sys(e, rc, "read \"%s\"", path);
    else
        rc = toml_parse(path, b.len ? (const char *)b.data : "", b.len, ret, e);
    buf_fini(&b);
    return rc;
}

void toml_destroy(struct toml_doc *d)
{
    if (!d)
        return;
    while (d->blocks) {
        struct toml_block *b = d->blocks;
        d->blocks = b->next;
        free(b);
    }
    free(d->hash);
    free(d->text);
    free(d->name);
    free(d);
}

const struct toml_node *toml_root(const struct toml_doc *d)
{
    return d->root;
}

const struct toml_node *toml_get(const struct toml_node *table, const char *key)
{
    if (!table || table->type != TOML_TABLE)
        return NULL;
    size_t len = strlen(key);
    const struct toml_node *n = table->u.first;
    while (n && (n->key_len != len || memcmp(n->key, key, len) != 0))
        n = n->next;
    return n;
}

const char *toml_type_name(enum toml_type t)
{
    static const char *const names[] = {
        [TOML_STRING] = "a string",      [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a float",        [TOML_BOOLEAN] = "a boolean",
        [TOML_DATETIME] = "a date-time", [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };
    return names[t];
}

static bool same(struct toml_pos a, struct toml_pos b)
{
    return a.line == b.line && a.col == b.col;
}

static bool after(struct toml_pos a, struct toml_pos b)
{
    return a.line > b.line || (a.line == b.line && a.col > b.col);
}

static void add_error(struct toml_doc *d, struct toml_pos at, struct toml_pos value,
                      const char *fmt, va_list ap)
{
    if (d->n_errors == LIMIT_TOML_ERRORS) {
        d->n_left_out++;
        return;
    }
    size_t i = d->n_errors++;
    for (; i > 0 && after(d->errors[i - 1].at, at); i--)
        d->errors[i] = d->errors[i - 1];
    d->errors[i].at = at;
    d->errors[i].value = value;
    (void)vsnprintf(d->errors[i].text, sizeof d->errors[i].text, fmt, ap);
    utf8_make_printable(d->errors[i].text); /* it may quote the file */
}

void toml_complain(struct toml_doc *d, struct toml_pos at, const char *fmt, ...)
{
    for (size_t i = 0; at.line && i < d->n_errors; i++) {
        if (same(d->errors[i].value, at))
            return; /* the value could not be read: what it means is no second error */
    }
    va_list ap;
    va_start(ap, fmt);
    add_error(d, at, (struct toml_pos){0, 0}, fmt, ap);
    va_end(ap);
}

int toml_fail(struct toml_parser *p, const char *at, const char *fmt, ...)
{
    struct toml_doc *d = p->d;
    if (d->n_errors == LIMIT_TOML_ERRORS) {
        d->n_left_out++;
        return -1; /* without a position: finding it takes time */
    }
    struct toml_pos pos = toml_pos_of(p, at);
    for (size_t i = 0; i < d->n_errors; i++) {
        if (same(d->errors[i].at, pos))
            return -1; /* a byte that toml_clean complained of already */
    }
    va_list ap;
    va_start(ap, fmt);
    add_error(d, pos, p->value, fmt, ap);
    va_end(ap);
    return -1;
}

const char *toml_found(const struct toml_parser *p, const char *at, char buf[48])
{
    if (at >= p->end)
        return "the end of the file";
    if (*at == '\n' || *at == '#')
        return "the end of the line";
    size_t n = 0;
    while (n < 32 && at + n < p->end && strchr(" \t\n,=[]{}\"'#", at[n]) == NULL)
        n++;
    while (n && at + n < p->end && ((unsigned char)at[n] & 0xc0) == 0x80)
        n--; /* not in the middle of a character */
    if (n == 0)
        n = 1;
    (void)snprintf(buf, 48, "\"%.*s\"", (int)n, at);
    return buf;
}

size_t toml_n_errors(const struct toml_doc *d)
{
    return d->n_errors + d->n_left_out;
}
