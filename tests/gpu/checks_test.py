# SPDX-License-Identifier: MIT
"""checks_test - what can be known of the checks without a GPU: the trainer of the CPU stands in
for the other. usage: checks_test.py PACKED TRAINER_CPU"""

import json
import os
import sys
import tempfile
import unittest

import checks
import curves
import machine
import page

PACKED, TRAINER = sys.argv.pop(1), sys.argv.pop(1)

STAND_IN = """#!/bin/bash
# The flags of a GPU are dropped; %s
keep=() file=
while [ $# -gt 0 ]; do
    case $1 in
    --precision | --verify-sum) shift ;;
    --graph | --no-marks) ;;
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


def found():
    here = dict(machine.look(PACKED), gpu="Test GPU", driver="1.2", why="", nccl="2.0.0")
    return here


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
        middle, spread = curves.overhead([1.01] * 5, [1.0] * 5)
        self.assertAlmostEqual(middle, 0.01)
        self.assertAlmostEqual(spread, 0)
        with self.assertRaises(ValueError):
            curves.overhead([1.0] * 3, [1.0] * 3)


class Checks(unittest.TestCase):
    def test_no_gpu(self):
        row = end_of("fp64", gpu=None, why="no CUDA device: none")
        self.assertEqual((row["end"], row["words"]), ("skipped", "no CUDA device: none"))

    def test_no_nccl(self):
        row = end_of("ranks-2", nccl=None)
        self.assertEqual(row["end"], "skipped")
        self.assertIn("libnccl.so.2", row["words"])

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
        stand_in(before="""[ "$NCCL_PROFILER_PLUGIN" = none ] && ms=10 || ms=10.2
echo "$ms ms a step, 1 TFLOP/s a GPU"; exit; """)
        row = end_of("overhead")
        self.assertEqual(row["end"], "FAILED")
        self.assertIn("default +2.00 %", row["words"])

    def test_speed(self):
        self.assertEqual(checks.speed("x\n12.500 ms a step, 1.5e+02 TFLOP/s a GPU in bf16"), (12.5, 150.0))
        with self.assertRaises(checks.Failed):
            checks.speed("step 10 loss 2")

    def test_audit(self):
        row = end_of("audit")
        self.assertEqual(row["end"], "passed", row["words"])


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
        self.assertEqual(page.summary(rows), "1 passed, 1 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main(verbosity=2)
