/* SPDX-License-Identifier: MIT */
/* facts.c - what is common to the ways in which Slurm tells of a job; see facts.h. */
#include "launcher/slurm/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/slurm/facts_impl.h"
#include "proto/base/hostlist.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"

#define MAX_SECONDS 9000000000ull /* of a time in ns that fits in 64 bits: in 2255 */

void slurm_job_fini(struct slurm_job *j)
{
    for (size_t i = 0; i < j->n_nodes; i++)
        free(j->nodes[i].name);
    free(j->nodes);
    *j = (struct slurm_job){0};
}

bool slurm_job_is_over(const struct slurm_job *j)
{
    /* Every other state may still lead to processes of the job. */
    static const char *const over[] = {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED",        "NODE_FAIL",
        "PREEMPTED", "REVOKED",   "STAGE_OUT", "TIMEOUT",  "OUT_OF_MEMORY",
    };
    /* One that was requeued has no end: its processes are ended, and it begins again. */
    if (strcmp(j->state, "COMPLETING") == 0)
        return j->end_real_ns != 0;
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        if (strcmp(j->state, over[i]) == 0)
            return true;
    }
    return false;
}

/* ---- values ---- */

bool facts_number(const char **at, uint64_t max, uint64_t *ret)
{
    const char *p = *at;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
        if (v >= max)
            return false;
    }
    if (p == *at)
        return false;
    *ret = v;
    *at = p;
    return true;
}

bool facts_whole(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (!facts_number(&text, max, &v) || *text)
        return false;
    *ret = v;
    return true;
}

/* Slurms that do not know "%s" print the time of this zone, as they do unasked. */
static bool iso_time(const char *text, uint64_t *ret_seconds)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    time_t t = end && *end == '\0' ? mktime(&tm) : -1;
    if (t < 0 || (uint64_t)t >= MAX_SECONDS)
        return false;
    *ret_seconds = (uint64_t)t;
    return true;
}

bool facts_time(const char *text, uint64_t *ret_ns)
{
    static const char *const none[] = {"", "Unknown", "N/A", "None", "NONE", "(null)"};
    uint64_t seconds = 0;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (strcmp(text, none[i]) == 0) {
            *ret_ns = 0;
            return true;
        }
    }
    if (!facts_whole(text, MAX_SECONDS, &seconds) && !iso_time(text, &seconds))
        return false;
    *ret_ns = seconds * 1000000000u;
    return true;
}

void facts_text(char *to, size_t size, const char *text, size_t len)
{
    (void)snprintf(to, size, "%.*s", (int)(len < size ? len : size - 1), text);
    utf8_make_printable(to);
}

/* "tesla:2(IDX:0-1)" or "2": what stands behind the last colon before any bracket. */
static bool gpu_entry(const char *entry, size_t len, uint64_t *ret)
{
    const char *end = memchr(entry, '(', len);
    if (!end)
        end = entry + len;
    const char *number = end;
    while (number > entry && number[-1] != ':')
        number--;
    const char *at = number;
    return facts_number(&at, SLURM_MAX_COUNT, ret) && at == end;
}

static size_t entry_len(const char *text, size_t len)
{
    size_t n = 0, deep = 0;
    for (; n < len && (text[n] != ',' || deep); n++) {
        if (text[n] == '(')
            deep++;
        else if (text[n] == ')' && deep)
            deep--;
    }
    return n;
}

static bool is_gpu(const char *entry, size_t len)
{
    return len > 4 && strncmp(entry, "gpu:", 4) == 0;
}

bool facts_gpus(const char *text, size_t len, bool bare, uint32_t *ret)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < len;) {
        size_t n = entry_len(text + at, len - at);
        uint64_t v = 0;
        if ((bare || is_gpu(text + at, n)) && !gpu_entry(text + at, n, &v))
            return false;
        sum += v;
        if (sum >= SLURM_MAX_COUNT)
            return false;
        at += n + 1;
    }
    *ret = (uint32_t)sum;
    return true;
}

/* ---- nodes ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The name that is there twice, or NULL; borrowed from l. */
static int find_twin(const struct hostlist *l, const char **ret)
{
    char **sorted = malloc(l->n * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, l->names, l->n * sizeof *sorted);
    qsort(sorted, l->n, sizeof *sorted, compare);
    *ret = NULL;
    for (size_t i = 1; i < l->n && !*ret; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            *ret = sorted[i];
    }
    free(sorted);
    return 0;
}

static int take_names(struct slurm_job *j, struct hostlist *l)
{
    j->nodes = calloc(l->n, sizeof *j->nodes);
    if (!j->nodes)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++)
        j->nodes[i].name = l->names[i];
    j->n_nodes = l->n;
    l->n = 0; /* the names have a new owner */
    return 0;
}

int facts_nodes(struct slurm_job *j, const char *list, const char *what, int code,
                struct err *e)
{
    struct hostlist l = {0};
    const char *twin = NULL;
    if (hostlist_parse(&l, list, e) < 0) {
        if (e)
            e->code = code;
        (void)err_wrap(e, "read %s", what);
        return code;
    }
    int rc = 0;
    if (l.n > LIMIT_NODES)
        rc = err_set(e, code, "read %s: %zu nodes; a job has %u at most", what, l.n,
                     LIMIT_NODES);
    if (rc == 0 && (rc = find_twin(&l, &twin)) == 0 && twin)
        rc = err_set(e, code, "read %s: \"%s\" stands in it twice", what, twin);
    if (rc == 0)
        rc = take_names(j, &l);
    if (rc == -ENOMEM)
        err_sys(e, rc, "read %s", what);
    hostlist_fini(&l);
    return rc;
}
