/* SPDX-License-Identifier: MIT */
/* gpufaults.c - see gpufaults.h. */
#include "launcher/gpufaults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose fault each usually is, is half of what a person wants to know of it. */
static const struct {
    uint32_t xid;
    const char *words;
} meanings[] = {
    {8, "the GPU stopped processing"},
    {11, "an invalid or corrupted stream of commands"},
    {13, "a kernel failed on the GPU, mostly the program's own error"},
    {31, "a kernel touched memory that is not mapped, mostly the program's own error"},
    {32, "an invalid or corrupted stream of commands: driver, PCIe or program"},
    {38, "the driver's firmware failed"},
    {43, "the GPU stopped processing a program, which failed"},
    {45, "work was cleared away, after another error or the program's end"},
    {46, "the GPU stopped processing and must be reset"},
    {48, "a double-bit ECC error, which cannot be corrected"},
    {56, "the display engine failed"},
    {57, "the video memory's link training failed"},
    {58, "unstable video memory"},
    {61, "the GPU's micro-controller stopped at a breakpoint"},
    {62, "the GPU's micro-controller halted"},
    {63, "a memory page was retired or a row remapped, after ECC errors"},
    {64, "a memory page or row could not be retired: the GPU needs service"},
    {68, "the video processor failed"},
    {69, "a command that the graphics engine refuses"},
    {74, "an NVLink error: the GPU, its link or the NVSwitch"},
    {79, "the GPU has fallen off the bus: hardware, power or heat"},
    {92, "many corrected ECC errors"},
    {94, "an uncorrectable ECC error, contained: only the program it hit must end"},
    {95, "an uncorrectable ECC error, not contained: the GPU must be reset"},
    {109, "a change of context took too long"},
    {110, "a security fault: the GPU must be reset"},
    {119, "the GPU's firmware (GSP) did not answer in time"},
    {120, "the GPU's firmware (GSP) failed"},
    {121, "a corrected error on the link between CPU and GPU (C2C)"},
    {122, "the firmware's memory could not be read"},
    {123, "the power management unit could not be read"},
    {137, "an NVLink access without the right: mostly the program's own error"},
    {140, "ECC errors that could not be corrected, or their memory not retired"},
    {143, "the GPU could not be initialized"},
    {144, "NVLink: an error of the receiver's protection"},
    {145, "NVLink: an error of its replay layer"},
    {149, "NVLink: the link failed"},
    {150, "NVLink: an error of the network layer"},
    {154, "the driver says what must be done for the GPU to recover"},
};

const char *gpufault_words(uint32_t xid)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].xid == xid)
            return meanings[i].words;
    }
    return "";
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Room for one more, by doubling. */
static bool grow(struct gpufaults *g)
{
    if (g->n == GPUFAULTS_MOST)
        return false;
    if (g->n & (g->n - 1))
        return true;
    void *more = realloc(g->all, (g->n ? 2 * g->n : 1) * sizeof *g->all);
    if (more)
        g->all = more;
    return more != NULL;
}

struct gpufault *gpufaults_add(struct gpufaults *g, uint32_t node,
                               const Aolani__GpuFault *f)
{
    for (size_t i = 0; i < g->n; i++) {
        struct gpufault *at = &g->all[i];
        if (at->node == node && at->xid == f->xid && strcmp(at->bus, f->bus_id) == 0) {
            at->n = sum(at->n, f->n);
            return NULL;
        }
    }
    if (!grow(g)) {
        g->more = sum(g->more, f->n);
        return NULL;
    }
    struct gpufault *at = &g->all[g->n++];
    *at = (struct gpufault){.node = node, .xid = f->xid, .n = f->n};
    (void)snprintf(at->bus, sizeof at->bus, "%s", f->bus_id);
    (void)snprintf(at->text, sizeof at->text, "%s", f->text);
    return at;
}

void gpufaults_fini(struct gpufaults *g)
{
    free(g->all);
    *g = (struct gpufaults){0};
}

void gpufault_sentence(const struct gpufault *f, const char *node, char *ret,
                       size_t len)
{
    const char *words = gpufault_words(f->xid);
    const char *says = words[0] ? words : f->text;
    (void)snprintf(ret, len, "Xid %u of GPU %s%s%s%s%s%s%s%s", f->xid, f->bus,
                   f->whose[0] ? " (" : "", f->whose, f->whose[0] ? ")" : "",
                   node ? " on " : "", node ? node : "", says[0] ? ": " : "", says);
}
