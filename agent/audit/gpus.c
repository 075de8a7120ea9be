/* SPDX-License-Identifier: MIT */
/* gpus.c - what NVIDIA's driver says of its GPUs, against what a training job wants. */
#include "agent/audit/findings.h"

static const enum audit_probe probes[] = {
    AUDIT_HV13, AUDIT_PC7, AUDIT_GP1, AUDIT_GP2, AUDIT_GP3, AUDIT_GP4,
    AUDIT_GP5,  AUDIT_GP6, AUDIT_GP7, AUDIT_GP8, AUDIT_GP9, AUDIT_GP10,
};

void look_gpus(const struct machine *m, struct findings *f)
{
    (void)m;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        found(f, probes[i], AUDIT_UNKNOWN, "libnvidia-ml.so.1", "there is no GPU here");
}
