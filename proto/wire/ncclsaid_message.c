/* SPDX-License-Identifier: MIT */
/* ncclsaid_message.c - see ncclsaid_message.h. */
#include "proto/wire/ncclsaid_message.h"

#include <string.h>

void ncclsaid_fill(struct ncclsaid *s, uint32_t rank, struct ncclsaid_message *ret)
{
    Aolani__NcclSaid *m = &ret->m;
    aolani__nccl_said__init(m);
    m->rank = rank;
    m->network = s->network;
    m->no_device = s->no_device;
    m->ib = s->ib;
    m->nets = ret->nets;
    for (uint32_t i = 0; i < NCCLSAID_NETS; i++) {
        if (!s->nets[i][0])
            continue;
        Aolani__NcclSaid__Net *net = ret->nets[m->n_nets] = &ret->net[i];
        aolani__nccl_said__net__init(net);
        net->dev = i;
        net->name = s->nets[i];
        m->n_nets++;
    }
    m->uses = ret->uses;
    m->n_uses = s->n_uses;
    for (size_t i = 0; i < s->n_uses; i++) {
        Aolani__NcclSaid__Use *use = ret->uses[i] = &ret->use[i];
        aolani__nccl_said__use__init(use);
        use->transport = s->uses[i].transport;
        use->dev = s->uses[i].dev;
        use->receives = s->uses[i].receives;
        use->gdr = s->uses[i].gdr;
        use->relayed = s->uses[i].relayed;
    }
    m->warnings = ret->warnings;
    m->n_warnings = s->n_warnings;
    for (size_t i = 0; i < s->n_warnings; i++)
        ret->warnings[i] = s->warnings[i];
}

static int refuse(struct err *e, const char *what)
{
    return err_set(e, ERR_PROTO, "take what NCCL said: %s", what);
}

static int take_use(const Aolani__NcclSaid__Use *m, struct ncclsaid *ret, struct err *e)
{
    struct ncclsaid_use use = {
        .dev = m->dev, .receives = m->receives, .gdr = m->gdr, .relayed = m->relayed};
    if (!ncclsaid_is_transport(m->transport) || !m->transport[0])
        return refuse(e, "a transport's name that is none");
    memcpy(use.transport, m->transport, strlen(m->transport) + 1);
    ncclsaid_add_use(ret, &use);
    return 0;
}

int ncclsaid_take(const Aolani__NcclSaid *m, struct ncclsaid *ret, struct err *e)
{
    int rc = 0;
    if (m->n_nets > NCCLSAID_NETS || m->n_uses > NCCLSAID_USES ||
        m->n_warnings > NCCLSAID_WARNINGS)
        return refuse(e, "it is too much");
    if (!ncclsaid_is_transport(m->network))
        return refuse(e, "a network's name that is none");
    for (size_t i = 0; i < m->n_nets; i++) {
        if (m->nets[i]->dev >= NCCLSAID_NETS || !ncclsaid_is_net(m->nets[i]->name))
            return refuse(e, "a device that is none");
        ncclsaid_set_net(ret, m->nets[i]->dev, m->nets[i]->name);
    }
    ncclsaid_set_network(ret, m->network);
    ncclsaid_set_ib(ret, m->ib);
    if (m->no_device)
        ncclsaid_set_no_device(ret);
    for (size_t i = 0; rc == 0 && i < m->n_uses; i++)
        rc = take_use(m->uses[i], ret, e);
    for (size_t i = 0; rc == 0 && i < m->n_warnings; i++)
        ncclsaid_add_warning(ret, m->warnings[i]);
    return rc;
}
