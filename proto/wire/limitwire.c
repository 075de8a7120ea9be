/* SPDX-License-Identifier: MIT */
/* limitwire.c - see limitwire.h. "No limit" is all bits set on the wire, as it is on
 * 64-bit Linux; it is written out here so that no other system is misread. */
#include "proto/wire/limitwire.h"

#include <stdint.h>

static uint64_t limitwire_out(rlim_t v)
{
    return v == RLIM_INFINITY ? UINT64_MAX : v;
}

static rlim_t limitwire_in(uint64_t v)
{
    return v == UINT64_MAX ? RLIM_INFINITY : (rlim_t)v;
}

void limitwire_fill(struct limitwire *ret, const struct rlimits *l)
{
    ret->n = 0;
    for (int i = 0; i < RLIMITS_N; i++) {
        if (!l->known[i])
            continue;
        Aolani__Limit *m = &ret->limits[ret->n];
        aolani__limit__init(m);
        m->name = (char *)rlimits_text((enum rlimits_name)i);
        m->soft = limitwire_out(l->v[i].rlim_cur);
        m->hard = limitwire_out(l->v[i].rlim_max);
        ret->list[ret->n++] = m;
    }
}

void limitwire_read(Aolani__Limit *const *list, size_t n, struct rlimits *ret)
{
    *ret = (struct rlimits){0};
    for (size_t i = 0; i < n; i++) {
        int name = rlimits_find(list[i]->name);
        if (name < 0)
            continue;
        ret->v[name].rlim_cur = limitwire_in(list[i]->soft);
        ret->v[name].rlim_max = limitwire_in(list[i]->hard);
        ret->known[name] = true;
    }
}
