/* SPDX-License-Identifier: MIT */
/* spec_table - the rows of the job file, and what the parts of spec share. Private to
 * spec*.c and their tests; all others use spec.h. */
#ifndef LAUNCHER_SPEC_TABLE_H
#define LAUNCHER_SPEC_TABLE_H

#include "launcher/spec.h"
#include "proto/base/toml.h"

enum spec_type {
    SPEC_STRING,    /* char *, NULL when empty */
    SPEC_NAME,      /* char *, fit for a file name */
    SPEC_PATH,      /* char *, made absolute */
    SPEC_WORD,      /* char *, one of `words` */
    SPEC_ENUM,      /* int, index into `words` */
    SPEC_ENUM_BOOL, /* bool, index into two `words` */
    SPEC_BOOL,
    SPEC_INT,      /* int64_t; `words` means 0 */
    SPEC_FLOAT,    /* double */
    SPEC_DURATION, /* uint64_t ms; min and max in ms; `words` means 0 */
    SPEC_SIZE,     /* uint64_t bytes; `words` means 0 */
    SPEC_LIST,     /* struct strlist; one of `words` may stand alone */
    SPEC_ARGV,     /* struct strlist, never a plain string */
    SPEC_HOSTS,    /* struct strlist of hostlists; one may stand alone */
    SPEC_ENV,      /* struct strlist of NAME=value; table, list, or one by one */
    SPEC_PORTS,    /* two int64_t */
};

enum spec_key_flags {
    SPEC_LATER = 1,    /* taken and checked, but this version does not act on it */
    SPEC_JOB_ONLY = 2, /* has no place in a site file */
};

struct spec_key {
    const char *section, *name;
    enum spec_type type;
    unsigned flags;
    size_t offset;     /* in struct spec */
    const char *init;  /* the default as a flag would say it; NULL: nothing */
    const char *words; /* "a|b|c" */
    double min, max;   /* of numbers; 0, 0: any */
};

extern const struct spec_key spec_keys[];
extern const size_t spec_n_keys;

const struct spec_key *spec_key_find(const char *section, size_t section_len,
                                     const char *name);
/* "job.time_limit". */
const struct spec_key *spec_key(const char *dotted);
size_t spec_key_index(const struct spec_key *k);
bool spec_section_exists(const char *name);

static inline void *spec_field(const struct spec *s, const struct spec_key *k)
{
    return (char *)s + k->offset;
}

/* The n-th of "a|b|c": its length, 0 when there is none. */
size_t spec_word(const char *words, size_t n, const char **ret);
/* Which of the words text is; -1: none. */
int spec_word_index(const char *words, const char *text);

/* Where values come from. Errors of a file go to its document, so that they are printed
 * in order of position; all others to `texts`, a line each that begins with `name`. */
struct spec_source {
    enum spec_origin origin;
    struct toml_doc *doc; /* NULL: not a file */
    const char *name;     /* the file, variable or flag */
    const char *folder;   /* absolute: what relative paths belong to */
    struct buf *texts;
    unsigned n_errors; /* of those in texts */
};
void spec_complain(struct spec_source *src, struct toml_pos at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Store a value. 0; 1 when it was complained about (the old value stays); -ENOMEM. A
 * source without a document gives a TOML_STRING node, read as the key's type wants. */
int spec_set(struct spec *s, const struct spec_key *k, const struct toml_node *v,
             struct spec_source *src);
int spec_set_text(struct spec *s, const struct spec_key *k, const char *text,
                  struct spec_source *src);
/* Back to nothing (NULL, 0, empty). */
void spec_clear(struct spec *s, const struct spec_key *k);
/* "1G", "64M", "4096". -EINVAL, -ERANGE. */
int spec_parse_size(const char *text, uint64_t *ret);

/* As a user writes it, in the largest unit that says it exactly: "90s", "2h", "0s". */
void spec_duration_text(uint64_t ms, char *out, size_t len);

/* A value as TOML. */
int spec_format_value(const struct spec *s, const struct spec_key *k, struct buf *out);
bool spec_is_set(const struct spec *s, const struct spec_key *k);

/* What spec_load knows while it works. */
struct spec_loader {
    struct spec *s;
    struct spec_source site, file, other; /* other: defaults, environment, flags */
    struct {
        struct toml_doc *doc;
        struct toml_pos pos;
        bool tried;       /* it was there, even if it was wrong */
    } at[SPEC_KEYS_MAX];  /* where each key was set, if in a file */
    bool has_hidden_keys; /* syntax errors and the like: a key that seems to be missing
                             may be there */
    struct buf texts;
    char *cwd;
};
int spec_load_file(struct spec_loader *l, struct spec_source *src, const char *path,
                   struct err *e);
/* The site file to use, "" for none; the caller frees. A name that the user gave must
 * exist, a default place need not. */
char *spec_find_site(const char *given);
/* Keep who set a key, and where. */
int spec_remember(struct spec_loader *l, const struct spec_key *k, struct toml_doc *doc,
                  struct toml_pos pos, const char *name);
/* Complain about a key where it was set (a default: at the head of the job file). */
void spec_complain_key(struct spec_loader *l, const struct spec_key *k, const char *fmt,
                       ...) __attribute__((format(printf, 3, 4)));
/* Choose what was left open and check what keys say together. 0 or -ENOMEM. */
int spec_resolve(struct spec_loader *l, char *const *extra_args);
/* Hosts, back end, number of nodes. */
int spec_resolve_nodes(struct spec_loader *l);
/* What goes to Slurm's commands. */
int spec_check_slurm(struct spec_loader *l);
unsigned spec_loader_errors(const struct spec_loader *l);

#endif
