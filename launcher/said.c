/* SPDX-License-Identifier: MIT */
/* said.c - see said.h. */
#include "launcher/said.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/utf8.h"

void said_init(struct said *s)
{
    buf_init(&s->line, LIMIT_SAID_LINE);
    buf_init(&s->kept, LIMIT_SAID_KEPT);
    s->last[0] = '\0';
}

void said_fini(struct said *s)
{
    buf_fini(&s->line);
    buf_fini(&s->kept);
}

void said_forget(struct said *s)
{
    s->line.len = s->kept.len = 0;
    s->last[0] = '\0';
}

void said_end(struct said *s, said_line_f cb, void *arg)
{
    char line[LIMIT_SAID_LINE + 1];
    size_t len = s->line.len;
    if (len == 0)
        return;
    memcpy(line, s->line.data, len);
    line[len] = '\0';
    s->line.len = 0;
    utf8_make_printable(line); /* C1 controls too, and what is no UTF-8 */
    cb(arg, line);
}

void said_add(struct said *s, const uint8_t *data, size_t len, said_line_f cb,
              void *arg)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            said_end(s, cb, arg);
        else if ((data[i] >= ' ' && data[i] != 0x7f) || data[i] == '\t')
            (void)buf_add(&s->line, &data[i], 1); /* full: the rest is cut off */
    }
}

void said_keep(struct said *s, const char *line)
{
    size_t len = strlen(line);
    (void)snprintf(s->last, sizeof s->last, "%s", line);
    while (s->kept.len > 0 && s->kept.len + len + 2 > s->kept.max) {
        const uint8_t *nl = memchr(s->kept.data, '\n', s->kept.len);
        buf_consume(&s->kept, nl ? (size_t)(nl - s->kept.data) + 1 : s->kept.len);
    }
    (void)buf_printf(&s->kept, "%s\n", line);
}

const char *said_kept(const struct said *s)
{
    return s->kept.len > 0 ? (const char *)s->kept.data : "";
}

void said_strip(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p >= ' ' && *p != 0x7f)
            *to++ = *p;
    }
    *to = '\0';
    utf8_make_printable(text);
}
