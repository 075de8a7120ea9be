/* SPDX-License-Identifier: MIT */
/* measure_others.c - see measure_others.h. */
#include "agent/audit/measure_others.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/audit/measure_kernel.h"
#include "proto/base/clock.h"
#include "proto/base/utf8.h"

#define LEAST_PERCENT 2u /* of one CPU; what is below comes and goes on any machine */
#define LEAST_TICKS   2u
#define BUSY_MOST     16u
#define REST_PERCENT \
    20u /* of one CPU, by processes that were not there for both looks */
#define STATUS_BYTES 2048u
#define GRACE_NS     20000000u /* without a second look nothing is known of anybody */
#define FIRST        (-15)
#define OURS         "aolani-"

static uint64_t ticks_of(const struct timeval *t)
{
    return ((uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u) /
           measure_kernel_tick_ns();
}

static uint64_t own_ticks(void)
{
    struct rusage self, children;
    if (getrusage(RUSAGE_SELF, &self) < 0 || getrusage(RUSAGE_CHILDREN, &children) < 0)
        return 0;
    return ticks_of(&self.ru_utime) + ticks_of(&self.ru_stime) +
           ticks_of(&children.ru_utime) + ticks_of(&children.ru_stime);
}

static uint64_t all_ticks(const struct machine *m)
{
    struct measure_kernel k;
    uint64_t busy = 0;
    if (measure_kernel_init(&k) < 0)
        return 0;
    char *text = measure_kernel_text(m, "/proc/stat", 4u << 20);
    if (text) {
        measure_kernel_stat(&k, text);
        busy = k.busy;
    }
    free(text);
    measure_kernel_fini(&k);
    return busy;
}

/* Not by the owner of /proc/PID, which is root for a program that may not be dumped. */
static uint32_t uid_of(const struct machine *m, int32_t pid)
{
    char path[64], text[STATUS_BYTES];
    unsigned uid = UINT32_MAX;
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (machine_read(m, path, text, sizeof text) > 0) {
        const char *at = strstr(text, "\nUid:");
        if (!at || sscanf(at + 5, "%u", &uid) != 1)
            uid = UINT32_MAX;
    }
    return uid;
}

/* What else of ours runs on a machine that stands for several nodes; a name alone would
 * hide whoever takes it. */
static bool is_ours(const char *name, uint32_t uid)
{
    return uid == getuid() && !strncmp(name, OURS, sizeof OURS - 1);
}

static bool add(struct measuring *r, const struct measure_used *u, uint64_t window_ns)
{
    uint32_t uid = uid_of(r->machine, u->proc->pid);
    if (is_ours(u->proc->name, uid))
        return true;
    Aolani__AuditBusy *b = malloc(sizeof *b);
    char *name = strdup(u->proc->name);
    if (!b || !name) {
        free(b);
        free(name);
        return false;
    }
    aolani__audit_busy__init(b);
    utf8_make_printable(name);
    b->pid = u->proc->pid;
    b->name = name;
    b->uid = uid;
    b->percent = (uint32_t)((double)u->wanted * (double)measure_kernel_tick_ns() * 100 /
                                (double)window_ns +
                            0.5);
    r->m->busy[r->m->n_busy++] = b;
    return true;
}

/* Between the looks processes may begin and end, and some cannot be seen at all. */
static void note_rest(struct measuring *r, uint64_t all, uint64_t known,
                      uint64_t window_ns)
{
    uint64_t rest = all > known ? all - known : 0;
    double percent =
        (double)rest * (double)measure_kernel_tick_ns() * 100 / (double)window_ns;
    if (percent >= REST_PERCENT && rest > 2 * LEAST_TICKS)
        measure_note(
            r,
            "processes that ended meanwhile, or cannot be seen from here, used "
            "%.0f %% of a CPU",
            percent);
}

/* A look takes some ms of a CPU; on a machine where many want one that would be a second.
 * Root may go first; for others fewer processes are looked at. Of this thread alone. */
static int go_first(void)
{
    int was = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, 0, FIRST);
    return was;
}

static void go_back(int was)
{
    (void)setpriority(PRIO_PROCESS, 0, was);
}

void measure_others_begin(struct measure_others *o, struct measuring *r,
                          uint64_t end_ns)
{
    int was = go_first();
    o->all_ticks = all_ticks(r->machine);
    o->own_ticks = own_ticks();
    o->at_ns = clock_mono_ns();
    measure_busy_look(&o->look, r->machine, end_ns);
    go_back(was);
}

void measure_others_end(struct measure_others *o, struct measuring *r, uint64_t end_ns)
{
    struct measure_look after = {0};
    struct measure_used used[MEASURE_BUSY_MOST];
    uint64_t others;
    int was = go_first();
    uint64_t own = own_ticks() - o->own_ticks,
             all = all_ticks(r->machine) - o->all_ticks;
    uint64_t window = clock_mono_ns() - o->at_ns;
    uint64_t grace = clock_mono_ns() + GRACE_NS;
    measure_busy_look(&after, r->machine, end_ns > grace ? end_ns : grace);
    go_back(was);
    uint64_t least = window / 100 * LEAST_PERCENT / measure_kernel_tick_ns();
    least = least > LEAST_TICKS ? least : LEAST_TICKS;
    size_t n = measure_busy_rank(&o->look, &after, getpid(), least, used, &others);
    r->m->busy = calloc(BUSY_MOST, sizeof(Aolani__AuditBusy *));
    for (size_t i = 0; r->m->busy && i < n && r->m->n_busy < BUSY_MOST; i++)
        if (!add(r, &used[i], window))
            break;
    if (!o->look.whole || !after.whole)
        measure_note(r, "not all processes were looked at: there was no time");
    else
        note_rest(r, all, own + others, window);
    measure_busy_fini(&o->look);
    measure_busy_fini(&after);
}
