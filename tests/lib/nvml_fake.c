/* SPDX-License-Identifier: MIT */
/* nvml_fake.c - a libnvidia-ml.so.1 that says what a file of facts says (NVML_FAKE names
 * it), for machines without such a GPU. ERA is the driver whose functions it has: 418, 470,
 * 535 (whose list of processes is of another size) and 570. A line is a word and then
 * key=value ('_' in a name is a blank):
 *
 *   driver version=570.86.15   count code=999
 *   init code=18 delay=60 compute=2 crash=1 print=1
 *   gpu bus=00000000:18:00.0 uuid=GPU-... name=NVIDIA_H100 mem=85899345920 numa=2 mig=1
 *       handle=15 uuid_code=15 mig_code=15 cc=90 links=18
 *       sm=1410 sm_max=1980 mem_clock=2619 temp=61 power=312000
 *       virt=1 mig_pending=1 ecc=1 ecc_pending=1 persistence=1 rows=CUPF (a digit each)
 *       pages=1 reasons=64 app=1980 app_default=1980 gr_max=1980 compute=0 gsp=1
 *       links_down=2 (of its links) fabric=3 fabric_status=0 used=600 (MiB)
 *       vbios=96.00.74.00.01 inforom=G520.0200.00.05 hang=1 (when it is asked for ECC)
 *   field id=74 value=1000000 type=3 scope=0 code=0           of the gpu above it
 *   instance index=2 uuid=MIG-... name=... mem=... handle=4   of the gpu above it
 *   apart a=0 b=1 level=50                                    of two gpus above it
 *   process pid=4711 bytes=1073741824 kind=0                  of the gpu or instance above
 *
 * It is read anew by nvmlInit and nvmlDeviceGetCount. A field that the driver of this ERA
 * does not know is not there, whatever the facts are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_INSTANCES 7

struct process {
    unsigned pid, kind;
    unsigned long long bytes;
};

struct field {
    unsigned id, scope, type, code;
    unsigned long long value;
};

struct thing {
    char bus[32], uuid[96], name[96], vbios[32], inforom[32];
    unsigned long long mem;
    int numa, mig, handle, uuid_code, mig_code, cc, links, index;
    int sm, sm_max, mem_clock, temp, power;
    int virt, mig_pending, ecc, ecc_pending, persistence, rows, pages, reasons, app,
        app_default, gr_max, compute, gsp, links_down, fabric, fabric_status, used,
        hang;
    struct field fields[32];
    unsigned n_fields;
    struct process processes[64];
    unsigned n_processes;
};

struct gpu {
    struct thing t; /* first: a handle is its address */
    struct thing instances[MAX_INSTANCES];
    unsigned n_instances;
};

static struct {
    char driver[80];
    int init_code, init_delay, init_compute, init_crash, init_print, count_code;
    struct gpu gpus[64];
    unsigned n;
    struct apart {
        int a, b, level;
    } apart[64];
    unsigned n_apart;
} facts;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlSystemGetDriverVersion(char *ret, unsigned size);
int nvmlDeviceGetCount_v2(unsigned *ret);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct thing **ret);
int nvmlDeviceGetUUID(struct thing *d, char *ret, unsigned size);
int nvmlDeviceGetName(struct thing *d, char *ret, unsigned size);
int nvmlDeviceGetMemoryInfo(struct thing *d, unsigned long long *ret);
int nvmlDeviceGetCudaComputeCapability(struct thing *d, int *major, int *minor);
int nvmlDeviceGetNvLinkState(struct thing *d, unsigned link, unsigned *ret);

/* ---- the file */

static void set(struct thing *t, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *at;
    } numbers[] = {{"numa", &t->numa},
                   {"mig", &t->mig},
                   {"handle", &t->handle},
                   {"uuid_code", &t->uuid_code},
                   {"mig_code", &t->mig_code},
                   {"cc", &t->cc},
                   {"links", &t->links},
                   {"index", &t->index},
                   {"sm", &t->sm},
                   {"sm_max", &t->sm_max},
                   {"temp", &t->temp},
                   {"mem_clock", &t->mem_clock},
                   {"power", &t->power},
                   {"virt", &t->virt},
                   {"mig_pending", &t->mig_pending},
                   {"ecc", &t->ecc},
                   {"ecc_pending", &t->ecc_pending},
                   {"persistence", &t->persistence},
                   {"rows", &t->rows},
                   {"pages", &t->pages},
                   {"reasons", &t->reasons},
                   {"app", &t->app},
                   {"app_default", &t->app_default},
                   {"gr_max", &t->gr_max},
                   {"compute", &t->compute},
                   {"gsp", &t->gsp},
                   {"links_down", &t->links_down},
                   {"fabric", &t->fabric},
                   {"fabric_status", &t->fabric_status},
                   {"used", &t->used},
                   {"hang", &t->hang}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].at = atoi(value);
    if (strcmp(key, "bus") == 0)
        (void)snprintf(t->bus, sizeof t->bus, "%s", value);
    else if (strcmp(key, "uuid") == 0)
        (void)snprintf(t->uuid, sizeof t->uuid, "%s", value);
    else if (strcmp(key, "name") == 0)
        (void)snprintf(t->name, sizeof t->name, "%s", value);
    else if (strcmp(key, "vbios") == 0)
        (void)snprintf(t->vbios, sizeof t->vbios, "%s", value);
    else if (strcmp(key, "inforom") == 0)
        (void)snprintf(t->inforom, sizeof t->inforom, "%s", value);
    else if (strcmp(key, "mem") == 0)
        t->mem = strtoull(value, NULL, 10);
    for (char *at = t->name; (at = strchr(at, '_'));)
        *at = ' ';
}

static void set_process(struct process *p, const char *key, const char *value)
{
    unsigned long long number = strtoull(value, NULL, 10);
    if (strcmp(key, "pid") == 0)
        p->pid = (unsigned)number;
    else if (strcmp(key, "kind") == 0)
        p->kind = (unsigned)number;
    else
        p->bytes = number;
}

static void set_field(struct field *f, const char *key, const char *value)
{
    unsigned long long number = strtoull(value, NULL, 10);
    if (strcmp(key, "id") == 0)
        f->id = (unsigned)number;
    else if (strcmp(key, "scope") == 0)
        f->scope = (unsigned)number;
    else if (strcmp(key, "type") == 0)
        f->type = (unsigned)number;
    else if (strcmp(key, "code") == 0)
        f->code = (unsigned)number;
    else
        f->value = number;
}

static void set_apart(struct apart *a, const char *key, const char *value)
{
    *(*key == 'a' ? &a->a : *key == 'b' ? &a->b : &a->level) = atoi(value);
}

/* What is said nowhere this GPU does not know. */
static void clear(struct thing *t)
{
    int *const unsaid[] = {&t->numa,        &t->virt,  &t->ecc,     &t->persistence,
                           &t->rows,        &t->pages, &t->reasons, &t->app,
                           &t->app_default, &t->gsp,   &t->compute, &t->fabric};
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        *unsaid[i] = -1;
}

static void set_library(const char *word, const char *key, const char *value)
{
    if (strcmp(word, "driver") == 0)
        (void)snprintf(facts.driver, sizeof facts.driver, "%s", value);
    else if (strcmp(word, "count") == 0)
        facts.count_code = atoi(value);
    else if (strcmp(key, "code") == 0)
        facts.init_code = atoi(value);
    else if (strcmp(key, "delay") == 0)
        facts.init_delay = atoi(value);
    else if (strcmp(key, "compute") == 0)
        facts.init_compute = atoi(value);
    else if (strcmp(key, "print") == 0)
        facts.init_print = atoi(value);
    else
        facts.init_crash = atoi(value);
}

static void read_line(char *line, struct thing **at)
{
    char *left, *word = strtok_r(line, " \n", &left);
    struct process *p = NULL;
    struct field *f = NULL;
    struct apart *a = NULL;
    if (!word)
        return;
    if (strcmp(word, "gpu") == 0) {
        *at = &facts.gpus[facts.n++].t;
        clear(*at);
    } else if (strcmp(word, "instance") == 0) {
        struct gpu *g = &facts.gpus[facts.n - 1];
        *at = &g->instances[g->n_instances++];
        clear(*at);
    } else if (strcmp(word, "process") == 0) {
        p = &(*at)->processes[(*at)->n_processes++];
    } else if (strcmp(word, "field") == 0) {
        f = &(*at)->fields[(*at)->n_fields++];
        f->type = 3;
    } else if (strcmp(word, "apart") == 0) {
        a = &facts.apart[facts.n_apart++];
    }
    for (char *key; (key = strtok_r(NULL, " \n", &left));) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        if (p)
            set_process(p, key, value);
        else if (f)
            set_field(f, key, value);
        else if (a)
            set_apart(a, key, value);
        else if (strcmp(word, "gpu") == 0 || strcmp(word, "instance") == 0)
            set(*at, key, value);
        else
            set_library(word, key, value);
    }
}

static void read_facts(void)
{
    memset(&facts, 0, sizeof facts);
    const char *path = getenv("NVML_FAKE");
    FILE *f = path ? fopen(path, "re") : NULL;
    struct thing *at = NULL;
    for (char line[512]; f && fgets(line, sizeof line, f);)
        read_line(line, &at);
    if (f)
        (void)fclose(f);
}

/* ---- what every driver has */

int nvmlInit_v2(void)
{
    read_facts();
    if (facts.init_delay > 0)
        (void)sleep((unsigned)facts.init_delay);
    while (clock() < facts.init_compute * CLOCKS_PER_SEC) {
    }
    if (facts.init_print && (puts("a word of the library's own"), fflush(stdout)) != 0)
        return 999;
    if (facts.init_crash)
        abort();
    return facts.init_code;
}

int nvmlShutdown(void)
{
    return 0;
}

int nvmlSystemGetDriverVersion(char *ret, unsigned size)
{
    (void)snprintf(ret, size, "%s", facts.driver);
    return *facts.driver ? 0 : 3;
}

int nvmlDeviceGetCount_v2(unsigned *ret)
{
    read_facts();
    *ret = facts.n;
    return facts.count_code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct thing **ret)
{
    if (index >= facts.n)
        return 2;
    *ret = &facts.gpus[index].t;
    return facts.gpus[index].t.handle;
}

int nvmlDeviceGetUUID(struct thing *d, char *ret, unsigned size)
{
    (void)snprintf(ret, size, "%s", d->uuid);
    return d->uuid_code;
}

int nvmlDeviceGetName(struct thing *d, char *ret, unsigned size)
{
    (void)snprintf(ret, size, "%s", d->name);
    return *d->name ? 0 : 3;
}

int nvmlDeviceGetMemoryInfo(struct thing *d, unsigned long long *ret)
{
    ret[0] = d->mem;
    ret[1] = d->mem - ((unsigned long long)d->used << 20);
    ret[2] = (unsigned long long)d->used << 20;
    return d->mem ? 0 : 3;
}

int nvmlDeviceGetCudaComputeCapability(struct thing *d, int *major, int *minor)
{
    *major = d->cc / 10;
    *minor = d->cc % 10;
    return d->cc ? 0 : 3;
}

int nvmlDeviceGetNvLinkState(struct thing *d, unsigned link, unsigned *ret)
{
    *ret = link < (unsigned)(d->links - d->links_down);
    return link < (unsigned)d->links ? 0 : 2;
}

/* ---- fields and gauges */

#define LAST_FIELD (ERA < 450 ? 82 : ERA < 500 ? 163 : ERA < 550 ? 200 : 273)

struct field_value {
    unsigned id, scope;
    long long at, took;
    unsigned type, code;
    union {
        double real;
        unsigned u32;
        unsigned long long u64;
    } value;
};

int nvmlDeviceGetFieldValues(struct thing *d, int n, struct field_value *v);
int nvmlDeviceGetFieldValues(struct thing *d, int n, struct field_value *v)
{
    for (int i = 0; i < n; i++) {
        const struct field *f = NULL;
        for (unsigned k = 0; k < d->n_fields && !f; k++)
            if (d->fields[k].id == v[i].id && d->fields[k].scope == v[i].scope)
                f = &d->fields[k];
        memset(&v[i].value, 0xee, sizeof v[i].value);
        v[i].code = !f || f->id > LAST_FIELD ? 3 : f->code;
        v[i].type = f ? f->type : 99;
        if (f && f->type == 0)
            v[i].value.real = (double)f->value;
        else if (f && f->type == 1)
            v[i].value.u32 = (unsigned)f->value;
        else if (f)
            v[i].value.u64 = f->value;
    }
    return 0;
}

static int gauge(int value, unsigned *ret)
{
    *ret = (unsigned)value;
    return value > 0 ? 0 : 3;
}

int nvmlDeviceGetClockInfo(struct thing *d, unsigned kind, unsigned *ret);
int nvmlDeviceGetClockInfo(struct thing *d, unsigned kind, unsigned *ret)
{
    return gauge(kind == 1 ? d->sm : kind == 2 ? d->mem_clock : 0, ret);
}

int nvmlDeviceGetMaxClockInfo(struct thing *d, unsigned kind, unsigned *ret);
int nvmlDeviceGetMaxClockInfo(struct thing *d, unsigned kind, unsigned *ret)
{
    return gauge(kind == 1 ? d->sm_max : kind == 0 ? d->gr_max : 0, ret);
}

int nvmlDeviceGetTemperature(struct thing *d, unsigned sensor, unsigned *ret);
int nvmlDeviceGetTemperature(struct thing *d, unsigned sensor, unsigned *ret)
{
    return gauge(sensor == 0 ? d->temp : 0, ret);
}

int nvmlDeviceGetPowerUsage(struct thing *d, unsigned *ret);
int nvmlDeviceGetPowerUsage(struct thing *d, unsigned *ret)
{
    return gauge(d->power, ret);
}

/* ---- how it is set up */

/* -1: not supported */
static int state(int value, unsigned *ret)
{
    *ret = (unsigned)value;
    return value >= 0 ? 0 : 3;
}

#define STATE(name, field)                    \
    int name(struct thing *d, unsigned *ret); \
    int name(struct thing *d, unsigned *ret)  \
    {                                         \
        return state(d->field, ret);          \
    }
STATE(nvmlDeviceGetVirtualizationMode, virt)
STATE(nvmlDeviceGetPersistenceMode, persistence)
STATE(nvmlDeviceGetRetiredPagesPendingStatus, pages)
STATE(nvmlDeviceGetComputeMode, compute)

int nvmlDeviceGetEccMode(struct thing *d, unsigned *now, unsigned *pending);
int nvmlDeviceGetEccMode(struct thing *d, unsigned *now, unsigned *pending)
{
    while (d->hang)
        (void)pause();
    *pending = (unsigned)d->ecc_pending;
    return state(d->ecc, now);
}

int nvmlDeviceGetApplicationsClock(struct thing *d, unsigned kind, unsigned *ret);
int nvmlDeviceGetApplicationsClock(struct thing *d, unsigned kind, unsigned *ret)
{
    return kind == 0 ? state(d->app, ret) : 3;
}

int nvmlDeviceGetDefaultApplicationsClock(struct thing *d, unsigned kind,
                                          unsigned *ret);
int nvmlDeviceGetDefaultApplicationsClock(struct thing *d, unsigned kind, unsigned *ret)
{
    return kind == 0 ? state(d->app_default, ret) : 3;
}

static int text(const char *value, char *ret, unsigned size)
{
    (void)snprintf(ret, size, "%s", value);
    return *value ? 0 : 3;
}

int nvmlDeviceGetVbiosVersion(struct thing *d, char *ret, unsigned size);
int nvmlDeviceGetVbiosVersion(struct thing *d, char *ret, unsigned size)
{
    return text(d->vbios, ret, size);
}

int nvmlDeviceGetInforomImageVersion(struct thing *d, char *ret, unsigned size);
int nvmlDeviceGetInforomImageVersion(struct thing *d, char *ret, unsigned size)
{
    return text(d->inforom, ret, size);
}

int nvmlDeviceGetTopologyCommonAncestor(struct thing *a, struct thing *b,
                                        unsigned *ret);
int nvmlDeviceGetTopologyCommonAncestor(struct thing *a, struct thing *b, unsigned *ret)
{
    int i = (int)((struct gpu *)a - facts.gpus),
        j = (int)((struct gpu *)b - facts.gpus);
    for (unsigned k = 0; k < facts.n_apart; k++)
        if (facts.apart[k].a == i && facts.apart[k].b == j)
            return state(facts.apart[k].level, ret);
    return 3;
}

#if ERA >= 450
int nvmlDeviceGetRemappedRows(struct thing *d, unsigned *corrected,
                              unsigned *uncorrected, unsigned *pending,
                              unsigned *failed);
int nvmlDeviceGetRemappedRows(struct thing *d, unsigned *corrected,
                              unsigned *uncorrected, unsigned *pending,
                              unsigned *failed)
{
    *corrected = (unsigned)d->rows / 1000 % 10;
    *uncorrected = (unsigned)d->rows / 100 % 10;
    *pending = (unsigned)d->rows / 10 % 10;
    *failed = (unsigned)d->rows % 10;
    return d->rows >= 0 ? 0 : 3;
}
#endif

static int reasons(const struct thing *d, unsigned long long *ret)
{
    *ret = (unsigned long long)d->reasons;
    return d->reasons >= 0 ? 0 : 3;
}

#if ERA >= 535
int nvmlDeviceGetCurrentClocksEventReasons(struct thing *d, unsigned long long *ret);
int nvmlDeviceGetCurrentClocksEventReasons(struct thing *d, unsigned long long *ret)
#else
int nvmlDeviceGetCurrentClocksThrottleReasons(struct thing *d, unsigned long long *ret);
int nvmlDeviceGetCurrentClocksThrottleReasons(struct thing *d, unsigned long long *ret)
#endif
{
    return reasons(d, ret);
}

#if ERA >= 500
int nvmlDeviceGetGspFirmwareMode(struct thing *d, unsigned *now, unsigned *by_default);
int nvmlDeviceGetGspFirmwareMode(struct thing *d, unsigned *now, unsigned *by_default)
{
    *by_default = 1;
    return state(d->gsp, now);
}

struct fabric_info {
    char cluster[16];
    int status;
    unsigned clique;
    unsigned char state;
};
int nvmlDeviceGetGpuFabricInfo(struct thing *d, struct fabric_info *ret);
int nvmlDeviceGetGpuFabricInfo(struct thing *d, struct fabric_info *ret)
{
    *ret = (struct fabric_info){
        .status = d->fabric_status, .clique = 1, .state = (unsigned char)d->fabric};
    return d->fabric >= 0 ? 0 : 3;
}
#endif

/* size: of what this driver takes a process to be. */
static int list(const struct thing *d, unsigned kind, unsigned *n, char *ret,
                size_t size)
{
    unsigned found = 0, room = *n;
    for (unsigned i = 0; i < d->n_processes; i++)
        found += d->processes[i].kind == kind;
    *n = found;
    if (found > room)
        return 7;
    for (unsigned i = 0; i < d->n_processes; i++) {
        if (d->processes[i].kind != kind)
            continue;
        memset(ret, 0xee, size);
        memcpy(ret, &d->processes[i].pid, sizeof(unsigned));
        memcpy(ret + 8, &d->processes[i].bytes, 8);
        ret += size;
    }
    return 0;
}

#define LIST(name, kind, size)                         \
    int name(struct thing *d, unsigned *n, void *ret); \
    int name(struct thing *d, unsigned *n, void *ret)  \
    {                                                  \
        return list(d, kind, n, ret, size);            \
    }

/* ---- bus ids */

struct pci {
    char legacy[16];
    unsigned domain, bus, device, ids, subsystem;
    char bus_id[32];
};

static int tell_pci(struct thing *d, void *ret, size_t size)
{
    struct pci p = {0};
    if (sscanf(d->bus, "%x:%x:%x", &p.domain, &p.bus, &p.device) != 3)
        return 999;
    (void)snprintf(p.legacy, sizeof p.legacy, "%04x:%02x:%02x.0", p.domain & 0xffff,
                   p.bus & 0xff, p.device & 0xff);
    (void)snprintf(p.bus_id, sizeof p.bus_id, "%.31s", d->bus);
    memcpy(ret, &p, size);
    return 0;
}

#if ERA < 450
int nvmlDeviceGetPciInfo_v2(struct thing *d, void *ret);
int nvmlDeviceGetPciInfo_v2(struct thing *d, void *ret)
{
    return tell_pci(d, ret, 36);
}
LIST(nvmlDeviceGetComputeRunningProcesses, 0, 16)
LIST(nvmlDeviceGetGraphicsRunningProcesses, 1, 16)
#else
int nvmlDeviceGetPciInfo_v3(struct thing *d, void *ret);
int nvmlDeviceGetPciInfo_v3(struct thing *d, void *ret)
{
    return tell_pci(d, ret, sizeof(struct pci));
}

/* ---- MIG */

int nvmlDeviceGetMigMode(struct thing *d, unsigned *now, unsigned *pending);
int nvmlDeviceGetMigMode(struct thing *d, unsigned *now, unsigned *pending)
{
    *now = (unsigned)d->mig;
    *pending = (unsigned)(d->mig || d->mig_pending);
    return d->mig_code;
}

int nvmlDeviceGetMaxMigDeviceCount(struct thing *d, unsigned *ret);
int nvmlDeviceGetMaxMigDeviceCount(struct thing *d, unsigned *ret)
{
    (void)d;
    *ret = MAX_INSTANCES;
    return 0;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct thing *d, unsigned index,
                                        struct thing **ret);
int nvmlDeviceGetMigDeviceHandleByIndex(struct thing *d, unsigned index,
                                        struct thing **ret)
{
    struct gpu *g = (struct gpu *)d;
    for (unsigned i = 0; i < g->n_instances; i++)
        if ((unsigned)g->instances[i].index == index) {
            *ret = &g->instances[i];
            return (*ret)->handle;
        }
    return 6;
}
#endif

#if ERA >= 450 && ERA < 500
LIST(nvmlDeviceGetComputeRunningProcesses, 0, 16)
LIST(nvmlDeviceGetComputeRunningProcesses_v2, 0, 24)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, 1, 24)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, 2, 24)
#elif ERA >= 500
#define PROCESS_SIZE (ERA == 535 ? 32 : 24)
LIST(nvmlDeviceGetComputeRunningProcesses_v2, 0, 24)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, 0, PROCESS_SIZE)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, 1, PROCESS_SIZE)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, 2, PROCESS_SIZE)

int nvmlDeviceGetConfComputeMemSizeInfo(void *d, void *ret);
int nvmlDeviceGetConfComputeMemSizeInfo(void *d, void *ret)
{
    (void)d, (void)ret;
    return 3;
}

int nvmlDeviceGetNumaNodeId(struct thing *d, unsigned *ret);
int nvmlDeviceGetNumaNodeId(struct thing *d, unsigned *ret)
{
    *ret = (unsigned)d->numa;
    return d->numa >= 0 ? 0 : 3;
}
#endif

#if ERA > 535
int nvmlDeviceGetRunningProcessDetailList(void *d, void *ret);
int nvmlDeviceGetRunningProcessDetailList(void *d, void *ret)
{
    (void)d, (void)ret;
    return 3;
}
#endif
