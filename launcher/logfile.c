/* SPDX-License-Identifier: MIT */
/* logfile.c - see logfile.h. */
#include "launcher/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (64u << 10)

/* A run directory may be somebody else's: a pipe in it is not waited for. */
static int open_file(const char *path, uint64_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    *ret_size = (uint64_t)st.st_size;
    return fd;
}

int logfile_read(const char *path, uint64_t *at, logfile_sink sink, void *arg)
{
    struct stat st;
    uint64_t size;
    if (!stat(path, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= *at)
        return 0;
    int fd = open_file(path, &size), rc = fd < 0 ? fd : 0;
    char *block = malloc(BLOCK);
    if (rc == 0 && !block)
        rc = -ENOMEM;
    while (rc == 0) {
        ssize_t n = pread(fd, block, BLOCK, (off_t)*at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? -errno : 0;
            break;
        }
        rc = sink(arg, block, (size_t)n);
        *at += (uint64_t)n;
    }
    free(block);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* Back over one block that begins at `at`: the place after the newline that has *lines lines
 * behind it, or UINT64_MAX. The file's last byte ends a line and begins none. */
static uint64_t search_block(const char *block, size_t n, uint64_t at, uint64_t size,
                             uint64_t *lines)
{
    for (size_t i = n; i > 0; i--) {
        if (block[i - 1] != '\n' || at + i == size)
            continue;
        if (--*lines == 0)
            return at + i;
    }
    return UINT64_MAX;
}

static int search_file(int fd, uint64_t size, char *block, uint64_t *lines,
                       uint64_t *ret_at)
{
    for (uint64_t at = size; at > 0;) {
        size_t n = at < BLOCK ? (size_t)at : BLOCK;
        ssize_t got = pread(fd, block, n, (off_t)(at - n));
        if (got != (ssize_t)n)
            return got < 0 ? -errno : -EIO;
        at -= n;
        if ((*ret_at = search_block(block, n, at, size, lines)) != UINT64_MAX)
            return 0;
    }
    *ret_at = 0;
    *lines -= size > 0; /* the first one */
    return 0;
}

int logfile_back(const char *path, uint64_t *lines, uint64_t *ret_at)
{
    uint64_t size;
    int fd = open_file(path, &size), rc = fd < 0 ? fd : 0;
    char *block = malloc(BLOCK);
    if (rc == 0 && !block)
        rc = -ENOMEM;
    if (rc == 0 && *lines == 0)
        *ret_at = size;
    else if (rc == 0)
        rc = search_file(fd, size, block, lines, ret_at);
    free(block);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}
