/* SPDX-License-Identifier: MIT */
/* unpack.c - see unpack.h.
 *
 * A cache may be in a home that many hosts share, all of them at this at once: temporary
 * names hold a word drawn by lot, not a process id. And on NFS a file that is renamed over
 * is gone for those who run it on another host: what is there already, and right, stays.
 */
#include "agent/unpack.h"

#include "agent/bootstrap.h"
#include "agent/cache.h"
#include "agent/folders.h"
#include "proto/base/cur.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNPACK_AGENT "aolani-agent"

struct unpack_file {
    char name[UNPACK_NAME_MAX + 1];
    mode_t mode;
    uint64_t size;
    uint8_t hash[SECURE_HASH_BYTES];
    bool written; /* under its temporary name */
};

struct unpack {
    int fd, dir_fd;
    const char *dir, *self;
    char token[17]; /* in temporary names */
    struct unpack_file files[UNPACK_FILES_MAX];
    size_t n;
};

/* Below the folder, not hidden, and nothing that a shell or a terminal would mind. */
static bool unpack_name_is_good(const char *name, size_t len)
{
    if (len == 0 || len > UNPACK_NAME_MAX || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

static void unpack_temp_name(const struct unpack *u, const struct unpack_file *f,
                             char ret[NAME_MAX])
{
    (void)snprintf(ret, NAME_MAX, ".%s.%s", f->name, u->token);
}

static int unpack_read_header(struct unpack *u, struct unpack_file *f, struct err *e)
{
    uint8_t raw[4 + 8 + SECURE_HASH_BYTES];
    int rc = bootstrap_read_exactly(u->fd, raw, 2, e);
    if (rc < 0)
        return rc;
    struct cur c = cur_of(raw, 2);
    size_t len = cur_u16(&c);
    if (len > UNPACK_NAME_MAX)
        return err_set(e, ERR_PROTO, "unpack: a name of %zu bytes", len);
    if ((rc = bootstrap_read_exactly(u->fd, f->name, len, e)) < 0)
        return rc;
    if (!unpack_name_is_good(f->name, len))
        return err_set(e, ERR_PROTO, "unpack: file %zu has a name that is not allowed",
                       u->n);
    f->name[len] = '\0';
    for (size_t i = 0; i < u->n; i++) {
        if (strcmp(u->files[i].name, f->name) == 0)
            return err_set(e, ERR_PROTO, "unpack: \"%s\" comes twice", f->name);
    }
    if ((rc = bootstrap_read_exactly(u->fd, raw, sizeof raw, e)) < 0)
        return rc;
    c = cur_of(raw, sizeof raw);
    f->mode = cur_u32(&c) & 0755;
    f->size = cur_u64(&c);
    cur_bytes(&c, f->hash, sizeof f->hash);
    if (f->size > UNPACK_SIZE_MAX)
        return err_set(e, ERR_PROTO, "unpack \"%s\": %" PRIu64 " bytes are too many",
                       f->name, f->size);
    return 0;
}

static int unpack_compare(const char *path, const struct unpack_file *f, struct err *e)
{
    uint8_t hash[SECURE_HASH_BYTES];
    uint64_t size;
    int rc = secure_hash_file(path, hash, &size, e);
    if (rc < 0)
        return rc;
    if (size != f->size || memcmp(hash, f->hash, sizeof hash) != 0)
        return err_set(e, ERR_PROTO, "unpack \"%s\": what arrived is not what was sent",
                       f->name);
    return 0;
}

static int unpack_write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int unpack_copy(struct unpack *u, const struct unpack_file *f, int out,
                       struct err *e)
{
    uint8_t part[65536];
    for (uint64_t left = f->size; left > 0;) {
        size_t n = left < sizeof part ? (size_t)left : sizeof part;
        int rc = bootstrap_read_exactly(u->fd, part, n, e);
        if (rc < 0)
            return rc;
        if ((rc = unpack_write_all(out, part, n)) < 0)
            return err_sys(e, rc, "write \"%s\" in \"%s\"", f->name, u->dir);
        left -= n;
    }
    if (fchmod(out, f->mode) < 0 || fsync(out) < 0)
        return err_sys(e, -errno, "write \"%s\" in \"%s\"", f->name, u->dir);
    return 0;
}

static int unpack_file(struct unpack *u, struct unpack_file *f, struct err *e)
{
    char temp[NAME_MAX], path[PATH_MAX];
    unpack_temp_name(u, f, temp);
    int out = openat(u->dir_fd, temp,
                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return err_sys(e, -errno, "write \"%s\" in \"%s\"", f->name, u->dir);
    f->written = true;
    int rc = unpack_copy(u, f, out, e);
    close(out);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", u->dir_fd, temp);
    return rc < 0 ? rc : unpack_compare(path, f, e);
}

static int unpack_files(struct unpack *u, struct err *e)
{
    uint8_t head[8];
    int rc = bootstrap_read_exactly(u->fd, head, sizeof head, e);
    if (rc < 0)
        return rc;
    struct cur c = cur_of(head + 4, 4);
    uint32_t count = cur_u32(&c);
    if (memcmp(head, "AOLP", 4) != 0 || count == 0 || count > UNPACK_FILES_MAX)
        return err_set(e, ERR_PROTO, "unpack: standard input is not a bundle");
    bool self = false;
    for (uint32_t i = 0; i < count; i++) {
        struct unpack_file *f = &u->files[u->n];
        if ((rc = unpack_read_header(u, f, e)) < 0)
            return rc;
        u->n++;
        bool is_agent = strcmp(f->name, UNPACK_AGENT) == 0;
        self = self || is_agent;
        rc = is_agent ? unpack_compare(u->self, f, e) : unpack_file(u, f, e);
        if (rc < 0)
            return rc;
    }
    return self ? 0
                : err_set(e, ERR_PROTO, "unpack: the bundle lists no %s", UNPACK_AGENT);
}

/* Another host may have been quicker. */
static bool unpack_is_there(const struct unpack *u, const struct unpack_file *f)
{
    char path[PATH_MAX];
    struct stat st;
    if (fstatat(u->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode) || (st.st_mode & 0777) != f->mode)
        return false;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", u->dir_fd, f->name);
    return unpack_compare(path, f, NULL) == 0;
}

static int unpack_place(struct unpack *u, struct unpack_file *f, struct err *e)
{
    char temp[NAME_MAX];
    unpack_temp_name(u, f, temp);
    if (linkat(u->dir_fd, temp, u->dir_fd, f->name, 0) == 0 || unpack_is_there(u, f))
        return 0; /* the temporary name goes at the end */
    if (renameat(u->dir_fd, temp, u->dir_fd, f->name) < 0)
        return err_sys(e, -errno, "rename \"%s\" in \"%s\"", f->name, u->dir);
    f->written = false;
    return 0;
}

static int unpack_place_all(struct unpack *u, struct err *e)
{
    for (size_t i = 0; i < u->n; i++) {
        int rc = u->files[i].written ? unpack_place(u, &u->files[i], e) : 0;
        if (rc < 0)
            return rc;
    }
    if (fsync(u->dir_fd) < 0)
        return err_sys(e, -errno, "write the folder \"%s\"", u->dir);
    return 0;
}

int unpack(int fd, const char *dir, const char *self, struct err *e)
{
    struct unpack u = {.fd = fd, .dir = dir, .self = self};
    int rc = folders_make_private(dir, e);
    if (rc < 0)
        return rc;
    uint8_t lot[8];
    secure_random(lot, sizeof lot);
    secure_hex(lot, sizeof lot, u.token);
    u.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (u.dir_fd < 0)
        return err_sys(e, -errno, "open the folder \"%s\"", dir);
    rc = unpack_files(&u, e);
    if (rc == 0)
        rc = unpack_place_all(&u, e);
    for (size_t i = 0; i < u.n; i++) {
        char temp[NAME_MAX];
        unpack_temp_name(&u, &u.files[i], temp);
        if (u.files[i].written)
            (void)unlinkat(u.dir_fd, temp, 0);
    }
    close(u.dir_fd);
    if (rc == 0)
        cache_prune(dir);
    return rc;
}
