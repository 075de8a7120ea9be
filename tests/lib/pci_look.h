/* SPDX-License-Identifier: MIT */
/* pci_look - a row of a table: a machine of pci_tree.h, and what a probe has to say of it.
 * Included after cmocka. */
#ifndef TESTS_LIB_PCI_LOOK_H
#define TESTS_LIB_PCI_LOOK_H

#include "tests/lib/finding.h"
#include "tests/lib/pci_tree.h"

struct pci_look_row {
    const char *name;
    const char *machine, *besides; /* lines; besides may be NULL */
    enum audit_probe id;
    enum audit_verdict verdict;
    const char *says; /* within the evidence */
    const char *more; /* NULL: "" */
};

static void pci_look_check(const struct pci_look_row *row, look_f look)
{
    char dir[] = "/tmp/aolani-pci-XXXXXX";
    struct machine *m = NULL;
    struct findings f;
    struct err e = {0};
    pci_tree_make(dir, (const char *const[]){row->machine, row->besides}, 2);
    if (machine_open(dir, &m, &e) < 0)
        fail_msg("%s: %s", row->name, e.text);
    findings_init(&f);
    look(m, &f);
    assert_non_null(f.m);
    const Aolani__AuditFinding *x = finding_of(f.m, row->id);
    if (!x)
        fail_msg("%s: nothing found", row->name);
    if (x->verdict != row->verdict || !strstr(x->evidence, row->says) ||
        strcmp(x->more, row->more ? row->more : "") != 0)
        fail_msg("%s: %s %s, more \"%s\": %s", row->name, x->id,
                 audit_verdict_name((enum audit_verdict)x->verdict), x->more,
                 x->evidence);
    findings_fini(&f);
    machine_close(m);
    pci_tree_remove(dir);
}

/* Whatever the machine, each of these probes says one thing, and no other. */
static void pci_look_all(look_f look, const char *const machine,
                         const enum audit_probe *ids, size_t n_ids)
{
    char dir[] = "/tmp/aolani-pci-XXXXXX";
    struct machine *m = NULL;
    struct findings f;
    struct err e;
    pci_tree_make(dir, &machine, 1);
    assert_int_equal(machine_open(dir, &m, &e), 0);
    findings_init(&f);
    look(m, &f);
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, n_ids);
    for (size_t i = 0; i < n_ids; i++)
        assert_non_null(finding_of(f.m, ids[i]));
    findings_fini(&f);
    machine_close(m);
    pci_tree_remove(dir);
}

#endif
