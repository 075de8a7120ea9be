# SPDX-License-Identifier: MIT
"""facts - what stands in a .facts file, and the hwloc XML that a machine like it would export.

A file is one machine and the right answer for it. A line is a keyword, words, and
name=value pairs; indentation says what hangs below what; "#" begins a comment.

  title WORDS                       what this machine is and what it proves
  numa OS package=P cores=SET [threads=N step=S] [l3=N] [mem=GIB]
                                    a NUMA node: its cores by their first hardware thread,
                                    the others of a core `step` apart, N cores to an L3;
                                    package=0,1: it has those packages whole, cores=SET/SET
  gpumem OS of=NUMA [mem=GIB]       memory of a GPU that shows as a NUMA node
  offline SET / forbidden SET       hardware threads that are off / that we may not use
  product NAME                      what the firmware calls the machine
  bus DOMAIN:BUS at=PLACE           a host bridge; PLACE: machine, package:P, numa:N, l3:N
    bridge BUSID                    DOMAIN: may be left out of a bus id, as 0000 is
    gpu BUSID OSDEV... [id=V:D] [model=NAME] [class=C]
    nic BUSID NAME[,NET] [ports=STATE,...] [id=V:D] [class=C]   ports=-: state not known
    eth BUSID NAME [id=V:D]         an Ethernet interface, and no more
    pci BUSID CLASS V:D [OSDEV...]  anything else; each may have link=GB/s
  topofile NUMA BUSID...            a switch with these below it, in a file for NCCL that the
                                    provider ships

  job KEY=VALUE...                  ranks=N and keys of the job file (bind.strict=true)
  want gpu N BUSID [osdev=NAME] numa=N|- cpus=SET|- nic=NAME,...|- path=LEVEL|-
  want rank N numa=N,... cpus=SET nic=NAME,...|-       of a machine without GPUs
  rule distinct | share N | never NAME,... | no_gpu | no_nic | flat | fallback
  say WORDS                         one of the warnings has these words (any case)
  quiet                             there is no warning at all
  fail STATUS WORDS                 plan ends so, and its message has these words
"""
import random
import re
import sys
from xml.sax.saxutils import quoteattr


class FactsError(Exception):
    pass


def parse_set(text):
    """"0-3,8,10-20:2" as a list in that order."""
    out = []
    for part in text.split(","):
        m = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not m:
            raise FactsError("no set of numbers: " + text)
        low, high = int(m[1]), int(m[2] or m[1])
        out.extend(range(low, high + 1, int(m[3] or 1)))
    return out


def bus_id(text):
    """Bus ids in full: "3:0.0" may leave out what is 0."""
    m = re.fullmatch(r"(?:([0-9a-f]+):)?([0-9a-f]+):([0-9a-f]+)\.([0-7])", text)
    if not m:
        raise FactsError("no bus id: " + text)
    return "%04x:%02x:%02x.%s" % (int(m[1] or "0", 16), int(m[2], 16), int(m[3], 16), m[4])


class Line:
    def __init__(self, number, text):
        self.number = number
        self.indent = len(text) - len(text.lstrip())
        words = text.split()
        self.word, self.text = words[0], " ".join(words[1:])
        self.args = [w for w in words[1:] if "=" not in w]
        self.pairs = dict(w.split("=", 1) for w in words[1:] if "=" in w)
        self.children = []


class Facts:
    """The lines of a file by keyword; `io` is the tree of the host bridges."""

    def __init__(self, path):
        self.path, self.title, self.product = path, "", None
        self.numa, self.gpumem, self.io = [], [], []
        self.offline, self.forbidden = set(), set()
        self.job, self.want, self.rules, self.say, self.fail = {}, [], [], [], None
        self.quiet, self.topofile = False, []
        stack = []
        with open(path, encoding="utf-8") as f:
            for number, raw in enumerate(f, 1):
                text = raw.split("#")[0].rstrip()
                if not text:
                    continue
                line = Line(number, text)
                try:
                    self.take(line, stack)
                except (FactsError, ValueError, KeyError, IndexError) as e:
                    raise FactsError("%s:%d: %s" % (path, number, e)) from e

    def take(self, line, stack):
        while stack and stack[-1].indent >= line.indent:
            stack.pop()
        if line.word in ("bus", "bridge", "gpu", "nic", "eth", "pci"):
            if (line.word == "bus") != (not stack):
                raise FactsError("what does \"%s\" hang below?" % line.word)
            (stack[-1].children if stack else self.io).append(line)
            if line.word in ("bus", "bridge"):
                stack.append(line)
        elif line.word in ("numa", "gpumem", "want", "topofile"):
            getattr(self, line.word).append(line)
        elif line.word in ("offline", "forbidden"):
            getattr(self, line.word).update(parse_set(line.text))
        elif line.word in ("title", "product"):
            setattr(self, line.word, line.text)
        elif line.word == "job":
            self.job.update(line.pairs)
        elif line.word == "rule":
            self.rules.append(line.args)
        elif line.word == "say":
            self.say.append(line.text)
        elif line.word == "quiet":
            self.quiet = True
        elif line.word == "fail":
            self.fail = (int(line.args[0]), line.text.split(None, 1)[1])
        else:
            raise FactsError("no such word: " + line.word)


# ---- hwloc XML

def bitmap(numbers):
    words, value = [], sum(1 << n for n in set(numbers))
    while True:
        words.append("0x%08x" % (value & 0xFFFFFFFF))
        value >>= 32
        if not value:
            return ",".join(reversed(words))


class Node:
    """An object of the XML. cpus and nodes: None for I/O."""

    def __init__(self, what, cpus=None, nodes=None, **attributes):
        self.what, self.cpus, self.nodes = what, cpus, nodes
        self.attributes, self.infos, self.children = attributes, [], []

    def add(self, child):
        self.children.append(child)
        return child

    def write(self, out, facts, ids, depth=1):
        attributes = {"type": self.what}
        attributes.update(self.attributes)
        if self.cpus is not None:
            here = set(self.cpus) - facts.offline
            attributes["cpuset"] = bitmap(here)
            attributes["complete_cpuset"] = bitmap(self.cpus)
            attributes["nodeset"] = attributes["complete_nodeset"] = bitmap(self.nodes)
            if self.what == "Machine":
                attributes["allowed_cpuset"] = bitmap(here - facts.forbidden)
                attributes["allowed_nodeset"] = attributes["nodeset"]
        attributes["gp_index"] = str(next(ids))
        pad = "  " * depth
        out.append(pad + "<object " + " ".join(
            "%s=%s" % (k, quoteattr(str(v))) for k, v in attributes.items()) + ">")
        for name, value in self.infos:
            out.append("%s  <info name=%s value=%s/>" % (pad, quoteattr(name), quoteattr(str(value))))
        for child in self.children:
            child.write(out, facts, ids, depth + 1)
        out.append(pad + "</object>")


def counter():
    n = 0
    while True:
        n += 1
        yield n


class Builder:
    def __init__(self, facts):
        self.facts = facts
        self.places = {}
        self.machine = None
        self.l3 = 0
        self.cores = 0

    @staticmethod
    def threads(line, cores):
        n, step = int(line.pairs.get("threads", 1)), int(line.pairs.get("step", 1))
        return [[c + k * step for k in range(n)] for c in parse_set(cores)]

    def cpu_side(self):
        nodes, cpus, packages = set(), set(), {}
        whole = []
        for line in self.facts.numa:
            own = [int(line.args[0])] + [int(g.args[0]) for g in self.facts.gpumem
                                         if g.pairs["of"] == line.args[0]]
            numbers = line.pairs["package"].split(",")
            if len(numbers) > 1:
                whole.append(line)
            for number, cores in zip(numbers, line.pairs["cores"].split("/")):
                cores = self.threads(line, cores)
                mine = [line, cores, sum(cores, []), own]
                packages.setdefault(int(number), []).append(mine)
                cpus.update(mine[2])
                nodes.update(own)
        self.machine = Node("Machine", cpus, nodes, os_index=0)
        self.machine.infos = [("Backend", "Linux"), ("OSName", "Linux"), ("HostName", "node"),
                              ("Architecture", "x86_64")]
        if self.facts.product:
            self.machine.infos.insert(0, ("DMIProductName", self.facts.product))
        self.places["machine"] = self.machine
        for line in whole:
            self.places["numa:" + line.args[0]] = self.machine
            self.memory(self.machine, line, cpus)
        for number, parts in sorted(packages.items()):
            self.package(number, parts)

    def package(self, number, parts):
        cpus = sum((p[2] for p in parts), [])
        nodes = sum((p[3] for p in parts), [])
        package = self.machine.add(Node("Package", cpus, nodes, os_index=number))
        self.places["package:%d" % number] = package
        for line, cores, threads, mine in parts:
            home = package
            if len(parts) > 1:
                home = package.add(Node("Group", threads, mine, kind=1001, subkind=0))
            if "," not in line.pairs["package"]:
                self.places["numa:" + line.args[0]] = home
                self.memory(home, line, threads)
            per = int(line.pairs.get("l3", 0)) or len(cores)
            for i in range(0, len(cores), per):
                group = cores[i:i + per]
                cache = home.add(Node("L3Cache", sum(group, []), mine, os_index=self.l3, depth=3,
                                      cache_size=33554432, cache_linesize=64,
                                      cache_associativity=16, cache_type=0))
                self.places["l3:%d" % self.l3] = cache
                self.l3 += 1
                for core in group:
                    self.core(cache, core, mine)

    def memory(self, home, line, threads):
        bytes_of = lambda l, default: int(l.pairs.get("mem", default)) << 30
        home.add(Node("NUMANode", threads, [int(line.args[0])], os_index=line.args[0],
                      local_memory=bytes_of(line, "64")))
        for g in self.facts.gpumem:
            if g.pairs["of"] == line.args[0]:
                home.add(Node("NUMANode", threads, [int(g.args[0])], os_index=g.args[0],
                              subtype="GPUMemory", local_memory=bytes_of(g, "16")))

    def core(self, cache, threads, nodes):
        on = [t for t in threads if t not in self.facts.offline]
        index, self.cores = self.cores, self.cores + 1
        if not on:
            return
        core = cache.add(Node("Core", threads, nodes, os_index=index))
        for t in on:
            core.add(Node("PU", [t], nodes, os_index=t))

    # -- I/O

    def last_bus(self, line, first):
        """The highest bus below a bridge, its own included."""
        buses = [first]
        for child in line.children:
            domain_bus = bus_id(child.args[0])
            buses.append(int(domain_bus.split(":")[1], 16))
            if child.children:
                buses.append(self.last_bus(child, buses[-1]))
        return max(buses)

    def io_side(self):
        for bus in self.facts.io:
            domain, first = bus.args[0].split(":")
            span = "%s:[%s-%02x]" % (domain, first, self.last_bus(bus, int(first, 16)))
            place = self.places[bus.pairs.get("at", "machine")]
            host = place.add(Node("Bridge", bridge_type="0-1", depth=0, bridge_pci=span))
            for child in bus.children:
                self.device(host, child, 1)

    def device(self, parent, line, depth):
        address = bus_id(line.args[0])
        link = line.pairs.get("link", "31.507692")
        if line.word == "bridge":
            domain = address.split(":")[0]
            first = min((int(bus_id(c.args[0]).split(":")[1], 16) for c in line.children),
                        default=int(address.split(":")[1], 16) + 1)
            node = parent.add(Node(
                "Bridge", bridge_type="1-1", depth=depth,
                bridge_pci="%s:[%02x-%02x]" % (domain, first, self.last_bus(line, first)),
                pci_busid=address, pci_type="0604 [1000:c030] [1000:c030] 00", pci_link_speed=link))
            for child in line.children:
                self.device(node, child, depth + 1)
            return
        kind, identity = self.identity(line)
        node = parent.add(Node("PCIDev", pci_busid=address, pci_link_speed=link,
                               pci_type="%s [%s] [%s] 00" % (kind, identity, identity)))
        for osdev in self.osdevs(line, identity):
            node.add(osdev)

    def identity(self, line):
        pair = line.pairs.get
        if line.word == "gpu":
            amd = line.args[1:] and line.args[1].startswith("rsmi")
            return pair("class", "0380" if amd else "0302"), pair("id", "1002:740f" if amd else "10de:2330")
        if line.word == "nic":
            return pair("class", "0207"), pair("id", "15b3:1021")
        if line.word == "eth":
            return pair("class", "0200"), pair("id", "8086:1563")
        return line.args[1], line.args[2]

    def osdevs(self, line, identity):
        if line.word == "nic":
            return self.nic(line)
        if line.word == "eth":
            return [Node("OSDev", name=line.args[1], osdev_type=2)]
        names = line.args[1:] if line.word == "gpu" else line.args[3:]
        return [self.gpu(line, name, identity) for name in names]

    def nic(self, line):
        names = line.args[1].split(",")
        out = []
        for net in names[1:]:
            out.append(Node("OSDev", name=net, osdev_type=2))
        rdma = Node("OSDev", name=names[0], osdev_type=3)
        guid = line.pairs.get("guid", "%016x" % (0x0c42a10300000000 + hash_of(line.args[0])))
        guid = ":".join(guid[i:i + 4] for i in range(0, 16, 4))
        rdma.infos = [("NodeGUID", guid), ("SysImageGUID", line.pairs.get("image", guid))]
        for number, state in enumerate(line.pairs.get("ports", "4").split(","), 1):
            if state != "-":
                rdma.infos.append(("Port%dState" % number, state))
        return out + [rdma]

    def gpu(self, line, name, identity):
        kinds = {"cuda": ("CUDA", 5), "nvml": ("NVML", 1), "rsmi": ("RSMI", 1),
                 "opencl": ("OpenCL", 5), "ze": ("LevelZero", 5)}
        subtype, number = kinds.get(re.match(r"[a-z]+", name)[0], (None, 1))
        node = Node("OSDev", name=name, osdev_type=number)
        if not subtype:
            return node
        node.attributes["subtype"] = subtype
        vendor = {"10de": "NVIDIA Corporation", "1002": "AMD", "8086": "Intel"}[identity[:4]]
        node.infos = [("Backend", subtype), ("GPUVendor", vendor),
                      ("GPUModel", line.pairs.get("model", "GPU").replace("_", " "))]
        unique = hash_of(line.args[0] + name.strip("0123456789"))
        if subtype == "NVML":
            node.infos.append(("NVIDIAUUID", "GPU-%08x-0000-4000-8000-%012x" % (unique, unique)))
        if subtype == "RSMI":
            node.infos.append(("AMDUUID", "%016x" % (hash_of(line.args[0] + name))))
        if subtype == "OpenCL":
            node.infos.append(("OpenCLDeviceType", "GPU"))
        return node


def nccl_xml(facts):
    """The provider's file for NCCL; None: there is none."""
    if not facts.topofile:
        return None
    out = ['<system version="1">']
    for number, line in enumerate(facts.topofile, 1):
        out.append('  <cpu numaid="%s" affinity="ffff" arch="x86_64" vendor="GenuineIntel" '
                   'familyid="6" modelid="85">' % line.args[0])
        out.append('    <pci busid="ffff:ff:%02x.0" class="0x060400" link_speed="16 GT/s" '
                   'link_width="16" vendor="0x0000" device="0x0000">' % number)
        for address in line.args[1:]:
            gpu = any(l.word == "gpu" and l.args[0] == address for l in walk(facts.io))
            out.append('      <pci busid="%s" class="%s" link_speed="16 GT/s" link_width="16"/>'
                       % (bus_id(address), "0x030200" if gpu else "0x020700"))
        out += ["    </pci>", "  </cpu>"]
    return "\n".join(out + ["</system>", ""])


def hash_of(text):
    value = 2166136261
    for c in text.encode():
        value = (value ^ c) * 16777619 & 0xFFFFFFFF
    return value


# ---- the same machine under other names

def walk(lines):
    for line in lines:
        yield line
        yield from walk(line.children)


def rename_nics(facts, seed):
    """Other names for all NICs; returns old -> new."""
    nics = [l for l in walk(facts.io) if l.word == "nic"]
    new = ["rdma%d" % i for i in range(len(nics))]
    random.Random(seed).shuffle(new)
    names = {}
    for line, name in zip(nics, new):
        old = line.args[1].split(",")
        names[old[0]] = name
        line.args[1] = ",".join([name] + old[1:])
    return names


def permute_gpus(facts, seed):
    """The numbers in cudaN, nvmlN, rsmiN, openclXdN dealt out anew; returns old -> new."""
    gpus = [l for l in walk(facts.io) if l.word == "gpu"]
    numbers = sorted({int(re.search(r"\d+$", n)[0]) for l in gpus for n in l.args[1:]})
    new = numbers[:]
    random.Random(seed).shuffle(new)
    to = dict(zip(numbers, new))
    for line in gpus:
        line.args[1:] = [re.sub(r"\d+$", lambda m: str(to[int(m[0])]), n) for n in line.args[1:]]
    return to


def shuffle(facts, seed):
    """What hangs below a bridge in another order in the file."""
    r = random.Random(seed)
    r.shuffle(facts.io)
    for line in walk(facts.io):
        r.shuffle(line.children)


def xml(facts):
    b = Builder(facts)
    b.cpu_side()
    b.io_side()
    out = ['<?xml version="1.0" encoding="UTF-8"?>',
           '<!DOCTYPE topology SYSTEM "hwloc2.dtd">', '<topology version="2.0">']
    b.machine.write(out, facts, counter())
    out.append("</topology>\n")
    return "\n".join(out)
