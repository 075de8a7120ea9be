/* SPDX-License-Identifier: MIT */
/* signals_bench.c - what a node's signals cost its agent: CPU time of 100 rounds on this
 * machine; on a copied tree of 192 CPUs, 2000 interrupts and 8 ports of InfiniBand; and of
 * 20 probes. Prints a row each; the last column is the share of one core at a round a second
 * (a probe a minute). */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "agent/folders.h"
#include "agent/nodesignals_cgroup.h"
#include "agent/nodesignals_ports.h"
#include "agent/nodesignals_proc.h"
#include "agent/probe.h"
#include "agent/proc.h"
#define assert_true(x)     assert(x)
#define assert_non_null(x) assert(x)
#include "tests/lib/tree.h"

enum { ROUNDS = 100, PROBES = 20, CPUS = 192, PORTS = 8 };

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    static uint8_t bytes[1u << 18];
    (void)type;
    *(size_t *)arg = protobuf_c_message_pack(m, bytes);
    return 1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct round {
    struct nodesignals_proc *proc;
    struct nodesignals_cgroup *quota;
    struct nodesignals_ports *ports;
    struct nodesignals_sum sum;
    size_t bytes;
};

static void round_once(struct round *r)
{
    struct upward up = {.send = on_send, .arg = &r->bytes};
    nodesignals_sum_clear(&r->sum);
    nodesignals_proc_read(r->proc, &r->sum);
    nodesignals_cgroup_read(r->quota, &r->sum);
    nodesignals_ports_begin(r->ports);
    (void)nodesignals_ports_step(r->ports, UINT64_MAX, &r->sum);
    r->sum.to_ns = r->sum.from_ns + 1000000000;
    (void)nodesignals_sum_send(&r->sum, &up);
}

/* To make a real /proc/stat costs the kernel more than to read a copy of it: that is in the
 * first row only, for as many CPUs as this machine has. */
static void measure(const char *what, const char *proc, const char *sys,
                    uint32_t n_cpus)
{
    struct round r = {0};
    uint32_t cpus[CPUS];
    double took[ROUNDS], all = 0;
    char own[4096], mounts[65536];
    for (uint32_t i = 0; i < n_cpus; i++)
        cpus[i] = i;
    struct nodesignals_proc_config pc = {
        .proc = proc, .steal_is_told = true, .cpus = cpus, .n_cpus = n_cpus};
    struct nodesignals_ports_config sc = {
        .sys = sys, .most_files = NODESIGNALS_PORT_FILES, .slow_ns = 1000000000};
    r.quota = calloc(1, sizeof *r.quota);
    (void)proc_read_file("/proc/self/cgroup", own, sizeof own);
    (void)proc_read_file("/proc/self/mountinfo", mounts, sizeof mounts);
    nodesignals_cgroup_add(r.quota, "", false, mounts, own);
    if (nodesignals_sum_init(&r.sum, cpus, n_cpus) < 0 ||
        nodesignals_proc_create(&pc, &r.proc) < 0 ||
        nodesignals_ports_create(&sc, &r.ports) < 0)
        exit(1);
    nodesignals_ports_scan(r.ports, NULL, 0);
    round_once(&r);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double t = cpu_us();
        round_once(&r);
        took[i] = cpu_us() - t;
        all += took[i];
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    printf("%-34s %4zu ports %7.1f us median %7.1f us mean %6zu bytes  %.4f %%\n", what,
           nodesignals_ports_n(r.ports), took[ROUNDS / 2], all / ROUNDS, r.bytes,
           all / ROUNDS / 1e4);
    nodesignals_ports_destroy(r.ports);
    nodesignals_proc_destroy(r.proc);
    nodesignals_cgroup_fini(r.quota);
    nodesignals_sum_fini(&r.sum);
    free(r.quota);
}

static void make_tree(const char *dir)
{
    static const char *const counters[] = {"counters/port_xmit_wait",
                                           "counters/port_xmit_data",
                                           "counters/port_rcv_data",
                                           "counters/symbol_error",
                                           "counters/port_rcv_errors",
                                           "counters/local_link_integrity_errors",
                                           "counters/link_error_recovery",
                                           "counters/link_downed",
                                           "hw_counters/local_ack_timeout_err",
                                           "hw_counters/packet_seq_err",
                                           "hw_counters/out_of_sequence",
                                           "hw_counters/roce_adp_retrans",
                                           "hw_counters/rp_cnp_handled",
                                           "hw_counters/np_ecn_marked_roce_packets"};
    static const char some[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234567\n";
    char path[160], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    fprintf(f, "cpu  1846835 1067387 873670 3462778 14226 0 11296 92545 0 0\n");
    for (unsigned i = 0; i < CPUS; i++)
        fprintf(f, "cpu%u 899736 523527 427463 17785830 3512 0 3808 45517 0 0\n", i);
    fprintf(f, "intr 31992916");
    for (unsigned i = 0; i < 2000; i++)
        fprintf(f, " %u", i % 7 ? 0 : i * 1000);
    fprintf(
        f, "\nctxt 214146043\nbtime 1\nprocesses 2\nsoftirq 34368944 0 3504645 5770\n");
    (void)fclose(f);
    tree_put(dir, "stat", text);
    free(text);
    tree_put(dir, "pressure/cpu", some);
    tree_put(dir, "pressure/memory", some);
    tree_put(dir, "pressure/io", some);
    for (unsigned i = 0; i < PORTS; i++) {
        for (size_t k = 0; k < sizeof counters / sizeof *counters; k++) {
            (void)snprintf(path, sizeof path, "class/infiniband/mlx5_%u/ports/1/%s", i,
                           counters[k]);
            tree_put(dir, path, "123456789\n");
        }
    }
}

static void on_probe(void *arg, const Aolani__Probe *found)
{
    (void)found;
    loop_stop(arg);
}

static void measure_probe(void)
{
    struct loop *l;
    struct probe *p;
    double took[PROBES], all = 0;
    if (loop_create(&l, NULL) < 0 || probe_create(l, 0, on_probe, l, &p, NULL) < 0)
        exit(1);
    for (unsigned i = 0; i < PROBES; i++) {
        double t = cpu_us();
        probe_start(p);
        loop_run(l);
        took[i] = cpu_us() - t;
        all += took[i];
    }
    qsort(took, PROBES, sizeof *took, by_size);
    printf("%-34s %10s %7.1f us median %7.1f us mean %12s  %.4f %%\n", "a probe", "",
           took[PROBES / 2], all / PROBES, "", all / PROBES / 6e5);
    probe_destroy(p);
    loop_destroy(l);
}

int main(void)
{
    char dir[] = "/tmp/aolani-bench-XXXXXX";
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    if (!mkdtemp(dir))
        return 1;
    make_tree(dir);
    measure("this machine", "/proc", "/sys", n < CPUS ? (uint32_t)n : CPUS);
    measure("copied: 192 CPUs, 2000 interrupts", dir, dir, CPUS);
    measure_probe();
    return folders_remove_tree(dir, NULL) < 0;
}
