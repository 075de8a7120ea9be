/* SPDX-License-Identifier: MIT */
/* spec_format.c - the spec as TOML: for the run directory, so that a run can be repeated
 * as it was, and for people who ask where a value comes from. */
#include "launcher/spec_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int format_string(const char *text, struct buf *out)
{
    int rc = buf_printf(out, "\"");
    for (const char *p = text; *p && !rc; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            rc = buf_printf(out, "\\%c", c);
        else if (c == '\n')
            rc = buf_printf(out, "\\n");
        else if (c == '\t')
            rc = buf_printf(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            rc = buf_printf(out, "\\u%04X", c);
        else
            rc = buf_add(out, p, 1);
    }
    return rc ? rc : buf_printf(out, "\"");
}

static int format_list(const struct strlist *l, struct buf *out)
{
    int rc = buf_printf(out, "[");
    for (size_t i = 0; i < l->n && !rc; i++) {
        rc = i ? buf_printf(out, ", ") : 0;
        if (!rc)
            rc = format_string(l->items[i], out);
    }
    return rc ? rc : buf_printf(out, "]");
}

static int format_duration(uint64_t ms, struct buf *out)
{
    char text[32];
    spec_duration_text(ms, text, sizeof text);
    return buf_printf(out, "\"%s\"", text);
}

static int format_size(uint64_t n, struct buf *out)
{
    static const char units[] = "KMGT";
    unsigned i = 0;
    while (i < 4 && n && n % 1024 == 0) {
        n /= 1024;
        i++;
    }
    return i ? buf_printf(out, "\"%" PRIu64 "%c\"", n, units[i - 1])
             : buf_printf(out, "%" PRIu64, n);
}

/* The fewest digits that read back as the same number, and never an integer. */
static int format_float(double x, struct buf *out)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    return buf_printf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static int format_ports(const int64_t *p, struct buf *out)
{
    return p[0] == p[1] ? buf_printf(out, "%" PRId64, p[0])
                        : buf_printf(out, "\"%" PRId64 "-%" PRId64 "\"", p[0], p[1]);
}

static int format_word(const char *words, int index, struct buf *out)
{
    const char *w;
    size_t len = spec_word(words, (size_t)index, &w);
    return buf_printf(out, "\"%.*s\"", (int)len, w);
}

bool spec_is_set(const struct spec *s, const struct spec_key *k)
{
    const void *at = spec_field(s, k);
    switch (k->type) {
    case SPEC_STRING:
    case SPEC_NAME:
    case SPEC_PATH:
    case SPEC_WORD:
        return *(char *const *)at != NULL;
    case SPEC_LIST:
    case SPEC_ARGV:
    case SPEC_HOSTS:
    case SPEC_ENV:
        return ((const struct strlist *)at)->n > 0;
    case SPEC_PORTS:
        return *(const int64_t *)at != 0;
    default:
        return true;
    }
}

int spec_format_value(const struct spec *s, const struct spec_key *k, struct buf *out)
{
    const void *at = spec_field(s, k);
    switch (k->type) {
    case SPEC_STRING:
    case SPEC_NAME:
    case SPEC_PATH:
    case SPEC_WORD:
        return format_string(*(char *const *)at ? *(char *const *)at : "", out);
    case SPEC_ENUM:
        return format_word(k->words, *(const int *)at, out);
    case SPEC_ENUM_BOOL:
        return format_word(k->words, *(const bool *)at, out);
    case SPEC_BOOL:
        return buf_printf(out, *(const bool *)at ? "true" : "false");
    case SPEC_INT:
        return *(const int64_t *)at == 0 && k->words
                   ? format_string(k->words, out)
                   : buf_printf(out, "%" PRId64, *(const int64_t *)at);
    case SPEC_FLOAT:
        return format_float(*(const double *)at, out);
    case SPEC_DURATION:
        return *(const uint64_t *)at == 0 && k->words
                   ? format_string(k->words, out)
                   : format_duration(*(const uint64_t *)at, out);
    case SPEC_SIZE:
        return *(const uint64_t *)at == 0 && k->words
                   ? format_string(k->words, out)
                   : format_size(*(const uint64_t *)at, out);
    case SPEC_PORTS:
        return format_ports(at, out);
    case SPEC_LIST:
    case SPEC_ARGV:
    case SPEC_HOSTS:
    case SPEC_ENV:
        return format_list(at, out);
    }
    return 0;
}

/* What spec_load chose by itself is written too: the file must mean the same from any
 * other folder and on another day. */
static bool was_chosen(const struct spec *s, const struct spec_key *k)
{
    const void *at = spec_field(s, k);
    return at == (const void *)&s->job.name || at == (const void *)&s->job.command ||
           at == (const void *)&s->job.workdir || at == (const void *)&s->job.output ||
           at == (const void *)&s->nodes.backend;
}

int spec_format(const struct spec *s, struct buf *out)
{
    const char *section = "";
    int rc =
        buf_printf(out, "# The job as aolani-run understood it; a line with '#' in "
                        "front is a default.\n");
    for (size_t i = 0; i < spec_n_keys && !rc; i++) {
        const struct spec_key *k = &spec_keys[i];
        if (strcmp(section, k->section))
            rc = buf_printf(out, "\n[%s]\n", section = k->section);
        bool written = s->origin[i] != FROM_DEFAULT || was_chosen(s, k);
        if (rc || (!written && !spec_is_set(s, k)))
            continue;
        rc = buf_printf(out, "%s%s = ", written ? "" : "# ", k->name);
        if (!rc)
            rc = spec_format_value(s, k, out);
        if (!rc)
            rc = buf_printf(out, "\n");
    }
    return rc;
}

/* ---- check --show ---- */

#define VALUE_COLUMN 26
#define WHO_COLUMN   60

static int pad(struct buf *out, size_t line, size_t column)
{
    size_t used = out->len - line;
    return buf_printf(out, "%*s", used < column ? (int)(column - used) : 1, "");
}

static int show_key(const struct spec *s, size_t i, struct buf *out)
{
    const struct spec_key *k = &spec_keys[i];
    size_t line = out->len;
    const char *who = s->set_by[i] ? s->set_by[i] : "default";
    int rc = buf_printf(out, "%s.%s", k->section, k->name);
    if (!rc)
        rc = pad(out, line, VALUE_COLUMN);
    if (!rc)
        rc = spec_is_set(s, k) ? spec_format_value(s, k, out) : buf_printf(out, "-");
    if (!rc)
        rc = pad(out, line, WHO_COLUMN);
    return rc ? rc : buf_printf(out, "%s\n", who);
}

int spec_show(const struct spec *s, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < spec_n_keys && !rc; i++)
        rc = show_key(s, i, out);
    return rc;
}
