/* SPDX-License-Identifier: MIT */
/* gpuhelper.c - see gpuhelper.h. */
#include "agent/gpuhelper.h"

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
#include <time.h>

#define GPUHELPER_WHY 160

struct gpuhelper_user {
    struct gpuhelper *of;
    gpuhelper_f done;
    void *arg;
    struct loop_timer *timer;
    enum gpuhelper_need need;
    bool asked; /* it waits */
};

struct gpuhelper {
    struct loop *loop;
    const char *helper;
    unsigned limit_ms;
    struct gpuhelper_user *users[GPUHELPER_USERS];
    struct loop_proc *proc; /* NULL: not running */
    struct loop_stream *io, *words;
    struct buf said;
    unsigned starts;
    /* The answers that are owed: counts alone, and after it one with processes. */
    enum gpuhelper_need owed[2];
    unsigned n_owed;
    bool late; /* somebody has given the first of them up */
    char why[GPUHELPER_WHY];
};

static void gpuhelper_tell(struct gpuhelper_user *u, const Aolani__GpuSample *s)
{
    loop_timer_stop(u->timer);
    u->asked = false;
    u->done(u->arg, s, s ? NULL : u->of->why);
}

/* Who adds counts up hears each answer, the others what they asked for. A user may leave
 * from within. */
static void gpuhelper_tell_all(struct gpuhelper *g, const Aolani__GpuSample *s,
                               enum gpuhelper_need kind)
{
    for (size_t i = 0; i < GPUHELPER_USERS; i++) {
        struct gpuhelper_user *u = g->users[i];
        if (!u)
            continue;
        if (u->need == GPUHELPER_COUNTS ? u->asked || s
                                        : u->asked && kind == GPUHELPER_PROCESSES)
            gpuhelper_tell(u, s);
    }
}

/* The helper is of no use any more. */
static void gpuhelper_drop(struct gpuhelper *g)
{
    if (g->proc && !loop_proc_exited(g->proc))
        (void)loop_proc_kill(g->proc, SIGKILL);
    loop_stream_destroy(g->io);
    loop_stream_destroy(g->words);
    loop_proc_destroy(g->proc);
    g->io = g->words = NULL;
    g->proc = NULL;
    g->said.len = 0;
    g->n_owed = 0;
    g->late = false;
}

static void gpuhelper_fail(struct gpuhelper *g, const char *why)
{
    (void)snprintf(g->why, sizeof g->why, "aolani-describe --gpus %s", why);
    gpuhelper_drop(g);
    gpuhelper_tell_all(g, NULL, GPUHELPER_PROCESSES);
}

/* ---- what it says ---- */

static bool gpuhelper_take(struct gpuhelper *g, const uint8_t *data, size_t len)
{
    Aolani__GpuSample *s = aolani__gpu_sample__unpack(NULL, len, data);
    if (!s) {
        gpuhelper_fail(g, "said what does not decode");
        return false;
    }
    enum gpuhelper_need kind = g->owed[0];
    g->owed[0] = g->owed[1];
    g->n_owed--;
    g->late = false;
    (void)snprintf(g->why, sizeof g->why, "%.*s", GPUHELPER_WHY - 1, s->error);
    gpuhelper_tell_all(g, s->error[0] ? NULL : s, kind);
    aolani__gpu_sample__free_unpacked(s, NULL);
    return true;
}

static void gpuhelper_on_data(void *arg, const uint8_t *data, size_t len)
{
    struct gpuhelper *g = arg;
    if (buf_add(&g->said, data, len) < 0) {
        gpuhelper_fail(g, "said too much");
        return;
    }
    while (g->said.len >= 4) {
        struct cur c = cur_of(g->said.data, 4);
        uint32_t want = cur_u32(&c);
        if (want > GPUHELPER_BYTES || g->n_owed == 0 ||
            (g->said.len - 4 > want && g->n_owed == 1)) {
            gpuhelper_fail(g, "said too much");
            return;
        }
        if (g->said.len - 4 < want || !gpuhelper_take(g, g->said.data + 4, want))
            return;
        buf_consume(&g->said, 4 + (size_t)want);
    }
}

static void gpuhelper_on_end(void *arg, int status)
{
    struct gpuhelper *g = arg;
    (void)status;
    loop_stream_read(g->io, false); /* its exit says more */
}

/* Its own words are for a person who runs it by hand. */
static void gpuhelper_on_words(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    log_debug("aolani-describe: %.*s", (int)(len < 200 ? len : 200),
              (const char *)data);
}

static void gpuhelper_on_words_end(void *arg, int status)
{
    struct gpuhelper *g = arg;
    (void)status;
    loop_stream_destroy(g->words);
    g->words = NULL;
}

static void gpuhelper_on_exit(void *arg, int wait_status)
{
    char why[64];
    if (WIFSIGNALED(wait_status))
        (void)snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(wait_status));
    else
        (void)snprintf(why, sizeof why, "ended with status %d",
                       WEXITSTATUS(wait_status));
    gpuhelper_fail(arg, why);
}

/* ---- asking ---- */

static int gpuhelper_start(struct gpuhelper *g, struct err *e)
{
    static const struct loop_stream_ops io_ops = {gpuhelper_on_data, gpuhelper_on_end,
                                                  NULL};
    static const struct loop_stream_ops words_ops = {gpuhelper_on_words,
                                                     gpuhelper_on_words_end, NULL};
    char *argv[] = {(char *)"aolani-describe", (char *)"--gpus", NULL};
    struct loop_proc_spec spec = {
        .file = g->helper, .argv = argv, .extra_fd = -1, .stderr_to_stream = true};
    if (!g->helper)
        return err_set(e, -ENOENT, "aolani-describe is not there");
    if (g->starts == GPUHELPER_STARTS)
        return err_set(e, -EIO, "%s", g->why);
    g->starts++;
    int rc = loop_proc_spawn(g->loop, &spec, gpuhelper_on_exit, g, &g->proc, e);
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

static void gpuhelper_on_timer(void *arg)
{
    struct gpuhelper_user *u = arg;
    struct gpuhelper *g = u->of;
    if (g->n_owed > 0) {
        g->late = true;
        (void)snprintf(g->why, sizeof g->why,
                       "aolani-describe --gpus gives no answer: the driver hangs?");
    }
    gpuhelper_tell(u, NULL);
}

/* Counts come with every answer, processes only where they were asked for. */
static bool gpuhelper_is_under_way(const struct gpuhelper *g, enum gpuhelper_need need)
{
    return g->n_owed > 0 &&
           (need == GPUHELPER_COUNTS || g->owed[g->n_owed - 1] == GPUHELPER_PROCESSES);
}

void gpuhelper_ask(struct gpuhelper_user *u)
{
    static const char *const questions[] = {
        [GPUHELPER_COUNTS] = "s\n", [GPUHELPER_PROCESSES] = "\n"};
    struct gpuhelper *g = u->of;
    struct err e;
    u->asked = true;
    if (!g->proc && gpuhelper_start(g, &e) < 0) {
        (void)snprintf(g->why, sizeof g->why, "%.*s", GPUHELPER_WHY - 1, e.text);
        loop_timer_start(u->timer, 0, 0);
        return;
    }
    if (!g->late && !gpuhelper_is_under_way(g, u->need)) {
        const char *text = questions[u->need];
        g->owed[g->n_owed++] = u->need;
        (void)loop_stream_write(g->io, text, strlen(text)); /* if not, it has ended */
    }
    loop_timer_start(u->timer, g->late ? 0 : g->limit_ms, 0);
}

uint64_t gpuhelper_cpu_ns(const struct gpuhelper *g)
{
    clockid_t id;
    struct timespec t;
    if (!g->proc || loop_proc_exited(g->proc) ||
        clock_getcpuclockid(loop_proc_pid(g->proc), &id) != 0 ||
        clock_gettime(id, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- life ---- */

int gpuhelper_create(struct loop *l, const char *helper, unsigned limit_ms,
                     struct gpuhelper **ret, struct err *e)
{
    struct gpuhelper *g = calloc(1, sizeof *g);
    if (!g)
        return err_sys(e, -ENOMEM, "look at the GPUs");
    g->loop = l;
    g->helper = helper;
    g->limit_ms = limit_ms;
    buf_init(&g->said, 2 * (GPUHELPER_BYTES + 4));
    *ret = g;
    return 0;
}

void gpuhelper_destroy(struct gpuhelper *g)
{
    if (!g)
        return;
    gpuhelper_drop(g);
    for (size_t i = 0; i < GPUHELPER_USERS; i++)
        gpuhelper_leave(g->users[i]);
    buf_fini(&g->said);
    free(g);
}

struct gpuhelper_user *gpuhelper_join(struct gpuhelper *g, gpuhelper_f done, void *arg,
                                      enum gpuhelper_need need)
{
    size_t at = 0;
    while (at < GPUHELPER_USERS && g->users[at])
        at++;
    struct gpuhelper_user *u = at < GPUHELPER_USERS ? calloc(1, sizeof *u) : NULL;
    if (!u || !(u->timer = loop_timer_create(g->loop, gpuhelper_on_timer, u))) {
        free(u);
        return NULL;
    }
    u->of = g;
    u->done = done;
    u->arg = arg;
    u->need = need;
    g->users[at] = u;
    return u;
}

void gpuhelper_leave(struct gpuhelper_user *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < GPUHELPER_USERS; i++)
        if (u->of->users[i] == u)
            u->of->users[i] = NULL;
    loop_timer_destroy(u->timer);
    free(u);
}
