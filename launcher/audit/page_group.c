/* SPDX-License-Identifier: MIT */
/* page_group.c - what nodes are, with the reasons, and the four answers. What is said of a
 * group is said in the words of its first node. */
#include <stdio.h>
#include <string.h>

#include "launcher/audit/audit_judge.h"
#include "launcher/audit/audit_page.h"

#define EVIDENCE 300u /* bytes of one probe's */
#define LINES    5u   /* below one question; --verbose has all */
#define UNSEEN   2u   /* of them, that only could not be seen: they are told below */

static const char *const questions[AUDIT_QUESTIONS] = {
    [AUDIT_TOPOLOGY] = "Is the real PCIe topology to be seen?",
    [AUDIT_NUMA] = "Are NUMA nodes real, and can memory be placed?",
    [AUDIT_TUNABLES] = "Can kernel parameters be set?",
    [AUDIT_NETWORK] = "Is the network stack one's own?",
};
static const char *const answers[AUDIT_VERDICTS] = {"not known", "yes", "in part",
                                                    "no"};

static void page_finding(struct page *p, const struct audit_node *n, enum audit_probe i,
                         const char *first)
{
    const Aolani__AuditFinding *f = audit_finding(n, i);
    const struct audit_probe_info *info = audit_probe_info(i);
    char evidence[EVIDENCE + 1], text[EVIDENCE + 200];
    page_clean(f ? f->evidence : "", evidence, EVIDENCE);
    snprintf(text, sizeof text, "%s%s%s (%s)", info->title, *evidence ? ": " : "",
             f ? evidence : ": was not looked at", info->id);
    page_wrap(p, first, text);
}

/* ---- what it is */

static unsigned count_tests(const struct audit_node *n, enum audit_verdict v)
{
    unsigned k = 0;
    for (int t = 0; t < AUDIT_QUESTIONS; t++)
        k += n->tests[t] == v;
    return k;
}

/* One weak sign leaves it at that verdict; it is told, and listed below. */
static void say_bare_metal(const struct audit_node *n, char *ret, size_t len)
{
    unsigned fails = count_tests(n, AUDIT_FAIL);
    const char *sign = "one weak sign of a hypervisor, which alone says little";
    if (fails == 0)
        snprintf(ret, len, "bare metal; %s",
                 n->n_reasons > 0 ? sign : "no sign of a hypervisor");
    else
        snprintf(ret, len, "bare metal; %s %u of 4 tests fail",
                 n->n_reasons > 0 ? "one weak sign of a hypervisor, and"
                                  : "no hypervisor, but",
                 fails);
}

static void say_machine(const struct audit_node *n, char *ret, size_t len)
{
    switch (n->verdict) {
    case MACHINE_VIRTUALIZED:
        snprintf(ret, len, "virtualized; %u reason%s to say so", n->n_reasons,
                 n->n_reasons == 1 ? "" : "s");
        break;
    case MACHINE_SUSPECT:
        snprintf(ret, len,
                 "suspect; %u signs of a hypervisor, none of which proves it alone",
                 n->n_reasons);
        break;
    case MACHINE_BARE_METAL:
        say_bare_metal(n, ret, len);
        break;
    default:
        snprintf(ret, len,
                 "unknown; no proof of a hypervisor, but %u of the things that would "
                 "show one could not be seen",
                 n->n_unknown);
    }
}

static void page_error(struct page *p, const struct audit *a,
                       const struct audit_group *g)
{
    const struct audit_node *n = &a->nodes[g->nodes[0]];
    char text[EVIDENCE + 1], said[EVIDENCE + 64];
    snprintf(said, sizeof said, "%s: %s",
             n->found ? "was lost during the audit" : "could not be looked at",
             page_clean(n->error ? n->error : "it has not answered", text, EVIDENCE));
    page_hosts(p, a, "", g->nodes, g->n, said);
    if (n->hint && *n->hint)
        page_wrap(p, "  ", page_clean(n->hint, text, EVIDENCE));
}

static void page_machine(struct page *p, const struct audit_node *n)
{
    char product[81], kernel[81], text[300];
    int at = 0;
    page_clean(n->product, product, 80);
    page_clean(n->kernel, kernel, 80);
    text[0] = '\0';
    if (*product)
        at += snprintf(text, sizeof text, ", %s", product);
    if (n->cpus > 0)
        at += snprintf(text + at, sizeof text - (size_t)at, ", %u CPUs", n->cpus);
    if (n->mem_bytes > 0)
        at += snprintf(text + at, sizeof text - (size_t)at, ", %.0f GiB of memory",
                       (double)n->mem_bytes / (1u << 30));
    if (*kernel)
        snprintf(text + at, sizeof text - (size_t)at, ", kernel %s", kernel);
    if (*text)
        page_wrap(p, "  ", text + 2);
}

static void page_signs(struct page *p, const struct audit_node *n)
{
    for (int i = 0; i < AUDIT_N_PROBES; i++)
        if (judge_is_sign(n, (enum audit_probe)i))
            page_finding(p, n, (enum audit_probe)i, "  - ");
    unsigned told = 0;
    for (int i = 0; n->verdict == MACHINE_UNKNOWN && i < AUDIT_N_PROBES; i++)
        if (audit_probe_info((enum audit_probe)i)->tier != AUDIT_T0 &&
            judge_is_needed((enum audit_probe)i) &&
            judge_probe(n, (enum audit_probe)i) == AUDIT_UNKNOWN) {
            page_finding(p, n, (enum audit_probe)i, "  - not seen: ");
            told++;
        }
    if (n->verdict == MACHINE_UNKNOWN && n->n_unknown > told)
        page_printf(p, "  - not seen: %u of the weaker signs\n", n->n_unknown - told);
}

/* ---- the four answers, and what else is not as it should be */

struct lines {
    unsigned said, left_out;
    unsigned most;
};

static void page_of_verdict(struct page *p, const struct audit_node *n,
                            enum audit_topic topic, enum audit_verdict v, bool needed,
                            const char *first, struct lines *l)
{
    for (int i = 0; i < AUDIT_N_PROBES; i++) {
        enum audit_probe probe = (enum audit_probe)i;
        if (audit_probe_info(probe)->topic != topic || judge_probe(n, probe) != v ||
            (needed && !judge_is_needed(probe)))
            continue;
        if (l->said == l->most) {
            l->left_out++;
            continue;
        }
        l->said++;
        page_finding(p, n, probe, first);
    }
}

static void page_left_out(struct page *p, const struct lines *l)
{
    if (l->left_out > 0)
        page_printf(p, "    and %u more (--verbose)\n", l->left_out);
}

static void count_topic(const struct audit_node *n, enum audit_topic t,
                        unsigned count[AUDIT_VERDICTS])
{
    for (int i = 0; i < AUDIT_N_PROBES; i++)
        if (audit_probe_info((enum audit_probe)i)->topic == t)
            count[judge_probe(n, (enum audit_probe)i)]++;
}

static void page_answer(struct page *p, const struct audit_node *n, enum audit_topic t)
{
    static const struct {
        enum audit_verdict v;
        const char *name;
    } others[] = {
        {AUDIT_WARN, "warn"}, {AUDIT_FAIL, "fail"}, {AUDIT_UNKNOWN, "not known"}};
    unsigned count[AUDIT_VERDICTS] = {0};
    char first[64], text[160];
    count_topic(n, t, count);
    snprintf(first, sizeof first, "  %-48s ", questions[t]);
    int at =
        snprintf(text, sizeof text, "%s (of %u probes %u pass", answers[n->tests[t]],
                 count[0] + count[1] + count[2] + count[3], count[AUDIT_PASS]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (count[others[i].v] > 0)
            at += snprintf(text + at, sizeof text - (size_t)at, ", %u %s",
                           count[others[i].v], others[i].name);
    snprintf(text + at, sizeof text - (size_t)at, ")");
    page_wrap(p, first, text);
}

static void page_question(struct page *p, const struct audit_node *n,
                          enum audit_topic t, bool verbose)
{
    struct lines l = {.most = verbose ? AUDIT_N_PROBES : LINES};
    page_answer(p, n, t);
    page_of_verdict(p, n, t, AUDIT_FAIL, false, "    fails: ", &l);
    page_of_verdict(p, n, t, AUDIT_WARN, false, "    warns: ", &l);
    if (n->tests[t] == AUDIT_UNKNOWN && !verbose)
        l.most = l.said + UNSEEN;
    if (n->tests[t] == AUDIT_UNKNOWN)
        page_of_verdict(p, n, t, AUDIT_UNKNOWN, t != AUDIT_TUNABLES,
                        "    not seen: ", &l);
    page_left_out(p, &l);
}

static void page_others(struct page *p, const struct audit_node *n, bool verbose)
{
    static const enum audit_topic topics[] = {AUDIT_CONTAINER, AUDIT_GPU, AUDIT_TIMERS};
    struct lines l = {.most = verbose ? AUDIT_N_PROBES : 2 * LINES};
    unsigned count[AUDIT_VERDICTS] = {0};
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++)
        count_topic(n, topics[t], count);
    if (count[AUDIT_WARN] + count[AUDIT_FAIL] == 0)
        return;
    page_printf(p, "  Beside the four questions\n");
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++)
        page_of_verdict(p, n, topics[t], AUDIT_FAIL, false, "    fails: ", &l);
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++)
        page_of_verdict(p, n, topics[t], AUDIT_WARN, false, "    warns: ", &l);
    page_left_out(p, &l);
}

static bool is_all_right(const struct audit_node *n)
{
    return n->verdict == MACHINE_BARE_METAL &&
           count_tests(n, AUDIT_PASS) == AUDIT_QUESTIONS;
}

void page_group(struct page *p, const struct audit *a, const struct audit_group *g,
                bool verbose)
{
    const struct audit_node *n = &a->nodes[g->nodes[0]];
    char text[200];
    page_printf(p, "\n");
    if (!n->found) {
        page_error(p, a, g);
        return;
    }
    say_machine(n, text, sizeof text);
    page_hosts(p, a, "", g->nodes, g->n, text);
    page_machine(p, n);
    page_signs(p, n);
    for (int t = 0; t < AUDIT_QUESTIONS; t++)
        page_question(p, n, (enum audit_topic)t, verbose);
    page_others(p, n, verbose);
    if (g->n > 1 && !is_all_right(n))
        page_printf(p, "  (in the words of %.80s; the others have the same verdicts)\n",
                    n->host);
    if (n->error)
        page_error(p, a, g);
}

/* ---- --verbose */

void page_probes(struct page *p, const struct audit *a, const struct audit_group *g)
{
    const struct audit_node *n = &a->nodes[g->nodes[0]];
    char text[EVIDENCE * 2 + 240], evidence[EVIDENCE + 1], source[121], first[32];
    if (!n->found)
        return;
    page_printf(p, "\n");
    page_hosts(p, a, "", g->nodes, g->n, "every probe");
    for (int i = 0; i < AUDIT_N_PROBES; i++) {
        const struct audit_probe_info *info = audit_probe_info((enum audit_probe)i);
        const Aolani__AuditFinding *f = audit_finding(n, (enum audit_probe)i);
        if (!f)
            continue;
        page_clean(f->evidence, evidence, EVIDENCE);
        page_clean(f->source, source, sizeof source - 1);
        snprintf(first, sizeof first, "  %-5s %-8s", info->id,
                 audit_verdict_name(judge_probe(n, (enum audit_probe)i)));
        snprintf(text, sizeof text, "%s%s%s%s%s%s", info->title, *evidence ? ": " : "",
                 evidence, *source ? " [" : "", source, *source ? "]" : "");
        page_wrap(p, first, text);
    }
}
