/* SPDX-License-Identifier: MIT */
/* job_stall_say.c - what came of a look in words, for the terminal, for the file of the
 * stall and for the summary. See job_stall.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/job_stall_impl.h"
#include "launcher/rassaid.h"
#include "launcher/report_units.h"
#include "launcher/stallfile.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/utf8.h"

/* ---------------------------------------------------------------- words */

static void on_line(void *arg, const char *text)
{
    struct job_stall *s = arg;
    if (!s->text[0])
        (void)snprintf(s->text, sizeof s->text, "%s", text);
    (void)buf_printf(&s->lines, "%s\n", text);
}

static void say_lines(struct job_stall *s)
{
    char line[STALLWORDS_TEXT];
    for (size_t at = 0; buf_line(&s->lines, &at, line, sizeof line);) {
        log_note("  %s", line);
        (void)buf_printf(&s->page, "  %s\n", line);
    }
    s->lines.len = 0;
}

static bool is_at(void *arg, uint32_t rank, const char *address)
{
    const struct job *j = ((const struct job_stall *)arg)->job;
    const Aolani__NodeInfo *info = fleet_info(j->fleet, j->plan.ranks[rank].node);
    for (size_t i = 0; info && i < info->n_addresses; i++)
        if (strcmp(info->addresses[i], address) == 0)
            return true;
    return false;
}

static struct stallwords words_of(struct job_stall *s)
{
    return (struct stallwords){.ranks = s->ranks,
                               .n = s->job->plan.world_size,
                               .node_of_rank = s->job->node_of_rank,
                               .say = on_line,
                               .is_at = is_at,
                               .arg = s};
}

bool job_stall_words(const struct job *j, char *ret, size_t len)
{
    char took[JOB_STALL_DURATION];
    if (!j->stall || j->stall->core.looks == 0 || j->state != JOB_RUNNING)
        return false;
    clock_format_duration(stall_silent_ms(&j->stall->core), took, sizeof took);
    (void)snprintf(ret, len, "no step for %s", took);
    return true;
}

static void say_what(struct job_stall *s)
{
    const struct job *j = s->job;
    char silent[80], usual[UNITS_TEXT], often[UNITS_TEXT + 40] = "";
    struct steps_now now;
    steps_now(j->steps, &now);
    uint64_t us = now.closed > 0 ? now.p50 : stall_usual_ms(&s->core) * 1000;
    if (us > 0)
        (void)snprintf(often, sizeof often, "usually one in %s; ",
                       format_time((double)us, usual));
    clock_format_duration(stall_silent_ms(&s->core), silent, sizeof silent);
    job_warn(s->job, "no rank has ended a step for %s (%sthe last was step %u)", silent,
             often, s->core.step);
    (void)buf_printf(&s->page, "no step for %s; %sthe last was step %u\n", silent,
                     often, s->core.step);
}

static void put_answer(struct job_stall *s)
{
    struct stallwords w = words_of(s);
    int at = snprintf(s->nccl, sizeof s->nccl, "NCCL, asked on %.64s: ",
                      job_node_name(s->job, s->tried[s->n_tried - 1]));
    stallwords_nccl(&w, s->answer, s->nccl + at, sizeof s->nccl - (size_t)at);
}

/* Whether it differs from what was said last. */
static bool add_nccl(struct job_stall *s)
{
    if (!s->nccl_has_news)
        return false;
    if (s->nccl_answered)
        put_answer(s);
    s->nccl_has_news = false;
    if (strcmp(s->nccl, s->nccl_told) == 0)
        return false;
    memcpy(s->nccl_told, s->nccl, sizeof s->nccl_told);
    (void)buf_printf(&s->lines, "%s\n", s->nccl);
    return true;
}

/* ---------------------------------------------------------------- the file */

static void page_ranks(struct job_stall *s)
{
    (void)buf_printf(&s->page, "\n%6s %-16s %7s %5s %-28s %7s %12s %6s %10s\n", "rank",
                     "node", "pid", "state", "waits in", "threads", "CPU ms", "cores",
                     "last step");
    for (uint32_t i = 0; i < s->job->plan.world_size; i++) {
        const struct stallrank *r = &s->ranks[i];
        char step[24] = "-", cores[16] = "-";
        if (!r->runs)
            continue;
        if (r->ended > 0)
            (void)snprintf(step, sizeof step, "%llu", (unsigned long long)r->ended - 1);
        if (r->has_cores)
            (void)snprintf(cores, sizeof cores, "%.2f", (double)r->cores);
        (void)buf_printf(&s->page, "%6u %-16s %7u %4c%c %-28s %7u %12llu %6s %10s\n", i,
                         s->job->node_of_rank[i], r->pid, r->state ? r->state : '-',
                         r->traced ? '!' : ' ',
                         r->wait_channel[0] ? r->wait_channel : "-", r->threads,
                         (unsigned long long)r->cpu_ms, cores, step);
    }
    (void)buf_printf(&s->page, "\n");
}

static void page_time(struct job_stall *s)
{
    time_t now = (time_t)(clock_real_ns() / 1000000000u);
    struct tm tm;
    char text[40] = "";
    if (gmtime_r(&now, &tm))
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    (void)buf_printf(&s->page, "=== %s, look %u\n", text, s->look);
}

static void write_page(struct job_stall *s)
{
    if (s->page.len > 0)
        (void)stallfile_add(s->file, (unsigned)s->n, (const char *)s->page.data,
                            s->page.len);
    s->page.len = 0;
}

/* ---------------------------------------------------------------- a look */

/* Of whoever was named the last words stay: later looks say only what is new. */
static void keep(struct job_stall *s)
{
    struct summary_stall *k = &s->all[s->n - 1];
    struct buf ranks;
    buf_init(&ranks, 1u << 22);
    if (rankset_format(&s->named, &ranks) == 0 && ranks.len > 0) {
        free(k->ranks);
        k->ranks = strdup((const char *)ranks.data);
    }
    buf_fini(&ranks);
    if (s->text[0]) {
        free(k->text);
        k->text = strdup(s->text);
    }
    k->ms = stall_silent_ms(&s->core);
    job_journal_stall(s->job, k);
}

static void say_again(struct job_stall *s, bool has_news)
{
    char took[JOB_STALL_DURATION];
    clock_format_duration(stall_silent_ms(&s->core), took, sizeof took);
    log_note("still no step after %s%s", took,
             has_news ? ":" : "; as far as is known, nothing has changed");
    (void)buf_printf(&s->page, "still no step after %s\n", took);
}

void job_stall_say(struct job_stall *s)
{
    struct stallwords w = words_of(s);
    for (uint32_t i = 0; i < w.n; i++)
        s->ranks[i].runs = s->job->ranks[i].v.end == RANK_ALIVE;
    s->said = true;
    s->text[0] = '\0';
    s->lines.len = 0;
    rankset_fini(&s->named);
    s->named = (struct rankset){0};
    bool has_news = stallwords_ranks(&w, s->first, &s->named) > 0;
    has_news = add_nccl(s) || has_news;
    page_time(s);
    if (s->first)
        say_what(s);
    else
        say_again(s, has_news);
    say_lines(s);
    if (s->first && s->file && s->n <= STALLFILE_FILES)
        log_note("  more: %s/stall-%zu.txt", s->job->config.attempt_dir, s->n);
    page_ranks(s);
    write_page(s);
    keep(s);
}

void job_stall_say_nccl(struct job_stall *s)
{
    (void)add_nccl(s);
    say_lines(s);
    write_page(s);
}

void job_stall_say_over(struct job_stall *s, uint64_t ms)
{
    char took[JOB_STALL_DURATION];
    clock_format_duration(ms, took, sizeof took);
    log_note("steps go on after %s", took);
    page_time(s);
    (void)buf_printf(&s->page, "steps go on after %s\n", took);
    write_page(s);
}

/* ---------------------------------------------------------------- NCCL */

static void page_nccl(struct job_stall *s, const char *address, const char *error)
{
    (void)buf_printf(&s->page,
                     "--- NCCL's RAS service, asked on %s at %.100s%s%.300s\n",
                     job_node_name(s->job, s->tried[s->n_tried - 1]), address,
                     error[0] ? ": no answer: " : "", error);
}

void job_stall_no_nccl(struct job_stall *s, const char *why)
{
    char nodes[200] = "";
    for (uint32_t i = 0, at = 0; i < s->n_tried; i++)
        at += (uint32_t)snprintf(nodes + at, sizeof nodes - at, "%s%.60s",
                                 i ? ", " : "", job_node_name(s->job, s->tried[i]));
    page_nccl(s, "", why);
    (void)snprintf(s->nccl, sizeof s->nccl, "NCCL, asked on %s: no answer: %.200s",
                   nodes, why);
    s->nccl_has_news = true;
    s->nccl_answered = false;
}

/* Whoever has the port may have answered, and files are read on terminals. */
static void page_text(struct job_stall *s, const uint8_t *text, size_t len)
{
    char line[512];
    for (size_t at = 0; at < len;) {
        size_t n = len - at < sizeof line ? len - at : sizeof line - 1;
        const uint8_t *stop = memchr(text + at, '\n', n);
        if (stop)
            n = (size_t)(stop - (text + at));
        memcpy(line, text + at, n);
        line[n] = '\0';
        utf8_make_printable(line);
        (void)buf_printf(&s->page, "%s%s", line, stop ? "\n" : "");
        at += n + (stop != NULL);
    }
}

void job_stall_put_nccl(struct job_stall *s, const Aolani__StallSeen *m)
{
    rassaid_read((const char *)m->nccl_text.data, m->nccl_text.len, s->answer);
    s->nccl_has_news = s->nccl_answered = true;
    page_nccl(s, m->nccl_address, "");
    page_text(s, m->nccl_text.data, m->nccl_text.len);
    (void)buf_printf(&s->page, "%s\n", m->nccl_cut ? "\n(the rest is cut off)" : "");
}
