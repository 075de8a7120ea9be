/* SPDX-License-Identifier: MIT */
/* rassaid.c - see rassaid.h. A line is read by how it begins; what its ranks have in
 * common stands in a line before them. */
#include "launcher/rassaid.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE   256u /* what is longer is cut: no line that is of use */
#define GROUPS 16u  /* rows of the table whose size is kept */
#define OPEN   UINT64_MAX

enum about { /* what the lines are about that follow */
             ABOUT_NOTHING,
             ABOUT_PROCESSES, /* `what` of them */
             ABOUT_RANKS,     /* of a communicator, `what` of them */
             ABOUT_COUNTS,
             ABOUT_STATUS,
};

struct reader {
    struct rassaid *to;
    enum about about;
    enum rassaid_what what;
    uint32_t comm_size;
    char word[RASSAID_WORD]; /* of the group that the next ranks are in */
    char op[RASSAID_WORD];
    uint64_t at, most;
    uint32_t sizes[GROUPS];
    bool in_table, differs;
};

/* ---- words and numbers ---- */

static bool starts(const char **at, const char *with)
{
    size_t n = strlen(with);
    if (strncmp(*at, with, n) != 0)
        return false;
    *at += n;
    return true;
}

/* At most 15 digits. */
static bool number(const char **at, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;
    for (; isdigit((unsigned char)(*at)[n]); n++) {
        if (n == 15)
            return false;
        v = 10 * v + (uint64_t)((*at)[n] - '0');
    }
    *at += n;
    *ret = v;
    return n > 0;
}

static bool small(const char **at, uint32_t *ret)
{
    uint64_t v;
    if (!number(at, &v) || v >= UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* A name or an address; false: none, or longer than they are. */
static bool word(const char **at, char *ret, size_t size)
{
    size_t n = 0;
    while (isalnum((unsigned char)(*at)[n]) || ((*at)[n] && strchr("._:%-+", (*at)[n])))
        n++;
    if (n == 0 || n >= size)
        return false;
    memcpy(ret, *at, n);
    ret[n] = '\0';
    *at += n;
    return true;
}

/* ---- whom it names ---- */

static struct rassaid_one *find(struct rassaid *r, const struct rassaid_one *o)
{
    for (size_t i = 0; i < r->n; i++) {
        struct rassaid_one *have = &r->one[i];
        if (o->pid >= 0 ? have->pid == o->pid && strcmp(have->host, o->host) == 0
                        : have->pid < 0 && have->comm_rank == o->comm_rank &&
                              have->comm_size == o->comm_size)
            return have;
    }
    return NULL;
}

/* A process is in several communicators: the first is the largest, and says most. */
static void add(struct reader *s, const struct rassaid_one *o)
{
    struct rassaid *r = s->to;
    struct rassaid_one *have = find(r, o);
    if (!have && r->n == RASSAID_NAMED) {
        r->more++;
        return;
    }
    if (!have) {
        r->one[r->n++] = *o;
        return;
    }
    if (have->comm_rank == UINT32_MAX) {
        have->comm_rank = o->comm_rank;
        have->comm_size = o->comm_size;
    }
    if (o->what < have->what)
        *have = *o;
}

/* Of a missing rank only its number is said, where one missing process was named before. */
static bool is_the_missing_one(struct reader *s, uint32_t rank)
{
    struct rassaid_one *only = NULL;
    for (size_t i = 0; i < s->to->n; i++) {
        struct rassaid_one *o = &s->to->one[i];
        if (o->pid < 0 || (o->what != RASSAID_UNREACHABLE && o->what != RASSAID_DEAD))
            continue;
        if (only)
            return true; /* who is which cannot be known */
        only = o;
    }
    if (only && only->comm_rank == UINT32_MAX) {
        only->comm_rank = rank;
        only->comm_size = s->comm_size;
    }
    return only != NULL;
}

/* Whoever has launched as much as the first is not behind. */
static void end_counts(struct reader *s)
{
    struct rassaid *r = s->to;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct rassaid_one *o = &r->one[i];
        if (o->what == RASSAID_BEHIND && o->most == OPEN) {
            if (o->at >= s->most)
                continue;
            o->most = s->most;
        }
        r->one[n++] = *o;
    }
    r->n = n;
}

static void set_about(struct reader *s, enum about about, enum rassaid_what what)
{
    end_counts(s);
    s->about = about;
    s->what = what;
    s->word[0] = '\0';
    s->at = s->most = 0;
}

/* ---- lines ---- */

/* "483072 on node 172.16.64.210" */
static bool process(const char *at, struct rassaid_one *ret)
{
    uint32_t pid;
    if (!small(&at, &pid) || !starts(&at, " on node ") ||
        !word(&at, ret->host, sizeof ret->host))
        return false;
    ret->pid = pid;
    return true;
}

/* "21", "3, 21" */
static void missing_ranks(struct reader *s, const char *at)
{
    struct rassaid_one o = {.what = s->what, .pid = -1, .comm_size = s->comm_size};
    while (small(&at, &o.comm_rank)) {
        if (!is_the_missing_one(s, o.comm_rank))
            add(s, &o);
        if (!starts(&at, ", "))
            return;
    }
}

/* "6 -- GPU 1 managed by process 7 on node 10.0.0.1", "6 has status INIT -- ..." */
static void rank_line(struct reader *s, const char *at)
{
    static const char *const managed = " managed by process ";
    struct rassaid_one o = {.what = s->what, .pid = -1, .comm_size = s->comm_size};
    if (s->about < ABOUT_RANKS || !small(&at, &o.comm_rank))
        return;
    if (starts(&at, " has launched up to operation ")) {
        if (!number(&at, &s->at))
            return;
    } else if (starts(&at, " has not launched any operations"))
        s->at = 0;
    else if (starts(&at, " has status ") || starts(&at, " reported ")) {
        if (!word(&at, s->word, sizeof s->word))
            return;
    }
    const char *who = strstr(at, managed);
    if (who)
        (void)process(who + strlen(managed), &o);
    o.at = s->at;
    s->most = s->at > s->most ? s->at : s->most;
    o.most = OPEN;
    memcpy(o.word, s->about == ABOUT_COUNTS ? s->op : s->word, sizeof o.word);
    add(s, &o);
}

/* "26 ranks have launched up to operation 6650": what the ranks after it have in common. */
static void group_line(struct reader *s, const char *at)
{
    uint32_t n;
    if (!small(&at, &n))
        return;
    if (starts(&at, " ranks have launched up to operation ")) {
        if (!number(&at, &s->at))
            return;
    } else if (starts(&at, " ranks have not launched any operations"))
        s->at = 0;
    else if (starts(&at, " ranks have status ") || starts(&at, " ranks reported "))
        (void)word(&at, s->word, sizeof s->word);
    s->most = s->at > s->most ? s->at : s->most;
}

/* "#0-3 (cf264af53edbe986) INCOMPLETE" */
static void communicator(struct reader *s, const char *at)
{
    uint32_t group;
    const char *what = strchr(at, ')');
    if (!small(&at, &group) || *at != '-' || !what)
        return;
    s->comm_size = group < GROUPS ? s->sizes[group] : 0;
    if (strcmp(what, ") INCOMPLETE") == 0)
        set_about(s, ABOUT_RANKS, RASSAID_UNREACHABLE);
    else if (strcmp(what, ") ERROR") == 0)
        set_about(s, ABOUT_RANKS, RASSAID_ERROR);
    else
        set_about(s, ABOUT_NOTHING, RASSAID_STATUS);
}

/* "AllReduce operation counts", "status" */
static void difference(struct reader *s, const char *at)
{
    if (strcmp(at, "status") == 0) {
        set_about(s, ABOUT_STATUS, RASSAID_STATUS);
        return;
    }
    set_about(s, ABOUT_COUNTS, RASSAID_BEHIND);
    if (!word(&at, s->op, sizeof s->op) || strcmp(s->op, "collective") == 0)
        s->op[0] = '\0';
}

/* "0  8  4  1  4  32  RUNNING  OK": group, communicators in it, nodes, ranks of each on a
 * node, ranks of each, ranks in the group. */
static void row(struct reader *s, const char *line)
{
    unsigned group, comms, nodes, ranks, in_group;
    char per_node[24], status[24], errors[32];
    if (!s->in_table ||
        sscanf(line, "%8u %8u %8u %23s %8u %8u %23s %31s", &group, &comms, &nodes,
               per_node, &ranks, &in_group, status, errors) != 8)
        return;
    if (group < GROUPS)
        s->sizes[group] = ranks;
    s->to->has_table = true;
    s->differs = s->differs || strcmp(errors, "OK") != 0;
}

static void header(struct reader *s, const char *line)
{
    s->in_table = strncmp(line, "Group ", 6) == 0 || (s->in_table && line[0] == '#');
    if (strcmp(line, "INCOMPLETE") == 0)
        set_about(s, ABOUT_PROCESSES, RASSAID_UNREACHABLE);
    else if (strcmp(line, "DEAD") == 0)
        set_about(s, ABOUT_PROCESSES, RASSAID_DEAD);
    else if (strcmp(line, "TIMEOUT") == 0 || strcmp(line, "Warnings") == 0 ||
             strcmp(line, "Errors") == 0)
        set_about(s, ABOUT_NOTHING, RASSAID_STATUS);
}

static void read_line(struct reader *s, const char *line)
{
    const char *at = line;
    struct rassaid_one o = {.what = s->what, .pid = -1, .comm_rank = UINT32_MAX};
    if (!line[0])
        return;
    if (isdigit((unsigned char)line[0])) {
        row(s, line);
        group_line(s, line);
    } else if (starts(&at, "Rank "))
        rank_line(s, at);
    else if (starts(&at, "Process ")) {
        if (s->about == ABOUT_PROCESSES && process(at, &o))
            add(s, &o);
    } else if (starts(&at, "The missing rank: ") ||
               starts(&at, "The missing ranks: ")) {
        if (s->about == ABOUT_RANKS)
            missing_ranks(s, at);
    } else if (starts(&at, "Communicator ranks have different "))
        difference(s, at);
    else if (starts(&at, "NCCL version "))
        (void)word(&at, s->to->version, sizeof s->to->version);
    else if (line[0] == '#' && isdigit((unsigned char)line[1]))
        communicator(s, line + 1);
    else
        header(s, line);
}

static void sort(struct rassaid *r)
{
    for (size_t i = 1; i < r->n; i++) {
        struct rassaid_one o = r->one[i];
        size_t k = i;
        for (; k > 0 && r->one[k - 1].what > o.what; k--)
            r->one[k] = r->one[k - 1];
        r->one[k] = o;
    }
}

void rassaid_read(const char *text, size_t len, struct rassaid *ret)
{
    struct reader s = {.to = ret};
    char line[LINE];
    memset(ret, 0, sizeof *ret);
    for (size_t at = 0, end; at < len; at = end + 1) {
        const char *nl = memchr(text + at, '\n', len - at);
        end = nl ? (size_t)(nl - text) : len;
        while (at < end && (text[at] == ' ' || text[at] == '\t'))
            at++;
        size_t n = end - at < LINE - 1 ? end - at : LINE - 1;
        memcpy(line, text + at, n);
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            n--;
        line[n] = '\0';
        read_line(&s, line);
    }
    end_counts(&s);
    sort(ret);
    ret->all_agree = ret->has_table && !s.differs && ret->n == 0;
}
