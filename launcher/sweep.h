/* SPDX-License-Identifier: MIT */
/* sweep - end what a head that died has left on its nodes, before another attempt begins
 * there: no two may compute at once. An agent on each node ends the old one and its ranks,
 * delivers what they wrote and the head never got, proves that nothing is left, and goes.
 *
 * A node that cannot be asked has proven nothing: what may be left there ends by itself
 * when its lease is over.
 */
#ifndef LAUNCHER_SWEEP_H
#define LAUNCHER_SWEEP_H

#include "launcher/nodes.h"
#include "proto/base/loop.h"
#include "proto/wire/secure.h"

struct sweep_config { /* all by reference */
    const struct spec *spec;
    char *const *names; /* nodes of the attempt that was cut off, by their indexes */
    size_t n_names;
    enum spec_backend backend;
    const char *run_id;
    struct secure_key job_key;
    uint64_t epoch;
    uint32_t attempt;        /* the next one */
    const char *attempt_dir; /* of the one that was cut off */
    uint32_t world_size;     /* of that; 0: no rank was started */
    void (*finished)(void *arg);
    void *arg;
};

struct sweep;
/* Starts at once; finished comes once, never from within. */
int sweep_create(struct loop *l, const struct sweep_config *c, struct sweep **ret,
                 struct err *e);
/* After finished, or at any time to give it up. Takes NULL. */
void sweep_destroy(struct sweep *s);
/* After finished: nodes that have proven nothing; a few of them and why, in words. */
uint32_t sweep_unproven(const struct sweep *s, const char **ret_text);

#endif
