/* SPDX-License-Identifier: MIT */
/* audit_compare - the parts of comparing nodes, each of which adds its kinds of remarks. A
 * part of audit. */
#ifndef LAUNCHER_AUDIT_AUDIT_COMPARE_H
#define LAUNCHER_AUDIT_AUDIT_COMPARE_H

#include "launcher/audit/audit.h"

/* All of them: 0 or -ENOMEM. likes, machines: as likes.h makes them. */
int compare_facts(struct audit *a); /* REMARK_DIFFERS */
int compare_noise(struct audit *a, const uint32_t *likes, const uint32_t *machines);
int compare_memory(struct audit *a, const uint32_t *likes, const uint32_t *machines,
                   const bool *noisy);
int compare_gpus(struct audit *a, const uint32_t *likes);
int compare_links(struct audit *a, const bool *noisy); /* and REMARK_PAIR */

struct compare_found { /* of one node, before it is said */
    uint32_t node;
    double factor; /* worse than usual */
    char text[200];
};
/* Says them, the worst first; sorts f. */
int compare_say(struct audit *a, enum audit_remark_kind kind, struct compare_found *f,
                size_t n);

/* The costs (more is worse) of nodes, 0 where not known, compared among those that are
 * alike and not on one machine: *ret[i] is how many times worse than usual node i is, 0
 * where it is not worse; *usual[i], if usual is not NULL, what is usual for it. Both owned.
 * What is worse by less than `least` is not. */
int compare_costs(const struct audit *a, const double *cost, const uint32_t *likes,
                  const uint32_t *machines, double factor, double least, double **ret,
                  double **usual);

/* What the page shows of a node, too. */
struct noise {                      /* shares of the time of its CPUs */
    double lost, stolen, preempted; /* stolen, preempted: -1: not known */
    double worst;                   /* of the worst CPU */
    uint32_t worst_cpu;
    uint64_t longest_ns;
    uint64_t interrupts; /* a second */
    unsigned busy;       /* of one CPU, percent, by others; all of them */
    size_t n;            /* CPUs measured; 0: none */
};
struct noise noise_of(const struct audit_node *n);
struct memory {        /* MB/s; 0: not measured */
    uint64_t one;      /* one core, the least over NUMA nodes */
    uint64_t all;      /* all cores of a NUMA node, the least */
    uint32_t all_numa; /* where that was */
    uint64_t sum;      /* all NUMA nodes */
};
struct memory memory_of(const struct audit_node *n);

#endif
