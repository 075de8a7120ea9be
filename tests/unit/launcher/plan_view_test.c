/* SPDX-License-Identifier: MIT */
/* Plans as table, JSON and drawings against golden files: run with UPDATE_GOLDEN=1
 * to write them anew, then read the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "launcher/plan_draw.h"
#include "launcher/plan_view.h"
#include "tests/lib/golden.h"
#include "tests/lib/node.h"

struct setting {
    struct spec spec;
    size_t n;
    bool shared_host;
    unsigned n_numa;
    void (*change)(struct node *n, size_t i); /* NULL: nothing */
};

static const struct spec per_gpu = {
    .bind = {.cores = true, .gpu = "all", .memory = "prefer"}};

static struct spec usual(int64_t per_node)
{
    struct spec s = per_gpu;
    s.job.ranks_per_node = per_node;
    assert_int_equal(strlist_add(&s.bind.nic, "auto"), 0);
    assert_int_equal(strlist_add(&s.job.forward_env, "none"), 0);
    return s;
}

static void third_is_worse(struct node *n, size_t i)
{
    if (i != 2)
        return;
    n->port[3].state = 1;
    n->link[6].now_mts = 8000;
    n->link[6].now_width = 8;
}

static void odd_texts(struct node *n, size_t i)
{
    (void)i;
    n->m.product = "<b>\"Test\" & co</b>";
    n->gpu[1].model = "NVIDIA H200 <x>";
    n->gpu[1].mem_numa = 7;
    n->gpu[2].uuid = "";
    n->nic[2].kind = AOLANI__NIC__KIND__ETHERNET;
}

static void make_even(struct setting *s)
{
    *s = (struct setting){.spec = usual(0), .n = 1, .n_numa = 2};
}
static void make_lone(struct setting *s)
{
    *s = (struct setting){.spec = usual(1), .n = 1, .n_numa = 2};
}
static void make_cluster(struct setting *s)
{
    *s = (struct setting){
        .spec = usual(0), .n = 4, .n_numa = 2, .change = third_is_worse};
}
static void make_cpu(struct setting *s)
{
    *s = (struct setting){.spec = usual(3), .n = 2, .n_numa = 4, .shared_host = true};
    s->spec.bind.memory = "bind";
}
static void make_user(struct setting *s)
{
    *s = (struct setting){.spec = usual(2), .n = 1, .n_numa = 2, .change = odd_texts};
    s->spec.bind.gpu = "own";
    assert_int_equal(strlist_add(&s->spec.bind.exclude_nics, "mlx5_0"), 0);
    assert_int_equal(strlist_add(&s->spec.job.env, "NCCL_IB_HCA=mlx5_0"), 0);
}

static const struct {
    const char *name;
    void (*make)(struct setting *s);
    const char *kinds;
} cases[] = {
    {"even", make_even, "txt json draw svg"}, {"lone", make_lone, "txt"},
    {"cluster", make_cluster, "txt json"},    {"cpu", make_cpu, "txt draw"},
    {"user", make_user, "txt draw svg"},
};

static void check_case(const struct plan_view *v, const char *name, const char *kinds)
{
    static const struct {
        const char *kind;
        int (*print)(const struct plan_view *v, struct buf *out);
    } ways[] = {{"txt", plan_table},
                {"json", plan_json},
                {"draw", plan_draw_text},
                {"svg", plan_draw_svg}};
    for (size_t i = 0; i < 4; i++) {
        struct buf out;
        if (!strstr(kinds, ways[i].kind))
            continue;
        buf_init(&out, 1u << 20);
        assert_int_equal(ways[i].print(v, &out), 0);
        if (ways[i].print == plan_table)
            golden_check_width((char *)out.data);
        golden_check("plan", name, ways[i].kind, &out);
        buf_fini(&out);
    }
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting s;
        struct node *nodes[4];
        struct topo *topos[4];
        char names[4][32], *list[4], *none[] = {NULL};
        struct plan p;
        struct plan_view v;
        struct err e;
        cases[i].make(&s);
        for (size_t k = 0; k < s.n; k++) {
            nodes[k] = node_make(s.n_numa);
            if (s.change)
                s.change(nodes[k], k);
            topos[k] = node_topo(nodes[k]);
            list[k] = names[k];
            (void)snprintf(names[k], sizeof names[k], "gpu%02zu", k + 1);
        }
        if (place(&s.spec, s.shared_host, list, topos, (uint32_t)s.n, &p, &e) < 0)
            fail_msg("%s: %s", cases[i].name, e.text);
        struct plan_input in = {&s.spec, s.shared_host, list, topos, &p, none};
        if (plan_view_init(&v, &in, &e) < 0)
            fail_msg("%s: %s", cases[i].name, e.text);
        check_case(&v, cases[i].name, cases[i].kinds);
        plan_view_fini(&v);
        plan_fini(&p);
        for (size_t k = 0; k < s.n; k++) {
            topo_destroy(topos[k]);
            free(nodes[k]);
        }
        strlist_fini(&s.spec.bind.nic);
        strlist_fini(&s.spec.bind.exclude_nics);
        strlist_fini(&s.spec.job.forward_env);
        strlist_fini(&s.spec.job.env);
    }
}

/* A node that could not see all of itself does not vanish behind one that could. */
static void test_notes_of_one_node(void **state)
{
    (void)state;
    static char *notes[] = {"the driver did not answer"};
    struct spec s = usual(0);
    char *list[] = {"gpu01", "gpu02", "gpu03"}, *none[] = {NULL};
    struct node *nodes[3];
    struct topo *topos[3];
    struct plan p;
    struct plan_view v;
    struct buf out;
    struct err e;
    for (size_t k = 0; k < 3; k++) {
        nodes[k] = node_make(2);
        nodes[k]->m.notes = notes;
        nodes[k]->m.n_notes = k == 1;
        for (size_t g = 0; g < NODE_UNITS; g++)
            nodes[k]->gpu[g].model = nodes[k]->gpu[g].vendor = "";
        topos[k] = node_topo(nodes[k]);
    }
    assert_int_equal(place(&s, false, list, topos, 3, &p, &e), 0);
    struct plan_input in = {&s, false, list, topos, &p, none};
    assert_int_equal(plan_view_init(&v, &in, &e), 0);
    buf_init(&out, 1u << 20);
    assert_int_equal(plan_table(&v, &out), 0);
    assert_int_equal(v.n_blocks, 2);
    assert_non_null(strstr((char *)out.data, "gpu[01,03]: 2 nodes alike"));
    assert_non_null(strstr((char *)out.data, "note: the driver did not answer"));
    assert_non_null(strstr((char *)out.data, ", 4 GPUs")); /* of a model not known */
    buf_fini(&out);
    plan_view_fini(&v);
    plan_fini(&p);
    for (size_t k = 0; k < 3; k++) {
        topo_destroy(topos[k]);
        free(nodes[k]);
    }
    strlist_fini(&s.bind.nic);
    strlist_fini(&s.job.forward_env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_notes_of_one_node),
    };
    return cmocka_run_group_tests_name("plan_view", tests, NULL, NULL);
}
