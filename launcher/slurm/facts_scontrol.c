/* SPDX-License-Identifier: MIT */
/* facts_scontrol.c - one line of `scontrol show job -d -o`.
 *
 * The line is "Key=value Key=value ...": a value ends at the next blank. The job's name is
 * the user's own words and may have blanks and more such pairs in it, so all else is
 * looked for behind it; and before the command, which has the user's words again and
 * comes behind all that is read here. The first of a key counts. */
#include "launcher/slurm/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/facts_impl.h"
#include "proto/base/hostlist.h"

struct value {
    const char *at; /* NULL: there is none */
    size_t len;
};

static int bad(const struct slurm_job *j, const char *what, const struct value *v,
               struct err *e)
{
    if (!v || !v->at)
        return err_set(e, ERR_PROTO, "read what scontrol says of job %u: no %s", j->id,
                       what);
    char text[100];
    facts_text(text, sizeof text, v->at, v->len);
    return err_set(e, ERR_PROTO, "read what scontrol says of job %u: %s is \"%s\"",
                   j->id, what, text);
}

static bool ends_value(char c)
{
    return c == '\0' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The value of the first "key=" behind a blank from `from` on. */
static struct value find(const char *from, const char *key)
{
    struct value v = {0};
    size_t n = strlen(key);
    for (const char *at = from; (at = strstr(at, key)); at += n) {
        if (at == from || at[n] != '=' || !ends_value(at[-1]))
            continue;
        v.at = at + n + 1;
        while (!ends_value(v.at[v.len]))
            v.len++;
        return v;
    }
    return v;
}

/* As C text, cut; "" where there is none. */
static const char *copy(const struct value *v, char *to, size_t size)
{
    (void)snprintf(to, size, "%.*s",
                   v->at ? (int)(v->len < size ? v->len : size - 1) : 0,
                   v->at ? v->at : "");
    return to;
}

static bool is_null(const struct value *v)
{
    return !v->at || v->len == 0 || (v->len == 6 && strncmp(v->at, "(null)", 6) == 0);
}

/* ---- the job ---- */

/* JobId and JobName; *ret_rest, for the caller to free, has all else. */
static int read_head(const char *text, struct slurm_job *j, char **ret_rest,
                     struct err *e)
{
    const char *at = text, *name;
    uint64_t id = 0;
    if (strncmp(at, "JobId=", 6) != 0 ||
        (at += 6, !facts_number(&at, UINT32_MAX, &id)) || *at != ' ' || id == 0)
        return err_set(e, ERR_PROTO,
                       "read what scontrol says of a job: it does not begin with "
                       "\"JobId=\" and a number");
    j->id = (uint32_t)id;
    name = strstr(at, " JobName=");
    const char *rest = name ? strstr(name, " UserId=") : NULL;
    if (!rest)
        return bad(j, name ? "UserId" : "JobName", NULL, e);
    name += strlen(" JobName=");
    const char *name_end = strstr(name, " HetJobIdSet=");
    if (!name_end || name_end > rest)
        name_end = rest;
    facts_text(j->name, sizeof j->name, name, (size_t)(name_end - name));
    const char *end = strstr(rest, " Command=");
    *ret_rest = end ? strndup(rest, (size_t)(end - rest)) : strdup(rest);
    return *ret_rest ? 0 : err_sys(e, -ENOMEM, "read a job");
}

static int read_texts(const char *rest, struct slurm_job *j, struct err *e)
{
    const struct {
        const char *key;
        char *to;
        size_t size;
    } rows[] = {
        {"JobState", j->state, sizeof j->state},
        {"Partition", j->partition, sizeof j->partition},
        {"Reason", j->reason, sizeof j->reason},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value v = find(rest, rows[i].key);
        if (!v.at || (i == 0 && v.len == 0))
            return bad(j, rows[i].key, NULL, e);
        facts_text(rows[i].to, rows[i].size, v.at, v.len);
    }
    if (strcmp(j->reason, "None") == 0)
        j->reason[0] = '\0';
    struct value v = find(rest, "PreemptTime");
    uint64_t t = 0;
    char text[64];
    j->preempted = v.at && facts_time(copy(&v, text, sizeof text), &t) && t > 0;
    return 0;
}

/* Is its end only what it would be, had it begun? So it is of a job that waits; and of one
 * that was requeued while its processes are being ended, which has run for no time yet. */
static bool is_guess(const char *rest, const struct slurm_job *j)
{
    struct value run = find(rest, "RunTime");
    if (strcmp(j->state, "PENDING") == 0)
        return true;
    return strcmp(j->state, "COMPLETING") == 0 && j->end_real_ns > j->start_real_ns &&
           run.len == 8 && strncmp(run.at, "00:00:00", 8) == 0;
}

static int read_numbers(const char *rest, struct slurm_job *j, struct err *e)
{
    const struct {
        const char *key;
        uint64_t *to;
    } times[] = {{"StartTime", &j->start_real_ns}, {"EndTime", &j->end_real_ns}};
    char text[64];
    for (size_t i = 0; i < 2; i++) {
        struct value v = find(rest, times[i].key);
        if (!v.at || !facts_time(copy(&v, text, sizeof text), times[i].to))
            return bad(j, times[i].key, &v, e);
    }
    struct value v = find(rest, "Restarts");
    uint64_t n = 0;
    if (v.at && !facts_whole(copy(&v, text, sizeof text), UINT32_MAX, &n))
        return bad(j, "Restarts", &v, e);
    j->restarts = (uint32_t)n;
    if (is_guess(rest, j))
        j->end_real_ns = 0;
    return 0;
}

/* ---- its nodes ---- */

/* "0-1,4": how many. */
static bool count_cpus(const struct value *v, uint32_t *ret)
{
    const char *at = v->at, *end = v->at + v->len;
    uint64_t n = 0;
    while (at < end) {
        uint64_t lo = 0;
        if (!facts_number(&at, SLURM_MAX_COUNT, &lo))
            return false;
        uint64_t hi = lo;
        if (*at == '-' && (at++, !facts_number(&at, SLURM_MAX_COUNT, &hi) || hi < lo))
            return false;
        n += hi - lo + 1;
        if (n >= SLURM_MAX_COUNT || (at < end && *at++ != ','))
            return false;
    }
    *ret = (uint32_t)n;
    return true;
}

struct share {
    struct hostlist names;
    uint32_t cpus, gpus;
};

/* Nodes stand in about the same order in both lists: the search begins behind the last. */
static struct slurm_node *find_node(struct slurm_job *j, const char *name, size_t *last)
{
    for (size_t n = 1; n <= j->n_nodes; n++) {
        size_t i = (*last + n) % j->n_nodes;
        if (strcmp(j->nodes[i].name, name) == 0) {
            *last = i;
            return &j->nodes[i];
        }
    }
    return NULL;
}

static int read_names(struct slurm_job *j, const struct value *nodes, struct share *s,
                      struct err *e)
{
    char *list = strndup(nodes->at, nodes->len);
    int rc = list ? hostlist_parse(&s->names, list, NULL) : -ENOMEM;
    free(list);
    if (rc == -ENOMEM)
        return err_sys(e, rc, "read a job");
    return rc < 0 ? bad(j, "Nodes", nodes, e) : 0;
}

/* "Nodes=n[1-2] CPU_IDs=0-1 Mem=0 GRES=gpu:2(IDX:0-1)" */
static int read_share(struct slurm_job *j, const struct value *nodes, struct share *s,
                      size_t *told, struct err *e)
{
    struct value cpus = find(nodes->at, "CPU_IDs"), gres = find(nodes->at, "GRES");
    if (!cpus.at || !count_cpus(&cpus, &s->cpus))
        return bad(j, "CPU_IDs", &cpus, e);
    if (!gres.at ||
        (!is_null(&gres) && !facts_gpus(gres.at, gres.len, false, &s->gpus)))
        return bad(j, "GRES", &gres, e);
    int rc = read_names(j, nodes, s, e);
    if (rc < 0)
        return rc;
    /* The list of nodes gets shorter as they are done with it, that of shares does not. */
    bool shrinks = strcmp(j->state, "COMPLETING") == 0;
    *told += s->names.n;
    if (*told > j->n_nodes && !shrinks)
        return bad(j, "Nodes", nodes, e);
    size_t last = *told - s->names.n;
    last = last > 0 ? last - 1 : j->n_nodes - 1;
    for (size_t i = 0; i < s->names.n; i++) {
        struct slurm_node *node = find_node(j, s->names.names[i], &last);
        if (!node && shrinks)
            continue;
        if (!node)
            return bad(j, "Nodes", nodes, e);
        node->cpus = s->cpus;
        node->gpus = s->gpus;
    }
    return 0;
}

static int read_nodes(const char *rest, struct slurm_job *j, struct err *e)
{
    struct value list = find(rest, "NodeList");
    if (!list.at)
        return bad(j, "NodeList", NULL, e);
    if (is_null(&list))
        return 0;
    char *text = strndup(list.at, list.len);
    int rc = text ? facts_nodes(j, text, "NodeList of scontrol", ERR_PROTO, e)
                  : err_sys(e, -ENOMEM, "read a job");
    free(text);
    size_t told = 0;
    const char *at = list.at;
    for (struct value v; rc == 0 && (v = find(at, "Nodes")).at; at = v.at) {
        struct share s = {0};
        rc = read_share(j, &v, &s, &told, e);
        hostlist_fini(&s.names);
    }
    return rc;
}

int slurm_job_of_scontrol(const char *text, struct slurm_job *ret, struct err *e)
{
    struct slurm_job j = {0};
    char *rest = NULL;
    int rc;
    if ((rc = read_head(text, &j, &rest, e)) == 0 &&
        (rc = read_texts(rest, &j, e)) == 0 && (rc = read_numbers(rest, &j, e)) == 0 &&
        (rc = read_nodes(rest, &j, e)) == 0)
        *ret = j;
    else
        slurm_job_fini(&j);
    free(rest);
    return rc;
}
