/* SPDX-License-Identifier: MIT */
/* options - what a user may set of the trainer. No MPI, no arithmetic: shared by every
 * back end. */
#ifndef WORKLOAD_OPTIONS_H
#define WORKLOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum optimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD };

struct options {
    const char *text;       /* file to learn */
    const char *loss_file;  /* NULL: none */
    const char *checkpoint; /* directory, NULL: none */
    bool resume;
    uint64_t steps, checkpoint_every, log_every, seed;
    uint32_t context, embed, hidden, layers;
    uint32_t streams, positions; /* the global batch: streams * positions targets */
    enum optimizer optimizer;
    double lr, weight_decay, momentum;
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE };

/* Speaks on stdout (--help) and stderr (what is wrong with which flag) when `speak`, which
 * one rank of the job does. */
enum options_result options_parse(int argc, char **argv, bool speak,
                                  struct options *ret);

#endif
