#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""judge_test - the judge on streams that are made up: two ranks, steps of 10 ms of which the
last is waiting, one thing done to rank 0 in step 100."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from judge import Culprit, Done, Step, judge, missed  # noqa: E402

MS = 1000000


def steps(delay_us=0, late=None, both=False):
    """Rank 0 takes `late` (step: ms) longer for its 9 ms of computing, and so does rank 1 if
    `both`; what follows is later."""
    made, late = [], {100: 6} if late is None else late
    for rank in (0, 1):
        at = 0
        for n in range(300):
            more = late.get(n, 0) * MS
            busy = 9 * MS + (more if rank == 0 or both else 0)
            end = at + 10 * MS + more
            made.append(Step(rank, n, at, at + busy, end, (end - at) // 1000, 1000,
                             delay_us, 0, 0))
            at = end
    return made


def done(what="stop", step=100, at_ms=2, size_us=6000, rank=0):
    start = step * 10 * MS + at_ms * MS
    return Done(start, start + size_us * 1000, what, rank, size_us)


def named(what="stopped", step=100, excess_us=6000, part_us=None, rank=0):
    return Culprit(rank, step, 9000, excess_us, what,
                   {what: excess_us if part_us is None else part_us})


# name, what was done, what was named, recall and precision and error of stop, misses
CASES = [
    ("found", [done()], [named()], 1.0, 1.0, 0.0, 0),
    ("found a step later", [done()], [named(step=101)], 1.0, 1.0, 0.0, 0),
    ("two steps later is too late", [done()], [named(step=102)], 0.0, 0.0, None, 3),
    ("missed", [done()], [], 0.0, None, None, 3),
    ("named otherwise", [done()], [named("blocked")], 0.0, None, None, 3),
    ("the other rank was named", [done()], [named(rank=1)], 0.0, 0.0, None, 3),
    ("below the alarm", [done()], [named(excess_us=2000)], 0.0, None, None, 3),
    ("half of its size", [done()], [named(part_us=3000)], 1.0, 1.0, 0.5, 1),
    ("another class elsewhere is no mistake", [done()], [named(), named("blocked", 200)],
     1.0, 1.0, 0.0, 0),
    ("its own class elsewhere is one", [done()], [named(), named(step=200)], 1.0, 0.5, 0.0, 1),
    ("too small to be asked for", [done(size_us=3000)], [], None, None, None, 0),
    ("while it waited nothing was lost", [done(at_ms=9, size_us=900)], [], None, None, None, 0),
    ("warming up", [done()], [named(), named(step=3)], 1.0, 1.0, 0.0, 0),
]


class JudgeTest(unittest.TestCase):
    def test_cases(self):
        for name, dones, culprits, recall, precision, error, misses in CASES:
            with self.subTest(name):
                v = judge(steps(), dones, culprits)
                self.assertEqual(v.recall("stop"), recall)
                self.assertEqual(v.precision("stop"), precision)
                self.assertEqual(v.magnitude("stop"), error)
                self.assertEqual(len(missed([v])), misses)

    def test_a_long_event_may_show_three_steps_later(self):
        v = judge(steps(late={101: 8}), [done("quota", size_us=20000)], [named("throttled", 104)])
        self.assertEqual(v.recall("quota"), 1.0)

    def test_a_quota_that_held_nothing_back_is_not_asked_for(self):
        v = judge(steps(late={}), [done("quota", size_us=20000)], [])
        self.assertEqual(v.recall("quota"), None)

    def test_nobody_waits_for_one_of_two_that_are_late(self):
        v = judge(steps(both=True), [done()], [])
        self.assertEqual((v.recall("stop"), v.small), (None, 1))

    def test_what_others_took(self):
        self.assertAlmostEqual(judge(steps(2000, {}), [], []).foreign, 0.2)
        self.assertAlmostEqual(judge(steps(), [], []).foreign, 0.0)

    def test_others_are_as_true_as_a_hog(self):
        there = Done(2002 * MS, 2005 * MS, "other", 0, 3000)
        for name, seen, precision in (("seen", [there], 1.0), ("not seen", [], 0.0),
                                      ("of the other rank", [there._replace(rank=1)], 0.0),
                                      ("too short", [there._replace(to_ns=2003 * MS, size_us=1000)], 0.0)):
            with self.subTest(name):
                v = judge(steps(late={200: 3}), seen, [named("preempted", 200, 3000)])
                self.assertEqual(v.precision("hog"), precision)
                self.assertEqual(v.recall("hog"), None)
                row = "others" if precision else "nothing"
                self.assertEqual(v.matrix, {row: {"preempted": 1}})

    def test_a_slow_core_is_as_true_as_more_work(self):
        slow = Done(2000 * MS, 2012 * MS, "slow", 0, 2800)
        ran = Done(1990 * MS, 1991 * MS, "other", 0, 1000)   # there is a witness
        away = Done(2003 * MS, 2005 * MS, "other", 0, 2000)
        for name, seen, precision in (("slow", [slow, ran], 1.0), ("not slow", [ran], 0.0),
                                      ("nobody saw who else ran", [slow], 0.0),
                                      ("the other rank's", [slow._replace(rank=1), ran], 0.0),
                                      ("a little slow", [slow._replace(size_us=1400), ran], 0.0),
                                      ("others ran", [slow, away], 0.0),
                                      ("it slept", [slow, away._replace(what="idle")], 0.0)):
            with self.subTest(name):
                v = judge(steps(late={200: 3}), seen, [named("own work", 200, 3000)])
                self.assertEqual(v.precision("work"), precision)
                row = "slow core" if precision else "nothing"
                self.assertEqual(v.matrix, {row: {"own work": 1}})

    def test_a_core_that_was_stolen_was_not_slow(self):
        seen = [Done(2000 * MS, 2012 * MS, "slow", 0, 2800),
                Done(1990 * MS, 1991 * MS, "idle", 0, 1000)]
        for stolen, precision in ((1400, 1.0), (2400, 0.0)):
            alarm = named("own work", 200, 3000, 1600)
            alarm.parts["stolen"] = stolen
            with self.subTest(stolen):
                v = judge(steps(late={200: 3}), seen, [alarm])
                self.assertEqual(v.precision("work"), precision)

    def test_a_slow_core_explains_nothing_else(self):
        slow = Done(2000 * MS, 2012 * MS, "slow", 0, 2800)
        ran = Done(1990 * MS, 1991 * MS, "other", 0, 1000)
        v = judge(steps(late={200: 3}), [slow, ran], [named("preempted", 200, 3000)])
        self.assertEqual(v.precision("hog"), 0.0)

    def test_matrix(self):
        v = judge(steps(late={100: 6, 150: 6, 170: 8}),
                  [done(), done("work", 151), done("hog", 172)],
                  [named(), named("blocked", 150), named("preempted", 250)])
        self.assertEqual(v.matrix, {"stop": {"stopped": 1}, "work": {"blocked": 1},
                                    "hog": {"missed": 1}, "nothing": {"preempted": 1}})


if __name__ == "__main__":
    unittest.main()
