/* SPDX-License-Identifier: MIT */
/* forecast.c - see forecast.h. */
#include "launcher/slurm/forecast.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/slurm/ask.h"
#include "launcher/slurm/options.h"
#include "launcher/slurm/sallocwords.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

#define SEC       1000000000ull
#define NOW_S     60u /* a start so near is now: the estimate is no better */
#define PLACE_MAX 200u

/* sbatch speaks on its standard error, also of success. */
static const char script[] = "\"$@\" 2>&1; echo \"status $?\"";

/* A word behind a mark, without what a terminal would obey. */
static bool word_after(const char *line, const char *mark, char out[PLACE_MAX])
{
    const char *at = strstr(line, mark);
    if (!at)
        return false;
    at += strlen(mark);
    (void)snprintf(out, PLACE_MAX, "%.*s", (int)strcspn(at, " \n"), at);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
    return *out != '\0';
}

static void when_words(const char *at, uint64_t now_real_ns, char *out, size_t len)
{
    char day[32], in[24], *end;
    errno = 0;
    unsigned long long s = strtoull(at, &end, 10);
    time_t t = (time_t)s;
    struct tm tm;
    if (errno || *end ||
        !localtime_r(&t, &tm)) { /* a Slurm that does not give seconds */
        (void)snprintf(out, len, "at %s", at);
        return;
    }
    if (s * SEC < now_real_ns + NOW_S * SEC) {
        (void)snprintf(out, len, "now");
        return;
    }
    (void)strftime(day, sizeof day, "%Y-%m-%d %H:%M", &tm);
    (void)snprintf(
        out, len, "at %s, in %s", day,
        clock_format_duration(s * 1000 - now_real_ns / 1000000, in, sizeof in));
}

/* All lines without the names of programs, as sallocwords_error wants them. */
static int refuse(char *said, struct err *e)
{
    struct buf errors;
    char *rest = NULL;
    buf_init(&errors, 1u << 16);
    for (char *line = strtok_r(said, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *text;
        uint32_t id;
        if (sallocwords_line(line, &id, &text) == SALLOC_ERROR)
            (void)buf_printf(&errors, "%s\n", text);
    }
    int rc = buf_add(&errors, "", 1);
    rc = rc < 0 ? err_sys(e, rc, "ask Slurm for nodes")
                : sallocwords_error((const char *)errors.data, e);
    buf_fini(&errors);
    return rc;
}

int forecast_words(const char *said, uint64_t now_real_ns, struct buf *out,
                   struct err *e)
{
    char at[PLACE_MAX], nodes[PLACE_MAX], partition[PLACE_MAX], when[PLACE_MAX + 60];
    char *text = strdup(said), *status = text ? strstr(text, "status ") : NULL;
    int rc = text ? 0 : err_sys(e, -ENOMEM, "ask Slurm for nodes");
    while (status && strstr(status + 1, "status "))
        status = strstr(status + 1, "status ");
    if (rc == 0 && (!status || strcmp(status, "status 0\n") != 0)) {
        if (status)
            *status = '\0';
        rc = refuse(text, e);
    } else if (rc == 0 && word_after(text, " to start at ", at)) {
        when_words(at, now_real_ns, when, sizeof when);
        rc = buf_printf(out, "Slurm would start it %s", when);
        if (rc == 0 && word_after(text, " on nodes ", nodes))
            rc = buf_printf(out, ", on %s", nodes);
        if (rc == 0 && word_after(text, " in partition ", partition))
            rc = buf_printf(out, " of partition \"%s\"", partition);
        rc = rc < 0 ? err_sys(e, rc, "tell when the job would start") : 0;
    } else if (rc == 0) {
        rc = buf_printf(out, "Slurm would take it");
    }
    free(text);
    return rc;
}

static int command(const struct spec *s, struct strlist *ret, struct err *e)
{
    static const char *const words[] = {"sh", "-c",     script,
                                        "sh", "sbatch", "--test-only"};
    int rc = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words && rc == 0; i++)
        rc = strlist_add(ret, words[i]);
    if (rc == 0 && (rc = slurm_options(s, ret, e)) < 0)
        return rc;
    if (rc == 0)
        rc = strlist_add(ret, "--wrap=true");
    return rc < 0 ? err_sys(e, rc, "ask Slurm for nodes") : 0;
}

int slurm_forecast(const struct spec *s, struct buf *out, struct err *e)
{
    struct strlist argv = {0};
    struct buf said;
    buf_init(&said, 1u << 16);
    int rc = command(s, &argv, e);
    if (rc == 0)
        rc = slurm_run_now(argv.items, NULL, &said, e);
    if (rc == 0 && (rc = buf_add(&said, "", 1)) < 0)
        err_sys(e, rc, "ask Slurm for nodes");
    if (rc == 0)
        rc = forecast_words((const char *)said.data, clock_real_ns(), out, e);
    strlist_fini(&argv);
    buf_fini(&said);
    return rc;
}
