/* SPDX-License-Identifier: MIT */
/* nccl_machines - machines that exist, as few facts, and what NCCL picks on them, derived by
 * hand from its rules:
 *
 *  links     width x units / 80 GB/s with 15, 30, 60, 120, 240 units from Gen1 to Gen5:
 *            Gen3 x16 12, Gen4 x16 24, Gen5 x16 48; a port of r Gbit/s r/8. Between CPUs:
 *            AMD 16, Skylake 10, Sapphire Rapids 22, Arm 6.
 *  tree      of the bridges above a device only every second one, from below, is a switch;
 *            a device with less than two below the host bridge hangs on its CPU.
 *  types     device-switch-device PIX, two switches PXB, through the CPU PHB, through two
 *            CPUs SYS; C2C then PHB is P2C; through another GPU by NVLink PXN (only where
 *            that GPU is at most at P2C from it).
 *  choice    most bandwidth, then least type; number of the GPU, its bits mirrored in as
 *            many as the candidates need when these are a power of two, modulo candidates.
 *
 * Included after cmocka by test files.
 */
#ifndef TESTS_LIB_NCCL_MACHINES_H
#define TESTS_LIB_NCCL_MACHINES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/nccl.h"

#define MOST 400

/* A PCI function: how deep below its host bridge, then the NUMA node of a host bridge (-1:
 * not known), the number of a GPU. */
struct row {
    char what; /* H host bridge, B bridge, G GPU, N NIC */
    unsigned depth;
    const char *bus;
    int number;
    const char *name;    /* of a NIC */
    unsigned mts, gbits; /* 0: the machine's */
};

struct want {
    const char *candidates, *nic;
    enum nccl_path path;
    double bandwidth;
    bool gdr;
};

struct machine {
    const char *name, *arch, *cpu;
    unsigned family, model;
    unsigned gpu_device, mts, gbits;
    int layer; /* of the NICs: enum Aolani__Nic__Kind */
    const struct row *rows;
    const char *never; /* NICs that the job may not use */
    struct want want[8];
};

#define H(bus, numa)                  \
    {                                 \
        'H', 0, bus, numa, NULL, 0, 0 \
    }
#define B(depth, bus)                  \
    {                                  \
        'B', depth, bus, 0, NULL, 0, 0 \
    }
#define G(depth, bus, i)               \
    {                                  \
        'G', depth, bus, i, NULL, 0, 0 \
    }
#define N(depth, bus, name)            \
    {                                  \
        'N', depth, bus, 0, name, 0, 0 \
    }
#define END                       \
    {                             \
        0, 0, NULL, 0, NULL, 0, 0 \
    }

/* ---- dgx-a100: two GPUs and two NICs under each switch
 *
 * Above 07:00.0 are 06, 05, 02, 01, 00:01.1: 05 and 01 are switches, so GPU - 05 - 01 - 0a -
 * NIC is PXB with 24 GB/s. NICs of other switches are SYS with 16, and by PXN 24 once their
 * own GPUs are taken: PXB is less than PXN. Two candidates, in the order of their
 * addresses: GPU i takes number mirror(i, 2) = i mod 2. */
#define DGX(root, up, dn, g0, n0, g1, n1, numa, i, name0, name1)                 \
    H("0000:" root, numa), B(1, "0000:" root ":01.1"), B(2, "0000:" up ":00.0"), \
        B(3, "0000:" dn ":00.0"), B(4, "0000:" g0 "5:00.0"),                     \
        B(5, "0000:" g0 "6:00.0"), G(6, "0000:" g0 "7:00.0", i),                 \
        B(3, "0000:" dn ":04.0"), B(4, "0000:" n0 "8:00.0"),                     \
        B(5, "0000:" n0 "9:00.0"), N(6, "0000:" n0 "b:00.0", name0),             \
        B(3, "0000:" dn ":08.0"), B(4, "0000:" g1 "c:00.0"),                     \
        B(5, "0000:" g1 "d:00.0"), G(6, "0000:" g1 "e:00.0", i + 1),             \
        B(3, "0000:" dn ":0c.0"), B(4, "0000:" n1 "2:00.0"),                     \
        B(5, "0000:" n1 "3:00.0"), N(6, "0000:" n1 "4:00.0", name1)
static const struct row dgx_a100[] = {
    DGX("00", "01", "02", "0", "0", "0", "1", 3, 0, "mlx5_0", "mlx5_1"),
    DGX("40", "41", "42", "4", "4", "4", "5", 1, 2, "mlx5_2", "mlx5_3"),
    DGX("80", "81", "82", "8", "8", "8", "9", 7, 4, "mlx5_4", "mlx5_5"),
    DGX("b0", "b1", "b2", "b", "b", "b", "c", 5, 6, "mlx5_6", "mlx5_7"),
    H("0000:e0", 4),
    B(1, "0000:e0:03.1"),
    N(2, "0000:e1:00.0", "mlx5_8"),
    N(2, "0000:e1:00.1", "mlx5_9"),
    END};
#define PXB24(nic, both)                   \
    {                                      \
        both, nic, NCCL_PATH_PXB, 24, true \
    }

/* ---- oci: each GPU with a card of two ports under its own switch
 *
 * 0f:00.0 is below 0e, 0d, 09, 08, 07:01.0: switches 0d and 08, the card's are 0a and 08:
 * PXB, 48 GB/s. Both ports are functions of 0c:00: one NIC of 2 x 25 GB/s, so one
 * candidate for each GPU. The CPUs are Sapphire Rapids (22): others are worse, or PXN. */
#define OCI(root, up, dn, gs, gd, g, ns, nd, n, numa, i, a, b)                        \
    H("0000:" root, numa), B(1, "0000:" root ":01.0"), B(2, "0000:" up ":00.0"),      \
        B(3, "0000:" dn ":00.0"), B(4, "0000:" gs ":00.0"), B(5, "0000:" gd ":00.0"), \
        G(6, "0000:" g ":00.0", i), B(3, "0000:" dn ":01.0"),                         \
        B(4, "0000:" ns ":00.0"), B(5, "0000:" nd ":00.0"),                           \
        N(6, "0000:" n ":00.0", a), N(6, "0000:" n ":00.1", b)
static const struct row oci_h100[] = {
    OCI("07", "08", "09", "0d", "0e", "0f", "0a", "0b", "0c", 0, 0, "mlx5_0", "mlx5_1"),
    OCI("25", "26", "27", "2b", "2c", "2d", "28", "29", "2a", 0, 1, "mlx5_3", "mlx5_4"),
    OCI("82", "83", "84", "87", "88", "89", "85", "85", "86", 1, 2, "mlx5_9",
        "mlx5_10"),
    END};

/* ---- azure-ndv5: every device with a host bridge of its own
 *
 * All hang on the CPU of their NUMA node: PHB, 48 GB/s; those of the other node 22. Four
 * candidates: mirror(i, 4) of 0..3 is 0, 2, 1, 3, and of 4..7 the same. NVLink is no help:
 * no GPU is nearer than PHB to any NIC. PHB is beyond PXB: no GPUDirect RDMA. */
static const struct row azure_flat[] = {H("0001:00", 0),
                                        G(1, "0001:00:00.0", 0),
                                        H("0002:00", 0),
                                        G(1, "0002:00:00.0", 1),
                                        H("0003:00", 0),
                                        G(1, "0003:00:00.0", 2),
                                        H("0008:00", 0),
                                        G(1, "0008:00:00.0", 3),
                                        H("0009:00", 1),
                                        G(1, "0009:00:00.0", 4),
                                        H("000a:00", 1),
                                        G(1, "000a:00:00.0", 5),
                                        H("000b:00", 1),
                                        G(1, "000b:00:00.0", 6),
                                        H("000c:00", 1),
                                        G(1, "000c:00:00.0", 7),
                                        H("0101:00", 0),
                                        N(1, "0101:00:00.0", "ib0"),
                                        H("0102:00", 0),
                                        N(1, "0102:00:00.0", "ib1"),
                                        H("0103:00", 0),
                                        N(1, "0103:00:00.0", "ib2"),
                                        H("0104:00", 0),
                                        N(1, "0104:00:00.0", "ib3"),
                                        H("0105:00", 1),
                                        N(1, "0105:00:00.0", "ib4"),
                                        H("0106:00", 1),
                                        N(1, "0106:00:00.0", "ib5"),
                                        H("0107:00", 1),
                                        N(1, "0107:00:00.0", "ib6"),
                                        H("0108:00", 1),
                                        N(1, "0108:00:00.0", "ib7"),
                                        END};
#define NEAR "ib0 ib1 ib2 ib3"
#define FAR  "ib4 ib5 ib6 ib7"
#define FLAT(nic, all)                     \
    {                                      \
        all, nic, NCCL_PATH_PHB, 48, false \
    }

/* ---- aws-g4dn: one NIC on one socket, T4s without NVLink
 *
 * The only candidate of all. Gen3 x16 and 100 Gbit/s (12.5) give 12 to the GPUs of its
 * NUMA node (PHB); the others come through Skylake's link of 10 (SYS). */
static const struct row aws_g4dn[] = {
    H("0000:17", 0),         B(1, "0000:17:00.0"),
    G(2, "0000:18:00.0", 0), B(1, "0000:17:02.0"),
    G(2, "0000:19:00.0", 1), H("0000:c2", 1),
    B(1, "0000:c2:00.0"),    B(2, "0000:c3:00.0"),
    B(3, "0000:c4:00.0"),    N(4, "0000:c5:00.0", "rdmap197s0"),
    H("0000:e6", 1),         B(1, "0000:e6:00.0"),
    G(2, "0000:e7:00.0", 2), END};

/* ---- aws-p4d: devices of a virtual machine, several on each bus, and no bridges
 *
 * The plug-in of libfabric names the function itself: nothing is joined with, or taken for,
 * what else is on its bus. In NUMA node 0 both NICs are PHB at 12 from either GPU: two
 * candidates, so index 1 (one bit, mirrored) is the second. GPU 2 has its own. */
static const struct row aws_p4d[] = {H("0000:10", 0),
                                     N(1, "0000:10:1b.0", "rdmap16s27"),
                                     G(1, "0000:10:1c.0", 0),
                                     H("0000:20", 0),
                                     N(1, "0000:20:1b.0", "rdmap32s27"),
                                     G(1, "0000:20:1c.0", 1),
                                     H("0000:90", 1),
                                     N(1, "0000:90:1b.0", "rdmap144s27"),
                                     G(1, "0000:90:1c.0", 2),
                                     END};

/* ---- smc-h200-snc2: a GPU and its NIC under one switch; one more NIC at the root
 *
 * 18:00.0 is below 17:00, 16:00, 15:01: switch 16 alone, PIX. GPU 3's candidates: mlx5_4
 * (PIX, 48); mlx5_3 at 53:00.0 is PHB, and Gen4 with 200 Gbit/s gives 24. */
#define SMC(root, up, dn, numa, i, g, n, name)                                   \
    H("0000:" root, numa), B(1, "0000:" root ":01.0"), B(2, "0000:" up ":00.0"), \
        B(3, "0000:" dn ":00.0"), G(4, "0000:" g ":00.0", i),                    \
        B(3, "0000:" dn ":01.0"), N(4, "0000:" n ":00.0", name)
static const struct row smc_h200[] = {SMC("15", "16", "17", 0, 0, "18", "19", "mlx5_0"),
                                      SMC("26", "27", "28", 0, 1, "2a", "29", "mlx5_1"),
                                      SMC("37", "38", "39", 0, 2, "3a", "3b", "mlx5_2"),
                                      SMC("59", "5a", "5b", 1, 3, "5d", "5c", "mlx5_4"),
                                      H("0000:52", 1),
                                      B(1, "0000:52:01.0"),
                                      {'N', 2, "0000:53:00.0", 0, "mlx5_3", 16000, 200},
                                      SMC("97", "98", "99", 2, 4, "9a", "9b", "mlx5_5"),
                                      SMC("a7", "a8", "a9", 2, 5, "ab", "aa", "mlx5_6"),
                                      SMC("b7", "b8", "b9", 2, 6, "ba", "bb", "mlx5_7"),
                                      SMC("d7", "d8", "d9", 3, 7, "db", "da", "mlx5_8"),
                                      END};
#define PIX48(nic)                        \
    {                                     \
        nic, nic, NCCL_PATH_PIX, 48, true \
    }

/* ---- h200-kvm-flat: the same machine as a guest sees it, numa_node -1
 *
 * Root ports of one bus: all PHB at NCCL's CPU "-1", all equal. Eight candidates: mirror(i,
 * 8) is 0, 4, 2, 6, 1, 5, 3, 7. (The true pairs were i with i: only the provider's file could
 * say so.) GPUs have run down to Gen4, which does not count: their highest speed does. */
#define KVM(port, ...) B(1, "0000:00:" port), __VA_ARGS__
static const struct row kvm_flat[] = {H("0000:00", -1),
                                      KVM("01.4", G(2, "0000:05:00.0", 0)),
                                      KVM("01.5", G(2, "0000:06:00.0", 1)),
                                      KVM("01.6", G(2, "0000:07:00.0", 2)),
                                      KVM("01.7", G(2, "0000:08:00.0", 3)),
                                      KVM("02.0", G(2, "0000:09:00.0", 4)),
                                      KVM("02.1", G(2, "0000:0a:00.0", 5)),
                                      KVM("02.2", G(2, "0000:0b:00.0", 6)),
                                      KVM("02.3", G(2, "0000:0c:00.0", 7)),
                                      KVM("02.4", N(2, "0000:0d:00.0", "mlx5_0")),
                                      KVM("02.5", N(2, "0000:0e:00.0", "mlx5_1")),
                                      KVM("02.6", N(2, "0000:0f:00.0", "mlx5_2")),
                                      KVM("02.7", N(2, "0000:10:00.0", "mlx5_3")),
                                      KVM("03.0", N(2, "0000:11:00.0", "mlx5_4")),
                                      KVM("03.1", N(2, "0000:12:00.0", "mlx5_5")),
                                      KVM("03.2", N(2, "0000:13:00.0", "mlx5_6")),
                                      KVM("03.3", N(2, "0000:14:00.0", "mlx5_7")),
                                      END};
#define EIGHT "mlx5_0 mlx5_1 mlx5_2 mlx5_3 mlx5_4 mlx5_5 mlx5_6 mlx5_7"

/* ---- gb200: every device in a domain of its own, GPUs joined to their Grace by C2C
 *
 * NIC - switch 01 - CPU is PHB, CPU - GPU C2C: P2C, which counts as C2C and so is within
 * PXB. 48 GB/s from the NICs' links. NICs of the other Grace: 6 directly, by PXN 48, but PXN
 * is worse than P2C. Two candidates each: GPUs 0, 1 take 0, 1, and 2, 3 mirror(2, 2) = 0
 * and mirror(3, 2) = 1. */
#define TRAY_GPU(domain, numa, i) \
    H(domain ":00", numa), B(1, domain ":00:00.0"), G(2, domain ":01:00.0", i)
#define TRAY_NIC(domain, numa, name)                                         \
    H(domain ":00", numa), B(1, domain ":00:00.0"), B(2, domain ":01:00.0"), \
        B(3, domain ":02:00.0"), N(4, domain ":03:00.0", name)
static const struct row gb200[] = {TRAY_GPU("0008", 0, 0),
                                   TRAY_GPU("0009", 0, 1),
                                   TRAY_NIC("0000", 0, "mlx5_0"),
                                   TRAY_NIC("0002", 0, "mlx5_1"),
                                   TRAY_GPU("0018", 1, 2),
                                   TRAY_GPU("0019", 1, 3),
                                   TRAY_NIC("0010", 1, "mlx5_3"),
                                   TRAY_NIC("0012", 1, "mlx5_4"),
                                   END};
#define P2C48(nic, both)                   \
    {                                      \
        both, nic, NCCL_PATH_P2C, 48, true \
    }

/* ---- corners ---- */

/* Three candidates are no power of two: the GPU's number modulo 3. */
static const struct row three_nics[] = {
    H("0000:00", 0),           B(1, "0000:00:01.0"),      B(2, "0000:01:00.0"),
    B(3, "0000:02:00.0"),      G(4, "0000:03:00.0", 4),   B(3, "0000:02:01.0"),
    N(4, "0000:04:00.0", "a"), B(3, "0000:02:02.0"),      N(4, "0000:05:00.0", "b"),
    B(3, "0000:02:03.0"),      N(4, "0000:06:00.0", "c"), END};

/* A GPU without a NIC of its own: through the GPU that has one, by NVLink (PXN, 48), rather
 * than through the CPU (PHB, 48). Whether GPUDirect RDMA is used is that GPU's distance. */
static const struct row relayed[] = {SMC("15", "16", "17", 0, 0, "18", "19", "mlx5_0"),
                                     H("0000:20", 0),
                                     B(1, "0000:20:01.0"),
                                     B(2, "0000:21:00.0"),
                                     B(3, "0000:22:00.0"),
                                     G(4, "0000:23:00.0", 1),
                                     END};

/* More bandwidth comes before a shorter way: 100 Gbit/s under the own switch (12) loses to
 * 400 on the other socket of Sapphire Rapids (22). */
static const struct row far_but_fast[] = {
    H("0000:15", 0),
    B(1, "0000:15:01.0"),
    B(2, "0000:16:00.0"),
    B(3, "0000:17:00.0"),
    G(4, "0000:18:00.0", 0),
    B(3, "0000:17:01.0"),
    {'N', 4, "0000:19:00.0", 0, "mlx5_0", 8000, 100},
    H("0000:80", 1),
    B(1, "0000:80:01.0"),
    N(2, "0000:81:00.0", "mlx5_1"),
    END};

/* Cards on one bus of a virtual machine: their device numbers are what NCCL takes for
 * virtual functions, so it sees one card, and (00:00.0 being none) at the first CPU. */
static const struct row one_bus[] = {H("0000:00", -1), G(1, "0000:00:05.0", 0),
                                     N(1, "0000:00:06.0", "mlx5_0"),
                                     N(1, "0000:00:07.0", "mlx5_1"), END};

#define INTEL_SPR "x86_64", "GenuineIntel", 6, 0x8f
#define IB        AOLANI__NIC__KIND__INFINIBAND
static const struct machine machines[] = {
    {"dgx-a100",
     "x86_64",
     "AuthenticAMD",
     23,
     49,
     0x20b0,
     16000,
     200,
     IB,
     dgx_a100,
     "mlx5_8 mlx5_9",
     {PXB24("mlx5_0", "mlx5_0 mlx5_1"), PXB24("mlx5_1", "mlx5_0 mlx5_1"),
      PXB24("mlx5_2", "mlx5_2 mlx5_3"), PXB24("mlx5_3", "mlx5_2 mlx5_3"),
      PXB24("mlx5_4", "mlx5_4 mlx5_5"), PXB24("mlx5_5", "mlx5_4 mlx5_5"),
      PXB24("mlx5_6", "mlx5_6 mlx5_7"), PXB24("mlx5_7", "mlx5_6 mlx5_7")}},
    {"oci-h100",
     INTEL_SPR,
     0x2330,
     32000,
     200,
     AOLANI__NIC__KIND__ROCE,
     oci_h100,
     "",
     {{"mlx5_0", "mlx5_0+mlx5_1", NCCL_PATH_PXB, 48, true},
      {"mlx5_3", "mlx5_3+mlx5_4", NCCL_PATH_PXB, 48, true},
      {"mlx5_9", "mlx5_9+mlx5_10", NCCL_PATH_PXB, 48, true}}},
    {"azure-ndv5",
     INTEL_SPR,
     0x2330,
     32000,
     400,
     IB,
     azure_flat,
     "",
     {FLAT("ib0", NEAR), FLAT("ib2", NEAR), FLAT("ib1", NEAR), FLAT("ib3", NEAR),
      FLAT("ib4", FAR), FLAT("ib6", FAR), FLAT("ib5", FAR), FLAT("ib7", FAR)}},
    {"aws-g4dn",
     "x86_64",
     "GenuineIntel",
     6,
     85,
     0x1eb8,
     8000,
     100,
     AOLANI__NIC__KIND__EFA,
     aws_g4dn,
     "",
     {{"rdmap197s0", "rdmap197s0", NCCL_PATH_SYS, 10, false},
      {"rdmap197s0", "rdmap197s0", NCCL_PATH_SYS, 10, false},
      {"rdmap197s0", "rdmap197s0", NCCL_PATH_PHB, 12, false}}},
    {"aws-p4d",
     "x86_64",
     "GenuineIntel",
     6,
     85,
     0x20b0,
     8000,
     100,
     AOLANI__NIC__KIND__EFA,
     aws_p4d,
     "",
     {{"rdmap16s27 rdmap32s27", "rdmap16s27", NCCL_PATH_PHB, 12, false},
      {"rdmap16s27 rdmap32s27", "rdmap32s27", NCCL_PATH_PHB, 12, false},
      {"rdmap144s27", "rdmap144s27", NCCL_PATH_PHB, 12, false}}},
    {"smc-h200-snc2",
     INTEL_SPR,
     0x2335,
     32000,
     400,
     AOLANI__NIC__KIND__ROCE,
     smc_h200,
     "",
     {PIX48("mlx5_0"), PIX48("mlx5_1"), PIX48("mlx5_2"), PIX48("mlx5_4"),
      PIX48("mlx5_5"), PIX48("mlx5_6"), PIX48("mlx5_7"), PIX48("mlx5_8")}},
    {"h200-kvm-flat",
     INTEL_SPR,
     0x2335,
     32000,
     400,
     IB,
     kvm_flat,
     "",
     {FLAT("mlx5_0", EIGHT), FLAT("mlx5_4", EIGHT), FLAT("mlx5_2", EIGHT),
      FLAT("mlx5_6", EIGHT), FLAT("mlx5_1", EIGHT), FLAT("mlx5_5", EIGHT),
      FLAT("mlx5_3", EIGHT), FLAT("mlx5_7", EIGHT)}},
    {"gb200",
     "aarch64",
     "",
     0,
     0,
     0x2941,
     32000,
     400,
     AOLANI__NIC__KIND__ROCE,
     gb200,
     "",
     {P2C48("mlx5_0", "mlx5_0 mlx5_1"), P2C48("mlx5_1", "mlx5_0 mlx5_1"),
      P2C48("mlx5_3", "mlx5_3 mlx5_4"), P2C48("mlx5_4", "mlx5_3 mlx5_4")}},
    {"three NICs",
     INTEL_SPR,
     0x2330,
     32000,
     400,
     IB,
     three_nics,
     "",
     {{"a b c", "b", NCCL_PATH_PIX, 48, true}}},
    {"relayed",
     INTEL_SPR,
     0x2335,
     32000,
     400,
     IB,
     relayed,
     "",
     {PIX48("mlx5_0"), {"mlx5_0", "mlx5_0", NCCL_PATH_PXN, 48, true}}},
    {"no NVLink",
     INTEL_SPR,
     0x2331,
     32000,
     400,
     IB,
     relayed,
     "",
     {PIX48("mlx5_0"), {"mlx5_0", "mlx5_0", NCCL_PATH_PHB, 48, false}}},
    {"far but fast",
     INTEL_SPR,
     0x2331,
     32000,
     400,
     IB,
     far_but_fast,
     "",
     {{"mlx5_1", "mlx5_1", NCCL_PATH_SYS, 22, false}}},
    {"far, but a slow way",
     "x86_64",
     "GenuineIntel",
     6,
     85,
     0x2331,
     32000,
     400,
     IB,
     far_but_fast,
     "",
     {{"mlx5_0", "mlx5_0", NCCL_PATH_PIX, 12, true}}},
    {"one bus",
     INTEL_SPR,
     0x2331,
     32000,
     200,
     IB,
     one_bus,
     "",
     {{"mlx5_0", "mlx5_0+mlx5_1", NCCL_PATH_PHB, 48, false}}},
    {"no NIC",
     INTEL_SPR,
     0x2331,
     32000,
     200,
     IB,
     one_bus,
     "mlx5_0 mlx5_1",
     {{"", "", NCCL_PATH_DIS, 0, false}}},
};

/* ---- a description of rows ---- */

struct node {
    Aolani__Topology m;
    Aolani__NumaNode numa[8], *numas[8];
    Aolani__Core core[8], *cores[8];
    uint32_t pu[8];
    char cpus[8][4];
    uint32_t at[8];
    Aolani__PciNode pci[MOST], *pcis[MOST];
    Aolani__PciLink link[MOST];
    Aolani__Gpu gpu[8], *gpus[8];
    Aolani__Nic nic[32], *nics[32];
    Aolani__NicPort port[32], *ports[32];
};

static void set_numa(struct node *n)
{
    for (uint32_t i = 0; i < 8; i++) {
        aolani__numa_node__init(&n->numa[i]);
        aolani__core__init(&n->core[i]);
        n->pu[i] = n->at[i] = n->numa[i].os_index = i;
        snprintf(n->cpus[i], sizeof n->cpus[i], "%u", i);
        n->numa[i].cpus = n->cpus[i];
        n->core[i].pus = &n->pu[i];
        n->core[i].n_pus = 1;
        n->numas[i] = &n->numa[i];
        n->cores[i] = &n->core[i];
    }
    n->m.allowed_cpus = "0-7";
    n->m.numa = n->numas;
    n->m.cores = n->cores;
    n->m.n_numa = n->m.n_cores = 8;
}

static void add_gpu(struct node *n, const struct machine *m, const struct row *r)
{
    Aolani__Gpu *g = &n->gpu[n->m.n_gpus];
    aolani__gpu__init(g);
    g->pci = (uint32_t)n->m.n_pci;
    g->bus_id = (char *)r->bus;
    g->nvml_index = r->number;
    g->vendor = "NVIDIA";
    g->mem_numa = -1;
    n->pci[n->m.n_pci - 1].vendor = 0x10de;
    n->pci[n->m.n_pci - 1].device = m->gpu_device;
    n->gpus[n->m.n_gpus++] = g;
}

static void add_nic(struct node *n, const struct machine *m, const struct row *r)
{
    size_t i = n->m.n_nics++;
    Aolani__Nic *x = n->nics[i] = &n->nic[i];
    Aolani__NicPort *p = n->ports[i] = &n->port[i];
    aolani__nic__init(x);
    aolani__nic_port__init(p);
    x->name = (char *)r->name;
    x->pci = (uint32_t)n->m.n_pci;
    x->bus_id = (char *)r->bus;
    x->kind = (Aolani__Nic__Kind)m->layer;
    x->ports = &n->ports[i];
    x->n_ports = 1;
    p->number = 1;
    p->state = 4;
    p->layer = m->layer == IB ? "InfiniBand" : "Ethernet";
    p->rate_mbits = 1000ull * (r->gbits ? r->gbits : m->gbits);
}

static void fill(struct node *n, const struct machine *m)
{
    uint32_t above[16] = {0};
    aolani__topology__init(&n->m);
    set_numa(n);
    n->m.arch = (char *)m->arch;
    n->m.cpu_vendor = (char *)m->cpu;
    n->m.cpu_family = m->family;
    n->m.cpu_model = m->model;
    n->m.pci = n->pcis;
    n->m.gpus = n->gpus;
    n->m.nics = n->nics;
    for (const struct row *r = m->rows; r->what; r++) {
        size_t i = n->m.n_pci++;
        Aolani__PciNode *p = n->pcis[i] = &n->pci[i];
        aolani__pci_node__init(p);
        aolani__pci_link__init(&n->link[i]);
        p->bus_id = (char *)r->bus;
        p->parent = r->depth ? above[r->depth - 1] : 0;
        above[r->depth] = (uint32_t)i + 1;
        p->kind = r->what == 'H'   ? AOLANI__PCI_NODE__KIND__HOST_BRIDGE
                  : r->what == 'B' ? AOLANI__PCI_NODE__KIND__BRIDGE
                                   : AOLANI__PCI_NODE__KIND__DEVICE;
        n->link[i].max_mts = r->mts ? r->mts : m->mts;
        n->link[i].max_width = 16;
        n->link[i].now_mts = 2500; /* of no importance */
        p->link = &n->link[i];
        if (r->what == 'H' && r->number >= 0) {
            p->located = true;
            p->cpus = n->cpus[r->number];
            p->numa = &n->at[r->number];
            p->n_numa = 1;
        }
        if (r->what == 'G')
            add_gpu(n, m, r);
        if (r->what == 'N')
            add_nic(n, m, r);
    }
}

/* ---- the checks ---- */

static bool named(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += len) {
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    }
    return false;
}

static size_t allowed(const struct topo *t, const char *never, uint32_t *ret)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_nics; i++) {
        if (!named(never, t->nics[i].m->name))
            ret[n++] = i;
    }
    return n;
}

static void join(const struct topo *t, const uint32_t *nics, size_t n, char apart,
                 char *ret, size_t len)
{
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at +=
            (size_t)snprintf(ret + at, len - at, "%s%s", i ? (char[]){apart, '\0'} : "",
                             t->nics[nics[i]].m->name);
}

#endif
