/* SPDX-License-Identifier: MIT */
/* describe.c - see describe.h. hwloc gives the tree, /sys what hwloc does not say. */
#include "agent/describe/describe.h"

#include "agent/describe/gpuorder.h"
#include "agent/describe/gpusys.h"
#include "agent/describe/msg.h"
#include "agent/describe/nicfacts.h"
#include "agent/describe/sysfs.h"
#include "agent/describe/walk.h"
#include "agent/describe/xmlfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool describe_is_live(const struct describe_from *from)
{
    return !from->xml && !from->root;
}

/* Where it comes from, as people say it. */
static int describe_set_source(Aolani__Topology *t, const struct describe_from *from)
{
    if (from->xml)
        return msg_format(&t->source, "xml %s", from->xml);
    if (from->root)
        return msg_format(&t->source, "root %s", from->root);
    return msg_format(&t->source, "live");
}

static int describe_check_folder(const char *path, struct err *e)
{
    struct stat st;
    if (path && stat(path, &st) < 0)
        return err_sys(e, -errno, "read the folder \"%s\"", path);
    return path && !S_ISDIR(st.st_mode)
               ? err_sys(e, -ENOTDIR, "read the folder \"%s\"", path)
               : 0;
}

static int describe_devices(struct walk *w, struct err *e)
{
    Aolani__Topology *t = w->t;
    int rc;
    if ((rc = walk_devices(w)) == 0 && w->sysfs &&
        (rc = sysfs_read_links(w->sysfs, t)) == 0 &&
        (rc = nicfacts_read_sysfs(w->sysfs, t)) == 0)
        rc = gpusys_read(w->sysfs, t);
    gpuorder_sort(t);
    nicfacts_sort(t);
    return rc < 0 ? err_sys(e, rc, "describe the devices") : 0;
}

/* What was attempted, before why it failed. */
static int describe_wrap(const struct describe_from *from, struct err *e)
{
    const char *path = from->xml ? from->xml : from->root;
    return path ? err_wrap(e, "read the topology \"%s\"", path)
                : err_wrap(e, "read the topology of this node");
}

static int describe_walk(struct walk *w, const struct describe_from *from,
                         struct buf *xml, struct err *e)
{
    int rc;
    if ((rc = describe_check_folder(from->root, e)) < 0 ||
        (rc = describe_check_folder(from->sysfs, e)) < 0)
        return rc;
    if ((from->xml && (rc = xmlfile_read(from->xml, xml, e)) < 0) ||
        (rc = walk_load(w, (char *)xml->data, xml->len, from->root, e)) < 0)
        return describe_wrap(from, e);
    if ((rc = walk_cpus(w)) < 0)
        return err_sys(e, rc, "describe the processors");
    if (w->t->n_cores == 0) {
        (void)err_set(e, ERR_PARSE, "no CPU of it may be used");
        (void)err_hint(e,
                       "a cgroup, or whoever wrote the file, has cut all of them off");
        return describe_wrap(from, e);
    }
    return describe_devices(w, e);
}

static int describe_fail(Aolani__Topology *t, const struct err *e)
{
    int rc = msg_format(&t->error, "%s", e->text);
    return rc < 0 ? rc : msg_format(&t->hint, "%s", e->hint);
}

Aolani__Topology *describe(const struct describe_from *from)
{
    struct walk w = {.live = describe_is_live(from)};
    char sysfs[PATH_MAX];
    struct buf xml = {0};
    struct err e = {0};
    w.t = malloc(sizeof *w.t);
    if (!w.t)
        return NULL;
    aolani__topology__init(w.t);
    (void)snprintf(sysfs, sizeof sysfs, "%s/sys", from->root ? from->root : "");
    w.sysfs = from->sysfs ? from->sysfs : from->xml ? NULL : sysfs;
    int rc = describe_set_source(w.t, from);
    if (rc == 0 && describe_walk(&w, from, &xml, &e) < 0)
        rc = describe_fail(w.t, &e);
    walk_unload(&w);
    buf_fini(&xml);
    if (rc == 0)
        return w.t;
    aolani__topology__free_unpacked(w.t, NULL);
    return NULL;
}
