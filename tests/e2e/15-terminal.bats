#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where the launcher's words go: full disks, closed pipes, missing descriptors, terminals.
load ../lib/e2e

setup()
{
    work
    job <<'END'
[job]
command = ["sh", "-c", "echo out; echo err >&2"]
ranks_per_node = 2
[nodes]
backend = "local"
[bind]
cpu = "none"
END
}
teardown()
{
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

@test "what cannot be printed is no success" {
    local words
    aolani job.toml
    for words in help --version "check --offline job.toml" "check --show job.toml" "report runs"; do
        status=0
        # shellcheck disable=SC2086 # words of a command line
        "$BUILD/aolani-run" $words >/dev/full 2>log || status=$?
        echo "$words: $status"
        [ "$status" -eq 1 ]
        grep -q '^aolani-run: error: print ' log
    done
}

@test "a job runs without standard descriptors" {
    status=0
    "$BUILD/aolani-run" job.toml <&- >&- 2>&- || status=$?
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 0 out)" "$(rank_file 1 err)")" = "out
err" ]
}

@test "a reader that goes away early takes nothing from the files" {
    job <<'END'
[job]
command = ["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"]
[nodes]
backend = "local"
END
    "$BUILD/aolani-run" job.toml </dev/null 2>log | head -n 1
    [ "${PIPESTATUS[0]}" -eq 0 ]
    [ "$(wc -l <"$(rank_file 0 out)")" = 20000 ]
    grep -q "Broken pipe; the ranks' output goes on into" log
}

@test "a dumb terminal gets no escape sequences, NO_COLOR no colour" {
    command -v script >/dev/null || skip "script is absent"
    TERM=dumb script -qec "stty cols 30; '$BUILD/aolani-run' job.toml" /dev/null </dev/null >log
    run ! grep -q $'\033' log
    NO_COLOR=1 TERM=xterm script -qec "stty cols 30; '$BUILD/aolani-run' job.toml" /dev/null \
        </dev/null >log
    run ! grep -q $'\033\\[[0-9;]*m' log
}
