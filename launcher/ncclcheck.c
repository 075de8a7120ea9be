/* SPDX-License-Identifier: MIT */
/* ncclcheck.c - see ncclcheck.h; what is said of a dump is in ncclcheck_dump.c. */
#include "launcher/ncclcheck.h"

#include <stdio.h>
#include <string.h>

/* ---- one rank ---- */

/* Is one of the NICs that are joined by '+' in `list` this one? */
static bool has_part(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list;; at++) {
        const char *end = strchr(at, '+');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        if (n == len && n > 0 && memcmp(at, name, n) == 0)
            return true;
        if (!end)
            return false;
        at = end;
    }
}

static bool has_any(const struct topo *t, const char *list, const uint32_t *nics,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (has_part(list, t->nics[nics[i]].m->name))
            return true;
    }
    return false;
}

/* Those that are judged: what it receives if it receives anything. */
static bool counts(const struct ncclsaid *s, const struct ncclsaid_use *u)
{
    bool receives = false;
    for (size_t i = 0; i < s->n_uses && !receives; i++)
        receives = s->uses[i].receives && !s->uses[i].relayed;
    return !u->relayed && u->receives == receives;
}

static enum ncclcheck_verdict judge_use(const struct topo *t,
                                        const struct nccl_choice *c, const char *net)
{
    if (!*net)
        return NCCLCHECK_SILENT;
    if (has_any(t, net, c->fused, c->n_fused))
        return NCCLCHECK_SAME;
    return has_any(t, net, c->candidates, c->n_candidates) ? NCCLCHECK_EQUAL
                                                           : NCCLCHECK_OTHER;
}

static bool is_better(enum ncclcheck_verdict a, enum ncclcheck_verdict b)
{
    if (b == NCCLCHECK_SILENT || a == NCCLCHECK_SILENT)
        return b == NCCLCHECK_SILENT && a != b;
    return a < b;
}

static void socket_verdict(const struct ncclsaid *s, struct ncclcheck_result *ret)
{
    *ret = (struct ncclcheck_result){.verdict = NCCLCHECK_SOCKET};
    memcpy(ret->ib, s->ib, sizeof ret->ib);
}

void ncclcheck_judge(const struct topo *t, const struct nccl_choice *c,
                     const struct ncclsaid *s, struct ncclcheck_result *ret)
{
    struct ncclcheck_result r = {.verdict = NCCLCHECK_SILENT};
    if (!c->known || c->n_candidates == 0) {
        *ret = r;
        return;
    }
    bool sockets = s->n_uses == 0 && strcmp(s->network, "Socket") == 0;
    for (size_t i = 0; i < s->n_uses && !sockets; i++) {
        const struct ncclsaid_use *u = &s->uses[i];
        if (!counts(s, u))
            continue;
        const char *net = ncclsaid_net(s, u);
        sockets = strcmp(u->transport, "Socket") == 0;
        enum ncclcheck_verdict v = judge_use(t, c, net);
        if (is_better(v, r.verdict)) {
            r.verdict = v;
            snprintf(r.used, sizeof r.used, "%s", net);
        }
        r.gdr = r.gdr || u->gdr;
    }
    if (sockets)
        socket_verdict(s, &r);
    *ret = r;
}

/* ---- all ranks ---- */

/* The first of a kind is told, the others are counted. */
static bool first(uint32_t *n)
{
    return (*n)++ == 0;
}

static void judge_gdr(struct ncclcheck *c, const struct ncclcheck_rank *r,
                      const struct ncclcheck_result *of)
{
    if (of->gdr == r->choice->gdr)
        return;
    if (of->gdr && first(&c->more_gdr))
        snprintf(
            c->more_gdr_text, sizeof c->more_gdr_text,
            "NCCL uses GPUDirect RDMA on rank %u on %s (gpu %u, %s), which was not "
            "predicted: %s",
            r->rank, r->node, r->gpu, of->used, r->choice->why);
    else if (!of->gdr && first(&c->no_gdr))
        snprintf(
            c->no_gdr_text, sizeof c->no_gdr_text,
            "NCCL does not use GPUDirect RDMA on rank %u on %s (gpu %u, %s), though "
            "%s: is nvidia_peermem loaded there, or DMA-BUF supported?",
            r->rank, r->node, r->gpu, of->used, r->choice->why);
}

void ncclcheck_add(struct ncclcheck *c, const struct ncclcheck_rank *r,
                   const struct ncclcheck_result *of)
{
    const char *predicted =
        r->choice->n_candidates > 0 ? r->t->nics[r->choice->nic].m->name : "none";
    c->n++;
    if (of->verdict == NCCLCHECK_SILENT)
        return;
    c->said++;
    c->same += of->verdict == NCCLCHECK_SAME;
    c->equal += of->verdict == NCCLCHECK_EQUAL;
    if (of->verdict == NCCLCHECK_SOCKET) {
        if (first(&c->socket))
            snprintf(
                c->socket_text, sizeof c->socket_text,
                "NCCL uses sockets on rank %u on %s, though %s is there for gpu %u: "
                "of InfiniBand it says %s%s%s",
                r->rank, r->node, predicted, r->gpu, of->ib[0] ? "\"" : "nothing",
                of->ib, of->ib[0] ? "\"" : "");
        return;
    }
    if (of->verdict == NCCLCHECK_OTHER && first(&c->other))
        snprintf(c->other_text, sizeof c->other_text,
                 "NCCL used %s for gpu %u (rank %u on %s), predicted %s", of->used,
                 r->gpu, r->rank, r->node, predicted);
    judge_gdr(c, r, of);
}

static void tell(uint32_t n, const char *text,
                 void (*warn)(void *arg, const char *text), void *arg)
{
    char whole[720];
    if (n == 0)
        return;
    if (n == 1)
        snprintf(whole, sizeof whole, "%s", text);
    else
        snprintf(whole, sizeof whole, "%s (and so on %u more rank%s)", text, n - 1,
                 n == 2 ? "" : "s");
    warn(arg, whole);
}

void ncclcheck_tell(const struct ncclcheck *c,
                    void (*warn)(void *arg, const char *text), void *arg,
                    char *ret_line, size_t len)
{
    ret_line[0] = '\0';
    if (c->said == 0)
        return;
    tell(c->socket, c->socket_text, warn, arg);
    tell(c->other, c->other_text, warn, arg);
    tell(c->no_gdr, c->no_gdr_text, warn, arg);
    tell(c->more_gdr, c->more_gdr_text, warn, arg);
    char equal[80] = "", silent[80] = "";
    if (c->equal > 0)
        snprintf(equal, sizeof equal, ", one as near on %u", c->equal);
    if (c->said < c->n)
        snprintf(silent, sizeof silent, "; %u said nothing of it", c->n - c->said);
    if (c->same == c->n)
        snprintf(ret_line, len, "NCCL used the predicted NIC on all %u ranks", c->n);
    else
        snprintf(ret_line, len, "NCCL used the predicted NIC on %u of %u ranks%s%s",
                 c->same, c->n, equal, silent);
}
