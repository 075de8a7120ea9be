/* SPDX-License-Identifier: MIT */
/* runprep.c - see runprep.h. */
#include "launcher/runprep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/aolani.pb-c.h"

#define KEY_DIGITS ((size_t)2 * SECURE_KEY_BYTES)

/* The job's key, for a head that may one day take over; its holder rules the job. */
static int write_key(const struct runprep *p, struct err *e)
{
    char path[PATH_MAX];
    char hex[KEY_DIGITS + 2];
    secure_hex(p->key.b, sizeof p->key.b, hex);
    hex[KEY_DIGITS] = '\n';
    int rc = rundir_path(&p->dir, "key", path, sizeof path, e);
    if (rc == 0)
        rc = rundir_write(path, hex, KEY_DIGITS + 1, 0600, e);
    secure_wipe(hex, sizeof hex);
    return rc;
}

static int parse_key(const char *hex, struct secure_key *ret)
{
    if (strspn(hex, "0123456789abcdef") < KEY_DIGITS)
        return ERR_PARSE;
    for (size_t i = 0; i < SECURE_KEY_BYTES; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        ret->b[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return 0;
}

int runprep_read_key(const struct rundir *d, struct secure_key *ret, struct err *e)
{
    char path[PATH_MAX], hex[KEY_DIGITS + 2] = "";
    int rc = rundir_path(d, "key", path, sizeof path, e);
    if (rc < 0)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, hex, sizeof hex - 1);
    if (n < 0)
        rc = err_sys(e, -errno, "read the key of the run, \"%s\"", path);
    else if (parse_key(hex, ret) < 0)
        rc = err_set(e, ERR_PARSE, "read the key of the run, \"%s\": it is none", path);
    if (fd >= 0)
        (void)close(fd);
    secure_wipe(hex, sizeof hex);
    return rc;
}

static int write_spec(const struct runprep *p, const struct buf *toml, struct err *e)
{
    char path[PATH_MAX];
    int rc = rundir_path(&p->dir, "spec.toml", path, sizeof path, e);
    return rc == 0 ? rundir_write(path, toml->data, toml->len, 0600, e) : rc;
}

static int append_start(const struct runprep *p, const struct spec *s,
                        const struct nodes *nodes, uint64_t epoch,
                        const struct buf *toml, struct journal *j, struct err *e)
{
    char host[256] = "";
    const char *slurm = getenv("SLURM_JOB_ID");
    Aolani__JRunStart m = AOLANI__JRUN_START__INIT;
    (void)gethostname(host, sizeof host - 1);
    m.run_id = (char *)p->run_id;
    m.name = s->job.name;
    m.version = (char *)AOLANI_VERSION;
    m.t_real_ns = p->start_real_ns;
    m.spec_toml = (char *)toml->data;
    m.nodes = nodes ? nodes->names : NULL;
    m.n_nodes = nodes ? nodes->n : 0;
    m.epoch = epoch;
    m.argv = s->job.command.items;
    m.n_argv = s->job.command.n;
    m.host = host;
    m.slurm_job = epoch > 0 && slurm ? (uint32_t)strtoul(slurm, NULL, 10) : 0;
    int64_t number = journal_append(j, JOURNAL_RUN_START, &m.base);
    return number < 0 ? err_sys(e, (int)number, "begin the journal") : 0;
}

static void on_journal_error(void *arg, const struct err *e)
{
    (void)arg;
    log_warn("the journal is incomplete: %s", e->text);
}

int runprep_open_journal(const struct rundir *d, struct loop *l, struct journal **ret,
                         struct err *e)
{
    char path[PATH_MAX];
    int rc = rundir_path(d, "journal", path, sizeof path, e);
    return rc == 0 ? journal_open(l, path, on_journal_error, NULL, ret, e) : rc;
}

static int begin_journal(const struct runprep *p, const struct spec *s,
                         const struct nodes *nodes, uint64_t epoch, struct loop *l,
                         struct journal **ret, struct err *e)
{
    struct buf toml;
    buf_init(&toml, LIMIT_JOURNAL_RECORD / 2); /* it goes into a record */
    int rc = spec_format(s, &toml);
    if (rc < 0)
        err_sys(e, rc, "write the resolved job file");
    if (rc == 0)
        rc = write_spec(p, &toml, e);
    if (rc == 0)
        rc = runprep_open_journal(&p->dir, l, ret, e);
    if (rc == 0)
        rc = append_start(p, s, nodes, epoch, &toml, *ret, e);
    buf_fini(&toml);
    return rc;
}

static int name_run(struct runprep *p, struct err *e)
{
    uint8_t id[SECURE_RUN_BYTES];
    int rc = secure_init(e);
    if (rc < 0)
        return rc;
    secure_random(id, sizeof id);
    secure_hex(id, sizeof id, p->run_id);
    secure_random(&p->key, sizeof p->key);
    p->start_real_ns = clock_real_ns();
    return 0;
}

int runprep_make(const struct spec *s, const struct nodes *nodes, uint64_t epoch,
                 struct loop *l, struct runprep *ret, struct journal **ret_journal,
                 struct err *e)
{
    struct loop *own = NULL;
    struct journal *j = NULL;
    int rc = name_run(ret, e);
    if (rc < 0)
        return rc;
    if (!l && (rc = loop_create(&own, e)) < 0)
        return rc;
    if ((rc = rundir_create(s->job.output, s->job.name, ret->start_real_ns, ret->run_id,
                            &ret->dir, e)) < 0)
        rc = e->hint[0] ? rc : err_hint(e, "choose another folder for runs: -o DIR");
    if (rc == 0)
        rc = write_key(ret, e);
    if (rc == 0)
        rc = begin_journal(ret, s, nodes, epoch, l ? l : own, &j, e);
    if (rc == 0 && ret_journal) {
        *ret_journal = j;
        j = NULL;
    }
    if (j) {
        int closed = journal_close(j, rc == 0 ? e : NULL);
        rc = rc < 0 ? rc : closed;
    }
    if (own)
        loop_destroy(own);
    return rc;
}
