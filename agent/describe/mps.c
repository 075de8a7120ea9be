/* SPDX-License-Identifier: MIT */
/* mps.c - see mps.h. The control daemon makes "control" and a file with its process id in
 * its pipe folder. The files of one that died stay, so the process is looked for; the
 * kernel cuts its name to 15 letters. */
#include "agent/describe/mps.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"
#include "agent/describe/sysfs.h"

#define DEFAULT_PIPES "/tmp/nvidia-mps"
#define NAME          "nvidia-cuda-mps"

static bool is_mps(const char *proc, const char *pid)
{
    char file[300], name[64];
    (void)snprintf(file, sizeof file, "%s/comm", pid);
    return sysfs_read(proc, file, name, sizeof name) && strcmp(name, NAME) == 0;
}

static bool is_running(const char *proc, const char *pipes)
{
    char pid[32];
    if (sysfs_read(pipes, "nvidia-cuda-mps-control.pid", pid, sizeof pid) &&
        isdigit((unsigned char)*pid) && is_mps(proc, pid))
        return true;
    DIR *d = opendir(proc);
    bool found = false;
    for (const struct dirent *at; d && !found && (at = readdir(d));)
        found = isdigit((unsigned char)at->d_name[0]) && is_mps(proc, at->d_name);
    if (d)
        (void)closedir(d);
    return found;
}

int mps_annotate(Aolani__Topology *t, const char *proc, const char *pipes,
                 struct err *e)
{
    char control[4096];
    struct stat st;
    if (!pipes || !*pipes)
        pipes = DEFAULT_PIPES;
    (void)snprintf(control, sizeof control, "%s/control", pipes);
    if (gpulist_count(t, GPULIST_NVIDIA) == 0 || stat(control, &st) < 0)
        return 0;
    t->mps = is_running(proc, pipes);
    int rc = t->mps
                 ? msg_note(t,
                            "an MPS control daemon serves the GPUs (\"%s\"): programs "
                            "may be seen on them as its server",
                            pipes)
                 : msg_note(t,
                            "\"%s\" is of an MPS control daemon that cannot be seen "
                            "from here: CUDA programs may fail until it is removed, "
                            "if that daemon has ended",
                            pipes);
    return rc < 0 ? err_sys(e, rc, "cannot describe this node's MPS daemon") : 0;
}
