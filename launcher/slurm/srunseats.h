/* SPDX-License-Identifier: MIT */
/* srunseats - how far the nodes of one srun have come, and what its standard input, which
 * is the same for all of them, may be given next. Pure.
 *
 * Tasks are srun's numbers; which node a task is on it says itself, in its first line. A
 * node that needs the agent is sent it only when every node has said whether it does, and
 * all get their keys at once, when all wait for them: those that have the agent know how
 * many bytes are not for them. A seat that has failed, or is not wanted, holds up nobody.
 */
#ifndef LAUNCHER_SLURM_SRUNSEATS_H
#define LAUNCHER_SLURM_SRUNSEATS_H

#include <stdbool.h>
#include <stddef.h>

enum srunseat_state {
    SRUNSEAT_SILENT,
    SRUNSEAT_HERE,   /* it has answered */
    SRUNSEAT_NEEDS,  /* waits for the agent's bytes */
    SRUNSEAT_STORED, /* waits for the rest of the bundle */
    SRUNSEAT_READY,  /* its agent waits for the key */
    SRUNSEAT_SERVED,
    SRUNSEAT_GONE, /* failed, or not wanted */
};
struct srunseat {
    const char *name; /* borrowed */
    enum srunseat_state state;
    bool copied;
    long task; /* -1: not known */
};
struct srunseats {
    struct srunseat *seats;    /* owned by the caller */
    struct srunseat **of_task; /* as many, the caller's too; by srun's numbers */
    size_t n;
    size_t last_found;
    bool pushed, pushed_rest;
};
void srunseats_again(struct srunseats *s); /* before every srun: nothing is said yet */

enum srunseats_step {
    SRUNSEATS_WAIT,
    SRUNSEATS_PUSH,      /* the agent's bytes; then srunseats_did */
    SRUNSEATS_PUSH_REST, /* the rest of the bundle */
    SRUNSEATS_SERVE,     /* the keys */
    SRUNSEATS_NOBODY,    /* no seat is left to serve */
};
enum srunseats_step srunseats_next(const struct srunseats *s);
void srunseats_did(struct srunseats *s, enum srunseats_step step);

enum srunseats_event {
    SRUNSEATS_OTHER, /* a line that is not ours */
    SRUNSEATS_OURS,
    SRUNSEATS_WRONG_MACHINE, /* rest: its kind */
    SRUNSEATS_WRONG_VERSION, /* rest: the agent's */
    SRUNSEATS_FAIL,          /* rest: the node's reason */
};
/* One line of a task's standard output (without its label). *ret_seat: whose; NULL: not
 * known. machine, version: those that are right. */
enum srunseats_event srunseats_line(struct srunseats *s, long task, const char *text,
                                    const char *machine, const char *version,
                                    struct srunseat **ret_seat, const char **ret_rest);
struct srunseat *srunseats_of_task(const struct srunseats *s, long task);
struct srunseat *srunseats_of_name(struct srunseats *s, const char *name);

#endif
