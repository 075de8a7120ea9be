/* SPDX-License-Identifier: MIT */
/* gpusys - what the kernel says of GPUs: whose they are, and of AMD's what they are. */
#ifndef AGENT_DESCRIBE_GPUSYS_H
#define AGENT_DESCRIBE_GPUSYS_H

#include "proto/wire/aolani.pb-c.h"

/* From a folder laid out like /sys, before the GPUs are sorted. Takes out those that no
 * program here can use (given to a virtual machine, held by nouveau), with a note; makes
 * of an AMD function the parts that the driver has made of it; 0 or -ENOMEM. */
int gpusys_read(const char *sysfs, Aolani__Topology *t);

#endif
