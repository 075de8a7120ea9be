/* SPDX-License-Identifier: MIT */
/* plan_facts - a node as a list of facts that can be compared with other nodes'. A part of
 * plan_diff. Pure.
 *
 * A fact has a kind, for devices an id, and a value; the facts of a node are sorted by kind
 * and id, and no two have both in common.
 */
#ifndef LAUNCHER_PLAN_FACTS_H
#define LAUNCHER_PLAN_FACTS_H

#include "launcher/place/topo.h"
#include "proto/base/buf.h"

enum fact_kind { /* in the order in which differences are told */
                 FACT_DESCRIBED,
                 FACT_PRODUCT,
                 FACT_PACKAGES,
                 FACT_NUMA,
                 FACT_CORES,
                 FACT_ALLOWED,
                 FACT_DRIVER,
                 FACT_MPS,
                 FACT_HIDDEN,
                 FACT_GPU, /* it is there; rank: its index */
                 FACT_GPU_ORDER,
                 FACT_GPU_MODEL,
                 FACT_GPU_MIG,
                 FACT_GPU_NUMA,
                 FACT_GPU_LINK,
                 FACT_GPU_NOW,
                 FACT_NIC,
                 FACT_NIC_MODEL,
                 FACT_NIC_STATE,
                 FACT_NIC_LAYER,
                 FACT_NIC_RATE,
                 FACT_NIC_NUMA,
                 FACT_NIC_LINK,
                 FACT_NIC_NOW,
                 FACT_NIC_MBYTES, /* where no more is known: exports of hwloc */
};

struct fact {
    enum fact_kind kind;
    int64_t rank;     /* of two values the better has more; of FACT_GPU the index */
    size_t id, value; /* offsets in the texts; ended by NUL */
};

struct facts {
    struct fact *list;
    size_t n, cap;
    struct buf texts;
};

int facts_of(const struct topo *t, struct facts *ret); /* -ENOMEM */
void facts_fini(struct facts *f);

static inline const char *fact_id(const struct facts *f, const struct fact *at)
{
    return (const char *)f->texts.data + at->id;
}

static inline const char *fact_value(const struct facts *f, const struct fact *at)
{
    return (const char *)f->texts.data + at->value;
}

#endif
