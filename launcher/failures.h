/* SPDX-License-Identifier: MIT */
/* failures - what went wrong on many nodes, in one line: "gpu[003,007]: connection
 * refused; gpu009: no answer from the node within 13 s". Pure. */
#ifndef LAUNCHER_FAILURES_H
#define LAUNCHER_FAILURES_H

#include <stddef.h>

struct failure {
    const char *name;  /* of the host, as typed */
    const char *error; /* its own name in it does not keep two failures apart */
    const char *hint;  /* or "" */
};

/* Whatever there is fits into len bytes (at least 200): names and kinds of failure that do
 * not are counted. */
void failures_format(const struct failure *all, size_t n, char *text, size_t len);
/* Each kind of failure by itself: the folded names of whom it concerns, and the words. */
void failures_each(const struct failure *all, size_t n,
                   void (*each)(void *arg, const char *names, const char *error,
                                const char *hint),
                   void *arg);

#endif
