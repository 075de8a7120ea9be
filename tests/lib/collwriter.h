/* SPDX-License-Identifier: MIT */
/* collwriter - the end of the file of collectives that is the plug-in's, for tests of the
 * agent: it maps the file and writes what it is told. Included after cmocka. */
#ifndef TESTS_LIB_COLLWRITER_H
#define TESTS_LIB_COLLWRITER_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/wire/collrec.h"

static inline struct collfile *collwriter_open(const char *path)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    assert_true(fd >= 0);
    void *at = mmap(NULL, COLLFILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_ptr_not_equal(at, MAP_FAILED);
    return at;
}

static inline void collwriter_close(struct collfile *f)
{
    munmap(f, COLLFILE_BYTES);
}

static inline int collwriter_put(struct collfile *f, unsigned lane,
                                 const struct collrec *r)
{
    uint8_t bytes[COLLREC_BYTES];
    collrec_encode(r, bytes);
    if (atomic_load(&f->n_lanes) <= lane)
        atomic_store(&f->n_lanes, lane + 1);
    return colllane_push(&f->lane[lane], bytes);
}

#endif
