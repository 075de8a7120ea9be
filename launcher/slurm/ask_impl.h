/* SPDX-License-Identifier: MIT */
/* ask_impl - what the ask*.c files share; nobody else includes it. */
#ifndef LAUNCHER_SLURM_ASK_IMPL_H
#define LAUNCHER_SLURM_ASK_IMPL_H

#include <limits.h>
#include <stdbool.h>

#include "launcher/said.h"
#include "launcher/slurm/ask.h"

#define ASKCMD_WORDS_MS 500u /* for the last words, when the command itself has ended */

/* The environment for a command: for those that hand it to the job ours, but for options of
 * sbatch that a run cannot have; for all others without what would change what they print
 * or do. Each entry is one of environ's or of a constant; free what is returned. */
int askcmd_env(const char *program, char ***ret);
/* A copy, ended with NULL; freed by askcmd_free. NULL: no memory. */
char **askcmd_copy(char *const *argv);
void askcmd_free(char **argv);

/* Why a command failed. said: its standard error. */
int askcmd_not_started(char *const *argv, int code, struct err *e);
int askcmd_failed(char *const *argv, int wait_status, const struct said *said,
                  struct err *e);
int askcmd_too_slow(char *const *argv, const struct said *said, struct err *e);
int askcmd_too_much(char *const *argv, struct err *e);
void askcmd_keep(void *arg, const char *line); /* arg: struct said */

/* The job in what `scontrol show job -d -o ID` printed: the line of that number. */
int askcmd_job(const struct buf *out, uint32_t id, struct slurm_job *ret,
               struct err *e);
/* The words to ask for a job: of aolani-slurm, where the site has built it, or scontrol. */
struct askcmd_job {
    bool plugin;
    char id[16], program[PATH_MAX];
    char *argv[7];
};
void askcmd_of_job(struct askcmd_job *c, uint32_t id, bool may_plugin);
/* Is this end of aolani-slurm its own fault (a libslurm of another release, a crash), so
 * that scontrol is to be asked? Says so, with what it said. */
bool askcmd_plugin_failed(int wait_status, uint32_t id, const struct err *e);

#endif
