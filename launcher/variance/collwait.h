/* SPDX-License-Identifier: MIT */
/* collwait - how long each rank waited for the others in the collectives of a deep step,
 * from what these took on each rank. Pure; any clock in milliseconds.
 *
 * A collective ends for all of its ranks at one time, but for a little; on the rank that
 * came last it takes least. So the wait of a rank is what it took there minus the least
 * that it took on any rank, and no two clocks are compared. Of a step the waits of its
 * collectives are added up (they queue up behind each other), and capped by its wall time.
 * The hosts' own pace says nothing of who was late: they run ahead of their GPUs by more or
 * less, while these leave the last collective together. So a joined step has one wall time
 * on all ranks, the median of what the hosts saw.
 *
 * A rank that told no times is not compared, and the minimum over the others may be more than
 * the true one: waits are lower bounds then. Those of ranks that waited in its communicators
 * and those of the others are no longer alike; see colljoin.h for what becomes of that.
 *
 * Records of steps come in and go out in the order of each rank. One with DEEP and
 * HOST_PACED is held until times and records of all ranks are there, or COLLWAIT_MS are
 * over; then it goes on with its wait and without HOST_PACED, or, where too much of it is not known,
 * without DEEP. All else passes, unchanged.
 */
#ifndef LAUNCHER_VARIANCE_COLLWAIT_H
#define LAUNCHER_VARIANCE_COLLWAIT_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"

#define COLLWAIT_MS    3000u
#define COLLWAIT_STEPS 8u    /* deep ones at a time; of more nothing is known */
#define COLLWAIT_HELD  1024u /* records of a rank; then the first goes on as it is */

struct collwait;
typedef void collwait_out_f(void *arg, const struct steprec *r, uint64_t now_ms);

int collwait_create(uint32_t world_size, collwait_out_f *out, void *arg,
                    struct collwait **ret); /* -ENOMEM */
void collwait_destroy(struct collwait *w);
/* r->rank, m->rank: of the world. */
void collwait_record(struct collwait *w, const struct steprec *r, uint64_t now_ms);
int collwait_times(struct collwait *w, const Aolani__CollTimes *m, uint64_t now_ms,
                   struct err *e); /* ERR_PROTO: nothing is taken */
void collwait_tick(struct collwait *w, uint64_t now_ms);
void collwait_finish(struct collwait *w, uint64_t now_ms); /* what is held goes on */

#endif
