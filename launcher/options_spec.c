/* SPDX-License-Identifier: MIT */
/* options_spec.c - from the command line to the job's spec, with words to the user. */
#include "launcher/options.h"

#include <stdio.h>

int options_load_spec(const struct options *o, struct spec **ret, struct err *e)
{
    struct buf diag;
    struct spec *s = NULL;
    buf_init(&diag, 1 << 20);
    int rc = spec_load(o->path, o->site, o->flags, o->n_flags, o->extra, &s, &diag, e);
    if (diag.len)
        fwrite(diag.data, 1, diag.len, stderr);
    buf_fini(&diag);
    if (rc)
        return rc;
    s->label = o->label;
    s->stdin_rank = o->stdin_rank;
    for (size_t i = 0; i < s->notes.n; i++)
        log_warn("%s", s->notes.items[i]);
    *ret = s;
    return 0;
}
