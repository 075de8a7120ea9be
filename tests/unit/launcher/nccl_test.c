/* SPDX-License-Identifier: MIT */
/* What NCCL picks on each machine, and for a job that has a part of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/nccl_machines.h"

static struct topo *load(struct node *n, const struct machine *m)
{
    struct err e = {0};
    struct topo *t;
    fill(n, m);
    if (topo_load(&n->m, &t, &e) < 0)
        fail_msg("%s: %s", m->name, e.text);
    return t;
}

static void check(const struct machine *m, const struct topo *t, const char *what,
                  const struct nccl_choice *c, size_t i)
{
    const struct want *w = &m->want[i];
    char candidates[200], nic[100];
    join(t, c->candidates, c->n_candidates, ' ', candidates, sizeof candidates);
    join(t, c->fused, c->n_fused, '+', nic, sizeof nic);
    if (!c->known || strcmp(candidates, w->candidates) != 0 ||
        strcmp(nic, w->nic) != 0 || c->path != w->path ||
        c->bandwidth != w->bandwidth || c->gdr != w->gdr)
        fail_msg("%s, %s, GPU %zu: \"%s\" of \"%s\", %s, %g GB/s, GPUDirect %d (%s)",
                 m->name, what, i, nic, candidates, nccl_path_name(c->path),
                 c->bandwidth, c->gdr, c->why);
}

static void machines_by_hand(void **state)
{
    (void)state;
    struct node *n = calloc(1, sizeof *n);
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        *n = (struct node){0};
        struct topo *t = load(n, &machines[i]);
        struct nccl_choice c[8];
        uint32_t nics[32], gpus[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        size_t n_nics = allowed(t, machines[i].never, nics);
        assert_int_equal(
            nccl_predict(t, &nccl_env_default, nics, n_nics, gpus, t->n_gpus, c, NULL),
            0);
        for (size_t g = 0; g < t->n_gpus; g++) {
            check(&machines[i], t, "all GPUs", &c[g], g);
            nccl_choice_fini(&c[g]);
        }
        topo_destroy(t);
    }
    free(n);
}

/* Of a job with some GPUs: the number in NCCL stays NVML's. On azure-ndv5 GPU 5 alone takes
 * number mirror(5, 4) = 2 of its four. */
static void part_of_a_node(void **state)
{
    (void)state;
    struct node *n = calloc(1, sizeof *n);
    const struct machine *m = &machines[2];
    struct topo *t = load(n, m);
    struct nccl_choice c[2];
    uint32_t nics[32], gpus[2] = {5, 2};
    size_t n_nics = allowed(t, "", nics);
    assert_int_equal(nccl_predict(t, &nccl_env_default, nics, n_nics, gpus, 2, c, NULL),
                     0);
    for (size_t g = 0; g < 2; g++) {
        check(m, t, "two GPUs", &c[g], gpus[g]);
        nccl_choice_fini(&c[g]);
    }
    topo_destroy(t);
    free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_by_hand),
        cmocka_unit_test(part_of_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
