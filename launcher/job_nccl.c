/* SPDX-License-Identifier: MIT */
/* job_nccl.c - at the end of a job: does what the agents heard of NCCL, or it said in the
 * ranks' output, and a topology dump that it wrote, agree with what was predicted for the
 * plan? Of each stream only the beginning is read: NCCL speaks when its communicators are
 * made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/forward.h"
#include "launcher/job_coll.h"
#include "launcher/job_impl.h"
#include "launcher/job_ncclsaid.h"
#include "launcher/ncclcheck.h"
#include "launcher/netproof.h"
#include "proto/base/clock.h"

#define READ_RANKS 1024u /* of a larger job: more would take minutes, and memory */

extern char **environ;

/* ---- the variables that the ranks have ---- */

struct nccl_vars {
    struct nccl_env env;
    const char *hca, *debug, *dump; /* borrowed; NULL: not set */
    uint32_t dump_rank;
    bool ib_is_off; /* the user wants sockets */
};

static void take_var(struct nccl_vars *v, const char *name, const char *value)
{
    char assignment[64];
    if (snprintf(assignment, sizeof assignment, "%s=%s", name, value) <
        (int)sizeof assignment)
        nccl_env_set(&v->env, assignment);
    if (strcmp(name, "NCCL_IB_HCA") == 0)
        v->hca = value;
    else if (strcmp(name, "NCCL_DEBUG") == 0)
        v->debug = value;
    else if (strcmp(name, "NCCL_TOPO_DUMP_FILE") == 0)
        v->dump = value;
    else if (strcmp(name, "NCCL_TOPO_DUMP_FILE_RANK") == 0)
        v->dump_rank = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "NCCL_IB_DISABLE") == 0)
        v->ib_is_off = strcmp(value, "0") != 0;
    else if (strcmp(name, "NCCL_NET") == 0)
        v->ib_is_off = v->ib_is_off || strcasecmp(value, "Socket") == 0;
}

/* What is forwarded, then what the job file sets, which wins. */
static void take_vars(const struct job *j, const struct forward *f, struct nccl_vars *v)
{
    const struct strlist *own = &j->config.spec->job.env;
    for (size_t i = 0; i < f->n; i++)
        take_var(v, f->list[i]->key, f->list[i]->value);
    for (size_t i = 0; i < own->n; i++) {
        char name[64];
        size_t n = strcspn(own->items[i], "=");
        if (n >= sizeof name || !own->items[i][n])
            continue;
        memcpy(name, own->items[i], n);
        name[n] = '\0';
        take_var(v, name, own->items[i] + n + 1);
    }
}

bool job_nccl_may_use_ib(const struct job *j)
{
    struct forward f = {0};
    struct nccl_vars v = {.env = nccl_env_default};
    struct err e;
    bool has = false;
    for (uint32_t i = 0; j->n_nodes > 1 && i < j->n_nodes && !has; i++)
        has = j->plan.nodes[i].n_gpus > 0 && j->plan.nodes[i].n_nics > 0;
    if (!has || forward_select(&j->config.spec->job.forward_env, environ, &f, &e) < 0)
        return false;
    take_vars(j, &f, &v);
    forward_fini(&f);
    return !v.ib_is_off;
}

/* ---- the prediction for a node ---- */

struct prediction {
    struct nccl_choice *choices; /* of the node's GPUs, as in plan_node */
    size_t n;
    uint32_t *nics; /* that NCCL may use */
    size_t n_nics;
};

static void prediction_fini(struct prediction *p)
{
    for (size_t i = 0; i < p->n; i++)
        nccl_choice_fini(&p->choices[i]);
    free(p->choices);
    free(p->nics);
    *p = (struct prediction){0};
}

/* Without GPUs in the plan there is none: n is 0. */
static int predict(const struct plan_node *node, const struct nccl_vars *v,
                   struct prediction *ret)
{
    struct prediction p = {0};
    const struct topo *t = node->topo;
    *ret = p;
    if (!t || !t->m || node->n_gpus == 0)
        return 0;
    p.nics = calloc(t->n_nics + 1, sizeof *p.nics);
    p.choices = calloc(node->n_gpus, sizeof *p.choices);
    int rc = p.nics && p.choices ? 0 : -ENOMEM;
    if (rc == 0 && v->hca)
        p.n_nics = nccl_nics_named(t, v->hca, p.nics);
    for (size_t i = 0; rc == 0 && !v->hca && i < node->n_nics; i++)
        p.nics[p.n_nics++] = node->nics[i];
    if (rc == 0)
        rc = nccl_predict(t, &v->env, p.nics, p.n_nics, node->gpus, node->n_gpus,
                          p.choices, NULL);
    if (rc == 0)
        p.n = node->n_gpus;
    if (rc < 0)
        prediction_fini(&p);
    *ret = p;
    return rc;
}

static const struct nccl_choice *choice_of(const struct prediction *p,
                                           const struct plan_node *node, uint32_t gpu)
{
    for (size_t i = 0; i < p->n; i++) {
        if (node->gpus[i] == gpu)
            return &p->choices[i];
    }
    return NULL;
}

/* ---- what the ranks said ---- */

static void read_stream(const struct job *j, uint32_t rank, const char *kind,
                        struct ncclsaid *s)
{
    char path[4200], suffix[32] = "", bytes[16384];
    if (j->config.spec->job.output_rotate > 0)
        outrotate_suffix(0, suffix, sizeof suffix);
    (void)snprintf(path, sizeof path, "%s/rank-%04u.%s%s", j->config.attempt_dir, rank,
                   kind, suffix);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    size_t left = LIMIT_NCCL_SAID;
    while (left > 0) {
        ssize_t n = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
        if (n <= 0)
            break;
        ncclsaid_add(s, bytes, (size_t)n);
        left -= (size_t)n;
    }
    close(fd);
    ncclsaid_end(s);
}

/* s: what the rank said. */
static void check_rank(const struct job *j, uint32_t rank, const struct prediction *p,
                       const struct ncclsaid *s, struct ncclcheck *check)
{
    const struct plan_rank *r = &j->plan.ranks[rank];
    const struct plan_node *node = &j->plan.nodes[r->node];
    const struct nccl_choice *c = r->n_gpus > 0 ? choice_of(p, node, r->gpus[0]) : NULL;
    if (!c || !c->known)
        return;
    struct ncclcheck_rank about = {.rank = rank,
                                   .gpu = r->gpus[0],
                                   .node = job_node_name(j, r->node),
                                   .t = node->topo,
                                   .choice = c};
    struct ncclcheck_result result = {.verdict = NCCLCHECK_SILENT};
    /* NCCL names its network also where nobody is on another node. */
    if (j->n_nodes > 1 || s->n_uses > 0)
        ncclcheck_judge(node->topo, c, s, &result);
    ncclcheck_add(check, &about, &result);
}

static void on_warning(void *arg, const char *text)
{
    job_warn(arg, "%s", text);
}

static bool must_prove(const struct job *j)
{
    return strcmp(j->config.spec->audit.require_net, "ib+gdr") == 0;
}

bool job_nccl_reads(const struct job *j, uint32_t rank)
{
    return rank < READ_RANKS || must_prove(j);
}

/* What its agent heard; else, where NCCL speaks into the output, what is found there. */
static void hear_rank(const struct job *j, uint32_t rank, bool speaks,
                      struct ncclsaid *ret)
{
    if (!job_ncclsaid_recall(j, rank, ret) && speaks) {
        read_stream(j, rank, "out", ret);
        read_stream(j, rank, "err", ret);
    }
    netproof_add(&j->nets[j->plan.ranks[rank].node], rank, ret);
}

/* Without NCCL_DEBUG, which a program may set by itself, the first rank tells whether it is
 * worth to read the output of them all. */
static void check_ranks(struct job *j, const struct nccl_vars *v)
{
    struct ncclsaid *s = calloc(1, sizeof *s);
    struct ncclcheck check = {0};
    struct prediction p = {0};
    uint32_t node = UINT32_MAX;
    bool speaks = true;
    for (uint32_t i = 0; s && i < j->plan.world_size && job_nccl_reads(j, i); i++) {
        if (j->plan.ranks[i].node != node) {
            node = j->plan.ranks[i].node;
            prediction_fini(&p);
            if (predict(&j->plan.nodes[node], v, &p) < 0)
                break;
        }
        hear_rank(j, i, speaks, s);
        check_rank(j, i, &p, s, &check);
        if (i == 0 && !v->debug && j->nets[node].silent > 0)
            speaks = false;
        if (!speaks && !j->ncclsaid)
            break;
    }
    prediction_fini(&p);
    free(s);
    ncclcheck_tell(&check, on_warning, j, j->nccl, sizeof j->nccl);
}

/* It falls back to sockets without a word, which would be worth one. */
static void say_silence(struct job *j)
{
    for (uint32_t i = 0; i < j->n_nodes; i++)
        if (j->nets[i].silent < j->nets[i].n)
            return;
    if (!j->nccl[0] && job_coll_has_nccl(j) && job_nccl_may_use_ib(j))
        (void)snprintf(j->nccl, sizeof j->nccl,
                       "NCCL said nothing of its network (NCCL_DEBUG=INFO would make "
                       "it)");
}

/* ---- a topology dump ---- */

/* A regular file, written since the ranks were started: an older one is of another job. */
static int read_dump(const struct job *j, const char *path, struct buf *ret)
{
    struct stat st;
    uint64_t ran_s = (loop_now_ms(j->loop) - j->phase_start_ms[2]) / 1000;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && (!S_ISREG(st.st_mode) ||
                    (uint64_t)st.st_mtime + ran_s + 2 < clock_real_ns() / 1000000000u))
        rc = -ENOENT;
    if (rc == 0)
        rc = buf_read(ret, fd);
    close(fd);
    return rc;
}

static void check_dump(struct job *j, const struct nccl_vars *v)
{
    struct buf text;
    struct ncclfile f;
    struct prediction p;
    struct err e;
    if (!v->dump || v->dump[0] != '/' || v->dump_rank >= j->plan.world_size)
        return;
    const struct plan_node *node = &j->plan.nodes[j->plan.ranks[v->dump_rank].node];
    buf_init(&text, LIMIT_NCCL_BYTES);
    if (read_dump(j, v->dump, &text) == 0 && predict(node, v, &p) == 0) {
        if (p.n == 0)
            ; /* no GPU in the plan: nothing was predicted */
        else if (ncclfile_parse((const char *)text.data, text.len, &f, &e) < 0)
            job_warn(j, "\"%s\": %s", v->dump, e.text);
        else {
            (void)ncclcheck_dump(&f, node->topo, p.nics, p.n_nics, node->gpus,
                                 p.choices, p.n, on_warning, j);
            ncclfile_fini(&f);
        }
        prediction_fini(&p);
    }
    buf_fini(&text);
}

void job_compare_nccl(struct job *j)
{
    struct forward f = {0};
    struct nccl_vars v = {.env = nccl_env_default};
    struct err e;
    if (!j->outfiles || !j->ranks || j->compared_nccl)
        return;
    j->compared_nccl = true;
    if (!(j->nets = calloc(j->n_nodes, sizeof *j->nets)) ||
        forward_select(&j->config.spec->job.forward_env, environ, &f, &e) < 0)
        return;
    take_vars(j, &f, &v);
    check_ranks(j, &v);
    say_silence(j);
    check_dump(j, &v);
    forward_fini(&f);
}

/* A node without ranks has nothing to prove; of others all must have been read. */
static bool node_proves(const struct job *j, uint32_t node, char *ret, size_t len)
{
    const struct netproof *p = j->nets ? &j->nets[node] : NULL;
    uint32_t n = j->plan.first_rank[node + 1] - j->plan.first_rank[node];
    if (p && p->n > 0 && !netproof_holds(p, ret, len))
        return false;
    if (n == 0 || (p && p->n == n))
        return true;
    (void)snprintf(ret, len, "not all that its ranks said could be read");
    return false;
}

void job_prove_net(struct job *j)
{
    char why[200];
    if (!must_prove(j) || !j->ran || j->exit_status != 0 || !j->outfiles)
        return;
    outfiles_finish(j->outfiles);
    job_compare_nccl(j);
    for (uint32_t i = 0; i < j->n_nodes && j->exit_status == 0; i++) {
        if (node_proves(j, i, why, sizeof why))
            continue;
        job_set_stop(j, STOP_ERROR, err_exit_status(ERR_REFUSED),
                     "all ranks ended with status 0, but it is not proven that %s goes "
                     "over InfiniBand with GPUDirect RDMA, as [audit] require_net "
                     "demands: %s",
                     job_node_name(j, i), why);
        job_conclude(j);
    }
}
