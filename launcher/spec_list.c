/* SPDX-License-Identifier: MIT */
/* spec_list.c - lists of words, host lists and the environment. A new list is built aside
 * and takes the old one's place only when all of it is right. */
#include "launcher/spec_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

/* job.command = "python3 train.py": show how it is meant, with the user's own words. */
static int refuse_plain_string(const struct arrival *a)
{
    char list[160] = "";
    const char *p = arrival_text(a);
    size_t used = 0;
    while (*(p += strspn(p, " \t\n")) && used < sizeof list) {
        size_t len = strcspn(p, " \t\n");
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%.*s\"",
                                 used ? ", " : "", (int)len, p);
        p += len;
    }
    bool plain = used < sizeof list && !strpbrk(arrival_text(a), "'\"\\$`|;&<>*?");
    spec_complain(
        a->src, a->v->pos,
        "expected a list of strings, found a string; no shell reads it: write "
        "%s = [%s]",
        a->k->name, plain && used ? list : "\"sh\", \"-c\", \"...\"");
    return 1;
}

static int check_hosts(const struct arrival *a, struct toml_pos at, const char *text)
{
    struct hostlist l = {0};
    struct err e;
    int rc = hostlist_parse(&l, text, &e);
    hostlist_fini(&l);
    if (rc == -ENOMEM)
        return rc;
    if (rc)
        spec_complain(a->src, at, "%s", e.text);
    return rc ? 1 : 0;
}

static size_t name_length(const char *text)
{
    size_t n = 0;
    if (isdigit((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return n;
}

/* "NAME=value" into the list, in the place of an earlier one of that name. */
static int put(struct strlist *l, const char *pair)
{
    size_t len = strcspn(pair, "=") + 1;
    for (size_t i = 0; i < l->n; i++)
        if (!strncmp(l->items[i], pair, len)) {
            char *copy = strdup(pair);
            if (!copy)
                return -ENOMEM;
            free(l->items[i]);
            l->items[i] = copy;
            return 0;
        }
    return strlist_add(l, pair);
}

static int put_value(struct strlist *l, const char *name, const char *value)
{
    char *pair = NULL;
    if (asprintf(&pair, "%s=%s", name, value) < 0)
        return -ENOMEM;
    int rc = put(l, pair);
    free(pair);
    return rc;
}

static int complain_of_name(const struct arrival *a, struct toml_pos at,
                            const char *name)
{
    spec_complain(
        a->src, at,
        "\"%.80s\" cannot be the name of a variable (letters, digits and '_', no "
        "digit first)",
        name);
    return 1;
}

/* "NAME=value", or "NAME" with the value that it has here. */
static int env_item(const struct arrival *a, struct toml_pos at, const char *text,
                    struct strlist *l)
{
    size_t n = name_length(text);
    if (n == 0 || (text[n] && text[n] != '='))
        return complain_of_name(a, at, text);
    if (text[n] == '=')
        return put(l, text);
    const char *value = getenv(text);
    if (!value) {
        spec_complain(a->src, at,
                      "\"%.80s\" is not set here; give it a value: %.80s=...", text,
                      text);
        return 1;
    }
    return put_value(l, text, value);
}

static int add_item(const struct arrival *a, struct strlist *l, struct toml_pos at,
                    const char *text)
{
    unsigned most = a->k->type == SPEC_HOSTS ? LIMIT_HOSTS : LIMIT_ARGV;
    if (a->k->type == SPEC_ENV)
        return env_item(a, at, text, l);
    if (l->n >= most) {
        spec_complain(a->src, at, "more than %u entries", most);
        return 1;
    }
    int rc = a->k->type == SPEC_HOSTS ? check_hosts(a, at, text) : 0;
    return rc ? rc : strlist_add(l, text);
}

static int add_array(const struct arrival *a, const struct toml_node *array,
                     struct strlist *l)
{
    int bad = 0;
    for (const struct toml_node *n = array->u.first; n; n = n->next) {
        int rc = 0;
        if (n->type != TOML_STRING) {
            spec_complain(a->src, n->pos, "expected a string in the list, found %s",
                          toml_type_name(n->type));
            rc = 1;
        } else if (strlen(n->u.string.data) != n->u.string.len) {
            spec_complain(a->src, n->pos, "a NUL character has no place in [%s] %s",
                          a->k->section, a->k->name);
            rc = 1;
        } else {
            rc = add_item(a, l, n->pos, n->u.string.data);
        }
        if (rc < 0)
            return rc;
        bad |= rc;
    }
    return bad;
}

/* Flags and variables: words between blanks; names of things also between commas. */
static int add_words(const struct arrival *a, const char *text, struct strlist *l)
{
    const char *blanks = a->k->type == SPEC_LIST ? " \t\n," : " \t\n";
    int rc = 0;
    while (!rc && *(text += strspn(text, blanks))) {
        size_t len = strcspn(text, blanks);
        char *word = strndup(text, len);
        rc = word ? add_item(a, l, a->v->pos, word) : -ENOMEM;
        free(word);
        text += len;
    }
    return rc;
}

/* '["a b", "c"]' in a flag or variable, for words with blanks in them. */
static int add_toml_text(const struct arrival *a, const char *text, struct strlist *l)
{
    struct toml_doc *d = NULL;
    char *line = NULL;
    int rc = asprintf(&line, "v = %s", text) < 0 ? -ENOMEM : 0;
    if (!rc)
        rc = toml_parse("", line, strlen(line), &d, NULL);
    if (!rc) {
        const struct toml_node *v = toml_get(toml_root(d), "v");
        if (toml_n_errors(d) || !v || v->type != TOML_ARRAY || v->next)
            rc = spec_expected(a, "a list such as [\"one\", \"two\"]");
        else
            rc = add_array(a, v, l);
    }
    free(line);
    toml_destroy(d);
    return rc == ERR_LIMIT ? spec_expected(a, "a shorter list") : rc;
}

static int fill(const struct arrival *a, struct strlist *l)
{
    const char *t = arrival_text(a);
    if (a->v->type == TOML_ARRAY)
        return add_array(a, a->v, l);
    if (!t)
        return a->k->words ? spec_bad_word(a, "a list of strings")
                           : spec_expected(a, "a list of strings");
    if (a->k->type == SPEC_HOSTS && *t != '[')
        return add_item(a, l, a->v->pos, t);
    if (arrival_is_text(a))
        return *t == '[' ? add_toml_text(a, t, l) : add_words(a, t, l);
    if (a->k->type == SPEC_ARGV)
        return refuse_plain_string(a);
    if (!a->k->words)
        return spec_expected(a, "a list of strings");
    return spec_word_index(a->k->words, t) >= 0 ? strlist_add(l, t)
                                                : spec_bad_word(a, "a list of strings");
}

int spec_set_list(const struct arrival *a)
{
    struct strlist l = {0}, *old = a->at;
    int rc = 0;
    /* -H a -H b: a flag given again adds. */
    bool more =
        a->src->origin == FROM_FLAG && a->s->origin[spec_key_index(a->k)] == FROM_FLAG;
    for (size_t i = 0; more && i < old->n && !rc; i++)
        rc = strlist_add(&l, old->items[i]);
    if (!rc)
        rc = fill(a, &l);
    if (rc) {
        strlist_fini(&l);
        return rc;
    }
    strlist_fini(old);
    *old = l;
    return 0;
}

static int env_table(const struct arrival *a, struct strlist *l)
{
    int bad = 0;
    for (const struct toml_node *n = a->v->u.first; n; n = n->next) {
        char number[32];
        int rc = 1;
        if (n->type == TOML_INTEGER)
            snprintf(number, sizeof number, "%" PRId64, n->u.integer);
        if (name_length(n->key) != n->key_len || n->key_len == 0)
            complain_of_name(a, n->key_pos, n->key);
        else if (n->type == TOML_INTEGER)
            rc = put_value(l, n->key, number);
        else if (n->type != TOML_STRING)
            spec_complain(a->src, n->pos,
                          "expected a string as the value of %s, found %s", n->key,
                          toml_type_name(n->type));
        else if (strlen(n->u.string.data) != n->u.string.len)
            spec_complain(a->src, n->pos, "a variable cannot hold a NUL character");
        else
            rc = put_value(l, n->key, n->u.string.data);
        if (rc < 0)
            return rc;
        bad |= rc;
    }
    return bad;
}

static int env_fill(const struct arrival *a, struct strlist *l)
{
    const char *t = arrival_is_text(a) ? arrival_text(a) : NULL;
    if (t)
        return *t == '[' ? add_toml_text(a, t, l) : env_item(a, a->v->pos, t, l);
    if (a->v->type == TOML_TABLE)
        return env_table(a, l);
    if (a->v->type == TOML_ARRAY)
        return add_array(a, a->v, l);
    return spec_expected(a, "a table of variables or a list of \"NAME=value\"");
}

/* Layers add to each other: a site's variables and the job's, the later of a name wins. */
int spec_set_env(const struct arrival *a)
{
    struct strlist l = {0}, *old = a->at;
    int rc = 0;
    for (size_t i = 0; i < old->n && !rc; i++)
        rc = strlist_add(&l, old->items[i]);
    if (!rc)
        rc = env_fill(a, &l);
    if (!rc && l.n > LIMIT_ENV) {
        spec_complain(a->src, a->v->pos, "more than %u variables", LIMIT_ENV);
        rc = 1;
    }
    if (rc) {
        strlist_fini(&l);
        return rc;
    }
    strlist_fini(old);
    *old = l;
    return 0;
}
