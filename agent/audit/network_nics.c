/* SPDX-License-Identifier: MIT */
/* network_nics.c - are NICs physical functions, with counters of the wire itself? By what is
 * on PCI, which a network namespace does not hide, and by the interfaces that are seen. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/audit/network_ports.h"

#define PCI      "/sys/bus/pci/devices"
#define NET      "/sys/class/net"
#define MELLANOX 0x15b3
/* Names of counters that one NIC may have. */
#define COUNTERS_MOST 65536u

struct nics {
    const struct machine *m;
    struct network_text virt, mute, fine;
    unsigned n, hidden;
};

struct virtual_nic {
    int64_t vendor, device; /* device -1: any of them */
    const char *what;
};

/* NICs that a hypervisor makes, and functions of real ones that it gives away: in a guest
 * their number is all there is to know them by. */
static const struct virtual_nic virtual_nics[] = {
    {0x1af4, -1, "virtio"},
    {0x15ad, -1, "of VMware"},
    {0x5853, -1, "of Xen"},
    {0x1414, -1, "of Hyper-V"},
    {0x1ae0, 0x0042, "gVNIC"},
    {0x1d0f, 0xec20, "Elastic Network Adapter"},
    {0x1d0f, 0xec21, "Elastic Network Adapter"},
    {0x1d0f, 0xefa0, "Elastic Fabric Adapter"},
    {0x1d0f, 0xefa1, "Elastic Fabric Adapter"},
    {0x1d0f, 0xefa2, "Elastic Fabric Adapter"},
    {0x1d0f, 0xefa3, "Elastic Fabric Adapter"},
    {0x15b3, 0x1004, "virtual function"},
    {0x15b3, 0x1012, "virtual function"},
    {0x15b3, 0x1014, "virtual function"},
    {0x15b3, 0x1016, "virtual function"},
    {0x15b3, 0x1018, "virtual function"},
    {0x15b3, 0x101a, "virtual function"},
    {0x15b3, 0x101c, "virtual function"},
    {0x15b3, 0x101e, "virtual function"},
    {0x8086, 0x10ed, "virtual function"},
    {0x8086, 0x1515, "virtual function"},
    {0x8086, 0x154c, "virtual function"},
    {0x8086, 0x1889, "virtual function"},
};

static const char *what_virtual(int64_t vendor, int64_t device)
{
    for (size_t i = 0; i < sizeof virtual_nics / sizeof *virtual_nics; i++) {
        const struct virtual_nic *v = &virtual_nics[i];
        if (v->vendor == vendor && (v->device < 0 || v->device == device))
            return v->what;
    }
    return NULL;
}

static void look_function(struct nics *s, const char *bdf)
{
    char path[MACHINE_PATH];
    int64_t class, vendor = 0, device = 0;
    (void)snprintf(path, sizeof path, PCI "/%.32s/class", bdf);
    int rc = machine_int(s->m, path, &class);
    s->hidden += rc == -EACCES || rc == -EPERM;
    if (rc < 0 || class >> 16 != 0x02)
        return;
    (void)snprintf(path, sizeof path, PCI "/%.32s/vendor", bdf);
    (void)machine_int(s->m, path, &vendor);
    (void)snprintf(path, sizeof path, PCI "/%.32s/device", bdf);
    (void)machine_int(s->m, path, &device);
    (void)snprintf(path, sizeof path, PCI "/%.32s/physfn", bdf);
    const char *what = what_virtual(vendor, device);
    if (machine_exists(s->m, path))
        what = "virtual function";
    struct network_text *t = what ? &s->virt : &s->fine;
    network_say(t, "%s%s", t->len ? ", " : "", bdf);
    if (what)
        network_say(t, " %s", what);
    s->n++;
}

/* ---- counters */

static struct ethtool_gstrings *counter_names(int fd, struct ifreq *req)
{
    union {
        struct ethtool_sset_info info;
        uint32_t words[sizeof(struct ethtool_sset_info) / 4 + 1];
    } set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_STATS}};
    req->ifr_data = (void *)&set;
    if (ioctl(fd, SIOCETHTOOL, req) < 0 || !set.info.sset_mask)
        return NULL;
    uint32_t n = set.info.data[0];
    if (n > COUNTERS_MOST)
        return NULL;
    struct ethtool_gstrings *g = calloc(1, sizeof *g + (size_t)n * ETH_GSTRING_LEN);
    if (!g)
        return NULL;
    *g = (struct ethtool_gstrings){
        .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = n};
    req->ifr_data = (void *)g;
    if (ioctl(fd, SIOCETHTOOL, req) < 0 || g->len > n) {
        free(g);
        return NULL;
    }
    return g;
}

/* Counters of the wire ("rx_bytes_phy", "tx_prio0_pause"); -1: cannot tell. */
static int count_live(const char *name)
{
    struct ifreq req = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = 0;
    if (fd < 0 || strlen(name) >= sizeof req.ifr_name) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    memcpy(req.ifr_name, name, strlen(name) + 1);
    struct ethtool_gstrings *g = counter_names(fd, &req);
    for (uint32_t i = 0; g && i < g->len; i++) {
        char text[ETH_GSTRING_LEN + 1] = "";
        memcpy(text, g->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
        n += strstr(text, "_phy") || strstr(text, "_prio");
    }
    n = g ? n : -1;
    free(g);
    close(fd);
    return n;
}

static int count_of_wire(const struct machine *m, const char *name)
{
    char number[96];
    double v;
    (void)snprintf(number, sizeof number, "counters-phy-%.64s", name);
    if (machine_is_live(m))
        return count_live(name);
    return machine_number(m, number, &v) && v >= 0 && v < COUNTERS_MOST ? (int)v : -1;
}

/* Other interfaces of the function have none: the guests' ports of its switch ("pf0vf3"), and
 * what is no Ethernet, whose counters are those of the HCA's port. */
static bool should_count(const struct machine *m, const char *name)
{
    char path[MACHINE_PATH], port[64];
    int64_t type;
    (void)snprintf(path, sizeof path, NET "/%.64s/type", name);
    if (machine_int(m, path, &type) == 0 && type != ARPHRD_ETHER)
        return false;
    (void)snprintf(path, sizeof path, NET "/%.64s/phys_port_name", name);
    return machine_line(m, path, port, sizeof port) < 0 ||
           (!strstr(port, "vf") && !strstr(port, "sf"));
}

/* Of NICs of which it is known that a physical function has counters of the wire; and what
 * is no PCI function at all: a slice of one, or a hypervisor's. */
static void look_interface(struct nics *s, const char *name)
{
    char path[MACHINE_PATH], real[MACHINE_PATH];
    int64_t vendor = 0;
    (void)snprintf(path, sizeof path, NET "/%.64s/device", name);
    if (machine_real(s->m, path, real, sizeof real) < 0)
        return;
    const char *slice = strstr(real, ".sf."), *vmbus = strstr(real, "/VMBUS:");
    if (slice || vmbus) {
        network_say(&s->virt, "%s%s %s", s->virt.len ? ", " : "", name,
                    slice ? "sub-function" : "of Hyper-V");
        s->n++;
        return;
    }
    (void)snprintf(path, sizeof path, NET "/%.64s/device/vendor", name);
    if (machine_int(s->m, path, &vendor) < 0 || vendor != MELLANOX)
        return;
    (void)snprintf(path, sizeof path, NET "/%.64s/device/physfn", name);
    if (!machine_exists(s->m, path) && should_count(s->m, name) &&
        count_of_wire(s->m, name) == 0)
        network_say(&s->mute, "%s%s", s->mute.len ? ", " : "", name);
}

static int each(struct nics *s, const char *folder,
                void (*look)(struct nics *, const char *))
{
    char **names;
    int n = machine_list(s->m, folder, &names);
    for (int i = 0; i < n; i++)
        look(s, names[i]);
    machine_free_names(names, n);
    return n;
}

void network_look_nics(const struct machine *m, struct findings *f)
{
    struct nics s = {.m = m};
    const char *source = PCI "/*/{class,physfn}, ethtool -S";
    int rc = each(&s, PCI, look_function);
    (void)each(&s, NET, look_interface);
    if (s.virt.len)
        found(f, AUDIT_NW4, AUDIT_FAIL, source, "not a NIC of its own: %s", s.virt.s);
    else if (s.mute.len)
        found(f, AUDIT_NW4, AUDIT_FAIL, source, "no counters of the wire: %s",
              s.mute.s);
    else if (s.n > 0)
        found(f, AUDIT_NW4, AUDIT_PASS, source, "physical functions: %s", s.fine.s);
    else if (s.hidden || rc == -EACCES || rc == -EPERM)
        found(f, AUDIT_NW4, AUDIT_UNKNOWN, source, "PCI functions cannot be read");
    else
        found(f, AUDIT_NW4, AUDIT_UNKNOWN, source, "there is no NIC to be seen");
    if (s.n == 0)
        found_more(f, "root, or the machine's own /sys");
}
