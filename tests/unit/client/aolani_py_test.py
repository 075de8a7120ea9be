#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""aolani.py in processes of its own, over a ring as the agent makes it.

usage: aolani_py_test.py BUILD      the folder that has libaolani.so
"""
import ctypes
import os
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.dirname(os.path.abspath(__file__)) + "/../../.."
BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ROOT + "/build"
RECORD = struct.Struct("<IIQ10I4H2HH2B")
NAMES = ("rank step t_end wall wait n_coll payload cpu rundelay throttled blocked stolen gpu "
         "nvcsw nivcsw majflt minflt16 gpu_events sm_mhz flags source confidence").split()
RECORDS, BEGIN = 4096, 192
SPECIAL, PACED, PARTIAL, GAP, CHECKPOINT, EVALUATION = 1, 2, 4, 16, 64, 128

# A torch of sorts: what of it hook() meets, in a version without and with hooks.
OPTIMIZER = """
import weakref
class Old:
    def __init__(self): self.n = 0
    def step(self, closure=None): self.n += 1; return self.n
class New(Old):
    def __init__(self): super().__init__(); self.hooks = []
    def register_step_post_hook(self, f): self.hooks.append(f)
    def step(self, closure=None):
        n = super().step(closure)
        for f in self.hooks: f(self, (), {})
        return n
def scheduled(optimizer): # as torch's schedulers do
    method = optimizer.step
    ref, func, cls = weakref.ref(method.__self__), method.__func__, type(optimizer)
    optimizer.step = lambda *a, **k: func.__get__(ref(), cls)(*a, **k)
    optimizer.step._with_counter = True # by which they know it again
"""


class Ring:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(struct.pack("<8sII", b"AOARING1", 1, RECORDS))
            f.truncate(BEGIN + RECORDS * RECORD.size)
        os.chmod(path, 0o600)

    def word(self, at, value=None):
        with open(self.path, "r+b") as f:
            f.seek(at)
            if value is None:
                return struct.unpack("<Q", f.read(8))[0]
            f.write(struct.pack("<Q", value))

    def records(self):
        with open(self.path, "rb") as f:
            data = f.read()
        n = struct.unpack_from("<Q", data, 64)[0]
        return [dict(zip(NAMES, RECORD.unpack_from(data, BEGIN + i * RECORD.size)))
                for i in range(min(n, RECORDS))]


class Common:
    library = None  # of the job

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.ring = Ring(self.dir.name + "/ring")

    def tearDown(self):
        self.dir.cleanup()

    def run_program(self, text, **env):
        full = dict(os.environ, PYTHONPATH=ROOT + "/proto/client", PYTHONDONTWRITEBYTECODE="1",
                    RANK="3", WORLD_SIZE="4", AOLANI_STEP_PATH=self.ring.path)
        full.pop("AOLANI_LIBRARY", None)
        if self.library:
            full["AOLANI_LIBRARY"] = self.library
        full.update(env)
        full = {k: v for k, v in full.items() if v is not None}
        done = subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
                              env=full, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def steps(self, *want):
        got = self.ring.records()
        self.assertEqual([r["step"] for r in got], list(want))
        for r in got:
            self.assertEqual((r["rank"], r["source"], r["confidence"]), (3, 1, 100))
            self.assertLessEqual(r["wait"], r["wall"])
        return got

    def test_steps_and_waits(self):
        got = self.run_program("""
            import aolani, time
            with aolani.step(7):
                time.sleep(0.02)
                with aolani.wait():
                    time.sleep(0.05)
                    with aolani.wait(): pass   # they nest
            with aolani.step(8): pass
            aolani.step_begin(9); aolani.wait_begin(); aolani.wait_end(); aolani.step_end()
            """)
        self.assertEqual(got, "")
        a, b, c = self.steps(7, 8, 9)
        self.assertGreaterEqual(a["wall"], 70000)
        self.assertGreaterEqual(a["wait"], 50000)
        self.assertGreaterEqual(a["wall"] - a["wait"], 20000)
        self.assertLess(a["cpu"], a["wall"] - a["wait"] + 1)
        self.assertEqual((a["n_coll"], b["n_coll"], c["n_coll"]), (1, 0, 1))
        self.assertFalse(a["flags"] & PACED)
        self.assertLess(a["t_end"], b["t_end"])

    def test_without_waits_no_rank_can_be_compared(self):
        self.run_program("import aolani\nwith aolani.step(1): pass")
        self.assertTrue(self.steps(1)[0]["flags"] & PACED)

    def test_alone_it_waits_for_nobody(self):
        self.run_program("import aolani\nwith aolani.step(1): pass", WORLD_SIZE="1")
        self.assertFalse(self.steps(1)[0]["flags"] & PACED)

    def test_kinds(self):
        self.run_program("""
            import aolani
            for i, mark in enumerate([aolani.special, aolani.checkpoint, aolani.evaluation]):
                with aolani.step(i): mark()
            aolani.special()           # in no step
            with aolani.step(3): pass
            """)
        kinds = SPECIAL | CHECKPOINT | EVALUATION
        self.assertEqual([r["flags"] & kinds for r in self.steps(0, 1, 2, 3)],
                         [SPECIAL, SPECIAL | CHECKPOINT, SPECIAL | EVALUATION, 0])

    def test_what_fails_is_no_step(self):
        self.run_program("""
            import aolani
            try:
                with aolani.step(1): raise KeyError
            except KeyError: pass
            aolani.step_end()          # of the step that failed: it is told all the same
            aolani.step_begin(5)
            with aolani.step(6): pass
            aolani.step_end(); aolani.wait_end(); aolani.wait_end()
            with aolani.step(-3): pass
            with aolani.step(1 << 40): pass
            """)
        self.steps(1, 6, 0, 0xFFFFFFFF)

    def test_a_loader(self):
        out = self.run_program("""
            import aolani
            for i, b in aolani.steps("abc"): print(i, b)
            for i, b in aolani.steps("de"): print(i, b)       # the next epoch
            for i, b in aolani.steps("fgh", start=100):
                if b == "g": break
            for i, b in aolani.steps([]): pass
            """)
        self.assertEqual(out, "0 a\n1 b\n2 c\n3 d\n4 e\n")
        self.steps(0, 1, 2, 3, 4, 100)

    def test_hooks(self):
        for kind in "Old", "New":
            for first in "", ", start=50":
                with self.subTest(kind=kind, first=first):
                    self.ring = Ring(self.ring.path)
                    out = self.run_program(OPTIMIZER + textwrap.dedent(f"""
                        import aolani
                        o = {kind}()
                        assert aolani.hook(o{first}) is o
                        scheduled(o)
                        print([o.step() for _ in range(3)], o.n)
                        """))
                    self.assertEqual(out, "[1, 2, 3] 3\n")
                    at = 50 if first else 0
                    self.steps(at, at + 1, at + 2)

    def test_a_scheduler_knows_its_optimizer_again(self):
        for kind in "Old", "New":
            with self.subTest(kind=kind):
                self.ring = Ring(self.ring.path)
                out = self.run_program(OPTIMIZER + textwrap.dedent(f"""
                    import aolani
                    o = {kind}()
                    scheduled(o)
                    aolani.hook(o)
                    print([o.step() for _ in range(3)], hasattr(o.step, "_with_counter"))
                    """))
                self.assertEqual(out, "[1, 2, 3] True\n")
                self.steps(0, 1, 2)

    def test_descriptors_may_be_closed(self):
        self.run_program("""
            import aolani, os, subprocess
            with aolani.step(0): pass
            os.closerange(3, 256)
            with aolani.step(1): pass
            subprocess.run(["true"], close_fds=True)
            f = [open("/dev/null") for _ in range(8)]
            with aolani.step(2): pass
            for x in f: x.read(); x.close()
            """)
        self.steps(0, 1, 2)

    def test_workers_are_not_the_rank(self):
        for how in "fork", "spawn", "forkserver":
            with self.subTest(how=how):
                self.ring = Ring(self.ring.path)
                program = self.dir.name + "/worker.py"
                with open(program, "w") as f:
                    f.write(textwrap.dedent("""
                        import multiprocessing, os, sys
                        import aolani
                        def work(q):
                            import aolani
                            with aolani.step(99): pass
                            for i, _ in aolani.steps("ab"): pass
                            q.put(aolani.stop_requested())
                        if __name__ == "__main__":
                            mp = multiprocessing.get_context(sys.argv[1])
                            with aolani.step(0): pass
                            q = mp.Queue()
                            with aolani.step(1):
                                p = mp.Process(target=work, args=(q,))
                                p.start(); q.get(); p.join()
                                assert p.exitcode == 0
                            if os.fork() == 0:
                                with aolani.step(98): pass
                                os._exit(0)
                            os.wait()
                            with aolani.step(2): pass
                        """))
                self.run_program(f"""
                    import subprocess, sys
                    sys.exit(subprocess.call([sys.executable, {program!r}, {how!r}]))""")
                self.steps(0, 1, 2)

    def test_of_two_programs_the_first_marks(self):
        other = """
            import aolani, os, sys
            with aolani.step(50): pass
            os.closerange(3, 64)
            print("x", flush=True)
            sys.stdin.read()
            with aolani.step(51): pass
            """
        got = self.run_program(f"""
            import subprocess, sys, textwrap, time
            import aolani
            other = subprocess.Popen([sys.executable, "-c", textwrap.dedent({other!r})],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            other.stdout.readline()
            for i in range(3):
                with aolani.step(i):
                    with aolani.wait(): aolani.checkpoint()
            print(aolani.stop_requested())
            other.communicate()
            until = time.monotonic() + 30   # it is looked for once a second
            while time.monotonic() < until:
                with aolani.step(7): time.sleep(0.1)
                with open({self.ring.path!r}, "rb") as f:
                    f.seek(64)
                    if f.read(1) != b"\\x02": break
            """)
        self.assertEqual(got, "False\n")
        self.assertEqual([r["step"] for r in self.ring.records()], [50, 51, 7])
        self.assertEqual(self.ring.word(80), 1)

    def test_a_child_that_outlives_the_rank_keeps_nothing(self):
        child = int(self.run_program("""
            import aolani, os, signal
            with aolani.step(1): pass
            pid = os.fork()
            if pid == 0:
                os.closerange(0, 3)
                signal.pause()
            print(pid)
            """))
        try:
            self.run_program("import aolani\nwith aolani.step(2): pass")
        finally:
            os.kill(child, signal.SIGKILL)
        self.steps(1, 2)
        self.assertEqual(self.ring.word(80), 0)

    def test_alone_there_are_no_others(self):
        self.run_program("import aolani\nwith aolani.step(1): pass")
        self.run_program("import aolani\nwith aolani.step(2): pass")
        self.steps(1, 2)
        self.assertEqual(self.ring.word(80), 0)

    def test_a_full_ring_counts(self):
        self.ring.word(64, RECORDS)
        self.run_program("import aolani\nfor i in range(3):\n    with aolani.step(i): pass")
        self.assertEqual((self.ring.word(64), self.ring.word(72)), (RECORDS, 3))
        self.run_program("""
            import aolani
            with aolani.step(8): pass
            open(%r, "r+b").close()
            import struct
            f = open(%r, "r+b"); f.seek(128); f.write(struct.pack("<Q", 2)); f.close()
            with aolani.step(9): pass
            with aolani.step(10): pass
            """ % (self.ring.path, self.ring.path))
        self.assertEqual((self.ring.word(64), self.ring.word(72)), (RECORDS + 2, 4))
        got = self.ring.records()[:2]
        self.assertEqual([r["step"] for r in got], [9, 10])
        self.assertEqual([r["flags"] & GAP for r in got], [GAP, 0])

    def test_stop(self):
        text = "import aolani\nprint(aolani.stop_requested())"
        self.assertEqual(self.run_program(text), "False\n")
        self.ring.word(136, 1)
        self.assertEqual(self.run_program(text), "True\n")

    def test_where_nothing_can_be_marked_it_is_silent(self):
        path = self.ring.path
        bad = self.dir.name + "/bad"
        with open(bad, "wb") as f:
            f.truncate(BEGIN + RECORDS * RECORD.size)
        os.chmod(bad, 0o600)
        short = self.dir.name + "/short"
        open(short, "wb").close()
        link = self.dir.name + "/link"
        os.symlink(path, link)
        for env in ({"AOLANI_STEP_PATH": None}, {"AOLANI_STEP_PATH": ""}, {"RANK": None},
                    {"RANK": "x"}, {"RANK": "4294967296"}, {"AOLANI_STEP_PATH": bad},
                    {"AOLANI_STEP_PATH": short}, {"AOLANI_STEP_PATH": link},
                    {"AOLANI_STEP_PATH": self.dir.name}, {"AOLANI_STEP_PATH": "/no/such"}):
            with self.subTest(**{k: str(v) for k, v in env.items()}):
                self.assertEqual(self.run_program("""
                    import aolani
                    with aolani.step(1):
                        with aolani.wait(): aolani.checkpoint()
                    print([b for _, b in aolani.steps("ab")], aolani.stop_requested())
                    """, **env), "['a', 'b'] False\n")
                self.steps()


class Writer(Common, unittest.TestCase):
    def test_what_it_cannot_know_it_does_not_say(self):
        self.run_program("import aolani\nwith aolani.step(1): pass")
        self.assertTrue(self.steps(1)[0]["flags"] & PARTIAL)

    def test_a_library_that_does_not_load_is_done_without(self):
        for library in "/no/such.so", "/etc/passwd", "libc.so.6":
            with self.subTest(library=library):
                self.ring = Ring(self.ring.path)
                self.run_program("import aolani\nwith aolani.step(1): pass",
                                 AOLANI_LIBRARY=library)
                self.steps(1)


def loads(path):
    try:
        ctypes.CDLL(path)
    except OSError:
        return False
    return True


@unittest.skipUnless(loads(BUILD + "/libaolani.so"), "libaolani.so does not load here")
class Library(Common, unittest.TestCase):
    library = BUILD + "/libaolani.so"

    def test_it_is_the_library_that_writes(self):
        text = "import aolani; print(type(aolani._marks.opened()).__name__)"
        self.assertEqual(self.run_program(text), "_Library\n")


if __name__ == "__main__":
    unittest.main()
