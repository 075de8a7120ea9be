/* SPDX-License-Identifier: MIT */
/* rundb - run.db, made from the journal for people and notebooks. Never written live:
 * the file is built beside its place and renamed. The schema is documented in rundb.c and
 * in aolani-run(1); the only file that knows SQLite. */
#ifndef LAUNCHER_RUNDB_H
#define LAUNCHER_RUNDB_H

#include "proto/base/err.h"

int rundb_build(const char *journal_path, const char *db_path, struct err *e);

#endif
