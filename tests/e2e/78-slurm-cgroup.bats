#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where Slurm holds its jobs in control groups (task/cgroup, proctrack/cgroup): ranks have the
# CPUs and devices of their job alone, and none outlives it.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031
load ../lib/e2e

setup_file() { slurm_up 2 cgroup; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }

shared=/srv/share/rider
in_share() { on head sh -c "cd $shared && $1" - "${@:2}"; }
job_file() { on head tee "$shared/$1.toml" >/dev/null; }
# submit NAME: on one CPU and one GPU of each host; $id
submit()
{
    in_share 'printf "%s\n" "#!/bin/sh" "exec $2 -o $1.runs $1.toml" >$1.sh' "$1" "$bin/aolani-run"
    id=$(in_share 'exec sbatch --parsable -N2 --gres=gpu:1 -o $1.log $1.sh' "$1")
}
wrote() { [ "$(in_share 'cat $1.out 2>/dev/null | wc -l' "$1")" = "$2" ]; }

@test "two jobs on the same hosts have CPUs and devices of their own" {
    [ "$(nproc --all)" -ge 2 ] || skip "this machine has one CPU"
    for name in one two; do
        job_file $name <<END
[job]
ranks_per_node = 1
command = ["sh", "-c", '''
    for d in /run/nvidia0 /run/nvidia1; do
        cat \$d 2>&1 | grep -q "not permitted" || mine="\$mine \$d"
    done
    echo \$(hostname) \$(grep Cpus_allowed_list /proc/self/status | cut -f2) \$mine >>$name.out
    while [ ! -e go ]; do sleep 0.1; done''']
END
        submit $name
        ids+=("$id")
    done
    wait_for 60 wrote one 2
    wait_for 60 wrote two 2
    in_share 'cat one.out two.out; touch go'
    # A line is a host, its CPUs, its device: no CPU and no device of a host is there twice.
    for field in 2 3; do
        [ "$(in_share 'cat one.out two.out' | cut -d' ' -f1,$field | sort -u | wc -l)" = 4 ]
    done
    [ "$(in_share 'cat one.out two.out' | grep -cE ' [0-9]+ /run/nvidia[01]$')" = 4 ]
    wait_for 60 no_jobs
    for id in "${ids[@]}"; do
        [[ $(on head scontrol show job "$id") == *JobState=COMPLETED* ]]
    done
    wait_for 60 nothing_left
}

@test "scancel leaves no process and no control group" {
    job_file cancelled <<'END'
[job]
ranks_per_node = 1
command = ["sh", "-c", "setsid sleep 1000 & echo >>cancelled.out; sleep 1000"]
[failure]
grace = "1s"
END
    submit cancelled
    wait_for 60 wrote cancelled 2
    on head scancel "$id"
    wait_for 60 no_jobs
    in_share 'cat cancelled.log'
    [ "$(on head cat $shared/cancelled.runs/latest/run.json | jq .run.exit_status)" = 143 ]
    wait_for 60 nothing_left
    wait_for 40 no_groups
}
no_groups()
{
    local h
    for h in n1 n2; do
        [ -z "$(on $h find /sys/fs/cgroup/freezer /sys/fs/cgroup/cpuset -name 'job_*')" ] || return 1
    done
}
