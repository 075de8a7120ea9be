/* SPDX-License-Identifier: MIT */
/* setup.c - see setup.h. What is to be put back goes to the shell in a file, and what comes
 * out of it in another: arguments everybody on the node can read, and an environment of
 * twice the size might not fit. */
#include "agent/setup_impl.h"

#include "agent/envbase.h"
#include "agent/spawn.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETUP_LINE     1024u      /* a longer one is cut */
#define SETUP_LINES    200u       /* given on; the last is always kept */
#define SETUP_READ     65536u     /* of its words, in one turn of the loop */
#define SETUP_SHOWN    300        /* of the last line, in an error */
#define SETUP_DUMP_MAX (8u << 20) /* execve takes 6 MiB */

struct setup {
    struct setup_config c;
    const struct setup_ops *ops;
    void *arg;
    const char *shell;
    char *in, *out; /* paths */
    pid_t pid;      /* 0: not running */
    pid_t group;
    int words_fd, report_fd;
    struct loop_watch *words;
    struct loop_timer *limit;
    bool late;
    char line[SETUP_LINE], last[SETUP_LINE];
    size_t line_len;
    unsigned n_lines;
};

static int setup_write_prologue(struct setup *s, struct err *e)
{
    struct buf text;
    buf_init(&text, 2 * LIMIT_FRAME);
    int rc = setup_prologue(s->c.plan, &text);
    int fd = rc < 0 ? -1
                    : open(s->in, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                           0600);
    if (rc == 0 && fd < 0)
        rc = -errno;
    for (size_t at = 0; rc == 0 && at < text.len;) {
        ssize_t n = write(fd, text.data + at, text.len - at);
        if (n < 0)
            rc = -errno;
        else
            at += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    buf_fini(&text);
    return rc < 0 ? err_sys(e, rc, "write job.setup to \"%s\"", s->in) : 0;
}

/* ---- its words ---- */

static void setup_end_line(struct setup *s)
{
    s->line[s->line_len] = '\0';
    s->line_len = 0;
    if (!s->line[strspn(s->line, " \t")])
        return;
    memcpy(s->last, s->line, sizeof s->last);
    s->n_lines++;
    if (s->n_lines <= SETUP_LINES)
        s->ops->line(s->arg, s->line);
    else if (s->n_lines == SETUP_LINES + 1)
        s->ops->line(s->arg, "(more is not shown)");
}

static void setup_take_words(struct setup *s, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            setup_end_line(s);
        else if (s->line_len < SETUP_LINE - 1)
            /* Words for a terminal: nothing that would steer it. */
            s->line[s->line_len++] = iscntrl((unsigned char)data[i]) ? ' ' : data[i];
    }
}

static bool setup_read_words(struct setup *s)
{
    char data[4096];
    ssize_t n = read(s->words_fd, data, sizeof data);
    if (n > 0)
        setup_take_words(s, data, (size_t)n);
    else if (n == 0)
        loop_watch_set(s->words, 0);
    return n > 0;
}

static void setup_on_words(int events, void *arg)
{
    struct setup *s = arg;
    (void)events;
    for (size_t n = 0; n < SETUP_READ && setup_read_words(s); n += 4096)
        ;
}

/* ---- its end ---- */

static void setup_fail(struct setup *s, const struct err *e)
{
    s->ops->done(s->arg, NULL, e);
}

static void setup_say_ended(struct setup *s, int wait_status, struct err *e)
{
    char how[64], limit[32];
    if (s->late) {
        clock_format_duration(s->c.plan->setup_ms, limit, sizeof limit);
        (void)snprintf(how, sizeof how, "not ended within %s", limit);
    } else if (WIFSIGNALED(wait_status)) {
        (void)snprintf(how, sizeof how, "signal %d (%s)", WTERMSIG(wait_status),
                       strsignal(WTERMSIG(wait_status)));
    } else {
        (void)snprintf(how, sizeof how, "status %d", WEXITSTATUS(wait_status));
    }
    err_set(e, ERR_REFUSED, "run job.setup: %s%s%.*s", how, s->last[0] ? ": " : "",
            SETUP_SHOWN, s->last);
    if (s->late)
        err_hint(e, "job.setup_limit gives it more time");
}

static int setup_take_answer(struct envlist *env, const char *name, char **ret)
{
    char full[64];
    (void)snprintf(full, sizeof full, SETUP_ANSWER "%s", name);
    const char *value = envlist_value(env, full);
    *ret = value ? strdup(value) : NULL;
    return value ? *ret ? 0 : -ENOMEM : -ENOENT;
}

/* The dump, as text: entries NUL-ended. */
static int setup_read_answers(const struct buf *dump, struct setup_result *r)
{
    struct envlist answers = {0};
    char *mask = NULL, *limits = NULL;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < dump->len;) {
        const char *entry = (const char *)dump->data + at;
        size_t n = strnlen(entry, dump->len - at);
        if (at + n < dump->len &&
            strncmp(entry, SETUP_ANSWER, strlen(SETUP_ANSWER)) == 0)
            rc = envlist_take(&answers, strdup(entry));
        at += n + 1;
    }
    if (rc == 0)
        rc = setup_take_answer(&answers, "UMASK", &mask);
    if (rc == 0)
        rc = setup_take_answer(&answers, "PWD", &r->workdir);
    if (rc == 0)
        rc = setup_take_answer(&answers, "LIMITS", &limits);
    if (rc == 0) {
        r->umask = (mode_t)strtoul(mask, NULL, 8) & 0777;
        rlimits_parse(limits, &r->limits);
    }
    free(mask);
    free(limits);
    envlist_fini(&answers);
    return rc;
}

static int setup_read_result(struct setup *s, struct setup_result *r, struct err *e)
{
    struct buf dump;
    buf_init(&dump, SETUP_DUMP_MAX);
    int fd = open(s->out, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int rc = fd < 0 ? -errno : buf_read(&dump, fd);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        rc = setup_read_answers(&dump, r);
    if (rc == -ENOENT) {
        rc = err_set(e, ERR_REFUSED,
                     "run job.setup: it left its shell before its end%s%.*s",
                     s->last[0] ? ": " : "", SETUP_SHOWN, s->last);
        err_hint(e, "\"exit\" and \"exec\" end the shell whose environment is wanted");
    } else if (rc < 0) {
        rc = err_sys(e, rc, "take the environment that job.setup has made");
    } else {
        rc = envbase_from_dump((const char *)dump.data, dump.len, &r->env, e);
    }
    buf_fini(&dump);
    return rc;
}

/* Was the shell executed at all? */
static int setup_check_started(struct setup *s, struct err *e)
{
    struct spawn_outcome o = {0};
    struct spawn_spec spec = {.path = s->shell, .workdir = s->c.plan->workdir};
    (void)spawn_outcome_read(s->report_fd, &o);
    if (!o.call)
        return 0;
    (void)spawn_outcome_err(&o, &spec, e);
    (void)err_wrap(e, "run job.setup");
    return ERR_REFUSED;
}

bool setup_exited(struct setup *s, pid_t pid, int wait_status)
{
    struct setup_result r = {0};
    struct err e = {0};
    if (!s || s->pid != pid || pid == 0)
        return false;
    s->pid = 0;
    loop_timer_stop(s->limit);
    setup_on_words(0, s);
    if (s->line_len > 0)
        setup_end_line(s);
    int rc = setup_check_started(s, &e);
    if (rc == 0 && (s->late || wait_status != 0)) {
        setup_say_ended(s, wait_status, &e);
        rc = ERR_REFUSED;
    }
    if (rc == 0)
        rc = setup_read_result(s, &r, &e);
    e.code = rc;
    if (rc < 0)
        setup_fail(s, &e);
    else
        s->ops->done(s->arg, &r, NULL);
    setup_result_fini(&r);
    return true;
}

static void setup_on_limit(void *arg)
{
    struct setup *s = arg;
    s->late = true;
    (void)kill(-s->group, SIGKILL);
    (void)kill(s->group, SIGKILL); /* before it has made its group */
}

/* ---- life ---- */

static int setup_spawn(struct setup *s, int words, struct err *e)
{
    char *argv[] = {(char *)s->shell, (char *)"-l", (char *)"-c", (char *)setup_shell,
                    (char *)"setup",  s->in,        s->out,       NULL};
    struct spawn_spec spec = {.path = s->shell,
                              .argv = argv,
                              .env = s->c.env,
                              .workdir = s->c.plan->workdir,
                              .fd_in = -1,
                              .fd_out = words,
                              .fd_err = words,
                              .cgroup_entrance = s->c.cgroup_entrance,
                              .umask = (mode_t)s->c.plan->umask & 0777,
                              .oom_score_adj = s->c.oom_score_adj,
                              .limits = s->c.limits};
    int rc = spawn_start(&spec, &s->pid, &s->report_fd, e);
    s->group = s->pid;
    return rc;
}

static int setup_open(struct setup *s, struct err *e)
{
    int words[2];
    if (asprintf(&s->in, "%s/setup", s->c.folder) < 0)
        s->in = NULL;
    if (asprintf(&s->out, "%s/setup.env", s->c.folder) < 0)
        s->out = NULL;
    s->limit = loop_timer_create(s->c.loop, setup_on_limit, s);
    if (!s->in || !s->out || !s->limit)
        return err_sys(e, -ENOMEM, "run job.setup");
    int rc = setup_write_prologue(s, e);
    if (rc < 0)
        return rc;
    (void)unlink(s->out);
    if (pipe2(words, O_CLOEXEC) < 0)
        return err_sys(e, -errno, "run job.setup");
    s->words_fd = words[0];
    (void)fcntl(words[0], F_SETFL, O_NONBLOCK);
    s->words = loop_watch_create(s->c.loop, words[0], setup_on_words, s);
    rc = s->words ? setup_spawn(s, words[1], e) : err_sys(e, -ENOMEM, "run job.setup");
    close(words[1]);
    return rc;
}

int setup_create(const struct setup_config *c, const struct setup_ops *ops, void *arg,
                 struct setup **ret, struct err *e)
{
    struct setup *s = calloc(1, sizeof *s);
    if (!s)
        return err_sys(e, -ENOMEM, "run job.setup");
    s->c = *c;
    s->ops = ops;
    s->arg = arg;
    s->words_fd = s->report_fd = -1;
    /* What clusters define for their users (module) is written for bash. */
    s->shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
    int rc = setup_open(s, e);
    if (rc < 0) {
        setup_destroy(s);
        return rc;
    }
    loop_watch_set(s->words, LOOP_READ);
    if (c->plan->setup_ms > 0)
        loop_timer_start(s->limit, c->plan->setup_ms, 0);
    *ret = s;
    return 0;
}

void setup_destroy(struct setup *s)
{
    if (!s)
        return;
    if (s->pid > 0 && kill(-s->group, SIGKILL) < 0)
        (void)kill(s->pid, SIGKILL);
    loop_watch_destroy(s->words);
    loop_timer_destroy(s->limit);
    if (s->words_fd >= 0)
        close(s->words_fd);
    if (s->report_fd >= 0)
        close(s->report_fd);
    free(s->in);
    free(s->out);
    free(s);
}

pid_t setup_pid(const struct setup *s)
{
    return s->pid;
}

void setup_result_fini(struct setup_result *r)
{
    envlist_fini(&r->env);
    free(r->workdir);
    *r = (struct setup_result){0};
}
