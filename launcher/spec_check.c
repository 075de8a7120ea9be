/* SPDX-License-Identifier: MIT */
/* spec_check.c - what keys say together: what was left open is chosen, contradictions are
 * complained of where they were written, and keys that this version only stores are
 * noted. Where two layers contradict each other, the higher wins without a word. */
#include "launcher/spec_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/forward.h"
#include "launcher/limit.h"
#include "launcher/variance/cost.h"
#include "proto/base/limits.h"
#include "proto/wire/auditlist.h"
#include "proto/wire/container.h"
#include "proto/wire/steppattern.h"

#define CURRENCY_MAX (sizeof((struct cost *)0)->currency - 1)
#define NIC_NAME_MAX 63u /* of an RDMA device, as the kernel has it */

/* "llama-7b.toml" -> "llama-7b", fit for a folder's name. */
static int default_name(struct spec *s)
{
    if (s->job.name)
        return 0;
    const char *slash = strrchr(s->path, '/');
    char *name = strdup(slash ? slash + 1 : s->path);
    if (!name)
        return -ENOMEM;
    size_t len = strlen(name);
    if (len > 5 && !strcmp(name + len - 5, ".toml"))
        name[len - 5] = '\0';
    if (strlen(name) > 64)
        name[64] = '\0';
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            *p = '-';
    if (!*name || strchr(".-", *name)) {
        free(name);
        name = strdup("job");
    }
    s->job.name = name;
    return name ? 0 : -ENOMEM;
}

static int resolve_command(struct spec_loader *l, char *const *extra_args)
{
    struct strlist *c = &l->s->job.command;
    for (size_t i = 0; extra_args && extra_args[i]; i++)
        if (strlist_add(c, extra_args[i]))
            return -ENOMEM;
    const struct spec_key *k = spec_key("job.command");
    bool tried =
        l->at[spec_key_index(k)].tried && c->n == 0 && spec_loader_errors(l) > 0;
    if (c->n == 0 && !tried && !l->has_hidden_keys)
        spec_complain_key(l, k,
                          "no program to run; set [job] command = [\"./program\", "
                          "\"argument\"]");
    else if (c->n > 0 && !*c->items[0])
        spec_complain_key(l, k, "the program's name is empty");
    else if (c->n > LIMIT_ARGV)
        spec_complain_key(l, k, "more than %u arguments", LIMIT_ARGV);
    struct strlist *ssh = &l->s->ssh.command;
    if (ssh->n == 0 || !*ssh->items[0])
        spec_complain_key(l, spec_key("ssh.command"),
                          "the command to reach a host is empty");
    return 0;
}

static void check_forward(struct spec_loader *l)
{
    const struct strlist *words = &l->s->job.forward_env;
    for (size_t i = 0; i < words->n; i++) {
        if (!forward_is_policy(words->items[i]))
            spec_complain_key(l, spec_key("job.forward_env"),
                              "\"%.80s\" is no name of a variable, and no prefix that "
                              "ends in \"*\"",
                              words->items[i]);
    }
}

static int note(struct spec *s, const struct spec_key *k, const char *what)
{
    char *text = NULL;
    if (asprintf(&text, "%s: [%s] %s %s", s->set_by[spec_key_index(k)], k->section,
                 k->name, what) < 0)
        return -ENOMEM;
    int rc = strlist_add(&s->notes, text);
    free(text);
    return rc;
}

/* What the user sets wins; that it takes the place of something is said. */
static int note_ours(struct spec *s)
{
    static const char *const ours[] = {
        "RANK",      "LOCAL_RANK", "WORLD_SIZE",  "LOCAL_WORLD_SIZE",
        "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"};
    int rc = 0;
    for (size_t i = 0; i < s->job.env.n && !rc; i++) {
        const char *entry = s->job.env.items[i];
        size_t len = strcspn(entry, "=");
        char text[120] = "";
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (strlen(ours[k]) == len && !strncmp(ours[k], entry, len))
                snprintf(text, sizeof text,
                         "sets %s: every rank gets this value and not its own",
                         ours[k]);
        if (!strncmp(entry, "AOLANI_", 7))
            snprintf(text, sizeof text, "sets %.*s: ranks get ours all the same",
                     len < 60 ? (int)len : 60, entry);
        if (*text)
            rc = note(s, spec_key("job.env"), text);
    }
    return rc;
}

/* The user is told; nothing that was asked for is left out in silence. */
static int note_later(struct spec_loader *l)
{
    struct spec *s = l->s;
    int rc = 0;
    for (size_t i = 0; i < spec_n_keys && !rc; i++)
        if ((spec_keys[i].flags & SPEC_LATER) && s->origin[i] != FROM_DEFAULT)
            rc = note(s, &spec_keys[i], "is not in effect in this version");
    const char *from = s->steps.source;
    bool unread = !strcmp(from, "client") || !strcmp(from, "nccl");
    if (!rc && s->steps.log_pattern && unread)
        rc = note(s, spec_key("steps.log_pattern"),
                  "is not looked for: steps.source asks for another source");
    return rc;
}

static void check_rotation(struct spec_loader *l)
{
    const struct spec *s = l->s;
    if (s->job.output_keep > 0 && s->job.output_rotate == 0)
        spec_complain_key(l, spec_key("job.output_keep"),
                          "output_keep counts the files of rotated output: set "
                          "output_rotate too");
}

/* A name of an adapter, or a beginning that ends in "*". It goes into lists that NCCL and
 * UCX split at commas and colons. */
static bool is_nic_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > NIC_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool last_star = name[i] == '*' && i + 1 == n;
        if (!isalnum((unsigned char)name[i]) && !strchr("_-.+@", name[i]) && !last_star)
            return false;
    }
    return true;
}

static void check_nics(struct spec_loader *l, const char *dotted,
                       const struct strlist *names)
{
    const struct spec_key *k = spec_key(dotted);
    if (names->n > LIMIT_NICS)
        spec_complain_key(l, k, "more than %u names", LIMIT_NICS);
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->items[i];
        if (!is_nic_name(name))
            spec_complain_key(l, k,
                              "\"%.80s\" is no name of an adapter, and no beginning of "
                              "one that ends in \"*\"",
                              name);
        else if (k->words && names->n > 1 && spec_word_index(k->words, name) >= 0)
            spec_complain_key(l, k, "\"%s\" stands alone, without names beside it",
                              name);
    }
}

static void check_binding(struct spec_loader *l)
{
    const struct spec *s = l->s;
    check_nics(l, "bind.nic", &s->bind.nic);
    check_nics(l, "bind.exclude_nics", &s->bind.exclude_nics);
    if (s->job.ranks_per_node == 0 && !strcmp(s->bind.gpu, "none"))
        spec_complain_key(l, spec_key("bind.gpu"),
                          "a rank for each GPU (ranks_per_node = \"gpu\") needs GPUs");
}

/* It stands beside amounts on the page, be it "EUR" or a sign; its text is known to be
 * UTF-8. */
static void check_currency(struct spec_loader *l)
{
    const char *text = l->s->cost.currency;
    size_t n = text ? strlen(text) : 0;
    bool good = n > 0 && n <= CURRENCY_MAX;
    for (size_t i = 0; good && i < n; i++)
        good = (unsigned char)text[i] > ' ' && text[i] != 0x7f &&
               !((unsigned char)text[i] == 0xc2 && (unsigned char)text[i + 1] < 0xa0);
    if (!good)
        spec_complain_key(
            l, spec_key("cost.currency"),
            "a currency is 1 to %zu bytes of letters, signs or digits: \"USD\"",
            CURRENCY_MAX);
}

static void check_container(struct spec_loader *l)
{
    const struct strlist *words = &l->s->job.container;
    struct err e = {0};
    if (words->n > 0 && container_check(words->items, words->n, &e) < 0)
        spec_complain_key(l, spec_key("job.container"), "%s (%s)", e.text, e.hint);
}

static void check_steps(struct spec_loader *l)
{
    const struct spec *s = l->s;
    struct steppattern p = {0};
    struct err e;
    if (s->steps.log_pattern && steppattern_compile(&p, s->steps.log_pattern, &e) < 0)
        spec_complain_key(l, spec_key("steps.log_pattern"), "%s", e.text);
    if (!s->steps.log_pattern && !strcmp(s->steps.source, "log"))
        spec_complain_key(l, spec_key("steps.source"),
                          "steps from the output need log_pattern, how a line looks "
                          "that ends a step: log_pattern = \"step ([0-9]+)\"");
    steppattern_fini(&p);
}

static void check_audit(struct spec_loader *l)
{
    const struct strlist *ids = &l->s->audit.skip;
    for (size_t i = 0; i < ids->n; i++) {
        if (audit_probe_find(ids->items[i]) < 0)
            spec_complain_key(
                l, spec_key("audit.skip"),
                "there is no probe \"%.40s\"; aolani-run audit --local -v "
                "names them all",
                ids->items[i]);
    }
}

static void check_save(struct spec_loader *l)
{
    const struct spec_key *k = spec_key("schedule.signal");
    struct limit_signal signal;
    struct err e;
    if (l->s->schedule.signal &&
        limit_parse_signal(l->s->schedule.signal, &signal, &e) < 0)
        spec_complain_key(l, k, "%s; %s", e.text, e.hint);
}

static bool sets(const struct strlist *env, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < env->n; i++) {
        if (!strncmp(env->items[i], name, n) && env->items[i][n] == '=')
            return true;
    }
    return getenv(name) != NULL;
}

/* Which network NCCL has taken is known only if it says so. */
static int ask_nccl(struct spec *s)
{
    if (!strcmp(s->audit.require_net, "none") || sets(&s->job.env, "NCCL_DEBUG"))
        return 0;
    int rc = strlist_add(&s->job.env, "NCCL_DEBUG=INFO");
    if (!rc && !sets(&s->job.env, "NCCL_DEBUG_SUBSYS"))
        rc = strlist_add(&s->job.env, "NCCL_DEBUG_SUBSYS=INIT,NET");
    return rc;
}

int spec_resolve(struct spec_loader *l, char *const *extra_args)
{
    struct spec *s = l->s;
    int rc = default_name(s);
    if (!rc)
        rc = resolve_command(l, extra_args);
    if (!rc)
        rc = spec_resolve_nodes(l);
    if (rc)
        return rc;
    check_rotation(l);
    check_forward(l);
    check_binding(l);
    check_currency(l);
    check_container(l);
    check_steps(l);
    check_audit(l);
    check_save(l);
    if ((rc = spec_check_slurm(l)) || (rc = ask_nccl(s)))
        return rc;
    rc = note_ours(s);
    return rc ? rc : note_later(l);
}
