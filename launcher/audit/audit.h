/* SPDX-License-Identifier: MIT */
/* audit - what was found and measured on the nodes, and what follows from it. The data of
 * one audit, and its pure parts: each takes it as it is and fills in what is its own.
 *
 *   conduct (messages) -> audit_node.found, .measured, audit.pairs
 *   audit_judge        -> audit_node.verdict, .tests, .n_reasons
 *   audit_compare      -> audit.remarks: nodes that differ, stand out, or are slow
 *   history            -> audit.past: "slow in 4 of the last 5 audits"
 *   page, json         -> what people and programs read
 */
#ifndef LAUNCHER_AUDIT_AUDIT_H
#define LAUNCHER_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/auditlist.h"

enum audit_machine { /* what a node is */
                     MACHINE_UNKNOWN,
                     MACHINE_BARE_METAL,
                     MACHINE_SUSPECT,
                     MACHINE_VIRTUALIZED,
};

#define AUDIT_RAILS 32u /* of a node, at most */

struct audit_node {
    char *host;    /* owned, as all of this */
    char *machine; /* boot id: nodes that share it run on one machine; "": not known */
    char *kernel, *product; /* for the page; "" */
    uint64_t mem_bytes;
    uint32_t cpus;
    /* Its NICs for the job's traffic, each in the place that it has on all nodes; NULL: it
     * has not this one. None: its pairs go over TCP. */
    char **rails;
    uint32_t n_rails;                /* at most AUDIT_RAILS */
    Aolani__AuditFindings *found;    /* NULL: see error */
    Aolani__AuditMeasured *measured; /* NULL: not asked for, or see measure_error */
    char *error,
        *hint; /* it could not be looked at, or was lost later (found is there) */
    char *measure_error;
    /* audit_judge: */
    enum audit_machine verdict;
    enum audit_verdict tests[AUDIT_QUESTIONS];
    unsigned n_reasons; /* probes that speak for a hypervisor */
    unsigned n_unknown; /* probes needed for "bare metal" that could not see */
};

struct audit_pair { /* one measurement between two nodes; a reached b */
    uint32_t a, b;
    uint32_t round;
    uint32_t rail;        /* of both */
    Aolani__AuditPair *p; /* NULL: error says why */
    char *error;
};

enum audit_remark_kind {
    REMARK_DIFFERS, /* a node is not like the rest */
    REMARK_NOISY,  /* its CPUs lose more than the others', or other programs are busy */
    REMARK_MEMORY, /* less bandwidth than the others */
    REMARK_GPU,    /* copies slower than the others, or than the link is rated */
    REMARK_RAIL,   /* the same NIC of all nodes: a switch; a, b: any node that has it */
    REMARK_LINK,   /* of a node: slow whoever the partner is */
    REMARK_PAIR,   /* only between these two */
    REMARK_KINDS,
};
struct audit_remark {
    enum audit_remark_kind kind;
    uint32_t a, b; /* nodes; b: of REMARK_PAIR, else as a */
    char *text; /* without the node's name: "link runs at 94 MB/s (others 1.2 GB/s)" */
};

struct audit_past {  /* of a node, by kind of remark */
    uint32_t audits; /* known ones before this, at most HISTORY_KEPT */
    uint32_t
        of[REMARK_KINDS]; /* of them could have found it: pairs were measured, ... */
    uint32_t with[REMARK_KINDS];
};

struct audit {
    char id[17];      /* 16 hexadecimal digits */
    int64_t t_real_s; /* when, UTC */
    double took_s;
    struct audit_node *nodes;
    size_t n;
    struct audit_pair *pairs;
    size_t n_pairs;
    uint32_t rails_fit;           /* of a pair of nodes into a round; 0: all */
    struct audit_remark *remarks; /* the worst first within a kind, kinds in order */
    size_t n_remarks;
    struct audit_past *past; /* of each node; NULL: no history */
    bool measured, paired;   /* asked for */
};

void audit_fini(struct audit *a); /* takes a zeroed one */
/* text printf'd; the remark is added in its place. -ENOMEM. */
int audit_remark(struct audit *a, enum audit_remark_kind kind, uint32_t x, uint32_t y,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
const char *audit_machine_name(enum audit_machine m);    /* "bare-metal" */
const char *audit_remark_name(enum audit_remark_kind k); /* "link" */
const Aolani__AuditFinding *audit_finding(const struct audit_node *n,
                                          enum audit_probe p); /* NULL: not looked */

/* The tier rule and the four questions. */
void audit_judge(struct audit *a);
/* What stands out between nodes. -ENOMEM. */
int audit_compare(struct audit *a);
/* For people, and for programs (audit_json.c has the schema). -ENOMEM, ERR_LIMIT. */
int audit_page(const struct audit *a, bool verbose, struct buf *out);
int audit_json(const struct audit *a, struct buf *out);

#endif
