/* SPDX-License-Identifier: MIT */
/* aolani-agent - what runs on a node. Started by aolani-run, by ssh or directly; people
 * have no use for it but --version. */
#include "agent/bootstrap.h"
#include "agent/cache.h"
#include "agent/keeper.h"
#include "agent/node.h"
#include "agent/unpack.h"
#include "agent/words.h"
#include "proto/base/log.h"
#include "proto/wire/secure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAIN_OOM_SCORE "-500"

static const char main_usage[] =
    "usage: aolani-agent --stdio [SKIP]  run a node's part of a job; started by "
    "aolani-run\n"
    "       aolani-agent --unpack DIR    store a bundle from standard input in DIR\n"
    "       aolani-agent --version | --help\n";

/* libuv asks for the user's name in a function that nothing here calls. The C library's
 * answer would load the node's name service into a static program; this one is ours. */
int getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, struct passwd **ret)
{
    (void)uid;
    (void)pw;
    (void)buf;
    (void)len;
    *ret = NULL;
    return ENOSYS;
}

static int main_write(const char *text)
{
    size_t len = strlen(text);
    return write(STDOUT_FILENO, text, len) == (ssize_t)len ? 0 : -EIO;
}

/* Standard input and output become the channel, unless others have the same ones; a stray
 * read or print by anything in this program then meets /dev/null and the words. */
static int main_take_channel(bool shared, int *ret_in, int *ret_out, struct err *e)
{
    int in = shared ? -1 : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int out = shared ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if ((!shared && (in < 0 || out < 0)) || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_sys(e, -errno, "take over the standard streams");
    close(null);
    *ret_in = in;
    *ret_out = out;
    return 0;
}

/* When memory runs out the kernel shall take a rank, whose exit we then tell, not who would
 * tell it. Only root may ask for that; the keeper inherits it, ranks are raised. */
static void main_lower_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, MAIN_OOM_SCORE, strlen(MAIN_OOM_SCORE));
    (void)n;
    close(fd);
}

static int main_stdio(uint64_t skip, struct err *e)
{
    Aolani__Boot *boot = NULL;
    int in = -1, out = -1;
    (void)signal(SIGPIPE, SIG_IGN);
    cache_note_use();
    if (main_write("AOLANI-READY " AOLANI_VERSION "\n") < 0)
        return err_set(e, -EIO, "write to standard output");
    int rc = bootstrap_read(STDIN_FILENO, skip, &boot, e);
    if (rc == 0)
        rc = bootstrap_find_self(boot, getenv("SLURMD_NODENAME"), e);
    if (rc != 0) { /* an error, or a node that is not wanted any more */
        bootstrap_free(boot);
        return rc < 0 ? rc : 0;
    }
    if (boot->log_level <= LOG_DEBUG_)
        log_setup("aolani-agent", (enum log_level)boot->log_level, words_say, NULL);
    main_lower_oom_score();
    pid_t agent = keeper_fork(e);
    if (agent > 0) {
        char run_id[17];
        secure_hex(boot->run_id.data, boot->run_id.len, run_id);
        uint32_t node = boot->node_index;
        uint64_t lease_ms = boot->lease_ms;
        bootstrap_free(boot);
        keeper_run(agent, run_id, node, lease_ms);
    }
    rc = agent < 0 ? (int)agent : main_take_channel(boot->n_group > 0, &in, &out, e);
    if (rc == 0)
        rc = node_run(boot, in, out, e);
    bootstrap_free(boot);
    return rc;
}

static int main_unpack(const char *dir, struct err *e)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return err_sys(e, -errno, "find this program's file");
    self[n] = '\0';
    int rc = unpack(STDIN_FILENO, dir, self, e);
    if (rc == 0 && main_write("AOLANI-UNPACKED\n") < 0)
        rc = err_set(e, -EIO, "write to standard output");
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    int rc;
    log_setup("aolani-agent", LOG_NOTE_, words_say, NULL);
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "--version") == 0)
        return main_write("aolani-agent " AOLANI_VERSION "\n") < 0;
    if (strcmp(verb, "--help") == 0)
        return main_write(main_usage) < 0;
    bool stdio = strcmp(verb, "--stdio") == 0 && argc <= 3;
    if (!stdio && !(strcmp(verb, "--unpack") == 0 && argc == 3)) {
        (void)fputs(main_usage, stderr);
        return 2;
    }
    rc = secure_init(&e);
    if (rc == 0)
        rc = stdio ? main_stdio(argc == 3 ? strtoull(argv[2], NULL, 10) : 0, &e)
                   : main_unpack(argv[2], &e);
    if (rc < 0)
        log_err(&e);
    return rc < 0;
}
