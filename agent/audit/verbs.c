/* SPDX-License-Identifier: MIT */
/* verbs.c - an HCA opened, a queue pair made and connected with another node's. */
#if __has_include(<infiniband/verbs.h>)
#include "agent/audit/verbs_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/audit/pair_impl.h"
#include "proto/base/clock.h"
#include "proto/base/utf8.h"

#define GIDS_MOST 256
/* Of a reliable connection: 67 ms for an answer, seven times; a receiver that is not ready
 * is tried again without end, and the window ends it. */
#define ACK_TIMEOUT   14
#define RETRIES       7
#define NOT_READY     7
#define NOT_READY_GAP 12

static int failed(struct err *e, const char *what, const struct verbs *v)
{
    int rc = errno ? -errno : -EIO;
    (void)err_sys(e, rc, "%s on \"%s\"", what, v->own.name);
    if (rc == -ENOMEM)
        (void)err_hint(e,
                       "raise the limit of locked memory (memlock) of who runs this");
    if (rc == -EACCES || rc == -EPERM)
        (void)err_hint(e, "see that /dev/infiniband may be used");
    return rc;
}

/* "mlx5_0:2": the name, and the port or 0. */
static int split(const char *nic, struct verbs *v, struct err *e)
{
    size_t len = strcspn(nic, ":");
    char *end = NULL;
    long port = nic[len] ? strtol(nic + len + 1, &end, 10) : 0;
    if (len == 0 || len >= VERBS_NAME || (end && (*end || port < 1 || port > 255)))
        return err_set(e, -EINVAL,
                       "use the HCA \"%.80s\": there is none of such a name", nic);
    memcpy(v->own.name, nic, len);
    v->port = (uint8_t)port;
    return 0;
}

static int open_device(struct verbs *v, struct err *e)
{
    int n = 0;
    struct ibv_device **all = v->lib.get_device_list(&n), *found = NULL;
    for (int i = 0; all && i < n && !found; i++)
        if (!strcmp(v->lib.get_device_name(all[i]), v->own.name))
            found = all[i];
    errno = 0;
    if (found)
        v->device = v->lib.open_device(found);
    int rc =
        !found ? err_set(e, -ENODEV, "use the HCA \"%s\": it is not there", v->own.name)
        : !v->device ? failed(e, "open", v)
                     : 0;
    if (all)
        v->lib.free_device_list(all);
    return rc;
}

static bool is_active(struct verbs *v, uint8_t port, struct ibv_port_attr *ret)
{
    memset(ret, 0, sizeof *ret);
    return v->lib.query_port(v->device, port, ret) == 0 &&
           (ret->state == IBV_PORT_ACTIVE || ret->state == IBV_PORT_ACTIVE_DEFER);
}

static int find_port(struct verbs *v, struct ibv_port_attr *ret, struct err *e)
{
    uint8_t from = v->port ? v->port : 1, to = v->port ? v->port : 16;
    for (unsigned p = from; p <= to; p++)
        if (is_active(v, (uint8_t)p, ret)) {
            v->port = (uint8_t)p;
            return 0;
        }
    return err_set(e, -ENETDOWN, "use the HCA \"%s\": no port of it is active",
                   v->own.name);
}

/* 2: RoCE v2. 1: the kernel does not say. 0: version 1, which routers do not forward. */
static int version_of(const struct verbs *v, int index)
{
    char path[256], text[32] = "";
    (void)snprintf(path, sizeof path,
                   "/sys/class/infiniband/%s/ports/%u/gid_attrs/types/%d", v->own.name,
                   v->port, index);
    FILE *f = fopen(path, "re");
    bool read = f && fgets(text, sizeof text, f);
    if (f)
        (void)fclose(f);
    return !read ? 1 : !strncmp(text, "RoCE v2", 7) ? 2 : 0;
}

static bool is_ipv4(const union ibv_gid *g)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return !memcmp(g->raw, mapped, sizeof mapped);
}

/* RoCE goes by addresses: v2 before what is not known, IPv4 before others, as NCCL has it. */
static int find_gid(struct verbs *v, int n, struct err *e)
{
    static const union ibv_gid none;
    int best = 0;
    for (int i = 0; i < n && i < GIDS_MOST; i++) {
        union ibv_gid g;
        if (v->lib.query_gid(v->device, v->port, i, &g) || !memcmp(&g, &none, sizeof g))
            continue;
        int worth = 1 + 2 * version_of(v, i) + is_ipv4(&g);
        if (worth <= best)
            continue;
        best = worth;
        v->own.gid = g;
        v->gid_index = (uint8_t)i;
    }
    return best ? 0
                : err_set(e, -EADDRNOTAVAIL, "use the HCA \"%s\": it has no address",
                          v->own.name);
}

static int make_memory(struct verbs *v, struct err *e)
{
    void *m = mmap(NULL, VERBS_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return err_sys(e, -errno, "get memory for RDMA");
    v->memory = m;
    errno = 0;
    v->mr = v->lib.reg_mr(v->pd, m, VERBS_BYTES,
                          IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
    return v->mr ? 0 : failed(e, "register memory", v);
}

static int make_queues(struct verbs *v, struct err *e)
{
    struct ibv_qp_init_attr a = {.qp_type = IBV_QPT_RC,
                                 .cap = {.max_send_wr = 2 * VERBS_DEPTH,
                                         .max_recv_wr = VERBS_TAKEN,
                                         .max_send_sge = 1,
                                         .max_recv_sge = 1}};
    errno = 0;
    v->cq = v->lib.create_cq(v->device, 2 * VERBS_DEPTH + VERBS_TAKEN, NULL, NULL, 0);
    if (!v->cq)
        return failed(e, "make a completion queue", v);
    a.send_cq = a.recv_cq = v->cq;
    v->qp = v->lib.create_qp(v->pd, &a);
    return v->qp ? 0 : failed(e, "make a queue pair", v);
}

static int set_up(struct verbs *v, struct err *e)
{
    struct ibv_port_attr port;
    int rc = open_device(v, e);
    if (rc == 0)
        rc = find_port(v, &port, e);
    if (rc == 0 && (port.link_layer == IBV_LINK_LAYER_ETHERNET || port.lid == 0))
        rc = find_gid(v, port.gid_tbl_len, e);
    if (rc < 0)
        return rc;
    errno = 0;
    v->pd = v->lib.alloc_pd(v->device);
    rc = v->pd ? make_memory(v, e) : failed(e, "make a protection domain", v);
    if (rc == 0)
        rc = make_queues(v, e);
    if (rc < 0)
        return rc;
    v->own.qpn = v->qp->qp_num;
    v->own.psn = (uint32_t)(clock_mono_ns() >> 4) & 0xffffff;
    v->own.rkey = v->mr->rkey;
    v->own.mtu = port.active_mtu;
    v->own.lid = port.lid;
    v->own.layer = port.link_layer;
    v->own.address = (uint64_t)(uintptr_t)v->memory;
    return 0;
}

int verbs_open(const char *nic, struct verbs **ret, struct err *e)
{
    struct verbs *v = calloc(1, sizeof *v);
    if (!v)
        return err_sys(e, -ENOMEM, "use RDMA");
    int rc = split(nic, v, e);
    if (rc == 0)
        rc = verbs_lib_open(&v->lib, e);
    if (rc == 0)
        rc = set_up(v, e);
    if (rc < 0) {
        verbs_close(v);
        return rc;
    }
    *ret = v;
    return 0;
}

void verbs_close(struct verbs *v)
{
    if (!v)
        return;
    if (v->qp)
        (void)v->lib.destroy_qp(v->qp);
    if (v->cq)
        (void)v->lib.destroy_cq(v->cq);
    if (v->mr)
        (void)v->lib.dereg_mr(v->mr);
    if (v->memory)
        (void)munmap(v->memory, VERBS_BYTES);
    if (v->pd)
        (void)v->lib.dealloc_pd(v->pd);
    if (v->device)
        (void)v->lib.close_device(v->device);
    free(v);
}

/* ---- the card: numbers little endian, then the address and the name */

void verbs_card(const struct verbs *v, unsigned char ret[VERBS_CARD])
{
    const struct verbs_end *o = &v->own;
    memset(ret, 0, VERBS_CARD);
    pair_put(ret, o->qpn, 4);
    pair_put(ret + 4, o->psn, 4);
    pair_put(ret + 8, o->rkey, 4);
    pair_put(ret + 12, o->mtu, 4);
    pair_put(ret + 16, o->lid, 2);
    pair_put(ret + 18, o->layer, 1);
    pair_put(ret + 24, o->address, 8);
    memcpy(ret + 32, o->gid.raw, 16);
    memcpy(ret + 48, o->name, sizeof o->name);
}

static int read_card(struct verbs *v, const unsigned char card[VERBS_CARD],
                     struct err *e)
{
    struct verbs_end p = {.qpn = (uint32_t)pair_get(card, 4),
                          .psn = (uint32_t)pair_get(card + 4, 4),
                          .rkey = (uint32_t)pair_get(card + 8, 4),
                          .mtu = (uint32_t)pair_get(card + 12, 4),
                          .lid = (uint16_t)pair_get(card + 16, 2),
                          .layer = card[18],
                          .address = pair_get(card + 24, 8)};
    memcpy(p.gid.raw, card + 32, 16);
    memcpy(p.name, card + 48, sizeof p.name - 1);
    utf8_make_printable(p.name);
    if (p.qpn > 0xffffff || p.psn > 0xffffff || p.mtu < IBV_MTU_256 ||
        p.mtu > IBV_MTU_4096)
        return err_set(e, ERR_PROTO, "connect \"%s\" by RDMA: the other end's %s",
                       v->own.name, "queue pair cannot be");
    if (p.layer != v->own.layer)
        return err_set(e, -EPROTOTYPE, "connect \"%s\" with \"%s\" by RDMA: %s",
                       v->own.name, p.name,
                       "one is InfiniBand, the other one Ethernet");
    v->peer = p;
    return 0;
}

static int modify(struct verbs *v, struct ibv_qp_attr *a, int mask, struct err *e)
{
    int rc = v->lib.modify_qp(v->qp, a, mask);
    if (rc == 0)
        return 0;
    errno = rc > 0 ? rc : errno; /* it returns the number */
    return failed(e, "connect a queue pair", v);
}

static int make_ready(struct verbs *v, struct err *e)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_INIT,
                            .port_num = v->port,
                            .qp_access_flags = IBV_ACCESS_REMOTE_WRITE};
    int rc = modify(
        v, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, e);
    for (unsigned i = 0; rc == 0 && i < VERBS_TAKEN; i++) {
        rc = verbs_take(v, i);
        if (rc < 0)
            (void)err_sys(e, rc, "take messages on \"%s\"", v->own.name);
    }
    return rc;
}

static int make_receiver(struct verbs *v, struct err *e)
{
    bool global = v->own.layer == IBV_LINK_LAYER_ETHERNET || v->peer.lid == 0;
    uint32_t mtu = v->peer.mtu < v->own.mtu ? v->peer.mtu : v->own.mtu;
    struct ibv_qp_attr a = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = (enum ibv_mtu)mtu,
        .dest_qp_num = v->peer.qpn,
        .rq_psn = v->peer.psn,
        .max_dest_rd_atomic = 1,
        .min_rnr_timer = NOT_READY_GAP,
        .ah_attr = {.dlid = v->peer.lid, .port_num = v->port, .is_global = global}};
    if (global)
        a.ah_attr.grh = (struct ibv_global_route){
            .dgid = v->peer.gid, .sgid_index = v->gid_index, .hop_limit = 64};
    return modify(v, &a,
                  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
                      IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
                  e);
}

static int make_sender(struct verbs *v, struct err *e)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_RTS,
                            .timeout = ACK_TIMEOUT,
                            .retry_cnt = RETRIES,
                            .rnr_retry = NOT_READY,
                            .sq_psn = v->own.psn,
                            .max_rd_atomic = 1};
    return modify(v, &a,
                  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                      IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
                  e);
}

int verbs_connect(struct verbs *v, const unsigned char card[VERBS_CARD], struct err *e)
{
    int rc = read_card(v, card, e);
    if (rc == 0)
        rc = make_ready(v, e);
    if (rc == 0)
        rc = make_receiver(v, e);
    return rc < 0 ? rc : make_sender(v, e);
}

const char *verbs_peer(const struct verbs *v)
{
    return v->peer.name;
}
#else
typedef int verbs_is_not_built; /* see verbs_none.c */
#endif
