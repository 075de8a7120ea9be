#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lines.py STEPS WORK_MS SLOW_RANK FROM - a program that knows nothing of us: every rank works
for so much CPU time in each step, waits for all others, and says which step it was. Slow rank:
works twice as much more from that step on (-1: nobody)."""
import os
import socket
import sys
import time


def connect(rank, world):
    """Rank 0: sockets of all others; any other: its one to rank 0."""
    address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    if rank == 0:
        server = socket.create_server(("", address[1]))
        return [server.accept()[0] for _ in range(world - 1)]
    for _ in range(300):
        try:
            return [socket.create_connection(address)]
        except OSError:
            time.sleep(0.1)
    sys.exit("nobody answers at %s:%d" % address)


def wait_for_all(rank, peers):
    if rank == 0:
        for peer in peers:
            peer.recv(1)
    for peer in peers:
        peer.sendall(b"x")
    if rank != 0:
        peers[0].recv(1)


def work(ms):
    end = time.thread_time() + ms / 1000
    while time.thread_time() < end:
        sum(range(2000))


def main():
    steps, ms, slow, since = (int(a) for a in sys.argv[1:5])
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    peers = connect(rank, world)
    for step in range(1, steps + 1):
        work(ms * (3 if rank == slow and step >= since else 1))
        wait_for_all(rank, peers)
        print("step", step, flush=True)


main()
