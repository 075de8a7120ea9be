/* SPDX-License-Identifier: MIT */
/* auditlink.c - see auditlink.h. The helper is a group of processes of its own
 * (loop_proc), killed as a whole: what it has started is ended with it. */
#include "proto/wire/auditlink.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/base/cur.h"
#include "proto/base/loop_proc.h"
#include "proto/base/utf8.h"

#define AUDITLINK_DRAIN_MS 1000 /* between its exit and the end of what it said */
#define AUDITLINK_LINE     200
#define AUDITLINK_NO_LIB   127 /* as the dynamic loader ends */

struct auditlink {
    struct auditlink_config c;
    auditlink_f said;
    void *arg;
    struct loop_proc *proc; /* NULL: not running */
    struct loop_stream *io, *words;
    struct loop_timer *timer;
    struct buf in;
    bool exited, ended; /* the process; what it says */
    int status;
    char line[AUDITLINK_LINE]; /* the last of its standard error */
    size_t line_len;
    bool line_ended;

    bool asked; /* a question is under way */
    uint32_t id, n_said;
    size_t n_bytes;
    struct err failed; /* code 0: not so far; told by the timer */
};

/* ---- frames ---- */

int auditlink_frame(struct buf *out, const ProtobufCMessage *m, size_t max)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *at;
    if (size > max)
        return ERR_LIMIT;
    int rc = buf_reserve(out, 4 + size, &at);
    if (rc < 0)
        return rc;
    put_u32(at, (uint32_t)size);
    (void)protobuf_c_message_pack(m, at + 4);
    out->len += 4 + size;
    return 0;
}

int auditlink_next(const struct buf *b, size_t max, const uint8_t **ret,
                   size_t *ret_len)
{
    if (b->len < 4)
        return 0;
    struct cur c = cur_of(b->data, 4);
    uint32_t size = cur_u32(&c);
    if (size > max)
        return ERR_LIMIT;
    if (b->len - 4 < size)
        return 0;
    *ret = b->data + 4;
    *ret_len = size;
    return 1;
}

/* ---- its end ---- */

static void auditlink_drop(struct auditlink *l)
{
    if (l->proc && !l->exited) {
        (void)kill(-loop_proc_pid(l->proc), SIGKILL);
        (void)loop_proc_kill(l->proc, SIGKILL);
    }
    loop_stream_destroy(l->io);
    loop_stream_destroy(l->words);
    loop_proc_destroy(l->proc);
    l->io = l->words = NULL;
    l->proc = NULL;
    l->in.len = 0;
    l->exited = l->ended = false;
}

/* Who asks hears it from the loop, never from within its own call. */
static void auditlink_fail(struct auditlink *l)
{
    auditlink_drop(l);
    loop_timer_start(l->timer, 0, 0);
}

static void auditlink_answer_failure(struct auditlink *l)
{
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    struct err e = l->failed;
    l->failed.code = 0;
    if (!l->asked)
        return;
    l->asked = false;
    m.id = l->id;
    m.last = true;
    m.error = e.text;
    m.hint = e.hint;
    l->said(l->arg, &m);
}

static void auditlink_judge_end(struct auditlink *l)
{
    struct err *e = &l->failed;
    utf8_make_printable(l->line);
    const char *sep = l->line[0] ? ": " : "";
    if (!l->exited)
        err_set(e, -EIO, "aolani-audit says nothing more%s%s", sep, l->line);
    else if (WIFSIGNALED(l->status))
        err_set(e, -EIO, "aolani-audit ended by signal %d (%s)%s%s",
                WTERMSIG(l->status), strsignal(WTERMSIG(l->status)), sep, l->line);
    else
        err_set(e, -EIO, "aolani-audit ended with status %d%s%s",
                WEXITSTATUS(l->status), sep, l->line);
    if (l->exited && WIFEXITED(l->status) && WEXITSTATUS(l->status) == AUDITLINK_NO_LIB)
        err_hint(e, "as new a libc as it was built with is missing there");
    else
        err_hint(e, "run \"%.150s --text\" on the node", l->c.path);
}

static void auditlink_on_timer(void *arg)
{
    struct auditlink *l = arg;
    if (!l->failed.code) {
        auditlink_judge_end(l);
        auditlink_drop(l);
    }
    auditlink_answer_failure(l);
}

/* Its exit says why it ended, the end of its output that nothing more comes: both are
 * waited for, but a process that it left behind may hold the output open. */
static void auditlink_on_either_end(struct auditlink *l)
{
    loop_timer_start(l->timer, l->exited && l->ended ? 0 : AUDITLINK_DRAIN_MS, 0);
}

static void auditlink_on_end(void *arg, int status)
{
    struct auditlink *l = arg;
    (void)status;
    loop_stream_read(l->io, false);
    l->ended = true;
    auditlink_on_either_end(l);
}

static void auditlink_on_exit(void *arg, int wait_status)
{
    struct auditlink *l = arg;
    l->exited = true;
    l->status = wait_status;
    auditlink_on_either_end(l);
}

/* ---- what it says ---- */

static bool auditlink_take(struct auditlink *l, const uint8_t *data, size_t len)
{
    Aolani__AuditSaid *m = aolani__audit_said__unpack(NULL, len, data);
    l->n_bytes += len;
    if (!m)
        err_set(&l->failed, ERR_PARSE, "aolani-audit said what does not decode");
    else if (!l->asked || m->id != l->id)
        err_set(&l->failed, ERR_PARSE, "aolani-audit answered what was not asked");
    else if (++l->n_said > AUDITLINK_SAIDS || l->n_bytes > AUDITLINK_BYTES)
        err_set(&l->failed, ERR_LIMIT, "aolani-audit said too much");
    if (l->failed.code) {
        if (m)
            aolani__audit_said__free_unpacked(m, NULL);
        return false;
    }
    l->asked = !m->last;
    l->said(l->arg, m);
    aolani__audit_said__free_unpacked(m, NULL);
    return true;
}

static void auditlink_on_data(void *arg, const uint8_t *data, size_t len)
{
    struct auditlink *l = arg;
    const uint8_t *frame;
    size_t n;
    int rc = buf_add(&l->in, data, len);
    while (rc == 0 && (rc = auditlink_next(&l->in, AUDITLINK_SAID, &frame, &n)) > 0) {
        if (!auditlink_take(l, frame, n)) {
            auditlink_fail(l);
            return;
        }
        buf_consume(&l->in, 4 + n);
        rc = 0;
    }
    if (rc < 0) {
        err_set(&l->failed, rc, "aolani-audit said too much");
        auditlink_fail(l);
    }
}

/* The last line that is not empty: what matters comes last. */
static void auditlink_on_words(void *arg, const uint8_t *data, size_t len)
{
    struct auditlink *l = arg;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            l->line_ended = true;
            continue;
        }
        if (l->line_ended)
            l->line_len = 0;
        l->line_ended = false;
        if (data[i] && l->line_len + 1 < sizeof l->line)
            l->line[l->line_len++] = (char)data[i];
    }
    l->line[l->line_len] = '\0';
}

static void auditlink_on_words_end(void *arg, int status)
{
    struct auditlink *l = arg;
    (void)status;
    loop_stream_destroy(l->words);
    l->words = NULL;
}

/* ---- asking ---- */

static int auditlink_start(struct auditlink *l, struct err *e)
{
    static const struct loop_stream_ops io_ops = {auditlink_on_data, auditlink_on_end,
                                                  NULL};
    static const struct loop_stream_ops words_ops = {auditlink_on_words,
                                                     auditlink_on_words_end, NULL};
    const char *argv[] = {"aolani-audit", "--serve", l->c.root ? "--root" : NULL,
                          l->c.root, NULL};
    struct loop_proc_spec spec = {.file = l->c.path,
                                  .argv = (char *const *)argv,
                                  .extra_fd = -1,
                                  .stderr_to_stream = true};
    if (!l->c.path)
        return err_set(e, -ENOENT, "the helper \"aolani-audit\" is not there");
    l->line[0] = '\0';
    l->line_len = 0;
    int rc = loop_proc_spawn(l->c.loop, &spec, auditlink_on_exit, l, &l->proc, e);
    if (rc < 0)
        return rc == -ENOENT /* the file is there: its loader is not */
                   ? err_hint(e, "it was built for another C library")
                   : rc;
    l->io = loop_proc_take_io(l->proc);
    l->words = loop_proc_take_stderr(l->proc);
    loop_stream_set(l->io, &io_ops, l);
    loop_stream_set(l->words, &words_ops, l);
    loop_stream_read(l->io, true);
    loop_stream_read(l->words, true);
    return 0;
}

int auditlink_ask(struct auditlink *l, const Aolani__AuditAsk *m, struct err *e)
{
    struct buf frame;
    if (l->asked || (l->id == m->id && m->id))
        return err_set(e, ERR_PROTO, "audit this node: question %u %s", l->id,
                       l->asked ? "is under way" : "was asked before");
    buf_init(&frame, 4 + AUDITLINK_ASK);
    int rc = auditlink_frame(&frame, &m->base, AUDITLINK_ASK);
    if (rc < 0) {
        buf_fini(&frame);
        return rc == ERR_LIMIT
                   ? err_set(e, ERR_PROTO, "audit this node: too long a question")
                   : err_sys(e, rc, "audit this node");
    }
    l->asked = true;
    l->id = m->id;
    l->n_said = 0;
    l->n_bytes = 0;
    if (!l->proc || l->exited || l->ended) { /* it has ended unasked */
        loop_timer_stop(l->timer);
        l->failed.code = 0;
        auditlink_drop(l);
    }
    if (!l->proc && auditlink_start(l, &l->failed) < 0)
        auditlink_fail(l);
    else
        (void)loop_stream_write(l->io, frame.data,
                                frame.len); /* if not, it has ended */
    buf_fini(&frame);
    return 0;
}

bool auditlink_is_busy(const struct auditlink *l)
{
    return l->asked;
}

/* ---- life ---- */

int auditlink_create(const struct auditlink_config *c, auditlink_f said, void *arg,
                     struct auditlink **ret, struct err *e)
{
    struct auditlink *l = calloc(1, sizeof *l);
    if (!l || !(l->timer = loop_timer_create(c->loop, auditlink_on_timer, l))) {
        free(l);
        return err_sys(e, -ENOMEM, "audit this node");
    }
    l->c = *c;
    l->said = said;
    l->arg = arg;
    buf_init(&l->in, 2 * (AUDITLINK_SAID + 4) + (64u << 10));
    *ret = l;
    return 0;
}

void auditlink_destroy(struct auditlink *l)
{
    if (!l)
        return;
    auditlink_drop(l);
    loop_timer_destroy(l->timer);
    buf_fini(&l->in);
    free(l);
}
