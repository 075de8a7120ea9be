#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Nodes that Slurm does not call as the hosts call themselves, by names whose number is not
# their end.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { slurm_up 2 named; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -n "${C-}" ] || return 0
    on head scancel -u rider
    wait_for 60 no_jobs
}

shared=/srv/share/rider
in_share() { on head sh -c "cd $shared && $1" - "${@:2}"; }
wrote() { in_share 'cat runs/latest/attempt-*/rank-*.out' | grep -q -- "$1"; }

@test "all nodes of a job are used, and those that are named" {
    head_job <<'END'
[job]
command = ["sh", "-c", "echo on $(hostname) as $SLURMD_NODENAME"]
mpi = "none"
[nodes]
backend = "slurm"
hosts = ["n[1-2]-x"]
END
    head_run job.toml
    [ "$status" -eq 0 ]
    [ "$(grep '^on ' <<<"$output" | sort | xargs)" = "on n1 as n1-x on n2 as n2-x" ]
}

@test "stop reaches a head in a batch script of the user's own" {
    in_share 'cat >job.toml' <<'END'
[job]
command = ["sh", "-c", "echo ready; while :; do sleep 0.1; done"]
mpi = "none"
END
    id=$(in_share "sbatch --parsable -N2 -o own.out --wrap '$bin/aolani-run job.toml; echo status \$?'")
    wait_for 60 wrote ready
    run on head sh -c "cd $shared && $bin/aolani-run stop $id"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"has ended with exit status 143"* ]]
    wait_for 40 in_share 'grep -q "status 143" own.out'
}
