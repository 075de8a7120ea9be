/* SPDX-License-Identifier: MIT */
/* sysvleft.c - see sysvleft.h. */
#include "agent/sysvleft.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

bool sysvleft_parse(const char *line, struct sysvleft *ret)
{
    long key, id, maker;
    unsigned long long bytes, attached;
    unsigned uid, maker_uid;
    long long changed;
    /* key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime */
    int got = sscanf(line, "%ld %ld %*o %llu %ld %*d %llu %u %*u %u %*u %*d %*d %lld",
                     &key, &id, &bytes, &maker, &attached, &uid, &maker_uid, &changed);
    if (got != 8)
        return false;
    *ret = (struct sysvleft){.id = (int)id,
                             .bytes = bytes,
                             .maker = (pid_t)maker,
                             .attached = attached,
                             .uid = uid,
                             .maker_uid = maker_uid,
                             .changed = changed};
    return true;
}

static bool sysvleft_is_meant(const struct sysvleft *s, const pid_t *pids, size_t n,
                              int64_t since)
{
    bool ours = false;
    for (size_t i = 0; i < n; i++)
        ours = ours || pids[i] == s->maker;
    return ours && s->attached == 0 && s->changed >= since && s->uid == geteuid() &&
           s->maker_uid == geteuid();
}

void sysvleft_clear(const pid_t *pids, size_t n, int64_t since,
                    void (*removed)(void *arg, const struct sysvleft *s), void *arg)
{
    struct sysvleft s;
    struct shmid_ds now;
    char *line = NULL;
    size_t room = 0;
    FILE *f = n ? fopen("/proc/sysvipc/shm", "re") : NULL;
    while (f && getline(&line, &room, f) > 0) {
        if (!sysvleft_parse(line, &s) || !sysvleft_is_meant(&s, pids, n, since))
            continue;
        /* Asked again: the list may be old by now, and the number another's. */
        if (shmctl(s.id, IPC_STAT, &now) < 0 || now.shm_nattch > 0 ||
            now.shm_cpid != s.maker)
            continue;
        if (shmctl(s.id, IPC_RMID, NULL) == 0)
            removed(arg, &s);
    }
    free(line);
    if (f)
        (void)fclose(f);
}
