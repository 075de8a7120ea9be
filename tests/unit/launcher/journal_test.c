/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/journal.h"
#include "proto/wire/aolani.pb-c.h"

struct fixture {
    struct loop *l;
    struct journal *j;
    char dir[40], path[60];
    int errors, durable;
    int status[8];
    char text[480];
    bool close_in_callback;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0)
        return -1;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/journal_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/journal", f->dir);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->j)
        (void)journal_close(f->j, NULL);
    loop_destroy(f->l);
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void on_error(void *arg, const struct err *e)
{
    struct fixture *f = arg;
    f->errors++;
    (void)snprintf(f->text, sizeof f->text, "%s", e->text);
}

static void open_journal(struct fixture *f)
{
    struct err e;
    assert_int_equal(journal_open(f->l, f->path, on_error, f, &f->j, &e), 0);
}

static int close_journal(struct fixture *f, struct err *e)
{
    struct journal *j = f->j;
    f->j = NULL;
    return journal_close(j, e);
}

static int64_t add(struct fixture *f, const char *phase)
{
    Aolani__JPhase m = AOLANI__JPHASE__INIT;
    m.phase = (char *)phase;
    return journal_append(f->j, JOURNAL_PHASE, &m.base);
}

/* The phases in the file, with a comma after each; '!' when its end is torn. */
static void expect(struct fixture *f, const char *text)
{
    struct journal_reader *r;
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    bool torn = false;
    char got[256] = "";
    assert_int_equal(journal_reader_open(f->path, &r, NULL), 0);
    while (journal_reader_next(r, &type, &payload, &len, &torn, NULL) == 1) {
        Aolani__JPhase *m = aolani__jphase__unpack(NULL, len, payload);
        assert_non_null(m);
        assert_int_equal(type, JOURNAL_PHASE);
        if (strlen(got) + strlen(m->phase) + 3 < sizeof got) {
            strcat(got, m->phase);
            strcat(got, ",");
        }
        aolani__jphase__free_unpacked(m, NULL);
    }
    if (torn)
        strcat(got, "!");
    journal_reader_close(r);
    assert_string_equal(got, text);
}

static void on_durable(void *arg, int status)
{
    struct fixture *f = arg;
    f->status[f->durable++ % 8] = status;
    if (f->close_in_callback && f->j)
        assert_int_equal(close_journal(f, NULL), 0);
    loop_stop(f->l);
}

static void wait_for(struct fixture *f, int64_t number)
{
    assert_int_equal(journal_when_durable(f->j, number, on_durable, f), 0);
    loop_run(f->l);
}

static void test_records_come_back(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    open_journal(f);
    assert_int_equal(add(f, "connect"), 1);
    assert_int_equal(add(f, "run"), 2);
    wait_for(f, 2);
    assert_int_equal(f->durable, 1);
    assert_int_equal(f->status[0], 0);
    expect(f, "connect,run,"); /* while it is still open */
    wait_for(f, 1);            /* long since there */
    assert_int_equal(f->durable, 2);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(close_journal(f, NULL), 0);
    expect(f, "connect,run,");
    open_journal(f);
    assert_int_equal(add(f, "stop"), 3); /* numbers go on */
    assert_int_equal(close_journal(f, NULL), 0);
    expect(f, "connect,run,stop,");
}

static void test_close_writes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct journal_reader *r;
    enum journal_type type;
    const uint8_t *payload;
    size_t len;
    bool torn;
    open_journal(f);
    for (int i = 1; i <= 20000; i++)
        assert_int_equal(add(f, "x"), i);
    assert_int_equal(close_journal(f, NULL), 0);
    assert_int_equal(journal_reader_open(f->path, &r, NULL), 0);
    int n = 0;
    while (journal_reader_next(r, &type, &payload, &len, &torn, NULL) == 1)
        n++;
    journal_reader_close(r);
    assert_int_equal(n, 20000);
    assert_false(torn);
}

static void test_close_from_a_callback(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    (void)add(f, "a");
    int64_t b = add(f, "b");
    f->close_in_callback = true;
    assert_int_equal(journal_when_durable(f->j, b, on_durable, f), 0);
    assert_int_equal(journal_when_durable(f->j, b, on_durable, f), 0);
    assert_int_equal(journal_when_durable(f->j, b + 5, on_durable, f), 0);
    loop_run(f->l);
    assert_int_equal(f->durable, 1); /* none after the close */
    expect(f, "a,b,");
}

/* Whatever the last write left: the records before it count, a writer cuts it away. */
static void test_torn_end(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    (void)add(f, "a");
    (void)add(f, "bcdefgh");
    assert_int_equal(close_journal(f, NULL), 0);
    char whole[64];
    int fd = open(f->path, O_RDONLY);
    ssize_t n = read(fd, whole, sizeof whole), first = 8 + 12 + 3;
    close(fd);
    assert_true(n > first && n < (ssize_t)sizeof whole);
    for (ssize_t size = n - 1; size >= 0; size--) {
        fd = open(f->path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, whole, (size_t)size), size);
        close(fd);
        expect(f, size > first    ? "a,!"
                  : size == first ? "a,"
                  : size == 8     ? ""
                  : size > 0      ? "!"
                                  : "");
        open_journal(f);
        assert_int_equal(add(f, "new"), size >= first ? 2 : 1);
        assert_int_equal(close_journal(f, NULL), 0);
        expect(f, size >= first ? "a,new," : "new,");
    }
}

static void test_damage(void **state)
{
    static const struct {
        off_t at;
        const char *bytes;
        size_t len;
        const char *records;
    } table[] = {
        {8 + 4, "x", 1, "!"},                 /* CRC of the first */
        {8 + 11, "\1", 1, "!"},               /* what must be zero */
        {8, "\xff\xff\xff\x7f", 4, "!"},      /* an endless record */
        {8 + 14, "z", 1, "!"},                /* payload of the first */
        {8 + 12 + 3 + 8, "\x09", 1, "a,!"},   /* type of the second */
        {8 + 12 + 3 + 12 + 4, "z", 1, "a,!"}, /* payload of the second */
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        (void)unlink(f->path);
        open_journal(f);
        (void)add(f, "a");
        (void)add(f, "bcd");
        assert_int_equal(close_journal(f, NULL), 0);
        int fd = open(f->path, O_WRONLY);
        assert_int_equal(pwrite(fd, table[i].bytes, table[i].len, table[i].at),
                         table[i].len);
        close(fd);
        expect(f, table[i].records);
    }
}

static void test_what_is_not_a_journal(void **state)
{
    struct fixture *f = *state;
    struct journal_reader *r;
    struct err e;
    assert_int_equal(journal_reader_open(f->path, &r, &e), -ENOENT);
    int fd = open(f->path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "my thesis", 9), 9);
    assert_int_equal(journal_reader_open(f->path, &r, &e), ERR_PARSE);
    assert_int_equal(journal_open(f->l, f->path, on_error, f, &f->j, &e), ERR_PARSE);
    assert_non_null(strstr(e.text, "it is not a journal"));
    assert_int_equal(lseek(fd, 0, SEEK_END), 9); /* and it is left alone */
    close(fd);
    assert_int_equal(journal_open(f->l, "/no/such/place", on_error, f, &f->j, &e),
                     -ENOENT);
    assert_int_equal(journal_open(f->l, f->dir, on_error, f, &f->j, &e), -EISDIR);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct err e;
    (void)signal(SIGXFSZ, SIG_IGN);
    open_journal(f);
    wait_for(f, add(f, "first"));
    limit_file_size(60);
    int64_t lost = add(f, "a phase with a name that does not fit into what is left");
    wait_for(f, lost);
    assert_int_equal(f->status[1], -EFBIG);
    assert_int_equal(f->errors, 1);
    assert_non_null(strstr(f->text, "(records lost so far: 1): File too large"));
    wait_for(f, add(f, "another phase with a name that does not fit"));
    assert_int_equal(f->errors, 1);  /* said once, however long it lasts */
    int64_t small = add(f, "small"); /* fits: what failed was cut off again */
    wait_for(f, small);
    assert_int_equal(f->status[3], 0);
    limit_file_size(RLIM_INFINITY);
    wait_for(f, add(f, "last"));
    wait_for(f, lost);
    assert_int_equal(f->status[5], -EFBIG); /* it stays lost */
    assert_int_equal(close_journal(f, &e), -EFBIG);
    assert_non_null(strstr(e.text, "(records lost: 2): File too large"));
    expect(f, "first,small,last,");
}

static void test_stuck_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    enum { N = 20 << 20 };
    char *big = malloc(N + 1);
    memset(big, 'x', N);
    big[N] = '\0';
    open_journal(f);
    int64_t rc = 1;
    for (int i = 0; i < 8 && rc > 0; i++)
        rc = add(f, big);
    /* The disk may be as fast as we are; but what is refused is refused with this. */
    assert_true(rc > 0 || rc == ERR_LIMIT);
    free(big);
    assert_int_equal(close_journal(f, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_records_come_back),
        T(test_close_writes_what_is_queued),
        T(test_close_from_a_callback),
        T(test_torn_end),
        T(test_damage),
        T(test_what_is_not_a_journal),
        T(test_full_disk),
        T(test_stuck_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
