#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A program that only prints its steps: one of its ranks is disturbed, or has more to do, and
# the report names it and by what it was late, from what the nodes saw of its process.
# alone: it tells what others do to its ranks from what its own test does
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file()
{
    cluster_up 2
    [ -n "${WHY_SKIPPED-}" ] || on n1 python3 -c 'import socket' 2>/dev/null ||
        WHY_SKIPPED="python3 is absent"
    [ "$(nproc)" -ge 2 ] || WHY_SKIPPED="one CPU is too few for two ranks"
    export WHY_SKIPPED
    [ -z "$WHY_SKIPPED" ] || return 0
    cp "$root/tests/e2e/lines.py" "$C/share/bin/"
    chmod -R a+rX "$C/share/bin"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; work; }

# lines_job SLOW_RANK FROM: in a shell, as programs often are, each rank on a CPU of its own.
lines_job()
{
    on head rm -rf runs
    head_job <<END
[job]
command = ["sh", "-c", "taskset -c \$RANK python3 $bin/lines.py 40 250 $1 $2; true"]
workdir = "/srv/share/out"
ranks_per_node = 1
mpi = "none"
[bind]
cpu = "none"
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[steps]
log_pattern = "^step ([0-9]+)"
warmup = 2
END
}

# Before all else on this machine, where sessions share its CPUs and where threads do.
prefer()
{
    renice -n -19 -p "$1" >/dev/null || :
    [ ! -w "/proc/$1/autogroup" ] || echo -19 >"/proc/$1/autogroup"
}
prefer_ranks()
{
    local p
    wait_for 30 on head grep -qs '^step 2' runs/latest/attempt-1/rank-0001.out
    for p in $(pgrep -f '^python3 .*lines[.]py 40 250'); do
        prefer "$p"
    done
}

# lost RANK MECHANISM: what it cost, ms.
lost()
{
    head_json "[.variance.blames[] | select(.rank == $1 and .what == \"$2\").loss_us] |
        add // 0 | . / 1000 | floor"
}

@test "a rank whose CPU other programs take is named, and that they did it" {
    lines_job -1 0
    head_start job.toml
    prefer_ranks
    # They see by themselves when to begin: this shell may be let run only steps later.
    out=/proc/$(cat "$C/head/pid")/root/home/rider/runs/latest/attempt-1/rank-0001.out
    hogs=()
    for _ in 1 2; do # each with a session and an end of its own
        setsid timeout 90 taskset -c 1 sh -c \
            'until grep -qs "^step 12" "$1"; do sleep 0.1; done; while :; do :; done' - "$out" 3>&- &
        hogs+=($!)
        prefer $!
    done
    wait_for 60 on head grep -qs '^step 40' runs/latest/attempt-1/rank-0001.out
    kill "${hogs[@]}"
    wait_for 40 head_ended
    on head cat log
    [ "$(head_status)" = 0 ]
    [ "$(head_json '.run.step_source')" = log ]
    [ "$(head_json '.steps.culprit_rank')" = 1 ]
    # Of 28 steps, in each of which it had its CPU for a third of the time.
    [ "$(lost 1 preempted)" -ge 3000 ]
    [ "$(($(lost 1 'own work') * 5))" -lt "$(lost 1 preempted)" ]
    on head cat log | tr -s ' \n' ' ' | grep -q 'other processes on its core'
    wait_for 30 nothing_left
}

@test "a rank that has more to do itself is named, and that it is its own work" {
    lines_job 1 12
    head_start job.toml
    prefer_ranks
    wait_for 90 head_ended
    on head cat log
    [ "$(head_status)" = 0 ]
    [ "$(head_json '.steps.culprit_rank')" = 1 ]
    # Of 29 steps, 500 ms more in each. Where others work on this machine they take more of
    # its CPU then, too.
    own=$(lost 1 'own work')
    [[ $own -ge 7000 && $own -le 16000 ]]
    [ "$(lost 0 'own work')" -lt 700 ]
    wait_for 30 nothing_left
}
