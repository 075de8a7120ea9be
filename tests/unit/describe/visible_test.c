/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"
#include "agent/describe/visible.h"

/* A machine is a word of letters, a GPU each, with bus ids that count up: N an H100, n an
 * A10, M N with MIG instances before the next, each i; U one without a UUID; X without the
 * driver's word altogether; A of AMD. '<' makes the bus ids of a machine count down. */
static void add_gpu(Aolani__Topology *t, char kind, unsigned bus, int index)
{
    Aolani__Gpu *g;
    char text[64];
    assert_int_equal(gpulist_add(t, kind == 'A' ? "AMD" : "NVIDIA", &g), 0);
    (void)snprintf(text, sizeof text, "0000:%02x:00.0", bus);
    assert_int_equal(msg_text(&g->bus_id, text), 0);
    g->nvml_index = kind == 'A' || kind == 'X' ? -1 : index;
    assert_int_equal(msg_text(&g->model, kind == 'n' ? "A10" : "H100"), 0);
    (void)snprintf(text, sizeof text, "GPU-%c%d%d%d-aaaa", 'a' + index, index, index,
                   index);
    if (kind == 'i') {
        assert_int_equal(msg_text(&g->parent_uuid, text), 0);
        g->partition = 1;
        for (size_t i = 0; i + 1 < t->n_gpus; i++)
            g->partition += strcmp(t->gpus[i]->parent_uuid, text) == 0;
        (void)snprintf(text, sizeof text, "MIG-%c%u-bbbb", 'a' + index, g->partition);
    }
    if (kind != 'U' && kind != 'X')
        assert_int_equal(msg_text(&g->uuid, text), 0);
}

static Aolani__Topology *machine(const char *kinds)
{
    Aolani__Topology *t = malloc(sizeof *t);
    assert_non_null(t);
    aolani__topology__init(t);
    bool down = *kinds == '<';
    int index = -1;
    for (const char *k = kinds + down; *k; k++) {
        if (*k == 'M') {
            index++;
            continue;
        }
        index += *k != 'i';
        add_gpu(t, *k, (unsigned)(down ? 64 - index : 16 + index), index);
    }
    return t;
}

/* "GPU-a000-aaaa" is 0, "MIG-b2-bbbb" is 1.2, one without is its bus. */
static void show(const Aolani__Topology *t, char *ret, size_t size)
{
    size_t n = 0;
    *ret = '\0';
    for (size_t i = 0; i < t->n_gpus && n < size; i++) {
        const Aolani__Gpu *g = t->gpus[i];
        const char *gap = i > 0 ? " " : "";
        if (g->partition)
            n += (size_t)snprintf(ret + n, size - n, "%s%d.%u", gap, g->nvml_index,
                                  g->partition);
        else
            n += (size_t)snprintf(ret + n, size - n, "%s%d", gap,
                                  (int)strtol(g->bus_id + 5, NULL, 16) - 16);
    }
}

static void check(const char *gpus, const struct visible_env *env, const char *want,
                  const char *visible, const char *note)
{
    Aolani__Topology *t = machine(gpus);
    size_t before = t->n_gpus;
    char got[256], notes[1024] = "";
    struct err e;
    assert_int_equal(visible_apply(t, env, &e), 0);
    show(t, got, sizeof got);
    for (size_t i = 0; i < t->n_notes; i++)
        (void)snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n",
                       t->notes[i]);
    bool noted = note ? strstr(notes, note) != NULL : t->n_notes == 0;
    if (strcmp(got, want) != 0 || strcmp(t->visible, visible) != 0 || !noted ||
        t->hidden_gpus != before - t->n_gpus)
        fail_msg(
            "%s, CUDA \"%s\" AMD \"%s\": got \"%s\", visible \"%s\", hidden %u, notes "
            "\"%s\"; wanted \"%s\", \"%s\", \"%s\"",
            gpus, env->cuda ? env->cuda : "(none)", env->rocr ? env->rocr : "(none)",
            got, t->visible, t->hidden_gpus, notes, want, visible,
            note ? note : "(no note)");
    aolani__topology__free_unpacked(t, NULL);
}

static void test_cuda(void **state)
{
    (void)state;
    static const struct {
        const char *gpus, *cuda, *order, *want, *visible, *note;
    } table[] = {
        {"NNNN", NULL, NULL, "0 1 2 3", "", NULL},
        {"", NULL, NULL, "", "", NULL},
        {"", "0", NULL, "", "", NULL},
        /* numbers */
        {"NNNN", "0,1,2,3", NULL, "0 1 2 3", "", NULL},
        {"NNNN", "2", NULL, "2", "2", NULL},
        {"NNNN", "1,3", "PCI_BUS_ID", "1 3", "1,3", NULL},
        {"NNNN", "3,1", NULL, "1 3", "3,1", NULL},
        {"NNNN", "3,2,1,0", NULL, "0 1 2 3", "3,2,1,0", NULL},
        {"NNNN", " 0 , 2 ", NULL, "0 2", "0 , 2", NULL},
        {"NNNN", "1,1,1", NULL, "1", "1,1,1", NULL},
        {"NNNNNNNNNNN", "10", NULL, "10", "10", NULL},
        {"NNNN", "0,2,", NULL, "0 2", "0,2,", NULL},
        /* the list ends at the first that names none */
        {"NNNN", "0,2,-1,1", NULL, "0 2", "0,2,-1,1", NULL},
        {"NNNN", "0,9,1", NULL, "0", "0,9,1", "\"9\" names no GPU here"},
        {"NNNN", "1x,2", NULL, "", "1x,2", "\"1x\" names no GPU"},
        {"NNNN", "0,,1", NULL, "0", "0,,1", "\"\" names no GPU"},
        {"NNNN", "99999999999999999999999", NULL, "", "99999999999999999999999",
         "names no GPU"},
        /* none at all */
        {"NN", "", NULL, "", "", "hides every GPU"},
        {"NN", "-1", NULL, "", "-1", "hides every GPU"},
        {"NN", "NoDevFiles", NULL, "", "NoDevFiles", "hides every GPU"},
        {"NN", "none", NULL, "", "none", "hides every GPU"},
        {"NN", "void", NULL, "", "void", "hides every GPU"},
        {"NN", "all", NULL, "", "all", "\"all\" names no GPU"},
        /* UUIDs */
        {"NNNN", "GPU-c222-aaaa", NULL, "2", "GPU-c222-aaaa", NULL},
        {"NNNN", "gpu-C222-AAAA", NULL, "2", "gpu-C222-AAAA", NULL},
        {"NNNN", "GPU-d,GPU-b1", NULL, "1 3", "GPU-d,GPU-b1", NULL},
        {"NNNN", "GPU-d,0", NULL, "0 3", "GPU-d,0", NULL},
        {"NNNN", "GPU-", NULL, "", "GPU-", "names no GPU"},
        {"NNNN", "0,GPU-ffff", NULL, "0", "0,GPU-ffff", "\"GPU-ffff\" names no GPU"},
        {"NNNNNNNNNNNN", "GPU-b", NULL, "1", "GPU-b", NULL},
        {"UU", "GPU-a000", NULL, "0 1", "", "UUIDs of the GPUs are not known"},
        {"UU", "1", NULL, "1", "1", NULL},
        {"XX", "1", NULL, "1", "1", NULL},
        /* the order that is counted in */
        {"<NNN", "0", "PCI_BUS_ID", "46", "0", NULL},
        {"<NNN", "0", NULL, "46", "0", NULL},
        {"Nn", "0", NULL, "0", "0", "several models"},
        {"Nn", "0", "FASTEST_FIRST", "0", "0", "several models"},
        {"Nn", "0", "PCI_BUS_ID", "0", "0", NULL},
        {"Nn", "GPU-b", NULL, "1", "GPU-b", NULL},
        /* MIG: Miii is one GPU with three instances */
        {"MiiiN", "MIG-a2-bbbb", NULL, "0.2", "MIG-a2-bbbb", NULL},
        {"MiiiN", "MIG-a2", NULL, "0.2", "MIG-a2", NULL},
        {"MiiiN", "MIG-a", NULL, "", "MIG-a", "names no GPU"},
        {"MiiiN", "0", NULL, "0.1", "0", NULL},
        {"MiiiN", "1", NULL, "1", "1", NULL},
        {"MiiiN", "GPU-a000-aaaa", NULL, "0.1", "GPU-a000-aaaa", NULL},
        {"MiiMii", "MIG-b1,MIG-a2", NULL, "0.2 1.1", "MIG-b1,MIG-a2", NULL},
        {"MiiMii", "1", NULL, "1.1", "1", NULL},
        {"MiiMii", NULL, NULL, "0.1 0.2 1.1 1.2", "", NULL},
        /* those of others stay */
        {"AANN", "0", NULL, "0 1 2", "0", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct visible_env env = {.cuda = table[i].cuda, .cuda_order = table[i].order};
        check(table[i].gpus, &env, table[i].want, table[i].visible, table[i].note);
    }
}

static void test_containers_and_amd(void **state)
{
    (void)state;
    static const struct {
        const char *gpus;
        struct visible_env env;
        const char *want, *visible, *note;
    } table[] = {
        /* The driver's word is stronger than the container's. */
        {"NN", {.nvidia = "void"}, "0 1", "", NULL},
        {"XX", {.nvidia = "void"}, "", "", "this container was given no GPU"},
        {"XX", {.nvidia = "none"}, "", "", "this container was given no GPU"},
        {"XX", {.nvidia = "all"}, "0 1", "", NULL},
        {"XX", {.nvidia = "0"}, "0 1", "", NULL},
        {"AA", {.nvidia = "void"}, "0 1", "", NULL},
        {"AAAA", {.rocr = "1,3"}, "1 3", "1,3", NULL},
        {"AAAA", {.rocr = "GPU-c222-aaaa"}, "2", "GPU-c222-aaaa", NULL},
        {"AAAA", {.rocr = ""}, "", "", "ROCR_VISIBLE_DEVICES is \"\""},
        {"AAAA", {.hip = "2"}, "2", "2", NULL},
        /* HIP counts what ROCR has left. */
        {"AAAA", {.rocr = "2,3", .hip = "1"}, "3", "2,3; 1", NULL},
        {"AAAA",
         {.rocr = "2,3", .hip = "3"},
         "",
         "2,3; 3",
         "HIP_VISIBLE_DEVICES is \"3\""},
        {"AAAA", {.cuda = "1"}, "1", "1", NULL},
        {"AAAA", {.cuda = "1", .hip = "2"}, "2", "2", NULL},
        {"NNAA", {.cuda = "1", .rocr = "0"}, "1 2", "1; 0", NULL},
        {"NN", {.rocr = "0", .hip = "0"}, "0 1", "", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check(table[i].gpus, &table[i].env, table[i].want, table[i].visible,
              table[i].note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuda),
        cmocka_unit_test(test_containers_and_amd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
