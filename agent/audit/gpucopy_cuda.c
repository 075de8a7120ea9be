/* SPDX-License-Identifier: MIT */
/* gpucopy_cuda.c - see gpucopy_cuda.h. */
#include "agent/audit/gpucopy_cuda.h"

#include <dlfcn.h>
#include <string.h>

#define SONAME "libcuda.so.1"

/* POSIX promises that a pointer to a function fits; C does not, hence not a cast. */
static void look_up(void *so, const char *name, void *at)
{
    void *found = dlsym(so, name);
    memcpy(at, &found, sizeof found);
}

bool cuda_load(struct cuda *ret)
{
    memset(ret, 0, sizeof *ret);
    void *so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return false;
    ret->so = so;
    look_up(so, "cuInit", &ret->init);
    look_up(so, "cuDeviceGetCount", &ret->count);
    look_up(so, "cuDeviceGet", &ret->device);
    look_up(so, "cuDeviceGetPCIBusId", &ret->bus_id);
    look_up(so, "cuDeviceGetUuid_v2", &ret->uuid);
    if (!ret->uuid)
        look_up(so, "cuDeviceGetUuid", &ret->uuid);
    look_up(so, "cuDevicePrimaryCtxRetain", &ret->retain);
    look_up(so, "cuDevicePrimaryCtxRelease_v2", &ret->release);
    if (!ret->release)
        look_up(so, "cuDevicePrimaryCtxRelease", &ret->release);
    look_up(so, "cuCtxSetCurrent", &ret->use);
    look_up(so, "cuCtxSynchronize", &ret->wait);
    look_up(so, "cuMemHostAlloc", &ret->host_alloc);
    look_up(so, "cuMemFreeHost", &ret->host_free);
    look_up(so, "cuMemAlloc_v2", &ret->alloc);
    look_up(so, "cuMemFree_v2", &ret->free);
    look_up(so, "cuMemcpyHtoDAsync_v2", &ret->to);
    look_up(so, "cuMemcpyDtoHAsync_v2", &ret->from);
    look_up(so, "cuMemcpyDtoDAsync_v2", &ret->within);
    look_up(so, "cuGetErrorName", &ret->name);
    return true;
}

bool cuda_is_whole(const struct cuda *c)
{
    return c->init && c->count && c->device && c->bus_id && c->uuid && c->retain &&
           c->release && c->use && c->wait && c->host_alloc && c->host_free &&
           c->alloc && c->free && c->to && c->from && c->within;
}

const char *cuda_why(const struct cuda *c, int code)
{
    static const struct {
        int code;
        const char *why;
    } words[] = {
        {CUDA_NO_FUNCTION, "the driver's library lacks functions"},
        {CUDA_NO_TIME, "no time was left for all of it"},
        {CUDA_NO_MEMORY, "out of memory: another process may use it"},
        {CUDA_STUB, "the library is the one for linking, not the driver's"},
        {CUDA_BUSY, "in use by another process, exclusively"},
        {CUDA_NO_DEVICE, "there is none that this process may use"},
        {CUDA_ECC, "an uncorrectable memory error"},
        {CUDA_NVLINK, "an uncorrectable NVLink error"},
        {CUDA_NOT_READY, "the system is not ready: the fabric manager may not run"},
        {CUDA_MISMATCH,
         "the driver's kernel module and library are of different versions"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].code == code)
            return words[i].why;
    const char *name = NULL;
    if (c->name && c->name(code, &name) == CUDA_OK && name)
        return name;
    return "the driver reports an error";
}
