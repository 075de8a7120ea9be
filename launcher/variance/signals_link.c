/* SPDX-License-Identifier: MIT */
/* signals_link.c - PCI links that changed: they stay so until they change back, for a link
 * that trained down is news once and slow ever after. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/signals_impl.h"

void *signals_one_more(void *items, size_t n, size_t size)
{
    return n & (n - 1) ? items : realloc(items, (n ? 2 * n : 1) * size);
}

int signals_locate(struct signals *s, uint32_t node, const char *device,
                   const char *bus_id)
{
    struct node_signals *n = node < s->n_nodes ? signals_of_node(s, node) : NULL;
    if (!n)
        return node < s->n_nodes ? -ENOMEM : -EINVAL;
    if (n->n_devices == LIMIT_SIGNALS_GPUS + LIMIT_SIGNALS_PORTS)
        return ERR_LIMIT;
    struct device_known *more =
        signals_one_more(n->devices, n->n_devices, sizeof *more);
    if (!more)
        return -ENOMEM;
    n->devices = more;
    struct device_known d = {strdup(device), strdup(bus_id)};
    if (!d.name || !d.bus) {
        free(d.name);
        free(d.bus);
        return -ENOMEM;
    }
    n->devices[n->n_devices++] = d;
    return 0;
}

static double number_in(const char *text)
{
    return strtod(text + strcspn(text, "0123456789"), NULL);
}

/* Of the same link, width and speed apart. */
static struct link_changed *link_find(struct node_signals *n, const char *bus,
                                      const char *was)
{
    for (size_t i = 0; i < n->n_links; i++) {
        struct link_changed *l = &n->links[i];
        if (strcmp(l->bus, bus) == 0 && (l->was[0] == 'x') == (was[0] == 'x'))
            return l;
    }
    return NULL;
}

void signals_take_link(struct node_signals *n, const char *text, uint64_t since_ns)
{
    char bus[LIMIT_DEVICE_NAME + 1], was[LIMIT_DEVICE_NAME + 1],
        now[LIMIT_DEVICE_NAME + 1];
    if (!signals_read_link(text, bus, was, now))
        return;
    struct link_changed *l = link_find(n, bus, was);
    if (!l) {
        struct link_changed *more =
            n->n_links == SIGNALS_LINKS
                ? NULL
                : signals_one_more(n->links, n->n_links, sizeof *more);
        if (!more)
            return;
        n->links = more;
        l = &n->links[n->n_links++];
        *l = (struct link_changed){.since_ns = since_ns};
        memcpy(l->bus, bus, sizeof l->bus);
        memcpy(l->was, was, sizeof l->was);
    }
    if (number_in(now) >= number_in(l->was)) {
        *l = n->links[--n->n_links];
        return;
    }
    snprintf(l->text, sizeof l->text, "%s %s -> %s", l->bus, l->was, now);
}
