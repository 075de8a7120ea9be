#!/bin/sh
# SPDX-License-Identifier: MIT
# nccl_callbacks.sh - what the profiler plug-in costs a call of NCCL's; see
# nccl_callbacks.c. From the top of the tree, after `make all`.
set -eu
build=${BUILD:-build}
${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I. -o "$build/nccl_callbacks" \
    tests/bench/nccl_callbacks.c proto/wire/collrec.c proto/base/cur.c -ldl
exec "$build/nccl_callbacks" "$build/libnccl-profiler-aolani.so"
