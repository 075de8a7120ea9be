/* SPDX-License-Identifier: MIT */
/* setup.c - see setup.h. Two shells, since what a login shell prints and changes before it
 * reads its text can only be caught from outside: the outer one keeps values in variables
 * of their own (never in arguments, which everybody on the node can read). */
#include "agent/setup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"

#define SETUP_SCRIPT_MAX (120u << 10) /* Linux takes 128 KiB in one argument */

/* Where a start-up file or the text has replaced the search path, ours is added again. */
static const char setup_library[] =
    "case \":$LD_LIBRARY_PATH:${AOLANI_LIBRARY-}\" in *:|*\":${AOLANI_LIBRARY%/*}:\"*) "
    ";; "
    "*) export LD_LIBRARY_PATH=\"${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}"
    "${AOLANI_LIBRARY%/*}\" ;; esac\n";

static bool setup_is_name(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    }
    return true;
}

static int setup_keep(struct buf *outer, struct buf *inner, const char *name)
{
    int rc = buf_printf(outer, "export AOLANI_KEEP_%s=\"$%s\"\n", name, name);
    if (rc == 0)
        rc = buf_printf(inner, "export %s=\"$AOLANI_KEEP_%s\"; unset AOLANI_KEEP_%s\n",
                        name, name, name);
    return rc;
}

int setup_script(const char *shell, const char *text, Aolani__KeyValue *const *env,
                 size_t n_env, char **ret_outer, char **ret_inner)
{
    struct buf outer, inner;
    buf_init(&outer, SETUP_SCRIPT_MAX);
    buf_init(&inner, SETUP_SCRIPT_MAX);
    int rc = setup_keep(&outer, &inner, "PWD");
    for (size_t i = 0; i < n_env && rc == 0; i++) {
        /* No shell can change what it cannot name. */
        if (setup_is_name(env[i]->key) && strcmp(env[i]->key, "PWD") != 0)
            rc = setup_keep(&outer, &inner, env[i]->key);
    }
    if (rc == 0)
        rc = buf_printf(&outer, "exec %s -l -c \"$0\" setup \"$@\" 9>&1 >&2\n", shell);
    if (rc == 0)
        rc = buf_printf(&inner,
                        "cd -- \"$PWD\" || exit 126\n"
                        "{ %s\n} && {\n%sexec \"$@\" >&9 9>&-\n}\n",
                        text, setup_library);
    if (rc == 0) {
        *ret_outer = strdup((char *)outer.data);
        *ret_inner = strdup((char *)inner.data);
        rc = *ret_outer && *ret_inner ? 0 : -ENOMEM;
    }
    buf_fini(&outer);
    buf_fini(&inner);
    return rc;
}
