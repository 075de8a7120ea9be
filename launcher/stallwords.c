/* SPDX-License-Identifier: MIT */
/* stallwords.c - see stallwords.h. */
#include "launcher/stallwords.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HARD_CORES 0.5f /* more is work, or waiting in a loop */
#define SET_TEXT   120u

enum why { /* a rank is named, the first that holds */
           WHY_NOT,
           WHY_GONE,
           WHY_STOPPED,
           WHY_HELD,
           WHY_TRACED,
           WHY_ZOMBIE,
           WHY_KERNEL,
           WHY_UNKNOWN,
           WHY_BEHIND,
           WHY_ODD,  /* it alone runs, or it alone sleeps */
           WHY_BACK, /* it was named, and is like the others now */
           WHY_N
};

/* Of one, of several. */
static const char *const phrases[WHY_N][2] = {
    [WHY_GONE] = {"has no process any more", "have no process any more"},
    [WHY_STOPPED] = {"is stopped by a signal (state T)",
                     "are stopped by a signal (state T)"},
    [WHY_HELD] = {"is held by a debugger (state t)",
                  "are held by a debugger (state t)"},
    [WHY_TRACED] = {"is traced by a debugger", "are traced by a debugger"},
    [WHY_ZOMBIE] = {"has ended and is not waited for (state Z)",
                    "have ended and are not waited for (state Z)"},
    [WHY_KERNEL] = {"waits in the kernel, as for a disk or a device (state D)",
                    "wait in the kernel, as for a disk or a device (state D)"},
    [WHY_UNKNOWN] = {"is not known of: its node has not answered",
                     "are not known of: their nodes have not answered"},
    [WHY_BEHIND] = {"is behind", "are behind"},
    [WHY_ODD] = {"is alone in that", "are alone in that"},
    [WHY_BACK] = {"is like the others now", "are like the others now"},
};

/* ---- one rank ---- */

static enum why why_state(const struct stallrank *r)
{
    if (!r->answered)
        return WHY_UNKNOWN;
    switch (r->state) {
    case '\0':
        return WHY_GONE;
    case 'T':
        return WHY_STOPPED;
    case 't':
        return WHY_HELD;
    case 'Z':
    case 'X':
        return WHY_ZOMBIE;
    case 'D':
        return WHY_KERNEL;
    default:
        return r->traced ? WHY_TRACED : WHY_NOT;
    }
}

static bool is_busy(const struct stallrank *r)
{
    return r->has_cores ? r->cores >= HARD_CORES : r->state == 'R';
}

static const char *plain_words(bool busy, bool known, bool one)
{
    if (!busy)
        return one ? "sleeps" : "sleep";
    if (!known)
        return one ? "runs" : "run";
    return one ? "runs hard" : "run hard";
}

const char *stallwords_doing(const struct stallrank *r)
{
    enum why w = why_state(r);
    return w ? phrases[w][0] : plain_words(is_busy(r), r->has_cores, true);
}

/* ---- all of them ---- */

struct view {
    struct stallwords *w;
    uint64_t most;              /* ended, of any */
    uint32_t runs, behind;      /* ranks */
    uint32_t plain, busy, idle; /* that do nothing odd by themselves */
    bool first, name_behind, name_busy, name_idle;
    char line[STALLWORDS_TEXT]; /* waits for what may be added to it */
    unsigned lines;
};

static bool is_behind(const struct view *v, const struct stallrank *r)
{
    return r->ended > 0 && r->ended < v->most;
}

/* So few that they are remarkable. */
static bool are_few(uint32_t n, uint32_t of)
{
    return n > 0 && (n * 4 <= of || (n == 1 && of >= 3));
}

static void measure(struct view *v)
{
    for (uint32_t i = 0; i < v->w->n; i++) {
        const struct stallrank *r = &v->w->ranks[i];
        v->most = r->runs && r->ended > v->most ? r->ended : v->most;
    }
    for (uint32_t i = 0; i < v->w->n; i++) {
        const struct stallrank *r = &v->w->ranks[i];
        if (!r->runs)
            continue;
        v->runs++;
        v->behind += is_behind(v, r);
        if (why_state(r) != WHY_NOT)
            continue;
        v->plain++;
        v->busy += is_busy(r);
        v->idle += !is_busy(r);
    }
    v->name_behind = v->behind * 2 <= v->runs;
    /* By one look alone nobody knows who rests between two collectives. */
    v->name_busy = !v->first && are_few(v->busy, v->plain);
    v->name_idle = !v->first && are_few(v->idle, v->plain);
}

static enum why why_of(const struct view *v, const struct stallrank *r)
{
    enum why w = why_state(r);
    if (w)
        return w;
    if (v->name_behind && is_behind(v, r))
        return WHY_BEHIND;
    return (is_busy(r) ? v->name_busy : v->name_idle) ? WHY_ODD : WHY_NOT;
}

/* ---- lines ---- */

static void flush(struct view *v)
{
    if (!v->line[0])
        return;
    v->w->say(v->w->arg, v->line);
    v->lines++;
    v->line[0] = '\0';
}

static void add(struct view *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct view *v, const char *fmt, ...)
{
    size_t at = strlen(v->line);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(v->line + at, sizeof v->line - at, fmt, ap);
    va_end(ap);
}

static void add_behind(struct view *v, const struct stallrank *r)
{
    uint64_t n = is_behind(v, r) ? v->most - r->ended : 0;
    if (n > 0)
        add(v, " and is %llu step%s behind", (unsigned long long)n, n == 1 ? "" : "s");
}

static void say_one(struct view *v, uint32_t rank, enum why why)
{
    const struct stallrank *r = &v->w->ranks[rank];
    flush(v);
    add(v, "rank %u on %s %s%s", rank, v->w->node_of_rank[rank],
        why == WHY_BACK ? "now " : "", stallwords_doing(r));
    bool tells_where = r->state == 'D' || why == WHY_BEHIND || why == WHY_ODD;
    if (tells_where && r->wait_channel[0])
        add(v, " (in %s)", r->wait_channel);
    add_behind(v, r);
}

static void say_many(struct view *v, const struct rankset *ranks, enum why why)
{
    struct buf text;
    uint32_t last = 0;
    buf_init(&text, 1u << 22);
    int64_t id = -1;
    while ((id = rankset_next(ranks, (uint32_t)(id + 1))) >= 0)
        if (last == 0 || v->w->ranks[id].ended < v->w->ranks[last - 1].ended)
            last = (uint32_t)id + 1;
    flush(v);
    if (rankset_format(ranks, &text) == 0) {
        const char *list = (const char *)text.data;
        size_t n = rankset_shown(list, SET_TEXT);
        add(v, "ranks %.*s%s (%zu) %s", (int)n, list, list[n] ? "..." : "",
            rankset_count(ranks), phrases[why][1]);
        if (is_behind(v, &v->w->ranks[last - 1]))
            add(v, ", rank %u by %llu steps", last - 1,
                (unsigned long long)(v->most - v->w->ranks[last - 1].ended));
    }
    buf_fini(&text);
}

static void say_kind(struct view *v, const struct rankset *ranks, enum why why)
{
    int64_t id = -1;
    if (rankset_count(ranks) > STALLWORDS_EACH)
        say_many(v, ranks, why);
    else
        while ((id = rankset_next(ranks, (uint32_t)(id + 1))) >= 0)
            say_one(v, (uint32_t)id, why);
}

/* "; the other 7 sleep" */
static void say_rest(struct view *v, uint32_t named, uint32_t busy, uint32_t idle)
{
    uint32_t n = busy + idle;
    if (n == 0)
        return;
    const char *doing = idle == 0   ? plain_words(true, !v->first, n == 1)
                        : busy == 0 ? plain_words(false, true, n == 1)
                                    : "sleep or run";
    if (named == 0) {
        add(v, "%s%u rank%s %s", n > 1 ? "all " : "", n, n == 1 ? "" : "s", doing);
        if (v->behind == 0)
            add(v, "; none is behind or stopped");
        else
            add(v, "; %u are ahead of the others", v->runs - v->behind);
    } else if (n == 1)
        add(v, "; the other one %s", doing);
    else
        add(v, "; the other %u %s", n, doing);
}

unsigned stallwords_ranks(struct stallwords *w, bool first, struct rankset *named)
{
    struct view v = {.w = w, .first = first};
    struct rankset kinds[WHY_N] = {0};
    uint32_t busy = 0, idle = 0, n_named = 0;
    measure(&v);
    for (uint32_t i = 0; i < w->n; i++) {
        struct stallrank *r = &w->ranks[i];
        if (!r->runs)
            continue;
        enum why why = why_of(&v, r);
        bool news = why != r->told;
        if (why != WHY_NOT && named)
            (void)rankset_add(named, i);
        n_named += why != WHY_NOT;
        busy += why == WHY_NOT && is_busy(r);
        idle += why == WHY_NOT && !is_busy(r);
        if (news)
            (void)rankset_add(&kinds[why ? why : WHY_BACK], i);
        r->told = (uint8_t)why;
    }
    for (unsigned k = WHY_GONE; k < WHY_N; k++) {
        say_kind(&v, &kinds[k], (enum why)k);
        rankset_fini(&kinds[k]);
    }
    if (first || (v.line[0] && n_named > 0))
        say_rest(&v, n_named, busy, idle);
    flush(&v);
    return v.lines;
}

/* ---- NCCL ---- */

static bool is_known(const struct stallwords *w, const char *host)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->is_at(w->arg, i, host))
            return true;
    return false;
}

static bool has_pid(const struct stallrank *r, int64_t pid)
{
    for (unsigned i = 0; i < r->n_pids; i++)
        if (r->pids[i] == pid)
            return true;
    return false;
}

int64_t stallwords_rank_of(const struct stallwords *w, int64_t pid, const char *host)
{
    int64_t found = -1;
    unsigned n = 0;
    for (uint32_t i = 0; pid > 0 && i < w->n; i++) {
        if (!has_pid(&w->ranks[i], pid))
            continue;
        if (w->is_at(w->arg, i, host))
            return i;
        found = i;
        n++;
    }
    /* A pid of a container may be another's on a node that is known: that is no match. */
    return n == 1 && !is_known(w, host) ? found : -1;
}

static void put(char *ret, size_t len, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void put(char *ret, size_t len, const char *fmt, ...)
{
    size_t at = strlen(ret);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(ret + at, len - at, fmt, ap);
    va_end(ap);
}

static void put_name(const struct stallwords *w, const struct rassaid_one *o, char *ret,
                     size_t len)
{
    int64_t rank = stallwords_rank_of(w, o->pid, o->host);
    if (rank >= 0)
        put(ret, len, "rank %lld (process %lld on %s)", (long long)rank,
            (long long)o->pid, o->host);
    else if (o->pid >= 0)
        put(ret, len, "process %lld on %s", (long long)o->pid, o->host);
    else
        put(ret, len, "some process");
    if (rank < 0 && o->comm_rank != UINT32_MAX) {
        put(ret, len, ", rank %u of a communicator", o->comm_rank);
        if (o->comm_size > 0)
            put(ret, len, " of %u", o->comm_size);
        put(ret, len, ",");
    }
}

static void put_what(const struct rassaid_one *o, char *ret, size_t len)
{
    const char *op = o->word[0] ? o->word : "collective";
    switch (o->what) {
    case RASSAID_DEAD:
        put(ret, len, " is given up for dead");
        break;
    case RASSAID_UNREACHABLE:
        put(ret, len, " does not answer");
        break;
    case RASSAID_ERROR:
        put(ret, len, " reports %s", o->word[0] ? o->word : "an error");
        break;
    case RASSAID_BEHIND:
        put(ret, len, " is at %s %llu, others at %llu", op, (unsigned long long)o->at,
            (unsigned long long)o->most);
        break;
    case RASSAID_STATUS:
        put(ret, len, " is in state %s, unlike others", o->word);
        break;
    }
}

void stallwords_nccl(const struct stallwords *w, const struct rassaid *said, char *ret,
                     size_t len)
{
    ret[0] = '\0';
    for (size_t i = 0; i < said->n && i < STALLWORDS_EACH; i++) {
        put(ret, len, "%s", i ? "; " : "");
        put_name(w, &said->one[i], ret, len);
        put_what(&said->one[i], ret, len);
    }
    if (said->n > STALLWORDS_EACH)
        put(ret, len, "; and %llu more",
            (unsigned long long)(said->n - STALLWORDS_EACH + said->more));
    if (said->n == 0)
        put(ret, len, "%s",
            said->all_agree ? "every rank answers, and all have launched the same"
                            : "it names nobody");
}
