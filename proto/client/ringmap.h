/* SPDX-License-Identifier: MIT */
/* ringmap - the step ring that the agent made, in the rank's memory. */
#ifndef PROTO_CLIENT_RINGMAP_H
#define PROTO_CLIENT_RINGMAP_H

#include <stdbool.h>

#include "proto/wire/steprec.h"

/* NULL: there is none, or it is not ours, or not of this version. */
struct ring *ringmap_open(const char *path);
/* As filelock_take; there being no such ring is as if it were locked. */
bool ringmap_lock(const char *path, void **ret_lock);

#endif
