/* SPDX-License-Identifier: MIT */
/* Ranks that meet over TCP, as processes of their own. The trainer is a program of its own,
 * so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "agent/workload/cuda/meet.c"

#include "agent/workload/cuda/comm_tcp.c"

static int waits;

void aolani_wait_begin(void)
{
    waits++;
}

void aolani_wait_end(void)
{
    waits--;
}

static const char *const names[] = {
    "RANK",
    "OMPI_COMM_WORLD_RANK",
    "SLURM_PROCID",
    "WORLD_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "SLURM_NTASKS",
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "SLURM_LOCALID",
    "MASTER_ADDR",
    "MASTER_PORT",
};

static void clear(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

/* A port that nobody has. */
static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void be_rank(int rank, int size, int port)
{
    char text[16];
    clear();
    snprintf(text, sizeof text, "%d", rank);
    setenv("RANK", text, 1);
    snprintf(text, sizeof text, "%d", size);
    setenv("WORLD_SIZE", text, 1);
    snprintf(text, sizeof text, "%d", port);
    setenv("MASTER_PORT", text, 1);
    setenv("MASTER_ADDR", "127.0.0.1", 1);
}

typedef int (*rank_f)(struct comm *c); /* the exit status */

struct ranks {
    int n;
    pid_t pid[16];
    char said[4096]; /* on stderr, of all */
    int status[16];
};

/* Each rank a process; the last starts first, so that rank 0 is late. */
static void start(struct ranks *r, int size, int port, rank_f f)
{
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    *r = (struct ranks){.n = size};
    fflush(NULL);
    for (int i = size; i-- > 0;) {
        r->pid[i] = fork();
        assert_true(r->pid[i] >= 0);
        if (r->pid[i] > 0)
            continue;
        struct comm c;
        dup2(out[1], 2);
        be_rank(i, size, port);
        comm_start(&c, NULL, NULL);
        int status = f(&c);
        comm_finish(&c);
        _exit(waits == 0 ? status : 99);
    }
    close(out[1]);
    size_t at = 0;
    for (ssize_t n; (n = read(out[0], r->said + at, sizeof r->said - 1 - at)) > 0;)
        at += (size_t)n;
    close(out[0]);
    for (int i = 0; i < size; i++) {
        assert_int_equal(waitpid(r->pid[i], &r->status[i], 0), r->pid[i]);
        r->status[i] = WIFEXITED(r->status[i]) ? WEXITSTATUS(r->status[i])
                                               : 128 + WTERMSIG(r->status[i]);
    }
}

/* ---- what they do */

enum { MANY = 20000 }; /* more than a piece */

static int all_calls(struct comm *c)
{
    double *v = malloc(MANY * sizeof *v), id[129];
    for (int i = 0; i < MANY; i++)
        v[i] = 0.1 * i + c->rank;
    comm_sum(c, v, MANY);
    for (int i = 0; i < MANY; i++) {
        double sum = 0.1 * i; /* in the order of the ranks: the same bits */
        for (int r = 1; r < c->size; r++)
            sum += 0.1 * i + r;
        if (v[i] != sum)
            return 1;
    }
    free(v);
    for (int i = 0; i < 129; i++) /* as the id of NCCL goes */
        id[i] = c->rank == 0 ? (i * 7 + 3) % 256 : -1;
    comm_from_first(c, id, 129);
    for (int i = 0; i < 129; i++)
        if (id[i] != (i * 7 + 3) % 256)
            return 2;
    if (comm_first_bad(c, true) != -1 || comm_first_bad(c, c->rank < 1) != 1 ||
        comm_first_bad(c, false) != 0)
        return 3;
    if (!comm_is_same(c, 0xfedcba9876543210u) ||
        comm_is_same(c, c->rank == 1 ? 1 : 2) ||
        comm_is_same(c, c->rank == 1 ? (uint64_t)1 << 63 : 0))
        return 4;
    return comm_is_broken(c) ? 5 : 0;
}

static void test_ranks_meet_and_agree(void **state)
{
    (void)state;
    for (int size = 2; size <= 8; size += 3) {
        struct ranks r;
        start(&r, size, free_port(), all_calls);
        assert_string_equal(r.said, "");
        for (int i = 0; i < size; i++)
            assert_int_equal(r.status[i], 0);
    }
}

static int two_dies(struct comm *c)
{
    double v = 1;
    comm_sum(c, &v, 1);
    if (c->rank == 2)
        raise(SIGKILL);
    /* As who waits for NCCL. */
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 60000 && !comm_is_broken(c); i++)
        nanosleep(&pause, NULL);
    if (!comm_is_broken(c))
        return 50;
    fprintf(stderr, "rank %d saw it\n", c->rank);
    comm_abort(c, 1);
}

static void test_all_learn_that_one_is_gone(void **state)
{
    (void)state;
    struct ranks r;
    start(&r, 4, free_port(), two_dies);
    assert_int_equal(r.status[2], 128 + SIGKILL);
    for (int i = 0; i < 4; i++)
        if (i != 2)
            assert_int_equal(r.status[i], 1);
    assert_non_null(strstr(r.said, "rank 0 saw it"));
    assert_non_null(strstr(r.said, "rank 1 saw it"));
    assert_non_null(strstr(r.said, "rank 3 saw it"));
}

static int one_never_looks(struct comm *c)
{
    if (c->rank == 1)
        _exit(7);
    for (;;) /* in a call of a library that does not come back */
        pause();
}

static void test_a_rank_that_cannot_look_is_ended(void **state)
{
    (void)state;
    struct ranks r;
    start(&r, 3, free_port(), one_never_looks);
    assert_int_equal(r.status[0], 1);
    assert_int_equal(r.status[1], 7);
    assert_int_equal(r.status[2], 1);
    assert_non_null(strstr(r.said, "trainer-cuda: rank 0: rank 1 is gone"));
    assert_non_null(strstr(r.said, "trainer-cuda: rank 2: rank 0 is gone"));
}

static int dies_in_a_sum(struct comm *c)
{
    double v = 1;
    if (c->rank == 1)
        raise(SIGKILL);
    comm_sum(c, &v, 1);
    return 0;
}

static void test_a_sum_without_one_ends_all(void **state)
{
    (void)state;
    struct ranks r;
    start(&r, 3, free_port(), dies_in_a_sum);
    assert_int_equal(r.status[0], 1);
    assert_int_equal(r.status[2], 1);
    assert_non_null(strstr(r.said, "rank 1 is gone"));
}

/* ---- who does not belong */

static int reach_once(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    struct timespec pause = {0, 10000000};
    for (int i = 0; i < 3000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        nanosleep(&pause, NULL);
    }
    return -1;
}

/* What one stranger says before a true rank comes; said: what rank 0 makes of it. */
static void test_strangers(void **state)
{
    (void)state;
    static const struct hello second = {MAGIC, 1, 2}, other = {MAGIC, 1, 4},
                              zero = {MAGIC, 0, 2}, magic = {1, 1, 2};
    static const struct {
        const void *bytes;
        size_t n;
        bool then_a_rank; /* comes after it */
        const char *said; /* NULL: all is well */
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18, true, NULL},
        {"", 0, true, NULL},
        {&magic, sizeof magic, true, NULL},
        {&second, sizeof second, false, NULL},
        {&other, sizeof other, false, "rank 1 of 4 came to rank 0 of 2: is another"},
        {&zero, sizeof zero, false, "rank 0 of 2 came to rank 0 of 2 a second time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int port = free_port();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            int fd = reach_once(port);
            bool sent = fd >= 0 && send(fd, cases[i].bytes, cases[i].n, MSG_NOSIGNAL) ==
                                       (ssize_t)cases[i].n;
            if (!cases[i].bytes || cases[i].n != sizeof(struct hello))
                shutdown(fd, SHUT_WR);
            int rank = cases[i].then_a_rank ? reach_once(port) : -1;
            if (rank >= 0)
                sent = send(rank, &second, sizeof second, MSG_NOSIGNAL) > 0 && sent;
            char byte;
            (void)!read(rank >= 0 ? rank : fd, &byte, 1); /* until rank 0 has done */
            _exit(sent ? 0 : 1);
        }
        char port_text[16], why[256] = "";
        int peers[2], status;
        snprintf(port_text, sizeof port_text, "%d", port);
        struct meeting m = {.rank = 0,
                            .size = 2,
                            .address = "127.0.0.1",
                            .port = port_text,
                            .limit_ms = 60000};
        int rc = meet_all(&m, peers, why, sizeof why);
        assert_int_equal(rc, cases[i].said ? -1 : 0);
        if (cases[i].said)
            assert_non_null(strstr(why, cases[i].said));
        else
            assert_true(peers[1] >= 0 && close(peers[1]) == 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

static void test_nobody_comes(void **state)
{
    (void)state;
    char port_text[16], why[256];
    int peers[3], port = free_port();
    snprintf(port_text, sizeof port_text, "%d", port);
    struct meeting m = {.rank = 0,
                        .size = 3,
                        .address = "127.0.0.1",
                        .port = port_text,
                        .limit_ms = 100};
    assert_int_equal(meet_all(&m, peers, why, sizeof why), -1);
    assert_non_null(strstr(why, "rank 1 did not come to MASTER_PORT"));
    m.rank = 2;
    assert_int_equal(meet_all(&m, peers, why, sizeof why), -1);
    assert_non_null(strstr(why, "reach rank 0 at MASTER_ADDR 127.0.0.1"));
    assert_non_null(strstr(why, "Connection refused"));
    m.address = "no such host";
    assert_int_equal(meet_all(&m, peers, why, sizeof why), -1);
    assert_non_null(strstr(why, "MASTER_ADDR \"no such host\""));
    for (int i = 0; i < 3; i++)
        assert_int_equal(peers[i], -1);
    static const char *const bad[] = {"", "x", "0", "65536", "12x"};
    m.rank = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        m.port = bad[i];
        assert_int_equal(meet_all(&m, peers, why, sizeof why), -1);
        assert_non_null(strstr(why, "is no port"));
    }
    int taken = listen_on(port_text, why, sizeof why);
    assert_true(taken >= 0);
    m.port = port_text;
    assert_int_equal(meet_all(&m, peers, why, sizeof why), -1);
    assert_non_null(strstr(why, "Address already in use"));
    close(taken);
}

static void test_plans(void **state)
{
    (void)state;
    static const struct {
        const char *set[4]; /* NAME=VALUE */
        int rank, size, local;
        const char *said; /* NULL: a plan */
    } cases[] = {
        {{NULL}, 0, 1, 0, NULL},
        {{"RANK=3", "WORLD_SIZE=4", "LOCAL_RANK=1", "MASTER_ADDR=h"},
         0,
         0,
         0,
         "MASTER_PORT is not set"},
        {{"RANK=0", "WORLD_SIZE=2"}, 0, 0, 0, "MASTER_ADDR is not set"},
        {{"RANK=2", "WORLD_SIZE=2"}, 0, 0, 0, "rank 2 of 2"},
        {{"RANK=1"}, 0, 0, 0, "WORLD_SIZE is missing"},
        {{"RANK=0", "WORLD_SIZE=1", "LOCAL_RANK=0"}, 0, 1, 0, NULL},
        {{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=1", "SLURM_LOCALID=3"},
         0,
         1,
         3,
         NULL},
        {{"RANK=0", "SLURM_PROCID=7", "WORLD_SIZE=1"}, 0, 1, 0, NULL},
        {{"RANK=x"}, 0, 0, 0, "RANK is \"x\""},
        {{"RANK=-1"}, 0, 0, 0, "RANK is \"-1\""},
        {{"WORLD_SIZE="}, 0, 0, 0, "WORLD_SIZE is \"\""},
        {{"WORLD_SIZE=99999999999999999999"}, 0, 0, 0, "is no number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct meeting m;
        char why[256] = "";
        clear();
        for (int j = 0; j < 4 && cases[i].set[j]; j++)
            putenv((char *)cases[i].set[j]);
        int rc = meet_plan(&m, why, sizeof why);
        assert_int_equal(rc, cases[i].said ? -1 : 0);
        if (cases[i].said)
            assert_non_null(strstr(why, cases[i].said));
        else
            assert_true(m.rank == cases[i].rank && m.size == cases[i].size &&
                        m.local_rank == cases[i].local);
    }
    clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_ranks_meet_and_agree),
        cmocka_unit_test(test_all_learn_that_one_is_gone),
        cmocka_unit_test(test_a_rank_that_cannot_look_is_ended),
        cmocka_unit_test(test_a_sum_without_one_ends_all),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_nobody_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
