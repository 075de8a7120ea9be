/* SPDX-License-Identifier: MIT */
/* output_gen.c - a rank that writes many lines and measures itself; built by output.sh and
 * by the end-to-end tests of output.
 *
 * usage: output_gen MIB [TIMES]   lines of 80 bytes that name the rank and count up, through
 *                                 stdio as a program would; then the seconds that writing
 *                                 took go to the file TIMES.RANK
 *
 * The rank is what the launcher says (RANK, OMPI_COMM_WORLD_RANK), or the number in the
 * host's name: pdsh tells its programs nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 80 };

static unsigned rank_of_this(void)
{
    static const char *const names[] = {"RANK", "OMPI_COMM_WORLD_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *v = getenv(names[i]);
        if (v)
            return (unsigned)strtoul(v, NULL, 10);
    }
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    const char *digits = host + strcspn(host, "0123456789");
    return *digits ? (unsigned)strtoul(digits, NULL, 10) - 1 : 0;
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The counter in the line's own text, so that counting costs nothing beside writing. */
static void count_up(char *last)
{
    while (++*last > '9')
        *last-- = '0';
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    unsigned rank = rank_of_this();
    long n = (long)strtoul(argv[1], NULL, 10) * (1 << 20) / LINE;
    char line[LINE + 1], head[32];
    memset(line, '.', LINE);
    line[LINE - 1] = '\n';
    int len = snprintf(head, sizeof head, "rank %04u line %010u ", rank, 0u);
    memcpy(line, head, (size_t)len);
    double from = now();
    for (long i = 0; i < n; i++) {
        if (fwrite(line, LINE, 1, stdout) != 1)
            return 1;
        count_up(line + len - 2);
    }
    if (fflush(stdout))
        return 1;
    double took = now() - from;
    if (argc > 2) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s.%u", argv[2], rank);
        FILE *f = fopen(path, "w");
        if (!f || fprintf(f, "%.3f\n", took) < 0 || fclose(f))
            return 1;
    }
    return 0;
}
