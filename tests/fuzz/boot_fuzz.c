/* SPDX-License-Identifier: MIT */
/* boot_fuzz.c - any bytes as what an agent reads before all else: what is taken is one of
 * the job's nodes with a key of the right size, also of a group. */
#include "agent/bootstrap.h"
#include "proto/base/limits.h"
#include "proto/wire/secure.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_taken(Aolani__Boot *b)
{
    check(b->key.len == SECURE_KEY_BYTES && b->run_id.len == SECURE_RUN_BYTES);
    check(b->n_group <= LIMIT_NODES && b->lease_ms > 0);
    const char *name = b->n_group > 0 ? b->group[b->n_group / 2]->name : "n1";
    int rc = bootstrap_find_self(b, name, NULL);
    check(rc == 0 && b->node_index < b->n_nodes);
    check(b->n_group == 0 || strcmp(b->node_name, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int once;
    if (!once++ && secure_init(NULL) < 0)
        abort();
    Aolani__Boot *b = aolani__boot__unpack(NULL, size, data);
    if (b && bootstrap_check(b, NULL) == 0)
        check_taken(b);
    bootstrap_free(b);
    return 0;
}
