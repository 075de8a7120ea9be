/* SPDX-License-Identifier: MIT */
/* chain.c - see chain.h. */
#include "launcher/slurm/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/rundir.h"
#include "launcher/slurm/ask.h"
#include "launcher/slurm/options.h"
#include "proto/base/buf.h"

#define FILE_BYTES (CHAIN_MAX * 24u)

/* ---- the file ---- */

static bool parse_id(const char *text, size_t len, uint32_t *ret)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' ||
            (n = n * 10 + (uint64_t)(text[i] - '0')) > UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)n;
    return n > 0;
}

bool chain_has(const struct chain *c, uint32_t id)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->links[i].id == id)
            return true;
    return false;
}

int chain_add(struct chain *c, uint32_t id)
{
    if (c->n >= CHAIN_MAX)
        return ERR_LIMIT;
    struct chain_link *more = realloc(c->links, (c->n + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    c->links = more;
    c->links[c->n++] = (struct chain_link){.id = id, .left_s = CHAIN_NO_LIMIT};
    return 0;
}

/* Whole ones: a part of an id is that of another job. */
static int add_lines(struct chain *c, const char *text, size_t len)
{
    int rc = 0;
    const char *newline, *end = text + len;
    for (; rc == 0 && (newline = memchr(text, '\n', (size_t)(end - text)));
         text = newline + 1) {
        uint32_t id;
        if (parse_id(text, (size_t)(newline - text), &id) && !chain_has(c, id))
            rc = chain_add(c, id);
    }
    return rc == ERR_LIMIT ? 0 : rc;
}

int chain_read(const char *dir, struct chain *ret, struct err *e)
{
    char path[PATH_MAX];
    struct buf text;
    *ret = (struct chain){0};
    if (snprintf(path, sizeof path, "%s/slurm", dir) >= (int)sizeof path)
        return err_sys(e, -ENAMETOOLONG, "read the jobs of \"%.200s\"", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return 0;
    struct stat st;
    int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    buf_init(&text, FILE_BYTES);
    if (rc == 0)
        rc = buf_read(&text, fd);
    if (rc == 0)
        rc = add_lines(ret, (const char *)text.data, text.len);
    if (fd >= 0)
        (void)close(fd);
    buf_fini(&text);
    return rc ? err_sys(e, rc == ERR_LIMIT ? -EFBIG : rc, "read \"%s\"", path) : 0;
}

int chain_write(const char *dir, const struct chain *c, struct err *e)
{
    char path[PATH_MAX];
    struct buf text;
    if (snprintf(path, sizeof path, "%s/slurm", dir) >= (int)sizeof path)
        return err_sys(e, -ENAMETOOLONG, "keep the jobs of \"%.200s\"", dir);
    buf_init(&text, FILE_BYTES);
    int rc = 0;
    for (size_t i = 0; i < c->n && rc == 0; i++)
        rc = buf_printf(&text, "%" PRIu32 "\n", c->links[i].id);
    rc = rc ? err_sys(e, rc, "keep the jobs of the run")
            : rundir_write(path, text.data, text.len, 0600, e);
    buf_fini(&text);
    return rc;
}

void chain_fini(struct chain *c)
{
    free(c->links);
    *c = (struct chain){0};
}

/* ---- what Slurm says ---- */

/* A field up to the next '|' or the end of the line; what a terminal would obey is '?'. */
static const char *take_field(const char *at, char *ret, size_t len)
{
    size_t n = strcspn(at, "|\n");
    (void)snprintf(ret, len, "%.*s", (int)n, at);
    if (n >= len && len > 4)
        memcpy(ret + len - 4, "...", 4);
    for (char *c = ret; *c; c++)
        *c = *c < ' ' || *c > '~' ? '?' : *c;
    return at + n + (at[n] == '|');
}

static struct chain_link *find(struct chain *c, uint32_t id)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->links[i].id == id)
            return &c->links[i];
    return NULL;
}

static void read_line(struct chain *c, const char *line)
{
    char id[16], left[32];
    struct chain_link got = {.left_s = CHAIN_NO_LIMIT};
    uint64_t s;
    line = take_field(line, id, sizeof id);
    line = take_field(line, got.state, sizeof got.state);
    line = take_field(line, left, sizeof left);
    line = take_field(line, got.reason, sizeof got.reason);
    (void)take_field(line, got.nodes, sizeof got.nodes);
    if (!parse_id(id, strlen(id), &got.id))
        return;
    if (!strcmp(left, "0:00"))
        got.left_s = 0;
    else if (!slurm_time_parse(left, &s, NULL) && s != SLURM_TIME_UNLIMITED)
        got.left_s = s;
    struct chain_link *l = find(c, got.id);
    if (l)
        *l = got;
}

void chain_of_squeue(const char *text, struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        c->links[i] =
            (struct chain_link){.id = c->links[i].id, .left_s = CHAIN_NO_LIMIT};
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        read_line(c, text);
    c->asked = true;
}

static int list_ids(const struct chain *c, struct buf *out)
{
    int rc = 0;
    for (size_t i = 0; i < c->n && rc == 0; i++)
        rc = buf_printf(out, "%s%" PRIu32, i > 0 ? "," : "", c->links[i].id);
    return rc;
}

int chain_ask(struct chain *c, struct err *e)
{
    struct buf ids, out;
    struct err why;
    if (c->n == 0) {
        c->asked = true;
        return 0;
    }
    buf_init(&ids, FILE_BYTES);
    buf_init(&out, 4u << 20);
    int rc = list_ids(c, &ids);
    char *argv[] = {"squeue",   "--noheader", "--jobs", (char *)ids.data,
                    "--format", CHAIN_FORMAT, NULL};
    if (rc)
        rc = err_sys(&why, rc, "ask Slurm for jobs");
    else
        rc = slurm_run_now(argv, NULL, &out, &why);
    /* Of one job that it has forgotten squeue says so, of several it says nothing. */
    if (rc == ERR_USAGE)
        rc = out.len = 0;
    if (rc == 0 && (rc = buf_add(&out, "", 1)))
        err_sys(&why, rc, "ask Slurm for jobs");
    if (rc == 0)
        chain_of_squeue((const char *)out.data, c);
    else if (e)
        *e = why;
    buf_fini(&ids);
    buf_fini(&out);
    return rc;
}

static bool is_one_of(const char *state, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(state, words[i]))
            return true;
    return false;
}

bool chain_link_waits(const struct chain_link *l)
{
    static const char *const words[] = {"PENDING", "REQUEUED", "REQUEUE_HOLD",
                                        "REQUEUE_FED", "SPECIAL_EXIT"};
    return is_one_of(l->state, words, sizeof words / sizeof words[0]);
}

bool chain_link_runs(const struct chain_link *l)
{
    static const char *const words[] = {"CONFIGURING", "RUNNING",  "SUSPENDED",
                                        "COMPLETING",  "RESIZING", "SIGNALING",
                                        "STAGE_OUT",   "STOPPED"};
    return is_one_of(l->state, words, sizeof words / sizeof words[0]);
}

const struct chain_link *chain_running(const struct chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (chain_link_runs(&c->links[i]))
            return &c->links[i];
    return NULL;
}

size_t chain_n_waiting(const struct chain *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += chain_link_waits(&c->links[i]);
    return n;
}

/* ---- what is asked of Slurm ---- */

/* A job that is over is nothing to complain of. */
static int ask_for(char *const *argv, struct err *e)
{
    struct buf out;
    struct err why;
    buf_init(&out, 64u << 10);
    int rc = slurm_run_now(argv, NULL, &out, &why);
    buf_fini(&out);
    if (rc == ERR_USAGE || (rc && strstr(why.text, "already completing")))
        return 0;
    if (rc && e)
        *e = why;
    return rc;
}

static int cancel(const struct chain *c, bool all, struct err *e)
{
    char **argv = calloc(c->n + 4, sizeof *argv);
    char(*ids)[16] = calloc(c->n + 1, sizeof *ids);
    int rc = argv && ids ? 0 : err_sys(e, -ENOMEM, "cancel jobs");
    size_t n = 0;
    if (rc == 0) {
        argv[n++] = "scancel";
        argv[n++] = "--quiet";
        if (!all)
            argv[n++] = "--state=PENDING";
        for (size_t i = 0; i < c->n; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "%" PRIu32, c->links[i].id);
            argv[n++] = ids[i];
        }
        argv[n] = NULL;
        rc = c->n > 0 ? ask_for(argv, e) : 0;
    }
    free(argv);
    free(ids);
    return rc;
}

int chain_cancel_waiting(const struct chain *c, struct err *e)
{
    return cancel(c, false, e);
}

int chain_cancel(const struct chain *c, struct err *e)
{
    return cancel(c, true, e);
}

int chain_tell(uint32_t id, struct err *e)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%" PRIu32, id);
    char *argv[] = {"scancel", "--quiet", "--batch", "--signal=TERM", text, NULL};
    return ask_for(argv, e);
}

int chain_kill(uint32_t id, struct err *e)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%" PRIu32, id);
    char *kill[] = {"scancel", "--quiet", "--full", "--signal=KILL", text, NULL};
    char *cancel[] = {"scancel", "--quiet", text, NULL};
    int rc = ask_for(kill, e);
    return rc ? rc : ask_for(cancel, e);
}
