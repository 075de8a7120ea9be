/* SPDX-License-Identifier: MIT */
/* nvmllib_audit.c - see nvmllib_audit.h. Asked once a run, so that functions are looked up
 * when they are called: the struct of those that every sample needs stays small. */
#include "agent/describe/nvmllib_audit.h"

#include <dlfcn.h>
#include <string.h>

#include "agent/describe/nvmllib_impl.h"

#define MAX_NVLINKS    36u /* NVML_NVLINK_MAX_LINKS of the newest header */
#define CLOCK_GRAPHICS 0u /* nvmlClockType_t: what clocks for applications are set in */
#define MIB            (1024u * 1024u)

typedef int (*of_wide_f)(struct nvmllib_device *d, unsigned long long *ret);
typedef int (*of_rows_f)(struct nvmllib_device *d, unsigned *corrected,
                         unsigned *uncorrected, unsigned *is_pending,
                         unsigned *has_failed);
typedef int (*of_two_f)(struct nvmllib_device *a, struct nvmllib_device *b,
                        unsigned *ret);

struct fabric_info { /* nvmlGpuFabricInfo_t */
    unsigned char cluster[16];
    int status;
    unsigned clique;
    unsigned char state;
    unsigned char
        spare[64]; /* no driver fills in more than is published; nor can it here */
};
typedef int (*of_fabric_f)(struct nvmllib_device *d, struct fabric_info *ret);

const char *nvmllib_state_name(enum nvmllib_state s)
{
#define NVMLLIB_STATE_NAME(id, name) [NVMLLIB_##id] = name,
    static const char *const names[NVMLLIB_STATES] = {
        NVMLLIB_STATES_LIST(NVMLLIB_STATE_NAME)};
#undef NVMLLIB_STATE_NAME
    return names[s];
}

/* As in nvmllib.c: not a cast. */
static void look_up(struct nvmllib *l, const char *name, void *at)
{
    void *found = dlsym(l->so, name);
    memcpy(at, &found, sizeof found);
}

static void ask(struct nvmllib *l, struct nvmllib_device *d, const char *name,
                int64_t *ret)
{
    of_number_f f;
    unsigned v = 0;
    look_up(l, name, &f);
    *ret = f && f(d, &v) == NVMLLIB_OK ? (int64_t)v : -1;
}

/* Now, and after the next reset. */
static void ask_two(struct nvmllib *l, struct nvmllib_device *d, const char *name,
                    int64_t *ret, int64_t *ret_2)
{
    of_numbers_f f;
    unsigned v = 0, v_2 = 0;
    look_up(l, name, &f);
    bool is_known = f && f(d, &v, &v_2) == NVMLLIB_OK;
    *ret = is_known ? (int64_t)v : -1;
    *ret_2 = is_known ? (int64_t)v_2 : -1;
}

static void ask_clock(struct nvmllib *l, struct nvmllib_device *d, const char *name,
                      int64_t *ret)
{
    of_kind_f f;
    unsigned v = 0;
    look_up(l, name, &f);
    *ret = f && f(d, CLOCK_GRAPHICS, &v) == NVMLLIB_OK ? (int64_t)v : -1;
}

static void ask_rows(struct nvmllib *l, struct nvmllib_device *d, int64_t *s)
{
    of_rows_f f;
    unsigned v[4] = {0};
    look_up(l, "nvmlDeviceGetRemappedRows", &f);
    bool is_known = f && f(d, &v[0], &v[1], &v[2], &v[3]) == NVMLLIB_OK;
    for (int i = 0; i < 4; i++)
        s[NVMLLIB_ROWS_CORRECTED + i] = is_known ? (int64_t)v[i] : -1;
}

static void ask_reasons(struct nvmllib *l, struct nvmllib_device *d, int64_t *ret)
{
    of_wide_f f;
    unsigned long long v = 0;
    look_up(l, "nvmlDeviceGetCurrentClocksEventReasons", &f);
    if (!f)
        look_up(l, "nvmlDeviceGetCurrentClocksThrottleReasons", &f);
    *ret = f && f(d, &v) == NVMLLIB_OK ? (int64_t)(v & INT64_MAX) : -1;
}

/* One that is not there is an error of its number, or not supported. */
static void ask_links(struct nvmllib *l, struct nvmllib_device *d, int64_t *ret,
                      int64_t *ret_active)
{
    *ret = *ret_active = l->nvlink ? 0 : -1;
    for (unsigned link = 0; l->nvlink && link < MAX_NVLINKS; link++) {
        unsigned is_active = 0;
        if (l->nvlink(d, link, &is_active) != NVMLLIB_OK)
            continue;
        *ret += 1;
        *ret_active += is_active == 1;
    }
}

static void ask_fabric(struct nvmllib *l, struct nvmllib_device *d, int64_t *ret,
                       int64_t *ret_status)
{
    of_fabric_f f;
    struct fabric_info info = {.status = 0};
    look_up(l, "nvmlDeviceGetGpuFabricInfo", &f);
    bool is_known = f && f(d, &info) == NVMLLIB_OK;
    *ret = is_known ? info.state : -1;
    *ret_status = is_known && info.status >= 0 ? info.status : -1;
}

static void ask_memory(struct nvmllib *l, struct nvmllib_device *d, int64_t *ret,
                       int64_t *ret_used)
{
    struct memory m = {0};
    bool is_known = l->memory && l->memory(d, &m) == NVMLLIB_OK;
    *ret = is_known ? (int64_t)(m.total / MIB) : -1;
    *ret_used = is_known ? (int64_t)(m.used / MIB) : -1;
}

void nvmllib_states(struct nvmllib *l, struct nvmllib_device *d,
                    int64_t ret[NVMLLIB_STATES])
{
    int64_t *s = ret, gsp_default;
    ask(l, d, "nvmlDeviceGetVirtualizationMode", &s[NVMLLIB_VIRTUALIZATION]);
    ask_two(l, d, "nvmlDeviceGetMigMode", &s[NVMLLIB_MIG], &s[NVMLLIB_MIG_PENDING]);
    ask_two(l, d, "nvmlDeviceGetEccMode", &s[NVMLLIB_ECC], &s[NVMLLIB_ECC_PENDING]);
    ask(l, d, "nvmlDeviceGetPersistenceMode", &s[NVMLLIB_PERSISTENCE]);
    ask_rows(l, d, s);
    ask(l, d, "nvmlDeviceGetRetiredPagesPendingStatus", &s[NVMLLIB_PAGES_PENDING]);
    ask_reasons(l, d, &s[NVMLLIB_REASONS]);
    ask_clock(l, d, "nvmlDeviceGetApplicationsClock", &s[NVMLLIB_CLOCK]);
    ask_clock(l, d, "nvmlDeviceGetDefaultApplicationsClock", &s[NVMLLIB_CLOCK_DEFAULT]);
    ask_clock(l, d, "nvmlDeviceGetMaxClockInfo", &s[NVMLLIB_CLOCK_MAX]);
    ask(l, d, "nvmlDeviceGetComputeMode", &s[NVMLLIB_COMPUTE_MODE]);
    ask_two(l, d, "nvmlDeviceGetGspFirmwareMode", &s[NVMLLIB_GSP], &gsp_default);
    ask_links(l, d, &s[NVMLLIB_LINKS], &s[NVMLLIB_LINKS_ACTIVE]);
    ask_fabric(l, d, &s[NVMLLIB_FABRIC], &s[NVMLLIB_FABRIC_STATUS]);
    ask_memory(l, d, &s[NVMLLIB_MEMORY_MB], &s[NVMLLIB_MEMORY_USED_MB]);
}

static int ask_text(struct nvmllib *l, struct nvmllib_device *d, const char *name,
                    nvmllib_text ret)
{
    of_text_f f;
    look_up(l, name, &f);
    return f ? f(d, ret, NVMLLIB_TEXT) : NVMLLIB_NO_FUNCTION;
}

int nvmllib_vbios(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret)
{
    return ask_text(l, d, "nvmlDeviceGetVbiosVersion", ret);
}

int nvmllib_inforom(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret)
{
    return ask_text(l, d, "nvmlDeviceGetInforomImageVersion", ret);
}

int nvmllib_common_ancestor(struct nvmllib *l, struct nvmllib_device *a,
                            struct nvmllib_device *b, unsigned *ret)
{
    of_two_f f;
    look_up(l, "nvmlDeviceGetTopologyCommonAncestor", &f);
    return f ? f(a, b, ret) : NVMLLIB_NO_FUNCTION;
}
