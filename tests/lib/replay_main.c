/* SPDX-License-Identifier: MIT */
/* replay_main.c - gives each file named on the command line to a fuzz target once; stands
 * in for libFuzzer where there is no clang, so that the corpus is replayed everywhere. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return -1;
    }
    uint8_t *data = malloc(INPUT_MAX);
    size_t n = data ? fread(data, 1, INPUT_MAX, f) : 0;
    int failed = !data || ferror(f);
    fclose(f);
    /* Exactly n bytes, so that AddressSanitizer sees the first byte read past the end. */
    uint8_t *exact = failed ? NULL : malloc(n ? n : 1);
    if (exact) {
        for (size_t i = 0; i < n; i++)
            exact[i] = data[i];
        printf("%s\n", path);
        fflush(stdout);
        LLVMFuzzerTestOneInput(exact, n);
    }
    failed = failed || !exact;
    free(exact);
    free(data);
    return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i]) < 0)
            return 2;
    }
    return 0;
}
