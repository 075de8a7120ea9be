#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016
# The profiler plug-in for NCCL as NCCL would call it, which needs neither NCCL nor a GPU:
# tests/nccl/driver, as shipped and with the plug-in sanitized.
load ../lib/e2e

# driver VARIANT: every case of it, and nothing that a sanitizer says
driver()
{
    local at=$plain/tests/nccl/$1 plugin=$plain/tests/nccl/$1/libnccl-profiler-aolani.so
    [ "$1" != plain ] || plugin=$plain/libnccl-profiler-aolani.so
    run -0 --separate-stderr "$at/driver" "$plugin" "$at/libnccl-profiler-other.so"
    printf '%s\n' "$output" "$stderr"
    [ -z "$stderr" ]
    [ "$(grep -c '^ok ' <<<"$output")" -ge "$("$at/driver" --list | wc -l)" ]
}

@test "the plug-in, called as NCCL calls it" {
    driver plain
}

@test "the plug-in under ThreadSanitizer" {
    [ -x "$plain/tests/nccl/tsan/driver" ] || skip "the compiler has no ThreadSanitizer"
    "$plain/tests/nccl/tsan/probe" || skip "ThreadSanitizer does not run here"
    driver tsan
}

@test "the plug-in under AddressSanitizer and UBSan" {
    [ -x "$plain/tests/nccl/asan/driver" ] || skip "the compiler has no AddressSanitizer"
    "$plain/tests/nccl/asan/probe" || skip "AddressSanitizer does not run here"
    driver asan
}

@test "the plug-in exports its tables alone and asks for nothing that is new" {
    plugin=$plain/libnccl-profiler-aolani.so
    run -0 nm -D --defined-only --without-symbol-versions "$plugin"
    [ "$(awk '$2 == "D" { print $3 }' <<<"$output" | sort | xargs)" = \
        "ncclProfiler_v1 ncclProfiler_v2 ncclProfiler_v3 ncclProfiler_v4 ncclProfiler_v5" ]
    [ -z "$(awk '$2 != "D" && $2 != "A"' <<<"$output")" ]
    # That of RHEL 8 is enough.
    run -0 objdump -T "$plugin"
    newest=$(grep -o 'GLIBC_[0-9.]*' <<<"$output" | sort -uV | tail -n 1)
    [ "$(printf '%s\n' "$newest" GLIBC_2.28 | sort -V | tail -n 1)" = GLIBC_2.28 ]
    [ "$(readelf -d "$plugin" | grep -c NEEDED)" -eq 1 ]
    # It stays when NCCL unloads it: a thread of CUDA's may still be in it.
    readelf -d "$plugin" | grep -q NODELETE
}
