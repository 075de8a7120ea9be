/* SPDX-License-Identifier: MIT */
/* nodesignals_file.c - see nodesignals_file.h. */
#include "agent/nodesignals_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int nodesignals_file_open(struct nodesignals_file *f, bool reopen, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&f->path, fmt, ap);
    va_end(ap);
    if (n < 0) {
        f->path = NULL;
        return -ENOMEM;
    }
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0) {
        int rc = -errno;
        nodesignals_file_close(f);
        return rc;
    }
    if (reopen) {
        close(f->fd);
        f->fd = -1;
    }
    return 0;
}

void nodesignals_file_close(struct nodesignals_file *f)
{
    if (!f->path)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    f->path = NULL;
}

/* A file of the kernel is whole in one read unless the buffer is full: no second one to
 * find the end. */
ssize_t nodesignals_file_read(const struct nodesignals_file *f, char *buf, size_t size)
{
    int fd = f->fd >= 0 ? f->fd : open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int rc = -errno;
        buf[0] = '\0';
        return rc;
    }
    ssize_t n;
    do
        n = pread(fd, buf, size - 1, 0);
    while (n < 0 && errno == EINTR);
    ssize_t rc = n < 0 ? -errno : n;
    buf[n > 0 ? n : 0] = '\0';
    if (f->fd < 0)
        close(fd);
    return rc;
}

bool nodesignals_number(const char **at, uint64_t *ret)
{
    const char *p = *at;
    uint64_t v = 0;
    while (*p == ' ')
        p++;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *at = p;
    *ret = v;
    return true;
}

bool nodesignals_number_of(const char *text, const char *word, uint64_t *ret)
{
    size_t len = strlen(word);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, len) == 0 && line[len] == ' ') {
            const char *at = line + len;
            return nodesignals_number(&at, ret);
        }
    }
    return false;
}

bool nodesignals_count(struct nodesignals_counter *c, bool is_there, uint64_t now,
                       uint64_t *ret)
{
    bool known = is_there && c->has && now >= c->last;
    *ret = known ? now - c->last : 0;
    c->has = is_there;
    c->last = now;
    return known;
}
