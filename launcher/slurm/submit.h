/* SPDX-License-Identifier: MIT */
/* submit - hand the batch script of a run to Slurm, once for each link of its chain. */
#ifndef LAUNCHER_SLURM_SUBMIT_H
#define LAUNCHER_SLURM_SUBMIT_H

#include "launcher/slurm/chain.h"
#include "launcher/spec.h"
#include "proto/base/err.h"

struct submit_end {
    int signum;  /* that ended it; 0: none */
    bool unsure; /* Slurm may have taken a job whose number it could not say */
};
/* Submit dir/batch.sh n times, each after the end of the one before; ids go to the file of
 * the chain as soon as they are known. options: slurm_options, as on the lines of the
 * script; here they are said again, since variables of sbatch's (SBATCH_PARTITION, ...) beat
 * those lines. Blocks. SIGINT, SIGTERM and SIGHUP wait meanwhile: one of them ends it between
 * two links. When it ends early all that was submitted is cancelled again, and ret is empty:
 * e says so. -EINTR: by such a signal. */
int submit_links(const char *dir, const struct strlist *options, size_t n,
                 struct chain *ret, struct submit_end *ret_end, struct err *e);

/* "1234" or "1234;cluster", as sbatch --parsable says it; ret_cluster: "" when it says none.
 * ERR_PROTO. */
#define SUBMIT_CLUSTER 64
int submit_parse_id(const char *text, uint32_t *ret, char ret_cluster[SUBMIT_CLUSTER],
                    struct err *e);

#endif
