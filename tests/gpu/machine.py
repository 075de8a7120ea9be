# SPDX-License-Identifier: MIT
"""machine - what this machine has: GPU, driver, CUDA, NCCL, PyTorch, and where they lie."""

import ctypes
import glob
import os
import shutil
import subprocess
import sys


def output_of(*argv, env=None, seconds=60):
    """What a program prints, or None where it cannot be had."""
    try:
        done = subprocess.run(
            argv, env=env, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def library_folders(here):
    """Where CUDA's libraries lie: what Python packages bring, and the toolkit."""
    places = [os.path.join(here, "bin")]
    for root in sys.path + ["/usr/local"]:
        places += glob.glob(os.path.join(root or ".", "nvidia", "*", "lib"))
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    places += glob.glob(os.path.join(home, "lib*"))
    seen = []
    for place in places:
        if os.path.isdir(place) and place not in seen:
            seen.append(place)
    return seen


def find_library(folders, name):
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return path
    return None


def names_not_found(said):
    """Of the libraries that the dynamic linker lists."""
    return [line.split()[0] for line in said.splitlines() if line.endswith("=> not found")]


def missing_libraries(program, env):
    """By name; the linker only lists them, and the program does not run."""
    return names_not_found(output_of(program, env=dict(env, LD_TRACE_LOADED_OBJECTS="1")) or "")


def nccl_version(path):
    if not path:
        return None
    number = ctypes.c_int()
    try:
        ctypes.CDLL(path).ncclGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    n = number.value
    return "%d.%d.%d" % (n // 10000, n // 100 % 100, n % 100)


def look(here):
    """A dict of plain values; "gpu" is None where none can be used, and "why" says it."""
    found = {"here": here, "gpu": None, "driver": None, "why": "", "torch": None}
    asked = output_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    if not shutil.which("nvidia-smi"):
        found["why"] = "no CUDA device: there is no nvidia-smi"
    elif not asked:
        found["why"] = "no CUDA device: nvidia-smi finds none"
    else:
        found["gpu"], found["driver"] = [x.strip() for x in asked.split("\n")[0].split(",")]
    folders = library_folders(here)
    old = os.environ.get("LD_LIBRARY_PATH")
    # What was packed for aolani-run may be older than what a rank's Python was built with.
    found["libraries"] = ":".join(folders + ([old] if old else []))
    found["env"] = dict(os.environ, LD_LIBRARY_PATH=os.path.join(here, "lib") + ":" + found["libraries"])
    found["nccl"] = nccl_version(find_library(folders, "libnccl.so.2") or "libnccl.so.2")
    found["torch"] = output_of(
        "python3", "-c",
        "import torch; assert torch.cuda.is_available(); print(torch.__version__)", seconds=120)
    return found
