/* SPDX-License-Identifier: MIT */
/* stepsource.c - see stepsource.h. */
#include "launcher/variance/stepsource.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(source) (1u << (source))

static const char *const names[STEPSOURCES] = {"", "client", "nccl", "log"};

int stepsource_init(struct stepsource *s, const char *wish, bool reads_output,
                    uint32_t world_size)
{
    *s = (struct stepsource){.world_size = world_size};
    for (unsigned k = STEPREC_CLIENT; k < STEPSOURCES; k++) {
        if (!strcmp(wish, names[k]))
            s->allowed = BIT(k);
        if (!(s->seen[k].ranks = calloc(world_size / 8 + 1, 1)))
            return -ENOMEM;
    }
    s->any = s->allowed == 0;
    if (s->any)
        s->allowed = BIT(STEPREC_CLIENT) | BIT(STEPREC_NCCL) |
                     (reads_output ? BIT(STEPREC_LOG) : 0);
    return 0;
}

void stepsource_fini(struct stepsource *s)
{
    for (unsigned k = 0; k < STEPSOURCES; k++)
        free(s->seen[k].ranks);
    *s = (struct stepsource){0};
}

enum steprec_source stepsource_of(unsigned source)
{
    return source == STEPREC_NCCL || source == STEPREC_LOG ? (enum steprec_source)source
                                                           : STEPREC_CLIENT;
}

static void seen_add(struct stepsource_seen *seen, uint32_t rank, uint64_t n)
{
    uint8_t bit = (uint8_t)(1u << rank % 8);
    seen->n += !(seen->ranks[rank / 8] & bit);
    seen->ranks[rank / 8] |= bit;
    seen->records += n;
}

/* It takes the place of the one that is chosen. */
static bool takes_over(const struct stepsource *s, enum steprec_source source)
{
    const struct stepsource_seen *new = &s->seen[source], *old = &s->seen[s->chosen];
    if (source < s->chosen)
        return (uint64_t) new->n * 10 >= (uint64_t)old->n * 9;
    return new->n > 2 * (uint64_t)old->n &&new->records >=
           (uint64_t) new->n *STEPSOURCE_STEADY;
}

enum stepsource_verdict stepsource_see(struct stepsource *s, uint32_t rank,
                                       unsigned source, uint64_t n)
{
    enum steprec_source k = stepsource_of(source), before = s->chosen;
    if (rank >= s->world_size || !(s->allowed & BIT(k)))
        return STEPSOURCE_DROP;
    seen_add(&s->seen[k], rank, n);
    if (k == before)
        return STEPSOURCE_TAKE;
    if (before != STEPREC_NONE && !takes_over(s, k))
        return STEPSOURCE_DROP;
    s->chosen = k;
    return before == STEPREC_NONE ? STEPSOURCE_FIRST : STEPSOURCE_ANEW;
}

/* ---- words */

const char *stepsource_name(enum steprec_source source)
{
    return (unsigned)source < STEPSOURCES ? names[source] : "";
}

void stepsource_words(enum steprec_source source, const char *detail,
                      char ret[STEPSOURCE_TEXT])
{
    bool more = source == STEPREC_NCCL && detail[0];
    (void)snprintf(ret, STEPSOURCE_TEXT, "%s%s%.250s%s",
                   source == STEPREC_CLIENT ? "marked by the program (libaolani)"
                   : source == STEPREC_NCCL ? "from NCCL's collectives"
                   : source == STEPREC_LOG
                       ? "lines of the output that match log_pattern"
                       : "none",
                   more ? " (" : "", more ? detail : "", more ? ")" : "");
}

/* Why not from a better one: "the program marks none itself". */
static void why_not(const struct stepsource *s, enum steprec_source source,
                    const char *nccl_why, char *ret, size_t len)
{
    uint32_t n = s->seen[source].n;
    bool by_program = source == STEPREC_CLIENT;
    if (n > 0)
        (void)snprintf(ret, len, "%s %u of %u ranks",
                       by_program ? "the program marks those of"
                                  : "NCCL tells of the collectives of",
                       n, s->world_size);
    else if (by_program)
        (void)snprintf(ret, len, "the program marks none itself");
    else
        (void)snprintf(ret, len, "%.190s",
                       nccl_why[0] ? nccl_why : "NCCL told of no collectives");
}

void stepsource_why(const struct stepsource *s, const char *nccl_why,
                    char ret[STEPSOURCE_TEXT])
{
    ret[0] = '\0';
    if (s->chosen == STEPREC_NONE || (s->any && s->chosen == STEPREC_CLIENT))
        return;
    if (!s->any) {
        (void)snprintf(ret, STEPSOURCE_TEXT, "steps.source asks for them");
        return;
    }
    for (unsigned k = STEPREC_CLIENT; k < (unsigned)s->chosen; k++) {
        size_t at = strlen(ret);
        if (at > 0)
            at += (size_t)snprintf(ret + at, STEPSOURCE_TEXT - at, ", and ");
        why_not(s, (enum steprec_source)k, nccl_why, ret + at, STEPSOURCE_TEXT - at);
    }
}

bool stepsource_missing(const struct stepsource *s, const char *nccl_why,
                        char ret[STEPSOURCE_TEXT])
{
    if (s->chosen != STEPREC_NONE)
        return false;
    if (s->allowed & BIT(STEPREC_LOG))
        (void)snprintf(ret, STEPSOURCE_TEXT,
                       "no steps are known: no two lines of a rank's output matched "
                       "steps.log_pattern with rising numbers; grep -E tells whether "
                       "one does");
    else if (s->allowed == BIT(STEPREC_NCCL))
        (void)snprintf(ret, STEPSOURCE_TEXT,
                       "no steps are known: steps.source is \"nccl\", and %.190s; mark "
                       "them with aolani.py, or set log_pattern",
                       nccl_why[0] ? nccl_why : "NCCL told of no collectives");
    else if (s->allowed == BIT(STEPREC_CLIENT))
        (void)snprintf(ret, STEPSOURCE_TEXT,
                       "no steps are known: steps.source is \"client\", and no rank "
                       "marks its steps; see aolani.h and aolani.py");
    else
        return false;
    return true;
}
