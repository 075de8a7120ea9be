/* SPDX-License-Identifier: MIT */
/* output.c - spool files and their follower.
 *
 * A timer asks each file for its size; what is new goes out in chunks, one stream after
 * the other, as far as credit goes. Polling, not inotify: it works on every file system,
 * costs one fstat per stream and turn, and a burst of small writes becomes one message.
 *
 * What was sent and not yet acknowledged stands in one queue in order of the sequence
 * numbers. The disk blocks of what was acknowledged are given back in steps of PUNCH.
 * A stream over its bound loses blocks at once; the message that says so may have to wait,
 * and is always the next one of its stream.
 *
 * Offsets in the messages are those of the stream. They are the file's, until a program
 * truncates its own output (`> /dev/stdout` does): then the file begins anew, and `shift`
 * keeps the stream's going on.
 */
#include "agent/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

#define PUNCH          (1u << 20) /* a system call per MiB, not per message */
#define BLOCK          4096u
#define TURN_BYTES     (4u << 20) /* sent before the loop gets its turn again */
#define CHUNK_OVERHEAD 64u        /* of an Output message beside its data */
#define CHUNK_SMALL    4096u /* less is not worth a message while more is waiting */
#define POLL_MS        20u
#define POLL_IDLE_MS   100u

struct stream {
    uint32_t rank;
    Aolani__Stream which;
    int fd;
    bool adopted;     /* may have holes from before */
    uint64_t size;    /* of the file, when last asked; the next five are file offsets */
    uint64_t sent;    /* what comes next */
    uint64_t acked;   /* all before it is at the head */
    uint64_t punched; /* all before it is off the disk */
    uint64_t given_up;  /* the end of the last gap */
    uint64_t gap;       /* the length of a gap before `sent` that has not been said */
    uint64_t shift;     /* offset in the stream minus offset in the file */
    uint32_t truncated; /* how often: acknowledgements of before mean another file */
    bool end_sent;
};

struct flight {
    struct flight *next;
    uint64_t seq, end; /* end: in the file */
    struct stream *stream;
    uint32_t truncated;
    bool is_end;
};

struct output {
    struct loop *loop;
    struct loop_timer *timer;
    struct upward up;
    void (*done)(void *arg);
    void *arg;
    char *dir;
    uint64_t spool_bytes;
    struct stream **streams;
    size_t n, cap, next; /* next: whose turn it is */
    struct flight *first, **last;
    size_t n_ended;
    uint64_t poll_ms;
    uint8_t *chunk; /* LIMIT_OUTPUT_CHUNK */
    bool blocked;   /* the session takes no more for now */
    bool finishing, finished;
};

static void on_timer(void *arg);

int output_create(struct loop *l, const char *dir, uint64_t spool_bytes,
                  const struct upward *up, void (*done)(void *arg), void *arg,
                  struct output **ret, struct err *e)
{
    struct output *o = calloc(1, sizeof *o);
    if (!o)
        goto fail;
    o->loop = l;
    o->up = *up;
    o->done = done;
    o->arg = arg;
    o->last = &o->first;
    o->poll_ms = POLL_MS;
    o->spool_bytes = spool_bytes && spool_bytes < LIMIT_SPOOL_BYTES ? spool_bytes
                                                                    : LIMIT_SPOOL_BYTES;
    o->dir = strdup(dir);
    o->chunk = malloc(LIMIT_OUTPUT_CHUNK);
    o->timer = loop_timer_create(l, on_timer, o);
    if (!o->dir || !o->chunk || !o->timer)
        goto fail;
    *ret = o;
    return 0;
fail:
    output_destroy(o);
    return err_sys(e, -ENOMEM, "follow the output in \"%s\"", dir);
}

void output_destroy(struct output *o)
{
    if (!o)
        return;
    loop_timer_destroy(o->timer);
    for (size_t i = 0; i < o->n; i++) {
        (void)close(o->streams[i]->fd);
        free(o->streams[i]);
    }
    while (o->first) {
        struct flight *f = o->first;
        o->first = f->next;
        free(f);
    }
    free(o->streams);
    free(o->chunk);
    free(o->dir);
    free(o);
}

/* ---- files ---- */

static const char *const suffix[] = {"out", "err"};

static int add_stream(struct output *o, uint32_t rank, int which, int fd,
                      struct stream **ret)
{
    if (o->n >= 2 * (size_t)LIMIT_LOCAL_RANKS)
        return ERR_LIMIT;
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : 16;
        struct stream **more = realloc(o->streams, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        o->streams = more;
        o->cap = cap;
    }
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->rank = rank;
    s->which = which ? AOLANI__STREAM__STDERR : AOLANI__STREAM__STDOUT;
    s->fd = fd;
    o->streams[o->n++] = s;
    *ret = s;
    return 0;
}

/* Two descriptors of one new file: the child's, which only appends, and ours. */
static int open_spool(struct output *o, uint32_t rank, int which, int *ret_child,
                      struct err *e)
{
    char path[4096];
    struct stream *s;
    int n = snprintf(path, sizeof path, "%s/rank-%04u.%s", o->dir, rank, suffix[which]);
    if (n < 0 || (size_t)n >= sizeof path)
        return err_sys(e, -ENAMETOOLONG, "create an output file in \"%s\"", o->dir);
    int child = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (child < 0)
        return err_sys(e, -errno, "create \"%s\"", path);
    int ours = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    int rc = ours < 0 ? -errno : add_stream(o, rank, which, ours, &s);
    if (rc) {
        (void)close(child);
        if (ours >= 0)
            (void)close(ours);
        return err_sys(e, rc, "follow \"%s\"", path);
    }
    *ret_child = child;
    return 0;
}

int output_open_rank(struct output *o, uint32_t rank, int ret_fd[2], struct err *e)
{
    int fd[2] = {-1, -1};
    int rc = open_spool(o, rank, 0, &fd[0], e);
    if (!rc)
        rc = open_spool(o, rank, 1, &fd[1], e);
    if (rc) {
        if (fd[0] >= 0)
            (void)close(fd[0]);
        return rc;
    }
    ret_fd[0] = fd[0];
    ret_fd[1] = fd[1];
    loop_timer_start(o->timer, o->poll_ms, 0);
    return 0;
}

static int adopt_file(struct output *o, int dir_fd, const char *name, struct err *e)
{
    unsigned rank;
    int used = 0;
    char kind[4];
    struct stat st;
    struct stream *s;
    if (sscanf(name, "rank-%6u.%3[a-z]%n", &rank, kind, &used) != 2 || name[used])
        return 0;
    int which = strcmp(kind, suffix[1]) == 0;
    if ((!which && strcmp(kind, suffix[0])) || rank >= LIMIT_RANKS)
        return 0;
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(e, -errno, "take up \"%s/%s\"", o->dir, name);
    int rc = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
    if (!rc)
        rc = add_stream(o, rank, which, fd, &s);
    if (rc) {
        (void)close(fd);
        return err_sys(e, rc, "take up \"%s/%s\"", o->dir, name);
    }
    off_t data = lseek(fd, 0, SEEK_DATA);
    if (data < 0)
        data = errno == ENXIO ? st.st_size : 0; /* no data at all, or no way to ask */
    s->sent = s->acked = s->punched = (uint64_t)data;
    s->adopted = true;
    return 1;
}

int output_adopt(struct output *o, struct err *e)
{
    DIR *dir = opendir(o->dir);
    if (!dir)
        return err_sys(e, -errno, "take up the output in \"%s\"", o->dir);
    int n = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        int rc = adopt_file(o, dirfd(dir), d->d_name, e);
        if (rc < 0) {
            (void)closedir(dir);
            return rc;
        }
        n += rc;
    }
    (void)closedir(dir);
    loop_timer_start(o->timer, 0, 0);
    return n;
}

/* Best effort: a file system that cannot do it keeps the blocks until the end. Whole
 * blocks only: the bytes of others would read as zeros to who adopts the file. */
static void punch(struct stream *s, uint64_t from, uint64_t end)
{
    from = (from + BLOCK - 1) / BLOCK * BLOCK;
    end = end / BLOCK * BLOCK;
    if (end > from)
        (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                        (off_t)(end - from));
}

static void punch_acked(struct stream *s)
{
    uint64_t end = s->acked - s->acked % PUNCH;
    if (end <= s->punched)
        return;
    punch(s, s->punched, end);
    s->punched = end;
}

/* ---- sending ---- */

/* 0; or negative: not now. Its place in the queue is made first, so that what has gone
 * out is never forgotten. */
static int send_up(struct output *o, struct stream *s, enum message_type type,
                   const ProtobufCMessage *m, uint64_t end)
{
    struct flight *f = calloc(1, sizeof *f);
    int64_t seq = f ? o->up.send(o->up.arg, type, m) : -ENOMEM;
    if (seq < 0) {
        free(f);
        o->blocked = true;
        return (int)seq;
    }
    f->seq = (uint64_t)seq;
    f->end = end;
    f->stream = s;
    f->truncated = s->truncated;
    f->is_end = type == MSG_OUTPUT_END;
    *o->last = f;
    o->last = &f->next;
    return 0;
}

static int send_gap(struct output *o, struct stream *s)
{
    Aolani__OutputGap m = AOLANI__OUTPUT_GAP__INIT;
    m.rank = s->rank;
    m.stream = s->which;
    m.offset = s->shift + s->sent - s->gap;
    m.length = s->gap;
    int rc = send_up(o, s, MSG_OUTPUT_GAP, &m.base, s->sent);
    if (!rc)
        s->gap = 0;
    return rc;
}

static int send_end(struct output *o, struct stream *s)
{
    Aolani__OutputEnd m = AOLANI__OUTPUT_END__INIT;
    m.rank = s->rank;
    m.stream = s->which;
    m.length = s->shift + s->sent;
    int rc = send_up(o, s, MSG_OUTPUT_END, &m.base, s->sent);
    s->end_sent = rc == 0;
    return rc;
}

/* Everything up to `end` is given up. */
static void skip_to(struct stream *s, uint64_t end)
{
    s->gap += end - s->sent;
    s->sent = s->given_up = end;
}

/* The bytes from s->sent on, at most `want`, into o->chunk; 0 when they are a gap. */
static size_t read_chunk(struct output *o, struct stream *s, size_t want)
{
    if (s->adopted) {
        off_t data = lseek(s->fd, (off_t)s->sent, SEEK_DATA);
        off_t hole = data == (off_t)s->sent ? lseek(s->fd, data, SEEK_HOLE) : -1;
        if (data > (off_t)s->sent || (data < 0 && errno == ENXIO)) {
            skip_to(s, data < 0 || (uint64_t)data > s->size ? s->size : (uint64_t)data);
            return 0;
        }
        if (hole > data && (uint64_t)(hole - data) < want)
            want = (size_t)(hole - data);
    }
    ssize_t n;
    do
        n = pread(s->fd, o->chunk, want, (off_t)s->sent);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return (size_t)n;
    if (n < 0) /* a broken disk: the job goes on, the gap is said */
        skip_to(s, s->size);
    else /* truncated since we asked for the size: the next turn sees it */
        s->size = s->sent;
    return 0;
}

/* One message of this stream, if it has one. Bytes sent; 0: nothing; negative: blocked. */
static int64_t send_some(struct output *o, struct stream *s)
{
    if (s->gap > 0)
        return send_gap(o, s);
    uint64_t left = s->size - s->sent;
    if (left == 0)
        return o->finishing && !s->end_sent ? send_end(o, s) : 0;
    uint64_t credit = o->up.credit(o->up.arg);
    uint64_t want = credit > CHUNK_OVERHEAD ? credit - CHUNK_OVERHEAD : 0;
    if (want == 0 || (want < left && want < CHUNK_SMALL)) {
        o->blocked = true;
        return -EAGAIN;
    }
    want = want < left ? want : left;
    want = want < LIMIT_OUTPUT_CHUNK ? want : LIMIT_OUTPUT_CHUNK;
    size_t n = read_chunk(o, s, (size_t)want);
    if (n == 0)
        return s->gap > 0 ? send_gap(o, s) : 0;
    Aolani__Output m = AOLANI__OUTPUT__INIT;
    m.rank = s->rank;
    m.stream = s->which;
    m.offset = s->shift + s->sent;
    m.data.data = o->chunk;
    m.data.len = n;
    int rc = send_up(o, s, MSG_OUTPUT, &m.base, s->sent + n);
    if (rc)
        return rc;
    s->sent += n;
    return (int64_t)n;
}

/* ---- following ---- */

static void look(struct output *o, struct stream *s)
{
    struct stat st;
    if (s->end_sent || fstat(s->fd, &st))
        return;
    uint64_t size = (uint64_t)st.st_size;
    if (size <
        s->sent) { /* its program has truncated it; what we had not seen is gone */
        s->shift += s->sent;
        s->sent = s->acked = s->punched = s->given_up = 0;
        s->truncated++;
        s->adopted = false;
    }
    s->size = size;
    uint64_t kept_from = s->acked > s->given_up ? s->acked : s->given_up;
    uint64_t waiting = s->size - kept_from, unsent = s->size - s->sent;
    if (waiting <= o->spool_bytes || unsent == 0)
        return;
    /* Somewhat more than must be, so that there is not a gap for every line. */
    uint64_t drop = waiting - o->spool_bytes + o->spool_bytes / 8;
    uint64_t from = s->sent;
    skip_to(s, from + (drop < unsent ? drop : unsent));
    punch(s, from, s->sent);
}

/* Chunks of all streams in turn, until none has any, the session is full, or it is time
 * for others. True: there is more. */
static bool pump(struct output *o, bool *ret_traffic)
{
    uint64_t total = 0;
    size_t idle = 0;
    o->blocked = false;
    while (idle < o->n) {
        if (total >= TURN_BYTES)
            return true;
        struct stream *s = o->streams[o->next];
        int64_t n = send_some(o, s);
        if (o->blocked)
            return false;
        o->next = (o->next + 1) % o->n;
        total += (uint64_t)n;
        idle = n > 0 || s->sent < s->size ? 0 : idle + 1;
        *ret_traffic = *ret_traffic || n > 0;
    }
    return false;
}

static void finish_once(struct output *o)
{
    if (!o->finishing || o->finished || o->n_ended < o->n)
        return;
    o->finished = true;
    loop_timer_stop(o->timer);
    o->done(o->arg);
}

static void on_timer(void *arg)
{
    struct output *o = arg;
    bool traffic = false;
    for (size_t i = 0; i < o->n; i++)
        look(o, o->streams[i]);
    bool more = pump(o, &traffic);
    if (traffic || o->blocked)
        o->poll_ms = POLL_MS;
    else if (o->poll_ms < POLL_IDLE_MS)
        o->poll_ms += POLL_MS;
    if (o->n > o->n_ended)
        loop_timer_start(o->timer, more ? 0 : o->poll_ms, 0);
    else
        finish_once(o);
}

void output_finish(struct output *o)
{
    if (o->finishing)
        return;
    o->finishing = true;
    loop_timer_start(o->timer, 0, 0);
}

static void flight_landed(struct output *o, struct flight *f)
{
    struct stream *s = f->stream;
    if (f->is_end) {
        o->n_ended++;
    } else if (f->truncated == s->truncated) {
        s->acked = f->end;
        punch_acked(s);
    }
}

void output_acked(struct output *o, uint64_t seq)
{
    while (o->first && o->first->seq <= seq) {
        struct flight *f = o->first;
        o->first = f->next;
        if (!o->first)
            o->last = &o->first;
        flight_landed(o, f);
        free(f);
    }
    output_credit(o);
    finish_once(o);
}

/* Not from here: the session is in the middle of something. */
void output_credit(struct output *o)
{
    if (!o->blocked || o->finished)
        return;
    o->blocked = false;
    loop_timer_start(o->timer, 0, 0);
}
