/* SPDX-License-Identifier: MIT */
/* links - which of the measurements between nodes are slow, and whose fault that is. Pure.
 *
 * What is usual is the median over the nodes of each one's best: a node that is slow spoils
 * the measurements of its partners, but hardly the best of each. Slow is what is worse by a
 * factor and by the spread of those that are not. A node whose link is slow, is so with
 * nearly all of its partners, and with two at least; what is left is between two.
 *
 * Where nodes have several rails this holds of each end of a rail, and all are compared with
 * all: a rail that is slow on all nodes is its switch's fault, a node that is slow on all of
 * its rails is named once.
 */
#ifndef LAUNCHER_AUDIT_LINKS_H
#define LAUNCHER_AUDIT_LINKS_H

#include "launcher/audit/audit.h"

enum links_aspect {
    LINKS_SENDS,    /* to the other one */
    LINKS_RECEIVES, /* from it */
    LINKS_TRIPS,    /* round trips take long */
    LINKS_FALLBACK, /* not by RDMA, as most are */
    LINKS_FAILED,   /* nothing was measured */
    LINKS_ASPECTS,
};

struct links_pair { /* of audit.pairs[i]; aspects as its `a` sees them */
    unsigned slow;  /* bits, 1 << aspect */
    double factor;  /* how much worse than usual, at the worst aspect; 1: not */
};

struct links {
    struct links_pair *pairs;
    size_t n;
    double mbytes, trip_ns; /* usual; 0: not known */
    bool rdma;              /* most pairs were measured by it */
    bool any;               /* at least one pair was measured */
    uint32_t n_rails;       /* that are told apart: by TCP there is one, the address */
    uint32_t
        wide; /* bits of rails that are slow on all nodes; their pairs are not slow */
    uint32_t shows[AUDIT_RAILS];        /* of these: a measurement that shows it */
    struct links_pair was[AUDIT_RAILS]; /* and what it was found to be */
};

int links_make(const struct audit *a, struct links *ret); /* -ENOMEM */
void links_fini(struct links *l);
uint32_t links_rail(const struct links *l, const struct audit_pair *p);
/* The aspects of a pair as its node x sees them. */
unsigned links_seen_by(const struct audit_pair *p, unsigned slow, uint32_t x);
enum links_aspect links_worst(unsigned slow);

enum links_whose { LINKS_OF_RAIL, LINKS_OF_NODE, LINKS_OF_PAIR };

struct links_blame {
    enum links_whose whose;
    uint32_t a, b;             /* b: of a pair, else as a */
    uint32_t rail;             /* the worst of those that are slow */
    uint32_t rails, all_rails; /* slow ones; and all that were measured there */
    enum links_aspect aspect;
    double factor;      /* worse than usual */
    uint32_t pair;      /* a measurement that shows it */
    uint32_t slow, all; /* partners, or measurements of the pair */
};
/* noisy[i]: the node's CPUs are busy with something else, which explains all but a link that
 * is very slow. Those to blame: rails, nodes, pairs, the worst first; *ret owned, NULL for
 * none. */
int links_blame(const struct audit *a, const struct links *l, const bool *noisy,
                struct links_blame **ret, size_t *ret_n);

#endif
