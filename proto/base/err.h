/* SPDX-License-Identifier: MIT */
/* err - a failure in one caller-owned object; setting it never allocates.
 *
 * A function that can fail returns 0 (or a documented positive value) or a
 * negative code: a negated errno, or one of enum err_code below. A function that
 * a user can provoke to fail takes `struct err *e` last; e may be NULL. Output
 * parameters are untouched on failure. Text says what was attempted, the object
 * in quotes, then why: lower case, no full stop. The hint says the way out.
 */
#ifndef PROTO_BASE_ERR_H
#define PROTO_BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_USAGE = -10001,     /* command line or job file: exit status 2 */
    ERR_BOOT = -10002,      /* agents could not start: 80 */
    ERR_NODE_LOST = -10003, /* 81 */
    ERR_REFUSED = -10004,   /* audit or preflight refused: 82 */
    ERR_BIND = -10005,      /* binding impossible: 83 */
    ERR_HANG = -10006,      /* 84 */
    ERR_UNCLEAN = -10007,   /* teardown not clean: 85 */
    ERR_PROTO = -10008,     /* a peer broke the protocol */
    ERR_AUTH = -10009,      /* a peer could not prove who it is */
    ERR_LIMIT = -10010,     /* a bound of limits.h was met */
    ERR_PARSE = -10011,     /* text or bytes from outside do not parse */
};

struct err {
    int code;
    char text[480];
    char hint[240]; /* "" when there is none */
};

/* Set code and text, clear the hint; returns code, so that a failure is one line. */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *e, int code, const char *fmt, va_list ap);

/* As err_set, with ": <strerror(-code)>" added; code is a negated errno. */
int err_sys(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "<fmt>: " before the text; returns e's code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Add the way out; returns e's code. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The exit status of aolani-run for a code (1 for any not listed above). */
int err_exit_status(int code);

#endif
