/* SPDX-License-Identifier: MIT */
/* spec_load.c - the layers, lowest first: defaults, site file, job file, environment,
 * flags. Every error of every layer is collected before the first is shown. */
#include "launcher/spec_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/suggest.h"
#include "proto/base/limits.h"

static const struct toml_pos nowhere = {1, 1};

void spec_complain_key(struct spec_loader *l, const struct spec_key *k, const char *fmt,
                       ...)
{
    char text[400];
    size_t i = spec_key_index(k);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->at[i].doc) {
        toml_complain(l->at[i].doc, l->at[i].pos, "%s", text);
    } else if (l->s->origin[i] == FROM_DEFAULT) {
        const struct toml_node *t = toml_get(toml_root(l->file.doc), k->section);
        toml_complain(l->file.doc, t ? t->pos : nowhere, "%s", text);
    } else {
        l->other.name = l->s->set_by[i];
        spec_complain(&l->other, nowhere, "%s", text);
    }
}

unsigned spec_loader_errors(const struct spec_loader *l)
{
    size_t n = l->other.n_errors;
    if (l->site.doc)
        n += toml_n_errors(l->site.doc);
    if (l->file.doc)
        n += toml_n_errors(l->file.doc);
    return (unsigned)n;
}

int spec_remember(struct spec_loader *l, const struct spec_key *k, struct toml_doc *doc,
                  struct toml_pos pos, const char *name)
{
    size_t i = spec_key_index(k);
    char *by = NULL;
    int n = doc ? asprintf(&by, "%s:%u", name, pos.line) : asprintf(&by, "%s", name);
    if (n < 0)
        return -ENOMEM;
    free(l->s->set_by[i]);
    l->s->set_by[i] = by;
    l->at[i].doc = doc;
    l->at[i].pos = pos;
    return 0;
}

/* ---- defaults, environment, flags ---- */

static int load_defaults(struct spec_loader *l)
{
    l->other.origin = FROM_DEFAULT;
    l->other.name = "default";
    for (size_t i = 0; i < spec_n_keys; i++) {
        if (!spec_keys[i].init)
            continue;
        int rc = spec_set_text(l->s, &spec_keys[i], spec_keys[i].init, &l->other);
        if (rc)
            return rc < 0 ? rc : -EINVAL; /* a row of our own table is wrong */
    }
    return 0;
}

static int load_text(struct spec_loader *l, const struct spec_key *k, const char *text,
                     const char *name)
{
    l->other.name = name;
    int rc = spec_set_text(l->s, k, text, &l->other);
    l->at[spec_key_index(k)].tried = true;
    if (rc == 0)
        rc = spec_remember(l, k, NULL, nowhere, name);
    return rc < 0 ? rc : 0;
}

/* AOLANI_SECTION_KEY; an empty variable is as good as none. Others that begin with
 * AOLANI_ are not looked at: inside a rank there are many. */
static int load_environment(struct spec_loader *l)
{
    int rc = 0;
    l->other.origin = FROM_ENV;
    for (size_t i = 0; i < spec_n_keys && !rc; i++) {
        char name[96];
        snprintf(name, sizeof name, "AOLANI_%s_%s", spec_keys[i].section,
                 spec_keys[i].name);
        for (char *p = name; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        const char *value = getenv(name);
        if (value && *value)
            rc = load_text(l, &spec_keys[i], value, name);
    }
    return rc;
}

static void unknown_flag_key(struct spec_loader *l, const struct spec_flag *f)
{
    char dotted[96], best[96] = "";
    struct suggest near;
    l->other.name = f->spelled;
    suggest_init(&near, f->key);
    for (size_t i = 0; i < spec_n_keys; i++) {
        unsigned before = near.distance;
        snprintf(dotted, sizeof dotted, "%s.%s", spec_keys[i].section,
                 spec_keys[i].name);
        suggest_offer(&near, dotted);
        if (near.distance < before)
            memcpy(best, dotted, sizeof best);
    }
    spec_complain(&l->other, nowhere, "unknown key \"%.80s\"%s%s%s", f->key,
                  *best ? "; did you mean \"" : "", best, *best ? "\"?" : "");
}

static int load_flags(struct spec_loader *l, const struct spec_flag *flags, size_t n)
{
    int rc = 0;
    l->other.origin = FROM_FLAG;
    for (size_t i = 0; i < n && !rc; i++) {
        const struct spec_key *k = spec_key(flags[i].key);
        if (k)
            rc = load_text(l, k, flags[i].value, flags[i].spelled);
        else
            unknown_flag_key(l, &flags[i]);
    }
    return rc;
}

/* ---- all of it ---- */

static int loader_init(struct spec_loader *l, const char *job_path)
{
    *l = (struct spec_loader){0};
    buf_init(&l->texts, LIMIT_TOML_BYTES);
    l->site.origin = FROM_SITE;
    l->file.origin = FROM_FILE;
    l->site.texts = l->file.texts = l->other.texts = &l->texts;
    l->cwd = get_current_dir_name();
    l->s = calloc(1, sizeof *l->s);
    if (!l->cwd || !l->s)
        return l->cwd ? -ENOMEM : -errno;
    l->other.folder = l->cwd;
    l->s->path = strdup(job_path);
    return l->s->path ? 0 : -ENOMEM;
}

static void loader_fini(struct spec_loader *l)
{
    toml_destroy(l->site.doc);
    toml_destroy(l->file.doc);
    buf_fini(&l->texts);
    free(l->cwd);
    spec_destroy(l->s);
}

static int collect_errors(struct spec_loader *l, struct buf *diag, struct err *e)
{
    unsigned n = spec_loader_errors(l);
    if (n == 0)
        return 0;
    int rc = l->site.doc ? toml_errors(l->site.doc, diag) : 0;
    if (!rc)
        rc = toml_errors(l->file.doc, diag);
    if (!rc && l->texts.len)
        rc = buf_add(diag, l->texts.data, l->texts.len);
    if (rc && rc != ERR_LIMIT)
        return err_sys(e, rc, "read job file \"%s\"", l->s->path);
    return err_set(e, ERR_USAGE, "read job file \"%s\": %u error%s", l->s->path, n,
                   n == 1 ? "" : "s");
}

static int load_layers(struct spec_loader *l, const char *site, const char *job_path,
                       const struct spec_flag *flags, size_t n_flags, bool alone,
                       struct err *e)
{
    int rc = load_defaults(l);
    if (rc)
        return err_sys(e, rc, "set the defaults");
    if (*site && (rc = spec_load_file(l, &l->site, site, e)))
        return err_wrap(e, "site file");
    if ((rc = spec_load_file(l, &l->file, job_path, e))) {
        if (rc == -ENOENT)
            err_hint(e, "the first operand is the job file: aolani-run job.toml");
        return rc;
    }
    if ((!alone && (rc = load_environment(l))) || (rc = load_flags(l, flags, n_flags)))
        return err_sys(e, rc, "read the options");
    return 0;
}

static int load(const char *job_path, const char *site_path,
                const struct spec_flag *flags, size_t n_flags, char *const *extra_args,
                bool alone, struct spec **ret, struct buf *diag, struct err *e)
{
    struct spec_loader l;
    char *site = NULL;
    int rc = loader_init(&l, job_path);
    if (!rc && !(site = spec_find_site(site_path)))
        rc = -ENOMEM;
    if (rc) {
        err_sys(e, rc, "read job file \"%s\"", job_path);
        goto fail;
    }
    if ((rc = load_layers(&l, site, job_path, flags, n_flags, alone, e))) {
        if (rc != -ENOMEM)
            rc = e ? (e->code = ERR_USAGE) : ERR_USAGE;
        goto fail;
    }
    if ((rc = spec_resolve(&l, extra_args))) {
        err_sys(e, rc, "read job file \"%s\"", job_path);
        goto fail;
    }
    if ((rc = collect_errors(&l, diag, e)))
        goto fail;
    *ret = l.s;
    l.s = NULL;
fail:
    free(site);
    loader_fini(&l);
    return rc;
}

int spec_load(const char *job_path, const char *site_path,
              const struct spec_flag *flags, size_t n_flags, char *const *extra_args,
              struct spec **ret, struct buf *diag, struct err *e)
{
    return load(job_path, site_path, flags, n_flags, extra_args, false, ret, diag, e);
}

int spec_load_resolved(const char *path, struct spec **ret, struct buf *diag,
                       struct err *e)
{
    return load(path, "", NULL, 0, NULL, true, ret, diag, e);
}
