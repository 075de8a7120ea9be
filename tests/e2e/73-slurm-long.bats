#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Runs that are longer than what Slurm gives them: chains, requeues, lost nodes, limits that
# move. The measure is the loss curve of one training that nobody cut.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

shared=/srv/share/rider

setup_file() { slurm_up 4; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -z "${C-}" ] || [ -n "${WHY_SKIPPED-}" ] || {
        on head sh -c "cd $here 2>/dev/null && tail -n 30 runs/latest/slurm-*.out; scancel -u rider"
        wait_for 60 no_jobs
        on head rm -rf "$here"
    }
}

# Each test has a folder of its own that all hosts see.
here=$shared/$BATS_TEST_NUMBER
in_share() { on head sh -c "mkdir -p $here && cd $here && $1" - "${@:2}"; }
# training ATTEMPTS [LINE]...: a job file of 2 ranks on 2 nodes, see train_for
training()
{
    [ -x "$C/share/bin/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    train_for "$1" $here $bin/trainer-cpu | in_share 'cat >train && chmod +x train'
    printf '%s\n' '[job]' 'name = "train"' "command = [\"$here/train\"]" "${@:2}" |
        in_share 'cat >job.toml'
}
# script [LINE]... <<<TEXT: a job file of 2 ranks that run a shell script
script()
{
    { printf '[job]\nname = "script"\ncommand = ["sh", "-c", """%s"""]\n' "$(cat)"
        printf '%s\n' "$@"; } | in_share 'cat >job.toml'
}
nodes='[nodes]
count = 2
[failure]
grace = "2s"
head_lease = "3s"'
submit() { id=$(in_share "$bin/aolani-run submit -q job.toml"); }
of_run() { on head cat "$here/runs/latest/$1"; }
json() { of_run run.json | jq -r "$1"; }
state() { in_share "$bin/aolani-run status --json" | jq -r '.runs[0].state'; }
state_is() { [ "$(state)" = "$1" ]; }
job_is() { [ "$(on head squeue -h -t all -o %T -j "$1")" = "$2" ]; }
n_losses() { [ "$(on head sh -c "cat $here/loss 2>/dev/null" | wc -l)" -ge "$1" ]; }
has() { on head test -e "$here/$1"; }
# said TEXT: by a head of the run
said() { on head sh -c "cat $here/runs/latest/slurm-*.out" | grep -q -- "$1"; }
# The curve is that of the same training in one go.
same_curve()
{
    local n
    on head cat "$here/loss" >"$BATS_TEST_TMPDIR/loss"
    n=$(losses "$BATS_TEST_TMPDIR/loss" | cut -d' ' -f1 | sort -u | wc -l)
    in_share "printf '%s\n' '[job]' 'command = [\"$bin/trainer-cpu\", \"--steps\", \"$n\", \
\"--loss-file\", \"$here/reference\"]' '[nodes]' 'backend = \"local\"' '[local]' 'nodes = 2' >whole.toml
        exec $bin/aolani-run -q -o whole whole.toml"
    on head cat "$here/reference" >"$BATS_TEST_TMPDIR/reference"
    same_losses "$BATS_TEST_TMPDIR/reference" "$BATS_TEST_TMPDIR/loss" \
        "$(losses "$BATS_TEST_TMPDIR/loss" | wc -l)" 1e-12
}

@test "a job that is requeued goes on in its directory, to the same curve" {
    training 2 "$nodes" '[schedule]' 'requeue = true'
    submit
    wait_for 40 n_losses 25
    on head scontrol requeue "$id"
    wait_for 90 state_is ended
    [ "$(json .run.exit_status)" = 0 ]
    [ "$(json '.history | map(.cause) | join(", ")')" = "Slurm, success" ]
    [[ $(json '.history[0].sentence') == \
        "stopped by Slurm: the job was requeued or preempted; "*"; to be continued" ]]
    # It saved when it was told to end: nothing was computed twice.
    [ "$(json '.ledger.rows["rolled back"]')" = 0 ]
    same_curve
}

@test "a requeue in the pause before a restart is Slurm's, and no stop by the user" {
    script "$nodes" 'max_restarts = 9' '[schedule]' 'requeue = true' \
        <<<"[ -e $here/go ] || exit 3"
    submit
    wait_for 60 said "attempt 5 begins in 8"
    in_share 'touch go'
    on head scontrol requeue "$id"
    wait_for 60 said "to be continued"
    wait_for 120 state_is ended
    [ "$(json .run.exit_status)" = 0 ]
    [ "$(json .run.attempts)" = 5 ]
}

@test "a node that is lost is replaced within the allocation, to the same curve" {
    training 2 '[nodes]' 'count = 2' 'spares = 1' '[failure]' 'max_restarts = 1' 'grace = "2s"' \
        'head_lease = "3s"'
    submit
    wait_for 40 n_losses 25
    lost=$(on head squeue -h -o %N -j "$id")
    [ "$lost" = "n[1-3]" ]
    slurm lose n2
    wait_for 90 state_is ended
    [ "$(json .run.exit_status)" = 0 ]
    [ "$(json '.history | map(.cause) | join(", ")')" = "node lost, success" ]
    said 'attempt 2 begins in 8.0 s, with n3 in place of n2 (restart 1 of 1)' ||
        said 'attempt 2 begins in .* s, with n3 in place of n2 (restart 1 of 1)'
    [ "$(json '[.nodes[].name] | join(" ")')" = "n1 n3" ]
    # What was computed since the last checkpoint is computed again, and counted as that.
    [ "$(json '.ledger.rows["rolled back"] > 0')" = true ]
    same_curve
}

@test "a chain of links, each with its own limit: success ends it" {
    training 3 "time_limit = \"12s\"" "$nodes" '[schedule]' 'chain = 9' 'signal = "5s"'
    submit
    wait_for 120 state_is ended
    [ "$(json .run.exit_status)" = 0 ]
    [ "$(json '.history | map(.cause) | join(" ")')" = "saved saved success" ]
    wait_for 40 no_jobs # the links that were left
    same_curve
}

@test "three links without a new step end the chain, with the reason" {
    [ -x "$C/share/bin/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    # It keeps nothing of what it has done.
    script 'time_limit = "5s"' '[failure]' 'grace = "1s"' '[schedule]' 'chain = 9' \
        <<<"$bin/trainer-cpu --steps 4; sleep 60"
    submit
    wait_for 120 state_is ended
    [ "$(json .run.exit_status)" = 124 ]
    [[ $(json .run.sentence) == *"; 3 attempts in a row have ended no new step: the run ends here" ]]
    [ "$(json '.history | length')" = 4 ]
    wait_for 40 no_jobs
}

@test "scancel is the user's word: the next link of the chain has nothing to do" {
    script 'mpi = "none"' "$nodes" '[schedule]' 'chain = 2' <<<"touch $here/began.\$RANK; exec sleep 60"
    submit
    wait_for 60 has began.0
    wait_for 60 has began.1
    on head scancel "$id"
    wait_for 60 state_is ended
    [[ $(json .run.sentence) == "stopped by Slurm: the job was cancelled; 2 of 2 ranks had to be ended" ]]
    [ "$(json .run.exit_status)" = 143 ]
    wait_for 60 no_jobs
    ! has runs/latest/attempt-2
}

@test "a limit that was moved before the run began is said as it is now" {
    script 'mpi = "none"' "$nodes" <<<"until grep -qs 'time limit:' $here/own.out; do sleep 0.1; done"
    id=$(in_share "sbatch --parsable -N2 -t 10 -o own.out --wrap \
        'scontrol update jobid=\$SLURM_JOB_ID timelimit=5; exec $bin/aolani-run job.toml'")
    wait_for 60 job_is "$id" COMPLETED
    on_head=$(in_share 'cat own.out')
    echo "$on_head"
    [[ $on_head == *"Slurm's time limit: 4 m"*" are left"* ]]
}

@test "a limit that is moved while the run goes on moves what is done before it" {
    script 'mpi = "none"' "$nodes" '[slurm]' 'time = "2"' '[schedule]' 'signal = "USR1@95s"' \
        <<<"trap 'touch $here/saved; exit 0' USR1; touch $here/began; while :; do sleep 0.1; done"
    submit
    wait_for 60 has began
    wait_for 60 said "Slurm's time limit: 1 m" # the launcher has heard of it
    # 25 s after its start the ranks would be asked.
    slurm admin scontrol update jobid="$id" timelimit=60
    wait_for 60 said "Slurm's time limit was moved: 59 m"
    on head scontrol show job "$id" | grep -q RUNNING
    ! has saved
}
