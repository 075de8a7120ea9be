/* SPDX-License-Identifier: MIT */
/* spec_value - setters of the spec's types. Private to spec_value.c, spec_number.c and
 * spec_list.c. A setter returns 0, 1 after a complaint (the old value stays), -ENOMEM. */
#ifndef LAUNCHER_SPEC_VALUE_H
#define LAUNCHER_SPEC_VALUE_H

#include "launcher/spec_table.h"

/* A value on its way: everything that a setter needs. */
struct arrival {
    struct spec *s;
    const struct spec_key *k;
    const struct toml_node *v;
    struct spec_source *src;
    void *at; /* the field of s */
};

/* A flag, a variable or a default: a string node that the type reads in its own way. */
static inline bool arrival_is_text(const struct arrival *a)
{
    return !a->src->doc;
}

/* The string of a node, or NULL when it is none. */
static inline const char *arrival_text(const struct arrival *a)
{
    return a->v->type == TOML_STRING ? a->v->u.string.data : NULL;
}

int spec_expected(const struct arrival *a, const char *what);
int spec_bad_word(const struct arrival *a, const char *also);

int spec_set_int(const struct arrival *a);
int spec_set_float(const struct arrival *a);
int spec_set_duration(const struct arrival *a);
int spec_set_size(const struct arrival *a);
int spec_set_ports(const struct arrival *a);

int spec_set_list(const struct arrival *a);
int spec_set_env(const struct arrival *a);

#endif
