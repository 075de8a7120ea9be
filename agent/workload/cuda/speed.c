/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "agent/workload/cuda/speed.h"

double speed_flops(const struct model_shape *s, size_t rows)
{
    double products = 0;
    for (uint32_t l = 0; l <= s->layers; l++)
        products += (double)model_in(s, l) * (double)model_out(s, l);
    /* A multiplication and an addition, in the product and in its two gradients. */
    return 2 * 3 * products * (double)rows;
}

/* Without sparsity, from the data sheets; FP64 by tensor cores where there are such. A name
 * that is part of another comes after it. */
static const struct {
    const char *name;
    double tflops[4];
} known[] = {
    {"H100 PCIe", {51.2, 51.2, 378, 756}}, {"H100 NVL", {60, 60, 418, 835}},
    {"GH200", {67, 67, 494.5, 989}},       {"H100", {67, 67, 494.5, 989}},
    {"H200", {67, 67, 494.5, 989}},        {"GB200", {40, 80, 1250, 2500}},
    {"B200", {37, 75, 1125, 2250}},        {"A100", {19.5, 19.5, 156, 312}},
    {"A30", {10.3, 10.3, 82, 165}},        {"A40", {0.58, 37.4, 74.8, 149.7}},
    {"L40S", {1.43, 91.6, 183, 362}},      {"L4", {0.47, 30.3, 60, 121}},
};

double speed_peak(const char *gpu, enum precision p)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *at = strstr(gpu, known[i].name);
        if (!at)
            continue;
        /* "L4" is no "L40": the name ends there. */
        if (!isalnum((unsigned char)at[strlen(known[i].name)]))
            return known[i].tflops[p];
    }
    return 0;
}
