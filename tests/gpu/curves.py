# SPDX-License-Identifier: MIT
"""curves - loss curves and step times: what is compared, and by how much it may differ."""

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


def overhead(with_it, without):
    """Share by which paired times are longer, by the medians, and half the range between the
    quartiles of the pairs: (0.004, 0.002) is 0.4 % give or take 0.2 %."""
    if len(with_it) != len(without) or len(without) < 4:
        raise ValueError("%d and %d times: at least 4 pairs" % (len(with_it), len(without)))
    ratios = [a / b - 1 for a, b in zip(with_it, without)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, (high - low) / 2
