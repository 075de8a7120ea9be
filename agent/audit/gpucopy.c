/* SPDX-License-Identifier: MIT */
/* gpucopy.c - see gpucopy.h. How much is copied at once grows until that takes a while, so
 * that neither a fast link is measured by its latency nor a slow one past the time. The
 * best of many is told: what the link can do, not what the node did meanwhile. */
#include "agent/audit/gpucopy.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/gpuchild.h"
#include "agent/audit/gpucopy_cuda.h"
#include "agent/audit/gpucopy_impl.h"
#include "agent/audit/gpus_impl.h"
#include "proto/base/clock.h"
#include "proto/base/utf8.h"

#define MOST       64u
#define MIB        (UINT64_C(1) << 20)
#define NS_PER_MS  UINT64_C(1000000)
#define HOST_BYTES (64 * MIB)
/* Both halves together are more than any GPU's cache holds. */
#define GPU_BYTES    (512 * MIB)
#define LEAST_BYTES  (1 * MIB)
#define MOST_BYTES   (8192 * MIB) /* in one go */
#define ENOUGH_NS    (5 * NS_PER_MS)
#define WAY_LEAST_MS 25u /* for each of the three */
#define WAY_MOST_MS  60u
#define RESERVE_MS   700u /* of the budget, for the child's end */
#define RESERVE_PART 4u

struct one {
    char bus_id[24], uuid[48], error[128];
    uint64_t to, from, within; /* MB/s */
    bool is_done;
};

struct copies { /* what the child writes */
    uint64_t until_ns;
    char error[160];
    bool is_absent; /* no library, or no GPU for it */
    uint32_t n, at; /* the one that is measured */
    struct one gpu[MOST];
};

struct buffers {
    const struct cuda *c;
    void *host;
    cuda_address gpu;
    uint64_t host_bytes, gpu_bytes;
};

/* ---- in the child */

enum way { TO, FROM, WITHIN };

static int copy_once(const struct buffers *b, enum way way, uint64_t bytes)
{
    uint64_t half = b->gpu_bytes / 2;
    uint64_t most = way == WITHIN ? half : b->host_bytes;
    int code = CUDA_OK;
    for (uint64_t done = 0; code == CUDA_OK && done < bytes;) {
        uint64_t n = bytes - done < most ? bytes - done : most;
        if (way == TO)
            code = b->c->to(b->gpu, b->host, n, NULL);
        else if (way == FROM)
            code = b->c->from(b->host, b->gpu, n, NULL);
        else
            code = b->c->within(b->gpu + half, b->gpu, n, NULL);
        done += n;
    }
    int waited = b->c->wait();
    return code == CUDA_OK ? waited : code;
}

/* What took too short a time says more of the way to the driver than of the link. */
static int measure_way(const struct buffers *b, enum way way, uint64_t until_ns,
                       uint64_t *ret)
{
    uint64_t bytes = LEAST_BYTES, now;
    int code = copy_once(b, way, bytes); /* what is done at the first copy */
    do {
        uint64_t start = clock_mono_ns();
        if (code == CUDA_OK)
            code = copy_once(b, way, bytes);
        if (code != CUDA_OK)
            return code;
        now = clock_mono_ns();
        uint64_t took = now > start ? now - start : 1;
        uint64_t rate = bytes * 1000 / took; /* bytes in a ns are GB/s */
        if ((took >= ENOUGH_NS || bytes >= MOST_BYTES) && rate > *ret)
            *ret = rate;
        if (took < ENOUGH_NS && bytes < MOST_BYTES)
            bytes *= took < ENOUGH_NS / 8 ? 8 : 2;
        bytes = bytes < MOST_BYTES ? bytes : MOST_BYTES;
    } while (now < until_ns);
    return *ret ? CUDA_OK : CUDA_NO_TIME;
}

/* The rest of the time, shared evenly. A GPU that has been woken gets its least in any
 * case: that was what took long. */
static uint64_t way_until(uint64_t until_ns, unsigned left)
{
    uint64_t now = clock_mono_ns();
    uint64_t share = until_ns > now ? (until_ns - now) / left : 0;
    share = share > WAY_LEAST_MS * NS_PER_MS ? share : WAY_LEAST_MS * NS_PER_MS;
    share = share < WAY_MOST_MS * NS_PER_MS ? share : WAY_MOST_MS * NS_PER_MS;
    return now + share;
}

/* Pinned memory comes from the node of the CPU that asks for it. Where none of the CPUs
 * near the GPU may be used, it stays where it is. */
static void go_near(const char *bus_id)
{
    struct numaset near, allowed = {0}; /* bits as the kernel has them */
    struct machine *m;
    bool any = false;
    if (machine_open(NULL, &m, NULL) < 0)
        return;
    bool is_known = gpucopy_near(m, bus_id, &near);
    machine_close(m);
    if (!is_known || sched_getaffinity(0, sizeof allowed, (cpu_set_t *)&allowed) < 0)
        return;
    for (size_t i = 0; i < sizeof near.word / sizeof *near.word; i++) {
        near.word[i] &= allowed.word[i];
        any |= near.word[i] != 0;
    }
    if (any)
        (void)sched_setaffinity(0, sizeof near, (const cpu_set_t *)&near);
}

static int measure_all_ways(struct buffers *b, uint64_t until_ns, struct one *ret)
{
    int code = b->c->host_alloc(&b->host, HOST_BYTES, 0);
    if (code != CUDA_OK)
        return code;
    b->host_bytes = HOST_BYTES;
    b->gpu_bytes = GPU_BYTES;
    code = b->c->alloc(&b->gpu, b->gpu_bytes);
    bool is_full = code == CUDA_NO_MEMORY;
    if (is_full) {
        b->gpu_bytes = 2 * HOST_BYTES;
        code = b->c->alloc(&b->gpu, b->gpu_bytes);
    }
    if (code != CUDA_OK) {
        b->gpu_bytes = 0;
        return code;
    }
    code = measure_way(b, TO, way_until(until_ns, 3), &ret->to);
    if (code == CUDA_OK)
        code = measure_way(b, FROM, way_until(until_ns, 2), &ret->from);
    if (code == CUDA_OK && !is_full)
        code = measure_way(b, WITHIN, way_until(until_ns, 1), &ret->within);
    if (code == CUDA_OK && is_full)
        (void)snprintf(ret->error, sizeof ret->error,
                       "its memory is in use: not copied within");
    return code;
}

static int measure_gpu(const struct cuda *c, int device, uint64_t until_ns,
                       struct one *ret)
{
    struct buffers b = {.c = c};
    struct cuda_context *context;
    go_near(ret->bus_id);
    int code = c->retain(&context, device);
    if (code != CUDA_OK)
        return code;
    code = c->use(context);
    if (code == CUDA_OK)
        code = measure_all_ways(&b, until_ns, ret);
    if (b.gpu_bytes)
        (void)c->free(b.gpu);
    if (b.host_bytes)
        (void)c->host_free(b.host);
    (void)c->use(NULL);
    (void)c->release(device);
    return code;
}

static void name_gpu(const struct cuda *c, int device, struct one *ret)
{
    unsigned char u[16];
    if (c->bus_id(ret->bus_id, sizeof ret->bus_id, device) != CUDA_OK)
        ret->bus_id[0] = '\0';
    for (char *at = ret->bus_id; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    if (c->uuid(u, device) != CUDA_OK)
        return;
    (void)snprintf(ret->uuid, sizeof ret->uuid,
                   "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                   "%02x%02x%02x%02x%02x%02x",
                   u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
                   u[11], u[12], u[13], u[14], u[15]);
}

/* The number of GPUs, or why it is not known, negative. */
static int start(const struct cuda *c, struct copies *ret)
{
    int n = 0, code = cuda_is_whole(c) ? c->init(0) : CUDA_NO_FUNCTION;
    if (code == CUDA_OK)
        code = c->count(&n);
    if (code == CUDA_NO_DEVICE || (code == CUDA_OK && n <= 0)) {
        ret->is_absent = true;
        return 0;
    }
    if (code != CUDA_OK) {
        (void)snprintf(ret->error, sizeof ret->error, "cannot use CUDA: %s",
                       cuda_why(c, code));
        return -EIO;
    }
    return n < (int)MOST ? n : (int)MOST;
}

static void in_child(void *shared)
{
    struct copies *s = shared;
    struct cuda c;
    int device[MOST];
    if (!cuda_load(&c)) {
        s->is_absent = true;
        return;
    }
    int n = start(&c, s);
    if (n <= 0)
        return;
    for (int i = 0; i < n; i++) {
        if (c.device(&device[i], i) != CUDA_OK)
            return;
        name_gpu(&c, device[i], &s->gpu[i]);
    }
    s->n = (uint32_t)n;
    for (s->at = 0; s->at < s->n; s->at++) {
        struct one *g = &s->gpu[s->at];
        uint64_t now = clock_mono_ns();
        if (now >= s->until_ns)
            return;
        uint64_t until = now + (s->until_ns - now) / (s->n - s->at);
        int code = measure_gpu(&c, device[s->at], until, g);
        if (code != CUDA_OK)
            (void)snprintf(g->error, sizeof g->error, "%s", cuda_why(&c, code));
        g->is_done = true;
    }
}

/* ---- in the parent */

static int by_bus_id(const void *a, const void *b)
{
    return strcmp(((const struct one *)a)->bus_id, ((const struct one *)b)->bus_id);
}

/* What was being written when the child was killed may have no end. */
static void settle(struct copies *s, const char *why)
{
    s->n = s->n < MOST ? s->n : MOST;
    for (uint32_t i = 0; i < s->n; i++) {
        struct one *g = &s->gpu[i];
        g->bus_id[sizeof g->bus_id - 1] = g->uuid[sizeof g->uuid - 1] = '\0';
        g->error[sizeof g->error - 1] = '\0';
        utf8_make_printable(g->bus_id);
        utf8_make_printable(g->error);
        if (!g->is_done)
            (void)snprintf(g->error, sizeof g->error, "%.127s",
                           *why && i == s->at ? why : "no time was left for it");
    }
    s->error[sizeof s->error - 1] = '\0';
    qsort(s->gpu, s->n, sizeof *s->gpu, by_bus_id);
}

static bool set_text(char **field, const char *text)
{
    char *copy = strdup(text);
    if (copy)
        *field = copy;
    return copy;
}

static Aolani__AuditCopy *copy_message(const struct machine *m, const struct one *g)
{
    Aolani__AuditCopy *a = malloc(sizeof *a);
    if (!a)
        return NULL;
    aolani__audit_copy__init(a);
    a->to_mbytes = g->to;
    a->from_mbytes = g->from;
    a->within_mbytes = g->within;
    a->rated_mbytes = m && *g->bus_id ? gpucopy_rated(m, g->bus_id) : 0;
    if (set_text(&a->uuid, g->uuid) && set_text(&a->bus_id, g->bus_id) &&
        set_text(&a->error, g->error))
        return a;
    aolani__audit_copy__free_unpacked(a, NULL);
    return NULL;
}

static int take(const struct copies *s, Aolani__AuditCopy ***ret, size_t *ret_n)
{
    Aolani__AuditCopy **all = calloc(s->n ? s->n : 1, sizeof(Aolani__AuditCopy *));
    struct machine *m = NULL;
    size_t n = 0;
    (void)machine_open(NULL, &m, NULL);
    while (all && n < s->n && (all[n] = copy_message(m, &s->gpu[n])))
        n++;
    machine_close(m);
    if (all && n == s->n) {
        *ret = all;
        *ret_n = n;
        return 0;
    }
    while (n > 0)
        aolani__audit_copy__free_unpacked(all[--n], NULL);
    free(all);
    return -ENOMEM;
}

static bool may_copy(void)
{
    struct gpus_pci p = {.n = 0};
    struct machine *m;
    if (machine_open(NULL, &m, NULL) < 0)
        return true;
    gpus_list_pci(m, &p);
    machine_close(m);
    return gpus_may_ask(&p);
}

int gpucopy_run(uint64_t budget_ms, Aolani__AuditCopy ***ret, size_t *ret_n,
                struct err *e)
{
    struct err why = {.text = ""};
    *ret = NULL;
    *ret_n = 0;
    if (!may_copy())
        return 0;
    struct copies *shared = gpuchild_memory(sizeof *shared), *s = malloc(sizeof *s);
    uint64_t reserve = budget_ms / RESERVE_PART;
    int rc = -ENOMEM;
    if (!shared || !s)
        goto out;
    reserve = reserve < RESERVE_MS ? reserve : RESERVE_MS;
    shared->until_ns = clock_mono_ns() + (budget_ms - reserve) * NS_PER_MS;
    rc = gpuchild_run(in_child, shared, budget_ms, &why);
    memcpy(s, shared, sizeof *s);
    settle(s, why.text);
    if (s->n == 0 && (rc < 0 || *s->error)) {
        rc = err_set(e, rc < 0 ? rc : -EIO, "%s", rc < 0 ? why.text : s->error);
        goto out;
    }
    rc = s->n > 0 ? take(s, ret, ret_n) : 0;
out:
    gpuchild_free(shared, sizeof *shared);
    free(s);
    return rc == -ENOMEM ? err_sys(e, rc, "measure copies to GPUs") : rc;
}
