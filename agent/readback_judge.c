/* SPDX-License-Identifier: MIT */
/* readback_judge.c - see readback_judge.h. */
#include "agent/readback_judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SET_TEXT 100 /* of a set in a sentence */

const char *const readback_check_names[READBACK_CHECKS] = {"cpus", "memory", "gpu",
                                                           "cgroup"};

static void judge_say(struct readback_check *c, Aolani__Binding__State state,
                      const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void judge_say(struct readback_check *c, Aolani__Binding__State state,
                      const char *fmt, ...)
{
    va_list ap;
    c->there = true;
    c->state = state;
    va_start(ap, fmt);
    (void)vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
}

static void judge_key(struct readback_check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void judge_key(struct readback_check *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->key, sizeof c->key, fmt, ap);
    va_end(ap);
}

static void judge_unverified(struct readback_check *c, const char *why)
{
    judge_say(c, AOLANI__BINDING__STATE__UNVERIFIED, "%s", why);
    judge_key(c, "%s", why);
}

static const char *judge_set(const struct readback_cpus *c, char out[SET_TEXT])
{
    struct buf b;
    buf_init(&b, 1u << 16);
    out[0] = '\0';
    if (readback_cpus_format(c, &b) == 0)
        (void)snprintf(out, SET_TEXT, "%.*s%s", SET_TEXT - 4, (const char *)b.data,
                       b.len > SET_TEXT - 4 ? "..." : "");
    buf_fini(&b);
    return out;
}

static const char *judge_numa(const struct rankset *s, char out[SET_TEXT])
{
    struct buf b;
    buf_init(&b, 1u << 16);
    out[0] = '\0';
    if (rankset_format(s, &b) == 0 && b.data)
        (void)snprintf(out, SET_TEXT, "%.*s", SET_TEXT - 1, (const char *)b.data);
    buf_fini(&b);
    return out;
}

void readback_judge_cpus(const struct readback_threads *t, struct readback_check *c)
{
    char on[SET_TEXT], asked[SET_TEXT], more[40] = "";
    memset(c, 0, sizeof *c);
    if (!t->bound)
        return;
    if (t->n_off > 1)
        (void)snprintf(more, sizeof more, " (and %u more thread%s)", t->n_off - 1,
                       t->n_off > 2 ? "s" : "");
    if (t->n_off > 0) {
        judge_say(c, AOLANI__BINDING__STATE__DRIFT,
                  "thread %d (%s) of pid %d may run on %s, asked %s%s", (int)t->off_tid,
                  t->off_name, (int)t->off_pid, judge_set(&t->first_off, on),
                  judge_set(&t->asked, asked), more);
        judge_key(c, "%s", judge_set(&t->off, on));
    } else if (t->threads == 0) {
        judge_unverified(c, "its threads could not be looked at");
    } else if (t->unseen > 0) {
        judge_say(c, AOLANI__BINDING__STATE__UNVERIFIED,
                  "%u threads not looked at: there are too many", t->unseen);
        judge_key(c, "unseen");
    } else {
        judge_say(c, AOLANI__BINDING__STATE__AS_ASKED, "%s", "");
    }
}

void readback_judge_memory(const struct readback_memory_seen *m,
                           struct readback_check *c)
{
    char text[SET_TEXT], why[SET_TEXT];
    uint32_t node = 0;
    memset(c, 0, sizeof *c);
    if (!m->asked || rankset_count(m->numa) == 0)
        return;
    if (rankset_count(m->nodes) <= 1) {
        judge_unverified(c, "one NUMA node");
        return;
    }
    if (m->rc == -EBUSY) {
        judge_unverified(c, "a thread of it waits in the kernel, and with it whoever "
                            "would look at its pages");
        return;
    }
    if (m->rc < 0) {
        (void)snprintf(why, sizeof why, "its pages cannot be looked at: %s",
                       strerror(-m->rc));
        judge_unverified(c, why);
        return;
    }
    const struct readback_pages *p = m->pages;
    if (p->present < READBACK_LEAST) {
        judge_say(c, AOLANI__BINDING__STATE__UNVERIFIED,
                  "a sample of its memory met %u pages, too few", p->present);
        judge_key(c, "few");
        return;
    }
    unsigned far = readback_pages_far(p, m->numa, m->nodes, &node);
    if (far <= READBACK_FAR) {
        judge_say(c, AOLANI__BINDING__STATE__AS_ASKED, "%s", "");
        return;
    }
    judge_say(c, AOLANI__BINDING__STATE__DRIFT,
              "%u %% of %u sampled pages are far, most on NUMA node %u, asked %s", far,
              p->present, node, judge_numa(m->numa, text));
    judge_key(c, "%u", node);
}

static bool judge_is_own(const char *uuid, char *const *gpus, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(uuid, gpus[i]) == 0)
            return true;
    }
    return false;
}

/* A GPU that is used in a way that matters; false: look on. */
static bool judge_use(const struct readback_gpu_use *u, int owner, bool own,
                      struct readback_check *c)
{
    if (u->user == READBACK_RANK && u->owner == owner && !own) {
        judge_say(c, AOLANI__BINDING__STATE__DRIFT,
                  "pid %d (%s) of the rank has memory on %s, which is not its own",
                  u->pid, u->name, u->uuid);
        judge_key(c, "on %.100s", u->uuid);
        return true;
    }
    if (u->user == READBACK_FOREIGN && own) {
        judge_say(c, AOLANI__BINDING__STATE__DRIFT,
                  "pid %d (%s), which is not of the job, has memory on its GPU %s",
                  u->pid, u->name, u->uuid);
        judge_key(c, "foreign %.100s", u->uuid);
        return true;
    }
    return false;
}

void readback_judge_gpu(const struct readback_gpu_use *uses, size_t n, const char *why,
                        int owner, char *const *gpus, size_t n_gpus,
                        struct readback_check *c)
{
    const char *doubt = NULL;
    bool held = false;
    memset(c, 0, sizeof *c);
    if (n_gpus == 0)
        return;
    if (why) {
        judge_unverified(c, why);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool own = judge_is_own(uses[i].uuid, gpus, n_gpus);
        if (judge_use(&uses[i], owner, own, c))
            return;
        held = held || (own && uses[i].user == READBACK_RANK && uses[i].owner == owner);
        if (own && uses[i].user == READBACK_MPS)
            doubt = "an MPS server holds its GPU, for whom is not told";
        else if (own && uses[i].user == READBACK_HIDDEN)
            doubt = "a process that cannot be seen from here has memory on its GPU";
    }
    if (held && !doubt)
        judge_say(c, AOLANI__BINDING__STATE__AS_ASKED, "%s", "");
    else
        judge_unverified(c, doubt ? doubt : "it has no memory on a GPU");
}

void readback_judge_cgroup(const struct readback_cgroup *g, bool bound,
                           const struct readback_cpus *asked, unsigned need,
                           struct readback_check *c)
{
    struct readback_cpus may;
    char a[SET_TEXT], b[SET_TEXT];
    unsigned own = readback_cpus_count(asked);
    memset(c, 0, sizeof *c);
    if (!bound)
        return;
    if (!g->known) {
        judge_unverified(c, "its control group cannot be seen");
    } else if (g->cpus[0] && readback_cpus_parse(g->cpus, &may, NULL) == 0 &&
               !readback_cpus_within(asked, &may)) {
        judge_say(c, AOLANI__BINDING__STATE__DRIFT,
                  "the cgroup allows the CPUs %s, asked %s", judge_set(&may, a),
                  judge_set(asked, b));
        judge_key(c, "cpus %s", a);
    } else if (g->quota_percent > 0 && g->quota_percent / 100.0 < need) {
        judge_say(c, AOLANI__BINDING__STATE__DRIFT,
                  "the cgroup allows %u %% of a CPU for %s%u CPU%s%s", g->quota_percent,
                  need > own ? "the " : "", need, need == 1 ? "" : "s",
                  need > own ? " of its ranks" : "");
        judge_key(c, "quota %u", g->quota_percent);
    } else {
        judge_say(c, AOLANI__BINDING__STATE__AS_ASKED, "%s", "");
    }
}

void readback_judge_no_more(struct readback_check checks[READBACK_CHECKS])
{
    for (size_t i = 0; i < READBACK_CHECKS; i++) {
        if (checks[i].there)
            judge_unverified(&checks[i], "it changed so often that it is not followed "
                                         "any more");
    }
}

/* ---- what is news ---- */

static uint64_t substance_add(uint64_t h, const char *text)
{
    do { /* FNV-1a, with the NUL */
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++);
    return h;
}

uint64_t readback_substance(const struct readback_check checks[READBACK_CHECKS],
                            const Aolani__Binding *b, unsigned threads_class)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    char text[96];
    for (size_t i = 0; i < READBACK_CHECKS; i++) {
        (void)snprintf(text, sizeof text, "%d%d", checks[i].there,
                       (int)checks[i].state);
        h = substance_add(h, text);
        h = substance_add(h, checks[i].there ? checks[i].key : "");
    }
    if (!b)
        return h;
    h = substance_add(h, b->cpus);
    h = substance_add(h, b->cgroup_cpus);
    for (size_t i = 0; i < b->n_gpus; i++)
        h = substance_add(h, b->gpus[i]);
    (void)snprintf(text, sizeof text, "%u %llu %u %d", b->cgroup_quota_percent,
                   (unsigned long long)b->cgroup_memory, threads_class, b->n_pages > 0);
    return substance_add(h, text);
}
