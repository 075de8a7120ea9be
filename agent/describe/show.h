/* SPDX-License-Identifier: MIT */
/* show - a Topology for people. */
#ifndef AGENT_DESCRIBE_SHOW_H
#define AGENT_DESCRIBE_SHOW_H

#include "proto/base/buf.h"
#include "proto/wire/aolani.pb-c.h"

int show_topology(const Aolani__Topology *t, struct buf *out); /* as buf_printf */

#endif
