#!/bin/sh
# SPDX-License-Identifier: MIT
# client.sh - what marking a step costs a rank; see client_bench.c. From the top of the
# tree, after `make all`.
set -eu
build=${BUILD:-build}
${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I. -o "$build/client_bench" \
    tests/bench/client_bench.c proto/wire/steprec.c proto/base/cur.c \
    -L"$build" -l:libaolani.so
LD_LIBRARY_PATH=$build exec "$build/client_bench"
