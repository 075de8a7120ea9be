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
    gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I "$root" -rdynamic -o ddp "$root/tests/e2e/nccl/ddp.c" -ldl
}
teardown() { wait_for 30 nothing_left_here; }

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
    # What a rank waited is known in deep steps, and unknown, not 0, in the others.
    command -v sqlite3 >/dev/null || skip "sqlite3 is absent: run.db was not looked at"
    query="SELECT count(*) > 0, count(wait_us) = count(*), count(wait_us), count(busy_us)"
    deep=$(sqlite3 runs/latest/run.db "$query FROM step WHERE flags & 8")
    others=$(sqlite3 runs/latest/run.db "$query FROM step WHERE flags & 2")
    echo "deep: $deep others: $others"
    [[ $deep == "1|1|"* && $others == "1|0|0|0" ]]
}

@test "an NCCL that times would slow is not asked for them, and the user can switch them off" {
    train nccl 100 -1 0 'PLAYED_NCCL = "23102"'
    [ "$status" -eq 0 ]
    [[ $stderr == *"among 4 ranks, profiler v5; no times of collectives: NCCL 2.31.2 is slowed by them)"* ]]
    # Steps 33 and 34 would have been deep.
    [ "$(sqlite3 runs/latest/run.db 'SELECT count(*) FROM step WHERE flags & 8')" -eq 0 ] || false
    train nccl 100 -1 0 'AOLANI_NCCL_DEPTH = "calls"'
    [[ $stderr == *"no times of collectives: AOLANI_NCCL_DEPTH asks for none)"* ]]
}

@test "collectives in CUDA graphs are no steps, and that is said" {
    train nccl 60 -1 0 'PLAYED_GRAPH = "1"'
    [ "$status" -eq 0 ]
    [[ $stderr == *"NCCL's collectives are in CUDA graphs, whose launches it does not tell of"* ]]
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

@test "where nodes have different NCCLs it is said which profiler each has loaded" {
    train nccl 500 2 8000 'PLAYED_MIX = "1"'
    [ "$status" -eq 0 ]
    # Perhaps not yet in the first line, but in the last, which the report has.
    [[ $stderr == *"among 4 ranks, profiler v5, v4 on local1)"* ]]
    [ "$(run_json '.run.step_source_words | contains("profiler v5, v4 on local1")')" = true ]
    [ "$(run_json '.steps.culprit_rank')" = 2 ]
}

@test "an NCCL that knows no profilers is named, with the node, once" {
    train nccl 300 -1 0 'PLAYED_BARE = "1"'
    [ "$status" -eq 0 ]
    [ "$(grep -c 'no profiler for this NCCL on local0 and 1 more node: it is older than 2.23, or could not load ours; mark the steps with aolani.py' <<<"$stderr")" -eq 1 ]
    [[ $stderr == *'steps.source is "nccl", and no profiler for this NCCL on local0'* ]]
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
