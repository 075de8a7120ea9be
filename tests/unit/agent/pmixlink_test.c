/* SPDX-License-Identifier: MIT */
/* pmixlink_test.c - several simulated nodes in one process: real helpers, real MPI
 * programs, and the head's part played by launcher/fence.c. Messages take a queue between
 * nodes and head, as they do in a job. Skipped where the helper or mpicc is absent.
 * AOLANI_TEST_REPEAT says how often each program runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/pmixlink.h"
#include "launcher/fence.c" /* the agent's tests are not linked with the launcher */
#include "proto/base/loop_proc.h"
#include "tests/lib/skipped.h"

enum { MAX_NODES = 4, MAX_RANKS = 8, DEADLINE_MS = 60000 };

struct rig;
struct node {
    struct rig *rig;
    uint32_t index;
    struct pmixlink *link;
    char tmp[64], shm[64];
    int ready; /* 1 not yet, 0 ready, negative failed */
    unsigned logs;
};
struct mail { /* a message on its way */
    struct mail *next;
    bool up;
    uint32_t node;
    enum message_type type;
    uint8_t *bytes;
    size_t len;
};
struct rank {
    struct rig *rig;
    uint32_t number;
    struct loop_proc *proc;
    struct loop_stream *io;
    int status; /* -1: has not ended */
};
struct rig {
    struct loop *loop;
    struct loop_timer *deadline, *post;
    struct fences *fences;
    uint32_t n_nodes, n_ranks, first_rank[MAX_NODES + 1];
    char names[MAX_NODES][16];
    char *name_of[MAX_NODES];
    struct node nodes[MAX_NODES];
    struct rank ranks[MAX_RANKS];
    struct mail *first, **last;
    char said[65536];
    unsigned left;
    bool late;
    int aborts, abort_status;
    char bin[512];
    char *const *argv;
};

/* ---- the way between nodes and head ---- */

static const ProtobufCMessageDescriptor *descriptor(enum message_type type)
{
    switch (type) {
    case MSG_FENCE:
        return &aolani__fence__descriptor;
    case MSG_FENCE_DONE:
        return &aolani__fence_done__descriptor;
    case MSG_MODEX_GET:
        return &aolani__modex_get__descriptor;
    case MSG_MODEX_DATA:
        return &aolani__modex_data__descriptor;
    case MSG_ABORT:
        return &aolani__abort__descriptor;
    default:
        return NULL;
    }
}

static void mail_post(struct rig *r, bool up, uint32_t node, enum message_type type,
                      const ProtobufCMessage *m)
{
    struct mail *p = calloc(1, sizeof *p);
    p->up = up;
    p->node = node;
    p->type = type;
    p->len = protobuf_c_message_get_packed_size(m);
    p->bytes = malloc(p->len + 1);
    protobuf_c_message_pack(m, p->bytes);
    *r->last = p;
    r->last = &p->next;
    loop_timer_start(r->post, 0, 0);
}

static void mail_at_head(struct rig *r, const struct mail *p, const ProtobufCMessage *m)
{
    struct err e = {0};
    int rc = 0;
    if (p->type == MSG_FENCE)
        rc = fences_add(r->fences, p->node, (const Aolani__Fence *)m, &e);
    else if (p->type == MSG_MODEX_GET)
        rc = fences_get(r->fences, p->node, (const Aolani__ModexGet *)m, &e);
    else if (p->type == MSG_MODEX_DATA)
        rc = fences_data(r->fences, p->node, (const Aolani__ModexData *)m, &e);
    if (p->type == MSG_ABORT) {
        r->aborts++;
        r->abort_status = ((const Aolani__Abort *)m)->status;
        for (uint32_t i = 0; i < r->n_ranks; i++) /* as the head does */
            if (r->ranks[i].status < 0)
                (void)loop_proc_kill(r->ranks[i].proc, SIGKILL);
    }
    if (rc)
        fail_msg("at the head: %s", e.text);
}

static void mail_deliver(void *arg)
{
    struct rig *r = arg;
    while (r->first) {
        struct mail *p = r->first;
        r->first = p->next;
        if (!r->first)
            r->last = &r->first;
        ProtobufCMessage *m =
            protobuf_c_message_unpack(descriptor(p->type), NULL, p->len, p->bytes);
        assert_non_null(m);
        if (p->up)
            mail_at_head(r, p, m);
        else if (r->nodes[p->node].link)
            pmixlink_message(r->nodes[p->node].link, p->type, m);
        protobuf_c_message_free_unpacked(m, NULL);
        free(p->bytes);
        free(p);
    }
}

static void on_done(void *arg, uint32_t node, const Aolani__FenceDone *m)
{
    mail_post(arg, false, node, MSG_FENCE_DONE, &m->base);
}

static void on_get(void *arg, uint32_t node, const Aolani__ModexGet *m)
{
    mail_post(arg, false, node, MSG_MODEX_GET, &m->base);
}

static void on_got(void *arg, uint32_t node, const Aolani__ModexData *m)
{
    mail_post(arg, false, node, MSG_MODEX_DATA, &m->base);
}

static int64_t send_up(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct node *n = arg;
    if (type == MSG_LOG) {
        n->logs++;
        print_message("node %u: %s\n", n->index, ((const Aolani__Log *)m)->text);
        return 1;
    }
    assert_non_null(descriptor(type));
    mail_post(n->rig, true, n->index, type, m);
    return 1;
}

static uint64_t no_credit(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- ranks ---- */

static void on_rank_data(void *arg, const uint8_t *data, size_t len)
{
    struct rank *k = arg;
    size_t used = strlen(k->rig->said);
    if (len > sizeof k->rig->said - used - 1)
        len = sizeof k->rig->said - used - 1;
    memcpy(k->rig->said + used, data, len);
}

static void on_rank_end(void *arg, int status)
{
    (void)status;
    struct rank *k = arg;
    loop_stream_destroy(k->io);
    k->io = NULL;
}

static void on_rank_exit(void *arg, int wait_status)
{
    struct rank *k = arg;
    struct rig *r = k->rig;
    uint32_t node = 0;
    k->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                         : WEXITSTATUS(wait_status);
    while (k->number >= r->first_rank[node + 1])
        node++;
    pmixlink_rank_gone(r->nodes[node].link, k->number);
    if (--r->left == 0)
        loop_timer_start(r->deadline, 50, 0); /* what they printed last */
}

extern char **environ;

static char *variable(const char *name, const char *value)
{
    char *text = NULL;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        return NULL;
    return text;
}

static void rank_start(struct rig *r, struct node *n, uint32_t rank)
{
    static const struct loop_stream_ops ops = {on_rank_data, on_rank_end, NULL};
    Aolani__KeyValue *const *pmix;
    size_t n_pmix, n_env = 0;
    char *env[512];
    struct err e = {0};
    struct rank *k = &r->ranks[rank];
    for (char **v = environ; *v && n_env < 256; v++)
        env[n_env++] = strdup(*v);
    pmixlink_env(n->link, rank, &pmix, &n_pmix);
    assert_true(n_pmix > 0 && n_pmix < 200);
    for (size_t i = 0; i < n_pmix; i++)
        env[n_env++] = variable(pmix[i]->key, pmix[i]->value);
    /* What agent/environ.c adds for several nodes on one host. */
    env[n_env++] = variable("OMPI_MCA_btl_vader_backing_directory", n->shm);
    env[n_env++] = variable("OMPI_MCA_btl_tcp_if_include", "lo");
    env[n_env++] = variable("OMPI_MCA_mpi_yield_when_idle", "1");
    env[n_env] = NULL;
    struct loop_proc_spec spec = {
        .file = r->argv[0], .argv = r->argv, .env = env, .extra_fd = -1};
    k->rig = r;
    k->number = rank;
    k->status = -1;
    if (loop_proc_spawn(r->loop, &spec, on_rank_exit, k, &k->proc, &e))
        fail_msg("%s", e.text);
    k->io = loop_proc_take_io(k->proc);
    loop_stream_set(k->io, &ops, k);
    loop_stream_read(k->io, true);
    for (size_t i = 0; i < n_env; i++)
        free(env[i]);
}

/* ---- a job ---- */

static void on_ready(void *arg, int status, const struct err *e)
{
    struct node *n = arg;
    struct rig *r = n->rig;
    n->ready = status;
    if (status) {
        print_message("node %u: %s\n", n->index, e->text);
        loop_stop(r->loop);
        return;
    }
    for (uint32_t i = 0; i < r->n_nodes; i++)
        if (r->nodes[i].ready)
            return;
    for (uint32_t i = 0; i < r->n_nodes; i++)
        for (uint32_t k = r->first_rank[i]; k < r->first_rank[i + 1]; k++)
            rank_start(r, &r->nodes[i], k);
}

static void on_deadline(void *arg)
{
    struct rig *r = arg;
    r->late = r->left > 0;
    for (uint32_t i = 0; i < r->n_ranks; i++)
        if (r->ranks[i].proc && r->ranks[i].status < 0)
            (void)loop_proc_kill(r->ranks[i].proc, SIGKILL);
    loop_stop(r->loop);
}

static void make_folder(char *path, size_t len, const char *where)
{
    (void)snprintf(path, len, "%s/pmixlink-XXXXXX", where);
    assert_non_null(mkdtemp(path));
}

static void remove_folder(const char *path)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf -- '%s'", path);
    assert_int_equal(system(command), 0);
}

static void node_start(struct rig *r, struct node *n, const char *helper)
{
    struct err e = {0};
    struct upward up = {send_up, no_credit, n};
    Aolani__Prepare plan = AOLANI__PREPARE__INIT;
    plan.run_id = "0123456789abcdef";
    plan.node_index = n->index;
    plan.n_node_names = r->n_nodes;
    plan.node_names = r->name_of;
    plan.n_first_rank = r->n_nodes + 1;
    plan.first_rank = r->first_rank;
    if (pmixlink_create(r->loop, helper, &plan, n->tmp, &up, on_ready, n, &n->link,
                        &e)) {
        n->ready = e.code;
        print_message("%s\n", e.text);
    }
}

/* Run argv on n_nodes * per_node ranks until all have ended. */
static void job_run(struct rig *r, uint32_t n_nodes, uint32_t per_node,
                    const char *helper, char *const *argv)
{
    static const struct fence_ops ops = {on_done, on_get, on_got};
    struct err e = {0};
    char bin[sizeof r->bin];
    memcpy(bin, r->bin, sizeof bin);
    memset(r, 0, sizeof *r);
    memcpy(r->bin, bin, sizeof bin);
    r->last = &r->first;
    r->n_nodes = n_nodes;
    r->n_ranks = r->left = n_nodes * per_node;
    r->argv = argv;
    assert_int_equal(loop_create(&r->loop, &e), 0);
    r->deadline = loop_timer_create(r->loop, on_deadline, r);
    r->post = loop_timer_create(r->loop, mail_deliver, r);
    loop_timer_start(r->deadline, DEADLINE_MS, 0);
    for (uint32_t i = 0; i < n_nodes; i++) {
        (void)snprintf(r->names[i], sizeof r->names[i], "local%u", i);
        r->name_of[i] = r->names[i];
        r->first_rank[i + 1] = (i + 1) * per_node;
    }
    assert_int_equal(fences_create(n_nodes, r->first_rank, &ops, r, &r->fences), 0);
    for (uint32_t i = 0; i < n_nodes; i++) {
        struct node *n = &r->nodes[i];
        n->rig = r;
        n->index = i;
        n->ready = 1;
        make_folder(n->tmp, sizeof n->tmp, "/tmp");
        make_folder(n->shm, sizeof n->shm, "/dev/shm");
    }
    for (uint32_t i = 0; i < n_nodes; i++)
        node_start(r, &r->nodes[i], helper);
    if (r->nodes[0].link)
        loop_run(r->loop);
}

static void job_end(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_ranks; i++) {
        loop_stream_destroy(r->ranks[i].io);
        loop_proc_destroy(r->ranks[i].proc);
    }
    for (uint32_t i = 0; i < r->n_nodes; i++)
        pmixlink_destroy(r->nodes[i].link);
    while (r->first) {
        struct mail *p = r->first;
        r->first = p->next;
        free(p->bytes);
        free(p);
    }
    fences_destroy(r->fences);
    loop_timer_destroy(r->deadline);
    loop_timer_destroy(r->post);
    loop_run(r->loop); /* until the helpers have ended */
    loop_destroy(r->loop);
    for (uint32_t i = 0; i < r->n_nodes; i++) {
        remove_folder(r->nodes[i].tmp);
        remove_folder(r->nodes[i].shm);
    }
}

/* ---- tests ---- */

static const char *helper_path(struct rig *r, char ret[640])
{
    (void)snprintf(ret, 640, "%s/aolani-pmix", r->bin);
    if (access(ret, X_OK))
        skip_because("aolani-pmix was not built");
    return ret;
}

/* The sanitized tests run in a build folder within the plain one, where the MPI programs
 * are. */
static void program_path(struct rig *r, const char *name, char ret[640])
{
    (void)snprintf(ret, 640, "%s/tests/e2e/mpi/%s", r->bin, name);
    if (access(ret, X_OK))
        (void)snprintf(ret, 640, "%s/../tests/e2e/mpi/%s", r->bin, name);
    if (access(ret, X_OK))
        skip_because("the MPI programs of the tests were not built");
}

static unsigned repeat(void)
{
    const char *text = getenv("AOLANI_TEST_REPEAT");
    return text ? (unsigned)atoi(text) : 1;
}

static void test_programs(void **state)
{
    static const struct {
        const char *program, *line;
        uint32_t nodes, ranks;
    } jobs[] = {
        {"ring", "ring: 4 ranks", 2, 2},
        {"alltoall", "alltoall: 4 ranks", 2, 2},
        {"ring", "ring: 8 ranks", 4, 2},
        {"alltoall", "alltoall: 8 ranks", 4, 2},
        {"alltoall", "alltoall: 2 ranks", 1, 2},
        {"ring", "ring: 1 ranks", 1, 1},
    };
    struct rig *r = *state;
    char helper[640], program[640];
    helper_path(r, helper);
    for (size_t i = 0; i < repeat() * sizeof jobs / sizeof *jobs; i++) {
        size_t j = i % (sizeof jobs / sizeof *jobs);
        program_path(r, jobs[j].program, program);
        char *argv[] = {program, NULL};
        job_run(r, jobs[j].nodes, jobs[j].ranks, helper, argv);
        job_end(r);
        assert_false(r->late);
        for (uint32_t k = 0; k < r->n_ranks; k++)
            assert_int_equal(r->ranks[k].status, 0);
        assert_non_null(strstr(r->said, jobs[j].line));
        assert_non_null(strstr(r->said, ": ok\n"));
    }
}

/* Whatever a rank does wrong, all others end by themselves. */
static void test_ranks_that_go_away(void **state)
{
    static const struct {
        const char *how;
        bool abort;
    } jobs[] = {
        {"before-init", false},
        {"after-init", false},
        {"killed", false},
        {"abort", true},
    };
    struct rig *r = *state;
    char helper[640], program[640];
    helper_path(r, helper);
    program_path(r, "quit", program);
    for (size_t i = 0; i < 2 * sizeof jobs / sizeof *jobs; i++) {
        char *last = i % 2 ? "3" : "1";
        char *argv[] = {program, (char *)jobs[i / 2].how, last, NULL};
        job_run(r, i % 2 + 1, 2, helper, argv);
        job_end(r);
        if (r->late)
            fail_msg("%s on %zu nodes hangs", argv[1], i % 2 + 1);
        /* Open MPI overlooks a failed fence in MPI_Finalize, and with another node's. */
        if (i / 2 == 0)
            assert_int_not_equal(r->ranks[r->n_ranks - 2].status, 0);
        assert_int_equal(r->aborts > 0, jobs[i / 2].abort);
        if (jobs[i / 2].abort)
            assert_int_equal(r->abort_status, 7);
    }
}

static void test_helpers_that_fail(void **state)
{
    static const char *const helpers[] = {"/no/such/helper", "/bin/false", "/bin/true",
                                          "/bin/ls"};
    struct rig *r = *state;
    char *argv[] = {"/bin/true", NULL};
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        job_run(r, 1, 1, helpers[i], argv);
        assert_true(r->nodes[0].ready < 0);
        job_end(r);
    }
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    char self[256];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 4; i++) /* .../tests/unit/agent/pmixlink_test */
        *strrchr(self, '/') = '\0';
    (void)snprintf(r->bin, sizeof r->bin, "%s", self);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_helpers_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_programs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranks_that_go_away, setup, teardown),
    };
    /* Whatever job this test itself may stand in. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
