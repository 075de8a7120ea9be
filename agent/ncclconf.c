/* SPDX-License-Identifier: MIT */
/* ncclconf.c - see ncclconf.h. */
#include "agent/ncclconf.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_BYTES 65536 /* the largest seen has 2 kB */

/* A regular file: another could keep us waiting. */
static size_t conf_read(const char *path, char *ret, size_t size)
{
    struct stat st;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, ret, size);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

bool ncclconf_sets(const char *path, const char *prefix)
{
    char text[CONF_BYTES + 1];
    size_t len = strlen(prefix);
    text[conf_read(path, text, CONF_BYTES)] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, prefix, len) == 0)
            return true;
    }
    return false;
}
