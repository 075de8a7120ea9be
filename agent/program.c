/* SPDX-License-Identifier: MIT */
/* program.c - see program.h. The search is that of execvp(3). */
#include "agent/program.h"

#include "agent/progfile.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_PATH_SHOWN   120 /* a longer one would bury the message */
#define PROGRAM_DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static int program_try(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
    return access(path, X_OK) < 0 ? -errno : 0;
}

/* Relative to the working directory, as the rank will see it. */
static int program_join(const char *workdir, const char *dir, size_t dir_len,
                        const char *name, char ret[PATH_MAX])
{
    int n;
    if (dir_len && dir[0] == '/')
        n = snprintf(ret, PATH_MAX, "%.*s/%s", (int)dir_len, dir, name);
    else if (dir_len)
        n = snprintf(ret, PATH_MAX, "%s/%.*s/%s", workdir, (int)dir_len, dir, name);
    else
        n = snprintf(ret, PATH_MAX, "%s/%s", workdir, name);
    return n > 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int program_search(const char *name, const char *path_var, const char *workdir,
                          char ret[PATH_MAX], struct err *e)
{
    int denied = 0;
    char denied_at[PATH_MAX] = "";
    for (const char *p = path_var;; p++) {
        size_t n = strcspn(p, ":");
        int rc = program_join(workdir, p, n, name, ret);
        if (rc == 0 && (rc = program_try(ret)) == 0)
            return 0;
        /* A folder of PATH that may not be entered says nothing of the program. */
        if (rc == -EACCES && !denied && access(ret, F_OK) == 0) {
            denied = rc;
            memcpy(denied_at, ret, PATH_MAX);
        }
        p += n;
        if (!*p)
            break;
    }
    if (denied) {
        err_sys(e, denied, "execute \"%s\"", denied_at);
        err_hint(e, "chmod +x makes a file executable");
        return denied;
    }
    bool short_enough = strlen(path_var) <= PROGRAM_PATH_SHOWN;
    err_set(e, -ENOENT, "find the program \"%s\": not in PATH%s%s%s", name,
            short_enough ? " (" : "", short_enough ? path_var : "",
            short_enough ? ")" : "");
    err_hint(e, "give its full path in job.command, or set PATH in job.env");
    return -ENOENT;
}

static int program_resolve(const char *name, const char *path_var, const char *workdir,
                           char ret[PATH_MAX], struct err *e)
{
    if (!strchr(name, '/'))
        return program_search(name, path_var ? path_var : PROGRAM_DEFAULT_PATH, workdir,
                              ret, e);
    int rc;
    if (name[0] == '/') {
        rc = snprintf(ret, PATH_MAX, "%s", name) < PATH_MAX ? 0 : -ENAMETOOLONG;
    } else {
        rc = program_join(workdir, "", 0, name, ret);
    }
    if (rc < 0 || (rc = program_try(ret)) == 0)
        return rc;
    err_sys(e, rc, "execute \"%s\"", ret);
    if (rc == -ENOENT)
        err_hint(e, "the program has to be at this path on every node");
    else if (rc == -EACCES)
        err_hint(e, "chmod +x makes a file executable");
    return rc == -EISDIR ? -EACCES : rc; /* as execve says it */
}

static char **program_vector(const char *const *front, size_t n_front,
                             char *const *rest, size_t n_rest)
{
    char **v = calloc(n_front + n_rest + 1, sizeof *v);
    for (size_t i = 0; v && i < n_front + n_rest; i++) {
        v[i] = strdup(i < n_front ? front[i] : rest[i - n_front]);
        if (!v[i]) {
            while (i-- > 0)
                free(v[i]);
            free(v);
            return NULL;
        }
    }
    return v;
}

int program_find(char *const *argv, size_t argc, const char *path_var,
                 const char *workdir, struct program *ret, struct err *e)
{
    struct program p = {0};
    int rc;
    if (argc == 0 || !argv[0][0])
        return err_set(e, -EINVAL, "start the job: the command is empty");
    char path[PATH_MAX];
    rc = program_resolve(argv[0], path_var, workdir, path, e);
    if (rc == 0)
        rc = progfile_check(path, e);
    if (rc < 0)
        return rc;
    const char *const front[] = {"sh", path};
    p.path = strdup(path);
    p.argv = program_vector(NULL, 0, argv, argc);
    bool text = progfile_is_text(path);
    if (text)
        p.sh_argv = program_vector(front, 2, argv + 1, argc - 1);
    rc = p.path && p.argv && (p.sh_argv || !text) ? 0 : -ENOMEM;
    if (rc < 0) {
        program_fini(&p);
        return err_sys(e, rc, "start the job");
    }
    *ret = p;
    return 0;
}

static void program_free_vector(char **v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

void program_fini(struct program *p)
{
    free(p->path);
    program_free_vector(p->argv);
    program_free_vector(p->sh_argv);
    *p = (struct program){0};
}

int program_check_workdir(const char *workdir, struct err *e)
{
    struct stat st;
    int rc = stat(workdir, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    if (rc == 0 && access(workdir, X_OK) < 0)
        rc = -errno;
    if (rc == 0)
        return 0;
    err_set(e, ERR_USAGE, "enter the working directory \"%s\": %s", workdir,
            strerror(-rc));
    err_hint(e, "set job.workdir to a folder that every node has");
    return ERR_USAGE;
}
