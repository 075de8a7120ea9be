/* SPDX-License-Identifier: MIT */
/* facts_impl - what the facts*.c files share; nobody else includes it. */
#ifndef LAUNCHER_SLURM_FACTS_IMPL_H
#define LAUNCHER_SLURM_FACTS_IMPL_H

#include "launcher/slurm/facts.h"

#define SLURM_MAX_COUNT (1u << 20) /* CPUs or GPUs of a node: more is no number */

/* A decimal number below max that ends where `end` says ("" for the end of the text);
 * *at moves behind it. */
bool facts_number(const char **at, uint64_t max, uint64_t *ret);
/* A whole text as a number. */
bool facts_whole(const char *text, uint64_t max, uint64_t *ret);
/* Seconds since the epoch ("1767225600"), or ISO time of this zone, as a real time in ns;
 * 0 for what Slurm says where there is none ("Unknown", "N/A", "None", "NONE"). */
bool facts_time(const char *text, uint64_t *ret_ns);
/* Cut where it is too long, and made fit for a terminal. */
void facts_text(char *to, size_t size, const char *text, size_t len);
/* Sets j->nodes from a list of hosts; `what` names it in the error. */
int facts_nodes(struct slurm_job *j, const char *list, const char *what, int code,
                struct err *e);
/* "gpu:2", "gpu:tesla:2(IDX:0-1),nic:1", "2", "tesla:2,k80:1": how many GPUs. Entries of
 * another kind count nothing; bare: kinds are left out ("tesla:2" is one of GPUs). */
bool facts_gpus(const char *text, size_t len, bool bare, uint32_t *ret);

#endif
