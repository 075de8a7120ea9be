/* SPDX-License-Identifier: MIT */
/* batch_fuzz.c - what Slurm says of a run's jobs, and what a user may want on a #SBATCH
 * line, in any form. The first byte says which it is. */
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/batch.h"
#include "launcher/slurm/chain.h"
#include "launcher/slurm/jobplace.h"
#include "launcher/slurm/submit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_text(const char *text, size_t size)
{
    check(strlen(text) < size);
    for (; *text; text++)
        check(*text >= ' ' && *text <= '~');
}

static void chain(const char *text)
{
    struct chain c = {0};
    for (uint32_t id = 1; id < 5; id++)
        check(chain_add(&c, id) == 0);
    chain_of_squeue(text, &c);
    check(c.n == 4 && c.asked);
    for (size_t i = 0; i < c.n; i++) {
        check(c.links[i].id == i + 1);
        check_text(c.links[i].state, sizeof c.links[i].state);
        check_text(c.links[i].reason, sizeof c.links[i].reason);
        check_text(c.links[i].nodes, sizeof c.links[i].nodes);
        check(!chain_link_waits(&c.links[i]) || !chain_link_runs(&c.links[i]));
    }
    check(chain_n_waiting(&c) <= c.n);
    chain_fini(&c);
}

static void place(const char *text)
{
    static struct jobplace p;
    struct err e;
    uint32_t id = 0;
    jobplace_of_scontrol(text, &p);
    check(!p.command[0] || p.command[0] == '/');
    check(!p.folder[0] || p.folder[0] == '/');
    char cluster[SUBMIT_CLUSTER];
    int rc = submit_parse_id(text, &id, cluster, &e);
    check(rc == 0 ? id > 0 && cluster[0] != '-' : id == 0);
}

/* Whatever the words, each line of the head is a comment: none of them is run. */
static void batch(const char *text)
{
    struct strlist words = {0};
    struct buf out;
    struct err e;
    const char *blank = strchr(text, ' ');
    char *run = strndup(text, blank ? (size_t)(blank - text) : strlen(text));
    check(run && strlist_add(&words, blank ? blank + 1 : "-x") == 0);
    struct batch b = {.run = run, .program = text, .options = &words};
    buf_init(&out, BATCH_BYTES);
    if (batch_format(&b, &out, &e) == 0) {
        const char *head = (const char *)out.data;
        for (; strncmp(head, "\nrun='", 6) != 0; head = strchr(head + 1, '\n'))
            check(head[0] == '#' || !strncmp(head, "\n#", 2) ||
                  !strncmp(head, "\n\n", 2));
    }
    buf_fini(&out);
    strlist_fini(&words);
    free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;
    if (!text)
        return 0;
    if (data[0] % 3 == 0)
        chain(text);
    else if (data[0] % 3 == 1)
        place(text);
    else
        batch(text);
    free(text);
    return 0;
}
