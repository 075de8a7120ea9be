/* SPDX-License-Identifier: MIT */
/* fabric - which NICs carry the job's traffic, decided once over all its nodes. Pure.
 *
 * Candidates are RDMA NICs that [bind] exclude_nics does not name. With a list in [bind]
 * nic they are exactly those. Else InfiniBand goes before anything else where any node has
 * it, up or down; then the model (kind, PCI vendor and device) of which the job has most,
 * then the faster; of one model those whose ports run at the rate that most of them have. A
 * node with none of that model, but others of its kind, uses its own largest model.
 *
 * A virtual function beside its own physical one is never used.
 */
#ifndef LAUNCHER_PLACE_FABRIC_H
#define LAUNCHER_PLACE_FABRIC_H

#include "launcher/place/topo.h"
#include "launcher/spec.h"

struct fabric_model {
    int kind; /* Aolani__Nic__Kind */
    uint32_t vendor, device;
    uint64_t n;          /* over the job */
    uint64_t rate_mbits; /* the highest seen */
    uint64_t pci_mbits;
};

struct fabric {
    const struct spec *spec;
    bool none;   /* nothing to choose from, or not wanted */
    bool listed; /* [bind] nic names them */
    struct fabric_model model;
    uint64_t rate_mbits;    /* of most ports that are up; 0: not known */
    struct strlist missing; /* names in [bind] nic that no node has */
};

enum fabric_verdict {
    FABRIC_NOT,      /* no RDMA NIC, excluded, not listed, of no interest */
    FABRIC_LEFT_OUT, /* of another model */
    FABRIC_SLOWER,   /* of the same, at another rate */
    FABRIC_DOWN,
    FABRIC_USABLE,
};

/* -ENOMEM. */
int fabric_choose(const struct spec *s, struct topo *const *topos, uint32_t n_nodes,
                  struct fabric *ret);
void fabric_fini(struct fabric *f);
/* Of every NIC of a node; `verdicts` has room for LIMIT_NICS. *own_model: it has none of the
 * job's model, and these are of another. */
void fabric_of_node(const struct fabric *f, const struct topo *t,
                    enum fabric_verdict *verdicts, bool *own_model);
/* Ranks get NICs that are slower all the same, where they are a GPU's own: those become
 * usable. slow: NULL, or which. */
void fabric_of_gpus(const struct topo *t, enum fabric_verdict *verdicts, bool *slow);
uint64_t fabric_rate(const struct topo_nic *n); /* of the port in use; 0: not known */

#endif
