/* SPDX-License-Identifier: MIT */
/* plan_text.c - see plan_text.h. */
#include "launcher/plan_text.h"

#include <stdio.h>
#include <string.h>

const char *plan_link(uint32_t mts, uint32_t width, char ret[PLAN_TEXT])
{
    static const uint32_t gens[] = {2500, 5000, 8000, 16000, 32000, 64000, 128000};
    char speed[24] = "", lanes[16] = "";
    size_t gen = 0;
    while (gen < sizeof gens / sizeof *gens && gens[gen] != mts)
        gen++;
    if (gen < sizeof gens / sizeof *gens)
        (void)snprintf(speed, sizeof speed, "gen%zu", gen + 1);
    else if (mts > 0)
        (void)snprintf(speed, sizeof speed, "%g GT/s", mts / 1000.0);
    if (width > 0)
        (void)snprintf(lanes, sizeof lanes, "x%u", width);
    (void)snprintf(ret, PLAN_TEXT, "%s%s%s", speed, *speed && *lanes ? " " : "", lanes);
    return ret;
}

const char *plan_link_now(const Aolani__PciLink *l, char ret[PLAN_TEXT])
{
    char max[PLAN_TEXT], now[PLAN_TEXT];
    ret[0] = '\0';
    if (!l)
        return ret;
    plan_link(l->max_mts, l->max_width, max);
    plan_link(l->now_mts, l->now_width, now);
    bool less = (l->now_mts > 0 && l->now_mts < l->max_mts) ||
                (l->now_width > 0 && l->now_width < l->max_width);
    if (max[0] && less)
        (void)snprintf(ret, PLAN_TEXT, "%.40s, now %.40s", max, now);
    else if (max[0] || now[0])
        (void)snprintf(ret, PLAN_TEXT, "%s", max[0] ? max : now);
    else if (l->now_mbytes > 0)
        (void)snprintf(ret, PLAN_TEXT, "%.1f GB/s", (double)l->now_mbytes / 1000);
    return ret;
}

const char *plan_rate(uint64_t mbits, char ret[PLAN_TEXT])
{
    ret[0] = '\0';
    if (mbits >= 1000)
        (void)snprintf(ret, PLAN_TEXT, "%.4g Gb/s", (double)mbits / 1000);
    else if (mbits > 0)
        (void)snprintf(ret, PLAN_TEXT, "%u Mb/s", (unsigned)mbits);
    return ret;
}

const char *plan_bus(const char *bus_id)
{
    size_t zeros = strspn(bus_id, "0");
    return zeros > 0 && bus_id[zeros] == ':' ? bus_id + zeros + 1 : bus_id;
}

/* PCI databases write "GH100 [H100 SXM5 80GB]": what is in brackets is what people say. */
const char *plan_model(const struct topo_gpu *g, char ret[PLAN_TEXT])
{
    static const char *const makers[] = {"NVIDIA Corporation ", "NVIDIA ", "AMD ",
                                         "Advanced Micro Devices, Inc. ", "Intel "};
    const char *model = g->m->model;
    const char *open = strchr(model, '['), *close = open ? strrchr(open, ']') : NULL;
    if (close && close > open + 1) {
        (void)snprintf(ret, PLAN_TEXT, "%.*s", (int)(close - open - 1), open + 1);
        return ret;
    }
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        size_t n = strlen(makers[i]);
        if (strncmp(model, makers[i], n) == 0 && model[n])
            model += n;
    }
    (void)snprintf(ret, PLAN_TEXT, "%s", *model ? model : g->m->vendor);
    return ret;
}

const char *plan_path(const struct topo_path *p)
{
    if (!p->known)
        return "?";
    return p->level == TOPO_PKG ? "PKG" : topo_path_name(p);
}

const char *plan_port_state(const struct topo_nic *n)
{
    bool known = false;
    for (size_t i = 0; i < n->m->n_ports; i++)
        known = known || n->m->ports[i]->state != 0;
    return !known ? "?" : topo_nic_port(n) >= 0 ? "up" : "down";
}

uint64_t plan_nic_rate(const struct topo_nic *n)
{
    int port = topo_nic_port(n);
    for (size_t i = 0; i < n->m->n_ports; i++) {
        if (port < 0 || n->m->ports[i]->number == (uint32_t)port)
            return n->m->ports[i]->rate_mbits;
    }
    return 0;
}

/* The last of a run of members from `first`, each `step` after the one before. */
static int64_t run_end(const struct rankset *s, int64_t first, int64_t step)
{
    int64_t last = first;
    while (rankset_next(s, (uint32_t)last + 1) == last + step)
        last += step;
    return last;
}

int plan_cpus(const struct rankset *s, struct buf *out)
{
    int64_t at = rankset_next(s, 0);
    int rc = 0;
    for (const char *comma = ""; at >= 0 && rc == 0; comma = ",") {
        int64_t second = rankset_next(s, (uint32_t)at + 1);
        int64_t step = second > 0 ? second - at : 1;
        int64_t last = second > 0 ? run_end(s, at, step) : at;
        if (step > 1 && last < at + 2 * step) /* a pair is no pattern */
            last = at;
        if (last == at)
            rc = buf_printf(out, "%s%lld", comma, (long long)at);
        else
            rc = buf_printf(out, "%s%lld-%lld", comma, (long long)at, (long long)last);
        if (rc == 0 && step > 1 && last > at)
            rc = buf_printf(out, ":%lld", (long long)step);
        at = rankset_next(s, (uint32_t)last + 1);
    }
    return rc;
}
