/* SPDX-License-Identifier: MIT */
/* bootscript.c - see bootscript.h.
 *
 * Inside single quotes, so that csh and fish leave it alone; therefore no single quote,
 * no exclamation mark, no backslash and no newline within. Files arrive under a name of
 * their own and are renamed when complete; the agent, which proves the folder whole, comes
 * last. `head -c` is given the exact size; the rest is sent when it is done, since some
 * (busybox) read ahead.
 *
 * /tmp is everybody's: the cache there is used only if its folder is our own and no link,
 * so that nobody else can put a program in the place of ours. Nothing is run before that
 * is known.
 */
#include "launcher/bootscript.h"

#include <stdio.h>

static const char script[] =
    "sh -c '"
    "umask 077; H=%s; T=/tmp/aolani-cache-$(id -u); M=$(uname -m); "
    "C=\"${AOLANI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aolani}\"; "
    "test -h \"$T\" && T=/dev/null; "
    "for d in \"$C\" \"$T\"; do "
    "if test -O \"$d\" && test -O \"$d/$H\" && test -x \"$d/$H/aolani-agent\"; then "
    "echo AOLANI-HAVE \"$M\"; exec \"$d/$H/aolani-agent\" --stdio; fi; done; "
    "for d in \"$C\" \"$T\"; do "
    "mkdir -p \"$d/$H\" 2>/dev/null && test -O \"$d\" && test -O \"$d/$H\" && "
    "test -w \"$d/$H\" && break; d=; done; "
    "if test -z \"$d\"; then "
    "echo AOLANI-FAIL neither \"$C\" nor /tmp can take the agent; exit 1; fi; "
    "echo AOLANI-NEED \"$M\"; a=\"$d/$H/.agent.$$\"; "
    "if head -c %zu >\"$a\" && chmod 700 \"$a\" && echo AOLANI-STORED && "
    "\"$a\" --unpack \"$d/$H\" && mv -f \"$a\" \"$d/$H/aolani-agent\"; then "
    "exec \"$d/$H/aolani-agent\" --stdio; fi; "
    "rm -f \"$a\"; echo AOLANI-FAIL the agent could not be stored in \"$d\"; exit 1"
    "'";

int bootscript_format(const struct bundle *b, struct buf *out)
{
    return buf_printf(out, script, b->id, b->agent.len);
}

static int add_all(struct strlist *v, const struct strlist *more)
{
    int rc = 0;
    for (size_t i = 0; i < more->n && rc == 0; i++)
        rc = strlist_add(v, more->items[i]);
    return rc;
}

/* The user's own ssh and configuration; only what would ask, or forward, is turned off. */
int bootscript_argv(const struct spec *s, const struct bundle *b, const char *host,
                    struct strlist *ret)
{
    char timeout[40];
    struct buf text;
    buf_init(&text, 8192);
    (void)snprintf(timeout, sizeof timeout, "-oConnectTimeout=%llu",
                   (unsigned long long)(s->ssh.connect_timeout_ms + 999) / 1000);
    const char *const fixed[] = {"-x", "-T", "-oBatchMode=yes",
                                 "-oClearAllForwardings=yes", timeout};
    int rc = bootscript_format(b, &text);
    if (rc == 0)
        rc = add_all(ret, &s->ssh.command);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && rc == 0; i++)
        rc = strlist_add(ret, fixed[i]);
    if (rc == 0)
        rc = add_all(ret, &s->ssh.options);
    if (rc == 0)
        rc = strlist_add(ret, host);
    if (rc == 0)
        rc = strlist_add(ret, (char *)text.data);
    buf_fini(&text);
    return rc;
}
