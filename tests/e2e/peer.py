#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# peer.py - someone at the head's port who is none of ours, or one of ours gone bad. Written
# from PROTOCOL.md alone.
#
#   peer.py PORT VERB [ARGUMENT...]; --key FILE --run ID --generation N for those that speak
import argparse
import ctypes
import hashlib
import os
import random
import socket
import struct
import sys
import time

LABEL = b"aolani/1 "


def dial(port):
    s = socket.create_connection(("127.0.0.1", port), 5)
    s.settimeout(15)
    return s


def told(s):
    """What the other side does in the end: the bytes that came, and whether it closed."""
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return got, "closed"
            got += part
    except socket.timeout:
        return got, "silent"
    except OSError:
        return got, "closed"


def keyed(key, label, *parts):
    h = hashlib.blake2b(key=key, digest_size=32)
    h.update(LABEL + label + b"\0")
    if len(parts) == 2:
        h.update(struct.pack("<I", len(parts[0])))
    for p in parts:
        h.update(p)
    return h.digest()


class Node:
    """What a node's own key lets one do; with another key, what it does not."""

    def __init__(self, args, node, job_key=None):
        self.run = bytes.fromhex(args.run)
        self.node = node
        job = job_key or bytes.fromhex(open(args.key).read().strip())
        self.key = keyed(job, b"node", struct.pack("<II", node, args.generation))
        self.sodium = ctypes.CDLL("libsodium.so.23")
        self.sodium.sodium_init()

    def hello(self, as_node=None, run=None, epoch=0):
        self.secret = os.urandom(32)
        point = ctypes.create_string_buffer(32)
        self.sodium.crypto_scalarmult_base(point, self.secret)
        body = b"AOLS" + bytes([1, 1, 1, 0]) + (run or self.run)
        body += struct.pack("<IIQ", self.node if as_node is None else as_node, 0, epoch)
        body += point.raw
        self.said = body + keyed(keyed(self.key, b"hello"), b"hello", body)
        return struct.pack("<I", len(self.said)) + self.said

    def shake(self, s):
        """The whole handshake; then send() and nobody reads."""
        s.sendall(self.hello())
        n, = struct.unpack("<I", exactly(s, 4))
        welcome = exactly(s, n)
        shared = ctypes.create_string_buffer(32)
        self.sodium.crypto_scalarmult(shared, self.secret, welcome[32:64])
        transcript = keyed(self.key, b"transcript", self.said, welcome)
        master = keyed(self.key, b"master", shared.raw, transcript)
        self.state = ctypes.create_string_buffer(64)
        head = ctypes.create_string_buffer(24)
        self.sodium.crypto_secretstream_xchacha20poly1305_init_push(
            self.state, head, keyed(master, b"agent to head"))
        s.sendall(struct.pack("<I", 41) + head.raw + self.sealed(b""))

    def sealed(self, plain):
        out = ctypes.create_string_buffer(len(plain) + 17)
        self.sodium.crypto_secretstream_xchacha20poly1305_push(
            self.state, out, None, plain, ctypes.c_ulonglong(len(plain)), None,
            ctypes.c_ulonglong(0), ctypes.c_ubyte(0))
        return out.raw

    def send(self, s, kind=0, seq=0, payload=b"", source=None, epoch=1, ack=0):
        plain = struct.pack("<IIIHHQQQ", self.node + 1 if source is None else source, 0, 1,
                            kind, 0, epoch, seq, ack) + payload
        sealed = self.sealed(plain)
        s.sendall(struct.pack("<I", len(sealed)) + sealed)

    def attach(self, s):
        self.send(s, payload=os.urandom(8) + struct.pack("<Q", 4 << 20))


def exactly(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            raise ConnectionError("closed")
        got += part
    return got


# ---- verbs: each prints one line

def verb_garbage(args):
    """Nonsense of many lengths, whole or cut off; the answer must be silence and an end."""
    random.seed(args.number)
    for i in range(args.number):
        s = dial(args.port)
        data = random.choice([
            random.randbytes(random.randrange(1, 5000)),
            struct.pack("<I", random.randrange(513, 1 << 32)) + random.randbytes(64),
            struct.pack("<I", 96) + b"AOLS" + random.randbytes(92),
            struct.pack("<I", 0) * 100,
            b"GET / HTTP/1.1\r\nHost: head\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
        try:
            s.sendall(data)
            if random.random() < 0.7:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = b"" if random.random() < 0.5 else told_soon(s)
        s.close()
        if got:
            sys.exit("an answer of %d bytes to nonsense %d" % (len(got), i))
    print("no answer")


def told_soon(s):
    s.settimeout(0.05)
    return told(s)[0]


def verb_hold(args):
    """So many connections, with the first half of a HELLO, held until the head or we end."""
    held = []
    for _ in range(args.number):
        s = dial(args.port)
        s.sendall(struct.pack("<I", 96) + b"AOLS\x01\x01\x01\0")
        held.append(s)
    print("held", flush=True)
    sys.stdin.read()


def verb_flood(args):
    """Connect, say something wrong, go; as fast as it can be done, for so many seconds."""
    end = time.monotonic() + args.number
    hello = struct.pack("<I", 96) + b"AOLS" + os.urandom(92)
    n = 0
    while time.monotonic() < end:
        try:
            s = dial(args.port)
            s.sendall(hello)
            s.close()
            n += 1
        except OSError:
            pass
    print(n)


def verb_hello(args):
    """Who is greeted: the node itself, with another's key, of another job or run."""
    mine, other = Node(args, args.number), Node(args, args.number + 1)
    stranger = Node(args, args.number, job_key=os.urandom(32))
    for words, said in (("another node's key", other.hello(as_node=args.number)),
                        ("another job's key", stranger.hello()),
                        ("another run", mine.hello(run=os.urandom(8))),
                        ("a node that is not there", mine.hello(as_node=1 << 30)),
                        ("a higher epoch", mine.hello(epoch=1 << 40)),
                        ("its own key", mine.hello()),
                        ("the same once more", b"")):
        s = dial(args.port)
        s.sendall(said or last)
        last = said
        s.settimeout(2)
        got, end = told(s)
        s.close()
        print("%s: %s" % (words, "greeted" if len(got) == 100 else end if not got else got))


def verb_exchanges(args):
    """Fresh HELLOs under the node's key, never finished: how many cost an exchange."""
    n = Node(args, 0)
    end = time.monotonic() + args.number
    greeted = tried = 0
    while time.monotonic() < end:
        s = dial(args.port)
        s.sendall(n.hello())
        s.settimeout(2)
        try:
            greeted += len(s.recv(100)) > 0
        except OSError:
            pass
        s.close()
        tried += 1
    print(greeted, tried)


def verb_speak(args):
    """A node's key in bad hands: each in turn opens a link and breaks a rule."""
    big = struct.pack("<I", (8 << 20) + 4096)

    def raw(data):
        return lambda n, s: s.sendall(data)

    def bad(**envelope):
        return lambda n, s: n.send(s, **envelope)

    def attached(f):
        return lambda n, s: (n.attach(s), f(n, s))
    rules = (("too large a frame", raw(big + bytes(1 << 20))),
             ("a frame that is not sealed", raw(struct.pack("<I", 57) + bytes(57))),
             ("no attach", bad(kind=5, seq=1, payload=b"\x08\x00")),
             ("another process of the node", attached(bad(kind=5, seq=1))),
             ("another node's address", bad(source=7, payload=bytes(16))),
             ("a message that is none", attached(bad(kind=999, seq=1))),
             ("a plan for the head", attached(bad(kind=2, seq=1))),
             ("a later epoch", bad(epoch=1 << 40, payload=bytes(16))),
             ("half a frame", raw(struct.pack("<I", 5000) + bytes(100))))
    for words, act in rules:
        n, s = Node(args, args.number), dial(args.port)
        n.shake(s)
        try:
            act(n, s)
            if words == "half a frame":
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        end = told(s)[1]
        s.close()
        print("%s: %s" % (words, end))
        time.sleep(0.2)


def verb_flap(args):
    """A node that breaks a rule, calls again, breaks it again."""
    for _ in range(60):
        n, s = Node(args, args.number), dial(args.port)
        try:
            n.shake(s)
            n.attach(s)
            n.send(s, kind=2, seq=1)
        except OSError:
            pass
        told(s)
        s.close()


parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("verb")
parser.add_argument("number", type=int)
parser.add_argument("--key")
parser.add_argument("--run")
parser.add_argument("--generation", type=int, default=0)
arguments = parser.parse_args()
globals()["verb_" + arguments.verb](arguments)
