/* SPDX-License-Identifier: MIT */
/* sysfs - what the kernel says of devices in a folder laid out like /sys.
 *
 * What is not there, or is not understood, is 0, "" or false.
 */
#ifndef AGENT_DESCRIBE_SYSFS_H
#define AGENT_DESCRIBE_SYSFS_H

#include <stdbool.h>

#include "proto/wire/aolani.pb-c.h"

#define SYSFS_PATH 4096

/* A path; one that is too long is that of nothing. */
void sysfs_path(char ret[SYSFS_PATH], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The first line of a file below `dir`; false: not to be read, or too long. */
bool sysfs_read(const char *dir, const char *file, char *ret, size_t size);
/* The last part of what a link below `dir` names: "nvidia" of a driver. */
bool sysfs_read_link(const char *dir, const char *file, char *ret, size_t size);

/* Link speeds and widths of all devices in t->pci; of a device and the port above it the
 * lower. What is there wins over what t has. 0 or -ENOMEM. */
int sysfs_read_links(const char *sysfs, Aolani__Topology *t);

/* "16.0 GT/s PCIe" is 16000. "200 Gb/sec (4X HDR)" is 200000. */
uint32_t sysfs_speed(const char *text);

#endif
