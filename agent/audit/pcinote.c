/* SPDX-License-Identifier: MIT */
/* pcinote.c - see pcinote.h. */
#include "agent/audit/pcinote.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PCINOTE_MORE 24u /* room for " and 4294967295 more" */

void pcinote_add(struct pcinote *p, const char *fmt, ...)
{
    size_t len = strlen(p->text), room = sizeof p->text - PCINOTE_MORE;
    va_list ap;
    if (p->n++ >= PCINOTE_SHOWN || len + 2 >= room)
        return;
    if (len) {
        memcpy(p->text + len, ", ", 3);
        len += 2;
    }
    va_start(ap, fmt);
    (void)vsnprintf(p->text + len, room - len, fmt, ap);
    va_end(ap);
}

const char *pcinote_text(struct pcinote *p)
{
    size_t len = strlen(p->text);
    if (p->n > PCINOTE_SHOWN && !p->ended)
        (void)snprintf(p->text + len, sizeof p->text - len, " and %u more",
                       p->n - PCINOTE_SHOWN);
    p->ended = true;
    return p->text;
}
