/* SPDX-License-Identifier: MIT */
/* nccltopo.c - see nccltopo.h. */
#include "agent/describe/nccltopo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/describe/msg.h"
#include "proto/base/buf.h"
#include "proto/base/limits.h"

/* -ENODATA: nothing that has a text. A fifo is not opened for long. */
static int read_text(const char *path, struct buf *b)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? buf_read(b, fd) : -ENODATA;
    (void)close(fd);
    if (rc == 0 && (b->len == 0 || memchr(b->data, '\0', b->len)))
        rc = -ENODATA;
    return rc < 0 ? rc : buf_printf(b, "%s", "");
}

static int note_why(Aolani__Topology *t, const char *path, int rc)
{
    const char *why = rc == ERR_LIMIT  ? "it is longer than can be described"
                      : rc == -ENODATA ? "it holds no text"
                                       : strerror(-rc);
    return msg_note(t, "what NCCL reads in \"%s\" is not known: %s", path, why);
}

int nccltopo_annotate(Aolani__Topology *t, const char *file, const char *otherwise,
                      struct err *e)
{
    bool is_set = file && *file;
    const char *path = is_set ? file : otherwise;
    if (!path || (!is_set && access(path, F_OK) < 0))
        return 0;
    struct buf b;
    buf_init(&b, LIMIT_NCCL_TOPO);
    int rc = msg_format(&t->nccl_topo_file, "%s", path);
    if (rc == 0)
        rc = read_text(path, &b);
    if (rc == 0)
        rc = msg_format(&t->nccl_topo_text, "%s", (const char *)b.data);
    else if (rc != -ENOMEM)
        rc = note_why(t, path, rc);
    buf_fini(&b);
    return rc < 0 ? err_sys(e, rc, "cannot describe NCCL's topology file") : 0;
}
