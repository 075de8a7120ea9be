/* SPDX-License-Identifier: MIT */
/* The library's source is included, so that its one object of state can be put back to
 * untried between tests; the exported names are looked up in the built library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "proto/client/aolani.c"
#include "proto/client/filelock.h"
#include "tests/lib/skipped.h"

struct fixture {
    char dir[64], path[96];
    struct ring *ring;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/aolani-client-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/ring", f->dir);
    int fd = open(f->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)RING_BYTES), 0);
    f->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(f->ring, MAP_FAILED);
    close(fd);
    ring_init(f->ring);
    setenv("AOLANI_STEP_PATH", f->path, 1);
    setenv("RANK", "7", 1);
    *state = f;
    return 0;
}

static void client_reset(void)
{
    keptfd_close(&client.sched);
    cgroupstat_close(&client.group);
    if (client.ring)
        munmap(client.ring, RING_BYTES);
    filelock_release(client.lock);
    client = (struct client){.sched.fd = -1};
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_reset();
    munmap(f->ring, RING_BYTES);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    unsetenv("AOLANI_STEP_PATH");
    unsetenv("RANK");
    return 0;
}

static void nap(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0)
        ;
}

static void spin(unsigned ms)
{
    uint64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000ull;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
        ;
}

static bool pop(struct fixture *f, struct steprec *ret)
{
    uint8_t bytes[1][STEPREC_BYTES];
    if (ring_pop(f->ring, bytes, 1, NULL) == 0)
        return false;
    steprec_decode(bytes[0], ret);
    return true;
}

#define assert_near(got, want, slack) \
    assert_in_range((got), (want) > (slack) ? (want) - (slack) : 0, (want) + (slack))

/* ---- what is refused */

static void make_symlink(struct fixture *f)
{
    char to[112];
    snprintf(to, sizeof to, "%s.real", f->path);
    rename(f->path, to);
    assert_int_equal(symlink(to, f->path), 0);
}

static void fini_symlink(struct fixture *f)
{
    char to[112];
    snprintf(to, sizeof to, "%s.real", f->path);
    unlink(to);
}

static void make_short(struct fixture *f)
{
    assert_int_equal(truncate(f->path, (off_t)RING_BYTES - 1), 0);
}

static void make_bad_magic(struct fixture *f)
{
    f->ring->magic ^= 1;
}

static void make_bad_version(struct fixture *f)
{
    f->ring->version++;
}

static void make_bad_records(struct fixture *f)
{
    f->ring->records *= 2;
}

static void make_writable_by_all(struct fixture *f)
{
    assert_int_equal(chmod(f->path, 0622), 0);
}

static void make_absent(struct fixture *f)
{
    unlink(f->path);
}

static void make_no_path(struct fixture *f)
{
    (void)f;
    unsetenv("AOLANI_STEP_PATH");
}

static void make_no_rank(struct fixture *f)
{
    (void)f;
    unsetenv("RANK");
}

static void make_bad_rank(struct fixture *f)
{
    (void)f;
    setenv("RANK", "7x", 1);
}

static void make_negative_rank(struct fixture *f)
{
    (void)f;
    setenv("RANK", "-1", 1);
}

static void test_wrong_ring_is_silence(void **state)
{
    static const struct {
        void (*make)(struct fixture *f);
        void (*fini)(struct fixture *f);
    } cases[] = {
        {make_symlink, fini_symlink}, {make_short, NULL},
        {make_bad_magic, NULL},       {make_bad_version, NULL},
        {make_bad_records, NULL},     {make_absent, NULL},
        {make_writable_by_all, NULL}, {make_no_path, NULL},
        {make_no_rank, NULL},         {make_bad_rank, NULL},
        {make_negative_rank, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *s;
        setup(&s);
        struct fixture *f = s;
        cases[i].make(f);
        atomic_store(&f->ring->stop_requested, 1);
        errno = 99;
        aolani_step_begin(1);
        aolani_wait_begin();
        aolani_wait_end();
        aolani_step_special();
        aolani_step_end();
        assert_int_equal(aolani_stop_requested(), 0);
        assert_int_equal(errno, 99);
        assert_int_equal(client.state, CLIENT_OFF);
        assert_int_equal(atomic_load(&f->ring->head), 0);
        if (cases[i].fini)
            cases[i].fini(f);
        teardown(&s);
    }
}

/* ---- what a record says */

static void test_busy_sleep_is_blocked(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    aolani_step_begin(41);
    nap(30);
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.rank, 7);
    assert_int_equal(r.step, 41);
    assert_int_equal(r.source, STEPREC_CLIENT);
    assert_in_range(r.wall_us, 29000, 2000000);
    assert_int_equal(r.wait_us, 0);
    assert_true(r.nvcsw > 0);
    if (r.flags & STEPREC_PARTIAL)
        return; /* a kernel without schedstats: nothing is split */
    assert_in_range(r.blocked_us, 25000, 2000000);
    assert_int_equal(r.stolen_us, 0);
    assert_near(r.cpu_us + r.rundelay_us + r.blocked_us, r.wall_us, 3);
}

static void test_parts_make_up_the_busy_time(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    for (uint64_t s = 0; s < 5; s++) {
        aolani_step_begin(s);
        spin(5);
        aolani_wait_begin();
        nap(5);
        aolani_wait_end();
        spin(5);
        aolani_step_end();
        assert_true(pop(f, &r));
        assert_in_range(r.cpu_us, 9900, 12000);
        assert_in_range(r.wait_us, 4900, 2000000);
        if (!(r.flags & STEPREC_PARTIAL))
            assert_near(r.cpu_us + r.rundelay_us + r.blocked_us + r.stolen_us,
                        steprec_busy_us(&r), 20);
    }
}

static void test_spinning_while_waiting_is_not_charged(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    aolani_step_begin(1);
    aolani_wait_begin();
    aolani_wait_begin(); /* nested: counts once */
    spin(20);
    nap(5);
    aolani_wait_end();
    spin(5);
    aolani_wait_end();
    aolani_wait_end(); /* one too many: nothing */
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.n_coll, 1);
    assert_in_range(r.wait_us, 29900, 2000000);
    assert_in_range(steprec_busy_us(&r), 0, 5000);
    assert_in_range(r.cpu_us, 0, 1000);
    assert_int_equal(r.nvcsw, 0);
}

static void test_wait_may_cross_the_ends_of_a_step(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    aolani_wait_begin();
    aolani_step_begin(1);
    nap(10);
    aolani_wait_end();
    nap(5);
    aolani_wait_begin();
    nap(10);
    aolani_step_end();
    aolani_wait_end();
    assert_true(pop(f, &r));
    assert_in_range(r.wait_us, 19900, 2000000);
    assert_in_range(steprec_busy_us(&r), 4900, 1000000);
    assert_int_equal(r.n_coll, 2);
}

static void test_many_waits_are_cheap_and_said(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    aolani_step_begin(1);
    for (int i = 0; i < 5000; i++) {
        aolani_wait_begin();
        aolani_wait_end();
    }
    aolani_wait_begin();
    nap(20);
    aolani_wait_end();
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.n_coll, 5001);
    assert_true(r.flags & STEPREC_PARTIAL);
    assert_in_range(r.wait_us, 19900, r.wall_us);
    assert_in_range(r.cpu_us + r.rundelay_us + r.blocked_us + r.stolen_us, 0,
                    steprec_busy_us(&r) + 3);
}

/* Milliseconds of a stretch, and what the record makes of it. */
static const struct {
    const char *what;
    uint32_t wall, cpu, delay, throttled, nvcsw;
    uint32_t is_delay, is_throttled, is_blocked, is_stolen;
} quotas[] = {
    {"a part of the run delay", 12, 7, 5, 3, 0, 5, 3, 0, 0},
    {"no more than the run delay, of other threads", 20, 7, 1, 12, 1, 1, 1, 12, 0},
    /* Linux 6.18 throttles each task by itself, and some of that is no run delay. */
    {"beside the run delay", 34, 7, 11, 26, 0, 26, 26, 0, 1},
    {"no more than the rank was away", 10, 7, 1, 50, 0, 3, 3, 0, 0},
    {"none", 10, 7, 1, 0, 0, 1, 0, 0, 2},
};

static void test_what_a_quota_took(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
        struct client c = {0};
        struct steprec r = {0};
        struct sample now = {.wall_ns = quotas[i].wall * 1000000u,
                             .cpu_ns = quotas[i].cpu * 1000000u,
                             .delay_ns = quotas[i].delay * 1000000u,
                             .throttled_ns = quotas[i].throttled * 1000000u,
                             .nvcsw = quotas[i].nvcsw};
        busy_add(&c, &now);
        record_parts(&c, &r);
        if (r.rundelay_us != quotas[i].is_delay * 1000 ||
            r.throttled_us != quotas[i].is_throttled * 1000 ||
            r.blocked_us != quotas[i].is_blocked * 1000 ||
            r.stolen_us != quotas[i].is_stolen * 1000)
            fail_msg("%s: run delay %u, throttled %u, blocked %u, stolen %u",
                     quotas[i].what, r.rundelay_us, r.throttled_us, r.blocked_us,
                     r.stolen_us);
    }
}

static void test_special_and_unended_steps(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    aolani_step_special(); /* outside a step: nothing */
    aolani_step_end();
    assert_false(pop(f, &r));
    aolani_step_begin(1);
    aolani_step_special();
    aolani_step_begin(2); /* drops step 1 */
    aolani_step_end();
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.step, 2);
    assert_int_equal(r.flags & STEPREC_SPECIAL, 0);
    assert_false(pop(f, &r));
    aolani_step_begin(UINT64_MAX);
    aolani_step_special();
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.step, UINT32_MAX);
    assert_true(r.flags & STEPREC_SPECIAL);
}

static void test_kinds_of_special_steps(void **state)
{
    static const struct {
        void (*mark[2])(void);
        unsigned flags;
    } cases[] = {
        {{NULL, NULL}, 0},
        {{aolani_step_special, NULL}, STEPREC_SPECIAL},
        {{aolani_step_checkpoint, NULL}, STEPREC_SPECIAL | STEPREC_CHECKPOINT},
        {{aolani_step_waits_unknown, NULL}, STEPREC_HOST_PACED},
        {{aolani_step_evaluation, NULL}, STEPREC_SPECIAL | STEPREC_EVALUATION},
        {{aolani_step_evaluation, aolani_step_checkpoint},
         STEPREC_SPECIAL | STEPREC_CHECKPOINT | STEPREC_EVALUATION},
    };
    struct fixture *f = *state;
    struct steprec r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        aolani_step_evaluation(); /* outside a step: nothing */
        aolani_step_begin(i);
        for (int k = 0; k < 2 && cases[i].mark[k]; k++)
            cases[i].mark[k]();
        aolani_step_end();
        assert_true(pop(f, &r));
        assert_int_equal(r.flags & ~STEPREC_PARTIAL, cases[i].flags);
    }
}

static void test_full_ring_drops_and_says(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    for (uint64_t s = 0; s < RING_RECORDS + 3; s++) {
        aolani_step_begin(s);
        aolani_step_end();
    }
    assert_int_equal(atomic_load(&f->ring->dropped), 3);
    for (unsigned i = 0; i < RING_RECORDS; i++) {
        assert_true(pop(f, &r));
        assert_int_equal(r.flags & STEPREC_GAP, 0);
    }
    aolani_step_begin(9999);
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_true(r.flags & STEPREC_GAP);
}

static void test_stop_and_errno(void **state)
{
    struct fixture *f = *state;
    errno = 77;
    assert_int_equal(aolani_stop_requested(), 0);
    atomic_store(&f->ring->stop_requested, 1);
    assert_int_equal(aolani_stop_requested(), 1);
    aolani_step_begin(1);
    aolani_wait_begin();
    aolani_wait_end();
    aolani_step_end();
    assert_int_equal(errno, 77);
}

/* ---- other processes, threads, descriptors */

static int in_child(void (*run)(struct fixture *f), struct fixture *f)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run(f);
        _exit(aolani_stop_requested() ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_step_end(struct fixture *f)
{
    (void)f;
    aolani_step_end();
}

static void run_step(struct fixture *f)
{
    (void)f;
    aolani_step_begin(5);
    spin(3);
    aolani_step_end();
}

static void test_a_fork_of_the_rank_is_silent(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    atomic_store(&f->ring->stop_requested, 1);
    aolani_step_begin(1);
    assert_int_equal(in_child(run_step_end, f), 0);
    assert_int_equal(in_child(run_step, f), 0);
    assert_false(pop(f, &r));
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_int_equal(r.step, 1);
}

static void test_a_fork_before_the_first_step_is_the_rank(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    atomic_store(&f->ring->stop_requested, 1);
    assert_int_equal(aolani_stop_requested(), 1); /* maps the ring in the parent */
    assert_int_equal(in_child(run_step, f), 0);
    assert_true(pop(f, &r));
    assert_int_equal(r.step, 5);
    assert_in_range(r.cpu_us, 2900, 3900); /* its own clock, not the parent's */
}

/* Until the other end is closed. */
static void wait_on(int fd)
{
    char c;
    while (read(fd, &c, 1) > 0)
        ;
}

/* It marks a step, says so, and lives until `go` is closed. Its own children do not keep
 * its ring. */
static void other_run(struct fixture *f, int said, int go)
{
    client_reset();
    run_step(f);
    if (fork() == 0)
        wait_on(go);
    else if (write(said, "x", 1) == 1)
        wait_on(go);
    _exit(0);
}

/* A process that has nothing to do with this one, as the rank starts them. -1: not in PIDs
 * of its own. */
static pid_t other_start(struct fixture *f, bool in_own_pids, int *ret_go)
{
    int said[2], go[2];
    char c;
    assert_true(pipe(said) == 0 && pipe(go) == 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        if (in_own_pids && (unshare(CLONE_NEWPID) < 0 || (pid = fork()) != 0))
            _exit(pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : 1);
        other_run(f, said[1], go[0]);
    }
    close(said[1]);
    close(go[0]);
    bool marks = read(said[0], &c, 1) == 1;
    close(said[0]);
    *ret_go = go[1];
    if (marks)
        return pid;
    close(go[1]);
    waitpid(pid, NULL, 0);
    return -1;
}

static void mark(uint64_t number)
{
    aolani_step_begin(number);
    aolani_wait_begin();
    aolani_wait_end();
    aolani_step_special();
    aolani_step_end();
}

static void test_the_first_process_marks(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    for (int in_own_pids = 0; in_own_pids < 2; in_own_pids++) {
        int go;
        pid_t other = other_start(f, in_own_pids, &go);
        if (other < 0) {
            print_message("skipped: no PID namespace may be made here\n");
            continue;
        }
        assert_true(pop(f, &r));
        assert_int_equal(r.step, 5);
        assert_int_equal(atomic_load(&f->ring->others), 0);
        atomic_store(&f->ring->stop_requested, 1);
        errno = 77;
        mark(6);
        mark(7);
        assert_int_equal(errno, 77);
        assert_false(pop(f, &r));
        assert_int_equal(atomic_load(&f->ring->others), 1);
        assert_int_equal(aolani_stop_requested(), 1);

        kill(other, SIGKILL);
        assert_int_equal(waitpid(other, NULL, 0), other);
        if (in_own_pids) /* that was its parent */
            close(go);
        for (int i = 0; !client.marked && i < 1000; i++) {
            client.asked_ns = 0;
            mark(9);
            nap(10);
        }
        assert_true(pop(f, &r));
        assert_int_equal(r.step, 9);
        if (!in_own_pids)
            close(go);
        client_reset();
        atomic_store(&f->ring->others, 0);
    }
}

static void test_a_child_of_a_refused_process_may_mark(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    int go;
    pid_t other = other_start(f, false, &go);
    assert_true(other > 0 && pop(f, &r));
    atomic_store(&f->ring->stop_requested, 1);
    mark(6);
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(in_child(run_step, f), 0);
    assert_true(pop(f, &r));
    assert_int_equal(r.step, 5);
    close(go);
}

static void test_the_ring_is_kept_without_a_descriptor(void **state)
{
    struct fixture *f = *state;
    void *lock;
    mark(1);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    assert_false(ringmap_lock(f->path, &lock)); /* another open file: as of another */
    assert_null(lock);
    filelock_release(client.lock);
    client.lock = NULL;
    assert_true(ringmap_lock(f->path, &lock));
    assert_non_null(lock);
    filelock_release(lock);
    assert_true(ringmap_lock("/no/such/ring", &lock)); /* then nobody is asked */
    assert_null(lock);
}

/* Two threads may both have seen that the process has none yet: the one that comes second
 * finds the lock of the first. */
static void test_a_process_is_not_its_own_other(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    mark(1);
    assert_true(client_ask(&client));
    assert_int_equal(atomic_load(&f->ring->others), 0);
    mark(2);
    assert_true(pop(f, &r) && pop(f, &r));
    assert_int_equal(r.step, 2);
}

static void *thread_end(void *arg)
{
    (void)arg;
    aolani_step_end();
    return NULL;
}

static void *thread_step(void *arg)
{
    run_step(arg);
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    pthread_t t;
    aolani_step_begin(1);
    spin(2);
    pthread_create(&t, NULL, thread_end, NULL);
    pthread_join(t, NULL);
    assert_true(pop(f, &r));
    assert_true(r.flags & STEPREC_PARTIAL);
    assert_true(r.wall_us >= 2000);
    assert_int_equal(r.cpu_us, 0);

    pthread_create(&t, NULL, thread_step, f);
    pthread_join(t, NULL);
    assert_true(pop(f, &r));
    assert_int_equal(r.step, 5);
    assert_in_range(r.cpu_us, 2900, 3900);
}

static void test_a_stolen_descriptor_stays_open(void **state)
{
    struct fixture *f = *state;
    struct steprec r;
    pthread_t t;
    aolani_step_begin(1);
    aolani_step_end();
    assert_true(pop(f, &r));
    if (client.sched.fd < 0)
        skip_because("no schedstat of a thread here");
    int fd = client.sched.fd;
    close(fd); /* as a program does that closes what it does not know */
    int mine = open("/dev/null", O_RDONLY);
    assert_int_equal(mine, fd);
    client.looked_ns = clock_ns(CLOCK_MONOTONIC); /* and so not just now */
    aolani_step_begin(2);
    aolani_step_end();
    assert_true(pop(f, &r));
    assert_true(r.flags & STEPREC_PARTIAL);
    pthread_create(&t, NULL, thread_step, f); /* changes the thread: reopens */
    pthread_join(t, NULL);
    assert_true(fcntl(mine, F_GETFD) >= 0);
    assert_true(pop(f, &r));
    assert_int_equal(r.flags & STEPREC_PARTIAL, 0);
    close(mine);
}

/* ---- the library as it is installed */

#define LIBRARY_TEXT 600

static void find_library(char path[LIBRARY_TEXT])
{
    ssize_t n = readlink("/proc/self/exe", path, 512);
    assert_true(n > 0);
    path[n] = '\0';
    char *at = strstr(path, "/tests/unit/");
    if (!at)
        skip_because("not run from a build folder");
    strcpy(at, "/libaolani.so");
    if (access(path, R_OK) < 0)
        skip_because("no libaolani.so is built");
}

/* Loaded a second time it would find its own lock, and not know that it is. */
static void test_once_loaded_it_stays(void **state)
{
    (void)state;
    char path[LIBRARY_TEXT];
    find_library(path);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(so);
    assert_int_equal(dlclose(so), 0);
    assert_non_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}

static void test_only_the_interface_is_exported(void **state)
{
    (void)state;
    char path[LIBRARY_TEXT], cmd[LIBRARY_TEXT + 40], line[256];
    find_library(path);
    if (system("command -v nm >/dev/null") != 0)
        skip_because("no nm");
    snprintf(cmd, sizeof cmd, "nm -D --defined-only '%s'", path);
    FILE *p = popen(cmd, "r");
    unsigned symbols = 0;
    while (fgets(line, sizeof line, p)) {
        const char *name = strrchr(line, ' ');
        assert_non_null(name);
        if (strcmp(name, " AOLANI_1\n") == 0)
            continue;
        assert_true(strncmp(name, " aolani_", 8) == 0 && strstr(name, "@@AOLANI_1"));
        symbols++;
    }
    assert_int_equal(pclose(p), 0);
    assert_int_equal(symbols, 9);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_ring_is_silence),
        T(test_busy_sleep_is_blocked),
        T(test_parts_make_up_the_busy_time),
        T(test_spinning_while_waiting_is_not_charged),
        T(test_wait_may_cross_the_ends_of_a_step),
        T(test_many_waits_are_cheap_and_said),
        cmocka_unit_test(test_what_a_quota_took),
        T(test_special_and_unended_steps),
        T(test_kinds_of_special_steps),
        T(test_full_ring_drops_and_says),
        T(test_stop_and_errno),
        T(test_a_fork_of_the_rank_is_silent),
        T(test_a_fork_before_the_first_step_is_the_rank),
        T(test_the_first_process_marks),
        T(test_a_child_of_a_refused_process_may_mark),
        T(test_the_ring_is_kept_without_a_descriptor),
        T(test_a_process_is_not_its_own_other),
        T(test_threads),
        T(test_a_stolen_descriptor_stays_open),
        cmocka_unit_test(test_once_loaded_it_stays),
        cmocka_unit_test(test_only_the_interface_is_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
