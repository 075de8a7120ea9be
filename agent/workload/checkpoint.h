/* SPDX-License-Identifier: MIT */
/* checkpoint - what a training run needs to go on bit for bit, in one file that is either
 * whole or not there: written beside, synced, renamed; a CRC at its end. No MPI, no model:
 * any back end may use it. The numbers are in the byte order of the machine, and the file
 * says so. */
#ifndef WORKLOAD_CHECKPOINT_H
#define WORKLOAD_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

enum { CHECKPOINT_ARRAYS = 3, CHECKPOINT_IDENTITY = 5 };

/* A back end may keep its numbers where no pointer reaches: they pass by pieces. 0, -1. */
typedef int (*checkpoint_get_f)(void *arg, unsigned array, size_t at, double *piece,
                                size_t n);
typedef int (*checkpoint_put_f)(void *arg, unsigned array, size_t at,
                                const double *piece, size_t n);

struct checkpoint {
    uint64_t step; /* finished ones */
    /* What must agree between the file and the run: names for people, and values. */
    const char *identity_name[CHECKPOINT_IDENTITY];
    uint64_t identity[CHECKPOINT_IDENTITY];
    uint64_t n;      /* numbers in each array */
    unsigned arrays; /* weights, then the optimiser's */
    checkpoint_get_f get;
    checkpoint_put_f put;
    void *arg;
};

/* 0, or -1 and a text. Makes the directory when it is missing. */
int checkpoint_save(const char *dir, const struct checkpoint *c, char *why, size_t len);
/* 1: all arrays were put; 0: there is none; -1 and a text: damaged, or not of this model
 * (the arrays may then hold anything). */
int checkpoint_load(const char *dir, struct checkpoint *c, char *why, size_t len);

#endif
