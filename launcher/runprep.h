/* SPDX-License-Identifier: MIT */
/* runprep - make the directory of a run: its key, spec.toml, and the first record of its
 * journal. The one who makes it need not be the one who runs it: `submit` leaves it so, and
 * a batch job begins it with `aolani-run resume`. */
#ifndef LAUNCHER_RUNPREP_H
#define LAUNCHER_RUNPREP_H

#include "launcher/journal.h"
#include "launcher/nodes.h"
#include "launcher/rundir.h"
#include "launcher/spec.h"
#include "proto/wire/secure.h"

struct runprep {
    struct rundir dir;
    char run_id[2 * SECURE_RUN_BYTES + 1];
    struct secure_key key;
    uint64_t start_real_ns;
};

/* All of it. nodes: NULL while they are not known. epoch: 1 for a head that begins at once,
 * 0 for a run to be begun later. *ret_journal is open for more; NULL: it is closed again,
 * and no loop is needed. ret holds the key, to be wiped, also on failure. */
int runprep_make(const struct spec *s, const struct nodes *nodes, uint64_t epoch,
                 struct loop *l, struct runprep *ret, struct journal **ret_journal,
                 struct err *e);
/* The journal of a run that is there, open at its end; what it cannot keep is warned of. */
int runprep_open_journal(const struct rundir *d, struct loop *l, struct journal **ret,
                         struct err *e);
/* The key of the run in this directory. */
int runprep_read_key(const struct rundir *d, struct secure_key *ret, struct err *e);

#endif
