/* SPDX-License-Identifier: MIT */
/* boot - start one agent and hand it its key: through ssh, or as a child of ours.
 *
 * The secrets (the node's key) go over the starter's standard input and nowhere else.
 * Once the agent has them, the same stream is given to the caller: it can carry the
 * session where TCP cannot. The starter (ssh, or the agent itself) stays ours to watch
 * until it ends.
 *
 * Where sshd drops a connection before the login (MaxStartups, a reset in the first
 * exchange), ssh is started again after growing waits, within ssh.connect_timeout; any
 * other failure is final. The caller is told nothing of it, and a node that waits keeps
 * its place in the caller's window: who is short of logins is not helped by more at once.
 */
#ifndef LAUNCHER_BOOT_H
#define LAUNCHER_BOOT_H

#include <stdbool.h>

#include "launcher/bundle.h"
#include "launcher/spec.h"
#include "proto/base/loop_stream.h"

struct boot;
struct boot_ops {
    /* The agent has its key. The caller takes the stream. */
    void (*ready)(void *arg, struct loop_stream *io, bool copied);
    /* The agent could not be started; nothing else will come but `ended`. */
    void (*failed)(void *arg, const struct err *e);
    /* The starter has ended; called once, also after failed, never after boot_destroy.
     * words: its last line on standard error, or "". After tries: of the last one. */
    void (*ended)(void *arg, int wait_status, const char *words);
};
struct boot_config {
    const struct spec *spec;
    const struct bundle *bundle;
    bool local;
    const char *name;    /* of the node, as typed */
    const uint8_t *blob; /* packed Boot message; copied, wiped after use */
    size_t blob_len;
};

int boot_create(struct loop *l, const struct boot_config *c, const struct boot_ops *ops,
                void *arg, struct boot **ret, struct err *e);
void boot_kill(struct boot *b, int signum);
/* Of one that was told to end: wait for it, together with others at most so long, then
 * KILL it and all below it. */
void boot_await_end(struct boot *b, unsigned *patience_ms);
void boot_destroy(struct boot *b); /* the starter goes on if it still runs */

#endif
