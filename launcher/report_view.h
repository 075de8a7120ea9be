/* SPDX-License-Identifier: MIT */
/* report_view - all that a page and run.json say, with texts of its own, made from a
 * summary or read from a run.json. Between these two and the page it is the only form, so
 * that the page of a running launcher and of `report` cannot differ. A part of report. */
#ifndef LAUNCHER_REPORT_VIEW_H
#define LAUNCHER_REPORT_VIEW_H

#include "launcher/summary.h"

struct view_attempt {
    uint32_t attempt;
    bool cut_off, has_steps;
    int64_t exit_status;
    uint64_t first_step, last_step, wall_ms;
    char *cause, *sentence;
};

struct view_phase {
    char *name;
    uint64_t ms;
};

struct view_node {
    char *name, *hostname, *teardown, *detail, *limits, *net;
    int64_t clock_offset_us;
    uint64_t clock_error_us;
    bool copied;
};

struct view_replaced {
    char *host, *by, *why, *agent;
    uint32_t node;
};

struct view_rank {
    uint32_t rank, node;
    char *cpus, *end;
    bool ended_by_us;
    uint64_t cpu_user_ms, cpu_sys_ms, max_rss_kib, out_bytes, err_bytes;
    uint64_t out_kept, err_kept;
    struct steps_rank steps; /* zeroes when no rank marked steps */
    struct binding *binding; /* NULL: not known */
};

struct view_missing {
    uint64_t from, to, bytes;
    char *why;
};

struct view_output {
    uint32_t rank;
    bool is_err;
    uint64_t bytes, first, last;
    struct view_missing missing[OUTRANGES_MAX];
    size_t n_missing;
};

struct view_warning {
    char *text;
};

/* ---- where the time went: report_variance_view.c */

struct view_spell {
    uint32_t rank, attempt, first_step, last_step;
    bool over;
    enum mechanism what;
    double percent, excess_us, loss_us, part_us[MECH_N];
    uint64_t steps; /* in which it was a culprit */
    char *common;   /* "": nothing */
};

struct view_blame {
    uint32_t rank, first_step, last_step;
    enum mechanism what;
    uint64_t steps;
    double loss_us, excess_us;
};

struct view_variance {
    bool known; /* false: all else is zero */
    uint64_t steps, more_spells;
    double t_us, small_us, outside_us;
    double loss_us[MECH_N], common_us[MECH_N];
    uint32_t not_measured;     /* bit per mechanism: its figures say nothing */
    struct view_blame *blames; /* most loss first */
    struct view_spell *spells; /* in order of their beginning */
    size_t n_blames, n_spells;
    struct hist excess; /* counts NULL: not known */
};

struct view_gpu {
    uint32_t node;
    char *uuid;
    struct signals_gpu s; /* without a uuid of its own */
};

struct view_fault {
    uint32_t node, xid;
    uint64_t n;
    char *bus, *whose, *text;
};

struct view_stall {
    uint32_t attempt, number, step;
    uint64_t from_ms, ms;
    bool over;
    char *ranks, *text;
};

struct report_view {
    char *run_id, *name, *dir, *version, *started_utc, *sentence, *nccl, *audit;
    char *step_source, *step_source_words, *step_source_why; /* as in summary; "" */
    int64_t exit_status;
    uint64_t wall_ms, queued_ms;
    uint32_t attempts;            /* 0: not known */
    struct view_attempt *history; /* NULL: of one attempt, or not known */
    size_t n_history;
    struct view_phase *phases;
    struct view_node *nodes;
    struct view_replaced *replaced;
    struct view_rank *ranks;
    uint64_t rotate_bytes, rotate_keep;
    struct view_output *outputs;
    size_t n_outputs;
    struct view_warning *warnings;
    size_t n_phases, n_nodes, n_replaced, n_ranks, n_warnings;
    bool has_steps;
    struct steps_job job;
    int64_t culprit; /* a rank, or -1 */
    struct view_variance variance;
    struct series *series; /* NULL: not known */
    bool has_ledger;
    struct ledger ledger;
    struct cost cost;             /* devices 0: not known */
    struct signals_node *signals; /* one a node; NULL: not known */
    struct view_gpu *gpus;        /* in order of their nodes */
    struct view_fault *faults;    /* errors of GPUs, in order */
    struct view_stall *stalls;    /* in which no step ended, in order */
    size_t n_gpus, n_faults, n_stalls;
    uint32_t ask_ranks; /* what would so many cost? 0: nobody asked */
};

int view_from_summary(struct report_view *v, const struct summary *s); /* 0, -ENOMEM */
void view_fini(struct report_view *v); /* takes a zeroed one */
/* A copy that a terminal and a JSON file can hold: control characters and bytes that are
 * no UTF-8 become '?'. */
char *view_text(const char *text);

/* report_json.c */
int view_to_json(const struct report_view *v, struct buf *out);
int view_from_json(struct report_view *v, const char *json, size_t len, struct err *e);

struct page;

/* report_binding.c */
void page_binding(struct page *p, const struct report_view *v);

/* report_variance_view.c */
int view_copy_variance(struct report_view *v, const struct summary *s); /* 0, -ENOMEM */
void view_free_variance(struct report_view *v);

/* report_gpus.c, report_gpus_json.c */
int view_copy_gpus(struct report_view *v, const struct summary *s);   /* 0, -ENOMEM */
int view_copy_faults(struct report_view *v, const struct summary *s); /* 0, -ENOMEM */
void view_free_gpus(struct report_view *v);
void page_gpus(struct page *p, const struct report_view *v);
int gpus_to_json(const struct report_view *v, struct buf *out);
struct json_t; /* jansson's */
int gpus_from_json(struct report_view *v, const struct json_t *root, struct err *e);

/* report_stalls.c */
int view_copy_stalls(struct report_view *v, const struct summary *s); /* 0, -ENOMEM */
void view_free_stalls(struct report_view *v);
int stalls_to_json(const struct report_view *v, struct buf *out);
int stalls_from_json(struct report_view *v, const struct json_t *root, struct err *e);
void page_stalls(struct page *p, const struct report_view *v);

/* report_output.c */
int view_copy_outputs(struct report_view *v, const struct summary *s);
void view_free_outputs(struct report_view *v);
void page_outputs(struct page *p, const struct report_view *v);

/* report_story.c, report_ledger.c, report_variance.c, report_beyond.c */
void page_story(struct page *p, const struct report_view *v);
void page_ledger(struct page *p, const struct report_view *v);
void page_variance(struct page *p, const struct report_view *v);
void page_beyond(struct page *p, const struct report_view *v);
/* What spells of several ranks have in common, without the ranks; "": nothing. */
const char *view_factor(const struct view_spell *s);
double view_loss_us(const struct report_view *v); /* all straggler loss */
struct view_late { /* what one rank is blamed for, by whatever */
    uint64_t steps;
    uint32_t first_step, last_step;
    enum mechanism what;
    double loss_us, excess_us, part_us[MECH_N];
};
/* false: for nothing. */
bool view_late(const struct report_view *v, uint32_t rank, struct view_late *ret);
/* What lateness of each rank cost (of one rank: how much longer it took), v->n_ranks of
 * them, to be freed; NULL: no memory. */
double *view_late_costs(const struct report_view *v);
const char *view_mech_phrase(enum mechanism m); /* said of the job, not of one rank */

/* report_steps.c */
void page_steps(struct page *p, const struct report_view *v);
const char *view_node_name(const struct report_view *v, uint32_t node);

#endif
