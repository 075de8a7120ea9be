/* SPDX-License-Identifier: MIT */
/* factor_phrase.c - a fact in words. Values of what a node has are "node/part". */
#include "launcher/variance/factor.h"

#include <errno.h>
#include <string.h>

int factor_phrase(const struct factor_found *found, struct buf *out)
{
    const char *v = found->value, *slash = strrchr(v, '/');
    const char *part = slash ? slash + 1 : v;
    int node = slash ? (int)(slash - v) : 0;
    const char *of = slash ? " of node " : "";
    switch (found->kind) {
    case FACTOR_LINK_WIDTH:
        return buf_printf(out, "PCI link of the %s", v);
    case FACTOR_PATH:
        return strcmp(v, "SYS") == 0
                   ? buf_printf(out, "GPU and NIC on different sockets")
                   : buf_printf(out, "GPU and NIC with the path %s", v);
    case FACTOR_NIC:
        return buf_printf(out, "NIC %s%s%.*s", part, of, node, v);
    case FACTOR_SWITCH:
        return buf_printf(out, "PCI switch %s%s%.*s", part, of, node, v);
    case FACTOR_NUMA:
        return buf_printf(out, "NUMA node %s%s%.*s", part, of, node, v);
    case FACTOR_SHARED_CORES:
        return buf_printf(out, "cores shared with other ranks");
    case FACTOR_NODE:
        return buf_printf(out, "node %s", v);
    case FACTOR_RAIL:
        return buf_printf(out, "NIC %s of every node", v);
    case FACTOR_GPU_MODEL:
        return buf_printf(out, "GPU model %s", v);
    case FACTOR_CPU_MODEL:
        return buf_printf(out, "CPU model %s", v);
    case FACTOR_DRIVER:
        return buf_printf(out, "GPU driver %s", v);
    case FACTOR_KERNEL:
        return buf_printf(out, "kernel %s", v);
    case FACTOR_KINDS:
        break;
    }
    return -EINVAL;
}
