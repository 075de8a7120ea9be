/* SPDX-License-Identifier: MIT */
/* ringmap.c - see ringmap.h. What the path names may be anything: it comes from the
 * environment. */
#include "proto/client/ringmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/client/filelock.h"

static bool ring_is_sound(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0 && st.st_size == (off_t)RING_BYTES;
}

/* -1: there is none that is sound. */
static int ring_fd(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && !ring_is_sound(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct ring *ringmap_open(const char *path)
{
    int fd = ring_fd(path);
    if (fd < 0)
        return NULL;
    void *at = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return NULL;
    struct ring *r = at;
    if (r->magic != RING_MAGIC || r->version != RING_VERSION ||
        r->records != RING_RECORDS) {
        munmap(at, RING_BYTES);
        return NULL;
    }
    return r;
}

bool ringmap_lock(const char *path, void **ret_lock)
{
    int fd = ring_fd(path);
    *ret_lock = NULL;
    if (fd < 0)
        return true;
    bool is_ours = filelock_take(fd, ret_lock);
    close(fd);
    return is_ours;
}
