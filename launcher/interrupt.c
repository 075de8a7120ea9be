/* SPDX-License-Identifier: MIT */
/* interrupt.c - see interrupt.h. */
#include "launcher/interrupt.h"

#include <signal.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

static const int signums[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
#define N_SIGNALS (sizeof signums / sizeof *signums)
/* Slurm tells all processes of a batch script, which tells its head, too. */
#define ECHO_MS 1000u

struct interrupt {
    struct job *job; /* NULL: none now */
    bool tty;
    void (*on_stop)(void *arg, int signum);
    void *arg;
    uint64_t term_ms; /* when the last SIGTERM came; 0: none */
    unsigned stage;   /* 0: running, 1: told how, 2: stopping, 3: killing, 4: leaving */
    struct loop_signal *signals[N_SIGNALS];
};

static void advance(struct interrupt *i, int signum)
{
    if (i->stage == 0 && signum == SIGINT && i->tty && i->job) {
        i->stage = 1;
        job_print_status(i->job);
        log_answer(
            "Ctrl-C again stops the job (TERM, then its grace), a third time kills "
            "it");
        return;
    }
    i->stage = i->stage < 2 ? 2 : i->stage + 1;
    if (i->on_stop)
        i->on_stop(i->arg, signum);
    if (!i->job)
        return;
    if (i->stage == 2) {
        log_note("stopping the job; once more kills its ranks");
        job_stop(i->job, signum, false);
    } else if (i->stage == 3) {
        log_note(
            "killing what is left; once more leaves without proof that it is gone");
        job_stop(i->job, signum, true);
    } else if (i->stage == 4) {
        log_note("leaving; what is left ends when its lease is over");
        job_leave(i->job);
    }
}

static bool is_echo(struct interrupt *i, int signum)
{
    uint64_t now = clock_mono_ns() / 1000000;
    if (signum != SIGTERM || !getenv("SLURM_JOB_ID"))
        return false;
    bool echo = i->term_ms && now - i->term_ms < ECHO_MS;
    i->term_ms = now;
    return echo;
}

static void on_signal(int signum, void *arg)
{
    struct interrupt *i = arg;
    if (is_echo(i, signum))
        return;
    if (signum != SIGUSR1 && signum != SIGUSR2)
        advance(i, signum);
    else if (i->job)
        job_signal(i->job, signum);
}

/* nohup asks so to outlive the terminal. An ignored SIGINT is another matter: every shell
 * script sets it for what it starts in the background, and the one who sends it there means
 * the job. */
static bool is_shielded(int signum)
{
    struct sigaction now;
    return signum == SIGHUP && sigaction(signum, NULL, &now) == 0 &&
           now.sa_handler == SIG_IGN;
}

struct interrupt *interrupt_create(struct loop *l, struct job *j, bool tty)
{
    struct interrupt *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->job = j;
    i->tty = tty;
    for (size_t k = 0; k < N_SIGNALS; k++) {
        if (is_shielded(signums[k]))
            continue;
        i->signals[k] = loop_signal_create(l, signums[k], on_signal, i);
        if (!i->signals[k]) {
            interrupt_destroy(i);
            return NULL;
        }
    }
    return i;
}

void interrupt_watch(struct interrupt *i, struct job *j)
{
    i->job = j;
}

void interrupt_on_stop(struct interrupt *i, void (*stop)(void *arg, int signum),
                       void *arg)
{
    i->on_stop = stop;
    i->arg = arg;
}

void interrupt_destroy(struct interrupt *i)
{
    if (!i)
        return;
    for (size_t k = 0; k < N_SIGNALS; k++)
        loop_signal_destroy(i->signals[k]);
    free(i);
}
