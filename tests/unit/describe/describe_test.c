/* SPDX-License-Identifier: MIT */
/* Machines written here as XML, and what is understood of them in the words of --text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/describe/describe.h"
#include "agent/describe/show.h"
#include "proto/base/limits.h"

/* ---- parts of hwloc's XML; sets are given once and stand for the complete ones too */

#define SETS(cpus, nodes)                                                \
    " cpuset=\"" cpus "\" complete_cpuset=\"" cpus "\" nodeset=\"" nodes \
    "\" complete_nodeset=\"" nodes "\""
#define OBJ(type, more, cpus, nodes, inside) \
    "<object type=\"" type "\" " more SETS(cpus, nodes) ">" inside "</object>\n"
#define MACHINE(allowed, cpus, nodes, inside)                                     \
    "<topology version=\"2.0\">\n" OBJ("Machine",                                 \
                                       "os_index=\"0\" allowed_cpuset=\"" allowed \
                                       "\" allowed_nodeset=\"" nodes "\"",        \
                                       cpus, nodes, inside) "</topology>\n"
#define PACKAGE(os, cpus, nodes, inside) \
    OBJ("Package", "os_index=\"" os "\"", cpus, nodes, inside)
#define GROUP(cpus, nodes, inside) OBJ("Group", "kind=\"1001\"", cpus, nodes, inside)
#define NODE(os, more, cpus, nodes, inside)                                        \
    OBJ("NUMANode", "os_index=\"" os "\" local_memory=\"1073741824\" " more, cpus, \
        nodes, inside)
#define PU(os, cpu, nodes) OBJ("PU", "os_index=\"" os "\"", cpu, nodes, "")
#define CORE(os, cpu, nodes) \
    OBJ("Core", "os_index=\"" os "\"", cpu, nodes, PU(os, cpu, nodes))
#define INFO(name, value) "<info name=\"" name "\" value=\"" value "\"/>"
#define HOST(bus, inside)                                                       \
    "<object type=\"Bridge\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"" bus \
    "\">" inside "</object>\n"
#define BRIDGE(id, buses, inside)                                                 \
    "<object type=\"Bridge\" bridge_type=\"1-1\" depth=\"1\" bridge_pci=\"" buses \
    "\" pci_busid=\"" id "\" pci_type=\"0604 [10b5:8796] [0000:0000] 00\" "       \
    "pci_link_speed=\"15.75\">" inside "</object>\n"
#define DEV(id, class, ids, inside)                                             \
    "<object type=\"PCIDev\" pci_busid=\"" id                                   \
    "\" pci_type=\"" class " [" ids                                             \
                           "] [0000:0000] 00\" pci_link_speed=\"31.5\">" inside \
                           "</object>\n"
#define OS(name, type, inside)                                                 \
    "<object type=\"OSDev\" name=\"" name "\" osdev_type=\"" type "\">" inside \
    "</object>\n"
#define CUDA(n)           OS("cuda" n, "5", INFO("GPUModel", "H100"))
#define NVML(n)           OS("nvml" n, "1", INFO("NVIDIAUUID", "GPU-" n))
#define RSMI(n)           OS("rsmi" n, "1", INFO("AMDUUID", "ab" n) INFO("GPUVendor", "AMD"))
#define RDMA(name, state) OS(name, "3", INFO("Port1State", state))
#define NET(name)         OS(name, "2", "")

/* One node, two cores. */
#define SMALL(inside)                                               \
    MACHINE("0x3", "0x3", "0x1",                                    \
            NODE("0", "", "0x3", "0x1", "") CORE("0", "0x1", "0x1") \
                CORE("1", "0x2", "0x1") inside)
/* Two of them, one core each; what hangs on the whole comes last. */
#define TWO(allowed, first, second, whole)                                         \
    MACHINE(allowed, "0x3", "0x3",                                                 \
            PACKAGE("0", "0x1", "0x1",                                             \
                    NODE("0", "", "0x1", "0x1", "") CORE("0", "0x1", "0x1") first) \
                PACKAGE("1", "0x2", "0x2",                                         \
                        NODE("1", "", "0x2", "0x2", "") CORE("1", "0x2", "0x2")    \
                            second) whole)

/* ---- files */

static char folder[] = "/tmp/aolani-describe-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    return at->level == 0 ? 0 : remove(path);
}

static int empty(void **state)
{
    (void)state;
    return nftw(folder, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static int tear_down(void **state)
{
    return empty(state) || rmdir(folder);
}

/* Below the folder, with all folders above it. */
static void put(const char *name, const char *text)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_in_range(n, 1, sizeof path - 1);
    for (char *slash = path + strlen(folder); (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void put_link(const char *name, const char *to)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(symlink(to, path), 0);
}

static Aolani__Topology *read_xml(const char *xml, bool sysfs)
{
    char path[128];
    put("node.xml", xml);
    (void)snprintf(path, sizeof path, "%s/node.xml", folder);
    const struct describe_from from = {.xml = path, .sysfs = sysfs ? folder : NULL};
    Aolani__Topology *t = describe(&from);
    assert_non_null(t);
    return t;
}

/* What is shown after the first line, which names the file. */
static void expect(Aolani__Topology *t, const char *want)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    assert_int_equal(show_topology(t, &out), 0);
    assert_string_equal(strchr((char *)out.data, '\n') + 1, want);
    buf_fini(&out);
    aolani__topology__free_unpacked(t, NULL);
}

#define CPUS_SMALL                                          \
    "CPUs       0-1  in 2 cores, 0 packages, 0 L3 caches\n" \
    "NUMA node  0  CPUs 0-1  1.0 GiB\n"
#define CPUS_TWO                                            \
    "CPUs       0-1  in 2 cores, 2 packages, 0 L3 caches\n" \
    "NUMA node  0  CPUs 0  1.0 GiB\n"                       \
    "NUMA node  1  CPUs 1  1.0 GiB\n"
#define ROOT(bus) "PCI        root " bus "  CPUs 0-1  NUMA node 0\n"
#define HERE      "  CPUs 0-1  NUMA node 0\n"

static const struct {
    const char *what, *xml, *want;
} machines[] = {
    {"the index of a GPU is NVML's, not its place",
     SMALL(HOST("0000:[00-03]",
                DEV("0000:01:00.0", "0302", "10de:2330", CUDA("0") NVML("1"))
                    DEV("0000:02:00.0", "0302", "10de:2330", CUDA("1") NVML("0")))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          device 0000:01:00.0 0302 [10de:2330]  31500 MB/s\n"
                    "PCI          device 0000:02:00.0 0302 [10de:2330]  31500 MB/s\n"
                    "GPU 0      0000:02:00.0 H100  cuda1  GPU-0" HERE
                    "GPU 1      0000:01:00.0 H100  cuda0  GPU-1" HERE},
    {"a BMC's VGA, an NVSwitch, sound and a processor's graphics are no GPUs",
     SMALL(HOST("0000:[00-03]",
                DEV("0000:01:00.0", "0300", "1a03:2000", OS("card0", "1", ""))
                    DEV("0000:02:00.0", "0300", "102b:0536", "")
                        DEV("0000:03:00.0", "0680", "10de:1af1", "")
                            DEV("0000:04:00.1", "0403", "10de:22ba", "")
                                DEV("0000:00:02.0", "0300", "8086:4680", "")
                                    DEV("0000:05:00.0", "0302", "10de:2330", ""))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          device 0000:05:00.0 0302 [10de:2330]  31500 MB/s\n"
                    "GPU 0      0000:05:00.0 NVIDIA" HERE},
    {"several indexes on one function, in the order of their numbers",
     SMALL(HOST("0000:[00-03]",
                DEV("0000:01:00.0", "1200", "1002:74a0", RSMI("10") RSMI("9")))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          device 0000:01:00.0 1200 [1002:74a0]  31500 MB/s\n"
                    "GPU 0      0000:01:00.0 AMD  rsmi9  GPU-ab9  part 1" HERE
                    "GPU 1      0000:01:00.0 AMD  rsmi10  GPU-ab10  part 2" HERE},
    {"OpenCL shows a device on each of its platforms",
     SMALL(
         HOST("0000:[00-03]", DEV("0000:01:00.0", "0300", "1002:6863",
                                  OS("opencl0d1", "5", "") OS("opencl1d0", "5", "")))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          device 0000:01:00.0 0300 [1002:6863]  31500 MB/s\n"
                    "GPU 0      0000:01:00.0 AMD  opencl0d1" HERE},
    {"a GPU that is on no PCI",
     SMALL(OS("cuda0", "5", INFO("GPUModel", "Orin")) NET("eth0")),
     CPUS_SMALL "GPU 0      not on PCI Orin  cuda0" HERE
                "NIC        eth0 not on PCI Ethernet  port 1 not known" HERE},
    {"of each kind of NIC one",
     SMALL(HOST(
         "0000:[00-03]",
         DEV("0000:01:00.0", "0207", "15b3:1021", RDMA("mlx5_10", "1") NET("ib0")) DEV(
             "0000:01:00.1", "0200", "15b3:101e", RDMA("mlx5_2", "4"))
             DEV("0000:02:00.0", "0200", "1d0f:efa1", RDMA("rdmap2s0", "4")) DEV(
                 "0000:03:00.0", "0200", "17db:0501", NET("hsi0") OS("cxi0", "3", ""))
                 DEV("0000:04:00.0", "0200", "8086:1533", NET("eno1"))
                     DEV("0000:05:00.0", "0208", "8086:24f0", RDMA("hfi1_0", "4"))
                         DEV("0000:06:00.0", "0207", "15b3:1021", ""))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          device 0000:01:00.0 0207 [15b3:1021]  31500 MB/s\n"
                    "PCI          device 0000:02:00.0 0200 [1d0f:efa1]  31500 MB/s\n"
                    "PCI          device 0000:03:00.0 0200 [17db:0501]  31500 MB/s\n"
                    "PCI          device 0000:04:00.0 0200 [8086:1533]  31500 MB/s\n"
                    "PCI          device 0000:05:00.0 0208 [8086:24f0]  31500 MB/s\n"
                    "PCI          device 0000:01:00.1 0200 [15b3:101e]  31500 MB/s\n"
                    "NIC        mlx5_10 0000:01:00.0 InfiniBand  port 1 down" HERE
                    "NIC        mlx5_2 0000:01:00.1 RoCE virtual function  port 1 "
                    "up" HERE "NIC        rdmap2s0 0000:02:00.0 EFA  port 1 up" HERE
                    "NIC        hsi0 0000:03:00.0 Slingshot  port 1 not known" HERE
                    "NIC        eno1 0000:04:00.0 Ethernet  port 1 not known" HERE
                    "NIC        hfi1_0 0000:05:00.0 RDMA  port 1 up" HERE},
    {"memory of GPUs, and memory without processors, is nobody's node",
     MACHINE(
         "0x1", "0x1", "0x1000f",
         NODE("0", "", "0x1", "0x1", "") NODE("1", "subtype=\"HBM\"", "0x1", "0x2", "")
             NODE("16", "subtype=\"GPUMemory\"", "0x1", "0x10000",
                  INFO("PCIBusID", "0000:01:00.0")) CORE("0", "0x1", "0x1000f")
                 HOST("0000:[00-03]", DEV("0000:01:00.0", "0302", "10de:2330", ""))),
     "CPUs       0  in 1 cores, 0 packages, 0 L3 caches\n"
     "NUMA node  0  CPUs 0  1.0 GiB\n"
     "NUMA node  1  CPUs none  1.0 GiB\n"
     "NUMA node  16  CPUs none  1.0 GiB  memory of a GPU\n"
     "PCI        root 0000:00  CPUs 0  NUMA node 0\n"
     "PCI          device 0000:01:00.0 0302 [10de:2330]  31500 MB/s\n"
     "GPU 0      0000:01:00.0 NVIDIA  CPUs 0  NUMA node 0  its memory is NUMA node "
     "16\n"},
    {"a device that hangs on the whole of two nodes is nowhere",
     TWO("0x3", "", "",
         HOST("0000:[00-03]", DEV("0000:01:00.0", "0302", "10de:2330", ""))),
     CPUS_TWO
     "PCI        root 0000:00  somewhere\n"
     "PCI          device 0000:01:00.0 0302 [10de:2330]  31500 MB/s\n"
     "GPU 0      0000:01:00.0 NVIDIA  somewhere\n"
     "note       the firmware does not say near which NUMA node the devices of "
     "PCI bus 0000:00 are\n"},
    {"a GPU near which no CPU is allowed",
     TWO("0x1", "", HOST("0000:[00-03]", DEV("0000:01:00.0", "0302", "10de:2330", "")),
         ""),
     "CPUs       0  in 1 cores, 2 packages, 0 L3 caches\n"
     "NUMA node  0  CPUs 0  1.0 GiB\n"
     "NUMA node  1  CPUs none  1.0 GiB\n"
     "PCI        root 0000:00  CPUs none\n"
     "PCI          device 0000:01:00.0 0302 [10de:2330]  31500 MB/s\n"
     "GPU 0      0000:01:00.0 NVIDIA  CPUs none\n"},
    {"without bridges nothing is claimed of what devices share",
     SMALL(DEV("0000:01:00.0", "0302", "10de:2330", "")
               DEV("0000:01:00.1", "0207", "15b3:1021", RDMA("mlx5_0", "4"))),
     CPUS_SMALL ROOT("0000:01") "PCI          device 0000:01:00.0 0302 [10de:2330]  "
                                "31500 MB/s\n" ROOT(
                                    "0000:01") "PCI          device 0000:01:00.1 0207 "
                                               "[15b3:1021]  31500 MB/s\n"
                                               "GPU 0      0000:01:00.0 NVIDIA" HERE
                                               "NIC        mlx5_0 0000:01:00.1 "
                                               "InfiniBand  port 1 up" HERE},
    {"the slower end of a link counts; bridges over nothing that matters are left out",
     SMALL(HOST("0000:[00-05]",
                BRIDGE("0000:00:01.0", "0000:[01-01]",
                       DEV("0000:01:00.0", "0302", "10de:2330", ""))
                    BRIDGE("0000:00:02.0", "0000:[02-02]",
                           DEV("0000:02:00.0", "0108", "144d:a80a", "")))),
     CPUS_SMALL ROOT(
         "0000:00") "PCI          bridge 0000:00:01.0 0604 [10b5:8796]  15750 MB/s\n"
                    "PCI            device 0000:01:00.0 0302 [10de:2330]  15750 MB/s\n"
                    "GPU 0      0000:01:00.0 NVIDIA" HERE},
    {"no devices at all", SMALL(""),
     CPUS_SMALL
     "note       there are no devices in this topology: GPUs and NICs are not "
     "known (lstopo writes them unless --no-io is given)\n"},
};

static void machines_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        print_message("%s\n", machines[i].what);
        expect(read_xml(machines[i].xml, false), machines[i].want);
    }
}

/* Eight cards with 40 virtual functions each. */
static void virtual_functions_leave_room_for_the_cards(void **state)
{
    (void)state;
    static const char function[] =
        "<object type=\"PCIDev\" pci_busid=\"0000:%02x:%02x.%u\" pci_type=\"0200 "
        "[15b3:%s] [0000:0000] 00\" pci_link_speed=\"31.5\"><object type=\"OSDev\" "
        "name=\"mlx5_%u\" osdev_type=\"3\"/></object>\n";
    static const char machine[] = SMALL(HOST("0000:[00-ff]", "%"));
    size_t before = strcspn(machine, "%"), n_cards = 0;
    struct buf xml;
    buf_init(&xml, 1u << 20);
    assert_int_equal(buf_add(&xml, machine, before), 0);
    for (unsigned i = 0; i < 8 * 41; i++) {
        unsigned at = i % 41;
        const char *device = at == 0 ? "1021" : "101e";
        assert_int_equal(
            buf_printf(&xml, function, i / 41 + 1, at / 8, at % 8, device, i), 0);
    }
    assert_int_equal(buf_printf(&xml, "%s", machine + before + 1), 0);
    Aolani__Topology *t = read_xml((const char *)xml.data, false);
    buf_fini(&xml);
    assert_string_equal(t->error, "");
    assert_int_equal(t->n_nics, LIMIT_NICS);
    for (size_t i = 0; i < t->n_nics; i++)
        n_cards += !t->nics[i]->virtual_function;
    assert_int_equal(n_cards, 8);
    assert_non_null(strstr(t->notes[0], "more network devices than can be described"));
    aolani__topology__free_unpacked(t, NULL);
}

/* ---- a copy of /sys beside the XML */

#define ONE_OF_EACH                                                                  \
    SMALL(HOST("0000:[00-05]",                                                       \
               BRIDGE("0000:00:01.0", "0000:[01-01]",                                \
                      DEV("0000:01:00.0", "0207", "15b3:1021", RDMA("mlx5_0", "4"))) \
                   DEV("0000:02:00.0", "0200", "8086:1533", NET("eno1"))))

static void kernel_is_believed_rather_than_the_file(void **state)
{
    (void)state;
    put("class/infiniband/mlx5_0/ports/1/state", "1: DOWN\n");
    put("class/infiniband/mlx5_0/ports/2/state", "4: ACTIVE\n");
    put("class/infiniband/mlx5_0/ports/2/link_layer", "Ethernet\n");
    put("class/infiniband/mlx5_0/ports/2/rate", "400 Gb/sec (4X NDR)\n");
    put("class/infiniband/mlx5_0/ports/1/link_layer", "Ethernet\n");
    put("class/infiniband/mlx5_0/node_guid", "b83f:d203:0012:3456\n");
    put("class/net/eno1/operstate", "down\n");
    put("bus/pci/devices/0000:01:00.0/max_link_speed", "32.0 GT/s PCIe\n");
    put("bus/pci/devices/0000:01:00.0/max_link_width", "16\n");
    put("bus/pci/devices/0000:01:00.0/current_link_speed", "32.0 GT/s PCIe\n");
    put("bus/pci/devices/0000:01:00.0/current_link_width", "8\n");
    put("bus/pci/devices/0000:00:01.0/max_link_speed", "16.0 GT/s PCIe\n");
    put("bus/pci/devices/0000:00:01.0/max_link_width", "255\n");
    put("bus/pci/devices/0000:00:01.0/current_link_speed", "16.0 GT/s PCIe\n");
    put("bus/pci/devices/0000:00:01.0/current_link_width", "8\n");
    put_link("bus/pci/devices/0000:01:00.0/physfn", "../0000:01:00.7");
    Aolani__Topology *t = read_xml(ONE_OF_EACH, true);
    assert_string_equal(t->nics[0]->node_guid, "b83f:d203:0012:3456");
    expect(
        t,
        CPUS_SMALL ROOT(
            "0000:00") "PCI          bridge 0000:00:01.0 0604 [10b5:8796]  16.0 GT/s "
                       "x8 of 16.0 x0\n"
                       "PCI            device 0000:01:00.0 0207 [15b3:1021]  16.0 GT/s "
                       "x8 of 16.0 x16\n"
                       "PCI          device 0000:02:00.0 0200 [8086:1533]  31500 MB/s\n"
                       "NIC        mlx5_0 0000:01:00.0 RoCE virtual function  port 1 "
                       "down  port 2 up "
                       "400 Gbit/s" HERE
                       "NIC        eno1 0000:02:00.0 Ethernet  port 1 down" HERE);
}

static void rdma_in_software_is_no_card(void **state)
{
    (void)state;
    static const char xml[] =
        SMALL(HOST("0000:[00-05]", DEV("0000:01:00.0", "0200", "15b3:1021",
                                       RDMA("mlx5_0", "4") RDMA("rxe0", "4"))));
    put("class/infiniband/mlx5_0/ports/1/link_layer", "Ethernet\n");
    put("class/infiniband/rxe0/ports/1/link_layer", "Ethernet\n");
    put("class/infiniband/rxe0/parent", "eth0\n");
    expect(read_xml(xml, true),
           CPUS_SMALL ROOT(
               "0000:00") "PCI          device 0000:01:00.0 0200 [15b3:1021]  31500 "
                          "MB/s\n"
                          "NIC        mlx5_0 0000:01:00.0 RoCE  port 1 up" HERE
                          "NIC        rxe0 0000:01:00.0 RDMA  port 1 up" HERE);
}

/* The driver has made two of the one at 01; 02 is given away, 03 ROCm cannot use. */
static void amd_gpus_are_what_their_driver_made_of_them(void **state)
{
    (void)state;
    put("class/kfd/kfd/topology/nodes/0/properties",
        "cpu_cores_count 8\nsimd_count 0\n");
    put("class/kfd/kfd/topology/nodes/1/properties",
        "simd_count 304\ndomain 0\nlocation_id 256\nunique_id 48879\n");
    put("class/kfd/kfd/topology/nodes/2/properties",
        "simd_count 304\ndomain 0\nlocation_id 257\nunique_id 48880\n");
    put("bus/pci/devices/0000:01:00.0/product_name", "AMD Instinct MI300X\n");
    put("bus/pci/devices/0000:01:00.0/mem_info_vram_total", "206141652992\n");
    put("bus/pci/devices/0000:02:00.0/class", "0x030200\n");
    put_link("bus/pci/devices/0000:02:00.0/driver",
             "../../../bus/pci/drivers/vfio-pci");
    Aolani__Topology *t = read_xml(
        SMALL(HOST("0000:[00-03]", DEV("0000:01:00.0", "1200", "1002:74a1",
                                       "") DEV("0000:02:00.0", "0302", "10de:2330", "")
                                       DEV("0000:03:00.0", "0300", "1002:164e", ""))),
        true);
    assert_int_equal(t->n_gpus, 2);
    assert_int_equal(t->gpus[1]->mem_bytes, 206141652992);
    expect(
        t,
        CPUS_SMALL ROOT(
            "0000:00") "PCI          device 0000:01:00.0 1200 [1002:74a1]  31500 MB/s\n"
                       "PCI          device 0000:02:00.0 0302 [10de:2330]  31500 MB/s\n"
                       "PCI          device 0000:03:00.0 0300 [1002:164e]  31500 MB/s\n"
                       "GPU 0      0000:01:00.0 AMD Instinct MI300X  "
                       "GPU-000000000000beef  part 1" HERE
                       "GPU 1      0000:01:00.0 AMD Instinct MI300X  "
                       "GPU-000000000000bef0  part 2" HERE
                       "note       GPU 0000:02:00.0 is held by the driver vfio-pci: it "
                       "is left out\n"
                       "note       GPU 0000:03:00.0 is not one that ROCm computes on: "
                       "it is left out\n");
}

/* A control group keeps the GPUs of others, or all of them, from us: their nodes are
 * there, and not to be read. */
static void amd_gpus_that_are_kept_from_us_are_left_out(void **state)
{
    (void)state;
    put("class/kfd/kfd/topology/nodes/0/properties",
        "cpu_cores_count 8\nsimd_count 0\n");
    put("class/kfd/kfd/topology/nodes/1/properties", "");
    expect(
        read_xml(
            SMALL(HOST("0000:[00-03]", DEV("0000:01:00.0", "1200", "1002:74a1", ""))),
            true),
        CPUS_SMALL ROOT(
            "0000:00") "PCI          device 0000:01:00.0 1200 [1002:74a1]  31500 MB/s\n"
                       "note       GPU 0000:01:00.0 is not one that ROCm computes on: "
                       "it is left out\n");
}

/* Grace's memory is passed on by a driver of its own. */
static void gpus_for_virtual_machines_are_left_out(void **state)
{
    (void)state;
    static const char *const drivers[] = {"vfio-pci", "nvgrace-gpu-vfio-pci",
                                          "xen-pciback", "pciback", "uio_pci_generic"};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        char to[64];
        (void)snprintf(to, sizeof to, "../../../bus/pci/drivers/%s", drivers[i]);
        put("bus/pci/devices/0000:01:00.0/class", "0x030200\n");
        put_link("bus/pci/devices/0000:01:00.0/driver", to);
        Aolani__Topology *t = read_xml(
            SMALL(HOST("0000:[00-03]", DEV("0000:01:00.0", "0302", "10de:2342", ""))),
            true);
        if (t->n_gpus != 0)
            fail_msg("%s", drivers[i]);
        assert_non_null(strstr(t->notes[0], drivers[i]));
        aolani__topology__free_unpacked(t, NULL);
        assert_int_equal(empty(state), 0);
    }
}

/* ---- what cannot be read */

static void failures_say_which_file_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *xml, *error, *hint;
    } files[] = {
        {"<topology version=\"2.0\"><object type=\"Machine\"",
         "it ends in the middle, after 46 bytes", ""},
        {"<topology version=\"3.0\"></topology>",
         "it was written by hwloc 3 in its own format", "--export-xml-flags v2"},
        {"<topology version=\"2.0\"><object></topology>",
         "it is damaged, or no export of hwloc 1 or 2", "lstopo FILE.xml"},
        {TWO("0x0", "", "", ""), "no CPU of it may be used", "cgroup"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Aolani__Topology *t = read_xml(files[i].xml, false);
        assert_non_null(strstr(t->error, "node.xml\": "));
        assert_non_null(strstr(t->error, files[i].error));
        assert_non_null(strstr(t->hint, files[i].hint));
        assert_int_equal(t->n_gpus, 0);
        aolani__topology__free_unpacked(t, NULL);
    }
    const struct describe_from from = {.xml = "/nonexistent/x.xml"};
    expect(describe(&from),
           "error      read the topology \"/nonexistent/x.xml\": open it: "
           "No such file or directory\n");
}

static void this_machine_is_described(void **state)
{
    (void)state;
    const struct describe_from from = {0};
    Aolani__Topology *t = describe(&from);
    assert_non_null(t);
    assert_string_equal(t->error, "");
    assert_string_equal(t->source, "live");
    assert_true(t->n_cores > 0 && t->n_numa > 0);
    aolani__topology__free_unpacked(t, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(machines_are_understood, empty),
        cmocka_unit_test_teardown(virtual_functions_leave_room_for_the_cards, empty),
        cmocka_unit_test_teardown(kernel_is_believed_rather_than_the_file, empty),
        cmocka_unit_test_teardown(rdma_in_software_is_no_card, empty),
        cmocka_unit_test_teardown(amd_gpus_are_what_their_driver_made_of_them, empty),
        cmocka_unit_test_teardown(amd_gpus_that_are_kept_from_us_are_left_out, empty),
        cmocka_unit_test_teardown(gpus_for_virtual_machines_are_left_out, empty),
        cmocka_unit_test_teardown(failures_say_which_file_and_why, empty),
        cmocka_unit_test(this_machine_is_described),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
