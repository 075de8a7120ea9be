#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Machines that are not here, as facts of our own (tests/audit): the audit says of each what
# it is. And the helper by itself: what it shows a person, and when it ends.
load ../lib/e2e

setup()
{
    work
    export BUILD
}
tree() { "$root/tests/audit/build" "$root/tests/audit/$1.facts" "$1"; }
ended() { ! kill -0 "$1" 2>/dev/null; }

@test "the machines of tests/audit: each gets its verdict, its four answers and its page" {
    run "$root/tests/audit/check"
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
    no_sanitizer_words
}

@test "aolani-audit --text: every probe in words, but for those that are left out" {
    tree bare-metal-user
    run "$BUILD/aolani-audit" --text --root bare-metal-user --skip PC3 --skip KP8
    [ "$status" -eq 0 ]
    [ "$(grep -cE '^  (pass|warn|fail|unknown) +[A-Z]+[0-9]+ ' <<<"$output")" -eq 64 ]
    [[ $output == *"looked as user 1000"* ]]
    [[ $output == *"more is known with: root"* ]]
    [[ $output != *PC3* ]]
    no_sanitizer_words
}

@test "aolani-audit: wrong usage and a folder that is no machine" {
    run "$BUILD/aolani-audit"
    [ "$status" -eq 2 ]
    run "$BUILD/aolani-audit" --text --serve
    [ "$status" -eq 2 ]
    run "$BUILD/aolani-audit" --text --measure --root .
    [ "$status" -eq 2 ]
    run "$BUILD/aolani-audit" --text --root no-such
    [ "$status" -eq 1 ]
    [[ $output == *'look at the machine in "no-such": No such file or directory'* ]]
    mkdir bad
    echo "uid many" >bad/facts
    run "$BUILD/aolani-audit" --text --root bad
    [ "$status" -eq 1 ]
    [[ $output == *'facts:1: no fact: uid many'* ]]
}

# A frame with one question: measure for 14 s.
question() { printf '\007\000\000\000\010\001\032\003\010\260\155'; }

@test "aolani-audit ends in the middle of a measurement when nobody asks any more" {
    mkfifo ask
    "$BUILD/aolani-audit" --serve <ask >said 2>words &
    pid=$!
    exec 7>ask
    question >&7
    wait_for 40 test -s said
    kill -0 $pid
    exec 7>&-
    wait_for 40 ended $pid
    cat words
    no_sanitizer_words
}

@test "aolani-run audit --root: a folder that is no machine" {
    aolani audit --root no-such
    [ "$status" -eq 2 ]
    [[ $stderr == *'"no-such": No such file or directory'* ]]
}
