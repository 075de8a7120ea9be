#!/bin/sh
# SPDX-License-Identifier: MIT
# rankhost.sh - what it costs the agent to see what the host gives to a rank; see
# rankhost_bench.c. From the top of the tree, after `make all`.
set -eu
build=${BUILD:-build}
# shellcheck disable=SC2046 # several words
${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I. -I"$build/gen" -o "$build/rankhost_bench" \
    tests/bench/rankhost_bench.c "$build/libagent.a" "$build/libwire.a" "$build/libbase.a" \
    $(pkg-config --libs libuv libsodium libprotobuf-c) -lpthread -ldl -lm
exec "$build/rankhost_bench"
