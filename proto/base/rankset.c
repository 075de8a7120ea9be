/* SPDX-License-Identifier: MIT */
/* rankset.c - see rankset.h. A bitmap: the sets that matter ("all ranks", "0-7") are
 * dense, and one of the largest takes 128 KiB. */
#include "proto/base/rankset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANKSET_MAX (1u << 20)

void rankset_fini(struct rankset *s)
{
    free(s->words);
    *s = (struct rankset){0};
}

static int make_room(struct rankset *s, uint32_t id)
{
    if (id >= RANKSET_MAX)
        return ERR_LIMIT;
    size_t need = id / 64 + 1;
    if (need <= s->n_words)
        return 0;
    size_t n = s->n_words ? s->n_words : 1;
    while (n < need)
        n *= 2;
    uint64_t *words = realloc(s->words, n * sizeof *words);
    if (!words)
        return -ENOMEM;
    memset(words + s->n_words, 0, (n - s->n_words) * sizeof *words);
    s->words = words;
    s->n_words = n;
    return 0;
}

int rankset_add(struct rankset *s, uint32_t id)
{
    int rc = make_room(s, id);
    if (rc == 0)
        s->words[id / 64] |= 1ull << id % 64;
    return rc;
}

void rankset_remove(struct rankset *s, uint32_t id)
{
    if (id / 64 < s->n_words)
        s->words[id / 64] &= ~(1ull << id % 64);
}

bool rankset_has(const struct rankset *s, uint32_t id)
{
    return id / 64 < s->n_words && (s->words[id / 64] >> id % 64 & 1);
}

size_t rankset_count(const struct rankset *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_words; i++)
        n += (size_t)__builtin_popcountll(s->words[i]);
    return n;
}

bool rankset_intersects(const struct rankset *a, const struct rankset *b)
{
    size_t n = a->n_words < b->n_words ? a->n_words : b->n_words;
    for (size_t i = 0; i < n; i++) {
        if (a->words[i] & b->words[i])
            return true;
    }
    return false;
}

bool rankset_contains(const struct rankset *whole, const struct rankset *part)
{
    for (size_t i = 0; i < part->n_words; i++) {
        uint64_t there = i < whole->n_words ? whole->words[i] : 0;
        if (part->words[i] & ~there)
            return false;
    }
    return true;
}

int rankset_merge(struct rankset *s, const struct rankset *more)
{
    size_t n = more->n_words;
    while (n > 0 && more->words[n - 1] == 0)
        n--;
    int rc = n > 0 ? make_room(s, (uint32_t)(n * 64 - 1)) : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        s->words[i] |= more->words[i];
    return rc;
}

int64_t rankset_next(const struct rankset *s, uint32_t from)
{
    size_t i = from / 64;
    if (i >= s->n_words)
        return -1;
    uint64_t w = s->words[i] & ~0ull << from % 64;
    while (w == 0) {
        if (++i == s->n_words)
            return -1;
        w = s->words[i];
    }
    return (int64_t)i * 64 + __builtin_ctzll(w);
}

/* Words at a time: a text may name the whole range again and again. */
static int add_range(struct rankset *s, uint32_t lo, uint32_t hi)
{
    int rc = make_room(s, hi);
    if (rc < 0)
        return rc;
    for (uint32_t i = lo / 64; i <= hi / 64; i++) {
        uint64_t w = ~0ull;
        if (i == lo / 64)
            w &= ~0ull << lo % 64;
        if (i == hi / 64)
            w &= ~0ull >> (63 - hi % 64);
        s->words[i] |= w;
    }
    return 0;
}

static int bad_text(const char *text, const char *at, int code, const char *why,
                    struct err *e)
{
    /* What stands before `at` was read: digits, commas and hyphens, safe to show. */
    size_t n = (size_t)(at - text), shown = n > 40 ? 40 : n;
    if (n == 0)
        return err_set(e, code, "set of numbers, column 1: %s", why);
    return err_set(e, code, "set of numbers, column %zu, after \"%.*s\": %s", n + 1,
                   (int)shown, at - shown, why);
}

/* -1: no number here. Too large a number stays too large. */
static int64_t read_number(const char **at)
{
    const char *s = *at;
    int64_t v = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (v < RANKSET_MAX)
            v = v * 10 + (*s - '0');
    }
    if (s == *at)
        return -1;
    *at = s;
    return v;
}

/* "3" or "0-7" at *at. */
static int read_range(struct rankset *s, const char *text, const char **at,
                      struct err *e)
{
    const char *from = *at;
    int64_t lo = read_number(at), hi = lo;
    if (lo < 0)
        return bad_text(text, *at, ERR_PARSE, "expected a number", e);
    if (**at == '-') {
        ++*at;
        from = *at;
        hi = read_number(at);
        if (hi < 0)
            return bad_text(text, *at, ERR_PARSE, "expected a number", e);
        if (hi < lo)
            return bad_text(text, from, ERR_PARSE, "the range runs backwards", e);
    }
    if (hi >= RANKSET_MAX)
        return bad_text(text, from, ERR_LIMIT, "this number is past 1048575", e);
    int rc = add_range(s, (uint32_t)lo, (uint32_t)hi);
    return rc < 0 ? err_sys(e, rc, "set of numbers") : 0;
}

int rankset_parse(struct rankset *s, const char *text, struct err *e)
{
    struct rankset new = {0};
    const char *at = text;
    int rc = 0;
    while (*text != '\0') {
        rc = read_range(&new, text, &at, e);
        if (rc < 0)
            goto fail;
        if (*at == '\0')
            break;
        if (*at != ',') {
            rc = bad_text(text, at, ERR_PARSE, "expected \",\" or \"-\"", e);
            goto fail;
        }
        at++;
    }
    rankset_fini(s);
    *s = new;
    return 0;
fail:
    rankset_fini(&new);
    return rc;
}

static int64_t last_of_run(const struct rankset *s, int64_t from)
{
    while (rankset_has(s, (uint32_t)from + 1))
        from++;
    return from;
}

int rankset_format(const struct rankset *s, struct buf *out)
{
    size_t len = out->len;
    int rc = buf_add(out, "", 0); /* the empty set is a text too */
    for (int64_t lo = rankset_next(s, 0), hi; rc == 0 && lo >= 0;
         lo = rankset_next(s, (uint32_t)hi + 1)) {
        hi = last_of_run(s, lo);
        const char *comma = out->len > len ? "," : "";
        rc = lo == hi
                 ? buf_printf(out, "%s%lld", comma, (long long)lo)
                 : buf_printf(out, "%s%lld-%lld", comma, (long long)lo, (long long)hi);
    }
    if (rc < 0)
        out->len = len;
    return rc;
}

size_t rankset_shown(const char *list, size_t most)
{
    size_t n = strlen(list);
    if (n <= most)
        return n;
    for (n = most; n > 0 && list[n] != ',';)
        n--;
    return n > 0 ? n : most;
}
