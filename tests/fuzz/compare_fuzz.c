/* SPDX-License-Identifier: MIT */
/* A run.json of anybody, compared with itself and with a slower one: figures are numbers,
 * parts sum up, and the JSON is JSON. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/tax/comparison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct comparison *c)
{
    const struct tax *t = &c->tax;
    double sum = t->small.tau + t->base.tau;
    for (int m = 0; m < MECH_N; m++)
        sum += t->part[m].tau;
    if (!isfinite(t->tau) ||
        (t->split && !(fabs(sum - t->tau) <= 1e-6 * (1 + fabs(t->base.tau)))))
        abort();
    if (!isnan(t->range.low) && !(t->range.low <= t->tau && t->tau <= t->range.high))
        abort();
}

static void print(const struct comparison *c)
{
    struct buf page, json;
    json_error_t je;
    buf_init(&page, 1 << 22);
    buf_init(&json, 1 << 22);
    if (comparison_page(c, &page) == 0 && page.len == 0)
        abort();
    if (comparison_json(c, &json) == 0) {
        json_t *o = json_loadb((const char *)json.data, json.len, 0, &je);
        if (!o)
            abort();
        json_decref(o);
    }
    buf_fini(&page);
    buf_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct compare_ask ask = {.days = 30,
                              .price = {2, NAN},
                              .price_ratio = NAN,
                              .gpu_share = NAN,
                              .label = {"A", "B"}};
    struct compare_run runs[4] = {{0}};
    struct comparison c;
    struct err e;
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++) {
        rc = view_from_json(&runs[i].view, (const char *)data, size, &e);
        runs[i].path = strdup("run");
        runs[i].command = strdup("");
        if (rc == 0 && i > 1 && runs[i].view.job.t_sum < UINT64_MAX / 2)
            runs[i].view.job.t_sum += runs[i].view.job.t_sum / (uint64_t)i;
    }
    for (size_t n = 1; n <= 2 && rc == 0; n++) {
        if (comparison_make(runs, n, runs + 2, n, &ask, &c, &e) == 0) {
            check(&c);
            print(&c);
        }
    }
    for (int i = 0; i < 4; i++)
        compare_run_fini(&runs[i]);
    return 0;
}
