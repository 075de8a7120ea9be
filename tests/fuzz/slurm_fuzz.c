/* SPDX-License-Identifier: MIT */
/* slurm_fuzz.c - what Slurm's commands and environment may say, in any form. The first byte
 * says which reader it is for. */
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/ask_impl.h"
#include "launcher/slurm/queue.h"
#include "proto/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_text(const char *text, size_t size)
{
    size_t n = strlen(text);
    check(n < size);
    for (size_t i = 0; i < n; i++)
        check((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_job(struct slurm_job *j)
{
    check(j->id > 0 && j->n_nodes <= LIMIT_NODES && (j->n_nodes == 0) == !j->nodes);
    check_text(j->name, sizeof j->name);
    check_text(j->state, sizeof j->state);
    check_text(j->reason, sizeof j->reason);
    check_text(j->partition, sizeof j->partition);
    check_text(j->cluster, sizeof j->cluster);
    for (size_t i = 0; i < j->n_nodes; i++) {
        size_t n = strlen(j->nodes[i].name);
        check(n > 0 && n <= LIMIT_HOST_NAME && j->nodes[i].name[0] != '-');
        check(j->nodes[i].cpus < 1u << 20 && j->nodes[i].gpus < 1u << 20);
    }
    (void)slurm_job_is_over(j);
    slurm_job_fini(j);
    check(!j->nodes && j->n_nodes == 0);
}

static void check_error(int rc, const struct err *e)
{
    check(rc < 0 && e->code == rc);
    check_text(e->text, sizeof e->text);
    check(e->text[0]);
}

static void scontrol(const char *text)
{
    struct slurm_job j = {0};
    struct err e = {0};
    int rc = slurm_job_of_scontrol(text, &j, &e);
    if (rc == 0)
        check_job(&j);
    else
        check_error(rc, &e);
}

static void answer(const char *text)
{
    struct slurm_job j = {0};
    struct err e = {0};
    struct buf b;
    buf_init(&b, SLURM_ASK_BYTES);
    if (buf_add(&b, text, strlen(text)) == 0) {
        int rc = askcmd_job(&b, 12, &j, &e);
        if (rc == 0)
            check_job(&j);
        else
            check_error(rc, &e);
    }
    buf_fini(&b);
}

/* Lines of "NAME=value"; only names of this table are taken. */
static void environment(char *text)
{
    static const char *const names[] = {
        "SLURM_JOB_ID",       "SLURM_JOB_NODELIST", "SLURM_JOB_CPUS_PER_NODE",
        "SLURM_GPUS_ON_NODE", "SLURM_JOB_GPUS",     "SLURM_GPUS_PER_NODE",
        "SLURM_JOB_END_TIME", "SLURM_JOB_NAME",     "SLURM_RESTART_COUNT",
        "SLURMD_NODENAME",
    };
    size_t n_names = sizeof names / sizeof *names;
    struct slurm_job j = {0};
    struct err e = {0};
    (void)setenv("SLURM_JOB_ID", "7", 1);
    (void)setenv("SLURM_JOB_NODELIST", "n[1-3]", 1);
    char *save;
    for (char *at = text, *line; (line = strtok_r(at, "\n", &save)); at = NULL) {
        size_t i = (unsigned char)line[0] % n_names;
        (void)setenv(names[i], line + 1, 1);
    }
    int rc = slurm_job_of_env(&j, &e);
    if (rc == 0)
        check_job(&j);
    else
        check_error(rc, &e);
    for (size_t i = 0; i < n_names; i++)
        (void)unsetenv(names[i]);
}

static void queue(const char *text)
{
    struct slurm_queue q = {.id = 12};
    struct err e = {0};
    struct buf b;
    uint64_t priority = 5;
    slurm_queue_count(text, priority, &q);
    check(q.position <= q.n_pending && (q.position == 0) == (q.n_pending == 0));
    int rc = slurm_queue_of_job(text, 12, &q, &priority, &e);
    if (rc < 0) {
        check_error(rc, &e);
        return;
    }
    check_text(q.state, sizeof q.state);
    check_text(q.partition, sizeof q.partition);
    check_text(q.reason, sizeof q.reason);
    buf_init(&b, 4096);
    check(slurm_queue_format(&q, 1, &b) == 0 && b.len > 0);
    check_text((const char *)b.data, b.len + 1);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1);
    if (!text)
        return 0;
    switch (data[0] % 4) {
    case 0:
        scontrol(text);
        break;
    case 1:
        answer(text);
        break;
    case 2:
        environment(text);
        break;
    default:
        queue(text);
    }
    free(text);
    return 0;
}
