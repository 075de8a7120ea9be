# SPDX-License-Identifier: MIT
"""curves - loss curves and step times: what is compared, and by how much it may differ."""

import math
import statistics


def read(path):
    """{step: loss} of the lines "STEP LOSS" of a trainer's --loss-file."""
    found = {}
    with open(path) as lines:
        for text in lines:
            words = text.split()
            if len(words) == 2 and words[0].isdigit():
                found[int(words[0])] = float(words[1])
    return found


def worst(a, b):
    """The largest relative difference and its step; ValueError when steps are missing."""
    if not a or set(a) != set(b):
        raise ValueError("the curves have %d and %d steps" % (len(a), len(b)))
    return max((abs(a[step] - b[step]) / abs(b[step]), step) for step in b)


def read_times(path):
    """{step: ns} of the lines "STEP NS" of a trainer's --times-file."""
    with open(path) as lines:
        return {int(step): int(ns) for step, ns in (text.split() for text in lines)}


def overhead(with_it, without):
    """Share by which paired times are longer, as the median of the pairs, between the bounds that
    hold the true one at 95 % whatever the spread is: (low, middle, high)."""
    n = len(without)
    if len(with_it) != n or n < 6:
        raise ValueError("%d and %d times: at least 6 pairs" % (len(with_it), n))
    ratios = sorted(a / b - 1 for a, b in zip(with_it, without))
    cut, beyond = 0, 2 / 2**n  # that so many pairs, or fewer, lie on one side, by chance
    while beyond + 2 * math.comb(n, cut + 1) / 2**n <= 0.05:
        cut += 1
        beyond += 2 * math.comb(n, cut) / 2**n
    return ratios[cut], statistics.median(ratios), ratios[-1 - cut]
