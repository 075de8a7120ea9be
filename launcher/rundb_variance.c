/* SPDX-License-Identifier: MIT */
/* rundb_variance.c - late steps, slow spells and what nodes saw of themselves, as rows.
 *
 * A column for each mechanism, so that a query needs to know no order of them. */
#include <string.h>

#include "launcher/rundb_impl.h"
#include "launcher/variance/mechanism.h"
#include "proto/wire/aolani.pb-c.h"

/* In the order of enum mechanism. */
#define PARTS                                                                     \
    "throttled_us INTEGER, preempted_us INTEGER, stolen_us INTEGER,"              \
    " stopped_us INTEGER, blocked_us INTEGER, faults_us INTEGER, gpu_us INTEGER," \
    " link_us INTEGER, memory_us INTEGER, work_us INTEGER, gpu_slow_us INTEGER,"  \
    " network_us INTEGER, unknown_us INTEGER"
_Static_assert(MECH_N == 13, "a mechanism without a column");

const char rundb_variance_schema[] =
    "CREATE TABLE culprit (attempt INTEGER, rank INTEGER, step INTEGER,"
    " t_end_ns INTEGER, busy_us INTEGER, usual_us INTEGER, excess_us INTEGER,"
    " loss_us INTEGER, what TEXT, " PARTS ");"
    "CREATE TABLE spell (attempt INTEGER, rank INTEGER, first_step INTEGER,"
    " last_step INTEGER, over INTEGER, percent REAL, what TEXT, common TEXT,"
    " excess_us INTEGER, loss_us INTEGER, t_head_ns INTEGER, " PARTS ","
    " PRIMARY KEY (attempt, rank, first_step, t_head_ns)) WITHOUT ROWID;"
    "CREATE TABLE signal (attempt INTEGER, node INTEGER, t_ns INTEGER,"
    " interval_ns INTEGER, cpus INTEGER, steal_us INTEGER, psi_cpu_us INTEGER,"
    " psi_memory_us INTEGER, psi_io_us INTEGER, throttled_us INTEGER,"
    " interrupts INTEGER, softirqs INTEGER, triad_mbytes INTEGER, exit_ns INTEGER,"
    " fault_ns INTEGER);"
    "CREATE TABLE signal_gpu (attempt INTEGER, node INTEGER, t_ns INTEGER, uuid TEXT,"
    " power_us INTEGER, heat_us INTEGER, brake_us INTEGER, other_us INTEGER,"
    " sm_mhz INTEGER, sm_max_mhz INTEGER, mem_mhz INTEGER, celsius INTEGER,"
    " milliwatts INTEGER, pcie_replays INTEGER, nvlink_errors INTEGER,"
    " ecc_errors INTEGER, mem_celsius INTEGER, sync_us INTEGER, board_us INTEGER,"
    " reliability_us INTEGER, energy_mj INTEGER, ecc_corrected INTEGER,"
    " remapped_rows INTEGER, reasons INTEGER);"
    "CREATE TABLE gpu_fault (attempt INTEGER, node INTEGER, t_real_ns INTEGER,"
    " bus TEXT, xid INTEGER, n INTEGER, text TEXT);"
    "CREATE TABLE stall (attempt INTEGER, number INTEGER, step INTEGER,"
    " from_ms INTEGER, ms INTEGER, over INTEGER, ranks TEXT, text TEXT,"
    " PRIMARY KEY (attempt, number));"
    "CREATE TABLE signal_port (attempt INTEGER, node INTEGER, t_ns INTEGER, nic TEXT,"
    " port INTEGER, xmit_wait INTEGER, xmit_bytes INTEGER, rcv_bytes INTEGER,"
    " symbol_errors INTEGER, recoveries INTEGER, downs INTEGER, retransmits INTEGER,"
    " marks INTEGER);"
    "CREATE TABLE signal_link (attempt INTEGER, node INTEGER, t_ns INTEGER, text "
    "TEXT);";

const char rundb_variance_finish[] =
    "CREATE INDEX culprit_by_rank ON culprit (attempt, rank, step);"
    "CREATE INDEX signal_by_node ON signal (attempt, node, t_ns);";

/* The last word on a spell is the one that counts. */
const char *const rundb_variance_sql[N_PUT - N_OWN_PUT] = {
    [PUT_CULPRIT - N_OWN_PUT] =
        "INSERT INTO culprit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_SPELL - N_OWN_PUT] = ("INSERT OR REPLACE INTO spell VALUES"
                               " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
    [PUT_SIGNAL - N_OWN_PUT] =
        "INSERT INTO signal VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_SIGNAL_GPU - N_OWN_PUT] = "INSERT INTO signal_gpu VALUES "
                                   "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_SIGNAL_PORT - N_OWN_PUT] =
        "INSERT INTO signal_port VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_SIGNAL_LINK - N_OWN_PUT] = "INSERT INTO signal_link VALUES (?,?,?,?)",
    [PUT_GPU_FAULT - N_OWN_PUT] = "INSERT INTO gpu_fault VALUES (?,?,?,?,?,?,?)",
    [PUT_STALL - N_OWN_PUT] = "INSERT OR REPLACE INTO stall VALUES (?,?,?,?,?,?,?,?)",
};

/* The part, 0 where an older version knew fewer of them. */
static int64_t part(const uint64_t *us, size_t n, size_t i)
{
    return i < n ? (int64_t)us[i] : 0;
}
#define PART(m, i) part((m)->part_us, (m)->n_part_us, i)
#define ALL_PARTS(m)                                                              \
    PART(m, 0), PART(m, 1), PART(m, 2), PART(m, 3), PART(m, 4), PART(m, 5),       \
        PART(m, 6), PART(m, 7), PART(m, 8), PART(m, 9), PART(m, 10), PART(m, 11), \
        PART(m, 12)

/* 0: it could not be known. */
static int64_t measured(uint64_t value)
{
    return value ? (int64_t)value : -1;
}

void rundb_put_culprit(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JCulprit *m = (const Aolani__JCulprit *)base;
    rundb_put(b, PUT_CULPRIT, "iiiiiuiisiiiiiiiiiiiii", (int64_t)m->attempt,
              (int64_t)m->rank, (int64_t)m->step, (int64_t)m->t_end_ns,
              (int64_t)m->busy_us, measured(m->usual_us), (int64_t)m->excess_us,
              (int64_t)m->loss_us, m->what, ALL_PARTS(m));
}

void rundb_put_spell(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JSpell *m = (const Aolani__JSpell *)base;
    rundb_put(b, PUT_SPELL, "iiiiidssiiiiiiiiiiiiiiii", (int64_t)m->attempt,
              (int64_t)m->rank, (int64_t)m->first_step, (int64_t)m->last_step,
              (int64_t)m->over, m->percent, m->what, m->common, (int64_t)m->excess_us,
              (int64_t)m->loss_us, (int64_t)m->t_head_ns, ALL_PARTS(m));
}

static void put_devices(struct rundb *b, int64_t attempt, int64_t node,
                        const Aolani__NodeSignals *s)
{
    int64_t t = (int64_t)s->t_ns;
    for (size_t i = 0; i < s->n_gpus; i++) {
        const Aolani__GpuSignal *g = s->gpus[i];
        rundb_put(b, PUT_SIGNAL_GPU, "iiisuuuuuuuuuuuuuuuuuuuu", attempt, node, t,
                  g->uuid, g->power_us, g->heat_us, g->brake_us, g->other_us,
                  (int64_t)g->sm_mhz, (int64_t)g->sm_max_mhz, (int64_t)g->mem_mhz,
                  (int64_t)g->celsius, (int64_t)g->milliwatts, g->pcie_replays,
                  g->nvlink_errors, g->ecc_errors, (int64_t)g->mem_celsius, g->sync_us,
                  g->board_us, g->reliability_us, g->energy_mj, g->ecc_corrected,
                  g->remapped_rows, g->reasons);
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        const Aolani__PortSignal *p = s->ports[i];
        rundb_put(b, PUT_SIGNAL_PORT, "iiisiuuuuuuuu", attempt, node, t, p->nic,
                  (int64_t)p->port, p->xmit_wait, p->xmit_bytes, p->rcv_bytes,
                  p->symbol_errors, p->recoveries, p->downs, p->retransmits, p->marks);
    }
    for (size_t i = 0; i < s->n_links; i++)
        rundb_put(b, PUT_SIGNAL_LINK, "iiis", attempt, node, t, s->links[i]);
}

void rundb_put_stall(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JStall *m = (const Aolani__JStall *)base;
    rundb_put(b, PUT_STALL, "iiiuuiss", (int64_t)m->attempt, (int64_t)m->number,
              (int64_t)m->step, (int64_t)m->from_ms, (int64_t)m->ms, (int64_t)m->over,
              m->ranks, m->text);
}

void rundb_put_fault(struct rundb *b, const ProtobufCMessage *base)
{
    const Aolani__JFault *m = (const Aolani__JFault *)base;
    const Aolani__GpuFault *f = m->fault;
    if (f)
        rundb_put(b, PUT_GPU_FAULT, "iiisiis", (int64_t)m->attempt, (int64_t)m->node,
                  (int64_t)m->t_real_ns, f->bus_id, (int64_t)f->xid, (int64_t)f->n,
                  f->text);
}

static int64_t known(const Aolani__NodeSignals *s, uint32_t bit, uint64_t value)
{
    return s->known & bit ? (int64_t)value : -1;
}

void rundb_put_signals(struct rundb *b, const ProtobufCMessage *base)
{
    static const Aolani__Probe none = AOLANI__PROBE__INIT;
    const Aolani__JSignals *m = (const Aolani__JSignals *)base;
    const Aolani__NodeSignals *s = m->signals;
    if (!s)
        return;
    const Aolani__Probe *p = s->probe ? s->probe : &none;
    const uint32_t psi = AOLANI__NODE_SIGNALS__KNOWN__PSI,
                   irq = AOLANI__NODE_SIGNALS__KNOWN__INTERRUPTS;
    rundb_put(b, PUT_SIGNAL, "iiiiiuuuuuuuuuu", (int64_t)m->attempt, (int64_t)m->node,
              (int64_t)s->t_ns, (int64_t)s->interval_ns, (int64_t)s->cpus,
              known(s, AOLANI__NODE_SIGNALS__KNOWN__STEAL, s->steal_us),
              known(s, psi, s->psi_cpu_us), known(s, psi, s->psi_memory_us),
              known(s, psi, s->psi_io_us),
              known(s, AOLANI__NODE_SIGNALS__KNOWN__QUOTA, s->throttled_us),
              known(s, irq, s->interrupts), known(s, irq, s->softirqs),
              measured(p->triad_mbytes), measured(p->exit_ns), measured(p->fault_ns));
    put_devices(b, (int64_t)m->attempt, (int64_t)m->node, s);
}
