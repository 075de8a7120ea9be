/* SPDX-License-Identifier: MIT */
/* container.c - a container hides parts of a machine that is as real as before; a virtual
 * machine is another machine. So the two are told apart, and what hides is named. */
#include "agent/audit/container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Files that a manager leaves, systemd's first. */
static const struct {
    const char *path, *word;
} marks[] = {
    {"/run/.containerenv", "podman"},
    {"/.dockerenv", "docker"},
    {"/.singularity.d", "apptainer"},
    {"/var/run/secrets/kubernetes.io", "kubernetes"},
    {"/ch/environment", "charliecloud"},
};

/* Parts of the first process's cgroup: of the container, seen from outside of it. */
static const struct {
    const char *part, *word;
} cgroups[] = {
    {"kubepods", "kubernetes"}, {"/docker", "docker"},
    {"/libpod", "podman"},      {"/lxc", "lxc"},
    {"garden", "garden"},       {"/machine.slice/", "nspawn"},
};

static bool copy(char *ret, size_t size, const char *word)
{
    return snprintf(ret, size, "%s", word) > 0;
}

/* container=NAME in the environment of the first process, which only its owner sees. */
static bool by_environment(const struct machine *m, char *ret, size_t size)
{
    char text[16384];
    ssize_t n = machine_read(m, "/proc/1/environ", text, sizeof text);
    for (const char *at = text; n > 0 && at < text + n; at += strlen(at) + 1)
        if (!strncmp(at, "container=", 10) && at[10])
            return copy(ret, size, at + 10);
    return false;
}

static bool by_cgroup(const struct machine *m, char *ret, size_t size)
{
    char text[8192];
    if (machine_read(m, "/proc/1/cgroup", text, sizeof text) <= 0)
        return false;
    for (size_t i = 0; i < sizeof cgroups / sizeof *cgroups; i++)
        if (strstr(text, cgroups[i].part))
            return copy(ret, size, cgroups[i].word);
    return false;
}

bool container_word(const struct machine *m, char *ret, size_t size)
{
    static const char *const named[] = {"/run/host/container-manager",
                                        "/run/systemd/container"};
    char kernel[256];
    if (machine_exists(m, "/proc/vz") && !machine_exists(m, "/proc/bc"))
        return copy(ret, size, "openvz");
    if (machine_line(m, "/proc/sys/kernel/osrelease", kernel, sizeof kernel) == 0 &&
        (strstr(kernel, "Microsoft") || strstr(kernel, "WSL")))
        return copy(ret, size, "wsl");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (machine_line(m, named[i], ret, size) == 0 && ret[0])
            return true;
    if (by_environment(m, ret, size))
        return true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (machine_exists(m, marks[i].path))
            return copy(ret, size, marks[i].word);
    return by_cgroup(m, ret, size);
}

/* 1: the process ids are not the machine's: there the second one is the kernel's. -1: /proc
 * does not say. */
static int own_pids(const struct machine *m)
{
    char name[64];
    int rc = machine_line(m, "/proc/2/comm", name, sizeof name);
    if (rc == 0)
        return strcmp(name, "kthreadd") != 0;
    return machine_exists(m, "/proc/1") && rc == -ENOENT ? 1 : -1;
}

static int own_users(const struct machine *m)
{
    char map[128];
    unsigned long inside, outside, n;
    if (machine_line(m, "/proc/self/uid_map", map, sizeof map) < 0 ||
        sscanf(map, "%lu %lu %lu", &inside, &outside, &n) != 3)
        return -1;
    return inside != 0 || outside != 0 || n != 4294967295ul;
}

void container_look(const struct machine *m, struct findings *f)
{
    char word[64] = "";
    int pids = own_pids(m), users = own_users(m);
    bool named = container_word(m, word, sizeof word);
    const char *hides = pids == 1 && users == 1 ? "process ids and users of its own"
                        : pids == 1             ? "process ids of its own"
                        : users == 1            ? "users of its own"
                        : pids == 0             ? "process ids are the machine's"
                                                : "its namespaces are not to be seen";
    if (named)
        found(f, AUDIT_CT1, AUDIT_WARN, "/proc/1, /run",
              "in a container: %s; %s; what is not seen in it may be there", word,
              hides);
    else if (pids == 1 || users == 1)
        found(f, AUDIT_CT1, AUDIT_WARN, "/proc/2/comm, /proc/self/uid_map",
              "in a container of unknown make: %s", hides);
    else if (pids < 0)
        found(f, AUDIT_CT1, AUDIT_UNKNOWN, "/proc/2/comm",
              "no trace of a container; other users' processes are hidden");
    else
        found(f, AUDIT_CT1, AUDIT_PASS, "/proc/2/comm", "none; %s", hides);
    if (!named && pids < 0 && users != 1)
        found_more(f, "root");
    else
        found_value(f, "%s", named ? word : pids == 1 || users == 1 ? "other" : "none");
}
