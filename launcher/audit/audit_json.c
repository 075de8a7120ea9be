/* SPDX-License-Identifier: MIT */
/* audit_json.c - the audit as one JSON object, written node by node: all of a large one at
 * once would take gigabytes. Keys are added, never renamed or removed; null is what is not
 * known.
 *
 *   schema   1
 *   id, time (seconds, UTC), took_s, measured, paired (whether that was asked for),
 *   rails_fit (of a pair into a round; null: all)
 *   nodes    [{host, verdict ("bare-metal", "suspect", "virtualized", "unknown"), error,
 *            hint (not looked at, or lost later; null: neither), machine, kernel, product, cpus, mem_bytes, uid,
 *            rails [NIC, null: it lacks the one of this place],
 *            reasons (signs of a hypervisor), unseen (needed for "bare-metal"),
 *            tests {topology, numa, tunables, network}: "pass", "warn", "fail", "unknown",
 *            probes [{id, topic, title, verdict, evidence, source, more, value}],
 *            measured null or {error} or {cores [{cpu, window_ns, gaps, lost_ns,
 *              longest_ns, stolen_ns, preempted_ns (null: not known), interrupts}],
 *              lost, stolen, preempted (shares, all CPUs),
 *              memory [{numa, one_mbytes, all_mbytes, cores}],
 *              exit_ns, clock_ns {least, median, p99}, clocksource, ticks,
 *              copies [{uuid, bus_id, to_mbytes, from_mbytes, within_mbytes, rated_mbytes,
 *              error}], busy [{pid, name, uid, percent}], notes [text]},
 *            past null or {audits, <kind>: {of, with}}}]
 *   pairs    [{a, b (hosts), round, rail (its place, null: the address), transport, nic, peer_nic, trips, p50_ns, p99_ns, max_ns,
 *            there_mbytes, back_mbytes, retransmits, note, error}]
 *   remarks  [{kind ("differs", "noisy", "memory", "gpu", "rail", "link", "pair"), host (null
 *            of a rail: all), peer (of a pair, else null), text}]
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_judge.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"

#define LIST_MOST 256u /* busy processes, notes */

/* Text of a node's: as it is where it is UTF-8 that no terminal obeys. */
static json_t *text_of(const char *text)
{
    if (!text)
        return json_null();
    char *copy = strdup(text);
    if (copy)
        utf8_make_printable(copy);
    json_t *s = copy ? json_string(copy) : NULL;
    free(copy);
    return s;
}

static json_t *filled(const char *text)
{
    return text && *text ? text_of(text) : json_null();
}

static json_t *count(uint64_t v)
{
    return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *known(uint64_t v)
{
    return v > 0 ? count(v) : json_null();
}

static json_t *signed_count(int64_t v)
{
    return v < 0 ? json_null() : json_integer(v);
}

/* A share: nothing that came from a node makes it endless. */
static json_t *share(double v)
{
    return v < 0 || !isfinite(v) ? json_null() : json_real(v);
}

/* Takes both; a list that has once failed is NULL. */
static json_t *append(json_t *list, json_t *one)
{
    if (!list) {
        json_decref(one);
        return NULL;
    }
    if (json_array_append_new(list, one) == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* ---- what was found */

static json_t *probes_of(const struct audit_node *n)
{
    json_t *list = json_array();
    for (int p = 0; p < AUDIT_N_PROBES && list; p++) {
        const struct audit_probe_info *info = audit_probe_info((enum audit_probe)p);
        const Aolani__AuditFinding *f = audit_finding(n, (enum audit_probe)p);
        if (!f)
            continue;
        list =
            append(list, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id",
                                   info->id, "topic", audit_topic_name(info->topic),
                                   "title", info->title, "verdict",
                                   audit_verdict_name(judge_probe(n, p)), "evidence",
                                   text_of(f->evidence), "source", text_of(f->source),
                                   "more", filled(f->more), "value", filled(f->value)));
    }
    return list;
}

static json_t *tests_of(const struct audit_node *n)
{
    json_t *o = json_object();
    for (int t = 0; o && t < AUDIT_QUESTIONS; t++)
        json_object_set_new(o, audit_topic_name((enum audit_topic)t),
                            json_string(audit_verdict_name(n->tests[t])));
    return o;
}

/* ---- what was measured */

static json_t *core_of(const Aolani__AuditCore *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpu", count(c->cpu),
                     "window_ns", count(c->window_ns), "gaps", count(c->gaps),
                     "lost_ns", count(c->lost_ns), "longest_ns", count(c->longest_ns),
                     "stolen_ns", signed_count(c->stolen_ns), "preempted_ns",
                     signed_count(c->preempted_ns), "interrupts", count(c->interrupts));
}

static json_t *cores_of(const Aolani__AuditMeasured *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_cores && i < LIMIT_CPUS; i++)
        list = append(list, core_of(m->cores[i]));
    return list;
}

static json_t *memory_list(const Aolani__AuditMeasured *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_memory && i < LIMIT_NUMA; i++) {
        const Aolani__AuditMemory *x = m->memory[i];
        list = append(list, json_pack("{s:o, s:o, s:o, s:o}", "numa", count(x->numa),
                                      "one_mbytes", known(x->one_mbytes), "all_mbytes",
                                      known(x->all_mbytes), "cores", count(x->cores)));
    }
    return list;
}

static json_t *cost_of(const Aolani__AuditCost *c)
{
    if (!c)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "least", count(c->least), "median",
                     count(c->median), "p99", count(c->p99));
}

static json_t *copies_of(const Aolani__AuditMeasured *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_copies && i < LIMIT_GPUS; i++) {
        const Aolani__AuditCopy *c = m->copies[i];
        list = append(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "uuid",
                            text_of(c->uuid), "bus_id", text_of(c->bus_id), "to_mbytes",
                            known(c->to_mbytes), "from_mbytes", known(c->from_mbytes),
                            "within_mbytes", known(c->within_mbytes), "rated_mbytes",
                            known(c->rated_mbytes), "error", filled(c->error)));
    }
    return list;
}

static json_t *busy_of(const Aolani__AuditMeasured *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_busy && i < LIST_MOST; i++) {
        const Aolani__AuditBusy *b = m->busy[i];
        list = append(list, json_pack("{s:i, s:o, s:o, s:o}", "pid", (int)b->pid,
                                      "name", text_of(b->name), "uid", count(b->uid),
                                      "percent", count(b->percent)));
    }
    return list;
}

static json_t *notes_of(const Aolani__AuditMeasured *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_notes && i < LIST_MOST; i++)
        list = append(list, text_of(m->notes[i]));
    return list;
}

static json_t *measured_of(const struct audit_node *n)
{
    const Aolani__AuditMeasured *m = n->measured;
    if (!m)
        return n->measure_error ? json_pack("{s:o}", "error", text_of(n->measure_error))
                                : json_null();
    struct noise x = noise_of(n);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "cores", cores_of(m), "lost", x.n ? share(x.lost) : json_null(),
                     "stolen", x.n ? share(x.stolen) : json_null(), "preempted",
                     x.n ? share(x.preempted) : json_null(), "memory", memory_list(m),
                     "exit_ns", cost_of(m->exit), "clock_ns", cost_of(m->clock),
                     "clocksource", filled(m->clocksource), "ticks", known(m->ticks),
                     "copies", copies_of(m), "busy", busy_of(m), "notes", notes_of(m));
}

/* ---- the parts of the whole */

static json_t *past_of(const struct audit *a, size_t i)
{
    if (!a->past)
        return json_null();
    const struct audit_past *p = &a->past[i];
    json_t *o = json_pack("{s:o}", "audits", count(p->audits));
    for (int k = 0; o && k < REMARK_KINDS; k++)
        json_object_set_new(
            o, audit_remark_name((enum audit_remark_kind)k),
            json_pack("{s:o, s:o}", "of", count(p->of[k]), "with", count(p->with[k])));
    return o;
}

static json_t *rails_of(const struct audit_node *n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < n->n_rails; i++)
        list = append(list, text_of(n->rails[i]));
    return list;
}

static json_t *node_of(const struct audit *a, size_t i)
{
    const struct audit_node *n = &a->nodes[i];
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, "
        "s:o, s:o}",
        "host", text_of(n->host), "verdict", audit_machine_name(n->verdict), "error",
        text_of(n->error), "hint", filled(n->hint), "machine", filled(n->machine),
        "kernel", filled(n->kernel), "product", filled(n->product), "cpus",
        known(n->cpus), "mem_bytes", known(n->mem_bytes), "uid",
        n->found ? count(n->found->uid) : json_null(), "reasons", (int)n->n_reasons,
        "unseen", (int)n->n_unknown, "tests", tests_of(n), "probes", probes_of(n),
        "measured", measured_of(n), "past", past_of(a, i), "rails", rails_of(n));
}

static json_t *pair_of(const struct audit *a, size_t i)
{
    const struct audit_pair *x = &a->pairs[i];
    const Aolani__AuditPair *p = x->p;
    bool railed = x->rail < a->nodes[x->a].n_rails && x->rail < a->nodes[x->b].n_rails;
    json_t *o =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "a", text_of(a->nodes[x->a].host), "b",
                  text_of(a->nodes[x->b].host), "round", count(x->round), "error",
                  text_of(x->error), "rail", railed ? count(x->rail) : json_null());
    if (!p || !o)
        return o;
    json_t *numbers = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "transport",
        filled(p->transport), "nic", filled(p->nic), "peer_nic", filled(p->peer_nic),
        "trips", count(p->trips), "p50_ns", known(p->p50_ns), "p99_ns",
        known(p->p99_ns), "max_ns", known(p->max_ns), "there_mbytes",
        known(p->there_mbytes), "back_mbytes", known(p->back_mbytes), "retransmits",
        count(p->retransmits), "note", filled(p->note));
    if (!numbers || json_object_update(o, numbers) < 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(numbers);
    return o;
}

static json_t *remark_of(const struct audit *a, size_t i)
{
    const struct audit_remark *r = &a->remarks[i];
    return json_pack(
        "{s:s, s:o, s:o, s:o}", "kind", audit_remark_name(r->kind), "host",
        r->kind == REMARK_RAIL ? json_null() : text_of(a->nodes[r->a].host), "peer",
        r->kind == REMARK_PAIR ? text_of(a->nodes[r->b].host) : json_null(), "text",
        text_of(r->text));
}

/* ---- writing */

static int on_bytes(const char *bytes, size_t len, void *arg)
{
    int *rc = ((void **)arg)[1];
    if (*rc == 0)
        *rc = buf_add(((void **)arg)[0], bytes, len);
    return *rc;
}

static int dump(json_t *o, struct buf *out)
{
    int rc = 0;
    void *arg[2] = {out, &rc};
    if (!o)
        return -ENOMEM;
    if (json_dump_callback(o, on_bytes, arg, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) <
            0 &&
        rc == 0)
        rc = -ENOMEM;
    json_decref(o);
    return rc;
}

static int dump_list(const struct audit *a, const char *key, size_t n,
                     json_t *(*one)(const struct audit *a, size_t i), struct buf *out)
{
    int rc = buf_printf(out, ",\n \"%s\": [", key);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = buf_printf(out, "%s\n", i ? "," : "");
        rc = rc ? rc : dump(one(a, i), out);
    }
    return rc ? rc : buf_printf(out, "]");
}

int audit_json(const struct audit *a, struct buf *out)
{
    double took =
        isfinite(a->took_s) && a->took_s >= 0 && a->took_s < 1e9 ? a->took_s : 0;
    int rc = buf_printf(out,
                        "{\n \"schema\": 1,\n \"id\": \"%.16s\",\n \"time\": %lld,\n "
                        "\"took_s\": %.3f,\n \"measured\": %s,\n \"paired\": %s",
                        a->id, (long long)a->t_real_s, took,
                        a->measured ? "true" : "false", a->paired ? "true" : "false");
    if (rc == 0 && a->rails_fit > 0)
        rc = buf_printf(out, ",\n \"rails_fit\": %u", a->rails_fit);
    else if (rc == 0)
        rc = buf_printf(out, ",\n \"rails_fit\": null");
    rc = rc ? rc : dump_list(a, "nodes", a->n, node_of, out);
    rc = rc ? rc : dump_list(a, "pairs", a->n_pairs, pair_of, out);
    rc = rc ? rc : dump_list(a, "remarks", a->n_remarks, remark_of, out);
    return rc ? rc : buf_printf(out, "\n}\n");
}
