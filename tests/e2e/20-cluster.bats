#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Training on four hosts that have nothing installed, over real ssh; what is left of it.
load ../lib/e2e

setup_file()
{
    export STEPS=200 WHY_SKIPPED=
    [ -x "$BUILD/trainer-cpu" ] || WHY_SKIPPED="mpicc is absent: there is no trainer"
    [ -n "$WHY_SKIPPED" ] || cluster_up 4
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }

# train NAME HOSTS RANKS_PER_NODE PROGRAM [STEPS]: a job file on the head
train()
{
    head_job "$1" <<END
[job]
command = ["$bin/$4", "--steps", "${5:-$STEPS}", "--loss-file", "/srv/share/out/$1.loss"]
ranks_per_node = $3
[nodes]
backend = "ssh"
hosts = $2
[failure]
grace = "2s"
head_lease = "${LEASE:-60s}"
END
}

@test "the trainer runs on 8 ranks of 4 hosts with nothing installed there" {
    train eight '["n[1-4]"]' 2 trainer-cpu
    head_run eight.toml
    [ "$status" -eq 0 ]
    [ "$(head_json '.ranks | length')" = 8 ]
    [ "$(head_json '.nodes | map(.copied) | all')" = true ]
    [ "$(head_json '.nodes | map(.teardown) | unique | join(" ")')" = clean ]
    [ "$(head_json '[.ranks[].end] | unique | join(" ")')" = "exit 0" ]
}

@test "nothing is left on any host after the end" {
    wait_for 30 nothing_left
}

@test "the second start copies nothing" {
    before=$(on n1 find .cache/aolani -printf '%p %i %T@\n' | sort)
    [ -n "$before" ]
    train again '["n[1-4]"]' 2 trainer-cpu 10
    head_run again.toml
    [ "$status" -eq 0 ]
    [ "$(head_json '.nodes | map(.copied) | any')" = false ]
    [ "$(on n1 find .cache/aolani -printf '%p %i %T@\n' | sort)" = "$before" ]
}

@test "8 ranks learn what 1 rank learns, to 1e-5 over 200 steps" {
    [ -e "$C/share/out/eight.loss" ] # of the first test
    train one '["n1"]' 1 trainer-cpu
    head_run one.toml
    [ "$status" -eq 0 ]
    same_losses "$C/share/out/one.loss" "$C/share/out/eight.loss" "$STEPS" 1e-5
}

@test "a trainer without its all-reduce fails that check" {
    [ -e "$C/share/out/one.loss" ]
    train broken '["n[1-4]"]' 2 trainer-no-allreduce
    head_run broken.toml
    run ! same_losses "$C/share/out/one.loss" "$C/share/out/broken.loss" "$STEPS" 1e-5
    [[ $output == "$STEPS steps in both"* ]] # it fails for its numbers, not for want of them
}

# A run that lasts until it is stopped, on all hosts, and is under way.
start_long()
{
    train long '["n[1-4]"]' 2 trainer-cpu 1000000
    head_start long.toml
    wait_for 60 on n4 pgrep -x trainer-cpu
    # Under way: rank 0 has said something.
    wait_for 60 on head sh -c 'grep -q . runs/latest/attempt-1/rank-0000.out'
}

@test "Ctrl-C without a terminal stops the run, and nothing is left" {
    start_long
    head_signal INT
    wait_for 30 head_ended
    head_file log
    [ "$(head_status)" = 130 ]
    wait_for 30 nothing_left
}

@test "kill -9 of the launcher: the lease of 10 s ends all, and nothing is left" {
    LEASE=10s start_long
    head_signal KILL
    # The ranks still run a moment later: a head may come back.
    sleep 2
    on n2 pgrep -x trainer-cpu
    wait_for 30 nothing_left # half of what a lease is where none is given
}

@test "kill -9 of an agent: 81, its ranks die with it, and nothing is left" {
    start_long
    on n3 pkill -KILL -x aolani-agent
    wait_for 20 no_trainer_on n3 # a third of their lease
    wait_for 30 head_ended
    head_file log
    [ "$(head_status)" = 81 ]
    on head grep -q n3 log
    wait_for 30 nothing_left
}
no_trainer_on() { run on "$1" pgrep -x trainer-cpu; [ "$status" -ne 0 ]; }

@test "a host that cannot be reached: 80, it is named, and nothing is left" {
    head_job lost <<'END'
[job]
command = ["true"]
[nodes]
backend = "ssh"
hosts = ["n[1-2]", "no-such-host"]
END
    head_run lost.toml
    [ "$status" -eq 80 ]
    [[ $output == *no-such-host* ]]
    wait_for 30 nothing_left
}

# The head's address as agents are told it: another host refuses the connection, an address
# that nobody has never answers.
@test "where TCP to the head is refused or swallowed the ssh channel carries the session" {
    for address in 10.77.0.4 10.77.0.99; do
        train refused '["n[1-2]"]' 1 trainer-cpu 10
        on head sh -c 'printf "[head]\naddress = \"%s\"\n" "$1" >>refused.toml' - $address
        head_run refused.toml
        [ "$status" -eq 0 ]
        [ "$(head_json '[.ranks[].end] | unique | join(" ")')" = "exit 0" ]
    done
}
