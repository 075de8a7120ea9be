/* SPDX-License-Identifier: MIT */
/* shared - what the ranks of the emulator and the injector have in common: a page of shared
 * memory, the schedule (what is done to whom, and when) and the oracle (what was done). */
#ifndef TESTS_SCORE_SHARED_H
#define TESTS_SCORE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCORE_RANKS  64u
#define SCORE_EVENTS 4096u
#define SCORE_PATH   512u

/* A file of this size, zeroed by the driver before anything starts. */
struct shared {
    _Atomic uint32_t arrived, turn; /* the barrier; turn is waited for */
    _Atomic uint32_t started;       /* 1: t0_ns is there; waited for */
    _Atomic uint32_t over;          /* a rank has ended */
    _Atomic uint64_t t0_ns;         /* CLOCK_MONOTONIC of the schedule's 0 */
    _Atomic int32_t pid[SCORE_RANKS];
};

enum what {
    WHAT_STOP,
    WHAT_BLOCKED,
    WHAT_WORK,
    WHAT_HOG,
    WHAT_QUOTA,
    WHAT_FAULTS,
    WHAT_N
};

struct event { /* a line of the schedule: "at_us what rank size_us" */
    uint64_t at_us, size_us;
    uint32_t rank;
    enum what what;
};
/* What was done: from and to are CLOCK_MONOTONIC. size: what the rank lost by it, as far as
 * whoever did it can know. */
struct done {
    uint64_t from_ns, to_ns;
    double size_us;
    uint32_t rank;
    enum what what;
};

/* These say on stderr what was attempted and end the process where they fail. */
struct shared *shared_map(const char *path);
size_t schedule_read(const char *path, struct event ret[SCORE_EVENTS]);
/* "PREFIX.NAME" gets a line "from_ns to_ns what rank size_us" for each. */
void oracle_write(const char *prefix, const char *name, const struct done *d, size_t n);
void die(const char *what, const char *object);

uint64_t now_ns(void);
uint64_t cpu_ns(void); /* of the calling thread */
void sleep_until(uint64_t at_ns);
/* While *word is `value`; may return early. */
void wait_while(_Atomic uint32_t *word, uint32_t value);
void wake_all(_Atomic uint32_t *word);

#endif
