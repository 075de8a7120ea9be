/* SPDX-License-Identifier: MIT */
/* plan_source - where a plan's nodes come from: files, this machine, or the hosts of the
 * job, which are asked by agents.
 */
#ifndef LAUNCHER_PLAN_SOURCE_H
#define LAUNCHER_PLAN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "launcher/describe.h"
#include "launcher/nodes.h"
#include "launcher/place/topo.h"

struct plan_source {
    char **names;
    struct topo **topos; /* of each node; on a shared host the same for all */
    size_t n;
    bool shared_host; /* nodes are simulated on one machine */
    struct describe_result *results;
    size_t n_results;
    Aolani__NodeInfo **infos; /* of hosts */
    size_t n_infos;
};

/* words: "FILE", "NAME=FILE", or folders: the root of a node (there is a sys/ in it), or
 * many files (*.xml, a node each). sysfs NULL: none; a folder in it with the name of a node
 * is that node's. Every file that cannot be used is named on stderr; ERR_USAGE then counts
 * them. A positive status: the user does not wait. */
int plan_source_files(struct plan_source *ret, const struct strlist *words,
                      const char *sysfs, struct err *e);
/* This machine as all of the (simulated) nodes. */
int plan_source_local(struct plan_source *ret, const struct nodes *nodes,
                      const char *sysfs, struct err *e);
/* The exit status of a check of the hosts, 0: they have described themselves. */
int plan_source_hosts(struct plan_source *ret, const struct spec *s,
                      struct nodes *nodes, struct err *e);
void plan_source_fini(struct plan_source *p); /* takes a zeroed one */

/* ---- plan_names.c ---- */

/* The files that `words` come to (owned), with a name for each: the one before '=', else
 * the file's own without ".xml"; those that have one name in common get their folders', or
 * numbers. ERR_USAGE: nothing there, or a name is given twice. */
int plan_names(const struct strlist *words, struct strlist *ret_files,
               struct strlist *ret_names, struct err *e);

#endif
