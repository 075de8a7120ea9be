/* SPDX-License-Identifier: MIT */
/* herecheck - what can be seen to be wrong with a job from this machine alone, without
 * starting anything. Each says what it finds with the line that asks for it, and returns
 * the number of errors. */
#ifndef LAUNCHER_HERECHECK_H
#define LAUNCHER_HERECHECK_H

#include <stdbool.h>

#include "launcher/spec.h"

/* The folder to start in, and the program in it. sure: nodes see what we see; else what is
 * missing is only warned of. */
unsigned herecheck_program(const struct spec *s, bool sure);
unsigned herecheck_ssh(const struct spec *s);
unsigned herecheck_output(const struct spec *s); /* run directories can be made */

#endif
