/* SPDX-License-Identifier: MIT */
/* ncclcheck - does NCCL do what the plan predicted? What a rank's NCCL said, or what its
 * topology dump has, against the prediction. Pure. Where nothing was said, nothing is
 * claimed.
 *
 * What a GPU receives tells which NIC is its own: it may send through another's (that is
 * how rings leave a node). With several channels it uses several NICs: one of them must be
 * the predicted one, or its equal.
 */
#ifndef LAUNCHER_NCCLCHECK_H
#define LAUNCHER_NCCLCHECK_H

#include "proto/wire/ncclsaid.h"
#include "launcher/place/nccl.h"
#include "launcher/place/ncclfile.h"

enum ncclcheck_verdict {
    NCCLCHECK_SILENT, /* nothing, or nothing that can be judged */
    NCCLCHECK_SAME,
    NCCLCHECK_EQUAL,  /* another NIC of the candidates */
    NCCLCHECK_OTHER,  /* a NIC that is none of them */
    NCCLCHECK_SOCKET, /* sockets, where there is a NIC */
};

struct ncclcheck_result {
    enum ncclcheck_verdict verdict;
    char used[NCCLSAID_NAME]; /* "" with SILENT and SOCKET */
    bool gdr;                 /* it is used; only where the verdict is about NICs */
    char ib[NCCLSAID_WORDS];  /* with SOCKET: why; "": not said */
};
void ncclcheck_judge(const struct topo *t, const struct nccl_choice *c,
                     const struct ncclsaid *s, struct ncclcheck_result *ret);

/* Of all ranks, in words. */
struct ncclcheck_rank {
    uint32_t rank, gpu; /* gpu: index in t */
    const char *node;
    const struct topo *t;
    const struct nccl_choice *choice;
};
struct ncclcheck {
    uint32_t n, said, same, equal; /* ranks with a GPU; that said something */
    uint32_t other, socket, no_gdr, more_gdr;
    char other_text[640], socket_text[640], no_gdr_text[640], more_gdr_text[640];
};
void ncclcheck_add(struct ncclcheck *c, const struct ncclcheck_rank *r,
                   const struct ncclcheck_result *of);
/* Warnings; then one line: "" when no rank said anything. */
void ncclcheck_tell(const struct ncclcheck *c,
                    void (*warn)(void *arg, const char *text), void *arg,
                    char *ret_line, size_t len);

/* A dump of one node: NICs that NCCL does not see or sees besides, those that cannot do
 * GPUDirect RDMA, and GPUs whose distance to their predicted NIC is another. Calls warn for
 * each kind; returns how many. */
unsigned ncclcheck_dump(const struct ncclfile *f, const struct topo *t,
                        const uint32_t *nics, size_t n_nics, const uint32_t *gpus,
                        const struct nccl_choice *choices, size_t n_gpus,
                        void (*warn)(void *arg, const char *text), void *arg);

#endif
