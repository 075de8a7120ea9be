/* SPDX-License-Identifier: MIT */
/* hypervisor_devices.c - devices, interrupts and tables that only a hypervisor makes (HV9).
 * Cards that pose as virtio on bare metal exist, so this is a sign and no proof. */
#include "agent/audit/hypervisor_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERRUPTS_MOST \
    ((size_t)16 << 20) /* 1,000 interrupts of 1,000 CPUs, and more */
#define ACPI "/sys/firmware/acpi/tables/"

static const struct maker {
    int64_t vendor, device; /* device -1: any */
    const char *name;
    bool on_metal; /* real cards of a cloud whose machine may have no hypervisor */
} makers[] = {
    {0x1af4, -1, "virtio", false},    {0x1b36, -1, "QEMU", false},
    {0x1234, -1, "QEMU", false},      {0x1d0f, -1, "Amazon", true},
    {0x15ad, -1, "VMware", false},    {0x1414, -1, "Microsoft", false},
    {0x5853, -1, "Xen", false},       {0x80ee, -1, "VirtualBox", false},
    {0x1ab8, -1, "Parallels", false}, {0x1ae0, 0x42, "Google", true},
};
#define N_MAKERS (sizeof makers / sizeof *makers)

struct signs {
    char text[256];
    bool denied; /* something could not be read */
    bool seen;   /* something could */
};

static void sign_add(struct signs *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void sign_add(struct signs *s, const char *fmt, ...)
{
    va_list ap;
    size_t len = strlen(s->text);
    if (len)
        len += (size_t)snprintf(s->text + len, sizeof s->text - len, ", ");
    if (len >= sizeof s->text)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(s->text + len, sizeof s->text - len, fmt, ap);
    va_end(ap);
}

static void look_cards(const struct machine *m, bool metal, struct signs *s)
{
    unsigned count[N_MAKERS] = {0};
    char path[MACHINE_PATH], **names;
    int n = machine_list(m, "/sys/bus/pci/devices", &names);
    s->seen |= n >= 0;
    for (int i = 0; i < n; i++) {
        int64_t vendor = 0, device = 0;
        (void)snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", names[i]);
        (void)machine_int(m, path, &vendor);
        (void)snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/device", names[i]);
        (void)machine_int(m, path, &device);
        for (size_t k = 0; k < N_MAKERS; k++)
            count[k] += vendor == makers[k].vendor &&
                        (makers[k].device < 0 || device == makers[k].device) &&
                        !(metal && makers[k].on_metal);
    }
    machine_free_names(names, n);
    for (size_t k = 0; k < N_MAKERS; k++)
        if (count[k])
            sign_add(s, "%u PCI function%s of %s", count[k], count[k] > 1 ? "s" : "",
                     makers[k].name);
}

/* Devices that are on no PCI: a small virtual machine's, Hyper-V's, Xen's. */
static void look_buses(const struct machine *m, struct signs *s)
{
    static const char *const buses[] = {"vmbus", "xen", "virtio"};
    char path[MACHINE_PATH], **names;
    for (size_t i = 0; i < sizeof buses / sizeof *buses; i++) {
        (void)snprintf(path, sizeof path, "/sys/bus/%s/devices", buses[i]);
        int n = machine_list(m, path, &names);
        machine_free_names(names, n);
        if (n > 0 && !strstr(s->text, buses[i]))
            sign_add(s, "%d device%s on the bus \"%s\"", n, n > 1 ? "s" : "", buses[i]);
    }
}

static unsigned long long row_sum(const char *at)
{
    unsigned long long sum = 0;
    char *end;
    for (;; at = end) {
        unsigned long long v = strtoull(at, &end, 10);
        if (end == at || *at == '\n')
            return sum;
        sum += v;
        if (*end == '\n')
            return sum;
    }
}

static void look_interrupts(const struct machine *m, struct signs *s)
{
    static const char *const rows[] = {"HYP:", "HVS:", "HRE:"};
    int rc;
    char *text = machine_text(m, "/proc/interrupts", INTERRUPTS_MOST, &rc);
    if (!text) {
        s->denied |= rc == -EACCES || rc == -EPERM;
        return;
    }
    s->seen = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (const char *at = text; (at = strstr(at, rows[i])); at++) {
            const char *before = at;
            while (before > text && before[-1] == ' ')
                before--;
            unsigned long long n = row_sum(at + 4);
            if (n && (before == text || before[-1] == '\n'))
                sign_add(s, "%llu interrupts %.3s", n, rows[i]);
        }
    }
    free(text);
}

/* The maker that ACPI tables name; only root may read them. */
static void look_acpi(const struct machine *m, struct signs *s)
{
    static const char *const tables[] = {ACPI "FACP", ACPI "DSDT", ACPI "APIC"};
    static const char *const oems[] = {"BOCHS ", "VBOX  ", "VRTUAL",
                                       "VMWARE", "FIRECK", "CLOUDH",
                                       "BHYVE ", "PRLS  ", "Xen\0\0\0"};
    char head[37];
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        ssize_t n = machine_read(m, tables[i], head, sizeof head);
        s->denied |= n == -EACCES || n == -EPERM;
        for (size_t k = 0; n >= 16 && k < sizeof oems / sizeof *oems; k++) {
            if (memcmp(head + 10, oems[k], 6) != 0)
                continue;
            sign_add(s, "ACPI by \"%.*s\"", (int)strcspn(oems[k], " "), oems[k]);
            return;
        }
    }
}

void hypervisor_look_devices(const struct machine *m,
                             const struct hypervisor_seen *seen, struct findings *f)
{
    const char *source = "/sys/bus, /proc/interrupts, ACPI";
    struct signs s = {.text = ""};
    look_cards(m, seen->metal, &s);
    look_buses(m, &s);
    look_interrupts(m, &s);
    look_acpi(m, &s);
    if (s.text[0])
        found(f, AUDIT_HV9, AUDIT_WARN, source, "%s", s.text);
    else if (!s.seen)
        found(f, AUDIT_HV9, AUDIT_UNKNOWN, source,
              "neither PCI nor interrupts are to be seen");
    else
        found(f, AUDIT_HV9, AUDIT_PASS, source, "none%s",
              s.denied ? "; ACPI tables not looked at" : "");
    if (s.denied && !s.text[0])
        found_more(f, "root");
}
