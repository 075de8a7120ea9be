/* SPDX-License-Identifier: MIT */
/* bind.c - see bind.h. */
#include "agent/bind.h"

#include "proto/base/limits.h"
#include "proto/base/rankset.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of linux/mempolicy.h, where older headers lack the last. */
enum { MODE_PREFERRED = 1, MODE_BIND = 2, MODE_PREFERRED_MANY = 5 };

/* ---- bounds ---- */

/* It is shown to people and given to programs: no control characters. */
static bool bind_is_plain(const char *text, size_t most)
{
    size_t n = 0;
    while (n <= most && (unsigned char)text[n] > ' ' && text[n] != 127)
        n++;
    return n <= most && !text[n];
}

static int bind_check_env(Aolani__KeyValue *const *env, size_t n, struct err *e)
{
    if (n > LIMIT_BIND_ENV)
        return err_set(e, ERR_PROTO, "take a plan with %zu variables of the binding",
                       n);
    for (size_t i = 0; i < n; i++) {
        if (!env[i]->key[0] || strchr(env[i]->key, '=') ||
            !bind_is_plain(env[i]->key, LIMIT_DEVICE_NAME) ||
            !bind_is_plain(env[i]->value, LIMIT_BIND_VALUE))
            return err_set(
                e, ERR_PROTO,
                "take a plan: a variable of the binding has no proper name or "
                "value");
    }
    return 0;
}

static int bind_check_rank(const Aolani__RankPlan *r, struct err *e)
{
    int rc = bind_check_env(r->bind_env, r->n_bind_env, e);
    bool good = r->n_numa <= LIMIT_NUMA && r->n_gpus <= LIMIT_GPUS &&
                bind_is_plain(r->nic, LIMIT_DEVICE_NAME);
    for (size_t i = 0; good && i < r->n_numa; i++)
        good = r->numa[i] < LIMIT_NUMA;
    for (size_t i = 0; good && i < r->n_gpus; i++)
        good = bind_is_plain(r->gpus[i], LIMIT_DEVICE_NAME);
    if (rc == 0 && !good)
        rc = err_set(e, ERR_PROTO,
                     "take a plan that binds rank %u to NUMA nodes, GPUs or a NIC that "
                     "cannot be",
                     r->rank);
    return rc;
}

int bind_check(const Aolani__Prepare *p, struct err *e)
{
    int rc = bind_check_env(p->bind_env, p->n_bind_env, e);
    if (rc == 0 && (p->memory < AOLANI__MEMORY_POLICY__MEMORY_ANY ||
                    p->memory > AOLANI__MEMORY_POLICY__MEMORY_BIND))
        rc = err_set(e, ERR_PROTO, "take a plan with the memory policy %d",
                     (int)p->memory);
    for (size_t i = 0; rc == 0 && i < p->n_ranks; i++)
        rc = bind_check_rank(p->ranks[i], e);
    return rc;
}

/* ---- what the kernel takes ---- */

static int bind_read_cpus(const char *cpus, struct bind *b, struct err *e)
{
    struct rankset set = {0};
    if (!cpus[0])
        return 0;
    int rc = rankset_parse(&set, cpus, e);
    if (rc == 0 && !(b->cpus = CPU_ALLOC(LIMIT_CPUS)))
        rc = err_sys(e, -ENOMEM, "bind to the CPUs \"%s\"", cpus);
    if (rc == 0) {
        b->cpus_bytes = CPU_ALLOC_SIZE(LIMIT_CPUS);
        CPU_ZERO_S(b->cpus_bytes, b->cpus);
        for (int64_t i = -1; (i = rankset_next(&set, (uint32_t)(i + 1))) >= 0;)
            CPU_SET_S((size_t)i, b->cpus_bytes, b->cpus);
    }
    rankset_fini(&set);
    return rc;
}

static void bind_read_memory(const Aolani__Prepare *p, const Aolani__RankPlan *rank,
                             struct spawn_memory *m)
{
    if (p->memory == AOLANI__MEMORY_POLICY__MEMORY_ANY || rank->n_numa == 0)
        return;
    bool bound = p->memory == AOLANI__MEMORY_POLICY__MEMORY_BIND;
    m->mode = bound              ? MODE_BIND
              : rank->n_numa > 1 ? MODE_PREFERRED_MANY
                                 : MODE_PREFERRED;
    m->must = bound || p->bind_strict;
    for (size_t i = 0; i < rank->n_numa; i++) {
        uint32_t node = rank->numa[i];
        m->nodes[node / SPAWN_NUMA_BITS] |= 1ul << node % SPAWN_NUMA_BITS;
    }
}

int bind_read(const Aolani__Prepare *p, const Aolani__RankPlan *rank, struct bind *ret,
              struct err *e)
{
    *ret = (struct bind){0};
    bind_read_memory(p, rank, &ret->memory);
    return bind_read_cpus(rank->cpus, ret, e);
}

void bind_fini(struct bind *b)
{
    if (b->cpus)
        CPU_FREE(b->cpus);
    *b = (struct bind){0};
}

/* ---- can it be so here? ---- */

/* By doing it to ourselves for a moment in which nothing is allocated: that the kernel
 * refuses shall be known before a rank starts, and with the code of a binding. */
static int bind_try_memory(const struct spawn_memory *m)
{
    const unsigned long bits = 8 * sizeof m->nodes + 1;
    unsigned long nodes[LIMIT_NUMA / SPAWN_NUMA_BITS] = {0};
    int mode = 0;
    if (syscall(SYS_get_mempolicy, &mode, nodes, bits - 1, NULL, 0ul) < 0)
        return -errno;
    if (syscall(SYS_set_mempolicy, m->mode, m->nodes, bits) < 0)
        return -errno;
    (void)syscall(SYS_set_mempolicy, mode, nodes, bits);
    return 0;
}

int bind_fit(const Aolani__Prepare *p, const Aolani__RankPlan *rank,
             const struct host *h, struct err *e)
{
    struct spawn_memory m = {0};
    int rc = host_check_cpus(h, rank->cpus, e);
    bind_read_memory(p, rank, &m);
    for (size_t i = 0; m.must && rc == 0 && i < rank->n_numa; i++)
        rc = host_check_numa(h, rank->numa[i], e);
    if (rc < 0 || !m.must || (rc = bind_try_memory(&m)) == 0)
        return rc;
    err_set(e, ERR_BIND, "bind the memory of rank %u to its NUMA nodes: %s", rank->rank,
            strerror(-rc));
    return err_hint(e, "%s",
                    rc == -EPERM ? "the filter of a container may forbid it: set "
                                   "bind.memory = \"none\""
                    : m.mode == MODE_PREFERRED_MANY
                        ? "to prefer several nodes at once takes Linux 5.15: set "
                          "bind.memory = \"none\", or \"bind\""
                        : "set bind.memory = \"none\"");
}
