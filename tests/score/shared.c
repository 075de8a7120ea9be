/* SPDX-License-Identifier: MIT */
/* shared - see the header. Nothing here polls: a process that wakes up now and then to look
 * is a disturbance of its own kind, and it would be found. */
#include "tests/score/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *const what_names[WHAT_N] = {"stop", "blocked", "work",
                                               "hog",  "quota",   "faults"};

void die(const char *what, const char *object)
{
    fprintf(stderr, "score: %s \"%s\": %s\n", what, object, strerror(errno));
    exit(1);
}

struct shared *shared_map(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        die("open", path);
    if (st.st_size < (off_t)sizeof(struct shared)) {
        errno = EINVAL;
        die("map", path);
    }
    void *at =
        mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        die("map", path);
    close(fd);
    return at;
}

static bool event_parse(const char *line, struct event *ret)
{
    char name[16];
    if (sscanf(line, "%" SCNu64 " %15s %" SCNu32 " %" SCNu64, &ret->at_us, name,
               &ret->rank, &ret->size_us) != 4 ||
        ret->rank >= SCORE_RANKS || ret->size_us > 1000000)
        return false;
    for (int w = 0; w < WHAT_N; w++)
        if (strcmp(name, what_names[w]) == 0) {
            ret->what = (enum what)w;
            return true;
        }
    return false;
}

size_t schedule_read(const char *path, struct event ret[SCORE_EVENTS])
{
    char line[128];
    size_t n = 0;
    FILE *f = fopen(path, "re");
    if (!f)
        die("open", path);
    while (n < SCORE_EVENTS && fgets(line, sizeof line, f)) {
        if (!event_parse(line, &ret[n])) {
            errno = EINVAL;
            die("read the schedule", path);
        }
        n++;
    }
    fclose(f);
    return n;
}

void oracle_write(const char *prefix, const char *name, const struct done *d, size_t n)
{
    char path[SCORE_PATH];
    snprintf(path, sizeof path, "%s.%s", prefix, name);
    FILE *f = fopen(path, "we");
    if (!f)
        die("make", path);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%" PRIu64 " %" PRIu64 " %s %" PRIu32 " %.1f\n", d[i].from_ns,
                d[i].to_ns, what_names[d[i].what], d[i].rank, d[i].size_us);
    if (fclose(f) != 0)
        die("write", path);
}

static uint64_t clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

void sleep_until(uint64_t at_ns)
{
    struct timespec t = {.tv_sec = (time_t)(at_ns / 1000000000u),
                         .tv_nsec = (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

void wait_while(_Atomic uint32_t *word, uint32_t value)
{
    if (atomic_load(word) == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, SCORE_RANKS, NULL, NULL, 0);
}
