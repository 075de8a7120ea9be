/* SPDX-License-Identifier: MIT */
/* nvml.c - see nvml.h. What we take for granted (NVML API Reference, "Device Queries",
 * "Multi Instance GPU Management", "nvmlReturn_t"):
 *
 * - nvmlInit_v2 does not touch the GPUs; nvmlDeviceGetHandleByIndex_v2 attaches the one
 *   (seconds, without persistence mode). One GPU that fails does not fail the others.
 * - nvmlDeviceGetCount_v2 counts those that this process could use, and others (no
 *   permission); under a cgroup or in a container the hidden ones are not counted, and the
 *   indexes are of what is left. CUDA's and NCCL's indexes are counted alike.
 * - The order is that of bus ids, though the reference does not promise it: it promises
 *   only that UUIDs and bus ids stay. So those are what we identify by.
 * - CUDA_VISIBLE_DEVICES means nothing to NVML.
 * - NVML_ERROR_GPU_IS_LOST may come from every call on a device.
 * - With MIG enabled, CUDA uses no whole GPU, only compute instances. They have handles
 *   with indexes below nvmlDeviceGetMaxMigDeviceCount, with gaps (NOT_FOUND), and UUIDs
 *   of their own ("MIG-<uuid>", before driver 470 "MIG-GPU-<uuid>/<gi>/<ci>"). Memory and
 *   name of such a handle are the instance's.
 * - Instances talk to no other GPU over NVLink.
 * - nvmlDeviceGetNumaNodeId answers where GPU memory is the system's too (coherent
 *   platforms), NOT_SUPPORTED elsewhere.
 * - Processes: see nvmllib.c; of a MIG instance they are asked by its own handle.
 */
#include "agent/describe/nvml.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"
#include "agent/describe/nvml_impl.h"
#include "agent/describe/nvmllib.h"
#include "agent/describe/nvmlmerge.h"
#include "agent/describe/visible.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

/* ---- asking, in the child */

static int leave_out(Aolani__Topology *seen, const char *bus_id)
{
    Aolani__PciNode *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    aolani__pci_node__init(p);
    if (msg_push(&seen->pci, &seen->n_pci, p) < 0) {
        free(p);
        return -ENOMEM;
    }
    return msg_text(&p->bus_id, bus_id);
}

struct found { /* a GPU or an instance, and what names its GPU */
    struct nvmllib_device *device;
    unsigned index;
    nvmllib_text uuid, bus_id;
};

static int add_found(struct nvmllib *l, Aolani__Topology *seen, const struct found *f,
                     Aolani__Gpu **ret)
{
    Aolani__Gpu *g;
    nvmllib_text text;
    unsigned numa;
    if (gpulist_add(seen, GPULIST_NVIDIA, &g) < 0)
        return -ENOMEM;
    g->nvml_index = (int32_t)f->index;
    if (nvmllib_numa(l, f->device, &numa) == NVMLLIB_OK && numa < LIMIT_NUMA)
        g->mem_numa = (int32_t)numa;
    (void)nvmllib_memory(l, f->device, &g->mem_bytes);
    nvmllib_compute(l, f->device, &g->compute);
    if (msg_text(&g->bus_id, f->bus_id) < 0)
        return -ENOMEM;
    if (nvmllib_name(l, f->device, text) == NVMLLIB_OK && msg_text(&g->model, text) < 0)
        return -ENOMEM;
    *ret = g;
    return msg_text(&g->uuid, f->uuid);
}

/* parent: the divided GPU. */
static int add_instances(struct nvmllib *l, Aolani__Topology *seen,
                         const struct found *parent, unsigned max)
{
    unsigned n = 0;
    int refused = NVMLLIB_OK;
    for (unsigned i = 0; i < max && seen->n_gpus < LIMIT_GPUS; i++) {
        struct found f = *parent;
        Aolani__Gpu *g;
        int code = nvmllib_instance(l, parent->device, i, &f.device);
        if (code == NVMLLIB_OK)
            code = nvmllib_uuid(l, f.device, f.uuid);
        if (code != NVMLLIB_OK) {
            refused = code == NVMLLIB_NOT_FOUND ? refused : code;
            continue;
        }
        if (add_found(l, seen, &f, &g) < 0 ||
            msg_text(&g->parent_uuid, parent->uuid) < 0)
            return -ENOMEM;
        g->partition = ++n;
    }
    if (refused != NVMLLIB_OK &&
        msg_note(seen, "instances of gpu %u (%s) are left out: %s", parent->index,
                 parent->bus_id, nvmllib_why(refused)) < 0)
        return -ENOMEM;
    if (n > 0)
        return msg_note(seen,
                        "gpu %u (%s) is divided into %u MIG instance%s: a CUDA "
                        "program can use one of them at a time",
                        parent->index, parent->bus_id, n, n == 1 ? "" : "s");
    if (leave_out(seen, parent->bus_id) < 0)
        return -ENOMEM;
    return refused != NVMLLIB_OK
               ? 0
               : msg_note(seen,
                          "gpu %u (%s) is left out: MIG is enabled and it has no "
                          "instance; \"nvidia-smi mig -cgi\" makes some, \"nvidia-smi "
                          "-mig 0\" ends it",
                          parent->index, parent->bus_id);
}

static int add_whole(struct nvmllib *l, Aolani__Topology *seen, const struct found *f)
{
    Aolani__Gpu *g;
    if (add_found(l, seen, f, &g) < 0)
        return -ENOMEM;
    g->nvlinks = nvmllib_nvlinks(l, f->device);
    return *f->uuid ? 0
                    : msg_note(seen, "gpu %u (%s) has no UUID that could be read",
                               f->index, f->bus_id);
}

static int look_at(struct nvmllib *l, Aolani__Topology *seen, unsigned index)
{
    struct found f = {.index = index};
    unsigned max = 0;
    int code = nvmllib_gpu(l, index, &f.device);
    if (code != NVMLLIB_OK)
        return msg_note(seen, "gpu %u is left out: %s", index, nvmllib_why(code));
    code = nvmllib_bus_id(l, f.device, f.bus_id);
    if (!nvmllib_is_unusable(code)) {
        code = nvmllib_uuid(l, f.device, f.uuid);
        if (code != NVMLLIB_OK)
            f.uuid[0] = '\0';
    }
    bool is_unusable = nvmllib_is_unusable(code);
    if (!is_unusable) {
        code = nvmllib_mig(l, f.device, &max);
        is_unusable = nvmllib_is_unusable(code) || code == NVMLLIB_NO_FUNCTION;
    }
    if (!is_unusable)
        return max > 0 ? add_instances(l, seen, &f, max) : add_whole(l, seen, &f);
    if (*f.bus_id && leave_out(seen, f.bus_id) < 0)
        return -ENOMEM;
    return msg_note(seen, "gpu %u (%s) is left out: %s", index,
                    *f.bus_id ? f.bus_id : "bus id not known", nvmllib_why(code));
}

static int look_at_all(struct nvmllib *l, Aolani__Topology *seen)
{
    nvmllib_text driver, text;
    unsigned n = 0;
    int code = nvmllib_count(l, &n);
    if (code != NVMLLIB_OK)
        return msg_text(&seen->error, nvmllib_why(code));
    for (unsigned i = 0; i < n && seen->n_gpus < LIMIT_GPUS; i++)
        if (look_at(l, seen, i) < 0)
            return -ENOMEM;
    if (nvmllib_driver(l, driver) != NVMLLIB_OK)
        return 0;
    (void)snprintf(text, sizeof text, "NVIDIA %.80s", driver);
    return msg_text(&seen->gpu_driver, text);
}

int nvml_look(Aolani__Topology *seen)
{
    struct nvmllib *l;
    struct err e;
    if (nvmllib_open(&l, &e) < 0)
        return msg_text(&seen->error, e.text) < 0 || msg_text(&seen->hint, e.hint) < 0
                   ? -ENOMEM
                   : 0;
    int rc = look_at_all(l, seen);
    nvmllib_close(l);
    return rc;
}

/* ---- the child */

/* main's own limits are meant for files from outside, not for the driver's library: to
 * wake GPUs costs it seconds of computing too, and we watch the clock. */
static void take_resources(void)
{
    static const int limits[] = {RLIMIT_AS, RLIMIT_CPU};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit r;
        if (getrlimit(limits[i], &r) < 0)
            continue;
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(limits[i], &r);
    }
}

/* The library may print, and our standard output is a message. A child that is stuck would
 * keep it open, too: a reader would wait for more. */
static void leave_standard_files(void)
{
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        (void)dup2(null, fd);
    if (null > 2)
        (void)close(null);
}

static _Noreturn void be_the_child(int out, pid_t parent)
{
    Aolani__Topology seen = AOLANI__TOPOLOGY__INIT;
    out = fcntl(out, F_DUPFD_CLOEXEC, 3); /* whoever starts us may have closed those */
    leave_standard_files();
    take_resources();
    if (out < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
        nvml_look(&seen) < 0)
        _exit(1);
    size_t n = aolani__topology__get_packed_size(&seen);
    uint8_t *bytes = malloc(n + 1);
    if (!bytes)
        _exit(1);
    (void)aolani__topology__pack(&seen, bytes);
    for (size_t done = 0; done < n;) {
        ssize_t w = write(out, bytes + done, n - done);
        if (w <= 0 && errno != EINTR)
            _exit(1);
        done += w > 0 ? (size_t)w : 0;
    }
    _exit(0);
}

/* All that the child says, until its end of the pipe is closed. */
static int hear(int fd, unsigned wait_ms, struct buf *said)
{
    uint64_t until = clock_mono_ns() + wait_ms * 1000000ull;
    for (;;) {
        uint64_t now = clock_mono_ns();
        if (now >= until)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int rc = poll(&p, 1, (int)((until - now) / 1000000) + 1);
        if (rc < 0 && errno != EINTR)
            return -errno;
        if (rc <= 0)
            continue;
        uint8_t *at;
        rc = buf_reserve(said, 4096, &at);
        if (rc < 0)
            return rc;
        ssize_t n = read(fd, at, 4096);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        said->len += n > 0 ? (size_t)n : 0;
    }
}

/* One that is stuck in the driver cannot be waited for: it ends when the driver lets go. */
static int end_child(pid_t pid, bool has_ended)
{
    int status = 0;
    if (!has_ended)
        (void)kill(pid, SIGKILL);
    pid_t rc;
    do
        rc = waitpid(pid, &status, has_ended ? 0 : WNOHANG);
    while (rc < 0 && errno == EINTR);
    return rc == pid ? status : 0;
}

static int failed(Aolani__Topology **ret, const char *what, int detail)
{
    Aolani__Topology *seen = malloc(sizeof *seen);
    if (!seen)
        return -ENOMEM;
    aolani__topology__init(seen);
    char text[128];
    (void)snprintf(text, sizeof text, what, detail);
    if (msg_text(&seen->error, text) < 0) {
        free(seen);
        return -ENOMEM;
    }
    *ret = seen;
    return 0;
}

int nvml_ask(unsigned wait_ms, Aolani__Topology **ret)
{
    int ends[2];
    struct buf said;
    buf_init(&said, LIMIT_TOPOLOGY_BYTES);
    pid_t self = getpid();
    if (pipe2(ends, O_CLOEXEC) < 0)
        return failed(ret, "cannot ask NVIDIA's management library: error %d", errno);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        be_the_child(ends[1], self);
    }
    (void)close(ends[1]);
    int heard = pid < 0 ? -errno : hear(ends[0], wait_ms, &said);
    (void)close(ends[0]);
    int status = pid > 0 ? end_child(pid, heard == 0) : 0, rc;
    if (heard == -ETIMEDOUT)
        rc = failed(ret, "NVIDIA's management library did not answer within %d s",
                    (int)(wait_ms / 1000));
    else if (heard < 0)
        rc = failed(ret, "cannot ask NVIDIA's management library: error %d", -heard);
    else if (WIFSIGNALED(status))
        rc = failed(ret, "NVIDIA's management library crashed (signal %d)",
                    WTERMSIG(status));
    else {
        *ret = WEXITSTATUS(status) == 0
                   ? aolani__topology__unpack(NULL, said.len, said.data)
                   : NULL;
        rc = *ret ? 0
                  : failed(ret, "NVIDIA's management library gave up (status %d)",
                           WEXITSTATUS(status));
    }
    buf_fini(&said);
    return rc;
}

/* ---- all of it */

int nvml_annotate(Aolani__Topology *t, const char *visible, struct err *e)
{
    Aolani__Topology *seen;
    if (nvml_ask(LIMIT_NVML_MS, &seen) < 0)
        return err_sys(e, -ENOMEM, "cannot describe this node's GPUs");
    int rc = nvmlmerge(t, seen, e);
    aolani__topology__free_unpacked(seen, NULL);
    if (rc < 0)
        return rc;
    const struct visible_env env = {
        .cuda = visible,
        .cuda_order = getenv("CUDA_DEVICE_ORDER"),
        .nvidia = getenv("NVIDIA_VISIBLE_DEVICES"),
        .rocr = getenv("ROCR_VISIBLE_DEVICES"),
        .hip = getenv("HIP_VISIBLE_DEVICES"),
    };
    return visible_apply(t, &env, e);
}
