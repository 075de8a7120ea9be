/* SPDX-License-Identifier: MIT */
/* excess - of what the excess of one late step of one rank was made. Pure.
 *
 * Each part is what was measured above the usual of that rank (or of its peers, where that
 * is less: a rank that is slow all the time must not become its own measure), and at most
 * what is still unexplained, in the order of enum mechanism. What is left is memory
 * bandwidth when the CPU time rose and the node's probe fell, own work when the CPU time
 * rose, GPU time when the host waited for a GPU, and unknown otherwise. */
#ifndef LAUNCHER_VARIANCE_EXCESS_H
#define LAUNCHER_VARIANCE_EXCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/variance/mechanism.h"
#include "launcher/variance/signals.h"
#include "proto/wire/steprec.h"

/* What the parts of a step usually are, microseconds (faults: a count). */
struct excess_usual {
    double busy, cpu, rundelay, throttled, blocked, stolen, faults, majflt, nvcsw;
};

struct excess {
    double us;           /* the excess, as given */
    double part[MECH_N]; /* sums to us */
    enum mechanism what; /* the largest when it is half or more, else MECH_MIXED */
    bool hidden; /* host time behind the GPU's queue: costs nothing (L0 sources) */
};

/* excess_us > 0: busy minus what it should have been. seen: the signals around it. */
void excess_split(const struct steprec *r, double excess_us,
                  const struct excess_usual *u, const struct signals_seen *seen,
                  struct excess *ret);
/* The class of some parts that sum up to us. */
enum mechanism excess_class(const double part[MECH_N], double us);

#endif
