/* SPDX-License-Identifier: MIT */
/* container.c - see container.h. What the tools differ in is a table. */
#include "proto/wire/container.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL_OPTIONS 6u

struct tool {
    const char *name, *verb;
    const char *options[TOOL_OPTIONS]; /* always */
    const char *as_user;               /* unless root: the user's number stays */
    const char *folder; /* the option before "PATH:PATH" and one of these: */
    const char *writable, *readable;
    const char *workdir; /* the option before the folder to start in */
    const char *name_of; /* the option before a variable's name; NULL: all are let in */
};

/* Processes and memory of the node are let in because ranks look into each other's memory
 * (Open MPI, NCCL) and because those who end them look for them. */
static const struct tool tools[] = {
    {.name = "podman",
     .verb = "run",
     .options = {"--network=host", "--ipc=host", "--pid=host", "--cgroups=no-conmon",
                 "--interactive"},
     .as_user = "--userns=keep-id",
     .folder = "--volume",
     .writable = "rw",
     .readable = "ro",
     .workdir = "--workdir",
     .name_of = "--env"},
    {.name = "apptainer",
     .verb = "exec",
     .folder = "--bind",
     .writable = "rw",
     .readable = "ro",
     .workdir = "--pwd"},
    {.name = "singularity",
     .verb = "exec",
     .folder = "--bind",
     .writable = "rw",
     .readable = "ro",
     .workdir = "--pwd"},
    {.name = "enroot",
     .verb = "start",
     .folder = "--mount",
     .writable = "x-create=dir,rbind,rw",
     .readable = "x-create=dir,rbind,ro",
     .name_of = "--env"},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const struct tool *tool_of(const char *word)
{
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        if (strcmp(base_name(word), tools[i].name) == 0)
            return &tools[i];
    return NULL;
}

/* Index of the verb; n: it is not there. */
static size_t verb_at(const struct tool *t, char *const *words, size_t n)
{
    size_t i = 1;
    while (i < n && strcmp(words[i], t->verb) != 0)
        i++;
    return i;
}

int container_check(char *const *words, size_t n, struct err *e)
{
    const struct tool *t = n > 0 ? tool_of(words[0]) : NULL;
    if (!t) {
        err_set(e, ERR_USAGE,
                "start a container by \"%s\": it is none of podman, "
                "apptainer, singularity and enroot",
                n > 0 ? words[0] : "");
        err_hint(e, "put the words of another tool, with all that it lets in, before "
                    "those of job.command");
        return ERR_USAGE;
    }
    size_t verb = verb_at(t, words, n);
    if (verb == n) {
        err_set(e, ERR_USAGE, "start a container by %s: its words have no \"%s\"",
                t->name, t->verb);
        err_hint(e, "as in [\"%s\", \"%s\", \"IMAGE\"]", t->name, t->verb);
        return ERR_USAGE;
    }
    if (verb + 1 == n || words[n - 1][0] == '-') {
        err_set(e, ERR_USAGE, "start a container by %s: the last word is no image",
                t->name);
        err_hint(e, "the words end with the image; the program is job.command");
        return ERR_USAGE;
    }
    return 0;
}

/* ---- names of variables */

bool container_lets_name(const char *name, size_t len)
{
    static const char *const own[] = {"PATH",       "HOME",       "PWD",
                                      "OLDPWD",     "SHELL",      "USER",
                                      "LOGNAME",    "TMPDIR",     "MAIL",
                                      "HOSTNAME",   "TERM",       "LD_LIBRARY_PATH",
                                      "LD_PRELOAD", "PYTHONHOME", "VIRTUAL_ENV"};
    static const char *const begin[] = {
        "XDG_", "SSH_", "DBUS_", "BASH_FUNC_", "CONDA_", "SINGULARITY", "APPTAINER"};
    if (len == 0 || isdigit((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strlen(own[i]) == len && strncmp(own[i], name, len) == 0)
            return false;
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (strncmp(begin[i], name, strlen(begin[i])) == 0)
            return false;
    return len > 1 || name[0] != '_';
}

/* ---- the words */

struct words {
    char **v;
    size_t n, room;
};

static int add(struct words *w, const char *word)
{
    if (w->n + 1 >= w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        char **v = realloc(w->v, room * sizeof *v);
        if (!v)
            return -ENOMEM;
        w->v = v;
        w->room = room;
    }
    if (!(w->v[w->n] = strdup(word)))
        return -ENOMEM;
    w->v[++w->n] = NULL;
    return 0;
}

static int add_all(struct words *w, char *const *words, size_t n)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add(w, words[i]);
    return rc;
}

static int add_folder(struct words *w, const struct tool *t,
                      const struct container_folder *f, struct err *e)
{
    char *word;
    if (f->path[0] != '/' || strpbrk(f->path, ":,"))
        return err_set(
            e, ERR_USAGE,
            "let the folder \"%s\" into a container: %s does not take this name",
            f->path, t->name);
    if (asprintf(&word, "%s:%s:%s", f->path, f->path,
                 f->may_write ? t->writable : t->readable) < 0)
        return -ENOMEM;
    int rc = add(w, t->folder);
    if (rc == 0)
        rc = add(w, word);
    free(word);
    return rc;
}

static int add_folders(struct words *w, const struct tool *t,
                       const struct container_lets *lets, struct err *e)
{
    struct container_folder here = {.path = lets->workdir, .may_write = true};
    bool is_top = strcmp(lets->workdir, "/") == 0; /* the container has its own */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < lets->n_folders; i++)
        rc = add_folder(w, t, &lets->folder[i], e);
    if (rc == 0 && !is_top)
        rc = add_folder(w, t, &here, e);
    if (rc == 0 && t->workdir)
        rc = add(w, t->workdir);
    if (rc == 0 && t->workdir)
        rc = add(w, lets->workdir);
    return rc;
}

static int add_names(struct words *w, const struct tool *t, char *const *env)
{
    int rc = 0;
    for (; t->name_of && rc == 0 && *env; env++) {
        size_t len = strcspn(*env, "=");
        if (!container_lets_name(*env, len))
            continue;
        char *name = strndup(*env, len);
        rc = name ? add(w, t->name_of) : -ENOMEM;
        if (rc == 0)
            rc = add(w, name);
        free(name);
    }
    return rc;
}

static int add_options(struct words *w, const struct tool *t,
                       const struct container_lets *lets)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TOOL_OPTIONS && t->options[i]; i++)
        rc = add(w, t->options[i]);
    return rc == 0 && t->as_user && !lets->is_root ? add(w, t->as_user) : rc;
}

int container_argv(char *const *words, size_t n, const struct container_lets *lets,
                   char *const *command, size_t n_command, char ***ret, struct err *e)
{
    struct words w = {0};
    int rc = container_check(words, n, e);
    if (rc < 0)
        return rc;
    const struct tool *t = tool_of(words[0]);
    size_t options = verb_at(t, words, n) + 1;
    /* Ours come first: what the user says after them wins where the tool lets it. */
    rc = add_all(&w, words, options);
    if (rc == 0)
        rc = add_options(&w, t, lets);
    if (rc == 0)
        rc = add_folders(&w, t, lets, e);
    if (rc == 0)
        rc = add_names(&w, t, lets->env);
    if (rc == 0)
        rc = add_all(&w, words + options, n - options);
    if (rc == 0)
        rc = add_all(&w, command, n_command);
    if (rc == 0) {
        *ret = w.v;
        return 0;
    }
    container_free(w.v);
    return rc == -ENOMEM ? err_sys(e, rc, "start a container") : rc;
}

void container_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}
