/* SPDX-License-Identifier: MIT */
/* history.c - see history.h. A line is
 *   {"id", "time" (seconds, UTC), "verdict", "looked", "measured", "paired" (whether it
 *    could have been found), "remarks": [kind]}
 * Keys are added, never renamed. Any user of this account can have written the files: what
 * is no such line is left out. */
#include "launcher/audit/history.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (64u << 10) /* bytes; the lines that are kept take 4 kB */
#define LINE_MOST 1024u
#define NAME_MOST 200u /* bytes of a host's name in that of its file */

enum part { PART_LOOKED, PART_MEASURED, PART_PAIRED, PARTS };
static const char *const parts[PARTS] = {"looked", "measured", "paired"};

/* What an audit must have done to find it. */
static enum part part_of(enum audit_remark_kind k)
{
    return k == REMARK_DIFFERS                                        ? PART_LOOKED
           : k == REMARK_LINK || k == REMARK_PAIR || k == REMARK_RAIL ? PART_PAIRED
                                                                      : PART_MEASURED;
}

struct past_line {
    char *text; /* owned, without the line's end */
    bool did[PARTS];
    bool with[REMARK_KINDS];
};
struct past_lines { /* of one node, the oldest first */
    struct past_line lines[HISTORY_KEPT];
    size_t n;
};

static void lines_fini(struct past_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->lines[i].text);
    l->n = 0;
}

/* ---- the folder and its files */

/* With the folders above it. */
static int make_folder(char *path, struct err *e)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        int rc = mkdir(path, 0700);
        *at = '/';
        if (rc < 0 && errno != EEXIST)
            return err_sys(e, -errno, "making the folder of earlier audits, \"%s\"",
                           path);
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_sys(e, -errno, "making the folder of earlier audits, \"%s\"", path);
    return 0;
}

int history_folder(char **ret, struct err *e)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n;
    /* By its specification a path that is not absolute counts for nothing. */
    if (state && *state == '/')
        n = asprintf(&path, "%s/aolani/audits", state);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.local/state/aolani/audits", home);
    else {
        err_set(e, -ENOENT, "finding the folder of earlier audits: HOME is not set");
        return err_hint(e, "set HOME or XDG_STATE_HOME");
    }
    if (n < 0)
        return err_set(e, -ENOMEM, "finding the folder of earlier audits: no memory");
    int rc = make_folder(path, e);
    if (rc < 0)
        free(path);
    else
        *ret = path;
    return rc;
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("._-:@", c);
}

/* Any name makes a file's name, and two names never the same. */
static void name_file(const char *host, char *ret, size_t len)
{
    size_t n = 0;
    for (const char *c = host; *c && n < NAME_MOST; c++)
        n += (size_t)snprintf(ret + n, len - n, is_plain(*c) ? "%c" : "%%%02X",
                              (uint8_t)*c);
    if (n >= NAME_MOST)
        snprintf(ret + n, len - n, "%%%016llx", (unsigned long long)hash_of(host));
    n = strlen(ret);
    snprintf(ret + n, len - n, ".json");
}

static int open_folder(const char *folder, struct err *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd
                   : err_sys(e, -errno, "opening the folder of earlier audits, \"%s\"",
                             folder);
}

/* ---- lines */

static bool parse_line(const char *text, const char *not_id, struct past_line *ret)
{
    struct past_line l = {0};
    const char *id = NULL;
    json_t *list = NULL, *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *item;
    size_t i;
    bool ok = root &&
              json_unpack(root, "{s:s, s:o}", "id", &id, "remarks", &list) == 0 &&
              json_is_array(list) && strcmp(id, not_id) != 0;
    for (int p = 0; ok && p < PARTS; p++)
        l.did[p] = json_is_true(json_object_get(root, parts[p]));
    json_array_foreach(
        ok ? list : NULL, i,
        item) for (int k = 0; k < REMARK_KINDS;
                   k++) if (json_is_string(item) &&
                            !strcmp(json_string_value(item), audit_remark_name(k)))
        l.with[k] = true;
    json_decref(root);
    l.text = ok ? strdup(text) : NULL;
    if (l.text)
        *ret = l;
    return l.text;
}

static void keep_line(struct past_lines *l, const struct past_line *one)
{
    if (l->n == HISTORY_KEPT) {
        free(l->lines[0].text);
        memmove(l->lines, l->lines + 1, (HISTORY_KEPT - 1) * sizeof *l->lines);
        l->n--;
    }
    l->lines[l->n++] = *one;
}

static void parse_lines(char *text, const char *not_id, struct past_lines *ret)
{
    struct past_line one;
    char *save = NULL;
    for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save))
        if (strlen(at) < LINE_MOST && parse_line(at, not_id, &one))
            keep_line(ret, &one);
}

/* -ENOENT: there is none. What is no plain file, or is too large, is not ours. */
static int read_lines(int folder, const char *host, const char *not_id,
                      struct past_lines *ret)
{
    char name[NAME_MOST + 64];
    struct stat st;
    struct buf b;
    name_file(host, name, sizeof name);
    int rc = 0,
        fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    buf_init(&b, FILE_MOST);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < FILE_MOST)
        rc = buf_read(&b, fd);
    if (rc == 0)
        rc = buf_add(&b, "", 1);
    if (rc == 0)
        parse_lines((char *)b.data, not_id, ret);
    buf_fini(&b);
    close(fd);
    return rc == -ENOMEM ? rc : 0;
}

static void add_up(const struct past_lines *l, struct audit_past *ret)
{
    *ret = (struct audit_past){.audits = (uint32_t)l->n};
    for (size_t i = 0; i < l->n; i++)
        for (int k = 0; k < REMARK_KINDS; k++) {
            ret->of[k] += l->lines[i].did[part_of(k)];
            ret->with[k] += l->lines[i].did[part_of(k)] && l->lines[i].with[k];
        }
}

int history_read(const char *folder, struct audit *a, struct err *e)
{
    struct past_lines l = {0};
    int rc = 0, fd = open_folder(folder, e);
    if (fd < 0)
        return fd;
    struct audit_past *past = calloc(a->n ? a->n : 1, sizeof *past);
    if (!past)
        rc = err_set(e, -ENOMEM, "reading earlier audits: no memory");
    for (size_t i = 0; i < a->n && rc == 0; i++) {
        if (read_lines(fd, a->nodes[i].host, a->id, &l) == -ENOMEM)
            rc = err_set(e, -ENOMEM, "reading earlier audits: no memory");
        add_up(&l, &past[i]);
        lines_fini(&l);
    }
    close(fd);
    if (rc < 0) {
        free(past);
        return rc;
    }
    free(a->past);
    a->past = past;
    return 0;
}

/* ---- writing */

static json_t *kinds_of(uint32_t x, const bool *with)
{
    json_t *list = json_array();
    for (int k = 0; list && k < REMARK_KINDS; k++)
        if (with[x * REMARK_KINDS + (uint32_t)k])
            json_array_append_new(list, json_string(audit_remark_name(k)));
    return list;
}

static char *make_line(const struct audit *a, uint32_t x, const bool *paired,
                       const bool *with)
{
    const struct audit_node *n = &a->nodes[x];
    json_t *o = json_pack(
        "{s:s, s:I, s:s, s:b, s:b, s:b, s:o}", "id", a->id, "time",
        (json_int_t)a->t_real_s, "verdict", audit_machine_name(n->verdict),
        parts[PART_LOOKED], n->found != NULL, parts[PART_MEASURED], n->measured != NULL,
        parts[PART_PAIRED], (int)paired[x], "remarks", kinds_of(x, with));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

static int put_lines(int fd, const struct past_lines *l)
{
    FILE *f = fdopen(fd, "w");
    if (!f) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    for (size_t i = 0; i < l->n; i++)
        fprintf(f, "%s\n", l->lines[i].text);
    int rc = ferror(f) ? -EIO : 0;
    return fclose(f) == 0 ? rc : -errno;
}

static int write_file(int folder, const char *name, const char *id,
                      const struct past_lines *l)
{
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".%.16s.%ld", id, (long)getpid());
    unlinkat(folder, temporary, 0);
    int fd = openat(folder, temporary,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -errno : put_lines(fd, l);
    if (rc == 0 && renameat(folder, temporary, folder, name) < 0)
        rc = -errno;
    if (rc < 0 && fd >= 0)
        unlinkat(folder, temporary, 0);
    return rc;
}

static int write_node(int folder, const struct audit *a, uint32_t x, const bool *paired,
                      const bool *with)
{
    char name[NAME_MOST + 64];
    struct past_lines l = {0};
    struct past_line one = {.text = make_line(a, x, paired, with)};
    if (!one.text)
        return -ENOMEM;
    int rc = read_lines(folder, a->nodes[x].host, a->id, &l);
    keep_line(&l, &one);
    name_file(a->nodes[x].host, name, sizeof name);
    /* A link is none of ours, and is written over like what is no line. */
    if (rc == 0 || rc == -ENOENT || rc == -ELOOP)
        rc = write_file(folder, name, a->id, &l);
    lines_fini(&l);
    return rc;
}

static void find_kinds(const struct audit *a, bool *paired, bool *with)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        paired[a->pairs[i].a] = paired[a->pairs[i].b] = true;
    for (size_t i = 0; i < a->n_remarks; i++) {
        const struct audit_remark *r = &a->remarks[i];
        if (r->kind == REMARK_RAIL) /* that of a switch is no node's past */
            continue;
        with[r->a * REMARK_KINDS + r->kind] = true;
        with[r->b * REMARK_KINDS + r->kind] = true;
    }
}

int history_write(const char *folder, const struct audit *a, struct err *e)
{
    bool *paired = calloc(a->n ? a->n : 1, sizeof *paired);
    bool *with = calloc((a->n ? a->n : 1) * REMARK_KINDS, sizeof *with);
    int rc = 0, fd = -1;
    if (!paired || !with)
        rc = err_set(e, -ENOMEM, "keeping this audit: no memory");
    else
        rc = fd = open_folder(folder, e);
    if (fd >= 0) {
        rc = 0;
        find_kinds(a, paired, with);
    }
    for (uint32_t i = 0; i < a->n && fd >= 0; i++) {
        int one = write_node(fd, a, i, paired, with);
        if (one < 0 && rc == 0)
            rc = err_sys(e, one, "keeping this audit of \"%s\" in \"%s\"",
                         a->nodes[i].host, folder);
    }
    if (fd >= 0)
        close(fd);
    free(paired);
    free(with);
    return rc;
}
