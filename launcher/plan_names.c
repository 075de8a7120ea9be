/* SPDX-License-Identifier: MIT */
/* plan_names.c - from --topology words to files and names of nodes; see plan_source.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher/plan_source.h"
#include "proto/base/hostlist.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"

struct names {
    struct strlist *files, *names;
    bool *given; /* not ours to change */
    size_t cap;
    struct err *e;
};

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_root(const char *path)
{
    char inside[4096];
    int n = snprintf(inside, sizeof inside, "%s/sys", path);
    return n > 0 && (size_t)n < sizeof inside && is_folder(inside);
}

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len > n && strncmp(text + len - n, end, n) == 0;
}

/* The last part of the path, without what says that it is a topology, as it can be printed
 * on a terminal. Allocated. */
static char *own_name(const char *path)
{
    static const char *const ends[] = {".xml", ".hwloc", ".v2"};
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t from = len;
    while (from > 0 && path[from - 1] != '/')
        from--;
    len -= from;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ends_in(path + from, len, ends[i]))
            len -= strlen(ends[i]);
    }
    char *name = strndup(path + from, len);
    if (name)
        utf8_make_printable(name);
    return name;
}

static char *folder_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path)) : NULL;
    char *name = folder && *folder ? own_name(folder) : NULL;
    free(folder);
    return name;
}

static int add(struct names *n, const char *file, const char *name, bool given)
{
    if (n->files->n == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 64;
        bool *more = realloc(n->given, cap * sizeof *more);
        if (!more)
            return err_sys(n->e, -ENOMEM, "read the topologies");
        n->given = more;
        n->cap = cap;
    }
    if (n->files->n == LIMIT_NODES)
        return err_set(n->e, ERR_USAGE, "more than %u topologies", LIMIT_NODES);
    n->given[n->files->n] = given;
    return strlist_add(n->files, file) || strlist_add(n->names, name)
               ? err_sys(n->e, -ENOMEM, "read the topologies")
               : 0;
}

static int add_own(struct names *n, const char *file)
{
    char *name = own_name(file);
    int rc = name ? add(n, file, name, false)
                  : err_sys(n->e, -ENOMEM, "read the topologies");
    free(name);
    return rc;
}

static int is_xml(const struct dirent *d)
{
    return d->d_name[0] != '.' && ends_in(d->d_name, strlen(d->d_name), ".xml");
}

static int add_folder(struct names *n, const char *folder)
{
    struct dirent **list;
    int found = scandir(folder, &list, is_xml, versionsort), rc = 0;
    if (found < 0)
        return err_sys(n->e, -errno, "read the topologies in \"%s\"", folder);
    for (int i = 0; i < found; i++) {
        char *path = NULL;
        if (rc == 0 && asprintf(&path, "%s/%s", folder, list[i]->d_name) < 0)
            rc = err_sys(n->e, -ENOMEM, "read the topologies in \"%s\"", folder);
        if (rc == 0)
            rc = add_own(n, path);
        free(path);
        free(list[i]);
    }
    free(list);
    if (rc == 0 && found == 0) {
        err_set(n->e, ERR_USAGE, "the folder \"%s\" holds no topology", folder);
        return err_hint(n->e, "it would have a node's sys/ in it, or files *.xml");
    }
    return rc;
}

/* "gpu01=node.xml", unless there is such a file. */
static int add_word(struct names *n, const char *word)
{
    struct stat st;
    struct hostlist one = {0};
    const char *equals = strchr(word, '=');
    char name[LIMIT_HOST_NAME + 1] = "";
    bool there = stat(word, &st) == 0;
    if (!there && equals && (size_t)(equals - word) < sizeof name) {
        memcpy(name, word, (size_t)(equals - word));
        bool good = hostlist_parse(&one, name, NULL) == 0 && one.n == 1;
        hostlist_fini(&one);
        if (good)
            return add(n, equals + 1, name, true);
    }
    return there && is_folder(word) && !is_root(word) ? add_folder(n, word)
                                                      : add_own(n, word);
}

/* ---- one name for each */

static size_t count_name(const struct strlist *l, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += strcmp(l->items[i], name) == 0;
    return n;
}

static void rename_to(struct names *n, size_t i, char *name)
{
    free(n->names->items[i]);
    n->names->items[i] = name;
}

/* Files that are called alike: by their folders, where these differ. */
static int use_folders(struct names *n, const char *name)
{
    struct strlist folders = {0};
    int rc = 0;
    bool good = true;
    for (size_t i = 0; i < n->files->n && rc == 0 && good; i++) {
        if (n->given[i] || strcmp(n->names->items[i], name) != 0)
            continue;
        char *folder = folder_name(n->files->items[i]);
        good = folder && *folder && *folder != '.' &&
               count_name(&folders, folder) == 0 && count_name(n->names, folder) == 0;
        rc = good ? strlist_add(&folders, folder) : 0;
        free(folder);
    }
    for (size_t i = 0, k = 0; i < n->files->n && rc == 0 && good && k < folders.n;
         i++) {
        if (n->given[i] || strcmp(n->names->items[i], name) != 0)
            continue;
        rename_to(n, i, folders.items[k]);
        folders.items[k++] = NULL;
    }
    strlist_fini(&folders);
    return rc < 0 ? rc : good;
}

static int number_them(struct names *n, const char *name)
{
    size_t number = 0;
    for (size_t i = 0; i < n->files->n; i++) {
        char *new = NULL;
        if (n->given[i] || strcmp(n->names->items[i], name) != 0)
            continue;
        do {
            free(new);
            if (asprintf(&new, "%s-%zu", name, ++number) < 0)
                return -ENOMEM;
        } while (count_name(n->names, new) > 0);
        rename_to(n, i, new);
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first name that two have; *ret NULL: none. */
static int find_double(const struct strlist *l, char **ret)
{
    char **sorted = calloc(l->n + 1, sizeof *sorted);
    *ret = NULL;
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, l->items, l->n * sizeof *sorted);
    qsort(sorted, l->n, sizeof *sorted, by_name);
    int rc = 0;
    for (size_t i = 1; i < l->n && !*ret && rc == 0; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0 && !(*ret = strdup(sorted[i])))
            rc = -ENOMEM;
    }
    free(sorted);
    return rc;
}

static int part_names(struct names *n)
{
    char *name;
    int rc;
    while ((rc = find_double(n->names, &name)) == 0 && name) {
        size_t given = 0;
        for (size_t i = 0; i < n->names->n; i++)
            given += n->given[i] && strcmp(n->names->items[i], name) == 0;
        if (given > 1)
            rc = err_set(n->e, ERR_USAGE, "two topologies are named \"%s\"", name);
        else if ((rc = use_folders(n, name)) == 0)
            rc = number_them(n, name);
        free(name);
        if (rc < 0)
            break;
    }
    return rc == -ENOMEM ? err_sys(n->e, rc, "name the topologies") : rc;
}

int plan_names(const struct strlist *words, struct strlist *ret_files,
               struct strlist *ret_names, struct err *e)
{
    struct names n = {.files = ret_files, .names = ret_names, .e = e};
    int rc = 0;
    *ret_files = *ret_names = (struct strlist){0};
    for (size_t i = 0; i < words->n && rc == 0; i++)
        rc = add_word(&n, words->items[i]);
    if (rc == 0)
        rc = part_names(&n);
    free(n.given);
    if (rc < 0) {
        strlist_fini(ret_files);
        strlist_fini(ret_names);
    }
    return rc;
}
