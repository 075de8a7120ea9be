#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What becomes of output at the head: segments, full disks, readers that go, the files of a
# run. On simulated nodes of this machine.
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W
}
teardown()
{
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    wait_for 30 nothing_left_here
    umount -l runs 2>/dev/null || :
}

# output_job SHELL_TEXT [KEYS_OF_JOB]
output_job()
{
    job <<END
[job]
command = ["sh", "-c", '''$1''']
mpi = "none"
${2-}
[nodes]
backend = "local"
[failure]
grace = "1s"
head_lease = "3s"
END
}
start()
{
    "$BUILD/aolani-run" job.toml </dev/null >out 2>log 3>&- &
    launcher=$!
}
# The exit status of what start started.
ended() { status=0; wait "$launcher" || status=$?; launcher=; cat log; }
said() { grep -q -- "$1" log; }
times() { grep -c -- "$1" "${2-log}" || :; }
one_run() { run_json "$1" 2>/dev/null; }

small_disk()
{
    mkdir runs
    mount -t tmpfs -o "size=$1" small runs 2>/dev/null || skip "may not mount a tmpfs"
}
fill_disk()
{
    ! cat /dev/zero >runs/filler 2>/dev/null
    return 0
}
A='awk "BEGIN { for (i = 0; i < 30000; i++) printf \"%09d\\n\", i }"' # 300000 bytes
whole() { awk 'BEGIN { for (i = 0; i < 30000; i++) printf "%09d\n", i }'; }

@test "segments, in the order of their names, are what the rank wrote" {
    output_job "$A; $A >&2" 'output_rotate = "64K"'
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(echo runs/latest/attempt-1/*.out* | wc -w)" -eq 5 ]
    for s in out err; do
        cat "$(rank_file 0 $s)"* | cmp - <(whole)
        [ "$(stat -c %s "$(rank_file 0 $s)")" -eq 65536 ]
        whole | tail -c +$((4 * 65536 + 1)) | cmp - "$(rank_file 0 $s).000004"
    done
    [ "$(run_json .output.rotate_bytes)" -eq 65536 ]
    [ "$(run_json '.output.not_whole | length')" -eq 0 ]
    [ "$(run_json '.ranks[0].out_kept')" -eq 300000 ]
}

@test "the first and the last segments stay, and the report says so" {
    output_job "$A" $'output_rotate = "64K"\noutput_keep = 3'
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(cd runs/latest/attempt-1 && echo rank-0000.out*)" = \
        "rank-0000.out rank-0000.out.000003 rank-0000.out.000004" ]
    whole | head -c 65536 | cmp - "$(rank_file 0 out)"
    whole | tail -c +$((3 * 65536 + 1)) | cmp - <(cat "$(rank_file 0 out)".0*)
    grep -q 'rank 0 stdout: 293 KiB, kept the first 64.0 KiB and the last 101 KiB' \
        <<<"$stderr"
    [ "$(run_json '.output.not_whole[0] | "\(.bytes) \(.first) \(.last)"')" = \
        "300000 65536 103392" ]
    [ "$(run_json '.ranks[0] | "\(.out_bytes) \(.out_kept)"')" = "300000 168928" ]
    [ "$output" = "$(whole)" ] # the copy on our own stdout has all
}

@test "output_keep alone is complained of at its line" {
    output_job true 'output_keep = 2'
    aolani job.toml
    [ "$status" -eq 2 ]
    grep -q 'job.toml:4:.*output_keep counts the files of rotated output' <<<"$stderr"
}

@test "a full disk: the rank goes on, its output waits, nothing is lost" {
    small_disk 2m
    output_job 'echo first; : >started; while [ ! -e go ]; do sleep 0.1; done
        '"$A"'; : >wrote; echo end'
    start
    wait_for 40 test -e started
    fill_disk
    : >go
    wait_for 40 test -e wrote # by a rank that was not held
    wait_for 40 said 'No space left on device; the run goes on'
    rm runs/filler
    ended
    [ "$status" -eq 0 ]
    cmp "$(rank_file 0 out)" <(echo first; whole; echo end)
    [ "$(times 'the run goes on, its output waits')" -eq 1 ]
    said 'the output is being written again'
    [ "$(run_json '.output.not_whole | length')" -eq 0 ]
}

@test "a disk that stays full: the status is true, the page names what is missing" {
    small_disk 2m
    output_job ': >started; while [ ! -e go ]; do sleep 0.1; done; '"$A"'; exit 3'
    start
    wait_for 40 test -e started
    fill_disk
    : >go
    wait_for 30 said 'their output waits for room, for 60 s at most'
    kill -INT "$launcher"
    ended
    [ "$status" -eq 3 ]
    [ "$(times 'from byte 0: No space left on device; the run goes on, what')" -eq 1 ]
    said 'exit status 3 after'
    said 'rank 0 stdout: 293 KiB; 293 KiB missing from byte 0 on: No space left on device'
    said 'write ".*run.json": No space left on device'
    cmp out <(whole)
}

@test "what cannot be written is named at once, and writing goes on behind it" {
    output_job 'echo first; : >started; while [ ! -e go ]; do sleep 0.1; done
        '"$A"'; : >wrote; while [ ! -e again ]; do sleep 0.1; done; echo end'
    start
    wait_for 40 test -e started
    wait_for 40 test -s runs/latest/attempt-1/rank-0000.out
    prlimit --pid "$launcher" --fsize=65536:unlimited # as a quota or a broken disk would
    : >go
    wait_for 40 test -e wrote
    wait_for 40 said 'rank-0000.out" from byte 65536: File too large; the run goes on'
    prlimit --pid "$launcher" --fsize=unlimited
    : >again
    ended
    [ "$status" -eq 0 ]
    [ "$(times 'File too large; the run goes on')" -eq 1 ]
    said 'rank 0 stdout: 293 KiB; 229 KiB missing from byte 65536 on: File too large'
    [ "$(run_json '.output.not_whole[0].missing[0] | "\(.from) \(.to) \(.why)"')" = \
        "65536 300006 File too large" ]
    [ "$(stat -c %s "$(rank_file 0 out)")" -eq 300010 ]
    [ "$(tail -c 4 "$(rank_file 0 out)")" = end ]
}

@test "a disk that takes nothing at all: journal, run.json and output, and the status is true" {
    output_job ': >started; while [ ! -e go ]; do sleep 0.1; done; '"$A"'; exit 8'
    # Pipes: the launcher's own limit is no matter to them.
    "$BUILD/aolani-run" job.toml </dev/null > >(cat >out) 2> >(cat >log) 3>&- &
    launcher=$!
    wait_for 40 test -e started
    prlimit --pid "$launcher" --fsize=1:unlimited
    : >go
    ended
    [ "$status" -eq 8 ]
    wait_for 40 said 'build .*run.db' # the last of its words
    said 'exit status 8 after'
    [ "$(times 'the journal is incomplete: .*File too large')" -eq 1 ]
    said 'run.json": File too large'
    said 'rank 0 stdout: 293 KiB; 293 KiB missing from byte 1 on: File too large'
    cmp out <(whole)
}

@test "the reader of stdout goes: the job goes on, its files are whole" {
    output_job "$A; sleep 0.5; $A; exit 5"
    "$BUILD/aolani-run" job.toml </dev/null 2>log | head -1 >first
    status=${PIPESTATUS[0]}
    cat log
    [ "$status" -eq 5 ]
    [ "$(cat first)" = 000000000 ]
    cmp "$(rank_file 0 out)" <(whole; whole)
    [ "$(times 'write standard output: Broken pipe')" -eq 1 ]
    said 'exit status 5 after'
}

@test "both our streams are closed under us" {
    output_job "$A; sleep 0.5; $A >&2; exit 6"
    "$BUILD/aolani-run" job.toml </dev/null 2>&1 | head -1 >first
    [ "${PIPESTATUS[0]}" -eq 6 ]
    cmp "$(rank_file 0 out)" <(whole)
    cmp "$(rank_file 0 err)" <(whole)
    [ "$(run_json .run.exit_status)" -eq 6 ]
}

@test "stdout on a full disk, and no stdout at all" {
    output_job "$A; sleep 0.5; $A; exit 7"
    status=0
    "$BUILD/aolani-run" job.toml </dev/null >/dev/full 2>log || status=$?
    cat log
    [ "$status" -eq 7 ]
    [ "$(times 'write standard output: No space left on device')" -eq 1 ]
    cmp "$(rank_file 0 out)" <(whole; whole)
    status=0
    "$BUILD/aolani-run" job.toml </dev/null >&- 2>log || status=$?
    [ "$status" -eq 7 ]
    cmp "$(rank_file 0 out)" <(whole; whole)
}

@test "the files of a run are its user's alone" {
    umask 0
    output_job 'echo out; echo err >&2' 'output_rotate = "64K"'
    aolani job.toml
    [ "$status" -eq 0 ]
    run find runs/latest/ -type f ! -perm 600
    [ -z "$output" ]
    run find runs/latest/ -type d ! -perm 700
    [ -z "$output" ]
}

@test "runs that start at once have folders of their own, and latest leads to one" {
    output_job 'echo $AOLANI_RUN_ID; exit 4'
    local pids='' p
    for i in 1 2 3 4 5 6; do
        "$BUILD/aolani-run" job.toml </dev/null >"out.$i" 2>"log.$i" 3>&- &
        pids="$pids $!"
    done
    for p in $pids; do
        status=0
        wait "$p" || status=$?
        [ "$status" -eq 4 ]
    done
    [ "$(echo runs/job-* | wc -w)" -eq 6 ]
    [ -s runs/latest/run.json ]
    [ -z "$(find runs -name '*latest-*')" ]
    cat runs/job-*/attempt-1/rank-0000.out | sort | cmp - <(cat out.? | sort)
}

@test "something of another's stands where latest should be" {
    mkdir -p runs/latest/precious
    output_job 'echo here'
    aolani job.toml
    [ "$status" -eq 0 ]
    [ -d runs/latest/precious ]
    [ "$(cat runs/job-*/attempt-1/rank-0000.out)" = here ]
    [ "$(find runs -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
}

@test "the run directory is removed under a run" {
    output_job 'sleep 0.5; rm -rf runs/job-*; '"$A"'; exit 9'
    aolani job.toml
    [ "$status" -eq 9 ]
    [ "$output" = "$(whole)" ]
    grep -q 'exit status 9 after' <<<"$stderr"
}
