/* SPDX-License-Identifier: MIT */
/* keptfd.c - see keptfd.h. */
#include "proto/client/keptfd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool keptfd_open(struct keptfd *k, const char *path)
{
    struct stat st;
    k->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (k->fd < 0)
        return false;
    if (fstat(k->fd, &st) < 0) {
        close(k->fd);
        k->fd = -1;
        return false;
    }
    k->dev = st.st_dev;
    k->ino = st.st_ino;
    return true;
}

bool keptfd_is_ours(const struct keptfd *k)
{
    struct stat st;
    return k->fd >= 0 && fstat(k->fd, &st) == 0 && st.st_dev == k->dev &&
           st.st_ino == k->ino;
}

void keptfd_close(struct keptfd *k)
{
    if (keptfd_is_ours(k))
        close(k->fd);
    k->fd = -1;
}

bool keptfd_read(const struct keptfd *k, char *ret, size_t size)
{
    ssize_t n = k->fd < 0 ? -1 : pread(k->fd, ret, size - 1, 0);
    if (n <= 0)
        return false;
    ret[n] = '\0';
    return true;
}
