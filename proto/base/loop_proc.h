/* SPDX-License-Identifier: MIT */
/* loop_proc - a child program with its standard streams as loop_streams.
 *
 * For helpers, agents and ssh, not for ranks (agent/spawn forks those itself). The child
 * gets a session of its own (no signals from the terminal) and standard descriptors only,
 * plus extra_fd as descriptor 3 when it is >= 0.
 */
#ifndef PROTO_BASE_LOOP_PROC_H
#define PROTO_BASE_LOOP_PROC_H

#include <sys/types.h>

#include "proto/base/loop_stream.h"

struct loop_proc;
struct loop_proc_spec {
    const char *file; /* searched in PATH when it has no '/' */
    char *const *argv;
    char *const *env;      /* NULL: ours */
    int extra_fd;          /* -1: none; not closed here */
    bool stderr_to_stream; /* else inherited */
};
/* wait status as of waitpid(2), without the core flag. Called once, unless destroyed
 * before; what the child wrote may still be in the streams. */
typedef void (*loop_proc_exit_f)(void *arg, int wait_status);

int loop_proc_spawn(struct loop *l, const struct loop_proc_spec *spec,
                    loop_proc_exit_f on_exit, void *arg, struct loop_proc **ret,
                    struct err *e);
/* The caller takes each stream at most once, sets its callbacks, and destroys it. */
struct loop_stream *loop_proc_take_io(struct loop_proc *p);     /* stdin + stdout */
struct loop_stream *loop_proc_take_stderr(struct loop_proc *p); /* NULL if inherited */
pid_t loop_proc_pid(const struct loop_proc *p);
bool loop_proc_exited(const struct loop_proc *p);
int loop_proc_kill(struct loop_proc *p, int signum);
/* For a program that reaps every child (waitpid(-1) of a subreaper) and so takes the
 * status from under the loop: true when pid was a loop_proc, which is then told. */
bool loop_proc_reaped(struct loop *l, pid_t pid, int wait_status);
/* Does not kill: a child that still runs goes on, and is still waited for. */
void loop_proc_destroy(struct loop_proc *p);

#endif
