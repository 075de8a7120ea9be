/* SPDX-License-Identifier: MIT */
/* pcinote - what is to be said of several things at once: the first few of them, and how
 * many more there are, so that evidence stays short on any machine. */
#ifndef AGENT_AUDIT_PCINOTE_H
#define AGENT_AUDIT_PCINOTE_H

#include <stdbool.h>

#define PCINOTE_SHOWN 4u

struct pcinote { /* zeroed: empty */
    char text[320];
    unsigned n;
    bool ended; /* the text says how many more there are */
};

void pcinote_add(struct pcinote *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "a, b, c, d and 4 more"; nothing is added afterwards. */
const char *pcinote_text(struct pcinote *p);

#endif
