/* SPDX-License-Identifier: MIT */
/* machine - what the probes of the audit look at: this machine, or a tree of recorded facts
 * that stands for another one.
 *
 * A tree is a folder with the files of /proc, /sys, /etc, ... as they were. What is no file
 * is recorded in its file "facts", a line each, '#' begins a comment:
 *
 *   uid 1000                        who looks (0 where it is not said)
 *   errno EACCES sys/a/b            opening that file fails so, for reading and writing;
 *   errno-write EROFS proc/sys/x    only for writing. A path stands for all below it.
 *   cpuid LEAF SUB EAX EBX ECX EDX  hexadecimal
 *   call NAME 0|ERRNO               what machine_call(NAME) returned
 *   number NAME VALUE               what was measured: cpuid-cycles and cpuid-ns (medians of
 *                                   CPUID), clock-ns (of clock_gettime)
 *
 * Without a line a call was not recorded: -ENOSYS; a number and a leaf are not known.
 * Nothing here writes, keeps a descriptor of a device open, or follows a link out of a tree.
 * One thread. Paths are absolute ("/sys/..."), in a tree below it.
 */
#ifndef AGENT_AUDIT_MACHINE_H
#define AGENT_AUDIT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

#define MACHINE_PATH  512u  /* of a path, with its end */
#define MACHINE_NAMES 8192u /* in a folder, at most */

enum machine_call {                      /* tried once, and undone at once */
                    MACHINE_PERF_CYCLES, /* perf_event_open of hardware cycles */
                    MACHINE_MEMPOLICY, /* set_mempolicy(MPOL_BIND) to what is allowed, and back */
                    MACHINE_FIFO, /* a thread of its own under SCHED_FIFO, and back */
                    MACHINE_HUGEPAGE, /* a mapping of one huge page */
                    MACHINE_LATENCY,  /* /dev/cpu_dma_latency opened for writing */
                    MACHINE_CALLS,
};

struct machine;

/* root NULL: this machine. ERR_USAGE: no such folder, or its facts cannot be read (the line
 * is named). */
int machine_open(const char *root, struct machine **ret, struct err *e);
void machine_close(struct machine *m); /* takes NULL */

bool machine_is_live(const struct machine *m);
uid_t machine_uid(const struct machine *m); /* who looks */

/* The first bytes of a file, at most size - 1, and a 0. The length, or -errno (ENOENT,
 * EACCES, ...; a folder: EISDIR). A fifo or device is never opened: EINVAL. */
ssize_t machine_read(const struct machine *m, const char *path, void *ret, size_t size);
/* Its first line, without white space around. 0 or -errno; -E2BIG: longer. */
int machine_line(const struct machine *m, const char *path, char *ret, size_t size);
/* Its first line as a whole number, decimal or 0x...; -EINVAL: it is none. */
int machine_int(const struct machine *m, const char *path, int64_t *ret);
bool machine_exists(const struct machine *m, const char *path);
/* Can it be written? It is opened for that and closed, nothing is written. 0, -EACCES,
 * -EPERM, -EROFS, -ENOENT, ... */
int machine_writable(const struct machine *m, const char *path);
/* Names in a folder, sorted bytewise, without "." and ".."; freed by machine_free_names.
 * Their number or -errno. */
int machine_list(const struct machine *m, const char *path, char ***ret);
void machine_free_names(char **names, int n); /* takes NULL and a negative n */
/* Where a path leads to when all links are followed, as an absolute path of that machine:
 * "/sys/devices/pci0000:00/0000:00:01.0". 0 or -errno. */
int machine_real(const struct machine *m, const char *path, char *ret, size_t size);
/* What a symbolic link says, as it stands. 0 or -errno. */
int machine_link(const struct machine *m, const char *path, char *ret, size_t size);

/* eax, ebx, ecx, edx. false: not x86, or not recorded. */
bool machine_cpuid(const struct machine *m, uint32_t leaf, uint32_t sub,
                   uint32_t ret[4]);
/* The same, but nothing but 0 for a leaf that this CPU has not. */
bool machine_leaf(const struct machine *m, uint32_t leaf, uint32_t sub,
                  uint32_t ret[4]);
/* What /proc/cpuinfo says of the first CPU under that key ("microcode"). 0 or -errno;
 * -ENODATA: nothing. */
int machine_cpuinfo(const struct machine *m, const char *key, char *ret, size_t size);
/* Has the first CPU that flag? -1: there are no flags (not x86). */
int machine_flag(const struct machine *m, const char *flag);
bool machine_has_word(const char *text, const char *word); /* between white space */
/* The choice that is made in "always [madvise] never". false: none, or longer. */
bool machine_choice(const char *text, char *ret, size_t size);
/* Root of the machine itself, not of a user namespace on it. */
bool machine_is_root(const struct machine *m);
/* A whole file, freed by the caller; NULL and *ret negative: -E2BIG, it has more. */
char *machine_text(const struct machine *m, const char *path, size_t most, int *ret);

/* 0 or -errno; -ENOSYS: the kernel has it not, or it was not recorded. */
int machine_call(const struct machine *m, enum machine_call what);
/* A number that was recorded beside the tree; false: not, or this machine is live and the
 * caller has to measure it. */
bool machine_number(const struct machine *m, const char *name, double *ret);

#endif
