/* SPDX-License-Identifier: MIT */
/* nodesignals_links.c - see nodesignals_links.h. */
#include "agent/nodesignals_links.h"

#include "agent/proc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_WORDS 32 /* "32.0 GT/s", "16" */

struct link {
    char bus_id[32];
    bool with_speed;
    char width[LINK_WORDS], speed[LINK_WORDS]; /* "": not known */
};

struct nodesignals_links {
    char *sys;
    struct link links[LIMIT_GPUS + LIMIT_NICS];
    size_t n;
};

/* A number with its unit at most: "32.0 GT/s PCIe" is "32.0 GT/s". Links that are down or
 * of a kind the kernel does not know ("0", "Unknown") are not known. */
static bool link_read(const char *sys, const char *bus_id, const char *what,
                      char ret[LINK_WORDS])
{
    char path[PATH_MAX], text[64];
    int n = snprintf(path, sizeof path, "%s/bus/pci/devices/%s/current_link_%s", sys,
                     bus_id, what);
    if (n < 0 || (size_t)n >= sizeof path ||
        proc_read_file(path, text, sizeof text) <= 0 || text[0] < '1' || text[0] > '9')
        return false;
    size_t len = strspn(text, "0123456789.");
    if (strncmp(text + len, " GT/s", 5) == 0)
        len += 5;
    if (len >= LINK_WORDS || strncmp(text, "255", 3) == 0)
        return false;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return true;
}

static void link_compare(const struct link *l, char was[LINK_WORDS],
                         const char now[LINK_WORDS], const char *prefix,
                         struct nodesignals_sum *ret)
{
    char text[LIMIT_DEVICE_NAME];
    if (was[0] && strcmp(was, now) != 0) {
        (void)snprintf(text, sizeof text, "%s %s%s -> %s%s", l->bus_id, prefix, was,
                       prefix, now);
        if (nodesignals_sum_link(ret, text) < 0)
            return; /* it is still news the next time */
    }
    memcpy(was, now, LINK_WORDS);
}

void nodesignals_links_look(struct nodesignals_links *s, struct nodesignals_sum *ret)
{
    char now[LINK_WORDS];
    for (size_t i = 0; i < s->n; i++) {
        struct link *l = &s->links[i];
        if (link_read(s->sys, l->bus_id, "width", now))
            link_compare(l, l->width, now, "x", ret);
        if (l->with_speed && link_read(s->sys, l->bus_id, "speed", now))
            link_compare(l, l->speed, now, "", ret);
    }
}

/* ---- which ---- */

/* An address and nothing else: it becomes a part of a path. */
static void links_add(struct nodesignals_links *s, const char *bus_id, bool with_speed)
{
    struct link *l = &s->links[s->n];
    if (s->n == sizeof s->links / sizeof *s->links || !bus_id[0] ||
        strlen(bus_id) >= sizeof l->bus_id ||
        strspn(bus_id, "0123456789abcdef:.") != strlen(bus_id) || bus_id[0] == '.')
        return;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->links[i].bus_id, bus_id) == 0)
            return;
    (void)snprintf(l->bus_id, sizeof l->bus_id, "%s", bus_id);
    l->with_speed = with_speed;
    s->n++;
}

static bool links_plan_has_gpu(const Aolani__Prepare *plan, const char *uuid)
{
    for (size_t i = 0; i < plan->n_ranks; i++)
        for (size_t k = 0; k < plan->ranks[i]->n_gpus; k++)
            if (strcmp(plan->ranks[i]->gpus[k], uuid) == 0)
                return true;
    return false;
}

static bool links_plan_has_nic(const Aolani__Prepare *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_ranks; i++)
        if (strcmp(plan->ranks[i]->nic, name) == 0)
            return true;
    return false;
}

int nodesignals_links_create(const char *sys, const Aolani__Topology *topology,
                             const Aolani__Prepare *plan,
                             struct nodesignals_links **ret)
{
    struct nodesignals_links *s = calloc(1, sizeof *s);
    if (!s || !(s->sys = strdup(sys))) {
        nodesignals_links_destroy(s);
        return -ENOMEM;
    }
    for (size_t i = 0; topology && i < topology->n_gpus; i++)
        if (links_plan_has_gpu(plan, topology->gpus[i]->uuid))
            links_add(s, topology->gpus[i]->bus_id, false);
    for (size_t i = 0; topology && i < topology->n_nics; i++)
        if (links_plan_has_nic(plan, topology->nics[i]->name))
            links_add(s, topology->nics[i]->bus_id, true);
    *ret = s;
    return 0;
}

void nodesignals_links_destroy(struct nodesignals_links *s)
{
    if (!s)
        return;
    free(s->sys);
    free(s);
}
