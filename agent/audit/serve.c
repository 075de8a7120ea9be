/* SPDX-License-Identifier: MIT */
/* serve.c - see serve.h. */
#include "agent/audit/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/looks.h"
#include "agent/audit/measure.h"
#include "agent/audit/pair.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/wire/auditlink.h"

#define SERVE_PROGRESS_MS 100u

struct serve {
    const struct machine *m;
    const struct err *why;
    int in, out;
    uint32_t id;          /* of the question */
    uint64_t progress_ms; /* when something was last said of it */
};

/* ---- questions ---- */

static int check_end(const ProtobufCBinaryData *token, const char *address,
                     const char *nic, struct err *e)
{
    if (token->len != PAIR_TOKEN_BYTES)
        return err_set(e, ERR_PARSE, "measure a pair: a token of %zu bytes",
                       token->len);
    if (strlen(address) > 64)
        return err_set(e, ERR_PARSE, "measure a pair: no address");
    if (strlen(nic) > LIMIT_DEVICE_NAME || strchr(nic, '/'))
        return err_set(e, ERR_PARSE, "measure a pair: no name of an HCA");
    return 0;
}

int serve_check(const Aolani__AuditAsk *m, struct err *e)
{
    switch ((int)m->is_case) {
    case AOLANI__AUDIT_ASK__IS_LOOK:
    case AOLANI__AUDIT_ASK__IS_MEASURE: /* which keeps its budget within bounds */
        return 0;
    case AOLANI__AUDIT_ASK__IS_LISTEN:
        return check_end(&m->listen->token, m->listen->address, m->listen->nic, e);
    case AOLANI__AUDIT_ASK__IS_REACH:
        if (m->reach->port == 0 || m->reach->port > 65535)
            return err_set(e, ERR_PARSE, "measure a pair: port %u", m->reach->port);
        return check_end(&m->reach->token, m->reach->address, m->reach->nic, e);
    default:
        return err_set(e, ERR_PARSE, "what is asked is not known to this version");
    }
}

int serve_decode(const uint8_t *data, size_t len, Aolani__AuditAsk **ret, struct err *e)
{
    Aolani__AuditAsk *m = aolani__audit_ask__unpack(NULL, len, data);
    if (!m)
        return err_set(e, ERR_PARSE, "read a question: it does not decode");
    *ret = m;
    return 0;
}

/* ---- answers ---- */

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int say(const struct serve *s, const Aolani__AuditSaid *m)
{
    struct buf out;
    buf_init(&out, 4 + AUDITLINK_SAID);
    int rc = auditlink_frame(&out, &m->base, AUDITLINK_SAID);
    if (rc == 0)
        rc = write_all(s->out, out.data, out.len);
    buf_fini(&out);
    return rc;
}

static int say_error(const struct serve *s, const struct err *why)
{
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    m.id = s->id;
    m.last = true;
    m.error = (char *)why->text;
    m.hint = (char *)why->hint;
    return say(s, &m);
}

/* The last answer, or that it is longer than one can be. */
static int say_last(const struct serve *s, Aolani__AuditSaid *m, struct err *e)
{
    m->id = s->id;
    m->last = true;
    int rc = say(s, m);
    if (rc == ERR_LIMIT) {
        err_set(e, ERR_LIMIT, "the answer is longer than the %u KiB that are taken",
                AUDITLINK_SAID >> 10);
        rc = say_error(s, e);
    }
    return rc;
}

static void say_progress(void *arg, const char *what, unsigned percent)
{
    struct serve *s = arg;
    struct pollfd room = {.fd = s->out, .events = POLLOUT};
    uint64_t now = clock_mono_ns() / 1000000u;
    if (now - s->progress_ms < SERVE_PROGRESS_MS || poll(&room, 1, 0) != 1 ||
        !(room.revents & POLLOUT))
        return;
    Aolani__AuditProgress progress = AOLANI__AUDIT_PROGRESS__INIT;
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    progress.what = (char *)what;
    progress.percent = percent < 100 ? percent : 100;
    m.id = s->id;
    m.is_case = AOLANI__AUDIT_SAID__IS_PROGRESS;
    m.progress = &progress;
    s->progress_ms = now;
    (void)say(s, &m); /* the last answer will meet what is wrong */
}

/* ---- serving ----
 * Each fills in the last answer, or e. */

static int serve_look(struct serve *s, const Aolani__AuditLook *ask,
                      Aolani__AuditSaid *ret, struct err *e)
{
    ret->is_case = AOLANI__AUDIT_SAID__IS_FOUND;
    return looks_run(s->m, ask->skip, ask->n_skip, say_progress, s, &ret->found, e);
}

static int serve_measure(struct serve *s, const Aolani__AuditMeasure *ask,
                         Aolani__AuditSaid *ret, struct err *e)
{
    ret->is_case = AOLANI__AUDIT_SAID__IS_MEASURED;
    return measure_run(ask->budget_ms, say_progress, s, &ret->measured, e);
}

static int serve_listen(struct serve *s, const Aolani__AuditListen *ask, struct err *e)
{
    Aolani__AuditListening listening = AOLANI__AUDIT_LISTENING__INIT;
    Aolani__AuditSaid m = AOLANI__AUDIT_SAID__INIT;
    struct pair_listener *l;
    int rc = pair_listen(ask, &l, &listening.port, e);
    if (rc < 0)
        return rc;
    m.id = s->id;
    m.is_case = AOLANI__AUDIT_SAID__IS_LISTENING;
    m.listening = &listening;
    (void)say(s, &m); /* as above; the listener has to be ended in any case */
    return pair_serve(l, e);
}

static int serve_reach(const Aolani__AuditReach *ask, Aolani__AuditSaid *ret,
                       struct err *e)
{
    ret->is_case = AOLANI__AUDIT_SAID__IS_PAIR;
    return pair_reach(ask, &ret->pair, e);
}

static int answer(struct serve *s, const Aolani__AuditAsk *ask, Aolani__AuditSaid *ret,
                  struct err *e)
{
    int rc = serve_check(ask, e);
    if (rc < 0)
        return rc;
    if (!s->m) {
        *e = *s->why;
        return e->code;
    }
    if (ask->is_case == AOLANI__AUDIT_ASK__IS_LOOK)
        return serve_look(s, ask->look, ret, e);
    if (!machine_is_live(s->m))
        return err_set(e, ERR_USAGE, "measure a machine of which only facts are here");
    if (ask->is_case == AOLANI__AUDIT_ASK__IS_MEASURE)
        return serve_measure(s, ask->measure, ret, e);
    if (ask->is_case == AOLANI__AUDIT_ASK__IS_LISTEN)
        return serve_listen(s, ask->listen, e);
    return serve_reach(ask->reach, ret, e);
}

static int serve_one(struct serve *s, const uint8_t *data, size_t len, struct err *e)
{
    Aolani__AuditAsk *ask = NULL;
    Aolani__AuditSaid *m = malloc(sizeof *m);
    struct err why = {0};
    int rc = m ? serve_decode(data, len, &ask, e) : err_sys(e, -ENOMEM, "answer");
    if (rc < 0) {
        free(m);
        return rc;
    }
    aolani__audit_said__init(m);
    s->id = ask->id;
    s->progress_ms = 0;
    rc = answer(s, ask, m, &why);
    if (rc < 0) {
        m->is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
        rc = say_error(s, &why);
    } else {
        rc = say_last(s, m, &why);
    }
    aolani__audit_said__free_unpacked(m, NULL);
    aolani__audit_ask__free_unpacked(ask, NULL);
    return rc < 0 ? err_sys(e, rc, "answer") : 0;
}

/* 1: there is a whole one; 0: the end, and nothing half. */
static int read_frame(const struct serve *s, struct buf *in, const uint8_t **ret,
                      size_t *ret_len, struct err *e)
{
    for (;;) {
        uint8_t *at;
        int rc = auditlink_next(in, AUDITLINK_ASK, ret, ret_len);
        if (rc > 0)
            return rc;
        if (rc == 0)
            rc = buf_reserve(in, AUDITLINK_ASK, &at);
        if (rc < 0)
            return err_set(e, rc, "read a question: too long");
        ssize_t n = read(s->in, at, AUDITLINK_ASK);
        if (n == 0)
            return in->len == 0 ? 0 : err_set(e, ERR_PARSE, "read a question: cut off");
        if (n < 0 && errno != EINTR)
            return err_sys(e, -errno, "read a question");
        in->len += n > 0 ? (size_t)n : 0;
    }
}

int serve_run(const struct machine *m, const struct err *why, int in, int out,
              struct err *e)
{
    struct serve s = {.m = m, .why = why, .in = in, .out = out};
    struct buf asked;
    const uint8_t *frame;
    size_t len;
    int rc;
    buf_init(&asked, 2 * (AUDITLINK_ASK + 4));
    while ((rc = read_frame(&s, &asked, &frame, &len, e)) > 0) {
        rc = serve_one(&s, frame, len, e);
        if (rc < 0)
            break;
        buf_consume(&asked, 4 + len);
    }
    buf_fini(&asked);
    return rc;
}
