/* SPDX-License-Identifier: MIT */
/* usual - the running median and spread of a stream in constant memory: both follow the
 * stream by small steps towards each new value (Robbins and Monro), so that a few wild
 * values move them by next to nothing, and a lasting change is followed within some hundred
 * values. Pure, no allocation. */
#ifndef LAUNCHER_VARIANCE_USUAL_H
#define LAUNCHER_VARIANCE_USUAL_H

#include <stdint.h>

struct usual {
    uint32_t n; /* values seen; saturates */
    double median,
        mad;          /* mad: median absolute deviation; sigma is about 1.4826 of it */
    double first[16]; /* until there are so many: exact */
};

void usual_init(struct usual *u);
void usual_add(struct usual *u, double v); /* not finite: ignored */

#endif
