#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What `make gpu` does, as far as it goes without a GPU: it is packed, says what it cannot do
# here, and knows right from wrong.
load ../lib/e2e

setup_file()
{
    export P=$BATS_FILE_TMPDIR/packed
    "$root/tests/gpu/pack" "$BUILD" "$P"
    export BATS_TEST_TIMEOUT=300 # what trains takes a minute where there are two CPUs
}
setup() { work; }

@test "it is packed in less than 64 MiB, and nothing is missing" {
    [ "$(du -sm "$P" | cut -f1)" -lt 64 ]
    for f in aolani-run aolani-agent libaolani.so; do [ -e "$P/bin/$f" ]; done
    [ -e "$BUILD/trainer-cuda" ] || skip "nvcc is absent: there is no trainer-cuda"
    [ -x "$P/bin/trainer-cuda" ]
}

@test "without a GPU each check is skipped, with the reason" {
    ! command -v nvidia-smi || skip "there is a GPU"
    run "$P/run" --results "$W/results"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "no CUDA device: there is no nvidia-smi" ]
    [[ $output == *"0 passed, 0 failed, 0 not resolved, 15 skipped"* ]]
    [ "$(jq -r '.checks | map(.end) | unique | join(" ")' "$W"/results/no-gpu*.json)" = skipped ]
}

@test "a check that is not there is said" {
    run "$P/run" --only fp64,fp128
    [ "$status" -eq 2 ]
    [[ $output == *"no such check: fp128"* ]]
}

@test "the checks pass what is right and fail what is wrong" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    cp -R "$P" packed
    cp "$root/tests/gpu/checks_test.py" packed/
    cp "$BUILD"/trainer-cpu "$BUILD"/libaolani.so* packed/bin/
    gcc -std=c11 -D_GNU_SOURCE -O2 -rdynamic -I "$root" -o played "$root/tests/e2e/nccl/ddp.c" -ldl
    python3 packed/checks_test.py "$W/packed" "$W/packed/bin/trainer-cpu" "$W/played" 2>&1
}
