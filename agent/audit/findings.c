/* SPDX-License-Identifier: MIT */
/* findings.c - see findings.h. */
#include "agent/audit/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/utf8.h"

void findings_init(struct findings *f)
{
    f->m = malloc(sizeof *f->m);
    if (f->m)
        aolani__audit_findings__init(f->m);
}

void findings_fini(struct findings *f)
{
    if (f->m)
        aolani__audit_findings__free_unpacked(f->m, NULL);
    f->m = NULL;
}

Aolani__AuditFindings *findings_take(struct findings *f)
{
    Aolani__AuditFindings *m = f->m;
    f->m = NULL;
    return m;
}

static Aolani__AuditFinding *last(struct findings *f)
{
    return f->m && f->m->n_findings ? f->m->findings[f->m->n_findings - 1] : NULL;
}

/* On want of memory all is given up: half a list of findings would look like a whole. */
static void set(struct findings *f, char **field, const char *fmt, va_list ap)
{
    char text[FINDING_TEXT + 1], *copy;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n >= (int)sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    utf8_make_printable(text);
    if (!(copy = strdup(text))) {
        findings_fini(f);
        return;
    }
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = copy;
}

static void set_text(struct findings *f, char **field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(f, field, fmt, ap);
    va_end(ap);
}

static bool is_there(const struct findings *f, const char *id)
{
    for (size_t i = 0; i < f->m->n_findings; i++)
        if (!strcmp(f->m->findings[i]->id, id))
            return true;
    return false;
}

void found(struct findings *f, enum audit_probe id, enum audit_verdict v,
           const char *source, const char *fmt, ...)
{
    const char *name = audit_probe_info(id)->id;
    va_list ap;
    if (!f->m)
        return;
    if (is_there(f, name))
        abort();
    Aolani__AuditFinding **all = realloc(
        f->m->findings, (f->m->n_findings + 1) * sizeof(Aolani__AuditFinding *));
    Aolani__AuditFinding *a = all ? malloc(sizeof *a) : NULL;
    f->m->findings = all ? all : f->m->findings;
    if (!a) {
        findings_fini(f);
        return;
    }
    aolani__audit_finding__init(a);
    a->verdict = (uint32_t)v;
    all[f->m->n_findings++] = a;
    set_text(f, &a->id, "%s", name);
    if (f->m)
        set_text(f, &a->source, "%s", source);
    va_start(ap, fmt);
    if (f->m)
        set(f, &a->evidence, fmt, ap);
    va_end(ap);
}

void found_more(struct findings *f, const char *fmt, ...)
{
    Aolani__AuditFinding *a = last(f);
    va_list ap;
    va_start(ap, fmt);
    if (a)
        set(f, &a->more, fmt, ap);
    va_end(ap);
}

void found_value(struct findings *f, const char *fmt, ...)
{
    Aolani__AuditFinding *a = last(f);
    va_list ap;
    va_start(ap, fmt);
    if (a)
        set(f, &a->value, fmt, ap);
    va_end(ap);
}
