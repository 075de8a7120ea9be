#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Inside a job of Slurm's: its nodes are taken, one srun starts the agents, and what Slurm
# gave is what the ranks have.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { slurm_up 4 affinity; }
teardown_file() { cluster_down; }
setup()
{
    maybe_skip
    on head rm -rf $shared/runs
}
teardown()
{
    [ -n "${C-}" ] || return 0
    on head scancel -u rider
    wait_for 60 no_jobs
}

shared=/srv/share/rider
cpus=$(nproc --all)
# share_job NAME <<END: write NAME.toml where all hosts see it
share_job() { on head tee "$shared/$1.toml" >/dev/null; }
in_share() { on head sh -c "cd $shared && $1" - "${@:2}"; }
# inside SALLOC-OPTIONS... -- ARGUMENT...: aolani-run in an allocation; $status, $output
inside()
{
    local options=()
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    run timeout -k 10 80 "$cluster" exec "$C" head sh -c "cd $shared"' && exec salloc -Q "$@"' - \
        "${options[@]}" timeout -k 10 60 $bin/aolani-run "$@" </dev/null
    printf '%s\n' "--- status $status" "$output"
}
share_json() { on head cat $shared/runs/latest/run.json | jq -r "$1"; }
# batch NAME ARGUMENT... -- SBATCH-OPTION...: a script that runs aolani-run ARGUMENT...
batch()
{
    local name=$1 arguments=()
    shift
    while [ "$1" != -- ]; do arguments+=("$1"); shift; done
    shift
    printf '%s\n' '#!/bin/sh' "exec $bin/aolani-run ${arguments[*]}" |
        on head tee "$shared/$name.sh" >/dev/null
    in_share 'name=$1; shift; rm -f "$name.out"; sbatch --parsable -o "$name.out" "$@" "$name.sh"' \
        "$name" "$@"
}
job_says() { [[ $(on head scontrol show job "$1") == *"$2"* ]]; }
job_over() { [[ $(on head squeue -h -t all -o %T -j "$1") =~ ^(COMPLETED|FAILED|CANCELLED)$ ]]; }
no_steps() { ! on head squeue -h -s | grep -v batch; }
# Ranks that wait until they are told, and then save for SECONDS.
waiting_job()
{
    on head rm -f $shared/wait.out $shared/wait.status
    share_job wait <<END
[job]
command = ["sh", "-c", "trap 'sleep $1; echo saved \$RANK; exit 0' TERM; \
echo waits \$RANK; while :; do sleep 0.1; done"]
[failure]
grace = "20s"
END
}
all_wait() { [ "$(on head cat $shared/wait.out 2>/dev/null | grep -c '^waits')" -eq "$1" ]; }

# The report's line may be folded anywhere.
says_status() { on head cat $shared/wait.out | tr '\n' ' ' | grep -q "exit status $1 "; }

@test "sbatch of a job file without hosts: 8 ranks on 4 nodes, within Slurm's CPUs" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    share_job train <<END
[job]
command = ["$bin/trainer-cpu", "--steps", "20", "--loss-file", "$shared/loss"]
END
    id=$(batch train train.toml -- -N4 --ntasks-per-node=2)
    wait_for 60 job_over "$id"
    on head cat $shared/train.out
    job_says "$id" ExitCode=0:0
    [ "$(share_json '.ranks | length')" = 8 ]
    [ "$(share_json '.nodes | map(.name) | join(" ")')" = "n1 n2 n3 n4" ]
    # The head is on n1, and fills the cache of its own home first.
    [ "$(share_json '[.nodes[].copied] | map(tostring) | join(" ")')" = "false true true true" ]
    [ "$(share_json '.nodes | map(.teardown) | unique | join(" ")')" = clean ]
    wait_for 60 nothing_left
}

@test "the CPUs of the ranks are among those of the job, also with half of a node" {
    [ "$cpus" -ge 2 ] || skip "the machine has one CPU"
    share_job cpus <<'END'
[job]
command = ["sh", "-c", "echo rank $RANK $(sed -n s/^Cpus_allowed_list:.//p /proc/self/status)"]
END
    # Another job holds the first CPU of each node.
    on head sbatch -Q -N4 --ntasks-per-node=1 -o /dev/null --wrap 'sleep 60'
    wait_for 40 sh -c "'$cluster' exec '$C' head squeue -h -t R -o %i | grep -q ."
    inside -N4 --ntasks-per-node=1 -- cpus.toml
    [ "$status" -eq 0 ]
    [ "$(grep -c '^rank [0-3] 1$' <<<"$output")" = 4 ]
}

@test "an MPI program finds its ranks through our PMIx, not through Slurm's" {
    [ -x "$C/share/bin/mpi_ring" ] || skip "mpicc is absent"
    share_job ring <<END
[job]
command = ["$bin/mpi_ring"]
END
    inside -N4 -n8 --ntasks-per-node=2 -- ring.toml
    [ "$status" -eq 0 ]
    [[ $output == *"ring and all-to-all over 8 ranks"* ]]
}

@test "ranks see the job, but not the layout of the agents' step" {
    share_job env <<'END'
[job]
command = ["sh", "-c", "test $RANK != 1 || env | sort"]
END
    inside -N2 --ntasks-per-node=1 --cpus-per-task="$cpus" --gres=gpu:1 -- env.toml
    [ "$status" -eq 0 ]
    [[ $output == *SLURM_JOB_ID=* && $output == *SLURM_JOB_NUM_NODES=2* ]]
    [[ $output == *"SLURM_CPUS_PER_TASK=$cpus"* && $output == *SLURMD_NODENAME=n2* ]]
    [[ $output == *CUDA_VISIBLE_DEVICES=0* ]]
    run ! grep -E '^SLURM_(PROCID|LOCALID|NODEID|NTASKS|NPROCS|STEP|TASKS_PER|SRUN|PMI|MPI)' \
        <<<"$output"
    run ! grep -E '^(PMI_|PMI2_|SRUN_)' <<<"$output"
}

@test "the exit status of the rank that failed first is that of the batch script" {
    share_job seven <<'END'
[job]
command = ["sh", "-c", "test $RANK != 2 || exit 7; sleep 60"]
END
    id=$(batch seven seven.toml -- -N4)
    wait_for 40 job_over "$id"
    on head cat $shared/seven.out
    job_says "$id" ExitCode=7:0
    [[ $(on head cat $shared/seven.out) == *"rank 2 on n3 failed first: exit 7"* ]]
    wait_for 60 nothing_left
}

@test "some of the nodes: a count, names, and what the allocation does not have" {
    share_job some <<'END'
[job]
command = ["sh", "-c", "echo on $(hostname)"]
END
    inside -N4 -- some.toml -N 2
    [ "$(grep -c '^on n[12]$' <<<"$output")" = 2 ]
    inside -N4 -- some.toml --set nodes.backend=slurm -H 'n[2,4]'
    [ "$(grep '^on ' <<<"$output" | sort | xargs)" = "on n2 on n4" ]
    on head rm -rf $shared/runs
    inside -N2 -- some.toml --set nodes.backend=slurm -H 'n[2-3]'
    [ "$status" -eq 2 ]
    [[ $output == *'host "n3" is no node of Slurm'* ]]
    inside -N2 -- some.toml -N 3
    [ "$status" -eq 2 ]
    [[ $output == *"asks for 3 nodes, Slurm's allocation has 2"* ]]
    inside -N2 --ntasks-per-node=1 -- some.toml --set job.ranks_per_node=2
    [ "$status" -eq 2 ]
    [[ $output == *'2 ranks on a node, but has 1 CPU on "n1"'* ]]
    run ! on head test -e $shared/runs # nothing was begun
}

@test "one srun serves nodes that have the agent and nodes that lack it" {
    share_job some <<'END'
[job]
command = ["true"]
END
    inside -N4 -- some.toml
    on n2 rm -rf .cache/aolani
    on n4 rm -rf .cache/aolani
    inside -N4 -- some.toml
    [ "$status" -eq 0 ]
    [ "$(share_json '[.nodes[].copied] | map(tostring) | join(" ")')" = "false true false true" ]
    inside -N4 -- some.toml
    [ "$(share_json '[.nodes[].copied] | any')" = false ]
}

@test "homes that nodes share are filled once, by the head" {
    share_job some <<'END'
[job]
command = ["true"]
END
    run in_share 'rm -rf cache; export AOLANI_CACHE=$PWD/cache
        exec salloc -Q -N4 '$bin'/aolani-run -v some.toml 2>&1'
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output != *"copying the agent"* ]]
    [ "$(share_json '[.nodes[].copied] | any')" = false ]
    on head rm -rf $shared/cache
}

@test "a spare of the allocation takes the place of a node whose slurmd is dead" {
    share_job some <<'END'
[job]
command = ["sh", "-c", "echo on $(hostname)"]
[nodes]
count = 3
spares = 1
END
    slurm slurmd n2 kill
    inside -N4 -- some.toml
    slurm slurmd n2 start
    [ "$status" -eq 0 ]
    [ "$(grep '^on ' <<<"$output" | sort | xargs)" = "on n1 on n3 on n4" ]
    [[ $output == *"n2: "*"n4 takes its place"* ]]
    slurm wait
}

@test "without a spare the node and the reason are named" {
    share_job some <<'END'
[job]
command = ["true"]
END
    slurm slurmd n2 kill
    inside -N4 -- some.toml
    slurm slurmd n2 start
    [ "$status" -eq 80 ]
    [[ $output == *"agents could not start: n2: its slurmd does not start a task"* ]]
    wait_for 60 nothing_left
    slurm wait
}

@test "munge that does not answer is named" {
    share_job some <<'END'
[job]
command = ["true"]
END
    on head sh -c "cd $shared; nohup salloc -Q -N2 sh -c 'touch granted; until test -e go; do \
sleep 0.1; done; $bin/aolani-run some.toml >munge.out 2>&1; echo \$? >munge.status' \
</dev/null >/dev/null 2>&1 &"
    wait_for 40 on head test -e $shared/granted
    slurm munge head stop
    on head touch $shared/go
    wait_for 60 on head test -s $shared/munge.status
    slurm munge head start
    on head cat $shared/munge.out
    [ "$(on head cat $shared/munge.status)" = 80 ]
    [[ $(on head cat $shared/munge.out) == *"munge does not answer"* ]]
}

@test "an agent that is killed is noticed at once, and its node is cleaned up" {
    waiting_job 0
    id=$(batch wait wait.toml -- -N4)
    wait_for 60 all_wait 4
    # The keeper and the agent, as if the memory had run out.
    on n3 pkill -KILL -x 'aolani-(agent|keeper)'
    wait_for 60 job_over "$id"
    on head cat $shared/wait.out
    job_says "$id" ExitCode=81:0
    [[ $(on head cat $shared/wait.out) == *'node "n3" was lost'* ]]
    wait_for 60 nothing_left
}

@test "scancel: ranks save with their grace, and the end is clean" {
    waiting_job 1
    id=$(batch wait wait.toml -- -N4)
    wait_for 60 all_wait 4
    on head scancel "$id"
    wait_for 60 job_over "$id"
    on head cat $shared/wait.out
    wait_for 40 says_status 143
    [ "$(on head grep -c '^saved' $shared/wait.out)" = 4 ]
    [ "$(share_json '.nodes | map(.teardown) | unique | join(" ")')" = clean ]
    wait_for 60 nothing_left
}

@test "SIGTERM to the step alone, as preemption sends it, ends the job, not a node" {
    waiting_job 1
    id=$(batch wait wait.toml -- -N4)
    wait_for 60 all_wait 4
    on head scancel --signal=TERM "$id"
    wait_for 60 job_over "$id"
    on head cat $shared/wait.out
    job_says "$id" ExitCode=143:0
    [[ $(on head cat $shared/wait.out) == *"Slurm ends the job"* ]]
    [ "$(on head grep -c '^saved' $shared/wait.out)" = 4 ]
    wait_for 60 nothing_left
}

@test "SIGINT to aolani-run stops the ranks and leaves no step" {
    waiting_job 0
    in_share 'nohup env --default-signal=INT salloc -Q -N4 '$bin'/aolani-run wait.toml \
        </dev/null >wait.out 2>&1; echo $? >wait.status' >/dev/null 2>&1 3>&- &
    wait_for 60 all_wait 4
    head_signal INT
    wait_for 60 on head test -s $shared/wait.status
    on head cat $shared/wait.out
    [ "$(on head cat $shared/wait.status)" = 130 ]
    [ "$(on head grep -c '^saved' $shared/wait.out)" = 4 ]
    wait_for 40 no_steps
    wait_for 60 nothing_left
}

@test "a head that is killed leaves nothing after its lease" {
    waiting_job 0
    on head sh -c "printf 'head_lease = \"3s\"\n' >>$shared/wait.toml"
    in_share 'nohup salloc -Q -N4 '$bin'/aolani-run wait.toml \
        </dev/null >wait.out 2>&1' >/dev/null 2>&1 3>&- &
    wait_for 60 all_wait 4
    head_signal KILL
    wait_for 60 nothing_left
    wait_for 40 no_steps
}

@test "check, plan and audit see the nodes of the allocation" {
    share_job some <<'END'
[job]
command = ["true"]
END
    inside -w 'n[1-3]' -- check some.toml
    [ "$status" -eq 0 ]
    [[ $output == *'n[1-3]'* ]]
    inside -w 'n[1-3]' -- plan some.toml --json
    [ "$status" -eq 0 ]
    inside -w 'n[1-3]' -- audit some.toml --json
    [[ $output == *'"n3"'* ]]
}
