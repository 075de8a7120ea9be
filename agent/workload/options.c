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

enum kind { KIND_TEXT, KIND_U64, KIND_U32, KIND_REAL, KIND_OPTIMIZER, KIND_SWITCH };

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
    {"--checkpoint", KIND_TEXT, AT(checkpoint), 0, 0, "DIR   keep a checkpoint there"},
    {"--checkpoint-every", KIND_U64, AT(checkpoint_every), 1, 4e9,
     "N     steps between checkpoints (always one at the end)"},
    {"--resume", KIND_SWITCH, AT(resume), 0, 0,
     "      go on from the checkpoint, if any"},
};
#define N_FLAGS (sizeof flags / sizeof *flags)

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

static void help(void)
{
    printf("usage: trainer [flags]\n"
           "Train a byte-level language model on all ranks of the job. The global "
           "batch is\n"
           "streams * positions targets, the same for any number of ranks.\n\n");
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

static void complain(bool speak, const struct flag *f, const char *value)
{
    if (!speak)
        return;
    if (f->kind == KIND_U64 || f->kind == KIND_U32)
        fprintf(stderr,
                "trainer: %s \"%s\": not a whole number between %.0f and %.0f\n",
                f->name, value, f->min, f->max);
    else if (f->kind == KIND_REAL)
        fprintf(stderr, "trainer: %s \"%s\": not a number between %g and %g\n", f->name,
                value, f->min, f->max);
    else if (f->kind == KIND_OPTIMIZER)
        fprintf(stderr, "trainer: %s \"%s\": neither \"adamw\" nor \"sgd\"\n", f->name,
                value);
    else
        fprintf(stderr, "trainer: %s: the value is empty\n", f->name);
}

/* "--name", or "--name=value" with *ret_value at the value. */
static const struct flag *find_flag(const char *arg, const char **ret_value)
{
    size_t len = strcspn(arg, "=");
    *ret_value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (size_t i = 0; i < N_FLAGS; i++)
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, arg, len) == 0)
            return &flags[i];
    return NULL;
}

static bool whole_is_sound(const struct options *o, bool speak)
{
    bool missing = o->resume && !o->checkpoint;
    if (missing && speak)
        fprintf(stderr,
                "trainer: --resume: needs --checkpoint DIR to know from where\n");
    return !missing;
}

enum options_result options_parse(int argc, char **argv, bool speak,
                                  struct options *ret)
{
    struct options o = defaults;
    o.text = default_text();
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            if (speak)
                help();
            return OPTIONS_EXIT_OK;
        }
        const struct flag *f = find_flag(argv[i], &value);
        if (!f || (f->kind == KIND_SWITCH && value)) {
            if (speak)
                fprintf(stderr, "trainer: %s: %s; --help lists the flags\n", argv[i],
                        f ? "this flag takes no value" : "no such flag");
            return OPTIONS_EXIT_USAGE;
        }
        if (f->kind != KIND_SWITCH && !value && !(value = argv[++i])) {
            if (speak)
                fprintf(stderr, "trainer: %s: the value is missing\n", f->name);
            return OPTIONS_EXIT_USAGE;
        }
        if (!set_value(f, value, &o)) {
            complain(speak, f, value);
            return OPTIONS_EXIT_USAGE;
        }
    }
    if (!whole_is_sound(&o, speak))
        return OPTIONS_EXIT_USAGE;
    *ret = o;
    return OPTIONS_RUN;
}
