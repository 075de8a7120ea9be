/* SPDX-License-Identifier: MIT */
/* bootscript.c - see bootscript.h.
 *
 * For ssh inside single quotes, so that csh and fish leave it alone; therefore no single
 * quote, no exclamation mark, no backslash and no newline within. csh takes no word of
 * 8 KB.
 *
 * Candidates in turn: the cache in the home, /tmp, the user's run-time folder, /dev/shm.
 * One that has the agent, and where it runs, ends the search. Else the first is taken
 * that proves itself: it can be made, is ours, takes as many bytes as will come (quota
 * included: they are really written), and runs a program. A program, since `test -x` of
 * busybox, ksh and zsh knows nothing of noexec.
 *
 * Homes are shared: many hosts may store the same agent at once, and their process ids
 * are no names. So temporary names hold a word drawn by the head, and the first complete
 * copy stays: to rename another over it would, on NFS, take the file from under those who
 * run it already. The agent, which proves the folder whole, comes last. `head -c` is given
 * the exact size; the rest is sent when it is done, since some (busybox) read ahead.
 *
 * /tmp and /dev/shm are everybody's: the cache there is used only if its folder is our own
 * and no link, so that nobody else can put a program in the place of ours. Nothing is run
 * or made in it before that is known.
 */
#include "launcher/bootscript.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "proto/wire/secure.h"

/* The last stdio buffer of some (busybox) head is written without a look at the result. */
#define ROOM_SLACK (64u << 10)

static const char script[] =
    "umask 077; H=%s; K=%s%s; G=%s; M=$(uname -m); U=$(id -u); e=; %s"
    "C=\"${AOLANI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aolani}\"; "
    "T=/tmp/aolani-cache-$U; S=/dev/shm/aolani-cache-$U; "
    "X=; test -O \"$XDG_RUNTIME_DIR\" && X=\"$XDG_RUNTIME_DIR/aolani\"; "
    /* is it a folder of ours, as far as it is there */
    "ours() { if test \"$d\" = \"$T\" || test \"$d\" = \"$S\"; then "
    "test -h \"$d\" && return 1; fi; test -O \"$d\"; }; "
    "runs() { test -x \"$f\" && \"$f\" --version </dev/null >/dev/null 2>&1; }; "
    "bad() { echo \"$1\"; exit 1; }; "
    "fit() { LC_ALL=C; export LC_ALL; test -h \"$d\" || mkdir -p \"$d\" || exit 1; "
    "ours || bad \"not a folder of this user\"; "
    "mkdir -p \"$d/$H\" || exit 1; "
    "test -O \"$d/$H\" || bad \"not a folder of this user\"; "
    "chmod 700 \"$d/$H\" || exit 1; "
    "head -c %zu /dev/urandom >\"$p\" || exit 1; "
    "echo exit 7 >\"$p\" && chmod 700 \"$p\" || exit 1; \"$p\" 2>/dev/null; "
    "test $? = 7 || bad \"programs do not run there (noexec)\"; }; "
    "for d in \"$C\" \"$T\" \"$X\" \"$S\"; do f=\"$d/$H/aolani-agent\"; "
    "if ours && test -O \"$d/$H\" && runs; then "
    "echo AOLANI-HAVE \"$M\"; exec \"$f\" --stdio $G; fi; done; "
    "for d in \"$C\" \"$T\" \"$X\" \"$S\"; do test -n \"$d\" || continue; "
    "p=\"$d/$H/.probe.$K\"; w=$(fit 2>&1); r=$?; rm -f \"$p\" 2>/dev/null; "
    "test $r = 0 && break; "
    "w=\"${w##*: }\"; e=\"$e${e:+; }$d: ${w:-it cannot be used}\"; d=; done; "
    "if test -z \"$d\"; then echo \"AOLANI-FAIL no place for the agent: $e\"; exit 1; "
    "fi; "
    "a=\"$d/$H/.agent.$K\"; f=\"$d/$H/aolani-agent\"; "
    "clean() { rm -f \"$a\"; }; trap clean 0; trap \"exit 1\" 1 2 13 15; "
    "echo AOLANI-NEED \"$M\"; "
    "if head -c %zu >\"$a\" && chmod 700 \"$a\" && echo AOLANI-STORED && "
    "\"$a\" --unpack \"$d/$H\" && "
    "{ ln \"$a\" \"$f\" 2>/dev/null || runs || mv -f \"$a\" \"$f\"; }; then "
    "clean; exec \"$f\" --stdio; fi; "
    "echo AOLANI-FAIL the agent could not be stored in \"$d\"; exit 1";

/* own: what tells temporary names of one node from another's; skip: see bootscript.h;
 * first: said before all. */
static int format(const struct bundle *b, const char *own, const char *skip,
                  const char *first, struct buf *out)
{
    uint8_t lot[8];
    char token[2 * sizeof lot + 1];
    secure_random(lot, sizeof lot);
    secure_hex(lot, sizeof lot, token);
    return buf_printf(out, script, b->id, token, own, skip, first,
                      b->agent.len + b->rest.len + ROOM_SLACK, b->agent.len);
}

int bootscript_format(const struct bundle *b, struct buf *out)
{
    int rc = buf_printf(out, "sh -c '");
    if (rc == 0)
        rc = format(b, "", "", "", out);
    return rc == 0 ? buf_printf(out, "'") : rc;
}

int bootscript_here(const struct bundle *b, struct buf *out)
{
    return format(b, "", "", "", out);
}

/* Where the agent is in the user's own cache and runs, which is where it is mostly: two
 * programs less. That it runs says what the machine is. */
static const char group_first[] =
    "H=%s; C=\"${AOLANI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aolani}\"; "
    "f=\"$C/$H/aolani-agent\"; if test -O \"$C\" && test -O \"$C/$H\" && "
    "\"$f\" --version </dev/null >/dev/null 2>&1; then "
    "echo AOLANI-NODE %s \"$SLURMD_NODENAME\"; "
    "exec \"$f\" --stdio %s; fi; ";

int bootscript_group(const struct bundle *b, struct buf *out)
{
    char skip[32];
    struct utsname self;
    (void)uname(&self);
    (void)snprintf(skip, sizeof skip, "%zu", b->agent.len + b->rest.len);
    int rc = buf_printf(out, group_first, b->id, self.machine, skip);
    return rc < 0 ? rc
                  : format(b, ".$SLURM_PROCID", skip,
                           "echo AOLANI-NODE \"$M\" \"$SLURMD_NODENAME\"; ", out);
}

static int add_all(struct strlist *v, const struct strlist *more)
{
    int rc = 0;
    for (size_t i = 0; i < more->n && rc == 0; i++)
        rc = strlist_add(v, more->items[i]);
    return rc;
}

static int add_words(struct strlist *v, const char *const *words, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = strlist_add(v, words[i]);
    return rc;
}

/* The user's own ssh and configuration; only what would ask, or forward, is turned off.
 * Of two -o the first counts, of two flags the last: the user's options stand between, so
 * that they win. A connection that is shared already is used, but none is offered: others
 * who came over ours would keep it open when the job is over, or lose theirs. */
int bootscript_argv(const struct spec *s, const struct bundle *b, const char *host,
                    struct strlist *ret)
{
    char timeout[40];
    struct buf text;
    buf_init(&text, 8192);
    (void)snprintf(timeout, sizeof timeout, "-oConnectTimeout=%llu",
                   (unsigned long long)(s->ssh.connect_timeout_ms + 999) / 1000);
    const char *const flags[] = {"-x", "-T"};
    const char *const settings[] = {"-oBatchMode=yes", "-oClearAllForwardings=yes",
                                    "-oControlMaster=no", timeout};
    int rc = bootscript_format(b, &text);
    if (rc == 0)
        rc = add_all(ret, &s->ssh.command);
    if (rc == 0)
        rc = add_words(ret, flags, sizeof flags / sizeof *flags);
    if (rc == 0)
        rc = add_all(ret, &s->ssh.options);
    if (rc == 0)
        rc = add_words(ret, settings, sizeof settings / sizeof *settings);
    if (rc == 0)
        rc = strlist_add(ret, host);
    if (rc == 0)
        rc = strlist_add(ret, (char *)text.data);
    buf_fini(&text);
    return rc;
}
