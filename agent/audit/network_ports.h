/* SPDX-License-Identifier: MIT */
/* network_ports - the ports of the HCAs of a machine, as /sys/class/infiniband has them. */
#ifndef AGENT_AUDIT_NETWORK_PORTS_H
#define AGENT_AUDIT_NETWORK_PORTS_H

#include "agent/audit/findings.h"

#define NETWORK_HCAS "/sys/class/infiniband"

#define NETWORK_PORTS_MOST 512u
#define NETWORK_NAME       64u

enum network_layer { NETWORK_OTHER, NETWORK_IB, NETWORK_ROCE };

struct network_port {
    char hca[NETWORK_NAME], name[NETWORK_NAME]; /* "mlx5_0", "1" */
    char card[NETWORK_NAME]; /* "0000:18:00", of its PCI function; "": not on PCI */
    char model[40];          /* "0x15b3:0x1021"; "": not on PCI */
    char rate[40];           /* "400 Gb/sec (4X NDR)" */
    double gbits;            /* 0: not known */
    int state, phys;         /* 4: active, 5: link up; -1: not said */
    enum network_layer layer;
};

struct network_ports {
    struct network_port *all;
    size_t n;
    int error; /* the folder cannot be read: -errno; without HCAs it is -ENOENT, or 0 */
    bool memory; /* there was not enough */
};

void network_ports_read(const struct machine *m, struct network_ports *ret);
void network_ports_fini(struct network_ports *p);
bool network_port_is_up(const struct network_port *p);
/* A path below the port: "sm_lid". */
const char *network_port_path(const struct network_port *p, const char *below,
                              char ret[MACHINE_PATH]);

/* Text that is gathered piece by piece; what does not fit is left out. */
struct network_text {
    char s[FINDING_TEXT + 64];
    size_t len;
};
void network_say(struct network_text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Says unknown of a probe on a machine without HCAs, and true. */
bool network_none(const struct network_ports *p, enum audit_probe id,
                  struct findings *f);

/* NW1, NW2, NW6 are in network.c. */
void network_look_gpudirect(const struct machine *m, const struct network_ports *p,
                            struct findings *f);                     /* NW3 */
void network_look_nics(const struct machine *m, struct findings *f); /* NW4 */
void network_look_access(const struct machine *m, const struct network_ports *p,
                         struct findings *f);                          /* NW5 */
void network_look_rights(const struct machine *m, struct findings *f); /* NW7, NW8 */

#endif
