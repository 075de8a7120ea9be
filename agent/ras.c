/* SPDX-License-Identifier: MIT */
/* ras.c - see ras.h. A connection is greeted before anything is asked: whatever else has
 * the port is not taken for NCCL. */
#include "agent/ras.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/heads.h"
#include "proto/base/limits.h"
#include "proto/base/loop_stream.h"

#define HELLO     "CLIENT PROTOCOL 2\n"
#define GREETING  "SERVER PROTOCOL "
#define QUESTION  "VERBOSE STATUS\n"
#define LOCALHOST "localhost:"

struct ras {
    struct loop *loop;
    ras_done *done;
    void *arg;
    char address[HEADS_TEXT];
    struct sockaddr_storage at;
    struct loop_stream *stream;
    struct loop_timer *timer; /* of a try, later of the whole */
    uint64_t since_ms;
    unsigned tries;
    bool greeted;
    struct err failed; /* before there was a stream: told by the timer */
    char text[LIMIT_RAS_TEXT];
    size_t len;
};

static void begin_try(struct ras *r);

/* ---- the end */

static void hang_up(struct ras *r)
{
    loop_stream_destroy(r->stream);
    r->stream = NULL;
    loop_timer_stop(r->timer);
}

/* r may be gone after it. */
static void answer(struct ras *r, bool cut)
{
    struct ras_answer a = {.text = r->text, .len = r->len, .cut = cut};
    hang_up(r);
    r->done(r->arg, &a);
}

static void fail(struct ras *r, const struct err *e)
{
    struct ras_answer a = {.error = *e};
    hang_up(r);
    r->done(r->arg, &a);
}

static void fail_sys(struct ras *r, int status)
{
    struct err e;
    (void)err_sys(&e, status, "ask NCCL's RAS at \"%s\"", r->address);
    if (status == -ECONNREFUSED)
        err_hint(&e, "it listens with NCCL 2.24 and later, unless NCCL_RAS_ENABLE=0");
    fail(r, &e);
}

/* ---- what comes */

/* False: no whole line has come. */
static bool take_greeting(struct ras *r)
{
    struct err e;
    char *end = memchr(r->text, '\n', r->len);
    if (!end && r->len < sizeof GREETING + 20)
        return false;
    if (!end || r->len < strlen(GREETING) ||
        strncasecmp(r->text, GREETING, strlen(GREETING)) != 0) {
        (void)err_set(&e, ERR_PROTO,
                      "ask NCCL's RAS at \"%s\": another service answers", r->address);
        fail(r, &e);
        return false;
    }
    /* Its number is of no use: what is asked is the same in all versions. */
    r->greeted = true;
    r->len -= (size_t)(end + 1 - r->text);
    memmove(r->text, end + 1, r->len);
    uint64_t spent = loop_now_ms(r->loop) - r->since_ms;
    loop_timer_start(r->timer, spent < RAS_WAIT_MS ? RAS_WAIT_MS - spent : 0, 0);
    (void)loop_stream_write(r->stream, QUESTION, strlen(QUESTION));
    return true;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct ras *r = arg;
    size_t room = sizeof r->text - r->len;
    bool cut = len > room;
    memcpy(r->text + r->len, data, cut ? room : len);
    r->len += cut ? room : len;
    if (!r->greeted && !take_greeting(r))
        return;
    if (cut)
        answer(r, true);
}

/* An answer ends with the connection. */
static void on_end(void *arg, int status)
{
    struct ras *r = arg;
    if (r->greeted && r->len > 0)
        answer(r, status < 0);
    else
        fail_sys(r, status < 0 ? status : -ECONNRESET);
}

static void on_connect(void *arg, int status)
{
    struct ras *r = arg;
    if (status < 0) {
        fail_sys(r, status);
        return;
    }
    loop_stream_read(r->stream, true);
    (void)loop_stream_write(r->stream, HELLO, strlen(HELLO));
}

/* ---- tries */

static void on_timer(void *arg)
{
    struct ras *r = arg;
    if (r->failed.code != 0)
        fail(r, &r->failed);
    else if (r->greeted && r->len > 0)
        answer(r, true);
    else if (r->greeted || r->tries == RAS_TRIES)
        fail_sys(r, -ETIMEDOUT);
    else
        begin_try(r);
}

static void begin_try(struct ras *r)
{
    static const struct loop_stream_ops ops = {.on_data = on_data, .on_end = on_end};
    hang_up(r);
    r->tries++;
    r->len = 0;
    int rc = loop_stream_connect(r->loop, (struct sockaddr *)&r->at, &ops, on_connect,
                                 r, &r->stream, &r->failed);
    if (rc == 0)
        r->failed.code = 0;
    loop_timer_start(r->timer, rc == 0 ? RAS_GREET_MS : 0, 0);
}

int ras_ask(struct loop *loop, const char *address, ras_done *done, void *arg,
            struct ras **ret, struct err *e)
{
    struct ras *r = calloc(1, sizeof *r);
    if (!r || !(r->timer = loop_timer_create(loop, on_timer, r))) {
        ras_destroy(r);
        return err_sys(e, -ENOMEM, "ask NCCL's RAS");
    }
    r->loop = loop;
    r->done = done;
    r->arg = arg;
    r->since_ms = loop_now_ms(loop);
    bool by_name = strncmp(address, LOCALHOST, strlen(LOCALHOST)) == 0;
    int n = snprintf(r->address, sizeof r->address, "%s%s", by_name ? "127.0.0.1:" : "",
                     by_name ? address + strlen(LOCALHOST) : address);
    if (n >= (int)sizeof r->address || heads_parse(r->address, &r->at) < 0) {
        ras_destroy(r);
        return err_set(e, ERR_PARSE, "ask NCCL's RAS at \"%.64s\": it is no address",
                       address);
    }
    begin_try(r);
    *ret = r;
    return 0;
}

void ras_destroy(struct ras *r)
{
    if (!r)
        return;
    loop_stream_destroy(r->stream);
    loop_timer_destroy(r->timer);
    free(r);
}

uint16_t ras_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool known = fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 &&
                 getsockname(fd, (struct sockaddr *)&at, &len) == 0;
    if (fd >= 0)
        close(fd);
    return known ? ntohs(at.sin_port) : 0;
}
