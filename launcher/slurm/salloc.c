/* SPDX-License-Identifier: MIT */
/* salloc.c - the child and its lifeline; see salloc.h.
 *
 * salloc reads no standard input while its job waits, so a shell beside it does: told the
 * job's number as soon as that is known, it cancels the job when the pipe ends. When the
 * nodes are granted, what salloc starts ends that shell, and reads the pipe in its place.
 * A signal is the last resort: salloc may lock itself up when one comes as it gives nodes
 * back. A number of a process is not used again while its group has members, so the shell
 * cannot hit anybody else.
 */
#include "launcher/slurm/salloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/said.h"
#include "launcher/slurm/gone.h"
#include "launcher/slurm/jobend.h"
#include "launcher/slurm/options.h"
#include "launcher/slurm/sallocwords.h"
#include "proto/base/loop_proc.h"

#define WORDS_MS    500u   /* for the last of them, when the child itself has ended */
#define PATIENCE_MS 10000u /* for salloc to end, once asked */
#define CANCEL_MS   3000u  /* for Slurm to see that salloc is gone */

static const char outer[] =
    "exec 3<&0 </dev/null\n"
    "{\n"
    "    unset SCANCEL_ACCOUNT SCANCEL_BATCH SCANCEL_CTLD SCANCEL_FULL SCANCEL_HURRY\n"
    "    unset SCANCEL_INTERACTIVE SCANCEL_NAME SCANCEL_PARTITION SCANCEL_QOS\n"
    "    unset SCANCEL_STATE SCANCEL_USER SCANCEL_WCKEY\n"
    "    while read -r line <&3; do job=$line; done\n"
    "    for i in 1 2 3 4 5 6; do\n"
    "        [ -z \"$job\" ] || { scancel \"$job\" && exit; sleep 10; }\n"
    "    done\n"
    "    kill -TERM $$\n"
    "} >/dev/null 2>&1 &\n"
    "AOLANI_WATCH=$!\n"
    "export AOLANI_WATCH\n"
    "exec \"$@\" <&3 3<&-\n";
static const char inner[] =
    "kill \"$AOLANI_WATCH\"; " SALLOCENV_SCRIPT "exec cat >/dev/null";

struct salloc {
    struct loop *loop;
    const struct salloc_ops *ops;
    void *arg;
    struct loop_proc *proc;
    struct loop_stream *io, *err;
    struct loop_timer *timer;
    struct slurm_gone *gone;
    struct said said;
    struct buf env;
    uint32_t id;
    unsigned n_open; /* streams that have not ended */
    unsigned stage;  /* how often the child was asked to end */
    bool granted, released, exited, ended;
    bool revoked; /* as salloc said of the job */
    bool proven;  /* the job is over, or `left` says why that is not known */
    struct slurm_end lost;
    struct err why, left; /* code 0: nothing is wrong */
};

/* ---- the end ---- */

/* Who took the nodes, when it was not us. job: NULL: not known. */
static void judge_lost(struct salloc *a, const struct slurm_job *job)
{
    if (job)
        slurm_end_of(job, &a->lost);
    if (!a->revoked)
        err_set(&a->why, ERR_BOOT, "salloc, which held the nodes of job %u, was ended",
                a->id);
    else
        err_set(&a->why, ERR_BOOT, "Slurm took back the nodes of job %u: %s", a->id,
                a->lost.text);
}

static void finish(struct salloc *a)
{
    if (a->ended)
        return;
    a->ended = true;
    loop_timer_stop(a->timer);
    a->ops->on_end(a->arg, a->why.code ? &a->why : NULL,
                   a->left.code ? &a->left : NULL);
}

static void on_gone(void *arg, const struct slurm_job *job, const struct err *e)
{
    struct salloc *a = arg;
    if (e)
        a->left = *e;
    if (a->granted && !a->released && !a->why.code)
        judge_lost(a, job);
    slurm_gone_destroy(a->gone);
    a->gone = NULL;
    a->proven = true;
    if (a->exited)
        finish(a);
}

/* Sees the job end. */
static void prove(struct salloc *a, unsigned cancel_ms)
{
    if (a->gone || a->proven)
        return;
    a->proven = a->id == 0 || slurm_gone_start(a->loop, a->id, cancel_ms, on_gone, a,
                                               &a->gone, &a->left) < 0;
}

static void on_line(void *arg, const char *line);

static void judge_exit(struct salloc *a)
{
    said_end(&a->said, on_line, a);
    if (!a->granted && !a->released && !a->why.code)
        sallocwords_error(said_kept(&a->said), &a->why);
    prove(a, CANCEL_MS);
    if (a->proven)
        finish(a);
}

/* Asks the child to end: kindly, in earnest, and not at all. */
static void press(struct salloc *a)
{
    pid_t pid = loop_proc_pid(a->proc);
    if (a->exited)
        return;
    switch (a->stage++) {
    case 0:
        if (a->granted)
            loop_stream_shutdown(a->io);
        else if (a->id)
            prove(a, 0);
        else
            (void)kill(pid, SIGTERM);
        break;
    case 1:
        prove(a, 0);
        break;
    default: /* not the shell beside it, which may yet cancel the job */
        (void)kill(pid, SIGKILL);
    }
    loop_timer_start(a->timer, PATIENCE_MS, 0);
}

static void on_time(void *arg)
{
    struct salloc *a = arg;
    if (a->exited)
        judge_exit(a);
    else
        press(a);
}

void salloc_release(struct salloc *a)
{
    if (a->ended)
        return;
    if (a->released)
        a->stage = 2;
    a->released = true;
    press(a);
}

/* ---- what the child says ---- */

static void learn_id(struct salloc *a, uint32_t id)
{
    char text[16];
    if (a->id == id)
        return;
    a->id = id;
    (void)snprintf(text, sizeof text, "%u\n", id);
    (void)loop_stream_write(a->io, text, strlen(text));
}

void salloc_revoked(struct salloc *a)
{
    a->revoked = true;
    if (a->granted && !a->released && !a->ended && a->stage == 0)
        press(a);
}

static void on_line(void *arg, const char *line)
{
    struct salloc *a = arg;
    const char *text;
    uint32_t id = a->id, known = a->id;
    enum salloc_word word = sallocwords_line(line, &id, &text);
    if (id && !a->granted)
        learn_id(a, id);
    if (word == SALLOC_ERROR)
        said_keep(&a->said, text);
    else if (word == SALLOC_REVOKED)
        salloc_revoked(a);
    else if (word == SALLOC_PENDING && !known && !a->released)
        a->ops->on_pending(a->arg, id);
    else if (word == SALLOC_SAYS && !a->released)
        a->ops->on_says(a->arg, text);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct salloc *a = arg;
    said_add(&a->said, data, len, on_line, a);
}

static void grant(struct salloc *a)
{
    struct strlist env = {0};
    int rc = sallocenv_parse(&a->env, &env, &a->why);
    a->granted = true;
    if (a->released)
        loop_stream_shutdown(a->io);
    else if (rc < 0)
        press(a);
    else
        a->ops->on_granted(a->arg, &env);
    strlist_fini(&env);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct salloc *a = arg;
    if (a->granted || a->why.code)
        return;
    int rc = buf_add(&a->env, data, len);
    if (rc < 0) {
        err_sys(&a->why, rc, "read what salloc says");
        press(a);
    } else if (sallocenv_is_whole(&a->env)) {
        grant(a);
    }
}

static void on_end(void *arg, int status)
{
    struct salloc *a = arg;
    (void)status;
    if (--a->n_open == 0 && a->exited)
        judge_exit(a);
}

static void on_exit_(void *arg, int wait_status)
{
    struct salloc *a = arg;
    (void)wait_status; /* it is that of the shell inside, or says less than its words */
    a->exited = true;
    if (a->n_open == 0)
        judge_exit(a);
    else
        loop_timer_start(a->timer, WORDS_MS, 0);
}

/* ---- the child ---- */

static int words_of(const struct spec *s, struct strlist *ret, struct err *e)
{
    static const char *const before[] = {"sh", "-c", outer, "sh", "salloc"};
    static const char *const after[] = {"sh", "-c", inner};
    int rc = 0;
    for (size_t i = 0; i < sizeof before / sizeof *before && rc == 0; i++)
        rc = strlist_add(ret, before[i]);
    if (rc == 0 && (rc = slurm_options(s, ret, e)) < 0)
        return rc;
    for (size_t i = 0; i < sizeof after / sizeof *after && rc == 0; i++)
        rc = strlist_add(ret, after[i]);
    return rc < 0 ? err_sys(e, rc, "ask Slurm for nodes") : 0;
}

static int spawn(struct salloc *a, const struct spec *s, struct err *e)
{
    static const struct loop_stream_ops out = {.on_data = on_data, .on_end = on_end};
    static const struct loop_stream_ops err = {.on_data = on_words, .on_end = on_end};
    struct strlist argv = {0};
    int rc = words_of(s, &argv, e);
    struct loop_proc_spec child = {
        .file = "sh", .argv = argv.items, .extra_fd = -1, .stderr_to_stream = true};
    if (rc == 0)
        rc = loop_proc_spawn(a->loop, &child, on_exit_, a, &a->proc, e);
    strlist_fini(&argv);
    if (rc < 0)
        return rc;
    a->io = loop_proc_take_io(a->proc);
    a->err = loop_proc_take_stderr(a->proc);
    a->n_open = 2;
    loop_stream_set(a->io, &out, a);
    loop_stream_set(a->err, &err, a);
    loop_stream_read(a->io, true);
    loop_stream_read(a->err, true);
    return 0;
}

int salloc_start(struct loop *l, const struct spec *s, const struct salloc_ops *ops,
                 void *arg, struct salloc **ret, struct err *e)
{
    struct salloc *a = calloc(1, sizeof *a);
    if (!a)
        return err_sys(e, -ENOMEM, "ask Slurm for nodes");
    a->loop = l;
    a->ops = ops;
    a->arg = arg;
    said_init(&a->said);
    buf_init(&a->env, SALLOCENV_BYTES);
    a->timer = loop_timer_create(l, on_time, a);
    a->lost.why = SLURM_TAKEN;
    (void)snprintf(a->lost.text, sizeof a->lost.text, "it does not say why");
    int rc = a->timer ? spawn(a, s, e) : err_sys(e, -ENOMEM, "ask Slurm for nodes");
    if (rc < 0)
        salloc_destroy(a);
    else
        *ret = a;
    return rc;
}

const struct slurm_end *salloc_lost(const struct salloc *a)
{
    return &a->lost;
}

uint32_t salloc_job(const struct salloc *a)
{
    return a->id;
}

void salloc_destroy(struct salloc *a)
{
    if (!a)
        return;
    slurm_gone_destroy(a->gone);
    /* Has the shell beside it nothing to do any more? */
    if (a->exited && !a->granted && a->proven && !a->left.code)
        (void)kill(-loop_proc_pid(a->proc), SIGKILL);
    loop_stream_destroy(a->io);
    loop_stream_destroy(a->err);
    loop_proc_destroy(a->proc);
    loop_timer_destroy(a->timer);
    said_fini(&a->said);
    buf_fini(&a->env);
    free(a);
}
