/* SPDX-License-Identifier: MIT */
/* runstate.c - see runstate.h. Records are folded in the order they were written; each adds
 * to what is known, so that whatever is missing at the end is simply not known. */
#include "launcher/runstate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/journal.h"
#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

#define ATTEMPTS_MAX 1000000u /* a number beyond is damage */

struct fold {
    struct runstate *r;
    uint64_t head_from_ns; /* when the current head came; 0: none yet */
};

/* ---- parts ---- */

static int replace(char **text, const char *by)
{
    char *copy = strdup(by);
    if (!copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static void drop_nodes(struct runstate *r)
{
    for (size_t i = 0; i < r->n_nodes; i++)
        free(r->nodes[i]);
    free(r->nodes);
    r->nodes = NULL;
    r->n_nodes = 0;
}

static int take_nodes(struct runstate *r, char *const *names, size_t n)
{
    if (n == 0)
        return 0;
    drop_nodes(r);
    if (!(r->nodes = calloc(n, sizeof *r->nodes)))
        return -ENOMEM;
    for (; r->n_nodes < n; r->n_nodes++) {
        if (!(r->nodes[r->n_nodes] = strdup(names[r->n_nodes])))
            return -ENOMEM;
    }
    return 0;
}

/* A clock that goes back, or another machine's that is behind, is not followed. */
static void see(struct fold *f, uint64_t t_real_ns)
{
    if (t_real_ns > f->r->seen_real_ns)
        f->r->seen_real_ns = t_real_ns;
}

static void head_leaves(struct fold *f)
{
    if (f->head_from_ns && f->r->seen_real_ns > f->head_from_ns)
        f->r->wall_ns += f->r->seen_real_ns - f->head_from_ns;
    f->head_from_ns = 0;
}

static void head_comes(struct fold *f, uint64_t epoch, uint64_t t_real_ns, uint32_t job)
{
    struct runstate *r = f->r;
    head_leaves(f);
    r->heads++;
    r->epoch = epoch > r->epoch ? epoch : r->epoch;
    r->slurm_job = job;
    r->over = false;
    r->seen_real_ns =
        t_real_ns; /* of another machine, maybe: its own clock counts now */
    f->head_from_ns = t_real_ns;
    if (!r->begun_real_ns)
        r->begun_real_ns = t_real_ns;
}

/* The attempt of this number, in order, made if need be; NULL: no memory, or nonsense. */
static struct runstate_attempt *attempt_of(struct runstate *r, uint32_t number)
{
    size_t at = r->n_attempts;
    if (number == 0 || number > ATTEMPTS_MAX)
        return NULL;
    while (at > 0 && r->attempts[at - 1].attempt > number)
        at--;
    if (at > 0 && r->attempts[at - 1].attempt == number)
        return &r->attempts[at - 1];
    struct runstate_attempt *more =
        realloc(r->attempts, (r->n_attempts + 1) * sizeof *more);
    if (!more)
        return NULL;
    r->attempts = more;
    memmove(more + at + 1, more + at, (r->n_attempts - at) * sizeof *more);
    more[at] = (struct runstate_attempt){.attempt = number};
    r->n_attempts++;
    return &more[at];
}

static void keep_steps(struct runstate_attempt *a, uint64_t first, uint64_t last)
{
    if (last < first)
        return;
    a->first_step = a->has_step && a->first_step < first ? a->first_step : first;
    a->last_step = a->has_step && a->last_step > last ? a->last_step : last;
    a->has_step = true;
}

/* What was said before of its steps is not so, or (0) of another source. */
static void keep_uncounted(struct runstate_attempt *a, uint32_t source)
{
    a->uncounted = source;
    a->has_step = a->has_step && source == 0;
}

/* ---- one function a kind of record; 0, -ENOMEM ---- */

static int on_start(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JRunStart *m = (const Aolani__JRunStart *)base;
    struct runstate *r = f->r;
    if (!r->made_real_ns)
        r->made_real_ns = m->t_real_ns;
    see(f, m->t_real_ns);
    if (m->epoch > 0)
        head_comes(f, m->epoch, m->t_real_ns, m->slurm_job);
    if (replace(&r->run_id, m->run_id) < 0 || replace(&r->name, m->name) < 0 ||
        replace(&r->version, m->version) < 0)
        return -ENOMEM;
    return take_nodes(r, m->nodes, m->n_nodes);
}

static int on_resume(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JResume *m = (const Aolani__JResume *)base;
    head_comes(f, m->epoch, m->t_real_ns, m->slurm_job);
    return 0;
}

static int on_phase(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JPhase *m = (const Aolani__JPhase *)base;
    struct runstate_attempt *a = attempt_of(f->r, m->attempt);
    see(f, m->t_real_ns);
    if (!a)
        return m->attempt == 0 || m->attempt > ATTEMPTS_MAX ? 0 : -ENOMEM;
    if (!a->start_real_ns)
        a->start_real_ns = m->t_real_ns;
    if (!a->ended)
        a->end_real_ns = f->r->seen_real_ns;
    (void)snprintf(a->phase, sizeof a->phase, "%s", m->phase);
    return take_nodes(f->r, m->nodes, m->n_nodes);
}

static int on_node(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JNode *m = (const Aolani__JNode *)base;
    see(f, m->t_real_ns);
    if (m->name[0] && m->node < f->r->n_nodes)
        return replace(&f->r->nodes[m->node], m->name);
    return 0;
}

static int on_rank(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JRank *m = (const Aolani__JRank *)base;
    struct runstate_attempt *a = attempt_of(f->r, m->attempt);
    if (a && m->rank < LIMIT_RANKS && m->rank >= a->world_size)
        a->world_size = m->rank + 1;
    return 0;
}

static int on_progress(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JProgress *m = (const Aolani__JProgress *)base;
    struct runstate_attempt *a = attempt_of(f->r, m->attempt);
    see(f, m->t_real_ns);
    if (!a)
        return 0;
    keep_steps(a, m->first_step, m->last_step);
    keep_uncounted(a, m->uncounted);
    if (!a->ended)
        a->end_real_ns = f->r->seen_real_ns;
    return 0;
}

/* The record has how long it lasted until then, without time that is not counted: so the
 * first of a stall says best when it began. */
static uint64_t since_of(const Aolani__JStall *m)
{
    uint64_t at_ms = m->t_real_ns / 1000000;
    return m->ms < at_ms ? (at_ms - m->ms) * 1000000 : 0;
}

static int on_stall(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JStall *m = (const Aolani__JStall *)base;
    struct runstate_attempt *a = attempt_of(f->r, m->attempt);
    struct runstate_stall *k = &f->r->stall;
    see(f, m->t_real_ns);
    if (!a)
        return 0;
    if (!a->ended)
        a->end_real_ns = f->r->seen_real_ns;
    bool goes_on = !k->over && k->attempt == m->attempt && k->number == m->number &&
                   k->heads == f->r->heads;
    if (!goes_on)
        k->since_real_ns = since_of(m);
    k->attempt = m->attempt;
    k->number = m->number;
    k->heads = f->r->heads;
    k->step = m->step;
    k->over = m->over;
    return replace(&k->ranks, m->ranks) < 0 ? -ENOMEM : replace(&k->text, m->text);
}

static int on_attempt(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JAttempt *m = (const Aolani__JAttempt *)base;
    struct runstate *r = f->r;
    struct runstate_attempt *a = attempt_of(r, m->attempt);
    see(f, m->t_real_ns);
    if (!a)
        return 0;
    a->ended = true;
    a->again = m->again;
    a->spent = m->spent;
    a->exit_status = m->exit_status;
    a->end_real_ns = r->seen_real_ns;
    a->wall_ns = m->wall_ns;
    (void)snprintf(a->cause, sizeof a->cause, "%s", m->cause);
    for (size_t i = 0; i < m->n_ledger_us && i < LEDGER_ROWS; i++)
        a->ledger.us[i] = m->ledger_us[i];
    a->ledger.hangs = m->hangs;
    if (m->has_step)
        keep_steps(a, m->first_step, m->last_step);
    keep_uncounted(a, m->uncounted);
    r->exit_status = m->exit_status;
    r->over = !m->again; /* even if its head died before it wrote that of the run */
    if (replace(&a->sentence, m->sentence) < 0)
        return -ENOMEM;
    return replace(&r->sentence, m->sentence);
}

static int on_end(struct fold *f, const ProtobufCMessage *base)
{
    const Aolani__JEnd *m = (const Aolani__JEnd *)base;
    see(f, m->t_real_ns);
    f->r->over = true;
    f->r->exit_status = m->exit_status;
    return replace(&f->r->sentence, m->sentence);
}

static const struct {
    enum journal_type type;
    const ProtobufCMessageDescriptor *message;
    int (*fold)(struct fold *f, const ProtobufCMessage *m);
} kinds[] = {
    {JOURNAL_RUN_START, &aolani__jrun_start__descriptor, on_start},
    {JOURNAL_RESUME, &aolani__jresume__descriptor, on_resume},
    {JOURNAL_PHASE, &aolani__jphase__descriptor, on_phase},
    {JOURNAL_NODE, &aolani__jnode__descriptor, on_node},
    {JOURNAL_RANK, &aolani__jrank__descriptor, on_rank},
    {JOURNAL_PROGRESS, &aolani__jprogress__descriptor, on_progress},
    {JOURNAL_STALL, &aolani__jstall__descriptor, on_stall},
    {JOURNAL_ATTEMPT, &aolani__jattempt__descriptor, on_attempt},
    {JOURNAL_END, &aolani__jend__descriptor, on_end},
};

static int fold_record(struct fold *f, enum journal_type type, const uint8_t *payload,
                       size_t len)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].type != type)
            continue;
        ProtobufCMessage *m =
            protobuf_c_message_unpack(kinds[i].message, NULL, len, payload);
        if (!m) {
            f->r->undecoded++;
            return 0;
        }
        int rc = kinds[i].fold(f, m);
        protobuf_c_message_free_unpacked(m, NULL);
        return rc;
    }
    return 0;
}

/* ---- the whole ---- */

int runstate_read_file(const char *path, struct runstate *ret, struct err *e)
{
    struct fold f = {.r = ret};
    struct journal_reader *r = NULL;
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    int frc = 0;
    *ret = (struct runstate){0};
    int rc = journal_reader_open(path, &r, e);
    if (rc < 0)
        return rc;
    while (frc == 0 &&
           (rc = journal_reader_next(r, &type, &payload, &len, &ret->torn, e)) == 1)
        frc = fold_record(&f, type, payload, len);
    journal_reader_close(r);
    head_leaves(&f);
    if (frc < 0)
        return err_sys(e, frc, "read journal \"%s\"", path);
    if (rc < 0)
        return rc;
    return ret->run_id
               ? 0
               : err_set(e, ERR_USAGE, "journal \"%s\" does not say of which run it is",
                         path);
}

int runstate_read(const char *dir, struct runstate *ret, struct err *e)
{
    char path[PATH_MAX];
    *ret = (struct runstate){0};
    if (snprintf(path, sizeof path, "%s/journal", dir) >= (int)sizeof path)
        return err_sys(e, -ENAMETOOLONG, "read the journal in \"%s\"", dir);
    int rc = runstate_read_file(path, ret, e);
    if (rc != -ENOENT && rc != -ENOTDIR)
        return rc;
    err_set(e, ERR_USAGE, "there is no run in \"%s\": it has no journal", dir);
    return err_hint(e, "name a run directory, as the first line of a run says it");
}

void runstate_fini(struct runstate *r)
{
    drop_nodes(r);
    for (size_t i = 0; i < r->n_attempts; i++)
        free(r->attempts[i].sentence);
    free(r->attempts);
    free(r->run_id);
    free(r->name);
    free(r->version);
    free(r->sentence);
    free(r->stall.ranks);
    free(r->stall.text);
    *r = (struct runstate){0};
}

int runstate_add(struct runstate *r, const struct runstate_attempt *a)
{
    struct runstate_attempt *at = attempt_of(r, a->attempt);
    if (!at)
        return -ENOMEM;
    free(at->sentence);
    *at = *a;
    return 0;
}
