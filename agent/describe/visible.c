/* SPDX-License-Identifier: MIT */
/* visible.c - see visible.h. The rules are CUDA's and ROCm's own: a list of numbers or of
 * UUIDs (the first digits of one do where no other begins so) that ends at the first entry
 * that names no GPU; an empty one hides all. So "NoDevFiles", "none" and -1 hide all, and
 * "all", which NVIDIA's container runtime understands, does too.
 *
 * Numbers count what the driver shows to this process. CUDA counts in the order of bus ids
 * with CUDA_DEVICE_ORDER=PCI_BUS_ID, else it puts the fastest first: with GPUs of one model
 * that is the same order. A number or a UUID of a GPU that is divided (MIG) means its first
 * instance. HIP counts what ROCR has left, and takes CUDA's variable for its own where that
 * is not set. */
#include "agent/describe/visible.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"

#define MAX_SHOWN 200 /* bytes of a variable in a note */

struct list { /* a vendor's GPUs in the order in which its variable counts them */
    Aolani__Topology *t;
    size_t *at; /* indexes in t->gpus; of a divided GPU all instances */
    size_t n;
    bool *keep;     /* of t->gpus */
    size_t *picked; /* of `at`, in the order named */
    size_t n_picked;
    bool by_number;
    const char *bad; /* the entry at which it ended; NULL: none */
    size_t bad_len;
};

static Aolani__Gpu *gpu(const struct list *l, size_t i)
{
    return l->t->gpus[l->at[i]];
}

static void list_fini(struct list *l)
{
    free(l->at);
    free(l->picked);
}

static int list_init(struct list *l, Aolani__Topology *t, const char *vendor,
                     bool *keep)
{
    *l = (struct list){.t = t, .keep = keep};
    l->at = calloc(t->n_gpus + 1, sizeof *l->at);
    l->picked = calloc(t->n_gpus + 1, sizeof *l->picked);
    if (!l->at || !l->picked) {
        list_fini(l);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->n_gpus; i++)
        if (keep[i] && gpulist_is_of(t->gpus[i], vendor))
            l->at[l->n++] = i;
    return 0;
}

/* By bus id; stable, so that the instances of a GPU stay as they are. */
static void list_sort(struct list *l)
{
    for (size_t i = 1; i < l->n; i++)
        for (size_t k = i; k > 0 && gpulist_bus(gpu(l, k)->bus_id) <
                                        gpulist_bus(gpu(l, k - 1)->bus_id);
             k--) {
            size_t other = l->at[k];
            l->at[k] = l->at[k - 1];
            l->at[k - 1] = other;
        }
}

/* A further instance of the GPU before it. */
static bool is_further(const struct list *l, size_t i)
{
    return i > 0 && *gpu(l, i)->parent_uuid &&
           strcmp(gpu(l, i)->parent_uuid, gpu(l, i - 1)->parent_uuid) == 0;
}

/* -1: there is no such one. */
static int64_t find_number(const struct list *l, uint64_t number)
{
    for (size_t i = 0; i < l->n; i++)
        if (!is_further(l, i) && number-- == 0)
            return (int64_t)i;
    return -1;
}

static bool begins(const char *uuid, const char *entry, size_t len)
{
    return strncasecmp(uuid, entry, len) == 0;
}

/* -1: none, or several. */
static int64_t find_uuid(const struct list *l, const char *entry, size_t len)
{
    int64_t found = -1;
    for (size_t i = 0; i < l->n; i++) {
        const Aolani__Gpu *g = gpu(l, i);
        bool parent = !is_further(l, i) && begins(g->parent_uuid, entry, len);
        if (!parent && !begins(g->uuid, entry, len))
            continue;
        if (strlen(g->uuid) == len)
            return (int64_t)i;
        if (found >= 0)
            return -1;
        found = (int64_t)i;
    }
    return found;
}

static int64_t find_entry(struct list *l, const char *entry, size_t len)
{
    if (len > 4 && (begins(entry, "GPU-", 4) || begins(entry, "MIG-", 4)))
        return find_uuid(l, entry, len);
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        if (entry[i] < '0' || entry[i] > '9' || number > UINT_MAX)
            return -1;
        number = number * 10 + (uint64_t)(entry[i] - '0');
    }
    l->by_number = l->by_number || len > 0;
    return len > 0 ? find_number(l, number) : -1;
}

static void pick(struct list *l, size_t i)
{
    for (size_t k = 0; k < l->n_picked; k++)
        if (l->picked[k] == i)
            return;
    l->picked[l->n_picked++] = i;
}

static void pick_all(struct list *l, const char *text)
{
    static const char blanks[] = " \t\r\n";
    while (*text) {
        text += strspn(text, blanks);
        size_t full = strcspn(text, ","), len = full;
        while (len > 0 && strchr(blanks, text[len - 1]))
            len--;
        int64_t i = find_entry(l, text, len);
        if (i < 0) {
            l->bad = text;
            l->bad_len = len;
            return;
        }
        pick(l, (size_t)i);
        text += full + (text[full] == ',');
    }
}

/* Words that a site uses to give none; the rest looks like an error. */
static bool is_none(const char *bad, size_t len)
{
    static const char *const words[] = {"-1", "NoDevFiles", "none", "void"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (len == strlen(words[i]) && begins(bad, words[i], len))
            return true;
    return false;
}

/* An instance's model is not the GPU's: whole ones alone are compared. */
static bool has_models(const struct list *l)
{
    const char *first = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const Aolani__Gpu *g = gpu(l, i);
        if (*g->parent_uuid)
            continue;
        if (first && strcmp(g->model, first) != 0)
            return true;
        first = g->model;
    }
    return false;
}

static bool has_uuids(const struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!*gpu(l, i)->uuid)
            return false;
    return true;
}

static int note_bad(struct list *l, const char *name, const char *text)
{
    if (!l->bad || is_none(l->bad, l->bad_len))
        return 0;
    int len = l->bad_len < MAX_SHOWN ? (int)l->bad_len : MAX_SHOWN;
    return msg_note(
        l->t, "%s is \"%.*s\": \"%.*s\" names no GPU here, and the list ends there",
        name, MAX_SHOWN, text, len, l->bad);
}

/* Leaves of the list what the variable names. *ret_hides: it hides or reorders. */
static int apply(struct list *l, const char *name, const char *text, bool *ret_hides)
{
    pick_all(l, text);
    /* Without the driver's word on UUIDs, one that is not found proves nothing. */
    bool is_unknown = l->bad && l->bad_len > 4 &&
                      (begins(l->bad, "GPU-", 4) || begins(l->bad, "MIG-", 4)) &&
                      !has_uuids(l);
    *ret_hides = l->n_picked < l->n && !is_unknown;
    if (is_unknown)
        return msg_note(l->t,
                        "%s is \"%.*s\", but the UUIDs of the GPUs are not known: "
                        "none is taken for hidden",
                        name, MAX_SHOWN, text);
    for (size_t i = 0; i < l->n; i++)
        l->keep[l->at[i]] = false;
    for (size_t i = 0; i < l->n_picked; i++) {
        l->keep[l->at[l->picked[i]]] = true;
        *ret_hides =
            *ret_hides || (i > 0 && l->at[l->picked[i]] < l->at[l->picked[i - 1]]);
    }
    if (l->n > 0 && l->n_picked == 0 &&
        msg_note(l->t, "%s is \"%.*s\": it hides every GPU of this node", name,
                 MAX_SHOWN, text) < 0)
        return -ENOMEM;
    return note_bad(l, name, text);
}

static int apply_cuda(Aolani__Topology *t, const struct visible_env *env, bool *keep,
                      bool *ret_hides)
{
    struct list l;
    if (list_init(&l, t, GPULIST_NVIDIA, keep) < 0)
        return -ENOMEM;
    list_sort(&l);
    bool is_mixed = has_models(&l);
    int rc = apply(&l, "CUDA_VISIBLE_DEVICES", env->cuda, ret_hides);
    bool by_bus = env->cuda_order && strcmp(env->cuda_order, "PCI_BUS_ID") == 0;
    if (rc == 0 && l.by_number && is_mixed && !by_bus)
        rc = msg_note(t,
                      "CUDA_VISIBLE_DEVICES counts GPUs of several models, and CUDA "
                      "counts the fastest first: it was read in the order of bus ids; "
                      "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or use UUIDs");
    list_fini(&l);
    return rc;
}

/* A container that was given no GPU still shows them on the bus. */
static int apply_container(Aolani__Topology *t, const char *text, bool *keep)
{
    bool is_nothing = strcmp(text, "void") == 0 || strcmp(text, "none") == 0;
    for (size_t i = 0; i < t->n_gpus; i++)
        is_nothing = is_nothing && (!gpulist_is_of(t->gpus[i], GPULIST_NVIDIA) ||
                                    t->gpus[i]->nvml_index < 0);
    if (!is_nothing)
        return 0;
    for (size_t i = 0; i < t->n_gpus; i++)
        keep[i] = keep[i] && !gpulist_is_of(t->gpus[i], GPULIST_NVIDIA);
    return msg_note(
        t, "NVIDIA_VISIBLE_DEVICES is \"%s\": this container was given no GPU", text);
}

static int apply_amd(Aolani__Topology *t, const char *name, const char *text,
                     bool *keep, bool *ret_hides)
{
    struct list l;
    if (!text)
        return 0;
    if (list_init(&l, t, GPULIST_AMD, keep) < 0)
        return -ENOMEM;
    bool hides = false;
    int rc = apply(&l, name, text, &hides);
    *ret_hides = *ret_hides || hides;
    list_fini(&l);
    return rc;
}

static int record(Aolani__Topology *t, const char *text, bool hides)
{
    if (!hides)
        return 0;
    return *t->visible ? msg_format(&t->visible, "%s; %s", t->visible, text)
                       : msg_text(&t->visible, text);
}

static int apply_all(Aolani__Topology *t, const struct visible_env *env, bool *keep)
{
    int rc = 0;
    bool hides = false;
    bool has_cuda = gpulist_count(t, GPULIST_NVIDIA) > 0;
    if (has_cuda && env->nvidia)
        rc = apply_container(t, env->nvidia, keep);
    if (rc == 0 && has_cuda && env->cuda)
        rc = apply_cuda(t, env, keep, &hides);
    if (rc == 0)
        rc = record(t, env->cuda ? env->cuda : "", hides);
    if (rc < 0 || gpulist_count(t, GPULIST_AMD) == 0)
        return rc;
    const char *hip = env->hip || has_cuda ? env->hip : env->cuda;
    bool rocr_hides = false, hip_hides = false;
    rc = apply_amd(t, "ROCR_VISIBLE_DEVICES", env->rocr, keep, &rocr_hides);
    if (rc == 0)
        rc = apply_amd(t, env->hip ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES",
                       hip, keep, &hip_hides);
    if (rc == 0)
        rc = record(t, env->rocr ? env->rocr : "", rocr_hides);
    return rc < 0 ? rc : record(t, hip ? hip : "", hip_hides);
}

int visible_apply(Aolani__Topology *t, const struct visible_env *env, struct err *e)
{
    bool *keep = calloc(t->n_gpus + 1, sizeof *keep);
    if (!keep)
        return err_sys(e, -ENOMEM, "cannot tell which GPUs are visible");
    for (size_t i = 0; i < t->n_gpus; i++)
        keep[i] = true;
    int rc = apply_all(t, env, keep);
    if (rc == 0)
        t->hidden_gpus += gpulist_keep(t, keep);
    free(keep);
    return rc < 0 ? err_sys(e, rc, "cannot tell which GPUs are visible") : 0;
}
