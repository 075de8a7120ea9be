/* SPDX-License-Identifier: MIT */
/* machine_case - what one probe says of one machine that never was. Included after cmocka. */
#ifndef TESTS_LIB_MACHINE_CASE_H
#define TESTS_LIB_MACHINE_CASE_H

#include "tests/lib/finding.h"
#include "tests/lib/machine_tree.h"

struct machine_case {
    const char *title;
    enum audit_probe id;
    const char *more_rows; /* what is different */
    enum audit_verdict verdict;
    const char *evidence; /* part of it */
    const char *more;     /* the whole of it; NULL: "" */
};

static const Aolani__AuditFinding *machine_tree_found(const struct findings *f,
                                                      enum audit_probe id)
{
    const Aolani__AuditFinding *a = finding_of(f->m, id);
    if (!a)
        fail_msg("nothing was found for %s", audit_probe_info(id)->id);
    return a;
}

/* n_ids: how many probes look has. Each says one thing, whatever the machine. */
static void machine_case_check(look_f look, size_t n_ids, const char *base,
                               const struct machine_case *c)
{
    struct machine_tree t;
    struct machine *m;
    struct findings f;
    struct err e = {0};
    machine_tree_make(&t, base, c->more_rows);
    if (machine_open(t.dir, &m, &e) < 0)
        fail_msg("%s: %s", c->title, e.text);
    findings_init(&f);
    look(m, &f);
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, n_ids);
    const Aolani__AuditFinding *a = machine_tree_found(&f, c->id);
    if (a->verdict != c->verdict || !strstr(a->evidence, c->evidence) ||
        strcmp(a->more, c->more ? c->more : "") != 0)
        fail_msg("%s: %s is %s, \"%s\", more \"%s\"; not %s, \"%s\", more \"%s\"",
                 c->title, a->id, audit_verdict_name((enum audit_verdict)a->verdict),
                 a->evidence, a->more, audit_verdict_name(c->verdict), c->evidence,
                 c->more ? c->more : "");
    findings_fini(&f);
    machine_close(m);
    machine_tree_end(&t);
}

/* This machine, whatever it is: each probe has its say. */
static inline void machine_case_live(look_f look, size_t n_ids)
{
    struct machine *m;
    struct findings f;
    struct err e = {0};
    assert_int_equal(machine_open(NULL, &m, &e), 0);
    findings_init(&f);
    look(m, &f);
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, n_ids);
    findings_fini(&f);
    machine_close(m);
}

#endif
