/* SPDX-License-Identifier: MIT */
/* job_stall.c - no step ends: what the ranks of this node do, and what their NCCL says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job_impl.h"
#include "agent/ras.h"
#include "agent/rankstate.h"

#define LETTER_BYTES 2

/* ---- the ranks */

static void fill_rank(Aolani__StallSeen__Rank *m, struct rankstate *s,
                      char letter[LETTER_BYTES])
{
    letter[0] = s->pid ? s->state : '\0';
    letter[1] = '\0';
    m->pid = (uint32_t)s->pid;
    m->state = letter;
    m->wait_channel = s->wait_channel;
    m->threads = s->threads;
    m->cpu_ms = s->cpu_ms;
    m->traced = s->traced;
    m->pids = s->pids;
    m->n_pids = s->n_pids;
}

static void send_seen(struct job *j, Aolani__StallSeen *m)
{
    size_t n = 0, n_tasks;
    const struct task *tasks = ranks_tasks(j->ranks, &n_tasks);
    struct rankstate *seen = calloc(n_tasks, sizeof *seen);
    char(*letters)[LETTER_BYTES] = calloc(n_tasks, sizeof *letters);
    Aolani__StallSeen__Rank *all = calloc(n_tasks, sizeof *all);
    Aolani__StallSeen__Rank **list = calloc(n_tasks, sizeof *list);
    for (size_t i = 0; seen && i < n_tasks; i++)
        seen[i].first = task_is_alive(&tasks[i]) ? tasks[i].pid : 0;
    bool known = seen && letters && all && list && rankstate_look(seen, n_tasks) == 0;
    for (size_t i = 0; known && i < n_tasks; i++) {
        if (!seen[i].first)
            continue;
        aolani__stall_seen__rank__init(&all[n]);
        all[n].rank = tasks[i].rank;
        fill_rank(&all[n], &seen[i], letters[i]);
        list[n] = &all[n];
        n++;
    }
    m->look = j->look;
    m->ranks = list;
    m->n_ranks = n;
    if (known || m->nccl_asked) /* silence is better than ranks without a process */
        (void)j->c.up->send(j->c.up->arg, MSG_STALL_SEEN, &m->base);
    free(list);
    free(all);
    free(letters);
    free(seen);
}

/* ---- NCCL */

static void on_answer(void *arg, const struct ras_answer *a)
{
    struct job *j = arg;
    Aolani__StallSeen m = AOLANI__STALL_SEEN__INIT;
    char why[sizeof a->error.text + sizeof a->error.hint + 4] = "";
    if (!a->text)
        (void)snprintf(why, sizeof why, "%s%s%s", a->error.text,
                       a->error.hint[0] ? "; " : "", a->error.hint);
    m.nccl_asked = true;
    m.nccl_address = j->ras_address;
    m.nccl_error = why;
    m.nccl_text.data = (uint8_t *)a->text;
    m.nccl_text.len = a->len;
    m.nccl_cut = a->cut;
    if (j->ranks)
        send_seen(j, &m);
    ras_destroy(j->ras);
    j->ras = NULL;
}

static void ask_nccl(struct job *j)
{
    struct ras_answer a = {0};
    if (j->ras_address[0] == '\0')
        (void)err_set(&a.error, -ENOENT,
                      "ask NCCL's RAS: NCCL_RAS_ENABLE is 0, or no port was free");
    else if (ras_ask(j->c.loop, j->ras_address, on_answer, j, &j->ras, &a.error) == 0)
        return;
    on_answer(j, &a);
}

int job_on_stall_ask(struct job *j, const struct envelope *v, ProtobufCMessage *msg,
                     struct err *e)
{
    const Aolani__StallAsk *m = (const Aolani__StallAsk *)msg;
    (void)v;
    (void)e;
    job_forget_stall(j);
    j->look = m->look;
    if (!j->ranks)
        return 0; /* they are over, as the head will hear */
    if (m->nccl) {
        ask_nccl(j);
        return 0;
    }
    Aolani__StallSeen seen = AOLANI__STALL_SEEN__INIT;
    send_seen(j, &seen);
    return 0;
}

void job_forget_stall(struct job *j)
{
    ras_destroy(j->ras);
    j->ras = NULL;
}

/* ---- where NCCL listens */

/* Each job has a port of its own: two on one host would share NCCL's, and the answer might
 * be the other's. Between here and NCCL's start another may take the port: then it is
 * asked, and does not greet as NCCL does. */
void job_choose_ras(struct job *j)
{
    const char *theirs = job_their_value(j, "NCCL_RAS_ADDR");
    const char *enable = job_their_value(j, "NCCL_RAS_ENABLE");
    if (enable && strcmp(enable, "0") == 0)
        return;
    uint16_t port = theirs ? 0 : ras_free_port();
    if (theirs)
        (void)snprintf(j->ras_address, sizeof j->ras_address, "%.*s",
                       (int)sizeof j->ras_address - 1, theirs);
    else if (port)
        (void)snprintf(j->ras_address, sizeof j->ras_address, "127.0.0.1:%u", port);
}
