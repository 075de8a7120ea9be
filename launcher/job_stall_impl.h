/* SPDX-License-Identifier: MIT */
/* job_stall_impl - what job_stall.c (whom to ask, and what is answered) and job_stall_say.c
 * (what is said of it) share. */
#ifndef LAUNCHER_JOB_STALL_IMPL_H
#define LAUNCHER_JOB_STALL_IMPL_H

#include "launcher/job_impl.h"
#include "launcher/stallwords.h"
#include "launcher/variance/stall.h"
#include "proto/base/buf.h"

#define JOB_STALL_TRIES    3u /* nodes asked for what NCCL says */
#define JOB_STALL_DURATION 24

struct stallfile;
struct job_stall {
    struct job *job;
    struct stall core;
    uint64_t *ended;         /* of each rank: its last step and one; 0: none */
    struct stallrank *ranks; /* from the first look on */
    bool *awaited;           /* nodes, in this look */
    uint32_t n_awaited;
    uint32_t look;    /* counts those of the attempt */
    uint64_t look_ms; /* 0: none is under way */
    bool first;       /* look of its stall */
    bool said, waits_again;
    uint32_t tried[JOB_STALL_TRIES], n_tried; /* nodes; the last may still answer: */
    bool asks_nccl;
    uint64_t nccl_ms;
    struct rassaid *answer; /* NCCL's last; in words only once all pids are known */
    bool nccl_has_news, nccl_answered;
    char nccl[STALLWORDS_TEXT], nccl_told[STALLWORDS_TEXT];
    struct rankset named; /* who stood out in the last look */
    char text[STALLWORDS_TEXT];
    struct buf lines, page; /* for the terminal, for the file */
    struct stallfile *file;
    struct summary_stall *all;
    size_t n;
};

/* ---- job_stall_say.c ---- */
/* All that has been answered by now. */
void job_stall_say(struct job_stall *s);
/* What NCCL has answered since. */
void job_stall_say_nccl(struct job_stall *s);
void job_stall_say_over(struct job_stall *s, uint64_t ms);
/* The last node that was tried has no answer. */
void job_stall_no_nccl(struct job_stall *s, const char *why);
/* It has one. */
void job_stall_put_nccl(struct job_stall *s, const Aolani__StallSeen *m);

#endif
