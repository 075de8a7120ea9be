#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# An MPI program written against mpi.h alone, on four hosts and without mpirun.
load ../lib/e2e

setup_file()
{
    export WHY_SKIPPED=
    [ -x "$plain/tests/e2e/mpi_ring" ] || WHY_SKIPPED="mpicc is absent"
    [ -x "$BUILD/aolani-pmix" ] || WHY_SKIPPED="libpmix is absent"
    [ -n "$WHY_SKIPPED" ] || cluster_up 4
    export BATS_TEST_TIMEOUT=300
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }

@test "ring and all-to-all on 4 hosts x 2 ranks, 20 times in a row" {
    head_job ring <<END
[job]
command = ["$bin/mpi_ring"]
ranks_per_node = 2
time_limit = "30s"
[nodes]
backend = "ssh"
hosts = ["n[1-4]"]
END
    for i in $(seq 20); do
        echo "time $i"
        LIMIT=60 head_run ring.toml
        [ "$status" -eq 0 ]
        [[ $output == *"ring and all-to-all over 8 ranks"* ]]
    done
    wait_for 30 nothing_left
}

@test "MPI_Abort on one rank ends the job with its code" {
    head_job abort <<END
[job]
command = ["$bin/mpi_abort"]
ranks_per_node = 2
time_limit = "30s"
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[failure]
grace = "1s"
END
    LIMIT=60 head_run abort.toml
    [ "$status" -eq 5 ]
    [[ $output == *"rank 3"* ]]
    wait_for 30 nothing_left
}
