/* SPDX-License-Identifier: MIT */
/* ncclenv.c - the variables of NCCL that change which NIC it takes. Read as it does: a
 * number that is none changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "launcher/place/nccl.h"

const struct nccl_env nccl_env_default = {.gdr_level = NCCL_PATH_PXB,
                                          .gdr_c2c = true,
                                          .pxn = true,
                                          .pxn_c2c = true,
                                          .fuse = true,
                                          .merge_vfs = true};

/* A name, or a number of NCCL's older scale. */
static void set_level(enum nccl_path *ret, const char *value)
{
    static const enum nccl_path older[] = {NCCL_PATH_LOC, NCCL_PATH_PIX, NCCL_PATH_PXB,
                                           NCCL_PATH_PHB, NCCL_PATH_SYS, NCCL_PATH_SYS};
    for (enum nccl_path p = NCCL_PATH_LOC; p <= NCCL_PATH_SYS; p++) {
        if (strcmp(value, nccl_path_name(p)) == 0)
            *ret = p;
    }
    if (value[0] >= '0' && value[0] <= '9') {
        unsigned long n = strtoul(value, NULL, 0);
        *ret = older[n < 5 ? n : 5];
    }
}

void nccl_env_set(struct nccl_env *env, const char *assignment)
{
    const struct {
        const char *name;
        bool *flag, when; /* what a value other than 0 means */
    } flags[] = {
        {"NCCL_NET_GDR_C2C", &env->gdr_c2c, true},
        {"NCCL_PXN_DISABLE", &env->pxn, false},
        {"NCCL_PXN_C2C", &env->pxn_c2c, true},
        {"NCCL_IB_MERGE_NICS", &env->fuse, true},
        {"NCCL_IB_MERGE_VFS", &env->merge_vfs, true},
    };
    const char *eq = strchr(assignment, '=');
    if (!eq || !eq[1])
        return;
    size_t n = (size_t)(eq - assignment);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        char *end;
        long v = strtol(eq + 1, &end, 0);
        if (strlen(flags[i].name) == n && strncmp(assignment, flags[i].name, n) == 0 &&
            end != eq + 1 && *end == '\0')
            *flags[i].flag = (v != 0) == flags[i].when;
    }
    if (n == strlen("NCCL_NET_GDR_LEVEL") &&
        strncmp(assignment, "NCCL_NET_GDR_LEVEL", n) == 0)
        set_level(&env->gdr_level, eq + 1);
    if (strcmp(assignment, "NCCL_NET_MERGE_LEVEL=LOC") == 0)
        env->fuse = false;
}
