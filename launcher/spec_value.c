/* SPDX-License-Identifier: MIT */
/* spec_value.c - one value into the spec: the type asked for, the range, and words that
 * say what was expected. Flags and variables come here as a string node, so that there is
 * one way for all layers. */
#include "launcher/spec_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/suggest.h"

void spec_complain(struct spec_source *src, struct toml_pos at, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (src->doc) {
        toml_complain(src->doc, at, "%s", text);
        return;
    }
    src->n_errors++;
    buf_printf(src->texts, "%s: %s\n", src->name, text);
}

int spec_expected(const struct arrival *a, const char *what)
{
    if (arrival_is_text(a))
        spec_complain(a->src, a->v->pos, "expected %s, found \"%s\"", what,
                      a->v->u.string.data);
    else
        spec_complain(a->src, a->v->pos, "expected %s, found %s", what,
                      toml_type_name(a->v->type));
    return 1;
}

static int replace_string(const struct arrival *a, char *owned)
{
    if (!owned)
        return -ENOMEM;
    free(*(char **)a->at);
    *(char **)a->at = owned;
    return 0;
}

static int set_string(const struct arrival *a)
{
    const char *t = arrival_text(a);
    if (!t)
        return spec_expected(a, "a string");
    if (!*t) {
        spec_clear(a->s, a->k);
        return 0;
    }
    return replace_string(a, strdup(t));
}

static int set_name(const struct arrival *a)
{
    const char *t = arrival_text(a);
    if (!t)
        return spec_expected(a, "a string");
    size_t len = strlen(t);
    const char *bad = t;
    while (isalnum((unsigned char)*bad) || (*bad && strchr("._-", *bad)))
        bad++;
    if (len == 0 || len > 64 || *bad || strchr(".-", *t)) {
        spec_complain(
            a->src, a->v->pos,
            "a name is 1 to 64 letters, digits, '.', '_' or '-', and begins with "
            "a letter, a digit or '_'");
        return 1;
    }
    return replace_string(a, strdup(t));
}

static int set_path(const struct arrival *a)
{
    const char *t = arrival_text(a);
    if (!t)
        return spec_expected(a, "a path");
    if (!*t) {
        spec_complain(a->src, a->v->pos, "expected a path, found an empty string");
        return 1;
    }
    const char *home = getenv("HOME");
    char *path = NULL;
    int rc;
    while (!strncmp(t, "./", 2))
        t += 2 + strspn(t + 2, "/");
    if (*t == '/')
        rc = asprintf(&path, "%s", t);
    else if (home && *home == '/' && *t == '~' && (t[1] == '/' || !t[1]))
        rc = asprintf(&path, "%s%s", home, t + 1);
    else if (!*t || !strcmp(t, "."))
        rc = asprintf(&path, "%s", a->src->folder);
    else
        rc = asprintf(&path, "%s/%s", strcmp(a->src->folder, "/") ? a->src->folder : "",
                      t);
    return replace_string(a, rc < 0 ? NULL : path);
}

/* "a", "b" or "c". */
static void list_words(const char *words, char *out, size_t len)
{
    const char *w;
    size_t n, used = 0;
    for (size_t i = 0; (n = spec_word(words, i, &w)) > 0 && used < len; i++) {
        const char *next;
        const char *sep = i == 0 ? "" : spec_word(words, i + 1, &next) ? ", " : " or ";
        used += (size_t)snprintf(out + used, len - used, "%s\"%.*s\"", sep, (int)n, w);
    }
}

int spec_bad_word(const struct arrival *a, const char *also)
{
    char list[240], word[32], best[32] = "";
    const char *t = arrival_text(a), *w;
    size_t n;
    list_words(a->k->words, list, sizeof list);
    if (also)
        snprintf(list + strlen(list), sizeof list - strlen(list), ", or %s", also);
    if (!t || !*t)
        return spec_expected(a, list);
    struct suggest near;
    suggest_init(&near, t);
    for (size_t i = 0; (n = spec_word(a->k->words, i, &w)) > 0; i++) {
        unsigned before = near.distance;
        snprintf(word, sizeof word, "%.*s", (int)n, w);
        suggest_offer(&near, word);
        if (near.distance < before)
            snprintf(best, sizeof best, "%.*s", (int)n, w);
    }
    spec_complain(a->src, a->v->pos, "expected %s, found \"%.80s\"%s%s%s", list, t,
                  *best ? "; did you mean \"" : "", best, *best ? "\"?" : "");
    return 1;
}

static int set_word(const struct arrival *a)
{
    const char *t = arrival_text(a);
    int i = t ? spec_word_index(a->k->words, t) : -1;
    if (i < 0)
        return spec_bad_word(a, NULL);
    if (a->k->type == SPEC_WORD)
        return replace_string(a, strdup(t));
    if (a->k->type == SPEC_ENUM_BOOL)
        *(bool *)a->at = i;
    else
        *(int *)a->at = i;
    return 0;
}

static int set_bool(const struct arrival *a)
{
    int i = -1;
    if (arrival_is_text(a)) {
        i = spec_word_index("false|true|0|1|no|yes|off|on", a->v->u.string.data);
        if (i >= 0)
            i %= 2;
    } else if (a->v->type == TOML_BOOLEAN) {
        i = a->v->u.boolean;
    }
    if (i < 0)
        return spec_expected(a, "true or false");
    *(bool *)a->at = i;
    return 0;
}

static int dispatch(const struct arrival *a)
{
    switch (a->k->type) {
    case SPEC_STRING:
        return set_string(a);
    case SPEC_NAME:
        return set_name(a);
    case SPEC_PATH:
        return set_path(a);
    case SPEC_WORD:
    case SPEC_ENUM:
    case SPEC_ENUM_BOOL:
        return set_word(a);
    case SPEC_BOOL:
        return set_bool(a);
    case SPEC_INT:
        return spec_set_int(a);
    case SPEC_FLOAT:
        return spec_set_float(a);
    case SPEC_DURATION:
        return spec_set_duration(a);
    case SPEC_SIZE:
        return spec_set_size(a);
    case SPEC_PORTS:
        return spec_set_ports(a);
    case SPEC_LIST:
    case SPEC_ARGV:
    case SPEC_HOSTS:
        return spec_set_list(a);
    case SPEC_ENV:
        return spec_set_env(a);
    }
    return 0;
}

int spec_set(struct spec *s, const struct spec_key *k, const struct toml_node *v,
             struct spec_source *src)
{
    struct arrival a = {s, k, v, src, spec_field(s, k)};
    if (v->type == TOML_STRING && strlen(v->u.string.data) != v->u.string.len) {
        spec_complain(src, v->pos, "a NUL character has no place in [%s] %s",
                      k->section, k->name);
        return 1;
    }
    int rc = dispatch(&a);
    if (rc == 0)
        s->origin[spec_key_index(k)] = (uint8_t)src->origin;
    return rc;
}

int spec_set_text(struct spec *s, const struct spec_key *k, const char *text,
                  struct spec_source *src)
{
    struct toml_node v = {.type = TOML_STRING};
    v.u.string.data = (char *)text; /* only read */
    v.u.string.len = strlen(text);
    return spec_set(s, k, &v, src);
}
