/* SPDX-License-Identifier: MIT */
/* comm_tcp.c - the ranks of the job over plain TCP: rank 0 has a connection to each. What is
 * combined, rank 0 combines in the order of the ranks and sends to all.
 *
 * A thread watches the connections. When one closes and this rank is not at its end, a rank
 * is gone: whoever waits for NCCL looks here (comm_is_broken) and leaves it; should the main
 * thread be where it cannot look, the watcher ends the process. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/workload/comm.h"
#include "agent/workload/cuda/meet.h"
#include "proto/client/aolani.h"

enum { PIECE = 1 << 13 /* numbers: 64 KiB */, GRACE_SECONDS = 2 };

struct star {
    int rank, size;
    int *peers;
    struct pollfd *watched; /* the same, and the bell */
    int bell;
    pthread_t watcher;
    bool watching;
    atomic_bool at_end;
    atomic_int gone; /* a rank; -1 */
    double *piece;   /* of another rank */
};

typedef void (*fold_f)(double *into, const double *from, size_t n);

static void __attribute__((noreturn)) die(const struct star *s, const char *why)
{
    fprintf(stderr, "trainer-cuda: rank %d: %s\n", s ? s->rank : 0, why);
    _exit(1);
}

static void __attribute__((noreturn)) die_alone(const struct star *s, int peer)
{
    char why[64];
    snprintf(why, sizeof why, "rank %d is gone", peer);
    die(s, why);
}

/* ---- the watcher */

static void *watch(void *arg)
{
    struct star *s = arg;
    struct timespec pause = {GRACE_SECONDS, 0};
    nfds_t n = (nfds_t)s->size + 1;
    for (int r = 0; r < s->size; r++)
        s->watched[r] = (struct pollfd){.fd = s->peers[r], .events = POLLRDHUP};
    s->watched[s->size] = (struct pollfd){.fd = s->bell, .events = POLLIN};
    for (;;) {
        if (poll(s->watched, n, -1) < 0 && errno == EINTR)
            continue;
        if (atomic_load(&s->at_end) || s->watched[s->size].revents)
            return NULL;
        for (int r = 0; r < s->size; r++)
            if (s->watched[r].revents)
                atomic_store(&s->gone, r);
        if (atomic_load(&s->gone) < 0)
            continue;
        nanosleep(&pause, NULL); /* the main thread knows better what it was doing */
        if (atomic_load(&s->at_end))
            return NULL;
        die_alone(s, atomic_load(&s->gone));
    }
}

bool comm_is_broken(const struct comm *c)
{
    const struct star *s = c->own;
    return atomic_load(&s->gone) >= 0;
}

/* ---- start and end */

static struct star *star_create(const struct meeting *m)
{
    struct star *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->rank = m->rank;
    s->size = m->size;
    s->peers = calloc((size_t)m->size, sizeof *s->peers);
    s->watched = calloc((size_t)m->size + 1, sizeof *s->watched);
    s->piece = calloc(PIECE, sizeof *s->piece);
    s->bell = eventfd(0, EFD_CLOEXEC);
    atomic_init(&s->at_end, false);
    atomic_init(&s->gone, -1);
    if (s->peers && s->watched && s->piece && s->bell >= 0)
        return s;
    if (s->bell >= 0)
        close(s->bell);
    free(s->peers);
    free(s->watched);
    free(s->piece);
    free(s);
    return NULL;
}

void comm_start(struct comm *c, int *argc, char ***argv)
{
    struct meeting m = {0};
    char why[512];
    (void)argc;
    (void)argv;
    if (meet_plan(&m, why, sizeof why) < 0)
        die(NULL, why);
    struct star *s = star_create(&m);
    if (!s)
        die(NULL, "out of memory for the other ranks");
    if (meet_all(&m, s->peers, why, sizeof why) < 0)
        die(s, why);
    *c = (struct comm){.rank = m.rank,
                       .size = m.size,
                       .local_rank = m.local_rank,
                       .marks = true,
                       .own = s};
    s->watching = s->size > 1 && pthread_create(&s->watcher, NULL, watch, s) == 0;
}

void comm_finish(struct comm *c)
{
    struct star *s = c->own;
    /* First, so that nobody takes the end of another rank, who is past this, for a failure. */
    atomic_store(&s->at_end, true);
    (void)comm_first_bad(c, true);
    uint64_t one = 1;
    if (s->watching && write(s->bell, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(s->watcher, NULL);
    for (int r = 0; r < s->size; r++)
        if (s->peers[r] >= 0)
            close(s->peers[r]);
    close(s->bell);
    free(s->peers);
    free(s->watched);
    free(s->piece);
    free(s);
    c->own = NULL;
}

/* The kernel closes the connections, which is how the others learn of it. */
void comm_abort(const struct comm *c, int status)
{
    (void)c;
    fflush(NULL);
    _exit(status);
}

/* ---- messages */

static void put(const struct star *s, int peer, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(s->peers[peer], p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die_alone(s, peer);
        p += n;
        len -= (size_t)n;
    }
}

static void take(const struct star *s, int peer, void *data, size_t len)
{
    char *p = data;
    while (len > 0) {
        ssize_t n = recv(s->peers[peer], p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die_alone(s, peer);
        p += n;
        len -= (size_t)n;
    }
}

static void from_first(struct star *s, double *v, size_t n)
{
    if (s->rank > 0) {
        take(s, 0, v, n * sizeof *v);
        return;
    }
    for (int r = 1; r < s->size; r++)
        put(s, r, v, n * sizeof *v);
}

/* One piece. */
static void fold_piece(struct star *s, double *v, size_t n, fold_f fold)
{
    if (s->rank > 0)
        put(s, 0, v, n * sizeof *v);
    for (int r = 1; s->rank == 0 && r < s->size; r++) {
        take(s, r, s->piece, n * sizeof *v);
        fold(v, s->piece, n);
    }
    from_first(s, v, n);
}

static void fold_all(const struct comm *c, double *v, size_t n, fold_f fold)
{
    if (c->marks)
        aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE)
        fold_piece(c->own, v + at, n - at < PIECE ? n - at : PIECE, fold);
    if (c->marks)
        aolani_wait_end();
}

static void add(double *into, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        into[i] += from[i];
}

static void least(double *into, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        into[i] = from[i] < into[i] ? from[i] : into[i];
}

void comm_sum(const struct comm *c, double *v, size_t n)
{
    fold_all(c, v, n, add);
}

void comm_from_first(const struct comm *c, double *v, size_t n)
{
    if (c->marks)
        aolani_wait_begin();
    for (size_t at = 0; at < n; at += PIECE)
        from_first(c->own, v + at, n - at < PIECE ? n - at : PIECE);
    if (c->marks)
        aolani_wait_end();
}

int comm_first_bad(const struct comm *c, bool good)
{
    double first = good ? INT_MAX : c->rank;
    fold_all(c, &first, 1, least);
    return first == INT_MAX ? -1 : (int)first;
}

bool comm_is_same(const struct comm *c, uint64_t v)
{
    /* The least and the greatest of both halves, which doubles hold exactly. */
    double low = (double)(v & 0xffffffffu), high = (double)(v >> 32);
    double ends[4] = {low, -low, high, -high};
    fold_all(c, ends, 4, least);
    return ends[0] == -ends[1] && ends[2] == -ends[3];
}
