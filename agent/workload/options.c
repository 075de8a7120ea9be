/* SPDX-License-Identifier: MIT */
/* options.c - one table of flags feeds the parser, the checks and --help. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/workload/options.h"

enum kind {
    KIND_TEXT,
    KIND_U64,
    KIND_U32,
    KIND_REAL,
    KIND_OPTIMIZER,
    KIND_PRECISION,
    KIND_SWITCH
};

struct flag {
    const char *name;
    enum kind kind;
    size_t at;
    double min, max;
    const char *help;
};

#define AT(field) offsetof(struct options, field)
static const struct flag flags[] = {
    {"--text", KIND_TEXT, AT(text), 0, 0,
     "FILE  bytes to learn (default: a licence text)"},
    {"--steps", KIND_U64, AT(steps), 1, 4e9, "N     steps in all"},
    {"--context", KIND_U32, AT(context), 1, 1024,
     "N     bytes before the one to guess"},
    {"--embed", KIND_U32, AT(embed), 1, 4096, "N     numbers per byte of context"},
    {"--hidden", KIND_U32, AT(hidden), 1, 65536, "N     width of a hidden layer"},
    {"--layers", KIND_U32, AT(layers), 1, 64, "N     hidden layers"},
    {"--streams", KIND_U32, AT(streams), 1, 65536,
     "N     parts of the text, one batch row each; a multiple of the ranks"},
    {"--positions", KIND_U32, AT(positions), 1, 65536,
     "N     targets per stream and step"},
    {"--optimizer", KIND_OPTIMIZER, AT(optimizer), 0, 0, "NAME  adamw or sgd"},
    {"--lr", KIND_REAL, AT(lr), 1e-12, 1e3, "X     learning rate"},
    {"--weight-decay", KIND_REAL, AT(weight_decay), 0, 1, "X     of adamw"},
    {"--momentum", KIND_REAL, AT(momentum), 0, 0.9999, "X     of sgd"},
    {"--seed", KIND_U64, AT(seed), 0, 9e15, "N     of the first weights"},
    {"--log-every", KIND_U64, AT(log_every), 0, 4e9,
     "N     steps between lines; 0: none"},
    {"--loss-file", KIND_TEXT, AT(loss_file), 0, 0,
     "FILE  every loss in full precision"},
    {"--times-file", KIND_TEXT, AT(times_file), 0, 0,
     "FILE  when each step ended on rank 0, ns of CLOCK_MONOTONIC"},
    {"--checkpoint", KIND_TEXT, AT(checkpoint), 0, 0, "DIR   keep a checkpoint there"},
    {"--checkpoint-every", KIND_U64, AT(checkpoint_every), 1, 4e9,
     "N     steps between checkpoints (always one at the end)"},
    {"--resume", KIND_SWITCH, AT(resume), 0, 0,
     "      go on from the checkpoint, if any"},
};
#define N_FLAGS (sizeof flags / sizeof *flags)

static const struct flag gpu_flags[] = {
    {"--precision", KIND_PRECISION, AT(precision), 0, 0,
     "NAME  of matrix products: fp64, fp32, tf32 or bf16; sums in fp32, or fp64"},
    {"--bucket-mb", KIND_U32, AT(bucket_mb), 1, 65536,
     "N     MiB of gradients to sum at once, beside the backward pass"},
    {"--verify-sum", KIND_U64, AT(verify_every), 1, 4e9,
     "N     every N steps compare NCCL's sums with sums of the CPU"},
    {"--graph", KIND_SWITCH, AT(graph), 0, 0, "      make a step one CUDA graph"},
    {"--peak-tflops", KIND_REAL, AT(peak_tflops), 1e-3, 1e6,
     "X     of one GPU, for MFU (default: by its name)"},
    {"--no-marks", KIND_SWITCH, AT(no_marks), 0, 0,
     "      do not mark steps for aolani-run"},
};
#define N_GPU_FLAGS (sizeof gpu_flags / sizeof *gpu_flags)

static const char *const precisions[] = {
    [PRECISION_FP64] = "fp64",
    [PRECISION_FP32] = "fp32",
    [PRECISION_TF32] = "tf32",
    [PRECISION_BF16] = "bf16",
};
enum { N_PRECISIONS = sizeof precisions / sizeof *precisions };

static const struct options defaults = {
    .steps = 200,
    .checkpoint_every = 100,
    .log_every = 10,
    .seed = 1,
    .context = 8,
    .embed = 16,
    .hidden = 96,
    .layers = 1,
    .streams = 16,
    .positions = 32,
    .optimizer = OPTIMIZER_ADAMW,
    .lr = 1e-2,
    .weight_decay = 0.01,
    .momentum = 0.9,
    .precision = PRECISION_TF32,
    .bucket_mb = 25,
};

/* Some text that is on every Debian, and on most other systems. */
static const char *default_text(void)
{
    static const char *const paths[] = {
        "/usr/share/common-licenses/GPL-3",
        "/usr/share/common-licenses/GPL-2",
        "/usr/share/licenses/glibc/COPYING",
        "/usr/share/common-licenses/Apache-2.0",
        "/etc/services",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (access(paths[i], R_OK) == 0)
            return paths[i];
    return paths[0];
}

static void help_gpu(void)
{
    printf("\nof a GPU:\n");
    for (size_t i = 0; i < N_GPU_FLAGS; i++)
        printf("  %-19s%s\n", gpu_flags[i].name, gpu_flags[i].help);
    printf(
        "\ndefaults: --precision %s --bucket-mb %u\n"
        "The ranks meet at MASTER_ADDR and MASTER_PORT, where rank 0 listens; rank and "
        "number of\nranks are those of RANK, WORLD_SIZE and LOCAL_RANK.\n",
        precisions[defaults.precision], defaults.bucket_mb);
}

static void help(const struct options_program *program)
{
    printf("usage: %s [flags]\n"
           "Train a byte-level language model on all ranks of the job. The global "
           "batch is\n"
           "streams * positions targets, the same for any number of ranks.\n\n",
           program->name);
    for (size_t i = 0; i < N_FLAGS; i++)
        printf("  %-19s%s\n", flags[i].name, flags[i].help);
    printf("  %-19s      this text\n", "--help");
    printf("\ndefaults: --steps %llu --context %u --embed %u --hidden %u --layers %u "
           "--streams %u\n  --positions %u --optimizer adamw --lr %g --weight-decay %g "
           "--momentum %g --seed %llu\n  --log-every %llu --checkpoint-every %llu\n",
           (unsigned long long)defaults.steps, defaults.context, defaults.embed,
           defaults.hidden, defaults.layers, defaults.streams, defaults.positions,
           defaults.lr, defaults.weight_decay, defaults.momentum,
           (unsigned long long)defaults.seed, (unsigned long long)defaults.log_every,
           (unsigned long long)defaults.checkpoint_every);
    if (program->gpu)
        help_gpu();
}

static bool parse_number(const struct flag *f, const char *text, double *ret)
{
    char *end;
    bool whole = f->kind != KIND_REAL;
    errno = 0;
    *ret = strtod(text, &end);
    return !errno && end != text && !*end && isfinite(*ret) && *ret >= f->min &&
           *ret <= f->max && (!whole || (*ret == floor(*ret) && !strpbrk(text, "xX")));
}

static bool set_precision(const char *text, struct options *o)
{
    for (unsigned i = 0; i < N_PRECISIONS; i++) {
        if (strcmp(text, precisions[i]) != 0)
            continue;
        o->precision = (enum precision)i;
        return true;
    }
    return false;
}

static bool set_value(const struct flag *f, const char *text, struct options *o)
{
    char *at = (char *)o + f->at;
    double v = 0;
    switch (f->kind) {
    case KIND_TEXT:
        *(const char **)at = text;
        return *text != '\0';
    case KIND_OPTIMIZER:
        o->optimizer = strcmp(text, "sgd") == 0 ? OPTIMIZER_SGD : OPTIMIZER_ADAMW;
        return strcmp(text, "sgd") == 0 || strcmp(text, "adamw") == 0;
    case KIND_PRECISION:
        return set_precision(text, o);
    case KIND_SWITCH:
        *(bool *)at = true;
        return true;
    default:
        break;
    }
    if (!parse_number(f, text, &v))
        return false;
    if (f->kind == KIND_U64)
        *(uint64_t *)at = (uint64_t)v;
    else if (f->kind == KIND_U32)
        *(uint32_t *)at = (uint32_t)v;
    else
        *(double *)at = v;
    return true;
}

static void complain(const char *program, const struct flag *f, const char *value)
{
    fprintf(stderr, "%s: %s", program, f->name);
    if (f->kind == KIND_U64 || f->kind == KIND_U32)
        fprintf(stderr, " \"%s\": not a whole number between %.0f and %.0f\n", value,
                f->min, f->max);
    else if (f->kind == KIND_REAL)
        fprintf(stderr, " \"%s\": not a number between %g and %g\n", value, f->min,
                f->max);
    else if (f->kind == KIND_OPTIMIZER)
        fprintf(stderr, " \"%s\": neither \"adamw\" nor \"sgd\"\n", value);
    else if (f->kind == KIND_PRECISION)
        fprintf(stderr, " \"%s\": not one of fp64, fp32, tf32, bf16\n", value);
    else
        fprintf(stderr, ": the value is empty\n");
}

/* "--name", or "--name=value" with *ret_value at the value. */
static const struct flag *find_flag(const char *arg, bool gpu, const char **ret_value)
{
    size_t len = strcspn(arg, "=");
    *ret_value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (size_t i = 0; i < N_FLAGS + (gpu ? N_GPU_FLAGS : 0); i++) {
        const struct flag *f = i < N_FLAGS ? &flags[i] : &gpu_flags[i - N_FLAGS];
        if (strlen(f->name) == len && memcmp(f->name, arg, len) == 0)
            return f;
    }
    return NULL;
}

/* argv[*at] and its value, which may be argv[*at + 1]. False: it has been said why not. */
static bool take_flag(char **argv, int *at, const struct options_program *program,
                      bool speak, struct options *o)
{
    const char *arg = argv[*at], *value;
    const struct flag *f = find_flag(arg, program->gpu, &value);
    if (!f || (f->kind == KIND_SWITCH && value)) {
        if (speak)
            fprintf(stderr, "%s: %s: %s; --help lists the flags\n", program->name, arg,
                    f ? "this flag takes no value" : "no such flag");
        return false;
    }
    if (f->kind != KIND_SWITCH && !value && !(value = argv[++*at])) {
        if (speak)
            fprintf(stderr, "%s: %s: the value is missing\n", program->name, f->name);
        return false;
    }
    if (set_value(f, value, o))
        return true;
    if (speak)
        complain(program->name, f, value);
    return false;
}

static bool whole_is_sound(const struct options *o, const char *program, bool speak)
{
    bool missing = o->resume && !o->checkpoint;
    if (missing && speak)
        fprintf(stderr, "%s: --resume: needs --checkpoint DIR to know from where\n",
                program);
    return !missing;
}

enum options_result options_parse(int argc, char **argv,
                                  const struct options_program *program, bool speak,
                                  struct options *ret)
{
    struct options o = defaults;
    o.text = default_text();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            if (speak)
                help(program);
            return OPTIONS_EXIT_OK;
        }
        if (!take_flag(argv, &i, program, speak, &o))
            return OPTIONS_EXIT_USAGE;
    }
    if (!whole_is_sound(&o, program->name, speak))
        return OPTIONS_EXIT_USAGE;
    *ret = o;
    return OPTIONS_RUN;
}
