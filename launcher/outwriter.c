/* SPDX-License-Identifier: MIT */
/* outwriter.c - a queue, and the thread that empties it into outdisk.
 *
 * The lock guards the queue and what the loop's side says in words; it is never held
 * during I/O. Only the loop's side logs.
 */
#include "launcher/outwriter.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"

/* Of the queue, for an item's own memory; so many empty files count too. */
#define ITEM_BYTES sizeof(struct item)
#define RETRY_MS   1000u
#define WORDS_MS   60000u
#define LOW_BYTES  (2u << 20) /* more may be sent for */

enum kind { ITEM_WRITE, ITEM_GAP };

struct item {
    struct item *next;
    enum kind kind;
    size_t file;
    uint64_t offset;
    size_t len;
    uint64_t to; /* ITEM_GAP */
    uint8_t bytes[];
};

/* Where something went wrong, for the words on it. */
struct trouble {
    bool now;
    unsigned count; /* how often it began */
    size_t file;
    uint64_t at; /* in the stream */
    int why;
};

struct words { /* that were said of a trouble */
    unsigned count;
    uint64_t ms;
};

struct outwriter {
    struct outdisk *disk;
    struct loop_wake *wake;
    void (*progress)(void *arg);
    void *arg;
    struct words said_full, said_lost; /* the loop's, like those below */
    bool said_room, said_last;
    int sync_error;
    size_t sync_file;

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t more, less, again;
    struct item *first, **last;
    size_t queued;
    bool stopping, gave_up;
    uint64_t full_ms, give_up_ms, patience_ms; /* give_up_ms 0: never */
    struct trouble full, lost;
};

/* ---- the thread ---- */

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* Somebody may yet make room, or close a file. */
static bool may_pass(int why)
{
    return why == -ENOSPC || why == -EDQUOT || why == -EMFILE || why == -ENFILE ||
           why == -ENOMEM;
}

static void begin_trouble(struct trouble *t, const struct outdisk_part *p, int why)
{
    if (t->now)
        return;
    *t = (struct trouble){.now = true,
                          .count = t->count + 1,
                          .file = p->file,
                          .at = p->offset,
                          .why = why};
}

/* With the lock: is it worth waiting for room any longer? */
static bool has_patience(const struct outwriter *w)
{
    uint64_t from = w->give_up_ms > w->full_ms ? w->give_up_ms : w->full_ms;
    return !w->gave_up && w->queued <= LIMIT_OUTPUT_QUEUE &&
           (w->give_up_ms == 0 || now_ms() < from + w->patience_ms);
}

/* A second, or until something changes. False: do not try again. */
static bool wait_for_room(struct outwriter *w, const struct outdisk_part *p, int why)
{
    struct timespec t;
    uint64_t until = now_ms() + RETRY_MS;
    (void)pthread_mutex_lock(&w->lock);
    if (!w->full.now) {
        w->full_ms = now_ms();
        begin_trouble(&w->full, p, why);
        loop_wake_send(w->wake);
    }
    t = (struct timespec){.tv_sec = (time_t)(until / 1000),
                          .tv_nsec = (long)(until % 1000 * 1000000)};
    while (has_patience(w) &&
           pthread_cond_timedwait(&w->again, &w->lock, &t) != ETIMEDOUT)
        ;
    w->gave_up = !has_patience(w);
    bool more = !w->gave_up;
    (void)pthread_mutex_unlock(&w->lock);
    return more;
}

static void end_trouble(struct outwriter *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->full.now = w->lost.now = w->gave_up = false;
    (void)pthread_mutex_unlock(&w->lock);
    loop_wake_send(w->wake);
}

static void lose(struct outwriter *w, const struct outdisk_part *p, int why)
{
    outdisk_miss(w->disk, p->file, p->offset, p->offset + p->len, why);
    (void)pthread_mutex_lock(&w->lock);
    begin_trouble(&w->lost, p, why);
    (void)pthread_mutex_unlock(&w->lock);
    loop_wake_send(w->wake);
}

/* True: there was trouble, and maybe still is. */
static bool do_item(struct outwriter *w, const struct item *i, bool trouble)
{
    struct outdisk_part p = {
        .file = i->file, .offset = i->offset, .data = i->bytes, .len = i->len};
    if (i->kind == ITEM_GAP) {
        outdisk_miss(w->disk, i->file, i->offset, i->to, 0);
        return trouble;
    }
    int rc;
    while ((rc = outdisk_write(w->disk, &p)) < 0) {
        trouble = true;
        if (!may_pass(rc) || !wait_for_room(w, &p, rc))
            break;
    }
    if (rc < 0) {
        lose(w, &p, rc);
        return true;
    }
    if (!trouble || i->len == 0) /* an empty file says nothing of the room */
        return trouble;
    end_trouble(w);
    return false;
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
    bool trouble = false;
    while ((i = take(w))) {
        trouble = do_item(w, i, trouble);
        (void)pthread_mutex_lock(&w->lock);
        bool was_long = w->queued >= LOW_BYTES;
        w->queued -= ITEM_BYTES + i->len;
        /* Not for each of a long queue. */
        bool tell = !w->first || (was_long && w->queued < LOW_BYTES);
        (void)pthread_cond_signal(&w->less);
        (void)pthread_mutex_unlock(&w->lock);
        free(i);
        if (tell)
            loop_wake_send(w->wake);
    }
    w->sync_error = outdisk_sync(w->disk, &w->sync_file);
    return NULL;
}

/* ---- the loop's side ---- */

/* New words on this trouble, but not for each blink of a disk that is nearly full. */
static bool is_news(struct words *said, const struct trouble *t, bool all)
{
    uint64_t now = now_ms();
    if (t->count == said->count ||
        (said->count > 0 && !all && now < said->ms + WORDS_MS))
        return false;
    *said = (struct words){.count = t->count, .ms = now};
    return true;
}

static void speak(struct outwriter *w, bool all)
{
    char path[4096];
    (void)pthread_mutex_lock(&w->lock);
    struct trouble full = w->full, lost = w->lost;
    bool last = w->give_up_ms > 0 && w->patience_ms > 0;
    (void)pthread_mutex_unlock(&w->lock);
    if (is_news(&w->said_full, &full, all)) {
        outdisk_path(w->disk, full.file, 0, path, sizeof path);
        log_warn("write \"%s\": %s; the run goes on, its output waits on the nodes "
                 "until there is room",
                 path, strerror(-full.why));
        w->said_room = false;
    }
    if (is_news(&w->said_lost, &lost, all)) {
        outdisk_path(w->disk, lost.file, 0, path, sizeof path);
        log_warn("write \"%s\" from byte %" PRIu64
                 ": %s; the run goes on, what is missing will be listed at its end",
                 path, lost.at, strerror(-lost.why));
        w->said_room = false;
    }
    if (full.now && !lost.now && last && !w->said_last) {
        log_note("the ranks have ended; their output waits for room, for %u s at most; "
                 "interrupt to do without it",
                 LIMIT_FULL_DISK_MS / 1000);
        w->said_last = true;
    }
    if (!full.now && !lost.now && !w->said_room) {
        log_note("the output is being written again");
        w->said_room = true;
    }
}

static void on_wake(void *arg)
{
    struct outwriter *w = arg;
    speak(w, false);
    w->progress(w->arg);
}

static void enqueue(struct outwriter *w, struct item *i)
{
    (void)pthread_mutex_lock(&w->lock);
    while (w->queued > LIMIT_OUTPUT_QUEUE) {
        (void)pthread_cond_signal(&w->again); /* no time to wait for room */
        (void)pthread_cond_wait(&w->less, &w->lock);
    }
    *w->last = i;
    w->last = &i->next;
    w->queued += ITEM_BYTES + i->len;
    (void)pthread_cond_signal(&w->more);
    (void)pthread_mutex_unlock(&w->lock);
}

static void ask(struct outwriter *w, const struct item *what, const void *data)
{
    struct item *i = malloc(sizeof *i + what->len);
    if (!i) {
        struct outdisk_part p = {.file = what->file, .offset = what->offset};
        (void)pthread_mutex_lock(&w->lock);
        begin_trouble(&w->lost, &p, -ENOMEM);
        (void)pthread_mutex_unlock(&w->lock);
        return;
    }
    *i = *what;
    i->next = NULL;
    if (i->len > 0)
        memcpy(i->bytes, data, i->len);
    enqueue(w, i);
}

void outwriter_write(struct outwriter *w, size_t file, uint64_t offset,
                     const void *data, size_t len)
{
    ask(w, &(struct item){.file = file, .offset = offset, .len = len}, data);
}

void outwriter_gap(struct outwriter *w, size_t file, uint64_t from, uint64_t to)
{
    ask(w, &(struct item){.kind = ITEM_GAP, .file = file, .offset = from, .to = to},
        NULL);
}

size_t outwriter_queued(struct outwriter *w)
{
    (void)pthread_mutex_lock(&w->lock);
    size_t n = w->queued;
    (void)pthread_mutex_unlock(&w->lock);
    return n;
}

void outwriter_last(struct outwriter *w, uint64_t ms)
{
    (void)pthread_mutex_lock(&w->lock);
    if (w->give_up_ms == 0)
        w->give_up_ms = now_ms();
    w->patience_ms = ms;
    (void)pthread_cond_signal(&w->again);
    (void)pthread_mutex_unlock(&w->lock);
    loop_wake_send(w->wake); /* for the words */
}

void outwriter_kept(const struct outwriter *w, size_t file, struct outdisk_kept *ret)
{
    outdisk_kept(w->disk, file, ret);
}

int outwriter_found(struct outwriter *w, size_t file, uint64_t segment)
{
    return outdisk_found(w->disk, file, segment);
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

static void init_locks(struct outwriter *w)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->more, NULL);
    (void)pthread_cond_init(&w->less, NULL);
    (void)pthread_cond_init(&w->again, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

int outwriter_create(struct loop *l, const char *dir, uint32_t world_size,
                     const struct outrotate *r, void (*progress)(void *arg), void *arg,
                     struct outwriter **ret, struct err *e)
{
    struct outwriter *w = calloc(1, sizeof *w);
    if (!w)
        return err_sys(e, -ENOMEM, "open the output files");
    w->progress = progress;
    w->arg = arg;
    w->last = &w->first;
    w->said_room = true;
    init_locks(w);
    int rc = outdisk_create(dir, (size_t)world_size * 2, r, &w->disk, e);
    if (rc < 0)
        goto fail;
    w->wake = loop_wake_create(l, on_wake, w);
    rc = w->wake ? start_thread(w) : -ENOMEM;
    if (rc < 0) {
        err_sys(e, rc, "start the writer of the output files");
        goto fail;
    }
    *ret = w;
    return 0;
fail:
    outwriter_destroy(w);
    return rc;
}

void outwriter_finish(struct outwriter *w)
{
    char path[4096];
    if (!w->running)
        return;
    outwriter_last(w, w->give_up_ms ? w->patience_ms : LIMIT_FULL_DISK_MS);
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_signal(&w->more);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    w->running = false;
    speak(w, true);
    if (w->sync_error == 0)
        return;
    outdisk_path(w->disk, w->sync_file, 0, path, sizeof path);
    log_warn("write \"%s\": %s; what of it is missing the system does not say", path,
             strerror(-w->sync_error));
}

void outwriter_destroy(struct outwriter *w)
{
    if (!w)
        return;
    outwriter_finish(w);
    outdisk_destroy(w->disk);
    loop_wake_destroy(w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->more);
    (void)pthread_cond_destroy(&w->less);
    (void)pthread_cond_destroy(&w->again);
    free(w);
}
