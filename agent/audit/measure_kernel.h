/* SPDX-License-Identifier: MIT */
/* measure_kernel - what the kernel counts of each CPU: stolen time and interrupts. The
 * parsing is of text that is given. */
#ifndef AGENT_AUDIT_MEASURE_KERNEL_H
#define AGENT_AUDIT_MEASURE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/audit/machine.h"

/* One look, by number of CPU; what is not told is 0. */
struct measure_kernel {
    uint64_t at_ns;
    bool has_stat, has_interrupts;
    uint64_t *steal;      /* ticks since the kernel started */
    uint64_t *interrupts; /* of any kind */
    uint64_t *timer;      /* of the timer of that CPU alone */
    uint64_t busy;        /* ticks of all CPUs: user, nice, system */
    size_t n;
};

int measure_kernel_init(struct measure_kernel *k); /* -ENOMEM */
void measure_kernel_fini(struct measure_kernel *k);
void measure_kernel_look(struct measure_kernel *k, const struct machine *m);

void measure_kernel_stat(struct measure_kernel *k, const char *text);
void measure_kernel_interrupts(struct measure_kernel *k, const char *text);

/* Would the hypervisor tell of time it stole? Without one there is none: true. */
bool measure_kernel_steal_is_told(const struct machine *m);
uint64_t measure_kernel_tick_ns(void); /* of the counts of /proc/stat */
/* A whole file, at most that much of it; the caller's. NULL: it cannot be read. */
char *measure_kernel_text(const struct machine *m, const char *path, size_t most);

#endif
