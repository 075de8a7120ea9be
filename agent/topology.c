/* SPDX-License-Identifier: MIT */
/* topology.c - see topology.h. The helper has a process group of its own (loop_proc), which
 * is ended as a whole; when the agent dies the keeper does it. */
#include "agent/topology.h"

#include "agent/topofacts.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"
#include "proto/base/utf8.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPOLOGY_DRAIN_MS 1000 /* for what it said before it ended */
#define TOPOLOGY_LINE     200
#define TOPOLOGY_NO_LIB   127 /* as the dynamic loader ends */

struct topology {
    struct loop *loop;
    const struct host *host;
    void (*done)(void *arg, Aolani__Topology *t);
    void *arg;
    struct loop_proc *proc;
    struct loop_stream *out, *words;
    struct loop_timer *timer; /* the limit; then for what is still to be read */
    unsigned limit_ms;
    struct buf said;
    char line[TOPOLOGY_LINE]; /* the last of its standard error */
    size_t line_len;
    bool line_ended;
    bool exited, out_ended, concluded;
    int wait_status;
    struct err failed; /* code 0: not so far */
};

static void topology_kill(struct topology *t)
{
    if (!t->proc || t->exited)
        return;
    (void)kill(-loop_proc_pid(t->proc), SIGKILL); /* and what it has started */
    (void)loop_proc_kill(t->proc, SIGKILL);
}

/* ---- how it ended ---- */

static const char *topology_last_words(struct topology *t)
{
    utf8_make_printable(t->line);
    return t->line;
}

static void topology_judge_end(struct topology *t)
{
    struct err *e = &t->failed;
    const char *path = t->host->describe_helper, *line = topology_last_words(t);
    const char *sep = line[0] ? ": " : "";
    int ws = t->wait_status;
    if (WIFSIGNALED(ws)) {
        err_set(e, -EIO, "aolani-describe ended by signal %d (%s)%s%s", WTERMSIG(ws),
                strsignal(WTERMSIG(ws)), sep, line);
        err_hint(e, "run \"%.150s --text\" on the node", path);
    } else if (WEXITSTATUS(ws) > 1) {
        err_set(e, -EIO, "aolani-describe ended with status %d%s%s", WEXITSTATUS(ws),
                sep, line);
        if (WEXITSTATUS(ws) == TOPOLOGY_NO_LIB)
            err_hint(
                e,
                "it lacks a library there (libudev, as new a libc), or is for another "
                "architecture");
        else
            err_hint(e, "run \"%.150s --text\" on the node", path);
    } else if (t->said.len == 0) {
        err_set(e, -EIO, "aolani-describe said nothing%s%s", sep, line);
        err_hint(e, "run \"%.150s --text\" on the node", path);
    }
}

static Aolani__Topology *topology_result(struct topology *t)
{
    Aolani__Topology *m = NULL;
    if (!t->failed.code)
        topology_judge_end(t);
    if (!t->failed.code &&
        topofacts_read(t->said.data, t->said.len, t->host, &m, &t->failed) < 0) {
        err_wrap(&t->failed, "what aolani-describe said cannot be used");
        err_hint(&t->failed, "run \"%.150s --text\" on the node",
                 t->host->describe_helper);
    }
    if (!m) {
        log_info("describe this node: %s%s%s%s", t->failed.text,
                 t->failed.hint[0] ? " (" : "", t->failed.hint,
                 t->failed.hint[0] ? ")" : "");
        m = topofacts_own(t->host, &t->failed);
    }
    return m;
}

static void topology_conclude(struct topology *t)
{
    if (t->concluded)
        return;
    t->concluded = true;
    loop_timer_stop(t->timer);
    topology_kill(t);
    t->done(t->arg, topology_result(t));
}

static void topology_fail(struct topology *t, const char *hint, const char *why)
{
    if (t->concluded)
        return;
    err_set(&t->failed, -EIO, "aolani-describe %s", why);
    err_hint(&t->failed, "%s", hint);
    topology_conclude(t);
}

/* ---- the helper ---- */

static void topology_on_data(void *arg, const uint8_t *data, size_t len)
{
    struct topology *t = arg;
    if (t->concluded || buf_add(&t->said, data, len) == 0)
        return;
    char why[80];
    (void)snprintf(why, sizeof why, "said more than the %u KiB that are taken",
                   LIMIT_TOPOLOGY_BYTES >> 10);
    topology_fail(t, "ranks are placed by their cores alone", why);
}

static void topology_on_end(void *arg, int status)
{
    struct topology *t = arg;
    (void)status;
    t->out_ended = true;
    if (t->exited)
        topology_conclude(t);
}

/* The last line that is not empty: what matters comes last ("error while loading shared
 * libraries", an assertion). */
static void topology_on_words(void *arg, const uint8_t *data, size_t len)
{
    struct topology *t = arg;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            t->line_ended = true;
            continue;
        }
        if (t->line_ended)
            t->line_len = 0;
        t->line_ended = false;
        if (data[i] && t->line_len + 1 < sizeof t->line)
            t->line[t->line_len++] = (char)data[i];
    }
    t->line[t->line_len] = '\0';
}

static void topology_on_words_end(void *arg, int status)
{
    struct topology *t = arg;
    (void)status;
    loop_stream_destroy(t->words);
    t->words = NULL;
}

static void topology_on_exit(void *arg, int wait_status)
{
    struct topology *t = arg;
    t->exited = true;
    t->wait_status = wait_status;
    if (t->out_ended)
        topology_conclude(t);
    else if (!t->concluded)
        loop_timer_start(t->timer, TOPOLOGY_DRAIN_MS, 0);
}

static void topology_on_timer(void *arg)
{
    struct topology *t = arg;
    char why[80];
    if (t->failed.code || t->exited) {
        topology_conclude(t);
        return;
    }
    (void)snprintf(why, sizeof why, "did not answer within %.0f s and was ended",
                   t->limit_ms / 1000.0);
    topology_fail(t, "a GPU's driver may hang: try nvidia-smi on the node", why);
}

static int topology_start(struct topology *t, struct err *e)
{
    static const struct loop_stream_ops out_ops = {topology_on_data, topology_on_end,
                                                   NULL};
    static const struct loop_stream_ops words_ops = {topology_on_words,
                                                     topology_on_words_end, NULL};
    const char *path = t->host->describe_helper;
    char *argv[] = {(char *)"aolani-describe", NULL};
    struct loop_proc_spec spec = {
        .file = path, .argv = argv, .extra_fd = -1, .stderr_to_stream = true};
    if (!path) {
        err_set(e, -ENOENT,
                "the helper \"aolani-describe\" is not beside the "
                "agent in \"%s\"",
                t->host->dir);
        return err_hint(e, "build aolani-run where libhwloc-dev is installed");
    }
    int rc = loop_proc_spawn(t->loop, &spec, topology_on_exit, t, &t->proc, e);
    if (rc < 0) {
        if (rc == -ENOENT) /* the file is there: its loader is not */
            err_hint(e, "it was built for another C library");
        return rc;
    }
    t->out = loop_proc_take_io(t->proc);
    t->words = loop_proc_take_stderr(t->proc);
    loop_stream_set(t->out, &out_ops, t);
    loop_stream_set(t->words, &words_ops, t);
    loop_stream_read(t->out, true);
    loop_stream_read(t->words, true);
    loop_stream_shutdown(t->out);
    return 0;
}

/* ---- life ---- */

int topology_create(const struct topology_config *c,
                    void (*done)(void *arg, Aolani__Topology *t), void *arg,
                    struct topology **ret, struct err *e)
{
    struct topology *t = calloc(1, sizeof *t);
    if (!t || !(t->timer = loop_timer_create(c->loop, topology_on_timer, t))) {
        free(t);
        return err_sys(e, -ENOMEM, "describe this node");
    }
    t->loop = c->loop;
    t->host = c->host;
    t->limit_ms = c->limit_ms;
    t->done = done;
    t->arg = arg;
    buf_init(&t->said, LIMIT_TOPOLOGY_BYTES);
    int rc = topology_start(t, &t->failed);
    loop_timer_start(t->timer, rc < 0 ? 0 : t->limit_ms, 0);
    *ret = t;
    return 0;
}

void topology_hurry(struct topology *t)
{
    topology_fail(t, "it is tried again with the next start", "was ended with the job");
}

void topology_destroy(struct topology *t)
{
    if (!t)
        return;
    topology_kill(t);
    loop_proc_destroy(t->proc);
    loop_stream_destroy(t->out);
    loop_stream_destroy(t->words);
    loop_timer_destroy(t->timer);
    buf_fini(&t->said);
    free(t);
}
