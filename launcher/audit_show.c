/* SPDX-License-Identifier: MIT */
/* audit_show.c - see audit_show.h. */
#include "launcher/audit_show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/wire/secure.h"

int audit_begin(struct audit *a, size_t n, struct err *e)
{
    uint8_t id[8];
    int rc = secure_init(e);
    if (rc < 0)
        return rc;
    a->nodes = calloc(n + 1, sizeof *a->nodes);
    if (!a->nodes)
        return err_sys(e, -ENOMEM, "audit %zu nodes", n);
    a->n = n;
    secure_random(id, sizeof id);
    secure_hex(id, sizeof id, a->id);
    a->t_real_s = (int64_t)(clock_real_ns() / 1000000000u);
    return 0;
}

void audit_show_progress(struct live *v, const char *what, unsigned percent,
                         uint64_t took_ms)
{
    char text[200];
    (void)snprintf(text, sizeof text, "audit: %s, %u %%, %llu s", what, percent,
                   (unsigned long long)(took_ms / 1000));
    live_status(v, text);
}
