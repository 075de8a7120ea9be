/* SPDX-License-Identifier: MIT */
/* setup_script.c - what the shell of a setup text is told to do. */
#include "agent/setup_impl.h"

#include "agent/envbase.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* $1: what to put back, $2: where the environment goes. A variable for the text, so that
 * neither its quotes nor its "set -e" meet ours. */
const char setup_shell[] =
    "aolani_out=$2\n"
    ". \"$1\" || exit 126\n"
    "set --\n"
    "eval \"$aolani_text\"\n"
    "aolani_rc=$?\n"
    "[ \"$aolani_rc\" = 0 ] || exit \"$aolani_rc\"\n"
    "export " SETUP_ANSWER "UMASK=\"$(umask)\"\n"
    "export " SETUP_ANSWER "PWD=\"$PWD\"\n"
    "export " SETUP_ANSWER "LIMITS=\"$(/bin/cat /proc/self/limits)\"\n"
    "exec /usr/bin/env -0 >\"$aolani_out\"\n";

/* Folders that only the node has follow those of the head; the point keeps a newline. */
static const char setup_join[] =
    "aolani_join() ( IFS=:; set -f; r=$1; for d in $2; do case \":$r:\" in "
    "*\":$d:\"*) ;; *) [ -z \"$d\" ] || r=\"${r:+$r:}$d\" ;; esac; done; "
    "printf '%s.' \"$r\" )\n";

/* No shell can set what it cannot name, or what is its own. */
static bool setup_may_set(const char *name)
{
    static const char *const own[] = {"PWD",   "OLDPWD", "_",         "SHLVL",
                                      "UID",   "EUID",   "PPID",      "IFS",
                                      "BASH*", "GROUPS", "SHELLOPTS", "AOLANI_*"};
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    }
    return !envlist_matches(name, strlen(name), own, sizeof own / sizeof *own);
}

static int setup_quote(struct buf *out, const char *value)
{
    int rc = buf_add(out, "'", 1);
    while (rc == 0 && *value) {
        size_t n = strcspn(value, "'");
        rc = buf_add(out, value, n);
        value += n;
        if (rc == 0 && *value)
            rc = buf_add(out, "'\\''", 4);
        value += *value == '\'';
    }
    return rc == 0 ? buf_add(out, "'", 1) : rc;
}

static int setup_put_back(struct buf *out, const Aolani__KeyValue *kv, bool join)
{
    if (!setup_may_set(kv->key))
        return 0;
    bool is_path = join && envbase_is_path(kv->key);
    int rc = is_path ? buf_printf(out, "aolani_v=$(aolani_join ")
                     : buf_printf(out, "export %s=", kv->key);
    if (rc == 0)
        rc = setup_quote(out, kv->value);
    if (rc == 0 && is_path)
        rc = buf_printf(out, " \"${%s-}\"); export %s=\"${aolani_v%%.}\"", kv->key,
                        kv->key);
    return rc == 0 ? buf_add(out, "\n", 1) : rc;
}

int setup_prologue(const Aolani__Prepare *plan, struct buf *out)
{
    int rc = buf_printf(out, "%s", setup_join);
    for (size_t i = 0; rc == 0 && i < plan->n_forwarded; i++)
        rc = setup_put_back(out, plan->forwarded[i], true);
    for (size_t i = 0; rc == 0 && i < plan->n_env; i++)
        rc = setup_put_back(out, plan->env[i], false);
    if (rc == 0)
        rc = buf_printf(out, "unset -f aolani_join; unset aolani_v\numask %04o\ncd -- ",
                        plan->umask & 0777u);
    if (rc == 0)
        rc = setup_quote(out, plan->workdir);
    if (rc == 0)
        rc = buf_printf(out, " || exit 126\naolani_text=");
    if (rc == 0)
        rc = setup_quote(out, plan->setup);
    return rc == 0 ? buf_add(out, "\n", 1) : rc;
}
