/* SPDX-License-Identifier: MIT */
/* tunables_network.c - buffers and ports of sockets (KP12), and where the interrupts of NICs
 * go (KP11): those that arrive far from their card, or on a rank's CPU, cost the job. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/numaset.h"
#include "agent/audit/tunables_impl.h"

#define NET          "/proc/sys/net/"
#define VECTORS_MOST 1024u /* of a card that are looked at */

static bool cpus_read(const struct machine *m, const char *path, struct numaset *ret)
{
    char text[4096];
    return machine_line(m, path, text, sizeof text) == 0 &&
           numaset_parse(text, ret) == 0 && numaset_count(ret) > 0;
}

/* ---- KP11 */

struct vectors {
    unsigned cards, all, far;
    char worst[64]; /* the card with the first vector that is far */
    enum tunable_set set;
};

static void vector_look(const struct machine *m, const char *irq, const char *card,
                        const struct numaset *local, struct vectors *v)
{
    char path[MACHINE_PATH];
    struct numaset goes;
    (void)snprintf(path, sizeof path, "/proc/irq/%.32s/smp_affinity_list", irq);
    if (!machine_exists(m, path))
        return;
    v->all++;
    if (v->all <= 16) /* the same rule for all: no need to try hundreds */
        v->set = tunable_worse(v->set, tunable_file(m, path));
    (void)snprintf(path, sizeof path, "/proc/irq/%.32s/effective_affinity_list", irq);
    bool known = cpus_read(m, path, &goes);
    if (!known) {
        (void)snprintf(path, sizeof path, "/proc/irq/%.32s/smp_affinity_list", irq);
        known = cpus_read(m, path, &goes);
    }
    if (!known || !local || numaset_common(&goes, local) == numaset_count(&goes))
        return;
    v->far++;
    if (!v->worst[0])
        (void)snprintf(v->worst, sizeof v->worst, "%.60s", card);
}

static void card_look(const struct machine *m, const char *class, const char *card,
                      struct vectors *v)
{
    char path[MACHINE_PATH], **irqs;
    struct numaset local;
    const char *up = "";
    (void)snprintf(path, sizeof path, "%s/%.100s/device/msi_irqs", class, card);
    int n = machine_list(m, path, &irqs);
    if (n == -ENOENT) { /* a virtio device has them at its PCI function */
        up = "/..";
        (void)snprintf(path, sizeof path, "%s/%.100s/device/../msi_irqs", class, card);
        n = machine_list(m, path, &irqs);
    }
    if (n <= 0) {
        machine_free_names(irqs, n);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%.100s/device%s/local_cpulist", class, card,
                   up);
    bool has_local = cpus_read(m, path, &local);
    v->cards++;
    for (int i = 0; i < n && i < (int)VECTORS_MOST; i++)
        vector_look(m, irqs[i], card, has_local ? &local : NULL, v);
    machine_free_names(irqs, n);
}

static void class_look(const struct machine *m, const char *class, struct vectors *v)
{
    char **cards;
    int n = machine_list(m, class, &cards);
    for (int i = 0; i < n; i++)
        card_look(m, class, cards[i], v);
    machine_free_names(cards, n);
}

/* No card with vectors of its own: may any interrupt be moved? */
static void look_any(const struct machine *m, struct findings *f)
{
    char path[MACHINE_PATH], **irqs;
    int n = machine_list(m, "/proc/irq", &irqs);
    enum tunable_set set = TUNABLE_UNTRIED;
    for (int i = 0; i < n && set == TUNABLE_UNTRIED; i++) {
        (void)snprintf(path, sizeof path, "/proc/irq/%.32s/smp_affinity_list", irqs[i]);
        set = tunable_file(m, path);
    }
    machine_free_names(irqs, n);
    if (set == TUNABLE_UNTRIED)
        found(f, AUDIT_KP11, AUDIT_UNKNOWN, "/proc/irq", "no interrupt is to be seen");
    else
        tunable_found(m, f, AUDIT_KP11, set, true, "/proc/irq/*/smp_affinity_list", "",
                      "no NIC has interrupts of its own, others do");
}

void tunables_look_interrupts(const struct machine *m, struct findings *f)
{
    struct vectors v = {.set = TUNABLE_UNTRIED};
    char text[256];
    class_look(m, "/sys/class/infiniband", &v);
    if (!v.all)
        class_look(m, "/sys/class/net", &v);
    if (!v.all) {
        look_any(m, f);
        return;
    }
    if (v.far)
        (void)snprintf(text, sizeof text,
                       "%u of %u interrupts of NICs go to CPUs far from the card (%s)",
                       v.far, v.all, v.worst);
    else
        (void)snprintf(text, sizeof text,
                       "%u interrupt%s of %u NIC%s, all to CPUs near them", v.all,
                       v.all == 1 ? "" : "s", v.cards, v.cards == 1 ? "" : "s");
    tunable_found(m, f, AUDIT_KP11, v.set, !v.far,
                  "/proc/irq/*/effective_affinity_list", "", text);
}

/* ---- KP12 */

static const char *const sockets[] = {NET "core/rmem_max", NET "core/wmem_max",
                                      NET "ipv4/tcp_rmem", NET "ipv4/tcp_wmem",
                                      NET "ipv4/ip_local_port_range"};
#define N_CORE    2 /* of them, first */
#define N_SOCKETS (sizeof sockets / sizeof *sockets)

struct socket_limits {
    enum tunable_set core, own; /* of net.core; of the network namespace */
    unsigned absent, denied;
    char text[FINDING_TEXT];
};

static void sockets_read(const struct machine *m, struct socket_limits *s)
{
    char line[128];
    for (size_t i = 0; i < N_SOCKETS; i++) {
        size_t at = strlen(s->text);
        enum tunable_set *set = i < N_CORE ? &s->core : &s->own;
        int rc = machine_line(m, sockets[i], line, sizeof line);
        s->absent += rc == -ENOENT;
        s->denied += rc == -EACCES || rc == -EPERM;
        if (rc < 0)
            continue;
        *set = tunable_worse(*set, tunable_file(m, sockets[i]));
        for (char *tab = line; (tab = strchr(tab, '\t'));)
            *tab = ' ';
        (void)snprintf(s->text + at, sizeof s->text - at, "%s%s %s", at ? ", " : "",
                       strrchr(sockets[i], '/') + 1, line);
    }
}

/* In a network namespace of one's own the limits of net.core are not there, or, in newer
 * kernels, only there to be read: that is the namespace's doing and no lock on the machine. */
void tunables_look_network(const struct machine *m, struct findings *f)
{
    struct socket_limits s = {.core = TUNABLE_UNTRIED, .own = TUNABLE_UNTRIED};
    char text[FINDING_TEXT + 64];
    sockets_read(m, &s);
    if (!s.text[0]) {
        found(f, AUDIT_KP12, AUDIT_UNKNOWN, NET, "none of them can be read");
        if (s.denied)
            found_more(f, "root");
        return;
    }
    bool foreign = s.core == TUNABLE_LOCKED && s.own == TUNABLE_SETTABLE;
    (void)snprintf(text, sizeof text, "%s", s.text);
    size_t at = strlen(text);
    if (foreign)
        (void)snprintf(text + at, sizeof text - at,
                       "; net.core is the machine's own, the rest");
    else if (s.absent)
        (void)snprintf(text + at, sizeof text - at, "; %u more not there", s.absent);
    tunable_found(m, f, AUDIT_KP12, foreign ? s.own : tunable_worse(s.core, s.own),
                  !foreign && !s.absent, NET, s.text, text);
}
