/* SPDX-License-Identifier: MIT */
/* audit.c - see audit.h. */
#include "launcher/audit/audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/utf8.h"

/* Of a node's findings; who sends more than a few for each probe says nothing with them. */
#define FINDINGS_MOST ((size_t)AUDIT_N_PROBES * 4)

static const char *const machines[] = {
    [MACHINE_UNKNOWN] = "unknown",
    [MACHINE_BARE_METAL] = "bare-metal",
    [MACHINE_SUSPECT] = "suspect",
    [MACHINE_VIRTUALIZED] = "virtualized",
};

static const char *const remarks[REMARK_KINDS] = {
    [REMARK_DIFFERS] = "differs", [REMARK_NOISY] = "noisy", [REMARK_MEMORY] = "memory",
    [REMARK_GPU] = "gpu",         [REMARK_RAIL] = "rail",   [REMARK_LINK] = "link",
    [REMARK_PAIR] = "pair",
};

const char *audit_machine_name(enum audit_machine m)
{
    return machines[m];
}

const char *audit_remark_name(enum audit_remark_kind k)
{
    return remarks[k];
}

static void node_fini(struct audit_node *n)
{
    free(n->host);
    free(n->machine);
    free(n->kernel);
    free(n->product);
    free(n->error);
    free(n->hint);
    free(n->measure_error);
    for (uint32_t i = 0; i < n->n_rails; i++)
        free(n->rails[i]);
    free(n->rails);
    if (n->found)
        aolani__audit_findings__free_unpacked(n->found, NULL);
    if (n->measured)
        aolani__audit_measured__free_unpacked(n->measured, NULL);
}

void audit_fini(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++)
        node_fini(&a->nodes[i]);
    for (size_t i = 0; i < a->n_pairs; i++) {
        if (a->pairs[i].p)
            aolani__audit_pair__free_unpacked(a->pairs[i].p, NULL);
        free(a->pairs[i].error);
    }
    for (size_t i = 0; i < a->n_remarks; i++)
        free(a->remarks[i].text);
    free(a->nodes);
    free(a->pairs);
    free(a->remarks);
    free(a->past);
    memset(a, 0, sizeof *a);
}

int audit_remark(struct audit *a, enum audit_remark_kind kind, uint32_t x, uint32_t y,
                 const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        return -ENOMEM;
    /* Room doubles when their number is a power of two: there is no field for it. */
    if ((a->n_remarks & (a->n_remarks - 1)) == 0) {
        size_t room = a->n_remarks ? a->n_remarks * 2 : 1;
        struct audit_remark *grown = reallocarray(a->remarks, room, sizeof *a->remarks);
        if (!grown) {
            free(text);
            return -ENOMEM;
        }
        a->remarks = grown;
    }
    utf8_make_printable(text);
    size_t at = a->n_remarks++;
    for (; at > 0 && a->remarks[at - 1].kind > kind; at--)
        a->remarks[at] = a->remarks[at - 1];
    a->remarks[at] = (struct audit_remark){kind, x, y, text};
    return 0;
}

static const Aolani__AuditFinding *finding_at(const Aolani__AuditFindings *f, size_t i,
                                              const char *id)
{
    return i < f->n_findings && !strcmp(f->findings[i]->id, id) ? f->findings[i] : NULL;
}

const Aolani__AuditFinding *audit_finding(const struct audit_node *n,
                                          enum audit_probe p)
{
    const char *id = audit_probe_info(p)->id;
    if (!n->found)
        return NULL;
    /* A helper that is as it should be says them in the order of the list. */
    const Aolani__AuditFinding *f = finding_at(n->found, p, id);
    for (size_t i = 0; !f && i < n->found->n_findings && i < FINDINGS_MOST; i++)
        f = finding_at(n->found, i, id);
    return f;
}
