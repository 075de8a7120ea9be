/* SPDX-License-Identifier: MIT */
/* readback_gpu.c - see readback_gpu.h. */
#include "agent/readback_gpu.h"

#include "proto/base/buf.h"
#include "proto/base/cur.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define GPU_WHY 160

struct readback_gpu {
    struct loop *loop;
    const char *helper;
    unsigned limit_ms;
    readback_gpu_f done;
    void *arg;
    struct loop_proc *proc; /* NULL: not running */
    struct loop_stream *io, *words;
    struct loop_timer *timer;
    struct buf said;
    unsigned starts;
    bool asked;   /* the caller waits */
    bool waiting; /* an answer is owed by the helper */
    char why[GPU_WHY];
};

static void gpu_tell(struct readback_gpu *g, const Aolani__GpuSample *s)
{
    loop_timer_stop(g->timer);
    if (!g->asked)
        return;
    g->asked = false;
    g->done(g->arg, s, s ? NULL : g->why);
}

/* The helper is of no use any more. */
static void gpu_drop(struct readback_gpu *g)
{
    if (g->proc && !loop_proc_exited(g->proc))
        (void)loop_proc_kill(g->proc, SIGKILL);
    loop_stream_destroy(g->io);
    loop_stream_destroy(g->words);
    loop_proc_destroy(g->proc);
    g->io = g->words = NULL;
    g->proc = NULL;
    g->said.len = 0;
    g->waiting = false;
}

static void gpu_fail(struct readback_gpu *g, const char *why)
{
    (void)snprintf(g->why, sizeof g->why, "aolani-describe --gpus %s", why);
    gpu_drop(g);
    gpu_tell(g, NULL);
}

/* ---- what it says ---- */

static void gpu_take(struct readback_gpu *g, const uint8_t *data, size_t len)
{
    Aolani__GpuSample *s = aolani__gpu_sample__unpack(NULL, len, data);
    if (!s) {
        gpu_fail(g, "said what does not decode");
        return;
    }
    g->waiting = false;
    (void)snprintf(g->why, sizeof g->why, "%.*s", GPU_WHY - 1, s->error);
    gpu_tell(g, s->error[0] ? NULL : s);
    aolani__gpu_sample__free_unpacked(s, NULL);
}

static void gpu_on_data(void *arg, const uint8_t *data, size_t len)
{
    struct readback_gpu *g = arg;
    if (buf_add(&g->said, data, len) < 0) {
        gpu_fail(g, "said too much");
        return;
    }
    if (g->said.len < 4)
        return;
    struct cur c = cur_of(g->said.data, 4);
    uint32_t want = cur_u32(&c);
    if (want > READBACK_GPU_BYTES || g->said.len - 4 > want || !g->waiting) {
        gpu_fail(g, "said too much");
        return;
    }
    if (g->said.len - 4 < want)
        return;
    g->said.len = 0; /* the bytes stay for the time of the call */
    gpu_take(g, g->said.data + 4, want);
}

static void gpu_on_end(void *arg, int status)
{
    struct readback_gpu *g = arg;
    (void)status;
    loop_stream_read(g->io, false); /* its exit says more */
}

/* Its own words are for a person who runs it by hand. */
static void gpu_on_words(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    log_debug("aolani-describe: %.*s", (int)(len < 200 ? len : 200),
              (const char *)data);
}

static void gpu_on_words_end(void *arg, int status)
{
    struct readback_gpu *g = arg;
    (void)status;
    loop_stream_destroy(g->words);
    g->words = NULL;
}

static void gpu_on_exit(void *arg, int wait_status)
{
    char why[64];
    if (WIFSIGNALED(wait_status))
        (void)snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(wait_status));
    else
        (void)snprintf(why, sizeof why, "ended with status %d",
                       WEXITSTATUS(wait_status));
    gpu_fail(arg, why);
}

/* ---- asking ---- */

static int gpu_start(struct readback_gpu *g, struct err *e)
{
    static const struct loop_stream_ops io_ops = {gpu_on_data, gpu_on_end, NULL};
    static const struct loop_stream_ops words_ops = {gpu_on_words, gpu_on_words_end,
                                                     NULL};
    char *argv[] = {(char *)"aolani-describe", (char *)"--gpus", NULL};
    struct loop_proc_spec spec = {
        .file = g->helper, .argv = argv, .extra_fd = -1, .stderr_to_stream = true};
    if (!g->helper)
        return err_set(e, -ENOENT, "aolani-describe is not there");
    if (g->starts == READBACK_GPU_STARTS)
        return err_set(e, -EIO, "%s", g->why);
    g->starts++;
    int rc = loop_proc_spawn(g->loop, &spec, gpu_on_exit, g, &g->proc, e);
    if (rc < 0)
        return rc;
    g->io = loop_proc_take_io(g->proc);
    g->words = loop_proc_take_stderr(g->proc);
    loop_stream_set(g->io, &io_ops, g);
    loop_stream_set(g->words, &words_ops, g);
    loop_stream_read(g->io, true);
    loop_stream_read(g->words, true);
    return 0;
}

static void gpu_on_timer(void *arg)
{
    gpu_tell(arg, NULL);
}

void readback_gpu_ask(struct readback_gpu *g)
{
    struct err e;
    g->asked = true;
    if (!g->proc && gpu_start(g, &e) < 0) {
        (void)snprintf(g->why, sizeof g->why, "%.*s", GPU_WHY - 1, e.text);
        loop_timer_start(g->timer, 0, 0);
        return;
    }
    (void)snprintf(g->why, sizeof g->why,
                   "aolani-describe --gpus gives no answer: the driver hangs?");
    if (g->waiting) { /* for the one before */
        loop_timer_start(g->timer, 0, 0);
        return;
    }
    g->waiting = true;
    (void)loop_stream_write(g->io, "\n", 1); /* if not, it has ended, and says so */
    loop_timer_start(g->timer, g->limit_ms, 0);
}

/* ---- life ---- */

int readback_gpu_create(struct loop *l, const char *helper, unsigned limit_ms,
                        readback_gpu_f done, void *arg, struct readback_gpu **ret,
                        struct err *e)
{
    struct readback_gpu *g = calloc(1, sizeof *g);
    if (!g || !(g->timer = loop_timer_create(l, gpu_on_timer, g))) {
        free(g);
        return err_sys(e, -ENOMEM, "look at the GPUs");
    }
    g->loop = l;
    g->helper = helper;
    g->limit_ms = limit_ms;
    g->done = done;
    g->arg = arg;
    buf_init(&g->said, READBACK_GPU_BYTES + 4);
    *ret = g;
    return 0;
}

void readback_gpu_destroy(struct readback_gpu *g)
{
    if (!g)
        return;
    gpu_drop(g);
    loop_timer_destroy(g->timer);
    buf_fini(&g->said);
    free(g);
}
