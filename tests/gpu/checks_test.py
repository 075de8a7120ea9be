# SPDX-License-Identifier: MIT
"""checks_test - what can be known of the checks without a GPU: the trainer of the CPU stands in
for the other, and tests/e2e/nccl/ddp where NCCL is told of something.
usage: checks_test.py PACKED TRAINER_CPU [DDP]"""

import json
import os
import sys
import tempfile
import unittest

import checks
import curves
import judge
import machine
import page

PACKED, TRAINER = sys.argv.pop(1), sys.argv.pop(1)
PLAYED = sys.argv.pop(1) if len(sys.argv) > 1 else None

STAND_IN = """#!/bin/bash
# The flags of a GPU are dropped; %s
keep=() file= times=
while [ $# -gt 0 ]; do
    case $1 in
    --precision | --verify-sum) shift ;;
    --graph | --no-marks) ;;
    --times-file) times=$2; keep+=("$1" "$2"); shift ;;
    --loss-file) file=$2; keep+=("$1" "$2"); shift ;;
    *) keep+=("$1") ;;
    esac
    shift
done
%s"${keep[@]}" || exit
%s
"""


def stand_in(before="", after=""):
    path = os.path.join(PACKED, "bin/trainer-cuda")
    with open(path, "w") as out:
        out.write(STAND_IN % ("the rest is the same.", before + TRAINER + " ", after))
    os.chmod(path, 0o755)


FOUND = dict(machine.look(PACKED), gpu="Test GPU", driver="1.2", why="", nccl="2.0.0")


def found():
    return dict(FOUND)


def end_of(name, **more):
    return checks.run(next(c for c in checks.ALL if c.name == name), dict(found(), **more))


class Curves(unittest.TestCase):
    def test_worst(self):
        worst, step = curves.worst({1: 2.0, 2: 1.1}, {1: 2.0, 2: 1.0})
        self.assertAlmostEqual(worst, 0.1)
        self.assertEqual(step, 2)
        for bad in ({}, {1: 1.0}, {1: 1.0, 3: 1.0}):
            with self.assertRaises(ValueError):
                curves.worst(bad, {1: 1.0, 2: 1.0})

    def test_overhead(self):
        for got in curves.overhead([1.01] * 6, [1.0] * 6):
            self.assertAlmostEqual(got, 0.01)
        # Of 12 pairs the third from either end; of 6 the outermost.
        low, middle, high = curves.overhead([1 + i / 100 for i in range(12)], [1.0] * 12)
        self.assertEqual([round(100 * x, 6) for x in (low, middle, high)], [2, 5.5, 9])
        low, middle, high = curves.overhead([1 + i / 100 for i in range(6)], [1.0] * 6)
        self.assertEqual([round(100 * x, 6) for x in (low, middle, high)], [0, 2.5, 5])
        with self.assertRaises(ValueError):
            curves.overhead([1.0] * 5, [1.0] * 5)


class Judge(unittest.TestCase):
    def test_boundaries(self):
        marked = {i: 1000000 * i for i in range(1, 101)}
        found = {i: 1000000 * (i + 7) - 300000 for i in range(20, 90)}
        seen = judge.boundaries(found, marked)
        self.assertEqual((seen["steps"], seen["near"], seen["far"], seen["largest"]), (70, 1, 0, 0))
        found[40] += 20000
        found[50] -= 400000
        seen = judge.boundaries(found, marked)
        self.assertAlmostEqual(seen["near"], 68 / 70)
        self.assertAlmostEqual(seen["far"], 1 / 70)
        self.assertAlmostEqual(seen["largest"], 0.4)
        with self.assertRaises(ValueError):
            judge.boundaries({1: 1}, marked)

    def test_overhead(self):
        for low, high, want in ((-0.01, 0.004, "passed"), (0.006, 0.02, "FAILED"), (0.001, 0.02, "not resolved"),
                                (0.005, 0.006, "not resolved")):
            self.assertEqual(judge.overhead(low, high), want)

    def test_signals(self):
        gpu = {"watts": 300, "power_us": 0, "celsius": 40, "sm_mhz_least": 1980, "ecc_errors": 0, "pcie_replays": 0}
        smi = "    Replays Since Reset   : 0\n    DRAM Uncorrectable   : 0\n"
        self.assertEqual(judge.signals(gpu, smi), "")
        none = dict(gpu, ecc_errors=None, pcie_replays=None)
        self.assertEqual(judge.signals(none, smi.replace(": 0", ": N/A")), "")
        self.assertEqual(judge.signals(none, smi), "nothing was read of ECC errors, PCIe replays")
        self.assertIn("event reasons", judge.signals(dict(gpu, power_us=None), ""))

    def test_audit(self):
        probes = [{"id": "GP3", "verdict": "unknown", "evidence": "it says nothing"},
                  {"id": "GP4", "verdict": "unknown", "evidence": "remapped rows not known to it"},
                  {"id": "NW1", "verdict": "unknown", "evidence": "there is no HCA here"},
                  {"id": "HV13", "verdict": "fail", "evidence": "passed through"}]
        self.assertEqual(judge.audit(probes[1:]), "")
        self.assertEqual(judge.audit(probes), "unknown though there is a GPU: GP3 (it says nothing)")

    def test_binding(self):
        def rank(n, observed, gpus=("GPU-1",), cpus="0-3"):
            return {"rank": n, "binding": {"asked": {"gpus": list(gpus), "cpus": cpus}, "observed": observed}}
        good = rank(0, {"gpus": ["GPU-1"], "cpus": "0-3"})
        self.assertEqual(judge.binding([good, rank(1, {"gpus": ["GPU-1"], "cpus": "9"}, cpus="")]), "")
        self.assertIn("rank 1: cpus 0-3 asked, 4 seen", judge.binding([good, rank(1, {"gpus": ["GPU-1"], "cpus": "4"})]))
        self.assertIn("rank 0: gpus", judge.binding([rank(0, None)]))
        self.assertIn("no GPU was asked for", judge.binding([rank(0, {"gpus": [], "cpus": "0-3"}, gpus=())]))


class Checks(unittest.TestCase):
    def test_no_gpu(self):
        row = end_of("fp64", gpu=None, why="no CUDA device: none")
        self.assertEqual((row["end"], row["words"]), ("skipped", "no CUDA device: none"))

    def test_no_nccl(self):
        row = end_of("ranks-2", nccl=None)
        self.assertEqual(row["end"], "skipped")
        self.assertIn("libnccl.so.2", row["words"])

    def test_no_library(self):
        said = "\tlibm.so.6 => /lib/libm.so.6 (0x7f)\n\tlibcublas.so.13 => not found\n\tlinux-vdso.so.1 (0x7f)"
        self.assertEqual(machine.names_not_found(said), ["libcublas.so.13"])
        self.assertEqual(machine.missing_libraries(sys.executable, dict(os.environ)), [])
        look, machine.missing_libraries = machine.missing_libraries, lambda program, env: ["libcublas.so.13"]
        try:
            row = end_of("fp64")
        finally:
            machine.missing_libraries = look
        self.assertEqual(row["end"], "skipped")
        self.assertIn("needs libcublas.so.13, not found in", row["words"])

    def test_same_curve(self):
        stand_in()
        for name in ("fp64", "ranks-2"):
            row = end_of(name)
            self.assertEqual(row["end"], "passed", row["words"])

    def test_another_curve(self):
        stand_in(after="""[ -z "$file" ] || sed -i 's/^\\(30 [0-9.]*\\).*/\\11/; s/^30 ./30 9/' "$file" """)
        row = end_of("fp64")
        self.assertEqual(row["end"], "FAILED")
        self.assertIn("at step 30", row["words"])

    def test_half_a_curve(self):
        stand_in(after="""sed -i 40q "$file" """)
        row = end_of("fp64")
        self.assertEqual(row["end"], "FAILED")
        self.assertIn("40 and 60 steps", row["words"])

    def test_a_trainer_that_fails(self):
        stand_in(before="echo 'trainer-cuda: out of memory' >&2; exit 3; ")
        row = end_of("fp64")
        self.assertEqual(row["end"], "FAILED")
        self.assertIn("exit status 3", row["words"])
        self.assertIn("out of memory", row["words"])

    def test_a_check_that_breaks(self):
        row = checks.run(checks.Check("broken", [], lambda found: None.get("x")), found())
        self.assertEqual(row["end"], "FAILED")
        self.assertIn("AttributeError", page.line(row))

    def test_too_much_overhead(self):
        checks.OVERHEAD_SECONDS = 0
        self.addCleanup(setattr, checks, "step_ms", checks.step_ms)
        runs = {}
        checks.step_ms = lambda found, env: (10 if env == checks.WITHOUT else runs["ms"], runs["deep"])
        for ms, deep, end, words in ((10.2, 3, "FAILED", "+2.00 %"), (10.01, 3, "passed", "+0.10 %"),
                                     (10.01, 0, "FAILED", "no step was deep")):
            runs.update(ms=ms, deep=deep)
            row = end_of("overhead")
            self.assertEqual(row["end"], end, row["words"])
            self.assertIn(words, row["words"])

    def test_overhead_that_is_not_resolved(self):
        checks.OVERHEAD_SECONDS = 0
        self.addCleanup(setattr, checks, "step_ms", checks.step_ms)
        spread = iter([9.8, 10.3, 10.0, 10.1, 9.9, 10.4])
        checks.step_ms = lambda found, env: (10.0 if env else next(spread), 3)
        row = end_of("overhead")
        self.assertEqual(row["end"], "not resolved", row["words"])
        self.assertIn("1 not resolved", page.summary([row]))

    def test_one_run_of_it(self):
        stand_in(before="""echo "10.2 ms a step, 1 TFLOP/s a GPU"; exit; """)
        self.assertEqual(checks.step_ms(found(), {}), (10.2, 0))

    def test_steps_and_their_ends(self):
        if not PLAYED:
            self.skipTest("no ddp was given")
        self.addCleanup(setattr, checks, "PERIOD", checks.PERIOD)
        checks.PERIOD = 10  # how late it is on a machine that others use is not the question
        stand_in(before="""PLAYED_TIMES=$times exec %s 400 -1 0; """ % PLAYED)
        row = end_of("steps")
        self.assertIn("of their ends", row["words"])
        self.assertEqual(row["end"], "passed", row["words"])
        self.assertGreater(row["numbers"]["boundaries"]["steps"], 250)
        checks.PERIOD = -1
        self.assertEqual(end_of("steps")["end"], "FAILED")

    def test_a_billion_weights(self):
        self.addCleanup(setattr, machine, "output_of", machine.output_of)
        for free, before, end, words in (("8000", "", "skipped", "there are 8000"),
                                         ("90000", "", "FAILED", "weights"),
                                         ("90000", "training 1095000000 weights", "passed", "weights, 10.2 ms")):
            machine.output_of = lambda *argv, free=free, **more: free
            stand_in(before="""echo '%s'; echo "10.2 ms a step, 1 TFLOP/s a GPU, MFU 40 %%"; exit; """ % before)
            row = end_of("billion")
            self.assertEqual(row["end"], end, row["words"])
            self.assertIn(words, row["words"])

    def test_speed(self):
        self.assertEqual(checks.speed("x\n12.500 ms a step, 1.5e+02 TFLOP/s a GPU in bf16"), (12.5, 150.0))
        with self.assertRaises(checks.Failed):
            checks.speed("step 10 loss 2")

    def test_audit(self):
        row = end_of("audit")  # of a machine without one
        self.assertEqual(row["end"], "FAILED", row["words"])
        self.assertIn("unknown though there is a GPU: HV13 (there is no gpu here); GP1", row["words"])


class Page(unittest.TestCase):
    def test_written(self):
        rows = [{"name": "a", "end": "passed", "words": "1 | 2", "numbers": {"x": 1}},
                {"name": "b", "end": "FAILED", "words": "", "numbers": {}}]
        with tempfile.TemporaryDirectory() as folder:
            path = page.write(os.path.join(folder, "new"), found(), rows)
            self.assertEqual(os.path.basename(path), "test-gpu-1.2-2.0.0")
            with open(path + ".json") as text:
                self.assertEqual(json.load(text)["checks"], rows)
            with open(path + ".md") as text:
                self.assertIn("| a | passed | 1 / 2 |", text.read())
        self.assertEqual(page.summary(rows), "1 passed, 1 failed, 0 not resolved, 0 skipped")


if __name__ == "__main__":
    unittest.main(verbosity=2)
