/* SPDX-License-Identifier: MIT */
/* confine.c - see confine.h. */
#include "agent/describe/confine.h"

#include <stddef.h>
#include <sys/resource.h>

/* A sanitizer reserves terabytes of address space that it never uses. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_AS RLIM_INFINITY
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONFINE_AS RLIM_INFINITY
#endif
#endif
#ifndef CONFINE_AS
#define CONFINE_AS ((rlim_t)1 << 30) /* hwloc takes 100 MiB for 8192 CPUs */
#endif

void confine(void)
{
    static const struct {
        int what;
        rlim_t most;
    } limits[] = {
        {RLIMIT_AS, CONFINE_AS},
        {RLIMIT_CPU, 10},
        {RLIMIT_FSIZE, 16u << 20}, /* standard output may be a file */
        {RLIMIT_CORE, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit r;
        if (getrlimit(limits[i].what, &r) == 0 && r.rlim_cur > limits[i].most) {
            r.rlim_cur = limits[i].most;
            (void)setrlimit(limits[i].what, &r);
        }
    }
}
