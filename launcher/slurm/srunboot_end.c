/* SPDX-License-Identifier: MIT */
/* srunboot_end.c - what srun says of itself and of its tasks, and what is done when it has
 * ended: the job is asked for, srun is started again, or those that wait are given up. */
#include "launcher/slurm/srunboot_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/slurm/facts.h"
#include "proto/base/hostlist.h"
#include "proto/base/log.h"
#include "proto/base/rankset.h"

#define WORDS_MS 500u /* for what srun has said at its end */

/* ---------------------------------------------------------------- what srun says */

/* What it has said of it, or Slurm of the step, may still be on its way. */
static void note_death(struct srunboot *b, struct seat *s, const struct srunwords *w)
{
    s->died = true;
    s->death_status = w->wait_status;
    (void)snprintf(s->death, sizeof s->death, "%s", w->text);
    loop_timer_start(b->deaths, WORDS_MS, 0);
}

/* A task that ends before it is served. */
static void note_deaths(struct srunboot *b, const struct srunwords *w)
{
    struct hostlist names = {0};
    if (hostlist_parse(&names, w->nodes, NULL) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        struct seat *s =
            srunboot_seat_of(b, srunseats_of_name(&b->progress, names.names[i]));
        if (!s || !srunboot_is_waiting(s) || s->died)
            continue;
        note_death(b, s, w);
    }
    hostlist_fini(&names);
}

static bool by_signal(const char *death)
{
    return strncmp(death, "Terminated", 10) == 0 || strncmp(death, "Killed", 6) == 0;
}

static void death_of(const struct seat *s, struct err *e)
{
    const char *last = s->said.last;
    err_set(e, ERR_BOOT, "its agent ended before it was ready: %s%s%s", s->death,
            last[0] ? "; it said: " : "", last);
}

/* So tasks end whose step Slurm ends, all of them; srun follows, and then there is more to
 * know. A shell that copies the agent ends with a status of its own. */
static bool is_cancelled(const struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct seat *s = &b->seats[i];
        if ((srunboot_is_waiting(s) && by_signal(s->death)) ||
            strstr(said_kept(&s->said), " CANCELLED "))
            return true;
    }
    return false;
}

static void end_dead(struct seat *s)
{
    srunboot_end(s, BOOT_END_AGENT, s->death_status,
                 s->said.last[0] ? s->said.last : s->death);
}

/* When all have ended, srun ends as well, and there is more to know: the job may be over. */
void srunboot_on_deaths(void *arg)
{
    struct srunboot *b = arg;
    struct err e;
    size_t alive = 0;
    bool over = is_cancelled(b) || b->aborted;
    for (size_t i = 0; i < b->n && !over; i++)
        alive += b->seats[i].at->state != SRUNSEAT_GONE && !b->seats[i].died;
    for (size_t i = 0; i < b->n && alive > 0; i++) {
        struct seat *s = &b->seats[i];
        if (!s->died || s->at->state == SRUNSEAT_GONE)
            continue;
        if (!srunboot_is_waiting(s)) {
            end_dead(s);
        } else if (!b->stalls) {
            death_of(s, &e);
            srunboot_fail(s, &e);
        }
    }
    if (alive > 0 && !b->stalls && b->proc && !b->exited)
        srunboot_advance(b);
}

/* Of one that was killed srun's next line may say that Slurm has ended them all. */
static void tasks_ended(struct srunboot *b, const struct srunwords *w)
{
    struct rankset tasks = {0};
    note_deaths(b, w);
    if (rankset_parse(&tasks, w->tasks, NULL) < 0)
        return;
    for (int64_t i = rankset_next(&tasks, 0); i >= 0;
         i = rankset_next(&tasks, (uint32_t)i + 1)) {
        struct seat *s = srunboot_seat_of(b, srunseats_of_task(&b->progress, (long)i));
        if (!s || s->at->state != SRUNSEAT_SERVED)
            continue;
        note_death(b, s, w);
        if (!by_signal(s->death) && !b->aborted)
            end_dead(s);
    }
    rankset_fini(&tasks);
}

static void node_refused(struct srunboot *b, const struct srunwords *w)
{
    struct seat *s = srunboot_seat_of(b, srunseats_of_name(&b->progress, w->nodes));
    if (!s || !srunboot_is_waiting(s))
        return;
    s->refused = true;
    err_set(&s->why, ERR_BOOT, "%s", w->text);
    err_hint(&s->why, "%s", w->hint);
}

static void srun_line(struct srunboot *b, const char *line)
{
    struct srunwords w;
    srunwords_read(line, &w);
    log_info("%s", line);
    if (w.kind == SRUNWORDS_TASKS_ENDED)
        tasks_ended(b, &w);
    else if (w.kind == SRUNWORDS_REFUSED)
        node_refused(b, &w);
    else if (w.kind == SRUNWORDS_WAITS && !b->told_waiting)
        log_note("waiting for Slurm to start the agents: %s", w.text);
    else if (!b->has_reason &&
             (w.kind == SRUNWORDS_FATAL || w.kind == SRUNWORDS_UNAVAILABLE))
        b->reason = w;
    b->aborted = b->aborted || w.kind == SRUNWORDS_ABORTED;
    b->lingers = b->lingers || w.kind == SRUNWORDS_LINGERS;
    b->told_waiting = b->told_waiting || w.kind == SRUNWORDS_WAITS;
    b->has_reason =
        b->has_reason || w.kind == SRUNWORDS_FATAL || w.kind == SRUNWORDS_UNAVAILABLE;
    if (w.kind == SRUNWORDS_OTHER)
        said_keep(&b->said, w.text);
}

static void node_line(struct seat *s, const char *line)
{
    static const char agent[] = "aolani-agent: ", debug[] = "debug: ";
    bool ours = strncmp(line, agent, sizeof agent - 1) == 0;
    if (ours)
        log_note("%s: %s", s->name, line);
    else
        log_info("%s: %s", s->name, line);
    line += ours ? sizeof agent - 1 : 0;
    if (strncmp(line, debug, sizeof debug - 1) != 0)
        said_keep(&s->said, line);
}

static void words_line(void *arg, const char *line)
{
    struct srunboot *b = arg;
    const char *text;
    struct seat *s = srunboot_seat_of(
        b, srunseats_of_task(&b->progress, srunwords_label(line, &text)));
    if (s)
        node_line(s, text);
    else
        srun_line(b, line);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct srunboot *b = arg;
    said_add(&b->said, data, len, words_line, b);
}

/* ---------------------------------------------------------------- its end */

void srunboot_release(struct srunboot *b)
{
    loop_stream_destroy(b->io);
    loop_stream_destroy(b->words);
    loop_proc_destroy(b->proc);
    b->io = b->words = NULL;
    b->proc = NULL;
}

/* Agents that Slurm asks to end do so with status 0, of which srun says nothing. */
static void end_all(struct srunboot *b)
{
    bool all = b->aborted && !b->lingers;
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        bool own = (all || s->died) && s->said.last[0];
        const char *words = b->aborted && b->has_reason ? b->reason.text
                            : own                       ? s->said.last
                            : s->died                   ? s->death
                                                        : b->said.last;
        srunboot_end(s, all || s->died ? BOOT_END_AGENT : BOOT_END_UNKNOWN,
                     s->died ? s->death_status : b->wait_status, words);
    }
}

static void reason_of(const struct srunboot *b, struct err *e)
{
    int ws = b->wait_status;
    if (b->has_reason) {
        err_set(e, ERR_BOOT, "%s", b->reason.text);
        if (b->reason.hint[0])
            err_hint(e, "%s", b->reason.hint);
    } else if (b->said.last[0])
        err_set(e, ERR_BOOT, "srun: %s", b->said.last);
    else if (WIFSIGNALED(ws))
        err_set(e, ERR_BOOT, "srun was ended by signal %d", WTERMSIG(ws));
    else
        err_set(e, ERR_BOOT, "srun ended with status %d before the agent was ready",
                WEXITSTATUS(ws));
}

/* No agent comes of those that wait. */
static void give_up(struct srunboot *b)
{
    struct err e;
    bool known = b->has_reason || is_cancelled(b);
    reason_of(b, &e);
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        bool own = s->died && !known;
        if (own && !s->refused)
            death_of(s, &s->why);
        srunboot_fail(s, s->refused || own ? &s->why : &e);
    }
    end_all(b);
}

/* Without those that were refused or have failed. */
static void try_again(struct srunboot *b)
{
    struct err e;
    size_t left = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        if (s->refused)
            srunboot_fail(s, &s->why);
        if (s->failed)
            srunboot_end(s, BOOT_END_UNKNOWN, b->wait_status, "");
    }
    for (size_t i = 0; i < b->n; i++) /* who is still wanted after all that */
        left += srunboot_is_waiting(&b->seats[i]);
    if (left == 0) {
        end_all(b);
        return;
    }
    log_info("starting the agents again on the other %zu node%s", left,
             left == 1 ? "" : "s");
    if (srunboot_start_srun(b, &e) == 0)
        return;
    srunboot_fail_waiting(b, &e);
    end_all(b);
}

static bool has_node(const struct slurm_job *job, const char *name)
{
    for (size_t i = 0; i < job->n_nodes; i++) {
        if (strcmp(job->nodes[i].name, name) == 0)
            return true;
    }
    return false;
}

static void on_job(void *arg, const struct slurm_job *job, const struct err *e)
{
    struct srunboot *b = arg;
    bool gone = false, over = job ? slurm_job_is_over(job) : e->code == ERR_USAGE;
    if (over && !b->has_reason) {
        b->reason = (struct srunwords){.kind = SRUNWORDS_FATAL,
                                       .text = "Slurm's job is over",
                                       .hint = "see scontrol show job"};
        b->has_reason = true;
    }
    for (size_t i = 0; job && !over && i < b->n; i++) {
        struct seat *s = &b->seats[i];
        if (!srunboot_is_waiting(s) || has_node(job, s->name))
            continue;
        gone = s->refused = true;
        err_set(&s->why, ERR_BOOT, "Slurm has taken the node from the job: it is down");
        err_hint(&s->why, "see sinfo -R -n %.80s", s->name);
    }
    if (gone && !b->killed && b->tries < SRUNBOOT_TRIES)
        try_again(b);
    else
        give_up(b);
}

static bool anyone_refused(const struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->seats[i].refused && srunboot_is_waiting(&b->seats[i]))
            return true;
    }
    return false;
}

/* Where srun does not say enough: which node takes no step, or why it was ended. */
static bool ask_job(struct srunboot *b)
{
    struct slurm_job job = {0};
    bool not_named = b->has_reason && b->reason.kind == SRUNWORDS_UNAVAILABLE;
    if (b->killed || (b->has_reason && !(not_named && b->tries < SRUNBOOT_TRIES)) ||
        slurm_job_of_env(&job, NULL) < 0)
        return false;
    uint32_t id = job.id;
    slurm_job_fini(&job);
    slurm_ask_destroy(b->ask);
    b->ask = NULL;
    return slurm_ask_job(b->loop, id, on_job, b, &b->ask, NULL) == 0;
}

/* srun has ended, and all that it said is read. */
void srunboot_settle(struct srunboot *b)
{
    loop_timer_stop(b->limit);
    loop_timer_stop(b->patient);
    said_end(&b->said, words_line, b);
    loop_timer_stop(b->deaths);
    srunboot_release(b);
    if (!srunboot_any_waits(b)) {
        if (!b->aborted || !ask_job(b))
            end_all(b);
        return;
    }
    if (!b->killed && b->tries < SRUNBOOT_TRIES && (b->stalls || anyone_refused(b)))
        try_again(b);
    else if (!ask_job(b))
        give_up(b);
}

void srunboot_on_exit(void *arg, int ws)
{
    struct srunboot *b = arg;
    b->exited = true;
    b->wait_status = ws;
    if (b->words)
        loop_timer_start(b->limit, WORDS_MS, 0);
    else
        srunboot_settle(b);
}

static void on_words_end(void *arg, int status)
{
    struct srunboot *b = arg;
    (void)status;
    said_end(&b->said, words_line, b);
    loop_stream_destroy(b->words);
    b->words = NULL;
    if (b->exited)
        srunboot_settle(b);
}

const struct loop_stream_ops srunboot_words_ops = {.on_data = on_words,
                                                   .on_end = on_words_end};
