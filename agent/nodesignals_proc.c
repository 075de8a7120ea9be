/* SPDX-License-Identifier: MIT */
/* nodesignals_proc.c - see nodesignals_proc.h.
 *
 * The kernel makes the whole of /proc/stat at once, however little of it is read: there is
 * no cheaper way to a part. What a round costs is bounded by nodesignals.c. */
#include "agent/nodesignals_proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define STAT_BYTES      (32u << 10) /* of 192 CPUs and 2000 interrupts */
#define STAT_BYTES_MOST (4u << 20)  /* of 8192 CPUs */
#define STEAL_FIELD     8u          /* user nice system idle iowait irq softirq steal */

struct nodesignals_proc {
    struct nodesignals_proc_config c;
    struct nodesignals_file stat, pressure[NODESIGNALS_PRESSURES];
    char *text;
    size_t text_bytes;
    uint64_t us_per_tick;
    bool stolen_from; /* some steal was seen since the kernel started */
    struct nodesignals_counter interrupts, softirqs, waited[NODESIGNALS_PRESSURES];
    struct nodesignals_counter *steal; /* of c.cpus, in ticks */
};

#if defined(__x86_64__) || defined(__i386__)

#define CPUID_HYPERVISOR      0x40000000u
#define CPUID_HYPERVISOR_LAST 0x40010000u /* one may be below another: each 0x100 */
#define KVM_FEATURE_STEAL     (1u << 5)

static bool hypervisor_tells_steal(void)
{
    for (unsigned leaf = CPUID_HYPERVISOR; leaf < CPUID_HYPERVISOR_LAST;
         leaf += 0x100) {
        unsigned a, name[3];
        __cpuid(leaf, a, name[0], name[1], name[2]);
        if (memcmp(name, "KVMKVMKVM\0\0", sizeof name) == 0) {
            unsigned features, b, c, d;
            __cpuid(leaf + 1, features, b, c, d);
            return features & KVM_FEATURE_STEAL;
        }
        if (memcmp(name, "XenVMMXenVMM", sizeof name) == 0)
            return true;
        if (leaf == CPUID_HYPERVISOR && a < CPUID_HYPERVISOR)
            return false;
    }
    return false;
}

static bool steal_can_be_told(void)
{
    unsigned a, b, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return false;
    return !(c & 1u << 31) || hypervisor_tells_steal();
}

#else

/* Nothing that a program may read says whether there is a hypervisor. */
static bool steal_can_be_told(void)
{
    return false;
}

#endif

bool nodesignals_steal_is_told(const char *cmdline)
{
    static const char word[] = "no-steal-acc";
    for (const char *at = cmdline; at && (at = strstr(at, word)); at++)
        if ((at == cmdline || at[-1] == ' ') && strchr(" \n", at[sizeof word - 1]))
            return false;
    return steal_can_be_told();
}

/* ---- /proc/stat ---- */

/* All of it, or what there is room for. */
static bool proc_read_stat(struct nodesignals_proc *p)
{
    if (!p->stat.path)
        return false;
    for (;;) {
        ssize_t n = nodesignals_file_read(&p->stat, p->text, p->text_bytes);
        if (n <= 0)
            return false;
        if ((size_t)n < p->text_bytes - 1 || p->text_bytes == STAT_BYTES_MOST)
            return true;
        char *more = realloc(p->text, p->text_bytes * 2);
        if (!more)
            return true;
        p->text = more;
        p->text_bytes *= 2;
    }
}

/* A line "cpu3 1 2 3 ..." of which *at is after "cpu". */
static bool proc_parse_cpu(const char *at, uint64_t *ret_cpu, uint64_t *ret_steal)
{
    bool good = nodesignals_number(&at, ret_cpu);
    for (unsigned i = 0; good && i < STEAL_FIELD; i++)
        good = *at == ' ' && nodesignals_number(&at, ret_steal);
    return good;
}

struct stat_seen {
    uint64_t cpus; /* all that are there */
    bool has_interrupts, has_softirqs;
    uint64_t interrupts, softirqs, *steal; /* of each of ours, in ticks */
    bool *has_steal;
};

static void proc_parse_line(struct nodesignals_proc *p, const char *line, size_t *next,
                            struct stat_seen *seen)
{
    uint64_t cpu, steal;
    const char *at = line;
    if (strncmp(line, "cpu", 3) == 0 && line[3] >= '0' && line[3] <= '9') {
        seen->cpus++;
        if (!proc_parse_cpu(line + 3, &cpu, &steal))
            return;
        p->stolen_from = p->stolen_from || steal > 0;
        while (*next < p->c.n_cpus && p->c.cpus[*next] < cpu)
            ++*next;
        if (*next < p->c.n_cpus && p->c.cpus[*next] == cpu) {
            seen->steal[*next] = steal;
            seen->has_steal[*next] = true;
        }
    } else if (strncmp(line, "intr ", 5) == 0) {
        at = line + 5;
        seen->has_interrupts = nodesignals_number(&at, &seen->interrupts);
    } else if (strncmp(line, "softirq ", 8) == 0) {
        at = line + 8;
        seen->has_softirqs = nodesignals_number(&at, &seen->softirqs);
    }
}

/* A share of what all CPUs had. */
static uint64_t proc_ours(const struct nodesignals_proc *p,
                          const struct stat_seen *seen, uint64_t all)
{
    if (seen->cpus <= p->c.n_cpus)
        return all;
    return (uint64_t)((double)all * (double)p->c.n_cpus / (double)seen->cpus + 0.5);
}

static void proc_take_stat(struct nodesignals_proc *p, const struct stat_seen *seen,
                           struct nodesignals_sum *ret)
{
    bool steal_known = p->c.n_cpus > 0 && (p->c.steal_is_told || p->stolen_from);
    for (size_t i = 0; i < p->c.n_cpus; i++) {
        uint64_t ticks;
        bool known =
            nodesignals_count(&p->steal[i], seen->has_steal[i], seen->steal[i], &ticks);
        steal_known = steal_known && known && ticks <= UINT64_MAX / p->us_per_tick;
        ret->steal_us[i] = steal_known ? ticks * p->us_per_tick : 0;
    }
    if (steal_known)
        ret->known |= NODESIGNALS_STEAL;
    uint64_t interrupts, softirqs;
    bool known = nodesignals_count(&p->interrupts, seen->has_interrupts,
                                   seen->interrupts, &interrupts);
    known = nodesignals_count(&p->softirqs, seen->has_softirqs, seen->softirqs,
                              &softirqs) &&
            known;
    if (!known)
        return;
    ret->known |= NODESIGNALS_INTERRUPTS;
    ret->interrupts = proc_ours(p, seen, interrupts);
    ret->softirqs = proc_ours(p, seen, softirqs);
}

static void proc_look_at_stat(struct nodesignals_proc *p, struct nodesignals_sum *ret)
{
    struct stat_seen seen = {0};
    seen.steal = calloc(p->c.n_cpus + 1, sizeof *seen.steal);
    seen.has_steal = calloc(p->c.n_cpus + 1, sizeof *seen.has_steal);
    size_t next = 0;
    if (!seen.steal || !seen.has_steal)
        goto out;
    if (proc_read_stat(p)) {
        for (const char *line = p->text; line && *line; line = strchr(line, '\n')) {
            line += *line == '\n';
            proc_parse_line(p, line, &next, &seen);
        }
    }
    proc_take_stat(p, &seen, ret);
out:
    free(seen.steal);
    free(seen.has_steal);
}

/* ---- /proc/pressure ---- */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12" */
static bool proc_read_pressure(const struct nodesignals_file *f, uint64_t *ret)
{
    char text[512];
    if (!f->path || nodesignals_file_read(f, text, sizeof text) <= 0 ||
        strncmp(text, "some ", 5) != 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    const char *total = strstr(text, " total=");
    if (!total)
        return false;
    total += strlen(" total=");
    return nodesignals_number(&total, ret);
}

static void proc_look_at_pressure(struct nodesignals_proc *p,
                                  struct nodesignals_sum *ret)
{
    bool all = true;
    for (int i = 0; i < NODESIGNALS_PRESSURES; i++) {
        uint64_t now = 0;
        bool is_there = proc_read_pressure(&p->pressure[i], &now);
        all = nodesignals_count(&p->waited[i], is_there, now, &ret->psi_us[i]) && all;
    }
    if (all)
        ret->known |= NODESIGNALS_PSI;
    else
        memset(ret->psi_us, 0, sizeof ret->psi_us);
}

/* ---- */

void nodesignals_proc_read(struct nodesignals_proc *p, struct nodesignals_sum *ret)
{
    proc_look_at_stat(p, ret);
    proc_look_at_pressure(p, ret);
}

int nodesignals_proc_create(const struct nodesignals_proc_config *c,
                            struct nodesignals_proc **ret)
{
    static const char *const names[] = {"cpu", "memory", "io"};
    struct nodesignals_proc *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->c = *c;
    p->text_bytes = STAT_BYTES;
    p->text = malloc(p->text_bytes);
    p->steal = calloc(c->n_cpus + 1, sizeof *p->steal);
    if (!p->text || !p->steal) {
        nodesignals_proc_destroy(p);
        return -ENOMEM;
    }
    long hz = sysconf(_SC_CLK_TCK);
    p->us_per_tick = hz > 0 && hz <= 1000000 ? 1000000 / (uint64_t)hz : 10000;
    /* One that is not there stays closed: unknown. */
    (void)nodesignals_file_open(&p->stat, c->reopen, "%s/stat", c->proc);
    for (int i = 0; i < NODESIGNALS_PRESSURES; i++)
        (void)nodesignals_file_open(&p->pressure[i], c->reopen, "%s/pressure/%s",
                                    c->proc, names[i]);
    *ret = p;
    return 0;
}

void nodesignals_proc_destroy(struct nodesignals_proc *p)
{
    if (!p)
        return;
    nodesignals_file_close(&p->stat);
    for (int i = 0; i < NODESIGNALS_PRESSURES; i++)
        nodesignals_file_close(&p->pressure[i]);
    free(p->text);
    free(p->steal);
    free(p);
}
