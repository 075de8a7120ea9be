/* SPDX-License-Identifier: MIT */
/* place_random_test.c - what holds of every plan, on machines at random; a failure names the
 * line that makes its machine again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/place/fabric.h"
#include "launcher/place/place.h"
#include "proto/base/limits.h"
#include "tests/lib/topo_gen.h"

#define MACHINES 1500
#define NODES    16384 /* of one job */

static struct topo_gen gen;
static char line[1000];

static void make_machine(uint64_t seed, struct topo **t)
{
    struct err e = {0};
    topo_gen_line(seed, line, sizeof line);
    topo_gen_init(&gen, line);
    if (topo_load(&gen.m, t, &e) < 0)
        fail_msg("%s: %s", line, e.text);
}

static struct spec wishes(uint64_t seed, const struct topo *t)
{
    uint64_t x = seed + 77;
    struct spec s = {.bind.cores = true, .bind.gpu = "all"};
    if (topo_gen_next(&x) % 4 == 0)
        s.bind.gpu = "none";
    bool no_gpus = t->n_gpus == 0 || strcmp(s.bind.gpu, "none") == 0;
    if (no_gpus || topo_gen_next(&x) % 3 == 0)
        s.job.ranks_per_node = 1 + topo_gen_next(&x) % 12;
    s.bind.housekeeping_cores = topo_gen_next(&x) % 4;
    return s;
}

static void plan_of(const struct spec *s, struct topo *t, struct plan *p)
{
    char *names[] = {"a"};
    struct err e = {0};
    if (place(s, false, names, &t, 1, p, &e) < 0)
        fail_msg("%s: %s", line, e.text);
}

static struct rankset cpus_of(const struct plan_rank *r)
{
    struct rankset s = {0};
    assert_int_equal(rankset_parse(&s, r->cpus, NULL), 0);
    return s;
}

static size_t usable_cores(const struct spec *s, const struct topo *t)
{
    size_t keep = (size_t)s->bind.housekeeping_cores;
    return keep >= t->n_cores ? t->n_cores : t->n_cores - keep;
}

/* ---- cores ---- */

static void check_cores(const struct spec *s, const struct topo *t,
                        const struct plan *p)
{
    struct rankset seen = {0};
    bool shares = usable_cores(s, t) < p->world_size, overlap = false;
    for (uint32_t i = 0; i < p->world_size; i++) {
        struct rankset mine = cpus_of(&p->ranks[i]);
        size_t cores = 0;
        if (rankset_next(&mine, 0) < 0 || !rankset_contains(&t->allowed, &mine))
            fail_msg("%s: rank %u has CPUs \"%s\"", line, i, p->ranks[i].cpus);
        for (size_t k = 0; k < t->n_cores; k++) {
            if (!rankset_intersects(&mine, &t->cores[k].cpus))
                continue;
            cores++;
            if (!rankset_contains(&mine, &t->cores[k].cpus))
                fail_msg("%s: rank %u has a part of core %zu", line, i, k);
        }
        assert_int_equal(cores, p->ranks[i].n_cores);
        overlap = overlap || rankset_intersects(&seen, &mine);
        assert_int_equal(rankset_merge(&seen, &mine), 0);
        rankset_fini(&mine);
    }
    if (overlap != shares || p->nodes[0].oversubscribed != shares)
        fail_msg("%s: %u ranks on %zu cores: overlap %d, said %d", line, p->world_size,
                 usable_cores(s, t), overlap, p->nodes[0].oversubscribed);
    rankset_fini(&seen);
}

/* Cores near to all GPUs of a rank; housekeeping ones count. */
static void near_cores(const struct topo *t, const struct plan_rank *r,
                       struct rankset *ret)
{
    for (size_t k = 0; k < r->n_gpus; k++)
        assert_int_equal(rankset_merge(ret, &t->gpus[r->gpus[k]].place.cpus), 0);
}

/* Ranks of one locality have as much, within one core. */
static void check_balance(const struct topo *t, const struct plan *p)
{
    for (uint32_t i = 0; i < p->world_size; i++) {
        struct rankset mine = {0};
        near_cores(t, &p->ranks[i], &mine);
        for (uint32_t k = 0; k < i; k++) {
            struct rankset other = {0};
            uint32_t a = p->ranks[i].n_cores, b = p->ranks[k].n_cores;
            near_cores(t, &p->ranks[k], &other);
            bool same = rankset_next(&mine, 0) >= 0 &&
                        rankset_contains(&mine, &other) &&
                        rankset_contains(&other, &mine);
            if (same && (a > b + 1 || b > a + 1))
                fail_msg("%s: ranks %u and %u have %u and %u cores", line, k, i, b, a);
            rankset_fini(&other);
        }
        rankset_fini(&mine);
    }
}

static size_t count_in(const struct topo *t, const struct rankset *cpus)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_cores; i++)
        n += rankset_contains(cpus, &t->cores[i].cpus);
    return n;
}

/* Where there are enough near, nobody goes further. */
static void check_locality(const struct spec *s, const struct topo *t,
                           const struct plan *p)
{
    for (uint32_t i = 0; i < p->world_size; i++) {
        struct rankset near = {0}, mine = cpus_of(&p->ranks[i]);
        near_cores(t, &p->ranks[i], &near);
        size_t enough = p->world_size + (size_t)s->bind.housekeeping_cores;
        bool located = true;
        for (size_t k = 0; k < p->ranks[i].n_gpus; k++)
            located = located && t->gpus[p->ranks[i].gpus[k]].place.located &&
                      rankset_next(&t->gpus[p->ranks[i].gpus[k]].place.cpus, 0) >= 0 &&
                      count_in(t, &t->gpus[p->ranks[i].gpus[k]].place.cpus) >= enough;
        if (located && p->ranks[i].n_gpus > 0 && !rankset_contains(&near, &mine))
            fail_msg("%s: rank %u is on %s", line, i, p->ranks[i].cpus);
        rankset_fini(&near);
        rankset_fini(&mine);
    }
}

/* ---- NICs ---- */

static struct topo_path path_of(const struct topo *t, const struct plan_rank *r,
                                uint32_t nic)
{
    return topo_path_gpu_nic(t, r->gpus[0], nic);
}

static void check_nics(const struct topo *t, const struct plan *p)
{
    unsigned load[LIMIT_NICS] = {0};
    for (uint32_t i = 0; i < p->world_size; i++) {
        const struct plan_rank *r = &p->ranks[i];
        for (size_t k = 0; k < r->n_nics; k++) {
            const struct topo_nic *n = &t->nics[r->nics[k]];
            if (topo_nic_port(n) < 0 || !topo_nic_is_rdma(n))
                fail_msg("%s: rank %u has %s", line, i, n->m->name);
        }
        if (r->n_nics > 0)
            load[r->nics[0]]++;
    }
    for (uint32_t i = 0; i < p->world_size; i++) {
        const struct plan_rank *r = &p->ranks[i];
        for (size_t k = 0; k < r->n_nics; k++) {
            if (load[r->nics[0]] > load[r->nics[k]] + 1)
                fail_msg("%s: NIC %u has %u ranks, NIC %u has %u", line, r->nics[0],
                         load[r->nics[0]], r->nics[k], load[r->nics[k]]);
        }
        for (size_t k = 0; k < p->nodes[0].n_nics && r->n_gpus > 0; k++) {
            struct topo_path other = path_of(t, r, p->nodes[0].nics[k]);
            if (topo_path_compare(&other, &r->nic) < 0)
                fail_msg("%s: rank %u could have NIC %u", line, i, p->nodes[0].nics[k]);
        }
    }
}

/* ---- the same again ---- */

static void check_same(const struct plan *a, const struct plan *b)
{
    assert_int_equal(a->world_size, b->world_size);
    assert_int_equal(a->n_notes, b->n_notes);
    for (uint32_t i = 0; i < a->world_size; i++) {
        assert_string_equal(a->ranks[i].cpus, b->ranks[i].cpus);
        assert_int_equal(a->ranks[i].n_nics, b->ranks[i].n_nics);
        for (size_t k = 0; k < a->ranks[i].n_nics; k++)
            assert_int_equal(a->ranks[i].nics[k], b->ranks[i].nics[k]);
    }
}

static void test_what_always_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < MACHINES; seed++) {
        struct topo *t;
        struct plan p, again;
        make_machine(seed, &t);
        struct spec s = wishes(seed, t);
        plan_of(&s, t, &p);
        plan_of(&s, t, &again);
        check_cores(&s, t, &p);
        if (p.ranks[0].n_gpus > 0 && !p.nodes[0].oversubscribed) {
            check_balance(t, &p);
            check_locality(&s, t, &p);
        }
        check_nics(t, &p);
        check_same(&p, &again);
        plan_fini(&p);
        plan_fini(&again);
        topo_destroy(t);
        topo_gen_fini(&gen);
    }
}

/* ---- names and indexes decide nothing ---- */

/* GPUs back to front, NICs back to front and with other names. */
static void shuffle(struct topo_gen *g)
{
    for (size_t i = 0; i < g->m.n_gpus / 2; i++) {
        Aolani__Gpu *swap = g->gpus[i];
        g->gpus[i] = g->gpus[g->m.n_gpus - 1 - i];
        g->gpus[g->m.n_gpus - 1 - i] = swap;
    }
    for (size_t i = 0; i < g->m.n_nics / 2; i++) {
        Aolani__Nic *swap = g->nics[i];
        g->nics[i] = g->nics[g->m.n_nics - 1 - i];
        g->nics[g->m.n_nics - 1 - i] = swap;
    }
    for (size_t i = 0; i < g->m.n_nics; i++) {
        char name[40];
        snprintf(name, sizeof name, "z%zu", (i * 7) % 64);
        g->nic[i].name = topo_gen_keep(g, strdup(name));
    }
}

static const struct plan_rank *rank_of_gpu(const struct plan *p, const char *bus_id)
{
    for (uint32_t i = 0; i < p->world_size; i++) {
        const struct plan_rank *r = &p->ranks[i];
        if (strcmp(p->nodes[0].topo->gpus[r->gpus[0]].m->bus_id, bus_id) == 0)
            return r;
    }
    fail_msg("%s: nobody has %s", line, bus_id);
    return NULL;
}

static void check_shuffled(const struct plan *p, const struct plan *q)
{
    const struct topo *t = p->nodes[0].topo, *u = q->nodes[0].topo;
    for (uint32_t i = 0; i < p->world_size; i++) {
        const struct plan_rank *r = &p->ranks[i];
        const struct plan_rank *o = rank_of_gpu(q, t->gpus[r->gpus[0]].m->bus_id);
        if (strcmp(r->cpus, o->cpus) != 0 || r->n_nics != o->n_nics)
            fail_msg("%s: GPU %u: %s and %zu NICs, then %s and %zu", line, i, r->cpus,
                     r->n_nics, o->cpus, o->n_nics);
        for (size_t k = 0; k < r->n_nics; k++)
            assert_string_equal(t->nics[r->nics[k]].m->bus_id,
                                u->nics[o->nics[k]].m->bus_id);
    }
}

static void test_names_and_indexes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < MACHINES; seed++) {
        struct topo *t, *u;
        struct plan p, q;
        struct spec s = {.bind.cores = true, .bind.gpu = "all"};
        make_machine(seed, &t);
        if (t->n_gpus > 0 && t->n_gpus <= usable_cores(&s, t)) {
            plan_of(&s, t, &p);
            static Aolani__Gpu *gpus[TOPO_GEN_MANY];
            static Aolani__Nic *nics[TOPO_GEN_MANY];
            memcpy(gpus, gen.gpus, sizeof gpus);
            memcpy(nics, gen.nics, sizeof nics);
            shuffle(&gen);
            assert_int_equal(topo_load(&gen.m, &u, NULL), 0);
            plan_of(&s, u, &q);
            check_shuffled(&p, &q);
            plan_fini(&p);
            plan_fini(&q);
            topo_destroy(u);
        }
        topo_destroy(t);
        topo_gen_fini(&gen);
    }
}

/* ---- large ---- */

static void test_large_job(void **state)
{
    (void)state;
    static char *names[NODES];
    static struct topo *topos[NODES];
    struct topo *t;
    struct plan p;
    struct spec s = {.bind.cores = true, .bind.gpu = "all"};
    topo_gen_init(&gen,
                  "2x4x2x8t2 b0 s g i u s g i b3 s g i u s g d b4 s g i u s g i b6 s "
                  "g i u s g i b7 j");
    assert_int_equal(topo_load(&gen.m, &t, NULL), 0);
    for (size_t i = 0; i < NODES; i++) {
        names[i] = "a";
        topos[i] = t;
    }
    assert_int_equal(place(&s, false, names, topos, NODES, &p, NULL), 0);
    assert_int_equal(p.world_size, 8 * NODES);
    assert_int_equal(p.n_notes, 2 * NODES);
    assert_string_equal(p.ranks[8 * NODES - 1].cpus, p.ranks[7].cpus);
    plan_fini(&p);
    /* All on this one machine: more ranks than it has cores. */
    s.job.ranks_per_node = 2;
    assert_int_equal(place(&s, true, names, topos, 2000, &p, NULL), 0);
    assert_int_equal(p.world_size, 4000);
    plan_fini(&p);
    topo_destroy(t);
    topo_gen_fini(&gen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_always_holds),
        cmocka_unit_test(test_names_and_indexes),
        cmocka_unit_test(test_large_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
