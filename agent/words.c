/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. The descriptor itself stays as it is: it may be shared with
 * others, by whom O_NONBLOCK would not be expected. */
#include "agent/words.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void words_say(enum log_level level, const char *line, void *arg)
{
    char text[PIPE_BUF];
    int fd = arg ? *(const int *)arg : STDERR_FILENO;
    (void)level;
    int len = snprintf(text, sizeof text - 1, "%s", line);
    if (len < 0)
        return;
    if ((size_t)len > sizeof text - 2)
        len = sizeof text - 2;
    text[len++] = '\n';
    ssize_t n = send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0 || errno != ENOTSOCK)
        return;
    /* A pipe that is writable takes PIPE_BUF bytes at once. */
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
        n = write(fd, text, (size_t)len);
    (void)n;
}
