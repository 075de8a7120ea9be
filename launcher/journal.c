/* SPDX-License-Identifier: MIT */
/* journal.c - the writer: a queue, a thread that empties it, and the way back.
 *
 * The loop's side packs records and puts them on the queue; the thread takes all there
 * is, writes it and syncs once, so commits get larger as the disk gets slower. Then
 * it wakes the loop, which tells who waits. Each side owns what the comments in struct
 * journal say; the rest is under the lock, which is never held during I/O.
 *
 * Writes go to the offset of the last good end, and a record that did not fit is cut off
 * again: a full disk costs the records of that time, never the readability of others.
 */
#include "launcher/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/journal_impl.h"
#include "proto/base/limits.h"

#define MAX_LOST 32u /* stretches of lost records told apart */

struct item {
    struct item *next;
    int64_t number;
    size_t len;
    uint8_t bytes[];
};

struct waiter {
    struct waiter *next;
    int64_t number;
    void (*cb)(void *arg, int status);
    void *arg;
};

struct lost {
    int64_t from, to;
    int why;
};

struct journal {
    /* the loop's side */
    char *path;
    struct loop_wake *wake;
    void (*on_error)(void *arg, const struct err *e);
    void *arg;
    struct waiter *waiters, **last_waiter;
    int64_t appended;     /* number of the last record */
    bool told;            /* of a loss; what came of it in all is told at the end */
    bool in_wake, closed; /* closed from a callback: on_wake frees the struct */

    /* the thread's side, after the start */
    int fd;
    uint64_t end; /* of the last good record */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct item *first, **last;
    size_t queued;
    bool stopping;
    int64_t done; /* written and synced, or lost */
    struct lost lost[MAX_LOST];
    unsigned n_lost;
    int64_t lost_total;
    int error; /* not yet told */
    int last_error;
};

/* ---- the thread ---- */

static int write_all(int fd, const uint8_t *p, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        at += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* One stretch while they touch. When the table is full the last one grows: better a record
 * taken for lost than a lost one taken for safe. */
static void note_lost(struct journal *j, int64_t from, int64_t to, int why)
{
    (void)pthread_mutex_lock(&j->lock);
    struct lost *last = j->n_lost ? &j->lost[j->n_lost - 1] : NULL;
    if (!last || (last->to + 1 < from && j->n_lost < MAX_LOST))
        j->lost[j->n_lost++] = (struct lost){from, to, why};
    else
        last->to = to;
    j->lost_total += to - from + 1;
    j->error = j->last_error = why;
    (void)pthread_mutex_unlock(&j->lock);
}

/* Write the list and sync; what does not fit is cut off again and lost by itself. */
static void commit(struct journal *j, const struct item *list)
{
    uint64_t at = j->end;
    int64_t from = list->number, to = 0;
    for (const struct item *i = list; i; i = i->next) {
        int rc = write_all(j->fd, i->bytes, i->len, at);
        to = i->number;
        if (rc == 0) {
            at += i->len;
            continue;
        }
        (void)!ftruncate(j->fd, (off_t)at); /* if not, the next write covers it */
        note_lost(j, i->number, i->number, rc);
    }
    if (fdatasync(j->fd) == 0) {
        j->end = at;
        return;
    }
    int rc = -errno;
    (void)!ftruncate(j->fd, (off_t)j->end); /* what of it is on disk nobody knows */
    note_lost(j, from, to, rc);
}

static void finish(struct journal *j, struct item *list)
{
    int64_t to = 0;
    size_t bytes = 0;
    while (list) {
        struct item *i = list;
        list = i->next;
        to = i->number;
        bytes += i->len;
        free(i);
    }
    (void)pthread_mutex_lock(&j->lock);
    j->done = to;
    j->queued -= bytes;
    (void)pthread_mutex_unlock(&j->lock);
    loop_wake_send(j->wake);
}

static void *writer(void *arg)
{
    struct journal *j = arg;
    for (;;) {
        (void)pthread_mutex_lock(&j->lock);
        while (!j->first && !j->stopping)
            (void)pthread_cond_wait(&j->more, &j->lock);
        struct item *list = j->first;
        j->first = NULL;
        j->last = &j->first;
        (void)pthread_mutex_unlock(&j->lock);
        if (!list)
            return NULL;
        commit(j, list);
        finish(j, list);
    }
}

/* ---- the loop's side ---- */

static int status_of(const struct lost *lost, unsigned n, int64_t number)
{
    for (unsigned i = 0; i < n; i++) {
        if (number >= lost[i].from && number <= lost[i].to)
            return lost[i].why;
    }
    return 0;
}

static void tell_error(struct journal *j, int error, int64_t lost_total)
{
    struct err e;
    if (!error || j->told)
        return;
    j->told = true;
    err_sys(&e, error, "write journal \"%s\" (records lost so far: %" PRId64 ")",
            j->path, lost_total);
    err_hint(&e, "the run goes on; free space there, or its report will have gaps");
    if (j->on_error)
        j->on_error(j->arg, &e);
}

static struct waiter *take_due(struct journal *j, int64_t done)
{
    struct waiter *due = NULL, **last = &due, **at = &j->waiters;
    while (*at) {
        struct waiter *w = *at;
        if (w->number > done) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *last = w;
        last = &w->next;
    }
    j->last_waiter = at;
    return due;
}

static void on_wake(void *arg)
{
    struct journal *j = arg;
    struct lost lost[MAX_LOST];
    (void)pthread_mutex_lock(&j->lock);
    int64_t done = j->done, lost_total = j->lost_total;
    unsigned n = j->n_lost;
    int error = j->error;
    memcpy(lost, j->lost, sizeof lost);
    j->error = 0;
    (void)pthread_mutex_unlock(&j->lock);

    struct waiter *due = take_due(j, done);
    j->in_wake = true;
    tell_error(j, error, lost_total);
    while (due) {
        struct waiter *w = due;
        due = w->next;
        if (!j->closed)
            w->cb(w->arg, status_of(lost, n, w->number));
        free(w);
    }
    j->in_wake = false;
    if (j->closed)
        free(j);
}

int64_t journal_append(struct journal *j, enum journal_type type,
                       const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    if (len > LIMIT_JOURNAL_RECORD)
        return ERR_LIMIT;
    struct item *i = malloc(sizeof *i + JOURNAL_HEAD_BYTES + len);
    if (!i)
        return -ENOMEM;
    uint8_t *payload = i->bytes + JOURNAL_HEAD_BYTES;
    protobuf_c_message_pack(m, payload);
    uint8_t *p = put_u32(i->bytes, (uint32_t)len);
    p = put_u32(p, journal_crc((uint16_t)type, payload, len));
    put_u16(put_u16(p, (uint16_t)type), 0);
    i->next = NULL;
    i->len = JOURNAL_HEAD_BYTES + len;
    (void)pthread_mutex_lock(&j->lock);
    bool fits = j->queued == 0 || j->queued + i->len <= LIMIT_JOURNAL_QUEUE;
    if (fits) {
        i->number = ++j->appended;
        *j->last = i;
        j->last = &i->next;
        j->queued += i->len;
        (void)pthread_cond_signal(&j->more);
    }
    (void)pthread_mutex_unlock(&j->lock);
    if (!fits) {
        free(i);
        return ERR_LIMIT;
    }
    return j->appended;
}

int journal_when_durable(struct journal *j, int64_t number,
                         void (*cb)(void *arg, int status), void *arg)
{
    struct waiter *w = malloc(sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct waiter){.number = number, .cb = cb, .arg = arg};
    *j->last_waiter = w;
    j->last_waiter = &w->next;
    loop_wake_send(j->wake); /* it may be on disk already */
    return 0;
}

/* ---- opening and closing ---- */

/* Count the records that are there; *ret_end: where the last whole one ends. */
static int scan(const char *path, int64_t *ret_n, uint64_t *ret_end, struct err *e)
{
    struct journal_reader *r;
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    bool torn;
    int rc = journal_reader_open(path, &r, e);
    if (rc < 0)
        return rc;
    while ((rc = journal_reader_next(r, &type, &payload, &len, &torn, e)) == 1)
        (*ret_n)++;
    *ret_end = journal_reader_offset(r);
    journal_reader_close(r);
    return rc;
}

/* A new file is safe only when its name is. */
static void sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(copy);
}

static int open_file(struct journal *j, struct err *e)
{
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        return err_sys(e, -errno, "open journal \"%s\"", j->path);
    int64_t n = 0;
    int rc = scan(j->path, &n, &j->end, e);
    if (rc < 0)
        return rc;
    j->appended = j->done = n;
    if (ftruncate(j->fd, (off_t)j->end) < 0)
        return err_sys(e, -errno, "cut the torn end off journal \"%s\"", j->path);
    if (j->end == 0) {
        rc = write_all(j->fd, (const uint8_t *)JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES, 0);
        if (rc == 0 && fdatasync(j->fd) < 0)
            rc = -errno;
        if (rc < 0)
            return err_sys(e, rc, "write journal \"%s\"", j->path);
        j->end = JOURNAL_MAGIC_BYTES;
        sync_folder(j->path);
    }
    return 0;
}

static int start_thread(struct journal *j, struct err *e)
{
    sigset_t all, old;
    (void)sigfillset(&all); /* signals are the loop's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = -pthread_create(&j->thread, NULL, writer, j);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc < 0)
        return err_sys(e, rc, "start the journal's writer");
    return 0;
}

static void journal_free(struct journal *j)
{
    while (j->waiters) {
        struct waiter *w = j->waiters;
        j->waiters = w->next;
        free(w);
    }
    loop_wake_destroy(j->wake);
    if (j->fd >= 0)
        (void)close(j->fd);
    (void)pthread_mutex_destroy(&j->lock);
    (void)pthread_cond_destroy(&j->more);
    free(j->path);
    j->closed = true;
    if (!j->in_wake)
        free(j);
}

int journal_open(struct loop *l, const char *path,
                 void (*on_error)(void *arg, const struct err *e), void *arg,
                 struct journal **ret, struct err *e)
{
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return err_sys(e, -ENOMEM, "open journal \"%s\"", path);
    j->fd = -1;
    j->on_error = on_error;
    j->arg = arg;
    j->last = &j->first;
    j->last_waiter = &j->waiters;
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_cond_init(&j->more, NULL);
    j->path = strdup(path);
    j->wake = loop_wake_create(l, on_wake, j);
    int rc = j->path && j->wake ? open_file(j, e)
                                : err_sys(e, -ENOMEM, "open journal \"%s\"", path);
    if (rc == 0)
        rc = start_thread(j, e);
    if (rc < 0) {
        journal_free(j);
        return rc;
    }
    *ret = j;
    return 0;
}

int journal_close(struct journal *j, struct err *e)
{
    if (!j)
        return 0;
    (void)pthread_mutex_lock(&j->lock);
    j->stopping = true;
    (void)pthread_cond_signal(&j->more);
    (void)pthread_mutex_unlock(&j->lock);
    (void)pthread_join(j->thread, NULL);
    int rc = 0;
    if (close(j->fd) < 0 && j->last_error == 0) /* NFS tells late */
        rc = err_sys(e, -errno, "close journal \"%s\"", j->path);
    j->fd = -1;
    if (j->last_error)
        rc = err_sys(e, j->last_error,
                     "write journal \"%s\" (records lost: %" PRId64 ")", j->path,
                     j->lost_total);
    journal_free(j);
    return rc;
}
