#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A program that marks no steps and knows nothing of us, but uses NCCL: its steps are known by
# its collectives, and so is the rank that all wait for. Its NCCL is played (tests/e2e/nccl).
# alone: it tells which rank is late from how long collectives take
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I "$root" -o ddp "$root/tests/e2e/nccl/ddp.c" -ldl
}
teardown() { wait_for 10 nothing_left_here; }

# train SOURCE STEPS LATE_RANK LATE_US [ENV]
train()
{
    job <<END
[job]
command = ["$W/ddp", "$2", "$3", "$4"]
ranks_per_node = 2
mpi = "none"
${5:+env = { $5 \}}
[nodes]
backend = "local"
[local]
nodes = 2
[steps]
source = "$1"
END
    LIMIT=120 aolani job.toml
}
medians() { sed -n 's/.*median //p' runs/latest/attempt-1/rank-*.out | sort -n; }

@test "steps are found in the collectives of NCCL, and the rank that is late in them is named" {
    train nccl 500 2 8000
    [ "$status" -eq 0 ]
    grep -q "libnccl-profiler-aolani.so: loaded" runs/latest/attempt-1/rank-0000.out
    [ "$(run_json '.run.step_source')" = nccl ]
    [[ $stderr == *"steps: from NCCL's collectives (each AllReduce of 4 bytes or more among 4 ranks, profiler v5)"* ]]
    [ "$(run_json '.steps.culprit_rank')" = 2 ]
    # As long as the program itself has found them, within a tenth.
    run_json '.steps.p50_us' | awk -v m="$(medians | sed -n 2p)" \
        '{ print "p50", $1, "the program:", m; exit !($1 > m * 0.9 && $1 < m * 1.1) }'
    # The rows of the ledger are the time of the run.
    [ "$(run_json '([.ledger.rows[]] | add) == .run.wall_ms * 1000')" = true ]
    # What is lost is what the others waited, of all steps and not of the deep ones alone.
    run_json '100 * .steps.loss_sum_us / .steps.t_sum_us' |
        awk '{ print "lost", $1, "%"; exit !($1 > 10 && $1 < 45) }'
}

@test "where all ranks are alike none is named, and the user's profiler stays where it is" {
    train nccl 300 -1 0
    [ "$status" -eq 0 ]
    [ "$(run_json '.run.step_source')" = nccl ]
    [ "$(run_json '.steps.culprit_rank')" = null ]
    train nccl 10 -1 0 'NCCL_PROFILER_PLUGIN = "/opt/theirs.so"'
    [ "$status" -eq 0 ]
    grep -q '^profiler /opt/theirs.so: not there' runs/latest/attempt-1/rank-0000.out
    [[ $stderr == *'NCCL_PROFILER_PLUGIN is "/opt/theirs.so" and stays so'* ]]
    train nccl 10 -1 0 'NCCL_PROFILER_PLUGIN = "/opt/theirs.so", AOLANI_NCCL_CHAIN = "1"'
    [ "$status" -eq 0 ]
    grep -q 'libnccl-profiler-aolani.so: loaded' runs/latest/attempt-1/rank-0000.out
}

@test "a program without NCCL has no steps of it, and that is said" {
    job <<END
[job]
command = ["true"]
mpi = "none"
[nodes]
backend = "local"
[steps]
source = "nccl"
END
    aolani job.toml
    [ "$status" -eq 0 ]
    [[ $stderr == *'steps.source is "nccl", and no profiler was loaded by NCCL'* ]]
}
