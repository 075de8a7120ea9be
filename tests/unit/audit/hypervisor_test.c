/* SPDX-License-Identifier: MIT */
/* What is said of a hypervisor on machines that never were, on one with none above all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/machine_case.h"

#define N_IDS  13u /* HV1 to HV12, CT1 */
#define CLOCKS "/sys/devices/system/clocksource/clocksource0/available_clocksource "
#define DMI    "/sys/class/dmi/id/"

/* A server with Intel's Sapphire Rapids, no hypervisor, seen by root. */
#define METAL                                                                          \
    "facts cpuid 0 0 20 756e6547 6c65746e 49656e69\n"                                  \
    "facts cpuid 1 0 806f8 0 7ffefbff bfebfbff\n"                                      \
    "facts cpuid 6 0 df 2 9 0\n"                                                       \
    "facts cpuid 7 0 2 f3bfbfbf fb417ffe ffdd4432\n"                                   \
    "facts cpuid a 0 8300805 0 f 8604\n"                                               \
    "facts cpuid 15 0 2 a8 17d7840 0\n"                                                \
    "facts cpuid 16 0 7d0 ed8 64 0\n"                                                  \
    "facts cpuid 40000000 0 7 340 4 0\n"                                               \
    "facts cpuid 80000000 0 80000008 0 0 0\n"                                          \
    "facts cpuid 80000007 0 0 0 0 100\n"                                               \
    "facts number cpuid-cycles 118\n"                                                  \
    "facts number cpuid-ns 59\n"                                                       \
    "facts call perf-cycles 0\n"                                                       \
    "/proc/cpuinfo processor\t: 0|vendor_id\t: GenuineIntel|"                          \
    "microcode\t: 0x2b000639|flags\t\t: fpu vme constant_tsc nonstop_tsc||"            \
    "processor\t: 1|microcode\t: 0x1|flags\t\t: fpu hypervisor|\n"                     \
    "/proc/stat cpu  10 0 10 1000 0 0 0 0 0 0|cpu0 1|\n"                               \
    "/proc/interrupts            CPU0       CPU1|"                                     \
    " 24: 1 0 IO-APIC 5-edge HYP: 7|LOC: 5 5 Local|HYP: 0 0 Hypervisor|ERR: "          \
    "0|\n" CLOCKS "tsc hpet acpi_pm|\n" DMI "product_name PowerEdge XE9680|\n" DMI     \
    "sys_vendor Dell Inc.|\n"                                                          \
    "hex /sys/firmware/dmi/entries/0-0/raw 00 1a 00 00 01 02 00 f0 03 ff 00 00 00 00 " \
    "00 "                                                                              \
    "00 00 00 03 0d 05 0f ff ff 00 00\n"                                               \
    "hex /sys/firmware/acpi/tables/FACP 46 41 43 50 00 01 00 00 06 00 44 45 4c 4c 20 " \
    "20 00\n"                                                                          \
    "/sys/bus/pci/devices/0000:18:00.0/vendor 0x15b3|\n"                               \
    "/sys/bus/pci/devices/0000:18:00.0/device 0x1021|\n"                               \
    "dir /sys/bus/virtio/devices\n"                                                    \
    "/proc/1/cgroup 0::/init.scope|\n"                                                 \
    "/proc/2/comm kthreadd|\n"                                                         \
    "/proc/self/uid_map          0          0 4294967295|\n"

#define AMD                                           \
    "facts cpuid 0 0 10 68747541 444d4163 69746e65\n" \
    "facts cpuid 1 0 a10f11 0 7ffefbff bfebfbff\n"
#define BIT       "facts cpuid 1 0 806f8 0 fffefbff bfebfbff\n"
#define KVM       BIT "facts cpuid 40000000 0 40000001 4b4d564b 564b4d56 4d\n"
#define KVM_STEAL KVM "facts cpuid 40000001 0 1007efb 0 0 0\n"
#define KVM_MUTE  KVM "facts cpuid 40000001 0 1007edb 0 0 1\n"
#define HYPERV    BIT "facts cpuid 40000000 0 4000000c 7263694d 666f736f 76482074\n"
/* Without CPUID, as on other processors: not a line of it is recorded. */
#define USER_HIDDEN                                          \
    "facts uid 1000\nfacts errno EACCES sys/firmware/acpi\n" \
    "facts errno EACCES sys/firmware/dmi\n"

static const struct machine_case on_metal[] = {
    {"metal", AUDIT_HV1, "", AUDIT_PASS, "ecx bit 31 clear", 0},
    {"guest", AUDIT_HV1, BIT, AUDIT_FAIL, "ecx bit 31 set", 0},

    {"metal", AUDIT_HV2, "", AUDIT_PASS, "no signature", 0},
    {"kvm", AUDIT_HV2, KVM, AUDIT_FAIL, "\"KVMKVMKVM\" (kvm)", 0},
    {"hyper-v", AUDIT_HV2, HYPERV, AUDIT_FAIL, "\"Microsoft Hv\" (microsoft)", 0},
    {"kvm that poses as hyper-v", AUDIT_HV2,
     HYPERV "facts cpuid 40000100 0 40000101 4b4d564b 564b4d56 4d\n", AUDIT_FAIL,
     "\"Microsoft Hv\" (microsoft), \"KVMKVMKVM\" (kvm)", 0},
    {"the same everywhere", AUDIT_HV2,
     KVM "facts cpuid 40000100 0 40000001 4b4d564b 564b4d56 4d\n", AUDIT_FAIL,
     "\"KVMKVMKVM\" (kvm)", 0},
    {"a stranger", AUDIT_HV2,
     BIT "facts cpuid 40000000 0 0 41414141 42424242 43434343\n", AUDIT_FAIL,
     "\"AAAABBBBCCCC\", whoever that is", 0},
    {"no name", AUDIT_HV2, BIT "facts cpuid 40000000 0 0 0 0 0\n", AUDIT_UNKNOWN,
     "no signature", 0},
    {"its bit is hidden", AUDIT_HV2,
     "facts cpuid 40000000 0 40000001 4b4d564b 564b4d56 4d\n", AUDIT_FAIL,
     "though its bit is clear", 0},
    {"chance beyond the last leaf", AUDIT_HV2,
     "facts cpuid 40000000 0 0 41414141 42424242 43434343\n", AUDIT_PASS,
     "no signature", 0},

    {"metal", AUDIT_HV3, "", AUDIT_PASS, "not a guest of KVM", 0},
    {"kvm", AUDIT_HV3, KVM_STEAL, AUDIT_PASS,
     "stolen time is told; CPUs may be taken away at any time", 0},
    {"kvm that tells no steal", AUDIT_HV3, KVM_MUTE, AUDIT_WARN,
     "not told: a steal of 0 means nothing; CPUs are not taken away", 0},
    {"kvm, not recorded", AUDIT_HV3, KVM, AUDIT_UNKNOWN, "not recorded", 0},
    {"kvm below hyper-v's leaves", AUDIT_HV3,
     HYPERV "facts cpuid 40000100 0 40000101 4b4d564b 564b4d56 4d\n"
            "facts cpuid 40000101 0 20 0 0 0\n",
     AUDIT_PASS, "stolen time is told", 0},

    {"metal", AUDIT_HV4, "", AUDIT_PASS, "\"Dell Inc.\", \"PowerEdge XE9680\"", 0},
    {"qemu", AUDIT_HV4, DMI "sys_vendor QEMU|\n" DMI "product_name Standard PC|\n",
     AUDIT_FAIL, "\"QEMU\", \"Standard PC\"", 0},
    {"hyper-v", AUDIT_HV4,
     DMI "sys_vendor Microsoft Corporation|\n" DMI "product_name Virtual Machine|\n",
     AUDIT_FAIL, "\"Virtual Machine\"", 0},
    {"by its board", AUDIT_HV4, DMI "board_vendor VMware, Inc.|\n", AUDIT_FAIL,
     "VMware", 0},
    {"by its version", AUDIT_HV4, DMI "product_version Hyper-V UEFI Release v4|\n",
     AUDIT_FAIL, "Hyper-V", 0},
    {"ec2", AUDIT_HV4,
     "gone /sys/firmware/dmi\n" DMI "sys_vendor Amazon EC2|\n" DMI
     "product_name p5.48xlarge|\n",
     AUDIT_FAIL, "\"Amazon EC2\", \"p5.48xlarge\"", 0},
    {"ec2, metal by its name", AUDIT_HV4,
     USER_HIDDEN DMI "sys_vendor Amazon EC2|\n" DMI "product_name c7i.metal-48xl|\n",
     AUDIT_PASS, "an instance without a hypervisor by its name", 0},
    {"ec2, metal by its bios", AUDIT_HV4,
     DMI "sys_vendor Amazon EC2|\n" DMI "product_name u7|\n", AUDIT_PASS,
     "does not describe a virtual machine", 0},
    {"ec2, a guest by its bios", AUDIT_HV4,
     DMI "sys_vendor Amazon EC2|\n" DMI "product_name x.metal|\n"
         "hex /sys/firmware/dmi/entries/0-0/raw 00 1a 00 00 01 02 00 f0 03 ff 00 00 00 "
         "00 00 00 00 00 03 1d 05 0f\n",
     AUDIT_FAIL, "the BIOS describes a virtual machine", 0},
    {"a bios too short for that", AUDIT_HV4,
     "hex /sys/firmware/dmi/entries/0-0/raw 00 12 00 00 01 02 00 f0 03 ff 00 00 00 00 "
     "00 "
     "00 00 00 03 1d\n",
     AUDIT_PASS, "Dell", 0},
    {"google", AUDIT_HV4,
     USER_HIDDEN BIT DMI "sys_vendor Google|\n" DMI
                         "product_name Google Compute Engine|\n",
     AUDIT_FAIL, "Google", 0},
    {"google, whose bios never describes a guest", AUDIT_HV4,
     BIT DMI "sys_vendor Google|\n" DMI "product_name Google Compute Engine|\n",
     AUDIT_FAIL, "Google", 0},
    {"google, metal by its cpu", AUDIT_HV4,
     USER_HIDDEN DMI "sys_vendor Google|\n" DMI "product_name Google Compute Engine|\n",
     AUDIT_PASS, "the CPU tells of no hypervisor", 0},
    {"a server of oracle", AUDIT_HV4,
     "gone /sys/firmware/dmi\n" DMI "sys_vendor Oracle Corporation|\n" DMI
     "product_name ORACLE SERVER E5-2c|\n",
     AUDIT_PASS, "which makes servers too", 0},
    {"virtualbox", AUDIT_HV4,
     "gone /sys/firmware/dmi\n" BIT DMI "board_vendor Oracle Corporation|\n",
     AUDIT_FAIL, "Oracle", 0},
    {"virtualbox by its product", AUDIT_HV4, DMI "product_name VirtualBox|\n",
     AUDIT_FAIL, "VirtualBox", 0},
    {"none", AUDIT_HV4, "gone /sys/class/dmi\ngone /sys/firmware/dmi\n", AUDIT_UNKNOWN,
     "no DMI", 0},
    {"hidden", AUDIT_HV4, USER_HIDDEN "facts errno EACCES sys/class/dmi\n",
     AUDIT_UNKNOWN, "cannot be read: Permission denied", "root"},

    {"metal", AUDIT_HV5, "", AUDIT_PASS, "not there", 0},
    {"xen", AUDIT_HV5, "/sys/hypervisor/type xen|\n", AUDIT_FAIL, "\"xen\"", 0},
    {"old xen", AUDIT_HV5, "/proc/xen/capabilities |\n", AUDIT_FAIL, "a guest of Xen",
     0},
    {"dom0", AUDIT_HV5,
     "/sys/hypervisor/type xen|\n/proc/xen/capabilities control_d|\n", AUDIT_WARN,
     "the control domain", 0},
    {"dom0 by its features", AUDIT_HV5,
     "/sys/hypervisor/type xen|\n/sys/hypervisor/properties/features 00000801|\n",
     AUDIT_WARN, "the control domain", 0},
    {"hidden", AUDIT_HV5,
     USER_HIDDEN "facts errno EACCES sys/hypervisor\n/sys/hypervisor/type xen|\n",
     AUDIT_UNKNOWN, "cannot be read", "root"},

    {"metal", AUDIT_HV6, "", AUDIT_PASS, "machine: none; container: none", 0},
    {"kvm", AUDIT_HV6, KVM, AUDIT_WARN, "machine: kvm; container: none", 0},
    {"docker on metal", AUDIT_HV6, "/.dockerenv |\n", AUDIT_PASS,
     "machine: none; container: docker", 0},
    {"podman in kvm", AUDIT_HV6, KVM "/run/.containerenv |\n", AUDIT_WARN,
     "machine: kvm; container: podman", 0},
    {"qemu is kvm", AUDIT_HV6, KVM DMI "sys_vendor QEMU|\n", AUDIT_WARN, "machine: kvm",
     0},
    {"amazon is not kvm", AUDIT_HV6,
     KVM "gone /sys/firmware/dmi\n" DMI "sys_vendor Amazon EC2|\n", AUDIT_WARN,
     "machine: amazon", 0},
    {"xen that poses as hyper-v", AUDIT_HV6, HYPERV "/proc/xen/capabilities |\n",
     AUDIT_WARN, "machine: xen", 0},
    {"dom0", AUDIT_HV6,
     BIT "facts cpuid 40000000 0 40000001 566e6558 65584d4d 4d4d566e\n"
         "/proc/xen/capabilities control_d|\n",
     AUDIT_PASS, "machine: none", 0},
    {"dom0 in kvm", AUDIT_HV6, KVM "/proc/xen/capabilities control_d|\n", AUDIT_WARN,
     "machine: kvm", 0},
    {"uml", AUDIT_HV6, "/proc/cpuinfo vendor_id : User Mode Linux|\n", AUDIT_WARN,
     "machine: uml", 0},
    {"a stranger", AUDIT_HV6, BIT, AUDIT_WARN, "machine: vm-other", 0},

    {"metal", AUDIT_HV7, "", AUDIT_PASS, "median 118 cycles, 59 ns", 0},
    {"guest", AUDIT_HV7, "facts number cpuid-cycles 2048\nfacts number cpuid-ns 890\n",
     AUDIT_WARN, "median 2048 cycles, 890 ns: a hypervisor serves it", 0},
    {"the least", AUDIT_HV7, "facts number cpuid-cycles 500\n", AUDIT_WARN, "500", 0},
    {"just below", AUDIT_HV7, "facts number cpuid-cycles 499\n", AUDIT_PASS, "499", 0},

    {"metal", AUDIT_HV8, "", AUDIT_PASS, "\"tsc hpet acpi_pm\", all of hardware", 0},
    {"kvm", AUDIT_HV8, CLOCKS "tsc kvm-clock |\n", AUDIT_WARN,
     "\"kvm-clock\" among \"tsc kvm-clock\"", 0},
    {"hyper-v", AUDIT_HV8, CLOCKS "hyperv_clocksource_tsc_page tsc|\n", AUDIT_WARN,
     "hyperv", 0},
    {"xen", AUDIT_HV8, CLOCKS "xen|\n", AUDIT_WARN, "\"xen\"", 0},
    {"no more than part of a word", AUDIT_HV8, CLOCKS "tsc xenon|\n", AUDIT_PASS, "",
     0},
    {"none", AUDIT_HV8, "gone /sys/devices/system/clocksource\n", AUDIT_UNKNOWN,
     "cannot be read", 0},
    {"hidden", AUDIT_HV8, "facts errno EACCES sys/devices/system/clocksource\n",
     AUDIT_UNKNOWN, "cannot be read", "root"},

    {"metal", AUDIT_HV9, "", AUDIT_PASS, "none", 0},
    {"metal, as a user", AUDIT_HV9, USER_HIDDEN, AUDIT_PASS,
     "ACPI tables not looked at", "root"},
    {"virtio", AUDIT_HV9,
     "/sys/bus/pci/devices/0000:00:01.0/vendor 0x1af4|\n"
     "/sys/bus/pci/devices/0000:00:02.0/vendor 0x1af4|\n",
     AUDIT_WARN, "2 PCI functions of virtio", 0},
    {"virtio without PCI", AUDIT_HV9, "dir /sys/bus/virtio/devices/virtio0\n",
     AUDIT_WARN, "1 device on the bus \"virtio\"", 0},
    {"vmbus", AUDIT_HV9, "dir /sys/bus/vmbus/devices/a\ndir /sys/bus/vmbus/devices/b\n",
     AUDIT_WARN, "2 devices on the bus \"vmbus\"", 0},
    {"ec2", AUDIT_HV9,
     "gone /sys/firmware/dmi\n/sys/bus/pci/devices/0000:00:05.0/vendor 0x1d0f|\n" DMI
     "sys_vendor Amazon EC2|\n",
     AUDIT_WARN, "1 PCI function of Amazon", 0},
    {"ec2, metal", AUDIT_HV9,
     "/sys/bus/pci/devices/0000:00:05.0/vendor 0x1d0f|\n" DMI
     "sys_vendor Amazon EC2|\n",
     AUDIT_PASS, "none", 0},
    {"a card of google's that is none of its nics", AUDIT_HV9,
     "/sys/bus/pci/devices/0000:00:05.0/vendor 0x1ae0|\n"
     "/sys/bus/pci/devices/0000:00:05.0/device 0x1f|\n",
     AUDIT_PASS, "none", 0},
    {"interrupts", AUDIT_HV9, "/proc/interrupts CPU0 CPU1| HYP: 2 3 Hypervisor|\n",
     AUDIT_WARN, "5 interrupts HYP", 0},
    {"interrupts of hyper-v", AUDIT_HV9, "/proc/interrupts HVS: 9|", AUDIT_WARN,
     "9 interrupts HVS", 0},
    {"acpi", AUDIT_HV9,
     "hex /sys/firmware/acpi/tables/APIC 41 50 49 43 0 0 0 0 0 0 46 49 52 45 43 4b 0\n",
     AUDIT_WARN, "ACPI by \"FIRECK\"", 0},
    {"acpi cut off", AUDIT_HV9, "hex /sys/firmware/acpi/tables/APIC 41 50 49 43\n",
     AUDIT_PASS, "none", 0},
    {"nothing to see", AUDIT_HV9,
     "gone /sys/bus\ngone /proc/interrupts\ngone /sys/firmware/acpi\n", AUDIT_UNKNOWN,
     "neither PCI nor interrupts", 0},

    {"metal", AUDIT_HV10, "", AUDIT_PASS, "cycles can be counted", 0},
    {"no counters", AUDIT_HV10, "facts call perf-cycles ENOENT\n", AUDIT_WARN,
     "no counters in this CPU", 0},
    {"as a user", AUDIT_HV10,
     "facts uid 1000\nfacts call perf-cycles EACCES\n"
     "/proc/sys/kernel/perf_event_paranoid 4|\n",
     AUDIT_UNKNOWN, "not allowed here (kernel.perf_event_paranoid is 4)", "root"},
    {"seccomp", AUDIT_HV10, "facts call perf-cycles EPERM\n", AUDIT_UNKNOWN,
     "not allowed here", "CAP_PERFMON, and no seccomp filter"},
    {"no such call", AUDIT_HV10, "facts call perf-cycles ENOSYS\n", AUDIT_UNKNOWN,
     "no such call", 0},
    {"busy", AUDIT_HV10, "facts call perf-cycles EBUSY\n", AUDIT_UNKNOWN, "busy", 0},

    {"metal", AUDIT_HV11, "", AUDIT_PASS, "family 6 model 0x8f, as it should be", 0},
    {"no clock", AUDIT_HV11, "facts cpuid 15 0 0 0 0 0\nfacts cpuid 16 0 0 0 0 0\n",
     AUDIT_WARN, "clock not told", 0},
    {"leaves end before it", AUDIT_HV11,
     "facts cpuid 0 0 14 756e6547 6c65746e 49656e69\n", AUDIT_WARN, "clock not told",
     0},
    {"clock of a kind", AUDIT_HV11, "facts cpuid 16 0 0 0 0 0\n", AUDIT_PASS, "", 0},
    {"no counters", AUDIT_HV11, "facts cpuid a 0 0 0 0 0\n", AUDIT_WARN,
     "no performance counters", 0},
    {"no speed", AUDIT_HV11, "facts cpuid 6 0 4 0 0 0\n", AUDIT_WARN,
     "speed not told (leaf 0x6)", 0},
    {"a microcode that nobody makes", AUDIT_HV11, "/proc/cpuinfo microcode : 0x1|\n",
     AUDIT_WARN, "microcode 0x1", 0},
    {"features of another model", AUDIT_HV11, "facts cpuid 1 0 a0671 0 0 0\n",
     AUDIT_WARN, "model 0xa7: AMX, which this model has not", 0},
    {"an old one tells no clock", AUDIT_HV11,
     "facts cpuid 1 0 406f1 0 0 0\nfacts cpuid 7 0 0 0 0 0\nfacts cpuid 15 0 0 0 0 0\n"
     "facts cpuid 16 0 0 0 0 0\n",
     AUDIT_PASS, "model 0x4f", 0},
    {"amd", AUDIT_HV11, AMD "facts cpuid 80000007 0 0 0 0 799\n", AUDIT_PASS,
     "family 25 model 0x11", 0},
    {"amd, a guest", AUDIT_HV11,
     AMD "facts cpuid 80000007 0 0 0 0 100\nfacts cpuid 6 0 4 0 0 0\n"
         "/proc/cpuinfo microcode : 0x1000065|\n",
     AUDIT_WARN,
     "no hardware speeds (leaf 0x80000007), speed not told (leaf 0x6), microcode "
     "0x1000065",
     0},
    {"another maker", AUDIT_HV11, "facts cpuid 0 0 20 746e6543 736c7561 48727561\n",
     AUDIT_UNKNOWN, "not a CPU of Intel or AMD", 0},

    {"metal", AUDIT_HV12, "", AUDIT_PASS, "0 s stolen", 0},
    {"stolen", AUDIT_HV12, "/proc/stat cpu  100 0 100 600 0 0 0 200 0 0|\n", AUDIT_WARN,
     "2.00 s of CPUs stolen since the start, 20 % of all", 0},
    {"a kvm that tells nothing", AUDIT_HV12, KVM_MUTE, AUDIT_UNKNOWN,
     "this KVM does not tell it", 0},
    {"a kvm that tells", AUDIT_HV12, KVM_STEAL, AUDIT_PASS, "0 s stolen", 0},
    {"an old kernel", AUDIT_HV12, "/proc/stat cpu  10 0 10 1000|\n", AUDIT_UNKNOWN,
     "no stolen time", 0},
    {"no /proc", AUDIT_HV12, "gone /proc/stat\n", AUDIT_UNKNOWN, "cannot be read", 0},
    {"hidden", AUDIT_HV12, "facts errno EACCES proc/stat\n", AUDIT_UNKNOWN,
     "cannot be read", "root"},
};

/* No CPUID at all. */
static const struct machine_case elsewhere[] = {
    {"arm", AUDIT_HV1, "/proc/cpuinfo Features : fp asimd|\n", AUDIT_UNKNOWN,
     "not an x86 CPU", 0},
    {"arm, a guest's kernel at EL1", AUDIT_HV2,
     "/proc/cpuinfo CPU implementer : 0x41|\n", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"arm at EL2", AUDIT_HV1,
     "/proc/cpuinfo CPU implementer\t: 0x41|\ndir /sys/class/misc/kvm\n", AUDIT_PASS,
     "the kernel runs at EL2", 0},
    {"arm at EL2", AUDIT_HV2,
     "/proc/cpuinfo CPU implementer\t: 0x41|\ndir /sys/class/misc/kvm\n", AUDIT_PASS,
     "not an x86 CPU", 0},
    {"kvm alone proves nothing", AUDIT_HV1, "dir /sys/class/misc/kvm\n", AUDIT_UNKNOWN,
     "not an x86 CPU", 0},
    {"x86, not recorded", AUDIT_HV1, "/proc/cpuinfo flags : fpu vme|\n", AUDIT_PASS,
     "not there", 0},
    {"x86, a guest", AUDIT_HV1, "/proc/cpuinfo flags\t\t: fpu hypervisor vme|\n",
     AUDIT_FAIL, "there", 0},
    {"no cpuinfo", AUDIT_HV1, "", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"arm", AUDIT_HV2, "", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"x86, by its flags", AUDIT_HV2, "/proc/cpuinfo flags : fpu|\n", AUDIT_PASS,
     "no such leaf, as its bit is clear", 0},
    {"x86, a guest by its flags", AUDIT_HV2, "/proc/cpuinfo flags : hypervisor|\n",
     AUDIT_UNKNOWN, "not recorded", 0},
    {"arm", AUDIT_HV3, "", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"a server of arm", AUDIT_HV4, DMI "sys_vendor Supermicro|\n", AUDIT_PASS,
     "Supermicro", 0},
    {"a server of oracle, no CPUID", AUDIT_HV4, DMI "sys_vendor Oracle Corporation|\n",
     AUDIT_UNKNOWN, "which makes servers too", "root"},
    {"device tree", AUDIT_HV4, "/proc/device-tree/compatible nvidia,grace|\n",
     AUDIT_PASS, "nvidia,grace", 0},
    {"device tree of a guest", AUDIT_HV4,
     "/proc/device-tree/hypervisor/compatible linux,kvm|\n", AUDIT_FAIL, "linux,kvm",
     0},
    {"device tree of qemu", AUDIT_HV4, "/proc/device-tree/compatible qemu,pseries|\n",
     AUDIT_FAIL, "of a virtual machine", 0},
    {"power", AUDIT_HV4,
     "/proc/device-tree/compatible IBM,9080-HEX|\n"
     "/proc/device-tree/ibm,partition-name a|\n/proc/device-tree/hmc-managed? a|\n",
     AUDIT_FAIL, "of a virtual machine", 0},
    {"device tree", AUDIT_HV6, "/proc/device-tree/hypervisor/compatible xen,xen|\n",
     AUDIT_WARN, "machine: xen", 0},
    {"mainframe", AUDIT_HV6, "/proc/sysinfo a|\ndir /sys/bus/ccw\n", AUDIT_WARN,
     "machine: zvm", 0},
    {"nothing", AUDIT_HV6, "", AUDIT_UNKNOWN, "neither CPUID nor the firmware's", 0},
    {"nothing", AUDIT_HV7, "", AUDIT_UNKNOWN, "not recorded", 0},
    {"nothing", AUDIT_HV8, "", AUDIT_UNKNOWN, "cannot be read", 0},
    {"arm", AUDIT_HV8, CLOCKS "arch_sys_counter |\n", AUDIT_PASS, "all of hardware", 0},
    {"nothing", AUDIT_HV9, "", AUDIT_UNKNOWN, "", 0},
    {"nothing", AUDIT_HV10, "", AUDIT_UNKNOWN, "no such call", 0},
    {"arm", AUDIT_HV11, "", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"nothing", AUDIT_HV12, "", AUDIT_UNKNOWN, "cannot be read", 0},
    {"nothing", AUDIT_CT1, "", AUDIT_UNKNOWN, "no trace of a container", "root"},
};

static const struct machine_case containers[] = {
    {"none", AUDIT_CT1, "", AUDIT_PASS, "none; process ids are the machine's", 0},
    {"docker", AUDIT_CT1, "/.dockerenv |\n/proc/2/comm sh|\n", AUDIT_WARN,
     "in a container: docker; process ids of its own", 0},
    {"podman", AUDIT_CT1, "/run/.containerenv |\n", AUDIT_WARN, "podman", 0},
    {"systemd's name first", AUDIT_CT1, "/.dockerenv |\n/run/systemd/container lxc|\n",
     AUDIT_WARN, "in a container: lxc", 0},
    {"of the outside first of all", AUDIT_CT1,
     "/run/host/container-manager toolbox|\n/run/systemd/container lxc|\n", AUDIT_WARN,
     "in a container: toolbox", 0},
    {"by the environment", AUDIT_CT1,
     "hex /proc/1/environ 41 3d 62 0 63 6f 6e 74 61 69 6e 65 72 3d 6f 63 69 0\n",
     AUDIT_WARN, "in a container: oci", 0},
    {"an environment that ends early", AUDIT_CT1,
     "hex /proc/1/environ 63 6f 6e 74 61 69 6e 65 72 3d\n", AUDIT_PASS, "none", 0},
    {"by the cgroup", AUDIT_CT1, "/proc/1/cgroup 0::/kubepods/besteffort/pod1|\n",
     AUDIT_WARN, "kubernetes", 0},
    {"apptainer", AUDIT_CT1, "dir /.singularity.d\n", AUDIT_WARN, "apptainer", 0},
    {"openvz", AUDIT_CT1, "dir /proc/vz\n", AUDIT_WARN, "openvz", 0},
    {"a host of openvz", AUDIT_CT1, "dir /proc/vz\ndir /proc/bc\n", AUDIT_PASS, "none",
     0},
    {"wsl", AUDIT_CT1, "/proc/sys/kernel/osrelease 5.15-microsoft-standard-WSL2|\n",
     AUDIT_WARN, "wsl", 0},
    {"by its process ids alone", AUDIT_CT1, "/proc/2/comm sh|\n", AUDIT_WARN,
     "of unknown make: process ids of its own", 0},
    {"with one process", AUDIT_CT1, "gone /proc/2\n", AUDIT_WARN,
     "of unknown make: process ids of its own", 0},
    {"by its users alone", AUDIT_CT1, "/proc/self/uid_map 0 1000 1|\n", AUDIT_WARN,
     "of unknown make: users of its own", 0},
    {"both", AUDIT_CT1, "/proc/self/uid_map 0 1000 1|\n/proc/2/comm sh|\n", AUDIT_WARN,
     "process ids and users of its own", 0},
    {"a user who sees no others", AUDIT_CT1,
     "facts uid 1000\ngone /proc/1\ngone /proc/2\n", AUDIT_UNKNOWN,
     "other users' processes are hidden", "root"},
    {"a name that would not print", AUDIT_CT1,
     "hex /run/systemd/container 6c 1b 5b 41 0a\n", AUDIT_WARN, "in a container: l", 0},
};

static void check_all(const char *base, const struct machine_case *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        machine_case_check(look_hypervisor, N_IDS, base, &all[i]);
}

static void test_server(void **state)
{
    (void)state;
    check_all(METAL, on_metal, sizeof on_metal / sizeof *on_metal);
}

static void test_no_cpuid(void **state)
{
    (void)state;
    check_all("", elsewhere, sizeof elsewhere / sizeof *elsewhere);
}

static void test_containers(void **state)
{
    (void)state;
    check_all(METAL, containers, sizeof containers / sizeof *containers);
}

static void looked(const char *rows, struct findings *f)
{
    struct machine_tree t;
    struct machine *m;
    struct err e = {0};
    machine_tree_make(&t, METAL, rows);
    assert_int_equal(machine_open(t.dir, &m, &e), 0);
    findings_init(f);
    look_hypervisor(m, f);
    assert_non_null(f->m);
    machine_close(m);
    machine_tree_end(&t);
}

/* Nothing fails, or warns, of what merely cannot be seen, and on metal nothing at all. */
static void test_user_on_metal(void **state)
{
    struct findings f;
    (void)state;
    looked(MACHINE_TREE_USER USER_HIDDEN "facts call perf-cycles EACCES\n", &f);
    for (size_t i = 0; i < f.m->n_findings; i++) {
        const Aolani__AuditFinding *a = f.m->findings[i];
        if (a->verdict == AUDIT_WARN || a->verdict == AUDIT_FAIL)
            fail_msg("%s: %s", a->id, a->evidence);
    }
    findings_fini(&f);
}

/* A guest that hides its bit, its name and its firmware is given away by the rest. */
static void test_guest_that_hides(void **state)
{
    struct findings f;
    unsigned signs = 0;
    (void)state;
    looked("facts number cpuid-cycles 2048\nfacts call perf-cycles ENOENT\n"
           "facts cpuid a 0 0 0 0 0\n/proc/stat cpu 1 1 1 1 1 1 1 1|\n" CLOCKS
           "kvm-clock|\n/sys/bus/pci/devices/0000:00:01.0/vendor 0x1af4|\n",
           &f);
    for (size_t i = 0; i < f.m->n_findings; i++)
        signs += f.m->findings[i]->verdict == AUDIT_WARN;
    assert_int_equal(signs, 6);
    findings_fini(&f);
}

static void test_this_machine(void **state)
{
    (void)state;
    machine_case_live(look_hypervisor, N_IDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),           cmocka_unit_test(test_no_cpuid),
        cmocka_unit_test(test_containers),       cmocka_unit_test(test_user_on_metal),
        cmocka_unit_test(test_guest_that_hides), cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
