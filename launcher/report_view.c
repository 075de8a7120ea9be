/* SPDX-License-Identifier: MIT */
/* report_view.c - a summary's copy; see report_view.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_history.h"
#include "launcher/report_view.h"
#include "proto/base/utf8.h"

char *view_text(const char *text)
{
    char *out = strdup(text ? text : "");
    if (out)
        utf8_make_printable(out);
    return out;
}

void view_fini(struct report_view *v)
{
    for (size_t i = 0; v->phases && i < v->n_phases; i++)
        free(v->phases[i].name);
    for (size_t i = 0; v->nodes && i < v->n_nodes; i++) {
        free(v->nodes[i].name);
        free(v->nodes[i].hostname);
        free(v->nodes[i].teardown);
        free(v->nodes[i].detail);
        free(v->nodes[i].limits);
        free(v->nodes[i].net);
    }
    for (size_t i = 0; v->replaced && i < v->n_replaced; i++) {
        free(v->replaced[i].host);
        free(v->replaced[i].by);
        free(v->replaced[i].why);
        free(v->replaced[i].agent);
    }
    for (size_t i = 0; v->ranks && i < v->n_ranks; i++) {
        free(v->ranks[i].cpus);
        free(v->ranks[i].end);
        binding_destroy(v->ranks[i].binding);
    }
    for (size_t i = 0; v->warnings && i < v->n_warnings; i++)
        free(v->warnings[i].text);
    view_free_outputs(v);
    view_free_history(v);
    view_free_variance(v);
    view_free_gpus(v);
    view_free_stalls(v);
    free(v->phases);
    free(v->nodes);
    free(v->replaced);
    free(v->ranks);
    free(v->warnings);
    free(v->run_id);
    free(v->name);
    free(v->dir);
    free(v->version);
    free(v->started_utc);
    free(v->sentence);
    free(v->nccl);
    free(v->audit);
    free(v->step_source);
    free(v->step_source_words);
    free(v->step_source_why);
    *v = (struct report_view){0};
}

static bool copy_run(struct report_view *v, const struct summary *s)
{
    v->exit_status = s->exit_status;
    v->wall_ms = s->wall_ms;
    v->queued_ms = s->queued_ms;
    v->attempts = s->attempts;
    return (v->run_id = view_text(s->run_id)) && (v->name = view_text(s->name)) &&
           (v->dir = view_text(s->dir)) && (v->version = view_text(s->version)) &&
           (v->started_utc = view_text(s->started_utc)) &&
           (v->sentence = view_text(s->sentence)) &&
           (v->nccl = view_text(s->nccl ? s->nccl : "")) &&
           (v->audit = view_text(s->audit ? s->audit : "")) &&
           (v->step_source = view_text(s->step_source ? s->step_source : "")) &&
           (v->step_source_words =
                view_text(s->step_source_words ? s->step_source_words : "")) &&
           (v->step_source_why =
                view_text(s->step_source_why ? s->step_source_why : ""));
}

static bool copy_phases(struct report_view *v, const struct summary *s)
{
    v->phases = calloc(s->n_phases + 1, sizeof *v->phases);
    v->n_phases = s->n_phases;
    for (size_t i = 0; v->phases && i < s->n_phases; i++) {
        v->phases[i].ms = s->phases[i].ms;
        if (!(v->phases[i].name = view_text(s->phases[i].name)))
            return false;
    }
    return v->phases != NULL;
}

static bool copy_nodes(struct report_view *v, const struct summary *s)
{
    v->nodes = calloc(s->n_nodes + 1, sizeof *v->nodes);
    v->n_nodes = s->n_nodes;
    for (size_t i = 0; v->nodes && i < s->n_nodes; i++) {
        const struct summary_node *from = &s->nodes[i];
        struct view_node *n = &v->nodes[i];
        n->clock_offset_us = from->clock_offset_us;
        n->clock_error_us = from->clock_error_us;
        n->copied = from->copied;
        if (!(n->name = view_text(from->name)) ||
            !(n->hostname = view_text(from->hostname)) ||
            !(n->teardown = view_text(from->teardown)) ||
            !(n->detail = view_text(from->detail)) ||
            !(n->limits = view_text(from->limits)) || !(n->net = view_text(from->net)))
            return false;
    }
    return v->nodes != NULL;
}

static bool copy_replaced(struct report_view *v, const struct summary *s)
{
    v->replaced = calloc(s->n_replaced + 1, sizeof *v->replaced);
    v->n_replaced = s->n_replaced;
    for (size_t i = 0; v->replaced && i < s->n_replaced; i++) {
        const struct summary_replaced *from = &s->replaced[i];
        struct view_replaced *r = &v->replaced[i];
        r->node = from->node;
        if (!(r->host = view_text(from->host)) || !(r->by = view_text(from->by)) ||
            !(r->why = view_text(from->why)) || !(r->agent = view_text(from->agent)))
            return false;
    }
    return v->replaced != NULL;
}

static bool copy_ranks(struct report_view *v, const struct summary *s)
{
    v->ranks = calloc(s->n_ranks + 1, sizeof *v->ranks);
    v->n_ranks = s->n_ranks;
    for (size_t i = 0; v->ranks && i < s->n_ranks; i++) {
        const struct summary_rank *from = &s->ranks[i];
        struct view_rank *r = &v->ranks[i];
        r->rank = from->rank;
        r->node = from->node;
        r->ended_by_us = from->ended_by_us;
        r->cpu_user_ms = from->cpu_user_ms;
        r->cpu_sys_ms = from->cpu_sys_ms;
        r->max_rss_kib = from->max_rss_kib;
        r->out_bytes = from->out_bytes;
        r->err_bytes = from->err_bytes;
        r->out_kept = from->out_kept;
        r->err_kept = from->err_kept;
        if (s->steps)
            steps_rank(s->steps, from->rank, &r->steps);
        if (from->binding && !(r->binding = binding_copy(from->binding)))
            return false;
        if (!(r->cpus = view_text(from->cpus)) || !(r->end = view_text(from->end)))
            return false;
    }
    return v->ranks != NULL;
}

static bool copy_warnings(struct report_view *v, const struct summary *s)
{
    v->warnings = calloc(s->n_warnings + 1, sizeof *v->warnings);
    v->n_warnings = s->n_warnings;
    for (size_t i = 0; v->warnings && i < s->n_warnings; i++)
        if (!(v->warnings[i].text = view_text(s->warnings[i])))
            return false;
    return v->warnings != NULL;
}

int view_from_summary(struct report_view *v, const struct summary *s)
{
    *v = (struct report_view){.culprit = -1};
    if (!copy_run(v, s) || !copy_phases(v, s) || !copy_nodes(v, s) ||
        !copy_replaced(v, s) || !copy_ranks(v, s) || !copy_warnings(v, s) ||
        view_copy_outputs(v, s) < 0 || view_copy_history(v, s) < 0 ||
        view_copy_gpus(v, s) < 0 || view_copy_faults(v, s) < 0 ||
        view_copy_stalls(v, s) < 0) {
        view_fini(v);
        return -ENOMEM;
    }
    v->has_steps = s->steps != NULL;
    if (v->has_steps) {
        steps_job(s->steps, &v->job);
        v->culprit = steps_culprit(s->steps);
    }
    if (view_copy_variance(v, s) < 0) {
        view_fini(v);
        return -ENOMEM;
    }
    return 0;
}
