/* SPDX-License-Identifier: MIT */
/* netproof.c - see netproof.h. */
#include "launcher/netproof.h"

#include <stdio.h>
#include <string.h>

static bool is_sockets(const char *transport)
{
    return strcmp(transport, "Socket") == 0;
}

/* "IB", and the plug-ins that drive it otherwise: "IBext", "IBext_v8". */
static bool is_ib(const char *transport)
{
    return strncmp(transport, "IB", 2) == 0;
}

static enum netproof_fault fault_of_use(const struct ncclsaid_use *u, bool gdr)
{
    if (is_sockets(u->transport))
        return NETPROOF_SOCKETS;
    if (gdr && !is_ib(u->transport))
        return NETPROOF_OTHER;
    return gdr && u->receives && !u->gdr ? NETPROOF_NO_GDR : NETPROOF_NONE;
}

enum netproof_fault netproof_fault(const struct ncclsaid *s, bool gdr)
{
    enum netproof_fault found = NETPROOF_NONE;
    if (is_sockets(s->network))
        return NETPROOF_SOCKETS;
    if (gdr && s->network[0] && !is_ib(s->network))
        return NETPROOF_OTHER;
    for (size_t i = 0; i < s->n_uses && found == NETPROOF_NONE; i++)
        found = fault_of_use(&s->uses[i], gdr);
    return found;
}

const char *netproof_fault_text(enum netproof_fault f)
{
    switch (f) {
    case NETPROOF_NONE:
        break;
    case NETPROOF_SOCKETS:
        return "NCCL has taken sockets for its network";
    case NETPROOF_OTHER:
        return "NCCL has taken a network that is not InfiniBand or RoCE";
    case NETPROOF_NO_GDR:
        return "NCCL receives over InfiniBand without GPUDirect RDMA";
    }
    return "";
}

static void add_use(struct netproof *p, const struct ncclsaid_use *u)
{
    if (is_sockets(u->transport))
        p->sockets = true;
    else if (!is_ib(u->transport))
        (void)snprintf(p->other, sizeof p->other, "%s", u->transport);
    else if (u->receives && u->gdr)
        p->ib_gdr = true;
    else if (u->receives)
        p->ib = true;
}

void netproof_add(struct netproof *p, uint32_t rank, const struct ncclsaid *s)
{
    enum netproof_fault fault = netproof_fault(s, true);
    p->n++;
    if (s->n_uses == 0 && !s->network[0]) {
        p->first_silent = p->silent++ ? p->first_silent : rank;
        return;
    }
    if (p->fault == NETPROOF_NONE && fault != NETPROOF_NONE) {
        p->fault = fault;
        p->fault_rank = rank;
    }
    (void)snprintf(p->taken, sizeof p->taken, "%s",
                   s->n_uses > 0 ? s->uses[0].transport : s->network);
    for (size_t i = 0; i < s->n_uses; i++)
        add_use(p, &s->uses[i]);
}

bool netproof_is_used(const struct netproof *p)
{
    return p->sockets || p->ib || p->ib_gdr || p->other[0];
}

static const char *short_name(const char *transport)
{
    return is_sockets(transport) ? "sockets" : is_ib(transport) ? "ib" : transport;
}

void netproof_words(const struct netproof *p, char *ret, size_t len)
{
    const struct {
        bool is;
        const char *text;
    } kinds[] = {{p->ib_gdr, "ib+gdr"},
                 {p->ib, "ib"},
                 {p->sockets, "sockets"},
                 {p->other[0] != '\0', p->other}};
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].is && at < len)
            at += (size_t)snprintf(ret + at, len - at, "%s%s", at > 0 ? ", " : "",
                                   kinds[i].text);
    }
    if (at == 0 && p->taken[0])
        (void)snprintf(ret, len, "%s, not used", short_name(p->taken));
}

bool netproof_holds(const struct netproof *p, char *ret, size_t len)
{
    if (p->fault != NETPROOF_NONE)
        (void)snprintf(ret, len, "rank %u: %s", p->fault_rank,
                       netproof_fault_text(p->fault));
    else if (p->silent > 0)
        (void)snprintf(ret, len, "rank %u has said nothing of its network",
                       p->first_silent);
    else if (!p->ib_gdr)
        (void)snprintf(ret, len,
                       "no rank has a connection to another node over InfiniBand "
                       "with GPUDirect RDMA");
    else
        return true;
    return false;
}
