/* SPDX-License-Identifier: MIT */
/* bundle.c - see bundle.h.
 *
 * Layout of `rest`: "AOLP", u32 number of files; for each: u16 length of the name, name,
 * u32 mode, u64 size, SHA-256, then the bytes. The first is the agent itself, whose bytes
 * are left out: the shell has already stored them, and the agent compares.
 */
#include "launcher/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/libdir.h"
#include "proto/base/cur.h"
#include "proto/wire/secure.h"

#define BUNDLE_MAX (256u << 20)

static const char *const file_names[] = {
    "aolani-agent", "aolani-pmix",    "aolani-describe",
    "aolani-audit", "libaolani.so.1", "libnccl-profiler-aolani.so",
    "aolani.py"};

static int read_file(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return err_sys(e, rc, "read \"%s\"", path);
    }
    int rc = 0;
    for (;;) {
        uint8_t *at;
        rc = buf_reserve(out, 1u << 16, &at);
        ssize_t n = rc < 0 ? rc : read(fd, at, 1u << 16);
        if (n <= 0) {
            rc = rc < 0 ? rc : n < 0 ? -errno : 0;
            break;
        }
        out->len += (size_t)n;
    }
    close(fd);
    return rc < 0 ? err_sys(e, rc, "read \"%s\"", path) : 0;
}

static int add_header(struct buf *out, const char *name, uint32_t mode,
                      const struct buf *bytes)
{
    uint8_t head[2 + 4 + 8];
    put_u16(head, (uint16_t)strlen(name));
    put_u32(head + 2, mode);
    put_u64(head + 6, bytes->len);
    uint8_t hash[SECURE_HASH_BYTES];
    secure_hash(bytes->data, bytes->len, hash);
    int rc = buf_add(out, head, 2);
    if (rc == 0)
        rc = buf_add(out, name, strlen(name));
    if (rc == 0)
        rc = buf_add(out, head + 2, 12);
    return rc == 0 ? buf_add(out, hash, sizeof hash) : rc;
}

static int add_file(struct bundle *b, const char *folder, size_t i, uint32_t *count,
                    struct err *e)
{
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file_names[i]);
    if (i > 0 && access(path, R_OK) < 0)
        return 0;
    struct buf bytes;
    buf_init(&bytes, BUNDLE_MAX);
    int rc = read_file(path, &bytes, e);
    if (rc == 0 && (rc = add_header(&b->rest, file_names[i], 0700, &bytes)) == 0 &&
        i > 0)
        rc = buf_add(&b->rest, bytes.data, bytes.len);
    if (rc == 0 && i == 0) {
        b->agent = bytes;
        buf_init(&bytes, 0);
        b->agent_path = strdup(path);
        rc = b->agent_path ? 0 : -ENOMEM;
    }
    buf_fini(&bytes);
    *count += 1;
    return rc;
}

int bundle_load(struct bundle *ret, struct err *e)
{
    struct bundle b = {0};
    buf_init(&b.rest, BUNDLE_MAX);
    char folder[PATH_MAX + 16];
    int rc = libdir_find(file_names[0], "the agent", folder, sizeof folder, e);
    uint8_t head[8] = "AOLP";
    uint32_t count = 0;
    if (rc == 0)
        rc = buf_add(&b.rest, head, sizeof head);
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names && rc == 0; i++)
        rc = add_file(&b, folder, i, &count, e);
    if (rc < 0) {
        bundle_fini(&b);
        return rc;
    }
    put_u32(b.rest.data + 4, count);
    uint8_t hash[SECURE_HASH_BYTES];
    secure_hash(b.rest.data, b.rest.len, hash);
    secure_hex(hash, 8, b.id);
    *ret = b;
    return 0;
}

void bundle_fini(struct bundle *b)
{
    free(b->agent_path);
    buf_fini(&b->agent);
    buf_fini(&b->rest);
    *b = (struct bundle){0};
}
