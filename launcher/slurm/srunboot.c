/* SPDX-License-Identifier: MIT */
/* srunboot.c - see srunboot.h. What the nodes say, and what they may be sent: srunseats.h;
 * what srun says of itself: srunwords.h; how it is called: srunargs.h. The talk
 * with the nodes: srunboot_talk.c; srun's words and end: srunboot_end.c.
 *
 * A launch that fails on one node ends the whole step: the others are killed and started
 * again without it, which they do not notice, since no node has a key before all are
 * there. A node that has left the job is not named by srun; Slurm is asked then. */
#include "launcher/slurm/srunboot_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/bootscript.h"
#include "launcher/slurm/srunargs.h"

extern char **environ;

#define ANSWER_MS  120000u /* for a first answer: a prolog may run before */
#define PATIENT_MS 5000u   /* before the user is told what is waited for */

/* ---------------------------------------------------------------- single nodes */

void srunboot_fail(struct seat *s, const struct err *e)
{
    if (!srunboot_is_waiting(s))
        return;
    s->at->state = SRUNSEAT_GONE;
    s->failed = true;
    if (!s->unwanted && s->of) /* others may not be wanted any more after this */
        s->of->config.ops->failed(s->node, e);
}

void srunboot_end(struct seat *s, enum boot_end what, int ws, const char *words)
{
    if (s->ended)
        return;
    s->ended = true;
    if (s->of)
        s->of->config.ops->ended(s->node, what, ws, words);
}

void srunboot_fail_waiting(struct srunboot *b, const struct err *e)
{
    for (size_t i = 0; i < b->n; i++)
        srunboot_fail(&b->seats[i], e);
}

bool srunboot_any_waits(const struct srunboot *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (srunboot_is_waiting(&b->seats[i]))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- its begin */

static int make_argv(struct srunboot *b, struct strlist *ret)
{
    struct buf script;
    size_t n = 0;
    const char **names = calloc(b->n, sizeof *names);
    buf_init(&script, 8192);
    int rc = names ? bootscript_group(b->config.bundle, &script) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < b->n; i++) {
        if (srunboot_is_waiting(&b->seats[i]))
            names[n++] = b->seats[i].name;
    }
    if (rc == 0)
        rc = srunargs_argv(names, n, (char *)script.data, ret);
    free(names);
    buf_fini(&script);
    return rc;
}

static int srun_spawn(struct srunboot *b, struct err *e)
{
    struct strlist argv = {0}, env = {0};
    int rc = make_argv(b, &argv);
    if (rc == 0)
        rc = srunargs_env(environ, &env);
    if (rc < 0) {
        err_sys(e, rc, "start agents by srun");
    } else {
        struct loop_proc_spec ps = {.file = argv.items[0],
                                    .argv = argv.items,
                                    .env = env.items,
                                    .extra_fd = -1,
                                    .stderr_to_stream = true};
        rc = loop_proc_spawn(b->loop, &ps, srunboot_on_exit, b, &b->proc, e);
        if (rc == -ENOENT)
            err_hint(e, "Slurm's commands are not in PATH");
    }
    strlist_fini(&argv);
    strlist_fini(&env);
    return rc;
}

static void forget_words(struct seat *s)
{
    s->died = false;
    s->death[0] = '\0';
    said_forget(&s->said);
}

int srunboot_start_srun(struct srunboot *b, struct err *e)
{
    srunseats_again(&b->progress);
    for (size_t i = 0; i < b->n; i++)
        forget_words(&b->seats[i]);
    said_forget(&b->said);
    b->in.len = 0;
    b->has_reason = b->exited = b->stalls = false;
    b->aborted = b->lingers = false;
    int rc = srun_spawn(b, e);
    if (rc < 0)
        return rc;
    b->tries++;
    b->io = loop_proc_take_io(b->proc);
    b->words = loop_proc_take_stderr(b->proc);
    loop_stream_set(b->io, &srunboot_io_ops, b);
    loop_stream_read(b->io, true);
    loop_stream_set(b->words, &srunboot_words_ops, b);
    loop_stream_read(b->words, true);
    srunboot_set_limit(b, ANSWER_MS);
    loop_timer_start(b->patient, PATIENT_MS, 0);
    return 0;
}

static void on_seeded(void *arg)
{
    struct srunboot *b = arg;
    struct err e;
    if (!b->killed && srunboot_start_srun(b, &e) == 0)
        return;
    if (!b->killed)
        srunboot_fail_waiting(b, &e);
    for (size_t i = 0; i < b->n; i++)
        srunboot_end(&b->seats[i], BOOT_END_UNKNOWN, b->wait_status, "");
}

/* A copy in this machine's cache first, where many may share it. */
static int begin(struct srunboot *b, struct err *e)
{
    const struct bundle *bundle = b->config.bundle;
    if (b->n > 1 && !seed_is_there(bundle) &&
        seed_create(b->loop, bundle, on_seeded, b, &b->seed) == 0)
        return 0;
    return srunboot_start_srun(b, e);
}

static void srunboot_destroy(struct srunboot *b)
{
    bool unfinished = false;
    for (size_t i = 0; b->seats && i < b->n; i++) {
        const struct seat *s = &b->seats[i];
        unfinished = unfinished || ((s->failed || s->unwanted) && !s->ended);
        said_fini(&b->seats[i].said);
        free(b->seats[i].name);
    }
    if (unfinished) /* a task that came to nothing would hold srun */
        srunboot_signal(b, SIGTERM);
    loop_timer_destroy(b->limit);
    loop_timer_destroy(b->patient);
    loop_timer_destroy(b->deaths);
    slurm_ask_destroy(b->ask);
    seed_destroy(b->seed);
    srunboot_release(b);
    buf_fini(&b->in);
    said_fini(&b->said);
    free(b->progress.seats);
    free(b->progress.of_task);
    free(b->seats);
    free(b);
}

static int make_seats(struct srunboot *b, const struct boot_node *nodes)
{
    b->seats = calloc(b->n, sizeof *b->seats);
    b->progress.seats = calloc(b->n, sizeof *b->progress.seats);
    b->progress.of_task = calloc(b->n, sizeof(*b->progress.of_task));
    if (!b->seats || !b->progress.seats || !b->progress.of_task)
        return -ENOMEM;
    b->progress.n = b->n;
    for (size_t i = 0; i < b->n; i++) {
        struct seat *s = &b->seats[i];
        *s = (struct seat){.boot.kind = &boot_srun,
                           .of = b,
                           .at = &b->progress.seats[i],
                           .node = nodes[i].arg,
                           .name = strdup(nodes[i].name)};
        said_init(&s->said);
        if (!s->name)
            return -ENOMEM;
        s->at->name = s->name;
    }
    return 0;
}

static int start(struct loop *l, const struct boot_config *c, struct boot_node *nodes,
                 size_t n, struct err *e)
{
    struct srunboot *b = calloc(1, sizeof *b);
    if (!b)
        return err_sys(e, -ENOMEM, "start %zu agents", n);
    b->loop = l;
    b->config = *c;
    b->n = b->held = n;
    buf_init(&b->in, LIMIT_BOOT_NOISE);
    said_init(&b->said);
    (void)uname(&b->self);
    b->limit = loop_timer_create(l, srunboot_on_limit, b);
    b->patient = loop_timer_create(l, srunboot_on_patient, b);
    b->deaths = loop_timer_create(l, srunboot_on_deaths, b);
    int rc = b->limit && b->patient && b->deaths ? make_seats(b, nodes) : -ENOMEM;
    if (rc < 0)
        err_sys(e, rc, "start %zu agents", n);
    else
        rc = begin(b, e);
    if (rc < 0) {
        srunboot_destroy(b);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        nodes[i].boot = &b->seats[i].boot;
    return 0;
}

/* ---------------------------------------------------------------- the caller's side */

void srunboot_signal(struct srunboot *b, int signum)
{
    b->killed = true;
    if (b->proc && !loop_proc_exited(b->proc))
        (void)kill(-loop_proc_pid(b->proc), signum);
}

/* One task of many cannot be ended by itself; one that has no key yet gets none, and
 * ends. */
static void kill_seat(struct boot *boot, int signum)
{
    struct seat *s = (struct seat *)boot;
    struct srunboot *b = s->of;
    bool others = false;
    s->unwanted = true;
    if (srunboot_is_waiting(s)) {
        s->at->state = SRUNSEAT_GONE;
        s->failed = true;
    }
    for (size_t i = 0; i < b->n; i++)
        others =
            others || (b->seats[i].of && !b->seats[i].unwanted && !b->seats[i].ended);
    if (!others)
        srunboot_signal(b, signum);
}

static void await_seat(struct boot *boot, unsigned *patience_ms)
{
    struct srunboot *b = ((struct seat *)boot)->of;
    if (!b->killed || !b->proc || loop_proc_exited(b->proc))
        return;
    siginfo_t end = {0}; /* looked at alone: the loop takes it */
    while (waitid(P_PID, (id_t)loop_proc_pid(b->proc), &end,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
           end.si_pid == 0 && *patience_ms > 0) {
        (void)usleep(1000);
        --*patience_ms;
    }
    (void)kill(-loop_proc_pid(b->proc), SIGKILL);
}

static void destroy_seat(struct boot *boot)
{
    struct seat *s = (struct seat *)boot;
    struct srunboot *b = s->of;
    s->of = NULL;
    if (srunboot_is_waiting(s)) {
        s->at->state = SRUNSEAT_GONE;
        s->failed = true;
    }
    if (--b->held == 0)
        srunboot_destroy(b);
}

const struct boot_kind boot_srun = {.name = "srun",
                                    .shared = true,
                                    .start = start,
                                    .kill = kill_seat,
                                    .await_end = await_seat,
                                    .destroy = destroy_seat};
