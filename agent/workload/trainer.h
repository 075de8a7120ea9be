/* SPDX-License-Identifier: MIT */
/* trainer - the training loop of every back end. */
#ifndef WORKLOAD_TRAINER_H
#define WORKLOAD_TRAINER_H

#include <signal.h>

#include "agent/workload/backend.h"
#include "agent/workload/comm.h"
#include "agent/workload/options.h"

/* Train to the last step, or until *stop or the job asks to stop. The exit status; what is
 * wrong has been said on stderr by the rank that saw it. */
int trainer_run(const struct options *o, const struct backend *b,
                const struct comm *comm, const volatile sig_atomic_t *stop);

#endif
