#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A rank that ends a step when all have, as a training does: one that stands still stops all.

usage: stall.py LIBAOLANI FOLDER

Steps last 30 ms, until FOLDER/end is there. FOLDER/rank-N has the process and the address
of rank N. On each node one rank plays NCCL's RAS service on NCCL_RAS_ADDR, where that is
set: of a job whose process is in FOLDER/missing it says that this one does not answer.
"""
import ctypes
import os
import socket
import sys
import threading
import time

RANK, WORLD = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
MASTER = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))
FOLDER = sys.argv[2]

FINE = """Group     Comms     Nodes     Ranks     Ranks     Ranks    Status  Errors
    #  in group  per comm  per node  per comm  in group
    0         1         2         2         4         4   RUNNING      OK

Errors
======

Warnings
========

"""
MISSING = """Group     Comms     Nodes     Ranks     Ranks     Ranks    Status  Errors
    #  in group  per comm  per node  per comm  in group
    0         1         2       1-2         4         4   RUNNING  INCOMPLETE

Errors
======

INCOMPLETE
  Missing communicator data from 1 job process
  Process %s on node %s managing GPU 1

#0-0 (00c0ffee00c0ffee) INCOMPLETE
  Missing communicator data from 1 rank
  The missing rank: 3

Warnings
========

"""


def ras_text():
    try:
        with open(FOLDER + '/missing') as f:
            return MISSING % tuple(f.read().split())
    except FileNotFoundError:
        return FINE


def ras_talk(client):
    with client, client.makefile('r') as lines:
        for line in lines:
            word = line.split()[0].upper()
            if word == 'CLIENT':
                client.sendall(b'SERVER PROTOCOL 2\n')
            elif word == 'TIMEOUT':
                client.sendall(b'OK\n')
            else:
                client.sendall(('NCCL version 2.28.7 compiled with CUDA 12.9\n\n'
                                + ras_text()).encode())
                return


def ras(address):
    host, port = address.rsplit(':', 1)
    server = socket.create_server((host, int(port)))
    while True:
        ras_talk(server.accept()[0])


def connect():
    while True:
        try:
            return socket.create_connection(MASTER)
        except ConnectionRefusedError:
            time.sleep(0.05)


def meet_others():
    """A function that returns when all ranks have called it: True while all go on."""
    if RANK > 0:
        link = connect()

        def barrier():
            link.sendall(b'.')
            answer = link.recv(1)
            if not answer:
                sys.exit('rank 0 is gone')
            return answer == b'.'
        return barrier, link.getsockname()[0]
    server = socket.create_server(('', MASTER[1]))
    links = [server.accept()[0] for _ in range(WORLD - 1)]

    def lead():
        for link in links:
            link.recv(1)
        goes_on = not os.path.exists(FOLDER + '/end')
        for link in links:
            link.sendall(b'.' if goes_on else b'!')
        return goes_on
    return lead, MASTER[0]


def main():
    library = ctypes.CDLL(sys.argv[1])
    if os.environ['LOCAL_RANK'] == '0' and 'NCCL_RAS_ADDR' in os.environ:
        threading.Thread(target=ras, args=(os.environ['NCCL_RAS_ADDR'],), daemon=True).start()
    barrier, address = meet_others()
    with open('%s/rank-%d' % (FOLDER, RANK), 'w') as f:
        f.write('%d %s\n' % (os.getpid(), address))
    step, goes_on = 0, True
    while goes_on:
        library.aolani_step_begin(ctypes.c_uint64(step))
        time.sleep(0.03)
        library.aolani_wait_begin()
        goes_on = barrier()
        library.aolani_wait_end()
        library.aolani_step_end()
        step += 1
        if step == 50 and RANK == 0:
            print('fifty steps', flush=True)


main()
