/* SPDX-License-Identifier: MIT */
/* srunseats.c - see srunseats.h. */
#include "launcher/slurm/srunseats.h"

#include <string.h>

struct srunseat *srunseats_of_task(const struct srunseats *s, long task)
{
    return task >= 0 && (size_t)task < s->n ? s->of_task[task] : NULL;
}

/* Nodes answer in about the order of the list. */
struct srunseat *srunseats_of_name(struct srunseats *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (s->last_found + i) % s->n;
        if (strcmp(s->seats[at].name, name) == 0) {
            s->last_found = at;
            return &s->seats[at];
        }
    }
    return NULL;
}

void srunseats_again(struct srunseats *s)
{
    s->pushed = s->pushed_rest = false;
    for (size_t i = 0; i < s->n; i++) {
        s->of_task[i] = NULL;
        s->seats[i].task = -1;
        if (s->seats[i].state != SRUNSEAT_GONE)
            s->seats[i].state = SRUNSEAT_SILENT;
    }
}

/* ---- what a node says */

struct words {
    const char *word;
    enum srunseat_state from, to; /* any other state: not heeded */
    enum srunseats_event event;
};

static const struct words table[] = {
    {"AOLANI-HAVE", SRUNSEAT_HERE, SRUNSEAT_HERE, SRUNSEATS_OURS},
    {"AOLANI-NEED", SRUNSEAT_HERE, SRUNSEAT_NEEDS, SRUNSEATS_OURS},
    {"AOLANI-STORED", SRUNSEAT_NEEDS, SRUNSEAT_STORED, SRUNSEATS_OURS},
    {"AOLANI-UNPACKED", SRUNSEAT_STORED, SRUNSEAT_STORED, SRUNSEATS_OURS},
    {"AOLANI-FAIL", SRUNSEAT_HERE, SRUNSEAT_HERE, SRUNSEATS_FAIL},
    {"AOLANI-FAIL", SRUNSEAT_NEEDS, SRUNSEAT_NEEDS, SRUNSEATS_FAIL},
    {"AOLANI-FAIL", SRUNSEAT_STORED, SRUNSEAT_STORED, SRUNSEATS_FAIL},
    {"AOLANI-READY", SRUNSEAT_HERE, SRUNSEAT_READY, SRUNSEATS_WRONG_VERSION},
    {"AOLANI-READY", SRUNSEAT_STORED, SRUNSEAT_READY, SRUNSEATS_WRONG_VERSION},
};

static const char *after(const char *text, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(text, word, n) != 0 || (text[n] != ' ' && text[n] != '\0'))
        return NULL;
    return text + n + (text[n] == ' ');
}

/* "AOLANI-NODE x86_64 n3" */
static enum srunseats_event introduce(struct srunseats *s, long task, const char *rest,
                                      const char *machine, struct srunseat **ret_seat,
                                      const char **ret_rest)
{
    size_t n = strcspn(rest, " ");
    struct srunseat *seat = rest[n] ? srunseats_of_name(s, rest + n + 1) : NULL;
    if (!seat || seat->task >= 0 || task < 0 || (size_t)task >= s->n ||
        s->of_task[task])
        return SRUNSEATS_OTHER;
    seat->task = task;
    s->of_task[task] = seat;
    *ret_seat = seat;
    *ret_rest = rest;
    if (seat->state == SRUNSEAT_GONE) /* whatever it is, nobody asks any more */
        return SRUNSEATS_OURS;
    if (seat->state == SRUNSEAT_SILENT)
        seat->state = SRUNSEAT_HERE;
    return strlen(machine) == n && strncmp(rest, machine, n) == 0
               ? SRUNSEATS_OURS
               : SRUNSEATS_WRONG_MACHINE;
}

enum srunseats_event srunseats_line(struct srunseats *s, long task, const char *text,
                                    const char *machine, const char *version,
                                    struct srunseat **ret_seat, const char **ret_rest)
{
    const char *rest = after(text, "AOLANI-NODE");
    struct srunseat *seat = srunseats_of_task(s, task);
    *ret_seat = seat;
    *ret_rest = text;
    if (rest)
        return introduce(s, task, rest, machine, ret_seat, ret_rest);
    for (size_t i = 0; seat && i < sizeof table / sizeof *table; i++) {
        const struct words *w = &table[i];
        if (seat->state != w->from || !(rest = after(text, w->word)))
            continue;
        *ret_rest = rest;
        if (w->event == SRUNSEATS_WRONG_VERSION && strcmp(rest, version) != 0)
            return SRUNSEATS_WRONG_VERSION;
        seat->state = w->to;
        seat->copied = seat->copied || w->to == SRUNSEAT_NEEDS;
        return w->event == SRUNSEATS_WRONG_VERSION ? SRUNSEATS_OURS : w->event;
    }
    return strncmp(text, "AOLANI-", 7) == 0 ? SRUNSEATS_OURS : SRUNSEATS_OTHER;
}

/* ---- what may be sent */

enum srunseats_step srunseats_next(const struct srunseats *s)
{
    size_t of[SRUNSEAT_GONE + 1] = {0};
    for (size_t i = 0; i < s->n; i++)
        of[s->seats[i].state]++;
    if (of[SRUNSEAT_GONE] + of[SRUNSEAT_SERVED] == s->n)
        return SRUNSEATS_NOBODY;
    if (of[SRUNSEAT_SILENT] + of[SRUNSEAT_HERE] > 0)
        return SRUNSEATS_WAIT;
    if (of[SRUNSEAT_NEEDS] > 0)
        return s->pushed ? SRUNSEATS_WAIT : SRUNSEATS_PUSH;
    /* Also when nobody is left who needs it: the others pass over all of the bundle. */
    if (s->pushed && !s->pushed_rest)
        return SRUNSEATS_PUSH_REST;
    return of[SRUNSEAT_STORED] > 0 ? SRUNSEATS_WAIT : SRUNSEATS_SERVE;
}

void srunseats_did(struct srunseats *s, enum srunseats_step step)
{
    s->pushed = s->pushed || step == SRUNSEATS_PUSH;
    s->pushed_rest = s->pushed_rest || step == SRUNSEATS_PUSH_REST;
    for (size_t i = 0; step == SRUNSEATS_SERVE && i < s->n; i++) {
        if (s->seats[i].state == SRUNSEAT_READY)
            s->seats[i].state = SRUNSEAT_SERVED;
    }
}
