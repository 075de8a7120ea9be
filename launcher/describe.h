/* SPDX-License-Identifier: MIT */
/* describe - descriptions of nodes, made on this machine by aolani-describe: of this machine
 * itself, or from files that others have sent.
 *
 * hwloc reads them, so it does so in a child each, bounded in output and time: what kills
 * the child is an error of that one file.
 */
#ifndef LAUNCHER_DESCRIBE_H
#define LAUNCHER_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct describe_input {
    const char *file; /* hwloc's XML, or a folder with sys/ in it; NULL: this machine */
    const char *sysfs; /* a folder that says more of ports; NULL: none */
};

struct describe_result {
    Aolani__Topology *m; /* NULL: e says why; the file's name is in it */
    struct err e;
};

/* As many at a time as there are cores. Each has `limit_ms` (0: 20 s). 0, whether or not all
 * could be read; a signal number: the user does not wait for the rest; ERR_BOOT: there is no
 * aolani-describe; -errno. Results are set in any case, and the caller's to free. */
int describe_all(const struct describe_input *in, size_t n, uint64_t limit_ms,
                 struct describe_result *ret, struct err *e);
void describe_free(struct describe_result *all, size_t n);

#endif
