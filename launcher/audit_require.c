/* SPDX-License-Identifier: MIT */
/* audit_require.c - see audit_require.h. */
#include "launcher/audit_require.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_judge.h"

#define NAMED 3u /* probes in a reason: it is one line */

bool audit_requires_net(const struct spec *s)
{
    return strcmp(s->audit.require_net, "none") != 0;
}

bool audit_requires(const struct spec *s)
{
    return s->audit.require_bare_metal || audit_requires_net(s);
}

struct reason {
    char text[400], hint[200];
    size_t len;
    unsigned n;
};

static void add(struct reason *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct reason *r, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof r->text - r->len;
    va_start(ap, fmt);
    int n = vsnprintf(r->text + r->len, room, fmt, ap);
    va_end(ap);
    r->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* "; HV1: eax bit 31 set", "; HV7: the cost of CPUID": evidence of the second tier is
 * measured, and would tell nodes apart that are alike. */
static void add_sign(struct reason *r, enum audit_probe p,
                     const Aolani__AuditFinding *f)
{
    const struct audit_probe_info *info = audit_probe_info(p);
    if (r->n++ < NAMED)
        add(r, "%s%s: %.90s", r->n == 1 ? ": " : "; ", info->id,
            info->tier == AUDIT_T1 ? f->evidence : info->title);
}

static void add_signs(struct reason *r, const struct audit_node *n)
{
    for (unsigned p = 0; p < AUDIT_N_PROBES; p++) {
        const Aolani__AuditFinding *f = audit_finding(n, p);
        if (f && judge_is_sign(n, p))
            add_sign(r, p, f);
    }
    if (r->n > NAMED)
        add(r, "; and %u more", r->n - NAMED);
}

/* Which probes could not see, and what would let them. */
static void add_unseen(struct reason *r, const struct audit_node *n)
{
    for (unsigned p = 0; p < AUDIT_N_PROBES; p++) {
        const struct audit_probe_info *info = audit_probe_info(p);
        const Aolani__AuditFinding *f = audit_finding(n, p);
        if (info->topic != AUDIT_HYPERVISOR || !judge_is_needed(p) ||
            judge_probe(n, p) != AUDIT_UNKNOWN)
            continue;
        if (r->n++ < NAMED)
            add(r, "%s%s: %.90s", r->n == 1 ? ": " : "; ", info->id,
                f ? f->evidence : "it was left out");
        if (f && f->more[0] && !r->hint[0])
            (void)snprintf(r->hint, sizeof r->hint, "more would tell: %.150s", f->more);
    }
}

/* false: it is. */
static bool lacks_metal(const struct audit_node *n, struct reason *r)
{
    switch (n->verdict) {
    case MACHINE_BARE_METAL:
        return false;
    case MACHINE_VIRTUALIZED:
        add(r, "not bare metal but virtualized");
        add_signs(r, n);
        break;
    case MACHINE_SUSPECT:
        add(r, "may not be bare metal");
        add_signs(r, n);
        break;
    case MACHINE_UNKNOWN:
        add(r, "whether it is bare metal cannot be told");
        add_unseen(r, n);
        break;
    }
    if (!r->hint[0])
        (void)snprintf(r->hint, sizeof r->hint, "[audit] require_bare_metal is set");
    return true;
}

/* An HCA with an active port, which may be opened. */
static bool lacks_ib(const struct audit_node *n, struct reason *r)
{
    static const enum audit_probe probes[] = {AUDIT_NW1, AUDIT_NW5};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        enum audit_verdict v = judge_probe(n, probes[i]);
        const Aolani__AuditFinding *f = audit_finding(n, probes[i]);
        bool must_see = probes[i] == AUDIT_NW1;
        if (v == AUDIT_PASS || v == AUDIT_WARN || (v == AUDIT_UNKNOWN && !must_see))
            continue;
        add(r, "no InfiniBand or RoCE that could be used: %s: %.200s",
            audit_probe_info(probes[i])->id, f ? f->evidence : "it was left out");
        (void)snprintf(r->hint, sizeof r->hint, "%s%.150s",
                       f && f->more[0] ? "more would tell: "
                                       : "[audit] require_net is set",
                       f && f->more[0] ? f->more : "");
        return true;
    }
    return false;
}

static int keep(struct audit_unmet *u, const struct audit_node *n, const char *text,
                const char *hint)
{
    char *error = strdup(text), *more = strdup(hint);
    if (!error || !more) {
        free(error);
        free(more);
        return -ENOMEM;
    }
    u->all[u->n++] = (struct failure){n->host, error, more};
    return 0;
}

static int check(const struct spec *s, const struct audit_node *n,
                 struct audit_unmet *u)
{
    struct reason metal = {0}, net = {0};
    int rc = 0;
    if (n->error || !n->found)
        return keep(u, n, n->error ? n->error : "it was not looked at",
                    n->hint ? n->hint : "");
    if (s->audit.require_bare_metal && lacks_metal(n, &metal))
        rc = keep(u, n, metal.text, metal.hint);
    if (rc == 0 && audit_requires_net(s) && lacks_ib(n, &net))
        rc = keep(u, n, net.text, net.hint);
    return rc;
}

int audit_require(const struct spec *s, const struct audit *a, struct audit_unmet *ret)
{
    *ret = (struct audit_unmet){.all = calloc(2 * a->n + 1, sizeof *ret->all)};
    int rc = ret->all ? 0 : -ENOMEM;
    for (size_t i = 0; i < a->n && rc == 0; i++)
        rc = check(s, &a->nodes[i], ret);
    if (rc < 0)
        audit_unmet_fini(ret);
    return rc;
}

void audit_unmet_fini(struct audit_unmet *u)
{
    for (size_t i = 0; i < u->n; i++) {
        free((char *)u->all[i].error);
        free((char *)u->all[i].hint);
    }
    free(u->all);
    *u = (struct audit_unmet){0};
}
