/* SPDX-License-Identifier: MIT */
/* log - the words of a program to its user or operator, on standard error.
 *
 * Only launcher/ and agent/ log; proto/ returns errors. A line is
 * "<program>: [warning: ]<text>", without control characters. The sink can be replaced (by the status line of
 * a terminal, or to capture in tests). One thread only.
 */
#ifndef PROTO_BASE_LOG_H
#define PROTO_BASE_LOG_H

#include "proto/base/err.h"

enum log_level { LOG_ERROR_, LOG_WARN_, LOG_NOTE_, LOG_INFO_, LOG_DEBUG_ };

typedef void (*log_sink_f)(enum log_level level, const char *line, void *arg);

/* level: the last one shown; NOTE is what a user always sees, INFO is -v, DEBUG -vv.
 * program is kept by reference. sink NULL: standard error. */
void log_setup(const char *program, enum log_level level, log_sink_f sink, void *arg);
enum log_level log_level(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The answer to something that the user has just asked: shown at every level. */
void log_answer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The error's text, then its hint on a line of its own. */
void log_err(const struct err *e);

#endif
