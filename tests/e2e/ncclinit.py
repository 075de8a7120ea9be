# SPDX-License-Identifier: MIT
"""Make a communicator of one rank; exit status 1 where NCCL cannot."""
import ctypes
import sys


class UniqueId(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char * 128)]


nccl = ctypes.CDLL("libnccl.so.2")
nccl.ncclCommInitRank.argtypes = [ctypes.c_void_p, ctypes.c_int, UniqueId, ctypes.c_int]
unique, comm = UniqueId(), ctypes.c_void_p()
if nccl.ncclGetUniqueId(ctypes.byref(unique)) != 0:
    sys.exit(1)
sys.exit(1 if nccl.ncclCommInitRank(ctypes.byref(comm), 1, unique, 0) != 0 else 0)
