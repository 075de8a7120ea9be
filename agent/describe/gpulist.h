/* SPDX-License-Identifier: MIT */
/* gpulist - the GPUs of a Topology as a list that is changed. From malloc, as msg.h. */
#ifndef AGENT_DESCRIBE_GPULIST_H
#define AGENT_DESCRIBE_GPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/aolani.pb-c.h"

#define GPULIST_NVIDIA "NVIDIA"
#define GPULIST_AMD    "AMD"

/* A new one at the end; -ENOMEM. */
int gpulist_add(Aolani__Topology *t, const char *vendor, Aolani__Gpu **ret);
/* Takes out those that are not kept; returns how many. */
unsigned gpulist_keep(Aolani__Topology *t, const bool *keep);
/* Where `from` is, and what it is called there; -ENOMEM. */
int gpulist_copy_place(Aolani__Gpu *to, const Aolani__Gpu *from);

bool gpulist_is_of(const Aolani__Gpu *g, const char *vendor);
unsigned gpulist_count(const Aolani__Topology *t, const char *vendor);
/* Its bus id as a number in the order of buses; -1: none. */
int64_t gpulist_bus(const char *bus_id);

#endif
