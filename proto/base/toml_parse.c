/* SPDX-License-Identifier: MIT */
/* toml_parse.c - the grammar of TOML 1.0, by recursive descent.
 *
 * Two kinds of errors: after a soft one (a bad number, a key set twice) reading goes on
 * behind it; after a hard one (-1) at the next line. When brackets were open, it goes
 * on at the next line that looks like a statement, so that one missing "]" is one
 * error.
 */
#include "proto/base/toml_internal.h"

#include <string.h>

static int read_value(struct toml_parser *p, struct toml_node *node);

static bool is_bare(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           c == '_' || c == '-';
}

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

static const char *line_end(const struct toml_parser *p, const char *s)
{
    const char *nl = memchr(s, '\n', (size_t)(p->end - s));
    return nl ? nl : p->end;
}

/* White space, line ends and comments. */
static void skip_blank(struct toml_parser *p)
{
    for (;;) {
        p->at = skip_space(p->at);
        if (*p->at == '#')
            p->at = line_end(p, p->at);
        if (*p->at != '\n')
            return;
        p->at++;
    }
}

static struct toml_node *read_key_part(struct toml_parser *p)
{
    char buf[48];
    struct toml_node *part = toml_new_node(p);
    if (!part)
        return NULL;
    part->key_pos = toml_pos_of(p, p->at);
    if (*p->at == '"' || *p->at == '\'')
        return toml_read_quoted_key(p, &part->key, &part->key_len) < 0 ? NULL : part;
    const char *from = p->at;
    while (is_bare(*p->at))
        p->at++;
    if (p->at == from) {
        toml_fail(p, from, "expected a key, found %s", toml_found(p, from, buf));
        return NULL;
    }
    part->key_len = (size_t)(p->at - from);
    part->key = toml_alloc(p, part->key_len + 1);
    if (!part->key)
        return NULL;
    memcpy(part->key, from, part->key_len);
    return part;
}

/* A dotted key: a list of nodes with nothing but their key. */
static struct toml_node *read_key(struct toml_parser *p)
{
    struct toml_node *first = NULL, **to = &first;
    for (;;) {
        *to = read_key_part(p);
        if (!*to)
            return NULL;
        to = &(*to)->next;
        const char *dot = skip_space(p->at);
        if (*dot != '.')
            return first;
        p->at = skip_space(dot + 1);
    }
}

static int read_pair(struct toml_parser *p, struct toml_node *table)
{
    char buf[48];
    p->value = (struct toml_pos){0, 0};
    struct toml_node *keys = read_key(p), *node;
    if (!keys)
        return -1;
    p->at = skip_space(p->at);
    if (*p->at != '=')
        return toml_fail(p, p->at, "expected \"=\" after a key, found %s",
                         toml_found(p, p->at, buf));
    if (toml_place_pair(p, table, keys, &node) < 0)
        return -1;
    p->at = skip_space(p->at + 1);
    return read_value(p, node);
}

static int read_array(struct toml_parser *p, struct toml_node *array)
{
    char buf[48];
    array->type = TOML_ARRAY;
    p->open++;
    p->at++;
    for (;;) {
        skip_blank(p);
        if (*p->at == ']')
            break;
        if (p->at == p->end)
            return toml_fail(p, p->at, "the array of line %u is never closed",
                             array->pos.line);
        struct toml_node *item = toml_new_node(p);
        if (!item || toml_attach(p, array, item) < 0 || read_value(p, item) < 0)
            return -1;
        skip_blank(p);
        if (*p->at == ',')
            p->at++;
        else if (*p->at != ']' && p->at < p->end)
            return toml_fail(
                p, p->at, "expected \",\" or \"]\" in the array of line %u, found %s",
                array->pos.line, toml_found(p, p->at, buf));
    }
    p->at++;
    p->open--;
    return 0;
}

/* White space in an inline table. A line end is an error, told once, and reading goes
 * on as if it were none. */
static void skip_in_table(struct toml_parser *p, bool *told)
{
    p->at = skip_space(p->at);
    if (*p->at != '\n' && *p->at != '#')
        return;
    if (!*told)
        toml_fail(p, p->at,
                  "an inline table must end on its line; use a [table] in its place");
    *told = true;
    skip_blank(p);
}

static int read_inline(struct toml_parser *p, struct toml_node *table)
{
    char buf[48];
    bool told = false;
    table->type = TOML_TABLE;
    table->flags = TOML_F_INLINE;
    p->open++;
    p->at++;
    skip_in_table(p, &told);
    while (*p->at != '}') {
        if ((told && p->at == p->end) || read_pair(p, table) < 0)
            return -1;
        skip_in_table(p, &told);
        if (*p->at == '}')
            break;
        if (*p->at != ',')
            return told ? -1
                        : toml_fail(
                              p, p->at,
                              "expected \",\" or \"}\" in an inline table, found %s",
                              toml_found(p, p->at, buf));
        const char *comma = p->at++;
        skip_in_table(p, &told);
        if (*p->at == '}' && !told)
            toml_fail(p, comma, "an inline table cannot end with a comma");
    }
    p->at++;
    p->open--;
    return 0;
}

static int read_value(struct toml_parser *p, struct toml_node *node)
{
    char buf[48];
    node->pos = p->value = toml_pos_of(p, p->at);
    node->type = TOML_STRING; /* what a value is that cannot be read */
    node->u.string.data = "";
    switch (*p->at) {
    case '"':
    case '\'':
        return toml_read_string(p, node);
    case '[':
        node->u.first = NULL;
        return read_array(p, node);
    case '{':
        node->u.first = NULL;
        return read_inline(p, node);
    case '\0':
    case '\n':
    case '#':
        return toml_fail(p, p->at, "expected a value, found %s",
                         toml_found(p, p->at, buf));
    default:
        return toml_read_scalar(p, node);
    }
}

/* "[a.b]" or "[[a.b]]": where the lines that follow belong. */
static int read_header(struct toml_parser *p)
{
    char buf[48];
    int rc = 0;
    struct toml_pos pos = toml_pos_of(p, p->at);
    bool array = p->at[1] == '[';
    p->value = (struct toml_pos){0, 0};
    p->table = NULL;
    p->at = skip_space(p->at + (array ? 2 : 1));
    struct toml_node *keys = read_key(p);
    if (keys) {
        p->at = skip_space(p->at);
        if (*p->at != ']' || (array && p->at[1] != ']'))
            rc = toml_fail(p, p->at, "expected \"%s\" after a table's name, found %s",
                           array ? "]]" : "]", toml_found(p, p->at, buf));
        else
            p->at += array ? 2 : 1;
        p->table = toml_place_header(p, keys, pos, array);
    }
    if (p->table)
        return rc;
    /* The lines that follow are read for their own errors, into nowhere. */
    p->table = toml_new_node(p);
    if (p->table)
        p->table->type = TOML_TABLE;
    return keys ? rc : -1;
}

static int expect_line_end(struct toml_parser *p)
{
    char buf[48];
    p->at = skip_space(p->at);
    if (*p->at == '#')
        p->at = line_end(p, p->at);
    if (*p->at == '\n')
        p->at++;
    else if (p->at < p->end)
        return toml_fail(p, p->at, "expected the end of the line, found %s",
                         toml_found(p, p->at, buf));
    return 0;
}

/* Past a key at s, roughly; NULL when there is none. */
static const char *guess_key(const char *s)
{
    for (;;) {
        s = skip_space(s);
        char quote = *s == '"' || *s == '\'' ? *s : '\0';
        const char *from = s;
        if (quote) {
            s += 1 + strcspn(s + 1, quote == '"' ? "\"\n" : "'\n");
            if (*s == quote)
                s++;
        } else {
            while (is_bare(*s))
                s++;
        }
        if (s == from)
            return NULL;
        s = skip_space(s);
        if (*s != '.')
            return s;
        s++;
    }
}

static bool looks_like_statement(const char *line)
{
    const char *s = skip_space(line);
    bool header = *s == '[';
    s = guess_key(s + (header ? strspn(s, "[") : 0));
    if (!s)
        return false;
    if (!header)
        return *s == '=';
    size_t n = strspn(s, "]");
    return n && strchr("\n#", *skip_space(s + n));
}

/* After a hard error in the statement that began at `start`. */
static void resync(struct toml_parser *p, const char *start)
{
    bool nested = p->open > 0;
    p->open = 0;
    const char *line = p->at;
    while (line > start && line[-1] != '\n')
        line--;
    if (!nested || line <= start)
        line = line_end(p, p->at);
    if (*line == '\n')
        line++;
    while (nested && line < p->end && !looks_like_statement(line)) {
        line = line_end(p, line);
        if (*line == '\n')
            line++;
    }
    p->at = line;
}

void toml_read_document(struct toml_parser *p)
{
    p->at = p->d->text;
    p->end = p->at + p->d->len;
    p->table = p->d->root;
    while (!p->no_memory) {
        skip_blank(p);
        if (p->at == p->end)
            return;
        const char *start = p->at;
        int rc = *start == '[' ? read_header(p) : read_pair(p, p->table);
        if (rc == 0)
            rc = expect_line_end(p);
        if (rc < 0)
            resync(p, start);
    }
}
