/* SPDX-License-Identifier: MIT */
/* pmixlink.c - the agent's end of aolani-pmix.
 *
 * Messages pass through; none may be lost, or ranks on other nodes would wait for ever, so
 * what the session does not take at once waits here, in order. A helper that has gone is
 * one message too: this node gives no more parts, and the head fails what waits for it.
 * A descriptor of its own carries the messages: what the library prints cannot spoil them.
 */
#include "agent/pmixlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/loop_proc.h"
#include "proto/wire/pmixwire.h"

#define READY_WITHIN_MS 10000u
#define EXIT_WITHIN_MS  200u
#define RETRY_MS        50u
#define LOG_LINES_MAX   32u /* of the helper's own words, in a job */
#define LOG_TEXT_MAX    1024u

/* A message that waits for room in the session. */
struct waiting {
    struct waiting *next;
    enum message_type type;
    Aolani__PmixMessage *m;
};

struct pmixlink {
    struct loop *loop;
    struct upward up;
    void (*ready)(void *arg, int status, const struct err *e);
    void *arg;
    struct loop_proc *proc;
    struct loop_stream *words;
    struct pmixwire *wire;
    struct loop_timer *patience, *retry;
    Aolani__PmixMessage *envs; /* PmixReady, once it came */
    struct waiting *first, **last;
    size_t waiting_bytes;
    unsigned lines;
    bool told;   /* ready was called */
    bool closed; /* the helper's end of the socket */
    bool gone;   /* the helper is of no use any more */
};

static void say_up(struct pmixlink *p, enum log_level level, const char *text)
{
    Aolani__Log m = AOLANI__LOG__INIT;
    m.level = level;
    m.text = (char *)text;
    (void)p->up.send(p->up.arg, MSG_LOG, &m.base);
}

static void tell_ready(struct pmixlink *p, int status, const struct err *e)
{
    p->told = true;
    loop_timer_stop(p->patience);
    p->ready(p->arg, status, e);
}

/* The part that goes to the head, and as what. */
static const ProtobufCMessage *part_of(const Aolani__PmixMessage *m,
                                       enum message_type *ret_type)
{
    switch (m->is_case) {
    case AOLANI__PMIX_MESSAGE__IS_FENCE:
        *ret_type = MSG_FENCE;
        return &m->fence->base;
    case AOLANI__PMIX_MESSAGE__IS_GET:
        *ret_type = MSG_MODEX_GET;
        return &m->get->base;
    case AOLANI__PMIX_MESSAGE__IS_GOT:
        *ret_type = MSG_MODEX_DATA;
        return &m->got->base;
    case AOLANI__PMIX_MESSAGE__IS_ABORT:
        *ret_type = MSG_ABORT;
        return &m->abort->base;
    default:
        return NULL;
    }
}

static void lose_helper(struct pmixlink *p, const char *why);

static void waiting_free(struct waiting *w)
{
    aolani__pmix_message__free_unpacked(w->m, NULL);
    free(w);
}

static void flush_waiting(void *arg)
{
    struct pmixlink *p = arg;
    while (p->first) {
        struct waiting *w = p->first;
        const ProtobufCMessage *part = part_of(w->m, &w->type);
        int64_t rc = p->up.send(p->up.arg, w->type, part);
        if (rc == -EAGAIN || rc == ERR_LIMIT)
            return;
        p->waiting_bytes -= protobuf_c_message_get_packed_size(part);
        p->first = w->next;
        if (!p->first)
            p->last = &p->first;
        waiting_free(w);
        if (rc < 0)
            lose_helper(p, "a message could not be sent to the head");
    }
    loop_timer_stop(p->retry);
}

static void pass_up(struct pmixlink *p, const Aolani__PmixMessage *m)
{
    enum message_type type;
    const ProtobufCMessage *part = part_of(m, &type);
    if (!part) {
        lose_helper(p, "it sent a message that it must not");
        return;
    }
    int64_t rc = p->first ? -EAGAIN : p->up.send(p->up.arg, type, part);
    if (rc >= 0)
        return;
    size_t len = protobuf_c_message_get_packed_size(part);
    struct waiting *w = NULL;
    if ((rc == -EAGAIN || rc == ERR_LIMIT) &&
        p->waiting_bytes + len <= LIMIT_SEND_QUEUE)
        w = calloc(1, sizeof *w);
    if (w && !(w->m = pmixwire_copy(m))) {
        free(w);
        w = NULL;
    }
    if (!w) {
        lose_helper(p, "a message could not be sent to the head");
        return;
    }
    *p->last = w;
    p->last = &w->next;
    p->waiting_bytes += len;
    loop_timer_start(p->retry, RETRY_MS, RETRY_MS);
}

/* Once: what waits for this node's parts fails at the head. */
static void lose_helper(struct pmixlink *p, const char *why)
{
    struct err e;
    if (p->gone)
        return;
    p->gone = true;
    pmixwire_destroy(p->wire);
    p->wire = NULL;
    if (!p->told) {
        err_set(&e, -EIO, "start the PMIx server: %s", why);
        tell_ready(p, e.code, &e);
        return;
    }
    (void)snprintf(e.text, sizeof e.text,
                   "the PMIx server of this node is gone (%s): collectives of MPI fail",
                   why);
    say_up(p, LOG_WARN_, e.text);
    Aolani__Fence f = AOLANI__FENCE__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    f.status = ERR_NODE_LOST;
    m.is_case = AOLANI__PMIX_MESSAGE__IS_FENCE;
    m.fence = &f;
    pass_up(p, &m);
}

static void take_ready(struct pmixlink *p, const Aolani__PmixMessage *m)
{
    struct err e = {0};
    if (p->told) {
        lose_helper(p, "it was ready twice");
        return;
    }
    if (m->ready->error[0]) {
        p->gone = true;
        tell_ready(p, err_set(&e, -EIO, "%s", m->ready->error), &e);
        return;
    }
    p->envs = pmixwire_copy(m);
    if (!p->envs)
        lose_helper(p, "out of memory");
    else
        tell_ready(p, 0, &e);
}

static void on_message(void *arg, const Aolani__PmixMessage *m)
{
    struct pmixlink *p = arg;
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_READY)
        take_ready(p, m);
    else
        pass_up(p, m);
}

/* One that has crashed will tell more by its exit status. */
static void on_ended(void *arg, const struct err *e)
{
    struct pmixlink *p = arg;
    if (e->code) {
        lose_helper(p, e->text);
        return;
    }
    p->closed = true;
    loop_timer_start(p->patience, EXIT_WITHIN_MS, 0);
}

static void on_exit_of_helper(void *arg, int wait_status)
{
    char why[64];
    if (WIFSIGNALED(wait_status))
        (void)snprintf(why, sizeof why, "it ended by signal %d", WTERMSIG(wait_status));
    else
        (void)snprintf(why, sizeof why, "it ended with status %d",
                       WEXITSTATUS(wait_status));
    lose_helper(arg, why);
}

static void on_impatience(void *arg)
{
    struct pmixlink *p = arg;
    lose_helper(p, p->closed ? "it closed the connection"
                             : "it did not answer within 10 s");
}

/* The helper's words, and those of the library, line by line; few are kept. */
static void on_words(void *arg, const uint8_t *data, size_t len)
{
    struct pmixlink *p = arg;
    while (len > 0 && p->lines < LOG_LINES_MAX) {
        char text[LOG_TEXT_MAX + 1];
        size_t n = 0, used = 0;
        for (; used < len && data[used] != '\n'; used++)
            if (n < LOG_TEXT_MAX)
                text[n++] =
                    data[used] >= ' ' && data[used] < 127 ? (char)data[used] : '?';
        text[n] = '\0';
        used += used < len;
        data += used;
        len -= used;
        if (n == 0)
            continue;
        p->lines++;
        say_up(p, LOG_WARN_, text);
    }
}

static void on_words_end(void *arg, int status)
{
    struct pmixlink *p = arg;
    (void)status;
    loop_stream_destroy(p->words);
    p->words = NULL;
}

static int send_setup(struct pmixlink *p, const Aolani__Prepare *plan, const char *dir,
                      struct err *e)
{
    char nspace[64];
    Aolani__PmixSetup s = AOLANI__PMIX_SETUP__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    (void)snprintf(nspace, sizeof nspace, "aolani-%.32s", plan->run_id);
    s.nspace = nspace;
    s.node_index = plan->node_index;
    s.n_node_names = plan->n_node_names;
    s.node_names = plan->node_names;
    s.n_first_rank = plan->n_first_rank;
    s.first_rank = plan->first_rank;
    s.tmpdir = (char *)dir;
    s.uid = (uint32_t)geteuid();
    s.gid = (uint32_t)getegid();
    m.is_case = AOLANI__PMIX_MESSAGE__IS_SETUP;
    m.setup = &s;
    int rc = pmixwire_send(p->wire, &m);
    return rc ? err_sys(e, rc, "set up the PMIx server") : 0;
}

static int start_helper(struct pmixlink *p, const char *path, struct err *e)
{
    static const struct pmixwire_ops wire_ops = {on_message, on_ended};
    static const struct loop_stream_ops words_ops = {on_words, on_words_end, NULL};
    char *argv[] = {"aolani-pmix", NULL};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return err_sys(e, -errno, "start \"%s\"", path);
    struct loop_proc_spec spec = {
        .file = path, .argv = argv, .extra_fd = fds[1], .stderr_to_stream = true};
    int rc = loop_proc_spawn(p->loop, &spec, on_exit_of_helper, p, &p->proc, e);
    (void)close(fds[1]);
    if (rc) {
        (void)close(fds[0]);
        return rc;
    }
    loop_stream_destroy(loop_proc_take_io(p->proc));
    p->words = loop_proc_take_stderr(p->proc);
    loop_stream_set(p->words, &words_ops, p);
    loop_stream_read(p->words, true);
    return pmixwire_open(p->loop, fds[0], &wire_ops, p, &p->wire, e);
}

int pmixlink_create(struct loop *l, const char *helper_path,
                    const Aolani__Prepare *plan, const char *dir,
                    const struct upward *up,
                    void (*ready)(void *arg, int status, const struct err *e),
                    void *arg, struct pmixlink **ret, struct err *e)
{
    struct pmixlink *p = calloc(1, sizeof *p);
    int rc = -ENOMEM;
    if (!p)
        return err_sys(e, rc, "start \"%s\"", helper_path);
    p->loop = l;
    p->up = *up;
    p->ready = ready;
    p->arg = arg;
    p->last = &p->first;
    p->patience = loop_timer_create(l, on_impatience, p);
    p->retry = loop_timer_create(l, flush_waiting, p);
    if (!p->patience || !p->retry) {
        err_sys(e, rc, "start \"%s\"", helper_path);
        goto fail;
    }
    rc = start_helper(p, helper_path, e);
    if (!rc)
        rc = send_setup(p, plan, dir, e);
    if (rc)
        goto fail;
    loop_timer_start(p->patience, READY_WITHIN_MS, 0);
    *ret = p;
    return 0;
fail:
    pmixlink_destroy(p);
    return rc;
}

void pmixlink_env(const struct pmixlink *p, uint32_t rank,
                  Aolani__KeyValue *const **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    for (size_t i = 0; p->envs && i < p->envs->ready->n_ranks; i++)
        if (p->envs->ready->ranks[i]->rank == rank) {
            *ret = p->envs->ready->ranks[i]->env;
            *ret_n = p->envs->ready->ranks[i]->n_env;
        }
}

static void send_down(struct pmixlink *p, const Aolani__PmixMessage *m)
{
    int rc = p->gone ? 0 : pmixwire_send(p->wire, m);
    if (rc && rc != -EPIPE) /* one that has closed its end is told of by its exit */
        lose_helper(p, "it does not take messages");
}

void pmixlink_message(struct pmixlink *p, enum message_type type,
                      const ProtobufCMessage *m)
{
    Aolani__PmixMessage down = AOLANI__PMIX_MESSAGE__INIT;
    switch (type) {
    case MSG_FENCE_DONE:
        down.is_case = AOLANI__PMIX_MESSAGE__IS_FENCE_DONE;
        down.fence_done = (Aolani__FenceDone *)m;
        break;
    case MSG_MODEX_GET:
        down.is_case = AOLANI__PMIX_MESSAGE__IS_GET;
        down.get = (Aolani__ModexGet *)m;
        break;
    case MSG_MODEX_DATA:
        down.is_case = AOLANI__PMIX_MESSAGE__IS_GOT;
        down.got = (Aolani__ModexData *)m;
        break;
    default:
        return;
    }
    if (p->gone && type == MSG_MODEX_GET) {
        Aolani__ModexData no = AOLANI__MODEX_DATA__INIT;
        no.request = down.get->request;
        no.status = ERR_NODE_LOST;
        down.is_case = AOLANI__PMIX_MESSAGE__IS_GOT;
        down.got = &no;
        pass_up(p, &down);
        return;
    }
    send_down(p, &down);
}

void pmixlink_rank_gone(struct pmixlink *p, uint32_t rank)
{
    Aolani__PmixRankGone gone = AOLANI__PMIX_RANK_GONE__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    gone.rank = rank;
    m.is_case = AOLANI__PMIX_MESSAGE__IS_GONE;
    m.gone = &gone;
    send_down(p, &m);
}

pid_t pmixlink_helper(const struct pmixlink *p)
{
    return loop_proc_pid(p->proc);
}

/* The helper ends at the end of its input. It gets the time to remove what ranks have
 * asked it to (segments in /dev/shm); should it hang, it ends with the agent. */
void pmixlink_destroy(struct pmixlink *p)
{
    if (!p)
        return;
    pmixwire_destroy(p->wire);
    loop_stream_destroy(p->words);
    loop_proc_destroy(p->proc);
    loop_timer_destroy(p->patience);
    loop_timer_destroy(p->retry);
    while (p->first) {
        struct waiting *w = p->first;
        p->first = w->next;
        waiting_free(w);
    }
    if (p->envs)
        aolani__pmix_message__free_unpacked(p->envs, NULL);
    free(p);
}
