/* SPDX-License-Identifier: MIT */
/* gpus_links.c - NVLinks, and who else uses GPUs. */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"

#define MIB (1024u * 1024u)
/* In use although no process is to be seen: more than the driver keeps for itself. */
#define USED_MB      2048
#define USED_PERCENT 5

/* ---- NVLinks */

static int64_t most_active(const struct gpus *g, gpus_set usable)
{
    int64_t most = 0;
    for (uint32_t i = 0; i < g->n; i++)
        if (gpus_has(usable, i) && g->gpu[i].state[NVMLLIB_LINKS_ACTIVE] > most)
            most = g->gpu[i].state[NVMLLIB_LINKS_ACTIVE];
    return most;
}

/* The GPUs of a fabric of switches that they have not joined cannot be used by CUDA. */
static void sort_fabric(const struct gpus_one *o, uint32_t i, gpus_set *failed,
                        gpus_set *waiting)
{
    int64_t state = o->state[NVMLLIB_FABRIC], status = o->state[NVMLLIB_FABRIC_STATUS];
    if (state == NVMLLIB_FABRIC_IN_PROGRESS ||
        (state == NVMLLIB_FABRIC_COMPLETED && status > 0))
        gpus_put(failed, i);
    else if (state == NVMLLIB_FABRIC_NOT_STARTED)
        gpus_put(waiting, i);
}

void gpus_judge_links(const struct gpus *g, struct findings *f)
{
    gpus_set usable = gpus_usable(g), fewer = {0}, none = {0}, unsaid = {0},
             failed = {0}, waiting = {0};
    int64_t most = most_active(g, usable), total = 0;
    uint32_t n = 0;
    char few[64], rest[64];
    for (uint32_t i = 0; i < g->n; i++) {
        int64_t links = g->gpu[i].state[NVMLLIB_LINKS],
                active = g->gpu[i].state[NVMLLIB_LINKS_ACTIVE];
        if (!gpus_has(usable, i))
            continue;
        n++;
        total = links > total ? links : total;
        sort_fabric(&g->gpu[i], i, &failed, &waiting);
        if (links < 0 || active < 0)
            gpus_put(&unsaid, i);
        else if (active < most && !gpus_has(failed, i))
            gpus_put(&fewer, i);
        else if (links > 0 && active == 0 && !gpus_has(failed, i))
            gpus_put(&none, i);
    }
    (void)snprintf(few, sizeof few, "not all of %lld NVLinks active", (long long)most);
    (void)snprintf(rest, sizeof rest,
                   total == 0 ? "it has no NVLinks" : "%lld of %lld NVLinks active",
                   (long long)most, (long long)total);
    waiting.bits &= ~(fewer.bits | none.bits);
    const struct gpus_line lines[] = {
        {failed, AUDIT_FAIL, "it has not joined the NVLink fabric (fabric manager)"},
        {fewer, AUDIT_FAIL, few},
        {none, n > 1 ? AUDIT_WARN : AUDIT_PASS, "no NVLink is active"},
        {waiting, AUDIT_WARN, "joining the NVLink fabric has not begun"},
        {unsaid, AUDIT_UNKNOWN, "NVLinks not said"},
    };
    gpus_say(g, f, AUDIT_GP9, lines, sizeof lines / sizeof *lines, rest);
    if (gpus_any(fewer))
        found_value(f, "mixed");
    else if (!gpus_any(unsaid))
        found_value(f, "%lld of %lld", (long long)most, (long long)total);
}

/* ---- processes */

/* The driver's own, and MPS, which belongs to the node: they compute nothing. */
static bool is_service(const char *name)
{
    static const char *const services[] = {"nvidia-cuda-mps", "nvidia-persiste",
                                           "nv-hostengine", "dcgm"};
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (!strncmp(name, services[i], strlen(services[i])))
            return true;
    return false;
}

static bool is_display(const char *name)
{
    return !strncmp(name, "Xorg", 4) || !strncmp(name, "gnome-shell", 11) ||
           !strcmp(name, "Xwayland");
}

struct users {
    gpus_set foreign, display, unseen, unsaid;
    const struct gpus_process *one; /* of the foreign, to be named */
    uint32_t n;
};

static void sort_processes(const struct gpus_one *o, uint32_t i, struct users *u)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < o->n_processes && k < GPUS_PROCESSES; k++) {
        const struct gpus_process *p = &o->process[k];
        if (is_service(p->name))
            continue;
        if (is_display(p->name)) {
            gpus_put(&u->display, i);
            continue;
        }
        n++;
        if (p->pid && (!u->one || p->bytes > u->one->bytes))
            u->one = p;
    }
    if (o->n_processes > GPUS_PROCESSES)
        n += o->n_processes - GPUS_PROCESSES;
    u->n += n;
    if (n > 0)
        gpus_put(&u->foreign, i);
}

/* From within a container processes outside are not to be seen, what they use is. */
static bool is_used(const struct gpus_one *o)
{
    int64_t used = o->state[NVMLLIB_MEMORY_USED_MB], all = o->state[NVMLLIB_MEMORY_MB];
    return !o->is_numa && used > USED_MB && all > 0 && used > all / 100 * USED_PERCENT;
}

void gpus_judge_processes(const struct gpus *g, struct findings *f)
{
    struct users u = {.n = 0};
    gpus_set usable = gpus_usable(g);
    char foreign[160];
    for (uint32_t i = 0; i < g->n; i++) {
        const struct gpus_one *o = &g->gpu[i];
        if (!gpus_has(usable, i))
            continue;
        sort_processes(o, i, &u);
        if (o->n_processes == 0 && is_used(o))
            gpus_put(&u.unseen, i);
        else if (!o->knows_processes)
            gpus_put(&u.unsaid, i);
    }
    int at = snprintf(foreign, sizeof foreign, "in use by %u other process%s", u.n,
                      u.n == 1 ? "" : "es");
    if (u.one)
        (void)snprintf(foreign + at, sizeof foreign - (size_t)at,
                       " (pid %u %s, %llu MiB)", u.one->pid, u.one->name,
                       (unsigned long long)(u.one->bytes / MIB));
    u.display.bits &= ~u.foreign.bits;
    const struct gpus_line lines[] = {
        {u.foreign, AUDIT_FAIL, foreign},
        {u.unseen, AUDIT_WARN, "memory in use, by no process that is seen from here"},
        {u.display, AUDIT_WARN, "drives a display"},
        {u.unsaid, AUDIT_UNKNOWN, "its processes are not shown"},
    };
    gpus_say(g, f, AUDIT_GP10, lines, sizeof lines / sizeof *lines,
             "no other process uses it");
}
