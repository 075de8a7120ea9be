/* SPDX-License-Identifier: MIT */
/* sample.c - see sample.h. It reads only when it is asked, so a reader that has gone, or
 * waits, costs nothing. The library is loaded at the first question and kept: loading it
 * takes longer than asking it. Once it fails altogether (the driver was reloaded) it is
 * closed, and tried anew at the next question. */
#include "agent/describe/sample.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/describe/msg.h"
#include "agent/describe/nvmllib.h"
#include "agent/describe/sample_impl.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

struct sample {
    struct nvmllib *lib; /* NULL: not loaded */
    const char *sysfs;
    int out;
    struct gpusignals signals;
    bool no_processes; /* in the answer to this line */
};

/* ---- filling in */

int sample_add_use(Aolani__GpuSample *s, const char *uuid, Aolani__GpuSample__Use **ret)
{
    Aolani__GpuSample__Use *u = malloc(sizeof *u);
    if (!u)
        return -ENOMEM;
    aolani__gpu_sample__use__init(u);
    if (msg_text(&u->uuid, uuid) < 0 || msg_push(&s->gpus, &s->n_gpus, u) < 0) {
        protobuf_c_message_free_unpacked(&u->base, NULL);
        return -ENOMEM;
    }
    *ret = u;
    return 0;
}

int sample_add_process(Aolani__GpuSample__Use *u, int32_t pid, uint64_t bytes)
{
    Aolani__GpuSample__Process *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    aolani__gpu_sample__process__init(p);
    p->pid = pid;
    p->mem_bytes = bytes;
    if (msg_push(&u->processes, &u->n_processes, p) < 0) {
        free(p);
        return -ENOMEM;
    }
    return 0;
}

/* ---- NVIDIA */

/* A GPU or a MIG instance. One that cannot be read is left out: an empty list would say
 * that nobody uses it. */
static int add_device(struct nvmllib *l, struct nvmllib_device *d, Aolani__GpuSample *s)
{
    nvmllib_text uuid;
    struct nvmllib_process *v = NULL;
    size_t n = 0;
    Aolani__GpuSample__Use *u;
    if (nvmllib_uuid(l, d, uuid) != NVMLLIB_OK ||
        nvmllib_processes(l, d, &v, &n) != NVMLLIB_OK)
        return 0;
    int rc = sample_add_use(s, uuid, &u);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = sample_add_process(u, v[i].pid <= INT32_MAX ? (int32_t)v[i].pid : 0,
                                v[i].bytes);
    free(v);
    return rc;
}

static int add_signals(struct sample *x, struct nvmllib_device *d, Aolani__GpuSample *s)
{
    nvmllib_text uuid;
    struct gpusignals_reading r;
    if (nvmllib_uuid(x->lib, d, uuid) != NVMLLIB_OK)
        return 0;
    sample_nvml_signals(x->lib, d, &r);
    return gpusignals_add(&x->signals, s, uuid, &r);
}

static int add_gpu(struct sample *x, unsigned index, Aolani__GpuSample *s)
{
    struct nvmllib *l = x->lib;
    struct nvmllib_device *d, *instance;
    unsigned max = 0;
    if (nvmllib_gpu(l, index, &d) != NVMLLIB_OK)
        return 0;
    int rc = add_signals(x, d, s);
    if (rc < 0 || x->no_processes)
        return rc;
    if (nvmllib_mig(l, d, &max) == NVMLLIB_OK && max == 0)
        return add_device(l, d, s);
    for (unsigned i = 0; rc == 0 && i < max; i++)
        if (nvmllib_instance(l, d, i, &instance) == NVMLLIB_OK)
            rc = add_device(l, instance, s);
    return rc;
}

static int sample_nvidia(struct sample *x, Aolani__GpuSample *s)
{
    struct err e;
    unsigned n = 0;
    if (!x->lib && nvmllib_open(&x->lib, &e) < 0)
        return msg_text(&s->error, e.text);
    int code = nvmllib_count(x->lib, &n), rc = 0;
    for (unsigned i = 0; rc == 0 && code == NVMLLIB_OK && i < n && i < LIMIT_GPUS; i++)
        rc = add_gpu(x, i, s);
    if (code == NVMLLIB_OK)
        return rc;
    nvmllib_close(x->lib);
    x->lib = NULL;
    return msg_format(&s->error, "cannot read NVIDIA's GPUs: %s", nvmllib_why(code));
}

/* ---- answering */

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, bytes, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        bytes += w;
        n -= (size_t)w;
    }
    return 0;
}

static int send_sample(int out, const Aolani__GpuSample *s)
{
    size_t n = aolani__gpu_sample__get_packed_size(s);
    uint8_t *bytes = malloc(4 + n);
    if (!bytes)
        return -ENOMEM;
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(n >> 8 * i);
    (void)aolani__gpu_sample__pack(s, bytes + 4);
    int rc = write_all(out, bytes, 4 + n);
    free(bytes);
    return rc;
}

/* Of AMD's the processes come with all else. */
static int answer(struct sample *x)
{
    Aolani__GpuSample s = AOLANI__GPU_SAMPLE__INIT;
    gpusignals_begin(&x->signals, clock_mono_ns(), &s);
    int rc = sample_nvidia(x, &s);
    if (rc == 0)
        rc = sample_kfd(&s, &x->signals, x->sysfs);
    /* A node of AMD's has no use for NVIDIA's library. */
    if (rc == 0 && s.n_gpus > 0)
        rc = msg_text(&s.error, "");
    if (rc == 0)
        rc = send_sample(x->out, &s);
    for (size_t i = 0; i < s.n_gpus; i++)
        protobuf_c_message_free_unpacked(&s.gpus[i]->base, NULL);
    free(s.gpus);
    for (size_t i = 0; i < s.n_signals; i++)
        protobuf_c_message_free_unpacked(&s.signals[i]->base, NULL);
    free(s.signals);
    if (s.error != protobuf_c_empty_string)
        free(s.error);
    x->no_processes = false;
    return rc;
}

int sample_run(int in, int out, const char *sysfs, struct err *e)
{
    struct sample x = {.sysfs = sysfs, .out = out};
    int rc = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    for (char text[256]; rc == 0;) {
        ssize_t n = read(in, text, sizeof text);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { /* reset: the other end of a socket has gone */
            rc = n < 0 && errno != ECONNRESET ? -errno : 0;
            break;
        }
        for (ssize_t i = 0; rc == 0 && i < n; i++)
            if (text[i] == '\n')
                rc = answer(&x);
            else
                x.no_processes = text[i] == 's';
    }
    nvmllib_close(x.lib);
    return rc == 0 || rc == -EPIPE ? 0 : err_sys(e, rc, "cannot tell what the GPUs do");
}
