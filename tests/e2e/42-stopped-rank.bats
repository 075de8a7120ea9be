#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A signal stops one rank for some milliseconds, again and again: the steps say so.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

setup()
{
    work
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    command -v sqlite3 >/dev/null || skip "sqlite3 is absent"
    export TEST_MARK=$W
}
teardown() { wait_for 30 nothing_left_here; }

# The process of a rank of this test's job.
rank_process()
{
    local p
    for p in $(pgrep -x trainer-cpu); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null >environ || continue
        grep -qx "TEST_MARK=$W" environ && grep -qx "RANK=$1" environ && echo "$p" && return
    done
    return 1
}
more_lines() { [ "$(wc -l <log)" -gt "$((before + 1))" ]; }
query() { sqlite3 runs/latest/run.db "$1"; }

@test "steps in which a signal stopped rank 1 are flagged, and no step of rank 0" {
    job <<END
[job]
command = ["$BUILD/trainer-cpu", "--steps", "1000000", "--hidden", "64", "--log-every", "10"]
ranks_per_node = 2
[nodes]
backend = "local"
END
    env --default-signal=INT "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 30 grep -q '^step 10 ' log
    rank=$(rank_process 1)
    # Steps end in between, however long one takes today.
    for _ in {1..20}; do
        kill -STOP "$rank"
        sleep 0.005
        kill -CONT "$rank"
        before=$(wc -l <log)
        wait_for 40 more_lines
    done
    kill -TERM "$(rank_process 0)" # the trainer: all ranks end well
    wait "$launcher" || status=$?
    tail -20 log
    [ "${status:-0}" -eq 0 ]
    query 'SELECT rank, flags, count(*), min(wall_us), avg(blocked_us) FROM step GROUP BY 1, 2'
    # Each of 20 stops lies in a step of its own, unless the machine made us wait that long.
    n=$(query 'SELECT count(*) FROM step WHERE rank = 1 AND flags & 32')
    [[ $n -ge 15 && $n -le 30 ]]
    [ "$(query 'SELECT count(*) FROM step WHERE rank = 0 AND flags & 32')" = 0 ]
    # What the kernel tells the rank itself: it slept.
    slept=$(query 'SELECT sum(blocked_us + wait_us) FROM step WHERE rank = 1 AND flags & 32')
    [ "$slept" -ge $((n * 2500)) ]
}
