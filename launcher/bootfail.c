/* SPDX-License-Identifier: MIT */
/* bootfail.c - see bootfail.h. */
#include "launcher/bootfail.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/sshwords.h"

#define TRIES_MAX 7u
#define FIRST_WAIT_MS \
    250u /* before the second try; about twice as long before each other */
#define WAIT_MAX_MS 4000u /* a login takes a second or two of a busy sshd */

static void read_words(const struct bootfail *f, int wait_status, struct sshwords *ret)
{
    const char *said = said_kept(f->said);
    *ret = (struct sshwords){.hint = ""};
    if (f->local)
        (void)snprintf(ret->text, sizeof ret->text, "%s", f->said->last);
    else
        sshwords_read(said[0] ? said : f->greeting, wait_status, ret);
}

void bootfail_exit(const struct bootfail *f, int ws, struct err *e)
{
    struct sshwords w;
    read_words(f, ws, &w);
    if (w.text[0])
        err_set(e, ERR_BOOT, "%s%s", w.text,
                w.retry && f->tries > 1 ? ", also when tried again" : "");
    else if (WIFSIGNALED(ws))
        err_set(e, ERR_BOOT, "%s was ended by signal %d", f->starter, WTERMSIG(ws));
    else
        err_set(e, ERR_BOOT, "%s ended with status %d before the agent was ready",
                f->starter, WEXITSTATUS(ws));
    if (w.hint[0])
        err_hint(e, "%s", w.hint);
}

void bootfail_silent(const struct bootfail *f, enum bootfail_silence how,
                     uint64_t limit_ms, struct err *e)
{
    const char *last = f->said->last, *it_said = last[0] ? "; it said: " : "";
    double seconds = (double)limit_ms / 1000.0;
    if (how == BOOTFAIL_CLOSED)
        err_set(e, ERR_BOOT, "%s closed its output before the agent was ready%s%s",
                f->starter, it_said, last);
    else if (how == BOOTFAIL_NO_COPY)
        err_set(e, ERR_BOOT, "the agent could not be copied within %.0f s%s%s", seconds,
                it_said, last);
    else
        err_set(e, ERR_BOOT, "no answer from the node within %.0f s%s%s", seconds,
                it_said, last);
    if (how == BOOTFAIL_NO_ANSWER && !f->local)
        err_hint(e, "does a start-up file of your login shell there wait? "
                    "try ssh HOST echo hello");
}

void bootfail_node(const struct bootfail *f, const char *reason, struct err *e)
{
    static const char no_place[] = "no place for the agent";
    bool placeless = strncmp(reason, no_place, sizeof no_place - 1) == 0;
    const char *last = placeless ? "" : f->said->last;
    err_set(e, ERR_BOOT, "%.360s%s%s", reason, last[0] ? "; it said: " : "", last);
    if (placeless)
        err_hint(e, "make room in one of them, or set AOLANI_CACHE on the nodes to a "
                    "folder that runs programs");
}

uint64_t bootfail_retry_ms(const struct bootfail *f, int ws, uint16_t lot,
                           char *ret_why, size_t len)
{
    struct sshwords w;
    if (f->local || f->tries == 0 || f->tries >= TRIES_MAX)
        return 0;
    read_words(f, ws, &w);
    if (!w.retry)
        return 0;
    uint64_t base = FIRST_WAIT_MS << (f->tries - 1);
    base = base < WAIT_MAX_MS ? base : WAIT_MAX_MS;
    (void)snprintf(ret_why, len, "%s", w.text);
    return base / 2 + base * lot / UINT16_MAX;
}
