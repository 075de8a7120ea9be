# SPDX-License-Identifier: MIT
"""Mark the steps of a Python training program for aolani-run.

In a job `import aolani` works with nothing installed: aolani-run brings this file along.
Outside one every call does nothing, so a program may keep them for good. Needs nothing but
the standard library, prints nothing and raises nothing of its own.

The shortest ways, for a PyTorch loop; each alone is enough:

    aolani.hook(optimizer)                  # a step ends with each optimizer.step()

    for i, batch in aolani.steps(loader):   # a step is one turn of the loop
        ...

By hand, with what the rank waits for the others told apart from its own work:

    for i in range(first, last):
        if aolani.stop_requested():         # save a checkpoint and leave
            break
        with aolani.step(i):
            compute()
            with aolani.wait():
                dist.all_reduce(x)
            if i % 100 == 0:
                aolani.checkpoint()         # this step saves one: no ordinary step

Without wait() the time of steps is known, but not which rank was late: a rank that waits
within its backward pass looks as busy as the one it waits for.

Call from one thread. Processes that a marking one forks, or multiprocessing starts (workers of
a DataLoader), are not the rank, and what they mark is not counted. Of programs that a rank
starts by itself (torchrun) the first one that marks counts, as long as it lives: their steps
could not be told apart.
"""
import ctypes
import fcntl
import functools
import mmap
import os
import stat
import struct
import sys
import threading
import time
import types
from typing import Any, Iterable, Iterator, Optional, Tuple

__all__ = ["step", "step_begin", "step_end", "wait", "wait_begin", "wait_end", "special",
           "checkpoint", "evaluation", "stop_requested", "steps", "hook"]

# As in proto/wire/steprec.h.
_SPECIAL, _HOST_PACED, _PARTIAL, _GAP, _CHECKPOINT, _EVALUATION = 1, 2, 4, 16, 64, 128
_CLIENT = 1
_RECORD = struct.Struct("<IIQ10I4H2HH2B")
_HEAD = struct.Struct("<QII")
_WORD, _WORD32 = struct.Struct("@Q"), struct.Struct("@I")  # written in one go
_RECORDS = 4096
_AT_HEAD, _AT_DROPPED, _AT_OTHERS, _AT_TAIL, _AT_STOP, _AT_RECORDS = 64, 72, 80, 128, 136, 192
_RING_BYTES = _AT_RECORDS + _RECORDS * _RECORD.size
_MAGIC, _VERSION = int.from_bytes(b"AOARING1", "little"), 1
_ASK_EVERY = 10**9  # ns
_DONTFORK = 10  # MADV_DONTFORK, which mmap names since Python 3.8
_MAX32 = 0xFFFFFFFF


class _Nothing:
    """Not in a job."""

    def step_begin(self, i: int) -> None:
        pass

    def step_end(self) -> None:
        pass

    def wait_begin(self) -> None:
        pass

    def wait_end(self) -> None:
        pass

    def mark(self, flags: int) -> None:
        pass

    def stop_requested(self) -> bool:
        return False


class _Library(_Nothing):
    """libaolani.so, which knows best what a step consisted of."""

    def __init__(self, path: str) -> None:
        # Calls are short and must not wait for the interpreter's lock, as after a CDLL's.
        so = ctypes.PyDLL(path)
        self._marks = [(_HOST_PACED, so.aolani_step_waits_unknown),
                       (_CHECKPOINT, so.aolani_step_checkpoint),
                       (_EVALUATION, so.aolani_step_evaluation),
                       (_SPECIAL, so.aolani_step_special)]
        so.aolani_step_begin.argtypes = [ctypes.c_uint64]
        for f in [so.aolani_step_begin, so.aolani_step_end, so.aolani_wait_begin,
                  so.aolani_wait_end] + [f for _, f in self._marks]:
            f.restype = None
        so.aolani_stop_requested.restype = ctypes.c_int
        self.step_begin = so.aolani_step_begin
        self.step_end = so.aolani_step_end
        self.wait_begin = so.aolani_wait_begin
        self.wait_end = so.aolani_wait_end
        self._stop = so.aolani_stop_requested

    def mark(self, flags: int) -> None:
        for bits, f in self._marks:
            if flags & bits:
                f()

    def stop_requested(self) -> bool:
        return self._stop() != 0


_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def _open_ring(path: str) -> Optional[mmap.mmap]:
    """The mapping survives whoever closes descriptors."""
    fd = os.open(path, _OPEN)
    try:
        st = os.fstat(fd)
        if (not stat.S_ISREG(st.st_mode) or st.st_uid != os.geteuid() or st.st_mode & 0o022
                or st.st_size != _RING_BYTES):
            return None
        ring = mmap.mmap(fd, _RING_BYTES)
    finally:
        os.close(fd)
    if _HEAD.unpack_from(ring, 0) != (_MAGIC, _VERSION, _RECORDS):
        ring.close()
        return None
    return ring


def _keep_open(fd: int) -> None:
    """By a mapping that children do not get. One of Python's own would keep a descriptor, and
    a child could hold it for longer than the rank lives."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                          ctypes.c_int, ctypes.c_long]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    at = libc.mmap(None, 1, 0, mmap.MAP_SHARED, fd, 0)
    if at != ctypes.c_void_p(-1).value:
        libc.madvise(at, 1, _DONTFORK)


def _lock_ring(path: str) -> bool:
    """Is it this process that marks? As ringmap_lock of libaolani: the lock is held by a
    mapping, and where there can be none it is as if there were."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _keep_open(fd)
    except BlockingIOError:
        return False
    except (OSError, ValueError, AttributeError):
        pass
    finally:
        os.close(fd)
    return True


class _Writer(_Nothing):
    """The ring written from here, where the library cannot be loaded: run delay and what
    was stolen are not known, and the records say so."""

    def __init__(self, ring: mmap.mmap, rank: int, path: str) -> None:
        self._ring = ring
        self._rank = rank
        self._path = path
        self._has_ring = False
        self._asked = 0
        self._pid = os.getpid()
        self._fence = threading.Lock()
        self._in_step = self._gap = False
        self._depth = 0

    def _now(self) -> Tuple[int, int]:
        return time.monotonic_ns(), time.thread_time_ns()

    def _ask(self) -> bool:
        now = time.monotonic_ns()
        if not self._asked or now - self._asked >= _ASK_EVERY:
            self._asked = now
            self._has_ring = self._has_ring or _lock_ring(self._path)
            if not self._has_ring:
                _WORD32.pack_into(self._ring, _AT_OTHERS, 1)
        return self._has_ring

    def step_begin(self, i: int) -> None:
        self._in_step = os.getpid() == self._pid and (self._has_ring or self._ask())
        self._step = min(max(int(i), 0), _MAX32)
        self._flags = _PARTIAL
        self._waits = 1 if self._depth else 0
        self._waited = self._cpu = 0
        self._begin, self._since = self._now()
        self._wait_from = self._begin

    def step_end(self) -> None:
        if not self._in_step:
            return
        now, cpu = self._now()
        if self._depth:
            self._waited += now - self._wait_from
        else:
            self._cpu += cpu - self._since
        self._in_step = False
        if os.getpid() == self._pid:
            self._push(now)

    def wait_begin(self) -> None:
        self._depth += 1
        if self._depth == 1 and self._in_step:
            self._waits += 1
            self._wait_from, cpu = self._now()
            self._cpu += cpu - self._since

    def wait_end(self) -> None:
        if self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0 and self._in_step:
            now, self._since = self._now()
            self._waited += now - self._wait_from

    def mark(self, flags: int) -> None:
        if self._in_step:
            self._flags |= flags

    def stop_requested(self) -> bool:
        return self._ring[_AT_STOP:_AT_STOP + 4] != b"\0\0\0\0"

    def _push(self, end: int) -> None:
        head, = _WORD.unpack_from(self._ring, _AT_HEAD)
        tail, = _WORD.unpack_from(self._ring, _AT_TAIL)
        if (head - tail) % (1 << 64) >= _RECORDS:
            dropped, = _WORD.unpack_from(self._ring, _AT_DROPPED)
            _WORD.pack_into(self._ring, _AT_DROPPED, (dropped + 1) % (1 << 64))
            self._gap = True
            return
        wall = _us(end - self._begin)
        wait = min(_us(self._waited), wall)
        flags = self._flags | (_GAP if self._gap else 0)
        _RECORD.pack_into(self._ring, _AT_RECORDS + head % _RECORDS * _RECORD.size,
                          self._rank, self._step, end, wall, wait,
                          min(self._waits, _MAX32), 0, min(_us(self._cpu), wall - wait),
                          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, flags, _CLIENT, 100)
        with self._fence:  # the record is there before the word that says so
            self._gap = False
        _WORD.pack_into(self._ring, _AT_HEAD, (head + 1) % (1 << 64))


def _us(ns: int) -> int:
    return min(max((ns + 500) // 1000, 0), _MAX32)


def _is_child() -> bool:
    """A worker that multiprocessing has started anew, with all of the rank's environment."""
    mp = sys.modules.get("multiprocessing")
    parent = getattr(mp, "parent_process", None)
    return parent is not None and parent() is not None


def _open() -> _Nothing:
    path, rank = os.environ.get("AOLANI_STEP_PATH"), os.environ.get("RANK", "")
    if not path or not rank.isdigit() or int(rank) > _MAX32 or _is_child():
        return _Nothing()
    library = os.environ.get("AOLANI_LIBRARY")
    try:
        if library:
            return _Library(library)
    except (OSError, AttributeError):
        pass  # of another libc or architecture, or older than this file
    try:
        ring = _open_ring(path)
        return _Writer(ring, int(rank), path) if ring else _Nothing()
    except (OSError, ValueError, AttributeError):
        return _Nothing()


class _Marks:
    """What is known of the marks so far. Opened by the first of them: while a worker that
    was started anew imports its modules, nobody can tell yet that it is one."""

    def __init__(self) -> None:
        self.to = None  # type: Optional[_Nothing]
        self.waited = os.environ.get("WORLD_SIZE") == "1"  # nobody to wait for
        self.next = 0

    def opened(self) -> _Nothing:
        if self.to is None:
            self.to = _open()
        return self.to


_marks = _Marks()


def step_begin(i: int) -> None:
    """Begin step i; one that was begun and not ended is dropped."""
    _marks.next = int(i) + 1
    _marks.opened().step_begin(min(max(int(i), 0), _MAX32))


def step_end() -> None:
    if not _marks.waited:
        _marks.opened().mark(_HOST_PACED)
    _marks.opened().step_end()


def wait_begin() -> None:
    """What follows, up to wait_end, is waiting for other ranks."""
    _marks.waited = True
    _marks.opened().wait_begin()


def wait_end() -> None:
    _marks.opened().wait_end()


class step:
    """`with aolani.step(i):` A step that ends with an exception is none."""

    __slots__ = ("_i",)

    def __init__(self, i: int) -> None:
        self._i = i

    def __enter__(self) -> None:
        step_begin(self._i)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            step_end()


class wait:
    """`with aolani.wait():`"""

    __slots__ = ()

    def __enter__(self) -> None:
        wait_begin()

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        wait_end()


def special() -> None:
    """The step in progress is no ordinary one: it stays out of the comparison."""
    _marks.opened().mark(_SPECIAL)


def checkpoint() -> None:
    """The step in progress saves a checkpoint."""
    _marks.opened().mark(_SPECIAL | _CHECKPOINT)


def evaluation() -> None:
    """The step in progress evaluates the model."""
    _marks.opened().mark(_SPECIAL | _EVALUATION)


def stop_requested() -> bool:
    """The job has been asked to stop: save a checkpoint and leave with status 0."""
    return _marks.opened().stop_requested()


def steps(batches: Iterable[Any], start: Optional[int] = None) -> Iterator[Tuple[int, Any]]:
    """Number what a loader gives, and mark each turn of the loop as a step, the loading of
    its batch included. start: the first number; else it goes on where marks ended."""
    i = _marks.next if start is None else start
    source = iter(batches)
    while True:
        step_begin(i)
        try:
            batch = next(source)
        except StopIteration:
            _marks.next = i
            return
        yield i, batch
        step_end()
        i += 1


def hook(optimizer: Any, start: Optional[int] = None) -> Any:
    """From now on a step ends, and the next begins, with each optimizer.step(). Gives the
    optimizer back."""
    first = _marks.next if start is None else start

    def turn(*_args: Any, **_kwargs: Any) -> None:
        step_end()
        step_begin(_marks.next)

    if hasattr(optimizer, "register_step_post_hook"):
        optimizer.register_step_post_hook(turn)
    else:
        # A bound method like the one it replaces, with its marks: schedulers look into it.
        inner = optimizer.step

        @functools.wraps(inner)
        def step_and_mark(_self: Any, *args: Any, **kwargs: Any) -> Any:
            result = inner(*args, **kwargs)
            turn()
            return result

        optimizer.step = types.MethodType(step_and_mark, optimizer)
    step_begin(first)
    return optimizer
