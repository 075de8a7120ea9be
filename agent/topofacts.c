/* SPDX-License-Identifier: MIT */
/* topofacts.c - see topofacts.h. */
#include "agent/topofacts.h"

#include "proto/base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts of a message ---- */

/* An unset text is protobuf-c's own constant. */
static void topofacts_give_text(char **at, char *text)
{
    if (*at != protobuf_c_empty_string)
        free(*at);
    *at = text;
}

static int topofacts_set_text(char **at, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    topofacts_give_text(at, copy);
    return 0;
}

static void topofacts_free_cores(Aolani__Core **cores, size_t n)
{
    for (size_t i = 0; cores && i < n; i++)
        aolani__core__free_unpacked(cores[i], NULL);
    free(cores);
}

static Aolani__Core *topofacts_copy_core(const Aolani__Core *from)
{
    Aolani__Core *core = malloc(sizeof *core);
    uint32_t *pus = calloc(from->n_pus + 1, sizeof *pus);
    if (!core || !pus) {
        free(core);
        free(pus);
        return NULL;
    }
    aolani__core__init(core);
    if (from->n_pus > 0)
        memcpy(pus, from->pus, from->n_pus * sizeof *pus);
    core->pus = pus;
    core->n_pus = from->n_pus;
    return core;
}

static int topofacts_take_own_cores(Aolani__Topology *t, const struct host *h)
{
    size_t n = h->info->n_cores;
    Aolani__Core **cores = calloc(n + 1, sizeof *cores);
    for (size_t i = 0; cores && i < n; i++) {
        if (!(cores[i] = topofacts_copy_core(h->info->cores[i]))) {
            topofacts_free_cores(cores, i);
            cores = NULL;
        }
    }
    if (!cores)
        return -ENOMEM;
    topofacts_free_cores(t->cores, t->n_cores);
    t->cores = cores;
    t->n_cores = n;
    return 0;
}

static int topofacts_note(Aolani__Topology *t, const char *text)
{
    char **notes = realloc(t->notes, (t->n_notes + 1) * sizeof *notes);
    if (!notes)
        return -ENOMEM;
    t->notes = notes;
    notes[t->n_notes] = strdup(text);
    return notes[t->n_notes] ? (t->n_notes++, 0) : -ENOMEM;
}

/* ---- within what the agent may use ---- */

static int topofacts_format(const struct rankset *set, char **ret)
{
    struct buf text;
    buf_init(&text, 1u << 16);
    int rc = rankset_format(set, &text);
    if (rc == 0)
        rc = topofacts_set_text(ret, text.data ? (const char *)text.data : "");
    buf_fini(&text);
    return rc;
}

static int topofacts_cut_set(char **cpus, const struct rankset *allowed, struct err *e)
{
    struct rankset set = {0};
    bool cut = false;
    int rc = rankset_parse(&set, *cpus, e);
    for (int64_t i = -1; rc == 0 && (i = rankset_next(&set, (uint32_t)(i + 1))) >= 0;) {
        if (rankset_has(allowed, (uint32_t)i))
            continue;
        rankset_remove(&set, (uint32_t)i);
        cut = true;
    }
    if (cut && (rc = topofacts_format(&set, cpus)) < 0)
        err_sys(e, rc, "describe this node");
    rankset_fini(&set);
    return rc;
}

static int topofacts_cut_sets(Aolani__Topology *t, const struct rankset *allowed,
                              struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n_packages; i++)
        rc = topofacts_cut_set(&t->packages[i]->cpus, allowed, e);
    for (size_t i = 0; rc == 0 && i < t->n_numa; i++)
        rc = topofacts_cut_set(&t->numa[i]->cpus, allowed, e);
    for (size_t i = 0; rc == 0 && i < t->n_l3; i++)
        rc = topofacts_cut_set(&t->l3[i]->cpus, allowed, e);
    for (size_t i = 0; rc == 0 && i < t->n_pci; i++)
        rc = topofacts_cut_set(&t->pci[i]->cpus, allowed, e);
    for (size_t i = 0; rc == 0 && i < t->n_gpus; i++)
        rc = topofacts_cut_set(&t->gpus[i]->cpus, allowed, e);
    for (size_t i = 0; rc == 0 && i < t->n_nics; i++)
        rc = topofacts_cut_set(&t->nics[i]->cpus, allowed, e);
    return rc;
}

static int topofacts_cut_core(Aolani__Core *core, const struct rankset *allowed,
                              struct rankset *seen)
{
    size_t n = 0;
    for (size_t i = 0; i < core->n_pus; i++) {
        uint32_t pu = core->pus[i];
        if (!rankset_has(allowed, pu) || rankset_has(seen, pu))
            continue;
        if (rankset_add(seen, pu) < 0)
            return -ENOMEM;
        core->pus[n++] = pu;
    }
    core->n_pus = n;
    return 0;
}

/* Cores that leave out what may be used are not those of this node. */
static int topofacts_cut_cores(Aolani__Topology *t, const struct host *h)
{
    struct rankset seen = {0};
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; i < t->n_cores; i++) {
        Aolani__Core *core = t->cores[i];
        rc = rc == 0 ? topofacts_cut_core(core, &h->allowed, &seen) : rc;
        if (core->n_pus > 0)
            t->cores[n++] = core;
        else
            aolani__core__free_unpacked(core, NULL);
    }
    t->n_cores = n;
    size_t want = rankset_count(&h->allowed), has = rankset_count(&seen);
    rankset_fini(&seen);
    if (rc == 0 && has != want)
        rc = topofacts_take_own_cores(t, h);
    return rc;
}

static bool topofacts_same_cpus(const char *text, const struct rankset *allowed)
{
    struct rankset set = {0};
    bool same = rankset_parse(&set, text, NULL) == 0 &&
                rankset_count(&set) == rankset_count(allowed);
    for (int64_t i = -1; same && (i = rankset_next(&set, (uint32_t)(i + 1))) >= 0;)
        same = rankset_has(allowed, (uint32_t)i);
    rankset_fini(&set);
    return same;
}

static int topofacts_cut(Aolani__Topology *t, const struct host *h, struct err *e)
{
    int rc = topofacts_cut_sets(t, &h->allowed, e);
    if (rc < 0)
        return rc;
    if (!topofacts_same_cpus(t->allowed_cpus, &h->allowed)) {
        char text[240];
        (void)snprintf(text, sizeof text,
                       "the CPUs %.80s were described, but those that may be used here "
                       "are %.80s",
                       t->allowed_cpus[0] ? t->allowed_cpus : "(none)",
                       h->info->allowed_cpus);
        rc = topofacts_note(t, text);
    }
    if (rc == 0)
        rc = topofacts_cut_cores(t, h);
    if (rc == 0)
        rc = topofacts_set_text(&t->allowed_cpus, h->info->allowed_cpus);
    return rc < 0 ? err_sys(e, rc, "describe this node") : 0;
}

/* ---- reading ---- */

static int topofacts_check_counts(const Aolani__Topology *t, struct err *e)
{
    const struct {
        const char *what;
        size_t n, limit;
    } counts[] = {
        {"packages", t->n_packages, LIMIT_PACKAGES},
        {"NUMA nodes", t->n_numa, LIMIT_NUMA},
        {"L3 caches", t->n_l3, LIMIT_CPUS},
        {"cores", t->n_cores, LIMIT_CPUS},
        {"PCI functions", t->n_pci, LIMIT_PCI},
        {"GPUs", t->n_gpus, LIMIT_GPUS},
        {"NICs", t->n_nics, LIMIT_NICS},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n > counts[i].limit)
            return err_set(e, ERR_LIMIT, "it has %zu %s, and at most %zu are taken",
                           counts[i].n, counts[i].what, counts[i].limit);
    }
    return 0;
}

int topofacts_read(const uint8_t *bytes, size_t len, const struct host *h,
                   Aolani__Topology **ret, struct err *e)
{
    Aolani__Topology *t = aolani__topology__unpack(NULL, len, bytes);
    if (!t)
        return err_set(e, ERR_PARSE, "it does not decode");
    /* Every description says where it comes from; stray bytes may decode too. */
    int rc = t->source[0] ? topofacts_check_counts(t, e)
                          : err_set(e, ERR_PARSE, "it does not say what it describes");
    if (rc == 0)
        rc = topofacts_cut(t, h, e);
    if (rc < 0)
        aolani__topology__free_unpacked(t, NULL);
    else
        *ret = t;
    return rc;
}

Aolani__Topology *topofacts_own(const struct host *h, const struct err *why)
{
    Aolani__Topology *t = malloc(sizeof *t);
    if (!t)
        return NULL;
    aolani__topology__init(t);
    if (topofacts_set_text(&t->source, "sysfs") < 0 ||
        topofacts_set_text(&t->error, why->text) < 0 ||
        topofacts_set_text(&t->hint, why->hint) < 0 ||
        topofacts_set_text(&t->allowed_cpus, h->info->allowed_cpus) < 0 ||
        topofacts_take_own_cores(t, h) < 0) {
        aolani__topology__free_unpacked(t, NULL);
        return NULL;
    }
    return t;
}
