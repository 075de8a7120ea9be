/* SPDX-License-Identifier: MIT */
/* container - ranks in containers: [job] container has the words that start one, up to its
 * image, as a user types them; what a rank needs of its node is put among them. Pure.
 *
 *     ["podman", "run", "--rm", "train:7"]
 *     ["apptainer", "exec", "--nv", "train.sif"]
 *     ["enroot", "start", "train"]
 *
 * Let in are the network and, where the tool keeps them apart, processes and shared memory of
 * the node; folders, which keep their paths; and variables of the environment by name alone:
 * no value stands among the words, which every user of the node can read.
 */
#ifndef PROTO_WIRE_CONTAINER_H
#define PROTO_WIRE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

#define CONTAINER_FOLDERS 12u

struct container_folder {
    const char *path; /* absolute; no ':' and no ',' */
    bool may_write;
};

struct container_lets {
    struct container_folder folder[CONTAINER_FOLDERS];
    size_t n_folders;
    const char *workdir; /* let in as well, and entered */
    char *const *env;    /* of the rank: "NAME=value", NULL-ended */
    bool is_root;        /* who runs it is user 0 */
};

/* Are these words the start of a container by a tool that is known? ERR_USAGE: no, with the
 * way out. */
int container_check(char *const *words, size_t n, struct err *e);
/* The words with all that is let in, then those of the command. *ret: NULL-ended, for
 * container_free. ERR_USAGE: as container_check, or a folder that cannot be named. */
int container_argv(char *const *words, size_t n, const struct container_lets *lets,
                   char *const *command, size_t n_command, char ***ret, struct err *e);
void container_free(char **argv); /* takes NULL */
/* Whether a variable of that name means something in a container: not what tells of the
 * node's own files and sessions (PATH, HOME, LD_LIBRARY_PATH, ...). */
bool container_lets_name(const char *name, size_t len);

#endif
