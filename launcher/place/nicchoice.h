/* SPDX-License-Identifier: MIT */
/* nicchoice - one machine's NICs and who wants them: what place_nics.c (choosing) and
 * place_nicnotes.c (what is to be said of it) share. */
#ifndef LAUNCHER_PLACE_NICCHOICE_H
#define LAUNCHER_PLACE_NICCHOICE_H

#include "launcher/place/place_impl.h"
#include "proto/base/limits.h"

/* Something that wants a NIC: a GPU, or the cores of a rank without one. */
struct seeker {
    struct topo_place place; /* without a GPU */
    int gpu;                 /* -1 */
    struct rankset best;     /* places in choice.nics */
    struct topo_path path;   /* to them */
    struct topo_path before; /* the same if every port were up */
};

/* Ranks whose nearest NICs are the same. */
struct group {
    const struct rankset *best;
    uint32_t *ranks; /* in site.ranks, in order */
    size_t n;
};

struct choice {
    struct placing *p;
    const struct site *site;
    const struct topo *topo;
    enum fabric_verdict verdicts[LIMIT_NICS];
    bool own_model;            /* as fabric_of_node says */
    bool slow[LIMIT_NICS];     /* used although it is slower: it is the GPU's own */
    uint32_t nics[LIMIT_NICS]; /* usable ones, by bus id */
    size_t n_nics;
    struct seeker *seekers;
    size_t n_seekers;
    uint32_t *seeker_of; /* of every rank */
    struct group *groups;
    size_t n_groups;
};

/* ---- place_nicnotes.c ---- */

int nicchoice_tell(struct choice *c, struct err *e);

#endif
