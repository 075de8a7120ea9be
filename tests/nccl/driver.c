/* SPDX-License-Identifier: MIT */
/* driver.c - runs cases against a built profiler plug-in, each in a process of its own.
 *
 * usage: driver PLUGIN OTHER [CASE]      OTHER: the plug-in that is chained behind ours
 *        driver --list
 *
 * A line "ok" or "not ok" for each case and version of NCCL's interface. */
#include "tests/nccl/driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_SECONDS 100

static bool failed;

void driver_failed(const char *file, int line, const char *what)
{
    printf("# %s:%d: not so: %s\n", file, line, what);
    failed = true;
}

int driver_status(void)
{
    return failed;
}

/* ---- the agent's end */

void world_file(struct world *w)
{
    strcpy(w->dir, "/dev/shm/aolani-nccl-XXXXXX");
    if (!mkdtemp(w->dir)) {
        strcpy(w->dir, "/tmp/aolani-nccl-XXXXXX");
        if (!mkdtemp(w->dir))
            exit(1);
    }
    snprintf(w->path, sizeof w->path, "%s/coll", w->dir);
    int fd = open(w->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)COLLFILE_BYTES) < 0)
        exit(1);
    w->file = mmap(NULL, COLLFILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (w->file == MAP_FAILED)
        exit(1);
    collfile_init(w->file);
    setenv("AOLANI_COLL_PATH", w->path, 1);
}

void world_load(struct world *w)
{
    sim_load(&w->sim, w->plugin, w->version);
}

void world_open(struct world *w)
{
    world_file(w);
    world_load(w);
}

static void wish_begin(struct collwish *h)
{
    atomic_fetch_add(&h->gen, 1);
}

static void wish_end(struct collwish *h)
{
    atomic_fetch_add(&h->gen, 1);
}

void world_wish(struct world *w, enum coll_depth depth, uint32_t every, uint32_t n)
{
    struct collwish *h = &w->file->wish;
    wish_begin(h);
    __atomic_store_n(&h->depth, depth, __ATOMIC_RELEASE);
    __atomic_store_n(&h->deep_every, every, __ATOMIC_RELEASE);
    __atomic_store_n(&h->deep_n, n, __ATOMIC_RELEASE);
    wish_end(h);
}

void world_anchor(struct world *w, uint64_t comm, struct collsig sig)
{
    struct collwish *h = &w->file->wish;
    wish_begin(h);
    __atomic_store_n(&h->anchor_comm, comm, __ATOMIC_RELEASE);
    __atomic_store_n(&h->anchor_key, collsig_key(sig), __ATOMIC_RELEASE);
    wish_end(h);
}

static void lane_drain(struct world *w, struct colllane *l)
{
    uint64_t tail = atomic_load(&l->tail), head = atomic_load(&l->head);
    uint64_t last_ns = 0;
    EXPECT(head - tail <= COLL_RECORDS);
    if (head == tail)
        return;
    w->rec = realloc(w->rec, (w->n + head - tail) * sizeof *w->rec);
    if (!w->rec)
        exit(1);
    for (; tail < head; tail++) {
        struct collrec *r = &w->rec[w->n++];
        EXPECT(collrec_decode(l->record[tail & (COLL_RECORDS - 1)], r));
        EXPECT(r->t_ns >= last_ns);
        last_ns = r->t_ns;
    }
    atomic_store(&l->tail, tail);
}

void world_drain(struct world *w)
{
    uint32_t n = atomic_load(&w->file->n_lanes);
    EXPECT(n <= COLL_LANES);
    for (uint32_t i = 0; i < n && i < COLL_LANES; i++)
        lane_drain(w, &w->file->lane[i]);
}

/* ---- what must be there */

static void expect_number(const char *what, uint64_t is, uint64_t want)
{
    if (is == want)
        return;
    printf("# %s: %llu, want %llu\n", what, (unsigned long long)is,
           (unsigned long long)want);
    failed = true;
}

void world_expect(struct world *w, const struct want *want)
{
    struct want is = {.odd = atomic_load(&w->file->odd),
                      .untimed = atomic_load(&w->file->untimed)};
    world_drain(w);
    for (size_t i = 0; i < w->n; i++) {
        is.calls += w->rec[i].kind == COLLREC_CALL;
        is.dones += w->rec[i].kind == COLLREC_DONE;
        is.comms += w->rec[i].kind == COLLREC_COMM;
        is.captured += (w->rec[i].flags & COLLREC_CAPTURED) != 0;
        is.gaps += (w->rec[i].flags & COLLREC_GAP) != 0;
    }
    for (unsigned i = 0; i < COLL_LANES; i++) {
        is.dropped += atomic_load(&w->file->lane[i].dropped);
        if (i >= atomic_load(&w->file->n_lanes))
            EXPECT(atomic_load(&w->file->lane[i].head) == 0);
    }
    expect_number("calls", is.calls, want->calls);
    expect_number("captured", is.captured, want->captured);
    expect_number("done", is.dones, want->dones);
    expect_number("communicators", is.comms, want->comms);
    expect_number("gaps", is.gaps, want->gaps);
    expect_number("dropped", is.dropped, want->dropped);
    expect_number("odd", is.odd, want->odd);
    expect_number("untimed", is.untimed, want->untimed);
}

static int by_number(const void *a, const void *b)
{
    const struct collrec *x = a, *y = b;
    uint32_t kx = collsig_key(x->sig), ky = collsig_key(y->sig);
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->comm != y->comm)
        return x->comm < y->comm ? -1 : 1;
    if (kx != ky)
        return kx < ky ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void world_expect_seqs(struct world *w)
{
    uint32_t next = 0;
    qsort(w->rec, w->n, sizeof *w->rec, by_number);
    for (size_t i = 0; i < w->n && w->rec[i].kind == COLLREC_CALL; i++) {
        const struct collrec *r = &w->rec[i];
        if (i == 0 || r[-1].comm != r->comm ||
            collsig_key(r[-1].sig) != collsig_key(r->sig))
            next = 0;
        EXPECT(r->seq == next);
        next = r->seq + 1;
    }
}

const struct collrec *world_find(const struct world *w, unsigned kind, unsigned func,
                                 uint32_t seq)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->rec[i].kind == kind && w->rec[i].sig.func == func &&
            w->rec[i].seq == seq)
            return &w->rec[i];
    return NULL;
}

/* ---- cases */

static const struct driver_case *const sets[] = {cases_calls, cases_deep, cases_place,
                                                 cases_chain};

static int run_here(const struct driver_case *c, struct world *w)
{
    alarm(CASE_SECONDS);
    c->run(w);
    if (w->file) {
        unlink(w->path);
        rmdir(w->dir);
    }
    free(w->rec);
    return failed;
}

static bool run_apart(const struct driver_case *c, struct world *w)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        exit(run_here(c, w));
    bool good = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    if (pid > 0 && !good && WIFSIGNALED(status))
        printf("# ended by signal %d\n", WTERMSIG(status));
    printf("%s %s, version %u\n", good ? "ok" : "not ok", c->name, w->version);
    return good;
}

static bool run_versions(const struct driver_case *c, const char *plugin,
                         const char *other)
{
    bool good = true;
    for (unsigned v = 5; v >= 1; v--) {
        struct world w = {
            .plugin = plugin, .other = other, .version = v, .name = c->name};
        if (c->versions & 1u << v)
            good = run_apart(c, &w) && good;
    }
    return good;
}

int main(int argc, char **argv)
{
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0, good = true;
    unsigned n = 0;
    if (!list && argc != 3 && argc != 4) {
        fprintf(stderr, "usage: driver PLUGIN OTHER [CASE], or driver --list\n");
        return 2;
    }
    for (size_t s = 0; s < LEN(sets); s++)
        for (const struct driver_case *c = sets[s]; c->name; c++) {
            if (list)
                puts(c->name);
            else if (argc == 3 || strcmp(argv[3], c->name) == 0)
                n++, good = run_versions(c, argv[1], argv[2]) && good;
        }
    if (!list && n == 0)
        fprintf(stderr, "driver: no case \"%s\"\n", argv[3]);
    return list || (good && n > 0) ? 0 : 1;
}
