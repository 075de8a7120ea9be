/* SPDX-License-Identifier: MIT */
/* ncclseen.c - see ncclseen.h. */
#include "agent/ncclseen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/proc.h"

#define LIBRARY "libnccl.so."
#define SHARED  "/dev/shm/nccl-"

/* "2.20.5" and nothing more: files of other libraries begin likewise. */
static uint32_t version_of(const char *name)
{
    unsigned major, minor, patch;
    int end = 0;
    size_t len = strspn(name, "0123456789.");
    if (sscanf(name, "%2u.%2u.%2u%n", &major, &minor, &patch, &end) != 3 ||
        (size_t)end != len || (name[len] && name[len] != ' ')) /* " (deleted)" */
        return 0;
    return major * 10000 + minor * 100 + patch;
}

void ncclseen_line(struct ncclseen *s, const char *line)
{
    const char *path = strchr(line, '/');
    const char *name = path ? strrchr(path, '/') : NULL;
    if (!path)
        return;
    if (strncmp(path, SHARED, strlen(SHARED)) == 0)
        s->is_used = true;
    if (strncmp(name + 1, LIBRARY, strlen(LIBRARY)) != 0)
        return;
    uint32_t version = version_of(name + 1 + strlen(LIBRARY));
    if (version)
        s->version = version;
}

/* Part by part: the kernel then holds the lock for a page of text at a time. */
static void read_lines(int fd, struct ncclseen *s)
{
    char part[8192];
    size_t kept = 0, all = 0;
    ssize_t got;
    while (all < NCCLSEEN_BYTES &&
           (got = read(fd, part + kept, sizeof part - 1 - kept)) > 0) {
        char *line = part, *eol;
        all += (size_t)got;
        part[kept + (size_t)got] = '\0';
        for (; (eol = strchr(line, '\n')); line = eol + 1) {
            *eol = '\0';
            ncclseen_line(s, line);
        }
        kept = strlen(line);
        if (kept == sizeof part - 1) /* no line is that long */
            kept = 0;
        memmove(part, line, kept);
    }
}

int ncclseen_look(pid_t pid, struct ncclseen *ret)
{
    char path[40];
    *ret = (struct ncclseen){0};
    if (proc_has_stuck_thread(pid))
        return -EAGAIN;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    read_lines(fd, ret);
    close(fd);
    return 0;
}
