/* SPDX-License-Identifier: MIT */
/* report_gpus_json.c - the GPUs in run.json. A part of report_json. */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_fields_json.h"
#include "launcher/report_view.h"

#define G(f) offsetof(struct view_gpu, f)
#define S(f) offsetof(struct view_gpu, s.f)
static const struct field gpu_fields[] = {
    {"node", FIELD_U32, G(node)},
    {"uuid", FIELD_TEXT, G(uuid)},
    {"seconds", FIELD_AMOUNT, S(seconds)},
    {"watts", FIELD_MAYBE, S(watts)},
    {"watts_most", FIELD_MAYBE, S(watts_most)},
    {"celsius", FIELD_MAYBE, S(celsius)},
    {"celsius_most", FIELD_MAYBE, S(celsius_most)},
    {"mem_celsius_most", FIELD_MAYBE, S(mem_celsius_most)},
    {"sm_mhz_least", FIELD_MAYBE, S(sm_mhz_least)},
    {"sm_max_mhz", FIELD_MAYBE, S(sm_max_mhz)},
    {"power_us", FIELD_MAYBE, S(power_us)},
    {"heat_us", FIELD_MAYBE, S(heat_us)},
    {"brake_us", FIELD_MAYBE, S(brake_us)},
    {"sync_us", FIELD_MAYBE, S(sync_us)},
    {"board_us", FIELD_MAYBE, S(board_us)},
    {"reliability_us", FIELD_MAYBE, S(reliability_us)},
    {"ecc_corrected", FIELD_MAYBE, S(ecc_corrected)},
    {"ecc_errors", FIELD_MAYBE, S(ecc_errors)},
    {"remapped_rows", FIELD_MAYBE, S(remapped_rows)},
    {"pcie_replays", FIELD_MAYBE, S(pcie_replays)},
    {"nvlink_errors", FIELD_MAYBE, S(nvlink_errors)},
    {"reasons", FIELD_U32, S(reasons)},
    {0},
};

#define F(f) offsetof(struct view_fault, f)
static const struct field fault_fields[] = {
    {"node", FIELD_U32, F(node)},
    {"bus", FIELD_TEXT, F(bus)},
    {"whose", FIELD_TEXT, F(whose)},
    {"xid", FIELD_U32, F(xid)},
    {"n", FIELD_U64, F(n)},
    {"text", FIELD_TEXT, F(text)},
    {0},
};

static const struct field_list gpus = {"gpus", gpu_fields, sizeof(struct view_gpu)};
static const struct field_list faults = {"faults", fault_fields,
                                         sizeof(struct view_fault)};

int gpus_to_json(const struct report_view *v, struct buf *out)
{
    int rc = fields_list_to_json(&gpus, v->gpus, v->n_gpus, out);
    return rc ? rc : fields_list_to_json(&faults, v->faults, v->n_faults, out);
}

int gpus_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    void *found = NULL;
    int rc = fields_list_from_json(&gpus, root, &found, &v->n_gpus, e);
    v->gpus = found;
    for (size_t i = 0; rc == 0 && i < v->n_gpus; i++)
        if (v->gpus[i].node >= v->n_nodes)
            rc = fields_bad(e, gpus.name, "node", "no node of the run");
    if (rc < 0)
        return rc;
    found = NULL;
    rc = fields_list_from_json(&faults, root, &found, &v->n_faults, e);
    v->faults = found;
    for (size_t i = 0; rc == 0 && i < v->n_faults; i++)
        if (v->faults[i].node >= v->n_nodes)
            rc = fields_bad(e, faults.name, "node", "no node of the run");
    return rc;
}
