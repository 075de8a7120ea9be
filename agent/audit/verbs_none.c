/* SPDX-License-Identifier: MIT */
/* verbs_none.c - RDMA where the build had no infiniband/verbs.h: it says so. */
#if !__has_include(<infiniband/verbs.h>)
#include "agent/audit/verbs.h"

#include <errno.h>

static int none(struct err *e)
{
    return err_set(e, -ENOSYS, "use RDMA: built without libibverbs-dev");
}

int verbs_open(const char *nic, struct verbs **ret, struct err *e)
{
    (void)nic, (void)ret;
    return none(e);
}
void verbs_close(struct verbs *v)
{
    (void)v;
}
void verbs_card(const struct verbs *v, unsigned char ret[VERBS_CARD])
{
    (void)v, (void)ret;
}
int verbs_connect(struct verbs *v, const unsigned char card[VERBS_CARD], struct err *e)
{
    (void)v, (void)card;
    return none(e);
}
const char *verbs_peer(const struct verbs *v)
{
    (void)v;
    return "";
}
int verbs_trips(struct verbs *v, uint64_t window_ms, uint64_t *ret_ns, size_t most,
                size_t *ret_n, struct err *e)
{
    (void)v, (void)window_ms, (void)ret_ns, (void)most, (void)ret_n;
    return none(e);
}
int verbs_echo(struct verbs *v, uint64_t window_ms, struct err *e)
{
    (void)v, (void)window_ms;
    return none(e);
}
int verbs_push(struct verbs *v, uint64_t window_ms, uint64_t *ret_bytes,
               uint64_t *ret_ns, struct err *e)
{
    (void)v, (void)window_ms, (void)ret_bytes, (void)ret_ns;
    return none(e);
}
#else
typedef int verbs_none_is_not_needed;
#endif
