/* SPDX-License-Identifier: MIT */
/* data.c - see data.h. Each part is walked through from its start, `positions` targets a
 * step, and from its start again when the next window would pass its end. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/workload/data.h"

int data_open(struct data *d, const char *path, uint32_t streams, uint32_t context,
              uint32_t positions, uint32_t rank, uint32_t world, char *why, size_t len)
{
    struct stat st;
    *d = (struct data){.fd = -1, .context = context, .positions = positions};
    assert(streams % world == 0);
    d->n = streams / world;
    d->first = rank * d->n;
    d->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (d->fd < 0 || fstat(d->fd, &st) < 0) {
        snprintf(why, len, "--text \"%s\": %s", path, strerror(errno));
        goto fail;
    }
    d->size = (uint64_t)st.st_size;
    d->part_len = d->size / streams;
    if (d->part_len < (uint64_t)context + positions) {
        snprintf(why, len,
                 "--text \"%s\": %llu bytes are too few for %u streams of at least "
                 "%u context + %u target bytes",
                 path, (unsigned long long)d->size, streams, context, positions);
        goto fail;
    }
    d->window = malloc((size_t)context + positions);
    if (!d->window) {
        snprintf(why, len, "out of memory for a window of the text");
        goto fail;
    }
    return 0;
fail:
    data_close(d);
    return -1;
}

void data_close(struct data *d)
{
    if (d->fd >= 0)
        close(d->fd);
    free(d->window);
    d->fd = -1;
    d->window = NULL;
}

const uint8_t *data_window(struct data *d, uint32_t i, uint64_t step, char *why,
                           size_t len)
{
    size_t want = (size_t)d->context + d->positions, have = 0;
    uint64_t windows = (d->part_len - d->context) / d->positions;
    uint64_t at =
        (uint64_t)(d->first + i) * d->part_len + step % windows * d->positions;
    while (have < want) {
        ssize_t n = pread(d->fd, d->window + have, want - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            snprintf(why, len, "read the text at byte %llu: %s",
                     (unsigned long long)(at + have),
                     n < 0 ? strerror(errno) : "the file became shorter");
            return NULL;
        }
        have += (size_t)n;
    }
    return d->window;
}
