# SPDX-License-Identifier: MIT
"""tree - what stands in a .facts file, and the tree of files that a machine like it would show.

A file is one machine and the right answer for it. A line is a keyword, words, and
name=value pairs; indentation says what hangs below what; "#" begins a comment.

  title WORDS                       what this machine is and what it proves
  like NAME.facts                   it is that machine but for what follows; NAME.part is none
  host NAME / kernel VERSION / product VENDOR, NAME
  cpus N threads=T packages=P model=intel|amd|kvm|arm [microcode=0x...]
  numa OS cpus=SET mem=GIB distance=10,21 [bandwidth=MB/s]
  bus DOMAIN:BUS                    a host bridge, and below it, by indentation:
    bridge BUSID                    a port of the CPU's or of a switch
    gpu BUSID / pci BUSID class=CCCCCC id=V:D
    nic BUSID RDMA net=NAME [layer=Ethernet]      RDMA: mlx5_0, or - for none
    All take numa=N id=V:D link=x16@32.0 of=x16@32.0 (GT/s; of: what it could be), vf,
    iommu=TYPE, and what the configuration space has: acs=HEX relaxed=0 payload=128 aspm=1
    atomics=off|blocked; nic: state=, rate=, gid=, ...
  device BUSID KEY=VALUE...         changes one that is there; gone: it is not there. Instead of
                                    BUSID: gpu, nic, bridge, or * for all of them
  gpus KEY=VALUE...                 what the driver says of every GPU ("ecc=1"); gpuI KEY=...
  file PATH TEXT                    \\n is the end of a line
  none PATH                         neither it nor what is below
  link PATH TARGET / folder PATH
  uid, errno, errno-write, cpuid, call, number ...    as in agent/audit/machine.h

  want virtualized|suspect|bare-metal|unknown topology=V numa=V tunables=V network=V
  say ID VERDICT [WORDS]            what a probe must say, with these words in its evidence
"""
import os
import re
import struct

GT = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
HERE = os.path.dirname(os.path.abspath(__file__))
DEVICES = ("bridge", "gpu", "nic", "pci")
RAW = ("errno", "errno-write", "cpuid", "call", "number")


class FactsError(Exception):
    pass


def parse_set(text):
    out = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        out.extend(range(int(low), int(high or low) + 1))
    return out


def format_set(numbers):
    out, numbers = [], sorted(numbers)
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ",".join("%d" % a if a == b else "%d-%d" % (a, b) for a, b in out)


def bus_id(text):
    m = re.fullmatch(r"(?:([0-9a-f]+):)?([0-9a-f]+):([0-9a-f]+)\.([0-7])", text)
    if not m:
        raise FactsError("no bus id: " + text)
    return "%04x:%02x:%02x.%s" % (int(m[1] or "0", 16), int(m[2], 16), int(m[3], 16), m[4])


class Device:
    def __init__(self, kind, address, words, pairs, parent):
        self.kind, self.address, self.words, self.parent = kind, address, words, parent
        self.pairs = pairs

    def get(self, key, default=None):
        return self.pairs.get(key, default)

    def above(self):
        """Bridges from the root down; the host bridge is the first."""
        return (self.parent.above() if self.parent else []) + [self]


class Facts:
    def __init__(self, path):
        self.title, self.uid, self.host, self.kernel = "", 0, "node", "6.8.0"
        self.product = None
        self.cpus, self.cpu = 1, {}
        self.numa, self.devices, self.gpus, self.edits = {}, [], {}, []
        self.raw, self.want, self.say = {}, None, {}
        self.read(path)

    def read(self, path):
        stack = []
        with open(path, encoding="utf-8") as f:
            for number, text in enumerate(f, 1):
                text = text.split("#")[0].rstrip()
                if text:
                    try:
                        self.take(text, stack)
                    except (FactsError, ValueError, KeyError, IndexError) as e:
                        raise FactsError("%s:%d: %s" % (path, number, e)) from e

    def take(self, text, stack):
        indent = len(text) - len(text.lstrip())
        word, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        words = [w for w in rest.split() if "=" not in w]
        pairs = dict(w.split("=", 1) for w in rest.split() if "=" in w)
        while stack and stack[-1][0] >= indent:
            stack.pop()
        parent = stack[-1][1] if stack else None
        if word == "like":
            self.read(os.path.join(HERE, words[0]))
            self.want, self.say = None, {}
        elif word in ("title", "host", "kernel", "product"):
            setattr(self, word, rest)
        elif word == "uid":
            self.uid = int(rest)
        elif word == "cpus":
            self.cpus, self.cpu = int(words[0]), pairs
        elif word == "numa":
            self.numa[int(words[0])] = pairs
        elif word == "bus":
            stack.append((indent, Device("bus", words[0], [], {}, None)))
        elif word in DEVICES:
            if not parent:
                raise FactsError("what does it hang below?")
            d = Device(word, bus_id(words[0]), words[1:], pairs, parent)
            self.devices.append(d)
            stack.append((indent, d))
        elif word == "device":
            self.change(words[0], words[1:], pairs)
        elif re.fullmatch(r"gpus|gpu\d+", word):
            for key, value in pairs.items():
                self.gpus[(word.replace("gpus", "gpu"), key)] = value
        elif word in ("file", "none", "link", "folder"):
            path, _, value = rest.partition(" ")
            self.edits.append((word, path.lstrip("/"), value.strip()))
        elif word in RAW:
            n = 2 if word in ("errno", "errno-write") else 0
            key = (word, words[1]) if n else (word, words[0]) + (
                (words[1],) if word == "cpuid" else ())
            self.raw[key] = text.strip()
        elif word == "want":
            self.want = (words[0], pairs)
        elif word == "say":
            self.say[words[0]] = (words[1], " ".join(rest.split()[2:]))
        else:
            raise FactsError("no such word: " + word)

    def change(self, which, words, pairs):
        chosen = [d for d in self.devices
                  if which in ("*", d.kind) or (":" in which and bus_id(which) == d.address)]
        if not chosen:
            raise FactsError("there is no device " + which)
        for d in chosen:
            d.pairs.update(pairs)
            d.pairs.update({w: "1" for w in words})

    def there(self):
        gone = {d for d in self.devices if any(a.get("gone") for a in d.above())}
        return [d for d in self.devices if d not in gone]


# ---- configuration space

def link(d, key):
    text = d.get(key) or d.get("of") or d.get("link")
    if not text or text == "-":
        return None
    width, _, speed = text.lstrip("x").partition("@")
    return int(width), speed


def config(d):
    """The header, PCI Express at 0x60, and of a bridge ACS at 0x100."""
    b = bytearray(4096 if d.kind == "bridge" else 256)
    vendor, device = (int(x, 16) for x in identity(d).split(":"))
    kind = {"bridge": 0x060400}.get(d.kind) or int(device_class(d), 16)
    struct.pack_into("<HHHH", b, 0, vendor, device, 0x0006, 0x0010)
    struct.pack_into("<I", b, 8, kind << 8)
    b[0x0e] = 1 if d.kind == "bridge" else 0
    b[0x34] = 0x60
    role = 0
    if d.kind == "bridge":  # a root port, or the upper or a lower port of a switch
        role = 4 if d.parent.kind == "bus" else 5 if len(d.above()) % 2 else 6
    struct.pack_into("<BBH", b, 0x60, 0x10, 0, 2 | role << 4)
    sizes = {"128": 0, "256": 1, "512": 2}
    payload = sizes[d.get("payload", "256")]
    struct.pack_into("<I", b, 0x64, sizes[d.get("payload-most", "256")])
    struct.pack_into("<H", b, 0x68, (0x10 if d.get("relaxed", "1") == "1" else 0) | payload << 5)
    struct.pack_into("<H", b, 0x70, int(d.get("aspm", "0")))
    atomics = d.get("atomics", "on")
    cap2 = 0 if atomics == "off" else 0x40 | 0x80 | 0x100
    ctl2 = 0 if atomics == "off" else 0x40 | (0x80 if atomics == "blocked" else 0)
    struct.pack_into("<I", b, 0x60 + 0x24, cap2)
    struct.pack_into("<H", b, 0x60 + 0x28, ctl2)
    if d.kind == "bridge":
        struct.pack_into("<IHH", b, 0x100, 0x000d | 1 << 16, 0x5f, int(d.get("acs", "0"), 16))
    return bytes(b)


def device_class(d):
    if d.get("class"):
        return d.get("class")
    if d.kind == "nic":
        return "020700" if d.get("layer", "InfiniBand") == "InfiniBand" and d.words[0] != "-" \
            else "020000"
    return {"bridge": "060400", "gpu": "030200"}[d.kind]


def identity(d):
    return d.get("id") or {"bridge": "1000:c030", "gpu": "10de:2330", "nic": "15b3:1021"}[d.kind]


# ---- the tree

class Tree:
    def __init__(self, facts):
        self.facts, self.files, self.links, self.folders = facts, {}, {}, set()
        self.facts_lines = ["uid %d" % facts.uid]
        self.machine()
        self.memory()
        for d in facts.there():
            self.device(d)
        self.gpus()
        for kind, path, value in facts.edits:
            self.edit(kind, path, value)
        self.facts_lines += list(facts.raw.values())

    def put(self, path, text):
        self.files[path] = text if isinstance(text, bytes) else (text + "\n").encode()

    def edit(self, kind, path, value):
        if kind == "file":
            self.put(path, value.replace("\\n", "\n"))
        elif kind == "link":
            self.links[path] = value
        elif kind == "folder":
            self.folders.add(path)
        else:
            for of in (self.files, self.links):
                for name in [n for n in of if (n + "/").startswith(path + "/")]:
                    del of[name]
            self.folders = {n for n in self.folders if not (n + "/").startswith(path + "/")}

    # -- CPUs, firmware

    def machine(self):
        f = self.facts
        self.put("proc/sys/kernel/hostname", f.host)
        self.put("proc/sys/kernel/osrelease", f.kernel)
        self.put("proc/version", "Linux version %s (synthetic)" % f.kernel)
        if f.product:
            vendor, _, name = f.product.partition(", ")
            self.put("sys/class/dmi/id/sys_vendor", vendor)
            self.put("sys/class/dmi/id/product_name", name)
            self.put("sys/class/dmi/id/board_vendor", vendor)
            self.put("sys/class/dmi/id/bios_vendor", vendor)
        self.cpus()

    def cpus(self):
        f, base = self.facts, "sys/devices/system/cpu/"
        threads = int(f.cpu.get("threads", "1"))
        packages = int(f.cpu.get("packages", "1"))
        cores = f.cpus // threads
        model = MODELS[f.cpu.get("model", "intel")]
        everything = format_set(range(f.cpus))
        for name in ("online", "present", "possible"):
            self.put(base + name, everything)
        self.put(base + "smt/active", "1" if threads > 1 else "0")
        self.put(base + "smt/control", "on" if threads > 1 else "notsupported")
        info = []
        for cpu in range(f.cpus):
            core = cpu % cores
            siblings = format_set(core + cores * t for t in range(threads))
            at = base + "cpu%d/" % cpu
            self.put(at + "topology/thread_siblings_list", siblings)
            self.put(at + "topology/core_cpus_list", siblings)
            self.put(at + "topology/core_id", "%d" % core)
            self.put(at + "topology/physical_package_id", "%d" % (core * packages // cores))
            text = "processor\t: %d\n" % cpu + model["info"]
            if model["flags"]:
                text += "microcode\t: %s\nflags\t\t: %s\n" % (
                    f.cpu.get("microcode", model["microcode"]), model["flags"])
            info.append(text)
        self.put("proc/cpuinfo", "\n".join(info))
        for key, value in model["cpuid"].items():
            self.facts.raw.setdefault(("cpuid",) + tuple(key.split()), "cpuid %s %s" % (key, value))
        self.put("proc/stat", "cpu  1000 0 500 900000 20 0 3 0 0 0\n"
                 + "".join("cpu%d 10 0 5 9000 0 0 0 0 0 0\n" % c for c in range(f.cpus))
                 + "ctxt 100000\nbtime 1700000000\nprocesses 5000")
        status = "Name:\taolani-audit\nUid:\t%d\t%d\t%d\t%d\n" % ((f.uid,) * 4)
        status += "CapEff:\t%s\nSeccomp:\t0\n" % ("0" * 16 if f.uid else "000001ffffffffff")
        status += "Cpus_allowed_list:\t%s\nMems_allowed_list:\t%s" % (
            everything, format_set(f.numa) if f.numa else "0")
        self.put("proc/self/status", status)

    def memory(self):
        f, base = self.facts, "sys/devices/system/node/"
        total = 0
        for os_index, p in f.numa.items():
            at = base + "node%d/" % os_index
            mem = int(p.get("mem", "64"))
            total += mem
            self.put(at + "cpulist", p.get("cpus", ""))
            self.put(at + "distance", p["distance"].replace(",", " "))
            self.put(at + "meminfo", "Node %d MemTotal:       %d kB" % (os_index, mem << 20))
            self.put(at + "numastat", "numa_hit 1000\nnuma_miss 0\nnuma_foreign 0\n"
                     "interleave_hit 10\nlocal_node 1000\nother_node 0")
            self.put(at + "hugepages/hugepages-2048kB/nr_hugepages", "0")
            if "bandwidth" in p:
                self.put(at + "access0/initiators/read_bandwidth", p["bandwidth"])
                self.put(at + "access0/initiators/read_latency", p.get("latency", "110"))
        if f.numa:
            for name in ("online", "possible", "has_cpu", "has_memory"):
                self.put(base + name, format_set(f.numa))
        self.put("proc/meminfo", "MemTotal:       %d kB\nHugePages_Total:       0" % (total << 20))

    # -- devices

    def path(self, d):
        parts = [a.address for a in d.above()]
        return "sys/devices/pci%s/%s" % (parts[0], "/".join(parts[1:]))

    def device(self, d):
        at = self.path(d) + "/"
        vendor, number = identity(d).split(":")
        self.put(at + "vendor", "0x" + vendor)
        self.put(at + "device", "0x" + number)
        self.put(at + "class", "0x" + device_class(d))
        node = d.get("numa", "-1")
        self.put(at + "numa_node", node)
        cpus = self.facts.numa.get(int(node), {}).get("cpus") if node != "-1" else None
        self.put(at + "local_cpulist", cpus or format_set(range(self.facts.cpus)))
        self.put(at + "enable", "1")
        now, most = link(d, "link"), link(d, "of")
        if now:
            self.put(at + "current_link_width", "%d" % now[0])
            self.put(at + "current_link_speed", now[1] + " GT/s PCIe")
            self.put(at + "max_link_width", "%d" % most[0])
            self.put(at + "max_link_speed", most[1] + " GT/s PCIe")
        self.put(at + "config", config(d)[:64 if self.facts.uid or d.get("cut") else None])
        self.links["sys/bus/pci/devices/" + d.address] = os.path.relpath(
            at, "sys/bus/pci/devices")
        if d.get("iommu"):
            group = "sys/kernel/iommu_groups/%d" % (len(self.links))
            self.put(group + "/type", d.get("iommu"))
            self.links[at + "iommu_group"] = os.path.relpath(group, at)
            self.links[group + "/devices/" + d.address] = os.path.relpath(at, group + "/devices")
        if d.kind == "gpu" and not d.get("nodriver"):
            self.links[at + "driver"] = os.path.relpath("sys/bus/pci/drivers/nvidia", at)
            self.folders.add("sys/bus/pci/drivers/nvidia")
            self.put("proc/driver/nvidia/gpus/%s/information" % d.address,
                     "Model: \t\t %s\nVideo BIOS: \t %s" % (
                         d.get("model", "H100").replace("_", " "), d.get("vbios", "96.00.74.00.01")))
        if d.get("vfs"):
            self.put(at + "sriov_numvfs", d.get("vfs"))
        if d.kind == "nic":
            self.nic(d, at)

    def nic(self, d, at):
        net = d.get("net")
        layer = d.get("layer", "InfiniBand")
        driver = d.get("driver", "mlx5_core" if d.words[0] != "-" else "virtio-pci")
        self.links[at + "driver"] = os.path.relpath("sys/bus/pci/drivers/" + driver, at)
        self.folders.add("sys/bus/pci/drivers/" + driver)
        if net:
            n = at + "net/" + net + "/"
            self.put(n + "mtu", d.get("mtu", "4092" if layer == "InfiniBand" else "9000"))
            self.put(n + "operstate", d.get("operstate", "up"))
            self.put(n + "type", "32" if layer == "InfiniBand" and d.words[0] != "-" else "1")
            self.put(n + "speed", d.get("rate", "400") + "000")
            self.links["sys/class/net/" + net] = os.path.relpath(n, "sys/class/net")
            self.links[n + "device"] = os.path.relpath(at, n)
            if d.get("counters") != "-":
                self.facts.raw.setdefault(("number", "counters-phy-" + net), "number counters-phy-%s %s"
                                          % (net, d.get("counters", "40")))
        self.interrupts(d, at)
        if d.words[0] != "-":
            self.hca(d, at, d.words[0], layer)

    def interrupts(self, d, at):
        """Two of them, on CPUs near the card unless told otherwise."""
        first = 100 + 2 * [x.address for x in self.facts.devices].index(d.address)
        near = self.facts.numa.get(int(d.get("numa", "-1")), {}).get("cpus", "0-1")
        for irq in (first, first + 1):
            self.put(at + "msi_irqs/%d" % irq, "msix")
            goes = d.get("irqs", "%d" % parse_set(near)[irq - first])
            self.put("proc/irq/%d/smp_affinity_list" % irq, goes)
            self.put("proc/irq/%d/effective_affinity_list" % irq, goes)

    def hca(self, d, at, name, layer):
        base = at + "infiniband/" + name + "/"
        p = base + "ports/1/"
        up = d.get("state", "ACTIVE") == "ACTIVE"
        self.put(base + "node_type", "1: CA")
        self.put(base + "fw_ver", d.get("fw", "28.39.1002"))
        self.put(base + "board_id", d.get("board", "MT_0000000838"))
        self.put(p + "state", "4: ACTIVE" if up else "1: DOWN")
        self.put(p + "phys_state", "5: LinkUp" if up else "3: Disabled")
        self.put(p + "rate", "%s Gb/sec (4X %s)" % (
            d.get("rate", "400"), {"400": "NDR", "200": "HDR", "100": "EDR"}.get(
                d.get("rate", "400"), "FDR")))
        self.put(p + "link_layer", layer)
        self.put(p + "lid", d.get("lid", "0x12" if layer == "InfiniBand" else "0x0"))
        self.put(p + "sm_lid", d.get("sm", "0x1" if layer == "InfiniBand" else "0x0"))
        self.put(p + "counters/port_rcv_errors", "0")
        self.put(p + "counters/port_xmit_wait", "0")
        for c in ("np_cnp_sent", "rp_cnp_handled", "np_ecn_marked_roce_packets", "out_of_sequence"):
            self.put(p + "hw_counters/" + c, "0")
        gid = d.get("gid", "fe80:0000:0000:0000:0000:0000:0000:0001")
        types = d.get("gids", "").split(",") if d.get("gids") else \
            ["IB/RoCE v1"] if layer == "InfiniBand" else ["IB/RoCE v1", "RoCE v2"]
        for i, kind in enumerate(types):
            kind = kind.replace("_", " ")
            v4 = kind == "RoCE v2" and d.get("v4", "1") == "1"
            self.put(p + "gids/%d" % i,
                     "0000:0000:0000:0000:0000:ffff:0a00:000%d" % (i + 1) if v4 else gid)
            self.put(p + "gid_attrs/types/%d" % i, kind)
            self.put(p + "gid_attrs/ndevs/%d" % i, d.get("net", ""))
        self.links["sys/class/infiniband/" + name] = os.path.relpath(base, "sys/class/infiniband")
        self.links[base + "device"] = os.path.relpath(at, base)
        index = re.sub(r"\D", "", name.split("_")[-1]) or "0"
        verbs = at + "infiniband_verbs/uverbs" + index + "/"
        self.put(verbs + "ibdev", name)
        self.put(verbs + "abi_version", "1")
        self.links["sys/class/infiniband_verbs/uverbs" + index] = os.path.relpath(
            verbs, "sys/class/infiniband_verbs")
        self.put("dev/infiniband/uverbs" + index, "")
        self.put("dev/infiniband/umad" + index, "")

    # -- what the driver says

    def gpus(self):
        gpus = sorted((d for d in self.facts.there() if d.kind == "gpu"), key=lambda d: d.address)
        if not self.facts.gpus:
            return
        self.facts.raw.setdefault(("number", "gpus"), "number gpus %d" % len(gpus))
        for (who, key), value in self.facts.gpus.items():
            self.facts.raw[("number", who + "." + key)] = "number %s.%s %s" % (who, key, value)
        for i, a in enumerate(gpus):
            for j in range(i + 1, len(gpus)):
                name = "gpu%d.gpu%d" % (i, j)
                self.facts.raw.setdefault(("number", name), "number %s %d"
                                          % (name, apart(a, gpus[j])))

    # -- to the disk

    def write(self, folder):
        for path in sorted(self.folders):
            os.makedirs(os.path.join(folder, path), exist_ok=True)
        for path, data in self.files.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(data)
        for path, target in self.links.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            os.symlink(target, full)
        with open(os.path.join(folder, "facts"), "w", encoding="utf-8") as f:
            f.write("\n".join(self.facts_lines) + "\n")


def apart(a, b):
    """As nvmlDeviceGetTopologyCommonAncestor has it."""
    x, y = [d.address for d in a.above()[:-1]], [d.address for d in b.above()[:-1]]
    n = 0
    while n < min(len(x), len(y)) and x[n] == y[n]:
        n += 1
    if n >= 3:  # a switch below a root port
        return 10 if len(x) - n <= 1 and len(y) - n <= 1 else 20
    if n >= 1:
        return 30
    return 40 if a.get("numa") == b.get("numa") else 50


# ---- CPUs

INTEL = "cpu family\t: 6\nvendor_id\t: GenuineIntel\n"
MODELS = {
    "intel": {
        "info": INTEL + "model\t\t: 143\nmodel name\t: Xeon Platinum (synthetic)\nstepping\t: 8\n",
        "microcode": "0x2b0005c0",
        "flags": "fpu tsc msr constant_tsc nonstop_tsc aperfmperf avx2 avx512f amx_tile",
        "cpuid": {
            "0 0": "20 756e6547 6c65746e 49656e69", "1 0": "806f8 0 7ffefbff bfebfbff",
            "6 0": "df8ff7 2 9 0", "7 0": "2 f3bfbfef 1b415ffe ffdd4432",
            "a 0": "7300605 0 7 8603", "15 0": "2 a8 17d7840 0", "16 0": "7d0 ed8 64 0",
            "80000000 0": "80000008 0 0 0", "80000007 0": "0 0 0 100",
        },
    },
    "amd": {
        "info": "cpu family\t: 25\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\n"
                "model name\t: EPYC (synthetic)\nstepping\t: 1\n",
        "microcode": "0xa101148",
        "flags": "fpu tsc msr constant_tsc nonstop_tsc aperfmperf avx2 avx512f",
        "cpuid": {
            "0 0": "10 68747541 444d4163 69746e65", "1 0": "a10f11 0 7efa320b 178bfbff",
            "6 0": "4 0 1 0", "7 0": "1 f1bf97a9 405fce 10",
            "80000000 0": "80000028 0 0 0", "80000007 0": "0 3b 0 6799",
        },
    },
    "kvm": {
        "info": INTEL + "model\t\t: 143\nmodel name\t: Xeon Processor (synthetic)\nstepping\t: 8\n",
        "microcode": "0x1",
        "flags": "fpu tsc msr constant_tsc nonstop_tsc hypervisor avx2 avx512f amx_tile",
        "cpuid": {
            "0 0": "20 756e6547 6c65746e 49656e69", "1 0": "806f8 0 fffa3203 f8bfbff",
            "6 0": "4 0 0 0", "7 0": "2 f1bf07a9 1b415f6e fc184410", "a 0": "0 0 0 0",
            "15 0": "0 0 0 0", "16 0": "0 0 0 0",
            "40000000 0": "40000001 4b4d564b 564b4d56 4d", "40000001 0": "1007efb 0 0 0",
            "80000000 0": "80000008 0 0 0", "80000007 0": "0 0 0 100",
        },
    },
    "arm": {"info": "CPU implementer\t: 0x41\nCPU part\t: 0xd4f\n", "microcode": None,
            "flags": None, "cpuid": {}},
}
