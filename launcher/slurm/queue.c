/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h. squeue is asked for the job, then, if it waits, for all that wait
 * in its partition; a list that cannot be had costs the position only. */
#include "launcher/slurm/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/slurm/facts_impl.h"
#include "proto/base/clock.h"

/* ---- what squeue prints ---- */

struct fields {
    const char *at[6];
    size_t len[6];
};

/* n fields apart by '|' of the line at `line`; the last one has all the rest of it. */
static bool split(const char *line, size_t n, struct fields *f)
{
    const char *end = strchr(line, '\n');
    if (!end)
        end = line + strlen(line);
    for (size_t i = 0; i < n; i++) {
        const char *bar = i + 1 < n ? memchr(line, '|', (size_t)(end - line)) : end;
        if (!bar)
            return false;
        f->at[i] = line;
        f->len[i] = (size_t)(bar - line);
        line = bar + 1;
    }
    return true;
}

static bool number(const struct fields *f, size_t i, uint64_t *ret)
{
    const char *at = f->at[i];
    return facts_number(&at, UINT64_MAX >> 8, ret) && at == f->at[i] + f->len[i];
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end && end[1] ? end + 1 : NULL;
}

static int bad_line(const char *line, uint32_t id, struct err *e)
{
    char text[200];
    facts_text(text, sizeof text, line, strcspn(line, "\n"));
    return err_set(e, ERR_PROTO, "read what squeue says of job %u: \"%s\"", id, text);
}

int slurm_queue_of_job(const char *text, uint32_t id, struct slurm_queue *ret,
                       uint64_t *ret_priority, struct err *e)
{
    uint64_t v = 0, priority = 0, start = 0;
    for (const char *line = text; line; line = next_line(line)) {
        struct fields f;
        char when[32];
        if (!split(line, 6, &f) || !number(&f, 0, &v) || v != id)
            continue;
        facts_text(when, sizeof when, f.at[4], f.len[4]);
        if (f.len[1] == 0 || !number(&f, 2, &priority) || !facts_time(when, &start))
            return bad_line(line, id, e);
        *ret = (struct slurm_queue){.id = id, .start_real_ns = start};
        facts_text(ret->state, sizeof ret->state, f.at[1], f.len[1]);
        facts_text(ret->partition, sizeof ret->partition, f.at[3], f.len[3]);
        facts_text(ret->reason, sizeof ret->reason, f.at[5], f.len[5]);
        *ret_priority = priority;
        return 0;
    }
    return err_set(e, ERR_USAGE, "ask for job %u: it is not in Slurm's queue", id);
}

/* Of the same priority, the one that came first is before. */
void slurm_queue_count(const char *text, uint64_t priority, struct slurm_queue *q)
{
    uint32_t before = 0, n = 0;
    bool found = false;
    for (const char *line = text; line; line = next_line(line)) {
        struct fields f;
        uint64_t id = 0, p = 0;
        if (!split(line, 3, &f) || !number(&f, 0, &id) || !number(&f, 1, &p))
            continue;
        n++;
        if (id == q->id)
            found = true;
        else if (p > priority || (p == priority && id < q->id))
            before++;
    }
    /* It has gone on between the two questions: then the answers do not fit together. */
    q->position = found ? before + 1 : 0;
    q->n_pending = found ? n : 0;
}

/* ---- words ---- */

/* A job without a time limit is taken to last a year: so far away nothing is expected. */
#define FAR_MS (360ull * 24 * 3600 * 1000)

static int format_start(const struct slurm_queue *q, uint64_t now_real_ns,
                        struct buf *out)
{
    char when[32], in[24];
    time_t t = (time_t)(q->start_real_ns / 1000000000u);
    struct tm tm;
    if (q->start_real_ns == 0 || !localtime_r(&t, &tm) ||
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm) == 0)
        return 0;
    if (q->start_real_ns <= now_real_ns)
        return buf_printf(out, "; expected to start at any time");
    uint64_t ms = (q->start_real_ns - now_real_ns) / 1000000u;
    if (ms > FAR_MS)
        return buf_printf(out, "; jobs before it have no time limit");
    return buf_printf(out, "; expected to start at %s (in %s)", when,
                      clock_format_duration(ms, in, sizeof in));
}

int slurm_queue_format(const struct slurm_queue *q, uint64_t now_real_ns,
                       struct buf *out)
{
    int rc = 0;
    if (strcmp(q->state, "PENDING") != 0)
        return *q->state ? buf_printf(out, "Slurm calls it %s", q->state)
                         : buf_printf(out, "Slurm no longer knows it");
    if (q->position > 0)
        rc = buf_printf(out, "position %u of %u in \"%s\": ", q->position, q->n_pending,
                        q->partition);
    const char *words = slurm_reason_words(q->reason);
    if (rc == 0)
        rc = buf_printf(out, "%s", words);
    /* What the site's own pages and administrators call it. */
    if (rc == 0 && words != q->reason && *q->reason)
        rc = buf_printf(out, " (%s)", q->reason);
    return rc < 0 ? rc : format_start(q, now_real_ns, out);
}

/* ---- the two commands ---- */

struct command {
    char id[16], partition[64];
    char *argv[10];
};

static void command_of_job(struct command *c, uint32_t id)
{
    static char squeue[] = "squeue", bare[] = "-h", hidden[] = "-a", jobs[] = "-j";
    static char states[] = "-t", all[] = "all", as[] = "-o";
    static char format[] = SLURM_QUEUE_JOB_FORMAT;
    (void)snprintf(c->id, sizeof c->id, "%u", id);
    char *const argv[] = {squeue, bare,  hidden, states, all,
                          jobs,   c->id, as,     format, NULL};
    memcpy(c->argv, argv, sizeof argv);
}

static void command_of_list(struct command *c, const struct slurm_queue *q)
{
    static char squeue[] = "squeue", bare[] = "-h", hidden[] = "-a", in[] = "-p";
    static char states[] = "-t", pending[] = "PENDING", as[] = "-o";
    static char format[] = SLURM_QUEUE_LIST_FORMAT;
    (void)strcpy(c->partition, q->partition);
    char *const argv[] = {squeue, bare,         hidden, states, pending,
                          in,     c->partition, as,     format, NULL};
    memcpy(c->argv, argv, sizeof argv);
}

static const char *text_of(const struct buf *out)
{
    return out->len > 0 ? (const char *)out->data : "";
}

static bool is_pending(const struct slurm_queue *q)
{
    return strcmp(q->state, "PENDING") == 0;
}

/* ---- on the loop ---- */

struct slurm_queue_ask {
    struct loop *loop;
    uint32_t id;
    slurm_queue_done done;
    void *arg;
    struct slurm_ask *ask;
    struct slurm_queue q;
    uint64_t priority;
};

void slurm_queue_ask_destroy(struct slurm_queue_ask *a)
{
    if (!a)
        return;
    slurm_ask_destroy(a->ask);
    free(a);
}

/* The owner may destroy it from within the call. */
static void tell(struct slurm_queue_ask *a, int rc, const struct err *e)
{
    a->done(a->arg, rc < 0 ? NULL : &a->q, e);
}

static void on_list(void *arg, const struct buf *out, const struct err *e)
{
    struct slurm_queue_ask *a = arg;
    if (out)
        slurm_queue_count(text_of(out), a->priority, &a->q);
    tell(a, 0, e);
}

static void on_job(void *arg, const struct buf *out, const struct err *e)
{
    struct slurm_queue_ask *a = arg;
    struct err why = *e;
    struct command c;
    int rc = why.code;
    if (out)
        rc = slurm_queue_of_job(text_of(out), a->id, &a->q, &a->priority, &why);
    if (rc == 0 && is_pending(&a->q)) {
        command_of_list(&c, &a->q);
        slurm_ask_destroy(a->ask);
        a->ask = NULL;
        if (slurm_ask_run(a->loop, c.argv, on_list, a, &a->ask, &why) == 0)
            return;
    }
    tell(a, rc, &why);
}

int slurm_queue_ask(struct loop *l, uint32_t id, slurm_queue_done done, void *arg,
                    struct slurm_queue_ask **ret, struct err *e)
{
    struct command c;
    struct slurm_queue_ask *a = calloc(1, sizeof *a);
    if (!a)
        return err_sys(e, -ENOMEM, "ask for job %u", id);
    a->loop = l;
    a->id = id;
    a->done = done;
    a->arg = arg;
    command_of_job(&c, id);
    int rc = slurm_ask_run(l, c.argv, on_job, a, &a->ask, e);
    if (rc < 0)
        free(a);
    else
        *ret = a;
    return rc;
}

/* ---- without a loop ---- */

int slurm_queue_now(uint32_t id, struct slurm_queue *ret, struct err *e)
{
    struct command c;
    struct buf out;
    uint64_t priority = 0;
    command_of_job(&c, id);
    buf_init(&out, SLURM_ASK_BYTES);
    int rc = slurm_run_now(c.argv, NULL, &out, e);
    if (rc == 0)
        rc = slurm_queue_of_job(text_of(&out), id, ret, &priority, e);
    if (rc == 0 && is_pending(ret)) {
        command_of_list(&c, ret);
        out.len = 0;
        if (slurm_run_now(c.argv, NULL, &out, NULL) == 0)
            slurm_queue_count(text_of(&out), priority, ret);
    }
    buf_fini(&out);
    return rc;
}
