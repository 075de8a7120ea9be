/* SPDX-License-Identifier: MIT */
/* setup_impl - what setup.c (the process) and setup_script.c (its text) share. */
#ifndef AGENT_SETUP_IMPL_H
#define AGENT_SETUP_IMPL_H

#include "agent/setup.h"
#include "proto/base/buf.h"

#define SETUP_ANSWER \
    "AOLANI_SETUP_" /* variables that tell us more than the environment */

/* For "-l -c": $1 is the file with the prologue, $2 where the environment is to go. */
extern const char setup_shell[];
/* The lines that put back what the start-up files have changed, then the text as a
 * variable. 0, -ENOMEM or ERR_LIMIT. */
int setup_prologue(const Aolani__Prepare *plan, struct buf *out);

#endif
