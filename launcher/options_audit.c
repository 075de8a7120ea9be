/* SPDX-License-Identifier: MIT */
/* options_audit.c - the options of audit alone. */
#include "launcher/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/suggest.h"
#include "proto/wire/auditlist.h"

static int add(struct strlist *ret, const char *id, const char *who, struct err *e)
{
    struct suggest near;
    int p = audit_probe_find(id);
    if (p >= 0)
        return strlist_add(ret, audit_probe_info(p)->id) < 0
                   ? err_sys(e, -ENOMEM, "read the probes to skip")
                   : 0;
    suggest_init(&near, id);
    for (unsigned i = 0; i < AUDIT_N_PROBES; i++)
        suggest_offer(&near, audit_probe_info(i)->id);
    err_set(e, ERR_USAGE, "%s: there is no probe \"%s\"", who, id);
    return near.best ? err_hint(e, "did you mean \"%s\"?", near.best)
                     : err_hint(e, "aolani-run audit --local -v names them all");
}

/* "HV1,KP2" */
int options_audit_skip(struct strlist *ret, const char *words, const char *who,
                       struct err *e)
{
    char *copy = strdup(words), *rest = copy, *id;
    int rc = copy ? 0 : err_sys(e, -ENOMEM, "read the probes to skip");
    while (rc == 0 && (id = strsep(&rest, ", ")))
        rc = *id ? add(ret, id, who, e) : 0;
    free(copy);
    return rc;
}

int options_audit_set(struct options_audit *a, const char *name, const char *value,
                      struct err *e)
{
    if (!strcmp(name, "local"))
        a->local = true;
    else if (!strcmp(name, "root"))
        a->root = value;
    else if (!strcmp(name, "no-measure"))
        a->no_measure = true;
    else if (!strcmp(name, "no-pairs"))
        a->no_pairs = true;
    else if (!strcmp(name, "no-history"))
        a->no_history = true;
    else
        return options_audit_skip(&a->skip, value, "--skip", e);
    return 0;
}

void options_audit_fini(struct options_audit *a)
{
    strlist_fini(&a->skip);
}
