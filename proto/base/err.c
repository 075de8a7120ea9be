/* SPDX-License-Identifier: MIT */
/* err.c - see err.h. */
#include "proto/base/err.h"

#include <stdio.h>
#include <string.h>

int err_vset(struct err *e, int code, const char *fmt, va_list ap)
{
    if (e) {
        e->code = code;
        e->hint[0] = '\0';
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    }
    return code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(e, code, fmt, ap);
    va_end(ap);
    return code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(e, code, fmt, ap);
    va_end(ap);
    if (e) {
        size_t n = strlen(e->text);
        (void)snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(-code));
    }
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    char old[sizeof e->text];
    memcpy(old, e->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    size_t n = strlen(e->text);
    (void)snprintf(e->text + n, sizeof e->text - n, ": %s", old);
    return e->code;
}

int err_hint(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
    return e->code;
}

int err_exit_status(int code)
{
    static const struct {
        int code, status;
    } table[] = {
        {0, 0},
        {ERR_USAGE, 2},
        {ERR_BOOT, 80},
        {ERR_NODE_LOST, 81},
        {ERR_REFUSED, 82},
        {ERR_BIND, 83},
        {ERR_HANG, 84},
        {ERR_UNCLEAN, 85},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].code == code)
            return table[i].status;
    }
    return 1;
}
