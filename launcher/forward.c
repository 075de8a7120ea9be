/* SPDX-License-Identifier: MIT */
/* forward.c - see forward.h. */
#include "launcher/forward.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* What people who train expect to find on the nodes as they see it here. A name that ends
 * in '*' is a prefix. Keep the man page's table alike. */
static const char *const by_auto[] = {
    /* search paths; the nodes' own follow in the first two */
    "PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    /* Python and its environments */
    "VIRTUAL_ENV", "CONDA_PREFIX*", "CONDA_DEFAULT_ENV", "CONDA_EXE",
    "CONDA_PYTHON_EXE", "CONDA_SHLVL", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "PYTHON*",
    "PYENV_*",
    /* communication */
    "NCCL_*", "RCCL_*", "NVSHMEM_*", "UCX_*", "UCC_*", "FI_*", "GLOO_*", "OMPI_MCA_*",
    "MPICH_*", "I_MPI_*", "MV2_*", "SHARP_*",
    /* threads and memory */
    "OMP_*", "GOMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "NUMEXPR_*",
    "MALLOC_*", "TCMALLOC_*",
    /* GPUs; which ones a rank sees is not the head's to say, see never_by_prefix */
    "CUDA_*", "CUDNN_*", "CUBLAS_*", "CUBLASLT_*", "NVTE_*", "NVIDIA_TF32_OVERRIDE",
    "HIP_*", "HSA_*", "ROCM_*", "MIOPEN_*", "TRITON_*",
    /* frameworks, and the services that they report to */
    "TORCH_*", "TORCHINDUCTOR_*", "TORCHDYNAMO_*", "PYTORCH_*", "JAX_*", "XLA_*",
    "TF_*", "DEEPSPEED_*", "DS_*", "MEGATRON_*", "ACCELERATE_*", "PL_*", "HF_*",
    "HUGGINGFACE_*", "TRANSFORMERS_*", "TOKENIZERS_*", "WANDB_*", "MLFLOW_*",
    "NEPTUNE_*", "COMET_*", "CLEARML_*",
    /* what was asked of Slurm for each task; the agents' own step has other numbers */
    "SLURM_CPUS_PER_TASK", "SLURM_CPUS_PER_GPU", "SLURM_GPUS_PER_TASK",
    "SLURM_GPUS_PER_NODE", "SLURM_GPUS",
    /* language, time, ways out of the cluster */
    "LANG", "LANGUAGE", "LC_*", "TZ", "http_proxy", "https_proxy", "ftp_proxy",
    "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY",
    "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE"};

/* The prefixes of "auto" would bring these. */
static const char *const never_by_prefix[] = {"CUDA_VISIBLE_DEVICES",
                                              "HIP_VISIBLE_DEVICES", "CUDA_MPS_*",
                                              "PYTHONSTARTUP", "PYTHONINSPECT"};

/* Of this machine or this session: "all" leaves it here. */
static const char *const of_here[] = {
    /* the person and the place */
    "HOME", "USER", "LOGNAME", "USERNAME", "UID", "EUID", "MAIL", "SHELL", "HOSTNAME",
    "HOST", "HOSTTYPE", "MACHTYPE", "OSTYPE", "TMPDIR", "TMP", "TEMP", "KRB5CCNAME",
    /* the shell; functions and start-up files of another host's shell break ours */
    "PWD", "OLDPWD", "SHLVL", "_", "PS1", "PS2", "PROMPT_COMMAND", "BASH*", "ENV",
    "SHELLOPTS", "LOADEDMODULES", "_LMFILES_*", "MODULES_*", "__MODULES_*", "LMOD_*",
    "__LMOD_*", "_ModuleTable*", "PYTHONSTARTUP",
    /* the terminal and the desktop */
    "TERM", "TERM_*", "COLORTERM", "COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY",
    "XAUTHORITY", "XDG_*", "DBUS_*", "SESSION_MANAGER", "DESKTOP_SESSION", "GDMSESSION",
    "GNOME_*", "KDE_*", "WINDOWID", "TMUX*", "STY", "WINDOW", "VSCODE_*",
    /* agents, services */
    "SSH_*", "GPG_*", "SUDO_*", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MANAGERPID", "SYSTEMD_*",
    "CREDENTIALS_DIRECTORY",
    /* which devices a process sees */
    "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK", "CUDA_MPS_*",
    /* other launchers and batch systems */
    "SLURM*", "SBATCH_*", "SRUN_*", "SALLOC_*", "PBS_*", "LSB_*", "LSF_*", "SGE_*",
    "COBALT_*", "FLUX_*", "PALS_*", "ALPS_*", "JSM_*", "OAR_*"};

/* Never: they would tell a rank that it belongs to another launcher, or to us twice. The
 * agent has a longer list and looks again. */
static const char *const of_launchers[] = {
    "AOLANI_*", "PMIX_*", "PMI_*", "PMI2_*", "OMPI_COMM_*", "PRTE_*", "TORCHELASTIC_*"};

static bool matches(const char *name, size_t len, const char *pattern)
{
    size_t n = strlen(pattern);
    bool prefix = n > 0 && pattern[n - 1] == '*';
    n -= prefix;
    return (prefix ? len >= n : len == n) && memcmp(name, pattern, n) == 0;
}

static bool is_in(const char *name, size_t len, const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (matches(name, len, table[i]))
            return true;
    }
    return false;
}

static bool is_wanted(const struct strlist *policy, const char *name, size_t len)
{
    for (size_t i = 0; i < policy->n; i++) {
        const char *word = policy->items[i];
        bool take;
        if (strcmp(word, "auto") == 0)
            take = is_in(name, len, by_auto, COUNT(by_auto)) &&
                   !is_in(name, len, never_by_prefix, COUNT(never_by_prefix));
        else if (strcmp(word, "all") == 0)
            take = !is_in(name, len, of_here, COUNT(of_here));
        else
            take = strcmp(word, "none") != 0 && matches(name, len, word);
        if (take)
            return !is_in(name, len, of_launchers, COUNT(of_launchers));
    }
    return false;
}

bool forward_is_policy(const char *word)
{
    size_t n = 0;
    while (isalnum((unsigned char)word[n]) || (word[n] && strchr("_%()", word[n])))
        n++;
    return n > 0 && (!word[n] || (word[n] == '*' && !word[n + 1]));
}

bool forward_takes_all(const struct strlist *policy)
{
    for (size_t i = 0; i < policy->n; i++) {
        if (strcmp(policy->items[i], "auto") == 0 ||
            strcmp(policy->items[i], "all") == 0)
            return true;
    }
    return false;
}

static int check_policy(const struct strlist *policy, struct err *e)
{
    for (size_t i = 0; i < policy->n; i++) {
        if (forward_is_policy(policy->items[i]))
            continue;
        err_set(e, ERR_USAGE, "forward \"%.80s\": this is no name of a variable",
                policy->items[i]);
        err_hint(e, "job.forward_env takes \"auto\", \"all\", \"none\", names, and "
                    "prefixes like \"NCCL_*\"");
        return ERR_USAGE;
    }
    return 0;
}

/* What does not fit would only be refused on every node. */
static int check_size(const struct forward *f, struct err *e)
{
    size_t bytes = 0, most = 0;
    for (size_t i = 0; i < f->n; i++) {
        bytes += strlen(f->list[i]->key) + strlen(f->list[i]->value) + 2;
        if (strlen(f->list[i]->value) > strlen(f->list[most]->value))
            most = i;
    }
    if (f->n <= LIMIT_ENV && bytes <= LIMIT_ENV_BYTES)
        return 0;
    err_set(
        e, ERR_USAGE,
        "forward %zu variables with %zu bytes: at most %u with %u bytes may travel; "
        "\"%.80s\" alone has %zu",
        f->n, bytes, LIMIT_ENV, LIMIT_ENV_BYTES, f->list[most]->key,
        strlen(f->list[most]->value));
    err_hint(e, "name those that the ranks need in job.forward_env");
    return ERR_USAGE;
}

static int add(struct forward *f, const char *entry, size_t len)
{
    Aolani__KeyValue *kv = malloc(sizeof *kv);
    if (!kv)
        return -ENOMEM;
    aolani__key_value__init(kv);
    kv->key = strndup(entry, len);
    kv->value = (char *)entry + len + 1;
    f->list[f->n++] = kv;
    return kv->key ? 0 : -ENOMEM;
}

int forward_select(const struct strlist *policy, char *const *env, struct forward *ret,
                   struct err *e)
{
    struct forward f = {0};
    size_t n = 0;
    int rc = check_policy(policy, e);
    if (rc < 0)
        return rc;
    while (env && env[n])
        n++;
    f.list = calloc(n + 1, sizeof(Aolani__KeyValue *));
    rc = f.list ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t len = strcspn(env[i], "=");
        if (len > 0 && env[i][len] && is_wanted(policy, env[i], len))
            rc = add(&f, env[i], len);
    }
    rc = rc < 0 ? err_sys(e, rc, "forward the environment") : check_size(&f, e);
    if (rc < 0)
        forward_fini(&f);
    else
        *ret = f;
    return rc;
}

void forward_fini(struct forward *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i]->key);
        free(f->list[i]);
    }
    free(f->list);
    *f = (struct forward){0};
}
