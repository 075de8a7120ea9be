/* SPDX-License-Identifier: MIT */
/* outwriter.c - a queue, and the thread that empties it with pwrite.
 *
 * There may be far more files than descriptors, so the thread closes those used least
 * recently. The lock guards the queue and what could not be written; it is never held
 * during I/O. Only the loop's side logs.
 */
#include "launcher/outwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

#define MAX_OPEN   256u /* of the usual 1024; agents' links need the rest */
#define TELL_BYTES ((size_t)2 << 20) /* so short a queue may be filled again */
#define MAX_FSYNC  64u /* more files than this: one sync of the file system */
/* Of the queue, for an item's own memory; so many empty files count too. */
#define ITEM_BYTES sizeof(struct item)

struct item {
    struct item *next;
    size_t file;
    uint64_t offset;
    size_t len;
    bool extend; /* up to offset, and no bytes */
    uint8_t bytes[];
};

struct file {
    struct file *newer, *older; /* list of the open ones; the thread's */
    size_t number;
    int fd; /* -1: closed; the thread's, like dirty */
    bool dirty;
    uint64_t lost_from, lost_to; /* could not be written; equal: none. Under the lock */
    int why;
};

struct outwriter {
    char *dir;
    size_t n_files;
    struct loop_wake *wake;
    void (*progress)(void *arg);
    void *arg;
    bool warned; /* the loop's */

    struct file **files; /* made by the thread when first used */
    struct file *newest, *oldest;
    unsigned n_open;

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t more, less;
    struct item *first, **last;
    size_t queued;
    bool stopping;
    size_t first_lost; /* file number + 1 of the first loss, 0: none; and from where */
    uint64_t first_lost_from;
    int first_lost_why;
};

void outwriter_path(const struct outwriter *w, size_t file, char *path, size_t len)
{
    (void)snprintf(path, len, "%s/rank-%04zu.%s", w->dir, file / 2,
                   file % 2 ? "err" : "out");
}

/* ---- the thread ---- */

static void unlink_open(struct outwriter *w, struct file *f)
{
    *(f->newer ? &f->newer->older : &w->newest) = f->older;
    *(f->older ? &f->older->newer : &w->oldest) = f->newer;
    f->newer = f->older = NULL;
    w->n_open--;
}

static void link_open(struct outwriter *w, struct file *f)
{
    f->newer = NULL;
    f->older = w->newest;
    *(w->newest ? &w->newest->newer : &w->oldest) = f;
    w->newest = f;
    w->n_open++;
}

static void close_file(struct outwriter *w, struct file *f)
{
    if (f->fd < 0)
        return;
    unlink_open(w, f);
    (void)close(f->fd);
    f->fd = -1;
}

static int open_file(struct outwriter *w, struct file *f)
{
    char path[4096];
    if (f->fd >= 0) {
        unlink_open(w, f);
        link_open(w, f);
        return 0;
    }
    if (w->n_open >= MAX_OPEN)
        close_file(w, w->oldest);
    outwriter_path(w, f->number, path, sizeof path);
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->fd < 0)
        return -errno;
    link_open(w, f);
    return 0;
}

static void note_first_loss(struct outwriter *w, size_t file, uint64_t from, int why)
{
    if (w->first_lost != 0)
        return;
    w->first_lost = file + 1;
    w->first_lost_from = from;
    w->first_lost_why = why;
}

static void lose(struct outwriter *w, struct file *f, uint64_t from, uint64_t to,
                 int why)
{
    (void)pthread_mutex_lock(&w->lock);
    if (f->lost_from == f->lost_to)
        f->lost_from = from;
    f->lost_from = from < f->lost_from ? from : f->lost_from;
    f->lost_to = to > f->lost_to ? to : f->lost_to;
    f->why = why;
    note_first_loss(w, f->number, from, why);
    (void)pthread_mutex_unlock(&w->lock);
}

static int write_all(int fd, const uint8_t *p, uint64_t *at, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)*at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        *at += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static struct file *find(struct outwriter *w, size_t number)
{
    struct file *f = w->files[number];
    if (f || !(f = calloc(1, sizeof *f)))
        return f;
    f->number = number;
    f->fd = -1;
    w->files[number] = f;
    return f;
}

static void do_item(struct outwriter *w, const struct item *i)
{
    struct file *f = find(w, i->file);
    uint64_t at = i->offset;
    if (!f) { /* no memory: it is said once, with its place */
        (void)pthread_mutex_lock(&w->lock);
        note_first_loss(w, i->file, at, -ENOMEM);
        (void)pthread_mutex_unlock(&w->lock);
        return;
    }
    int rc = open_file(w, f);
    f->dirty = true;
    if (rc == 0 && i->extend && ftruncate(f->fd, (off_t)at) < 0)
        rc = -errno;
    else if (rc == 0 && !i->extend)
        rc = write_all(f->fd, i->bytes, &at, i->len);
    if (rc < 0)
        lose(w, f, at, i->offset + i->len, rc);
}

static void sync_files(struct outwriter *w)
{
    unsigned n = 0;
    struct file *last = NULL;
    for (size_t i = 0; i < w->n_files; i++) {
        struct file *f = w->files[i];
        if (!f || !f->dirty)
            continue;
        last = f;
        if (++n > MAX_FSYNC)
            break;
        if (open_file(w, f) == 0 && fsync(f->fd) < 0)
            lose(w, f, 0, 1, -errno);
    }
    if (n > MAX_FSYNC && open_file(w, last) == 0 && syncfs(last->fd) < 0)
        lose(w, last, 0, 1, -errno);
}

/* The next item, or NULL: all is done and no more will come. */
static struct item *take(struct outwriter *w)
{
    (void)pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stopping)
        (void)pthread_cond_wait(&w->more, &w->lock);
    struct item *i = w->first;
    if (i) {
        w->first = i->next;
        w->last = w->first ? w->last : &w->first;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return i;
}

static void *writer(void *arg)
{
    struct outwriter *w = arg;
    struct item *i;
    while ((i = take(w))) {
        do_item(w, i);
        (void)pthread_mutex_lock(&w->lock);
        bool was_long = w->queued > TELL_BYTES;
        w->queued -= ITEM_BYTES + i->len;
        bool is_short = was_long && w->queued <= TELL_BYTES;
        bool tell = is_short || !w->first || w->first_lost;
        (void)pthread_cond_signal(&w->less);
        (void)pthread_mutex_unlock(&w->lock);
        free(i);
        if (tell)
            loop_wake_send(w->wake);
    }
    sync_files(w);
    return NULL;
}

/* ---- the loop's side ---- */

static void warn_first(struct outwriter *w)
{
    char path[4096];
    (void)pthread_mutex_lock(&w->lock);
    size_t lost = w->first_lost;
    uint64_t from = w->first_lost_from;
    int why = w->first_lost_why;
    (void)pthread_mutex_unlock(&w->lock);
    if (lost == 0 || w->warned)
        return;
    w->warned = true;
    outwriter_path(w, lost - 1, path, sizeof path);
    log_warn("write \"%s\" from byte %" PRIu64
             ": %s; the run goes on, what is missing will be listed at its end",
             path, from, strerror(-why));
}

static void on_wake(void *arg)
{
    struct outwriter *w = arg;
    warn_first(w);
    w->progress(w->arg);
}

static void enqueue(struct outwriter *w, struct item *i)
{
    (void)pthread_mutex_lock(&w->lock);
    while (w->queued > OUTWRITER_QUEUE_MAX)
        (void)pthread_cond_wait(&w->less, &w->lock);
    *w->last = i;
    w->last = &i->next;
    w->queued += ITEM_BYTES + i->len;
    (void)pthread_cond_signal(&w->more);
    (void)pthread_mutex_unlock(&w->lock);
}

static void ask(struct outwriter *w, size_t file, uint64_t offset, const void *data,
                size_t len, bool extend)
{
    struct item *i = malloc(sizeof *i + len);
    if (!i) {
        (void)pthread_mutex_lock(&w->lock);
        note_first_loss(w, file, offset, -ENOMEM);
        (void)pthread_mutex_unlock(&w->lock);
        return;
    }
    *i = (struct item){.file = file, .offset = offset, .len = len, .extend = extend};
    if (len > 0)
        memcpy(i->bytes, data, len);
    enqueue(w, i);
}

void outwriter_write(struct outwriter *w, size_t file, uint64_t offset,
                     const void *data, size_t len)
{
    ask(w, file, offset, data, len, false);
}

void outwriter_extend(struct outwriter *w, size_t file, uint64_t end)
{
    ask(w, file, end, NULL, 0, true);
}

size_t outwriter_queued(struct outwriter *w)
{
    (void)pthread_mutex_lock(&w->lock);
    size_t n = w->queued;
    (void)pthread_mutex_unlock(&w->lock);
    return n;
}

/* ---- making and ending ---- */

static int start_thread(struct outwriter *w)
{
    sigset_t all, old;
    (void)sigfillset(&all); /* signals are the loop's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = -pthread_create(&w->thread, NULL, writer, w);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    w->running = rc == 0;
    return rc;
}

int outwriter_create(struct loop *l, const char *dir, uint32_t world_size,
                     void (*progress)(void *arg), void *arg, struct outwriter **ret,
                     struct err *e)
{
    struct outwriter *w = calloc(1, sizeof *w);
    if (!w)
        return err_sys(e, -ENOMEM, "open the output files");
    w->progress = progress;
    w->arg = arg;
    w->last = &w->first;
    w->n_files = (size_t)world_size * 2;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->more, NULL);
    (void)pthread_cond_init(&w->less, NULL);
    w->dir = strdup(dir);
    w->files = calloc(w->n_files + 1, sizeof(struct file *));
    w->wake = loop_wake_create(l, on_wake, w);
    int rc = w->dir && w->files && w->wake ? start_thread(w) : -ENOMEM;
    if (rc < 0) {
        outwriter_destroy(w);
        return err_sys(e, rc, "start the writer of the output files");
    }
    *ret = w;
    return 0;
}

static void free_file(struct outwriter *w, struct file *f)
{
    char path[4096];
    if (f->lost_from != f->lost_to) {
        outwriter_path(w, f->number, path, sizeof path);
        log_warn("\"%s\": bytes %" PRIu64 " to %" PRIu64 " are missing: %s", path,
                 f->lost_from, f->lost_to - 1, strerror(-f->why));
    }
    close_file(w, f);
    free(f);
}

void outwriter_destroy(struct outwriter *w)
{
    if (!w)
        return;
    if (w->running) {
        (void)pthread_mutex_lock(&w->lock);
        w->stopping = true;
        (void)pthread_cond_signal(&w->more);
        (void)pthread_mutex_unlock(&w->lock);
        (void)pthread_join(w->thread, NULL);
        warn_first(w);
    }
    for (size_t i = 0; w->files && i < w->n_files; i++) {
        if (w->files[i])
            free_file(w, w->files[i]);
    }
    loop_wake_destroy(w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->more);
    (void)pthread_cond_destroy(&w->less);
    free(w->files);
    free(w->dir);
    free(w);
}
