/* SPDX-License-Identifier: MIT */
/* filelock.c - see filelock.h.
 *
 * A lock of flock is one of the open file, which a mapping keeps open: it outlives the
 * descriptor, which the program may close with all others, and ends with the memory of the
 * process. Children do not get the mapping, and so never keep the lock of a dead parent. No
 * PID is compared: in another namespace it is another's. */
#include "proto/client/filelock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/mman.h>

#define LOCK_BYTES 1u /* a page, of whatever size; nothing is read from it */

bool filelock_take(int fd, void **ret_lock)
{
    *ret_lock = NULL;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno != EWOULDBLOCK;
    void *at = mmap(NULL, LOCK_BYTES, PROT_NONE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return true;
    (void)madvise(at, LOCK_BYTES, MADV_DONTFORK);
    *ret_lock = at;
    return true;
}

void filelock_release(void *lock)
{
    if (lock)
        munmap(lock, LOCK_BYTES);
}
