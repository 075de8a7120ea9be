/* SPDX-License-Identifier: MIT */
/* shmname.c - see shmname.h. One table; what is not in it is taken for data that somebody
 * put there on purpose. */
#include "agent/shmname.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* %d: a process id, %x: one in hexadecimal, %u: a number that is skipped, *: the rest,
 * not empty. What a vendor's driver keeps for all users (hsakmt, rocm_smi, DCGM) is not
 * here. */
static const struct {
    const char *pattern, *library;
    bool is_held;
} shmname_table[] = {
    {"nccl-*", "NCCL", true},
    {"vader_segment.*", "Open MPI", true},
    {"sm_segment.*", "Open MPI", true},
    {"osc_rdma.*", "Open MPI", true},
    {"ucx_shm_posix_*", "UCX", true},
    {"psm2_shm.*", "PSM2", true},
    {"psm3_shm.*", "PSM3", true},
    {"mpich_shar_tmp*", "MPICH", true},
    {"ib_shmem-*", "MVAPICH", true},
    {"Intel_MPI_*", "Intel MPI", true},
    /* Data on its way from one process to another may be held by neither for a moment. */
    {"torch_%d_*", "PyTorch", false},
    {"psm_*", "Python", false},
    {"pym-%d-*", "Python", false},
    {"sem.mp-*", "Python", false},
    {"loky-%d-*", "loky", false},
    {"sem.loky-%d-*", "loky", false},
    /* A note that a library is loaded, not held. */
    {"__KMP_REGISTERED_LIB_%d*", "OpenMP", false},
    {"cuda.shm.%u.%x.*", "CUDA", false},
};

/* The number at *p in this base, past which *p is moved; -1: there is none. */
static long shmname_number(const char **p, int base)
{
    static const char digits[] = "0123456789abcdef";
    char *end;
    if (!**p || !memchr(digits, **p, (size_t)base))
        return -1;
    long n = strtol(*p, &end, base);
    *p = end;
    return n > INT_MAX ? -1 : n;
}

static bool shmname_matches(const char *pattern, const char *name, pid_t *ret_pid)
{
    long pid = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            if (!*name)
                return false;
            break;
        }
        if (*pattern != '%') {
            if (*pattern != *name++)
                return false;
            continue;
        }
        long n = shmname_number(&name, *++pattern == 'x' ? 16 : 10);
        if (n < 0)
            return false;
        if (*pattern != 'u')
            pid = n;
    }
    *ret_pid = (pid_t)pid;
    return *pattern == '*' || !*name;
}

bool shmname_parse(const char *name, struct shmname *ret)
{
    pid_t pid;
    for (size_t i = 0; i < sizeof shmname_table / sizeof *shmname_table; i++) {
        if (!shmname_matches(shmname_table[i].pattern, name, &pid))
            continue;
        *ret =
            (struct shmname){shmname_table[i].library, pid, shmname_table[i].is_held};
        return true;
    }
    return false;
}
