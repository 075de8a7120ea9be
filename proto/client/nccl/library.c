/* SPDX-License-Identifier: MIT */
/* library.c - see library.h. */
#include "proto/client/nccl/library.h"

#include <stddef.h>

#include "proto/client/nccl/olddl.h"

typedef int (*version_f)(int *ret);

/* Python loads NCCL for itself alone, and a process may hold two: that which calls is asked
 * first. */
static void *version_of_owner(const int *mask)
{
    Dl_info at;
    if (!mask || !dladdr(mask, &at) || !at.dli_fname)
        return NULL;
    void *lib = dlopen(at.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!lib)
        return NULL;
    void *f = dlsym(lib, "ncclGetVersion");
    dlclose(lib);
    return f;
}

uint32_t library_version(const int *mask)
{
    int version = 0;
    union {
        void *at;
        version_f call;
    } f = {.at = version_of_owner(mask)};
    if (!f.at)
        f.at = dlsym(RTLD_DEFAULT, "ncclGetVersion");
    if (!f.at || f.call(&version) != 0 || version < 0)
        return 0;
    return (uint32_t)version;
}

/* 2.31 writes a stamp, with a fence, at each phase of a kernel as soon as kernels are timed
 * at all: all-reduces of 128 KiB to 4 MiB take 4 to 13 % longer, where 2.29.7 loses 1 %
 * (NCCL issue 2355). */
bool library_is_slowed(uint32_t version)
{
    return version >= 23100 && version < 23200;
}
