/* SPDX-License-Identifier: MIT */
/* gpus_ask.c - what NVIDIA's management library says of the GPUs of this machine; asked in
 * a child (see gpuchild.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/gpuchild.h"
#include "agent/audit/gpus_impl.h"

static void ask_processes(struct nvmllib *l, struct nvmllib_device *d,
                          struct gpus_one *ret)
{
    struct nvmllib_process *p = NULL;
    size_t n = 0;
    ret->knows_processes = nvmllib_processes(l, d, &p, &n) == NVMLLIB_OK;
    for (size_t i = 0; i < n && i < GPUS_PROCESSES; i++) {
        ret->process[i].pid = p[i].pid;
        ret->process[i].bytes = p[i].bytes;
    }
    ret->n_processes = (uint32_t)n;
    free(p);
}

/* Until all is said it is one that has not answered. */
static void ask_one(struct nvmllib *l, struct nvmllib_device *d, struct gpus_one *ret)
{
    unsigned numa;
    nvmllib_text uuid;
    int code = nvmllib_bus_id(l, d, ret->bus_id);
    if (code != NVMLLIB_OK)
        ret->bus_id[0] = '\0';
    if (nvmllib_is_unusable(code)) {
        ret->code = code;
        return;
    }
    if (nvmllib_vbios(l, d, ret->vbios) != NVMLLIB_OK)
        ret->vbios[0] = '\0';
    if (nvmllib_inforom(l, d, ret->inforom) != NVMLLIB_OK)
        ret->inforom[0] = '\0';
    nvmllib_states(l, d, ret->state);
    ret->is_numa = nvmllib_numa(l, d, &numa) == NVMLLIB_OK;
    ask_processes(l, d, ret);
    /* One that is lost answers every question so: one that all GPUs know tells. */
    code = nvmllib_uuid(l, d, uuid);
    ret->code = nvmllib_is_unusable(code) ? code : NVMLLIB_OK;
}

static void ask_apart(struct nvmllib *l, struct nvmllib_device *const *d,
                      struct gpus *ret)
{
    for (uint32_t i = 0; i < ret->n; i++)
        for (uint32_t j = i + 1; j < ret->n; j++) {
            unsigned level;
            if (d[i] && d[j] &&
                nvmllib_common_ancestor(l, d[i], d[j], &level) == NVMLLIB_OK &&
                level < GPUS_FAR)
                ret->apart[i][j] = (uint8_t)level;
        }
}

static void ask_all(struct nvmllib *l, struct gpus *ret)
{
    struct nvmllib_device *d[GPUS_MOST] = {NULL};
    unsigned n = 0;
    int code = nvmllib_count(l, &n);
    if (code != NVMLLIB_OK) {
        (void)snprintf(ret->error, sizeof ret->error, "%s", nvmllib_why(code));
        return;
    }
    if (nvmllib_driver(l, ret->driver) != NVMLLIB_OK)
        ret->driver[0] = '\0';
    n = n < GPUS_MOST ? n : GPUS_MOST;
    for (unsigned i = 0; i < n; i++)
        ret->gpu[i].code = NVMLLIB_TIMEOUT;
    ret->n = n;
    for (unsigned i = 0; i < n; i++) {
        code = nvmllib_gpu(l, i, &d[i]);
        if (code == NVMLLIB_OK) {
            ask_one(l, d[i], &ret->gpu[i]);
            continue;
        }
        ret->gpu[i].code = code;
        d[i] = NULL;
    }
    ask_apart(l, d, ret);
}

static void in_child(void *shared)
{
    struct gpus *ret = shared;
    struct nvmllib *l;
    struct err e;
    memset(ret->apart, GPUS_FAR, sizeof ret->apart);
    if (nvmllib_open(&l, &e) < 0) {
        (void)snprintf(ret->error, sizeof ret->error, "%s", e.text);
        (void)snprintf(ret->hint, sizeof ret->hint, "%s", e.hint);
        return;
    }
    ask_all(l, ret);
    nvmllib_close(l);
}

/* What was being written when the child was killed may have no end. */
static void close_texts(struct gpus *g)
{
    g->error[sizeof g->error - 1] = g->hint[sizeof g->hint - 1] = '\0';
    g->driver[sizeof g->driver - 1] = '\0';
    g->n = g->n < GPUS_MOST ? g->n : GPUS_MOST;
    for (uint32_t i = 0; i < g->n; i++) {
        struct gpus_one *o = &g->gpu[i];
        o->bus_id[sizeof o->bus_id - 1] = o->vbios[sizeof o->vbios - 1] = '\0';
        o->inforom[sizeof o->inforom - 1] = '\0';
    }
}

static void name_processes(struct gpus *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t k = 0; k < g->gpu[i].n_processes && k < GPUS_PROCESSES; k++) {
            struct gpus_process *p = &g->gpu[i].process[k];
            char path[64];
            (void)snprintf(path, sizeof path, "/proc/%u/comm", p->pid);
            FILE *f = p->pid ? fopen(path, "re") : NULL;
            if (f && fgets(p->name, sizeof p->name, f))
                p->name[strcspn(p->name, "\n")] = '\0';
            if (f)
                (void)fclose(f);
        }
}

void gpus_ask(uint64_t limit_ms, struct gpus *ret)
{
    struct err e;
    struct gpus *shared = gpuchild_memory(sizeof *shared);
    memset(ret, 0, sizeof *ret);
    if (!shared) {
        (void)snprintf(ret->error, sizeof ret->error, "out of memory");
        return;
    }
    int rc = gpuchild_run(in_child, shared, limit_ms, &e);
    memcpy(ret, shared, sizeof *ret);
    gpuchild_free(shared, sizeof *shared);
    close_texts(ret);
    if (rc < 0 && ret->n == 0)
        (void)snprintf(ret->error, sizeof ret->error, "%s", e.text);
    if (rc <
        0) /* a library that cannot be trusted to the end: what is known may stay */
        (void)snprintf(ret->hint, sizeof ret->hint, "%s",
                       "\"nvidia-smi\" and the kernel's log say which GPU");
    name_processes(ret);
}
