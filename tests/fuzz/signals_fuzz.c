/* SPDX-License-Identifier: MIT */
/* signals_fuzz - any bytes as what a node says of itself, again and again.
 *
 * The input is a list of NodeSignals messages, each behind its length in two bytes; one
 * of length 0 is the last one once more, a second later. Whatever was taken, the answers
 * must hold what signals.h promises. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/signals.h"
#include "proto/wire/wiretext.h"

#define LONGEST 4096u
#define SEC     1000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool truth, const char *what, int line)
{
    if (truth)
        return;
    fprintf(stderr, "signals_fuzz.c:%d: not so: %s\n", line, what);
    abort();
}
#define check(truth) check_that((truth), #truth, __LINE__)

static bool is_share(double v)
{
    return isnan(v) || (v >= 0 && v <= 1);
}

static bool is_measure(double v)
{
    return isnan(v) || (isfinite(v) && v >= 0);
}

static void check_seen(const struct signals *s, uint64_t from_ns, uint64_t to_ns,
                       const char *cpus, const char *gpu, const char *nic)
{
    struct signals_seen v;
    signals_over(s, 0, from_ns, to_ns, cpus, gpu, nic, &v);
    check(is_share(v.steal) && is_share(v.gpu_throttle));
    check(is_share(v.psi_cpu) && is_share(v.psi_memory) && is_share(v.psi_io));
    check(is_measure(v.gpu_mhz) && is_measure(v.xmit_wait));
    check(is_measure(v.memory_ratio) && is_measure(v.fault_ns));
    check((v.link_errors > 0) == (v.link_why != NULL));
    check(!v.link_why || memchr(v.link_why, '\0', 512));
    check(!v.gpu_why || v.gpu_throttle > 0);
    check(gpu || nic || v.link_errors == 0);
}

static void check_node(const struct signals *s)
{
    struct signals_node n;
    signals_node(s, 0, &n);
    check(is_share(n.steal_share) && is_measure(n.exits_per_second));
    check(is_share(n.psi_cpu) && is_share(n.psi_memory) && is_share(n.psi_io));
    check(is_measure(n.exit_ns) && is_measure(n.fault_ns));
    check(is_measure(n.triad_mbytes) && is_measure(n.triad_lowest));
    check(isnan(n.triad_mbytes) == isnan(n.triad_lowest));
    check(is_measure(n.link_errors) && is_measure(n.gpu_throttle_us));
}

static void ask(const struct signals *s, const Aolani__NodeSignals *m)
{
    const char *gpu = m->n_gpus ? m->gpus[0]->uuid : NULL;
    const char *nic = m->n_ports ? m->ports[m->n_ports - 1]->nic : NULL;
    check_seen(s, m->t_ns - m->interval_ns, m->t_ns, NULL, gpu, nic);
    check_seen(s, m->t_ns - m->interval_ns / 2, m->t_ns, "0-3,8", gpu, NULL);
    check_seen(s, m->t_ns - m->interval_ns, m->t_ns + SEC, "", NULL, nic);
    check_seen(s, 0, UINT64_MAX, "1", gpu, nic);
    check_seen(s, m->t_ns, m->t_ns, NULL, NULL, NULL);
    check_node(s);
}

static bool is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void take(struct signals *s, const Aolani__NodeSignals *m)
{
    struct signals_node before, after;
    struct err e = {0};
    signals_node(s, 0, &before);
    int rc = signals_add(s, 0, m, &e);
    if (rc == 0) {
        ask(s, m);
        return;
    }
    check((rc == ERR_PROTO || rc == ERR_LIMIT) && e.text[0]);
    signals_node(s, 0, &after);
    check(before.seconds == after.seconds &&
          is_same(before.link_errors, after.link_errors));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct signals *s;
    Aolani__NodeSignals *m = NULL;
    if (signals_create(1, &s) < 0)
        return 0;
    (void)signals_locate(s, 0, "GPU-0", "0000:18:00.0");
    while (size >= 2) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        len = len < size - 2 ? len : size - 2;
        if (len > LONGEST)
            break;
        if (len > 0) {
            if (m)
                aolani__node_signals__free_unpacked(m, NULL);
            m = aolani__node_signals__unpack(NULL, len, data + 2);
            if (!m)
                break;
            wiretext_make_printable(&m->base);
        } else if (m) {
            m->t_ns += SEC;
        }
        if (m)
            take(s, m);
        data += 2 + len;
        size -= 2 + len;
    }
    if (m)
        aolani__node_signals__free_unpacked(m, NULL);
    signals_destroy(s);
    return 0;
}
