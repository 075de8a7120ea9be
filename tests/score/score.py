#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""score - how well aolani-run names what slows a rank down, on this machine, live.

usage: BUILD=DIR [SEEDS=5] [SECONDS=50] [KEEP=DIR] tests/score/score.py
       tests/score/score.py --again DIR...     judge kept runs once more

For each seed a real job (head, agent, one rank of tests/score/emulator a core, bound to it)
runs while tests/score/injector does to its ranks what a schedule drawn from the seed says;
what was done is written down with times, and compared with the table `culprit` of run.db
(judge.py says how). Then one run to which nothing is done. A run in which steal and run
delay outside the injections take more than 10 % of the time proves nothing: it is void,
counted, and repeated.

How to read the matrix: a row is what was done, a column what was named; "missed" is an event
near which nothing was named. "others" has the late steps that were named preempted while,
as the scheduler's own events say, other programs than the hog did run on the rank's core;
"slow core" those named own work in which the core did the same work slower, as the rank
itself timed it.
"nothing" has those that were named where nothing is known to have happened: they count
against the class that was named, and no other.
Exit status: 0 all that is demanded is met, 1 it is not, 77 it cannot be run here.
"""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from judge import (ALARM, CLASS, COUNTS, DEMANDED, QUIET, SEEN, VOID, Culprit, Done, Step,  # noqa: E402
                   judge, middle, missed)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
WORK_US = 7000
QUOTA_US = 40000        # two periods of the injector's quota
SHARED_BYTES = 4096
FIRST = 8.0             # seconds: a node is probed for the first time after five
REPEATS = 2             # of a void run
COLUMN = {"throttled": "throttled_us", "preempted": "preempted_us", "stolen": "stolen_us",
          "stopped": "stopped_us", "blocked": "blocked_us", "page faults": "faults_us",
          "own work": "work_us"}


# ---- what is to be done

def schedule(seed, seconds, ranks, kinds):
    """Lines "at_us what rank size_us": all kinds as often, in no order, one at a time."""
    if not kinds:
        return []
    draw = random.Random(seed)
    lines, bag, at = [], [], FIRST
    while at < seconds - 1:
        if not bag:
            bag = list(kinds)
            draw.shuffle(bag)
        what, rank = bag.pop(), draw.randrange(ranks)
        size = int(draw.uniform(0.7, 1.3) * WORK_US)
        if what == "hog":
            size = int(draw.uniform(6, 12) * 1000)
        if what == "quota":
            size = QUOTA_US
        lines.append(f"{int(at * 1e6)} {what} {rank} {size}")
        at += draw.uniform(0.18, 0.30) + size / 1e6
    return lines


class Groups:
    """A control group with a CPU quota for each rank; `prefix` is None where there is none."""

    def __init__(self, ranks):
        self.made, self.prefix, self.why = [], None, ""
        own = {}
        for line in open("/proc/self/cgroup"):
            _, controllers, path = line.rstrip("\n").split(":", 2)
            own.update((c, path) for c in controllers.split(","))
        places = [("/sys/fs/cgroup/cpu" + own.get("cpu", "/"), "cpu.cfs_quota_us"),
                  ("/sys/fs/cgroup" + own.get("", "/"), "cpu.max")]
        for place, quota in places:
            prefix = os.path.join(place, f"aolani-score-{os.getpid()}-r")
            try:
                for rank in range(ranks):
                    os.mkdir(prefix + str(rank))
                    self.made.append(prefix + str(rank))
                if os.access(prefix + "0/" + quota, os.W_OK):
                    self.prefix = prefix
                    return
                self.why = f'"{prefix}0" has no "{quota}"'
            except OSError as e:
                self.why = str(e)
            self.remove()

    def remove(self):
        for path in self.made:
            for _ in range(50):
                try:
                    os.rmdir(path)
                    break
                except OSError:
                    time.sleep(0.1)
        self.made = []


# ---- one run

JOB = """[job]
name = "score"
command = {command}
ranks_per_node = {ranks}
time_limit = "{limit}s"
[nodes]
backend = "local"
[steps]
keep = 1000000
"""


def run(where, lines, seconds, ranks, groups):
    """A job and what is done to it; leaves run.db and oracle.* in `where`."""
    os.makedirs(where)
    shared, plan, oracle = (os.path.join(where, n) for n in ("shared", "schedule", "oracle"))
    with open(shared, "wb") as f:
        f.truncate(SHARED_BYTES)
    with open(plan, "w") as f:
        f.write("".join(l + "\n" for l in lines))
    command = [os.path.join(BUILD, "tests/score/emulator"), "--shared", shared, "--schedule",
               plan, "--oracle", oracle, "--work-us", str(WORK_US),
               "--steps", str(int(seconds * 1e6 / WORK_US))]
    if groups.prefix:
        command += ["--group", groups.prefix]
    with open(os.path.join(where, "job.toml"), "w") as f:
        f.write(JOB.format(command=json.dumps(command), ranks=ranks, limit=3 * seconds + 60))
    injector = subprocess.Popen(
        [os.path.join(BUILD, "tests/score/injector"), shared, plan, oracle, str(ranks)]
        + ([groups.prefix] if groups.prefix else []), start_new_session=True)
    log = open(os.path.join(where, "log"), "w")
    job = subprocess.Popen([os.path.join(BUILD, "aolani-run"), "job.toml"], cwd=where,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        status = job.wait()
        if status == 0:
            injector.wait(timeout=60)
    finally:
        log.close()
        if injector.poll() is None:
            os.killpg(injector.pid, signal.SIGKILL)
            injector.wait()
        if job.poll() is None:
            job.terminate()
            job.wait()
    if status != 0:
        sys.stderr.write(open(os.path.join(where, "log")).read())
        sys.exit(f"score: the job in {where} ended with status {status}")


# ---- what was done and what was found

def read_oracle(where):
    dones = []
    for name in sorted(os.listdir(where)):
        if name.startswith("oracle."):
            for line in open(os.path.join(where, name)):
                start, end, what, rank, size = line.split()
                dones.append(Done(int(start), int(end), what, int(rank), float(size)))
    return dones


def read_db(where):
    db = sqlite3.connect(os.path.join(where, "runs/latest/run.db"))
    steps = [Step(rank, step, end - wall * 1000, end - wall * 1000 + busy * 1000, end, wall,
                  wait, delay, throttled, stolen)
             for rank, step, end, wall, wait, busy, delay, throttled, stolen in db.execute(
                 "SELECT rank, step, t_end_ns, wall_us, ifnull(wait_us, 0),"
                 " ifnull(busy_us, wall_us), rundelay_us,"
                 " throttled_us, stolen_us FROM step ORDER BY rank, step")]
    names, columns = list(COLUMN), ", ".join(COLUMN.values())
    culprits = [Culprit(rank, step, usual, excess, what, dict(zip(names, parts)))
                for rank, step, usual, excess, what, *parts in db.execute(
                    f"SELECT rank, step, usual_us, excess_us, what, {columns} FROM culprit")]
    db.close()
    return steps, culprits


def judge_run(where):
    steps, culprits = read_db(where)
    return judge(steps, read_oracle(where), culprits)


# ---- words

def number(v, form="{:6.2f}"):
    return form.format(v) if v is not None else "     -"


def print_matrix(verdicts):
    rows = list(CLASS) + [row for _, row in SEEN.values()] + ["nothing"]
    total = {}
    for v in verdicts:
        for row, named in v.matrix.items():
            for name, n in named.items():
                total.setdefault(row, {}).setdefault(name, 0)
                total[row][name] += n
    columns = list(CLASS.values())
    columns += sorted({n for named in total.values() for n in named} - set(columns))
    print("\nwhat was done, and what was named (events, all seeds)")
    print("  " + " " * 10 + "".join(f"{c:>13}" for c in columns))
    for row in rows:
        if row in total:
            print(f"  {row:<10}" + "".join(f"{total[row].get(c, 0) or '.':>13}" for c in columns))


def print_classes(verdicts):
    print(f"\nmedian of {len(verdicts)} seeds" if len(verdicts) != 1 else "\none seed")
    print(f"  {sum(v.small for v in verdicts)} events made no rank half a step later than the"
          " others: not asked for")
    print("  done       events  recall  (asked)  precision  (asked)  magnitude error  (asked)")
    for what, (recall, precision, error) in DEMANDED.items():
        n = sum(v.asked[what] for v in verdicts)
        if not n:
            continue
        print(f"  {what:<10} {n:6}  {number(middle(v.recall(what) for v in verdicts))}"
              f"   {number(recall)}     {number(middle(v.precision(what) for v in verdicts))}"
              f"   {number(precision)}"
              f"           {number(middle(v.magnitude(what) for v in verdicts))}"
              f"   {number(error)}")


def print_quiet(v):
    """What was named where nothing was done; false: a class that may not be."""
    print(f"\nnothing done: {v.steps} steps of ranks, {100 * v.foreign:.1f} % lost to others")
    for name, n in sorted(v.alarms.items()):
        print(f"  {n} late steps named {name}, {v.right[name]} of them seen to be true")
    bad = [name for name in QUIET if v.alarms[name] > v.right[name]]
    for name in bad:
        print(f"  {name} was named where nothing was done")
    return not bad


# ---- all of it

def attempt(base, name, lines, seconds, ranks, groups, counts):
    """One run that is not void, or None after so many that are."""
    for n in range(1 + REPEATS):
        where = os.path.join(base, name + (f"-again{n}" if n else ""))
        run(where, lines, seconds, ranks, groups)
        v = judge_run(where)
        void = v.foreign > VOID
        print(f"{name}: {v.steps} steps of ranks, {100 * v.foreign:.1f} % lost to others"
              + (", void" if void else ""), flush=True)
        if not void:
            return v
        counts["void"] += 1
    return None


def main_again(folders):
    verdicts = [judge_run(f) for f in folders]
    print_matrix(verdicts)
    print_classes(verdicts)
    for line in missed(verdicts):
        print(line)


def cannot_run(ranks):
    if ranks < 2:
        return "one core: there is nobody to wait for"
    for name in ("aolani-run", "tests/score/emulator", "tests/score/injector"):
        if not os.access(os.path.join(BUILD, name), os.X_OK):
            return f'"{os.path.join(BUILD, name)}" is not built'
    return None


def main():
    seeds, seconds = int(os.environ.get("SEEDS", 5)), int(os.environ.get("SECONDS", 50))
    ranks = min(8, len(os.sched_getaffinity(0)))
    why = cannot_run(ranks)
    if why:
        print(f"score: not run: {why}")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that groups are removed
    base = os.environ.get("KEEP") or tempfile.mkdtemp(prefix="aolani-score-")
    groups, counts, verdicts = Groups(ranks), {"void": 0}, []
    kinds = [k for k in CLASS if k != "quota" or groups.prefix]
    if not groups.prefix:
        print(f"quota: not done: no control group with a quota can be made here: {groups.why}")
    try:
        for seed in range(1, seeds + 1):
            v = attempt(base, f"seed-{seed}", schedule(seed, seconds, ranks, kinds), seconds,
                        ranks, groups, counts)
            verdicts += [v] if v else []
        quiet = attempt(base, "quiet", [], min(seconds, 30), ranks, groups, counts)
    finally:
        groups.remove()
        if not os.environ.get("KEEP"):
            shutil.rmtree(base, ignore_errors=True)
    return conclude(verdicts, quiet, seeds, counts["void"])


def conclude(verdicts, quiet, seeds, void):
    print(f"\n{void} void runs; an alarm is an excess of {ALARM:.0%} of the usual step, an event"
          f" counts from {COUNTS:.0%} on")
    if len(verdicts) < seeds or not quiet:
        print("the machine is too busy to prove anything: "
              f"{seeds - len(verdicts)} of {seeds} seeds have no valid run")
        if not verdicts:
            return 1
    print_matrix(verdicts)
    print_classes(verdicts)
    ok = print_quiet(quiet) if quiet else False
    lines = missed(verdicts)
    for line in lines:
        print("MISSED " + line)
    ok = ok and not lines and len(verdicts) == seeds
    print("\nall that is demanded is met" if ok else "\nnot all that is demanded is met")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main_again(sys.argv[2:]) if sys.argv[1:2] == ["--again"] else main())
