/* SPDX-License-Identifier: MIT */
/* words - the agent's own words on standard error, which must not hold it up: a head that
 * has stopped reading them would else stop the heartbeat and the ranks' output too. */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

#include "proto/base/log.h"

/* A log_sink_f; arg: int *, the descriptor; NULL: standard error. A
 * line that cannot go out at once is dropped. */
void words_say(enum log_level level, const char *line, void *arg);

#endif
