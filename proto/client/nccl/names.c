/* SPDX-License-Identifier: MIT */
/* names.c - see names.h. */
#include "proto/client/nccl/names.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/wire/collrec.h"

unsigned name_func(const char *name)
{
    for (unsigned f = COLL_OTHER + 1; name && f < COLL_N; f++)
        if (strcmp(name, coll_func_name(f)) == 0)
            return f;
    return COLL_OTHER;
}

unsigned name_datatype(const char *name, unsigned *ret_size)
{
    static const struct {
        const char *name;
        uint8_t number, size;
    } types[] = {
        {"ncclBfloat16", 9, 2},    {"ncclFloat32", 7, 4},     {"ncclFloat16", 6, 2},
        {"ncclInt8", 0, 1},        {"ncclInt64", 4, 8},       {"ncclInt32", 2, 4},
        {"ncclFloat8e4m3", 10, 1}, {"ncclFloat8e5m2", 11, 1}, {"ncclFloat64", 8, 8},
        {"ncclUint32", 3, 4},      {"ncclUint64", 5, 8},      {"ncclUint8", 1, 1},
        {"Unknown", 1, 1}, /* NCCL has no name for Uint8, and all others have one */
    };
    *ret_size = 1;
    for (size_t i = 0; name && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i].name) == 0) {
            *ret_size = types[i].size;
            return types[i].number;
        }
    return UINT8_MAX;
}
