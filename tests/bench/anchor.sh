#!/bin/sh
# SPDX-License-Identifier: MIT
# anchor.sh - what a record of a collective costs the agent; see anchor_bench.c. From the top
# of the tree, after `make all`.
set -eu
build=${BUILD:-build}
${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I. -o "$build/anchor_bench" \
    tests/bench/anchor_bench.c "$build/libagent.a" "$build/libwire.a" "$build/libbase.a" -lm
exec "$build/anchor_bench"
