#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A busy loop on one rank's core: the report names that rank.
load ../lib/e2e

setup()
{
    work
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    [ "$(nproc)" -ge 2 ] || skip "one core: every rank would share it with the busy loop"
    export TEST_MARK=$W
    hogs=()
}
teardown()
{
    [ ${#hogs[@]} -eq 0 ] || kill "${hogs[@]}" 2>/dev/null || :
    wait_for 10 nothing_left_here
}

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

@test "with a busy loop on the core of rank 1 the final table names rank 1" {
    job <<END
[job]
command = ["$BUILD/trainer-cpu", "--steps", "200", "--hidden", "128"]
ranks_per_node = 2
[nodes]
backend = "local"
END
    env --default-signal=INT "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    # In MPI_Init hwloc moves the process from core to core: look when training is under way.
    wait_for 20 grep -q '^step 10 ' log
    cores=$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$(rank_process 1)/status")
    echo "rank 1 runs on $cores"
    [[ $cores =~ ^[0-9]+$ ]] || cores=${cores%%[-,]*}
    # Six: one drives what else runs on the machine to the other cores, and evens it out. Each
    # in a session of its own: the kernel shares a core between sessions (autogroup).
    for _ in 1 2 3 4 5 6; do
        setsid taskset -c "$cores" sh -c 'while :; do :; done' 3>&- &
        hogs+=($!)
    done
    wait "$launcher" || status=$?
    cat log
    [ "${status:-0}" -eq 0 ]
    [ "$(run_json '.steps.culprit_rank')" = 1 ]
    grep -qE '^rank 1 on local0 was [0-9.]+ [mu]?s a step slower' log
}
