/* SPDX-License-Identifier: MIT */
/* job_ncclsaid.c - see job_ncclsaid.h. */
#include "launcher/job_ncclsaid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "proto/wire/ncclsaid_message.h"

#define WARNINGS \
    8u /* told of, in an attempt; those that differ in numbers alone once */

struct said { /* NCCL_SAID, packed; NULL: nothing */
    uint8_t *data;
    size_t len;
};
struct job_ncclsaid {
    struct ncclsaid last; /* here, as it is large */
    char warnings[WARNINGS][NCCLSAID_WORDS];
    size_t n_warnings;
    struct said ranks[];
};

void job_ncclsaid_destroy(struct job_ncclsaid *s, uint32_t n_ranks)
{
    for (uint32_t i = 0; s && i < n_ranks; i++)
        free(s->ranks[i].data);
    free(s);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* But for their numbers: those are of ports, processes and times. */
static bool are_alike(const char *a, const char *b)
{
    for (;;) {
        while (is_digit(*a))
            a++;
        while (is_digit(*b))
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

/* After the first failure NCCL warns of what follows from it. */
static void warn(struct job *j, uint32_t rank, const char *text)
{
    struct job_ncclsaid *s = j->ncclsaid;
    if (j->state != JOB_RUNNING || s->n_warnings == WARNINGS)
        return;
    for (size_t i = 0; i < s->n_warnings; i++) {
        if (are_alike(s->warnings[i], text))
            return;
    }
    memcpy(s->warnings[s->n_warnings++], text, NCCLSAID_WORDS);
    job_warn(j, "NCCL of rank %u on %s: %s", rank,
             job_node_name(j, j->plan.ranks[rank].node), text);
}

/* Without memory for it, NCCL has said nothing. */
static void keep(struct said *to, const Aolani__NcclSaid *m)
{
    free(to->data);
    to->len = aolani__nccl_said__get_packed_size(m);
    to->data = malloc(to->len);
    if (to->data)
        (void)aolani__nccl_said__pack(m, to->data);
}

int job_on_nccl_said(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                     struct err *e)
{
    const Aolani__NcclSaid *m = (const void *)msg;
    uint32_t n = j->plan.world_size;
    int rc = job_check_rank(j, node, m->rank, e);
    if (rc < 0)
        return rc;
    if (!j->ncclsaid)
        j->ncclsaid = calloc(1, sizeof *j->ncclsaid + n * sizeof j->ncclsaid->ranks[0]);
    struct job_ncclsaid *s = j->ncclsaid;
    if (!s)
        return 0;
    memset(&s->last, 0, sizeof s->last);
    if ((rc = ncclsaid_take(m, &s->last, e)) < 0)
        return rc;
    if (job_nccl_reads(j, m->rank))
        keep(&s->ranks[m->rank], m);
    job_judge_net(j, m->rank, &s->last);
    for (size_t i = 0; i < s->last.n_warnings; i++)
        warn(j, m->rank, s->last.warnings[i]);
    return 0;
}

bool job_ncclsaid_recall(const struct job *j, uint32_t rank, struct ncclsaid *ret)
{
    const struct said *s = j->ncclsaid ? &j->ncclsaid->ranks[rank] : NULL;
    memset(ret, 0, sizeof *ret);
    if (!s || !s->data)
        return false;
    Aolani__NcclSaid *m = aolani__nccl_said__unpack(NULL, s->len, s->data);
    bool taken = m && ncclsaid_take(m, ret, NULL) == 0;
    if (m)
        aolani__nccl_said__free_unpacked(m, NULL);
    return taken;
}
