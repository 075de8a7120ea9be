/* SPDX-License-Identifier: MIT */
/* bootone.c - one starter for one node (boot.h): ssh, or the agent as a child of ours.
 *
 * A table of words from the node drives a small state machine. Where sshd drops a
 * connection before the login (MaxStartups, a reset in the first exchange), ssh is started
 * again after a wait, within ssh.connect_timeout; any other failure is final. Whoever is
 * dropped together must not come back together, so the waits grow and are drawn by lot.
 * The caller is told nothing of it, and a node that waits keeps its place in the caller's
 * window: who is short of logins is not helped by more at once. */
#include "launcher/boot.h"

#include <assert.h>
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
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"
#include "proto/wire/secure.h"

#define BOOT_PUSH_MS  120000u /* a cold node on a slow link */
#define BOOT_SLACK_MS 3000u   /* let ssh's own time-out, which says more, come first */
#define SSH_FAILURE   255     /* ssh's own exit status when the connection broke */
#define BOOT_WORDS_MS 500u    /* a multiplexing ssh may keep the pipe open for ever */

enum one_state {
    BOOT_CONNECTING,
    BOOT_WAITING, /* to try again; no starter runs */
    BOOT_PUSHING,
    BOOT_UNPACKING,
    BOOT_READY,
    BOOT_FAILED
};

struct one {
    struct boot boot;
    struct loop *loop;
    struct boot_config config;
    const struct spec *spec;
    const struct bundle *bundle;
    void *node; /* the caller's */
    char *name;
    bool local, copied;
    bool killed; /* there will be no other try */
    bool exited; /* the starter is gone; its last words may still be on their way */
    bool ended;  /* told to the caller */
    int wait_status;
    uint64_t limit_ms;    /* for an answer of the node */
    uint64_t deadline_ms; /* by the loop's clock; all tries together */
    unsigned tries;
    enum one_state state;
    struct loop_proc *proc;
    struct loop_stream *io, *words;
    struct loop_timer *limit;
    struct buf in; /* stdout, up to the agent's READY */
    size_t noise;
    struct said said;   /* on standard error */
    char greeting[256]; /* the last line that a start-up file printed */
};

static void one_end(struct one *b, int signum);

static void one_fail(struct one *b, const struct err *e)
{
    if (b->state == BOOT_READY || b->state == BOOT_FAILED)
        return;
    b->state = BOOT_FAILED;
    loop_timer_stop(b->limit);
    loop_stream_destroy(b->io);
    b->io = NULL;
    one_end(b, SIGTERM);
    b->config.ops->failed(b->node, e);
}

static struct bootfail failure_of(const struct one *b)
{
    return (struct bootfail){.starter =
                                 b->local ? "the agent" : b->spec->ssh.command.items[0],
                             .local = b->local,
                             .said = &b->said,
                             .greeting = b->greeting,
                             .tries = b->tries};
}

/* Homes are shared between kinds of machines: what is cached there need not run here. */
static bool check_machine(struct one *b, const char *machine)
{
    struct utsname self;
    struct err e;
    if (uname(&self) < 0 || strcmp(self.machine, machine) == 0)
        return true;
    err_set(&e, ERR_BOOT, "the node is %.32s, this agent is built for %.32s", machine,
            self.machine);
    one_fail(b, &e);
    return false;
}

static void on_have(struct one *b, const char *rest)
{
    said_forget(&b->said); /* that was of start-up files */
    if (check_machine(b, rest))
        log_debug("%s: the agent is in the node's cache", b->name);
}

static void on_need(struct one *b, const char *rest)
{
    if (b->local || b->state != BOOT_CONNECTING || !check_machine(b, rest))
        return;
    said_forget(&b->said);
    log_info("%s: copying the agent (%.1f MB)", b->name,
             (double)(b->bundle->agent.len + b->bundle->rest.len) / 1e6);
    b->state = BOOT_PUSHING;
    b->copied = true;
    loop_timer_start(b->limit, BOOT_PUSH_MS, 0);
    (void)loop_stream_write(b->io, b->bundle->agent.data, b->bundle->agent.len);
}

/* Only now: a `head` that reads ahead would have taken it. */
static void on_stored(struct one *b, const char *rest)
{
    (void)rest;
    if (b->state != BOOT_PUSHING)
        return;
    b->state = BOOT_UNPACKING;
    (void)loop_stream_write(b->io, b->bundle->rest.data, b->bundle->rest.len);
}

static void on_unpacked(struct one *b, const char *rest)
{
    (void)rest;
    log_debug("%s: the agent is stored in the node's cache", b->name);
}

static void on_node_fail(struct one *b, const char *rest)
{
    struct err e;
    struct bootfail f = failure_of(b);
    bootfail_node(&f, rest, &e);
    one_fail(b, &e);
}

static void on_ready(struct one *b, const char *rest)
{
    struct err e;
    if (strcmp(rest, AOLANI_VERSION) != 0) {
        err_set(&e, ERR_BOOT, "the agent is version %.40s, aolani-run is %s", rest,
                AOLANI_VERSION);
        one_fail(b, &e);
        return;
    }
    if (boot_hand_over(&b->config, &b->node, 1, b->io, &e) < 0) {
        one_fail(b, &e);
        return;
    }
    loop_timer_stop(b->limit);
    b->state = BOOT_READY;
    struct loop_stream *io = b->io;
    b->io = NULL;
    loop_stream_read(io, false);
    b->config.ops->ready(b->node, io, b->copied);
}

static void on_line(struct one *b, char *line)
{
    static const struct {
        const char *word;
        void (*act)(struct one *b, const char *rest);
    } table[] = {
        {"AOLANI-HAVE", on_have},      {"AOLANI-NEED", on_need},
        {"AOLANI-STORED", on_stored},  {"AOLANI-UNPACKED", on_unpacked},
        {"AOLANI-FAIL", on_node_fail}, {"AOLANI-READY", on_ready},
    };
    said_strip(line);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].word);
        if (strncmp(line, table[i].word, n) == 0 &&
            (line[n] == ' ' || line[n] == '\0')) {
            table[i].act(b, line[n] ? line + n + 1 : "");
            return;
        }
    }
    log_info("%s: start-up output: %s", b->name, line);
    if (line[0])
        (void)snprintf(b->greeting, sizeof b->greeting, "%.255s", line);
}

static bool is_starting(const struct one *b)
{
    return b->state != BOOT_READY && b->state != BOOT_FAILED;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct one *b = arg;
    struct err e;
    b->noise += len;
    if (b->noise > LIMIT_BOOT_NOISE || buf_add(&b->in, data, len) < 0) {
        err_set(&e, ERR_BOOT, "the node's start-up files print more than %u bytes",
                LIMIT_BOOT_NOISE);
        err_hint(&e, "let them print for interactive shells alone");
        one_fail(b, &e);
        return;
    }
    size_t at = 0;
    char line[LIMIT_SAID_LINE];
    while (is_starting(b) && buf_line(&b->in, &at, line, sizeof line))
        on_line(b, line);
    buf_consume(&b->in, at);
}

/* No agent can come any more. What the starter's exit says is the better reason, and
 * follows in most cases. */
static void on_end(void *arg, int status)
{
    struct one *b = arg;
    (void)status;
    loop_stream_destroy(b->io);
    b->io = NULL;
    if (!b->exited)
        loop_timer_start(b->limit, BOOT_SLACK_MS, 0);
}

static void words_line(void *arg, const char *line)
{
    struct one *b = arg;
    static const char agent[] = "aolani-agent: ", debug[] = "debug: ";
    if (strncmp(line, agent, sizeof agent - 1) == 0)
        log_note("%s: %s", b->name, line);
    else
        log_info("%s: %s", b->name, line);
    if (strncmp(line, agent, sizeof agent - 1) == 0)
        line += sizeof agent - 1;
    if (strncmp(line, debug, sizeof debug - 1) != 0) /* that is no last word */
        said_keep(&b->said, line);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct one *b = arg;
    said_add(&b->said, data, len, words_line, b);
}

static void release_starter(struct one *b)
{
    loop_stream_destroy(b->io);
    loop_stream_destroy(b->words);
    loop_proc_destroy(b->proc);
    b->io = b->words = NULL;
    b->proc = NULL;
}

/* Another try, after a wait; false: this was the last. */
static bool one_wait(struct one *b)
{
    char why[300];
    uint16_t lot;
    struct bootfail f = failure_of(b);
    if (b->killed || b->state != BOOT_CONNECTING)
        return false;
    secure_random(&lot, sizeof lot);
    uint64_t wait = bootfail_retry_ms(&f, b->wait_status, lot, why, sizeof why);
    if (wait == 0 || loop_now_ms(b->loop) + wait + BOOT_SLACK_MS >= b->deadline_ms)
        return false;
    log_info("%s: %s; trying again in %.1f s", b->name, why, (double)wait / 1000.0);
    b->state = BOOT_WAITING;
    release_starter(b);
    loop_timer_start(b->limit, wait, 0);
    return true;
}

/* A starter that is not cut off, and not ended by us, passes on the agent's own status. */
static enum boot_end what_ended(const struct one *b)
{
    int ws = b->wait_status;
    bool cut = WIFEXITED(ws) && WEXITSTATUS(ws) == SSH_FAILURE;
    return b->local || !(cut || WIFSIGNALED(ws)) ? BOOT_END_AGENT : BOOT_END_UNKNOWN;
}

static void one_ended(struct one *b)
{
    struct err e;
    struct bootfail f = failure_of(b);
    if (b->ended)
        return;
    said_end(&b->said, words_line, b);
    if (one_wait(b))
        return;
    b->ended = true;
    loop_timer_stop(b->limit);
    bootfail_exit(&f, b->wait_status, &e);
    one_fail(b, &e);
    b->config.ops->ended(b->node, what_ended(b), b->wait_status, b->said.last);
}

/* A shell that was starting a program when it was told to end has left one that was not. */
static void kill_rest(const struct one *b)
{
    if (b->killed && !b->local)
        (void)kill(-loop_proc_pid(b->proc), SIGKILL);
}

static void on_exit_status(void *arg, int ws)
{
    struct one *b = arg;
    b->exited = true;
    b->wait_status = ws;
    kill_rest(b);
    if (b->words)
        loop_timer_start(b->limit, BOOT_WORDS_MS, 0);
    else
        one_ended(b);
}

static void on_words_end(void *arg, int status)
{
    struct one *b = arg;
    (void)status;
    said_end(&b->said, words_line, b);
    loop_stream_destroy(b->words);
    b->words = NULL;
    if (b->exited)
        one_ended(b);
}

static void fail_of_silence(struct one *b)
{
    struct err e;
    struct bootfail f = failure_of(b);
    enum bootfail_silence how = !b->io                        ? BOOTFAIL_CLOSED
                                : b->state == BOOT_CONNECTING ? BOOTFAIL_NO_ANSWER
                                                              : BOOTFAIL_NO_COPY;
    bootfail_silent(&f, how, how == BOOTFAIL_NO_COPY ? BOOT_PUSH_MS : b->limit_ms, &e);
    one_fail(b, &e);
}

static void one_try(struct one *b);

static void on_limit(void *arg)
{
    struct one *b = arg;
    if (b->state == BOOT_WAITING)
        one_try(b);
    else if (b->exited)
        one_ended(b);
    else
        fail_of_silence(b);
}

static int one_spawn(struct one *b, struct err *e)
{
    char *local_argv[] = {b->bundle->agent_path, "--stdio", NULL};
    struct strlist ssh = {0};
    int rc = b->local ? 0 : bootscript_argv(b->spec, b->bundle, b->name, &ssh);
    if (rc < 0) {
        err_sys(e, rc, "start an agent");
    } else {
        char *const *argv = b->local ? local_argv : ssh.items;
        struct loop_proc_spec ps = {
            .file = argv[0], .argv = argv, .extra_fd = -1, .stderr_to_stream = true};
        rc = loop_proc_spawn(b->loop, &ps, on_exit_status, b, &b->proc, e);
        if (rc == -ENOENT && !b->local)
            err_hint(e, "install an ssh client, or name another: [ssh] command");
    }
    strlist_fini(&ssh);
    return rc;
}

static int one_start(struct one *b, struct err *e)
{
    static const struct loop_stream_ops io_ops = {.on_data = on_data, .on_end = on_end};
    static const struct loop_stream_ops words_ops = {.on_data = on_words,
                                                     .on_end = on_words_end};
    int rc = one_spawn(b, e);
    if (rc < 0)
        return rc;
    b->state = BOOT_CONNECTING;
    b->exited = false;
    b->tries++;
    b->io = loop_proc_take_io(b->proc);
    b->words = loop_proc_take_stderr(b->proc);
    loop_stream_set(b->io, &io_ops, b);
    loop_stream_read(b->io, true);
    loop_stream_set(b->words, &words_ops, b);
    loop_stream_read(b->words, true);
    /* We may have been stopped ourselves: the time is over, and this try has some. */
    uint64_t late = loop_now_ms(b->loop) + BOOT_SLACK_MS;
    loop_timer_start(
        b->limit, (b->deadline_ms > late ? b->deadline_ms - late : 0) + BOOT_SLACK_MS,
        0);
    return 0;
}

static void one_try(struct one *b)
{
    struct err e;
    said_forget(&b->said);
    b->greeting[0] = '\0';
    b->noise = b->in.len = 0;
    if (one_start(b, &e) == 0)
        return;
    one_fail(b, &e);
    one_ended(b);
}

static void one_destroy(struct one *b)
{
    loop_timer_destroy(b->limit);
    release_starter(b);
    buf_fini(&b->in);
    said_fini(&b->said);
    free(b->name);
    free(b);
}

static int start(struct loop *l, const struct boot_config *c, struct boot_node *node,
                 bool local, struct err *e)
{
    struct one *b = calloc(1, sizeof *b);
    if (!b)
        return err_sys(e, -ENOMEM, "start an agent on \"%s\"", node->name);
    int rc = -ENOMEM;
    b->boot.kind = local ? &boot_local : &boot_ssh;
    b->loop = l;
    b->config = *c;
    b->spec = c->spec;
    b->bundle = c->bundle;
    b->node = node->arg;
    b->local = local;
    buf_init(&b->in, LIMIT_BOOT_NOISE);
    said_init(&b->said);
    b->name = strdup(node->name);
    b->limit = loop_timer_create(l, on_limit, b);
    if (!b->name || !b->limit) {
        err_sys(e, -ENOMEM, "start an agent on \"%s\"", node->name);
        goto fail;
    }
    b->limit_ms = c->spec->ssh.connect_timeout_ms + BOOT_SLACK_MS;
    b->deadline_ms = loop_now_ms(l) + b->limit_ms;
    if ((rc = one_start(b, e)) < 0)
        goto fail;
    node->boot = &b->boot;
    return 0;
fail:
    one_destroy(b);
    return rc;
}

static int start_ssh(struct loop *l, const struct boot_config *c,
                     struct boot_node *nodes, size_t n, struct err *e)
{
    assert(n == 1);
    (void)n;
    return start(l, c, nodes, false, e);
}

static int start_local(struct loop *l, const struct boot_config *c,
                       struct boot_node *nodes, size_t n, struct err *e)
{
    assert(n == 1);
    (void)n;
    return start(l, c, nodes, true, e);
}

static void one_end(struct one *b, int signum)
{
    b->killed = true;
    if (b->state == BOOT_WAITING) { /* no starter to end: the wait is over */
        b->state = BOOT_CONNECTING;
        loop_timer_start(b->limit, 0, 0);
    }
    if (!b->proc || loop_proc_exited(b->proc))
        return;
    /* What reaches a host may be a script with an ssh below it; an agent sees to its own. */
    if (b->local)
        (void)loop_proc_kill(b->proc, signum);
    else
        (void)kill(-loop_proc_pid(b->proc), signum);
}

static void kill_one(struct boot *boot, int signum)
{
    one_end((struct one *)boot, signum);
}

static void await_one(struct boot *boot, unsigned *patience_ms)
{
    struct one *b = (struct one *)boot;
    if (!b->killed || b->local || !b->proc || loop_proc_exited(b->proc))
        return;
    siginfo_t end = {0}; /* looked at alone: the loop takes it */
    while (waitid(P_PID, (id_t)loop_proc_pid(b->proc), &end,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
           end.si_pid == 0 && *patience_ms > 0) {
        (void)usleep(1000);
        --*patience_ms;
    }
    kill_rest(b);
}

static void destroy_one(struct boot *boot)
{
    one_destroy((struct one *)boot);
}

const struct boot_kind boot_ssh = {.start = start_ssh,
                                   .kill = kill_one,
                                   .await_end = await_one,
                                   .destroy = destroy_one};
const struct boot_kind boot_local = {.name = "its starter",
                                     .start = start_local,
                                     .kill = kill_one,
                                     .await_end = await_one,
                                     .destroy = destroy_one};
