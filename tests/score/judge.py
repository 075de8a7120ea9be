# SPDX-License-Identifier: MIT
"""judge - what was done (oracle) against what was found (culprits): pure, no files.

An event is a line of the oracle; an alarm is a culprit record whose excess is at least
ALARM of the rank's usual step. They meet by time: an event covers the steps of its rank
that overlap it, one before, one after, and up to three after when it was longer than a
step. Alarms of other classes beside an event or outside all events are no mistakes of a
class: what else runs on the machine is really there. That a rank was preempted by others
than the hog is held true where the scheduler's events (witness.c) say that others had its
core for half of that time at least. That CPU time rose without more work is held true where
the rank, which does the same amount of work in each step, took longer for it (speed.c), and
the scheduler had not taken it off its core nor had the hypervisor taken that, for half of the
time at least: a guest without an instruction counter cannot tell more work from a slower core,
so the mechanism is of both, and says so.
"""
from collections import Counter, namedtuple
from statistics import median

Step = namedtuple("Step", "rank step from_ns busy_ns end_ns wall_us wait_us rundelay_us "
                          "throttled_us stolen_us")
Done = namedtuple("Done", "from_ns to_ns what rank size_us")
# parts: microseconds by name of the mechanism
Culprit = namedtuple("Culprit", "rank step usual_us excess_us what parts")

ALARM = 0.25     # of the usual step
COUNTS = 0.5     # of the usual step: smaller events are not asked for
VOID = 0.10      # of the time
WARMUP = 50      # first steps, not judged
# what the injector does -> the mechanism that should be named
CLASS = {"stop": "stopped", "blocked": "blocked", "work": "own work", "hog": "preempted",
         "quota": "throttled", "faults": "page faults"}
# what: recall, precision, relative error of the magnitude; None: printed, not demanded
DEMANDED = {"stop": (0.90, 0.95, 0.10), "blocked": (0.90, 0.95, 0.10),
            "work": (0.90, 0.95, 0.10), "hog": (0.85, 0.85, None),
            "quota": (0.80, 0.90, None), "faults": (None, None, None)}
OTHER = "other"          # not injected: others on the rank's core, as the witness saw it
IDLE = "idle"            # nobody on it: the rank slept or was held back
SLOW = "slow"            # by what the rank's work took longer than usual
# not injected, yet there -> the mechanism of it, and the row of the matrix that it is in
SEEN = {OTHER: ("preempted", "others"), SLOW: ("own work", "slow core")}
WITNESSED = {OTHER, IDLE, SLOW}
QUIET = ("stopped", "blocked", "own work")  # no alarm of these where nothing was done


def overlap(a_from, a_to, b_from, b_to):
    return max(0, min(a_to, b_to) - max(a_from, b_from))


class Timeline:
    """The steps of one rank, by time."""

    def __init__(self, steps):
        self.steps = sorted(steps, key=lambda s: s.end_ns)
        busy = [s.busy_ns - s.from_ns for s in self.steps]
        self.usual_ns = median(busy) if busy else 0
        self.index = {s.step: i for i, s in enumerate(self.steps)}

    def hit(self, done):
        """Indexes of the steps that an event may show in."""
        over = [i for i, s in enumerate(self.steps)
                if s.end_ns > done.from_ns and s.from_ns < done.to_ns]
        if not over:
            return range(0)
        long = done.to_ns - done.from_ns > self.usual_ns
        return range(max(0, over[0] - 1), min(len(self.steps), over[-1] + (4 if long else 2)))

    def effect_us(self, done):
        """What of the event made computing longer. Who is stopped while it waits for others
        loses nothing by it; who computes at its beginning loses all of it, for a rank does
        not get on with its step meanwhile. Of a hog and a quota, which also come and go
        within a step, it is no more than what the busy time rose."""
        over = [s for s in self.steps if s.end_ns > done.from_ns and s.from_ns < done.to_ns]
        if done.what in ("hog", "quota"):
            rose = sum(max(0, s.busy_ns - s.from_ns - self.usual_ns) for s in over)
            return min(done.size_us, rose / 1000)
        if done.what == "stop":
            hit = sum(overlap(done.from_ns, done.to_ns, s.from_ns, s.busy_ns) for s in over)
            return done.size_us * min(1.0, hit / max(1, done.to_ns - done.from_ns))
        return done.size_us


class Verdict:
    def __init__(self):
        self.matrix = {}              # injected or "nothing" -> Counter of named
        self.asked = Counter()        # events that count, by what
        self.found = Counter()
        self.alarms = Counter()       # by mechanism
        self.right = Counter()
        self.errors = {}              # what -> relative errors of the magnitude
        self.small = 0                # events that did not count: nobody waited for them
        self.foreign = 0.0            # share of the time
        self.steps = 0

    def recall(self, what):
        return self.found[what] / self.asked[what] if self.asked[what] else None

    def precision(self, what):
        name = CLASS[what]
        return self.right[name] / self.alarms[name] if self.alarms[name] else None

    def magnitude(self, what):
        errors = self.errors.get(what)
        return median(errors) if errors else None


def middle_busy(lines):
    """By step: the median of the ranks' busy times, of two ranks the lesser."""
    busy = {}
    for line in lines.values():
        for s in line.steps:
            busy.setdefault(s.step, []).append(s.busy_ns - s.from_ns)
    return {step: sorted(b)[(len(b) - 1) // 2] for step, b in busy.items()}


def lateness_us(line, done, medians):
    """How much later than the others the rank was meanwhile. Where something else made them
    as late at the same time, nobody waited for this one, and nothing is to be found."""
    return sum(max(0, s.busy_ns - s.from_ns - medians[s.step]) for s in line.steps
               if s.end_ns > done.from_ns and s.from_ns < done.to_ns) / 1000


def foreign_share(lines, dones):
    """Steal and run delay outside the events: a machine that is busy proves nothing."""
    lost = time = 0.0
    for rank, line in lines.items():
        inside = set()
        for d in dones:
            if d.rank == rank:
                inside.update(line.hit(d))
        for i, s in enumerate(line.steps):
            if i not in inside:
                lost += s.stolen_us + max(0, s.rundelay_us - s.throttled_us)
                time += s.wall_us
    return lost / time if time else 0.0


def witnessed_us(lines, dones):
    """By what, rank and step: for how long it was there while the rank computed. Of others
    and of nobody that is the time itself, of slowness a share of it."""
    lost = Counter()
    for rank, line in lines.items():
        mine = sorted(d for d in dones if d.rank == rank)
        first = 0
        for s in line.steps:
            while first < len(mine) and mine[first].to_ns <= s.from_ns:
                first += 1
            for d in mine[first:]:
                if d.from_ns >= s.busy_ns:
                    break
                share = overlap(d.from_ns, d.to_ns, s.from_ns, s.busy_ns) / (d.to_ns - d.from_ns)
                lost[d.what, rank, s.step] += share * d.size_us
    return lost


def is_seen(lost, what, c):
    """Whether half of what an alarm says was there, by others' word. Without events of the
    scheduler it is not known why work took longer."""
    k = (c.rank, c.step)
    us = lost[(what,) + k]
    if what == SLOW:
        us -= lost[(OTHER,) + k] + lost[(IDLE,) + k] + c.parts.get("stolen", 0.0)
    return us >= 0.5 * c.parts.get(c.what, c.excess_us)


def judge(steps, dones, culprits):
    """dones: what was injected, and what was witnessed besides."""
    v = Verdict()
    there = [d for d in dones if d.what in WITNESSED and d.to_ns > d.from_ns]
    if not any(d.what in (OTHER, IDLE) for d in there):
        there = []
    dones = [d for d in dones if d.what not in WITNESSED]
    lines = {}
    for rank in {s.rank for s in steps}:
        lines[rank] = Timeline([s for s in steps if s.rank == rank])
    medians = middle_busy(lines)
    v.steps = sum(len(l.steps) for l in lines.values())
    v.foreign = foreign_share(lines, dones)
    records = {(c.rank, c.step): c for c in culprits if c.step >= WARMUP}
    alarms = {k: c for k, c in records.items() if c.excess_us >= ALARM * c.usual_us}
    for c in alarms.values():
        v.alarms[c.what] += 1
    explained = set()   # alarms within an event of their own class
    beside = set()      # alarms within an event of any class
    for d in dones:
        line = lines.get(d.rank)
        if line is None:
            continue
        name = CLASS[d.what]
        keys = [(d.rank, line.steps[i].step) for i in line.hit(d)]
        here = [alarms[k] for k in keys if k in alarms]
        beside.update((c.rank, c.step) for c in here)
        explained.update((c.rank, c.step) for c in here if c.what == name)
        effect = line.effect_us(d)
        if min(effect, lateness_us(line, d, medians)) * 1000 < COUNTS * line.usual_ns:
            v.small += 1
            continue
        v.asked[d.what] += 1
        named = [c for c in here if c.what == name]
        v.found[d.what] += bool(named)
        largest = max(here, key=lambda c: c.excess_us, default=None)
        said = name if named else largest.what if largest else "missed"
        v.matrix.setdefault(d.what, Counter())[said] += 1
        if named:
            part = sum(records[k].parts.get(name, 0.0) for k in keys if k in records)
            v.errors.setdefault(d.what, []).append(abs(part - effect) / effect)
    # What else was there is as true as what was injected; but nobody asks for all of it.
    lost = witnessed_us(lines, there)
    rows = {k: row for what, (name, row) in SEEN.items() for k, c in alarms.items()
            if c.what == name and k not in explained and is_seen(lost, what, c)}
    for k in explained | set(rows):
        v.right[alarms[k].what] += 1
    for k, c in alarms.items():
        if k not in beside or k in rows:
            v.matrix.setdefault(rows.get(k, "nothing"), Counter())[c.what] += 1
    return v


def middle(values):
    known = [x for x in values if x is not None]
    return median(known) if known else None


def missed(verdicts):
    """Lines of what is demanded of the median over the seeds, and not met."""
    lines = []
    for what, demanded in DEMANDED.items():
        if not any(v.asked[what] for v in verdicts):
            continue
        got = (middle(v.recall(what) for v in verdicts),
               middle(v.precision(what) for v in verdicts),
               middle(v.magnitude(what) for v in verdicts))
        for name, want, have, above in zip(("recall", "precision", "magnitude error"),
                                           demanded, got, (True, True, False)):
            if want is None:
                continue
            if have is None or (have < want if above else have > want):
                lines.append(f"{what}: {name} {'none' if have is None else f'{have:.2f}'}, "
                             f"{'at least' if above else 'at most'} {want:.2f} is asked for")
    return lines
