/* SPDX-License-Identifier: MIT */
/* attribute_impl - what the files of attribute share; no one else's. */
#ifndef LAUNCHER_VARIANCE_ATTRIBUTE_IMPL_H
#define LAUNCHER_VARIANCE_ATTRIBUTE_IMPL_H

#include "launcher/variance/attribute.h"
#include "launcher/variance/cusum.h"
#include "launcher/variance/usual.h"

#define MAD_TO_SIGMA     1.4826
#define SIGMAS           6.0
#define NOTICEABLE       0.05 /* of the median busy time */
#define RESOLUTION_US    5.0 /* of times that are rounded to one, added and subtracted */
#define USUAL_ENOUGH     16u /* values, before a rank's own usual counts */
#define NO_SPELL         UINT32_MAX
#define DRAWN            40u    /* steps until a slow time is known to be one, about */
#define ATTRIBUTE_TOP    64u    /* blames that are reported */
#define ATTRIBUTE_BLAMES 65536u /* kept; a power of two */

enum part { /* what a step is made of, in the order of struct excess_usual */
            PART_CPU,
            PART_RUNDELAY,
            PART_THROTTLED,
            PART_BLOCKED,
            PART_STOLEN,
            PART_FAULTS,
            PART_MAJFLT,
            PART_NVCSW,
            PART_N,
};

struct toll { /* what late steps came to */
    uint64_t steps;
    double part[MECH_N];
    double excess_us, loss_us;
};

struct attributed { /* a rank; there may be very many, so under 2 KiB */
    bool known;     /* has a step in the statistics */
    struct usual busy;
    struct usual part[PART_N];
    struct cusum cusum;
    struct toll toll; /* since the CUSUM left 0: of the spell that it may become */
    uint32_t spell;   /* the latest; NO_SPELL */
    uint32_t n_drawn; /* for the histogram of excess, once it is no slow time: */
    uint16_t drawn[DRAWN];
};
_Static_assert(sizeof(struct attributed) <= 2048, "16,384 of them in 32 MiB");

enum charge_kind {
    CHARGE_CULPRIT,
    CHARGE_SMALL, /* the slowest, by no more than usual: its loss, and no name */
    CHARGE_COMMON,
    CHARGE_SPELL,
};

struct
    charge { /* a late step that waits for its signals, and what has to wait behind it */
    enum charge_kind kind;
    uint64_t deadline_ms;
    struct steprec r;
    struct excess_usual usual;
    double excess_us, loss_us;
    uint32_t attempt;
    uint32_t spell; /* of CHARGE_SPELL */
    bool over;      /* of CHARGE_SPELL: it has ended */
    bool has_peer;  /* a late rank that is no culprit, in the same step: */
    uint32_t peer;  /* what its GPU did all GPUs do */
    uint32_t peer_wall;
    uint64_t peer_end_ns;
};

struct attribute {
    const struct signals *signals;
    struct attribute_ops ops;
    uint32_t world_size, attempt;
    struct attributed *ranks;
    double *scratch; /* world_size */

    /* of the ranks: the medians of their usual values, renewed now and then */
    double peer_part[PART_N], peer_sigma;
    uint64_t peers_due; /* at that many steps */

    /* of all ranks together */
    struct usual median, min_wait, mean[PART_N];

    struct charge *queue; /* a ring of ATTRIBUTE_QUEUE */
    size_t head, n_queue;

    uint64_t steps;
    double t_us, small_us, loss_us[MECH_N], common_us[MECH_N];
    struct hist excess;

    struct blame *blames; /* a hash table; rank UINT32_MAX: free */
    size_t n_blames, max_blames;
    struct blame top[ATTRIBUTE_TOP];

    struct spell *spells; /* ATTRIBUTE_SPELLS */
    uint32_t *before;     /* of each: the one before it of the same rank */
    uint32_t n_spells;
    uint64_t more_spells;
};

/* attribute_peers.c */
void attribute_learn(struct attributed *k, const struct steprec *r);
void attribute_peers(struct attribute *a); /* when it is time */
/* The lesser of the rank's own usual and its peers'. */
void attribute_usual(const struct attribute *a, const struct attributed *k,
                     struct excess_usual *ret);
/* What the parts were of the other ranks in the same step; r is one of its records. False:
 * of none of them they are known, and *ret is as it was. */
bool attribute_others(const struct steps_closed *c, const struct steprec *r,
                      struct excess_usual *ret);
/* By its host's figures a rank may have worked or slept more than the others in a step from
 * NCCL only because they did something else. While they waited for it they slept, or they
 * spun: where they slept its sleep proves nothing, where they spun its CPU time. */
void attribute_doubt(struct steprec *r, const struct excess_usual *others,
                     double excess_us);
void attribute_forget_host(struct steprec *r); /* nothing is known of it */
double attribute_sigma(const struct attribute *a, const struct attributed *k);

/* attribute_charge.c */
void charge_add(struct attribute *a, const struct charge *c, uint64_t now_ms);
void charge_settle(struct attribute *a, uint64_t now_ms, bool all);
void charge_top(struct attribute *a);

struct culprits { /* which of the late ranks of a step */
    bool is[STEPS_LATE];
    size_t n;
};

/* attribute_common.c */
void common_step(struct attribute *a, const struct steps_closed *c,
                 const struct culprits *of);

/* attribute_small.c */
void small_step(struct attribute *a, const struct steps_closed *c,
                const struct culprits *of);
void small_charge(struct attribute *a, const struct charge *c, const struct excess *x);

/* attribute_spell.c */
void spell_news(struct attribute *a, uint32_t rank, enum cusum_news news,
                const struct steps_closed *c);
void spell_end(struct attribute *a, uint32_t rank, uint32_t last_step, uint64_t now_ms);
/* The spell that a late step belongs to; NULL: none, or not yet. */
struct spell *spell_of(struct attribute *a, uint32_t rank, uint32_t attempt,
                       uint32_t step);
void spell_tell(struct attribute *a, const struct charge *c);
void toll_add(struct toll *t, const struct excess *x, double loss_us);

#endif
