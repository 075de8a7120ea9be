/* SPDX-License-Identifier: MIT */
/* What earlier audits found: written, read, kept short, and not believed blindly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/audit/history.h"
#include "tests/lib/tree.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/aolani-history-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[PATH_MAX];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)remove(path); /* also a folder, if empty */
    }
    if (d)
        closedir(d);
    return rmdir(folder);
}

/* An audit of two nodes, whose pairs may have been measured; remarks of the first. */
static void audit_once(unsigned id, bool paired, bool measured, bool link, bool noisy)
{
    static Aolani__AuditFindings found = AOLANI__AUDIT_FINDINGS__INIT;
    static Aolani__AuditMeasured numbers = AOLANI__AUDIT_MEASURED__INIT;
    struct audit_node nodes[2] = {{.host = "gpu-014", .found = &found},
                                  {.host = "gpu-015", .found = &found}};
    struct audit_remark remarks[2];
    struct audit_pair pair = {.a = 0, .b = 1};
    struct audit a = {
        .nodes = nodes, .n = 2, .remarks = remarks, .t_real_s = 1790000000};
    struct err e;
    (void)snprintf(a.id, sizeof a.id, "%016x", id);
    nodes[0].measured = nodes[1].measured = measured ? &numbers : NULL;
    a.pairs = paired ? &pair : NULL;
    a.n_pairs = paired;
    if (noisy)
        remarks[a.n_remarks++] = (struct audit_remark){.kind = REMARK_NOISY};
    if (link)
        remarks[a.n_remarks++] = (struct audit_remark){.kind = REMARK_LINK};
    if (history_write(folder, &a, &e) < 0)
        fail_msg("%s", e.text);
}

static void read_past(const char *id, struct audit_past ret[2])
{
    struct audit_node nodes[2] = {{.host = "gpu-014"}, {.host = "gpu-015"}};
    struct audit a = {.nodes = nodes, .n = 2};
    struct err e;
    (void)snprintf(a.id, sizeof a.id, "%s", id);
    if (history_read(folder, &a, &e) < 0)
        fail_msg("%s", e.text);
    ret[0] = a.past[0];
    ret[1] = a.past[1];
    free(a.past);
}

static void test_slow_in_three_of_four(void **state)
{
    (void)state;
    struct audit_past p[2];
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits, 0);
    audit_once(1, true, true, true, false);
    audit_once(2, true, true, true, true);
    audit_once(3, true, true, false, false);
    audit_once(4, true, true, true, false);
    audit_once(5, false, false, false, false); /* could have found neither */
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits, 5);
    assert_int_equal(p[0].of[REMARK_LINK], 4);
    assert_int_equal(p[0].with[REMARK_LINK], 3);
    assert_int_equal(p[0].of[REMARK_NOISY], 4);
    assert_int_equal(p[0].with[REMARK_NOISY], 1);
    assert_int_equal(p[0].of[REMARK_DIFFERS], 5);
    assert_int_equal(p[1].audits, 5);
    assert_int_equal(p[1].with[REMARK_LINK], 0);
    /* An audit that was written already is none before itself. */
    read_past("0000000000000004", p);
    assert_int_equal(p[0].audits, 4);
    assert_int_equal(p[0].with[REMARK_LINK], 2);
}

static void test_the_last_are_kept(void **state)
{
    (void)state;
    struct audit_past p[2];
    char path[128];
    struct stat st;
    for (unsigned i = 0; i < HISTORY_KEPT + 7; i++)
        audit_once(100 + i, true, true, i < 7, false);
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits, HISTORY_KEPT);
    assert_int_equal(p[0].with[REMARK_LINK], 0);
    (void)snprintf(path, sizeof path, "%s/gpu-014.json", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(st.st_size < 8192);
}

static void test_what_is_no_line_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        uint32_t audits, links;
    } cases[] = {
        {"nothing", "", 0, 0},
        {"no JSON", "hello\n\n{\n[]\n\"x\"\n7\n", 0, 0},
        {"no id", "{\"remarks\":[\"link\"],\"paired\":true}\n", 0, 0},
        {"remarks are no list", "{\"id\":\"a\",\"remarks\":\"link\",\"paired\":true}\n",
         0, 0},
        {"remarks of a later version, and nonsense",
         "{\"id\":\"a\",\"remarks\":[\"odour\",7,null,\"link\"],\"paired\":true}\n", 1,
         1},
        {"pairs were not measured",
         "{\"id\":\"a\",\"remarks\":[\"link\"],\"paired\":1}\n", 1, 0},
        {"the last line was cut",
         "{\"id\":\"a\",\"remarks\":[\"link\"],\"paired\":true}\n{\"id\":\"b\",\"rem",
         1, 1},
        {"a key twice", "{\"id\":\"a\",\"id\":\"b\",\"remarks\":[]}\n", 0, 0},
        {"no UTF-8", "{\"id\":\"\xff\",\"remarks\":[]}\n", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audit_past p[2];
        tree_put(folder, "gpu-014.json", cases[i].text);
        read_past("00000000000000ff", p);
        if (p[0].audits != cases[i].audits || p[0].with[REMARK_LINK] != cases[i].links)
            fail_msg("%s: %u audits, %u slow", cases[i].name, p[0].audits,
                     p[0].with[REMARK_LINK]);
    }
    /* And the next audit makes a sound file of it. */
    struct audit_past p[2];
    audit_once(1, true, true, true, false);
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits, 1);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    struct audit_past p[2];
    char path[128], big[70000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    tree_put(folder, "gpu-014.json", big);
    (void)snprintf(path, sizeof path, "%s/gpu-015.json", folder);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it must not wait */
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits + p[1].audits, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("gpu-014.json", path), 0);
    read_past("00000000000000ff", p);
    assert_int_equal(p[1].audits, 0);
}

/* One whose file cannot be written costs the others nothing; a link is no file of ours. */
static void test_one_that_cannot_be_kept(void **state)
{
    (void)state;
    static Aolani__AuditFindings found = AOLANI__AUDIT_FINDINGS__INIT;
    struct audit_node nodes[3] = {{.host = "gpu-013", .found = &found},
                                  {.host = "gpu-014", .found = &found},
                                  {.host = "gpu-015", .found = &found}};
    struct audit a = {.nodes = nodes, .n = 3, .id = "0000000000000001"};
    struct audit_past p[2];
    struct err e;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/gpu-013.json", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/gpu-014.json", folder);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(history_write(folder, &a, &e), -EISDIR);
    assert_non_null(strstr(e.text, "\"gpu-013\""));
    read_past("00000000000000ff", p);
    assert_int_equal(p[0].audits, 1);
    assert_int_equal(p[1].audits, 1);
}

/* Whatever a node is called, its file lies in the folder, and is no other's. */
static void test_names_of_files(void **state)
{
    (void)state;
    char longer[2][256];
    memset(longer, 'n', sizeof longer);
    longer[0][254] = 'a';
    longer[0][255] = longer[1][255] = '\0';
    char *hosts[] = {"../../etc/passwd", "..",      ".",       "a/b", "a%2Fb", "a b\n",
                     longer[0],          longer[1], "\xc3\xa4"};
    enum { N = sizeof hosts / sizeof *hosts };
    struct audit_node nodes[N] = {{0}};
    struct audit a = {.nodes = nodes, .n = N, .id = "0000000000000001"};
    struct err e;
    for (size_t i = 0; i < N; i++)
        nodes[i].host = hosts[i];
    if (history_write(folder, &a, &e) < 0)
        fail_msg("%s", e.text);
    size_t files = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *x; (x = readdir(d));)
        files += strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0;
    closedir(d);
    assert_int_equal(files, N);
}

static void test_no_folder(void **state)
{
    (void)state;
    struct audit a = {.id = "1"};
    struct err e;
    assert_int_equal(history_read("/nowhere/at/all", &a, &e), -ENOENT);
    assert_non_null(strstr(e.text, "\"/nowhere/at/all\""));
    assert_int_equal(history_write("/nowhere/at/all", &a, &e), -ENOENT);
}

static void test_where_the_folder_is(void **state)
{
    (void)state;
    char state_home[96], want[160], *got = NULL;
    struct err e;
    struct stat st;
    (void)snprintf(state_home, sizeof state_home, "%s/state", folder);
    setenv("XDG_STATE_HOME", state_home, 1);
    assert_int_equal(history_folder(&got, &e), 0);
    (void)snprintf(want, sizeof want, "%s/aolani/audits", state_home);
    assert_string_equal(got, want);
    assert_int_equal(stat(got, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rmdir(got), 0);
    free(got);
    (void)snprintf(want, sizeof want, "%s/aolani", state_home);
    assert_int_equal(rmdir(want), 0);
    /* Not absolute: as if it were not there. */
    setenv("XDG_STATE_HOME", "state", 1);
    unsetenv("HOME");
    got = NULL;
    assert_int_equal(history_folder(&got, &e), -ENOENT);
    assert_null(got);
    assert_true(*e.hint);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(test_slow_in_three_of_four),
        T(test_the_last_are_kept),
        T(test_what_is_no_line_is_left_out),
        T(test_files_that_are_none),
        T(test_one_that_cannot_be_kept),
        T(test_names_of_files),
        T(test_no_folder),
        T(test_where_the_folder_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
