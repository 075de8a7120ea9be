/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/pci_look.h"

/* Below a root port: a switch with a GPU at one of its ports and a NIC at another. Each
 * row may add to what stands there. */
#define PORT "pci0000:00/0000:00:01.0"
#define UP   PORT "/0000:01:00.0"
#define LOW1 UP "/0000:02:00.0"
#define LOW2 UP "/0000:02:01.0"
#define GPU  LOW1 "/0000:03:00.0"
#define NIC  LOW2 "/0000:04:00.0"

#define SWITCH_BELOW                                                         \
    UP " 060400 1000 c030 config=\n" LOW1 " 060400 1000 c030 config=\n" LOW2 \
       " 060400 1000 c030 config=\n"
#define SWITCH                                               \
    PORT " 060400 8086 352a\n" UP " 060400 1000 c030\n" LOW1 \
         " 060400 1000 c030\n" LOW2 " 060400 1000 c030\n"
#define METAL PCI_TREE_METAL SWITCH GPU " 030200 10de 2330\n" NIC " 020700 15b3 1021\n"
#define GUEST PCI_TREE_GUEST SWITCH GPU " 030200 10de 2330\n" NIC " 020700 15b3 1021\n"
#define FLAT                                                    \
    PCI_TREE_GUEST "pci0000:00/0000:00:05.0 030200 10de 2330\n" \
                   "pci0000:00/0000:00:03.0 020000 1af4 1000\n"
#define NO_GPU                                     \
    PCI_TREE_METAL PORT " 060400 8086 352a\n" PORT \
                        "/0000:01:00.0 020000 8086 1572 numa_node=0\n"
#define NOTHING PCI_TREE_METAL "/sys/bus/pci/devices/.keep\n"

static void check(const struct pci_look_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pci_look_check(&rows[i], look_pci);
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void test_near(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"a switch", METAL, NULL, AUDIT_PC1, AUDIT_PASS, "1 of 1 gpus", NULL},
        {"each at a port of its own",
         PCI_TREE_METAL PORT " 060400 8086 352a\n" PORT
                             "/0000:01:00.0 030200 10de 2330\n"
                             "pci0000:00/0000:00:02.0 060400 8086 352a\n"
                             "pci0000:00/0000:00:02.0/0000:02:00.0 020000 15b3 1021\n",
         NULL, AUDIT_PC1, AUDIT_WARN, "0000:01:00.0 without a nic", NULL},
        {"the nic at another host bridge",
         PCI_TREE_METAL PORT " 060400 8086 352a\n" PORT
                             "/0000:01:00.0 030200 10de 2330\n"
                             "pci0000:80/0000:80:02.0 060400 8086 352a\n"
                             "pci0000:80/0000:80:02.0/0000:82:00.0 020000 15b3 1021\n",
         NULL, AUDIT_PC1, AUDIT_WARN, "without a nic below the same switch", NULL},
        {"flat", FLAT, NULL, AUDIT_PC1, AUDIT_FAIL, "0000:00:05.0 on a root bus", NULL},
        {"an amd gpu, whose card is a switch by itself",
         PCI_TREE_METAL SWITCH LOW1
         "/0000:03:00.0 060400 1002 14a0\n" LOW1
         "/0000:03:00.0/0000:08:00.0 060400 1002 14a1\n" LOW1
         "/0000:03:00.0/0000:08:00.0/0000:09:00.0 038000 1002 "
         "740c\n" NIC " 020000 1dd8 1002\n",
         NULL, AUDIT_PC1, AUDIT_PASS, "1 gpu, 1 nic", NULL},
        {"an accelerator of amd",
         PCI_TREE_METAL PORT " 060400 1022 14a5\n" PORT
                             "/0000:01:00.0 120000 1002 74a1\n",
         NULL, AUDIT_PC1, AUDIT_WARN, "no nic on pci (1 gpu, 0 nics)", NULL},
        {"the screen of a server is no gpu",
         PCI_TREE_METAL PORT " 060400 8086 352a\n" PORT
                             "/0000:01:00.0 030000 1a03 2000\n"
                             "pci0000:00/0000:00:02.0 030000 1002 515e\n",
         NULL, AUDIT_PC1, AUDIT_UNKNOWN, "there is no gpu here", NULL},
        {"no gpu, and nothing above the nic",
         PCI_TREE_GUEST "pci0000:00/0000:00:03.0 020000 1af4 1000\n", NULL, AUDIT_PC1,
         AUDIT_FAIL, "no port and no bridge", NULL},
        {"no gpu, and a port that does not say that it is one", NO_GPU,
         "facts errno EACCES sys/bus/pci/devices/0000:00:01.0/class\n", AUDIT_PC1,
         AUDIT_UNKNOWN, "no gpu here", NULL},
        {"no gpu", NO_GPU, NULL, AUDIT_PC1, AUDIT_UNKNOWN,
         "no gpu here (0 gpus, 1 nic)", NULL},
        {"no pci", PCI_TREE_METAL, NULL, AUDIT_PC1, AUDIT_UNKNOWN, "cannot be listed",
         NULL},
        {"a port that does not say that it is one", METAL,
         "facts errno EACCES sys/bus/pci/devices/0000:00:01.0/class\n", AUDIT_PC1,
         AUDIT_UNKNOWN, "where 0000:03:00.0 sits is not shown", NULL},
        {"not allowed", METAL, "facts errno EACCES sys/bus/pci/devices\n", AUDIT_PC1,
         AUDIT_UNKNOWN, "Permission denied", NULL},
    };
    CHECK(rows);
}

static void test_injected(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"none", METAL, NULL, AUDIT_PC2, AUDIT_PASS, "no topology file", NULL},
        {"a daemon's", METAL,
         "/var/run/nvidia-topologyd/virtualTopology.xml <system version=\"1\"/>\n",
         AUDIT_PC2, AUDIT_WARN, "had to write down", NULL},
        {"a daemon's, without the old folder", METAL,
         "/run/nvidia-topologyd/virtualTopology.xml <system version=\"1\"/>\n",
         AUDIT_PC2, AUDIT_WARN, "had to write down", NULL},
        {"of all programs", METAL,
         "/etc/nccl.conf NCCL_TOPO_FILE=/opt/microsoft/ndv5-topo.xml\n", AUDIT_PC2,
         AUDIT_WARN, "/opt/microsoft/ndv5-topo.xml", NULL},
        {"another setting", METAL, "/etc/nccl.conf NCCL_DEBUG=INFO\n", AUDIT_PC2,
         AUDIT_PASS, "no topology file", NULL},
        {"set to nothing", METAL, "/etc/nccl.conf NCCL_TOPO_FILE=\n", AUDIT_PC2,
         AUDIT_PASS, "no topology file", NULL},
    };
    CHECK(rows);
}

#define LINK(w, s, mw, ms)                                                            \
    " current_link_width=" w " current_link_speed=" s "_GT/s_PCIe max_link_width=" mw \
    " max_link_speed=" ms "_GT/s_PCIe"
#define LINKED(port, up, low1, low2, gpu, nic)                                    \
    PCI_TREE_METAL PORT " 060400 8086 352a" port "\n" UP " 060400 1000 c030" up   \
                        "\n" LOW1 " 060400 1000 c030" low1 "\n" LOW2              \
                        " 060400 1000 c030" low2 "\n" GPU " 030200 10de 2330" gpu \
                        "\n" NIC " 020700 15b3 1021" nic "\n"
#define GEN5 LINK("16", "32.0", "16", "32.0")

static void test_links(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"all", LINKED(GEN5, GEN5, GEN5, GEN5, GEN5, GEN5), NULL, AUDIT_PC3, AUDIT_PASS,
         "3 links as wide", NULL},
        {"a gpu trained down",
         LINKED(GEN5, GEN5, GEN5, GEN5, LINK("8", "32.0", "16", "32.0"), GEN5), NULL,
         AUDIT_PC3, AUDIT_FAIL, "0000:03:00.0 x8 of x16", NULL},
        {"the way up to the cpu trained down",
         LINKED(GEN5, LINK("4", "32.0", "16", "32.0"), GEN5, GEN5, GEN5, GEN5), NULL,
         AUDIT_PC3, AUDIT_FAIL, "0000:01:00.0 x4 of x16", NULL},
        {"a nic slower than it can",
         LINKED(GEN5, GEN5, GEN5, GEN5, GEN5, LINK("16", "8.0", "16", "32.0")), NULL,
         AUDIT_PC3, AUDIT_FAIL, "0000:04:00.0 8.0 of 32.0 GT/s", NULL},
        {"a slot that cannot more",
         LINKED(GEN5, GEN5, LINK("8", "16.0", "8", "16.0"), GEN5,
                LINK("8", "16.0", "16", "32.0"), GEN5),
         NULL, AUDIT_PC3, AUDIT_PASS, "3 links", NULL},
        {"an idle gpu",
         LINKED(GEN5, GEN5, GEN5, GEN5, LINK("16", "2.5", "16", "32.0"), GEN5), NULL,
         AUDIT_PC3, AUDIT_WARN, "an idle gpu saves power", NULL},
        {"a busy gpu",
         LINKED(GEN5, GEN5, GEN5, GEN5,
                LINK("16", "2.5", "16", "32.0") " gpu_busy_percent=97", GEN5),
         NULL, AUDIT_PC3, AUDIT_FAIL, "0000:03:00.0 2.5 of 32.0 GT/s", NULL},
        {"a small nic with fewer lanes than it has",
         LINKED(GEN5, GEN5, GEN5, GEN5, GEN5, LINK("1", "5.0", "2", "5.0")), NULL,
         AUDIT_PC3, AUDIT_WARN, "0000:04:00.0 x1 of x2 (a small nic)", NULL},
        {"unknown", LINKED("", "", "", "", "", ""), NULL, AUDIT_PC3, AUDIT_UNKNOWN,
         "no link of a gpu or nic", NULL},
        {"the kernel's word for unknown",
         LINKED(
             "", "", "", "",
             " current_link_speed=Unknown current_link_width=0 max_link_speed=Unknown "
             "max_link_width=255",
             ""),
         NULL, AUDIT_PC3, AUDIT_UNKNOWN, "no link of a gpu or nic", NULL},
        {"nonsense",
         LINKED(
             "", "", "", "",
             " current_link_speed=-16.0_GT/s current_link_width=99999999999999999999 "
             "max_link_speed=1e99_GT/s max_link_width=x",
             ""),
         NULL, AUDIT_PC3, AUDIT_UNKNOWN, "no link of a gpu or nic", NULL},
        {"on the root bus",
         PCI_TREE_GUEST "pci0000:00/0000:00:05.0 030200 10de 2330" LINK(
             "8", "32.0", "16", "32.0") "\n",
         NULL, AUDIT_PC3, AUDIT_FAIL, "0000:00:05.0 x8 of x16", NULL},
        {"neither", NOTHING, NULL, AUDIT_PC3, AUDIT_UNKNOWN, "no gpu and no nic", NULL},
    };
    CHECK(rows);
}

#define CONFIGURED(port, up, low1, low2, gpu, nic)                           \
    LINKED(" config=" port, " config=" up, " config=" low1, " config=" low2, \
           " config=" gpu, " config=" nic)

static void test_acs(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"off", CONFIGURED("port", "noacs", "", "", "", ""), NULL, AUDIT_PC4,
         AUDIT_PASS, "off on 2 ports", NULL},
        {"on", CONFIGURED("port", "", "acs:1d", "acs:1d", "", ""), NULL, AUDIT_PC4,
         AUDIT_FAIL,
         "0000:02:00.0 SrcValid ReqRedir CmpltRedir UpstreamFwd, 0000:02:01.0", NULL},
        {"requests alone", CONFIGURED("port", "", "acs:4", "", "", ""), NULL, AUDIT_PC4,
         AUDIT_FAIL, "0000:02:00.0 ReqRedir", NULL},
        {"above the switch, where none of it passes",
         CONFIGURED("port,acs:1d", "", "", "", "", ""), NULL, AUDIT_PC4, AUDIT_PASS,
         "off on 2 ports", NULL},
        {"root ports between gpus that share no switch",
         PCI_TREE_METAL PORT
         " 060400 8086 352a config=port,acs:1d\n" SWITCH_BELOW GPU
         " 030200 10de 2330 config=\n" NIC " 020700 15b3 1021\n"
         "pci0000:80/0000:80:01.0 060400 8086 352a config=port,acs:1d\n"
         "pci0000:80/0000:80:01.0/0000:81:00.0 030200 10de 2330\n"
         "pci0000:80/0000:80:01.0/0000:81:01.0 020700 15b3 1021\n",
         NULL, AUDIT_PC4, AUDIT_PASS, "off on 2 ports", NULL},
        {"nearer to another gpu than to the nic",
         PCI_TREE_METAL SWITCH GPU
         " 030200 10de 2330 config=\n" UP "/0000:02:02.0 060400 1000 c030 config=\n" UP
         "/0000:02:02.0/0000:05:00.0 030200 10de 2330 config=\n"
         "pci0000:00/0000:00:02.0 060400 8086 352a config=port,acs:1d\n"
         "pci0000:00/0000:00:02.0/0000:12:00.0 020000 15b3 1021\n",
         NULL, AUDIT_PC4, AUDIT_WARN, "share no switch: 0000:00:02.0 SrcValid", NULL},
        {"root ports, where there is no switch",
         PCI_TREE_METAL PORT " 060400 8086 352a config=port,acs:1d\n" PORT
                             "/0000:01:00.0 030200 10de 2330\n"
                             "pci0000:00/0000:00:02.0 060400 8086 352a config=port\n"
                             "pci0000:00/0000:00:02.0/0000:02:00.0 020000 15b3 1021\n",
         NULL, AUDIT_PC4, AUDIT_WARN, "share no switch: 0000:00:01.0 SrcValid", NULL},
        {"a gpu and a nic in domains of their own, behind an iommu",
         PCI_TREE_METAL "pci0009:00/0009:00:00.0 060400 10de 22b8 config=port,acs:1d\n"
                        "pci0009:00/0009:00:00.0/0009:01:00.0 030200 10de 2342\n"
                        "pci0002:00/0002:00:00.0 060400 10de 22b1 config=port,acs:1d\n"
                        "pci0002:00/0002:00:00.0/0002:01:00.0 020700 15b3 1021\n",
         NULL, AUDIT_PC4, AUDIT_WARN, "over the cpu in any case", NULL},
        {"no more than the source checked", CONFIGURED("port", "", "acs:1", "", "", ""),
         NULL, AUDIT_PC4, AUDIT_WARN, "redirects nothing: 0000:02:00.0", NULL},
        {"a user",
         CONFIGURED("port", "", "bytes:64,acs:1d", "bytes:64", "bytes:64", ""),
         PCI_TREE_USER, AUDIT_PC4, AUDIT_UNKNOWN,
         "not shown to uid 1000: 0000:02:00.0, 0000:02:01.0", "root"},
        {"nothing extended", CONFIGURED("port", "", "bytes:256", "bytes:256", "", ""),
         NULL, AUDIT_PC4, AUDIT_UNKNOWN, "not to the end: 0000:02:00.0, 0000:02:01.0",
         NULL},
        {"a port that does not answer", CONFIGURED("port", "", "dead", "", "", ""),
         NULL, AUDIT_PC4, AUDIT_UNKNOWN, "no answer, or not to the end: 0000:02:00.0",
         NULL},
        {"root in a container", CONFIGURED("port", "", "bytes:64", "bytes:64", "", ""),
         NULL, AUDIT_PC4, AUDIT_UNKNOWN, "not shown to uid 0", "CAP_SYS_ADMIN"},
        {"root in a container, of its own users",
         CONFIGURED("port", "", "bytes:64", "bytes:64", "", ""),
         "/proc/self/uid_map 0 1000 1\n", AUDIT_PC4, AUDIT_UNKNOWN,
         "not shown to uid 0", "root of the machine itself"},
        {"on, in a guest", GUEST, NULL, AUDIT_PC4, AUDIT_UNKNOWN,
         "does not see the ports of its host", NULL},
        {"flat", FLAT, NULL, AUDIT_PC4, AUDIT_UNKNOWN, "does not see the ports", NULL},
        {"no gpu", NO_GPU, NULL, AUDIT_PC4, AUDIT_UNKNOWN, "no gpu here", NULL},
    };
    CHECK(rows);
}

static void test_atomics(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"all the way",
         CONFIGURED("port,completes", "routes", "routes", "routes", "requests", ""),
         NULL, AUDIT_PC6, AUDIT_PASS, "to 1 gpu,", NULL},
        {"not enabled",
         CONFIGURED("port,completes", "routes", "routes", "routes", "", ""), NULL,
         AUDIT_PC6, AUDIT_PASS, "0000:03:00.0 (not enabled)", NULL},
        {"a switch that does not pass them on",
         CONFIGURED("port,completes", "", "routes", "routes", "requests", ""), NULL,
         AUDIT_PC6, AUDIT_PASS, "a port above cannot", NULL},
        {"blocked",
         CONFIGURED("port,completes", "routes", "routes,blocks", "", "requests", ""),
         NULL, AUDIT_PC6, AUDIT_WARN,
         "blocked on the way: 0000:03:00.0 at 0000:02:00.0", NULL},
        {"on a root bus",
         PCI_TREE_GUEST "pci0000:00/0000:00:05.0 030200 10de 2330 config=requests\n",
         NULL, AUDIT_PC6, AUDIT_UNKNOWN, "no port above 0000:00:05.0", NULL},
        {"a user", CONFIGURED("bytes:64", "bytes:64", "bytes:64", "", "bytes:64", ""),
         PCI_TREE_USER, AUDIT_PC6, AUDIT_UNKNOWN, "not shown to uid 1000", "root"},
        {"a gpu of amd, whose driver wants them",
         PCI_TREE_METAL PORT " 060400 1022 14a5 config=port,completes\n" PORT
                             "/0000:01:00.0 038000 1002 740c config=\n",
         NULL, AUDIT_PC6, AUDIT_WARN, "0000:01:00.0 (not enabled)", NULL},
        {"ports that cannot be read",
         CONFIGURED("bytes:64", "routes", "routes", "", "requests", ""), PCI_TREE_USER,
         AUDIT_PC6, AUDIT_UNKNOWN, "0000:00:01.0", "root"},
        {"no gpu", NO_GPU, NULL, AUDIT_PC6, AUDIT_UNKNOWN, "no gpu here", NULL},
    };
    CHECK(rows);
}

#define POLICY(word) "/sys/module/pcie_aspm/parameters/policy " word "\n"

static void test_manners(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"good", CONFIGURED("", "", "", "", "", ""),
         POLICY("default [performance] powersave"), AUDIT_PC8, AUDIT_PASS,
         "aspm policy performance", NULL},
        {"the firmware's", CONFIGURED("", "", "", "", "", ""),
         POLICY("[default] performance"), AUDIT_PC8, AUDIT_PASS, "aspm policy default",
         NULL},
        {"a kernel without", CONFIGURED("", "", "", "", "", ""), NULL, AUDIT_PC8,
         AUDIT_PASS, "aspm policy none", NULL},
        {"ordered", CONFIGURED("", "", "", "", "", "ordered"), NULL, AUDIT_PC8,
         AUDIT_WARN, "relaxed ordering off on 0000:04:00.0", NULL},
        {"an ordered nic for people who log in",
         LINKED("", "", "", "",
                " config=", LINK("1", "5.0", "1", "5.0") " config=ordered,aspm:2"),
         NULL, AUDIT_PC8, AUDIT_PASS, "relaxed ordering on", NULL},
        {"an ordered gpu is no matter", CONFIGURED("", "", "", "", "ordered", ""), NULL,
         AUDIT_PC8, AUDIT_PASS, "relaxed ordering on", NULL},
        {"power", CONFIGURED("", "", "", "", "", ""),
         POLICY("default performance [powersupersave]"), AUDIT_PC8, AUDIT_WARN,
         "aspm policy powersupersave", NULL},
        {"power, as a user sees it", METAL, PCI_TREE_USER POLICY("default [powersave]"),
         AUDIT_PC8, AUDIT_WARN, "aspm policy powersave", NULL},
        {"a link that sleeps", CONFIGURED("", "", "", "", "", "aspm:2"), NULL,
         AUDIT_PC8, AUDIT_WARN, "links sleep (aspm) at 0000:04:00.0", NULL},
        {"a link that sleeps, as a user sees it",
         LINKED("", "", "", "", " link/l1_aspm=1", ""), PCI_TREE_USER, AUDIT_PC8,
         AUDIT_WARN, "links sleep (aspm) at 0000:03:00.0", NULL},
        {"small", CONFIGURED("", "", "", "", "payload:128", "payload:256"), NULL,
         AUDIT_PC8, AUDIT_WARN, "0000:03:00.0 128 of 512 bytes, 0000:04:00.0 256 of",
         NULL},
        {"as much as the least of them can",
         CONFIGURED("most:512", "most:512", "most:512", "most:512",
                    "most:256,payload:256", "most:512,payload:256"),
         NULL, AUDIT_PC8, AUDIT_PASS, "payload as can be", NULL},
        {"a user",
         CONFIGURED("bytes:64", "bytes:64", "bytes:64", "bytes:64", "bytes:64",
                    "bytes:64,ordered"),
         PCI_TREE_USER POLICY("[default] powersave"), AUDIT_PC8, AUDIT_UNKNOWN,
         "0000:03:00.0, 0000:04:00.0", "root"},
        {"nonsense for a policy", CONFIGURED("", "", "", "", "", ""),
         POLICY("]default["), AUDIT_PC8, AUDIT_PASS, "aspm policy unknown", NULL},
        {"conventional", CONFIGURED("", "", "", "", "conventional", "conventional"),
         NULL, AUDIT_PC8, AUDIT_UNKNOWN, "on pci express", NULL},
        {"neither", NOTHING, NULL, AUDIT_PC8, AUDIT_UNKNOWN, "no gpu and no nic", NULL},
    };
    CHECK(rows);
}

#define GROUPED(gpu, nic) LINKED("", "", "", "", " group=" gpu, " group=" nic)

static void test_iommu(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"none", METAL, NULL, AUDIT_PC5, AUDIT_PASS, "no iommu in use", NULL},
        {"there, and not used for these", METAL, "/sys/class/iommu/dmar0/x\n",
         AUDIT_PC5, AUDIT_PASS, "no gpu or nic is behind", NULL},
        {"identity", GROUPED("identity", "identity"), NULL, AUDIT_PC5, AUDIT_PASS,
         "identity for 2 devices", NULL},
        {"translated", GROUPED("identity", "DMA-FQ"), NULL, AUDIT_PC5, AUDIT_WARN,
         "0000:04:00.0 DMA-FQ", NULL},
        {"strictly translated", GROUPED("DMA", "DMA"), NULL, AUDIT_PC5, AUDIT_WARN,
         "0000:03:00.0 DMA, 0000:04:00.0 DMA", NULL},
        {"an old kernel that passes all", GROUPED("", ""),
         "/proc/cmdline quiet intel_iommu=on iommu=pt\n", AUDIT_PC5, AUDIT_PASS,
         "iommu=pt", NULL},
        {"an old kernel", GROUPED("", ""), "/proc/cmdline quiet iommu=ptx\n", AUDIT_PC5,
         AUDIT_UNKNOWN, "groups without a type", NULL},
        {"a guest", GUEST, NULL, AUDIT_PC5, AUDIT_UNKNOWN, "that of its host", NULL},
        {"neither", NOTHING, NULL, AUDIT_PC5, AUDIT_PASS, "no iommu in use", NULL},
        {"no pci", PCI_TREE_METAL, NULL, AUDIT_PC5, AUDIT_UNKNOWN, "cannot be listed",
         NULL},
    };
    CHECK(rows);
}

static void test_functions(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"whole", METAL, NULL, AUDIT_PC9, AUDIT_PASS, "1 gpu, 1 nic, all whole", NULL},
        {"shared", LINKED("", "", "", "", "", " sriov_numvfs=8"), NULL, AUDIT_PC9,
         AUDIT_WARN, "0000:04:00.0 with 8", NULL},
        {"could be, is not", LINKED("", "", "", "", "", " sriov_numvfs=0"), NULL,
         AUDIT_PC9, AUDIT_PASS, "all whole", NULL},
        {"a guest's", PCI_TREE_GUEST "pci0000:00/0000:00:05.0 020000 15b3 101e\n", NULL,
         AUDIT_PC9, AUDIT_FAIL, "another's: 0000:00:05.0", NULL},
        {"a container's", LINKED("", "", "", "", "", " sriov_numvfs=1"),
         LOW2 "/0000:04:00.1 020000 15b3 101e physfn=0000:04:00.0 net/eth0/x=1\n",
         AUDIT_PC9, AUDIT_FAIL, "another's: 0000:04:00.1", NULL},
        {"the host's own", LINKED("", "", "", "", "", " sriov_numvfs=1 net/eth0/x=1"),
         LOW2 "/0000:04:00.1 020000 15b3 101e physfn=0000:04:00.0 net/eth0v0/x=1\n",
         AUDIT_PC9, AUDIT_WARN, "0000:04:00.0 with 1", NULL},
        {"a part of a gpu", METAL,
         LOW1 "/0000:03:00.1 038000 1002 74b5 physfn=0000:03:00.0\n", AUDIT_PC9,
         AUDIT_WARN, "0000:03:00.1", NULL},
        {"a card of the cloud, on metal",
         PCI_TREE_METAL "pci0000:00/0000:00:05.0 020000 1d0f ec20\n", NULL, AUDIT_PC9,
         AUDIT_PASS, "1 nic, all whole", NULL},
        {"a card of the cloud, in a guest",
         PCI_TREE_GUEST "pci0000:00/0000:00:05.0 020000 1d0f ec20\n", NULL, AUDIT_PC9,
         AUDIT_FAIL, "another's: 0000:00:05.0", NULL},
        {"software", FLAT, NULL, AUDIT_PC9, AUDIT_WARN, "0000:00:03.0 virtio", NULL},
        {"neither", NOTHING, NULL, AUDIT_PC9, AUDIT_UNKNOWN, "no gpu and no nic", NULL},
    };
    CHECK(rows);
}

static void test_all_of_them(void **state)
{
    (void)state;
    static const enum audit_probe probes[] = {AUDIT_PC1, AUDIT_PC2, AUDIT_PC3,
                                              AUDIT_PC4, AUDIT_PC5, AUDIT_PC6,
                                              AUDIT_PC8, AUDIT_PC9};
    static const char *const machines[] = {METAL, GUEST, FLAT, NO_GPU, NOTHING, ""};
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        pci_look_all(look_pci, machines[i], probes, sizeof probes / sizeof *probes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near),        cmocka_unit_test(test_injected),
        cmocka_unit_test(test_links),       cmocka_unit_test(test_acs),
        cmocka_unit_test(test_atomics),     cmocka_unit_test(test_manners),
        cmocka_unit_test(test_iommu),       cmocka_unit_test(test_functions),
        cmocka_unit_test(test_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
