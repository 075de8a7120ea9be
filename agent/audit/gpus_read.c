/* SPDX-License-Identifier: MIT */
/* gpus_read.c - what the driver of a recorded tree says; see gpus_impl.h for its facts. */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"

#define DRIVER_GPUS "/proc/driver/nvidia/gpus"
#define VBIOS_LINE  "Video BIOS:"
#define CODE_MOST   1e6 /* more than any code of NVML's */

/* Of that GPU, or else of every one. */
static bool number(const struct machine *m, uint32_t gpu, const char *name, double *ret)
{
    char of_one[64], of_all[64];
    (void)snprintf(of_one, sizeof of_one, "gpu%u.%s", gpu, name);
    (void)snprintf(of_all, sizeof of_all, "gpu.%s", name);
    return machine_number(m, of_one, ret) || machine_number(m, of_all, ret);
}

/* "Video BIOS:  96.00.74.00.01" */
static void read_vbios(const struct machine *m, const char *bus_id, nvmllib_text ret)
{
    char path[MACHINE_PATH], text[2048];
    (void)snprintf(path, sizeof path, DRIVER_GPUS "/%s/information", bus_id);
    if (machine_read(m, path, text, sizeof text) < 0)
        return;
    const char *at = strstr(text, VBIOS_LINE);
    if (at)
        (void)sscanf(at + strlen(VBIOS_LINE), " %95[^ \t\n]", ret);
}

static void read_one(const struct machine *m, uint32_t i, struct gpus_one *ret)
{
    double v;
    if (number(m, i, "code", &v))
        ret->code = v > -CODE_MOST && v < CODE_MOST ? (int)v : (int)CODE_MOST;
    for (int s = 0; s < NVMLLIB_STATES; s++)
        ret->state[s] = number(m, i, nvmllib_state_name(s), &v) && v >= 0 && v < 1e15
                            ? (int64_t)v
                            : -1;
    ret->knows_processes = number(m, i, "processes", &v);
    if (ret->knows_processes && v > 0 && v < 1e6)
        ret->n_processes = (uint32_t)v;
    if (*ret->bus_id)
        read_vbios(m, ret->bus_id, ret->vbios);
}

void gpus_read(const struct machine *m, const struct gpus_pci *p, struct gpus *ret)
{
    double v;
    memset(ret, 0, sizeof *ret);
    memset(ret->apart, GPUS_FAR, sizeof ret->apart);
    if (!machine_number(m, "gpus", &v) || v < 0) {
        (void)snprintf(ret->error, sizeof ret->error,
                       "what the driver says was not recorded");
        (void)snprintf(ret->hint, sizeof ret->hint, "the driver's answers");
        return;
    }
    if (machine_line(m, "/sys/module/nvidia/version", ret->driver, sizeof ret->driver) <
        0)
        ret->driver[0] = '\0';
    ret->n = v < GPUS_MOST ? (uint32_t)v : GPUS_MOST;
    for (uint32_t i = 0; i < ret->n; i++) {
        if (i < p->n)
            (void)snprintf(ret->gpu[i].bus_id, sizeof ret->gpu[i].bus_id, "%s",
                           p->gpu[i].bus_id);
        read_one(m, i, &ret->gpu[i]);
        for (uint32_t j = i + 1; j < ret->n; j++) {
            char name[32];
            (void)snprintf(name, sizeof name, "gpu%u.gpu%u", i, j);
            if (machine_number(m, name, &v) && v >= 0 && v < GPUS_FAR)
                ret->apart[i][j] = (uint8_t)v;
        }
    }
}
