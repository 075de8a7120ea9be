/* SPDX-License-Identifier: MIT */
/* stallfile.c - see stallfile.h. A thread that stands in a write that never ends keeps the
 * struct: the process is about to end then. */
#include "launcher/stallfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_BYTES (8u << 20)

struct part {
    struct part *next;
    unsigned number;
    size_t len;
    char text[];
};

struct stallfile {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct part *first, **last; /* to be written */
    size_t waiting;             /* bytes of them, and of the one being written */
    bool has_thread, ended;     /* it uses this; the owner does not any more */
    size_t bytes[STALLFILE_FILES + 1];
    char dir[PATH_MAX];
};

struct stallfile *stallfile_create(const char *dir)
{
    struct stallfile *f = calloc(1, sizeof *f);
    pthread_condattr_t attr;
    if (!f)
        return NULL;
    f->last = &f->first;
    (void)snprintf(f->dir, sizeof f->dir, "%s", dir);
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&f->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return f;
}

static void release(struct stallfile *f)
{
    while (f->first) {
        struct part *p = f->first;
        f->first = p->next;
        free(p);
    }
    (void)pthread_cond_destroy(&f->changed);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- the thread ---- */

static void write_part(const struct stallfile *f, const struct part *p)
{
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/stall-%u.txt", f->dir, p->number);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    for (size_t at = 0; fd >= 0 && at < p->len;) {
        ssize_t n = write(fd, p->text + at, p->len - at);
        if (n <= 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
}

static void *writer(void *arg)
{
    struct stallfile *f = arg;
    (void)pthread_mutex_lock(&f->lock);
    while (!f->ended || f->first) {
        struct part *p = f->first;
        if (!p) {
            (void)pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        f->first = p->next;
        f->last = f->first ? f->last : &f->first;
        (void)pthread_mutex_unlock(&f->lock);
        write_part(f, p);
        (void)pthread_mutex_lock(&f->lock);
        f->waiting -= p->len;
        free(p);
        (void)pthread_cond_broadcast(&f->changed);
    }
    f->has_thread = false;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

static bool start(struct stallfile *f)
{
    sigset_t all, old;
    pthread_t thread;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread, NULL, writer, f);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        (void)pthread_detach(thread);
    return rc == 0;
}

/* ---- the owner's side ---- */

static bool is_plain(char c)
{
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\t';
}

static void enqueue(struct stallfile *f, struct part *p)
{
    (void)pthread_mutex_lock(&f->lock);
    bool fits = f->waiting + p->len <= QUEUE_BYTES;
    if (fits && !f->has_thread)
        fits = f->has_thread = start(f);
    if (fits) {
        *f->last = p;
        f->last = &p->next;
        f->waiting += p->len;
        f->bytes[p->number] += p->len;
        (void)pthread_cond_broadcast(&f->changed);
    }
    (void)pthread_mutex_unlock(&f->lock);
    if (!fits)
        free(p);
}

bool stallfile_add(struct stallfile *f, unsigned number, const char *text, size_t len)
{
    if (!f || number < 1 || number > STALLFILE_FILES)
        return false;
    size_t room = STALLFILE_BYTES - f->bytes[number]; /* which is ours alone */
    struct part *p = malloc(sizeof *p + (len < room ? len : room));
    if (!p)
        return true;
    *p = (struct part){.number = number, .len = len < room ? len : room};
    for (size_t i = 0; i < p->len; i++)
        p->text[i] = is_plain(text[i]) ? text[i] : '?';
    enqueue(f, p);
    return true;
}

void stallfile_destroy(struct stallfile *f)
{
    struct timespec until;
    if (!f)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STALLFILE_LAST_MS / 1000;
    (void)pthread_mutex_lock(&f->lock);
    f->ended = true;
    (void)pthread_cond_broadcast(&f->changed);
    int rc = 0;
    while (f->has_thread && rc == 0)
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &until);
    bool gone = !f->has_thread;
    (void)pthread_mutex_unlock(&f->lock);
    if (gone)
        release(f);
}
