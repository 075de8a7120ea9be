/* SPDX-License-Identifier: MIT */
/* cuda_fake.c - a libcuda.so.1 that does what a file of facts says (CUDA_FAKE names it), for
 * machines without such a GPU. What it copies it does not copy: it waits as long as that
 * would take. A line is a word and then key=value:
 *
 *   init code=802 hang=1 crash=1
 *   gpu bus=0000:5D:00.0 uuid=7 to=50000 from=40000 within=1000000    MB/s
 *       mb=81920 code=46 hang=1 copy_code=214
 *
 * uuid: its last byte. code: what making a context returns; hang: copies to it never end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long address;

struct gpu {
    char bus[32];
    long uuid, to, from, within, mb, code, hang, copy_code;
};

static struct {
    long code, hang, crash;
    struct gpu gpus[16];
    int n, now; /* now: whose context is in use, -1 */
    unsigned long long owed_ns;
    size_t used;
} facts;

int cuInit(unsigned flags);
int cuDeviceGetCount(int *ret);
int cuDeviceGet(int *ret, int ordinal);
int cuDeviceGetPCIBusId(char *ret, int size, int device);
int cuDeviceGetUuid_v2(unsigned char *ret, int device);
int cuDevicePrimaryCtxRetain(void **ret, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuCtxSetCurrent(void *context);
int cuCtxSynchronize(void);
int cuMemHostAlloc(void **ret, size_t size, unsigned flags);
int cuMemFreeHost(void *at);
int cuMemAlloc_v2(address *ret, size_t size);
int cuMemFree_v2(address at);
int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t size, void *stream);
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t size, void *stream);
int cuMemcpyDtoDAsync_v2(address to, address from, size_t size, void *stream);
int cuGetErrorName(int code, const char **ret);

/* ---- the file */

static void set_gpu(struct gpu *g, const char *key, const char *value)
{
    const struct {
        const char *key;
        long *at;
    } numbers[] = {{"uuid", &g->uuid}, {"to", &g->to},
                   {"from", &g->from}, {"within", &g->within},
                   {"mb", &g->mb},     {"code", &g->code},
                   {"hang", &g->hang}, {"copy_code", &g->copy_code}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].at = atol(value);
    if (strcmp(key, "bus") == 0)
        (void)snprintf(g->bus, sizeof g->bus, "%s", value);
}

static void read_line(char *line)
{
    char *left, *word = strtok_r(line, " \n", &left);
    if (!word)
        return;
    struct gpu *g = strcmp(word, "gpu") == 0 ? &facts.gpus[facts.n++] : NULL;
    for (char *key; (key = strtok_r(NULL, " \n", &left));) {
        char *value = strchr(key, '=');
        *value++ = '\0';
        if (g)
            set_gpu(g, key, value);
        else
            *(*key == 'h'     ? &facts.hang
              : key[1] == 'r' ? &facts.crash
                              : &facts.code) = atol(value);
    }
}

static void read_facts(void)
{
    memset(&facts, 0, sizeof facts);
    facts.now = -1;
    const char *path = getenv("CUDA_FAKE");
    FILE *f = path ? fopen(path, "re") : NULL;
    for (char line[512]; f && fgets(line, sizeof line, f);)
        read_line(line);
    if (f)
        (void)fclose(f);
}

static void hang(void)
{
    for (;;)
        (void)pause();
}

/* ---- what it says */

int cuInit(unsigned flags)
{
    (void)flags;
    read_facts();
    if (facts.hang)
        hang();
    if (facts.crash)
        abort();
    return (int)facts.code;
}

int cuDeviceGetCount(int *ret)
{
    *ret = facts.n;
    return 0;
}

int cuDeviceGet(int *ret, int ordinal)
{
    *ret = ordinal;
    return ordinal < facts.n ? 0 : 101;
}

int cuDeviceGetPCIBusId(char *ret, int size, int device)
{
    (void)snprintf(ret, (size_t)size, "%s", facts.gpus[device].bus);
    return 0;
}

int cuDeviceGetUuid_v2(unsigned char *ret, int device)
{
    memset(ret, 0xab, 16);
    ret[15] = (unsigned char)facts.gpus[device].uuid;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **ret, int device)
{
    *ret = &facts.gpus[device];
    return (int)facts.gpus[device].code;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    return 0;
}

int cuCtxSetCurrent(void *context)
{
    facts.now = context ? (int)((struct gpu *)context - facts.gpus) : -1;
    facts.used = 0;
    return 0;
}

int cuMemHostAlloc(void **ret, size_t size, unsigned flags)
{
    (void)flags;
    *ret = malloc(size);
    return *ret ? 0 : 2;
}

int cuMemFreeHost(void *at)
{
    free(at);
    return 0;
}

int cuMemAlloc_v2(address *ret, size_t size)
{
    struct gpu *g = &facts.gpus[facts.now];
    if (facts.used + (size >> 20) > (size_t)g->mb)
        return 2;
    facts.used += size >> 20;
    *ret = 0x700000000000;
    return 0;
}

int cuMemFree_v2(address at)
{
    return at == 0x700000000000 ? 0 : 1;
}

/* 201: no context */
static int copy(size_t bytes, size_t way)
{
    if (facts.now < 0)
        return 201;
    const struct gpu *g = &facts.gpus[facts.now];
    long rate = way == 0 ? g->to : way == 1 ? g->from : g->within;
    facts.owed_ns += bytes * 1000 / (unsigned long long)rate;
    return (int)g->copy_code;
}

int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t size, void *stream)
{
    (void)to, (void)from, (void)stream;
    return copy(size, 0);
}

int cuMemcpyDtoHAsync_v2(void *to, address from, size_t size, void *stream)
{
    (void)to, (void)from, (void)stream;
    return copy(size, 1);
}

int cuMemcpyDtoDAsync_v2(address to, address from, size_t size, void *stream)
{
    (void)from, (void)stream;
    return to == from ? 1 : copy(size, 2);
}

int cuCtxSynchronize(void)
{
    const struct timespec t = {.tv_sec = (time_t)(facts.owed_ns / 1000000000),
                               .tv_nsec = (long)(facts.owed_ns % 1000000000)};
    facts.owed_ns = 0;
    if (facts.now >= 0 && facts.gpus[facts.now].hang)
        hang();
    (void)nanosleep(&t, NULL);
    return 0;
}

int cuGetErrorName(int code, const char **ret)
{
    *ret = code == 999 ? "CUDA_ERROR_UNKNOWN" : NULL;
    return *ret ? 0 : 1;
}
