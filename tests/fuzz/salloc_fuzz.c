/* SPDX-License-Identifier: MIT */
/* salloc_fuzz.c - what salloc, the shell that it starts, and sbatch print, and the values
 * that go to them. The first byte says which it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/forecast.h"
#include "launcher/slurm/options.h"
#include "launcher/slurm/sallocwords.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_line(const char *text)
{
    uint32_t id = 0;
    const char *rest = NULL;
    struct err e = {0};
    (void)sallocwords_line(text, &id, &rest);
    if (rest < text || rest > text + strlen(text))
        abort();
    if (sallocwords_error(text, &e) >= 0 || !e.text[0])
        abort();
}

static void fuzz_env(const uint8_t *data, size_t size)
{
    struct buf said;
    struct strlist env = {0};
    struct err e;
    buf_init(&said, SALLOCENV_BYTES);
    if (buf_add(&said, data, size) == 0 && sallocenv_parse(&said, &env, &e) == 0 &&
        (env.n < 2 || !sallocenv_is_whole(&said)))
        abort();
    for (size_t i = 0; i < env.n; i++)
        if (strncmp(env.items[i], "SLURM_", 6) != 0 || !strchr(env.items[i], '='))
            abort();
    strlist_fini(&env);
    buf_fini(&said);
}

static void fuzz_forecast(const char *text)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 2000);
    (void)forecast_words(text, 1795417175000000000ull, &out, &e);
    for (size_t i = 0; i < out.len; i++)
        if (out.data[i] < ' ' || out.data[i] > '~')
            abort();
    buf_fini(&out);
}

static void fuzz_values(const char *text)
{
    uint64_t s = 1;
    if (slurm_time_parse(text, &s, NULL) == 0 && s == 0)
        abort();
    (void)slurm_gres_gpus(text);
    const char *why = slurm_value_problem(text);
    if (!why && strpbrk(text, "\n\r\x1b"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1);
    if (!text)
        return 0;
    switch (data[0] % 4) {
    case 0:
        fuzz_line(text);
        break;
    case 1:
        fuzz_env(data + 1, size - 1);
        break;
    case 2:
        fuzz_forecast(text);
        break;
    default:
        fuzz_values(text);
    }
    free(text);
    return 0;
}
