/* SPDX-License-Identifier: MIT */
/* binding.c - see binding.h. */
#include "launcher/binding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/utf8.h"

#define TEXT_MOST 400u   /* of a check: more is no sentence */
#define SET_MOST  12200u /* of CPUs: every other one of 8192 is cut by the agent */

/* A copy that a terminal and a JSON file can hold. */
static char *copy_text(const char *text, size_t most)
{
    char *copy = strndup(text, most);
    if (copy)
        utf8_make_printable(copy);
    return copy;
}

int binding_set(char **to, const char *text)
{
    char *copy = copy_text(text, SET_MOST);
    if (!copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

int binding_add(char ***list, size_t *n, const char *text)
{
    char **more = realloc(*list, (*n + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    *list = more;
    if (!(more[*n] = copy_text(text, TEXT_MOST)))
        return -ENOMEM;
    (*n)++;
    return 0;
}

static void list_free(char ***list, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        free((*list)[i]);
    free(*list);
    *list = NULL;
    *n = 0;
}

static void check_fini(struct binding_check *c)
{
    free(c->what);
    free(c->state);
    free(c->text);
    *c = (struct binding_check){0};
}

struct binding *binding_create(void)
{
    struct binding *b = calloc(1, sizeof *b);
    if (!b || binding_set(&b->cpus, "") < 0 || binding_set(&b->numa, "") < 0 ||
        binding_set(&b->nic, "") < 0 || binding_set(&b->applied, "") < 0 ||
        binding_set(&b->seen_cpus, "") < 0 || binding_set(&b->cgroup_cpus, "") < 0) {
        binding_destroy(b);
        return NULL;
    }
    return b;
}

void binding_destroy(struct binding *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n_checks; i++)
        check_fini(&b->checks[i]);
    for (size_t i = 0; i < b->n_drifts; i++) {
        free(b->drifts[i].what);
        free(b->drifts[i].text);
    }
    list_free(&b->gpus, &b->n_gpus);
    list_free(&b->seen_gpus, &b->n_seen_gpus);
    free(b->cpus);
    free(b->numa);
    free(b->nic);
    free(b->applied);
    free(b->seen_cpus);
    free(b->cgroup_cpus);
    free(b);
}

static int check_set(struct binding_check *c, const char *what, const char *state,
                     const char *text)
{
    c->what = copy_text(what, TEXT_MOST);
    c->state = copy_text(state, TEXT_MOST);
    c->text = copy_text(text, TEXT_MOST);
    return c->what && c->state && c->text ? 0 : -ENOMEM;
}

int binding_add_check(struct binding *b, const char *what, const char *state,
                      const char *text)
{
    if (b->n_checks == LIMIT_BINDING_CHECKS)
        return ERR_LIMIT;
    return check_set(&b->checks[b->n_checks++], what, state, text);
}

int binding_add_drift(struct binding *b, const struct binding_drift *d)
{
    if (b->n_drifts == BINDING_DRIFTS)
        return ERR_LIMIT;
    struct binding_drift *to = &b->drifts[b->n_drifts++];
    *to = *d;
    to->what = copy_text(d->what, TEXT_MOST);
    to->text = copy_text(d->text, TEXT_MOST);
    return to->what && to->text ? 0 : -ENOMEM;
}

static int copy_lists(struct binding *to, const struct binding *b)
{
    int rc = 0;
    for (size_t i = 0; i < b->n_gpus && rc == 0; i++)
        rc = binding_add(&to->gpus, &to->n_gpus, b->gpus[i]);
    for (size_t i = 0; i < b->n_seen_gpus && rc == 0; i++)
        rc = binding_add(&to->seen_gpus, &to->n_seen_gpus, b->seen_gpus[i]);
    for (size_t i = 0; i < b->n_checks && rc == 0; i++)
        rc = binding_add_check(to, b->checks[i].what, b->checks[i].state,
                               b->checks[i].text);
    for (size_t i = 0; i < b->n_drifts && rc == 0; i++)
        rc = binding_add_drift(to, &b->drifts[i]);
    return rc;
}

struct binding *binding_copy(const struct binding *b)
{
    struct binding *to = binding_create();
    if (!to)
        return NULL;
    to->read = b->read;
    to->processes = b->processes;
    to->threads = b->threads;
    memcpy(to->pages, b->pages, sizeof to->pages);
    to->n_pages = b->n_pages;
    to->cgroup_quota_percent = b->cgroup_quota_percent;
    to->cgroup_memory = b->cgroup_memory;
    to->more_drifts = b->more_drifts;
    if (binding_set(&to->cpus, b->cpus) < 0 || binding_set(&to->numa, b->numa) < 0 ||
        binding_set(&to->nic, b->nic) < 0 ||
        binding_set(&to->applied, b->applied) < 0 ||
        binding_set(&to->seen_cpus, b->seen_cpus) < 0 ||
        binding_set(&to->cgroup_cpus, b->cgroup_cpus) < 0 || copy_lists(to, b) < 0) {
        binding_destroy(to);
        return NULL;
    }
    return to;
}

/* ---- what an agent has seen ---- */

static const char *state_name(Aolani__Binding__State s)
{
    return s == AOLANI__BINDING__STATE__AS_ASKED ? "as asked"
           : s == AOLANI__BINDING__STATE__DRIFT  ? "drift"
                                                 : "unverified";
}

static struct binding_drift *open_drift(struct binding *b, const char *what)
{
    for (size_t i = 0; i < b->n_drifts; i++) {
        if (!b->drifts[i].over && strcmp(b->drifts[i].what, what) == 0)
            return &b->drifts[i];
    }
    return NULL;
}

/* When there is no room, the latest that is over makes it: the first ones say when it all
 * began. */
static struct binding_drift *new_drift(struct binding *b)
{
    if (b->n_drifts < BINDING_DRIFTS)
        return &b->drifts[b->n_drifts++];
    b->more_drifts++;
    for (size_t i = BINDING_DRIFTS; i-- > 0;) {
        if (!b->drifts[i].over)
            continue;
        free(b->drifts[i].what);
        free(b->drifts[i].text);
        return &b->drifts[i];
    }
    return NULL;
}

static void begin_drift(struct binding *b, const struct binding_check *c,
                        uint64_t at_ms, struct binding_news *news)
{
    if (strcmp(c->state, "drift") != 0 || open_drift(b, c->what))
        return;
    char *what = strdup(c->what), *text = strdup(c->text);
    struct binding_drift *d = what && text ? new_drift(b) : NULL;
    if (!d) {
        free(what);
        free(text);
        return;
    }
    *d = (struct binding_drift){.what = what, .text = text, .from_ms = at_ms};
    news->list[news->n].drift = d;
    news->list[news->n].unverified = NULL;
    news->list[news->n++].begins = true;
}

static void end_drift(struct binding *b, const struct binding_check *c, uint64_t at_ms,
                      struct binding_news *news)
{
    struct binding_drift *d = open_drift(b, c->what);
    if (!d || strcmp(c->state, "drift") == 0)
        return;
    d->over = true;
    d->to_ms = at_ms > d->from_ms ? at_ms : d->from_ms;
    news->list[news->n].drift = d;
    news->list[news->n].unverified =
        strcmp(c->state, "unverified") == 0 ? c->text : NULL;
    news->list[news->n++].begins = false;
}

/* What begins may take the place of what was over before, and not of what this message
 * ends: that is still to be told. */
static void follow_checks(struct binding *b, uint64_t at_ms, struct binding_news *news)
{
    for (size_t i = 0; i < b->n_checks; i++)
        begin_drift(b, &b->checks[i], at_ms, news);
    for (size_t i = 0; i < b->n_checks; i++)
        end_drift(b, &b->checks[i], at_ms, news);
}

static int take_checks(struct binding *b, const Aolani__Binding *m)
{
    int rc = 0;
    for (size_t i = 0; i < b->n_checks; i++)
        check_fini(&b->checks[i]);
    b->n_checks = 0;
    for (size_t i = 0; i < m->n_checks && rc == 0; i++) {
        const Aolani__Binding__Check *c = m->checks[i];
        rc = binding_add_check(b, c->what, state_name(c->state), c->text);
    }
    return rc;
}

static int take_seen(struct binding *b, const Aolani__Binding *m)
{
    int rc = 0;
    b->processes = m->processes;
    b->threads = m->threads;
    b->n_pages = 0;
    for (size_t i = 0; i < m->n_pages && i < BINDING_PAGES; i++)
        b->pages[b->n_pages++] =
            (struct binding_pages){m->pages[i]->numa, m->pages[i]->pages};
    b->cgroup_quota_percent = m->cgroup_quota_percent;
    b->cgroup_memory = m->cgroup_memory;
    list_free(&b->seen_gpus, &b->n_seen_gpus);
    for (size_t i = 0; i < m->n_gpus && rc == 0; i++)
        rc = binding_add(&b->seen_gpus, &b->n_seen_gpus, m->gpus[i]);
    rc = rc ? rc : binding_set(&b->applied, m->applied_cpus);
    rc = rc ? rc : binding_set(&b->seen_cpus, m->cpus);
    return rc ? rc : binding_set(&b->cgroup_cpus, m->cgroup_cpus);
}

int binding_take(struct binding *b, const Aolani__Binding *m, uint64_t at_ms,
                 struct binding_news *ret)
{
    ret->n = 0;
    if (m->n_checks > LIMIT_BINDING_CHECKS || m->n_gpus > LIMIT_GPUS ||
        m->n_pages > LIMIT_NUMA)
        return ERR_LIMIT;
    for (size_t i = 0; i < m->n_checks; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(m->checks[i]->what, m->checks[k]->what) == 0)
                return ERR_LIMIT;
        }
        if (strlen(m->checks[i]->what) > 32)
            return ERR_LIMIT;
    }
    int rc = take_seen(b, m);
    rc = rc ? rc : take_checks(b, m);
    if (rc == 0)
        follow_checks(b, at_ms, ret);
    b->read = rc == 0;
    return rc;
}

const struct binding_check *binding_drifting(const struct binding *b)
{
    for (size_t i = 0; i < b->n_checks; i++) {
        if (strcmp(b->checks[i].state, "drift") == 0)
            return &b->checks[i];
    }
    return NULL;
}

const struct binding_check *binding_check_of(const struct binding *b, const char *what)
{
    for (size_t i = 0; i < b->n_checks; i++) {
        if (strcmp(b->checks[i].what, what) == 0)
            return &b->checks[i];
    }
    return NULL;
}
