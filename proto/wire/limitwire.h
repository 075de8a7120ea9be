/* SPDX-License-Identifier: MIT */
/* limitwire - resource limits as messages carry them. */
#ifndef PROTO_WIRE_LIMITWIRE_H
#define PROTO_WIRE_LIMITWIRE_H

#include "proto/base/rlimits.h"
#include "proto/wire/aolani.pb-c.h"

/* The list of a message that lives as long as this. */
struct limitwire {
    Aolani__Limit limits[RLIMITS_N];
    Aolani__Limit *list[RLIMITS_N];
    size_t n;
};
void limitwire_fill(struct limitwire *ret, const struct rlimits *l);
/* Names that this version does not know are passed over. */
void limitwire_read(Aolani__Limit *const *list, size_t n, struct rlimits *ret);

#endif
