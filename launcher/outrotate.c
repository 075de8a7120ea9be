/* SPDX-License-Identifier: MIT */
/* outrotate.c - see outrotate.h. */
#include "launcher/outrotate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct outpiece outrotate_piece(const struct outrotate *r, uint64_t offset, size_t len)
{
    if (r->size == 0)
        return (struct outpiece){.at = offset, .len = len};
    struct outpiece p = {.segment = offset / r->size, .at = offset % r->size};
    uint64_t room = r->size - p.at;
    p.len = len < room ? len : (size_t)room;
    return p;
}

uint64_t outrotate_start(const struct outrotate *r, uint64_t segment)
{
    return segment * r->size;
}

uint64_t outrotate_kept_from(const struct outrotate *r, uint64_t newest)
{
    return r->size == 0 || r->keep == 0 || newest < r->keep ? 1 : newest - r->keep + 2;
}

bool outrotate_keeps(const struct outrotate *r, uint64_t newest, uint64_t segment)
{
    return segment == 0 || segment >= outrotate_kept_from(r, newest);
}

void outrotate_suffix(uint64_t segment, char *ret, size_t len)
{
    ret[0] = '\0';
    if (segment > 0)
        (void)snprintf(ret, len, ".%06" PRIu64, segment);
}

bool outrotate_parse(const char *name, uint32_t *ret_rank, int *ret_stream,
                     uint64_t *ret_segment)
{
    char kind[4], again[64], suffix[24];
    uint32_t rank;
    uint64_t segment = 0;
    int n =
        sscanf(name, "rank-%10" SCNu32 ".%3[a-z].%19" SCNu64, &rank, kind, &segment);
    if (n < 2)
        return false;
    outrotate_suffix(segment, suffix, sizeof suffix);
    /* As we write it, or it is another's. */
    (void)snprintf(again, sizeof again, "rank-%04" PRIu32 ".%s%s", rank, kind, suffix);
    if (strcmp(name, again) != 0 ||
        (strcmp(kind, "out") != 0 && strcmp(kind, "err") != 0))
        return false;
    *ret_rank = rank;
    *ret_stream = strcmp(kind, "err") == 0;
    *ret_segment = segment;
    return true;
}

/* ---- what is missing ---- */

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct outrange joined(const struct outrange *a, const struct outrange *b)
{
    struct outrange j = {.from = min_of(a->from, b->from),
                         .to = a->to > b->to ? a->to : b->to,
                         .why = a->why};
    uint64_t overlap_from = a->from > b->from ? a->from : b->from;
    uint64_t overlap_to = min_of(a->to, b->to);
    uint64_t twice = overlap_to > overlap_from ? overlap_to - overlap_from : 0;
    uint64_t sum = a->bytes + b->bytes;
    j.bytes = sum > twice ? sum - twice : 0;
    /* Of a range that was joined before nobody knows which bytes: at least each. */
    j.bytes = j.bytes < a->bytes ? a->bytes : j.bytes;
    j.bytes = min_of(j.bytes < b->bytes ? b->bytes : j.bytes, j.to - j.from);
    return j;
}

static void join_nearest(struct outrange *r, unsigned n)
{
    unsigned best = 0;
    for (unsigned i = 1; i + 1 < n; i++) {
        if (r[i + 1].from - r[i].to < r[best + 1].from - r[best].to)
            best = i;
    }
    r[best] = joined(&r[best], &r[best + 1]);
    memmove(&r[best + 1], &r[best + 2], (n - best - 2) * sizeof *r);
}

void outranges_add(struct outranges *s, uint64_t from, uint64_t to, int why)
{
    struct outrange all[OUTRANGES_MAX + 1], add = {from, to, to - from, why};
    unsigned n = 0, at = 0;
    if (to <= from)
        return;
    for (unsigned i = 0; i < s->n; i++) {
        const struct outrange *r = &s->r[i];
        bool overlaps = r->from < add.to && add.from < r->to;
        bool touches = (r->to == add.from || add.to == r->from) && r->why == why;
        if (overlaps || touches)
            add = joined(r, &add);
        else
            all[n++] = *r;
    }
    while (at < n && all[at].from < add.from)
        at++;
    memmove(&all[at + 1], &all[at], (n - at) * sizeof *all);
    all[at] = add;
    if (++n > OUTRANGES_MAX)
        join_nearest(all, n--);
    s->n = n;
    memcpy(s->r, all, n * sizeof *all);
}

/* What is left of `r`, in up to two parts; a range of which only some bytes are missing,
 * or whose second part has no place, stays one. */
static unsigned cut(const struct outrange *r, uint64_t from, uint64_t to, bool room,
                    struct outrange ret[2])
{
    struct outrange left = *r, right = *r;
    bool whole = r->bytes == r->to - r->from;
    left.to = min_of(from, r->to);
    right.from = to > r->from ? to : r->from;
    bool has_left = left.to > left.from, has_right = right.to > right.from;
    left.bytes = has_left ? min_of(r->bytes, left.to - left.from) : 0;
    right.bytes = has_right ? min_of(r->bytes, right.to - right.from) : 0;
    if (has_left && has_right && (!whole || !room)) {
        ret[0] = *r;
        ret[0].bytes = min_of(r->bytes, r->to - r->from - (to - from));
        return 1;
    }
    unsigned n = 0;
    if (has_left)
        ret[n++] = left;
    if (has_right)
        ret[n++] = right;
    return n;
}

void outranges_remove(struct outranges *s, uint64_t from, uint64_t to)
{
    struct outranges out = {0};
    for (unsigned i = 0; i < s->n; i++) {
        const struct outrange *r = &s->r[i];
        struct outrange parts[2] = {*r};
        unsigned rest = s->n - i - 1, n = 1;
        if (from < to && r->from < to && from < r->to)
            n = cut(r, from, to, out.n + 2 + rest <= OUTRANGES_MAX, parts);
        for (unsigned k = 0; k < n; k++)
            out.r[out.n++] = parts[k];
    }
    *s = out;
}

uint64_t outranges_bytes(const struct outranges *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->n; i++)
        n += s->r[i].bytes;
    return n;
}
