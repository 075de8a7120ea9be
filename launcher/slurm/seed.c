/* SPDX-License-Identifier: MIT */
/* seed.c - see seed.h. This machine is treated as any node is over ssh: by the same script,
 * which stops for want of a key once all is stored. */
#include "launcher/slurm/seed.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/bootscript.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"

#define SEED_MS 20000u /* a home that hangs; nodes are then sent it */

struct seed {
    const struct bundle *bundle;
    void (*done)(void *arg);
    void *arg;
    struct loop_proc *proc;
    struct loop_stream *io, *words;
    struct loop_timer *limit;
    struct buf in;
    bool over;
};

bool seed_is_there(const struct bundle *b)
{
    const char *own = getenv("AOLANI_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    char path[PATH_MAX];
    int n = own && *own ? snprintf(path, sizeof path, "%s", own)
            : xdg && *xdg
                ? snprintf(path, sizeof path, "%s/aolani", xdg)
                : snprintf(path, sizeof path, "%s/.cache/aolani", home ? home : "");
    if (n < 0 || n >= PATH_MAX - 64)
        return false;
    (void)snprintf(path + n, sizeof path - (size_t)n, "/%s/aolani-agent", b->id);
    return access(path, X_OK) == 0;
}

static void finish(struct seed *s)
{
    if (s->over)
        return;
    s->over = true;
    loop_stream_destroy(s->io); /* an agent that waits for its key ends */
    s->io = NULL;
    loop_timer_start(s->limit, 0, 0);
}

static void on_line(struct seed *s, const char *line)
{
    static const char need[] = "AOLANI-NEED", stored[] = "AOLANI-STORED";
    log_debug("this machine's cache: %s", line);
    if (strncmp(line, need, sizeof need - 1) == 0)
        (void)loop_stream_write(s->io, s->bundle->agent.data, s->bundle->agent.len);
    else if (strncmp(line, stored, sizeof stored - 1) == 0)
        (void)loop_stream_write(s->io, s->bundle->rest.data, s->bundle->rest.len);
    else if (strncmp(line, "AOLANI-READY", 12) == 0 ||
             strncmp(line, "AOLANI-FAIL", 11) == 0)
        finish(s);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct seed *s = arg;
    if (buf_add(&s->in, data, len) < 0) {
        finish(s);
        return;
    }
    size_t at = 0;
    char line[LIMIT_SAID_LINE];
    while (!s->over && buf_line(&s->in, &at, line, sizeof line))
        on_line(s, line);
    buf_consume(&s->in, at);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    (void)arg; /* the agent's, that no key came */
    (void)data;
    (void)len;
}

static void on_end(void *arg, int status)
{
    (void)status;
    finish(arg);
}

static void on_words_end(void *arg, int status)
{
    (void)arg;
    (void)status;
}

static void on_exit_status(void *arg, int ws)
{
    (void)ws;
    finish(arg);
}

static void on_limit(void *arg)
{
    struct seed *s = arg;
    if (!s->over) {
        finish(s);
        return;
    }
    s->done(s->arg);
}

static int spawn(struct loop *l, struct seed *s)
{
    static const struct loop_stream_ops io_ops = {.on_data = on_data, .on_end = on_end};
    static const struct loop_stream_ops words_ops = {.on_data = on_words,
                                                     .on_end = on_words_end};
    struct buf script;
    struct err e;
    buf_init(&script, 8192);
    int rc = bootscript_here(s->bundle, &script);
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script.data, NULL};
    struct loop_proc_spec ps = {
        .file = argv[0], .argv = argv, .extra_fd = -1, .stderr_to_stream = true};
    if (rc == 0)
        rc = loop_proc_spawn(l, &ps, on_exit_status, s, &s->proc, &e);
    buf_fini(&script);
    if (rc < 0)
        return rc;
    s->io = loop_proc_take_io(s->proc);
    s->words = loop_proc_take_stderr(s->proc);
    loop_stream_set(s->io, &io_ops, s);
    loop_stream_read(s->io, true);
    loop_stream_set(s->words, &words_ops, s);
    loop_stream_read(s->words, true);
    loop_timer_start(s->limit, SEED_MS, 0);
    return 0;
}

int seed_create(struct loop *l, const struct bundle *b, void (*done)(void *arg),
                void *arg, struct seed **ret)
{
    struct seed *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->bundle = b;
    s->done = done;
    s->arg = arg;
    buf_init(&s->in, LIMIT_SAID_LINE);
    s->limit = loop_timer_create(l, on_limit, s);
    int rc = s->limit ? spawn(l, s) : -ENOMEM;
    if (rc < 0) {
        seed_destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void seed_destroy(struct seed *s)
{
    if (!s)
        return;
    if (s->proc && !loop_proc_exited(s->proc))
        (void)kill(-loop_proc_pid(s->proc), SIGTERM);
    loop_stream_destroy(s->io);
    loop_stream_destroy(s->words);
    loop_proc_destroy(s->proc);
    loop_timer_destroy(s->limit);
    buf_fini(&s->in);
    free(s);
}
