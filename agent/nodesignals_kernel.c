/* SPDX-License-Identifier: MIT */
/* nodesignals_kernel.c - see nodesignals_kernel.h. /dev/kmsg gives one record a read; of
 * anything else a read may end within a line, which then waits for its end. */
#include "agent/nodesignals_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/xid.h"

#define RECORD_BYTES 16384u /* the kernel's longest, its dictionary included, is 8192 */

struct nodesignals_kernel {
    int fd;
    size_t len;
    bool too_long;
    char line[RECORD_BYTES];
};

int nodesignals_kernel_open(const char *path, struct nodesignals_kernel **ret)
{
    struct nodesignals_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (k->fd < 0) {
        int rc = -errno;
        free(k);
        return rc;
    }
    (void)lseek(k->fd, 0, SEEK_END); /* a FIFO has no end */
    *ret = k;
    return 0;
}

void nodesignals_kernel_close(struct nodesignals_kernel *k)
{
    if (!k)
        return;
    close(k->fd);
    free(k);
}

static void take_line(struct nodesignals_kernel *k, const char *line, size_t len,
                      struct nodesignals_sum *ret)
{
    struct xid x;
    if (!k->too_long && xid_parse(line, len, &x))
        nodesignals_sum_fault(ret, &x, 1);
    k->too_long = false;
}

static void take_lines(struct nodesignals_kernel *k, struct nodesignals_sum *ret)
{
    char *at = k->line, *end = k->line + k->len, *newline;
    for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
        take_line(k, at, (size_t)(newline - at), ret);
    k->len = (size_t)(end - at);
    memmove(k->line, at, k->len);
    if (k->len == sizeof k->line) {
        k->too_long = true;
        k->len = 0;
    }
}

void nodesignals_kernel_read(struct nodesignals_kernel *k, struct nodesignals_sum *ret)
{
    for (unsigned i = 0; k && i < NODESIGNALS_RECORDS; i++) {
        ssize_t n = read(k->fd, k->line + k->len, sizeof k->line - k->len);
        /* EPIPE: records were overwritten before we came; EINVAL: one has no room
         * behind what is left of another, which a record of the kernel's never is. */
        if (n < 0 && (errno == EPIPE || errno == EINTR))
            continue;
        if (n < 0 && errno == EINVAL && k->len > 0) {
            k->len = 0;
            continue;
        }
        if (n <= 0)
            return;
        k->len += (size_t)n;
        take_lines(k, ret);
    }
}
