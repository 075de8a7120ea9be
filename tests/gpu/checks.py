# SPDX-License-Identifier: MIT
"""checks - what is looked at on a machine with a GPU. Each returns words and numbers, or raises
Failed; what it needs and does not find is the reason why it is skipped."""

import collections
import json
import os
import re
import statistics
import subprocess
import time

import curves
import judge
import machine
from job import Failed, Job, NotResolved, Skipped

Check = collections.namedtuple("Check", "name needs does")

EXACT = 1e-9  # fp64 on GPU and CPU: sums in another order
CLOSE = 0.01  # tf32 and bf16 against fp64, of a loss that falls
PERIOD = 0.05  # mean step by NCCL and by the program's clock: not of quite the same steps
PAIRS, FEWEST, OVERHEAD_SECONDS = 12, 6, 150
DEPTH_ROUNDS = 2  # of each depth, which only the eye compares
OVERHEAD_STEPS = 250  # so many that the ranks agree on the anchor and some of 32 are deep
DEEP = 8  # flag of a record
BILLION_MIB = 30000  # weights, gradients and two moments in fp32, copies in bf16, activations


def run(check, found):
    """A row for the page."""
    row = {"name": check.name, "end": "skipped", "words": "", "numbers": {}, "seconds": 0}
    start = time.monotonic()
    missing = found["why"] if not found["gpu"] else next(
        (why for need, why in NEEDS.items() if need in check.needs and not has(need, found)), "")
    missing = missing or without_libraries(check, found)
    if missing:
        row["words"] = missing
        return row
    try:
        row["words"], row["numbers"] = check.does(found)
        row["end"] = "passed"
    except Skipped as why:
        row["words"] = str(why)
    except NotResolved as why:
        row["words"], row["end"] = str(why), "not resolved"
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


def without_libraries(check, found):
    """It is linked with those of one CUDA; a machine may have another's."""
    if "trainer" not in check.needs:
        return ""
    names = machine.missing_libraries(trainer(found)[0], found["env"])
    return names and "trainer-cuda needs %s, not found in %s nor by the system" % (
        " and ".join(names), found["env"]["LD_LIBRARY_PATH"])


def trainer(found, *more):
    here = found["here"]
    return [os.path.join(here, "bin/trainer-cuda"), "--text", os.path.join(here, "text"), *more]


def small(found):
    with open(os.path.join(found["here"], "curve.args")) as text:
        return text.read().split()


LARGE = ["--hidden", "4096", "--layers", "6", "--embed", "128", "--streams", "64", "--positions", "64",
         "--precision", "bf16", "--log-every", "0"]
BILLION = ["--hidden", "16384", "--layers", "5", "--embed", "128", "--streams", "64", "--positions", "64",
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
        job.add_flags("--loss-file", loss)
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
    with Job(found, 2, trainer(found, *SHARED, "--steps", "400"), steps={"source": "nccl"}) as job:
        marked = job.path("marked")
        job.add_flags("--times-file", marked)
        run_json = job.run()
        steps = most_of(400, run_json["steps"])
        ours, theirs = steps["t_sum_us"] / steps["closed"] / 1e3, speed(job.said)[0]
        near = judge.boundaries(dict(job.rows("SELECT step, t_end_ns FROM step WHERE rank = 0")),
                                curves.read_times(marked))
    words = "%d of 400 steps found, %.2f ms each, by the program's clock %.2f ms; of their ends %.0f %% within 1 %% " \
        "of a step, the farthest %.1f %%" % (steps["closed"], ours, theirs, 100 * near["near"], 100 * near["largest"])
    if abs(ours / theirs - 1) > PERIOD or near["far"] > PERIOD:
        raise Failed(words)
    return words, dict(steps, program_ms=theirs, boundaries=near)


def step_ms(found, env):
    """Milliseconds a step, and how many records say that their step was deep."""
    words = trainer(found, *SHARED, "--steps", str(OVERHEAD_STEPS))
    with Job(found, 2, words, env=env, steps={"source": "nccl"}) as job:
        job.run()
        return speed(job.said)[0], job.rows("SELECT count(*) FROM step WHERE flags & %d" % DEEP)[0][0]


DEPTHS = {"calls": {"AOLANI_NCCL_DEPTH": "calls"}, "enqueued": {"AOLANI_NCCL_DEPTH": "enqueued"},
          "deep": {"AOLANI_NCCL_DEPTH": "deep"}}
WITHOUT = {"NCCL_PROFILER_PLUGIN": "none"}


def pairs_of(found):
    """Runs with the plug-in as it is and without it, in turn, while there is time; at each depth in
    the first rounds: {name: times}, records of deep steps."""
    start, times, deep = time.monotonic(), {"default": [], "without": []}, 0
    while len(times["without"]) < PAIRS and (
            len(times["without"]) < FEWEST or time.monotonic() - start < OVERHEAD_SECONDS):
        ours, n = step_ms(found, {})
        times["default"].append(ours)
        times["without"].append(step_ms(found, WITHOUT)[0])
        deep += n
        for name, env in DEPTHS.items():
            if len(times["without"]) <= DEPTH_ROUNDS:
                times.setdefault(name, []).append(step_ms(found, env)[0])
    return times, deep


def check_overhead(found):
    times, deep = pairs_of(found)
    low, middle, high = curves.overhead(times["default"], times["without"])
    more = {name: statistics.median(times[name]) / statistics.median(times["without"][:DEPTH_ROUNDS]) - 1
            for name in DEPTHS}
    words = "%+.2f %% of a step (%+.2f to %+.2f, of %d pairs), %d records of deep steps; always %s" % (
        100 * middle, 100 * low, 100 * high, len(times["without"]), deep,
        ", ".join("%s %+.1f %%" % (name, 100 * ours) for name, ours in more.items()))
    if deep == 0 and not found["nccl"].startswith("2.31."):  # which is not asked for times
        raise Failed("no step was deep: " + words)
    end = judge.overhead(low, high)
    if end == "FAILED":
        raise Failed("more than 0.5 %: " + words)
    if end != "passed":
        raise NotResolved(words)
    return words, dict(more, default=[low, middle, high], deep_records=deep)


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
    run_json, _ = steps_of(found, for_seconds(40, trainer(found, *SHARED)), ranks=2)
    ranks = run_json["ranks"]
    wrong = judge.binding(ranks)
    if wrong:
        raise Failed(wrong[:400])
    return "; ".join("rank %d: GPU %s, CPUs %s" % (
        rank["rank"], ", ".join(rank["binding"]["asked"]["gpus"]), rank["binding"]["asked"]["cpus"] or "not bound")
        for rank in ranks) + ", as asked and observed", [rank["binding"]["observed"] for rank in ranks]


def check_signals(found):
    run_json, _ = steps_of(found, for_seconds(15, trainer(found, *LARGE)), ranks=1)
    gpus = [gpu for gpu in run_json["gpus"] if gpu["watts_most"]]
    if not gpus:
        raise Failed("no power was read of any GPU")
    wrong = judge.signals(gpus[0], machine.output_of("nvidia-smi", "-q", "-i", gpus[0]["uuid"]) or "")
    if wrong:
        raise Failed(wrong)
    return "at most %s W, %s C, at least %s MHz" % (
        gpus[0]["watts_most"], gpus[0]["celsius_most"], gpus[0]["sm_mhz_least"]), gpus[0]


def check_billion(found):
    mib = machine.output_of("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
    if not mib or int(mib.split("\n")[0]) < BILLION_MIB:
        raise Skipped("1.1e9 weights want %d MiB free on the GPU; there are %s" % (BILLION_MIB, mib or "none said"))
    with Job(found, 1, trainer(found, *BILLION, "--steps", "20")) as job:
        job.run()
        ms, tflops = speed(job.said)
        mfu = re.search(r"MFU ([0-9.]+) %", job.said)
        weights = re.search(r"training ([0-9]+) weights", job.said)
    if not weights or int(weights.group(1)) < 1e9:
        raise Failed("%s weights" % (weights.group(1) if weights else "not known how many"))
    return "%.2e weights, %.1f ms a step, %.0f TFLOP/s, MFU %s" % (
        int(weights.group(1)), ms, tflops, mfu.group(1) + " %" if mfu else "not known of this GPU"), {
            "weights": int(weights.group(1)), "ms": ms, "tflops": tflops, "mfu": float(mfu.group(1)) if mfu else None}


def check_audit(found):
    program = os.path.join(found["here"], "bin/aolani-run")
    text = machine.output_of(program, "audit", "--local", "--json", env=found["env"], seconds=120)
    if not text:
        raise Failed("aolani-run audit printed nothing")
    node = json.loads(text)["nodes"][0]
    wrong = judge.audit(node["probes"])
    if wrong:
        raise Failed(wrong)
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
    Check("billion", ["trainer", "nccl"], check_billion),
    Check("binding", ["trainer", "nccl"], check_binding),
    Check("signals", ["trainer", "nccl"], check_signals),
    Check("steps", ["trainer", "nccl", "profiler"], check_steps),
    Check("torch", ["torch", "profiler"], check_torch),
    Check("audit", [], check_audit),
    Check("overhead", ["trainer", "nccl", "profiler"], check_overhead),
]
