/* SPDX-License-Identifier: MIT */
/* client_bench.c - nanoseconds that marking one step costs a rank: without a job,
 * plain, and with waits. Built and run by client.sh. Prints one "name value unit" line
 * each. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/client/aolani.h"
#include "proto/wire/steprec.h"

enum { ROUNDS = 20, STEPS = 2000 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void drain(struct ring *r)
{
    static uint8_t out[RING_RECORDS][STEPREC_BYTES];
    if (r)
        ring_pop(r, out, RING_RECORDS, NULL);
}

/* The best of the rounds: the others measured the machine's other business. */
static double ns_per_step(struct ring *r, unsigned waits)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t from = now_ns();
        for (uint64_t s = 0; s < STEPS; s++) {
            aolani_step_begin(s);
            for (unsigned w = 0; w < waits; w++) {
                aolani_wait_begin();
                aolani_wait_end();
            }
            aolani_step_end();
        }
        uint64_t took = now_ns() - from;
        best = took < best ? took : best;
        drain(r);
    }
    return (double)best / STEPS;
}

static struct ring *ring_make(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)RING_BYTES) < 0)
        return NULL;
    void *at = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return NULL;
    ring_init(at);
    return at;
}

int main(void)
{
    char path[] = "/dev/shm/aolani-bench-XXXXXX";
    unsetenv("AOLANI_STEP_PATH");
    fflush(stdout);
    pid_t pid = fork(); /* what is tried once stays tried: the unmarked case apart */
    if (pid == 0) {
        printf("client_step_outside_job %.1f ns\n", ns_per_step(NULL, 1));
        return 0;
    }
    waitpid(pid, NULL, 0);

    if (!mkdtemp(path))
        return 1;
    char file[64];
    snprintf(file, sizeof file, "%s/ring", path);
    struct ring *r = ring_make(file);
    setenv("AOLANI_STEP_PATH", file, 1);
    setenv("RANK", "0", 1);
    if (r) {
        printf("client_step %.0f ns\n", ns_per_step(r, 0));
        printf("client_step_1_wait %.0f ns\n", ns_per_step(r, 1));
        printf("client_step_100_waits %.0f ns\n", ns_per_step(r, 100));
    }
    unlink(file);
    rmdir(path);
    return r ? 0 : 1;
}
