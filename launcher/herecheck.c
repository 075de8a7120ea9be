/* SPDX-License-Identifier: MIT */
/* herecheck.c - see herecheck.h. */
#include "launcher/herecheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static unsigned complain(bool sure, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static unsigned complain(bool sure, const char *fmt, ...)
{
    char text[4600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (sure)
        log_error("%s", text);
    else
        log_warn("%s; the nodes must have it", text);
    return sure ? 1 : 0;
}

unsigned herecheck_program(const struct spec *s, bool sure)
{
    struct stat st;
    bool contained = s->job.container.n > 0;
    const char *program = (contained ? &s->job.container : &s->job.command)->items[0];
    if (stat(s->job.workdir, &st) || !S_ISDIR(st.st_mode))
        return complain(sure, "%s: there is no folder \"%s\" to start the program in",
                        who(s, s->path, "job.workdir"), s->job.workdir);
    if (program_exists(program, s->job.workdir, rank_path(s)))
        return 0;
    const char *by = who(s, s->path, contained ? "job.container" : "job.command");
    if (s->job.setup) {
        log_warn("%s: there is no program \"%s\" here; [job] setup may bring it", by,
                 program);
        return 0;
    }
    if (strchr(program, '/'))
        return complain(sure, "%s: there is no program \"%s\" seen from \"%s\"", by,
                        program, s->job.workdir);
    return complain(sure, "%s: there is no program \"%s\" in PATH", by, program);
}

unsigned herecheck_ssh(const struct spec *s)
{
    const char *ssh = s->ssh.command.items[0];
    if (program_exists(ssh, ".", getenv("PATH")))
        return 0;
    log_error("%s: there is no program \"%s\" to reach hosts with",
              who(s, s->path, "ssh.command"), ssh);
    return 1;
}

/* The nearest folder above that exists must take a new one. */
unsigned herecheck_output(const struct spec *s)
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
