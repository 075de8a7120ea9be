/* SPDX-License-Identifier: MIT */
/* network.c - is the network stack one's own? What the kernel says of the ports of HCAs:
 * links, RoCE addresses, and who manages the subnet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/network_ports.h"

#define PHYS_UP   5
#define SUMMARIES 16u

/* Ports that should be alike: of the same model, on the same kind of link. */
static double best_of_kind(const struct network_ports *ps, const struct network_port *p)
{
    double best = 0;
    for (size_t i = 0; i < ps->n; i++) {
        const struct network_port *o = &ps->all[i];
        bool alike = o->layer == p->layer && !strcmp(o->model, p->model);
        if (alike && network_port_is_up(o) && o->gbits > best)
            best = o->gbits;
    }
    return best;
}

/* A second port without a cable is usual; a card that has no port at work is not. */
static bool card_is_up(const struct network_ports *ps, const struct network_port *p)
{
    for (size_t i = 0; i < ps->n; i++) {
        const struct network_port *o = &ps->all[i];
        bool same = !strcmp(o->hca, p->hca) || (*p->card && !strcmp(o->card, p->card));
        if (same && network_port_is_up(o))
            return true;
    }
    return false;
}

static const char *word_of(const struct network_port *p)
{
    static const char *const words[] = {"unchanged", "down",   "without subnet manager",
                                        "armed",     "active", "recovering"};
    if (p->state < 0 || p->state > 5)
        return "in a state not known";
    return words[p->state];
}

static enum audit_verdict judge_port(const struct network_ports *ps,
                                     const struct network_port *p,
                                     struct network_text *t)
{
    const char *sep = t->len ? ", " : "";
    if (p->state < 0) {
        network_say(t, "%s%s port %s does not say its state", sep, p->hca, p->name);
        return AUDIT_UNKNOWN;
    }
    if (!network_port_is_up(p)) {
        network_say(t, "%s%s port %s %s", sep, p->hca, p->name, word_of(p));
        return card_is_up(ps, p) && p->state == 1 ? AUDIT_PASS : AUDIT_FAIL;
    }
    double best = best_of_kind(ps, p);
    if (p->gbits > 0 && p->gbits < best) {
        network_say(t, "%s%s port %s %s where others have %.0f Gb/s", sep, p->hca,
                    p->name, p->rate, best);
        return AUDIT_FAIL;
    }
    if (p->phys >= 0 && p->phys != PHYS_UP) {
        network_say(t, "%s%s port %s active without a link (%d)", sep, p->hca, p->name,
                    p->phys);
        return AUDIT_FAIL;
    }
    return AUDIT_PASS;
}

static const char *layer_name(enum network_layer l)
{
    static const char *const names[] = {"other", "InfiniBand", "Ethernet"};
    return names[l];
}

static bool is_same(const struct network_port *a, const struct network_port *b)
{
    return a->layer == b->layer && !strcmp(a->rate, b->rate);
}

/* "8 x 400 Gb/sec (4X NDR) InfiniBand, 2 x 100 Gb/sec (4X EDR) Ethernet", of those up. */
static void summarize(const struct network_ports *ps, struct network_text *t)
{
    const struct network_port *kinds[SUMMARIES];
    size_t n = 0;
    for (size_t i = 0; i < ps->n && n < SUMMARIES; i++) {
        const struct network_port *p = &ps->all[i];
        size_t k = 0, alike = 0;
        while (k < n && !is_same(kinds[k], p))
            k++;
        if (k < n || !network_port_is_up(p))
            continue;
        kinds[n++] = p;
        for (size_t j = i; j < ps->n; j++)
            alike += network_port_is_up(&ps->all[j]) && is_same(&ps->all[j], p);
        network_say(t, "%s%zu x %s %s", t->len ? ", " : "", alike,
                    p->rate[0] ? p->rate : "unknown rate", layer_name(p->layer));
    }
}

static void look_ports(const struct network_ports *ps, struct findings *f)
{
    struct network_text wrong = {0}, sum = {0};
    enum audit_verdict v = AUDIT_PASS;
    bool unknown = false;
    if (network_none(ps, AUDIT_NW1, f))
        return;
    for (size_t i = 0; i < ps->n; i++) {
        enum audit_verdict one = judge_port(ps, &ps->all[i], &wrong);
        unknown |= one == AUDIT_UNKNOWN;
        v = one > v ? one : v;
    }
    summarize(ps, &sum);
    if (v == AUDIT_PASS && unknown)
        v = AUDIT_UNKNOWN;
    found(f, AUDIT_NW1, v, NETWORK_HCAS "/*/ports/*/{state,phys_state,rate}", "%s%s%s",
          v == AUDIT_FAIL ? wrong.s : sum.s, wrong.len && sum.len ? "; " : "",
          v == AUDIT_FAIL ? sum.s : wrong.s);
    if (v == AUDIT_UNKNOWN)
        found_more(f, "root");
    if (sum.len)
        found_value(f, "%s", sum.s);
}

/* An entry that is not in use fails to be read: EINVAL. */
static bool is_v2_ipv4(const struct machine *m, const struct network_port *p,
                       const char *index)
{
    char below[96], path[MACHINE_PATH], text[64];
    static const char mapped[] = "0000:0000:0000:0000:0000:ffff:";
    (void)snprintf(below, sizeof below, "gid_attrs/types/%.60s", index);
    if (machine_line(m, network_port_path(p, below, path), text, sizeof text) < 0 ||
        strcmp(text, "RoCE v2") != 0)
        return false;
    (void)snprintf(below, sizeof below, "gids/%.60s", index);
    return machine_line(m, network_port_path(p, below, path), text, sizeof text) == 0 &&
           !strncmp(text, mapped, sizeof mapped - 1);
}

/* The least index of such an address; -1: none; else -errno less 1. */
static int find_v2_ipv4(const struct machine *m, const struct network_port *p)
{
    char path[MACHINE_PATH], **names;
    int n = machine_list(m, network_port_path(p, "gid_attrs/types", path), &names);
    int least = -1;
    for (int i = 0; i < n; i++) {
        int index = atoi(names[i]);
        if ((least < 0 || index < least) && is_v2_ipv4(m, p, names[i]))
            least = index;
    }
    machine_free_names(names, n);
    return n < 0 ? n - 1 : least;
}

static void look_addresses(const struct machine *m, const struct network_ports *ps,
                           struct findings *f)
{
    struct network_text without = {0}, hidden = {0}, with = {0};
    const char *source = NETWORK_HCAS "/*/ports/*/gid_attrs";
    if (network_none(ps, AUDIT_NW2, f))
        return;
    for (size_t i = 0; i < ps->n; i++) {
        const struct network_port *p = &ps->all[i];
        if (p->layer != NETWORK_ROCE || !network_port_is_up(p))
            continue;
        int index = find_v2_ipv4(m, p);
        struct network_text *t = index >= 0 ? &with : index == -1 ? &without : &hidden;
        network_say(t, "%s%s port %s", t->len ? ", " : "", p->hca, p->name);
        if (index >= 0)
            network_say(t, " index %d", index);
    }
    if (without.len)
        found(f, AUDIT_NW2, AUDIT_FAIL, source, "no RoCE v2 address with IPv4: %s",
              without.s);
    else if (hidden.len)
        found(f, AUDIT_NW2, AUDIT_UNKNOWN, source, "addresses cannot be read: %s",
              hidden.s);
    else if (with.len)
        found(f, AUDIT_NW2, AUDIT_PASS, source, "RoCE v2 with IPv4: %s", with.s);
    else
        found(f, AUDIT_NW2, AUDIT_PASS, source,
              "no RoCE port is at work: none is needed");
    if (!without.len && hidden.len)
        found_more(f, "root");
    if (with.len)
        found_value(f, "%s", with.s);
}

/* 1: a subnet manager, or counters of congestion control. 0: not; negative: cannot tell. */
static int is_managed(const struct machine *m, const struct network_port *p)
{
    char path[MACHINE_PATH], text[32];
    int64_t lid;
    if (p->layer == NETWORK_IB) {
        int rc = machine_int(m, network_port_path(p, "sm_lid", path), &lid);
        return rc < 0 ? rc : lid != 0;
    }
    int np = machine_line(m, network_port_path(p, "hw_counters/np_cnp_sent", path),
                          text, sizeof text);
    int rp = machine_line(m, network_port_path(p, "hw_counters/rp_cnp_handled", path),
                          text, sizeof text);
    return np < 0 ? np : rp < 0 ? rp : 1;
}

static void look_management(const struct machine *m, const struct network_ports *ps,
                            struct findings *f)
{
    struct network_text no = {0}, yes = {0}, hidden = {0};
    const char *source = NETWORK_HCAS "/*/ports/*/{sm_lid,hw_counters}";
    if (network_none(ps, AUDIT_NW6, f))
        return;
    for (size_t i = 0; i < ps->n; i++) {
        const struct network_port *p = &ps->all[i];
        bool asked =
            p->layer == NETWORK_IB ? p->phys == PHYS_UP : network_port_is_up(p);
        if (!asked || p->layer == NETWORK_OTHER)
            continue;
        int is = is_managed(m, p);
        struct network_text *t = is > 0 ? &yes : is == 0 ? &no : &hidden;
        network_say(t, "%s%s port %s", t->len ? ", " : "", p->hca, p->name);
        if (is > 0)
            network_say(t, p->layer == NETWORK_IB ? " has a subnet manager"
                                                  : " counts congestion");
    }
    if (no.len)
        found(f, AUDIT_NW6, AUDIT_FAIL, source, "no subnet manager: %s", no.s);
    else if (hidden.len)
        found(f, AUDIT_NW6, AUDIT_UNKNOWN, source, "neither is shown: %s", hidden.s);
    else if (yes.len)
        found(f, AUDIT_NW6, AUDIT_PASS, source, "%s", yes.s);
    else
        found(f, AUDIT_NW6, AUDIT_UNKNOWN, source, "no port is at work");
    if (!no.len && hidden.len)
        found_more(f, "root, or a driver that counts congestion");
}

void look_network(const struct machine *m, struct findings *f)
{
    struct network_ports ports;
    network_ports_read(m, &ports);
    look_ports(&ports, f);
    look_addresses(m, &ports, f);
    network_look_gpudirect(m, &ports, f);
    network_look_nics(m, f);
    network_look_access(m, &ports, f);
    look_management(m, &ports, f);
    network_look_rights(m, f);
    network_ports_fini(&ports);
}
