/* SPDX-License-Identifier: MIT */
/* gpuhelper - what the GPUs of this node do: aolani-describe --gpus, asked now and then by
 * whoever wants to know. One helper serves all.
 *
 * The helper stays, since NVML takes seconds to open. A driver that hangs keeps it waiting,
 * never us: an answer that does not come in time is none, and nothing more is asked until
 * the late one has come. One that ends is started again, a few times.
 *
 * What an answer counts, it counts since the answer before, whoever asked for that: a user
 * who adds up hears every answer.
 */
#ifndef AGENT_GPUHELPER_H
#define AGENT_GPUHELPER_H

#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

#define GPUHELPER_MS     10000u     /* for an answer */
#define GPUHELPER_BYTES  (1u << 20) /* of an answer: 10000 processes */
#define GPUHELPER_STARTS 3u
#define GPUHELPER_USERS  4u

/* Who is on the GPUs takes the driver long to tell, and half a minute serves; what slowed
 * them down is asked each second. */
enum gpuhelper_need { GPUHELPER_COUNTS, GPUHELPER_PROCESSES };

struct gpuhelper;
struct gpuhelper_user;
/* s NULL: why there is no answer. Valid for the time of the call. */
typedef void (*gpuhelper_f)(void *arg, const Aolani__GpuSample *s, const char *why);

/* helper: path of aolani-describe, kept by reference; NULL: there is none. It is started
 * when somebody asks. */
int gpuhelper_create(struct loop *l, const char *helper, unsigned limit_ms,
                     struct gpuhelper **ret, struct err *e);
void gpuhelper_destroy(struct gpuhelper *g); /* ends the helper; users are void then */

/* done comes once for each question, never from within it; to who needs counts also with
 * the answers that others asked for. NULL: there are GPUHELPER_USERS, or no memory. */
struct gpuhelper_user *gpuhelper_join(struct gpuhelper *g, gpuhelper_f done, void *arg,
                                      enum gpuhelper_need need);
void gpuhelper_leave(struct gpuhelper_user *u); /* takes NULL */
/* Not while one is under way. A question that is under way for another user is joined,
 * where its answer serves. */
void gpuhelper_ask(struct gpuhelper_user *u);
/* What the helper has cost so far; 0: it does not run. */
uint64_t gpuhelper_cpu_ns(const struct gpuhelper *g);

#endif
