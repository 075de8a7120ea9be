#!/bin/sh
# SPDX-License-Identifier: MIT
# signals.sh - what the signals of a node cost its agent; see signals_bench.c. From the top of
# the tree, after `make all`.
set -eu
build=${BUILD:-build}
# shellcheck disable=SC2046 # several words
${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I. -I"$build/gen" -o "$build/signals_bench" \
    tests/bench/signals_bench.c "$build/libagent.a" "$build/libwire.a" "$build/libbase.a" \
    $(pkg-config --libs libuv libsodium libprotobuf-c) -lpthread -ldl -lm
exec "$build/signals_bench"
