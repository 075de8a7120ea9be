/* SPDX-License-Identifier: MIT */
/* ncclsaid_message - what NCCL said, as an agent tells the head (NCCL_SAID). */
#ifndef PROTO_WIRE_NCCLSAID_MESSAGE_H
#define PROTO_WIRE_NCCLSAID_MESSAGE_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/ncclsaid.h"

struct ncclsaid_message {
    Aolani__NcclSaid m; /* points into this, and into what was said */
    Aolani__NcclSaid__Net net[NCCLSAID_NETS], *nets[NCCLSAID_NETS];
    Aolani__NcclSaid__Use use[NCCLSAID_USES], *uses[NCCLSAID_USES];
    char *warnings[NCCLSAID_WARNINGS];
};

void ncclsaid_fill(struct ncclsaid *s, uint32_t rank, struct ncclsaid_message *ret);
/* Adds what m says to *ret, which is zeroed before the first. ERR_PROTO: it is more than can
 * be said, or a name that is none. */
int ncclsaid_take(const Aolani__NcclSaid *m, struct ncclsaid *ret, struct err *e);

#endif
