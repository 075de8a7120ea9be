/* SPDX-License-Identifier: MIT */
/* options - what a user may set of the trainer. No MPI, no arithmetic: shared by every
 * back end. */
#ifndef WORKLOAD_OPTIONS_H
#define WORKLOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD };
/* Of matrix products; sums are kept in FP64 in the first, in FP32 in the others. */
enum precision { PRECISION_FP64, PRECISION_FP32, PRECISION_TF32, PRECISION_BF16 };

struct options {
    const char *text;       /* file to learn */
    const char *loss_file;  /* NULL: none */
    const char *times_file; /* NULL: none */
    const char *checkpoint; /* directory, NULL: none */
    bool resume;
    uint64_t steps, checkpoint_every, log_every, seed;
    uint32_t context, embed, hidden, layers;
    uint32_t streams, positions; /* the global batch: streams * positions targets */
    enum optimizer optimizer;
    double lr, weight_decay, momentum;

    /* Of a GPU alone. */
    enum precision precision;
    uint32_t bucket_mb;    /* gradients summed at once: MiB */
    uint64_t verify_every; /* steps; 0: never */
    double peak_tflops;    /* of one GPU; 0: by its name */
    bool graph, no_marks;
};

struct options_program {
    const char *name; /* begins what is said */
    bool gpu;         /* takes the flags of a GPU */
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE };

/* Speaks on stdout (--help) and stderr (what is wrong with which flag) when `speak`, which
 * one rank of the job does. */
enum options_result options_parse(int argc, char **argv,
                                  const struct options_program *program, bool speak,
                                  struct options *ret);

#endif
