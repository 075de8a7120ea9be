/* SPDX-License-Identifier: MIT */
/* ringmap - the step ring that the agent made, in the rank's memory. */
#ifndef PROTO_CLIENT_RINGMAP_H
#define PROTO_CLIENT_RINGMAP_H

#include "proto/wire/steprec.h"

/* NULL: there is none, or it is not ours, or not of this version. */
struct ring *ringmap_open(const char *path);

#endif
