/* SPDX-License-Identifier: MIT */
/* filelock - which process of a rank writes into a file that the agent made for the rank:
 * the programs that it starts all inherit its path. */
#ifndef PROTO_CLIENT_FILELOCK_H
#define PROTO_CLIENT_FILELOCK_H

#include <stdbool.h>

/* Lock it for this process, until it ends or executes another program; fd may be closed
 * then. False: another process has it. Where it cannot be locked at all it is as if it
 * were. *ret_lock: for filelock_release; may be NULL. */
bool filelock_take(int fd, void **ret_lock);
void filelock_release(void *lock);

#endif
