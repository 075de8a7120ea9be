/* SPDX-License-Identifier: MIT */
/* nodesignals_file - a counter file of the kernel that is read again and again. A part of
 * nodesignals. Also the numbers in it: what is no number is none, never 0. */
#ifndef AGENT_NODESIGNALS_FILE_H
#define AGENT_NODESIGNALS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nodesignals_file {
    char *path;
    int fd; /* -1: opened for each look */
};

/* reopen: the file may be replaced by another (as those of tests are), which a descriptor
 * would not see. 0, -ENOENT, ... */
int nodesignals_file_open(struct nodesignals_file *f, bool reopen, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nodesignals_file_close(struct nodesignals_file *f); /* takes a zeroed one */
/* From the beginning, as far as buf goes, ended by a NUL. Bytes, or -errno: buf is "". */
ssize_t nodesignals_file_read(const struct nodesignals_file *f, char *buf, size_t size);

/* A number at *at, blanks before it skipped; *at is then after it. False: there is none, or
 * it has more than 64 bits. */
bool nodesignals_number(const char **at, uint64_t *ret);
/* The number after a word at the beginning of a line: "throttled_usec 12". */
bool nodesignals_number_of(const char *text, const char *word, uint64_t *ret);

/* A counter as it was and is. */
struct nodesignals_counter {
    uint64_t last;
    bool has;
};
/* What was added since the last look. False: nobody can tell, since there was no look
 * before, there is none now (is_there false), or the counter went back. */
bool nodesignals_count(struct nodesignals_counter *c, bool is_there, uint64_t now,
                       uint64_t *ret);

#endif
