/* SPDX-License-Identifier: MIT */
/* nodesignals_ports.c - see nodesignals_ports.h. */
#include "agent/nodesignals_ports.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FILES 20u
#define SLOW_LOOKS 3u  /* once may be a busy node */
#define STUCK      10u /* times slow is no busy node */

/* Files that are not there, or hold no number ("N/A (no PMA)"), are left out. So is one at
 * the end of its bits: InfiniBand's own counters stay there until somebody sets them back,
 * and count nothing. Those of hw_counters have 64. */
static const struct {
    const char *name;
    enum nodesignals_port_count of;
    unsigned unit; /* of the file, in ours */
    uint32_t end;  /* 0: none */
} port_files[] = {
    {"counters/port_xmit_wait", PORT_XMIT_WAIT, 1, UINT32_MAX},
    /* Counted in words of 4 bytes. */
    {"counters/port_xmit_data", PORT_XMIT_BYTES, 4, UINT32_MAX},
    {"counters/port_rcv_data", PORT_RCV_BYTES, 4, UINT32_MAX},
    {"counters/symbol_error", PORT_SYMBOL_ERRORS, 1, 65535},
    {"counters/port_rcv_errors", PORT_SYMBOL_ERRORS, 1, 65535},
    {"counters/local_link_integrity_errors", PORT_SYMBOL_ERRORS, 1, 15},
    {"counters/link_error_recovery", PORT_RECOVERIES, 1, 255},
    {"counters/link_downed", PORT_DOWNS, 1, 255},
    {"hw_counters/local_ack_timeout_err", PORT_RETRANSMITS, 1, 0},
    {"hw_counters/packet_seq_err", PORT_RETRANSMITS, 1, 0},
    {"hw_counters/out_of_sequence", PORT_RETRANSMITS, 1, 0},
    {"hw_counters/roce_adp_retrans", PORT_RETRANSMITS, 1, 0},
    {"hw_counters/rp_cnp_handled", PORT_MARKS, 1, 0},
    {"hw_counters/np_ecn_marked_roce_packets", PORT_MARKS, 1, 0},
    /* Amazon's EFA, which has none of those. */
    {"hw_counters/tx_bytes", PORT_XMIT_BYTES, 1, 0},
    {"hw_counters/rx_bytes", PORT_RCV_BYTES, 1, 0},
    {"hw_counters/retrans_pkts", PORT_RETRANSMITS, 1, 0},
    {"hw_counters/retrans_timeout_events", PORT_RETRANSMITS, 1, 0},
};
#define N_PORT_FILES (sizeof port_files / sizeof *port_files)
_Static_assert(N_PORT_FILES <= PORT_FILES, "each has its place");

struct port_file {
    struct nodesignals_file file;
    struct nodesignals_counter counter;
};
struct port {
    char nic[LIMIT_DEVICE_NAME + 1];
    uint32_t number;
    size_t n_files;
    unsigned slow; /* looks in a row that took too long; SLOW_LOOKS: given up, but kept
                    * in the list, so that no scan finds it again */
    bool seen;     /* by the scan */
    bool gone;     /* nothing is behind its open files */
    struct port_file files[N_PORT_FILES]; /* of port_files, in its order */
};

struct nodesignals_ports {
    struct nodesignals_ports_config c;
    struct port **ports;
    size_t n, cap, at, n_files;
    bool lost;
};

/* ---- which there are ---- */

static void port_destroy(struct port *p)
{
    for (size_t i = 0; i < N_PORT_FILES; i++)
        nodesignals_file_close(&p->files[i].file);
    free(p);
}

static bool port_read_file(const struct nodesignals_file *f, uint64_t *ret)
{
    char text[64];
    const char *at = text;
    return f->path && nodesignals_file_read(f, text, sizeof text) > 0 &&
           nodesignals_number(&at, ret) && (*at == '\n' || *at == '\0');
}

static struct port *port_open(const struct nodesignals_ports *s, const char *nic,
                              uint32_t number)
{
    struct port *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    (void)snprintf(p->nic, sizeof p->nic, "%s", nic);
    p->number = number;
    uint64_t began = clock_mono_ns(), value;
    for (size_t i = 0; i < N_PORT_FILES; i++) {
        struct nodesignals_file *f = &p->files[i].file;
        if (nodesignals_file_open(f, s->c.reopen, "%s/class/infiniband/%s/ports/%u/%s",
                                  s->c.sys, nic, number, port_files[i].name) < 0)
            continue;
        if (clock_mono_ns() - began > STUCK * s->c.slow_ns ||
            !port_read_file(f, &value))
            nodesignals_file_close(f);
        else
            p->n_files++;
    }
    return p;
}

static struct port *ports_find(const struct nodesignals_ports *s, const char *nic,
                               uint32_t number)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->ports[i]->number == number && strcmp(s->ports[i]->nic, nic) == 0)
            return s->ports[i];
    return NULL;
}

static void ports_add(struct nodesignals_ports *s, const char *nic, uint32_t number)
{
    struct port *p = ports_find(s, nic, number);
    if (p) {
        p->seen = true;
        return;
    }
    if (s->n == LIMIT_SIGNALS_PORTS || s->n_files + N_PORT_FILES > s->c.most_files)
        return;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 8;
        struct port **more = realloc(s->ports, cap * sizeof *more);
        if (!more)
            return;
        s->ports = more;
        s->cap = cap;
    }
    p = port_open(s, nic, number);
    if (!p)
        return;
    p->seen = true;
    s->n_files += p->n_files;
    s->ports[s->n++] = p;
}

static void ports_add_nic(struct nodesignals_ports *s, const char *nic)
{
    char path[512];
    if (!nic[0] || nic[0] == '.' || strchr(nic, '/') || strlen(nic) > LIMIT_DEVICE_NAME)
        return;
    (void)snprintf(path, sizeof path, "%.250s/class/infiniband/%s/ports", s->c.sys,
                   nic);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        const char *at = entry->d_name;
        uint64_t number;
        if (nodesignals_number(&at, &number) && !*at && number <= UINT32_MAX)
            ports_add(s, nic, (uint32_t)number);
    }
    if (dir)
        closedir(dir);
}

static void ports_drop_unseen(struct nodesignals_ports *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->ports[i]->seen) {
            s->ports[kept++] = s->ports[i];
            continue;
        }
        s->n_files -= s->ports[i]->n_files;
        port_destroy(s->ports[i]);
    }
    s->n = kept;
}

void nodesignals_ports_scan(struct nodesignals_ports *s, const char *const *first,
                            size_t n_first)
{
    char path[512];
    /* One of the same name may have come in the place of one that has gone. */
    for (size_t i = 0; i < s->n; i++)
        s->ports[i]->seen = !s->ports[i]->gone || s->ports[i]->slow >= SLOW_LOOKS;
    ports_drop_unseen(s);
    for (size_t i = 0; i < s->n; i++)
        s->ports[i]->seen = false;
    for (size_t i = 0; i < n_first; i++)
        if (first[i])
            ports_add_nic(s, first[i]);
    (void)snprintf(path, sizeof path, "%.250s/class/infiniband", s->c.sys);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        ports_add_nic(s, entry->d_name);
    if (dir)
        closedir(dir);
    ports_drop_unseen(s);
    s->lost = false;
}

/* ---- what they count ---- */

static bool port_is_at_end(size_t file, uint64_t value)
{
    return port_files[file].end > 0 && value == port_files[file].end;
}

/* Several files may make one count, which is known if each of them is. */
static bool port_read(struct nodesignals_ports *s, struct port *p,
                      struct nodesignals_port *ret)
{
    bool some = false, alive = false;
    *ret = (struct nodesignals_port){.number = p->number};
    memcpy(ret->nic, p->nic, sizeof ret->nic);
    bool has[PORT_COUNTS] = {false};
    for (size_t i = 0; i < N_PORT_FILES; i++) {
        struct port_file *f = &p->files[i];
        int64_t *count = &ret->count[port_files[i].of];
        uint64_t now = 0, more;
        if (!f->file.path)
            continue;
        bool is_there = port_read_file(&f->file, &now);
        bool ended = is_there && port_is_at_end(i, now);
        bool known = nodesignals_count(&f->counter, is_there && !ended, now, &more) &&
                     more <= (uint64_t)INT64_MAX / 64 / port_files[i].unit;
        alive = alive || is_there;
        if (ended)
            continue;
        some = some || known;
        has[port_files[i].of] = true;
        *count =
            known && *count >= 0 ? *count + (int64_t)more * port_files[i].unit : -1;
    }
    for (int i = 0; i < PORT_COUNTS; i++)
        ret->count[i] = has[i] ? ret->count[i] : -1;
    p->gone = p->n_files > 0 && !alive;
    s->lost = s->lost || p->gone;
    return some;
}

void nodesignals_ports_begin(struct nodesignals_ports *s)
{
    s->at = 0;
}

static void port_judge(const struct nodesignals_ports *s, struct port *p, uint64_t took)
{
    p->slow = took <= s->c.slow_ns           ? 0
              : took <= STUCK * s->c.slow_ns ? p->slow + 1
                                             : SLOW_LOOKS;
    if (p->slow >= SLOW_LOOKS)
        log_debug("port %u of \"%s\" is not watched: its counters take %.1f ms",
                  p->number, p->nic, (double)took / 1e6);
}

bool nodesignals_ports_step(struct nodesignals_ports *s, uint64_t until_ns,
                            struct nodesignals_sum *ret)
{
    uint64_t now = 0;
    for (bool one = true; s->at < s->n && (one || now < until_ns); one = false) {
        struct port *p = s->ports[s->at++];
        struct nodesignals_port seen;
        if (p->slow >= SLOW_LOOKS)
            continue;
        uint64_t began = now ? now : clock_mono_ns();
        if (port_read(s, p, &seen) && nodesignals_sum_port(ret, &seen) == 0)
            ret->known |= NODESIGNALS_PORTS;
        now = clock_mono_ns();
        port_judge(s, p, now - began);
    }
    return s->at >= s->n;
}

bool nodesignals_ports_lost(const struct nodesignals_ports *s)
{
    return s->lost;
}

size_t nodesignals_ports_n(const struct nodesignals_ports *s)
{
    return s->n;
}

/* ---- */

int nodesignals_ports_create(const struct nodesignals_ports_config *c,
                             struct nodesignals_ports **ret)
{
    struct nodesignals_ports *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->c = *c;
    *ret = s;
    return 0;
}

void nodesignals_ports_destroy(struct nodesignals_ports *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        port_destroy(s->ports[i]);
    free(s->ports);
    free(s);
}
