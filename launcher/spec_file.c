/* SPDX-License-Identifier: MIT */
/* spec_file.c - a job or site file into the spec: sections and keys by the table, and
 * "did you mean" for those that it does not have. */
#include "launcher/spec_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/suggest.h"

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
        rc = spec_remember(l, k, src->doc, n->pos, src->name);
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

int spec_load_file(struct spec_loader *l, struct spec_source *src, const char *path,
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

char *spec_find_site(const char *given)
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
