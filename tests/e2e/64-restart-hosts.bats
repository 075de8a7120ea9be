#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hosts that are lost under a run, and what the next attempt does without them.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { cluster_up 4; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -n "${WHY_SKIPPED-}" ] || {
        on head sh -c 'pkill -KILL -x aolani-run; rm -rf runs began go log status; :'
        local h
        for h in n1 n2 n3 n4; do "$cluster" sshd "$C" $h; done
        wait_for 60 nothing_left # a lease may have to end
    }
}

# program: ranks say that they run, in a file that all hosts see, and end when told.
restart_job()
{
    on head rm -rf /srv/share/out/began /srv/share/out/go
    on head mkdir -p /srv/share/out/began
    head_job <<END
[job]
command = ["sh", "-c", '''
    touch /srv/share/out/began/\$RANK.\$WORLD_SIZE.\$TORCHELASTIC_RESTART_COUNT.\$(hostname)
    until [ -e /srv/share/out/go ]; do sleep 0.1; done''']
mpi = "none"
[nodes]
hosts = ["n[1-3]"]
$1
[ssh]
connect_timeout = "30s"
[failure]
head_lease = "3s"
grace = "2s"
max_restarts = 2
$2
END
}
began() { on head ls /srv/share/out/began | xargs; }
has_begun() { [ "$(on head sh -c "ls -d /srv/share/out/began/$1" | wc -l)" -ge "$2" ]; }
go() { on head touch /srv/share/out/go; }
ended_with()
{
    wait_for 60 head_ended
    on head cat log
    [ "$(head_status)" = "$1" ]
}
# The host is off for ssh, and its agent is gone.
lose()
{
    "$cluster" sshd "$C" "$1" stop
    on "$1" pkill -KILL -x aolani-agent
}

@test "an agent that is killed: its host answers, so it is used again" {
    restart_job "" ""
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    on n2 pkill -KILL -x aolani-agent
    wait_for 60 has_begun '*.3.1.*' 3
    go
    ended_with 0
    on head grep -q 'node "n2" was lost: .*; attempt 2 begins in 1.0 s (restart 1 of 2)' log
    [ "$(head_json '.history | map(.cause) | join(", ")')" = "node lost, success" ]
    [ "$(head_json '[.nodes[].name] | join(" ")')" = "n1 n2 n3" ]
}

@test "a host that is gone: a spare takes its place in the next attempt" {
    restart_job 'count = 2
spares = 1' ""
    head_start job.toml
    wait_for 30 has_begun '*.2.0.*' 2
    lose n2
    wait_for 60 has_begun '*.2.1.*' 2
    go
    ended_with 0
    # What it may still run has ended by itself before.
    on head grep -q 'attempt 2 begins in 3.0 s, with n3 in place of n2 (restart 1 of 2)' log
    [ "$(head_json '[.nodes[].name] | join(" ")')" = "n1 n3" ]
    [ "$(on head sqlite3 runs/latest/run.db 'select group_concat(name) from node')" = "n1,n3" ]
}

@test "a host that is gone, and no spare: with min_nodes the job goes on without it" {
    restart_job "" "min_nodes = 2"
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    lose n2
    wait_for 60 has_begun '*.2.1.*' 2
    go
    ended_with 0
    on head grep -q 'attempt 2 begins in 3.0 s, without n2: on 2 nodes (restart 1 of 2)' log
    [ "$(head_json '[.nodes[].name] | join(" ")')" = "n1 n3" ]
    [ "$(head_json '.ranks | length')" = 2 ]
}

@test "a stop in the pause: the report is of the hosts that there were" {
    restart_job "" "min_nodes = 2"
    on head sed -i 's/^head_lease.*/head_lease = "20s"/' job.toml
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    lose n3
    wait_for 60 on head grep -q 'attempt 2 begins in 20.0 s, without n3: on 2 nodes' log
    head_signal TERM
    wait_for 10 head_ended
    [ "$(head_status)" = 81 ]
    on head grep -q 'stopped before it was begun again' log
    [ "$(head_json '[.nodes[] | .name + " " + .teardown] | join(", ")')" = \
        "n1 clean, n2 clean, n3 not proven" ]
    go
}

@test "a host that is gone, and all are needed: 81, and the run is over" {
    restart_job "" ""
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    lose n2
    ended_with 81
    [ "$(head_json .run.attempts)" = 1 ]
    head_run resume runs/latest
    [ "$status" -eq 81 ]
    [[ $output == *"it is not resumed, but for --force"* ]]
}

@test "fewer hosts than the job was given, from the beginning" {
    restart_job "" "min_nodes = 2"
    "$cluster" sshd "$C" n1 stop
    head_start job.toml
    wait_for 60 has_begun '*.2.0.*' 2
    go
    ended_with 0
    on head grep -q 'n1: .*; attempt 2 begins, without n1: on 2 nodes$' log
    # Nothing had run, so it is no restart.
    [ "$(began)" = "0.2.0.n2 1.2.0.n3" ]
}

@test "the head dies, and then a host: resume ends what can be ended, and waits for the rest" {
    restart_job "" "min_nodes = 2"
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    head_signal KILL
    lose n2
    on head rm -rf /srv/share/out/began
    on head mkdir /srv/share/out/began
    head_start resume runs/latest
    wait_for 60 has_begun '*.2.0.*' 2
    [ "$(began)" = "0.2.0.n1 1.2.0.n3" ]
    go
    ended_with 0
    on head grep -q 'resuming run job: attempt 1 was cut off' log
    on head grep -q 'what the former head left on 1 node could not be ended (n2: .*); in 8.0 s it has ended by itself' log
    [ "$(head_json '.history | map(.cause) | join(", ")')" = "cut off, not started, success" ]
}

@test "a stop while the lease of a dead head is waited for ends the run at once" {
    restart_job "" "min_nodes = 2"
    on head sed -i 's/^head_lease.*/head_lease = "30s"/' job.toml
    head_start job.toml
    wait_for 30 has_begun '*.3.0.*' 3
    head_signal KILL
    lose n2
    head_start resume runs/latest
    wait_for 30 on head grep -q 'could not be ended (n2: ' log
    head_signal INT
    wait_for 20 head_ended # not the 35 s of the lease
    [ "$(head_status)" = 130 ]
    [ "$(head_json .run.sentence)" = "stopped by Ctrl-C (Interrupt) before the ranks were started" ]
    [ "$(on head cat runs/latest/head)" = "" ]
    head_run resume runs/latest
    [ "$status" -eq 130 ]
    go
}
