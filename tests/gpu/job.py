# SPDX-License-Identifier: MIT
"""job - a job on this machine by aolani-run, and what its run.json says."""

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import tempfile

SECONDS = 120


class Failed(Exception):
    """A check failed; the text says what was seen."""


class NotResolved(Exception):
    """Neither passed nor failed: what was seen does not tell."""


class Skipped(Exception):
    """This machine cannot do it; the text is why."""


def quoted(value):
    if isinstance(value, list):
        return "[" + ", ".join(quoted(v) for v in value) + "]"
    return json.dumps(value)


class Job:
    """nodes: simulated ones, each with an NCCL_HOSTID of its own, so that their ranks may share
    a GPU; words: of the program; keys: {"steps": {"source": "nccl"}, ...}."""

    def __init__(self, found, nodes, words, env=None, **keys):
        self.found = found
        self.folder = tempfile.mkdtemp(prefix="aolani-gpu-")
        command = "LD_LIBRARY_PATH=%s NCCL_HOSTID=gpu-test-$AOLANI_NODE exec %s" % (
            shlex.quote(found["libraries"]), " ".join(shlex.quote(w) for w in words))
        sections = {"job": {"name": "gpu", "command": ["sh", "-c", command], "ranks_per_node": 1,
                            "mpi": "none", "time_limit": "%ds" % SECONDS},
                    "failure": {"grace": "5s"},
                    "nodes": {"backend": "local"}, "local": {"nodes": nodes}, "bind": {"gpu": "all"}}
        for section, more in keys.items():
            sections.setdefault(section, {}).update(more)
        with open(os.path.join(self.folder, "job.toml"), "w") as out:
            for section, pairs in sections.items():
                out.write("[%s]\n" % section)
                for key, value in pairs.items():
                    out.write("%s = %s\n" % (key, quoted(value)))
            # Ranks on one machine meet over its loopback interface.
            out.write("[job.env]\n")
            own = {"NCCL_SOCKET_IFNAME": "lo", "NCCL_IB_DISABLE": "1", "NCCL_MNNVL_ENABLE": "0"}
            for key, value in dict(own, **(env or {})).items():
                out.write("%s = %s\n" % (key, quoted(value)))

    def path(self, name):
        return os.path.join(self.folder, name)

    def add_flags(self, *flags):
        """For the trainer: files lie in the job's folder, which is there only now."""
        with open(self.path("job.toml")) as text:
            toml = text.read()
        with open(self.path("job.toml"), "w") as out:
            out.write(toml.replace("--precision", "%s --precision" % " ".join(flags), 1))

    def run(self):
        """run.json; Failed with the last words where the exit status is not 0."""
        program = os.path.join(self.found["here"], "bin", "aolani-run")
        try:
            done = subprocess.run([program, "job.toml"], cwd=self.folder, env=self.found["env"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=SECONDS + 60)
        except subprocess.TimeoutExpired:
            raise Failed("no end %d s after the time limit" % 60)
        self.said = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            lines = [l for l in self.said.split("\n") if l.strip()]
            told = [l for l in lines if "trainer" in l or "error" in l.lower() or l.startswith("gpu: ")]
            raise Failed("exit status %d: %s" % (done.returncode, "; ".join(told or lines[-3:])[:400]))
        with open(self.path("runs/latest/run.json")) as text:
            return json.load(text)

    def rows(self, sql):
        """What run.db answers."""
        with sqlite3.connect("file:%s?mode=ro" % self.path("runs/latest/run.db"), uri=True) as db:
            return db.execute(sql).fetchall()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)
