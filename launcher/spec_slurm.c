/* SPDX-License-Identifier: MIT */
/* spec_slurm.c - values that go to Slurm's commands: said to be wrong where they were
 * written, before a job waits in a queue for it. */
#include "launcher/spec_table.h"

#include <errno.h>
#include <string.h>

#include "launcher/slurm/options.h"
#include "proto/base/clock.h"

static void check_time(struct spec_loader *l)
{
    struct err e;
    uint64_t s;
    if (l->s->slurm.time && slurm_time_parse(l->s->slurm.time, &s, &e) < 0)
        spec_complain_key(l, spec_key("slurm.time"), "%s; %s", e.text, e.hint);
}

/* With these there is no job to lead, or none that we would know of. */
static const char *why_not_extra(const char *word)
{
    static const struct {
        const char *option, *letter, *why;
    } rows[] = {
        {"--no-shell", NULL, "nothing would give the nodes back at the end"},
        {"--quiet", "-Q", "the number of the job would not be known"},
        {"--clusters", "-M", "set SLURM_CLUSTERS, which all of Slurm's commands heed"},
        {"--cluster", NULL, "set SLURM_CLUSTERS, which all of Slurm's commands heed"},
        {"--wait", "-W", "the launcher would wait for the job's end"},
        {"--array", "-a", "a run has one job at a time; see [schedule] chain"},
        {"--wrap", NULL, "the job would run that in place of its own script"},
        {"--test-only", NULL, "there would be no job; `aolani-run check` asks so"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].option);
        if ((strncmp(word, rows[i].option, n) == 0 && (!word[n] || word[n] == '=')) ||
            (rows[i].letter && strncmp(word, rows[i].letter, 2) == 0))
            return rows[i].why;
    }
    return NULL;
}

static void check_extra(struct spec_loader *l)
{
    const struct spec_key *k = spec_key("slurm.extra");
    const struct strlist *words = &l->s->slurm.extra;
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->items[i];
        const char *why =
            slurm_value_problem(*word == '-' ? word + strspn(word, "-") : word);
        if (!*word)
            why = "it is empty";
        if (!why)
            why = why_not_extra(word);
        if (why)
            spec_complain_key(l, k, "\"%.80s\": %s", word, why);
    }
}

static int note_time(struct spec *s)
{
    char has[24], needs[24], text[200];
    uint64_t t;
    if (s->nodes.backend != BACKEND_SLURM || !s->slurm.time || !s->job.time_limit_ms ||
        slurm_time_parse(s->slurm.time, &t, NULL) < 0 || t == SLURM_TIME_UNLIMITED ||
        s->job.time_limit_ms <= t * 1000)
        return 0;
    (void)snprintf(
        text, sizeof text,
        "%s: [slurm] time is %s, but [job] time_limit %s: Slurm ends the job "
        "first",
        spec_set_by(s, "slurm.time"), clock_format_duration(t * 1000, has, sizeof has),
        clock_format_duration(s->job.time_limit_ms, needs, sizeof needs));
    return strlist_add(&s->notes, text);
}

int spec_check_slurm(struct spec_loader *l)
{
    static const char *const keys[] = {"slurm.partition",  "slurm.account",
                                       "slurm.qos",        "slurm.gres",
                                       "slurm.constraint", "schedule.begin"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct spec_key *k = spec_key(keys[i]);
        const char *value = *(char *const *)spec_field(l->s, k);
        const char *why = value ? slurm_value_problem(value) : NULL;
        if (why)
            spec_complain_key(l, k, "\"%.80s\": %s", value, why);
    }
    check_time(l);
    check_extra(l);
    return note_time(l->s);
}
