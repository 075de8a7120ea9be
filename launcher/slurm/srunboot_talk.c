/* SPDX-License-Identifier: MIT */
/* srunboot_talk.c - the talk with the nodes of one srun: what they say on its standard
 * output, and what its standard input, which is the same for all, is given; see
 * srunseats.h. */
#include "launcher/slurm/srunboot_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/bootfail.h"
#include "proto/base/log.h"

#define OTHERS_MS 60000u  /* after the last answer, for the next */
#define PUSH_MS   300000u /* cold caches on a slow file system */

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
    srunboot_fail(s, &e);
    s->of->stalls = s->of->stalls || s->of->progress.pushed;
}

static void on_line(struct srunboot *b, char *line)
{
    const char *text, *rest;
    struct srunseat *at = NULL;
    said_strip(line);
    long task = srunwords_label(line, &text);
    enum srunseats_event ev = srunseats_line(&b->progress, task, text, b->self.machine,
                                             AOLANI_VERSION, &at, &rest);
    struct seat *s = srunboot_seat_of(b, at);
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
        srunboot_fail_waiting(b, &e);
        b->in.len = 0;
        return;
    }
    size_t at = 0;
    char line[LIMIT_SAID_LINE];
    while (buf_line(&b->in, &at, line, sizeof line))
        on_line(b, line);
    buf_consume(&b->in, at);
    srunboot_advance(b);
}

static void on_end(void *arg, int status)
{
    struct srunboot *b = arg;
    (void)status;
    loop_stream_destroy(b->io);
    b->io = NULL;
}

const struct loop_stream_ops srunboot_io_ops = {.on_data = on_data, .on_end = on_end};

/* ---------------------------------------------------------------- what they are sent */

void srunboot_set_limit(struct srunboot *b, unsigned ms)
{
    b->limit_ms = ms;
    loop_timer_start(b->limit, ms, 0);
}

static void push(struct srunboot *b, const struct buf *bytes)
{
    if (b->io)
        (void)loop_stream_write(b->io, bytes->data, bytes->len);
    srunboot_set_limit(b, PUSH_MS);
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
        srunboot_fail_waiting(b, &e);
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

/* What srun has read for a task that ended before it took it all, it keeps, and when it keeps
 * enough it reads nothing more for the others either (seen with 22.05). */
static bool begins_anew(struct srunboot *b)
{
    if (!b->stalls || b->tries >= SRUNBOOT_TRIES || b->killed || b->exited)
        return false;
    loop_timer_stop(b->limit);
    if (srunboot_any_waits(b))
        (void)kill(-loop_proc_pid(b->proc), SIGTERM);
    return true;
}

void srunboot_advance(struct srunboot *b)
{
    if (begins_anew(b))
        return;
    enum srunseats_step step = srunseats_next(&b->progress);
    srunseats_did(&b->progress, step == SRUNSEATS_SERVE ? SRUNSEATS_WAIT : step);
    switch (step) {
    case SRUNSEATS_WAIT:
        srunboot_set_limit(b, b->progress.pushed ? PUSH_MS : OTHERS_MS);
        break;
    case SRUNSEATS_PUSH:
        say_copying(b);
        push(b, &b->config.bundle->agent);
        break;
    case SRUNSEATS_PUSH_REST:
        push(b, &b->config.bundle->rest);
        srunboot_advance(
            b); /* when nobody is left who stores it, no word of theirs follows */
        break;
    case SRUNSEATS_SERVE:
        serve(b);
        break;
    case SRUNSEATS_NOBODY:
        loop_timer_stop(b->limit);
        break;
    }
}

/* ---------------------------------------------------------------- time */

void srunboot_on_limit(void *arg)
{
    struct srunboot *b = arg;
    struct err e;
    if (b->exited) {
        srunboot_settle(b);
        return;
    }
    err_set(&e, ERR_BOOT,
            b->progress.pushed ? "the agent could not be copied within %u s"
                               : "no answer from the node within %u s",
            b->limit_ms / 1000);
    err_hint(&e, "try srun --overlap -w NODE hostname");
    for (size_t i = 0; i < b->n; i++) {
        if (b->seats[i].at->state != SRUNSEAT_READY)
            srunboot_fail(&b->seats[i], &e);
    }
    srunboot_advance(b);
}

void srunboot_on_patient(void *arg)
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
