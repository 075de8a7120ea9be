/* SPDX-License-Identifier: MIT */
/* collmap.c - see collmap.h. What the path names may be anything: it comes from the
 * environment. statx, not fstat: that one would ask for a newer glibc than any other call
 * here. */
#include "proto/client/nccl/collmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/client/filelock.h"

static bool file_is_sound(int fd)
{
    struct statx st;
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) == 0 &&
           S_ISREG(st.stx_mode) && st.stx_uid == geteuid() &&
           (st.stx_mode & 022) == 0 && st.stx_size == COLLFILE_BYTES;
}

static bool file_is_ours(const struct collfile *f)
{
    return f->magic == COLLFILE_MAGIC && f->version == COLLFILE_VERSION &&
           f->lanes == COLL_LANES;
}

struct collfile *collmap_open(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    void *at = MAP_FAILED, *lock; /* which the process keeps */
    if (file_is_sound(fd))
        at = mmap(NULL, COLLFILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct collfile *f = at == MAP_FAILED ? NULL : at;
    if (f && (!file_is_ours(f) || !filelock_take(fd, &lock))) {
        munmap(at, COLLFILE_BYTES);
        f = NULL;
    }
    close(fd);
    if (f)
        atomic_store(&f->owner, (uint32_t)getpid());
    return f;
}
