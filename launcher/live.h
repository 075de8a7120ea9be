/* SPDX-License-Identifier: MIT */
/* live - the one line at the foot of a terminal while a job runs. Rewritten at most four
 * times a second, taken away before anything else is printed; absent without a tty. */
#ifndef LAUNCHER_LIVE_H
#define LAUNCHER_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "launcher/variance/steps.h"
#include "proto/base/log.h"

struct live_slowest { /* of the rank that stands out; each may be NULL */
    const char *node, *why;
};

struct live;
struct live *live_create(
    int fd); /* inert unless fd is a tty; colour only without NO_COLOR */
void live_destroy(struct live *v);
bool live_is_active(const struct live *v);
/* Text before there are steps ("starting agents 3/4"), or the step line. */
void live_status(struct live *v, const char *text);
void live_steps(struct live *v, const struct steps_now *now,
                const struct live_slowest *slowest);
/* Ranks' output is about to go to the same terminal: the line is taken away, and comes
 * back with its next change once that output has ended a line. */
void live_give_way(struct live *v, bool ends_line);
/* Around other output to the same terminal, of whole lines. */
void live_hide(struct live *v);
void live_show(struct live *v);
/* For log_setup, with the live line as its argument: words go above the line. */
void live_log_sink(enum log_level level, const char *line, void *arg);
/* The line itself, for tests: no escape codes, at most `columns`. */
size_t live_format_steps(const struct steps_now *now,
                         const struct live_slowest *slowest, char *out, size_t len,
                         unsigned columns);

#endif
