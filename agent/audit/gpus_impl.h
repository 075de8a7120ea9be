/* SPDX-License-Identifier: MIT */
/* gpus_impl - what gpus*.c share: the GPUs of a machine, as the kernel and the driver see
 * them.
 *
 * A recorded tree has the kernel's side as files. What the driver says is in its "facts":
 *
 *   number gpus 8              so many answer, in the order of their bus ids; without this
 *                              line the driver was not asked
 *   number gpu.mig 0           of every GPU; names are those of nvmllib_state_name
 *   number gpu3.mig 1          of one of them
 *   number gpu3.code 15        it cannot be used: an nvmllib_code
 *   number gpu3.processes 2    so many use it
 *   number gpu0.gpu1 30        how far apart two are (nvmllib_common_ancestor)
 *
 * and the driver's own files, /sys/module/nvidia/version and /proc/driver/nvidia/gpus.
 */
#ifndef AGENT_AUDIT_GPUS_IMPL_H
#define AGENT_AUDIT_GPUS_IMPL_H

#include "agent/audit/findings.h"
#include "agent/describe/nvmllib_audit.h"

#define GPUS_MOST      64u
#define GPUS_PROCESSES 8u /* of a GPU, that are named */
#define GPUS_FAR       255u
#define GPUS_SOURCE    "libnvidia-ml.so.1"

struct gpus_process {
    uint32_t pid;
    uint64_t bytes;
    char name[32]; /* "": not known */
};

struct gpus_one {
    int code; /* NVMLLIB_OK, or why it cannot be used */
    nvmllib_text bus_id, vbios, inforom;
    int64_t state[NVMLLIB_STATES];
    bool knows_processes, is_numa; /* its memory is the system's too */
    uint32_t n_processes;
    struct gpus_process process[GPUS_PROCESSES];
};

/* What the driver says. Plain memory, which a child fills in. */
struct gpus {
    char error[480], hint[240]; /* why it says nothing; "" */
    nvmllib_text driver;
    uint32_t n;
    struct gpus_one gpu[GPUS_MOST];
    uint8_t apart[GPUS_MOST][GPUS_MOST]; /* GPUS_FAR: it does not say */
};

/* What the kernel says of GPUs on PCI. */
struct gpus_pci {
    uint32_t n, n_others; /* others: of AMD and Intel, which are not asked */
    struct gpus_pci_one {
        char bus_id[32];
        char driver[32]; /* "": none */
    } gpu[GPUS_MOST];    /* NVIDIA's, in order of bus ids */
};

void gpus_list_pci(const struct machine *m, struct gpus_pci *ret);
/* false: there are GPUs, and its driver holds none of them. To ask it would load it, for
 * its library sees to that. */
bool gpus_may_ask(const struct gpus_pci *p);
/* Of this machine, within the time. */
void gpus_ask(uint64_t limit_ms, struct gpus *ret);
/* Of a tree. */
void gpus_read(const struct machine *m, const struct gpus_pci *p, struct gpus *ret);

/* All twelve, which the rest are a part of. */
void gpus_judge(const struct machine *m, const struct gpus *g, const struct gpus_pci *p,
                struct findings *f);
void gpus_judge_states(const struct gpus *g, struct findings *f); /* HV13, GP1-6, GP8 */
void gpus_judge_links(const struct gpus *g, struct findings *f);  /* GP9 */
void gpus_judge_processes(const struct gpus *g, struct findings *f); /* GP10 */
void gpus_judge_versions(const struct gpus *g, const struct gpus_pci *p,
                         struct findings *f); /* GP7 */
void gpus_judge_topology(const struct machine *m, const struct gpus *g,
                         struct findings *f); /* PC7 */

typedef struct {
    uint64_t bits;
} gpus_set;
static inline void gpus_put(gpus_set *s, uint32_t i)
{
    s->bits |= UINT64_C(1) << i;
}
static inline bool gpus_has(gpus_set s, uint32_t i)
{
    return s.bits >> i & 1;
}
static inline bool gpus_any(gpus_set s)
{
    return s.bits != 0;
}
gpus_set gpus_usable(const struct gpus *g);
/* "gpu 3 (0000:5d:00.0)", "all 8 gpus", "gpus 0,3-5" */
const char *gpus_name(const struct gpus *g, gpus_set s, char *ret, size_t size);

struct gpus_line {
    gpus_set gpus;
    enum audit_verdict verdict;
    const char *is;
};
/* A finding: the worst of the lines that are so of a GPU, and what is so of the others. */
void gpus_say(const struct gpus *g, struct findings *f, enum audit_probe id,
              const struct gpus_line *lines, size_t n, const char *otherwise);

#endif
