/* SPDX-License-Identifier: MIT */
/* spec_table.c - every key of the job file, once: reading, checking, showing, the
 * environment's AOLANI_SECTION_KEY and --set all walk this table. */
#include "launcher/spec_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

#define AT(field) offsetof(struct spec, field)
#define SEC       1e3
#define DAY       (86400 * SEC)
#define YEARS(n)  ((n)*365 * DAY)

/* section, name, type, flags, field, default, words, min, max */
const struct spec_key spec_keys[] = {
    {"job", "name", SPEC_NAME, SPEC_JOB_ONLY, AT(job.name), NULL, NULL, 0, 0},
    {"job", "command", SPEC_ARGV, SPEC_JOB_ONLY, AT(job.command), NULL, NULL, 0, 0},
    {"job", "container", SPEC_ARGV, 0, AT(job.container), NULL, NULL, 0, 0},
    {"job", "workdir", SPEC_PATH, 0, AT(job.workdir), ".", NULL, 0, 0},
    {"job", "env", SPEC_ENV, 0, AT(job.env), NULL, NULL, 0, 0},
    {"job", "setup", SPEC_STRING, 0, AT(job.setup), NULL, NULL, 0, 0},
    {"job", "setup_limit", SPEC_DURATION, 0, AT(job.setup_limit_ms), "10m", NULL, SEC,
     DAY},
    {"job", "ranks_per_node", SPEC_INT, 0, AT(job.ranks_per_node), "1", "gpu", 1,
     LIMIT_LOCAL_RANKS},
    {"job", "time_limit", SPEC_DURATION, 0, AT(job.time_limit_ms), "none", "none", SEC,
     YEARS(10)},
    {"job", "output", SPEC_PATH, 0, AT(job.output), "runs", NULL, 0, 0},
    {"job", "mpi", SPEC_ENUM, 0, AT(job.mpi), "auto", "auto|pmix|none", 0, 0},
    {"job", "spool", SPEC_SIZE, 0, AT(job.spool_bytes), "1G", NULL, 1 << 20,
     (double)LIMIT_SPOOL_BYTES},
    {"job", "forward_env", SPEC_LIST, 0, AT(job.forward_env), "auto", "auto|all|none",
     0, 0},
    {"job", "unbuffered", SPEC_BOOL, 0, AT(job.unbuffered), "false", NULL, 0, 0},
    {"job", "output_rotate", SPEC_SIZE, 0, AT(job.output_rotate), "none", "none",
     64 << 10, (double)(1ull << 50)},
    {"job", "output_keep", SPEC_INT, 0, AT(job.output_keep), "all", "all", 2, 1e6},

    {"head", "address", SPEC_STRING, 0, AT(head.address), NULL, NULL, 0, 0},
    {"head", "ports", SPEC_PORTS, 0, AT(head.port_lo), NULL, NULL, 1, 65535},

    {"nodes", "backend", SPEC_ENUM, 0, AT(nodes.backend), "auto",
     "auto|local|ssh|slurm", 0, 0},
    {"nodes", "hosts", SPEC_HOSTS, 0, AT(nodes.hosts), NULL, NULL, 0, 0},
    {"nodes", "hostfile", SPEC_PATH, 0, AT(nodes.hostfile), NULL, NULL, 0, 0},
    {"nodes", "count", SPEC_INT, 0, AT(nodes.count), "all", "all", 1, LIMIT_NODES},
    {"nodes", "spares", SPEC_INT, 0, AT(nodes.spares), "0", NULL, 0, LIMIT_NODES},

    {"ssh", "command", SPEC_ARGV, 0, AT(ssh.command), "ssh", NULL, 0, 0},
    {"ssh", "options", SPEC_ARGV, 0, AT(ssh.options), NULL, NULL, 0, 0},
    {"ssh", "window", SPEC_INT, 0, AT(ssh.window), "32", NULL, 1, 1024},
    {"ssh", "fanout", SPEC_INT, SPEC_LATER, AT(ssh.fanout), "32", NULL, 2, 1024},
    {"ssh", "connect_timeout", SPEC_DURATION, 0, AT(ssh.connect_timeout_ms), "30s",
     NULL, SEC, 3600 * SEC},

    {"local", "nodes", SPEC_INT, 0, AT(local.nodes), "1", NULL, 1, 1024},

    {"slurm", "partition", SPEC_STRING, 0, AT(slurm.partition), NULL, NULL, 0, 0},
    {"slurm", "account", SPEC_STRING, 0, AT(slurm.account), NULL, NULL, 0, 0},
    {"slurm", "qos", SPEC_STRING, 0, AT(slurm.qos), NULL, NULL, 0, 0},
    {"slurm", "time", SPEC_STRING, 0, AT(slurm.time), NULL, NULL, 0, 0},
    {"slurm", "gres", SPEC_STRING, 0, AT(slurm.gres), NULL, NULL, 0, 0},
    {"slurm", "constraint", SPEC_STRING, 0, AT(slurm.constraint), NULL, NULL, 0, 0},
    {"slurm", "extra", SPEC_ARGV, 0, AT(slurm.extra), NULL, NULL, 0, 0},

    {"bind", "gpu", SPEC_WORD, 0, AT(bind.gpu), "all", "all|own|none", 0, 0},
    {"bind", "nic", SPEC_LIST, 0, AT(bind.nic), "auto", "auto|none", 0, 0},
    {"bind", "exclude_nics", SPEC_LIST, 0, AT(bind.exclude_nics), NULL, NULL, 0, 0},
    {"bind", "cpu", SPEC_ENUM_BOOL, 0, AT(bind.cores), "cores", "none|cores", 0, 0},
    {"bind", "memory", SPEC_WORD, 0, AT(bind.memory), "prefer", "prefer|bind|none", 0,
     0},
    {"bind", "housekeeping_cores", SPEC_INT, 0, AT(bind.housekeeping_cores), "0", NULL,
     0, LIMIT_CPUS},
    {"bind", "strict", SPEC_BOOL, 0, AT(bind.strict), "false", NULL, 0, 0},

    {"steps", "source", SPEC_WORD, 0, AT(steps.source), "auto", "auto|client|nccl|log",
     0, 0},
    {"steps", "log_pattern", SPEC_STRING, 0, AT(steps.log_pattern), NULL, NULL, 0, 0},
    {"steps", "warmup", SPEC_INT, 0, AT(steps.warmup), "5", NULL, 0, 1e6},
    {"steps", "keep", SPEC_INT, 0, AT(steps.keep), "10000", NULL, 0, 1e7},

    {"failure", "max_restarts", SPEC_INT, 0, AT(failure.max_restarts), "0", NULL, 0,
     1e6},
    {"failure", "grace", SPEC_DURATION, 0, AT(failure.grace_ms), "30s", NULL, 0, DAY},
    {"failure", "hang_timeout", SPEC_DURATION, SPEC_LATER, AT(failure.hang_timeout_ms),
     "auto", "auto", SEC, YEARS(1)},
    {"failure", "min_nodes", SPEC_INT, 0, AT(failure.min_nodes), "all", "all", 1,
     LIMIT_NODES},
    {"failure", "checkpoint_signal", SPEC_WORD, 0, AT(failure.checkpoint_signal),
     "none", "none|USR1|USR2|TERM|HUP|INT", 0, 0},
    {"failure", "head_lease", SPEC_DURATION, 0, AT(failure.head_lease_ms), "60s", NULL,
     SEC, DAY},

    {"audit", "require_bare_metal", SPEC_BOOL, 0, AT(audit.require_bare_metal), "false",
     NULL, 0, 0},
    {"audit", "require_net", SPEC_WORD, 0, AT(audit.require_net), "none",
     "none|ib|ib+gdr", 0, 0},
    {"audit", "skip", SPEC_LIST, 0, AT(audit.skip), NULL, NULL, 0, 0},

    {"cost", "gpu_hour", SPEC_FLOAT, 0, AT(cost.gpu_hour), "0", NULL, 0, 1e9},
    {"cost", "currency", SPEC_STRING, 0, AT(cost.currency), "USD", NULL, 0, 0},
    {"cost", "baseline", SPEC_STRING, SPEC_LATER, AT(cost.baseline), NULL, NULL, 0, 0},

    {"serve", "listen", SPEC_STRING, SPEC_LATER, AT(serve.listen), NULL, NULL, 0, 0},

    {"schedule", "begin", SPEC_STRING, 0, AT(schedule.begin), NULL, NULL, 0, 0},
    {"schedule", "requeue", SPEC_BOOL, 0, AT(schedule.requeue), "false", NULL, 0, 0},
    {"schedule", "signal", SPEC_STRING, 0, AT(schedule.signal), "auto", NULL, 0, 0},
    {"schedule", "chain", SPEC_INT, 0, AT(schedule.chain), "0", NULL, 0, 1e4},
};
const size_t spec_n_keys = sizeof spec_keys / sizeof spec_keys[0];
_Static_assert(sizeof spec_keys / sizeof spec_keys[0] <= SPEC_KEYS_MAX,
               "SPEC_KEYS_MAX");

const struct spec_key *spec_key_find(const char *section, size_t section_len,
                                     const char *name)
{
    for (size_t i = 0; i < spec_n_keys; i++) {
        const struct spec_key *k = &spec_keys[i];
        if (strlen(k->section) == section_len &&
            !memcmp(k->section, section, section_len) && !strcmp(k->name, name))
            return k;
    }
    return NULL;
}

const struct spec_key *spec_key(const char *dotted)
{
    const char *dot = strchr(dotted, '.');
    return dot ? spec_key_find(dotted, (size_t)(dot - dotted), dot + 1) : NULL;
}

size_t spec_key_index(const struct spec_key *k)
{
    return (size_t)(k - spec_keys);
}

const char *spec_set_by(const struct spec *s, const char *dotted)
{
    const struct spec_key *k = spec_key(dotted);
    return k ? s->set_by[spec_key_index(k)] : NULL;
}

bool spec_section_exists(const char *name)
{
    for (size_t i = 0; i < spec_n_keys; i++)
        if (!strcmp(spec_keys[i].section, name))
            return true;
    return false;
}

size_t spec_word(const char *words, size_t n, const char **ret)
{
    const char *p = words;
    while (p && n--) {
        p = strchr(p, '|');
        p = p ? p + 1 : NULL;
    }
    *ret = p;
    return p ? strcspn(p, "|") : 0;
}

int spec_word_index(const char *words, const char *text)
{
    const char *w;
    size_t len;
    for (int i = 0; words && (len = spec_word(words, (size_t)i, &w)) > 0; i++)
        if (strlen(text) == len && !memcmp(w, text, len))
            return i;
    return -1;
}

int strlist_add(struct strlist *l, const char *text)
{
    char **items = realloc(l->items, (l->n + 2) * sizeof *items);
    if (!items)
        return -ENOMEM;
    l->items = items;
    if (!(items[l->n] = strdup(text)))
        return -ENOMEM;
    items[++l->n] = NULL;
    return 0;
}

void strlist_fini(struct strlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct strlist){0};
}

void spec_clear(struct spec *s, const struct spec_key *k)
{
    void *at = spec_field(s, k);
    switch (k->type) {
    case SPEC_STRING:
    case SPEC_NAME:
    case SPEC_PATH:
    case SPEC_WORD:
        free(*(char **)at);
        *(char **)at = NULL;
        break;
    case SPEC_ENUM:
        *(int *)at = 0;
        break;
    case SPEC_ENUM_BOOL:
    case SPEC_BOOL:
        *(bool *)at = false;
        break;
    case SPEC_INT:
        *(int64_t *)at = 0;
        break;
    case SPEC_FLOAT:
        *(double *)at = 0;
        break;
    case SPEC_DURATION:
    case SPEC_SIZE:
        *(uint64_t *)at = 0;
        break;
    case SPEC_PORTS:
        ((int64_t *)at)[0] = ((int64_t *)at)[1] = 0;
        break;
    case SPEC_LIST:
    case SPEC_ARGV:
    case SPEC_HOSTS:
    case SPEC_ENV:
        strlist_fini(at);
        break;
    }
}

void spec_destroy(struct spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < spec_n_keys; i++) {
        spec_clear(s, &spec_keys[i]);
        free(s->set_by[i]);
    }
    strlist_fini(&s->notes);
    free(s->path);
    free(s);
}
