#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The test cluster's Slurm itself: if it is not real, what runs under it proves nothing.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { slurm_up 4 uneven; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown() { [ ! -d "$BATS_TEST_TMPDIR/other" ] || "$root/tests/lib/slurm" down \
    "$BATS_TEST_TMPDIR/other"; }

shared=/srv/share/rider
# in_share SCRIPT ARGUMENT...: on the head, in the folder that all hosts see
in_share() { on head sh -c "cd $shared && $1" - "${@:2}"; }
# batch NAME [OPTION...] <<END: submit a script as NAME; its job id
batch()
{
    on head tee "$shared/$1.sh" >/dev/null
    in_share 'sbatch --parsable -J "$@" -o "$1.out" "$1.sh"' "$@"
}
# state_is STATE JOB
state_is() { [ "$(on head squeue -h -t all -o %T -j "$2")" = "$1" ]; }
node_is() { [ "$(on head sinfo -h -N -p main -o %T -n "$2")" = "$1" ]; }

@test "one srun runs a task on each host, as the test user" {
    run on head srun -N4 sh -c 'echo $(hostname) $(id -un) $SLURMD_NODENAME'
    echo "$output"
    [ "$(sort <<<"$output")" = "$(printf '%s\n' "n1 rider n1" "n2 rider n2" "n3 rider n3" \
        "n4 rider n4")" ]
}

@test "tasks of an MPI job find each other over Slurm's PMIx" {
    [ -x "$C/share/bin/mpi_ring" ] || skip "mpicc is absent: there is no MPI program"
    [[ $(on head srun --mpi=list 2>&1) == *pmix* ]] || skip "this Slurm has no PMIx"
    run on head srun -N4 --mpi=pmix /srv/share/bin/mpi_ring
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "a batch script runs on the first of its hosts and its exit status is kept" {
    id=$(printf '%s\n' '#!/bin/sh' hostname 'srun -l hostname | sort' 'exit 7' | batch seven -N2)
    wait_for 40 state_is FAILED "$id"
    [[ $(on head scontrol show job "$id") == *ExitCode=7:0* ]]
    [ "$(on head cat $shared/seven.out)" = "$(printf '%s\n' n1 "0: n1" "1: n2")" ]
}

@test "jobs that share a node get GPUs of their own, and one that finds none waits" {
    say='#!/bin/sh
        echo "$SLURM_JOB_GPUS $CUDA_VISIBLE_DEVICES"; sleep 60'
    a=$(batch a -w n1 --gres=gpu:1 <<<"$say")
    b=$(batch b -w n1 --gres=gpu:1 <<<"$say")
    wait_for 40 state_is RUNNING "$a"
    wait_for 40 state_is RUNNING "$b"
    wait_for 40 on head test -s $shared/a.out -a -s $shared/b.out
    [ "$(on head sort $shared/a.out $shared/b.out | xargs)" = "0 0 1 1" ]
    c=$(batch c -w n1 --gres=gpu:2 <<<"$say")
    wait_for 40 sh -c "'$cluster' exec '$C' head squeue -h -o %r -j $c | grep -qx Resources"
    run on head sbatch -w n4 --gres=gpu:2 $shared/a.sh
    [[ $status -ne 0 && $output == *"node configuration is not available"* ]]
    on head scancel "$a" "$b" "$c"
    wait_for 40 no_jobs
}

@test "a drained node is not used; a job in a high partition requeues one in a low" {
    slurm admin scontrol update NodeName=n3 State=drain Reason=test
    node_is drained n3
    low=$(batch low -p low -N3 --requeue <<<'#!/bin/sh
        sleep 60')
    wait_for 40 state_is RUNNING "$low"
    [ "$(on head squeue -h -o %N -j "$low")" = "n[1-2,4]" ]
    slurm admin scontrol update NodeName=n3 State=resume
    on head srun -p high -N4 --exclusive true
    wait_for 40 state_is PENDING "$low"
    [[ $(on head scontrol show job "$low") == *" Restarts=1 "* ]]
    on head scancel "$low"
    wait_for 40 no_jobs
}

@test "a job goes on while slurmctld is away, and its end is known afterwards" {
    id=$(batch on -w n1 <<<'#!/bin/sh
        while [ ! -e go ]; do sleep 0.1; done; echo ended')
    wait_for 40 state_is RUNNING "$id"
    slurm ctld stop
    [[ $(on head scontrol ping) == *DOWN* ]]
    on head touch $shared/go
    wait_for 40 on head grep -q ended $shared/on.out
    slurm ctld start
    wait_for 40 state_is COMPLETED "$id"
}

@test "without munge nothing is asked of Slurm; with it, all is" {
    slurm munge head stop
    run on head squeue
    [[ $status -ne 0 && $output == *"authentication"* ]]
    slurm munge head start
    on head squeue
    wait_for 40 no_jobs
}

@test "nothing of Slurm is left on a host when its jobs have ended" {
    for h in head n1 n2 n3 n4; do
        [ -z "$(left_on $h)" ] || { left_on $h; false; }
    done
}

@test "with control groups a job sees its own CPUs and devices alone" {
    why=$("$root/tests/lib/slurm" check cgroup) || skip "$why"
    C=$BATS_TEST_TMPDIR/other
    "$root/tests/lib/slurm" up 2 "$C" cgroup
    run on head srun -N2 -n2 --gres=gpu:1 -l sh -c 'nproc; grep -c slurm /proc/self/cgroup
        cat /run/nvidia1'
    echo "$output"
    [[ $output == *"0: 1"*"Operation not permitted"* ]]
    run on n1 sh -c 'ls /sys/fs/cgroup/freezer'
    [[ $output == *slurm_n1* && $output != *slurm_n2* ]]
}
