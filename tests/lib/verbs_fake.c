/* SPDX-License-Identifier: MIT */
/* verbs_fake.c - a libibverbs.so.1 with HCAs that are all in this process: what is written
 * or sent on one queue pair is in the memory of the one it is connected with at once.
 *
 * It is strict where a real one is: an order of states that cannot be, an rkey or a range
 * that is not registered, a message for which no room was made ready, all fail as there.
 * VERBS_FAKE names a call that fails ("reg_mr"), or a fault on the way: "lost" (nothing
 * ever completes), "broken" (what is sent completes with an error), "down" (no port is
 * active), "slow" (a message takes a millisecond). HCAs: fake_0 and fake_1 (InfiniBand), fake_2 (RoCE), fake_3 (RoCE, no address).
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#undef ibv_reg_mr
#undef ibv_query_port

#define DEVICES 4
#define QPS     64
#define QUEUE   128

struct qp {
    struct ibv_qp qp;
    bool used;
    uint32_t peer;
    struct ibv_recv_wr takes[QUEUE];
    struct ibv_sge takes_at[QUEUE];
    unsigned n_takes, first_take;
};
struct cq {
    struct ibv_cq cq;
    struct ibv_wc done[QUEUE];
    unsigned n, first;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct qp qps[QPS];
static struct ibv_mr *regions[QPS];
static struct ibv_device devices[DEVICES] = {
    {.name = "fake_0"}, {.name = "fake_1"}, {.name = "fake_2"}, {.name = "fake_3"}};

static bool fails(const char *what)
{
    const char *wanted = getenv("VERBS_FAKE");
    bool is = wanted && !strcmp(wanted, what);
    if (is)
        errno = !strcmp(what, "open_device") ? EACCES : ENOMEM;
    return is;
}

struct ibv_device **ibv_get_device_list(int *n)
{
    struct ibv_device **all = calloc(DEVICES + 1, sizeof *all);
    for (int i = 0; all && i < DEVICES; i++)
        all[i] = &devices[i];
    *n = DEVICES;
    return all;
}
void ibv_free_device_list(struct ibv_device **all)
{
    free(all);
}
const char *ibv_get_device_name(struct ibv_device *d)
{
    return d->name;
}

static bool is_ethernet(const struct ibv_context *c)
{
    return c->device >= &devices[2];
}

int ibv_query_port(struct ibv_context *c, uint8_t port,
                   struct _compat_ibv_port_attr *compat)
{
    struct ibv_port_attr *a = (struct ibv_port_attr *)compat;
    if (port != 1)
        return EINVAL;
    a->state = fails("down") ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
    a->active_mtu = IBV_MTU_4096;
    a->gid_tbl_len = 4;
    a->lid = is_ethernet(c) ? 0 : (uint16_t)(1 + (c->device - devices));
    a->link_layer =
        is_ethernet(c) ? IBV_LINK_LAYER_ETHERNET : IBV_LINK_LAYER_INFINIBAND;
    return 0;
}

int ibv_query_gid(struct ibv_context *c, uint8_t port, int index, union ibv_gid *g)
{
    (void)port;
    memset(g, 0, sizeof *g);
    if (c->device == &devices[3] || index > 1)
        return 0;
    g->raw[index == 0 ? 0 : 10] = 0xff - (index == 0);
    g->raw[index == 0 ? 1 : 11] = 0xff;
    g->raw[15] = 7;
    return 0;
}

static void put(struct cq *q, const struct ibv_wc *wc)
{
    if (fails("lost") || q->n == QUEUE)
        return;
    q->done[(q->first + q->n++) % QUEUE] = *wc;
}

static int poll_cq(struct ibv_cq *cq, int most, struct ibv_wc *ret)
{
    struct cq *q = (struct cq *)cq;
    int n = 0;
    pthread_mutex_lock(&lock);
    for (; n < most && q->n > 0; n++, q->n--)
        ret[n] = q->done[q->first++ % QUEUE];
    q->first %= QUEUE;
    pthread_mutex_unlock(&lock);
    return n;
}

static struct ibv_mr *region(uint32_t key, uint64_t at, uint64_t len)
{
    struct ibv_mr *m = key < QPS ? regions[key] : NULL;
    uint64_t from = m ? (uint64_t)(uintptr_t)m->addr : 0;
    return m && at >= from && at + len <= from + m->length ? m : NULL;
}

static enum ibv_wc_status write_to(const struct ibv_send_wr *wr)
{
    const struct ibv_sge *s = wr->sg_list;
    if (!region(wr->wr.rdma.rkey, wr->wr.rdma.remote_addr, s->length))
        return IBV_WC_REM_ACCESS_ERR;
    memcpy((void *)(uintptr_t)wr->wr.rdma.remote_addr, (void *)(uintptr_t)s->addr,
           s->length);
    return IBV_WC_SUCCESS;
}

static enum ibv_wc_status send_to(struct qp *peer, const struct ibv_send_wr *wr)
{
    if (peer->n_takes == 0)
        return IBV_WC_RNR_RETRY_EXC_ERR;
    struct ibv_recv_wr *take = &peer->takes[peer->first_take];
    if (take->sg_list->length < wr->sg_list->length)
        return IBV_WC_REM_INV_REQ_ERR;
    memcpy((void *)(uintptr_t)take->sg_list->addr, (void *)(uintptr_t)wr->sg_list->addr,
           wr->sg_list->length);
    peer->first_take = (peer->first_take + 1) % QUEUE;
    peer->n_takes--;
    put((struct cq *)peer->qp.recv_cq,
        &(struct ibv_wc){.wr_id = take->wr_id, .status = IBV_WC_SUCCESS});
    return IBV_WC_SUCCESS;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr,
                     struct ibv_send_wr **bad)
{
    struct qp *q = (struct qp *)qp;
    struct ibv_wc wc = {.wr_id = wr->wr_id};
    *bad = wr;
    if (qp->state != IBV_QPS_RTS)
        return EINVAL;
    if (wr->opcode == IBV_WR_SEND && fails("slow"))
        (void)usleep(5000);
    pthread_mutex_lock(&lock);
    struct qp *peer = &qps[q->peer % QPS];
    if (fails("broken") || !peer->used ||
        !region(wr->sg_list->lkey, wr->sg_list->addr, wr->sg_list->length))
        wc.status = IBV_WC_RETRY_EXC_ERR;
    else
        wc.status = wr->opcode == IBV_WR_SEND ? send_to(peer, wr) : write_to(wr);
    put((struct cq *)qp->send_cq, &wc);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr,
                     struct ibv_recv_wr **bad)
{
    struct qp *q = (struct qp *)qp;
    *bad = wr;
    if (qp->state == IBV_QPS_RESET)
        return EINVAL;
    pthread_mutex_lock(&lock);
    unsigned at = (q->first_take + q->n_takes) % QUEUE;
    int rc = q->n_takes == QUEUE ? ENOMEM : 0;
    if (rc == 0) {
        q->takes[at] = *wr;
        q->takes_at[at] = *wr->sg_list;
        q->takes[at].sg_list = &q->takes_at[at];
        q->n_takes++;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

struct ibv_context *ibv_open_device(struct ibv_device *d)
{
    struct ibv_context *c = fails("open_device") ? NULL : calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->device = d;
    c->ops.poll_cq = poll_cq;
    c->ops.post_send = post_send;
    c->ops.post_recv = post_recv;
    return c;
}
int ibv_close_device(struct ibv_context *c)
{
    free(c);
    return 0;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *c)
{
    struct ibv_pd *pd = fails("alloc_pd") ? NULL : calloc(1, sizeof *pd);
    if (pd)
        pd->context = c;
    return pd;
}
int ibv_dealloc_pd(struct ibv_pd *pd)
{
    free(pd);
    return 0;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *at, size_t len, int access)
{
    struct ibv_mr *m = fails("reg_mr") ? NULL : calloc(1, sizeof *m);
    if (!m)
        return NULL;
    *m = (struct ibv_mr){.context = pd->context, .pd = pd, .addr = at, .length = len};
    pthread_mutex_lock(&lock);
    for (uint32_t i = 1; i < QPS && !m->lkey; i++)
        if (!regions[i] && (access & IBV_ACCESS_REMOTE_WRITE)) {
            regions[i] = m;
            m->lkey = m->rkey = i;
        }
    pthread_mutex_unlock(&lock);
    return m;
}
int ibv_dereg_mr(struct ibv_mr *m)
{
    pthread_mutex_lock(&lock);
    regions[m->lkey] = NULL;
    pthread_mutex_unlock(&lock);
    free(m);
    return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *c, int n, void *arg,
                             struct ibv_comp_channel *channel, int vector)
{
    (void)arg, (void)channel, (void)vector;
    struct cq *q = fails("create_cq") || n > QUEUE ? NULL : calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->cq.context = c;
    return &q->cq;
}
int ibv_destroy_cq(struct ibv_cq *cq)
{
    free(cq);
    return 0;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *a)
{
    struct qp *q = NULL;
    if (fails("create_qp"))
        return NULL;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 1; i < QPS && !q; i++)
        if (!qps[i].used) {
            q = &qps[i];
            *q = (struct qp){.used = true,
                             .qp = {.context = pd->context,
                                    .pd = pd,
                                    .send_cq = a->send_cq,
                                    .recv_cq = a->recv_cq,
                                    .qp_num = i,
                                    .state = IBV_QPS_RESET}};
        }
    pthread_mutex_unlock(&lock);
    return q ? &q->qp : NULL;
}
int ibv_destroy_qp(struct ibv_qp *qp)
{
    pthread_mutex_lock(&lock);
    ((struct qp *)qp)->used = false;
    pthread_mutex_unlock(&lock);
    return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *a, int mask)
{
    bool next = (mask & IBV_QP_STATE) &&
                ((qp->state == IBV_QPS_RESET && a->qp_state == IBV_QPS_INIT) ||
                 (qp->state == IBV_QPS_INIT && a->qp_state == IBV_QPS_RTR) ||
                 (qp->state == IBV_QPS_RTR && a->qp_state == IBV_QPS_RTS));
    if (fails("modify_qp") || !next)
        return EINVAL;
    if (a->qp_state == IBV_QPS_RTR && is_ethernet(qp->context) && !a->ah_attr.is_global)
        return EINVAL;
    pthread_mutex_lock(&lock);
    if (a->qp_state == IBV_QPS_RTR)
        ((struct qp *)qp)->peer = a->dest_qp_num;
    qp->state = a->qp_state;
    pthread_mutex_unlock(&lock);
    return 0;
}
