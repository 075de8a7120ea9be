/* SPDX-License-Identifier: MIT */
/* srunboot.c - see srunboot.h. What the nodes say, and what they may be sent: srunseats.h;
 * what srun says of itself: srunwords.h; how it is called: srunargs.h.
 *
 * A launch that fails on one node ends the whole step: the others are killed and started
 * again without it, which they do not notice, since no node has a key before all are
 * there. A node that has left the job is not named by srun; Slurm is asked then. */
#include "launcher/slurm/srunboot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/bootfail.h"
#include "launcher/bootscript.h"
#include "launcher/said.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/srunargs.h"
#include "launcher/slurm/srunseats.h"
#include "launcher/slurm/srunwords.h"
#include "proto/base/hostlist.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"
#include "proto/base/rankset.h"

extern char **environ;

#define ANSWER_MS  120000u /* for a first answer: a prolog may run before */
#define OTHERS_MS  60000u  /* after the last answer, for the next */
#define PUSH_MS    300000u /* cold caches on a slow file system */
#define PATIENT_MS 5000u   /* before the user is told what is waited for */
#define WORDS_MS   500u    /* for what srun has said at its end */
#define TRIES_MAX  3u

struct srunboot;

/* A node's part of it; what the caller holds. */
struct seat {
    struct boot boot;
    struct srunboot *of; /* NULL: it was given back */
    struct srunseat *at;
    void *node; /* the caller's */
    char *name;
    struct said said; /* the node's lines on standard error */
    bool failed, ended;
    bool refused; /* srun could not start its task; why, hint */
    bool died;    /* its task has ended before it was served */
    int death_status;
    char death[SRUNWORDS_TEXT];
    bool unwanted;
    struct err why;
};

struct srunboot {
    struct loop *loop;
    struct boot_config config;
    struct utsname self;
    struct seat *seats;
    size_t n, held; /* seats that the caller still has */
    struct srunseats progress;
    unsigned tries;
    bool exited, killed, told_waiting;
    int wait_status;
    struct loop_proc *proc;
    struct loop_stream *io, *words;
    struct loop_timer *limit, *patient, *deaths;
    unsigned limit_ms; /* of the limit that runs */
    struct buf in;
    struct said said;        /* srun's own lines */
    struct srunwords reason; /* the first of them that says why no step came of it */
    bool has_reason;
    struct slurm_ask *ask;
};

static void advance(struct srunboot *b);
static void settle(struct srunboot *b);

/* ---------------------------------------------------------------- single nodes */

static struct seat *seat_of(const struct srunboot *b, const struct srunseat *at)
{
    return at ? &b->seats[at - b->progress.seats] : NULL;
}

static bool is_waiting(const struct seat *s)
{
    return s->at->state != SRUNSEAT_SERVED && s->at->state != SRUNSEAT_GONE;
}

static void seat_fail(struct seat *s, const struct err *e)
{
    if (!is_waiting(s))
        return;
    s->at->state = SRUNSEAT_GONE;
    s->failed = true;
    if (!s->unwanted && s->of) /* others may not be wanted any more after this */
        s->of->config.ops->failed(s->node, e);
}

static void seat_end(struct seat *s, enum boot_end what, int ws, const char *words)
{
    if (s->ended)
        return;
    s->ended = true;
    if (s->of)
        s->of->config.ops->ended(s->node, what, ws, words);
}

static void fail_waiting(struct srunboot *b, const struct err *e)
{
    for (size_t i = 0; i < b->n; i++)
        seat_fail(&b->seats[i], e);
}

/* ---------------------------------------------------------------- what nodes say */

static void node_failed(struct seat *s, enum srunseats_event ev, const char *rest)
{
    struct err e;
    struct bootfail f = {
        .starter = "srun", .said = &s->said, .greeting = "", .tries = s->of->tries};
    if (ev == SRUNSEATS_WRONG_MACHINE)
        err_set(&e, ERR_BOOT, "the node is %.*s, this agent is built for %.32s",
                (int)strcspn(rest, " "), rest, s->of->self.machine);
    else if (ev == SRUNSEATS_WRONG_VERSION)
        err_set(&e, ERR_BOOT, "the agent is version %.40s, aolani-run is %s", rest,
                AOLANI_VERSION);
    else
        bootfail_node(&f, rest, &e);
    seat_fail(s, &e);
}

static void on_line(struct srunboot *b, char *line)
{
    const char *text, *rest;
    struct srunseat *at = NULL;
    said_strip(line);
    long task = srunwords_label(line, &text);
    enum srunseats_event ev = srunseats_line(&b->progress, task, text, b->self.machine,
                                             AOLANI_VERSION, &at, &rest);
    struct seat *s = seat_of(b, at);
    if (ev == SRUNSEATS_OTHER)
        log_info("%s: start-up output: %s", s ? s->name : "srun", text);
    else if (s && ev != SRUNSEATS_OURS)
        node_failed(s, ev, rest);
    else
        log_debug("%s: %s", s ? s->name : "srun", text);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct srunboot *b = arg;
    struct err e;
    if (buf_add(&b->in, data, len) < 0) {
        err_set(&e, ERR_BOOT, "a line of srun's output has more than %u bytes",
                LIMIT_BOOT_NOISE);
        fail_waiting(b, &e);
        b->in.len = 0;
        return;
    }
    size_t at = 0;
    const uint8_t *nl;
    while (at < b->in.len && (nl = memchr(b->in.data + at, '\n', b->in.len - at))) {
        size_t n = (size_t)(nl - b->in.data) - at;
        char line[LIMIT_SAID_LINE];
        size_t keep = n < sizeof line ? n : sizeof line - 1;
        memcpy(line, b->in.data + at, keep);
        line[keep] = '\0';
        at += n + 1;
        on_line(b, line);
    }
    buf_consume(&b->in, at);
    advance(b);
}

static void on_end(void *arg, int status)
{
    struct srunboot *b = arg;
    (void)status;
    loop_stream_destroy(b->io);
    b->io = NULL;
}

/* ---------------------------------------------------------------- what they are sent */

static void set_limit(struct srunboot *b, unsigned ms)
{
    b->limit_ms = ms;
    loop_timer_start(b->limit, ms, 0);
}

static void push(struct srunboot *b, const struct buf *bytes)
{
    if (b->io)
        (void)loop_stream_write(b->io, bytes->data, bytes->len);
    set_limit(b, PUSH_MS);
}

static void say_copying(const struct srunboot *b)
{
    size_t needy = 0;
    const struct bundle *bundle = b->config.bundle;
    for (size_t i = 0; i < b->n; i++)
        needy += b->progress.seats[i].state == SRUNSEAT_NEEDS;
    log_info("copying the agent (%.1f MB) to %zu node%s",
             (double)(bundle->agent.len + bundle->rest.len) / 1e6, needy,
             needy == 1 ? "" : "s");
}

static void serve(struct srunboot *b)
{
    struct err e;
    size_t n = 0;
    void **nodes = calloc(b->n, sizeof *nodes);
    for (size_t i = 0; nodes && i < b->n; i++) {
        if (b->seats[i].at->state == SRUNSEAT_READY)
            nodes[n++] = b->seats[i].node;
    }
    int rc = nodes && b->io ? boot_hand_over(&b->config, nodes, n, b->io, &e)
                            : err_sys(&e, nodes ? -EPIPE : -ENOMEM, "serve the agents");
    free(nodes);
    if (rc < 0) {
        fail_waiting(b, &e);
        return;
    }
    loop_stream_shutdown(b->io);
    loop_timer_stop(b->limit);
    loop_timer_stop(b->patient);
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        if (s->at->state != SRUNSEAT_READY)
            continue;
        s->at->state = SRUNSEAT_SERVED;
        if (s->of)
            b->config.ops->ready(s->node, NULL, s->at->copied);
    }
}

static void end_srun(struct srunboot *b, int signum)
{
    b->killed = true;
    if (b->proc && !loop_proc_exited(b->proc))
        (void)kill(-loop_proc_pid(b->proc), signum);
}

static void advance(struct srunboot *b)
{
    enum srunseats_step step = srunseats_next(&b->progress);
    srunseats_did(&b->progress, step == SRUNSEATS_SERVE ? SRUNSEATS_WAIT : step);
    switch (step) {
    case SRUNSEATS_WAIT:
        set_limit(b, b->progress.pushed ? PUSH_MS : OTHERS_MS);
        break;
    case SRUNSEATS_PUSH:
        say_copying(b);
        push(b, &b->config.bundle->agent);
        break;
    case SRUNSEATS_PUSH_REST:
        push(b, &b->config.bundle->rest);
        advance(b); /* when nobody is left who stores it, no word of theirs follows */
        break;
    case SRUNSEATS_SERVE:
        serve(b);
        break;
    case SRUNSEATS_NOBODY:
        loop_timer_stop(b->limit);
        break;
    }
}

/* ---------------------------------------------------------------- what srun says */

/* A task that ends before it is served. What it has said of it may still be on its way. */
static void note_deaths(struct srunboot *b, const struct srunwords *w)
{
    struct hostlist names = {0};
    if (hostlist_parse(&names, w->nodes, NULL) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        struct seat *s = seat_of(b, srunseats_of_name(&b->progress, names.names[i]));
        if (!s || !is_waiting(s) || s->died)
            continue;
        s->died = true;
        s->death_status = w->wait_status;
        (void)snprintf(s->death, sizeof s->death, "%s", w->text);
        loop_timer_start(b->deaths, WORDS_MS, 0);
    }
    hostlist_fini(&names);
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
        if (strncmp(s->death, "Terminated", 10) == 0 ||
            strncmp(s->death, "Killed", 6) == 0 ||
            strstr(said_kept(&s->said), " CANCELLED "))
            return true;
    }
    return false;
}

/* When all have ended, srun ends as well, and there is more to know: the job may be over. */
static void on_deaths(void *arg)
{
    struct srunboot *b = arg;
    struct err e;
    size_t alive = 0;
    bool over = is_cancelled(b);
    for (size_t i = 0; i < b->n && !over; i++)
        alive += b->seats[i].at->state != SRUNSEAT_GONE && !b->seats[i].died;
    for (size_t i = 0; i < b->n && alive > 0; i++) {
        struct seat *s = &b->seats[i];
        if (!s->died || s->at->state == SRUNSEAT_GONE)
            continue;
        death_of(s, &e);
        if (is_waiting(s))
            seat_fail(s, &e);
        else
            seat_end(s, BOOT_END_AGENT, s->death_status, s->death);
    }
    if (alive > 0 && b->proc && !b->exited)
        advance(b);
}

static void tasks_ended(struct srunboot *b, const struct srunwords *w)
{
    struct rankset tasks = {0};
    note_deaths(b, w);
    if (rankset_parse(&tasks, w->tasks, NULL) < 0)
        return;
    for (int64_t i = rankset_next(&tasks, 0); i >= 0;
         i = rankset_next(&tasks, (uint32_t)i + 1)) {
        struct seat *s = seat_of(b, srunseats_of_task(&b->progress, (long)i));
        if (s && s->at->state == SRUNSEAT_SERVED)
            seat_end(s, BOOT_END_AGENT, w->wait_status,
                     s->said.last[0] ? s->said.last : w->text);
    }
    rankset_fini(&tasks);
}

static void node_refused(struct srunboot *b, const struct srunwords *w)
{
    struct seat *s = seat_of(b, srunseats_of_name(&b->progress, w->nodes));
    if (!s || !is_waiting(s))
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
    struct seat *s =
        seat_of(b, srunseats_of_task(&b->progress, srunwords_label(line, &text)));
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

static void release_srun(struct srunboot *b)
{
    loop_stream_destroy(b->io);
    loop_stream_destroy(b->words);
    loop_proc_destroy(b->proc);
    b->io = b->words = NULL;
    b->proc = NULL;
}

static void end_all(struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++)
        seat_end(&b->seats[i], BOOT_END_UNKNOWN, b->wait_status, b->said.last);
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
        seat_fail(s, s->refused || own ? &s->why : &e);
    }
    end_all(b);
}

static int srun_start(struct srunboot *b, struct err *e);

/* Without those that were refused. */
static void try_again(struct srunboot *b)
{
    struct err e;
    size_t left = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        if (s->refused && is_waiting(s)) {
            seat_fail(s, &s->why);
            seat_end(s, BOOT_END_UNKNOWN, b->wait_status, "");
        }
    }
    for (size_t i = 0; i < b->n; i++) /* who is still wanted after all that */
        left += is_waiting(&b->seats[i]);
    if (left == 0) {
        end_all(b);
        return;
    }
    log_info("starting the agents again on the other %zu node%s", left,
             left == 1 ? "" : "s");
    if (srun_start(b, &e) == 0)
        return;
    fail_waiting(b, &e);
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
        if (!is_waiting(s) || has_node(job, s->name))
            continue;
        gone = s->refused = true;
        err_set(&s->why, ERR_BOOT, "Slurm has taken the node from the job: it is down");
        err_hint(&s->why, "see sinfo -R -n %.80s", s->name);
    }
    if (gone && !b->killed && b->tries < TRIES_MAX)
        try_again(b);
    else
        give_up(b);
}

static bool anyone_refused(const struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->seats[i].refused && is_waiting(&b->seats[i]))
            return true;
    }
    return false;
}

static bool anyone_waits(const struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (is_waiting(&b->seats[i]))
            return true;
    }
    return false;
}

/* Where srun does not say enough: which node takes no step, or why it was ended. */
static bool ask_job(struct srunboot *b)
{
    struct slurm_job job = {0};
    bool not_named = b->has_reason && b->reason.kind == SRUNWORDS_UNAVAILABLE;
    if (b->killed || (b->has_reason && !(not_named && b->tries < TRIES_MAX)) ||
        slurm_job_of_env(&job, NULL) < 0)
        return false;
    uint32_t id = job.id;
    slurm_job_fini(&job);
    slurm_ask_destroy(b->ask);
    b->ask = NULL;
    return slurm_ask_job(b->loop, id, on_job, b, &b->ask, NULL) == 0;
}

/* srun has ended, and all that it said is read. */
static void settle(struct srunboot *b)
{
    loop_timer_stop(b->limit);
    loop_timer_stop(b->patient);
    said_end(&b->said, words_line, b);
    loop_timer_stop(b->deaths);
    release_srun(b);
    if (!anyone_waits(b)) {
        end_all(b);
        return;
    }
    if (!b->killed && b->tries < TRIES_MAX && anyone_refused(b))
        try_again(b);
    else if (!ask_job(b))
        give_up(b);
}

static void on_exit_status(void *arg, int ws)
{
    struct srunboot *b = arg;
    b->exited = true;
    b->wait_status = ws;
    if (b->words)
        loop_timer_start(b->limit, WORDS_MS, 0);
    else
        settle(b);
}

static void on_words_end(void *arg, int status)
{
    struct srunboot *b = arg;
    (void)status;
    said_end(&b->said, words_line, b);
    loop_stream_destroy(b->words);
    b->words = NULL;
    if (b->exited)
        settle(b);
}

/* ---------------------------------------------------------------- time */

static void on_limit(void *arg)
{
    struct srunboot *b = arg;
    struct err e;
    if (b->exited) {
        settle(b);
        return;
    }
    err_set(&e, ERR_BOOT,
            b->progress.pushed ? "the agent could not be copied within %u s"
                               : "no answer from the node within %u s",
            b->limit_ms / 1000);
    err_hint(&e, "try srun --overlap -w NODE hostname");
    for (size_t i = 0; i < b->n; i++) {
        if (b->seats[i].at->state != SRUNSEAT_READY)
            seat_fail(&b->seats[i], &e);
    }
    advance(b);
}

static void on_patient(void *arg)
{
    struct srunboot *b = arg;
    size_t silent = 0;
    const char *name = "";
    for (size_t i = 0; i < b->n; i++) {
        if (b->seats[i].at->state != SRUNSEAT_SILENT)
            continue;
        name = b->seats[i].name;
        silent++;
    }
    if (silent == b->n && !b->told_waiting)
        log_note("waiting for Slurm to start the agents");
    else if (silent == 1)
        log_note("waiting for Slurm to start the agent on %s", name);
    else if (silent > 0 && silent < b->n)
        log_note("waiting for Slurm to start the agents on %s and %zu more nodes", name,
                 silent - 1);
}

/* ---------------------------------------------------------------- its begin */

static int make_argv(struct srunboot *b, struct strlist *ret)
{
    struct buf script;
    size_t n = 0;
    const char **names = calloc(b->n, sizeof *names);
    buf_init(&script, 8192);
    int rc = names ? bootscript_group(b->config.bundle, &script) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        if (is_waiting(&b->seats[i]))
            names[n++] = b->seats[i].name;
    }
    if (rc == 0)
        rc = srunargs_argv(names, n, (char *)script.data, ret);
    free(names);
    buf_fini(&script);
    return rc;
}

static int srun_spawn(struct srunboot *b, struct err *e)
{
    struct strlist argv = {0}, env = {0};
    int rc = make_argv(b, &argv);
    if (rc == 0)
        rc = srunargs_env(environ, &env);
    if (rc < 0) {
        err_sys(e, rc, "start agents by srun");
    } else {
        struct loop_proc_spec ps = {.file = argv.items[0],
                                    .argv = argv.items,
                                    .env = env.items,
                                    .extra_fd = -1,
                                    .stderr_to_stream = true};
        rc = loop_proc_spawn(b->loop, &ps, on_exit_status, b, &b->proc, e);
        if (rc == -ENOENT)
            err_hint(e, "Slurm's commands are not in PATH");
    }
    strlist_fini(&argv);
    strlist_fini(&env);
    return rc;
}

static void forget_words(struct seat *s)
{
    s->died = false;
    s->death[0] = '\0';
    said_forget(&s->said);
}

static int srun_start(struct srunboot *b, struct err *e)
{
    static const struct loop_stream_ops io_ops = {.on_data = on_data, .on_end = on_end};
    static const struct loop_stream_ops words_ops = {.on_data = on_words,
                                                     .on_end = on_words_end};
    srunseats_again(&b->progress);
    for (size_t i = 0; i < b->n; i++)
        forget_words(&b->seats[i]);
    said_forget(&b->said);
    b->in.len = 0;
    b->has_reason = b->exited = false;
    int rc = srun_spawn(b, e);
    if (rc < 0)
        return rc;
    b->tries++;
    b->io = loop_proc_take_io(b->proc);
    b->words = loop_proc_take_stderr(b->proc);
    loop_stream_set(b->io, &io_ops, b);
    loop_stream_read(b->io, true);
    loop_stream_set(b->words, &words_ops, b);
    loop_stream_read(b->words, true);
    set_limit(b, ANSWER_MS);
    loop_timer_start(b->patient, PATIENT_MS, 0);
    return 0;
}

static void srunboot_destroy(struct srunboot *b)
{
    bool unfinished = false;
    for (size_t i = 0; b->seats && i < b->n; i++) {
        const struct seat *s = &b->seats[i];
        unfinished = unfinished || ((s->failed || s->unwanted) && !s->ended);
        said_fini(&b->seats[i].said);
        free(b->seats[i].name);
    }
    if (unfinished) /* a task that came to nothing would hold srun */
        end_srun(b, SIGTERM);
    loop_timer_destroy(b->limit);
    loop_timer_destroy(b->patient);
    loop_timer_destroy(b->deaths);
    slurm_ask_destroy(b->ask);
    release_srun(b);
    buf_fini(&b->in);
    said_fini(&b->said);
    free(b->progress.seats);
    free(b->progress.of_task);
    free(b->seats);
    free(b);
}

static int make_seats(struct srunboot *b, const struct boot_node *nodes)
{
    b->seats = calloc(b->n, sizeof *b->seats);
    b->progress.seats = calloc(b->n, sizeof *b->progress.seats);
    b->progress.of_task = calloc(b->n, sizeof(*b->progress.of_task));
    if (!b->seats || !b->progress.seats || !b->progress.of_task)
        return -ENOMEM;
    b->progress.n = b->n;
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        *s = (struct seat){.boot.kind = &boot_srun,
                           .of = b,
                           .at = &b->progress.seats[i],
                           .node = nodes[i].arg,
                           .name = strdup(nodes[i].name)};
        said_init(&s->said);
        if (!s->name)
            return -ENOMEM;
        s->at->name = s->name;
    }
    return 0;
}

static int start(struct loop *l, const struct boot_config *c, struct boot_node *nodes,
                 size_t n, struct err *e)
{
    struct srunboot *b = calloc(1, sizeof *b);
    if (!b)
        return err_sys(e, -ENOMEM, "start %zu agents", n);
    b->loop = l;
    b->config = *c;
    b->n = b->held = n;
    buf_init(&b->in, LIMIT_BOOT_NOISE);
    said_init(&b->said);
    (void)uname(&b->self);
    b->limit = loop_timer_create(l, on_limit, b);
    b->patient = loop_timer_create(l, on_patient, b);
    b->deaths = loop_timer_create(l, on_deaths, b);
    int rc = b->limit && b->patient && b->deaths ? make_seats(b, nodes) : -ENOMEM;
    if (rc < 0)
        err_sys(e, rc, "start %zu agents", n);
    else
        rc = srun_start(b, e);
    if (rc < 0) {
        srunboot_destroy(b);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        nodes[i].boot = &b->seats[i].boot;
    return 0;
}

/* ---------------------------------------------------------------- the caller's side */

/* One task of many cannot be ended by itself; one that has no key yet gets none, and
 * ends. */
static void kill_seat(struct boot *boot, int signum)
{
    struct seat *s = (struct seat *)boot;
    struct srunboot *b = s->of;
    bool others = false;
    s->unwanted = true;
    if (is_waiting(s)) {
        s->at->state = SRUNSEAT_GONE;
        s->failed = true;
    }
    for (size_t i = 0; i < b->n; i++)
        others =
            others || (b->seats[i].of && !b->seats[i].unwanted && !b->seats[i].ended);
    if (!others)
        end_srun(b, signum);
}

static void await_seat(struct boot *boot, unsigned *patience_ms)
{
    struct srunboot *b = ((struct seat *)boot)->of;
    if (!b->killed || !b->proc || loop_proc_exited(b->proc))
        return;
    siginfo_t end = {0}; /* looked at alone: the loop takes it */
    while (waitid(P_PID, (id_t)loop_proc_pid(b->proc), &end,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
           end.si_pid == 0 && *patience_ms > 0) {
        (void)usleep(1000);
        --*patience_ms;
    }
    (void)kill(-loop_proc_pid(b->proc), SIGKILL);
}

static void destroy_seat(struct boot *boot)
{
    struct seat *s = (struct seat *)boot;
    struct srunboot *b = s->of;
    s->of = NULL;
    if (is_waiting(s)) {
        s->at->state = SRUNSEAT_GONE;
        s->failed = true;
    }
    if (--b->held == 0)
        srunboot_destroy(b);
}

const struct boot_kind boot_srun = {.name = "srun",
                                    .shared = true,
                                    .start = start,
                                    .kill = kill_seat,
                                    .await_end = await_seat,
                                    .destroy = destroy_seat};
