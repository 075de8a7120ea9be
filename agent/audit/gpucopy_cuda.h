/* SPDX-License-Identifier: MIT */
/* gpucopy_cuda - CUDA's driver library, as far as we use it.
 *
 * It belongs to the driver and is looked for when the program runs; its header is not
 * needed, since a function of a given name never changes. Signatures, and which name (_v2)
 * is meant by the header's plain one, are from cuda.h of CUDA 11.0 to 13.0; the numbers of
 * results from its enum cudaError_enum:
 *
 *   cuInit, cuDeviceGetCount, cuDeviceGet, cuDeviceGetPCIBusId, cuCtxSetCurrent,
 *   cuCtxSynchronize, cuMemHostAlloc, cuMemFreeHost, cuGetErrorName
 *       have one form (CUDA 4.1 has all but cuGetErrorName, which is of 6.0);
 *   cuDevicePrimaryCtxRetain is of CUDA 7.0, cuDevicePrimaryCtxRelease_v2 of 11.0; contexts
 *       are not made by cuCtxCreate, whose arguments have changed three times;
 *   cuMemAlloc_v2, cuMemFree_v2, cuMemcpyHtoDAsync_v2, cuMemcpyDtoHAsync_v2,
 *   cuMemcpyDtoDAsync_v2
 *       are of CUDA 3.2, with sizes and addresses of 64 bits;
 *   cuDeviceGetUuid_v2 is of 11.4 and names MIG instances, cuDeviceGetUuid of 9.2.
 *
 * Time is taken by our own clock around cuCtxSynchronize: cuEventElapsedTime has changed.
 */
#ifndef AGENT_AUDIT_GPUCOPY_CUDA_H
#define AGENT_AUDIT_GPUCOPY_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gpucopy_code { /* CUresult: those that we tell apart */
                    CUDA_OK = 0,
                    CUDA_NO_MEMORY = 2,
                    CUDA_STUB = 34,
                    CUDA_BUSY = 46, /* CUDA_ERROR_DEVICE_UNAVAILABLE: exclusive mode */
                    CUDA_NO_DEVICE = 100,
                    CUDA_ECC = 214,
                    CUDA_NVLINK = 220,
                    CUDA_NOT_READY = 802,  /* CUDA_ERROR_SYSTEM_NOT_READY */
                    CUDA_MISMATCH = 803,   /* CUDA_ERROR_SYSTEM_DRIVER_MISMATCH */
                    CUDA_NO_FUNCTION = -1, /* ours, as the next */
                    CUDA_NO_TIME = -2,
};

struct cuda_context; /* struct CUctx_st */
struct cuda_stream;  /* struct CUstream_st; NULL: the default one */
typedef uint64_t
    cuda_address; /* CUdeviceptr: unsigned long long where pointers have 64 bits */

struct cuda {
    void *so;
    int (*init)(unsigned flags);
    int (*count)(int *ret);
    int (*device)(int *ret, int ordinal);
    int (*bus_id)(char *ret, int size, int device);
    int (*uuid)(unsigned char ret[16], int device); /* CUuuid is char[16] */
    int (*retain)(struct cuda_context **ret, int device);
    int (*release)(int device);
    int (*use)(struct cuda_context *c);
    int (*wait)(void);
    int (*host_alloc)(void **ret, size_t size, unsigned flags);
    int (*host_free)(void *at);
    int (*alloc)(cuda_address *ret, size_t size);
    int (*free)(cuda_address at);
    int (*to)(cuda_address to, const void *from, size_t size, struct cuda_stream *s);
    int (*from)(void *to, cuda_address from, size_t size, struct cuda_stream *s);
    int (*within)(cuda_address to, cuda_address from, size_t size,
                  struct cuda_stream *s);
    int (*name)(int code, const char **ret);
};

/* false: there is no such library here. It stays loaded: it may have threads. */
bool cuda_load(struct cuda *ret);
bool cuda_is_whole(const struct cuda *c); /* has all that is needed to copy */
/* Why, in our words, or CUDA's own name of it. */
const char *cuda_why(const struct cuda *c, int code);

#endif
