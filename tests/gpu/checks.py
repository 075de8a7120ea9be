# SPDX-License-Identifier: MIT
"""checks - what is looked at on a machine with a GPU. Each returns words and numbers, or raises
Failed; what it needs and does not find is the reason why it is skipped."""

import collections
import json
import os
import re
import subprocess
import time

import curves
import machine
from job import Failed, Job

Check = collections.namedtuple("Check", "name needs does")

EXACT = 1e-9  # fp64 on GPU and CPU: sums in another order
CLOSE = 0.01  # tf32 and bf16 against fp64, of a loss that falls
PERIOD = 0.05  # mean step by NCCL and by the program's clock: not of quite the same steps
PAIRS, FEWEST, OVERHEAD_SECONDS = 12, 4, 180


def run(check, found):
    """A row for the page."""
    row = {"name": check.name, "end": "skipped", "words": "", "numbers": {}, "seconds": 0}
    start = time.monotonic()
    missing = found["why"] if not found["gpu"] else next(
        (why for need, why in NEEDS.items() if need in check.needs and not has(need, found)), "")
    if missing:
        row["words"] = missing
        return row
    try:
        row["words"], row["numbers"] = check.does(found)
        row["end"] = "passed"
    except Exception as why:  # whatever it is, the other checks go on
        row["words"], row["end"] = "%s: %s" % (type(why).__name__, why), "FAILED"
    row["seconds"] = round(time.monotonic() - start)
    return row


NEEDS = {
    "trainer": "trainer-cuda was not built where this was packed",
    "nccl": "libnccl.so.2 is not found here",
    "curve": "trainer-cpu was not built where this was packed",
    "profiler": "libnccl-profiler-aolani.so was not packed",
    "torch": "there is no PyTorch with CUDA here",
}


def has(need, found):
    here = found["here"]
    return {
        "trainer": lambda: os.path.exists(os.path.join(here, "bin/trainer-cuda")),
        "curve": lambda: os.path.exists(os.path.join(here, "curve")),
        "profiler": lambda: os.path.exists(os.path.join(here, "bin/libnccl-profiler-aolani.so")),
        "nccl": lambda: found["nccl"],
        "torch": lambda: found["torch"],
    }[need]()


def trainer(found, *more):
    here = found["here"]
    return [os.path.join(here, "bin/trainer-cuda"), "--text", os.path.join(here, "text"), *more]


def small(found):
    with open(os.path.join(found["here"], "curve.args")) as text:
        return text.read().split()


LARGE = ["--hidden", "4096", "--layers", "6", "--embed", "128", "--streams", "64", "--positions", "64",
         "--precision", "bf16", "--log-every", "0"]
# Of ranks that share a GPU: they take turns on it, and their sums pass through sockets (9 MiB in 5
# buckets a step; 20 to 60 ms).
SHARED = ["--hidden", "1024", "--layers", "2", "--embed", "128", "--bucket-mb", "2", "--streams", "64",
          "--positions", "64", "--precision", "bf16", "--log-every", "0", "--no-marks"]


def speed(said):
    """Milliseconds a step and TFLOP/s a GPU, as the trainer says them at its end."""
    at = re.search(r"([0-9.]+) ms a step, ([0-9.e+-]+) TFLOP/s a GPU", said)
    if not at:
        raise Failed("the trainer said nothing of its speed")
    return float(at.group(1)), float(at.group(2))


# ---- the trainer


def same_curve(found, ranks, precision, tolerance, *more):
    with Job(found, ranks, trainer(found, *small(found), "--precision", precision, *more)) as job:
        loss = job.path("loss")
        with open(job.path("job.toml")) as text:
            toml = text.read()
        with open(job.path("job.toml"), "w") as out:
            out.write(toml.replace("--precision", "--loss-file %s --precision" % loss))
        job.run()
        worst, step = curves.worst(curves.read(loss), curves.read(os.path.join(found["here"], "curve")))
    if worst > tolerance:
        raise Failed("the losses differ from the CPU's by %.3g at step %d; %g may be" % (worst, step, tolerance))
    return "losses differ from the CPU's by %.2g at most" % worst, {"worst": worst}


def check_fp64(found):
    return same_curve(found, 1, "fp64", EXACT)


def check_tf32(found):
    return same_curve(found, 1, "tf32", CLOSE)


def check_bf16(found):
    return same_curve(found, 1, "bf16", CLOSE)


def check_graph(found):
    return same_curve(found, 2, "fp64", EXACT, "--verify-sum", "5", "--graph")


def check_two(found):
    return same_curve(found, 2, "fp64", EXACT, "--verify-sum", "5")


def check_four(found):
    return same_curve(found, 4, "fp64", EXACT, "--verify-sum", "5")


def check_speed(found):
    with Job(found, 1, trainer(found, *LARGE, "--steps", "60")) as job:
        job.run()
        ms, tflops = speed(job.said)
        mfu = re.search(r"MFU ([0-9.]+) %", job.said)
    return "%.2f ms a step, %.0f TFLOP/s%s" % (ms, tflops, ", MFU %s %%" % mfu.group(1) if mfu else ""), {
        "ms": ms, "tflops": tflops, "mfu": float(mfu.group(1)) if mfu else None}


# ---- steps found by NCCL


def steps_of(found, words, ranks=2, **keys):
    with Job(found, ranks, words, **keys) as job:
        run_json = job.run()
        return run_json, job.said


def most_of(n, steps):
    """What run.json says of steps, where they were found; the first are for finding out how."""
    closed = steps["closed"] if steps else 0
    if closed < n * 2 // 3:
        raise Failed("%d of %d steps were found in what NCCL told" % (closed, n))
    return steps


def check_steps(found):
    run_json, said = steps_of(found, trainer(found, *SHARED, "--steps", "400"), steps={"source": "nccl"})
    steps = most_of(400, run_json["steps"])
    ours, theirs = steps["t_sum_us"] / steps["closed"] / 1e3, speed(said)[0]
    if abs(ours / theirs - 1) > PERIOD:
        raise Failed("a step took %.2f ms, by the program's clock %.2f ms" % (ours, theirs))
    return "%d of 400 steps found, %.2f ms each, by the program's clock %.2f ms" % (
        steps["closed"], ours, theirs), dict(steps, program_ms=theirs)


def step_ms(found, env):
    _, said = steps_of(found, trainer(found, *SHARED, "--steps", "60"), env=env, steps={"source": "nccl"})
    return speed(said)[0]


DEPTHS = {"default": {}, "calls": {"AOLANI_NCCL_DEPTH": "calls"}, "enqueued": {"AOLANI_NCCL_DEPTH": "enqueued"},
          "deep": {"AOLANI_NCCL_DEPTH": "deep"}, "without": {"NCCL_PROFILER_PLUGIN": "none"}}


def check_overhead(found):
    """Rounds of runs in turn, with the plug-in at each depth and without it, while there is time."""
    start, times = time.monotonic(), {name: [] for name in DEPTHS}
    while len(times["without"]) < PAIRS and (
            len(times["without"]) < FEWEST or time.monotonic() - start < OVERHEAD_SECONDS):
        for name, env in DEPTHS.items():
            times[name].append(step_ms(found, env))
    without = times.pop("without")
    numbers = {name: curves.overhead(ours, without) for name, ours in times.items()}
    words = ", ".join("%s %+.2f %% ± %.2f" % (d, 100 * a, 100 * b) for d, (a, b) in numbers.items())
    middle, spread = numbers["default"]
    if middle - spread > 0.005:
        raise Failed("more than 0.5 % of a step: " + words)
    return "%s, of %d pairs" % (words, len(without)), numbers


def check_torch(found):
    words = ["python3", os.path.join(found["here"], "ddp.py"), "300"]
    run_json, _ = steps_of(found, words, steps={"source": "nccl"})
    steps = most_of(300, run_json["steps"])
    return "%d of 300 steps found, median %.2f ms" % (steps["closed"], steps["p50_us"] / 1e3), steps


# ---- the machine


def for_seconds(seconds, words):
    """As many steps as fit, however fast a GPU is; the trainer ends as asked."""
    return ["timeout", "--preserve-status", "-s", "TERM", str(seconds), *words, "--steps", "1000000000"]


def check_describe(found):
    script = os.path.join(found["here"], "describe.sh")
    done = subprocess.run(["bash", script, os.path.join(found["here"], "bin")], env=found["env"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    lines = done.stdout.decode(errors="replace").split("\n")
    differs = [l for l in lines if l.startswith("DIFFERS")]
    if done.returncode != 0 or differs:
        raise Failed("; ".join(differs)[:400] or lines[-1])
    return "%d things as nvidia-smi says them" % sum(l.startswith("ok") for l in lines), {}


def check_binding(found):
    # It is looked at as ranks start, a second later, when a GPU is hardly in use, and after half a minute.
    run_json, _ = steps_of(found, for_seconds(40, trainer(found, *LARGE)), ranks=1)
    seen = run_json["ranks"][0]["binding"]
    if not seen["asked"]["gpus"]:
        raise Failed("no GPU was asked for: %s" % json.dumps(seen["asked"]))
    if not seen["observed"] or seen["observed"]["gpus"] != seen["asked"]["gpus"]:
        raise Failed("asked %s: %s" % (seen["asked"]["gpus"], json.dumps([seen["observed"], seen["checks"]])))
    return "GPU %s as asked and observed" % seen["asked"]["gpus"][0], seen["observed"]


def check_signals(found):
    run_json, _ = steps_of(found, for_seconds(15, trainer(found, *LARGE)), ranks=1)
    gpus = [gpu for gpu in run_json["gpus"] if gpu["watts_most"]]
    if not gpus:
        raise Failed("no power was read of any GPU")
    return "at most %s W, %s C, at least %s MHz" % (
        gpus[0]["watts_most"], gpus[0]["celsius_most"], gpus[0]["sm_mhz_least"]), gpus[0]


def check_audit(found):
    program = os.path.join(found["here"], "bin/aolani-run")
    text = machine.output_of(program, "audit", "--local", "--json", env=found["env"], seconds=120)
    if not text:
        raise Failed("aolani-run audit printed nothing")
    node = json.loads(text)["nodes"][0]
    bad = [p["id"] for p in node["probes"] if p["verdict"] == "fail"]
    return "%s; fails: %s" % (node["verdict"], ", ".join(bad) or "none"), {"measured": node.get("measured")}


ALL = [
    Check("describe", [], check_describe),
    Check("fp64", ["trainer", "nccl", "curve"], check_fp64),
    Check("tf32", ["trainer", "nccl", "curve"], check_tf32),
    Check("bf16", ["trainer", "nccl", "curve"], check_bf16),
    Check("graph", ["trainer", "nccl", "curve"], check_graph),
    Check("ranks-2", ["trainer", "nccl", "curve"], check_two),
    Check("ranks-4", ["trainer", "nccl", "curve"], check_four),
    Check("speed", ["trainer", "nccl"], check_speed),
    Check("binding", ["trainer", "nccl"], check_binding),
    Check("signals", ["trainer", "nccl"], check_signals),
    Check("steps", ["trainer", "nccl", "profiler"], check_steps),
    Check("torch", ["torch", "profiler"], check_torch),
    Check("audit", [], check_audit),
    Check("overhead", ["trainer", "nccl", "profiler"], check_overhead),
]
