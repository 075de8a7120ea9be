/* SPDX-License-Identifier: MIT */
/* job_stall.c - see job_stall.h. A look: STALL_ASK to all nodes with ranks, and with `nccl`
 * to one, to which another follows while there is no answer, three at most; what came is
 * said after SAY_MS at the latest, and what NCCL says later than that on its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_coll.h"
#include "launcher/job_stall_impl.h"
#include "launcher/stallfile.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define SAY_MS     6000u  /* most answers come at once; RAS takes up to 10 s */
#define NCCL_MS    22000u /* an agent answers within 20 s */
#define PAGE_MOST  (2u << 20)
#define LINES_MOST (16u << 10)
#define CORES_MS   1000u /* a shorter time tells nothing of CPU time used */

/* ---------------------------------------------------------------- its life */

int job_stall_create(struct job *j)
{
    const char *test = getenv("AOLANI_TEST_STALL_MS");
    struct job_stall *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    j->stall = s;
    s->job = j;
    stall_init(&s->core, test ? (uint32_t)strtoul(test, NULL, 10) : 0);
    buf_init(&s->page, PAGE_MOST);
    buf_init(&s->lines, LINES_MOST);
    s->ended = calloc(j->plan.world_size, sizeof *s->ended);
    s->awaited = calloc(j->n_nodes, sizeof *s->awaited);
    s->all = calloc(JOB_STALLS, sizeof *s->all);
    s->answer = calloc(1, sizeof *s->answer);
    if (j->config.attempt_dir)
        s->file = stallfile_create(j->config.attempt_dir);
    return s->ended && s->awaited && s->all && s->answer ? 0 : -ENOMEM;
}

void job_stall_destroy(struct job_stall *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++) {
        free(s->all[i].ranks);
        free(s->all[i].text);
    }
    stallfile_destroy(s->file);
    rankset_fini(&s->named);
    free(s->answer);
    buf_fini(&s->page);
    buf_fini(&s->lines);
    free(s->all);
    free(s->ended);
    free(s->ranks);
    free(s->awaited);
    free(s);
}

/* ---------------------------------------------------------------- a look */

static bool node_runs(const struct job *j, uint32_t node)
{
    for (uint32_t i = j->plan.first_rank[node]; i < j->plan.first_rank[node + 1]; i++)
        if (j->ranks[i].v.end == RANK_ALIVE)
            return true;
    return false;
}

static bool can_ask(const struct job *j, uint32_t node)
{
    return j->nodes[node].step == NODE_PREPARED_ && fleet_is_up(j->fleet, node) &&
           node_runs(j, node);
}

static int ask(struct job_stall *s, uint32_t node, bool nccl)
{
    Aolani__StallAsk m = AOLANI__STALL_ASK__INIT;
    m.look = s->look;
    m.nccl = nccl;
    return fleet_send(s->job->fleet, node, MSG_STALL_ASK, s->job->config.attempt,
                      &m.base);
}

/* A program may use NCCL on a node where nobody would see it; asking costs a connection
 * that is refused, and words that mislead. So there must be some sign of it. */
static bool uses_nccl(const struct job *j)
{
    const struct strlist *env = &j->config.spec->job.env;
    for (uint32_t i = 0; i < j->plan.n_nodes; i++)
        if (j->plan.nodes[i].n_gpus > 0)
            return true;
    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->items[i], "NCCL_", 5) == 0)
            return true;
    return job_coll_has_nccl(j);
}

static uint64_t least_ended(const struct job_stall *s, uint32_t node)
{
    const struct plan *p = &s->job->plan;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = p->first_rank[node]; i < p->first_rank[node + 1]; i++)
        if (s->ended[i] > 0 && s->ended[i] < least)
            least = s->ended[i];
    return least;
}

static bool was_tried(const struct job_stall *s, uint32_t node)
{
    for (uint32_t i = 0; i < s->n_tried; i++)
        if (s->tried[i] == node)
            return true;
    return false;
}

/* The node that is furthest behind, among equals the first. */
static void ask_nccl(struct job_stall *s)
{
    struct job *j = s->job;
    uint32_t best = UINT32_MAX;
    s->asks_nccl = false;
    for (uint32_t i = 0; i < j->n_nodes && s->n_tried < JOB_STALL_TRIES; i++)
        if (can_ask(j, i) && !was_tried(s, i) &&
            (best == UINT32_MAX || least_ended(s, i) < least_ended(s, best)))
            best = i;
    if (best == UINT32_MAX || ask(s, best, true) < 0)
        return;
    s->tried[s->n_tried++] = best;
    s->asks_nccl = true;
    s->nccl_ms = loop_now_ms(j->loop);
}

static void begin_look(struct job_stall *s, uint64_t now_ms)
{
    struct job *j = s->job;
    if (!s->ranks && !(s->ranks = calloc(j->plan.world_size, sizeof *s->ranks)))
        return;
    s->look++;
    s->look_ms = now_ms;
    s->said = s->waits_again = false;
    s->n_awaited = s->n_tried = 0;
    for (uint32_t i = 0; i < j->plan.world_size; i++) {
        s->ranks[i].runs = j->ranks[i].v.end == RANK_ALIVE;
        s->ranks[i].answered = false;
        s->ranks[i].ended = s->ended[i];
        s->ranks[i].told = s->first ? 0 : s->ranks[i].told;
    }
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        s->awaited[i] = can_ask(j, i) && ask(s, i, false) == 0;
        s->n_awaited += s->awaited[i];
    }
    if (uses_nccl(j))
        ask_nccl(s);
}

/* ---------------------------------------------------------------- its end */

static void end_look(struct job_stall *s, uint64_t now_ms)
{
    s->look_ms = 0;
    if (!s->waits_again)
        return;
    s->first = false;
    begin_look(s, now_ms);
}

/* The next node is asked, or nobody has an answer. */
static void no_nccl(struct job_stall *s, const char *why)
{
    job_stall_no_nccl(s, why);
    ask_nccl(s);
    s->nccl_has_news = !s->asks_nccl;
}

static void watch_look(struct job_stall *s, uint64_t now_ms)
{
    if (!s->look_ms)
        return;
    uint64_t passed = now_ms - s->look_ms;
    if (s->asks_nccl && now_ms - s->nccl_ms >= NCCL_MS)
        no_nccl(s, "the agent has not said what became of it");
    bool all = s->n_awaited == 0 && !s->asks_nccl;
    if (!s->said && (all || passed >= SAY_MS))
        job_stall_say(s);
    else if (s->said)
        job_stall_say_nccl(s);
    if (s->said && (all || (!s->asks_nccl && passed >= NCCL_MS)))
        end_look(s, now_ms);
}

/* ---------------------------------------------------------------- answers */

static int check_seen(const struct job *j, uint32_t node, const Aolani__StallSeen *m,
                      struct err *e)
{
    int rc = 0;
    if (!j->stall || !j->fences)
        return err_set(e, ERR_PROTO, "it answers what nobody asked");
    if (m->n_ranks > j->plan.first_rank[node + 1] - j->plan.first_rank[node] ||
        m->nccl_text.len > LIMIT_RAS_TEXT)
        return err_set(e, ERR_PROTO, "it says more of its ranks than there is");
    for (size_t i = 0; rc == 0 && i < m->n_ranks; i++) {
        const Aolani__StallSeen__Rank *r = m->ranks[i];
        char c = r->state[0];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if ((rc = job_check_rank(j, node, r->rank, e)) < 0)
            return rc;
        if ((c && (!is_letter || r->state[1])) ||
            strlen(r->wait_channel) > LIMIT_WAIT_CHANNEL ||
            r->n_pids > LIMIT_STALL_PIDS)
            rc = err_set(e, ERR_PROTO, "what it says of rank %u is of no known form",
                         r->rank);
    }
    return rc;
}

static void take_rank(struct stallrank *r, const Aolani__StallSeen__Rank *m,
                      uint64_t now_ms)
{
    uint64_t passed = now_ms - r->at_ms;
    r->has_cores =
        r->at_ms && m->pid == r->pid && m->cpu_ms >= r->cpu_ms && passed >= CORES_MS;
    r->cores = r->has_cores ? (float)(m->cpu_ms - r->cpu_ms) / (float)passed : 0;
    r->state = m->state[0];
    r->traced = m->traced;
    r->pid = m->pid;
    r->threads = m->threads;
    r->cpu_ms = m->cpu_ms;
    r->at_ms = now_ms;
    (void)snprintf(r->wait_channel, sizeof r->wait_channel, "%s", m->wait_channel);
    r->n_pids = (uint8_t)m->n_pids;
    memcpy(r->pids, m->pids, m->n_pids * sizeof *r->pids);
}

/* Ranks that it does not tell of have no process. */
static void take_ranks(struct job_stall *s, uint32_t node, const Aolani__StallSeen *m)
{
    const struct plan *p = &s->job->plan;
    uint64_t now_ms = loop_now_ms(s->job->loop);
    s->awaited[node] = false;
    s->n_awaited--;
    for (uint32_t i = p->first_rank[node]; i < p->first_rank[node + 1]; i++) {
        s->ranks[i].answered = true;
        s->ranks[i].state = '\0';
        s->ranks[i].runs = s->job->ranks[i].v.end == RANK_ALIVE;
    }
    for (size_t i = 0; i < m->n_ranks; i++)
        take_rank(&s->ranks[m->ranks[i]->rank], m->ranks[i], now_ms);
}

static void take_nccl(struct job_stall *s, const Aolani__StallSeen *m)
{
    if (m->nccl_error[0] || m->nccl_text.len == 0) {
        no_nccl(s, m->nccl_error[0] ? m->nccl_error : "it said nothing");
        return;
    }
    s->asks_nccl = false;
    job_stall_put_nccl(s, m);
}

int job_on_stall_seen(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e)
{
    const Aolani__StallSeen *m = (const void *)msg;
    struct job_stall *s = j->stall;
    int rc = check_seen(j, node, m, e);
    if (rc < 0 || !s->look_ms || m->look != s->look)
        return rc;
    if (s->awaited[node] && (m->n_ranks > 0 || !m->nccl_asked))
        take_ranks(s, node, m);
    if (m->nccl_asked && s->asks_nccl && s->tried[s->n_tried - 1] == node)
        take_nccl(s, m);
    if (stall_gap_ms(&s->core, loop_now_ms(j->loop)) == 0) /* else at the next tick */
        watch_look(s, loop_now_ms(j->loop));
    return 0;
}

/* ---------------------------------------------------------------- meanwhile */

static void begin(struct job_stall *s, uint64_t now_ms)
{
    const struct job *j = s->job;
    uint64_t silent = stall_silent_ms(&s->core), ran = now_ms - j->phase_start_ms[2];
    if (s->n == JOB_STALLS) { /* those after it take its place */
        free(s->all[--s->n].ranks);
        free(s->all[s->n].text);
    }
    s->n++;
    s->all[s->n - 1] =
        (struct summary_stall){.attempt = j->config.attempt,
                               .number = (uint32_t)s->n,
                               .step = s->core.step,
                               .from_ms = ran > silent ? ran - silent : 0,
                               .ms = silent};
    s->nccl_told[0] = '\0';
    s->nccl_has_news = false;
    s->page.len = 0;
    s->first = true;
    begin_look(s, now_ms);
}

static void is_over(struct job_stall *s, uint64_t ms)
{
    struct summary_stall *k = &s->all[s->n - 1];
    bool was_told = s->said || !s->first;
    s->look_ms = 0;
    s->asks_nccl = false;
    k->over = true;
    k->ms = ms;
    job_journal_stall(s->job, k);
    if (was_told)
        job_stall_say_over(s, ms);
}

void job_stall_news(struct job *j, uint32_t rank, uint32_t step)
{
    struct job_stall *s = j->stall;
    uint64_t ms;
    if (!s || j->state != JOB_RUNNING) /* ranks that are being stopped may end one */
        return;
    if (s->ended[rank] > (uint64_t)step + 1) /* it was restarted, or counts anew */
        stall_fall(&s->core, step);
    s->ended[rank] = (uint64_t)step + 1;
    if (stall_news(&s->core, loop_now_ms(j->loop), step, &ms) == STALL_OVER && s->n > 0)
        is_over(s, ms);
}

void job_stall_anew(struct job *j)
{
    struct job_stall *s = j->stall;
    if (!s)
        return;
    if (s->core.looks > 0 && s->n > 0)
        is_over(s, stall_silent_ms(&s->core));
    stall_init(&s->core, s->core.least_ms);
    s->look_ms = 0;
    memset(s->ended, 0, j->plan.world_size * sizeof *s->ended);
}

/* What silence means while ranks save, or while a node is out of sight, nobody knows. */
static bool is_known(const struct job *j)
{
    for (uint32_t i = 0; i < j->n_nodes; i++)
        if (node_runs(j, i) && !fleet_is_up(j->fleet, i))
            return false;
    return !j->stop.saving;
}

void job_stall_tick(struct job *j, uint64_t now_ms)
{
    struct job_stall *s = j->stall;
    if (!s || j->state != JOB_RUNNING)
        return;
    if (s->look_ms) { /* the launcher was stopped: nobody could answer it */
        s->look_ms += stall_gap_ms(&s->core, now_ms);
        s->nccl_ms += stall_gap_ms(&s->core, now_ms);
    }
    switch (stall_tick(&s->core, now_ms, is_known(j))) {
    case STALL_BEGINS:
        begin(s, now_ms);
        break;
    case STALL_LASTS:
        s->waits_again = true;
        if (s->look_ms)
            break;
        end_look(s, now_ms);
        break;
    default:
        break;
    }
    watch_look(s, now_ms);
}

void job_stall_finish(struct job *j)
{
    struct job_stall *s = j->stall;
    if (!s || s->core.looks == 0 || s->n == 0)
        return;
    s->all[s->n - 1].ms = stall_silent_ms(&s->core);
    job_journal_stall(j, &s->all[s->n - 1]);
}

void job_stall_fill(const struct job *j, struct summary *s)
{
    s->stalls = j->stall ? j->stall->all : NULL;
    s->n_stalls = j->stall ? j->stall->n : 0;
}
