/* SPDX-License-Identifier: MIT */
/* oom.c - see oom.h. The kernel counts before it sends the signal, and a process with
 * much memory takes seconds to die of it: so a count is good for a while. */
#include "agent/oom.h"

#include "agent/cgroup.h"
#include "agent/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OOM_TICK_MS 1000
#define OOM_WAIT_MS \
    10000 /* for a rank to die of it, before it is put down to a child */
#define OOM_GOOD_MS  60000
#define OOM_TEXT     (64u << 10) /* vmstat has 4 KB */
#define OOM_AGAIN_US 2000

struct oom {
    struct loop *loop;
    struct loop_timer *timer;
    void (*on_other)(void *arg, const char *evidence);
    void *arg;
    char *path;        /* of the counter; NULL: none can be read */
    bool machine_wide; /* it counts what is not ours, too */
    uint64_t count;    /* as last read */
    uint64_t before;   /* as it was before the cases that are open */
    uint64_t open;     /* cases that no rank's death was put down to */
    bool told;         /* of them */
    uint64_t risen_ms; /* when the last was seen */
};

int oom_parse(const char *text, uint64_t *ret)
{
    for (const char *p = text; p; p = strchr(p, '\n')) {
        unsigned long long n;
        p += *p == '\n';
        if (strncmp(p, "oom_kill ", 9) != 0 || sscanf(p + 9, "%llu", &n) != 1)
            continue;
        *ret = n;
        return 0;
    }
    return -ENOENT;
}

static int oom_read(const char *path, uint64_t *ret)
{
    char text[OOM_TEXT];
    ssize_t n = proc_read_file(path, text, sizeof text);
    return n < 0 ? (int)n : oom_parse(text, ret);
}

static bool oom_try(struct oom *o, const char *dir, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path || oom_read(path, &o->count) < 0)
        return false;
    o->path = strdup(path);
    return o->path != NULL;
}

static bool oom_try_own(struct oom *o, const char *controller, const char *name)
{
    struct buf own;
    buf_init(&own, PATH_MAX);
    bool found =
        cgroup_own(controller, &own) == 0 && oom_try(o, (const char *)own.data, name);
    buf_fini(&own);
    return found;
}

/* The one that counts the least of what is not the job's. */
static void oom_find_counter(struct oom *o, const char *job_group)
{
    if ((job_group && oom_try(o, job_group, "memory.events")) ||
        oom_try_own(o, NULL, "memory.events") ||
        oom_try_own(o, "memory", "memory.oom_control"))
        return;
    o->machine_wide = oom_try(o, "/proc", "vmstat");
}

static void oom_look(struct oom *o)
{
    uint64_t now = loop_now_ms(o->loop), count;
    uint64_t good = o->machine_wide ? OOM_WAIT_MS : OOM_GOOD_MS;
    if (o->open && now - o->risen_ms > good)
        o->open = 0;
    if (!o->path || oom_read(o->path, &count) < 0 || count <= o->count)
        return;
    if (!o->open)
        o->before = o->count;
    o->open += count - o->count;
    o->count = count;
    o->told = false;
    o->risen_ms = now;
}

static void oom_say(const struct oom *o, char evidence[OOM_EVIDENCE_BYTES])
{
    (void)snprintf(evidence, OOM_EVIDENCE_BYTES,
                   "oom_kill in \"%s\" rose from %" PRIu64 " to %" PRIu64 "%s", o->path,
                   o->before, o->count,
                   o->machine_wide ? ", which counts for the whole machine" : "");
}

static void oom_tell_other(struct oom *o)
{
    char evidence[OOM_EVIDENCE_BYTES];
    /* On a machine with other users' programs it says nothing of the job. */
    if (!o->open || o->told || o->machine_wide)
        return;
    o->told = true;
    oom_say(o, evidence);
    o->on_other(o->arg, evidence);
}

static void oom_on_tick(void *arg)
{
    struct oom *o = arg;
    oom_look(o);
    if (loop_now_ms(o->loop) - o->risen_ms >= OOM_WAIT_MS)
        oom_tell_other(o);
}

int oom_create(struct loop *l, const char *job_group,
               void (*on_other)(void *arg, const char *evidence), void *arg,
               struct oom **ret, struct err *e)
{
    struct oom *o = calloc(1, sizeof *o);
    if (!o || !(o->timer = loop_timer_create(l, oom_on_tick, o))) {
        free(o);
        return err_sys(e, -ENOMEM, "watch for want of memory");
    }
    o->loop = l;
    o->on_other = on_other;
    o->arg = arg;
    oom_find_counter(o, job_group);
    if (o->path)
        loop_timer_start(o->timer, OOM_TICK_MS, OOM_TICK_MS);
    *ret = o;
    return 0;
}

void oom_destroy(struct oom *o)
{
    if (!o)
        return;
    loop_timer_destroy(o->timer);
    free(o->path);
    free(o);
}

bool oom_took_rank(struct oom *o, char evidence[OOM_EVIDENCE_BYTES])
{
    if (!o)
        return false;
    oom_look(o);
    if (!o->open) {
        (void)usleep(OOM_AGAIN_US);
        oom_look(o);
    }
    if (!o->open)
        return false;
    oom_say(o, evidence);
    o->open--;
    return true;
}

void oom_rank_failed(struct oom *o)
{
    if (!o)
        return;
    oom_look(o);
    oom_tell_other(o);
}
