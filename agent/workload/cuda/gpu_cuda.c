/* SPDX-License-Identifier: MIT */
/* gpu_cuda.c - see gpu.h: devices, memory, streams, graphs. */
#include <cuda_runtime_api.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/cuda/gpu_impl.h"

/* For launch.h. */
void *gpu_launching(struct gpu *g);
void gpu_launched(struct gpu *g, int code);

void gpu_fail(struct gpu *g, const char *call, const char *why)
{
    if (!g->error[0])
        snprintf(g->error, sizeof g->error, "%s, in %s: %s", call, g->place, why);
}

static bool good(struct gpu *g, cudaError_t rc, const char *call)
{
    char why[256];
    if (rc == cudaSuccess)
        return true;
    snprintf(why, sizeof why, "%s (%s)", cudaGetErrorString(rc), cudaGetErrorName(rc));
    gpu_fail(g, call, why);
    return false;
}

const char *gpu_error(const struct gpu *g)
{
    return g->error[0] ? g->error : NULL;
}

void gpu_place(struct gpu *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->place, sizeof g->place, fmt, ap);
    va_end(ap);
}

static cudaStream_t stream_of(const struct gpu *g, enum gpu_stream s)
{
    return g->stream[s];
}

/* ---- a device */

static void version_text(int v, char *text, size_t len)
{
    if (v > 0)
        snprintf(text, len, "for CUDA %d.%d", v / 1000, v % 1000 / 10);
    else
        snprintf(text, len, "absent");
}

int gpu_probe(char *why, size_t len)
{
    int n = 0, runtime = 0, driver = 0;
    char driver_text[32], runtime_text[32];
    cudaError_t rc = cudaGetDeviceCount(&n);
    if (rc == cudaSuccess && n > 0)
        return 0;
    (void)cudaRuntimeGetVersion(&runtime);
    (void)cudaDriverGetVersion(&driver);
    version_text(runtime, runtime_text, sizeof runtime_text);
    version_text(driver, driver_text, sizeof driver_text);
    snprintf(why, len,
             "no CUDA device: cudaGetDeviceCount: %s (%s); built %s, driver: %s",
             rc == cudaSuccess ? "there are none" : cudaGetErrorString(rc),
             cudaGetErrorName(rc), runtime_text, driver_text);
    return -1;
}

static void open_streams(struct gpu *g)
{
    int least = 0, greatest = 0;
    good(g, cudaDeviceGetStreamPriorityRange(&least, &greatest),
         "cudaDeviceGetStreamPriorityRange");
    for (int s = 0; s < GPU_STREAMS; s++) {
        cudaStream_t stream = NULL;
        cudaEvent_t event = NULL;
        /* Sums first: their few blocks must not queue behind a product's many. */
        good(g,
             cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking,
                                          s == GPU_SUMS ? greatest : least),
             "cudaStreamCreateWithPriority");
        good(g, cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
             "cudaEventCreateWithFlags");
        g->stream[s] = stream;
        g->event[s] = event;
    }
}

struct gpu *gpu_open(int local_rank, bool tf32, char *why, size_t len)
{
    int n = 0;
    struct cudaDeviceProp p;
    struct gpu *g = calloc(1, sizeof *g);
    if (!g) {
        snprintf(why, len, "out of memory for a device");
        return NULL;
    }
    g->tf32 = tf32;
    gpu_place(g, "the opening of GPU %d of this rank's", local_rank);
    if (good(g, cudaGetDeviceCount(&n), "cudaGetDeviceCount") && n > 0 &&
        good(g, cudaSetDevice(local_rank % n), "cudaSetDevice") &&
        good(g, cudaGetDeviceProperties(&p, local_rank % n),
             "cudaGetDeviceProperties")) {
        snprintf(g->name, sizeof g->name, "%s", p.name);
        open_streams(g);
        gpu_blas_open(g);
    }
    if (!g->error[0])
        return g;
    snprintf(why, len, "%s", g->error);
    gpu_close(g);
    return NULL;
}

void gpu_close(struct gpu *g)
{
    if (!g)
        return;
    if (g->graph) /* before the communicator, which it uses */
        (void)cudaGraphExecDestroy(g->graph);
    gpu_nccl_close(g);
    gpu_blas_close(g);
    for (unsigned i = 0; i < g->n_allocs; i++)
        (void)cudaFree(g->alloc[i]);
    for (unsigned i = 0; i < g->n_hosts; i++)
        (void)cudaFreeHost(g->host[i]);
    for (int s = 0; s < GPU_STREAMS; s++) {
        if (g->event[s])
            (void)cudaEventDestroy(g->event[s]);
        if (g->stream[s])
            (void)cudaStreamDestroy(g->stream[s]);
    }
    free(g);
}

const char *gpu_name(const struct gpu *g)
{
    return g->name;
}

void gpu_memory(struct gpu *g, size_t *ret_free, size_t *ret_total)
{
    *ret_free = *ret_total = 0;
    good(g, cudaMemGetInfo(ret_free, ret_total), "cudaMemGetInfo");
}

/* ---- memory */

void *gpu_alloc(struct gpu *g, size_t bytes)
{
    void *p = NULL;
    if (g->error[0])
        return NULL;
    if (g->n_allocs == GPU_MOST_ALLOCS)
        gpu_fail(g, "cudaMalloc", "too many pieces");
    else if (good(g, cudaMalloc(&p, bytes > 0 ? bytes : 1), "cudaMalloc"))
        g->alloc[g->n_allocs++] = p;
    return p;
}

void *gpu_alloc_host(struct gpu *g, size_t bytes)
{
    void *p = NULL;
    if (g->error[0])
        return NULL;
    if (g->n_hosts == GPU_MOST_ALLOCS)
        gpu_fail(g, "cudaMallocHost", "too many pieces");
    else if (good(g, cudaMallocHost(&p, bytes), "cudaMallocHost"))
        g->host[g->n_hosts++] = memset(p, 0, bytes);
    return p;
}

/* ---- work */

void *gpu_launching(struct gpu *g)
{
    return g->error[0] ? NULL : g->stream[GPU_COMPUTE];
}

void gpu_launched(struct gpu *g, int code)
{
    good(g, (cudaError_t)code, "a kernel's launch");
}

void gpu_copy(struct gpu *g, enum gpu_stream s, void *to, const void *from,
              size_t bytes)
{
    if (!g->error[0])
        good(g, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(g, s)),
             "cudaMemcpyAsync");
}

void gpu_zero(struct gpu *g, enum gpu_stream s, void *to, size_t bytes)
{
    if (!g->error[0])
        good(g, cudaMemsetAsync(to, 0, bytes, stream_of(g, s)), "cudaMemsetAsync");
}

void gpu_order(struct gpu *g, enum gpu_stream first, enum gpu_stream later)
{
    if (!g->error[0] && good(g, cudaEventRecord(g->event[first], stream_of(g, first)),
                             "cudaEventRecord"))
        good(g, cudaStreamWaitEvent(stream_of(g, later), g->event[first], 0),
             "cudaStreamWaitEvent");
}

bool gpu_is_idle(struct gpu *g)
{
    gpu_nccl_look(g);
    for (int s = 0; s < GPU_STREAMS && !g->error[0]; s++) {
        cudaError_t rc = cudaStreamQuery(stream_of(g, s));
        if (rc == cudaErrorNotReady) {
            (void)cudaGetLastError(); /* or the next launch would seem to have failed */
            return false;
        }
        good(g, rc, "cudaStreamQuery"); /* also what failed on the device before */
    }
    return true;
}

/* ---- graphs */

void gpu_capture_begin(struct gpu *g)
{
    /* Other threads (NCCL has some) may do as they like meanwhile. */
    if (!g->error[0])
        good(g,
             cudaStreamBeginCapture(stream_of(g, GPU_COMPUTE),
                                    cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
}

void gpu_capture_end(struct gpu *g)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready = NULL;
    if (g->error[0] || !good(g, cudaStreamEndCapture(stream_of(g, GPU_COMPUTE), &graph),
                             "cudaStreamEndCapture"))
        return;
    if (good(g, cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate"))
        g->graph = ready;
    (void)cudaGraphDestroy(graph);
}

void gpu_replay(struct gpu *g)
{
    if (!g->error[0])
        good(g, cudaGraphLaunch(g->graph, stream_of(g, GPU_COMPUTE)),
             "cudaGraphLaunch");
}
