/* SPDX-License-Identifier: MIT */
/* batch.c - see batch.h. */
#include "launcher/slurm/batch.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* clang-format off */
static const char header[] =
    "# Goes on with a run of aolani-run. Written by `aolani-run submit`; by hand, one more\n"
    "# link of the run: sbatch THIS_FILE\n"
    "#\n";

static const char begin[] =
    "\n"
    "# Of a user who is asked before a job is cancelled: nobody answers here.\n"
    "unset \"${!SCANCEL_@}\"\n"
    "\n"
    "say() { echo \"batch.sh: $*\" >&2; }\n"
    "\n"
    "# Whoever submitted this job: it is one of the run's, and `status` and `stop` find it so.\n"
    "job=${SLURM_JOB_ID:-}\n"
    "[ -z \"$job\" ] || grep -qsx \"$job\" \"$run/slurm\" || echo \"$job\" >>\"$run/slurm\"\n"
    "\n"
    "if [ ! -x \"$aolani\" ]; then\n"
    "    say \"there is no program \\\"$aolani\\\" on $(hostname); the run was submitted with it\"\n"
    "    say \"hint: install aolani-run where every node sees it, then: sbatch \\\"$run/batch.sh\\\"\"\n"
    "    exit 127\n"
    "fi\n"
    "\n"
    "over() { \"$aolani\" status --over \"$run\" 2>/dev/null; }\n"
    "\n"
    "# The links that still wait have nothing left to do.\n"
    "cancel_waiting()\n"
    "{\n"
    "    while read -r id; do\n"
    "        case $id in '' | *[!0-9]* | \"$job\") continue ;; esac\n"
    "        scancel --quiet --state=PENDING \"$id\" 2>/dev/null\n"
    "    done <\"$run/slurm\"\n"
    "}\n"
    "\n"
    "if over; then\n"
    "    say \"nothing is left to do for this job\"\n"
    "    cancel_waiting\n"
    "    exit 0\n"
    "fi\n"
    "\n"
    "# A signal to this script is one to the head. Of the ones that end it Slurm tells the head,\n"
    "# too, which takes two in a moment for one.\n"
    "head='' told='' ending=''\n"
    "# shellcheck disable=SC2317\n"
    "pass_on()\n"
    "{\n"
    "    told=1\n"
    "    case $1 in TERM | INT) ending=1 ;; esac\n"
    "    [ -z \"$head\" ] || kill -s \"$1\" \"$head\" 2>/dev/null\n"
    "}\n"
    "for signal in TERM INT USR1 USR2; do\n"
    "    # shellcheck disable=SC2064\n"
    "    trap \"pass_on $signal\" $signal\n"
    "done\n"
    "\n"
    "# Until it ends; a wait that a signal has cut short is begun again.\n"
    "wait_for()\n"
    "{\n"
    "    head=$1\n"
    "    [ -z \"$ending\" ] || kill -s TERM \"$head\" 2>/dev/null\n"
    "    while :; do\n"
    "        told=''\n"
    "        wait \"$head\"\n"
    "        status=$?\n"
    "        [ -n \"$told\" ] || break\n"
    "    done\n"
    "    head=''\n"
    "}\n"
    "\n";

/* %s: options of resume; %u: BATCH_RESUMES. */
static const char loop[] =
    "# A head that ends empties \"$run/head\"; one that is killed cannot. The run is taken up\n"
    "# again where it is.\n"
    "resumed=0\n"
    "while [ -z \"$ending\" ]; do\n"
    "    \"$aolani\" resume%s \"$run\" &\n"
    "    wait_for $!\n"
    "    if [ \"$status\" -le 128 ] || [ ! -s \"$run/head\" ] || [ -n \"$ending\" ]; then\n"
    "        break\n"
    "    fi\n"
    "    if [ \"$resumed\" -eq %u ]; then\n"
    "        say \"the head was killed (exit status $status) once more; this job gives up\"\n"
    "        break\n"
    "    fi\n"
    "    resumed=$((resumed + 1))\n"
    "    say \"the head was killed (exit status $status); resuming in $((resumed * 5)) s, time \"\\\n"
    "        \"$resumed of %u\"\n"
    "    killed=$status\n"
    "    sleep $((resumed * 5)) &\n"
    "    wait_for $!\n"
    "    status=$killed\n"
    "done\n"
    "\n"
    "if over >/dev/null; then\n"
    "    cancel_waiting\n";

static const char requeue[] =
    "elif [ \"${status:=143}\" -eq 124 ] && [ -z \"$ending\" ]; then\n"
    "    say \"to be continued: this job asks to be requeued\"\n"
    "    scontrol requeue \"$job\" || say \"Slurm does not requeue it; by hand: sbatch \\\"$run/batch.sh\\\"\"\n";

static const char end[] =
    "fi\n"
    "exit \"${status:-143}\"\n";
/* clang-format on */

/* ---- words ---- */

static bool is_plain(const char *word)
{
    for (const char *c = word; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-+=./:,@%^[]()*&|!~", *c))
            return false;
    return *word != '\0';
}

/* As sbatch reads its lines: blanks end a word and '#' the line, but for quotes; a
 * backslash takes any meaning away. */
static int add_option(struct buf *out, const char *word)
{
    int rc = 0;
    if (is_plain(word))
        return buf_printf(out, "%s", word);
    const char *equals = !strncmp(word, "--", 2) ? strchr(word, '=') : NULL;
    size_t head = equals ? (size_t)(equals - word) + 1 : 0;
    rc = buf_printf(out, "%.*s\"", (int)head, word);
    for (const char *c = word + head; *c && rc == 0; c++)
        rc = buf_printf(out, "%s%c", strchr("\"\\", *c) ? "\\" : "", *c);
    return rc ? rc : buf_printf(out, "\"");
}

static int add_quoted(struct buf *out, const char *name, const char *text)
{
    int rc = buf_printf(out, "%s='", name);
    for (const char *c = text; *c && rc == 0; c++)
        rc = *c == '\'' ? buf_printf(out, "'\\''") : buf_add(out, c, 1);
    return rc ? rc : buf_printf(out, "'\n");
}

static int check_word(const char *word, struct err *e)
{
    for (const char *c = word; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return err_set(e, ERR_USAGE,
                           "write the batch script: \"%.100s\" has a character that "
                           "cannot stand on a #SBATCH line",
                           word);
    return 0;
}

/* ---- lines ---- */

/* A word that is no option is the value of the one before it. */
static int add_options(const struct strlist *options, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < options->n; i++) {
        const char *word = options->items[i];
        int rc = check_word(word, e);
        if (rc)
            return rc;
        rc = buf_printf(out, "%s", *word == '-' || i == 0 ? "\n#SBATCH " : " ");
        if (rc || (rc = add_option(out, word)))
            return err_sys(e, rc, "write the batch script");
    }
    return 0;
}

/* In a file name '%' is a place for something, and a backslash takes all such places away. */
static int add_output(const char *run, struct buf *out, struct err *e)
{
    struct buf word;
    if (strchr(run, '\\')) {
        err_set(e, ERR_USAGE,
                "write the batch script: Slurm takes no \"\\\" in \"%.300s\"", run);
        return err_hint(e, "choose another folder for runs: -o DIR");
    }
    buf_init(&word, BATCH_BYTES);
    int rc = buf_printf(&word, "--output=");
    for (const char *c = run; *c && rc == 0; c++)
        rc = buf_printf(&word, *c == '%' ? "%%%%" : "%c", *c);
    if (rc == 0)
        rc = buf_printf(&word, "/slurm-%%j.out");
    if (rc)
        err_sys(e, rc, "write the batch script");
    else if ((rc = check_word((const char *)word.data, e)) == 0) {
        rc = buf_printf(out, "\n#SBATCH ");
        rc = rc ? rc : add_option(out, (const char *)word.data);
    }
    buf_fini(&word);
    return rc;
}

int batch_format(const struct batch *b, struct buf *out, struct err *e)
{
    int rc = buf_printf(out, "#!/bin/bash\n%s#SBATCH --open-mode=append\n#SBATCH --%s",
                        header, b->requeue ? "requeue" : "no-requeue");
    if (rc)
        return err_sys(e, rc, "write the batch script");
    if ((rc = add_output(b->run, out, e)) || (rc = add_options(b->options, out, e)))
        return rc;
    if ((rc = buf_printf(out, "\n\n")) || (rc = add_quoted(out, "run", b->run)) ||
        (rc = add_quoted(out, "aolani", b->program)) ||
        (rc = buf_printf(out, "%s", begin)) ||
        (rc = buf_printf(out, loop, b->label ? " --label" : "", BATCH_RESUMES,
                         BATCH_RESUMES)) ||
        (rc = buf_printf(out, "%s%s", b->requeue && b->alone ? requeue : "", end)))
        return err_sys(e, rc, "write the batch script");
    return 0;
}
