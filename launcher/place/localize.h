/* SPDX-License-Identifier: MIT */
/* localize - which cores are for which ranks, by the localities of their GPUs; part of
 * place. Ranks with the same locality are a party; cores that the same parties may have are
 * a lot. Lots are dealt to parties as evenly as can be (balance.h), since localities may be
 * nested or overlap.
 */
#ifndef LAUNCHER_PLACE_LOCALIZE_H
#define LAUNCHER_PLACE_LOCALIZE_H

#include "launcher/place/balance.h"
#include "launcher/place/place_impl.h"

enum localize_why { /* a GPU's ranks do not have the cores next to it */
                    LOCALIZE_NOT_LOCATED,
                    LOCALIZE_IN_PACKAGE, /* others of its package */
                    LOCALIZE_FAR,
                    LOCALIZE_BORROWED, /* not enough of them */
                    LOCALIZE_WHYS,
};

struct party {
    struct rankset cores;    /* places in division.use */
    struct topo_place place; /* of those cores */
    uint32_t gpu;            /* the first of its ranks' GPUs, for messages */
    uint32_t *ranks;         /* in site.ranks, in order */
    size_t n_ranks;
    uint32_t *mine; /* places in division.use, once dealt */
    size_t n_mine;
};

struct lot {
    struct rankset parties;
    int package, numa;
    uint32_t *cores; /* places in division.use */
    size_t n, taken;
};

struct division {
    struct placing *p;
    const struct site *site;
    const struct topo *topo;
    uint32_t *use; /* cores that ranks may have: indexes in topo, in order */
    size_t n_use;
    struct party *parties;
    size_t n_parties;
    struct lot *lots;
    size_t n_lots;
    struct balance balance;
    struct rankset why[LOCALIZE_WHYS]; /* GPUs */
};

/* Fill the parties; site, topo and use are given. A party may come away with fewer cores
 * than it has ranks, where there are no more. */
int localize(struct division *d, struct err *e);
void localize_fini(struct division *d);

#endif
