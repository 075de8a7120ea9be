/* SPDX-License-Identifier: MIT */
/* rankhost_bench.c - what a rank costs its agent that reads ten times a second what the host
 * gives to it: CPU time of a reading and of a look for its threads, on a process of 200
 * threads, of which 4 work. Prints a row each; the last column is the share of one core for 8
 * ranks. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "agent/rankhost.h"
#include "agent/rankproc.h"

enum { THREADS = 200, BUSY = 4, READINGS = 500, LOOKS = 30, RANKS = 8 };

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *thread(void *busy)
{
    for (;;) {
        uint64_t until = clock_of(CLOCK_MONOTONIC) + 1000000;
        while (busy && clock_of(CLOCK_MONOTONIC) < until)
            ;
        (void)usleep(busy ? 20000 : 10000000);
    }
    return NULL;
}

static pid_t start_rank(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (intptr_t i = 1; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, thread, i < BUSY ? &i : NULL))
            _exit(1);
    }
    (void)thread(&pid);
    _exit(0);
}

/* Microseconds of CPU each. */
static double measure(struct rankproc *p, struct rankhost *h, int n, bool looks,
                      uint32_t *ret_threads)
{
    struct rankhost_reading r;
    uint64_t took = 0, skip = 0;
    for (int i = 0; i < n; i++) {
        skip += looks ? 3600000000000u : 0;
        (void)usleep(2000);
        uint64_t from = clock_of(CLOCK_THREAD_CPUTIME_ID);
        if (rankproc_read(p, clock_of(CLOCK_MONOTONIC) + skip, &r))
            rankhost_add(h, &r);
        took += clock_of(CLOCK_THREAD_CPUTIME_ID) - from;
        *ret_threads = r.n;
    }
    return (double)took / n / 1000;
}

int main(void)
{
    static struct rankhost h;
    struct rankproc *p;
    uint32_t n;
    pid_t pid = start_rank();
    struct rankproc_config c = {.root = "", .pid = pid};
    if (pid < 0 || rankproc_create(&c, &p) < 0)
        return 1;
    (void)usleep(300000);
    (void)measure(p, &h, 2, false, &n);
    double once = measure(p, &h, READINGS, false, &n), reading = once;
    printf("%-44s %u threads %7.1f us  %.4f %%\n", "a reading, 10 a second", n, once,
           once * 10 * RANKS / 1e4);
    once = measure(p, &h, LOOKS, true, &n) - reading;
    double every_s = once * RANKPROC_LOOK_PART / 1e6;
    if (every_s < RANKPROC_LOOK_NS / 1e9)
        every_s = RANKPROC_LOOK_NS / 1e9;
    printf("%-44s %u threads %7.1f us  %.4f %%  every %.1f s\n",
           "a look for its process and threads", THREADS, once,
           once / every_s * RANKS / 1e4, every_s);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    rankproc_destroy(p);
    return 0;
}
