/* SPDX-License-Identifier: MIT */
/* nvmllib_signals.c - NVML's fields and gauges. */
#include "agent/describe/nvmllib_impl.h"

/* nvmlValueType_t */
enum { TYPE_DOUBLE, TYPE_U32, TYPE_ULONG, TYPE_U64, TYPE_S64, TYPE_S32, TYPE_U16 };
enum { CLOCK_SM = 1, CLOCK_MEM = 2, SENSOR_GPU = 0 };

_Static_assert(sizeof(struct field_value) == 40, "nvmlFieldValue_t");

static void take(const struct field_value *v, struct nvmllib_field *ret)
{
    ret->is_known = v->code == NVMLLIB_OK;
    ret->is_wide = v->type == TYPE_U64 || v->type == TYPE_S64 || v->type == TYPE_ULONG;
    ret->value = 0;
    if (v->type == TYPE_U32)
        ret->value = v->value.u32;
    else if (v->type == TYPE_ULONG)
        ret->value = v->value.ulong_;
    else if (v->type == TYPE_U64)
        ret->value = v->value.u64;
    else if (v->type == TYPE_S64 && v->value.s64 >= 0)
        ret->value = (uint64_t)v->value.s64;
    else if (v->type == TYPE_S32 && v->value.s32 >= 0)
        ret->value = (uint64_t)v->value.s32;
    else if (v->type == TYPE_U16)
        ret->value = v->value.u16;
    else /* a fraction, a negative number: no counter */
        ret->is_known = false;
}

int nvmllib_fields(struct nvmllib *l, struct nvmllib_device *d, struct nvmllib_field *f,
                   size_t n)
{
    struct field_value v[NVMLLIB_FIELDS] = {0};
    if (n > NVMLLIB_FIELDS)
        n = NVMLLIB_FIELDS;
    for (size_t i = 0; i < n; i++) {
        v[i].id = f[i].id;
        v[i].scope = f[i].scope;
        v[i].code = NVMLLIB_NOT_SUPPORTED; /* where it is passed over */
        f[i].is_known = false;
    }
    int code = l->fields ? l->fields(d, (int)n, v) : NVMLLIB_NO_FUNCTION;
    for (size_t i = 0; code == NVMLLIB_OK && i < n; i++)
        take(&v[i], &f[i]);
    return code;
}

static int32_t gauge(int code, unsigned value)
{
    return code == NVMLLIB_OK && value <= INT32_MAX ? (int32_t)value : -1;
}

static int32_t gauge_of_kind(of_kind_f call, struct nvmllib_device *d, unsigned kind)
{
    unsigned value = 0;
    int code = call ? call(d, kind, &value) : NVMLLIB_NO_FUNCTION;
    return gauge(code, value);
}

void nvmllib_gauges(struct nvmllib *l, struct nvmllib_device *d,
                    struct nvmllib_gauges *ret)
{
    unsigned milliwatts = 0;
    unsigned long long reasons = 0;
    ret->sm_mhz = gauge_of_kind(l->clock, d, CLOCK_SM);
    ret->mem_mhz = gauge_of_kind(l->clock, d, CLOCK_MEM);
    ret->sm_max_mhz = gauge_of_kind(l->max_clock, d, CLOCK_SM);
    ret->celsius = gauge_of_kind(l->temperature, d, SENSOR_GPU);
    int code = l->power ? l->power(d, &milliwatts) : NVMLLIB_NO_FUNCTION;
    ret->milliwatts = gauge(code, milliwatts);
    code = l->reasons ? l->reasons(d, &reasons) : NVMLLIB_NO_FUNCTION;
    ret->reasons = code == NVMLLIB_OK ? (int64_t)(reasons & UINT16_MAX) : -1;
}
