/* SPDX-License-Identifier: MIT */
/* heads - where the head may be reached: numeric addresses, best first. Pure. */
#ifndef AGENT_HEADS_H
#define AGENT_HEADS_H

#include <stddef.h>
#include <sys/socket.h>

#include "proto/wire/aolani.pb-c.h"

#define HEADS_MAX 64 /* tried at the same time */

struct heads {
    struct sockaddr_storage at[HEADS_MAX];
    size_t n;
};

/* "10.0.0.1:4000" or "[fe80::1%eth0]:4000". 0, or ERR_PARSE. */
int heads_parse(const char *text, struct sockaddr_storage *ret);
/* The text again, for words. */
#define HEADS_TEXT 64
void heads_format(const struct sockaddr_storage *at, char ret[HEADS_TEXT]);
/* The candidates of boot; the one who started us (the first word of SSH_CONNECTION, or
 * SLURM_LAUNCH_NODE_IPADDR; may be NULL) first when the head wants that. What does not
 * parse, and doubles, are left out. */
void heads_collect(const Aolani__Boot *boot, const char *starter, struct heads *ret);

#endif
