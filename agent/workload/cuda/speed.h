/* SPDX-License-Identifier: MIT */
/* speed - what a step costs in operations, and what a GPU could do. Pure. */
#ifndef CUDA_SPEED_H
#define CUDA_SPEED_H

#include <stddef.h>

#include "agent/workload/model.h"
#include "agent/workload/options.h"

/* Operations of a step's matrix products on `rows` targets: the model's, as MFU counts them. */
double speed_flops(const struct model_shape *s, size_t rows);
/* TFLOP/s that the maker names for dense products with these factors; 0: not known here. */
double speed_peak(const char *gpu, enum precision p);

#endif
