/* SPDX-License-Identifier: MIT */
/* pci_tree - the /sys of a machine that never was, made of a few lines, a row each:
 *
 *   pci0000:00/0000:00:01.0/0000:01:00.0 030200 10de 2330 numa_node=0 ...
 *       a device: the way to it, its class, vendor and device, then its files. '_' in a text
 *       is a blank. Of its own: group=TYPE (an IOMMU group of its own), physfn=ADDRESS, and
 *       config=WORD,... (see config_put).
 *   /proc/sys/kernel/numa_balancing 1
 *       any other file and its text, '|' in it is the end of a line
 *   facts uid 1000
 *       a line of the file "facts"
 *
 * Links are symbolic links, as in a real one. Included after cmocka.
 */
#ifndef TESTS_LIB_PCI_TREE_H
#define TESTS_LIB_PCI_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/tree.h"

#define PCI_TREE_GUEST "facts cpuid 1 0 0 0 80000000 0\n"
#define PCI_TREE_METAL "facts cpuid 1 0 0 0 0 0\n"
#define PCI_TREE_USER  "facts uid 1000\n"

static void pci_tree_u16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* A payload as the registers have it: 128 is 0, 256 is 1, ... */
static unsigned pci_tree_code(const char *bytes)
{
    unsigned code = 0;
    for (unsigned long v = strtoul(bytes, NULL, 10); v > 128 && code < 7; v /= 2)
        code++;
    return code;
}

static void pci_tree_word(uint8_t *b, const char *word, size_t *n)
{
    uint8_t *x = b + 0x40; /* PCI Express */
    unsigned control = x[8] | (unsigned)x[9] << 8;
    if (!strncmp(word, "bytes:", 6))
        *n = strtoul(word + 6, NULL, 10);
    else if (!strcmp(word, "port"))
        x[2] |= 0x40;
    else if (!strcmp(word, "dead"))
        memset(b, 0xff, 4096);
    else if (!strcmp(word, "conventional"))
        b[6] = 0;
    else if (!strcmp(word, "ordered"))
        control &= ~0x10u;
    else if (!strncmp(word, "payload:", 8))
        control = (control & ~0xe0u) | pci_tree_code(word + 8) << 5;
    else if (!strncmp(word, "most:", 5))
        x[4] = (uint8_t)pci_tree_code(word + 5);
    else if (!strncmp(word, "aspm:", 5))
        x[0x10] = (uint8_t)strtoul(word + 5, NULL, 10);
    else if (!strcmp(word, "routes"))
        x[0x24] |= 0x40;
    else if (!strcmp(word, "completes"))
        pci_tree_u16(x + 0x24, x[0x24] | 0x180);
    else if (!strcmp(word, "requests"))
        x[0x28] |= 0x40;
    else if (!strcmp(word, "blocks"))
        x[0x28] |= 0x80;
    else if (!strncmp(word, "acs:", 4))
        pci_tree_u16(b + 0x106, (unsigned)strtoul(word + 4, NULL, 16));
    else if (!strcmp(word, "noacs"))
        memset(b + 0x100, 0, 8);
    else if (*word)
        fail_msg("config: \"%s\"?", word);
    if (x[8] != 0xff)
        pci_tree_u16(x + 8, control);
}

/* A device with PCI Express, relaxed ordering and ACS (nothing of it on), changed by words. */
static void pci_tree_config(const char *dir, const char *address, const char *words)
{
    uint8_t b[4096] = {[0] = 0xde, [1] = 0x10, [6] = 0x10, [0x34] = 0x40};
    static const uint8_t express[] = {0x10, 0, 2, 0, 2, 0, 0, 0, 0x50, 0x20};
    static const uint8_t acs[] = {0x0d, 0, 1, 0, 0x5f, 0, 0, 0};
    char path[PATH_MAX], copy[256], *left = NULL;
    size_t n = sizeof b;
    memcpy(b + 0x40, express, sizeof express);
    memcpy(b + 0x100, acs, sizeof acs);
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *at = strtok_r(copy, ",", &left); at; at = strtok_r(NULL, ",", &left))
        pci_tree_word(b, at, &n);
    (void)snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/config", dir, address);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fwrite(b, 1, n, f) == n && fclose(f) == 0);
}

static void pci_tree_link(const char *dir, const char *path, const char *to)
{
    char full[PATH_MAX];
    (void)snprintf(full, sizeof full, "%s/%s", dir, path);
    if (symlink(to, full) != 0)
        fail_msg("link \"%s\"", full);
}

static void pci_tree_file(const char *dir, const char *address, char *word)
{
    char path[300], to[300], *text = strchr(word, '=');
    static unsigned groups;
    if (!text)
        fail_msg("\"%s\" has no =", word);
    *text++ = '\0';
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address, word);
    if (!strcmp(word, "config")) {
        pci_tree_config(dir, address, text);
    } else if (!strcmp(word, "physfn")) {
        (void)snprintf(to, sizeof to, "/sys/bus/pci/devices/%s", text);
        pci_tree_link(dir, path, to);
    } else if (!strcmp(word, "group")) {
        (void)snprintf(to, sizeof to, "/sys/kernel/iommu_groups/%u", groups);
        (void)snprintf(path, sizeof path, "sys/kernel/iommu_groups/%u/%s", groups++,
                       *text ? "type" : "reserved_regions");
        tree_put(dir, path, text);
        (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/iommu_group",
                       address);
        pci_tree_link(dir, path, to);
    } else {
        for (char *at = text; (at = strchr(at, '_'));)
            *at = ' ';
        tree_put(dir, path, text);
    }
}

static void pci_tree_device(const char *dir, char *line)
{
    static const char *const names[] = {"class", "vendor", "device"};
    char *left = NULL, *way = strtok_r(line, " ", &left), path[400], to[400], hex[16];
    const char *address = strrchr(way, '/') + 1;
    (void)snprintf(path, sizeof path, "sys/devices/%s/uevent", way);
    tree_put(dir, path, "");
    tree_put(dir, "sys/bus/pci/devices/.keep", "");
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s", address);
    (void)snprintf(to, sizeof to, "../../../devices/%s", way);
    pci_tree_link(dir, path, to);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address,
                       names[i]);
        (void)snprintf(hex, sizeof hex, "0x%s\n", strtok_r(NULL, " ", &left));
        tree_put(dir, path, hex);
    }
    for (char *at = strtok_r(NULL, " ", &left); at; at = strtok_r(NULL, " ", &left))
        pci_tree_file(dir, address, at);
}

/* A tree of the lines of all texts; the caller removes it. */
static void pci_tree_make(char *dir, const char *const texts[], size_t n)
{
    char facts[4096] = "";
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < n; i++) {
        char *copy = strdup(texts[i] ? texts[i] : ""), *left = NULL;
        assert_non_null(copy);
        for (char *at = strtok_r(copy, "\n", &left); at;
             at = strtok_r(NULL, "\n", &left)) {
            char *text = at + strcspn(at, " "); /* a file's, after a blank */
            bool has_text = *text;
            if (!strncmp(at, "facts ", 6)) {
                (void)snprintf(facts + strlen(facts), sizeof facts - strlen(facts),
                               "%s\n", at + 6);
            } else if (*at == '/') {
                *text = '\0';
                for (char *end = text + 1; has_text && (end = strchr(end, '|'));)
                    *end = '\n';
                tree_put(dir, at + 1, has_text ? text + 1 : "");
            } else {
                pci_tree_device(dir, at);
            }
        }
        free(copy);
    }
    tree_put(dir, "facts", facts);
}

static void pci_tree_remove(const char *dir)
{
    char command[PATH_MAX + 16];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

#endif
