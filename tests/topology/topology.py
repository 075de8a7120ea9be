# SPDX-License-Identifier: MIT
"""topology - what aolani-describe writes, read with no more than the wire format.

The numbers are those of message Topology in proto/wire/aolani.proto."""
from facts import bus_id, parse_set


def fields(data):
    """(number, value) of a protobuf message; value: int, or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length
        elif key & 7 == 1:
            at += 8
        elif key & 7 == 5:
            at += 4
        else:
            raise ValueError("no protobuf")


class Message:
    def __init__(self, data):
        self.all = {}
        for number, value in fields(data):
            self.all.setdefault(number, []).append(value)

    def text(self, number):
        return self.all.get(number, [b""])[-1].decode()

    def number(self, number):
        return self.all.get(number, [0])[-1]

    def parts(self, number):
        return [Message(v) for v in self.all.get(number, [])]

    def numbers(self, number):
        """Repeated integers, packed or not."""
        out = []
        for v in self.all.get(number, []):
            out += [v] if isinstance(v, int) else list(unpack(v))
        return out


def unpack(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


class Gpu:
    def __init__(self, m):
        self.bus_id, self.osdev = m.text(2), m.text(3)
        self.cpus, self.numa = m.text(11), m.numbers(12)


class Nic:
    def __init__(self, m):
        self.name, self.kind = m.text(1), m.number(4)
        self.verbs = self.kind in (1, 2)  # InfiniBand, RoCE


class Topology:
    def __init__(self, data):
        m = Message(data)
        self.error, self.notes = m.text(2), [n.decode() for n in m.all.get(4, [])]
        self.allowed = set(parse_set(m.text(6))) if m.text(6) else set()
        self.gpu_numa = {n.number(1) for n in m.parts(8) if n.number(4)}
        self.cores = [set(c.numbers(1)) for c in m.parts(10)]
        self.gpus = [Gpu(g) for g in m.parts(12)]
        self.nics = [Nic(n) for n in m.parts(13)]

    def index_of(self, pci, osdev):
        for i, g in enumerate(self.gpus):
            if bus_id(g.bus_id) == pci and g.osdev == osdev:
                return i
        return None
