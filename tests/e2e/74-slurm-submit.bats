#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Runs that are handed to Slurm: submitted, looked at, read, stopped, cut off and gone on with.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

shared=/srv/share/rider

setup_file()
{
    slurm_up 4
    [ -z "${WHY_SKIPPED-}" ] || return 0
    cp "$root"/scripts/aolani-sbatch "$root"/scripts/systemd/aolani-job "$C/share/bin/"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -z "${C-}" ] || [ -n "${WHY_SKIPPED-}" ] || {
        controller CONT
        on head sh -c 'scancel -u rider; rm -rf '$shared'/"$1"' - "$BATS_TEST_NUMBER"
    }
}

# Each test has a folder of its own that all hosts see.
here=$shared/$BATS_TEST_NUMBER
# in_share SCRIPT ARGUMENT...: on the head, there
in_share() { on head sh -c "mkdir -p $here && cd $here && PATH=$bin:\$PATH && $1" - "${@:2}"; }
# job_file [NAME] <<END
job_file() { in_share "cat >${1:-job}.toml"; }
# on_run ARGUMENT...: aolani-run there; $status, $output, $stderr
on_run()
{
    run --separate-stderr timeout -k 10 "${LIMIT:-60}" "$cluster" exec "$C" "${HOST:-head}" \
        sh -c "cd $here && exec $bin/aolani-run \"\$@\"" - "$@" </dev/null
    printf '%s\n' "--- aolani-run $* ($status)" "$output" "--- stderr" "$stderr"
}
# $id of its first job
submit()
{
    on_run submit job.toml -q
    [ "$status" -eq 0 ]
    id=$output
}
of_run() { on head cat "$here/runs/latest/$1"; }
state() { on head sh -c "cd $here; $bin/aolani-run status --json" | jq -r '.runs[0].state'; }
state_is() { [ "$(state)" = "$1" ]; }
# How Slurm says that a job's script ended: job_exit ID
job_exit() { on head scontrol show job "$1" | sed -n 's/.*ExitCode=\([0-9]*\):.*/\1/p'; }
job_is() { [ "$(on head squeue -h -t all -o %T -j "$1")" = "$2" ]; }
controller() { "$cluster" exec -u root "$C" head pkill "-$1" -x slurmctld; }
# wrote TEXT: some rank of some attempt did
wrote() { in_share 'cat runs/latest/attempt-*/rank-*.out' | grep -q -- "$1"; }

@test "submit, status, logs: a run of eight ranks on four nodes, without a terminal" {
    job_file <<END
[job]
command = ["sh", "-c", "echo first \$RANK; echo wrong \$RANK >&2; while [ ! -e $here/go ]; do sleep 0.1; done; echo last \$RANK"]
ranks_per_node = 2
[nodes]
count = 4
END
    on_run submit job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"submitted as job "* && $output == *"run directory: $here/runs/job-"* ]]
    [[ $output == *"aolani-run logs -f $here/runs/job-"* ]]
    wait_for 60 state_is running
    wait_for 60 wrote "first 7"
    on_run status
    [ "$status" -eq 0 ]
    [[ $output == *": running"* && $output == *"8 ranks on 4 nodes: n[1-4]"* ]]
    [[ $output == *"RUNNING on n[1-4]"* ]]
    on_run logs --rank 5
    [[ $output == "first 5" && $stderr == "wrong 5" ]]
    on_run logs --ranks 0-1 --out
    [ "$(sort <<<"$output")" = "$(printf '%s\n' "n1:0: first 0" "n1:1: first 1")" ]
    # Whoever follows sees the end, from any host.
    id=$(of_run slurm)
    HOST=n3 LIMIT=60 on_run logs -f "$id" >"$BATS_TEST_TMPDIR/followed" &
    follower=$!
    in_share 'touch go'
    wait $follower
    [ "$(grep -c 'n[1-4]:[0-7]: last [0-7]' "$BATS_TEST_TMPDIR/followed")" -eq 8 ]
    wait_for 40 state_is ended
    on_run status "$id"
    [ "$status" -eq 0 ]
    [[ $output == *"ended with exit status 0"*"all 8 ranks ended"* ]]
    on_run logs -n 1 --rank 2 --out
    [ "$output" = "last 2" ]
    on_run logs --launcher
    [[ $output == *"all 8 ranks ended with status 0"* ]]
    on_run status --over "$here/runs"
    [ "$status" -eq 0 ]
    wait_for 40 no_jobs
}

@test "submit --print shows the script that would be submitted, and makes nothing" {
    job_file <<'END'
[job]
command = ["true"]
[nodes]
count = 2
[slurm]
partition = "low"
time = "90m"
extra = ['--comment=a#b "c', "--mem", "100"]
[schedule]
requeue = true
END
    on_run submit job.toml --print -- more
    [ "$status" -eq 0 ]
    for line in '#SBATCH --nodes=2' '#SBATCH --partition=low' '#SBATCH --time=0-01:30:00' \
        '#SBATCH --comment="a#b \"c"' '#SBATCH --mem 100' '#SBATCH --requeue' "run='$here/runs/job-TIME-ID'"; do
        grep -qxF -- "$line" <<<"$output" || { echo "no $line"; return 1; }
    done
    ! command -v shellcheck >/dev/null || shellcheck - <<<"$output"
    run ! in_share 'test -e runs'
    no_jobs
    # Slurm reads it as we do.
    on_run submit job.toml --prepare
    [ "$status" -eq 0 ]
    id=$(on head sbatch --parsable -H "$output/batch.sh")
    run on head scontrol show job "$id"
    [[ $output == *Partition=low* && $output == *"TimeLimit=01:30:00"* && $output == *Requeue=1* ]]
    [[ $output == *"NumNodes=2"* && $output == *'Comment=a#b "c'* ]]
}

@test "a folder with blanks and signs, and the exit status of the batch script is ours" {
    job_file <<'END'
[job]
command = ["sh", "-c", "exit 7"]
output = "my %j 'runs' #1"
END
    submit
    wait_for 60 job_is "$id" FAILED
    [ "$(job_exit "$id")" = 7 ]
    on_run status "$here/my %j 'runs' #1"
    [ "$status" -eq 1 ]
    [[ $output == *"ended with exit status 7"* ]]
    in_share 'test -s "my %j '"'runs'"' #1/latest/slurm-$1.out"' "$id"
}

@test "a submission that Slurm refuses leaves nothing behind" {
    job_file <<'END'
[job]
command = ["true"]
[schedule]
chain = 3
END
    submit
    first=$(in_share 'readlink runs/latest')
    on_run submit job.toml --set slurm.partition=nowhere
    [ "$status" -eq 1 ]
    [[ $stderr == *"link 1 of 3"*"nvalid partition"* ]]
    [ "$(in_share 'ls runs | wc -l')" = 2 ]
    [ "$(in_share 'readlink runs/latest')" = "$first" ]
    on_run submit nosuch.toml
    [ "$status" -eq 2 ]
    on_run submit job.toml --backend local
    [ "$status" -eq 2 ]
    [[ $stderr == *"submit hands a job to Slurm"* ]]
    wait_for 60 no_jobs
}

@test "Ctrl-C while a long chain is submitted leaves no job in the queue" {
    job_file <<'END'
[job]
command = ["true"]
[schedule]
chain = 300
begin = "1h"
END
    in_share '{ env --default-signal=INT aolani-run submit job.toml >log 2>&1 & echo $! >pid; wait $!; echo $? >status; } &'
    wait_for 40 in_share 'test "$(wc -l <runs/latest/slurm)" -ge 3'
    in_share 'kill -INT $(cat pid)'
    wait_for 40 in_share 'test -s status'
    [ "$(in_share 'cat status')" = 130 ]
    [[ $(in_share 'cat log') == *"directory is kept"*"interrupted"*"jobs before it are cancelled"* ]]
    no_jobs
}

@test "a controller that answers too late: the job that it has taken has its run" {
    job_file <<'END'
[job]
command = ["true"]
END
    controller STOP
    on_run submit job.toml
    controller CONT
    [ "$status" -eq 1 ]
    [[ $stderr == *"timed out"*"Slurm may have taken the job all the same"* ]]
    [[ $stderr == *"the run directory is kept: $here/runs/job-"* ]]
    wait_for 60 state_is ended
    on_run status
    [ "$status" -eq 0 ]
}

@test "what the user has told Slurm's commands for good does not spoil a chain" {
    job_file <<'END'
[job]
command = ["true"]
[slurm]
partition = "low"
[schedule]
chain = 2
END
    id=$(in_share 'export SCANCEL_INTERACTIVE=true SBATCH_PARTITION=high SBATCH_ARRAY_INX=1-2 SBATCH_WAIT=1
        exec env --ignore-signal=CHLD aolani-run submit -q job.toml')
    [[ $(on head scontrol show job "$id") == *Partition=low* ]]
    wait_for 40 state_is ended
    wait_for 40 no_jobs # nobody is asked whether the other link is to be cancelled
    of_run "slurm-$id.out" >"$BATS_TEST_TMPDIR/said"
    run ! grep -F "[y/n]" "$BATS_TEST_TMPDIR/said"
}

@test "what cannot be right is said before anything is submitted" {
    job_file <<'END'
[job]
command = ["no-such-program"]
output = "/tmp/rider-runs"
END
    on_run submit job.toml --print
    [ "$status" -eq 0 ]
    [[ $stderr == *'no program "no-such-program"'* ]]
    [[ $stderr == *'"/tmp/rider-runs" is most likely not seen by the nodes'* ]]
    on_run submit job.toml -o /proc/runs
    [ "$status" -eq 2 ]
    no_jobs
}

@test "stop: a run that waits is cancelled, and never begins" {
    job_file <<'END'
[job]
command = ["true"]
[schedule]
begin = "1h"
chain = 2
END
    submit
    wait_for 40 state_is queued
    on_run status "$id"
    [ "$status" -eq 0 ]
    [[ $output == *": queued"*"job $id"*"waits"*"then       job $((id + 1))"* ]]
    on_run logs
    [ "$status" -eq 2 ]
    [[ $stderr == *"has not begun"* ]]
    on_run stop "$id"
    [ "$status" -eq 0 ]
    wait_for 40 no_jobs
    state_is ended
    on_run status
    [ "$status" -eq 1 ]
    on_run resume runs/latest
    [ "$status" -eq 143 ]
}

@test "stop: ranks of a running job have their grace, later links are cancelled" {
    job_file <<END
[job]
command = ["sh", "-c", "trap 'sleep 1; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"]
[nodes]
count = 2
[schedule]
chain = 3
END
    submit
    wait_for 60 wrote ready
    HOST=n4 on_run stop "$here/runs"
    [ "$status" -eq 0 ]
    [[ $stderr == *"stopping the run; waiting for process"*"in Slurm job $id"* ]]
    [[ $stderr == *"the run has ended with exit status 143"* ]]
    [ "$(in_share 'cat runs/latest/attempt-1/rank-*.out' | grep -c saved)" = 2 ]
    wait_for 40 no_jobs
    on_run stop "$id"
    [ "$status" -eq 0 ]
    [[ $stderr == *"the run had ended"* ]]
}

@test "stop --now: a program that ignores SIGTERM is killed" {
    job_file <<'END'
[job]
command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
END
    submit
    wait_for 60 wrote ready
    on_run stop --now "$id"
    [ "$status" -eq 0 ]
    wait_for 40 no_jobs
    wait_for 40 state_is ended
}

@test "a head that is killed is resumed by the batch script" {
    job_file <<END
[job]
command = ["sh", "-c", "echo attempt \$TORCHELASTIC_RESTART_COUNT; [ -e $here/go ] && exit 0; echo ready; while :; do sleep 0.1; done"]
END
    submit
    wait_for 60 wrote ready
    in_share 'touch go'
    on n1 pkill -KILL -x aolani-run
    wait_for 60 state_is ended
    of_run "slurm-$id.out" | grep -q 'the head was killed (exit status 137); resuming in 5 s'
    on_run status
    [ "$status" -eq 0 ]
    [[ $output == *"ended with exit status 0"* ]]
    wait_for 40 job_is "$id" COMPLETED
}

@test "a chain: each link goes on where the one before ended, and 93 ends it" {
    job_file <<END
[job]
command = ["sh", "-c", "n=\$(ls -d $here/runs/latest/attempt-* | wc -l); echo part \$n; [ \$n -ge 2 ] && exit 93; echo ready; while :; do sleep 0.1; done"]
[schedule]
chain = 3
END
    submit
    wait_for 60 wrote ready
    # The batch script and all in it are gone at once.
    "$cluster" exec -u root "$C" n1 pkill -KILL -u rider
    wait_for 60 state_is ended
    on_run status
    [ "$status" -eq 1 ]
    [[ $output == *"ended with exit status 93"* ]]
    wait_for 40 no_jobs
    wrote "part 2"
    run ! wrote "part 3"
    [ "$(job_exit $((id + 1)))" = 93 ]
    # One more by hand has nothing to do, and says so.
    more=$(on head sbatch --parsable "$here/runs/latest/batch.sh")
    wait_for 40 job_is "$more" COMPLETED
    of_run "slurm-$more.out" | grep -q "nothing is left to do"
    of_run slurm | grep -qx "$more"
}

@test "a job that is to be continued asks to be requeued, and goes on with its run" {
    job_file <<END
[job]
command = ["sh", "-c", "echo ready; [ -e $here/go ] && exit 0; while :; do sleep 0.1; done"]
time_limit = "4s"
[schedule]
requeue = true
END
    submit
    wait_for 60 state_is "between jobs"
    in_share 'touch go'
    of_run "slurm-$id.out" | grep -q "this job asks to be requeued"
    # Slurm begins it two minutes later; that is not what is to be seen here. In the second in
    # which its last part ended its new credential would be taken for the old one.
    sleep 1.1
    wait_for 40 on head scontrol update "JobId=$id" StartTime=now
    wait_for 40 state_is ended
    on_run status
    [ "$status" -eq 0 ]
    [ "$(in_share 'ls -d runs/job-*/attempt-* | wc -l')" = 2 ]
    wait_for 40 job_is "$id" COMPLETED
}

@test "stop on another machine than that of a head outside Slurm says where to do it" {
    job_file <<END
[job]
command = ["sh", "-c", "echo ready; while :; do sleep 0.1; done"]
END
    in_share "{ aolani-run job.toml >log 2>&1 & }"
    wait_for 60 wrote ready
    on_run status
    [ "$status" -eq 0 ]
    [[ $output == *": running"*"process "*" on head"* ]]
    HOST=n1 on_run status
    [[ $output == *" on head"* ]]
    HOST=n1 on_run stop runs
    [ "$status" -eq 2 ]
    [[ $stderr == *"cannot be told from here"*"aolani-run stop on head"* ]]
    on_run stop runs
    [ "$status" -eq 0 ]
    [[ $stderr == *"the run has ended with exit status 143"* ]]
    on_run status --over
    [ "$status" -eq 0 ]
}

@test "stop reaches a head in a batch script of the user's own" {
    job_file <<END
[job]
command = ["sh", "-c", "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"]
END
    id=$(in_share 'sbatch --parsable -N2 -o own.out --wrap "aolani-run job.toml; echo status \$?"')
    wait_for 60 wrote ready
    on_run stop "$id"
    [ "$status" -eq 0 ]
    [[ $stderr == *"has ended with exit status 143"* ]]
    wrote saved
    wait_for 40 job_is "$id" COMPLETED
    [[ $(in_share 'cat own.out') == *"status 143"* ]]
}

@test "stop reaches a head in another job than the one that it is asked from" {
    job_file <<END
[job]
command = ["sh", "-c", "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"]
END
    id=$(in_share 'sbatch --parsable -w "n[1-2]" -N2 -o own.out --wrap "aolani-run job.toml"')
    wait_for 60 wrote ready
    in_share 'salloc -w n3 -N1 --ntasks-per-node=2 --gpus=2 aolani-run stop "$1" </dev/null' "$id"
    wrote saved
    wait_for 40 job_is "$id" FAILED
}

@test "a job that goes to a cluster that is not asked is refused" {
    job_file <<'END'
[job]
command = ["true"]
END
    in_share 'mkdir fake
        printf "#!/bin/sh\necho \"12;big\"\n" >fake/sbatch
        printf "#!/bin/sh\necho \"\$@\" >>scancelled\n" >fake/scancel
        chmod +x fake/*'
    run in_share 'SBATCH_CLUSTERS=big PATH=$PWD/fake:$PATH aolani-run submit job.toml'
    [ "$status" -ne 0 ]
    [[ $output == *'job 12 went to cluster "big"'*"it is cancelled again"*"SLURM_CLUSTERS=big"* ]]
    [ "$(in_share 'cat scancelled')" = "--quiet -M big 12" ]
    run in_share 'SLURM_CLUSTERS=big PATH=$PWD/fake:$PATH aolani-run submit -q job.toml'
    [ "$status" -eq 0 ]
    [ "$output" = 12 ]
}

@test "a program that is not on the node is named in the job's output" {
    job_file <<'END'
[job]
command = ["true"]
END
    on_run submit job.toml --prepare
    in_share 'sed -i "s#^aolani=.*#aolani=/no/such/aolani-run#" runs/latest/batch.sh'
    id=$(on head sbatch --parsable "$here/runs/latest/batch.sh")
    wait_for 40 job_is "$id" FAILED
    [ "$(job_exit "$id")" = 127 ]
    of_run "slurm-$id.out" | grep -q 'there is no program "/no/such/aolani-run" on n1'
    state_is "cut off"
    on_run status
    [ "$status" -eq 3 ]
}

@test "sbatch of the wrapper trains on 8 ranks of 4 nodes to the end, its exit status is ours" {
    [ -x "$C/share/bin/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    job_file <<END
[job]
command = ["$bin/trainer-cpu", "--steps", "20", "--loss-file", "$here/loss"]
ranks_per_node = 2
END
    id=$(in_share 'sbatch --parsable -N4 --ntasks-per-node=2 -o w.out $(command -v aolani-sbatch) job.toml')
    wait_for 60 job_is "$id" COMPLETED
    on head cat $here/w.out
    on_run status "$id"
    [ "$status" -eq 0 ]
    [[ $output == *"8 ranks on 4 nodes: n[1-4]"* ]]
    [ "$(in_share 'wc -l <loss')" -ge 20 ]
    job_file fails <<'END'
[job]
command = ["sh", "-c", "exit 9"]
END
    id=$(in_share 'sbatch --parsable -o w.out $(command -v aolani-sbatch) fails.toml')
    wait_for 60 job_is "$id" FAILED
    [ "$(job_exit "$id")" = 9 ]
    id=$(in_share 'sbatch --parsable -o w.out $(command -v aolani-sbatch)')
    wait_for 60 job_is "$id" FAILED
    [ "$(job_exit "$id")" = 2 ]
}

@test "sbatch of the wrapper with runs where no program may be started" {
    job_file <<'END'
[job]
command = ["sh", "-c", "exit 9"]
END
    in_share 'mkdir runs'
    for what in --bind "-o remount,bind,noexec"; do
        # shellcheck disable=SC2086
        "$cluster" exec -u root "$C" n1 mount $what "$here/runs" "$here/runs"
    done
    id=$(in_share 'sbatch --parsable -w n1 -o w.out $(command -v aolani-sbatch) job.toml')
    wait_for 60 job_is "$id" FAILED
    "$cluster" exec -u root "$C" n1 umount "$here/runs"
    on head cat $here/w.out
    [ "$(job_exit "$id")" = 9 ]
}

@test "a service goes on with a run that was cut off, and begins anew after one that ended" {
    in_share 'mkdir -p .config'
    job_file <<END
[job]
command = ["sh", "-c", "echo ready; [ -e $here/go ] && exit 0; while :; do sleep 0.1; done"]
[local]
nodes = 1
END
    start=$(sed -n 's/^ExecStart=[^ ]*aolani-job //p' "$root/scripts/systemd/aolani-run@.service")
    start=${start//'${VERB}'/run} start=${start//%E\/aolani\/jobs\/%I/$here/job}
    start=${start//%h\/aolani-runs\/%i/$here/runs}
    in_share "{ aolani-job $start >log 2>&1 & echo \$! >pid; }"
    wait_for 60 wrote ready
    in_share 'kill -KILL $(cat pid); touch go'
    in_share "aolani-job $start >>log 2>&1"
    [ "$(in_share 'ls -d runs/job-* | wc -l')" = 1 ]
    [ "$(in_share 'ls -d runs/latest/attempt-* | wc -l')" = 2 ]
    in_share "aolani-job $start >>log 2>&1"
    [ "$(in_share 'ls -d runs/job-* | wc -l')" = 2 ]
}

@test "a service that submits has one job at a time, and one more for a run that was cut off" {
    in_share 'mkdir -p .config'
    job_file <<END
[job]
command = ["sh", "-c", "echo ready; [ -e $here/go ] && exit 0; while :; do sleep 0.1; done"]
[schedule]
begin = "1h"
END
    in_share "aolani-job submit job.toml runs"
    id=$(of_run slurm)
    run in_share "aolani-job submit job.toml runs"
    echo "$output"
    [[ $status -eq 0 && $output == *": queued"* ]]
    on head scontrol update "JobId=$id" StartTime=now
    wait_for 60 wrote ready
    run in_share "aolani-job submit job.toml runs"
    [[ $status -eq 0 && $output == *": running"* ]]
    "$cluster" exec -u root "$C" n1 pkill -KILL -u rider
    wait_for 60 state_is "cut off"
    in_share "touch go; aolani-job submit job.toml runs"
    wait_for 40 state_is ended
    [ "$(in_share 'ls -d runs/job-* | wc -l')" = 1 ]
    in_share "aolani-job submit job.toml runs"
    [ "$(in_share 'ls -d runs/job-* | wc -l')" = 2 ]
}

@test "the units are as systemd wants them" {
    command -v systemd-analyze >/dev/null || skip "systemd-analyze is absent"
    dir=$BATS_TEST_TMPDIR
    mkdir -m 700 "$dir/run"
    for unit in "$root"/scripts/systemd/aolani-run@.*; do
        sed "s#/usr/local/lib/aolani#$root/scripts/systemd#" "$unit" >"$dir/${unit##*/}"
    done
    run env XDG_RUNTIME_DIR="$dir/run" HOME="$dir" systemd-analyze verify --user --man=no \
        "$dir/aolani-run@job.service" "$dir/aolani-run@job.timer"
    [[ $output != *"Failed to initialize manager"* ]] || skip "systemd cannot look here: $output"
    echo "$output"
    [ "$status" -eq 0 ] && [ -z "$output" ]
}
