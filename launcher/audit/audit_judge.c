/* SPDX-License-Identifier: MIT */
/* audit_judge.c - the tier rule: one sign that nothing but a hypervisor gives says
 * "virtualized", two weaker ones say "suspect". "Bare metal" is a claim, so whoever makes it
 * must have seen: what is needed for it and was not seen leaves it at "unknown". The four
 * questions of whoever buys machines are answered apart from that. */
#include "launcher/audit/audit_judge.h"

enum audit_verdict judge_probe(const struct audit_node *n, enum audit_probe p)
{
    const Aolani__AuditFinding *f = audit_finding(n, p);
    return f && f->verdict < AUDIT_VERDICTS ? (enum audit_verdict)f->verdict
                                            : AUDIT_UNKNOWN;
}

bool judge_is_sign(const struct audit_node *n, enum audit_probe p)
{
    return audit_probe_info(p)->tier != AUDIT_T0 && judge_probe(n, p) >= AUDIT_WARN;
}

/* HV13 is not among them: without a GPU it has nothing to say, and with one its driver asks
 * the CPU as HV1 does. Of the questions those probes are needed that answer it; the others
 * add to it. */
bool judge_is_needed(enum audit_probe p)
{
    switch (p) {
    case AUDIT_HV1:
    case AUDIT_HV2:
    case AUDIT_HV4:
    case AUDIT_HV5:
    case AUDIT_PC1:
    case AUDIT_PC3:
    case AUDIT_NU1:
    case AUDIT_NU4:
    case AUDIT_NW1:
    case AUDIT_NW4:
        return true;
    default:
        return false;
    }
}

struct signs {
    unsigned strong, weak;          /* that speak for a hypervisor */
    unsigned unseen;                /* that are needed */
    unsigned weak_all, weak_unseen; /* of the second tier */
};

/* A sign of the first tier that only warns (a vendor's name that also stands on its own
 * servers) weighs as one of the second. */
static struct signs count_signs(const struct audit_node *n)
{
    struct signs s = {0};
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        enum audit_tier tier = audit_probe_info(p)->tier;
        enum audit_verdict v = judge_probe(n, p);
        if (tier == AUDIT_T0)
            continue;
        s.strong += tier == AUDIT_T1 && v == AUDIT_FAIL;
        s.weak += (tier == AUDIT_T1 && v == AUDIT_WARN) ||
                  (tier == AUDIT_T2 && v >= AUDIT_WARN);
        s.unseen += judge_is_needed(p) && v == AUDIT_UNKNOWN;
        s.weak_all += tier == AUDIT_T2;
        s.weak_unseen += tier == AUDIT_T2 && v == AUDIT_UNKNOWN;
    }
    /* Some of them hardly any user may see, all of them nobody needs. */
    if (s.weak_unseen * 2 > s.weak_all)
        s.unseen += s.weak_unseen;
    return s;
}

static enum audit_machine judge_machine(const struct signs *s)
{
    if (s->strong > 0)
        return MACHINE_VIRTUALIZED;
    if (s->weak >= 2)
        return MACHINE_SUSPECT;
    return s->unseen > 0 ? MACHINE_UNKNOWN : MACHINE_BARE_METAL;
}

/* Of many knobs some are missing on any machine: what most say is the answer. */
static enum audit_verdict judge_most(const unsigned count[AUDIT_VERDICTS])
{
    unsigned seen = count[AUDIT_PASS] + count[AUDIT_WARN] + count[AUDIT_FAIL];
    if (seen < count[AUDIT_UNKNOWN])
        return count[AUDIT_FAIL] >= 2 && count[AUDIT_FAIL] * 2 > seen ? AUDIT_FAIL
                                                                      : AUDIT_UNKNOWN;
    if (count[AUDIT_FAIL] * 2 > seen)
        return AUDIT_FAIL;
    return count[AUDIT_FAIL] > 0 ? AUDIT_WARN : AUDIT_PASS;
}

static enum audit_verdict judge_question(const struct audit_node *n,
                                         enum audit_topic topic)
{
    unsigned count[AUDIT_VERDICTS] = {0}, unseen = 0;
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        if (audit_probe_info(p)->topic != topic)
            continue;
        enum audit_verdict v = judge_probe(n, p);
        count[v]++;
        unseen += judge_is_needed(p) && v == AUDIT_UNKNOWN;
    }
    if (topic == AUDIT_TUNABLES)
        return judge_most(count);
    if (count[AUDIT_FAIL] > 0)
        return AUDIT_FAIL;
    if (unseen > 0 || count[AUDIT_PASS] + count[AUDIT_WARN] == 0)
        return AUDIT_UNKNOWN;
    return count[AUDIT_WARN] > 0 ? AUDIT_WARN : AUDIT_PASS;
}

void audit_judge(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct audit_node *n = &a->nodes[i];
        struct signs s = count_signs(n);
        n->verdict = n->found ? judge_machine(&s) : MACHINE_UNKNOWN;
        n->n_reasons = s.strong + s.weak;
        n->n_unknown = s.unseen;
        for (int t = 0; t < AUDIT_QUESTIONS; t++)
            n->tests[t] = judge_question(n, (enum audit_topic)t);
    }
}
