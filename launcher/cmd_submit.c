/* SPDX-License-Identifier: MIT */
/* cmd_submit.c - `aolani-run submit job.toml`: make the run directory and a batch script in
 * it, and hand that to Slurm. What Slurm refuses leaves nothing behind. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "launcher/herecheck.h"
#include "launcher/options.h"
#include "launcher/runfind.h"
#include "launcher/runprep.h"
#include "launcher/slurm/batch.h"
#include "launcher/slurm/facts.h"
#include "launcher/slurm/options.h"
#include "launcher/slurm/submit.h"
#include "launcher/verbs.h"
#include "proto/base/log.h"

#define TMPFS 0x01021994 /* f_type of a file system in memory */
#define RAMFS 0x858458f6

struct submission {
    const struct options *o;
    struct spec *s;
    struct strlist words; /* for sbatch */
    struct rundir dir;
    char program[PATH_MAX];
    char latest[PATH_MAX]; /* where that link led before; "": nowhere */
};

/* ---- what can be said before ---- */

static void warn_of_local_folder(const char *output)
{
    static const char *const local[] = {"/tmp/", "/var/tmp/", "/dev/shm/", "/run/"};
    char path[PATH_MAX];
    struct statfs fs;
    (void)snprintf(path, sizeof path, "%s/", output);
    bool here = !statfs(output, &fs) &&
                ((unsigned)fs.f_type == TMPFS || (unsigned)fs.f_type == RAMFS);
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        here = here || !strncmp(path, local[i], strlen(local[i]));
    if (here)
        log_warn(
            "[job] output \"%s\" is most likely not seen by the nodes; choose a folder "
            "on a shared file system: -o DIR",
            output);
}

static int look_around(struct submission *b, struct err *e)
{
    unsigned bad = herecheck_output(b->s) + herecheck_program(b->s, false);
    if (bad)
        return err_set(e, ERR_USAGE, "job file \"%s\" cannot be submitted: %u error%s",
                       b->s->path, bad, bad == 1 ? "" : "s");
    warn_of_local_folder(b->s->job.output);
    ssize_t n = readlink("/proc/self/exe", b->program, sizeof b->program - 1);
    if (n < 0)
        return err_sys(e, -errno, "find aolani-run itself");
    b->program[n] = '\0';
    return slurm_options(b->s, &b->words, e);
}

/* ---- the script ---- */

static int format(const struct submission *b, const char *run, struct buf *out,
                  struct err *e)
{
    const struct spec *s = b->s;
    struct batch script = {.run = run,
                           .program = b->program,
                           .options = &b->words,
                           .requeue = s->schedule.requeue,
                           .alone = s->schedule.chain <= 1,
                           .label = b->o->label};
    return batch_format(&script, out, e);
}

static int print_script(const struct submission *b, struct err *e)
{
    char run[PATH_MAX];
    struct buf out;
    if (snprintf(run, sizeof run, "%s/%s-TIME-ID", b->s->job.output, b->s->job.name) >=
        (int)sizeof run)
        return err_sys(e, -ENAMETOOLONG, "print the batch script");
    buf_init(&out, BATCH_BYTES);
    int rc = format(b, run, &out, e);
    if (rc == 0)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return rc;
}

static int write_script(const struct submission *b, struct err *e)
{
    char path[PATH_MAX];
    struct buf out;
    buf_init(&out, BATCH_BYTES);
    int rc = format(b, b->dir.path, &out, e);
    if (rc == 0)
        rc = rundir_path(&b->dir, "batch.sh", path, sizeof path, e);
    if (rc == 0)
        rc = rundir_write(path, out.data, out.len, 0700, e);
    buf_fini(&out);
    return rc;
}

/* ---- the run directory ---- */

static void remember_latest(struct submission *b)
{
    char link[PATH_MAX];
    ssize_t n = -1;
    if (snprintf(link, sizeof link, "%s/latest", b->s->job.output) < (int)sizeof link)
        n = readlink(link, b->latest, sizeof b->latest - 1);
    b->latest[n > 0 ? n : 0] = '\0';
}

/* Nothing has begun in it: it holds what we made and no more. */
static void remove_run(const struct submission *b)
{
    static const char *const files[] = {"batch.sh", "slurm", "journal", "spec.toml",
                                        "key"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (!rundir_path(&b->dir, files[i], path, sizeof path, NULL))
            (void)unlink(path);
    if (rmdir(b->dir.path) < 0 ||
        snprintf(path, sizeof path, "%s/latest", b->s->job.output) >= (int)sizeof path)
        return;
    (void)unlink(path);
    if (b->latest[0] && symlink(b->latest, path) < 0)
        log_info("the link \"%s\" is gone: %s", path, strerror(errno));
}

static int make_run(struct submission *b, struct err *e)
{
    struct runprep p;
    remember_latest(b);
    int rc = runprep_make(b->s, NULL, 0, NULL, &p, NULL, e);
    if (rc)
        return rc;
    secure_wipe(&p.key, sizeof p.key);
    b->dir = p.dir;
    if ((rc = write_script(b, e)))
        remove_run(b);
    return rc;
}

/* ---- what comes of it ---- */

/* Within a job, a batch script's: its run, made when the job first began. */
static int prepare(struct submission *b, struct err *e)
{
    struct slurm_job job = {0};
    struct chain c = {0};
    bool inside = slurm_is_inside() && !slurm_job_of_env(&job, NULL);
    char *found =
        inside && job.restarts > 0 ? runfind_by_job(b->s->job.output, job.id) : NULL;
    int rc = found ? 0 : make_run(b, e);
    if (!found && rc == 0 && inside) {
        rc = chain_add(&c, job.id);
        rc = rc ? err_sys(e, rc, "keep the job's id") : chain_write(b->dir.path, &c, e);
    }
    if (rc == 0)
        printf("%s\n", found ? found : b->dir.path);
    chain_fini(&c);
    slurm_job_fini(&job);
    free(found);
    return rc;
}

static void print_submitted(const struct submission *b, const struct chain *c)
{
    if (log_level() < LOG_NOTE_) {
        printf("%" PRIu32 "\n", c->links[0].id);
        return;
    }
    printf("submitted as job %" PRIu32, c->links[0].id);
    for (size_t i = 1; i < c->n && i < 8; i++)
        printf("%s%" PRIu32, i == 1 ? ", to be continued by " : ", ", c->links[i].id);
    printf("%s\nrun directory: %s\n\n", c->n > 8 ? ", ..." : "", b->dir.path);
    printf("  aolani-run status %s\n  aolani-run logs -f %s\n  aolani-run stop %s\n",
           b->dir.path, b->dir.path, b->dir.path);
}

static int submit(struct submission *b, int *ret_signal, struct err *e)
{
    struct chain c = {0};
    int rc = make_run(b, e);
    if (rc)
        return rc;
    size_t n = b->s->schedule.chain > 1 ? (size_t)b->s->schedule.chain : 1;
    struct submit_end end;
    rc = submit_links(b->dir.path, &b->words, n, &c, &end, e);
    *ret_signal = end.signum;
    if (rc == 0)
        print_submitted(b, &c);
    else if (!end.unsure && !chain_read(b->dir.path, &c, NULL) && c.n == 0)
        remove_run(b);
    else /* a job may have begun in it before it was cancelled, or may yet */
        log_note("the run directory is kept: %s", b->dir.path);
    chain_fini(&c);
    return rc;
}

/* The verb says which back end, as an option would; one that comes after it wins. */
static int choose_slurm(struct options *o, struct err *e)
{
    struct spec_flag *flags = calloc(o->n_flags + 1, sizeof *flags);
    if (!flags)
        return err_sys(e, -ENOMEM, "read the options");
    flags[0] = (struct spec_flag){"nodes.backend", "slurm", "submit"};
    for (size_t i = 0; i < o->n_flags; i++)
        flags[i + 1] = o->flags[i];
    free(o->flags);
    o->flags = flags;
    o->n_flags++;
    return 0;
}

static int load(struct submission *b, struct options *o, struct err *e)
{
    int rc = choose_slurm(o, e);
    if (rc == 0)
        rc = options_load_spec(o, &b->s, e);
    if (rc == 0 && b->s->nodes.backend != BACKEND_SLURM) {
        rc = err_set(e, ERR_USAGE,
                     "submit hands a job to Slurm; %s asks for another back end",
                     spec_set_by(b->s, "nodes.backend"));
        err_hint(e, "leave it out, or start the job here: aolani-run %s", o->path);
    }
    return rc;
}

int cmd_submit(int argc, char **argv)
{
    struct options o;
    struct submission b = {.o = &o};
    struct err e;
    int signum = 0;
    int rc = options_parse(verbs_find("submit"), argc, argv, &o, &e);
    bool done = rc > 0;
    if (!rc)
        rc = load(&b, &o, &e);
    if (!rc)
        rc = look_around(&b, &e);
    if (!rc)
        rc = o.runs.print     ? print_script(&b, &e)
             : o.runs.prepare ? prepare(&b, &e)
                              : submit(&b, &signum, &e);
    if (rc < 0)
        log_err(&e);
    strlist_fini(&b.words);
    spec_destroy(b.s);
    options_fini(&o);
    if (signum)
        return 128 + signum;
    return done || !rc ? 0 : err_exit_status(rc);
}
