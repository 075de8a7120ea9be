/* SPDX-License-Identifier: MIT */
/* names.c - see names.h. */
#include "proto/client/nccl/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/collrec.h"

/* Inline, where strcmp would be a call for each that it is not. */
static bool is_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

unsigned name_func(const char *name)
{
    static const char *const names[COLL_N] = {
        [COLL_ALLREDUCE] = "AllReduce",
        [COLL_ALLGATHER] = "AllGather",
        [COLL_REDUCESCATTER] = "ReduceScatter",
        [COLL_BROADCAST] = "Broadcast",
        [COLL_REDUCE] = "Reduce",
        [COLL_ALLTOALL] = "AlltoAll",
        [COLL_SEND] = "Send",
        [COLL_RECV] = "Recv",
    };
    for (unsigned f = COLL_OTHER + 1; name && f < COLL_N; f++)
        if (is_same(name, names[f]))
            return f;
    return COLL_OTHER;
}

/* All but one begin alike. NCCL has no name for Uint8, and one for each other. */
unsigned name_datatype(const char *name, unsigned *ret_size)
{
    static const struct {
        const char *name;
        uint8_t number, size;
    } types[] = {
        {"Bfloat16", 9, 2},    {"Float32", 7, 4}, {"Float16", 6, 2},
        {"Int8", 0, 1},        {"Int64", 4, 8},   {"Int32", 2, 4},
        {"Float64", 8, 8},     {"Uint32", 3, 4},  {"Float8e4m3", 10, 1},
        {"Float8e5m2", 11, 1}, {"Uint64", 5, 8},  {"Uint8", 1, 1},
        {"Unknown", 1, 1},
    };
    *ret_size = 1;
    if (!name)
        return UINT8_MAX;
    if (name[0] == 'n' && name[1] == 'c' && name[2] == 'c' && name[3] == 'l')
        name += 4;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (is_same(name, types[i].name)) {
            *ret_size = types[i].size;
            return types[i].number;
        }
    return UINT8_MAX;
}
