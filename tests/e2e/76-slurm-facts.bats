#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is known of a job of Slurm's: from its environment, from scontrol and squeue, and from
# libslurm (aolani-slurm); and what is said when Slurm does not answer.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

shared=/srv/share/rider
with=$bin/slurm-facts           # beside aolani-slurm
without=/srv/share/alone/slurm-facts

setup_file()
{
    slurm_up 4 uneven
    [ -z "${WHY_SKIPPED-}" ] || return 0
    mkdir "$C/share/alone"
    cp "$plain/tests/lib/slurm-facts" "$C/share/bin/"
    cp "$plain/tests/lib/slurm-facts" "$C/share/alone/"
    printf '%s\n' '#!/bin/sh' 'sleep 600' >"$C/share/rider/sleep.sh"
    # Ends when its node kills it, and not before.
    printf '%s\n' '#!/bin/sh' "trap : TERM" 'while :; do sleep 0.2; done' \
        >"$C/share/rider/stubborn.sh"
    printf '%s\n' '#!/bin/sh' "$with env >env.txt.new && mv env.txt.new env.txt" 'sleep 600' \
        >"$C/share/rider/env.sh"
    chmod -R a+rX "$C/share"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -z "${WHY_SKIPPED-}" ] || return 0
    as_root pkill -CONT -x slurmctld || :
    slurm munge head start
    slurm ctld start
    on head scancel -u rider
    wait_for 60 no_jobs
}

# batch SCRIPT [OPTION...]: its job id
batch() { on head sh -c 'cd "$1" && shift && sbatch --parsable -o /dev/null "$@"' - $shared "${@:2}" "$1"; }
as_root() { "$cluster" exec -u root "$C" head "$@"; }
# facts PROGRAM VERB [ID]: $output
facts()
{
    run --separate-stderr on head "$@"
    printf '%s\n' "--- $*: $status" "$output" "$stderr"
}
# field NAME: of the last facts
field() { sed -n "s/^$1=//p" <<<"$output"; }
nodes() { sed -n 's/^node=//p' <<<"$output"; }
state_is() { facts "$without" now "$2"; [ "$(field state)" = "$1" ]; }
reason_is() { facts "$without" now "$2"; [ "$(field reason)" = "$1" ]; }
no_askers() { [ -z "$(as_root pgrep -x 'scontrol|squeue|aolani-slurm')" ]; }

@test "environment, scontrol and libslurm tell the same of a job on nodes of two sizes" {
    id=$(batch env.sh -N4 -n8 --gres=gpu:1 -t 7 -J "two words Nodes=n9")
    wait_for 60 on head test -e $shared/env.txt
    output=$(on head cat $shared/env.txt)
    echo "$output"
    env_nodes=$(nodes | sed 's/ gpus.*//')
    [ "$(field id)" = "$id" ]
    [ "$(field name)" = "two words Nodes=n9" ]
    [ "$(field partition)" = main ]
    [ "$(field cluster)" = test ]
    [ "$(field state)" = RUNNING ]
    [ "$(nodes | grep -c 'gpus=1')" = 1 ] # of the others the environment does not tell
    facts "$without" -v now "$id"
    by_scontrol=$output
    [[ $stderr == *"job $id: asking scontrol"* ]]
    [ "$(field name)" = "two words Nodes=n9" ]
    [ "$(nodes | sed 's/ gpus.*//')" = "$env_nodes" ]
    [ "$(nodes | sed 's/ cpus.*//' | xargs)" = "n1 n2 n3 n4" ]
    [ "$(nodes | grep -c 'gpus=1')" = 4 ]
    [ "$(nodes | sed 's/.*cpus=\([0-9]*\).*/\1/' | awk '{ n += $1 } END { print n }')" = 8 ]
    [ $(($(field end) - $(field start))) = 420 ]
    facts "$without" ask "$id"
    [ "$output" = "$by_scontrol" ]
    [ -x "$C/share/bin/aolani-slurm" ] || skip "no libslurm-dev: aolani-slurm is not built"
    facts "$with" -v now "$id"
    [[ $stderr == *"job $id: asking $bin/aolani-slurm"* ]]
    [ "$output" = "$by_scontrol" ]
    facts "$with" ask "$id"
    [ "$output" = "$by_scontrol" ]
}

@test "a limit that is changed while the job runs is seen" {
    id=$(batch sleep.sh -N1 -t 5)
    wait_for 60 state_is RUNNING "$id"
    facts "$with" ask "$id"
    before=$(field end)
    as_root scontrol update JobId="$id" TimeLimit=9
    facts "$with" ask "$id"
    [ $(($(field end) - before)) = 240 ]
    on head scontrol update JobId="$id" TimeLimit=3
    facts "$without" now "$id"
    [ $(($(field end) - before)) = -120 ]
}

@test "a requeued job is not over while its processes end, and counts its restarts" {
    id=$(batch stubborn.sh -N1 --requeue -t 5)
    wait_for 60 state_is RUNNING "$id"
    facts "$with" ask "$id"
    [ "$(field restarts)" = 0 ]
    on head scontrol requeue "$id"
    facts "$with" ask "$id"
    [ "$(field restarts)" = 1 ]
    [[ $(field state) == COMPLETING || $(field state) == PENDING ]]
    [ "$(field over)" = 0 ]
    wait_for 60 state_is PENDING "$id" # until it may begin again
    facts "$with" now "$id"
    [ "$(field over)" = 0 ]
    on head scancel "$id"
    wait_for 60 state_is CANCELLED "$id"
    facts "$with" now "$id"
    [ "$(field over)" = 1 ]
}

@test "a job that waits has a position and a reason in words" {
    a=$(batch sleep.sh -N4 --exclusive -t 5)
    wait_for 60 state_is RUNNING "$a"
    b=$(batch sleep.sh -N4 --exclusive -t 5)
    c=$(batch sleep.sh -N4 --exclusive -t 5)
    other=$(batch sleep.sh -N4 --exclusive -t 5 -p low)
    wait_for 60 reason_is Resources "$b"
    wait_for 60 reason_is Priority "$c"
    facts "$with" queue "$b"
    [ "$(field position)/$(field pending)" = 1/2 ]
    [[ $(field line) == 'position 1 of 2 in "main": it is next, as soon as enough nodes are free (Resources)'* ]]
    facts "$with" queue-ask "$c"
    [ "$(field position)/$(field pending)" = 2/2 ]
    [[ $(field line) == 'position 2 of 2 in "main": jobs of higher priority are before it (Priority)'* ]]
    facts "$with" queue "$other"
    [ "$(field position)/$(field pending)" = 1/1 ]
    wait_for 60 sh -c "'$cluster' exec '$C' head $with queue $b | grep 'expected to start at 20'"
    on head scontrol hold "$b"
    wait_for 60 reason_is JobHeldUser "$b"
    facts "$with" queue-ask "$b"
    [ "$(field position)/$(field pending)" = 2/2 ]
    [[ $(field line) == *'it is held; `scontrol release` lets it go (JobHeldUser)'* ]]
    facts "$with" queue "$a"
    [ "$(field line)" = "Slurm calls it RUNNING" ]
}

@test "a job that is not there is said so" {
    for verb in "now 4000" "ask 4000" "queue 4000" "queue-ask 4000"; do
        for program in "$with" "$without"; do
            # shellcheck disable=SC2086
            facts "$program" $verb
            [ "$status" -eq 1 ]
            [[ $(field error) == *"Slurm knows no such job (any more)" ]]
        done
    done
    facts "$with" env
    [ "$(field error)" = "read the job from the environment: SLURM_JOB_ID is not set" ]
}

@test "formats, filters and time zones of the user change nothing" {
    id=$(batch sleep.sh -N1 -t 5)
    wait_for 60 state_is RUNNING "$id"
    b=$(batch sleep.sh -N4 --exclusive -t 5)
    wait_for 60 reason_is Resources "$b"
    facts "$without" now "$id"
    plainly=$output
    odd="SQUEUE_FORMAT=%N SQUEUE_SORT=u SQUEUE_STATES=COMPLETED SQUEUE_PARTITION=low
        SLURM_TIME_FORMAT=relative TZ=Asia/Kathmandu SCONTROL_ALL=1 SQUEUE_USERS=root"
    for program in "$with" "$without"; do
        # shellcheck disable=SC2086
        facts env $odd "$program" now "$id"
        [ "$output" = "$plainly" ]
        # shellcheck disable=SC2086
        facts env $odd "$program" queue "$b"
        [ "$(field position)/$(field pending)" = 1/1 ]
    done
}

@test "without Slurm's commands in PATH libslurm still answers, or the way out is said" {
    id=$(batch sleep.sh -N1 -t 5)
    wait_for 60 state_is RUNNING "$id"
    for verb in now ask; do
        facts env PATH=/nowhere "$without" $verb "$id"
        [ "$status" -eq 1 ]
        [ "$(field error)" = "run \"scontrol\": Slurm's commands are not in PATH" ]
        [[ $(field hint) == "load the site's module for Slurm"* ]]
    done
    [ -x "$C/share/bin/aolani-slurm" ] || skip "no libslurm-dev: aolani-slurm is not built"
    facts env PATH=/nowhere "$with" ask "$id"
    [ "$(field state)" = RUNNING ]
}

@test "aolani-slurm for another release of Slurm is passed over for scontrol" {
    [ -x "$C/share/bin/aolani-slurm" ] || skip "no libslurm-dev: aolani-slurm is not built"
    mkdir "$C/share/stale"
    cp "$plain/tests/lib/slurm-facts" "$C/share/stale/"
    # The number of the library's interface, which each release raises.
    sed 's/libslurm\.so\.[0-9][0-9]/libslurm.so.00/' "$C/share/bin/aolani-slurm" \
        >"$C/share/stale/aolani-slurm"
    chmod -R a+rX "$C/share/stale"
    chmod a+x "$C/share/stale/aolani-slurm"
    id=$(batch sleep.sh -N1 -t 5)
    wait_for 60 state_is RUNNING "$id"
    for verb in now ask; do
        facts /srv/share/stale/slurm-facts -v $verb "$id"
        [ "$(field state)" = RUNNING ]
        [[ $stderr == *"libslurm.so.00"*"scontrol is asked instead"* ]]
    done
}

# Slurm's commands wait and try again for as long as the site says.
patience()
{
    on head sh -c "cp /etc/slurm/*.conf $shared
        sed 's/^MessageTimeout=.*/MessageTimeout=$1/' /etc/slurm/slurm.conf >$shared/$1.conf"
}

@test "a slurmctld that is gone is an error with what Slurm says of it" {
    slurm ctld stop
    patience 1
    for verb in now ask queue queue-ask; do
        facts env SLURM_CONF=$shared/1.conf "$without" $verb 1
        [ "$status" -eq 1 ]
        [[ $(field error) == *"nable to contact slurm controller"* ]]
        [[ $(field hint) == "Slurm's controller may be down"* ]]
    done
}

@test "without munged the error says that it is munged" {
    slurm munge head stop
    facts "$without" now 1
    [ "$status" -eq 1 ]
    [[ $(field error) == *"Protocol authentication error" ]]
    [[ $(field hint) == "munged, which proves to Slurm who asks, does not run on this host" ]]
    slurm munge head start
}

@test "a slurmctld that does not answer holds up nothing past the deadline" {
    patience 60
    as_root pkill -STOP -x slurmctld
    local askers=()
    for program in "$with" "$without"; do
        for verb in now ask queue-ask; do
            on head env SLURM_CONF=$shared/60.conf "$program" $verb 1 >"$BATS_TEST_TMPDIR/${program//\//_}.$verb" \
                3>&- || echo $? >>"$BATS_TEST_TMPDIR/status" &
            askers+=($!)
        done
    done
    wait "${askers[@]}" # and not for the clock of bats, which is a child of this shell too
    head -v "$BATS_TEST_TMPDIR"/*
    # 1, and not 3: no loop stood still.
    [ "$(xargs <"$BATS_TEST_TMPDIR/status")" = "1 1 1 1 1 1" ]
    [ "$(cat "$BATS_TEST_TMPDIR"/*facts.* | grep -c "no answer within 20 s")" = 6 ]
    wait_for 40 no_askers
}
