/* SPDX-License-Identifier: MIT */
/* main.c - aolani-run: the verb does the work. */
#include <stddef.h>

#include "launcher/verbs.h"
#include "proto/base/log.h"

int main(int argc, char **argv)
{
    log_setup("aolani-run", LOG_NOTE_, NULL, NULL);
    return verbs_main(argc, argv);
}
