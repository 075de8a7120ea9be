/* SPDX-License-Identifier: MIT */
/* srunboot_impl - one srun and the nodes it serves; for srunboot*.c alone. */
#ifndef LAUNCHER_SLURM_SRUNBOOT_IMPL_H
#define LAUNCHER_SLURM_SRUNBOOT_IMPL_H

#include <sys/utsname.h>

#include "launcher/boot.h"
#include "launcher/said.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/seed.h"
#include "launcher/slurm/srunboot.h"
#include "launcher/slurm/srunseats.h"
#include "launcher/slurm/srunwords.h"
#include "proto/base/loop_proc.h"

#define SRUNBOOT_TRIES 3u /* sruns, one after the other */

struct srunboot;

/* A node's part of it; what the caller holds. */
struct seat {
    struct boot boot;
    struct srunboot *of; /* NULL: it was given back */
    struct srunseat *at;
    void *node; /* the caller's */
    char *name;
    struct said said; /* the node's lines on standard error */
    bool failed, ended;
    bool refused; /* srun could not start its task; why, hint */
    bool died;    /* its task has ended before it was served */
    int death_status;
    char death[SRUNWORDS_TEXT];
    bool unwanted;
    struct err why;
};

struct srunboot {
    struct loop *loop;
    struct boot_config config;
    struct utsname self;
    struct seat *seats;
    size_t n, held; /* seats that the caller still has */
    struct srunseats progress;
    unsigned tries;
    bool exited, killed, told_waiting;
    bool aborted; /* Slurm has ended the step, and all its tasks with it */
    bool lingers; /* tasks may have outlived srun all the same */
    bool stalls;  /* its standard input goes on no more: another srun is needed */
    int wait_status;
    struct loop_proc *proc;
    struct loop_stream *io, *words;
    struct loop_timer *limit, *patient, *deaths;
    unsigned limit_ms; /* of the limit that runs */
    struct buf in;
    struct said said;        /* srun's own lines */
    struct srunwords reason; /* the first of them that says why no step came of it */
    bool has_reason;
    struct slurm_ask *ask;
    struct seed *seed;
};

static inline struct seat *srunboot_seat_of(const struct srunboot *b,
                                            const struct srunseat *at)
{
    return at ? &b->seats[at - b->progress.seats] : NULL;
}

static inline bool srunboot_is_waiting(const struct seat *s)
{
    return s->at->state != SRUNSEAT_SERVED && s->at->state != SRUNSEAT_GONE;
}

/* ---- srunboot.c: its begin, and the caller's side ---- */

/* The caller is told, once; the former does nothing for a seat that is served or gone. */
void srunboot_fail(struct seat *s, const struct err *e);
void srunboot_end(struct seat *s, enum boot_end what, int ws, const char *words);
void srunboot_fail_waiting(struct srunboot *b, const struct err *e);
bool srunboot_any_waits(const struct srunboot *b);
/* One srun for all seats that wait. */
int srunboot_start_srun(struct srunboot *b, struct err *e);
void srunboot_signal(struct srunboot *b, int signum);

/* ---- srunboot_talk.c: what nodes say and are sent, and how long that may take ---- */

extern const struct loop_stream_ops srunboot_io_ops;
void srunboot_set_limit(struct srunboot *b, unsigned ms);
void srunboot_advance(struct srunboot *b); /* sends what may be sent now */
void srunboot_on_limit(void *arg);
void srunboot_on_patient(void *arg);

/* ---- srunboot_end.c: what srun says of itself, and its end ---- */

extern const struct loop_stream_ops srunboot_words_ops;
void srunboot_on_deaths(void *arg);
void srunboot_on_exit(void *arg, int ws);
void srunboot_settle(struct srunboot *b); /* srun has ended, and all it said is read */
void srunboot_release(struct srunboot *b);

#endif
