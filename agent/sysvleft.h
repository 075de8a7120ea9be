/* SPDX-License-Identifier: MIT */
/* sysvleft - System V shared memory segments that dead processes have made. */
#ifndef AGENT_SYSVLEFT_H
#define AGENT_SYSVLEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sysvleft {
    int id;
    uint64_t bytes;
    pid_t maker;
    uint64_t attached;
    uid_t uid, maker_uid;
    int64_t changed; /* its making or last change of owner, seconds since 1970 */
};
/* One line of /proc/sysvipc/shm; the first line is no segment. */
bool sysvleft_parse(const char *line, struct sysvleft *ret);
/* Remove those of this user that one of pids has made since then and nobody has attached.
 * removed is called for each. */
void sysvleft_clear(const pid_t *pids, size_t n, int64_t since,
                    void (*removed)(void *arg, const struct sysvleft *s), void *arg);

#endif
