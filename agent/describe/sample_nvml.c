/* SPDX-License-Identifier: MIT */
/* sample_nvml.c - which of NVML's many fields say why a GPU is slow.
 *
 * Their numbers do not change, with one exception that we know of: three counters of time
 * have had two places (251, and 269 in headers of 2025), and in the other place each
 * header has settings of power smoothing. Settings are not of 64 bits, or do not grow;
 * what grows by more than time goes by is refused by gpusignals.c. Field 75 is the older
 * name of the first of the three.
 *
 * NVLink's errors are asked for as totals over all links; one question a link would cost
 * more than all the others. */
#include "agent/describe/sample_impl.h"

#define ALL_LINKS UINT32_MAX

enum way { ALWAYS, PLACE_1, PLACE_2, TOTALS, SCOPED };

static const struct {
    uint32_t id, scope;
    enum gpusignals_counter as;
    enum way way;
} fields[] = {
    {74, 0, GPUSIGNALS_POWER, ALWAYS},
    {75, 0, GPUSIGNALS_HEAT, ALWAYS},
    {76, 0, GPUSIGNALS_SYNC, ALWAYS},
    {77, 0, GPUSIGNALS_BOARD, ALWAYS},
    {79, 0, GPUSIGNALS_RELIABILITY, ALWAYS},
    {94, 0, GPUSIGNALS_PCIE, ALWAYS},
    {4, 0, GPUSIGNALS_ECC, ALWAYS}, /* volatile, double bit */
    {3, 0, GPUSIGNALS_ECC_CORRECTED, ALWAYS},
    {142, 0, GPUSIGNALS_ROWS, ALWAYS}, /* for errors that were corrected, and not */
    {143, 0, GPUSIGNALS_ROWS, ALWAYS},
    {83, 0, GPUSIGNALS_ENERGY, ALWAYS},
    {251, 0, GPUSIGNALS_HEAT, PLACE_1},
    {252, 0, GPUSIGNALS_HEAT_HARD, PLACE_1},
    {253, 0, GPUSIGNALS_BRAKE, PLACE_1},
    {269, 0, GPUSIGNALS_HEAT, PLACE_2},
    {270, 0, GPUSIGNALS_HEAT_HARD, PLACE_2},
    {271, 0, GPUSIGNALS_BRAKE, PLACE_2},
    {38, 0, GPUSIGNALS_NVLINK, TOTALS}, /* CRC of flits, of data; replays; recoveries */
    {45, 0, GPUSIGNALS_NVLINK, TOTALS},
    {52, 0, GPUSIGNALS_NVLINK, TOTALS},
    {59, 0, GPUSIGNALS_NVLINK, TOTALS},
    {161, ALL_LINKS, GPUSIGNALS_NVLINK, SCOPED},
    {162, ALL_LINKS, GPUSIGNALS_NVLINK, SCOPED},
    {163, ALL_LINKS, GPUSIGNALS_NVLINK, SCOPED},
};
#define N_COUNTERS (sizeof fields / sizeof *fields)
#define N_FIELDS   (N_COUNTERS + 1)
_Static_assert(N_FIELDS <= NVMLLIB_FIELDS, "one question");

#define MEMORY_HEAT 82u /* the last of the question: no counter */
#define MOST_HEAT   250u

static bool is_time(enum gpusignals_counter c)
{
    return c < GPUSIGNALS_PCIE;
}

static void add(const struct nvmllib_field *f, enum way way,
                struct gpusignals_reading *r)
{
    uint32_t before = r->known;
    for (size_t i = 0; i < N_COUNTERS; i++) {
        enum gpusignals_counter c = fields[i].as;
        /* One that an earlier way has is the same counter once more. */
        if (fields[i].way != way || !f[i].is_known || before >> c & 1 ||
            (is_time(c) && !f[i].is_wide))
            continue;
        gpusignals_count(r, c, f[i].value);
        r->parts |= 1u << i;
    }
}

void sample_nvml_signals(struct nvmllib *l, struct nvmllib_device *d,
                         struct gpusignals_reading *ret)
{
    struct nvmllib_field f[N_FIELDS] = {[N_COUNTERS] = {.id = MEMORY_HEAT}};
    const struct nvmllib_field *heat = &f[N_COUNTERS];
    struct nvmllib_gauges now;
    for (size_t i = 0; i < N_COUNTERS; i++) {
        f[i].id = fields[i].id;
        f[i].scope = fields[i].scope;
    }
    gpusignals_reading_init(ret);
    if (nvmllib_fields(l, d, f, N_FIELDS) == NVMLLIB_OK) {
        for (enum way way = ALWAYS; way <= SCOPED; way++)
            add(f, way, ret);
        if (heat->is_known && heat->value > 0 && heat->value < MOST_HEAT)
            ret->mem_celsius = (int32_t)heat->value;
    }
    nvmllib_gauges(l, d, &now);
    ret->sm_mhz = now.sm_mhz;
    ret->mem_mhz = now.mem_mhz;
    ret->sm_max_mhz = now.sm_max_mhz;
    ret->celsius = now.celsius;
    ret->milliwatts = now.milliwatts;
    ret->reasons = now.reasons;
}
