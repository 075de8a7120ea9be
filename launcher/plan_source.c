/* SPDX-License-Identifier: MIT */
/* plan_source.c - see plan_source.h. */
#include "launcher/plan_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher/placecheck.h"
#include "launcher/run.h"
#include "proto/base/log.h"

#define ERRORS_MAX 20u /* of files, told one by one */

static int make_room(struct plan_source *p, size_t n, struct err *e)
{
    *p = (struct plan_source){.n = n};
    p->names = calloc(n + 1, sizeof *p->names);
    p->topos = calloc(n + 1, sizeof *p->topos);
    p->results = calloc(n + 1, sizeof *p->results);
    p->infos = calloc(n + 1, sizeof *p->infos);
    return p->names && p->topos && p->results && p->infos
               ? 0
               : err_sys(e, -ENOMEM, "make room for %zu nodes", n);
}

static int name_all(struct plan_source *p, char *const *names, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!(p->names[i] = strdup(names[i])))
            return err_sys(e, -ENOMEM, "name %zu nodes", p->n);
    }
    return 0;
}

/* ---- files ---- */

/* Of this node alone, where there is a folder of its name. */
static char *sysfs_of(const char *sysfs, const char *name)
{
    struct stat st;
    char *own = NULL;
    if (asprintf(&own, "%s/%s", sysfs, name) < 0)
        return NULL;
    if (stat(own, &st) == 0 && S_ISDIR(st.st_mode))
        return own;
    free(own);
    return strdup(sysfs);
}

static void tell(const struct err *e, size_t *n)
{
    if (++*n <= ERRORS_MAX)
        log_err(e);
}

static int take_result(struct plan_source *p, size_t i, const char *file, struct err *e)
{
    struct describe_result *r = &p->results[i];
    if (!r->m)
        *e = r->e;
    else if (topo_load(r->m, &p->topos[i], e) < 0)
        err_wrap(e, "read the topology \"%s\"", file);
    else
        return 0;
    return e->code = ERR_USAGE;
}

/* One file's failure is the plan's; of several each is told, then how many there were. */
static int take_results(struct plan_source *p, char *const *files, struct err *e)
{
    size_t bad = 0;
    struct err own;
    if (p->n == 1)
        return take_result(p, 0, files[0], e);
    for (size_t i = 0; i < p->n; i++) {
        if (take_result(p, i, files[i], &own) < 0)
            tell(&own, &bad);
    }
    if (bad > ERRORS_MAX)
        log_error("%zu more files cannot be used", bad - ERRORS_MAX);
    return bad == 0 ? 0
                    : err_set(e, ERR_USAGE, "%zu of %zu topologies cannot be used", bad,
                              p->n);
}

static int describe_files(struct plan_source *p, const struct strlist *files,
                          const char *sysfs, struct err *e)
{
    struct describe_input *in = calloc(p->n + 1, sizeof *in);
    char **folders = calloc(p->n + 1, sizeof *folders);
    int rc = in && folders ? 0 : -ENOMEM;
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        in[i].file = files->items[i];
        if (sysfs && !(in[i].sysfs = folders[i] = sysfs_of(sysfs, p->names[i])))
            rc = -ENOMEM;
    }
    if (rc < 0)
        err_sys(e, rc, "read %zu topologies", p->n);
    else if ((rc = describe_all(in, p->n, 0, p->results, e)) == 0)
        p->n_results = p->n;
    for (size_t i = 0; folders && i < p->n; i++)
        free(folders[i]);
    free(folders);
    free(in);
    return rc;
}

/* What is not there at all is told before anything is read. */
static int look_for(const struct strlist *files, const char *sysfs, struct err *e)
{
    struct stat st;
    size_t bad = 0;
    struct err own;
    for (size_t i = 0; i < files->n; i++) {
        if (stat(files->items[i], &st) == 0)
            continue;
        err_sys(&own, -errno, "read the topology \"%s\"", files->items[i]);
        own.code = ERR_USAGE;
        if (files->n == 1) {
            *e = own;
            return ERR_USAGE;
        }
        tell(&own, &bad);
    }
    if (bad > 0)
        return err_set(e, ERR_USAGE, "%zu of %zu topologies are not there", bad,
                       files->n);
    if (sysfs && (stat(sysfs, &st) < 0 || !S_ISDIR(st.st_mode))) {
        err_set(e, ERR_USAGE, "--sysfs \"%s\": there is no such folder", sysfs);
        return ERR_USAGE;
    }
    return 0;
}

int plan_source_files(struct plan_source *ret, const struct strlist *words,
                      const char *sysfs, struct err *e)
{
    struct plan_source p = {0};
    struct strlist files, names;
    int rc = plan_names(words, &files, &names, e);
    if (rc < 0)
        return rc;
    rc = look_for(&files, sysfs, e);
    if (rc == 0)
        rc = make_room(&p, files.n, e);
    if (rc == 0)
        rc = name_all(&p, names.items, e);
    if (rc == 0)
        rc = describe_files(&p, &files, sysfs, e);
    if (rc == 0)
        rc = take_results(&p, files.items, e);
    strlist_fini(&files);
    strlist_fini(&names);
    if (rc == 0)
        *ret = p;
    else
        plan_source_fini(&p);
    return rc > 0 ? 128 + rc : rc;
}

/* ---- this machine ---- */

int plan_source_local(struct plan_source *ret, const struct nodes *nodes,
                      const char *sysfs, struct err *e)
{
    struct plan_source p = {0};
    struct describe_input in = {.sysfs = sysfs};
    struct topo *t = NULL;
    int rc = make_room(&p, nodes->n, e);
    if (rc == 0)
        rc = name_all(&p, nodes->names, e);
    if (rc == 0 && (rc = describe_all(&in, 1, 0, p.results, e)) == 0)
        p.n_results = 1;
    if (rc == 0 && !p.results[0].m) {
        *e = p.results[0].e;
        rc = e->code = ERR_BOOT;
    }
    if (rc == 0)
        rc = topo_load(p.results[0].m, &t, e);
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        p.topos[i] = t;
    p.shared_host = true;
    if (rc == 0)
        *ret = p;
    else
        plan_source_fini(&p);
    return rc > 0 ? 128 + rc : rc;
}

/* ---- hosts ---- */

int plan_source_hosts(struct plan_source *ret, const struct spec *s,
                      struct nodes *nodes, struct err *e)
{
    struct plan_source p = {0};
    struct rlimits limits;
    int rc = make_room(&p, nodes->n, e);
    if (rc == 0) {
        run_raise_limits(nodes->backend, &limits);
        p.n_infos = p.n;
        rc = placecheck_describe(s, nodes, &limits, p.infos, e);
    }
    if (rc == 0) /* now, since a spare may have taken a place */
        rc = name_all(&p, nodes->names, e);
    for (size_t i = 0; rc == 0 && i < p.n; i++) {
        rc = topo_of_node(p.infos[i], &p.topos[i], e);
        if (rc < 0)
            err_wrap(e, "node \"%s\"", p.names[i]);
    }
    if (rc == 0)
        *ret = p;
    else
        plan_source_fini(&p);
    return rc;
}

void plan_source_fini(struct plan_source *p)
{
    for (size_t i = 0; p->topos && i < p->n; i++) {
        if (i == 0 || !p->shared_host)
            topo_destroy(p->topos[i]);
    }
    for (size_t i = 0; p->names && i < p->n; i++)
        free(p->names[i]);
    for (size_t i = 0; i < p->n_infos; i++) {
        if (p->infos[i])
            aolani__node_info__free_unpacked(p->infos[i], NULL);
    }
    describe_free(p->results, p->n_results);
    free(p->names);
    free(p->topos);
    free(p->results);
    free(p->infos);
    *p = (struct plan_source){0};
}
