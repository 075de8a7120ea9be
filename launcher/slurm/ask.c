/* SPDX-License-Identifier: MIT */
/* ask.c - a command of Slurm's, on the loop; see ask.h. */
#include "launcher/slurm/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/ask_impl.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"

struct slurm_ask {
    struct loop *loop;
    char **argv;
    slurm_run_done on_run;
    slurm_ask_done on_job;
    void *arg;
    uint32_t id;     /* of the job that is asked for, with on_job */
    bool plugin;     /* it is aolani-slurm that is asked */
    uint64_t end_ms; /* by the loop's clock */
    struct loop_proc *proc;
    struct loop_stream *io, *err;
    struct loop_timer *timer;
    struct buf out;
    struct said said;
    unsigned n_open; /* streams that have not ended */
    int wait_status;
    bool exited, ended;
};

/* Whoever it started is of its process group. */
static void end_child(struct slurm_ask *a)
{
    loop_stream_destroy(a->io);
    loop_stream_destroy(a->err);
    a->io = a->err = NULL;
    if (a->proc && !loop_proc_exited(a->proc))
        (void)kill(-loop_proc_pid(a->proc), SIGKILL);
    loop_proc_destroy(a->proc);
    a->proc = NULL;
}

void slurm_ask_destroy(struct slurm_ask *a)
{
    if (!a)
        return;
    end_child(a);
    loop_timer_destroy(a->timer);
    buf_fini(&a->out);
    said_fini(&a->said);
    askcmd_free(a->argv);
    free(a);
}

static int start(struct slurm_ask *a, struct err *e);

/* scontrol, in what is left of the time. */
static bool ask_again(struct slurm_ask *a)
{
    struct askcmd_job c;
    askcmd_of_job(&c, a->id, false);
    char **argv = askcmd_copy(c.argv);
    if (!argv)
        return false;
    end_child(a);
    askcmd_free(a->argv);
    a->argv = argv;
    a->plugin = a->exited = false;
    a->out.len = 0;
    said_forget(&a->said);
    return start(a, NULL) == 0;
}

/* The owner may destroy it from within the call. */
static void finish(struct slurm_ask *a, int rc, struct err *e)
{
    struct slurm_job job = {0};
    if (a->ended)
        return;
    if (rc == 0 && a->on_job)
        rc = askcmd_job(&a->out, a->id, &job, e);
    if (rc < 0 && a->plugin && a->exited &&
        askcmd_plugin_failed(a->wait_status, a->id, e) && ask_again(a))
        return;
    a->ended = true;
    loop_timer_stop(a->timer);
    end_child(a);
    if (a->on_run)
        a->on_run(a->arg, rc < 0 ? NULL : &a->out, e);
    else
        a->on_job(a->arg, rc < 0 ? NULL : &job, e);
    slurm_job_fini(&job);
}

static void judge(struct slurm_ask *a)
{
    struct err e = {0};
    said_end(&a->said, askcmd_keep, &a->said);
    int rc =
        a->wait_status == 0 ? 0 : askcmd_failed(a->argv, a->wait_status, &a->said, &e);
    finish(a, rc, &e);
}

static void on_exit_(void *arg, int wait_status)
{
    struct slurm_ask *a = arg;
    a->exited = true;
    a->wait_status = wait_status;
    if (a->n_open == 0)
        judge(a);
    else
        loop_timer_start(a->timer, ASKCMD_WORDS_MS, 0);
}

static void on_end(void *arg, int status)
{
    struct slurm_ask *a = arg;
    (void)status;
    if (--a->n_open == 0 && a->exited)
        judge(a);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct slurm_ask *a = arg;
    struct err e = {0};
    int rc = a->ended ? 0 : buf_add(&a->out, data, len);
    if (rc == 0)
        return;
    if (rc == ERR_LIMIT)
        askcmd_too_much(a->argv, &e);
    else
        err_sys(&e, rc, "run \"%s\"", a->argv[0]);
    finish(a, rc, &e);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct slurm_ask *a = arg;
    said_add(&a->said, data, len, askcmd_keep, &a->said);
}

static void on_time(void *arg)
{
    struct slurm_ask *a = arg;
    struct err e = {0};
    if (a->exited) {
        judge(a);
        return;
    }
    said_end(&a->said, askcmd_keep, &a->said);
    finish(a, askcmd_too_slow(a->argv, &a->said, &e), &e);
}

static int start(struct slurm_ask *a, struct err *e)
{
    static const struct loop_stream_ops out_ops = {.on_data = on_data,
                                                   .on_end = on_end};
    static const struct loop_stream_ops err_ops = {.on_data = on_words,
                                                   .on_end = on_end};
    char **env;
    int rc = askcmd_env(a->argv[0], &env);
    if (rc < 0)
        return err_sys(e, rc, "run \"%s\"", a->argv[0]);
    struct loop_proc_spec spec = {.file = a->argv[0],
                                  .argv = a->argv,
                                  .env = env,
                                  .extra_fd = -1,
                                  .stderr_to_stream = true};
    rc = loop_proc_spawn(a->loop, &spec, on_exit_, a, &a->proc, e);
    free(env);
    if (rc < 0)
        return askcmd_not_started(a->argv, rc, e);
    a->io = loop_proc_take_io(a->proc);
    a->err = loop_proc_take_stderr(a->proc);
    a->n_open = 2;
    loop_stream_set(a->io, &out_ops, a);
    loop_stream_shutdown(a->io); /* there is nothing for it to read */
    loop_stream_set(a->err, &err_ops, a);
    loop_stream_read(a->io, true);
    loop_stream_read(a->err, true);
    uint64_t now = loop_now_ms(a->loop);
    loop_timer_start(a->timer, a->end_ms > now ? a->end_ms - now : 0, 0);
    return 0;
}

static int ask(struct loop *l, char *const *argv, const struct slurm_ask *like,
               struct slurm_ask **ret, struct err *e)
{
    struct slurm_ask *a = malloc(sizeof *a);
    if (!a)
        return err_sys(e, -ENOMEM, "run \"%s\"", argv[0]);
    *a = *like;
    a->loop = l;
    a->end_ms = loop_now_ms(l) + SLURM_ASK_MS;
    buf_init(&a->out, SLURM_ASK_BYTES);
    said_init(&a->said);
    a->argv = askcmd_copy(argv);
    a->timer = loop_timer_create(l, on_time, a);
    bool room = a->argv && a->timer && buf_add(&a->out, "", 0) == 0;
    int rc = room ? start(a, e) : err_sys(e, -ENOMEM, "run \"%s\"", argv[0]);
    if (rc < 0)
        slurm_ask_destroy(a);
    else
        *ret = a;
    return rc;
}

int slurm_ask_run(struct loop *l, char *const *argv, slurm_run_done done, void *arg,
                  struct slurm_ask **ret, struct err *e)
{
    struct slurm_ask like = {.on_run = done, .arg = arg};
    return ask(l, argv, &like, ret, e);
}

int slurm_ask_job(struct loop *l, uint32_t id, slurm_ask_done done, void *arg,
                  struct slurm_ask **ret, struct err *e)
{
    struct askcmd_job c;
    askcmd_of_job(&c, id, true);
    struct slurm_ask like = {.on_job = done, .arg = arg, .id = id, .plugin = c.plugin};
    log_debug("job %u: asking %s", id, c.argv[0]);
    return ask(l, c.argv, &like, ret, e);
}
