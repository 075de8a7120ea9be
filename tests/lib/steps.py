#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A rank that marks steps and computes in them, for comparing runs.

usage: steps.py LIBAOLANI STEPS (MILLISECONDS | xTURNS)

MILLISECONDS: 24 of them waiting, as for others, then computing until so much time has
passed. A program that sleeps between is given a core at once, also by a busy machine.
xTURNS: a fixed amount of work, so that all that the machine does shows.
"""
import ctypes
import sys
import time


def until(end):
    while time.monotonic() < end:
        pass


def turns(n):
    x = 1
    for i in range(n):
        x = (x * 31 + i) & 0xffffff
    return x


def main():
    library, steps, amount = ctypes.CDLL(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for step in range(steps):
        begin = time.monotonic()
        library.aolani_step_begin(ctypes.c_uint64(step))
        library.aolani_wait_begin()
        if not amount.startswith('x'):
            time.sleep(0.024)
        library.aolani_wait_end()
        if amount.startswith('x'):
            turns(int(amount[1:]))
        else:
            until(begin + float(amount) / 1000)
        library.aolani_step_end()


main()
