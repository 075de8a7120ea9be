/* SPDX-License-Identifier: MIT */
/* reach - can a port of another node be connected to from here? For a check of the place.
 * Nothing is said over the connection: that the kernel has answered is what was asked. */
#ifndef AGENT_REACH_H
#define AGENT_REACH_H

#include <stdint.h>

#include "proto/base/loop.h"

struct reach;
/* done comes once, within 10 s and never from within create; error: why not, or "". An
 * address that is no number is not tried, and nothing is said against it: the agent has no
 * name service. */
int reach_create(struct loop *l, const char *address, uint32_t port,
                 void (*done)(void *arg, const char *error), void *arg,
                 struct reach **ret, struct err *e);
/* The other side: listen at fd (bound; kept by reference), and let everybody in and go. */
int reach_answer(struct loop *l, int fd, struct reach **ret, struct err *e);
void reach_destroy(struct reach *r);

#endif
