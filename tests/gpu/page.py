# SPDX-License-Identifier: MIT
"""page - the results of the checks as lines, as a page and as JSON."""

import json
import os
import re
import time


def heading(found):
    if not found["gpu"]:
        return found["why"]
    return "%s, driver %s, NCCL %s, PyTorch %s" % (
        found["gpu"], found["driver"], found["nccl"] or "not found", found["torch"] or "not found")


def line(row):
    return "%-12s %-12s %4d s  %s" % (row["end"], row["name"], row["seconds"], row["words"])


def summary(rows):
    count = {end: sum(row["end"] == end for row in rows) for end in ("passed", "FAILED", "not resolved", "skipped")}
    return "%d passed, %d failed, %d not resolved, %d skipped" % tuple(count.values())


def write(folder, found, rows):
    """NAME.json and NAME.md in the folder; returns the path without its end."""
    os.makedirs(folder, exist_ok=True)
    what = "-".join([found["gpu"] or "no-gpu", found["driver"] or "", found["nccl"] or ""])
    path = os.path.join(folder, re.sub(r"[^a-z0-9.]+", "-", what.lower()).strip("-"))
    keep = {key: found[key] for key in ("gpu", "driver", "nccl", "torch", "why")}
    keep["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    with open(path + ".json", "w") as out:
        json.dump({"machine": keep, "checks": rows}, out, indent=1)
        out.write("\n")
    with open(path + ".md", "w") as out:
        out.write("# %s\n%s, by `make gpu`\n\n" % (heading(found), keep["date"]))
        out.write("| check | end | what was seen |\n|---|---|---|\n")
        for row in rows:
            out.write("| %s | %s | %s |\n" % (row["name"], row["end"], row["words"].replace("|", "/")))
        out.write("\n%s\n" % summary(rows))
    return path
