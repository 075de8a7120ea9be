/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "launcher/slurm/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/clock.h"
#include "proto/base/hostlist.h"

#define VALUE_MAX 4096u
#define TIME_MAX  (10ull * 365 * 86400) /* as of every duration of a job file */
#define GPUS_MAX  1024u

const char *slurm_value_problem(const char *text)
{
    if (*text == '-')
        return "a value cannot begin with \"-\"";
    if (strlen(text) > VALUE_MAX)
        return "it is too long";
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return "a value is one line of printable text";
    return NULL;
}

/* ---- times ---- */

/* Numbers between the signs of `form`: "-::" reads days-hours:minutes:seconds. How many
 * there were, as far as the text goes; 0: it is something else. */
static size_t read_numbers(const char *text, const char *form, uint64_t out[4])
{
    size_t n = 0;
    for (;;) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return 0;
        errno = 0;
        out[n++] = strtoull(text, &end, 10);
        if (errno || out[n - 1] > TIME_MAX)
            return 0;
        if (!*end)
            return n;
        if (!form[n - 1] || *end != form[n - 1])
            return 0;
        text = end + 1;
    }
}

static bool read_slurm_time(const char *text, uint64_t *ret_s)
{
    uint64_t v[4] = {0};
    if (strchr(text, '-')) { /* days-hours[:minutes[:seconds]] */
        if (read_numbers(text, "-::", v) < 2)
            return false;
        *ret_s = v[0] * 86400 + v[1] * 3600 + v[2] * 60 + v[3];
        return true;
    }
    switch (read_numbers(text, "::", v)) {
    case 1:
        *ret_s = v[0] * 60;
        return true;
    case 2:
        *ret_s = v[0] * 60 + v[1];
        return true;
    case 3:
        *ret_s = v[0] * 3600 + v[1] * 60 + v[2];
        return true;
    default:
        return false;
    }
}

/* "90m", not "90": a bare number is a thing of Slurm's. */
static bool read_duration(const char *text, uint64_t *ret_s)
{
    uint64_t ms;
    if (!*text || isdigit((unsigned char)text[strlen(text) - 1]) ||
        clock_parse_duration(text, &ms, NULL) < 0)
        return false;
    *ret_s = (ms + 999) / 1000;
    return true;
}

int slurm_time_parse(const char *text, uint64_t *ret_s, struct err *e)
{
    uint64_t s = 0;
    if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0) {
        *ret_s = SLURM_TIME_UNLIMITED;
        return 0;
    }
    if ((!read_duration(text, &s) && !read_slurm_time(text, &s)) || s == 0 ||
        s > TIME_MAX) {
        err_set(e, ERR_PARSE, "\"%.80s\" is no time for Slurm", text);
        return err_hint(e, "write \"90m\", \"12h\", or as Slurm has it: minutes, "
                           "hours:minutes:seconds, days-hours, UNLIMITED");
    }
    *ret_s = s;
    return 0;
}

/* ---- GPUs ---- */

/* Of "gpu", "gpu:4", "gpu:a100:4", "gres/gpu:4". */
static uint32_t gpus_of(const char *item, size_t len)
{
    char text[128];
    snprintf(text, sizeof text, "%.*s", len < sizeof text ? (int)len : 0, item);
    text[strcspn(text, "(")] = '\0'; /* of sockets */
    const char *at = text;
    if (strncmp(at, "gres/", 5) == 0 || strncmp(at, "gres:", 5) == 0)
        at += 5;
    if (strncmp(at, "gpu", 3) != 0 || (at[3] && at[3] != ':'))
        return 0;
    const char *last = strrchr(at, ':');
    if (!last || !isdigit((unsigned char)last[1]))
        return 1;
    char *end;
    unsigned long n = strtoul(last + 1, &end, 10);
    return *end || n > GPUS_MAX ? 0 : (uint32_t)n;
}

uint32_t slurm_gres_gpus(const char *gres)
{
    uint32_t n = 0;
    while (gres && *gres) {
        size_t len = strcspn(gres, ",");
        n += gpus_of(gres, len);
        gres += len + (gres[len] == ',');
    }
    return n;
}

/* ---- words ---- */

struct words {
    const struct spec *s;
    struct strlist *to;
    struct err *e;
    int rc; /* the first failure; nothing is added after it */
};

static void add(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct words *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (w->rc)
        return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0 || strlist_add(w->to, text) < 0)
        w->rc = err_sys(w->e, -ENOMEM, "say what is asked of Slurm");
    if (n >= 0)
        free(text);
}

static void add_value(struct words *w, const char *option, const char *key,
                      const char *value)
{
    const char *why = value ? slurm_value_problem(value) : NULL;
    if (why && !w->rc)
        w->rc = err_set(w->e, ERR_USAGE, "%s \"%.80s\": %s", key, value, why);
    if (value)
        add(w, "--%s=%s", option, value);
}

static void add_time(struct words *w)
{
    uint64_t s;
    if (w->rc || !w->s->slurm.time)
        return;
    if ((w->rc = slurm_time_parse(w->s->slurm.time, &s, w->e)) < 0)
        err_wrap(w->e, "[slurm] time");
    else if (s == SLURM_TIME_UNLIMITED)
        add(w, "--time=UNLIMITED");
    else
        add(w, "--time=%" PRIu64 "-%02u:%02u:%02u", s / 86400,
            (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

static void add_begin(struct words *w)
{
    uint64_t s;
    const char *begin = w->s->schedule.begin;
    if (begin && read_duration(begin, &s))
        add(w, "--begin=now+%" PRIu64, s);
    else
        add_value(w, "begin", "[schedule] begin", begin);
}

/* Hosts that the user names, as one word. */
static void add_hosts(struct words *w)
{
    const struct strlist *hosts = &w->s->nodes.hosts;
    struct hostlist names = {0};
    struct buf text;
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < hosts->n && !w->rc; i++)
        w->rc = hostlist_parse(&names, hosts->items[i], w->e);
    if (!w->rc && hosts->n > 0) {
        int rc = hostlist_format_slurm(&names, &text);
        if (rc == 0)
            rc = buf_add(&text, "", 1);
        if (rc < 0)
            w->rc = err_sys(w->e, rc, "name the hosts");
        else
            add(w, "--nodelist=%s", (const char *)text.data);
    }
    buf_fini(&text);
    hostlist_fini(&names);
}

static size_t spares_of(const struct spec *s)
{
    return s->nodes.spares > 0 ? (size_t)s->nodes.spares : 0;
}

size_t slurm_options_nodes(const struct spec *s)
{
    struct hostlist names = {0};
    if (s->nodes.count > 0)
        return (size_t)s->nodes.count;
    for (size_t i = 0; i < s->nodes.hosts.n; i++)
        (void)hostlist_parse(&names, s->nodes.hosts.items[i], NULL);
    size_t n = names.n, spares = spares_of(s);
    hostlist_fini(&names);
    return n > spares ? n - spares : 1;
}

static bool extra_begins(const struct spec *s, const char *const *starts)
{
    for (size_t i = 0; i < s->slurm.extra.n; i++)
        for (const char *const *c = starts; *c; c++)
            if (strncmp(s->slurm.extra.items[i], *c, strlen(*c)) == 0)
                return true;
    return false;
}

/* How much of a node. What the user says of it in words of Slurm's stands alone. */
static void add_share(struct words *w)
{
    static const char *const tasks[] = {"-n", "--ntasks", "--exclusive", NULL};
    static const char *const gpus[] = {"-G", "--gpu", "--gres", "--tres", NULL};
    const struct spec *s = w->s;
    uint32_t n_gpus = slurm_gres_gpus(s->slurm.gres);
    if (extra_begins(s, tasks))
        return;
    if (s->job.ranks_per_node > 0)
        add(w, "--ntasks-per-node=%" PRId64, s->job.ranks_per_node);
    else if (n_gpus > 0)
        add(w, "--ntasks-per-node=%u", n_gpus);
    else if (!extra_begins(s, gpus))
        add(w, "--exclusive");
}

int slurm_options(const struct spec *s, struct strlist *ret, struct err *e)
{
    struct words w = {s, ret, e, 0};
    add_hosts(&w);
    add(&w, "--nodes=%zu", slurm_options_nodes(s) + spares_of(s));
    add_share(&w);
    add_value(&w, "job-name", "[job] name", s->job.name);
    add_value(&w, "partition", "[slurm] partition", s->slurm.partition);
    add_value(&w, "account", "[slurm] account", s->slurm.account);
    add_value(&w, "qos", "[slurm] qos", s->slurm.qos);
    add_time(&w);
    add_value(&w, "gres", "[slurm] gres", s->slurm.gres);
    add_value(&w, "constraint", "[slurm] constraint", s->slurm.constraint);
    add_begin(&w);
    add(&w, "--no-kill");
    for (size_t i = 0; i < s->slurm.extra.n; i++)
        add(&w, "%s", s->slurm.extra.items[i]);
    return w.rc;
}
