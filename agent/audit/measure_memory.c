/* SPDX-License-Identifier: MIT */
/* measure_memory.c - see measure_memory.h.
 *
 * Three arrays for each NUMA node. Each of its cores is the first to touch its share of
 * them, as far as there is time; then one core walks over all that was touched, and last
 * each over its own share. */
#include "agent/audit/measure_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/mempolicy.h>

#include "agent/audit/measure_counter.h"
#include "agent/audit/measure_room.h"
#include "agent/audit/measure_triad.h"
#include "proto/base/clock.h"

#define NS_PER_MS    1000000u
#define ARRAYS       3u
#define CACHES       4u /* times as much as they hold, where there is room */
#define CACHES_LEAST 2u /* less, and part of it would be of the cache */
#define ROOM_PART    4u /* of what is free */
#define BYTES_LEAST  (64ull << 20)
#define BYTES_MOST   (4ull << 30) /* of a NUMA node */
#define CHUNK        (512u << 10) /* of an array, between looks at the clock */
#define WALK_PART    12u /* percent of the time: for one core, and for all of them */
#define WALK_MOST    (700u * NS_PER_MS)

struct share { /* of one worker, of each array */
    double *at[ARRAYS];
    size_t bytes, touched;
    uint64_t moved, cpu_ns;
    size_t node; /* of struct memory */
    char apart[64];
};

struct node {
    uint32_t numa;
    uint64_t cache_bytes;
    uint8_t *region;
    size_t bytes, n_cores, first, n_at_it; /* first: worker */
    uint64_t one, all;                     /* MB/s */
    const char *why_not;
};

struct memory {
    struct share *shares; /* of each worker of the pool */
    bool *who;
    size_t n;
    struct node *nodes;
    size_t n_nodes;
};

static void wait_until(uint64_t ns)
{
    while (clock_mono_ns() < ns)
        ;
}

/* ---- what the workers do ---- */

/* Where the memory comes from may have been set for the whole process by who started it. */
static void touch_job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct share *s = &((struct memory *)arg)->shares[worker];
    (void)syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0);
    wait_until(start_ns);
    while (s->touched < s->bytes && clock_mono_ns() < end_ns) {
        size_t left = s->bytes - s->touched, n = left < CHUNK ? left : CHUNK;
        for (unsigned k = 0; k < ARRAYS; k++)
            memset((uint8_t *)s->at[k] + s->touched, 0, n);
        s->touched += n;
    }
}

static void walk(const struct share *s, uint64_t end_ns, uint64_t *moved)
{
    for (size_t at = 0; at < s->touched; at += CHUNK) {
        size_t left = s->touched - at, n = left < CHUNK ? left : CHUNK;
        size_t i = at / sizeof(double);
        if (clock_mono_ns() >= end_ns)
            return;
        measure_triad(s->at[0] + i, s->at[1] + i, s->at[2] + i, n);
        *moved += ARRAYS * n;
    }
}

static void all_job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct share *s = &((struct memory *)arg)->shares[worker];
    wait_until(start_ns);
    s->moved = 0;
    uint64_t cpu = measure_thread_ns();
    while (s->touched && clock_mono_ns() < end_ns)
        walk(s, end_ns, &s->moved);
    s->cpu_ns = measure_thread_ns() - cpu;
}

static void one_job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct memory *m = arg;
    struct share *s = &m->shares[worker];
    wait_until(start_ns);
    s->moved = 0;
    uint64_t cpu = measure_thread_ns();
    while (clock_mono_ns() < end_ns)
        for (size_t i = 0; i < m->n; i++)
            if (m->who[i] && m->shares[i].node == s->node)
                walk(&m->shares[i], end_ns, &s->moved);
    s->cpu_ns = measure_thread_ns() - cpu;
}

/* MB/s: bytes per us. */
static uint64_t rate(const struct share *s)
{
    return s->cpu_ns ? (uint64_t)((double)s->moved * 1000 / (double)s->cpu_ns + 0.5)
                     : 0;
}

/* ---- who touches what ---- */

static size_t aligned(uint64_t bytes)
{
    return (size_t)(bytes / MEASURE_TRIAD_ALIGN * MEASURE_TRIAD_ALIGN);
}

/* group: its part of what our cgroup may take. */
static void map(struct measuring *r, struct node *n, uint64_t group)
{
    uint64_t want = n->cache_bytes * CACHES,
             room = measure_room_numa(r->machine, n->numa);
    room = room < group ? room : group;
    want = want > BYTES_LEAST ? want : BYTES_LEAST;
    want = want < BYTES_MOST ? want : BYTES_MOST;
    want = want < room / ROOM_PART ? want : room / ROOM_PART;
    n->bytes = aligned(want / ARRAYS / n->n_cores) * ARRAYS * n->n_cores;
    if (n->bytes < n->cache_bytes * CACHES_LEAST) {
        n->why_not = "too little memory is free there for us";
        return;
    }
    void *at = mmap(NULL, n->bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        n->why_not = "so much address space is not allowed";
        return;
    }
    (void)madvise(at, n->bytes, MADV_HUGEPAGE);
    n->region = at;
}

static void share_out(struct memory *m, const struct measure_cpus *cpus, size_t node)
{
    struct node *n = &m->nodes[node];
    size_t each = n->bytes / ARRAYS / n->n_cores, at = 0;
    n->first = SIZE_MAX;
    for (size_t i = 0; i < m->n; i++) {
        if (cpus->cpus[i].numa != n->numa || !cpus->cpus[i].leads)
            continue;
        struct share *s = &m->shares[i];
        n->first = n->first == SIZE_MAX ? i : n->first;
        m->who[i] = true;
        s->node = node;
        s->bytes = each;
        for (size_t k = 0; k < ARRAYS; k++)
            s->at[k] = (double *)(void *)(n->region + (k * n->n_cores + at) * each);
        at++;
    }
}

static int prepare(struct measuring *r, const struct measure_cpus *cpus,
                   struct memory *m)
{
    m->n = measure_pool_n(r->pool);
    m->shares = calloc(m->n, sizeof *m->shares);
    m->who = calloc(m->n, sizeof *m->who);
    m->nodes = calloc(cpus->n_numas, sizeof *m->nodes);
    if (!m->shares || !m->who || !m->nodes)
        return -ENOMEM;
    uint64_t group = measure_room_cgroup(r->machine) / cpus->n_numas;
    for (size_t k = 0; k < cpus->n_numas; k++) {
        const struct measure_numa *numa = &cpus->numas[k];
        struct node *n = &m->nodes[m->n_nodes++];
        *n = (struct node){.numa = numa->numa,
                           .cache_bytes = numa->cache_bytes,
                           .n_cores = numa->n_cores};
        map(r, n, group);
        if (n->region)
            share_out(m, cpus, k);
    }
    return 0;
}

/* Those of which too little was touched are left out of what follows. */
static void leave_out(struct memory *m)
{
    for (size_t k = 0; k < m->n_nodes; k++) {
        struct node *n = &m->nodes[k];
        uint64_t touched = 0;
        for (size_t i = 0; i < m->n; i++)
            if (m->who[i] && m->shares[i].node == k)
                touched += ARRAYS * m->shares[i].touched;
        if (n->why_not || touched >= n->cache_bytes * CACHES_LEAST)
            continue;
        n->why_not = "there was too little time to fill more than the caches";
        for (size_t i = 0; i < m->n; i++)
            m->who[i] = m->who[i] && m->shares[i].node != k;
    }
}

/* ---- in turn ---- */

static void walk_one(struct measuring *r, struct memory *m, uint64_t span_ns)
{
    bool *ones = calloc(m->n, sizeof *ones);
    bool any = false;
    for (size_t k = 0; ones && k < m->n_nodes; k++)
        if (!m->nodes[k].why_not)
            any = ones[m->nodes[k].first] = true;
    measure_tell(r);
    if (any) {
        measure_pool_run(r->pool, ones, one_job, m, span_ns, measure_tell, r);
        for (size_t k = 0; k < m->n_nodes; k++)
            if (!m->nodes[k].why_not)
                m->nodes[k].one = rate(&m->shares[m->nodes[k].first]);
    }
    free(ones);
}

static void walk_all(struct measuring *r, struct memory *m, uint64_t span_ns)
{
    bool any = false;
    for (size_t i = 0; i < m->n; i++)
        any = any || m->who[i];
    measure_tell(r);
    if (!any)
        return;
    measure_pool_run(r->pool, m->who, all_job, m, span_ns, measure_tell, r);
    for (size_t i = 0; i < m->n; i++) {
        struct node *n = &m->nodes[m->shares[i].node];
        if (!m->who[i] || rate(&m->shares[i]) == 0)
            continue;
        n->all += rate(&m->shares[i]);
        n->n_at_it++;
    }
}

/* Was it near? The last page tells: memory that is full is given from elsewhere. */
static void tell_far(struct measuring *r, const struct memory *m, size_t k)
{
    const struct node *n = &m->nodes[k];
    const struct share *s = &m->shares[n->first];
    int numa = -1;
    if (!s->touched ||
        syscall(SYS_get_mempolicy, &numa, NULL, 0, (uint8_t *)s->at[0] + s->touched - 1,
                MPOL_F_NODE | MPOL_F_ADDR) < 0)
        return;
    if (numa >= 0 && (uint32_t)numa != n->numa)
        measure_note(r,
                     "memory for the CPUs of NUMA node %u came from NUMA node %d: its "
                     "bandwidth is of both",
                     n->numa, numa);
}

static void fill(struct measuring *r, const struct memory *m)
{
    r->m->memory = calloc(m->n_nodes, sizeof(Aolani__AuditMemory *));
    for (size_t k = 0; r->m->memory && k < m->n_nodes; k++) {
        const struct node *n = &m->nodes[k];
        Aolani__AuditMemory *a = malloc(sizeof *a);
        if (!a)
            return;
        aolani__audit_memory__init(a);
        a->numa = n->numa;
        a->one_mbytes = n->one;
        a->all_mbytes = n->all;
        a->cores = (uint32_t)n->n_at_it;
        r->m->memory[r->m->n_memory++] = a;
        if (n->why_not)
            measure_note(r, "memory bandwidth of NUMA node %u was not measured: %s",
                         n->numa, n->why_not);
        else
            tell_far(r, m, k);
    }
}

static void finish(struct memory *m)
{
    for (size_t k = 0; k < m->n_nodes; k++)
        if (m->nodes[k].region)
            (void)munmap(m->nodes[k].region, m->nodes[k].bytes);
    free(m->shares);
    free(m->who);
    free(m->nodes);
}

void measure_memory(struct measuring *r, const struct measure_cpus *cpus,
                    uint64_t end_ns)
{
    struct memory m = {0};
    uint64_t now = clock_mono_ns(), span = end_ns > now ? end_ns - now : 0;
    uint64_t walks = span * WALK_PART / 100;
    walks = walks < WALK_MOST ? walks : WALK_MOST;
    measure_tell(r);
    if (prepare(r, cpus, &m) == 0) {
        bool any = false;
        for (size_t k = 0; k < m.n_nodes; k++)
            any = any || m.nodes[k].region;
        if (any)
            measure_pool_run(r->pool, m.who, touch_job, &m, span - 2 * walks,
                             measure_tell, r);
        leave_out(&m);
        walk_one(r, &m, walks);
        walk_all(r, &m, walks);
        fill(r, &m);
        measure_tell(r);
    }
    finish(&m);
}
