/* SPDX-License-Identifier: MIT */
/* gpu_host.c - a GPU made of memory, for agent/workload/cuda/gpu.h: what proves the trainer
 * for CUDA where there is none.
 *
 * It is as unhelpful as a device may be. Work is done only while somebody waits, and of two
 * streams at random (GPU_HOST_SEED), as far ahead of each other as their order allows. Its
 * memory begins as NaN, has gaps that must stay untouched, and cannot be touched by the host;
 * a kernel that is given other memory ends the process. Products follow cuBLAS: matrices by
 * columns. Sums over the ranks are comm's. GPU_HOST_FAIL=n fails the n-th call;
 * GPU_HOST_WRONG=1 sums wrongly; GPU_HOST_FREE is how many bytes are free; GPU_HOST_NONE=1 is
 * no device.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/workload/comm.h"
#include "agent/workload/cuda/gemm.h"
#include "agent/workload/cuda/gpu.h"

void gpu_host_launch(struct gpu *g, void (*work)(const void *f, size_t n),
                     const void *f, size_t bytes, bool clean, size_t n);

enum { ARENA = 1 << 28, GAP = 256, MOST_OPS = 4096, ARGS = 256, MOST_ALLOCS = 256 };

typedef void (*work_f)(const void *args, size_t n);

struct op {
    work_f work; /* NULL: wait until `ticket` ops of stream `on` are done */
    size_t n;    /* of the work */
    size_t ticket;
    enum gpu_stream on;
    _Alignas(16) char args[ARGS];
};

struct queue {
    struct op *op;
    size_t given, done; /* in all; those between are in op, from op[0] on */
};

struct arena {
    char *base;
    size_t used, n;
    struct {
        size_t at, bytes;
    } piece[MOST_ALLOCS];
};

struct gpu {
    char error[256], place[96];
    bool tf32;
    const struct comm *comm;
    struct arena device, host;
    struct queue live[GPU_STREAMS], graph[GPU_STREAMS];
    bool capturing, captured;
    uint64_t random;
    long calls, fail_at;
};

static void __attribute__((noreturn, format(printf, 1, 2))) bug(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "gpu_host: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    abort();
}

static long number(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 0) : fallback;
}

/* Is the call to be made? Every call of gpu.h passes here, and may be the one to fail. */
static bool call(struct gpu *g, const char *name)
{
    if (g->error[0])
        return false;
    if (++g->calls != g->fail_at)
        return true;
    snprintf(g->error, sizeof g->error, "%s, in %s: made to fail", name, g->place);
    return false;
}

static size_t pick(struct gpu *g, size_t n)
{
    g->random = g->random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(g->random >> 33) % n;
}

/* ---- memory */

static void arena_open(struct arena *a)
{
    a->base = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a->base == MAP_FAILED)
        bug("no memory for an arena");
}

static void *arena_take(struct arena *a, size_t bytes, int fill)
{
    size_t room = (bytes + 255) & ~(size_t)255;
    if (a->used + room + GAP > ARENA || a->n == MOST_ALLOCS)
        return NULL;
    char *p = a->base + a->used;
    memset(p, fill, bytes);
    memset(p + bytes, 0x5a, room - bytes + GAP);
    a->piece[a->n].at = a->used;
    a->piece[a->n++].bytes = bytes;
    a->used += room + GAP;
    return p;
}

static void arena_close(struct arena *a, const char *what)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t at = a->piece[i].at + a->piece[i].bytes;
        size_t end = i + 1 < a->n ? a->piece[i + 1].at : a->used;
        for (; at < end; at++)
            if (a->base[at] != 0x5a)
                bug("%s memory %zu of %zu bytes was written behind its end", what, i,
                    a->piece[i].bytes);
    }
    munmap(a->base, ARENA);
}

/* [p, p + bytes) within one piece. */
static bool arena_has(const struct arena *a, const void *p, size_t bytes)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *from = a->base + a->piece[i].at;
        if ((const char *)p >= from &&
            (const char *)p + bytes <= from + a->piece[i].bytes)
            return true;
    }
    return false;
}

static void need_device(const struct gpu *g, const void *p, size_t bytes,
                        const char *who)
{
    if (!arena_has(&g->device, p, bytes))
        bug("%s in %s: %zu bytes at %p are no memory of the device", who, g->place,
            bytes, p);
}

static void device_is_for(struct gpu *g, bool work)
{
    mprotect(g->device.base, ARENA, work ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/* ---- streams */

static struct queue *queue_of(struct gpu *g, enum gpu_stream s)
{
    return g->capturing ? &g->graph[s] : &g->live[s];
}

static struct op *add(struct gpu *g, enum gpu_stream s, work_f work, const void *args,
                      size_t bytes)
{
    struct queue *q = queue_of(g, s);
    if (q->given - q->done == MOST_OPS || bytes > ARGS)
        bug("a stream has no room");
    if (g->capturing && s != GPU_COMPUTE && q->given == 0 && work)
        bug("a graph's other stream works before it waited for the first");
    struct op *o = &q->op[q->given++ - q->done];
    *o = (struct op){.work = work};
    if (bytes > 0)
        memcpy(o->args, args, bytes);
    return o;
}

static bool can_go(const struct gpu *g, enum gpu_stream s)
{
    const struct queue *q = &g->live[s];
    if (q->given == q->done)
        return false;
    const struct op *o = &q->op[0];
    return o->work || g->live[o->on].done >= o->ticket;
}

static void go(struct gpu *g, enum gpu_stream s)
{
    struct queue *q = &g->live[s];
    if (q->op[0].work) {
        device_is_for(g, true);
        q->op[0].work(q->op[0].args, q->op[0].n);
        device_is_for(g, false);
    }
    q->done++;
    memmove(q->op, q->op + 1, (q->given - q->done) * sizeof *q->op);
}

bool gpu_is_idle(struct gpu *g)
{
    if (g->error[0])
        return true;
    if (g->capturing)
        bug("asked while capturing");
    /* For a while one stream only, so that it gets as far ahead as it can. */
    enum gpu_stream s = (enum gpu_stream)pick(g, GPU_STREAMS);
    size_t most = 1 + pick(g, 64);
    while (most-- > 0 && can_go(g, s))
        go(g, s);
    for (int i = 0; i < GPU_STREAMS; i++)
        if (g->live[i].given > g->live[i].done)
            return false;
    return true;
}

void gpu_order(struct gpu *g, enum gpu_stream first, enum gpu_stream later)
{
    if (!call(g, "gpu_order"))
        return;
    size_t ticket = queue_of(g, first)->given;
    struct op *o = add(g, later, NULL, NULL, 0);
    o->on = first;
    o->ticket = ticket;
}

/* ---- a device */

int gpu_probe(char *why, size_t len)
{
    if (!getenv("GPU_HOST_NONE"))
        return 0;
    snprintf(why, len, "no CUDA device: there is none, as it was asked for");
    return -1;
}

struct gpu *gpu_open(int local_rank, bool tf32, char *why, size_t len)
{
    struct gpu *g = calloc(1, sizeof *g);
    (void)why;
    (void)len;
    if (!g)
        bug("no memory");
    g->tf32 = tf32;
    g->random = (uint64_t)number("GPU_HOST_SEED", 1) + (uint64_t)local_rank * 977;
    g->fail_at = number("GPU_HOST_FAIL", 0);
    arena_open(&g->device);
    arena_open(&g->host);
    for (int s = 0; s < GPU_STREAMS; s++) {
        g->live[s].op = calloc(MOST_OPS, sizeof *g->live[s].op);
        g->graph[s].op = calloc(MOST_OPS, sizeof *g->graph[s].op);
        if (!g->live[s].op || !g->graph[s].op)
            bug("no memory");
    }
    device_is_for(g, false);
    return g;
}

void gpu_close(struct gpu *g)
{
    if (!g)
        return;
    device_is_for(g, true);
    arena_close(&g->device, "device");
    arena_close(&g->host, "host");
    for (int s = 0; s < GPU_STREAMS; s++) {
        free(g->live[s].op);
        free(g->graph[s].op);
    }
    free(g);
}

void gpu_abort(struct gpu *g)
{
    (void)g;
}

const char *gpu_error(const struct gpu *g)
{
    return g->error[0] ? g->error : NULL;
}

void gpu_place(struct gpu *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->place, sizeof g->place, fmt, ap);
    va_end(ap);
}

const char *gpu_name(const struct gpu *g)
{
    (void)g;
    return "a GPU made of memory";
}

void gpu_memory(struct gpu *g, size_t *ret_free, size_t *ret_total)
{
    (void)g;
    *ret_total = ARENA;
    *ret_free = (size_t)number("GPU_HOST_FREE", ARENA);
}

void *gpu_alloc(struct gpu *g, size_t bytes)
{
    if (!call(g, "gpu_alloc"))
        return NULL;
    device_is_for(g, true);
    void *p = arena_take(&g->device, bytes, 0xff);
    device_is_for(g, false);
    if (!p)
        snprintf(g->error, sizeof g->error, "gpu_alloc, in %s: out of memory",
                 g->place);
    return p;
}

void *gpu_alloc_host(struct gpu *g, size_t bytes)
{
    return call(g, "gpu_alloc_host") ? arena_take(&g->host, bytes, 0) : NULL;
}

/* ---- kernels: their arguments hold no pointer to other memory */

/* A word that is the address of something; numbers are not, nor is cleared padding. */
static bool is_address(uint64_t word)
{
    return word >= (uint64_t)0x50 << 40 && word < (uint64_t)1 << 47 &&
           msync((void *)(uintptr_t)(word & ~(uint64_t)4095), 1, MS_ASYNC) == 0;
}

void gpu_host_launch(struct gpu *g, work_f work, const void *f, size_t bytes,
                     bool clean, size_t n)
{
    if (!call(g, "launch"))
        return;
    for (size_t at = 0; clean && at + 8 <= bytes; at += 8) {
        uint64_t word;
        memcpy(&word, (const char *)f + at, 8);
        if (is_address(word))
            need_device(g, (const void *)(uintptr_t)word, 1, "a kernel");
    }
    add(g, GPU_COMPUTE, work, f, bytes)->n = n;
}

/* ---- copies */

struct copy {
    char *to;
    const char *from;
};

static void do_copy(const void *args, size_t n)
{
    const struct copy *c = args;
    memcpy(c->to, c->from, n);
}

static void do_zero(const void *args, size_t n)
{
    const struct copy *c = args;
    memset(c->to, 0, n);
}

void gpu_copy(struct gpu *g, enum gpu_stream s, void *to, const void *from,
              size_t bytes)
{
    if (!call(g, "gpu_copy"))
        return;
    if (!arena_has(&g->device, to, bytes) && !arena_has(&g->host, to, bytes))
        bug("a copy in %s goes to memory of neither", g->place);
    if (!arena_has(&g->device, from, bytes) && !arena_has(&g->host, from, bytes))
        bug("a copy in %s comes from memory of neither", g->place);
    struct copy c = {to, from};
    add(g, s, do_copy, &c, sizeof c)->n = bytes;
}

void gpu_zero(struct gpu *g, enum gpu_stream s, void *to, size_t bytes)
{
    if (!call(g, "gpu_zero"))
        return;
    need_device(g, to, bytes, "gpu_zero");
    struct copy c = {to, NULL};
    add(g, s, do_zero, &c, sizeof c)->n = bytes;
}

/* ---- products, as cuBLAS has them: element (i, j) of a matrix is at [i + j * ld] */

struct product {
    struct gemm m;
    enum gpu_type in, out;
    bool tf32;
    const void *a, *b;
    void *c;
};

/* TF32 keeps 10 bits of the fraction. */
static float to_tf32(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = (bits + 0xfffu + (bits >> 13 & 1)) & ~0x1fffu;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static double load(const struct product *p, const void *matrix, size_t at)
{
    uint32_t bits;
    float f;
    if (p->in == GPU_F64)
        return ((const double *)matrix)[at];
    if (p->in == GPU_F32)
        return p->tf32 ? to_tf32(((const float *)matrix)[at])
                       : ((const float *)matrix)[at];
    bits = (uint32_t)((const uint16_t *)matrix)[at] << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double dot(const struct product *p, size_t i, size_t j)
{
    const struct gemm *m = &p->m;
    size_t lda = (size_t)m->lda, ldb = (size_t)m->ldb;
    double sum = 0;
    float sum_f = 0;
    for (size_t l = 0; l < (size_t)m->k; l++) {
        double a = load(p, p->a, m->transpose_a ? l + i * lda : i + l * lda);
        double b = load(p, p->b, m->transpose_b ? j + l * ldb : l + j * ldb);
        sum += a * b;
        sum_f += (float)(a * b);
    }
    return p->in == GPU_F64 ? sum : sum_f;
}

static void do_product(const void *args, size_t n)
{
    const struct product *p = args;
    for (size_t at = 0; at < n; at++) {
        size_t i = at % (size_t)p->m.m, j = at / (size_t)p->m.m;
        double v = dot(p, i, j);
        if (p->out == GPU_F64)
            ((double *)p->c)[i + j * (size_t)p->m.ldc] = v;
        else
            ((float *)p->c)[i + j * (size_t)p->m.ldc] = (float)v;
    }
}

static void need_matrix(const struct gpu *g, const void *p, bool transposed, int rows,
                        int columns, int ld, enum gpu_type t)
{
    int high = transposed ? columns : rows, wide = transposed ? rows : columns;
    if (ld < high)
        bug("a product in %s: leading dimension %d of a matrix of %d", g->place, ld,
            high);
    need_device(g, p, ((size_t)(wide - 1) * (size_t)ld + (size_t)high) * gpu_bytes(t),
                "a product");
}

void gpu_gemm(struct gpu *g, const struct gemm *m, enum gpu_type in, enum gpu_type out,
              const void *a, const void *b, void *c)
{
    struct product p = {*m, in, out, g->tf32, a, b, c};
    if (!call(g, "gpu_gemm"))
        return;
    /* The combinations that cuBLAS has. */
    if (!(in == out || (in == GPU_BF16 && out == GPU_F32)))
        bug("cuBLAS has no product of these types");
    need_matrix(g, a, m->transpose_a, m->m, m->k, m->lda, in);
    need_matrix(g, b, m->transpose_b, m->k, m->n, m->ldb, in);
    need_matrix(g, c, false, m->m, m->n, m->ldc, out);
    add(g, GPU_COMPUTE, do_product, &p, sizeof p)->n = (size_t)m->m * (size_t)m->n;
}

/* ---- the ranks */

struct shared {
    const struct comm *comm;
    void *v;
    bool wide, sum;
};

static void do_shared(const void *args, size_t n)
{
    const struct shared *s = args;
    double *v = s->wide ? s->v : malloc(n * sizeof *v);
    float *f = s->v;
    if (!v)
        bug("no memory");
    for (size_t i = 0; !s->wide && i < n; i++)
        v[i] = f[i];
    if (s->sum)
        comm_sum(s->comm, v, n);
    else
        comm_from_first(s->comm, v, n);
    if (s->sum && number("GPU_HOST_WRONG", 0))
        v[n / 2] *= 1.001;
    for (size_t i = 0; !s->wide && i < n; i++)
        f[i] = (float)v[i];
    if (!s->wide)
        free(v);
}

void gpu_join(struct gpu *g, const struct comm *c)
{
    if (call(g, "gpu_join"))
        g->comm = c;
}

static void share(struct gpu *g, void *v, size_t n, enum gpu_type t, bool sum)
{
    struct shared s = {g->comm, v, t == GPU_F64, sum};
    if (!call(g, sum ? "gpu_sum" : "gpu_from_first"))
        return;
    if (!g->comm)
        bug("the ranks have not met");
    need_device(g, v, n * gpu_bytes(t), "a sum");
    add(g, GPU_SUMS, do_shared, &s, sizeof s)->n = n;
}

void gpu_sum(struct gpu *g, void *v, size_t n, enum gpu_type t)
{
    share(g, v, n, t, true);
}

void gpu_from_first(struct gpu *g, void *v, size_t n, enum gpu_type t)
{
    share(g, v, n, t, false);
}

/* ---- graphs */

void gpu_capture_begin(struct gpu *g)
{
    if (call(g, "gpu_capture_begin"))
        g->capturing = true;
}

void gpu_capture_end(struct gpu *g)
{
    if (!g->capturing || !call(g, "gpu_capture_end"))
        return;
    const struct queue *q = &g->graph[GPU_COMPUTE];
    size_t joined = 0;
    for (size_t i = 0; i < q->given; i++)
        if (!q->op[i].work && q->op[i].on == GPU_SUMS)
            joined = q->op[i].ticket;
    if (joined < g->graph[GPU_SUMS].given)
        bug("a graph ends before its other stream has joined");
    g->capturing = false;
    g->captured = true;
}

void gpu_replay(struct gpu *g)
{
    size_t base[GPU_STREAMS];
    if (!call(g, "gpu_replay"))
        return;
    if (!g->captured)
        bug("there is no graph");
    for (int s = 0; s < GPU_STREAMS; s++)
        base[s] = g->live[s].given;
    for (int s = 0; s < GPU_STREAMS; s++) {
        for (size_t i = 0; i < g->graph[s].given; i++) {
            struct op *o = add(g, (enum gpu_stream)s, NULL, NULL, 0);
            *o = g->graph[s].op[i];
            o->ticket += base[o->on];
        }
    }
}
