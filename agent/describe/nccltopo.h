/* SPDX-License-Identifier: MIT */
/* nccltopo - the topology file that NCCL reads on this node. */
#ifndef AGENT_DESCRIBE_NCCLTOPO_H
#define AGENT_DESCRIBE_NCCLTOPO_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* What NCCL reads when NCCL_TOPO_FILE is not set and this is there. */
#define NCCLTOPO_DEFAULT "/var/run/nvidia-topologyd/virtualTopology.xml"

/* file: NCCL_TOPO_FILE (NULL or "": not set); otherwise: what is read then, if it is there
 * (NULL: nothing). Sets nccl_topo_file and, where it can be read and is not too long,
 * nccl_topo_text; a note says why not. Fails for want of memory alone. */
int nccltopo_annotate(Aolani__Topology *t, const char *file, const char *otherwise,
                      struct err *e);

#endif
