/* SPDX-License-Identifier: MIT */
/* launch - one thread for each i < n, of a function object that is copied to where it runs:
 * on the device, or on the host, where the stream keeps it until its turn. C++. */
#ifndef CUDA_LAUNCH_H
#define CUDA_LAUNCH_H

#include "agent/workload/cuda/gpu.h"

#ifdef __CUDACC__
#define ON_BOTH __host__ __device__

extern "C" void *gpu_launching(struct gpu *g);         /* the stream, NULL: do not */
extern "C" void gpu_launched(struct gpu *g, int code); /* what cudaGetLastError said */

template <class F> __global__ void __launch_bounds__(256) launch_each(size_t n, F f)
{
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        f(i);
}

template <class F> void launch(struct gpu *g, size_t n, const F &f)
{
    /* Few threads in small blocks reach more multiprocessors. */
    const size_t threads = n < 65536 ? 64 : 256, most = (size_t)1 << 20;
    size_t blocks = (n + threads - 1) / threads;
    void *stream = gpu_launching(g);
    if (!stream || n == 0)
        return;
    (void)cudaGetLastError(); /* what a library has left there is not the launch's */
    launch_each<<<(unsigned)(blocks < most ? blocks : most), (unsigned)threads, 0,
                  (cudaStream_t)stream>>>(n, f);
    gpu_launched(g, (int)cudaGetLastError());
}
#else
#define ON_BOTH

/* Keeps a copy of *f; work(copy, n) when it is its turn. clean: every byte of it is some
 * member's, or zero. */
extern "C" void gpu_host_launch(struct gpu *g, void (*work)(const void *f, size_t n),
                                const void *f, size_t bytes, bool clean, size_t n);

template <class F> void launch_loop(const void *f, size_t n)
{
    for (size_t i = n; i-- > 0;) /* no thread may rely on those before it */
        (*(const F *)f)(i);
}

template <class F> void launch(struct gpu *g, size_t n, const F &f)
{
    F copy = f;
#if defined __has_builtin && __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&copy);
    gpu_host_launch(g, launch_loop<F>, &copy, sizeof copy, true, n);
#else
    gpu_host_launch(g, launch_loop<F>, &copy, sizeof copy, false, n);
#endif
}
#endif
#endif
