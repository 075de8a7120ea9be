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
CLOSE = 0.05  # bf16 against fp64, of a loss that falls
PERIOD = 0.02  # step times of two runs
PAIRS = 7


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


def speed(said):
    """Milliseconds a step and TFLOP/s a GPU, as the trainer says them at its end."""
    at = re.search(r"([0-9.]+) ms a step, ([0-9.e+]+) TFLOP/s a GPU", said)
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


def check_bf16(found):
    return same_curve(found, 1, "bf16", CLOSE)


def check_graph(found):
    return same_curve(found, 1, "fp64", EXACT, "--graph")


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


def check_steps(found):
    words = trainer(found, *LARGE, "--steps", "400")
    marked, _ = steps_of(found, words)
    unmarked, _ = steps_of(found, words + ["--no-marks"], steps={"source": "nccl"})
    ours, theirs = unmarked["steps"], marked["steps"]
    if not ours["closed"]:
        raise Failed("no steps were found in what NCCL told")
    off = ours["p50_us"] / theirs["p50_us"] - 1
    if abs(off) > PERIOD:
        raise Failed("median step %.2f ms, by marks %.2f ms" % (ours["p50_us"] / 1e3, theirs["p50_us"] / 1e3))
    return "%d of 400 steps found, median %.2f ms, by marks %.2f ms" % (
        ours["closed"], ours["p50_us"] / 1e3, theirs["p50_us"] / 1e3), {
        "closed": ours["closed"], "p50_us": ours["p50_us"], "marked_p50_us": theirs["p50_us"]}


def step_ms(found, env):
    _, said = steps_of(found, trainer(found, *LARGE, "--steps", "200", "--no-marks"), env=env,
                       steps={"source": "nccl"})
    return speed(said)[0]


def check_overhead(found):
    """Pairs of runs in turn, with the plug-in at each depth and without it."""
    numbers = {}
    for depth in ("default", "calls", "enqueued", "deep"):
        env = {} if depth == "default" else {"AOLANI_NCCL_DEPTH": depth}
        times = [(step_ms(found, env), step_ms(found, {"NCCL_PROFILER_PLUGIN": "none"})) for _ in range(PAIRS)]
        numbers[depth] = curves.overhead([a for a, _ in times], [b for _, b in times])
    words = ", ".join("%s %+.2f %% ± %.2f" % (d, 100 * a, 100 * b) for d, (a, b) in numbers.items())
    middle, spread = numbers["default"]
    if middle - spread > 0.005:
        raise Failed("more than 0.5 % of a step: " + words)
    return words, numbers


def check_torch(found):
    words = ["python3", os.path.join(found["here"], "ddp.py"), "300"]
    run_json, _ = steps_of(found, words, steps={"source": "nccl"})
    if run_json["steps"]["closed"] < 200:
        raise Failed("%d of 300 steps were found" % run_json["steps"]["closed"])
    return "%d of 300 steps found, median %.2f ms" % (
        run_json["steps"]["closed"], run_json["steps"]["p50_us"] / 1e3), run_json["steps"]


# ---- the machine


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
    run_json, _ = steps_of(found, trainer(found, *LARGE, "--steps", "3000"), ranks=1)
    seen = run_json["ranks"][0]["binding"]
    if not seen["asked"]["gpus"]:
        raise Failed("no GPU was asked for: %s" % json.dumps(seen["asked"]))
    if seen["observed"].get("gpus") != seen["asked"]["gpus"]:
        raise Failed("asked %s, observed %s" % (seen["asked"]["gpus"], seen["observed"].get("gpus")))
    return "GPU %s as asked and observed" % seen["asked"]["gpus"][0], seen["observed"]


def check_signals(found):
    run_json, _ = steps_of(found, trainer(found, *LARGE, "--steps", "6000"), ranks=1)
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
    Check("bf16", ["trainer", "nccl", "curve"], check_bf16),
    Check("graph", ["trainer", "nccl", "curve"], check_graph),
    Check("ranks-2", ["trainer", "nccl", "curve"], check_two),
    Check("ranks-4", ["trainer", "nccl", "curve"], check_four),
    Check("speed", ["trainer", "nccl"], check_speed),
    Check("binding", ["trainer", "nccl"], check_binding),
    Check("signals", ["trainer", "nccl"], check_signals),
    Check("steps", ["trainer", "nccl", "profiler"], check_steps),
    Check("torch", ["torch", "profiler"], check_torch),
    Check("overhead", ["trainer", "nccl", "profiler"], check_overhead),
    Check("audit", [], check_audit),
]
