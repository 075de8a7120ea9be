/* SPDX-License-Identifier: MIT */
/* place_test.c - who gets what on machines of one line (tests/lib/topo_gen.h).
 * place_random_test.c tries what must hold on any machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/place/place.h"
#include "tests/lib/topo_gen.h"

#define MAX_NODES 4

/* What is asked for, in words: "-4" ranks per node (else one for each GPU), "local" nodes on
 * one machine, "loose" cores, "strict", "keep2" housekeeping cores, "nogpu", and
 * "nic=NAME" or "not=NAME", each any number of times. */
static void read_wishes(const char *text, struct spec *s, bool *shared)
{
    char copy[200], *save;
    snprintf(copy, sizeof copy, "%s", text);
    *s = (struct spec){.bind.cores = true, .bind.gpu = "all"};
    *shared = false;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (*w == '-')
            s->job.ranks_per_node = atoi(w + 1);
        else if (strcmp(w, "local") == 0)
            *shared = true;
        else if (strcmp(w, "loose") == 0)
            s->bind.cores = false;
        else if (strcmp(w, "strict") == 0)
            s->bind.strict = true;
        else if (strncmp(w, "keep", 4) == 0)
            s->bind.housekeeping_cores = atoi(w + 4);
        else if (strcmp(w, "nogpu") == 0)
            s->bind.gpu = "none";
        else if (strncmp(w, "nic=", 4) == 0)
            assert_int_equal(strlist_add(&s->bind.nic, w + 4), 0);
        else if (strncmp(w, "not=", 4) == 0)
            assert_int_equal(strlist_add(&s->bind.exclude_nics, w + 4), 0);
        else
            fail_msg("wish \"%s\"", w);
    }
}

static void forget_wishes(struct spec *s)
{
    strlist_fini(&s->bind.nic);
    strlist_fini(&s->bind.exclude_nics);
}

/* "g0 0-3 n0 mlx5_0,mlx5_1" of each rank, with " | " between them: its GPUs, cores, NUMA
 * nodes, NICs; what it has none of is left out. */
static void show_ranks(const struct plan *p, char *text, size_t len)
{
    struct buf b;
    buf_init(&b, len - 1);
    for (uint32_t i = 0; i < p->world_size; i++) {
        const struct plan_rank *r = &p->ranks[i];
        const struct topo *t = p->nodes[r->node].topo;
        buf_printf(&b, "%s", i ? " |" : "");
        for (size_t k = 0; k < r->n_gpus; k++)
            buf_printf(&b, "%s%u", k ? "+" : " g", r->gpus[k]);
        buf_printf(&b, *r->cpus ? " %s" : " -%s", r->cpus);
        for (int64_t n = rankset_next(&r->numa, 0), first = n; n >= 0;
             n = rankset_next(&r->numa, (uint32_t)n + 1))
            buf_printf(&b, "%s%d", n == first ? " n" : "+", (int)n);
        for (size_t k = 0; k < r->n_nics; k++)
            buf_printf(&b, "%s%s", k ? "," : " ", t->nics[r->nics[k]].m->name);
    }
    snprintf(text, len, "%s", b.len ? (char *)b.data + 1 : "");
    buf_fini(&b);
}

/* "0: text; 1! text": the node, ! of a compromise. */
static void show_notes(const struct plan *p, char *text, size_t len)
{
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < p->n_notes && n < len; i++)
        n += (size_t)snprintf(text + n, len - n, "%s%u%c %s", i ? "; " : "",
                              p->notes[i].node, p->notes[i].compromise ? '!' : ':',
                              p->notes[i].text);
}

struct row {
    const char *what, *nodes[MAX_NODES], *wishes;
    const char *ranks; /* NULL: ERR_BIND */
    const char *notes; /* or the error */
};

#define DOWN_FAR   "0! mlx5_0: down, so the NIC of gpu 0 is one further away"
#define SHARED     "fewer cores than ranks, so ranks share cores"
#define AND_OTHERS ", and other nodes of the job have, so its ranks run without"
#define GPULESS    "it has no GPU" AND_OTHERS
#define PASSED                                                                       \
    "gpu 2: the NIC on its switch is of another model than the job's fabric, so it " \
    "has one further away"
#define NOT_MORE "; without [bind] strict the job would run like this"

static const struct row rows[] = {
    /* ---- cores alone ---- */
    {"even", {"1x1x1x8"}, "-4 strict", "0-1 | 2-3 | 4-5 | 6-7", ""},
    {"shares differ by one", {"1x1x1x5"}, "-2 strict", "0-1 | 2-4", ""},
    {"threads of a core stay together", {"1x1x1x4t2"}, "-2", "0-1,4-5 | 2-3,6-7", ""},
    {"each node has its own cores", {"1x1x1x2", "1x1x1x2"}, "-2", "0 | 1 | 0 | 1", ""},
    {"nodes differ", {"1x1x1x4", "1x1x1x2"}, "-2", "0-1 | 2-3 | 0 | 1", ""},
    {"more ranks than cores", {"1x1x1x2"}, "-3", "0 | 1 | 0", "0! " SHARED},
    {"strict refuses that",
     {"1x1x1x2"},
     "-3 strict",
     NULL,
     "node \"a\": " SHARED " (run fewer ranks" NOT_MORE ")"},
    {"not bound",
     {"2x1x1x1 b0 g i"},
     "-3 nogpu loose",
     "- mlx5_0 | - mlx5_0 | - mlx5_0",
     ""},
    {"too many", {"1x1x1x2"}, "-5000", NULL, "5000 ranks per node are more than 1024"},
    {"at the border of a cache", {"1x1x2x3 =0-4"}, "-2", "0-2 | 3-4", ""},
    {"no rank straddles NUMA nodes",
     {"2x1x1x3"},
     "-4",
     "0 n0 | 1-2 n0 | 3 n1 | 4-5 n1",
     ""},
    {"three on two NUMA nodes", {"2x1x1x4"}, "-3", "0-1 n0 | 2-3 n0 | 4-7 n1", ""},
    {"fewer than NUMA nodes", {"2x2x1x2"}, "-2", "0-3 n0+1 | 4-7 n2+3", ""},
    {"three on four NUMA nodes", {"2x2x1x2"}, "-3", "0-1 n0 | 2-3 n1 | 4-7 n2+3", ""},
    {"one for all", {"2x2x1x2"}, "-1", "0-7 n0+1+2+3", ""},
    {"uneven packages", {"2x1x1x4 =0-3,6-7"}, "-3", "0-1 n0 | 2-3 n0 | 6-7 n1", ""},
    {"NIC nearest to the cores",
     {"2x1x1x2 b0 i b1 i"},
     "-2",
     "0-1 n0 mlx5_0 | 2-3 n1 mlx5_1",
     ""},

    /* ---- housekeeping ---- */
    {"one is core 0", {"1x1x1x4"}, "-3 keep1", "1 | 2 | 3", ""},
    {"in turn from NUMA nodes", {"2x1x1x3"}, "-2 keep3", "2 n0 | 4-5 n1", ""},
    {"a NUMA node's last core stays",
     {"2x1x1x3 =0,3-5"},
     "-2 keep2",
     "0 n0 | 5 n1",
     ""},
    {"all would be kept",
     {"1x1x1x2"},
     "-2 keep2",
     "0 | 1",
     "0! housekeeping_cores = 2 would leave no core of 2, so none is kept free"},

    /* ---- simulated nodes ---- */
    {"they share cores", {"1x1x1x4", "-"}, "local -2", "0 | 1 | 2 | 3", ""},
    {"more nodes than cores",
     {"1x1x1x1", "-"},
     "local -1",
     "0 | 0",
     "0! " SHARED "; 1! " SHARED},
    {"they share GPUs",
     {"2x1x1x2 b0 g b1 g", "-"},
     "local",
     "g0 0-1 n0 | g1 2-3 n1",
     ""},
    {"fewer GPUs",
     {"1x1x1x4 b0 g", "-"},
     "local -1",
     "g0 0-1 | g0 2-3",
     "0! 2 simulated nodes share 1 GPU"},

    /* ---- GPUs ---- */
    {"one rank for each",
     {"2x1x1x2 b0 g g b1 g g", "2x1x1x2 b1 g"},
     "",
     "g0 0 n0 | g1 1 n0 | g2 2 n1 | g3 3 n1 | g0 2-3 n1",
     ""},
    {"index not in NUMA order", {"2x1x1x2 b1 g b0 g"}, "", "g0 2-3 n1 | g1 0-1 n0", ""},
    {"shares of GPUs",
     {"2x1x1x2 b0 g g b1 g g"},
     "-2",
     "g0+1 0-1 n0 | g2+3 2-3 n1",
     ""},
    {"one rank has all", {"2x1x1x2 b0 g b1 g"}, "-1", "g0+1 0-3 n0+1", ""},
    {"three GPUs for two",
     {"2x1x1x2 b0 g g b1 g"},
     "-2",
     "g0 0-1 n0 | g1+2 2-3 n1",
     ""},
    {"more ranks than GPUs",
     {"2x1x1x2 b0 g b1 g"},
     "-4",
     "g0 0 n0 | g1 2 n1 | g0 1 n0 | g1 3 n1",
     "0! 4 ranks share 2 GPUs"},
    {"no device at all",
     {"1x1x1x2 b0 g", "1x1x1x2"},
     "",
     NULL,
     "ranks_per_node = \"gpu\": b: no device of it is known (a topology that was "
     "exported "
     "has devices unless lstopo had --no-io; or set [job] ranks_per_node to a number)"},
    {"no GPU",
     {"1x1x1x2 b0 g", "1x1x1x2 b0 t"},
     "",
     NULL,
     "ranks_per_node = \"gpu\": b: it has no GPU (set [job] ranks_per_node to a "
     "number)"},
    {"no GPU, and others have",
     {"1x1x1x2 b0 g g", "1x1x1x2 b0 t", "1x1x1x2"},
     "-2",
     "g0 0 | g1 1 | 0 | 1 | 0 | 1",
     "1! " GPULESS "; 2! no device of it is known" AND_OTHERS},
    {"strict refuses that too",
     {"1x1x1x2 b0 g g", "1x1x1x2 b0 t"},
     "-2 strict",
     NULL,
     "node \"b\": " GPULESS
     " (leave the node out, or set [bind] gpu = \"none\"" NOT_MORE ")"},
    {"no GPU, and none are wanted",
     {"1x1x1x2 b0 g", "1x1x1x2"},
     "-1 nogpu strict",
     "0-1 | 0-1",
     ""},
    {"not wanted", {"2x1x1x2 b1 g"}, "-2 nogpu", "0-1 n0 | 2-3 n1", ""},
    {"memory of a GPU is no NUMA node", {"1x1x1x2 m b0 g m"}, "", "g0 0-1", ""},

    /* ---- localities ---- */
    {"an L3 group each", {"1x1x2x2 bl1 g bl0 g"}, "", "g0 2-3 | g1 0-1", ""},
    {"nested", {"1x1x4x2 bl1 g b0 g"}, "", "g0 2-3 | g1 0-1,4-7", ""},
    {"nested, and wide enough",
     {"1x1x2x4 bl0 g b0 g g g"},
     "",
     "g0 0-1 | g1 2-3 | g2 4-5 | g3 6-7",
     ""},
    {"a package between its NUMA nodes",
     {"1x2x1x2 b0 g b1 g bp0 g"},
     "",
     "g0 0 n0 | g1 2-3 n1 | g2 1 n0",
     ""},
    {"aligned to caches", {"1x1x4x2 b0 g g"}, "", "g0 0-3 | g1 4-7", ""},
    {"not known where",
     {"2x1x1x2 b- g g"},
     "",
     "g0 0-1 n0 | g1 2-3 n1",
     "0! gpu 0-1: the system does not say at which NUMA node it is, so its ranks have "
     "a "
     "share of all cores"},
    {"not known, and all one", {"1x1x1x2 b- g"}, "", "g0 0-1", ""},
    {"none allowed near it",
     {"2x2x1x2 =2-3 b0 g b1 g b2 g"},
     "",
     "g0 2 n1 | g1 3 n1 | g2 2 n1",
     "0! gpu 0: no CPU next to it may be used, so its ranks have cores elsewhere in "
     "its "
     "package; 0! gpu 2: no CPU next to it may be used, so its ranks have cores that "
     "are "
     "far from it; 0! " SHARED},
    {"more ranks than cores near",
     {"2x1x1x2 b0 g g g"},
     "",
     "g0 0 n0 | g1 1 n0 | g2 2 n1",
     "0! gpu 0: fewer cores next to it than ranks, so some have cores further away"},
    {"the nearest neighbours first",
     {"2x2x1x2 b0 g g g b2 g"},
     "",
     "g0 0 n0 | g1 1 n0 | g2 2 n1 | g3 4-5 n2",
     "0! gpu 0: fewer cores next to it than ranks, so some have cores further away"},
    {"of a neighbour that has some to spare",
     {"1x2x1x2 b0 g g g b1 g"},
     "",
     "g0 0 n0 | g1 1 n0 | g2 2 n1 | g3 3 n1",
     "0! gpu 0: fewer cores next to it than ranks, so some have cores further away"},

    /* ---- NICs: which are used ---- */
    {"a port that is down",
     {"2x1x1x2 b0 s g d b1 s g i"},
     "",
     "g0 0-1 n0 mlx5_1 | g1 2-3 n1 mlx5_1",
     DOWN_FAR},
    {"and strict",
     {"2x1x1x2 b0 s g d b1 s g i"},
     "strict",
     NULL,
     "node \"a\": mlx5_0: down, so the NIC of gpu 0 is one further away (without "
     "[bind] "
     "strict the job would run like this)"},
    {"down, and of no account",
     {"1x1x1x2 b0 s g i d"},
     "",
     "g0 0-1 mlx5_0",
     "0: mlx5_1: down, not used"},
    {"all are down",
     {"1x1x1x2 b0 s g d", "1x1x1x2 b0 s g i"},
     "",
     "g0 0-1 | g0 0-1 mlx5_0",
     "0! mlx5_0: down, so there is no NIC to use"},
    {"another model",
     {"1x1x1x4 b0 s g i s g i b0 j"},
     "",
     "g0 0-1 mlx5_0 | g1 2-3 mlx5_1",
     "0: mlx5_2: left out, for the job's fabric is InfiniBand of model 15b3:1021; "
     "[bind] "
     "nic names what is wanted instead"},
    {"another model, and a GPU's own",
     {"1x1x1x3 b0 s g i b0 s g i b0 s g j"},
     "",
     "g0 0 mlx5_0 | g1 1 mlx5_1 | g2 2 mlx5_0,mlx5_1",
     "0: mlx5_2: left out, for the job's fabric is InfiniBand of model 15b3:1021; "
     "[bind] nic names what is wanted instead; 0! " PASSED},
    {"strict refuses that way round",
     {"1x1x1x3 b0 s g i b0 s g i b0 s g j"},
     "strict",
     NULL,
     "node \"a\": " PASSED " ([bind] nic can name those that are wanted" NOT_MORE ")"},
    {"the model of most, over all nodes",
     {"1x1x1x2 b0 s g i b0 j j", "1x1x1x2 b0 s g i i"},
     "",
     "g0 0-1 mlx5_0 | g0 0-1 mlx5_0,mlx5_1",
     "0: mlx5_1, mlx5_2: left out, for the job's fabric is InfiniBand of model "
     "15b3:1021; "
     "[bind] nic names what is wanted instead"},
    {"a node with another model alone",
     {"1x1x1x2 b0 s g i i", "1x1x1x2 b0 s g j"},
     "",
     "g0 0-1 mlx5_0,mlx5_1 | g0 0-1 mlx5_0",
     "1: it has other NICs than most of the job: none is a 15b3:1021"},
    {"InfiniBand before Ethernet",
     {"1x1x1x2 b0 s g r r i"},
     "",
     "g0 0-1 mlx5_2",
     "0: mlx5_0, mlx5_1: left out, for the job's fabric is InfiniBand of model "
     "15b3:1021; "
     "[bind] nic names what is wanted instead"},
    {"even when it is down",
     {"1x1x1x2 b0 s g r d"},
     "",
     "g0 0-1",
     "0: mlx5_0: left out, for the job's fabric is InfiniBand of model 15b3:1021; "
     "[bind] nic "
     "names what is wanted instead; 0! mlx5_1: down, so there is no NIC to use"},
    {"a node of another fabric",
     {"1x1x1x2 b0 s g i", "1x1x1x2 b0 s g r"},
     "",
     "g0 0-1 mlx5_0 | g0 0-1",
     "1: mlx5_0: left out, for the job's fabric is InfiniBand of model 15b3:1021; "
     "[bind] nic "
     "names what is wanted instead; 1! no NIC of the job's fabric is there, so none is "
     "used"},
    {"a node without",
     {"1x1x1x2 b0 s g i", "1x1x1x2 b0 s g t"},
     "",
     "g0 0-1 mlx5_0 | g0 0-1",
     "1! no NIC of the job's fabric is there, so none is used"},
    {"no node has one", {"1x1x1x2 b0 s g t"}, "strict", "g0 0-1", ""},
    {"Ethernet beside the GPU", {"1x1x1x2 b0 s g t u i"}, "", "g0 0-1 mlx5_1", ""},
    {"RoCE", {"1x1x1x2 b0 s g r"}, "", "g0 0-1 mlx5_0", ""},
    {"EFA", {"1x1x1x2 b0 g f"}, "", "g0 0-1 mlx5_0", ""},
    {"Slingshot", {"1x1x1x2 b0 g h t"}, "", "g0 0-1 mlx5_0", ""},
    {"slower, at the front end",
     {"2x1x1x1 b0 s g i s g i b1 w"},
     "-1",
     "g0+1 0 n0 mlx5_0",
     "0: mlx5_2: left out, for most of the job's fabric runs at 400 Gb/s; [bind] nic "
     "names "
     "what is wanted instead"},
    {"slower, and a GPU's own",
     {"1x1x1x3 b0 s g i s g i s g w"},
     "",
     "g0 0 mlx5_0 | g1 1 mlx5_1 | g2 2 mlx5_2",
     "0! mlx5_2: at 100 Gb/s, and most of the job's fabric at 400"},
    {"a virtual function beside its own",
     {"1x1x1x2 b0 s g i .v .v"},
     "",
     "g0 0-1 mlx5_0",
     ""},
    {"virtual functions alone", {"1x1x1x2 b0 g v v"}, "", "g0 0-1 mlx5_0,mlx5_1", ""},

    /* ---- NICs: what the user says ---- */
    {"none", {"1x1x1x2 b0 s g i"}, "nic=none", "g0 0-1", ""},
    {"auto", {"1x1x1x2 b0 s g i"}, "nic=auto", "g0 0-1 mlx5_0", ""},
    {"excluded", {"1x1x1x2 b0 s g i u i"}, "not=mlx5_0", "g0 0-1 mlx5_1", ""},
    {"excluded by a beginning", {"1x1x1x2 b0 s g i u i"}, "not=mlx5_*", "g0 0-1", ""},
    {"listed, whatever it is",
     {"1x1x1x2 b0 s g i j"},
     "nic=mlx5_1",
     "g0 0-1 mlx5_1",
     ""},
    {"listed by a beginning",
     {"1x1x1x2 b0 s g i j"},
     "nic=mlx5_*",
     "g0 0-1 mlx5_0,mlx5_1",
     ""},
    {"listed and excluded",
     {"1x1x1x2 b0 s g i j"},
     "nic=mlx5_* not=mlx5_0",
     "g0 0-1 mlx5_1",
     ""},
    {"listed, and down",
     {"1x1x1x2 b0 s g i d"},
     "nic=mlx5_1",
     "g0 0-1",
     "0! mlx5_1: down, so there is no NIC to use"},
    {"listed, and nowhere",
     {"1x1x1x2 b0 s g i t"},
     "nic=mlx5_0 nic=mlx5_1 nic=x",
     "g0 0-1 mlx5_0",
     "0! [bind] nic names \"mlx5_1\", and there is no such RDMA NIC; 0! [bind] nic "
     "names "
     "\"x\", and there is no such RDMA NIC"},
    {"listed, on one node of two",
     {"1x1x1x2 b0 s g i", "1x1x1x2 b0 s g i j"},
     "nic=mlx5_1 nic=mlx5_0",
     "g0 0-1 mlx5_0 | g0 0-1 mlx5_0,mlx5_1",
     ""},

    /* ---- NICs: whose ---- */
    {"the shorter way", {"1x1x1x2 b0 s g s i u s i"}, "", "g0 0-1 mlx5_0", ""},
    {"one for two GPUs", {"1x1x1x2 b0 s g g i"}, "", "g0 0 mlx5_0 | g1 1 mlx5_0", ""},
    {"two for two below a switch",
     {"1x1x1x2 b0 s g g i i"},
     "",
     "g0 0 mlx5_0,mlx5_1 | g1 1 mlx5_1,mlx5_0",
     ""},
    {"two for three",
     {"1x1x1x3 b0 s g g g i i"},
     "",
     "g0 0 mlx5_0,mlx5_1 | g1 1 mlx5_0,mlx5_1 | g2 2 mlx5_1,mlx5_0",
     ""},
    {"ports of one card",
     {"1x1x1x2 b0 g g b0 i .i"},
     "",
     "g0 0 mlx5_0,mlx5_1 | g1 1 mlx5_1,mlx5_0",
     "FLAT"},
    {"another card before another port",
     {"1x1x1x2 b0 g g b0 i .i i .i"},
     "",
     "g0 0 mlx5_0,mlx5_1,mlx5_2,mlx5_3 | g1 1 mlx5_2,mlx5_0,mlx5_1,mlx5_3",
     "FLAT"},
    {"another switch before another card",
     {"1x1x1x2 b0 g g b0 s i i s i i"},
     "",
     "g0 0 mlx5_0,mlx5_1,mlx5_2,mlx5_3 | g1 1 mlx5_2,mlx5_0,mlx5_1,mlx5_3",
     "FLAT"},
    /* GPU 0 could have either; greed would leave both with one. */
    {"by exchange",
     {"2x2x1x2 bp0 g bp0 g b0 i b1 i"},
     "-2 nic=mlx5_0 nic=mlx5_1",
     "g0 0-1 n0 mlx5_0,mlx5_1 | g1 2-3 n1 mlx5_1,mlx5_0",
     "FLAT"},
    {"further away, in the package",
     {"2x2x1x1 b0 g b1 i b3 i"},
     "",
     "g0 0 n0 mlx5_0",
     ""},
    {"on the other side", {"2x1x1x1 b0 g b1 i"}, "", "g0 0 n0 mlx5_0", ""},
    {"all alike",
     {"1x1x1x2 b0 g g i i"},
     "",
     "g0 0 mlx5_0,mlx5_1 | g1 1 mlx5_1,mlx5_0",
     "FLAT"},
};

static const char flat[] =
    "0: every GPU is as near to every NIC as to the others: what "
    "belongs together is not known";

static void check_row(const struct row *row)
{
    static struct topo_gen gens[MAX_NODES];
    static char *const names[] = {"a", "b", "c", "d"};
    struct topo *topos[MAX_NODES] = {NULL};
    struct spec s;
    bool shared;
    char ranks[2000], notes[2000];
    uint32_t n = 0;
    for (; n < MAX_NODES && row->nodes[n]; n++) {
        topo_gen_init(&gens[n],
                      row->nodes[n][0] == '-' ? row->nodes[0] : row->nodes[n]);
        assert_int_equal(topo_load(&gens[n].m, &topos[n], NULL), 0);
    }
    read_wishes(row->wishes, &s, &shared);
    struct plan p = {0};
    struct err e = {0};
    int rc = place(&s, shared, names, topos, n, &p, &e);
    if (rc != (row->ranks ? 0 : ERR_BIND))
        fail_msg("%s: %d, %s", row->what, rc, e.text);
    show_ranks(&p, ranks, sizeof ranks);
    show_notes(&p, notes, sizeof notes);
    if (rc < 0)
        snprintf(notes, sizeof notes, e.hint[0] ? "%s (%s)" : "%s", e.text, e.hint);
    if (strcmp(ranks, row->ranks ? row->ranks : "") != 0)
        fail_msg("%s: ranks \"%s\"", row->what, ranks);
    if (strcmp(notes, strcmp(row->notes, "FLAT") == 0 ? flat : row->notes) != 0)
        fail_msg("%s: notes \"%s\"", row->what, notes);
    plan_fini(&p);
    for (uint32_t i = 0; i < n; i++) {
        topo_destroy(topos[i]);
        topo_gen_fini(&gens[i]);
    }
    forget_wishes(&s);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i]);
}

/* ---- of a node ---- */

static void test_node_has_what_all_its_ranks_need(void **state)
{
    (void)state;
    static struct topo_gen g;
    static const uint32_t gpus[] = {0, 2, 1, 3};
    static const uint32_t nics[] = {0, 1, 3};
    char *names[] = {"a"};
    struct topo *t;
    struct plan p;
    struct spec s = {.job.ranks_per_node = 2, .bind.cores = true, .bind.gpu = "all"};
    topo_gen_init(&g, "2x1x1x4 b0 s g i s g i b1 i b1 s g g i");
    assert_int_equal(topo_load(&g.m, &t, NULL), 0);
    assert_int_equal(place(&s, false, names, &t, 1, &p, NULL), 0);
    assert_int_equal(p.nodes[0].n_gpus, 4);
    assert_memory_equal(p.nodes[0].gpus, gpus, sizeof gpus);
    assert_int_equal(p.nodes[0].n_nics, 3);
    assert_memory_equal(p.nodes[0].nics, nics, sizeof nics);
    assert_ptr_equal(p.nodes[0].topo, t);
    assert_int_equal(p.ranks[0].nic.level, TOPO_SWITCH);
    assert_int_equal(p.ranks[0].nic.bridges, 3);
    assert_int_equal(p.ranks[1].n_cores, 4);
    plan_fini(&p);
    topo_destroy(t);
    topo_gen_fini(&g);
}

/* A node that cannot say what it is made of has even shares of its cores. */
static void test_without_description(void **state)
{
    (void)state;
    static struct topo_gen g;
    static const struct {
        const char *error;
        bool strict;
        int rc;
        const char *text;
    } t[] = {
        {NULL, true, 0, ""},
        {"no hwloc", false, 0, "0! what it is made of is not known: no hwloc"},
        {"no hwloc", true, ERR_BIND,
         "node \"a\": what it is made of is not known: no hwloc (install it" NOT_MORE
         ")"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        Aolani__Topology m = AOLANI__TOPOLOGY__INIT;
        Aolani__NodeInfo info = AOLANI__NODE_INFO__INIT;
        char *names[] = {"a"}, text[800];
        struct spec s = {.job.ranks_per_node = 2, .bind.cores = true};
        struct plan p = {0};
        struct topo *topo;
        struct err e = {0};
        s.bind.strict = t[i].strict;
        topo_gen_init(&g, "2x1x1x2");
        info.allowed_cpus = g.m.allowed_cpus;
        info.cores = g.cores;
        info.n_cores = g.m.n_cores;
        info.topology = t[i].error ? &m : NULL;
        m.error = (char *)t[i].error;
        m.hint = "install it";
        assert_int_equal(topo_of_node(&info, &topo, NULL), 0);
        assert_int_equal(place(&s, false, names, &topo, 1, &p, &e), t[i].rc);
        show_notes(&p, text, sizeof text);
        if (t[i].rc < 0)
            snprintf(text, sizeof text, "%s (%s)", e.text, e.hint);
        else
            assert_string_equal(p.ranks[1].cpus, "2-3");
        assert_string_equal(text, t[i].text);
        plan_fini(&p);
        topo_destroy(topo);
        topo_gen_fini(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_node_has_what_all_its_ranks_need),
        cmocka_unit_test(test_without_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
