/* SPDX-License-Identifier: MIT */
/* nodes.c - see nodes.h. */
#include "launcher/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"

static int read_hostfile(const char *path, struct hostlist *l, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_sys(e, -errno, "open host file \"%s\"", path);
    char *line = NULL;
    size_t cap = 0;
    unsigned number = 0;
    int rc = 0;
    while (rc == 0 && getline(&line, &cap, f) >= 0) {
        number++;
        line[strcspn(line, "#\r\n")] = '\0';
        char *text = line + strspn(line, " \t");
        size_t len = strlen(text);
        while (len > 0 && strchr(" \t", text[len - 1]))
            text[--len] = '\0';
        if (len == 0)
            continue;
        rc = hostlist_parse(l, text, e);
        if (rc < 0)
            rc = err_wrap(e, "%s:%u", path, number);
    }
    free(line);
    fclose(f);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One agent per host: a host named twice would get the job's ranks twice. */
static int refuse_duplicates(const struct hostlist *l, struct err *e)
{
    char **sorted = malloc(l->n * sizeof *sorted);
    if (!sorted)
        return err_sys(e, -ENOMEM, "check host names");
    memcpy(sorted, l->names, l->n * sizeof *sorted);
    qsort(sorted, l->n, sizeof *sorted, compare_names);
    int rc = 0;
    for (size_t i = 1; i < l->n && rc == 0; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            rc = err_set(e, ERR_USAGE, "host \"%s\" is named twice", sorted[i]);
    }
    free(sorted);
    return rc;
}

static int resolve_hosts(const struct spec *s, struct nodes *ret, struct err *e)
{
    struct hostlist l = {0};
    int rc = 0;
    for (size_t i = 0; i < s->nodes.hosts.n && rc == 0; i++)
        rc = hostlist_parse(&l, s->nodes.hosts.items[i], e);
    if (rc == 0 && s->nodes.hostfile)
        rc = read_hostfile(s->nodes.hostfile, &l, e);
    if (rc < 0)
        goto fail;
    if (l.n == 0) {
        rc = err_set(e, ERR_USAGE, "no hosts are given for the ssh back end");
        err_hint(e, "set [nodes] hosts or hostfile, or use --hosts");
        goto fail;
    }
    if ((rc = refuse_duplicates(&l, e)) < 0)
        goto fail;
    size_t want = s->nodes.count > 0 ? (size_t)s->nodes.count : l.n;
    if (want > l.n) {
        rc = err_set(e, ERR_USAGE, "the job asks for %zu nodes, the host list has %zu",
                     want, l.n);
        goto fail;
    }
    if (want > LIMIT_NODES) {
        rc = err_set(e, ERR_USAGE, "%zu nodes are more than the %u that one head serves",
                     want, LIMIT_NODES);
        goto fail;
    }
    for (size_t i = want; i < l.n; i++)
        free(l.names[i]);
    *ret = (struct nodes){.backend = BACKEND_SSH, .names = l.names, .n = want};
    return 0;
fail:
    hostlist_fini(&l);
    return rc;
}

static int resolve_local(const struct spec *s, struct nodes *ret, struct err *e)
{
    size_t n = s->local.nodes > 0 ? (size_t)s->local.nodes : 1;
    struct nodes made = {.backend = BACKEND_LOCAL};
    made.names = calloc(n, sizeof *made.names);
    if (!made.names)
        return err_sys(e, -ENOMEM, "name the local nodes");
    for (; made.n < n; made.n++) {
        if (asprintf(&made.names[made.n], "local%zu", made.n) < 0) {
            made.names[made.n] = NULL;
            nodes_fini(&made);
            return err_sys(e, -ENOMEM, "name the local nodes");
        }
    }
    *ret = made;
    return 0;
}

int nodes_resolve(const struct spec *s, struct nodes *ret, struct err *e)
{
    enum spec_backend backend = s->nodes.backend;
    if (backend == BACKEND_AUTO)
        backend = s->nodes.hosts.n || s->nodes.hostfile ? BACKEND_SSH : BACKEND_LOCAL;
    if (backend == BACKEND_SSH)
        return resolve_hosts(s, ret, e);
    if (backend == BACKEND_LOCAL)
        return resolve_local(s, ret, e);
    err_set(e, ERR_USAGE, "the slurm back end is not in this version");
    return err_hint(e, "inside an allocation, give the hosts: --hosts \"$SLURM_NODELIST\"");
}

void nodes_fini(struct nodes *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->names[i]);
    free(n->names);
    *n = (struct nodes){0};
}
