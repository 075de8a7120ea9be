/* SPDX-License-Identifier: MIT */
/* hypervisor_firmware.c - vendor and product in DMI, or in a device tree (HV4). Clouds let
 * machines without a hypervisor under the same vendor's name, and one maker of servers is
 * also the maker of a hypervisor: their names alone prove nothing. */
#include "agent/audit/hypervisor_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DMI         "/sys/class/dmi/id/"
#define BIOS_RAW    "/sys/firmware/dmi/entries/0-0/raw"
#define BIOS_EXTRA  19 /* byte of a BIOS's second extension of characteristics */
#define BIOS_VM_BIT 4  /* of it: "the table describes a virtual machine" */

enum maker {
    MAKER_VIRTUAL, /* of nothing but virtual machines */
    MAKER_CLOUD, /* of both; ".metal" in the product's name says which, and the BIOS */
    MAKER_SERVERS, /* of both; the CPU's bit says which, and the BIOS */
    MAKER_MUTE, /* a cloud whose BIOS is the same for both: the CPU's bit alone says */
};

static const struct vendor {
    const char *prefix, *word;
    enum maker maker;
} vendors[] = {
    {"KVM", "kvm", MAKER_VIRTUAL},
    {"OpenStack", "kvm", MAKER_VIRTUAL},
    {"KubeVirt", "kvm", MAKER_VIRTUAL},
    {"Amazon EC2", "amazon", MAKER_CLOUD},
    {"QEMU", "qemu", MAKER_VIRTUAL},
    {"VMware", "vmware", MAKER_VIRTUAL},
    {"VMW", "vmware", MAKER_VIRTUAL},
    {"innotek GmbH", "oracle", MAKER_VIRTUAL},
    {"VirtualBox", "oracle", MAKER_VIRTUAL},
    {"Oracle Corporation", "oracle", MAKER_SERVERS},
    {"Xen", "xen", MAKER_VIRTUAL},
    {"Bochs", "bochs", MAKER_VIRTUAL},
    {"Parallels", "parallels", MAKER_VIRTUAL},
    {"BHYVE", "bhyve", MAKER_VIRTUAL},
    {"Hyper-V", "microsoft", MAKER_VIRTUAL},
    {"Virtual Machine", "microsoft", MAKER_VIRTUAL},
    {"Apple Virtualization", "apple", MAKER_VIRTUAL},
    {"Google Compute Engine", "google", MAKER_MUTE},
    {"Cloud Hypervisor", "vm-other", MAKER_VIRTUAL},
};

struct dmi {
    char product[128], vendor[128]; /* "": not said */
    const struct vendor *match;
    char match_file[64], match_text[128];
    int described; /* by the BIOS as virtual; -1: not to be seen */
};

/* In systemd's order. 0, or why none of the files can be read. */
static int dmi_read(const struct machine *m, struct dmi *ret)
{
    static const char *const files[] = {"product_name", "sys_vendor", "board_vendor",
                                        "bios_vendor", "product_version"};
    char path[128], text[128];
    int why = -ENOENT;
    bool any = false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, DMI "%s", files[i]);
        int rc = machine_line(m, path, text, sizeof text);
        why = rc < 0 && rc != -ENOENT ? rc : why;
        if (rc < 0)
            continue;
        any = true;
        if (i < 2)
            memcpy(i ? ret->vendor : ret->product, text, sizeof text);
        for (size_t k = 0; !ret->match && k < sizeof vendors / sizeof *vendors; k++) {
            if (strncmp(text, vendors[k].prefix, strlen(vendors[k].prefix)) != 0)
                continue;
            ret->match = &vendors[k];
            (void)snprintf(ret->match_file, sizeof ret->match_file, "%s", files[i]);
            memcpy(ret->match_text, text, sizeof text);
        }
    }
    return any ? 0 : why;
}

static int bios_described(const struct machine *m)
{
    unsigned char raw[64];
    ssize_t n = machine_read(m, BIOS_RAW, raw, sizeof raw);
    return n > BIOS_EXTRA && raw[1] > BIOS_EXTRA ? raw[BIOS_EXTRA] >> BIOS_VM_BIT & 1
                                                 : -1;
}

/* What a name that both kinds of machines bear means here. */
static enum audit_verdict weigh(const struct dmi *d, const struct hypervisor_seen *s,
                                const char **why)
{
    bool lets = d->match->maker == MAKER_MUTE, is_free = s->bit == 0 || s->el2;
    if (d->match->maker == MAKER_VIRTUAL)
        return *why = "", AUDIT_FAIL;
    if (d->described == 0 && !lets)
        return *why = ", and the BIOS does not describe a virtual machine", AUDIT_PASS;
    if (d->match->maker == MAKER_CLOUD) {
        bool metal = strstr(d->product, ".metal") != NULL;
        *why = metal ? ", an instance without a hypervisor by its name" : "";
        return metal ? AUDIT_PASS : AUDIT_FAIL;
    }
    if (is_free)
        *why = lets ? ", which lets servers too; the CPU tells of no hypervisor"
                    : ", which makes servers too; the CPU tells of no hypervisor";
    else if (s->bit < 0)
        *why = lets ? ", which lets servers too" : ", which makes servers too";
    else
        *why = "";
    return is_free ? AUDIT_PASS : s->bit < 0 ? AUDIT_UNKNOWN : AUDIT_FAIL;
}

static void look_dmi(const struct dmi *d, struct hypervisor_seen *s, struct findings *f)
{
    char source[128];
    const char *why = "";
    if (d->described == 1) {
        s->dmi = d->match ? d->match->word : "vm-other";
        found(f, AUDIT_HV4, AUDIT_FAIL, BIOS_RAW,
              "the BIOS describes a virtual machine: \"%s\", \"%s\"", d->vendor,
              d->product);
        return;
    }
    if (!d->match) {
        found(f, AUDIT_HV4, AUDIT_PASS, DMI "product_name", "\"%s\", \"%s\"", d->vendor,
              d->product);
        found_value(f, "%s, %s", d->vendor, d->product);
        return;
    }
    enum audit_verdict v = weigh(d, s, &why);
    s->dmi = v == AUDIT_FAIL ? d->match->word : NULL;
    s->metal = v == AUDIT_PASS && d->match->maker != MAKER_SERVERS;
    (void)snprintf(source, sizeof source, DMI "%s", d->match_file);
    found(f, AUDIT_HV4, v, source, "\"%s\"%s%s%s%s", d->match_text,
          d->match_file[0] != 'p' && d->product[0] ? ", \"" : "",
          d->match_file[0] != 'p' ? d->product : "",
          d->match_file[0] != 'p' && d->product[0] ? "\"" : "", why);
    if (v == AUDIT_UNKNOWN)
        found_more(f, "root");
    else
        found_value(f, "%s, %s", d->vendor, d->product);
}

/* Machines that are no PCs: /proc/device-tree. false: there is none either. */
static bool look_devicetree(const struct machine *m, struct hypervisor_seen *s,
                            struct findings *f)
{
    char text[256];
    const char *source = "/proc/device-tree/hypervisor/compatible";
    if (machine_read(m, source, text, sizeof text) > 0) {
        s->devicetree = strstr(text, "kvm")      ? "kvm"
                        : strstr(text, "xen")    ? "xen"
                        : strstr(text, "vmware") ? "vmware"
                                                 : "vm-other";
        found(f, AUDIT_HV4, AUDIT_FAIL, source, "\"%s\"", text);
        return true;
    }
    source = "/proc/device-tree/compatible";
    if (machine_read(m, source, text, sizeof text) <= 0)
        return false;
    if (!strncmp(text, "qemu,", 5) || !strcmp(text, "linux,dummy-virt")) {
        s->devicetree = "qemu";
    } else if (machine_exists(m, "/proc/device-tree/ibm,partition-name") &&
               machine_exists(m, "/proc/device-tree/hmc-managed?") &&
               !machine_exists(m, "/proc/device-tree/chosen/qemu,graphic-width")) {
        s->devicetree = "powervm";
    }
    found(f, AUDIT_HV4, s->devicetree ? AUDIT_FAIL : AUDIT_PASS, source, "\"%s\"%s",
          text, s->devicetree ? ", of a virtual machine" : "");
    return true;
}

void hypervisor_look_firmware(const struct machine *m, struct hypervisor_seen *s,
                              struct findings *f)
{
    struct dmi d = {.described = bios_described(m)};
    s->firmware = dmi_read(m, &d);
    if (s->firmware == 0) {
        look_dmi(&d, s, f);
        return;
    }
    if (look_devicetree(m, s, f)) {
        s->firmware = 0;
        return;
    }
    if (s->firmware == -ENOENT) {
        found(f, AUDIT_HV4, AUDIT_UNKNOWN, DMI,
              "no DMI; the firmware of a server has it");
        return;
    }
    found(f, AUDIT_HV4, AUDIT_UNKNOWN, DMI, "cannot be read: %s",
          strerror(-s->firmware));
    if (s->firmware == -EACCES || s->firmware == -EPERM)
        found_more(f, "root");
}
