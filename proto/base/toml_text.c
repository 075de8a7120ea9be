/* SPDX-License-Identifier: MIT */
/* toml_text.c - the text made clean once, and positions in it.
 *
 * What no place of a TOML file may hold (broken UTF-8, control characters, a lone CR)
 * is complained of here and replaced by '?', and CRLF becomes LF. The rest of the
 * reader and the display of errors then need not think of it again.
 */
#include "proto/base/toml_internal.h"
#include "proto/base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is wrong at s, or NULL with the bytes that are right in *ret_n. */
static const char *defect(const char *s, size_t left, size_t *ret_n)
{
    uint32_t c;
    size_t n = utf8_decode(s, left, &c);
    *ret_n = n ? n : 1;
    if (n == 0)
        return "this byte is not UTF-8";
    if (c == '\r')
        return "a carriage return without a line feed";
    if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
        return "a control character must be written as an escape";
    return NULL;
}

int toml_clean(struct toml_doc *d, const char *text, size_t len)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (len >= 3 && memcmp(text, bom, 3) == 0) {
        text += 3;
        len -= 3;
    }
    char *out = malloc(len + 1);
    if (!out)
        return -ENOMEM;
    d->text = out;
    struct toml_pos pos = {1, 1};
    bool told = false; /* one complaint for a line: the rest would be noise */
    for (size_t i = 0, n; i < len; i += n) {
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n') {
            n = 1;
            continue;
        }
        const char *why = defect(text + i, len - i, &n);
        if (why && !told) {
            toml_complain(d, pos, "%s (0x%02x)", why, (unsigned)(unsigned char)text[i]);
            told = true;
        }
        memcpy(out, why ? "?" : text + i, n);
        out += n;
        pos.col++;
        if (!why && text[i] == '\n') {
            pos.line++;
            pos.col = 1;
            told = false;
        }
    }
    *out = '\0';
    d->len = (size_t)(out - d->text);
    return 0;
}

struct toml_pos toml_pos_of(struct toml_parser *p, const char *at)
{
    if (!p->mark.at || at < p->mark.at) {
        p->mark.at = p->d->text;
        p->mark.pos = (struct toml_pos){1, 1};
    }
    for (; p->mark.at < at; p->mark.at++) {
        if (*p->mark.at == '\n')
            p->mark.pos = (struct toml_pos){p->mark.pos.line + 1, 1};
        else if (((unsigned char)p->mark.at[0] & 0xc0) != 0x80)
            p->mark.pos.col++;
    }
    /* A character's later bytes were not counted: its first one was. */
    return p->mark.pos;
}

const char *toml_line(const struct toml_doc *d, unsigned line, size_t *ret_len)
{
    const char *at = d->text, *end = d->text + d->len;
    for (; line > 1; line--) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        at = nl ? nl + 1 : end;
    }
    const char *nl = memchr(at, '\n', (size_t)(end - at));
    *ret_len = (size_t)((nl ? nl : end) - at);
    return at;
}
