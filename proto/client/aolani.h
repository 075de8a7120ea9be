/* SPDX-License-Identifier: MIT */
/* aolani.h - mark the steps of a training program for aolani-run.
 *
 * Link with -laolani, or load libaolani.so at run time. Outside a job started by
 * aolani-run every call does nothing and costs a few nanoseconds, so a program may keep
 * them for good. Nothing here blocks, allocates, prints or fails. Call from one thread
 * at a time, by habit the one that runs the training loop. Of several programs that a rank
 * starts, the steps of the first one that begins a step count, as long as it lives; of the
 * others' calls aolani_stop_requested alone does anything.
 *
 *     while (step < steps && !aolani_stop_requested()) {
 *         aolani_step_begin(step);
 *         compute();
 *         aolani_wait_begin();
 *         MPI_Allreduce(...);      waiting for the other ranks
 *         aolani_wait_end();
 *         update();
 *         aolani_step_end();
 *         step++;
 *     }
 */
#ifndef AOLANI_H
#define AOLANI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AOLANI_API_VERSION 1

/* A step that was begun and not ended is dropped by the next begin. */
void aolani_step_begin(uint64_t step);
void aolani_step_end(void);

/* Time between these is waiting for others, not work of this rank. They nest: only the
 * outermost pair counts. */
void aolani_wait_begin(void);
void aolani_wait_end(void);

/* The step in progress is no ordinary one: counted in the run's time, kept out of the
 * variance. Say checkpoint or evaluation where it is one: the report has a row for each.
 * One step may be both. */
void aolani_step_special(void);
void aolani_step_checkpoint(void);
void aolani_step_evaluation(void);

/* What the step in progress waited is not marked, or not all of it: its time counts, but
 * ranks are not compared by it. */
void aolani_step_waits_unknown(void);

/* 1 once the job has been asked to stop: save a checkpoint and exit 0. */
int aolani_stop_requested(void);

#ifdef __cplusplus
}
#endif
#endif
