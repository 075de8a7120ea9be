/* SPDX-License-Identifier: MIT */
/* readback_users.c - see readback_users.h. */
#include "agent/readback_users.h"

#include "agent/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USERS_ENVIRON (256u << 10) /* the mark is put in first or last by no rule */
#define USERS_INITIAL "pid:[4026531836]" /* PROC_PID_INIT_INO of Linux */
#define USERS_MPS     "nvidia-cuda-mps"  /* -server; the kernel keeps 15 bytes */

static size_t users_take_gpu(const Aolani__GpuSample__Use *u,
                             struct readback_gpu_use *uses, size_t room)
{
    size_t n = u->n_processes < room ? u->n_processes : room;
    for (size_t i = 0; i < n; i++) {
        uses[i] = (struct readback_gpu_use){.pid = u->processes[i]->pid};
        (void)snprintf(uses[i].uuid, sizeof uses[i].uuid, "%.95s", u->uuid);
    }
    return n;
}

size_t readback_users_take(const Aolani__GpuSample *s, struct readback_gpu_use *uses)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_gpus; i++)
        n += users_take_gpu(s->gpus[i], uses + n, READBACK_USES - n);
    return n;
}

/* Of this run: of another rank, another node that is simulated here, or the agent's own. */
static bool users_has_mark(pid_t pid, const char *run_id)
{
    char path[64], mark[64];
    char *text = malloc(USERS_ENVIRON);
    bool found = false;
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int n = snprintf(mark, sizeof mark, "AOLANI_MARK=%.32s.", run_id);
    ssize_t len = text ? proc_read_file(path, text, USERS_ENVIRON) : 0;
    for (ssize_t at = 0; at < len && !found; at += (ssize_t)strlen(text + at) + 1)
        found = strncmp(text + at, mark, (size_t)n) == 0;
    free(text);
    return found;
}

static enum readback_user users_who(struct readback_gpu_use *u,
                                    const struct readback_walk *w, const char *run_id,
                                    bool same_pids)
{
    struct proc_stat st;
    u->owner = readback_walk_owner(w, u->pid);
    bool there = u->pid > 0 && proc_stat_read(u->pid, &st) == 0;
    if (there)
        (void)snprintf(u->name, sizeof u->name, "%s", st.name);
    if (there && u->owner >= 0)
        return READBACK_RANK;
    if (!there || !same_pids)
        return READBACK_HIDDEN;
    if (strncmp(st.name, USERS_MPS, sizeof USERS_MPS - 1) == 0)
        return READBACK_MPS;
    if (proc_user(u->pid) != (int64_t)getuid())
        return READBACK_FOREIGN;       /* all of the job are ours */
    if (proc_has_stuck_thread(u->pid)) /* who reads its environment may wait with it */
        return READBACK_HIDDEN;
    return users_has_mark(u->pid, run_id) ? READBACK_JOB : READBACK_FOREIGN;
}

void readback_users_tell(struct readback_gpu_use *uses, size_t n,
                         const struct readback_walk *w, const char *run_id,
                         bool same_pids)
{
    for (size_t i = 0; i < n; i++)
        uses[i].user = users_who(&uses[i], w, run_id, same_pids);
}

bool readback_users_same_pids(void)
{
    char text[64];
    ssize_t n = readlink("/proc/self/ns/pid", text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return strcmp(text, USERS_INITIAL) == 0;
}
