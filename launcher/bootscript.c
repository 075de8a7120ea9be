/* SPDX-License-Identifier: MIT */
/* bootscript.c - see bootscript.h.
 *
 * Inside single quotes, so that csh and fish leave it alone; therefore no single quote,
 * no exclamation mark, no backslash and no newline within. Files arrive under a name of
 * their own and are renamed when complete; the agent, which proves the folder whole, comes
 * last. `head -c` is given the exact size, since the bundle follows on the same input.
 */
#include "launcher/bootscript.h"

static const char script[] =
    "sh -c '"
    "umask 077; H=%s; U=$(id -u); "
    "C=\"${AOLANI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aolani}\"; "
    "for d in \"$C\" \"/tmp/aolani-cache-$U\"; do "
    "if test -x \"$d/$H/aolani-agent\" && test -O \"$d/$H\"; then "
    "echo AOLANI-HAVE; exec \"$d/$H/aolani-agent\" --stdio; fi; done; "
    "for d in \"$C\" \"/tmp/aolani-cache-$U\"; do "
    "mkdir -p \"$d/$H\" 2>/dev/null && test -O \"$d/$H\" && test -w \"$d/$H\" && break; "
    "d=; done; "
    "if test -z \"$d\"; then "
    "echo AOLANI-FAIL neither \"$C\" nor /tmp can take the agent; exit 1; fi; "
    "echo AOLANI-NEED $(uname -m); a=\"$d/$H/.agent.$$\"; "
    "if head -c %zu >\"$a\" && chmod 700 \"$a\" && \"$a\" --unpack \"$d/$H\" && "
    "mv -f \"$a\" \"$d/$H/aolani-agent\"; then "
    "exec \"$d/$H/aolani-agent\" --stdio; fi; "
    "rm -f \"$a\"; echo AOLANI-FAIL the agent could not be stored in \"$d\"; exit 1"
    "'";

int bootscript_format(const struct bundle *b, struct buf *out)
{
    return buf_printf(out, script, b->id, b->agent.len);
}
