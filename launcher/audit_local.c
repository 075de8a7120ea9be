/* SPDX-License-Identifier: MIT */
/* audit_local.c - see audit_local.h. */
#include "launcher/audit_local.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher/libdir.h"
#include "proto/wire/auditlink.h"

#define PROGRAM "aolani-audit"

struct audit_local {
    struct auditlink *link;
    char path[PATH_MAX + 64];
};

static int check_root(const char *root, struct err *e)
{
    struct stat st;
    if (!root)
        return 0;
    if (stat(root, &st) < 0)
        return err_set(e, ERR_USAGE, "audit the machine in \"%s\": %s", root,
                       strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "audit the machine in \"%s\": it is no folder",
                       root);
    return 0;
}

int audit_local_create(struct loop *l, const char *root, audit_local_f said, void *arg,
                       struct audit_local **ret, struct err *e)
{
    char folder[PATH_MAX + 16];
    int rc = check_root(root, e);
    if (rc == 0)
        rc = libdir_find(PROGRAM, "the program that audits nodes", folder,
                         sizeof folder, e);
    if (rc < 0)
        return rc;
    struct audit_local *a = calloc(1, sizeof *a);
    if (!a)
        return err_sys(e, -ENOMEM, "audit this machine");
    (void)snprintf(a->path, sizeof a->path, "%s/" PROGRAM, folder);
    struct auditlink_config c = {.loop = l, .path = a->path, .root = root};
    rc = auditlink_create(&c, said, arg, &a->link, e);
    if (rc < 0) {
        audit_local_destroy(a);
        return rc;
    }
    *ret = a;
    return 0;
}

int audit_local_ask(struct audit_local *a, const Aolani__AuditAsk *m)
{
    return auditlink_ask(a->link, m, NULL);
}

void audit_local_destroy(struct audit_local *a)
{
    if (!a)
        return;
    auditlink_destroy(a->link);
    free(a);
}
