#!/bin/sh
# SPDX-License-Identifier: MIT
# collwait.sh [COMMIT] - what a deep step costs the head; see collwait_bench.c. With COMMIT
# that of the tree there, too, in turns. From the top of the tree, after `make all`.
set -eu
build=${BUILD:-build}

make_bench() { # name, folder of collwait.c and colljoin.c
    # shellcheck disable=SC2046 # several words
    ${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -I"$2" -I. -I"$build/gen" -o "$build/$1" \
        tests/bench/collwait_bench.c "$2"/launcher/variance/coll[jw]*.c \
        "$build/libwire.a" "$build/libbase.a" $(pkg-config --libs libprotobuf-c) -lm
}

make_bench collwait_bench .
if [ $# -eq 0 ]; then
    exec "$build/collwait_bench"
fi
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$1" launcher/variance | tar -x -C "$old"
make_bench collwait_bench_old "$old"
for turn in 1 2 3; do
    "$build/collwait_bench_old" | sed "s/^/$turn old /"
    "$build/collwait_bench" | sed "s/^/$turn new /"
done
