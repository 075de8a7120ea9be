/* SPDX-License-Identifier: MIT */
/* keptfd - a descriptor of a library inside someone else's program, which may close what
 * it does not know and be given the same number again: we look twice before we close. */
#ifndef PROTO_CLIENT_KEPTFD_H
#define PROTO_CLIENT_KEPTFD_H

#include <stdbool.h>
#include <sys/types.h>

struct keptfd {
    int fd; /* -1: none */
    dev_t dev;
    ino_t ino;
};

bool keptfd_open(struct keptfd *k, const char *path); /* to read; false: k is none */
bool keptfd_is_ours(const struct keptfd *k);
void keptfd_close(struct keptfd *k);
/* The beginning of the file as a string; false: nothing was read. */
bool keptfd_read(const struct keptfd *k, char *ret, size_t size);

#endif
