/* SPDX-License-Identifier: MIT */
/* describe.c - see describe.h. On a loop of its own: the caller has nothing else to do. */
#include "launcher/describe.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/libdir.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/loop_proc.h"
#include "proto/base/utf8.h"

#define PROGRAM    "aolani-describe"
#define LIMIT_MS   20000u
#define SLOTS_MAX  64u
#define SAID_BYTES 200u /* of its words: the first say most */

struct work;
struct child {
    struct work *work;
    size_t index; /* of the input */
    struct loop_proc *proc;
    struct loop_stream *io, *err;
    struct loop_timer *timer;
    struct buf out;
    char said[SAID_BYTES + 1];
    size_t n_said;
    bool exited, ended, too_long, too_late;
    int status;
};

struct work {
    struct loop *loop;
    const struct describe_input *in;
    struct describe_result *ret;
    size_t n, next, n_slots, n_running;
    struct child *slots;
    char program[PATH_MAX + 64];
    uint64_t limit_ms;
    int signum; /* of the user */
};

static void fill_slots(struct work *w);

/* ---- what a child has left ---- */

static const char *what_is_read(const struct describe_input *in)
{
    return in->file ? in->file : "this machine";
}

static int say_crash(const struct child *c, const char *what, struct err *e)
{
    char why[300];
    const char *says = c->n_said ? ": " : "";
    if (c->too_long)
        (void)snprintf(why, sizeof why, "more than %u bytes of description came",
                       LIMIT_TOPOLOGY_BYTES);
    else if (c->too_late) {
        char text[24];
        clock_format_duration(c->work->limit_ms, text, sizeof text);
        (void)snprintf(why, sizeof why, "not read within %s", text);
    } else if (WIFSIGNALED(c->status))
        (void)snprintf(why, sizeof why, PROGRAM " died reading it (%s)%s%s",
                       strsignal(WTERMSIG(c->status)), says, c->said);
    else
        (void)snprintf(why, sizeof why, PROGRAM " ended with status %d%s%s",
                       WEXITSTATUS(c->status), says, c->said);
    err_set(e, ERR_USAGE, "read the topology \"%s\": %s", what, why);
    if (c->work->in[c->index].file && !c->too_late)
        err_hint(e, "it may be damaged; export it again: lstopo --of xml FILE");
    return e->code;
}

/* The helper's own words, with the file's name where they lack it. */
static int say_refused(const Aolani__Topology *m, const char *what, struct err *e)
{
    char text[400], hint[200];
    (void)snprintf(text, sizeof text, "%s", m->error);
    (void)snprintf(hint, sizeof hint, "%s", m->hint);
    utf8_make_printable(text);
    utf8_make_printable(hint);
    if (strstr(text, what))
        err_set(e, ERR_USAGE, "%s", text);
    else
        err_set(e, ERR_USAGE, "read the topology \"%s\": %s", what, text);
    return hint[0] ? err_hint(e, "%s", hint) : e->code;
}

static void conclude(struct child *c)
{
    struct describe_result *r = &c->work->ret[c->index];
    const char *what = what_is_read(&c->work->in[c->index]);
    bool whole = !c->too_long && !c->too_late && WIFEXITED(c->status) &&
                 WEXITSTATUS(c->status) <= 1;
    Aolani__Topology *m = whole && c->out.len
                              ? aolani__topology__unpack(NULL, c->out.len, c->out.data)
                              : NULL;
    if (m && WEXITSTATUS(c->status) == 0) {
        r->m = m;
        return;
    }
    if (m && m->error[0])
        say_refused(m, what, &r->e);
    else if (whole && c->out.len && !m)
        err_set(&r->e, ERR_USAGE,
                "read the topology \"%s\": the answer of " PROGRAM " is none", what);
    else
        say_crash(c, what, &r->e);
    if (m)
        aolani__topology__free_unpacked(m, NULL);
}

/* ---- a child ---- */

static void child_fini(struct child *c)
{
    if (!c->work)
        return;
    loop_stream_destroy(c->io);
    loop_stream_destroy(c->err);
    loop_proc_destroy(c->proc);
    loop_timer_destroy(c->timer);
    buf_fini(&c->out);
    *c = (struct child){0};
}

static void finish(struct child *c)
{
    struct work *w = c->work;
    conclude(c);
    child_fini(c);
    w->n_running--;
    fill_slots(w);
}

static void give_up(struct child *c)
{
    (void)loop_proc_kill(c->proc, SIGKILL);
    c->ended = true; /* whoever else may hold the pipe */
    if (c->exited)
        finish(c);
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct child *c = arg;
    if (c->too_long || buf_add(&c->out, data, len) == 0)
        return;
    c->too_long = true;
    give_up(c);
}

static void on_end(void *arg, int status)
{
    struct child *c = arg;
    (void)status;
    c->ended = true;
    if (c->exited)
        finish(c);
}

static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct child *c = arg;
    size_t room = SAID_BYTES - c->n_said;
    len = len < room ? len : room;
    memcpy(c->said + c->n_said, data, len);
    c->n_said += len;
    c->said[c->n_said] = '\0';
    c->said[strcspn(c->said, "\n")] = '\0';
    utf8_make_printable(c->said);
}

static void on_words_end(void *arg, int status)
{
    (void)arg;
    (void)status;
}

static void on_exit_(void *arg, int wait_status)
{
    struct child *c = arg;
    c->exited = true;
    c->status = wait_status;
    if (c->ended)
        finish(c);
}

static void on_time(void *arg)
{
    struct child *c = arg;
    c->too_late = true;
    give_up(c);
}

static bool is_folder(const char *path)
{
    char inside[PATH_MAX];
    (void)snprintf(inside, sizeof inside, "%s/.", path);
    return access(inside, F_OK) == 0;
}

static int child_start(struct child *c, struct work *w, size_t index)
{
    static const struct loop_stream_ops out_ops = {.on_data = on_data,
                                                   .on_end = on_end};
    static const struct loop_stream_ops err_ops = {.on_data = on_words,
                                                   .on_end = on_words_end};
    const struct describe_input *in = &w->in[index];
    const char *argv[6] = {PROGRAM};
    size_t argc = 1;
    if (in->file) {
        argv[argc++] = is_folder(in->file) ? "--root" : "--xml";
        argv[argc++] = in->file;
    }
    if (in->sysfs) {
        argv[argc++] = "--sysfs";
        argv[argc++] = in->sysfs;
    }
    struct loop_proc_spec spec = {.file = w->program,
                                  .argv = (char *const *)argv,
                                  .extra_fd = -1,
                                  .stderr_to_stream = true};
    *c = (struct child){.work = w, .index = index};
    buf_init(&c->out, LIMIT_TOPOLOGY_BYTES);
    c->timer = loop_timer_create(w->loop, on_time, c);
    int rc = c->timer ? 0 : err_sys(&w->ret[index].e, -ENOMEM, "start " PROGRAM);
    if (rc == 0)
        rc = loop_proc_spawn(w->loop, &spec, on_exit_, c, &c->proc, &w->ret[index].e);
    if (rc < 0) {
        child_fini(c);
        return rc;
    }
    c->io = loop_proc_take_io(c->proc);
    c->err = loop_proc_take_stderr(c->proc);
    loop_stream_set(c->io, &out_ops, c);
    loop_stream_shutdown(c->io);
    loop_stream_set(c->err, &err_ops, c);
    loop_stream_read(c->io, true);
    loop_stream_read(c->err, true);
    loop_timer_start(c->timer, w->limit_ms, 0);
    return 0;
}

/* ---- all of them ---- */

static void fill_slots(struct work *w)
{
    while (w->next < w->n && w->n_running < w->n_slots && !w->signum) {
        struct child *c = w->slots;
        while (c->work)
            c++;
        if (child_start(c, w, w->next++) == 0)
            w->n_running++;
    }
    if (w->n_running == 0)
        loop_stop(w->loop);
}

static void on_signal(int signum, void *arg)
{
    struct work *w = arg;
    w->signum = signum;
    for (size_t i = 0; i < w->n_slots; i++) {
        if (w->slots[i].work)
            (void)loop_proc_kill(w->slots[i].proc, SIGKILL);
    }
    loop_stop(w->loop);
}

static int work_run(struct work *w, struct err *e)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct loop_signal *watches[3];
    int rc = loop_create(&w->loop, e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < 3; i++)
        watches[i] = loop_signal_create(w->loop, signals[i], on_signal, w);
    fill_slots(w);
    if (w->n_running > 0)
        loop_run(w->loop);
    for (size_t i = 0; i < w->n_slots; i++)
        child_fini(&w->slots[i]);
    for (size_t i = 0; i < 3; i++)
        loop_signal_destroy(watches[i]);
    loop_destroy(w->loop);
    return w->signum;
}

int describe_all(const struct describe_input *in, size_t n, uint64_t limit_ms,
                 struct describe_result *ret, struct err *e)
{
    char folder[PATH_MAX + 16];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct work w = {.in = in, .ret = ret, .n = n};
    memset(ret, 0, n * sizeof *ret);
    int rc = libdir_find(PROGRAM, "the program that describes nodes", folder,
                         sizeof folder, e);
    if (rc < 0)
        return rc;
    (void)snprintf(w.program, sizeof w.program, "%s/" PROGRAM, folder);
    w.limit_ms = limit_ms ? limit_ms : LIMIT_MS;
    w.n_slots = cores > 1 ? (size_t)cores : 1;
    w.n_slots = w.n_slots < SLOTS_MAX ? w.n_slots : SLOTS_MAX;
    w.n_slots = w.n_slots < n ? w.n_slots : n;
    w.slots = calloc(w.n_slots + 1, sizeof *w.slots);
    rc = w.slots ? work_run(&w, e) : err_sys(e, -ENOMEM, "read %zu topologies", n);
    free(w.slots);
    return rc;
}

void describe_free(struct describe_result *all, size_t n)
{
    for (size_t i = 0; all && i < n; i++) {
        if (all[i].m)
            aolani__topology__free_unpacked(all[i].m, NULL);
        all[i].m = NULL;
    }
}
