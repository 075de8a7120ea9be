/* SPDX-License-Identifier: MIT */
/* main.c - aolani-describe: what this node is made of, as a Topology message on standard
 * output. Not for users, but --text is of use to them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/describe/confine.h"
#include "agent/describe/describe.h"
#include "agent/describe/msg.h"
#include "agent/describe/mps.h"
#include "agent/describe/nccltopo.h"
#include "agent/describe/nvml.h"
#include "agent/describe/sample.h"
#include "agent/describe/show.h"
#include "proto/base/limits.h"

static const char usage[] =
    "usage: aolani-describe [--xml FILE | --root DIR] [--sysfs DIR] [--text]\n"
    "       aolani-describe --gpus\n"
    "\n"
    "Writes what this machine is made of, as one binary message, to standard output.\n"
    "  --xml FILE   the machine that hwloc has exported (lstopo FILE); \"-\": standard "
    "input\n"
    "  --root DIR   the machine whose /proc and /sys are copied below DIR\n"
    "  --sysfs DIR  what is in this copy of a /sys (states of ports, speeds of links)\n"
    "               is believed rather than the file\n"
    "  --text       in words, for people\n"
    "  --gpus       answers each line of standard input with what the GPUs do, binary\n"
    "  --version    and no more\n"
    "HWLOC_XMLFILE and HWLOC_FSROOT stand for --xml and --root where neither is "
    "given.\n"
    "Exit status: 0; 1 if it cannot be read (the message says why); 2 for wrong "
    "usage.\n";

struct options {
    struct describe_from from;
    bool text, gpus;
};

static const char *nonempty(const char *text)
{
    return text && *text ? text : NULL;
}

/* 0 go on, 1 all done, 2 wrong. */
static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option all[] = {
        {"xml", required_argument, NULL, 'x'},   {"root", required_argument, NULL, 'r'},
        {"sysfs", required_argument, NULL, 's'}, {"text", no_argument, NULL, 't'},
        {"gpus", no_argument, NULL, 'g'},        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},     {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", all, NULL)) != -1;) {
        switch (c) {
        case 'x':
            ret->from.xml = strcmp(optarg, "-") == 0 ? "/dev/stdin" : optarg;
            break;
        case 'r':
            ret->from.root = optarg;
            break;
        case 's':
            ret->from.sysfs = optarg;
            break;
        case 't':
            ret->text = true;
            break;
        case 'g':
            ret->gpus = true;
            break;
        case 'h':
            return fputs(usage, stdout) < 0 ? 2 : 1;
        case 'V':
            return printf("aolani-describe " AOLANI_VERSION "\n") < 0 ? 2 : 1;
        default:
            return 2;
        }
    }
    if (optind != argc || (ret->from.xml && ret->from.root)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!ret->from.xml && !ret->from.root) {
        ret->from.xml = nonempty(getenv("HWLOC_XMLFILE"));
        ret->from.root = ret->from.xml ? NULL : nonempty(getenv("HWLOC_FSROOT"));
    }
    return 0;
}

/* What only the machine itself can say, and the file that the ranks' NCCL will read: of
 * another machine, the one that the user names for it. */
static int annotate(Aolani__Topology *t, bool is_live, struct err *e)
{
    int rc;
    if (!is_live)
        return nccltopo_annotate(t, getenv("NCCL_TOPO_FILE"), NULL, e);
    if ((rc = nvml_annotate(t, getenv("CUDA_VISIBLE_DEVICES"), e)) < 0 ||
        (rc = mps_annotate(t, "/proc", getenv("CUDA_MPS_PIPE_DIRECTORY"), e)) < 0)
        return rc;
    return nccltopo_annotate(t, getenv("NCCL_TOPO_FILE"), NCCLTOPO_DEFAULT, e);
}

/* A message that nobody would take is replaced by its reason. */
static Aolani__Topology *bounded(Aolani__Topology *t)
{
    size_t size = aolani__topology__get_packed_size(t);
    if (size <= LIMIT_TOPOLOGY_BYTES)
        return t;
    Aolani__Topology *instead = malloc(sizeof *instead);
    if (instead) {
        aolani__topology__init(instead);
        if (msg_format(&instead->source, "%s", t->source) < 0 ||
            msg_format(&instead->error,
                       "describe this machine: it takes %zu bytes, and %u are allowed",
                       size, LIMIT_TOPOLOGY_BYTES) < 0) {
            aolani__topology__free_unpacked(instead, NULL);
            instead = NULL;
        }
    }
    aolani__topology__free_unpacked(t, NULL);
    return instead;
}

static int write_all(const uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDOUT_FILENO, data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int write_topology(const Aolani__Topology *t, bool text)
{
    struct buf out;
    uint8_t *at;
    int rc;
    buf_init(&out, 8u << 20);
    if (text) {
        rc = show_topology(t, &out);
    } else if ((rc = buf_reserve(&out, aolani__topology__get_packed_size(t) + 1,
                                 &at)) == 0) {
        out.len = aolani__topology__pack(t, at);
    }
    rc = rc < 0 ? rc : write_all(out.data, out.len);
    buf_fini(&out);
    return rc;
}

/* It lives as long as a job: no limit on its time. */
static int sample_gpus(void)
{
    struct err e;
    /* The driver's library may print: not among our answers. */
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 1;
    if (sample_run(STDIN_FILENO, out, "/sys", &e) == 0)
        return 0;
    (void)fprintf(stderr, "aolani-describe: %s\n", e.text);
    return 1;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct err e = {0};
    int rc = read_options(argc, argv, &o);
    if (rc > 0)
        return rc == 2 ? 2 : 0;
    if (o.gpus)
        return sample_gpus();
    confine();
    Aolani__Topology *t = describe(&o.from);
    if (t && !*t->error && annotate(t, describe_is_live(&o.from), &e) < 0) {
        aolani__topology__free_unpacked(t, NULL);
        t = NULL;
    }
    t = t ? bounded(t) : NULL;
    if (!t || write_topology(t, o.text) < 0) {
        (void)fprintf(stderr, "aolani-describe: %s\n",
                      t ? "the description could not be written" : "out of memory");
        rc = 1;
    } else {
        rc = *t->error != '\0';
    }
    if (t)
        aolani__topology__free_unpacked(t, NULL);
    return rc;
}
