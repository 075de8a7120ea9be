/* SPDX-License-Identifier: MIT */
/* host.c - see host.h. Messages are built from malloc'ed parts, so that protobuf-c's own
 * free_unpacked ends them. */
#include "agent/host.h"

#include "agent/proc.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/wire/limitwire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- CPUs ---- */

static int host_read_text(const char *path, char *buf, size_t size)
{
    ssize_t n = proc_read_file(path, buf, size);
    buf[strcspn(buf, "\n")] = '\0';
    return n < 0 ? (int)n : 0;
}

static int host_read_allowed(struct rankset *ret, struct err *e)
{
    size_t bytes = CPU_ALLOC_SIZE(LIMIT_CPUS);
    cpu_set_t *set = CPU_ALLOC(LIMIT_CPUS);
    int rc = !set ? -ENOMEM : sched_getaffinity(0, bytes, set) < 0 ? -errno : 0;
    for (unsigned i = 0; rc == 0 && i < LIMIT_CPUS; i++) {
        if (CPU_ISSET_S(i, bytes, set))
            rc = rankset_add(ret, i);
    }
    if (set)
        CPU_FREE(set);
    return rc < 0 ? err_sys(e, rc, "read which CPUs may be used") : 0;
}

/* The hardware threads of one CPU's core; where the kernel does not say, it is alone. */
static int host_read_siblings(const char *sysfs, uint32_t cpu, struct rankset *ret)
{
    static const char *const files[] = {"core_cpus_list", "thread_siblings_list"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX], text[4096];
        (void)snprintf(path, sizeof path, "%s/devices/system/cpu/cpu%u/topology/%s",
                       sysfs, cpu, files[i]);
        if (host_read_text(path, text, sizeof text) == 0 &&
            rankset_parse(ret, text, NULL) == 0 && rankset_has(ret, cpu))
            return 0;
        rankset_fini(ret);
    }
    return rankset_add(ret, cpu);
}

static Aolani__Core *host_make_core(const struct rankset *siblings,
                                    const struct rankset *allowed)
{
    size_t n = rankset_count(siblings);
    Aolani__Core *core = malloc(sizeof *core);
    uint32_t *pus = calloc(n, sizeof *pus);
    if (!core || !pus) {
        free(core);
        free(pus);
        return NULL;
    }
    aolani__core__init(core);
    core->pus = pus;
    for (int64_t i = -1; (i = rankset_next(siblings, (uint32_t)(i + 1))) >= 0;) {
        if (rankset_has(allowed, (uint32_t)i))
            core->pus[core->n_pus++] = (uint32_t)i;
    }
    return core;
}

static void host_free_cores(Aolani__Core **cores, size_t n)
{
    for (size_t i = 0; i < n; i++)
        aolani__core__free_unpacked(cores[i], NULL);
    free(cores);
}

int host_read_cores(const char *sysfs, const struct rankset *allowed,
                    Aolani__Core ***ret, size_t *ret_n, struct err *e)
{
    size_t n = 0;
    Aolani__Core **cores = calloc(rankset_count(allowed) + 1, sizeof *cores);
    struct rankset seen = {0};
    int rc = cores ? 0 : -ENOMEM;
    for (int64_t i = -1;
         rc == 0 && (i = rankset_next(allowed, (uint32_t)(i + 1))) >= 0;) {
        struct rankset siblings = {0};
        if (rankset_has(&seen, (uint32_t)i))
            continue;
        rc = host_read_siblings(sysfs, (uint32_t)i, &siblings);
        if (rc == 0 && !(cores[n] = host_make_core(&siblings, allowed)))
            rc = -ENOMEM;
        rankset_fini(&siblings);
        for (size_t k = 0; rc == 0 && k < cores[n]->n_pus; k++)
            rc = rankset_add(&seen, cores[n]->pus[k]);
        n += rc == 0 || (cores && cores[n]);
    }
    rankset_fini(&seen);
    if (rc < 0) {
        if (cores)
            host_free_cores(cores, n);
        return err_sys(e, rc, "read the cores of this node");
    }
    *ret = cores;
    *ret_n = n;
    return 0;
}

int host_check_cpus(const struct host *h, const char *cpus, struct err *e)
{
    struct rankset want = {0};
    int rc = rankset_parse(&want, cpus, e);
    for (int64_t i = -1;
         rc == 0 && (i = rankset_next(&want, (uint32_t)(i + 1))) >= 0;) {
        if (rankset_has(&h->allowed, (uint32_t)i))
            continue;
        rc =
            err_set(e, ERR_BIND, "bind to the CPUs \"%s\": CPU %u may not be used here",
                    cpus, (unsigned)i);
        err_hint(e, "the agent itself may use %s", h->info->allowed_cpus);
    }
    rankset_fini(&want);
    return rc;
}

/* The kernel has room for 1024 NUMA nodes and shows them as a mask as well: the file is
 * longer than most. */
static int host_read_memory(struct rankset *ret)
{
    static const char key[] = "Mems_allowed_list:";
    char text[1u << 14];
    (void)proc_read_file("/proc/self/status", text, sizeof text);
    char *at = strstr(text, key);
    if (!at)
        return 0; /* a kernel without cpusets */
    at += strlen(key);
    at += strspn(at, " \t");
    at[strcspn(at, "\n")] = '\0';
    return rankset_parse(ret, at, NULL) == -ENOMEM ? -ENOMEM : 0;
}

int host_check_numa(const struct host *h, uint32_t numa, struct err *e)
{
    if (rankset_count(&h->memory) == 0 || rankset_has(&h->memory, numa))
        return 0;
    err_set(e, ERR_BIND,
            "bind memory to NUMA node %u: it is not there, or may not be used", numa);
    return err_hint(e, "set bind.memory = \"none\"");
}

unsigned host_count_cores(const struct host *h, const char *cpus)
{
    struct rankset set = {0};
    unsigned n = 0;
    if (rankset_parse(&set, cpus, NULL) == 0) {
        for (size_t i = 0; i < h->info->n_cores; i++) {
            const Aolani__Core *core = h->info->cores[i];
            bool has = false;
            for (size_t k = 0; k < core->n_pus; k++)
                has = has || rankset_has(&set, core->pus[k]);
            n += has;
        }
    }
    rankset_fini(&set);
    return n;
}

/* ---- addresses ---- */

static bool host_format_address(const struct ifaddrs *ifa, char text[INET6_ADDRSTRLEN])
{
    if (!ifa->ifa_addr || !(ifa->ifa_flags & IFF_UP) || (ifa->ifa_flags & IFF_LOOPBACK))
        return false;
    const void *addr = NULL;
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    if (ifa->ifa_addr->sa_family == AF_INET) {
        memcpy(&v4, ifa->ifa_addr, sizeof v4);
        addr = &v4.sin_addr;
    } else if (ifa->ifa_addr->sa_family == AF_INET6) {
        memcpy(&v6, ifa->ifa_addr, sizeof v6);
        addr = IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ? NULL : &v6.sin6_addr;
    }
    return addr && inet_ntop(ifa->ifa_addr->sa_family, addr, text, INET6_ADDRSTRLEN);
}

/* How many leading bits of the address its network shares; 0: not known. */
static uint32_t host_network_bits(const struct ifaddrs *ifa)
{
    struct sockaddr_in6 v6 = {0};
    struct sockaddr_in v4 = {0};
    const uint8_t *mask = (const uint8_t *)&v4.sin_addr;
    size_t len = sizeof v4.sin_addr;
    uint32_t bits = 0;
    if (!ifa->ifa_netmask)
        return 0;
    if (ifa->ifa_addr->sa_family == AF_INET) {
        memcpy(&v4, ifa->ifa_netmask, sizeof v4);
    } else {
        memcpy(&v6, ifa->ifa_netmask, sizeof v6);
        mask = v6.sin6_addr.s6_addr;
        len = sizeof v6.sin6_addr;
    }
    for (size_t i = 0; i < 8 * len && (mask[i / 8] >> (7 - i % 8) & 1); i++)
        bits++;
    return bits;
}

static int host_read_addresses(Aolani__NodeInfo *info, struct err *e)
{
    struct ifaddrs *all;
    info->addresses = calloc(LIMIT_ADDRESSES, sizeof *info->addresses);
    info->address_bits = calloc(LIMIT_ADDRESSES, sizeof *info->address_bits);
    if (!info->addresses || !info->address_bits)
        return err_sys(e, -ENOMEM, "read the addresses of this node");
    if (getifaddrs(&all) < 0)
        return err_sys(e, -errno, "read the addresses of this node");
    for (const struct ifaddrs *i = all; i && info->n_addresses < LIMIT_ADDRESSES;
         i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (host_format_address(i, text) &&
            (info->addresses[info->n_addresses] = strdup(text))) {
            info->address_bits[info->n_address_bits++] = host_network_bits(i);
            info->n_addresses++;
        }
    }
    freeifaddrs(all);
    return 0;
}

/* ---- helpers ---- */

static char *host_find_helper(const char *dir, const char *name, int mode)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return NULL;
    if (access(path, mode) < 0) {
        free(path);
        return NULL;
    }
    return path;
}

static int host_read_helpers(struct host *h, struct err *e)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return err_sys(e, -errno, "find the folder of the agent");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    h->dir = strdup(self);
    h->info->helpers = calloc(5, sizeof *h->info->helpers);
    if (!h->dir || !h->info->helpers)
        return err_sys(e, -ENOMEM, "look for the agent's helpers");
    h->pmix_helper = host_find_helper(h->dir, "aolani-pmix", X_OK);
    h->describe_helper = host_find_helper(h->dir, "aolani-describe", X_OK);
    h->audit_helper = host_find_helper(h->dir, "aolani-audit", X_OK);
    h->library = host_find_helper(h->dir, "libaolani.so.1", R_OK);
    h->python = host_find_helper(h->dir, "aolani.py", R_OK);
    h->profiler = host_find_helper(h->dir, "libnccl-profiler-aolani.so", R_OK);
    if (h->pmix_helper)
        h->info->helpers[h->info->n_helpers++] = strdup("aolani-pmix");
    if (h->describe_helper)
        h->info->helpers[h->info->n_helpers++] = strdup("aolani-describe");
    if (h->audit_helper)
        h->info->helpers[h->info->n_helpers++] = strdup("aolani-audit");
    if (h->library)
        h->info->helpers[h->info->n_helpers++] = strdup("libaolani.so.1");
    return 0;
}

/* ---- limits ---- */

static int host_read_limits(struct host *h, struct err *e)
{
    struct limitwire w;
    rlimits_read(&h->limits);
    limitwire_fill(&w, &h->limits);
    h->info->limits = calloc(RLIMITS_N, sizeof *h->info->limits);
    for (size_t i = 0; h->info->limits && i < w.n; i++) {
        Aolani__Limit *m = malloc(sizeof *m);
        if (!m)
            return err_sys(e, -ENOMEM, "describe this node");
        *m = w.limits[i];
        h->info->limits[h->info->n_limits++] = m;
        if (!(m->name = strdup(m->name)))
            return err_sys(e, -ENOMEM, "describe this node");
    }
    return h->info->limits ? 0 : err_sys(e, -ENOMEM, "describe this node");
}

/* RDMA adapters of any kind. */
static bool host_has_infiniband(const char *sysfs)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/class/infiniband", sysfs);
    DIR *d = opendir(path);
    bool has = false;
    for (struct dirent *x; d && !has && (x = readdir(d));)
        has = x->d_name[0] != '.';
    if (d)
        closedir(d);
    return has;
}

/* ---- all of it ---- */

static int host_read_names(Aolani__NodeInfo *info, const struct rankset *allowed,
                           struct err *e)
{
    struct utsname uts;
    char boot_id[64] = "", cwd[PATH_MAX] = "/";
    struct buf cpus;
    buf_init(&cpus, 1u << 16);
    if (uname(&uts) < 0)
        return err_sys(e, -errno, "read the name of this node");
    (void)host_read_text("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
    (void)getcwd(cwd, sizeof cwd);
    int rc = rankset_format(allowed, &cpus);
    info->hostname = strdup(uts.nodename);
    info->agent_version = strdup(AOLANI_VERSION);
    info->arch = strdup(uts.machine);
    info->kernel = strdup(uts.release);
    info->boot_id = strdup(boot_id);
    info->workdir = strdup(cwd);
    info->allowed_cpus = strdup(cpus.data ? (const char *)cpus.data : "");
    buf_fini(&cpus);
    if (rc < 0 || !info->hostname || !info->agent_version || !info->arch ||
        !info->kernel || !info->boot_id || !info->workdir || !info->allowed_cpus)
        return err_sys(e, -ENOMEM, "describe this node");
    return 0;
}

int host_describe(const char *sysfs, struct host *ret, struct err *e)
{
    struct host h = {0};
    int rc = 0;
    h.info = malloc(sizeof *h.info);
    if (!h.info)
        return err_sys(e, -ENOMEM, "describe this node");
    aolani__node_info__init(h.info);
    if ((rc = host_read_allowed(&h.allowed, e)) < 0 ||
        (rc = host_read_names(h.info, &h.allowed, e)) < 0 ||
        (rc = host_read_cores(sysfs, &h.allowed, &h.info->cores, &h.info->n_cores, e)) <
            0 ||
        (rc = host_read_addresses(h.info, e)) < 0 ||
        (rc = host_read_limits(&h, e)) < 0 || (rc = host_read_helpers(&h, e)) < 0) {
        host_fini(&h);
        return rc;
    }
    if (host_read_memory(&h.memory) < 0) {
        host_fini(&h);
        return err_sys(e, -ENOMEM, "describe this node");
    }
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    h.info->mem_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    h.info->infiniband = host_has_infiniband(sysfs);
    h.info->uid = getuid();
    h.info->gid = getgid();
    h.info->mono_ns = clock_mono_ns();
    h.info->real_ns = clock_real_ns();
    *ret = h;
    return 0;
}

void host_fini(struct host *h)
{
    if (h->info)
        aolani__node_info__free_unpacked(h->info, NULL);
    rankset_fini(&h->allowed);
    free(h->dir);
    rankset_fini(&h->memory);
    free(h->pmix_helper);
    free(h->describe_helper);
    free(h->audit_helper);
    free(h->library);
    free(h->python);
    free(h->profiler);
    *h = (struct host){0};
}
