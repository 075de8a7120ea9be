/* SPDX-License-Identifier: MIT */
/* shmname - what the name of a file in /dev/shm says of who made it. */
#ifndef AGENT_SHMNAME_H
#define AGENT_SHMNAME_H

#include <stdbool.h>
#include <sys/types.h>

struct shmname {
    const char *library; /* whose it is, for people */
    pid_t pid;           /* that the name carries; 0: none */
    /* Its makers keep it open or mapped as long as it is of use: one that nobody has is
     * left over, whoever made it. */
    bool is_held;
};

/* False: no library is known to name its files so. *ret is filled only if true. */
bool shmname_parse(const char *name, struct shmname *ret);

#endif
