/* SPDX-License-Identifier: MIT */
/* network_ports.c - see network_ports.h. */
#include "agent/audit/network_ports.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/busid.h"

/* "4: ACTIVE" */
static int numbered(const struct machine *m, const char *path)
{
    char text[64], *end;
    if (machine_line(m, path, text, sizeof text) < 0)
        return -1;
    long v = strtol(text, &end, 10);
    return end == text || v < 0 || v > 100 ? -1 : (int)v;
}

const char *network_port_path(const struct network_port *p, const char *below,
                              char ret[MACHINE_PATH])
{
    (void)snprintf(ret, MACHINE_PATH, NETWORK_HCAS "/%s/ports/%s/%s", p->hca, p->name,
                   below);
    return ret;
}

bool network_port_is_up(const struct network_port *p)
{
    return p->state == 4 || p->state == 5; /* 5: is being recovered, and carries on */
}

static void read_model(const struct machine *m, struct network_port *p)
{
    char path[MACHINE_PATH], vendor[16], device[16];
    (void)snprintf(path, sizeof path, NETWORK_HCAS "/%s/device/vendor", p->hca);
    if (machine_line(m, path, vendor, sizeof vendor) < 0)
        return;
    (void)snprintf(path, sizeof path, NETWORK_HCAS "/%s/device/device", p->hca);
    if (machine_line(m, path, device, sizeof device) == 0)
        (void)snprintf(p->model, sizeof p->model, "%s:%s", vendor, device);
}

/* The ports of one card may be HCAs of their own: 0000:18:00.0 and 0000:18:00.1. */
static void read_card(const struct machine *m, struct network_port *p)
{
    char path[MACHINE_PATH], real[MACHINE_PATH];
    uint64_t number;
    (void)snprintf(path, sizeof path, NETWORK_HCAS "/%s/device", p->hca);
    if (machine_real(m, path, real, sizeof real) < 0)
        return;
    const char *bdf = strrchr(real, '/'), *dot = bdf ? strrchr(bdf, '.') : NULL;
    if (dot && busid_read(bdf + 1, &number))
        (void)snprintf(p->card, sizeof p->card, "%.*s", (int)(dot - bdf - 1), bdf + 1);
}

static void read_port(const struct machine *m, struct network_port *p)
{
    char path[MACHINE_PATH], layer[32] = "";
    p->state = numbered(m, network_port_path(p, "state", path));
    p->phys = numbered(m, network_port_path(p, "phys_state", path));
    if (machine_line(m, network_port_path(p, "rate", path), p->rate, sizeof p->rate) <
        0)
        p->rate[0] = '\0';
    p->gbits = strtod(p->rate, NULL);
    (void)machine_line(m, network_port_path(p, "link_layer", path), layer,
                       sizeof layer);
    p->layer = !strcmp(layer, "InfiniBand") ? NETWORK_IB
               : !strcmp(layer, "Ethernet") ? NETWORK_ROCE
                                            : NETWORK_OTHER;
    read_model(m, p);
    read_card(m, p);
}

static void add_hca(const struct machine *m, const char *hca, struct network_ports *ret)
{
    char path[MACHINE_PATH], **names;
    (void)snprintf(path, sizeof path, NETWORK_HCAS "/%s/ports", hca);
    int n = machine_list(m, path, &names);
    for (int i = 0; i < n && ret->n < NETWORK_PORTS_MOST; i++) {
        struct network_port *p = &ret->all[ret->n];
        if (strlen(hca) >= NETWORK_NAME || strlen(names[i]) >= NETWORK_NAME)
            continue;
        *p = (struct network_port){.state = -1};
        memcpy(p->hca, hca, strlen(hca) + 1);
        memcpy(p->name, names[i], strlen(names[i]) + 1);
        read_port(m, p);
        ret->n++;
    }
    machine_free_names(names, n);
}

void network_ports_read(const struct machine *m, struct network_ports *ret)
{
    char **names;
    *ret = (struct network_ports){0};
    int n = machine_list(m, NETWORK_HCAS, &names);
    ret->error = n < 0 ? n : 0;
    ret->all = n > 0 ? calloc(NETWORK_PORTS_MOST, sizeof *ret->all) : NULL;
    ret->memory = n > 0 && !ret->all;
    for (int i = 0; ret->all && i < n; i++)
        add_hca(m, names[i], ret);
    machine_free_names(names, n);
}

void network_ports_fini(struct network_ports *p)
{
    free(p->all);
    *p = (struct network_ports){0};
}

void network_say(struct network_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->s + t->len, sizeof t->s - t->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len +=
            (size_t)n < sizeof t->s - t->len ? (size_t)n : sizeof t->s - 1 - t->len;
}

bool network_none(const struct network_ports *p, enum audit_probe id,
                  struct findings *f)
{
    if (p->n > 0)
        return false;
    if (p->error && p->error != -ENOENT) {
        found(f, id, AUDIT_UNKNOWN, NETWORK_HCAS, "cannot be read: %s",
              strerror(-p->error));
        found_more(f, "root");
    } else if (p->memory) {
        found(f, id, AUDIT_UNKNOWN, NETWORK_HCAS, "not read: not enough memory");
    } else {
        found(f, id, AUDIT_UNKNOWN, NETWORK_HCAS, "there is no HCA here");
    }
    return true;
}
