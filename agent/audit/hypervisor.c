/* SPDX-License-Identifier: MIT */
/* hypervisor.c - is there a hypervisor below? What CPUID says of it (HV1 to HV3), Xen's own
 * files (HV5), and what systemd-detect-virt would make of all (HV6). The firmware's tables
 * are in hypervisor_firmware.c, signs that are no proof in hypervisor_signs.c. */
#include "agent/audit/container.h"
#include "agent/audit/hypervisor_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEAF_FIRST 0x40000000u
#define LEAF_STEP  0x100u
#define LEAF_LAST \
    0x40000f00u /* one hypervisor poses as another below, and adds its own */
#define SIGNATURE  12u
#define KVM_DEVICE "/sys/class/misc/kvm"

static const struct {
    const char *signature, *word;
} signatures[] = {
    {"XenVMMXenVMM", "xen"},       {"KVMKVMKVM\0\0\0", "kvm"},
    {"Linux KVM Hv", "kvm"},       {"TCGTCGTCGTCG", "qemu"},
    {"VMwareVMware", "vmware"},    {"Microsoft Hv", "microsoft"},
    {"bhyve bhyve ", "bhyve"},     {"QNXQVMBSQG\0\0", "qnx"},
    {"ACRNACRNACRN", "acrn"},      {"SRESRESRESRE", "sre"},
    {"Apple VZ\0\0\0\0", "apple"}, {" lrpepyh  vr", "parallels"},
};

/* An Arm CPU has no bit to ask for. Its kernel offers KVM only when it was started at EL2,
 * which a hypervisor keeps for itself (but for nested ones, which few have). */
static bool arm_is_el2(const struct machine *m)
{
    char maker[32];
    return machine_cpuinfo(m, "CPU implementer", maker, sizeof maker) == 0 &&
           machine_exists(m, KVM_DEVICE);
}

static void look_bit(const struct machine *m, struct hypervisor_seen *s,
                     struct findings *f)
{
    uint32_t r[4];
    if (machine_leaf(m, 1, 0, r)) {
        s->bit = (int)(r[2] >> 31);
        found(f, AUDIT_HV1, s->bit ? AUDIT_FAIL : AUDIT_PASS, "CPUID 0x1",
              "ecx bit 31 %s", s->bit ? "set" : "clear");
        return;
    }
    s->bit = machine_flag(m, "hypervisor");
    s->el2 = s->bit < 0 && arm_is_el2(m);
    if (s->el2)
        found(f, AUDIT_HV1, AUDIT_PASS, KVM_DEVICE,
              "no CPUID, but the kernel runs at EL2: it can be a host itself");
    else if (s->bit < 0)
        found(f, AUDIT_HV1, AUDIT_UNKNOWN, "/proc/cpuinfo", "no CPUID: not an x86 CPU");
    else
        found(f, AUDIT_HV1, s->bit ? AUDIT_FAIL : AUDIT_PASS, "/proc/cpuinfo",
              "flag \"hypervisor\" %s", s->bit ? "there" : "not there");
}

static const char *word_of(const char text[SIGNATURE])
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (!memcmp(signatures[i].signature, text, SIGNATURE))
            return signatures[i].word;
    return NULL;
}

/* The signature of a leaf, and it as something to print. */
static const char *signature_at(const struct machine *m, uint32_t leaf,
                                char print[SIGNATURE + 1])
{
    uint32_t r[4];
    char text[SIGNATURE];
    print[0] = '\0';
    if (!machine_cpuid(m, leaf, 0, r))
        return NULL;
    memcpy(text, r + 1, SIGNATURE);
    size_t n = 0;
    while (n < SIGNATURE && isprint((unsigned char)text[n]))
        n++;
    memcpy(print, text, n);
    print[n] = '\0';
    return word_of(text);
}

/* Where the bit is clear only a name that is known counts: such a leaf is then beyond the
 * last, and what it holds is chance. */
static void look_signature(const struct machine *m, struct hypervisor_seen *s,
                           struct findings *f)
{
    char first[SIGNATURE + 1], print[SIGNATURE + 1], all[128] = "";
    uint32_t r[4];
    if (!machine_cpuid(m, LEAF_FIRST, 0, r)) {
        found(f, AUDIT_HV2, s->bit == 0 || s->el2 ? AUDIT_PASS : AUDIT_UNKNOWN,
              "CPUID 0x40000000",
              s->bit < 0    ? "no CPUID: not an x86 CPU"
              : s->bit == 0 ? "no such leaf, as its bit is clear"
                            : "not recorded");
        return;
    }
    (void)signature_at(m, LEAF_FIRST, first);
    for (uint32_t leaf = LEAF_FIRST; leaf <= LEAF_LAST; leaf += LEAF_STEP) {
        const char *word = signature_at(m, leaf, print);
        size_t len = strlen(all);
        if (!word || strstr(all, print))
            continue;
        s->cpuid = s->cpuid ? s->cpuid : word;
        s->kvm_base = s->kvm_base || strcmp(word, "kvm") != 0 ? s->kvm_base : leaf;
        (void)snprintf(all + len, sizeof all - len, "%s\"%s\" (%s)", len ? ", " : "",
                       print, word);
    }
    if (s->cpuid)
        found(f, AUDIT_HV2, AUDIT_FAIL, "CPUID 0x40000000", "%s%s", all,
              s->bit == 0 ? ", though its bit is clear" : "");
    else if (s->bit == 1)
        found(f, AUDIT_HV2, first[0] ? AUDIT_FAIL : AUDIT_UNKNOWN, "CPUID 0x40000000",
              first[0] ? "\"%s\", whoever that is" : "%sno signature", first);
    else
        found(f, AUDIT_HV2, AUDIT_PASS, "CPUID 0x40000000",
              "no signature of a hypervisor");
    if (s->bit == 1 && !s->cpuid)
        s->cpuid = "vm-other";
}

static void look_kvm(const struct machine *m, const struct hypervisor_seen *s,
                     struct findings *f)
{
    uint32_t r[4];
    if (!s->kvm_base) {
        bool blind = s->bit < 0 && !s->cpuid;
        found(f, AUDIT_HV3, blind ? AUDIT_UNKNOWN : AUDIT_PASS, "CPUID 0x40000001",
              blind ? "no CPUID: not an x86 CPU" : "not a guest of KVM");
        return;
    }
    if (!machine_cpuid(m, s->kvm_base + 1, 0, r)) {
        found(f, AUDIT_HV3, AUDIT_UNKNOWN, "CPUID 0x40000001", "not recorded");
        return;
    }
    bool steal = r[0] >> KVM_STEAL_TIME & 1, always = r[3] & 1;
    found(f, AUDIT_HV3, steal ? AUDIT_PASS : AUDIT_WARN, "CPUID 0x40000001",
          "stolen time is %s; %s (eax 0x%x, edx 0x%x)",
          steal ? "told" : "not told: a steal of 0 means nothing",
          always ? "CPUs are not taken away for long"
                 : "CPUs may be taken away at any time",
          r[0], r[3]);
}

/* control_d, or the bit of a control domain among Xen's features. */
static bool xen_is_dom0(const struct machine *m)
{
    char text[256];
    unsigned features = 0;
    if (machine_line(m, "/proc/xen/capabilities", text, sizeof text) == 0 &&
        strstr(text, "control_d"))
        return true;
    return machine_line(m, "/sys/hypervisor/properties/features", text, sizeof text) ==
               0 &&
           sscanf(text, "%x", &features) == 1 && (features >> 11 & 1);
}

static void look_xen(const struct machine *m, struct hypervisor_seen *s,
                     struct findings *f)
{
    char type[64];
    const char *source = "/sys/hypervisor/type";
    int rc = machine_line(m, source, type, sizeof type);
    bool has_proc = machine_exists(m, "/proc/xen");
    s->xen = (rc == 0 && !strcmp(type, "xen")) || has_proc;
    s->dom0 = s->xen && xen_is_dom0(m);
    if (s->dom0) {
        found(f, AUDIT_HV5, AUDIT_WARN, "/proc/xen/capabilities",
              "the control domain of a Xen: devices are its own, CPUs are not");
    } else if (rc == 0) {
        found(f, AUDIT_HV5, AUDIT_FAIL, source, "\"%s\"", type);
    } else if (has_proc) {
        found(f, AUDIT_HV5, AUDIT_FAIL, "/proc/xen", "it is there: a guest of Xen");
    } else if (rc == -ENOENT) {
        found(f, AUDIT_HV5, AUDIT_PASS, source, "not there, and no /proc/xen");
    } else {
        found(f, AUDIT_HV5, AUDIT_UNKNOWN, source, "cannot be read: %s", strerror(-rc));
        if (rc == -EACCES || rc == -EPERM)
            found_more(f, "root");
    }
}

/* In systemd's order: a few names in the firmware count more than CPUID, for clouds that
 * have their own name for what is a KVM below. */
static const char *vm_word(const struct machine *m, const struct hypervisor_seen *s)
{
    static const char *const first[] = {"oracle", "xen", "amazon", "parallels",
                                        "google"};
    char vendor[64];
    for (size_t i = 0; s->dmi && i < sizeof first / sizeof *first; i++)
        if (!strcmp(s->dmi, first[i]))
            return s->dmi;
    if (machine_cpuinfo(m, "vendor_id", vendor, sizeof vendor) == 0 &&
        !strcmp(vendor, "User Mode Linux"))
        return "uml";
    if (s->xen && !s->dom0)
        return "xen";
    bool own = s->cpuid && s->dom0 && !strcmp(s->cpuid, "xen");
    if (s->cpuid && !own && strcmp(s->cpuid, "vm-other") != 0)
        return s->cpuid;
    if (s->dmi)
        return s->dmi;
    if (s->devicetree)
        return s->devicetree;
    if (machine_exists(m, "/proc/sysinfo") && machine_exists(m, "/sys/bus/ccw"))
        return "zvm";
    return own ? NULL : s->cpuid;
}

static void look_word(const struct machine *m, const struct hypervisor_seen *s,
                      struct findings *f)
{
    char box[64];
    const char *vm = vm_word(m, s);
    const char *container = container_word(m, box, sizeof box) ? box : "none";
    if (!vm && s->bit < 0 && s->firmware < 0) {
        found(f, AUDIT_HV6, AUDIT_UNKNOWN, "CPUID, firmware",
              "neither CPUID nor the firmware's tables are to be seen; container: %s",
              container);
        return;
    }
    found(f, AUDIT_HV6, vm ? AUDIT_WARN : AUDIT_PASS, "CPUID, firmware",
          "machine: %s; container: %s", vm ? vm : "none", container);
    found_value(f, "%s", vm ? vm : "none");
}

void look_hypervisor(const struct machine *m, struct findings *f)
{
    struct hypervisor_seen s = {.bit = -1};
    look_bit(m, &s, f);
    look_signature(m, &s, f);
    look_kvm(m, &s, f);
    hypervisor_look_firmware(m, &s, f);
    look_xen(m, &s, f);
    look_word(m, &s, f);
    hypervisor_look_cost(m, f);
    hypervisor_look_clock(m, f);
    hypervisor_look_devices(m, &s, f);
    hypervisor_look_counters(m, f);
    hypervisor_look_model(m, f);
    hypervisor_look_steal(m, &s, f);
    container_look(m, f);
}
