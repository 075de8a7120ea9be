/* SPDX-License-Identifier: MIT */
/* machine_facts.c - the file "facts" of a tree: what was recorded and is no file. */
#include "agent/audit/machine_impl.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX  1024u
#define FACTS_MOST ((size_t)1 << 20) /* bytes, with comments */
#define WORDS      7                 /* of a line, at most */

enum fact_kind { FACT_ERRNO, FACT_ERRNO_WRITE, FACT_CPUID, FACT_CALL, FACT_NUMBER };

struct machine_fact {
    enum fact_kind kind;
    char name[MACHINE_PATH]; /* a path without its first '/', or a name */
    int code;                /* negative errno */
    uint32_t leaf, sub, regs[4];
    double number;
};

static const char *const call_names[MACHINE_CALLS] = {
    [MACHINE_PERF_CYCLES] = "perf-cycles",
    [MACHINE_MEMPOLICY] = "mempolicy",
    [MACHINE_FIFO] = "fifo",
    [MACHINE_HUGEPAGE] = "hugepage",
    [MACHINE_LATENCY] = "cpu-dma-latency",
};

static const struct {
    const char *name;
    int code;
} errnos[] = {
    {"0", 0},           {"EACCES", EACCES},         {"EPERM", EPERM},
    {"EROFS", EROFS},   {"ENOENT", ENOENT},         {"ENOSYS", ENOSYS},
    {"ENOMEM", ENOMEM}, {"EINVAL", EINVAL},         {"EIO", EIO},
    {"ENODEV", ENODEV}, {"EOPNOTSUPP", EOPNOTSUPP}, {"EBUSY", EBUSY},
    {"ENXIO", ENXIO},
};

static bool errno_parse(const char *word, int *ret)
{
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++) {
        if (!strcmp(errnos[i].name, word)) {
            *ret = -errnos[i].code;
            return true;
        }
    }
    return false;
}

static bool is_call(const char *word)
{
    for (int i = 0; i < MACHINE_CALLS; i++)
        if (!strcmp(call_names[i], word))
            return true;
    return false;
}

static bool number_parse(const char *word, double *ret)
{
    char *end;
    *ret = strtod(word, &end);
    return end != word && !*end && isfinite(*ret);
}

static bool name_take(struct machine_fact *f, const char *word)
{
    while (*word == '/')
        word++;
    return snprintf(f->name, sizeof f->name, "%s", word) < (int)sizeof f->name;
}

static bool hex_parse(const char *word, uint32_t *ret)
{
    char *end;
    unsigned long v = strtoul(word, &end, 16);
    *ret = (uint32_t)v;
    return isxdigit((unsigned char)word[0]) && !*end && v <= UINT32_MAX;
}

static bool uid_parse(struct machine *m, const char *word)
{
    double uid;
    bool ok = number_parse(word, &uid) && uid >= 0 && uid < 4294967295.0;
    m->uid = ok ? (uid_t)uid : 0;
    return ok;
}

static bool cpuid_parse(struct machine_fact *f, char words[][MACHINE_PATH])
{
    f->kind = FACT_CPUID;
    return hex_parse(words[1], &f->leaf) && hex_parse(words[2], &f->sub) &&
           hex_parse(words[3], &f->regs[0]) && hex_parse(words[4], &f->regs[1]) &&
           hex_parse(words[5], &f->regs[2]) && hex_parse(words[6], &f->regs[3]);
}

static bool fact_parse(struct machine *m, char words[][MACHINE_PATH], int n)
{
    struct machine_fact *f = &m->facts[m->n_facts];
    const char *what = words[0];
    if (!strcmp(what, "uid"))
        return n == 2 && uid_parse(m, words[1]);
    m->n_facts++;
    if (!strcmp(what, "cpuid"))
        return n == 7 && cpuid_parse(f, words);
    if (n != 3)
        return false;
    if (!strcmp(what, "errno") || !strcmp(what, "errno-write")) {
        f->kind = what[5] ? FACT_ERRNO_WRITE : FACT_ERRNO;
        return errno_parse(words[1], &f->code) && f->code && name_take(f, words[2]);
    }
    if (!strcmp(what, "call")) {
        f->kind = FACT_CALL;
        return is_call(words[1]) && name_take(f, words[1]) &&
               errno_parse(words[2], &f->code);
    }
    f->kind = FACT_NUMBER;
    return !strcmp(what, "number") && name_take(f, words[1]) &&
           number_parse(words[2], &f->number);
}

static bool line_parse(struct machine *m, const char *line)
{
    char words[WORDS + 1][MACHINE_PATH];
    int n = 0;
    for (const char *at = line;; n++) {
        at += strspn(at, " \t\n");
        size_t len = strcspn(at, " \t\n");
        if (!*at || *at == '#')
            break;
        if (len >= MACHINE_PATH || n == WORDS)
            return false;
        memcpy(words[n], at, len);
        words[n][len] = '\0';
        at += len;
    }
    return n == 0 || (m->n_facts < FACTS_MAX && fact_parse(m, words, n));
}

int facts_read(struct machine *m, struct err *e)
{
    int rc;
    unsigned at = 0;
    char *left, *text = machine_text(m, "/facts", FACTS_MOST, &rc);
    if (rc == -ENOENT)
        return 0;
    if (rc == -ENOMEM)
        return err_sys(e, rc, "read \"%s/facts\"", m->root);
    if (rc < 0)
        return err_set(e, ERR_USAGE, "read \"%s/facts\": %s", m->root, strerror(-rc));
    m->facts = calloc(FACTS_MAX + 1, sizeof *m->facts);
    rc = m->facts ? 0 : err_sys(e, -ENOMEM, "read \"%s/facts\"", m->root);
    left = text;
    for (char *line; rc == 0 && (line = strsep(&left, "\n"));) {
        at++;
        if (!line_parse(m, line))
            rc =
                err_set(e, ERR_USAGE, "%s/facts:%u: no fact: %.60s", m->root, at, line);
    }
    free(text);
    return rc;
}

void facts_fini(struct machine *m)
{
    free(m->facts);
    m->facts = NULL;
    m->n_facts = 0;
}

int facts_errno(const struct machine *m, const char *path, bool write)
{
    while (*path == '/')
        path++;
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct machine_fact *f = &m->facts[i];
        size_t len = strlen(f->name);
        bool counts = f->kind == FACT_ERRNO || (write && f->kind == FACT_ERRNO_WRITE);
        if (counts && !strncmp(path, f->name, len) && (!path[len] || path[len] == '/'))
            return f->code;
    }
    return 0;
}

bool facts_cpuid(const struct machine *m, uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct machine_fact *f = &m->facts[i];
        if (f->kind == FACT_CPUID && f->leaf == leaf && f->sub == sub) {
            memcpy(ret, f->regs, sizeof f->regs);
            return true;
        }
    }
    return false;
}

int facts_call(const struct machine *m, enum machine_call what)
{
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct machine_fact *f = &m->facts[i];
        if (f->kind == FACT_CALL && !strcmp(f->name, call_names[what]))
            return f->code;
    }
    return -ENOSYS;
}

bool machine_number(const struct machine *m, const char *name, double *ret)
{
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct machine_fact *f = &m->facts[i];
        if (f->kind == FACT_NUMBER && !strcmp(f->name, name)) {
            *ret = f->number;
            return true;
        }
    }
    return false;
}
