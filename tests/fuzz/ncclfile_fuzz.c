/* SPDX-License-Identifier: MIT */
/* Whatever stands in a topology file: parents come first, and texts end. */
#include <stdlib.h>
#include <string.h>

#include "launcher/place/ncclfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ncclfile f;
    struct err e;
    if (ncclfile_parse((const char *)data, size, &f, &e) < 0)
        return 0;
    for (size_t i = 0; i < f.n; i++) {
        const struct ncclfile_node *n = &f.nodes[i];
        if (n->parent >= (int)i || (n->parent < 0) != (n->kind == NCCLFILE_CPU) ||
            strlen(n->bus_id) >= sizeof n->bus_id || strlen(n->name) >= sizeof n->name)
            abort();
    }
    ncclfile_fini(&f);
    return 0;
}
