/* SPDX-License-Identifier: MIT */
/* spec - what the user asked for: defaults < site.toml < job file < environment
 * (AOLANI_SECTION_KEY) < flags, every value with who set it.
 *
 * One table (spec_table.c) names every key: section, name, type, range, default, where it
 * is stored. Strings and lists are owned by the spec; spec_destroy frees all.
 *
 * A relative path belongs to who wrote it: in a job or site file to that file's folder,
 * anywhere else to the folder where aolani-run was started. After spec_load all paths are
 * absolute, the back end is chosen (never BACKEND_AUTO), a hostfile is read, and hosts
 * are known to parse, to be named once and to be enough.
 */
#ifndef LAUNCHER_SPEC_H
#define LAUNCHER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct strlist {
    char **items; /* owned, NULL-ended */
    size_t n;
};

#define SPEC_KEYS_MAX 128 /* rows that the table may have */

int strlist_add(struct strlist *l, const char *text); /* copies; -ENOMEM */
void strlist_fini(struct strlist *l);

enum spec_backend { BACKEND_AUTO, BACKEND_LOCAL, BACKEND_SSH, BACKEND_SLURM };
enum spec_mpi { SPEC_MPI_AUTO, SPEC_MPI_PMIX, SPEC_MPI_NONE };
enum spec_origin { FROM_DEFAULT, FROM_SITE, FROM_FILE, FROM_ENV, FROM_FLAG };

struct spec {
    char *path; /* of the job file, for messages and relative paths */
    struct {
        char *name; /* default: the job file's name without .toml */
        struct strlist command;
        struct strlist container; /* words that start one; none: no container */
        char *workdir;            /* default: where aolani-run was started */
        struct strlist env;       /* "NAME=value", each name once */
        char *setup;              /* shell text run before the program; NULL */
        uint64_t setup_limit_ms;  /* how long it may take on a node */
        int64_t ranks_per_node;   /* default 1; 0: "gpu", one for each GPU */
        uint64_t time_limit_ms;   /* 0: none */
        char *output;             /* folder of run directories; default "runs" */
        enum spec_mpi mpi;
        uint64_t spool_bytes;       /* undelivered output kept per stream on a node */
        struct strlist forward_env; /* "auto", "all", "none", or names; "NCCL_*" */
        bool unbuffered;            /* ranks write to a pseudo-terminal */
        uint64_t output_rotate;     /* bytes of one output file; 0: one file for all */
        int64_t output_keep;        /* files kept of a rotated stream; 0: all */
    } job;
    struct {
        char *address;            /* NULL: guessed */
        int64_t port_lo, port_hi; /* 0: any */
    } head;
    struct {
        enum spec_backend backend;
        struct strlist
            hosts;      /* hostlists as typed; of the hostfile, when one was given */
        char *hostfile; /* NULL after spec_load: its lines are in hosts */
        int64_t count;  /* 0: all */
        int64_t spares; /* hosts after the first `count` that may take a place */
    } nodes;
    struct {
        struct strlist command; /* default {"ssh"} */
        struct strlist options; /* put after the command */
        int64_t window;         /* handshakes at once */
        int64_t fanout;
        uint64_t connect_timeout_ms;
    } ssh;
    struct {
        int64_t nodes; /* simulated nodes on this machine */
    } local;
    struct {
        char *partition, *account, *qos, *time, *gres, *constraint;
        struct strlist extra;
    } slurm;
    struct {
        bool cores; /* key "cpu": bind ranks to cores */
        bool strict;
        int64_t housekeeping_cores;
        char *gpu;          /* "all": each rank sees the GPUs of all, "own", "none" */
        char *memory;       /* "prefer", "bind", "none" */
        struct strlist nic; /* "auto", "none", or names; "mlx5_*" */
        struct strlist exclude_nics; /* the same */
    } bind;
    struct {
        char *source; /* "auto", "client", "nccl", "log" */
        char *log_pattern;
        int64_t warmup; /* steps left out of the statistics */
        int64_t keep;   /* raw step records kept per rank */
    } steps;
    struct {
        int64_t max_restarts;
        uint64_t grace_ms, hang_timeout_ms; /* 0: "auto" */
        int64_t min_nodes;
        char *checkpoint_signal;
        uint64_t head_lease_ms;
    } failure;
    struct {
        bool require_bare_metal;
        char *require_net;   /* "none", "ib": InfiniBand or RoCE, "ib+gdr" */
        struct strlist skip; /* ids of probes there are */
    } audit;
    struct {
        double gpu_hour; /* price of a device and hour; 0: none given */
        char *currency;  /* fits struct cost */
        char *baseline;
    } cost;
    struct {
        char *listen;
    } serve;
    struct {
        char *begin, *signal;
        bool requeue;
        int64_t chain;
    } schedule;

    /* Of the command line alone. */
    bool label;           /* -l */
    int64_t stdin_rank;   /* --stdin; -1: none */
    struct strlist notes; /* what the user should know: a key that this version does
                                 not act on yet; a line each, for log_warn */
    /* By row of the table. */
    uint8_t origin[SPEC_KEYS_MAX]; /* enum spec_origin */
    char *set_by[SPEC_KEYS_MAX];   /* "job.toml:7", "--time"; NULL: a default */
};

struct spec_flag {   /* one "--set section.key=value" or its short form */
    const char *key; /* "job.time_limit" */
    const char *value;
    const char *spelled; /* as the user typed the flag, for messages */
};

/* Read and check everything. Errors of the job file are written to `diag` as toml_errors
 * does, all at once; then the return is ERR_USAGE with a one-line summary in e.
 * site_path NULL: the default places ($AOLANI_SITE, ~/.config/aolani/site.toml,
 * /etc/aolani/site.toml), missing is fine. extra_args go after job.command. */
int spec_load(const char *job_path, const char *site_path,
              const struct spec_flag *flags, size_t n_flags, char *const *extra_args,
              struct spec **ret, struct buf *diag, struct err *e);
/* The spec.toml of a run directory, alone: neither a site file nor the environment says
 * otherwise any more. */
int spec_load_resolved(const char *path, struct spec **ret, struct buf *diag,
                       struct err *e);
void spec_destroy(struct spec *s);

/* Who set a key ("job.command"): "job.toml:7", "--time"; NULL: nobody, or no such key. */
const char *spec_set_by(const struct spec *s, const char *dotted);

/* The resolved spec as TOML (spec.toml of the run directory), readable by spec_load. */
int spec_format(const struct spec *s, struct buf *out);
/* Every key, its value and who set it, a line each, aligned (check --show). */
int spec_show(const struct spec *s, struct buf *out);

#endif
