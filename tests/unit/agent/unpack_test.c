/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/bootstrap.h"
#include "agent/cache.h"
#include "agent/folders.h"
#include "agent/unpack.h"
#include "proto/base/buf.h"
#include "proto/base/cur.h"
#include "proto/wire/secure.h"

#define SELF "/proc/self/exe"

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-unpack-test-XXXXXX");
    return secure_init(NULL) == 0 && mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(dir, NULL);
}

static void add_u(struct buf *b, uint64_t v, size_t len)
{
    uint8_t raw[8];
    put_u64(raw, v);
    assert_int_equal(buf_add(b, raw, len), 0);
}

static void begin(struct buf *b, uint32_t count)
{
    buf_init(b, 1u << 24);
    assert_int_equal(buf_add(b, "AOLP", 4), 0);
    add_u(b, count, 4);
}

static void add_header(struct buf *b, const char *name, size_t name_len, uint32_t mode,
                       uint64_t size, const uint8_t hash[SECURE_HASH_BYTES])
{
    add_u(b, name_len, 2);
    assert_int_equal(buf_add(b, name, name_len), 0);
    add_u(b, mode, 4);
    add_u(b, size, 8);
    assert_int_equal(buf_add(b, hash, SECURE_HASH_BYTES), 0);
}

static void add_file(struct buf *b, const char *name, uint32_t mode, const char *text)
{
    uint8_t hash[SECURE_HASH_BYTES];
    secure_hash(text, strlen(text), hash);
    add_header(b, name, strlen(name), mode, strlen(text), hash);
    assert_int_equal(buf_add(b, text, strlen(text)), 0);
}

static void add_self(struct buf *b)
{
    uint8_t hash[SECURE_HASH_BYTES];
    uint64_t size;
    assert_int_equal(secure_hash_file(SELF, hash, &size, NULL), 0);
    add_header(b, "aolani-agent", 12, 0700, size, hash);
}

/* Through a file, so that what is left unread can be seen. */
static int try(struct buf *b, size_t len, off_t *ret_read, struct err *e)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, len, f), len);
    assert_int_equal(fflush(f), 0);
    (void)lseek(fileno(f), 0, SEEK_SET);
    int rc = unpack(fileno(f), dir, SELF, e);
    if (ret_read)
        *ret_read = lseek(fileno(f), 0, SEEK_CUR);
    fclose(f);
    return rc;
}

static unsigned count_files(void)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    const struct dirent *entry;
    while ((entry = readdir(d)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void test_a_good_bundle(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    struct stat st;
    char path[128], text[16] = "";
    off_t taken;
    begin(&b, 3);
    add_self(&b);
    add_file(&b, "helper", 0700, "#!/bin/sh\n");
    add_file(&b, "lib.so.1", 06777, "bytes");
    size_t len = b.len;
    assert_int_equal(buf_add(&b, "AOLB of the session", 19), 0);
    assert_int_equal(try(&b, b.len, &taken, &e), 0);
    assert_int_equal(taken, len); /* the rest is for who comes next */
    assert_int_equal(count_files(), 2);
    (void)snprintf(path, sizeof path, "%s/lib.so.1", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755); /* no set-id, nobody else writes */
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "bytes");
    close(fd);
    assert_int_equal(try(&b, len, NULL, &e), 0); /* over what is there */
    assert_int_equal(count_files(), 2);
    assert_int_equal(folders_remove_tree(dir, &e), 0); /* and into what is not there */
    assert_int_equal(try(&b, len, NULL, &e), 0);
    assert_int_equal(count_files(), 2);
    assert_int_equal(folders_remove_tree(dir, &e), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    buf_fini(&b);
}

static void test_names_that_are_not_allowed(void **state)
{
    (void)state;
    static const char *const names[] = {
        "../up",
        "/etc/x",
        "a/b",
        ".",
        "..",
        ".hidden",
        "",
        "-rf",
        "new\nline",
        "a b",
        "caf\xc3\xa9",
        "seventy-characters-seventy-characters-seventy-characters-are-too-many",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf b;
        begin(&b, 2);
        add_file(&b, names[i], 0700, "text");
        add_self(&b);
        struct err e;
        if (try(&b, b.len, NULL, &e) != ERR_PROTO)
            fail_msg("\"%s\" was taken", names[i]);
        buf_fini(&b);
    }
    struct buf b; /* a name with a NUL inside */
    uint8_t hash[SECURE_HASH_BYTES] = {0};
    begin(&b, 1);
    add_header(&b, "a\0b", 3, 0700, 0, hash);
    assert_int_equal(try(&b, b.len, NULL, NULL), ERR_PROTO);
    buf_fini(&b);
    assert_int_equal(count_files(), 0);
}

static void test_every_cut_is_noticed_and_leaves_nothing(void **state)
{
    (void)state;
    struct buf b;
    begin(&b, 2);
    add_file(&b, "helper", 0700, "the bytes of a helper");
    add_self(&b);
    for (size_t len = 0; len < b.len; len++) {
        struct err e;
        assert_int_equal(try(&b, len, NULL, &e), ERR_PROTO);
        assert_int_equal(count_files(), 0);
    }
    buf_fini(&b);
}

static void test_bundles_that_lie(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    uint8_t hash[SECURE_HASH_BYTES] = {0};

    begin(&b, 2); /* other bytes than the hash says */
    add_self(&b);
    add_file(&b, "helper", 0700, "good");
    b.data[b.len - 1] = '!';
    assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
    assert_non_null(strstr(e.text, "helper"));
    buf_fini(&b);

    begin(&b, 1); /* another agent than the one that reads */
    add_header(&b, "aolani-agent", 12, 0700, 5, hash);
    assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
    buf_fini(&b);

    begin(&b, 1); /* no agent */
    add_file(&b, "helper", 0700, "good");
    assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
    buf_fini(&b);

    begin(&b, 3); /* twice */
    add_self(&b);
    add_file(&b, "helper", 0700, "good");
    add_file(&b, "helper", 0700, "better");
    assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
    buf_fini(&b);

    begin(&b, 1); /* larger than any program */
    add_header(&b, "helper", 6, 0700, UINT64_MAX, hash);
    assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
    buf_fini(&b);

    uint32_t counts[] = {0, UNPACK_FILES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        begin(&b, counts[i]);
        add_self(&b);
        assert_int_equal(try(&b, b.len, NULL, &e), ERR_PROTO);
        buf_fini(&b);
    }
    assert_int_equal(count_files(), 0);
}

static void age(const char *path, unsigned days)
{
    struct timespec t = {.tv_sec = time(NULL) - (time_t)days * 86400};
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){t, t}, 0), 0);
}

static void write_file(const char *name, const char *text, unsigned age_days)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        (void)mkdir(path, 0700);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
    age(path, age_days);
}

static ino_t inode(const char *name)
{
    char path[200];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* On NFS, who runs a file that is renamed over loses it. */
static void test_a_good_file_stays_a_bad_one_goes(void **state)
{
    (void)state;
    static const struct {
        const char *there;
        mode_t mode;
        bool stays;
    } table[] = {
        {"good", 0700, true}, {"goof", 0700, false}, {"goo", 0700, false},
        {"", 0700, false},    {"good", 0600, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b;
        struct err e;
        char path[128], text[16] = "";
        write_file("helper", table[i].there, 0);
        (void)snprintf(path, sizeof path, "%s/helper", dir);
        assert_int_equal(chmod(path, table[i].mode), 0);
        ino_t was = inode("helper");
        begin(&b, 2);
        add_self(&b);
        add_file(&b, "helper", 0700, "good");
        assert_int_equal(try(&b, b.len, NULL, &e), 0);
        if ((inode("helper") == was) != table[i].stays)
            fail_msg("row %zu: the file was %s", i, table[i].stays ? "lost" : "kept");
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_int_equal(fread(text, 1, sizeof text - 1, f), 4);
        fclose(f);
        assert_string_equal(text, "good");
        assert_int_equal(count_files(), 1);
        assert_int_equal(unlink(path), 0);
        buf_fini(&b);
    }
}

static void test_the_cache_is_pruned(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned days;
        bool stays;
    } table[] = {
        {"0123456789abcdef/aolani-agent", 0, true},
        {"0123456789abcde0/aolani-agent", CACHE_UNUSED_DAYS - 1, true},
        {"0123456789abcde1/aolani-agent", CACHE_UNUSED_DAYS + 1, false},
        {"0123456789abcde1/aolani-pmix", CACHE_UNUSED_DAYS + 1, false},
        {"0123456789abcde2/.agent.broken", CACHE_UNUSED_DAYS + 1,
         true}, /* its folder is new */
        {"0123456789abcdef/.agent.1", CACHE_BROKEN_DAYS + 1, false},
        {"0123456789abcdef/.agent.2", 0, true},
        {"0123456789abcde4/results.bin", CACHE_UNUSED_DAYS + 1, true},  /* nor this */
        {"0123456789ABCDEF/aolani-agent", CACHE_UNUSED_DAYS + 1, true}, /* not ours */
        {"something/aolani-agent", CACHE_UNUSED_DAYS + 1, true},
        {"aolani-agent", CACHE_UNUSED_DAYS + 1, true},
    };
    char old[100], own[100], outside[] = "/tmp/aolani-unpack-outside-XXXXXX", link[100];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        write_file(table[i].name, "x", table[i].days);
    /* A folder that is old itself, as the user's may be where AOLANI_CACHE is shared. */
    (void)snprintf(old, sizeof old, "%s/0123456789abcde4", dir);
    age(old, CACHE_UNUSED_DAYS + 1);
    (void)snprintf(old, sizeof old, "%s/0123456789abcde5", dir);
    assert_int_equal(mkdir(old, 0700), 0);
    age(old, CACHE_UNUSED_DAYS + 1);
    assert_non_null(mkdtemp(outside));
    (void)snprintf(link, sizeof link, "%s/0123456789abcde3", dir);
    assert_int_equal(symlink(outside, link), 0);
    (void)snprintf(own, sizeof own, "%s/0123456789abcdef", dir);
    cache_prune(own);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if ((inode(table[i].name) != 0) != table[i].stays)
            fail_msg("%s is%s there", table[i].name, table[i].stays ? " not" : "");
    }
    assert_int_equal(access(old, F_OK), -1); /* empty: nobody misses it */
    assert_int_equal(rmdir(outside), 0);
    cache_prune("/"); /* and what is no cache at all */
    cache_prune("");
    cache_prune("relative");
    assert_int_equal(folders_remove_tree(dir, NULL), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_a_folder_of_others_is_refused(void **state)
{
    (void)state;
    struct buf b;
    struct err e;
    begin(&b, 1);
    add_self(&b);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_int_equal(try(&b, b.len, NULL, &e), -EPERM);
    assert_int_equal(chmod(dir, 0700), 0);
    buf_fini(&b);
}

/* ---- the bootstrap, which comes over the same input ---- */

static int read_boot(const void *bytes, size_t len, Aolani__Boot **ret)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], bytes, len), len);
    close(p[1]);
    int rc = bootstrap_read(p[0], 0, ret, NULL);
    close(p[0]);
    return rc;
}

static void test_bootstrap(void **state)
{
    (void)state;
    static uint8_t key[33], run[9];
    static const struct {
        size_t run_len, key_len;
        uint32_t node, n_nodes, port;
        int rc;
    } table[] = {
        {8, 32, 0, 1, 0, 0},
        {8, 32, 15, 16, 65535, 0},
        {7, 32, 0, 1, 0, ERR_PROTO},
        {9, 32, 0, 1, 0, ERR_PROTO},
        {8, 31, 0, 1, 0, ERR_PROTO},
        {8, 33, 0, 1, 0, ERR_PROTO},
        {8, 0, 0, 1, 0, ERR_PROTO},
        {8, 32, 1, 1, 0, ERR_PROTO},
        {8, 32, 0, 0, 0, ERR_PROTO},
        {8, 32, 0, 1u << 31, 0, ERR_PROTO},
        {8, 32, 0, 1, 65536, ERR_PROTO},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Aolani__Boot m = AOLANI__BOOT__INIT, *got = NULL;
        m.run_id.data = run;
        m.run_id.len = table[i].run_len;
        m.key.data = key;
        m.key.len = table[i].key_len;
        m.node_index = table[i].node;
        m.n_nodes = table[i].n_nodes;
        m.head_port = table[i].port;
        uint8_t bytes[256] = "AOLB";
        size_t len = aolani__boot__pack(&m, bytes + 8);
        put_u32(bytes + 4, (uint32_t)len);
        assert_int_equal(read_boot(bytes, len + 8, &got), table[i].rc);
        if (table[i].rc == 0) {
            assert_int_equal(got->node_index, table[i].node);
            assert_true(got->lease_ms > 0);
            bootstrap_free(got);
        }
        assert_int_equal(read_boot(bytes, len + 7, &got), ERR_PROTO);
    }
    Aolani__Boot *got;
    assert_int_equal(read_boot("AOLBxxxx", 8, &got), ERR_PROTO); /* a huge length */
    assert_int_equal(read_boot("AOLC\1\0\0\0x", 9, &got), ERR_PROTO);
    assert_int_equal(read_boot("AOLB\2\0\0\0\377\377", 10, &got), ERR_PROTO);
    bootstrap_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_bundle),
        cmocka_unit_test(test_names_that_are_not_allowed),
        cmocka_unit_test(test_every_cut_is_noticed_and_leaves_nothing),
        cmocka_unit_test(test_bundles_that_lie),
        cmocka_unit_test(test_a_good_file_stays_a_bad_one_goes),
        cmocka_unit_test(test_the_cache_is_pruned),
        cmocka_unit_test(test_a_folder_of_others_is_refused),
        cmocka_unit_test(test_bootstrap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
