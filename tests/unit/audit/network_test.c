/* SPDX-License-Identifier: MIT */
/* What is said of the network of machines that never were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/machine_case.h"

#define N_IDS 8u
#define IB    "/sys/class/infiniband/"
#define PCI   "/sys/bus/pci/devices/"
#define VERBS "/sys/class/infiniband_verbs/"
#define CAPS  "/proc/self/status Name: x|CapEff:\t"

#define HCA(name, n)                                                          \
    IB name "/device/vendor 0x15b3\n" IB name "/device/device 0x1021\n" VERBS \
            "uverbs" n "/ibdev " name "\n/dev/infiniband/uverbs" n " \n"
#define PORT(name, layer, rate)                                             \
    IB name "/ports/1/state 4: ACTIVE\n" IB name                            \
            "/ports/1/phys_state 5: LinkUp\n" IB name "/ports/1/rate " rate \
            "\n" IB name "/ports/1/link_layer " layer "\n"

/* Two InfiniBand HCAs, one with RoCE, and a GPU's driver, seen by root. */
#define METAL                                                                   \
    HCA("mlx5_0", "0")                                                          \
    PORT("mlx5_0", "InfiniBand", "400 Gb/sec (4X NDR)")                         \
    HCA("mlx5_1", "1")                                                          \
    PORT("mlx5_1", "InfiniBand", "400 Gb/sec (4X NDR)")                         \
    HCA("mlx5_2", "2")                                                          \
    PORT("mlx5_2", "Ethernet", "100 Gb/sec (4X EDR)")                           \
    IB "mlx5_0/ports/1/sm_lid 0x1\n" IB "mlx5_1/ports/1/sm_lid 0x1\n" IB        \
       "mlx5_2/ports/1/hw_counters/np_cnp_sent 0\n" IB                          \
       "mlx5_2/ports/1/hw_counters/rp_cnp_handled 12\n" IB                      \
       "mlx5_2/ports/1/gid_attrs/types/0 IB/RoCE v1\n" IB                       \
       "mlx5_2/ports/1/gids/0 fe80:0000:0000:0000:0202:c9ff:fe00:0001\n" IB     \
       "mlx5_2/ports/1/gid_attrs/types/3 RoCE v2\n" IB                          \
       "mlx5_2/ports/1/gids/3 0000:0000:0000:0000:0000:ffff:0a00:0001\n" IB     \
       "mlx5_2/ports/1/gids/4 0000:0000:0000:0000:0000:0000:0000:0000\n"        \
       "/sys/module/nvidia/version 570.86.15\n"                                 \
       "/sys/module/nvidia_peermem/version 570.86.15\n" PCI                     \
       "0000:18:00.0/class 0x020700\n" PCI "0000:18:00.0/vendor 0x15b3\n" PCI   \
       "0000:18:00.0/device 0x1021\n" PCI "0000:19:00.0/class 0x030200\n" PCI   \
       "0000:19:00.0/vendor 0x10de\n" PCI "0000:9a:00.0/class 0x020000\n" PCI   \
       "0000:9a:00.0/vendor 0x15b3\n" PCI "0000:9a:00.0/device 0x101d\n"        \
       "link /sys/class/net/ens1 ../../bus/pci/devices/0000:9a:00.0/net/ens1\n" \
       "link " PCI "0000:9a:00.0/net/ens1/device ../..\n"                       \
       "facts number counters-phy-ens1 96\n"                                    \
       "/proc/sys/net/core/netdev_max_backlog 1000\n"                           \
       "/proc/sys/kernel/osrelease 6.8.0-45-generic\n"                          \
       "link /proc/self/ns/net net:[4026531840]\n"                              \
       "link /proc/self/ns/pid pid:[4026531836]\n"                              \
       "link /proc/self/ns/user user:[4026531837]\n"                            \
       "link /proc/1/ns/net net:[4026531840]\n" CAPS "000001ffffffffff|\n"

#define NO_HCA     "gone /sys/class/infiniband\ngone " VERBS "uverbs0\n"
#define HIDDEN     "facts errno EACCES sys/class/infiniband\n"
#define DOWN(name) IB name "/ports/1/state 1: DOWN\n"
#define NETDEV(name)                                                              \
    "link /sys/class/net/" name "/device ../../../bus/pci/devices/0000:9a:00.0\n" \
    "facts number counters-phy-" name " 0\n"
/* One HCA for each port of a card: the first one up, the second one down. */
#define CARD(other)                                                              \
    PORT("mlx5_3", "Ethernet", "100 Gb/sec (4X EDR)")                            \
    "link " IB "mlx5_3/device ../../../bus/pci/devices/0000:9a:00.0\n" PCI other \
    "/vendor 0x15b3\nlink " IB "mlx5_4/device ../../../bus/pci/devices/" other   \
    "\n" DOWN("mlx5_4") IB "mlx5_4/ports/1/link_layer Ethernet\n"
#define NO_PEER "gone /sys/module/nvidia_peermem\n"
#define OPEN                                                                    \
    "/proc/driver/nvidia/version NVRM version: NVIDIA UNIX Open Kernel Module " \
    "for x86_64  570.86.15|GCC version: 13|\n"
#define CONTAINER "gone /proc/sys/net/core/netdev_max_backlog\n"
#define NO_CORE   "gone /proc/sys/net/core\n"

static const struct machine_case cases[] = {
    {"metal", AUDIT_NW1, "", AUDIT_PASS,
     "2 x 400 Gb/sec (4X NDR) InfiniBand, 1 x 100 Gb/sec (4X EDR) Ethernet", 0},
    {"no HCA", AUDIT_NW1, NO_HCA, AUDIT_UNKNOWN, "there is no HCA here", 0},
    {"an empty folder", AUDIT_NW1, NO_HCA "dir /sys/class/infiniband\n", AUDIT_UNKNOWN,
     "there is no HCA here", 0},
    {"hidden", AUDIT_NW1, HIDDEN, AUDIT_UNKNOWN, "cannot be read: Permission denied",
     "root"},
    {"a port is down", AUDIT_NW1, DOWN("mlx5_1"), AUDIT_FAIL, "mlx5_1 port 1 down; 1 x",
     0},
    {"without a subnet manager", AUDIT_NW1, IB "mlx5_1/ports/1/state 2: INIT\n",
     AUDIT_FAIL, "mlx5_1 port 1 without subnet manager", 0},
    {"slower than the like", AUDIT_NW1, IB "mlx5_1/ports/1/rate 200 Gb/sec (4X HDR)\n",
     AUDIT_FAIL, "mlx5_1 port 1 200 Gb/sec (4X HDR) where others have 400 Gb/s", 0},
    {"slower, and of another model", AUDIT_NW1,
     IB "mlx5_1/ports/1/rate 200 Gb/sec (4X HDR)\n" IB "mlx5_1/device/device 0x101b\n",
     AUDIT_PASS, "1 x 200 Gb/sec", 0},
    {"a second port without a cable", AUDIT_NW1,
     IB "mlx5_0/ports/2/state 1: DOWN\n" IB "mlx5_0/ports/2/phys_state 3: Disabled\n",
     AUDIT_PASS, "mlx5_0 port 2 down", 0},
    {"a card's second function without a cable", AUDIT_NW1, CARD("0000:9a:00.1"),
     AUDIT_PASS, "mlx5_4 port 1 down", 0},
    {"a card without a cable", AUDIT_NW1, CARD("0000:9b:00.0"), AUDIT_FAIL,
     "mlx5_4 port 1 down", 0},
    {"active without a link", AUDIT_NW1, IB "mlx5_0/ports/1/phys_state 2: Polling\n",
     AUDIT_FAIL, "mlx5_0 port 1 active without a link", 0},
    {"recovering", AUDIT_NW1, IB "mlx5_0/ports/1/state 5: ACTIVE_DEFER\n", AUDIT_PASS,
     "2 x 400", 0},
    {"no rate", AUDIT_NW1, "gone " IB "mlx5_2/ports/1/rate\n", AUDIT_PASS,
     "1 x unknown rate Ethernet", 0},
    {"nonsense for a state", AUDIT_NW1, IB "mlx5_0/ports/1/state ACTIVE\n",
     AUDIT_UNKNOWN, "mlx5_0 port 1 does not say its state", "root"},
    {"a state that is not known", AUDIT_NW1, IB "mlx5_0/ports/1/state 17: X\n",
     AUDIT_FAIL, "in a state not known", 0},

    {"metal", AUDIT_NW2, "", AUDIT_PASS, "RoCE v2 with IPv4: mlx5_2 port 1 index 3", 0},
    {"v1 alone", AUDIT_NW2, IB "mlx5_2/ports/1/gid_attrs/types/3 IB/RoCE v1\n",
     AUDIT_FAIL, "no RoCE v2 address with IPv4: mlx5_2 port 1", 0},
    {"IPv6 alone", AUDIT_NW2,
     IB "mlx5_2/ports/1/gids/3 fd00:0000:0000:0000:0000:0000:0a00:0001\n", AUDIT_FAIL,
     "no RoCE v2 address with IPv4", 0},
    {"an entry that cannot be read", AUDIT_NW2,
     "facts errno EINVAL sys/class/infiniband/mlx5_2/ports/1/gid_attrs/types/0\n",
     AUDIT_PASS, "index 3", 0},
    {"hidden", AUDIT_NW2,
     "facts errno EACCES sys/class/infiniband/mlx5_2/ports/1/gid_attrs\n",
     AUDIT_UNKNOWN, "addresses cannot be read: mlx5_2 port 1", "root"},
    {"InfiniBand alone", AUDIT_NW2, DOWN("mlx5_2"), AUDIT_PASS, "none is needed", 0},
    {"no HCA", AUDIT_NW2, NO_HCA, AUDIT_UNKNOWN, "there is no HCA here", 0},

    {"metal", AUDIT_NW3, "", AUDIT_PASS, "a module for it is loaded", 0},
    {"as it was called before", AUDIT_NW3,
     NO_PEER "/sys/kernel/mm/memory_peers/nv_mem/version 1.1\n", AUDIT_PASS,
     "a module for it is loaded", 0},
    {"dma-buf", AUDIT_NW3, NO_PEER OPEN, AUDIT_PASS, "dma-buf", 0},
    {"an old kernel", AUDIT_NW3, NO_PEER OPEN "/proc/sys/kernel/osrelease 5.4.0-100\n",
     AUDIT_FAIL, "the kernel is older than 5.12", 0},
    {"neither", AUDIT_NW3, NO_PEER, AUDIT_FAIL, "modules are not the open ones", 0},
    {"no driver", AUDIT_NW3, NO_PEER "gone /sys/module/nvidia\n", AUDIT_UNKNOWN,
     "no driver of NVIDIA GPUs is loaded", "the nvidia driver"},
    {"no HCA", AUDIT_NW3, NO_HCA, AUDIT_UNKNOWN, "there is no HCA here", 0},

    {"metal", AUDIT_NW4, "", AUDIT_PASS, "0000:18:00.0, 0000:9a:00.0", 0},
    {"a virtual function", AUDIT_NW4,
     "link " PCI "0000:18:00.0/physfn ../0000:17:00.0\ndir " PCI "0000:17:00.0\n",
     AUDIT_FAIL, "0000:18:00.0 virtual function", 0},
    {"a virtual function in a guest", AUDIT_NW4, PCI "0000:9a:00.0/device 0x101e\n",
     AUDIT_FAIL, "0000:9a:00.0 virtual function", 0},
    {"virtio", AUDIT_NW4,
     PCI "0000:9a:00.0/vendor 0x1af4\n" PCI "0000:9a:00.0/device 0x1041\n", AUDIT_FAIL,
     "0000:9a:00.0 virtio", 0},
    {"EFA", AUDIT_NW4,
     PCI "0000:18:00.0/vendor 0x1d0f\n" PCI "0000:18:00.0/device 0xefa2\n", AUDIT_FAIL,
     "0000:18:00.0 Elastic Fabric Adapter", 0},
    {"a sub-function", AUDIT_NW4,
     "gone /sys/class/net/ens1\ndir "
     "/sys/devices/pci0000:99/0000:9a:00.0/mlx5_core.sf.4\n"
     "link /sys/class/net/ens1/device "
     "../../../devices/pci0000:99/0000:9a:00.0/mlx5_core.sf.4\n",
     AUDIT_FAIL, "ens1 sub-function", 0},
    {"on Hyper-V's bus", AUDIT_NW4,
     "gone /sys/bus\ngone /sys/class/net/ens1\n"
     "dir /sys/devices/LNXSYSTM:00/VMBUS:00/000d3a\n"
     "link /sys/class/net/eth0/device ../../../devices/LNXSYSTM:00/VMBUS:00/000d3a\n",
     AUDIT_FAIL, "eth0 of Hyper-V", 0},
    {"no counters of the wire", AUDIT_NW4, "facts number counters-phy-ens1 0\n",
     AUDIT_FAIL, "no counters of the wire: ens1", 0},
    {"a port of a switch on the NIC, for a guest", AUDIT_NW4,
     NETDEV("eth9") "/sys/class/net/eth9/phys_port_name pf0vf3\n", AUDIT_PASS,
     "physical functions", 0},
    {"the NIC's own port of that switch", AUDIT_NW4,
     NETDEV("eth9") "/sys/class/net/eth9/phys_port_name p0\n", AUDIT_FAIL,
     "no counters of the wire: eth9", 0},
    {"IP over InfiniBand", AUDIT_NW4,
     NETDEV("ib0.8001") "/sys/class/net/ib0.8001/type 32\n", AUDIT_PASS,
     "physical functions", 0},
    {"of another maker, without", AUDIT_NW4,
     "facts number counters-phy-ens1 0\n" PCI "0000:9a:00.0/vendor 0x14e4\n",
     AUDIT_PASS, "physical functions", 0},
    {"hidden", AUDIT_NW4, "facts errno EACCES sys/bus/pci\ngone /sys/class/net\n",
     AUDIT_UNKNOWN, "PCI functions cannot be read", "root, or the machine's own /sys"},
    {"none", AUDIT_NW4, "gone /sys/bus\ngone /sys/class/net\n", AUDIT_UNKNOWN,
     "there is no NIC to be seen", "root, or the machine's own /sys"},

    {"metal", AUDIT_NW5, "", AUDIT_PASS, "3 devices can be opened", 0},
    {"not given to the container", AUDIT_NW5,
     "facts errno EPERM dev/infiniband/uverbs1\n", AUDIT_FAIL,
     "/dev/infiniband/uverbs1: Operation not permitted", 0},
    {"not there", AUDIT_NW5, "gone /dev/infiniband\n", AUDIT_FAIL,
     "/dev/infiniband/uverbs0: No such file", 0},
    {"not for this user", AUDIT_NW5,
     MACHINE_TREE_USER "facts errno-write EACCES dev/infiniband\n", AUDIT_FAIL,
     "Permission denied", 0},
    {"for this user too", AUDIT_NW5, MACHINE_TREE_USER, AUDIT_PASS, "3 devices", 0},
    {"no module", AUDIT_NW5, "gone /sys/class/infiniband_verbs\n", AUDIT_FAIL,
     "ib_uverbs is not loaded", 0},
    {"hidden", AUDIT_NW5, "facts errno EACCES sys/class/infiniband_verbs\n",
     AUDIT_UNKNOWN, "cannot be read", "root"},
    {"no HCA", AUDIT_NW5, NO_HCA, AUDIT_UNKNOWN, "there is no HCA here", 0},

    {"metal", AUDIT_NW6, "", AUDIT_PASS,
     "mlx5_0 port 1 has a subnet manager, mlx5_1 port 1 has a subnet manager, "
     "mlx5_2 port 1 counts congestion",
     0},
    {"no subnet manager", AUDIT_NW6, IB "mlx5_1/ports/1/sm_lid 0x0\n", AUDIT_FAIL,
     "no subnet manager: mlx5_1 port 1", 0},
    {"waits for one", AUDIT_NW6,
     IB "mlx5_1/ports/1/state 2: INIT\n" IB "mlx5_1/ports/1/sm_lid 0\n", AUDIT_FAIL,
     "no subnet manager: mlx5_1 port 1", 0},
    {"no counters", AUDIT_NW6, "gone " IB "mlx5_2/ports/1/hw_counters\n", AUDIT_UNKNOWN,
     "neither is shown: mlx5_2 port 1", "root, or a driver that counts congestion"},
    {"nothing is at work", AUDIT_NW6,
     DOWN("mlx5_2") IB "mlx5_0/ports/1/phys_state 2: Polling\n" IB
                       "mlx5_1/ports/1/phys_state 3: Disabled\n",
     AUDIT_UNKNOWN, "no port is at work", 0},
    {"no HCA", AUDIT_NW6, NO_HCA, AUDIT_UNKNOWN, "there is no HCA here", 0},

    {"metal", AUDIT_NW7, "", AUDIT_PASS, "CAP_NET_ADMIN", 0},
    {"a user", AUDIT_NW7, MACHINE_TREE_USER CAPS "0000000000000000|\n", AUDIT_UNKNOWN,
     "user 1000 is without CAP_NET_ADMIN", "root"},
    {"a user who may", AUDIT_NW7, MACHINE_TREE_USER CAPS "0000000000001000|\n",
     AUDIT_PASS, "CAP_NET_ADMIN", 0},
    {"root of a container", AUDIT_NW7, CAPS "00000000a80425fb|\n", AUDIT_FAIL,
     "root without CAP_NET_ADMIN", 0},
    {"over its own network", AUDIT_NW7, CONTAINER, AUDIT_WARN,
     "over a namespace's own network", 0},
    {"over its own users", AUDIT_NW7,
     "gone /proc/self/ns/user\nlink /proc/self/ns/user user:[4026532000]\n", AUDIT_WARN,
     "over a namespace's own network", 0},
    {"not shown", AUDIT_NW7, "/proc/self/status Name: x|\n", AUDIT_UNKNOWN,
     "capabilities are not shown", 0},

    {"metal", AUDIT_NW8, "", AUDIT_PASS, "the machine's own", 0},
    {"a container", AUDIT_NW8, CONTAINER "/proc/sys/net/core/somaxconn 4096\n",
     AUDIT_WARN, "a network namespace of a container", 0},
    {"by the first process", AUDIT_NW8, NO_CORE, AUDIT_PASS, "the machine's own", 0},
    {"not the first process's", AUDIT_NW8,
     NO_CORE "gone /proc/1/ns/net\nlink /proc/1/ns/net net:[4026533333]\n", AUDIT_WARN,
     "a network namespace of a container", 0},
    {"by the first of a container", AUDIT_NW8,
     NO_CORE "gone /proc/self/ns/pid\nlink /proc/self/ns/pid pid:[4026533000]\n",
     AUDIT_UNKNOWN, "the first process is not to be seen", "root"},
    {"hidden", AUDIT_NW8, NO_CORE "gone /proc/1\n", AUDIT_UNKNOWN,
     "the first process is not to be seen", "root"},
};

static void each_case_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        machine_case_check(look_network, N_IDS, METAL, &cases[i]);
}

/* On any machine: a finding for each, none of them twice. */
static void nothing_at_all_is_unknown(void **state)
{
    static const struct machine_case nothing = {
        "nothing", AUDIT_NW1, "", AUDIT_UNKNOWN, "there is no HCA here", 0};
    (void)state;
    machine_case_check(look_network, N_IDS, "", &nothing);
}

/* This machine, whatever it is, by the user that runs this. */
static void this_machine_is_looked_at(void **state)
{
    (void)state;
    struct machine *m;
    struct findings f;
    struct err e = {0};
    assert_int_equal(machine_open(NULL, &m, &e), 0);
    findings_init(&f);
    look_network(m, &f);
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, N_IDS);
    for (size_t i = 0; i < N_IDS; i++)
        assert_true(*f.m->findings[i]->evidence && *f.m->findings[i]->source);
    findings_fini(&f);
    machine_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_has_its_verdict),
        cmocka_unit_test(nothing_at_all_is_unknown),
        cmocka_unit_test(this_machine_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
