# SPDX-License-Identifier: MIT
"""judge - what was seen, against what has to be; no GPU is asked. Each of these returns what is
wrong as words, "" where nothing is."""

import statistics

NEAR = 0.01  # of a step: as near as a boundary found by NCCL is hoped to lie to the marked one
FAR = 0.05  # of a step; 19 of 20 lie nearer
MOST_OVERHEAD = 0.005  # of a step


def boundaries(found, marked):
    """{step: ns} of each. Both number steps in order from beginnings of their own, and the collective
    by which a step is found comes at its own time in it: both are taken out. {"steps", "near": the
    share within NEAR of a step, "far": that beyond FAR, "largest": of a step, "step_ns"}."""
    ends = sorted(marked.values())
    if len(found) < 10 or len(ends) < 10:
        raise ValueError("%d steps found, %d marked: at least 10" % (len(found), len(ends)))
    step_ns = statistics.median(b - a for a, b in zip(ends, ends[1:]))
    shift = statistics.mode(
        min(marked, key=lambda m: abs(marked[m] - t)) - step for step, t in sorted(found.items()))
    away = [t - marked[step + shift] for step, t in found.items() if step + shift in marked]
    middle = statistics.median(away)
    parts = [abs(a - middle) / step_ns for a in away]
    return {"steps": len(parts), "near": sum(p <= NEAR for p in parts) / len(parts),
            "far": sum(p > FAR for p in parts) / len(parts), "largest": max(parts), "step_ns": step_ns}


def overhead(low, high):
    """Of the default depth, from the interval of its estimate: "passed", "FAILED", "not resolved"."""
    if high <= MOST_OVERHEAD:
        return "passed"
    return "FAILED" if low > MOST_OVERHEAD else "not resolved"


# What nvidia-smi -q calls it, and run.json; the first are there for every GPU.
SIGNALS = [("power", None, "watts"), ("event reasons", None, "power_us"), ("temperature", None, "celsius"),
           ("clocks", None, "sm_mhz_least"), ("ECC errors", "DRAM Uncorrectable", "ecc_errors"),
           ("PCIe replays", "Replays Since Reset", "pcie_replays")]


def signals(gpu, smi):
    """gpu: of run.json; smi: what nvidia-smi -q prints."""
    def shown(what):
        lines = [l.split(":", 1)[1].strip() for l in smi.split("\n") if l.strip().startswith(what) and ":" in l]
        return any(v and v != "N/A" for v in lines)
    silent = [name for name, what, key in SIGNALS if gpu.get(key) is None and (what is None or shown(what))]
    return "nothing was read of " + ", ".join(silent) if silent else ""


def audit(probes):
    """A driver that is there answers; what it says that this GPU has not is an answer too."""
    mute = ["%s (%s)" % (p["id"], p.get("evidence", "")) for p in probes
            if (p["id"].startswith("GP") or p["id"] == "HV13") and p["verdict"] == "unknown"
            and "not known to it" not in p.get("evidence", "")]
    return "unknown though there is a GPU: " + "; ".join(mute)[:300] if mute else ""


def binding(ranks):
    """Of run.json; CPUs where some were asked for."""
    wrong = []
    for rank in ranks:
        asked, seen = rank["binding"]["asked"], rank["binding"]["observed"] or {}
        for what in ("gpus", "cpus"):
            if what == "gpus" and not asked["gpus"]:
                wrong.append("rank %d: no GPU was asked for" % rank["rank"])
            elif asked[what] and seen.get(what) != asked[what]:
                wrong.append("rank %d: %s %s asked, %s seen" % (rank["rank"], what, asked[what], seen.get(what)))
    return "; ".join(wrong)
