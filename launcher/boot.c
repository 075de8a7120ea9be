/* SPDX-License-Identifier: MIT */
/* boot.c - see boot.h; the kinds are bootone.c and slurm/srunboot.c. */
#include "launcher/boot.h"

#include "launcher/slurm/srunboot.h"
#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/secure.h"

const struct boot_kind *boot_kind_of(enum spec_backend backend)
{
    static const struct boot_kind *const kinds[] = {
        [BACKEND_LOCAL] = &boot_local,
        [BACKEND_SSH] = &boot_ssh,
        [BACKEND_SLURM] = &boot_srun,
    };
    return kinds[backend];
}

int boot_hand_over(const struct boot_config *c, void *const *nodes, size_t n,
                   struct loop_stream *io, struct err *e)
{
    struct buf blob;
    uint8_t head[8] = "AOLB";
    buf_init(&blob, LIMIT_BOOT_BYTES);
    int rc = c->ops->pack(c->arg, nodes, n, &blob);
    if (rc == 0) { /* a starter that takes nothing more ends, and its end says more */
        put_u32(head + 4, (uint32_t)blob.len);
        (void)loop_stream_write(io, head, sizeof head);
        (void)loop_stream_write(io, blob.data, blob.len);
    }
    if (blob.data)
        secure_wipe(blob.data, blob.len);
    buf_fini(&blob);
    return rc < 0 ? err_sys(e, rc, "give the agent its key") : 0;
}

void boot_kill(struct boot *b, int signum)
{
    if (b)
        b->kind->kill(b, signum);
}

void boot_await_end(struct boot *b, unsigned *patience_ms)
{
    if (b)
        b->kind->await_end(b, patience_ms);
}

void boot_destroy(struct boot *b)
{
    if (b)
        b->kind->destroy(b);
}
