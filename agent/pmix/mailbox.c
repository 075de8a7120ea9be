/* SPDX-License-Identifier: MIT */
/* mailbox.c - a list under a mutex, and a wake-up for the loop.
 *
 * The reader takes the whole list at once, so that the mutex is never held while a letter
 * is read. */
#include "agent/pmix/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mailbox {
    pthread_mutex_t mutex;
    struct letter *first, **last;
    struct loop_wake *wake;
    void (*read)(void *arg, struct letter *m);
    void *arg;
};

static void on_wake(void *arg)
{
    mailbox_drain(arg);
}

int mailbox_create(struct loop *l, void (*read)(void *arg, struct letter *m), void *arg,
                   struct mailbox **ret)
{
    struct mailbox *b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    b->last = &b->first;
    b->read = read;
    b->arg = arg;
    (void)pthread_mutex_init(&b->mutex, NULL);
    b->wake = loop_wake_create(l, on_wake, b);
    if (!b->wake) {
        mailbox_destroy(b);
        return -ENOMEM;
    }
    *ret = b;
    return 0;
}

void mailbox_destroy(struct mailbox *b)
{
    if (!b)
        return;
    loop_wake_destroy(b->wake);
    while (b->first) {
        struct letter *m = b->first;
        b->first = m->next;
        letter_destroy(m);
    }
    (void)pthread_mutex_destroy(&b->mutex);
    free(b);
}

void mailbox_post(struct mailbox *b, struct letter *m)
{
    m->next = NULL;
    (void)pthread_mutex_lock(&b->mutex);
    *b->last = m;
    b->last = &m->next;
    (void)pthread_mutex_unlock(&b->mutex);
    loop_wake_send(b->wake);
}

void mailbox_drain(struct mailbox *b)
{
    (void)pthread_mutex_lock(&b->mutex);
    struct letter *m = b->first;
    b->first = NULL;
    b->last = &b->first;
    (void)pthread_mutex_unlock(&b->mutex);
    while (m) {
        struct letter *next = m->next;
        b->read(b->arg, m);
        letter_destroy(m);
        m = next;
    }
}

struct letter *letter_create(enum letter_kind kind, const void *data, size_t len)
{
    struct letter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->kind = kind;
    if (len > 0) {
        m->data = malloc(len);
        if (!m->data) {
            free(m);
            return NULL;
        }
        memcpy(m->data, data, len);
        m->len = len;
    }
    return m;
}

void letter_destroy(struct letter *m)
{
    if (!m)
        return;
    free(m->procs);
    free(m->data);
    free(m);
}
