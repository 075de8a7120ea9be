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

static int remember(struct spec_loader *l, const struct spec_key *k,
                    struct toml_doc *doc, struct toml_pos pos, const char *name)
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

/* ---- files ---- */

static const struct spec_key *same_key_elsewhere(const char *name)
{
    for (size_t i = 0; i < spec_n_keys; i++)
        if (!strcmp(spec_keys[i].name, name))
            return &spec_keys[i];
    return NULL;
}

/* A slip of the finger hides the key that was meant: it is not missing as well. */
static void meant(struct spec_loader *l, const struct spec_key *k)
{
    l->at[spec_key_index(k)].tried = true;
}

static const struct spec_key *nearest(const char *typed, const char *section)
{
    const struct spec_key *best = NULL;
    struct suggest near;
    suggest_init(&near, typed);
    for (size_t i = 0; i < spec_n_keys; i++) {
        unsigned before = near.distance;
        if (!section || !strcmp(spec_keys[i].section, section))
            suggest_offer(&near, spec_keys[i].name);
        if (near.distance < before)
            best = &spec_keys[i];
    }
    return best;
}

static void unknown_key(struct spec_loader *l, struct spec_source *src,
                        const char *section, const struct toml_node *n)
{
    const struct spec_key *elsewhere = same_key_elsewhere(n->key);
    const struct spec_key *near = nearest(n->key, section);
    char hint[120] = "";
    if (spec_section_exists(n->key))
        snprintf(hint, sizeof hint, "; [%s] is a section of its own", n->key);
    else if (elsewhere)
        snprintf(hint, sizeof hint, "; it belongs in [%s]", elsewhere->section);
    else if (near)
        snprintf(hint, sizeof hint, "; did you mean \"%s\"?", near->name);
    if (!elsewhere && near)
        meant(l, near);
    spec_complain(src, n->key_pos, "unknown key \"%.80s\" in [%s]%s", n->key, section,
                  hint);
}

static void unknown_section(struct spec_loader *l, struct spec_source *src,
                            const struct toml_node *n)
{
    struct suggest near;
    suggest_init(&near, n->key);
    for (size_t i = 0; i < spec_n_keys; i++)
        suggest_offer(&near, spec_keys[i].section);
    if (near.best)
        spec_complain(src, n->key_pos, "unknown section \"%.80s\"; did you mean [%s]?",
                      n->key, near.best);
    else
        spec_complain(src, n->key_pos, "unknown section \"%.80s\"", n->key);
    l->has_hidden_keys |= near.best != NULL;
}

static void unknown_root_key(struct spec_loader *l, struct spec_source *src,
                             const struct toml_node *n)
{
    const struct spec_key *k = same_key_elsewhere(n->key),
                          *near = nearest(n->key, NULL);
    if (k)
        spec_complain(src, n->key_pos,
                      "key \"%.80s\" outside a section; it belongs in [%s]", n->key,
                      k->section);
    else if (near)
        spec_complain(
            src, n->key_pos,
            "unknown key \"%.80s\" outside a section; did you mean \"%s\" in [%s]?",
            n->key, near->name, near->section);
    else
        spec_complain(src, n->key_pos, "unknown key \"%.80s\" outside a section",
                      n->key);
    if (k || near)
        meant(l, k ? k : near);
}

static int load_key(struct spec_loader *l, struct spec_source *src, const char *section,
                    const struct toml_node *n)
{
    const struct spec_key *k = strlen(n->key) == n->key_len
                                   ? spec_key_find(section, strlen(section), n->key)
                                   : NULL;
    if (!k) {
        unknown_key(l, src, section, n);
        return 0;
    }
    if (src->origin == FROM_SITE && (k->flags & SPEC_JOB_ONLY)) {
        spec_complain(src, n->key_pos,
                      "[%s] %s has no place in a site file, which serves all jobs",
                      section, k->name);
        return 0;
    }
    int rc = spec_set(l->s, k, n, src);
    l->at[spec_key_index(k)].tried = true;
    if (rc == 0)
        rc = remember(l, k, src->doc, n->pos, src->name);
    return rc < 0 ? rc : 0;
}

static int load_section(struct spec_loader *l, struct spec_source *src,
                        const struct toml_node *section)
{
    int rc = 0;
    if (!spec_section_exists(section->key)) {
        if (section->type == TOML_TABLE)
            unknown_section(l, src, section);
        else
            unknown_root_key(l, src, section);
        return 0;
    }
    if (section->type != TOML_TABLE) {
        spec_complain(src, section->pos, "expected the section [%s], found %s",
                      section->key, toml_type_name(section->type));
        l->has_hidden_keys = true;
        return 0;
    }
    for (const struct toml_node *n = section->u.first; n && !rc; n = n->next)
        rc = load_key(l, src, section->key, n);
    return rc;
}

/* The folder of a file, absolute; owned by the caller. */
static char *folder_of(const char *path, const char *cwd)
{
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    int n;
    if (!slash)
        return strdup(cwd);
    if (slash == path)
        return strdup("/");
    if (*path == '/')
        n = asprintf(&folder, "%.*s", (int)(slash - path), path);
    else
        n = asprintf(&folder, "%s/%.*s", cwd, (int)(slash - path), path);
    return n < 0 ? NULL : folder;
}

static int load_file(struct spec_loader *l, struct spec_source *src, const char *path,
                     struct err *e)
{
    int rc = toml_parse_file(path, &src->doc, e);
    if (rc)
        return rc;
    src->name = path;
    l->has_hidden_keys |= toml_n_errors(src->doc) > 0;
    char *folder = folder_of(path, l->cwd);
    if (!folder)
        return err_sys(e, -ENOMEM, "read \"%s\"", path);
    src->folder = folder;
    for (const struct toml_node *n = toml_root(src->doc)->u.first; n && !rc;
         n = n->next)
        rc = load_section(l, src, n);
    src->folder = NULL;
    free(folder);
    return rc ? err_sys(e, rc, "read \"%s\"", path) : 0;
}

/* The site file to use: a name that the user gave must exist, a default place need not. */
static char *find_site(const char *given)
{
    const char *env = getenv("AOLANI_SITE"), *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME");
    char *path = NULL;
    int n = -1;
    if (given || (env && *env))
        return strdup(given ? given : env);
    if (config && *config == '/')
        n = asprintf(&path, "%s/aolani/site.toml", config);
    else if (home && *home == '/')
        n = asprintf(&path, "%s/.config/aolani/site.toml", home);
    if (n > 0 && !access(path, F_OK))
        return path;
    if (n > 0)
        free(path);
    return strdup(access("/etc/aolani/site.toml", F_OK) ? "" : "/etc/aolani/site.toml");
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
        rc = remember(l, k, NULL, nowhere, name);
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
                       const struct spec_flag *flags, size_t n_flags, struct err *e)
{
    int rc = load_defaults(l);
    if (rc)
        return err_sys(e, rc, "set the defaults");
    if (*site && (rc = load_file(l, &l->site, site, e)))
        return err_wrap(e, "site file");
    if ((rc = load_file(l, &l->file, job_path, e))) {
        if (rc == -ENOENT)
            err_hint(e, "the first operand is the job file: aolani-run job.toml");
        return rc;
    }
    if ((rc = load_environment(l)) || (rc = load_flags(l, flags, n_flags)))
        return err_sys(e, rc, "read the options");
    return 0;
}

int spec_load(const char *job_path, const char *site_path,
              const struct spec_flag *flags, size_t n_flags, char *const *extra_args,
              struct spec **ret, struct buf *diag, struct err *e)
{
    struct spec_loader l;
    char *site = NULL;
    int rc = loader_init(&l, job_path);
    if (!rc && !(site = find_site(site_path)))
        rc = -ENOMEM;
    if (rc) {
        err_sys(e, rc, "read job file \"%s\"", job_path);
        goto fail;
    }
    if ((rc = load_layers(&l, site, job_path, flags, n_flags, e))) {
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
