/* SPDX-License-Identifier: MIT */
/* nvmllib.c - see nvmllib.h; what we take for granted of NVML is written in nvml.c. */
#include "agent/describe/nvmllib_impl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SONAME "libnvidia-ml.so.1"
#define MAX_PROCESSES \
    4096u               /* on one GPU; a list that grows faster than it is read ends */
#define MAX_NVLINKS 36u /* NVML_NVLINK_MAX_LINKS; of a GPU with fewer the rest fail */
#define NO_VALUE    UINT64_MAX /* NVML_VALUE_NOT_AVAILABLE, of a process's memory */

/* ---- loading */

/* POSIX promises that a pointer to a function fits; C does not, hence not a cast. */
static void look_up(void *so, const char *name, void *at)
{
    void *found = dlsym(so, name);
    memcpy(at, &found, sizeof found);
}

/* The newest form that this library has, of those that take the same arguments. */
static void look_up_newest(void *so, const char *newest, const char *older, void *at)
{
    look_up(so, newest, at);
    if (!dlsym(so, newest))
        look_up(so, older, at);
}

/* Version 1 fills in a process id and its memory. 2 and 3 add the ids of MIG instances.
 * The library of the first 535 drivers adds another 8 bytes in version 3; later ones have
 * taken that back, and have a function that the first have not. */
static struct process_call look_up_processes(void *so, const char *base)
{
    static const struct {
        const char *suffix;
        size_t stride;
    } forms[] = {{"_v3", 24}, {"_v2", 24}, {"", 16}};
    struct process_call found = {0};
    for (size_t i = 0; !found.call && i < sizeof forms / sizeof *forms; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s%s", base, forms[i].suffix);
        look_up(so, name, &found.call);
        found.stride = forms[i].stride;
        if (i == 0 && dlsym(so, "nvmlDeviceGetConfComputeMemSizeInfo") &&
            !dlsym(so, "nvmlDeviceGetRunningProcessDetailList"))
            found.stride = 32;
    }
    return found;
}

static void look_up_all(struct nvmllib *l)
{
    look_up_newest(l->so, "nvmlInit_v2", "nvmlInit", &l->init);
    look_up(l->so, "nvmlShutdown", &l->shutdown);
    look_up(l->so, "nvmlSystemGetDriverVersion", &l->driver);
    look_up_newest(l->so, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount", &l->count);
    look_up_newest(l->so, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex",
                   &l->gpu);
    look_up(l->so, "nvmlDeviceGetUUID", &l->uuid);
    look_up(l->so, "nvmlDeviceGetName", &l->name);
    look_up_newest(l->so, "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2",
                   &l->pci);
    look_up(l->so, "nvmlDeviceGetMemoryInfo", &l->memory);
    look_up(l->so, "nvmlDeviceGetNumaNodeId", &l->numa);
    look_up(l->so, "nvmlDeviceGetMigMode", &l->mig_mode);
    look_up(l->so, "nvmlDeviceGetMaxMigDeviceCount", &l->max_instances);
    look_up(l->so, "nvmlDeviceGetMigDeviceHandleByIndex", &l->instance);
    look_up(l->so, "nvmlDeviceGetCudaComputeCapability", &l->compute);
    look_up(l->so, "nvmlDeviceGetNvLinkState", &l->nvlink);
    look_up(l->so, "nvmlDeviceGetFieldValues", &l->fields);
    look_up(l->so, "nvmlDeviceGetClockInfo", &l->clock);
    look_up(l->so, "nvmlDeviceGetMaxClockInfo", &l->max_clock);
    look_up(l->so, "nvmlDeviceGetTemperature", &l->temperature);
    look_up(l->so, "nvmlDeviceGetPowerUsage", &l->power);
    look_up_newest(l->so, "nvmlDeviceGetCurrentClocksEventReasons",
                   "nvmlDeviceGetCurrentClocksThrottleReasons", &l->reasons);
    l->processes[0] = look_up_processes(l->so, "nvmlDeviceGetComputeRunningProcesses");
    l->processes[1] = look_up_processes(l->so, "nvmlDeviceGetGraphicsRunningProcesses");
    l->processes[2] =
        look_up_processes(l->so, "nvmlDeviceGetMPSComputeRunningProcesses");
}

static int init_failed(int code, struct err *e)
{
    (void)err_set(e, -EIO, "cannot use NVIDIA's management library: %s",
                  nvmllib_why(code));
    if (code == NVMLLIB_MISMATCH)
        return err_hint(e, "the driver was updated while its old kernel module was "
                           "loaded: reboot the node, or reload the module");
    if (code == NVMLLIB_NO_DRIVER)
        return err_hint(e, "\"modprobe nvidia\" and the kernel's log say why; in a "
                           "container, the GPUs may not have been passed on");
    return -EIO;
}

int nvmllib_open(struct nvmllib **ret, struct err *e)
{
    struct nvmllib *l = calloc(1, sizeof *l);
    if (!l)
        return err_sys(e, -ENOMEM, "cannot use NVIDIA's management library");
    int rc;
    l->so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!l->so) {
        const char *why = dlerror();
        rc = err_set(e, -ENOENT, "cannot load NVIDIA's management library: %s",
                     why ? why : SONAME);
        goto fail;
    }
    look_up_all(l);
    if (!l->init || !l->count || !l->gpu) {
        rc = err_set(e, -ENOSYS,
                     "cannot use NVIDIA's management library: \"%s\" has "
                     "none of its functions",
                     SONAME);
        goto fail;
    }
    int code = l->init();
    if (code != NVMLLIB_OK) {
        rc = init_failed(code, e);
        goto fail;
    }
    l->is_ready = true;
    *ret = l;
    return 0;
fail:
    nvmllib_close(l);
    return rc;
}

void nvmllib_close(struct nvmllib *l)
{
    if (!l)
        return;
    if (l->is_ready && l->shutdown)
        (void)l->shutdown();
    if (l->so)
        (void)dlclose(l->so);
    free(l);
}

/* ---- asking */

int nvmllib_driver(struct nvmllib *l, nvmllib_text ret)
{
    return l->driver ? l->driver(ret, NVMLLIB_TEXT) : NVMLLIB_NO_FUNCTION;
}

int nvmllib_count(struct nvmllib *l, unsigned *ret)
{
    return l->count(ret);
}

int nvmllib_gpu(struct nvmllib *l, unsigned index, struct nvmllib_device **ret)
{
    return l->gpu(index, ret);
}

int nvmllib_uuid(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret)
{
    return l->uuid ? l->uuid(d, ret, NVMLLIB_TEXT) : NVMLLIB_NO_FUNCTION;
}

int nvmllib_name(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret)
{
    return l->name ? l->name(d, ret, NVMLLIB_TEXT) : NVMLLIB_NO_FUNCTION;
}

/* As the kernel writes it: four digits of the domain, more where it takes them. NVML's own
 * text has eight; it names no function other than 0, which a GPU's is. */
int nvmllib_bus_id(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret)
{
    struct pci_info p = {0};
    int code = l->pci ? l->pci(d, &p) : NVMLLIB_NO_FUNCTION;
    if (code != NVMLLIB_OK)
        return code;
    (void)snprintf(ret, NVMLLIB_TEXT, "%04x:%02x:%02x.0", p.domain, p.bus & 0xff,
                   p.device & 0x1f);
    return NVMLLIB_OK;
}

int nvmllib_memory(struct nvmllib *l, struct nvmllib_device *d, uint64_t *ret_bytes)
{
    struct memory m = {0};
    int code = l->memory ? l->memory(d, &m) : NVMLLIB_NO_FUNCTION;
    if (code == NVMLLIB_OK)
        *ret_bytes = m.total;
    return code;
}

int nvmllib_numa(struct nvmllib *l, struct nvmllib_device *d, unsigned *ret)
{
    return l->numa ? l->numa(d, ret) : NVMLLIB_NO_FUNCTION;
}

void nvmllib_compute(struct nvmllib *l, struct nvmllib_device *d, uint32_t *ret)
{
    int major = 0, minor = 0;
    if (l->compute && l->compute(d, &major, &minor) == NVMLLIB_OK && major > 0 &&
        minor >= 0)
        *ret = (uint32_t)(major * 10 + minor);
}

unsigned nvmllib_nvlinks(struct nvmllib *l, struct nvmllib_device *d)
{
    unsigned n = 0, is_active;
    for (unsigned link = 0; l->nvlink && link < MAX_NVLINKS; link++) {
        is_active = 0;
        int code = l->nvlink(d, link, &is_active);
        n += code == NVMLLIB_OK && is_active == 1;
    }
    return n;
}

int nvmllib_mig(struct nvmllib *l, struct nvmllib_device *d, unsigned *ret_max)
{
    *ret_max = 0;
    unsigned now = 0, pending = 0;
    int code = l->mig_mode ? l->mig_mode(d, &now, &pending) : NVMLLIB_NO_FUNCTION;
    /* A GPU or a driver that knows no MIG is not divided. */
    if (code == NVMLLIB_NOT_SUPPORTED || code == NVMLLIB_NO_FUNCTION)
        return NVMLLIB_OK;
    if (code != NVMLLIB_OK || now == 0)
        return code;
    if (!l->max_instances || !l->instance)
        return NVMLLIB_NO_FUNCTION;
    return l->max_instances(d, ret_max);
}

int nvmllib_instance(struct nvmllib *l, struct nvmllib_device *d, unsigned index,
                     struct nvmllib_device **ret)
{
    return l->instance ? l->instance(d, index, ret) : NVMLLIB_NO_FUNCTION;
}

/* ---- processes */

struct process_list {
    struct nvmllib_process *v;
    size_t n;
};

static int add_process(struct process_list *list, uint32_t pid, uint64_t bytes)
{
    /* A program that computes and draws is in two lists; those without a number are not
     * known to be the same. */
    for (size_t i = 0; pid != 0 && i < list->n; i++)
        if (list->v[i].pid == pid) {
            if (list->v[i].bytes < bytes)
                list->v[i].bytes = bytes;
            return 0;
        }
    struct nvmllib_process *v = realloc(list->v, (list->n + 1) * sizeof *v);
    if (!v)
        return -ENOMEM;
    list->v = v;
    list->v[list->n++] = (struct nvmllib_process){.pid = pid, .bytes = bytes};
    return 0;
}

/* How many there are changes while we ask: room for a few more, then once more. */
static int ask_processes(const struct process_call *p, struct nvmllib_device *d,
                         uint8_t **ret, unsigned *ret_n)
{
    unsigned n = 0;
    int code = p->call(d, &n, NULL);
    for (unsigned room = n + 8; code == NVMLLIB_TOO_SMALL && room <= MAX_PROCESSES;
         room = 2 * room > n ? 2 * room : n + 8) {
        free(*ret);
        *ret = calloc(room, p->stride);
        if (!*ret)
            return -ENOMEM;
        n = room;
        code = p->call(d, &n, *ret);
        if (code == NVMLLIB_OK)
            *ret_n = n < room ? n : room;
    }
    return code;
}

static int add_kind(const struct process_call *p, struct nvmllib_device *d,
                    struct process_list *list)
{
    uint8_t *raw = NULL;
    unsigned n = 0;
    int code = ask_processes(p, d, &raw, &n);
    for (unsigned i = 0; code == NVMLLIB_OK && i < n; i++) {
        uint32_t pid;
        uint64_t bytes;
        memcpy(&pid, raw + i * p->stride, sizeof pid);
        memcpy(&bytes, raw + i * p->stride + 8, sizeof bytes);
        code = add_process(list, pid, bytes == NO_VALUE ? 0 : bytes);
    }
    free(raw);
    return code;
}

int nvmllib_processes(struct nvmllib *l, struct nvmllib_device *d,
                      struct nvmllib_process **ret, size_t *ret_n)
{
    struct process_list list = {0};
    int code = NVMLLIB_NO_FUNCTION;
    for (int kind = 0; kind < N_PROCESS_KINDS; kind++) {
        if (!l->processes[kind].call)
            continue;
        int rc = add_kind(&l->processes[kind], d, &list);
        /* Graphics are not to be had on a MIG instance, nor MPS on old GPUs. */
        if (rc == NVMLLIB_NOT_SUPPORTED && kind > 0)
            continue;
        code = rc;
        if (code != NVMLLIB_OK)
            break;
    }
    if (code != NVMLLIB_OK) {
        free(list.v);
        return code;
    }
    *ret = list.v;
    *ret_n = list.n;
    return NVMLLIB_OK;
}
