/* SPDX-License-Identifier: MIT */
/* cmd_compare.c - `aolani-run compare A... -- B...`: how much slower the runs B are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/options.h"
#include "launcher/runfile.h"
#include "launcher/tax/comparison.h"
#include "launcher/verbs.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/toml.h"

#define COMMAND_BYTES 4096u

/* What the run executed, of the spec.toml beside its run.json; "" where that is gone: the
 * comparison then cannot say that programs differ, which is no reason not to make it. */
static int read_command(const char *json_path, char **ret)
{
    const char *slash = strrchr(json_path, '/');
    struct toml_doc *doc = NULL;
    struct buf words, text;
    char *path = NULL;
    buf_init(&words, COMMAND_BYTES);
    buf_init(&text, LIMIT_TOML_BYTES);
    if (asprintf(&path, "%.*sspec.toml", slash ? (int)(slash - json_path) + 1 : 0,
                 json_path) < 0)
        return -ENOMEM;
    const struct toml_node *job = NULL, *command = NULL, *w;
    struct err e;
    if (runfile_read(path, &text, &e) == 0 &&
        toml_parse(path, (const char *)text.data, text.len, &doc, &e) == 0)
        job = toml_get(toml_root(doc), "job");
    if (job && job->type == TOML_TABLE)
        command = toml_get(job, "command");
    if (command && command->type == TOML_ARRAY)
        for (w = command->u.first; w; w = w->next)
            if (w->type == TOML_STRING &&
                buf_printf(&words, "%s%s", words.len ? " " : "", w->u.string.data) < 0)
                break;
    *ret = view_text(words.len ? (const char *)words.data : "");
    toml_destroy(doc);
    buf_fini(&words);
    buf_fini(&text);
    free(path);
    return *ret ? 0 : -ENOMEM;
}

static int read_run(const char *name, struct compare_run *ret, struct err *e)
{
    struct buf json;
    char *path = NULL;
    buf_init(&json, RUNFILE_BYTES);
    int rc = runfile_find(name, &path, e);
    if (!rc)
        rc = runfile_read(path, &json, e);
    if (!rc && (rc = view_from_json(&ret->view, (const char *)json.data, json.len, e)))
        rc = err_wrap(e, "read \"%s\"", path);
    if (!rc && (!(ret->path = view_text(name)) || read_command(path, &ret->command)))
        rc = err_sys(e, -ENOMEM, "read \"%s\"", path);
    free(path);
    buf_fini(&json);
    return rc;
}

static int print(const struct comparison *c, bool json, struct err *e)
{
    struct buf out;
    buf_init(&out, RUNFILE_BYTES);
    int rc = json ? comparison_json(c, &out) : comparison_page(c, &out);
    if (rc)
        err_sys(e, rc == ERR_LIMIT ? -E2BIG : rc, "write the comparison");
    else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout))
        rc = err_sys(e, -errno, "print the comparison");
    buf_fini(&out);
    return rc;
}

static int compare(const struct options *o, struct err *e)
{
    const struct options_compare *c = &o->compare;
    size_t n = c->runs.n, first = c->n_first;
    bool named = c->labels.n == 2;
    struct comparison result;
    struct compare_ask ask = {
        .days = c->days,
        .price = {c->price[0], c->price[1]},
        .price_ratio = c->price_ratio,
        .gpu_share = c->gpu_share,
        .paired = c->paired,
        .label = {named ? c->labels.items[0] : "A", named ? c->labels.items[1] : "B"},
    };
    if (n > 2 * TAX_RUNS)
        return err_set(e, ERR_USAGE, "compare %zu runs: %u on each side are the most",
                       n, TAX_RUNS);
    struct compare_run *runs = calloc(n, sizeof *runs);
    int rc = runs ? 0 : err_sys(e, -ENOMEM, "compare runs");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = read_run(c->runs.items[i], &runs[i], e);
    rc = rc ? rc
            : comparison_make(runs, first, runs + first, n - first, &ask, &result, e);
    rc = rc ? rc : print(&result, o->json, e);
    for (size_t i = 0; runs && i < n; i++)
        compare_run_fini(&runs[i]);
    free(runs);
    return rc;
}

/* A run that cannot be read or has nothing to compare is a wrong operand, like a wrong
 * option: 2. */
static int status_of(int rc)
{
    int status = err_exit_status(rc);
    return rc == ERR_PARSE || rc == ERR_LIMIT ? 2 : status;
}

int cmd_compare(int argc, char **argv)
{
    struct options o;
    struct err e;
    int rc = options_parse(verbs_find("compare"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = compare(&o, &e);
    if (rc < 0)
        log_err(&e);
    options_fini(&o);
    return done || !rc ? 0 : status_of(rc);
}
