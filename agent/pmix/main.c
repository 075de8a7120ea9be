/* SPDX-License-Identifier: MIT */
/* main.c - aolani-pmix: serves PMIx to the ranks of one node, for the agent at the other
 * end of descriptor 3. Not for users. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/pmix/server.h"
#include "proto/base/log.h"

enum { AGENT_FD = 3, END_WITHIN_S = 5 };

extern char **environ;

/* We may ourselves stand in a job of another PMIx server, whose words are not for our
 * ranks. The user's settings of the library stay, and ours come where there is none. */
static int clean_environment(void)
{
    char name[256];
    for (size_t i = 0; environ[i];) {
        size_t len = strcspn(environ[i], "=");
        bool ours =
            !strncmp(environ[i], "PMIX_", 5) && strncmp(environ[i], "PMIX_MCA_", 9);
        if (!ours || len >= sizeof name) {
            i++;
            continue;
        }
        memcpy(name, environ[i], len);
        name[len] = '\0';
        if (unsetenv(name)) /* moves the rest up: i stays */
            return -errno;
    }
    /* Job data by message, not by shared files: nothing is left on disk when we are
     * killed. Peers prove themselves by uid, no daemon needed. */
    if (setenv("PMIX_MCA_gds", "hash", 0) || setenv("PMIX_MCA_psec", "native", 0))
        return -errno;
    /* The library looks at the whole machine and needs its CPUs alone: devices take most
     * of the time, and drivers of GPUs are woken up. */
    if (setenv("HWLOC_COMPONENTS",
               "-pci,-linuxio,-gl,-opencl,-cuda,-nvml,-rsmi,-levelzero", 0))
        return -errno;
    return 0;
}

/* Not to outlive the agent; it may already have gone before this took effect. */
static int tie_to_parent(void)
{
    pid_t parent = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

/* A descriptor for each rank, and more in the library. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct loop *loop = NULL;
    struct server *server = NULL;
    struct err e = {0};
    (void)argv;
    log_setup("aolani-pmix", LOG_NOTE_, NULL, NULL);
    if (argc > 1 || fcntl(AGENT_FD, F_GETFD) < 0) {
        log_error("started by aolani-agent, not by hand");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    /* Slurm sends it to every process of a step: ranks that save need us meanwhile. The
     * agent ends us by its own end. */
    (void)signal(SIGTERM, SIG_IGN);
    raise_limit();
    int rc = tie_to_parent();
    if (!rc)
        rc = clean_environment();
    if (rc)
        err_sys(&e, rc, "prepare the process");
    if (!rc)
        rc = loop_create(&loop, &e);
    if (!rc)
        rc = server_create(loop, AGENT_FD, &server, &e);
    if (!rc)
        loop_run(loop);
    else
        log_err(&e);
    /* The library has been seen to wait for ever for threads of its own. */
    (void)alarm(END_WITHIN_S);
    server_destroy(server);
    loop_destroy(loop);
    return rc ? 1 : 0;
}
