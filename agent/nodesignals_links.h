/* SPDX-License-Identifier: MIT */
/* nodesignals_links - whether the PCI links of the job's GPUs and NICs are still what they
 * were at its start. A part of nodesignals.
 *
 * Of a GPU only the width: its driver lowers the speed of a link that has nothing to do. */
#ifndef AGENT_NODESIGNALS_LINKS_H
#define AGENT_NODESIGNALS_LINKS_H

#include "agent/nodesignals_merge.h"

struct nodesignals_links;
/* sys: "/sys"; topology: of the node, NULL: not known. -ENOMEM. */
int nodesignals_links_create(const char *sys, const Aolani__Topology *topology,
                             const Aolani__Prepare *plan,
                             struct nodesignals_links **ret);
void nodesignals_links_destroy(struct nodesignals_links *l);
/* What has changed since the last look. */
void nodesignals_links_look(struct nodesignals_links *l, struct nodesignals_sum *ret);

#endif
