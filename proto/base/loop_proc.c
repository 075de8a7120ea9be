/* SPDX-License-Identifier: MIT */
/* loop_proc.c - uv_spawn with two pipes (three with stderr) as streams.
 *
 * Pipes, not a socket pair: a shell that finds a socket on its standard input takes
 * itself for rshd's child and runs the user's start-up files.
 *
 * libuv waits for each child by its own pid, so children of others are left alone. A
 * child whose owner let go of it is still waited for, so that it leaves no zombie; its
 * object lives until then, or until the loop goes.
 */
#include "proto/base/loop_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/loop_impl.h"

struct loop_proc {
    uv_process_t uv;
    struct loop *loop;
    struct loop_proc *next;
    loop_proc_exit_f on_exit;
    void *arg;
    struct loop_stream *io, *err;
    pid_t pid;
    bool exited, destroyed;
};

enum {
    CHILD_IN,
    CHILD_OUT,
    CHILD_ERR,
    N_CHILD_FDS
}; /* index: the child's descriptor */

static void on_proc_closed(uv_handle_t *h)
{
    free(h->data);
}

/* libuv lets go of it. */
static void release(struct loop_proc *p)
{
    struct loop_proc **at = &p->loop->procs;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    uv_close((uv_handle_t *)&p->uv, on_proc_closed);
}

static void finish(struct loop_proc *p, int wait_status)
{
    p->exited = true;
    if (p->destroyed)
        release(p);
    else if (p->on_exit)
        p->on_exit(p->arg, wait_status);
}

static void on_proc_exit(uv_process_t *h, int64_t exit_status, int term_signal)
{
    struct loop_proc *p = h->data;
    if (!p->exited)
        finish(p, W_EXITCODE((int)exit_status & 0xff, term_signal & 0x7f));
}

bool loop_proc_reaped(struct loop *l, pid_t pid, int wait_status)
{
    for (struct loop_proc *p = l->procs; p; p = p->next) {
        if (p->pid == pid && !p->exited) {
            finish(p, wait_status);
            return true;
        }
    }
    return false;
}

void loop_proc_forget_all(struct loop *l)
{
    for (struct loop_proc *p = l->procs, *next; p; p = next) {
        next = p->next;
        if (p->destroyed)
            release(p);
    }
}

/* ---- spawning ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Our ends are non-blocking, the child's are not: it need not expect that. */
static int make_pipes(int ours[N_CHILD_FDS], int theirs[N_CHILD_FDS], int n)
{
    for (int i = 0; i < n; i++) {
        int fd[2];
        if (pipe2(fd, O_CLOEXEC) < 0)
            return -errno;
        int our = i == CHILD_IN ? 1 : 0;
        ours[i] = fd[our];
        theirs[i] = fd[!our];
        if (fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

/* What we inherited ourselves without the flag must not go on to the child. A kernel
 * before 5.11 has no such call; then the child gets it, which does no harm. */
static void hide_descriptors(void)
{
    (void)syscall(SYS_close_range, 3u, UINT_MAX, CLOSE_RANGE_CLOEXEC);
}

static int spawn(struct loop_proc *p, const struct loop_proc_spec *spec,
                 const int theirs[N_CHILD_FDS])
{
    uv_stdio_container_t io[4];
    for (int i = 0; i < N_CHILD_FDS; i++) {
        io[i].flags = UV_INHERIT_FD;
        io[i].data.fd = theirs[i] >= 0 ? theirs[i] : i;
    }
    io[3].flags = spec->extra_fd >= 0 ? UV_INHERIT_FD : UV_IGNORE;
    io[3].data.fd = spec->extra_fd;
    uv_process_options_t o = {
        .exit_cb = on_proc_exit,
        .file = spec->file,
        .args = (char **)spec->argv,
        .env = (char **)spec->env,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = spec->extra_fd >= 0 ? 4 : 3,
        .stdio = io,
    };
    p->uv.data = p;
    hide_descriptors();
    int rc = uv_spawn(&p->loop->uv, &p->uv, &o);
    if (rc == 0)
        p->pid = p->uv.pid;
    return rc;
}

static int open_streams(struct loop_proc *p, int ours[N_CHILD_FDS], struct err *e)
{
    int in = ours[CHILD_IN], out = ours[CHILD_OUT], err = ours[CHILD_ERR];
    ours[CHILD_IN] = ours[CHILD_OUT] = ours[CHILD_ERR] = -1;
    int rc = loop_stream_open(p->loop, out, in, NULL, NULL, &p->io, e);
    if (rc < 0 || err < 0) {
        close_fd(&err);
        return rc;
    }
    return loop_stream_open(p->loop, err, -1, NULL, NULL, &p->err, e);
}

int loop_proc_spawn(struct loop *l, const struct loop_proc_spec *spec,
                    loop_proc_exit_f on_exit, void *arg, struct loop_proc **ret,
                    struct err *e)
{
    int ours[N_CHILD_FDS] = {-1, -1, -1}, theirs[N_CHILD_FDS] = {-1, -1, -1};
    struct loop_proc *p = calloc(1, sizeof *p);
    bool tried = false;
    int rc = p ? make_pipes(ours, theirs, spec->stderr_to_stream ? 3 : 2) : -ENOMEM;
    if (rc < 0) {
        err_sys(e, rc, "start \"%s\"", spec->file);
        goto fail;
    }
    p->loop = l;
    p->on_exit = on_exit;
    p->arg = arg;
    /* Before the spawn: whatever fails after it would leave a child behind. */
    rc = open_streams(p, ours, e);
    if (rc < 0)
        goto fail;
    tried = true;
    rc = spawn(p, spec, theirs);
    if (rc < 0) {
        err_sys(e, rc, "start \"%s\"", spec->file);
        goto fail;
    }
    for (int i = 0; i < N_CHILD_FDS; i++)
        close_fd(&theirs[i]);
    p->next = l->procs;
    l->procs = p;
    *ret = p;
    return 0;
fail:
    for (int i = 0; i < N_CHILD_FDS; i++) {
        close_fd(&ours[i]);
        close_fd(&theirs[i]);
    }
    if (p) {
        loop_stream_destroy(p->io);
        loop_stream_destroy(p->err);
    }
    if (tried)
        release(p); /* uv_spawn initialises the handle before it can fail */
    else
        free(p);
    return rc;
}

/* ---- the rest ---- */

struct loop_stream *loop_proc_take_io(struct loop_proc *p)
{
    struct loop_stream *s = p->io;
    p->io = NULL;
    return s;
}

struct loop_stream *loop_proc_take_stderr(struct loop_proc *p)
{
    struct loop_stream *s = p->err;
    p->err = NULL;
    return s;
}

pid_t loop_proc_pid(const struct loop_proc *p)
{
    return p->pid;
}

bool loop_proc_exited(const struct loop_proc *p)
{
    return p->exited;
}

int loop_proc_kill(struct loop_proc *p, int signum)
{
    if (p->exited)
        return -ESRCH; /* the number may belong to another by now */
    return kill(p->pid, signum) < 0 ? -errno : 0;
}

void loop_proc_destroy(struct loop_proc *p)
{
    if (!p || p->destroyed)
        return;
    p->destroyed = true;
    loop_stream_destroy(p->io);
    loop_stream_destroy(p->err);
    if (p->exited)
        release(p);
    else
        uv_unref((uv_handle_t *)&p->uv); /* nobody waits for it any more */
}
