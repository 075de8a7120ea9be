/* SPDX-License-Identifier: MIT */
/* cmd_check.c - `aolani-run check job.toml`: first all that can be known without starting
 * anything or asking any host, then the nodes themselves (placecheck.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/options.h"
#include "launcher/nodes.h"
#include "launcher/placecheck.h"
#include "launcher/run.h"
#include "launcher/verbs.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

static bool is_program(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* As execvp would: a name with a slash from `workdir`, any other along `path`. */
static bool program_exists(const char *name, const char *workdir, const char *path)
{
    char file[4096];
    if (strchr(name, '/')) {
        snprintf(file, sizeof file, "%s%s%s", *name == '/' ? "" : workdir,
                 *name == '/' ? "" : "/", name);
        return is_program(file);
    }
    for (const char *p = path; p && *p;) {
        size_t len = strcspn(p, ":");
        snprintf(file, sizeof file, "%.*s/%s", (int)(len ? len : 1), len ? p : ".",
                 name);
        if (is_program(file))
            return true;
        p += len + (p[len] == ':');
    }
    return false;
}

/* PATH as the ranks get it. */
static const char *rank_path(const struct spec *s)
{
    for (size_t i = 0; i < s->job.env.n; i++)
        if (!strncmp(s->job.env.items[i], "PATH=", 5))
            return s->job.env.items[i] + 5;
    return getenv("PATH");
}

static const char *who(const struct spec *s, const char *fallback, const char *field)
{
    const char *by = spec_set_by(s, field);
    return by ? by : fallback;
}

static unsigned check_local(const struct spec *s)
{
    struct stat st;
    const char *program = s->job.command.items[0];
    if (stat(s->job.workdir, &st) || !S_ISDIR(st.st_mode)) {
        log_error("%s: there is no folder \"%s\" to start the program in",
                  who(s, s->path, "job.workdir"), s->job.workdir);
        return 1;
    }
    if (program_exists(program, s->job.workdir, rank_path(s)))
        return 0;
    const char *by = who(s, s->path, "job.command");
    if (s->job.setup) {
        log_warn("%s: there is no program \"%s\" here; [job] setup may bring it", by,
                 program);
        return 0;
    }
    if (strchr(program, '/'))
        log_error("%s: there is no program \"%s\" seen from \"%s\"", by, program,
                  s->job.workdir);
    else
        log_error("%s: there is no program \"%s\" in PATH", by, program);
    return 1;
}

static unsigned check_ssh(const struct spec *s)
{
    const char *ssh = s->ssh.command.items[0];
    if (program_exists(ssh, ".", getenv("PATH")))
        return 0;
    log_error("%s: there is no program \"%s\" to reach hosts with",
              who(s, s->path, "ssh.command"), ssh);
    return 1;
}

/* The nearest folder above that exists must take a new one. */
static unsigned check_output(const struct spec *s)
{
    char folder[4096];
    struct stat st;
    snprintf(folder, sizeof folder, "%s", s->job.output);
    while (stat(folder, &st) && (errno == ENOENT || errno == ENOTDIR)) {
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) {
            strcpy(folder, "/");
            break;
        }
        *slash = '\0';
    }
    if (!stat(folder, &st) && S_ISDIR(st.st_mode) && !access(folder, W_OK | X_OK))
        return 0;
    int why = !stat(folder, &st) && !S_ISDIR(st.st_mode) ? ENOTDIR : EACCES;
    log_error("%s: run directories cannot be made in \"%s\": \"%s\": %s",
              who(s, "default", "job.output"), s->job.output, folder, strerror(why));
    return 1;
}

/* As a shell would take it, so that a blank in a word is seen; what a terminal would obey
 * is shown as '?'. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+=./:,@%^";
    bool quote = !*word || word[strspn(word, plain)];
    printf(quote ? " '" : " ");
    for (const char *c = word; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", stdout);
        else
            putchar((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
    }
    if (quote)
        putchar('\'');
}

static void print_summary(const struct spec *s, const struct nodes *n,
                          const char *verdict)
{
    char limit[24] = "no time limit";
    if (s->job.time_limit_ms)
        clock_format_duration(s->job.time_limit_ms, limit, sizeof limit);
    printf("%s%s\n  runs", s->path, verdict);
    for (size_t i = 0; i < s->job.command.n && i < 12; i++)
        print_word(s->job.command.items[i]);
    printf("%s\n  on %zu %s%s", s->job.command.n > 12 ? " ..." : "", n->n,
           n->backend == BACKEND_LOCAL ? "simulated node" : "host",
           n->n == 1 ? "" : "s");
    if (n->n_spares > 0)
        printf(" and %zu spare%s", n->n_spares, n->n_spares == 1 ? "" : "s");
    if (s->job.ranks_per_node == 0)
        printf(", a rank for each GPU");
    else
        printf(", %lld rank%s each", (long long)s->job.ranks_per_node,
               s->job.ranks_per_node == 1 ? "" : "s");
    printf("; %s%s; output in %s\n", s->job.time_limit_ms ? "at most " : "", limit,
           s->job.output);
}

static int show(const struct spec *s, struct err *e)
{
    struct buf out;
    buf_init(&out, 16u << 20);
    int rc = spec_show(s, &out);
    if (!rc)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return rc ? err_sys(e, rc, "show the job's values") : 0;
}

/* What is wrong on this machine, each told with its line. */
static int check_here(const struct options *o, const struct spec *s,
                      const struct nodes *n, struct err *e)
{
    bool local = n->backend == BACKEND_LOCAL;
    unsigned bad = check_output(s);
    if (!local)
        bad += check_ssh(s);
    else if (o->offline || o->show)
        bad += check_local(s);
    if (!bad)
        return 0;
    return err_set(e, ERR_USAGE, "job file \"%s\" cannot run here: %u error%s", s->path,
                   bad, bad == 1 ? "" : "s");
}

/* The exit status, or negative. --show is a question about the file. */
static int check(const struct options *o, const struct spec *s, struct err *e)
{
    struct nodes nodes = {0};
    bool offline = o->offline || o->show;
    int rc = o->show ? show(s, e) : 0;
    if (rc || (rc = nodes_resolve(s, &nodes, e)))
        return rc;
    rc = check_here(o, s, &nodes, e);
    if (!rc && !o->show)
        print_summary(s, &nodes, offline ? ": ok" : "");
    if (!rc && !offline) {
        struct rlimits limits;
        fflush(stdout);
        run_raise_limits(nodes.backend, &limits);
        nodes_enlist_spares(&nodes);
        rc = placecheck(s, &nodes, &limits, e);
    }
    nodes_fini(&nodes);
    return rc;
}

int cmd_check(int argc, char **argv)
{
    struct options o;
    struct spec *s = NULL;
    struct err e;
    int rc = options_parse(verbs_find("check"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = options_load_spec(&o, &s, &e);
    if (!rc)
        rc = check(&o, s, &e);
    if (rc < 0)
        log_err(&e);
    spec_destroy(s);
    options_fini(&o);
    return done ? 0 : rc < 0 ? err_exit_status(rc) : rc;
}
