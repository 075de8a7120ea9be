#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Runs that go on: after a rank that failed, after a limit, after the death of their head.
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
}
teardown()
{
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

# program NAME <<END: a shell program in the test's folder
program() { { echo "#!/bin/sh"; cat; } >"$W/$1"; chmod +x "$W/$1"; }

# run_job COMMAND_WORDS [KEYS_OF_JOB [MORE]]: on 2 local nodes
run_job()
{
    job <<END
[job]
command = [$1]
${2-}
[nodes]
backend = "local"
[local]
nodes = 2
[failure]
grace = "2s"
head_lease = "20s"
${3-}
END
}
trainer_job()
{
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    run_job "\"$BUILD/trainer-cpu\", \"--steps\", \"$1\", \"--loss-file\", \"$W/loss\", \
\"--checkpoint\", \"$W/saved\", \"--checkpoint-every\", \"20\", \"--resume\"" "${2-}" "${3-}"
}
# What the same training comes to in one go, in reference.
reference()
{
    job whole <<END
[job]
command = ["$BUILD/trainer-cpu", "--steps", "$1", "--loss-file", "$W/reference"]
[nodes]
backend = "local"
[local]
nodes = 2
END
    LIMIT=100 aolani whole.toml -o whole
    [ "$status" -eq 0 ]
}

spool_is_small()
{
    local kib
    kib=$(du -ck /tmp/aolani-*"$(readlink -f runs/latest | grep -o '....$')"????????????-n*/spool | tail -n 1 | cut -f 1)
    [ "$kib" -lt 4096 ]
}
# in_background VERB_AND_ARGUMENTS...: $launcher is its process
in_background()
{
    "$BUILD/aolani-run" "$@" </dev/null >background.out 2>background.err 3>&- &
    launcher=$!
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }
# It leads for as long as it dies.
kill_head()
{
    kill -KILL "$launcher"
    wait_for 40 is_gone "$launcher"
}
ranks_run() { left_here | grep -q " sleep 60 \$"; }
lines_of() { [ "$(cat "$@" 2>/dev/null | wc -l)" -ge "$lines" ]; }
attempts() { sqlite3 runs/latest/run.db "select $1 from attempt order by attempt" | xargs; }

@test "a head that is killed is resumed, and the loss curve is that of one run" {
    trainer_job 200
    in_background job.toml
    lines=45 wait_for 60 lines_of loss
    kill_head
    LIMIT=100 aolani resume runs/latest
    [ "$status" -eq 0 ]
    [[ $stderr == *"resuming run job: attempt 1 was cut off; step "*" was the last that all ended"* ]]
    [[ $stderr == *"cut off: its head died"* ]]
    reference 200
    same_losses loss reference 200 1e-12
    [ "$(run_json .run.attempts)" = 2 ]
    [ "$(run_json '.history | map(.cut_off) | join(" ")')" = "true false" ]
    [ "$(run_json '.history[1].last_step')" = 200 ]
    # All time is accounted for, and nothing is counted twice.
    run_json '[.ledger.rows[]] | add' >sum
    run_json '.run.wall_ms' >wall
    awk '{ getline w <"wall"; d = $1 / 1000 - w; exit !(d < 5 && d > -5) }' sum
    [ "$(sqlite3 runs/latest/run.db 'select group_concat(epoch || why) from head')" = \
        "1begun,2the head died" ]
    # What ranks wrote after the death of their head is there as well.
    grep -q "^step " runs/latest/attempt-1/rank-0000.out
    [ "$(cat runs/latest/head)" = "" ]
}

@test "no two attempts compute at once: what a dead head left is ended first" {
    program hold <<END
exec 9>"$W/lock.\$RANK"
flock -n 9 || { echo "another attempt computes" >&2; exit 9; }
echo "attempt \$TORCHELASTIC_RESTART_COUNT" >>"$W/began"
[ \$(wc -l <"$W/began") -lt 3 ] || exit 0
while :; do
    echo "line of rank \$RANK"
    echo >>"$W/lines.\$RANK"
    sleep 0.05
done
END
    run_job "\"$W/hold\""
    in_background job.toml
    lines=2 wait_for 30 lines_of began
    kill_head
    # They go on meanwhile: their lease is long.
    lines=$(($(wc -l <lines.0) + 20)) wait_for 40 lines_of lines.0
    n=$(wc -l <lines.0)
    aolani resume runs/latest
    [ "$status" -eq 0 ]
    [ "$(wc -l <began)" = 4 ]
    # A head that dies is no failure of the program.
    [ "$(sort -u began)" = "attempt 0" ]
    # Those of the time without a head were delivered late.
    [ "$(wc -l <runs/latest/attempt-1/rank-0000.out)" -ge "$n" ]
}

@test "output that no head got and no node kept is said when the run goes on" {
    program loud <<END
[ ! -e "$W/killed" ] || exit 0
echo early
until [ -e "$W/go" ]; do sleep 0.05; done
perl -e 'print "x" x 1023, "\n" for 1 .. 8192'
touch "$W/written.\$RANK"
exec sleep 1000
END
    run_job "\"$W/loud\"" 'spool = "1M"'
    in_background job.toml
    wait_for 30 grep early runs/latest/attempt-1/rank-000{0,1}.out
    kill -STOP "$launcher"
    touch go
    wait_for 30 test -e written.0 -a -e written.1
    wait_for 30 spool_is_small
    touch killed
    kill_head
    LIMIT=60 aolani resume runs/latest
    [ "$status" -eq 0 ]
    # The file has zeros in the place of what is missing, and is whole but for that.
    out=runs/latest/attempt-1/rank-0000.out
    [ "$(stat -c %s $out)" = $((6 + 8192 * 1024)) ]
    zeros=$(tr -dc '\0' <$out | wc -c)
    [ "$zeros" -gt 0 ]
    [[ $stderr == *": $zeros bytes of rank 0's stdout from offset "*"on are missing"* ]]
}

@test "a rank that fails: the job is begun again, and it is said why and how often" {
    program flaky <<END
echo "\$RANK \$TORCHELASTIC_RESTART_COUNT \$TORCHELASTIC_MAX_RESTARTS" >>"$W/began"
[ \$RANK = 0 ] || exec sleep 30
[ \$TORCHELASTIC_RESTART_COUNT -lt 2 ] && exit 7
kill 0
exit 0
END
    run_job "\"$W/flaky\"" "" "max_restarts = 3"
    sed -i 's/kill 0/exit 93/' "$W/flaky"
    aolani job.toml
    [ "$status" -eq 93 ]
    [ "$(grep ^0 began | xargs)" = "0 0 3 0 1 3 0 2 3" ]
    [[ $stderr == *"rank 0 on local0 failed first: exit 7; attempt 2 begins in 1.0 s (restart 1 of 3)"* ]]
    [[ $stderr == *"attempt 3 begins in 2.0 s (restart 2 of 3)"* ]]
    # 93 is the program's own word: no restart, though one is left.
    [ "$(attempts cause)" = "rank failed rank failed no restart wanted" ]
    [ "$(run_json '.history | map(.exit_status) | join(" ")')" = "7 7 93" ]
    [[ -d runs/latest/attempt-3 && ! -d runs/latest/attempt-4 ]]
    aolani resume runs/latest --force
    [ "$status" -eq 93 ]
    [[ $stderr == *"has ended: rank 0 on local0 failed first: exit 93"* ]]
}

@test "restarts that are used up: the status is the rank's, and the run is over" {
    run_job '"false"' "" "max_restarts = 1"
    aolani job.toml
    [ "$status" -eq 1 ]
    [[ $(run_json .run.sentence) == *"failed first: exit 1"*"; 1 restart was made, and no more are allowed" ]]
    aolani resume runs/latest
    [ "$status" -eq 1 ]
    [[ $stderr == *"it is not resumed, but for --force"* ]]
    aolani resume runs/latest --force
    [ "$status" -eq 1 ]
    [ "$(sqlite3 runs/latest/run.db 'select count(*) from attempt')" = 3 ]
}

@test "no restart: a program that cannot be executed, and a user who stops the pause" {
    run_job '"no-such-program"' "" "max_restarts = 3"
    aolani job.toml
    [ "$status" -eq 127 ]
    [ ! -d runs/latest/attempt-2 ]
    run_job '"false"' "" "max_restarts = 9"
    in_background job.toml
    wait_for 30 grep -q "attempt 4 begins in 4" background.err
    kill -TERM "$launcher"
    status=0
    wait "$launcher" || status=$?
    [ "$status" -eq 1 ]
    grep -q "stopped before it was begun again" background.err
    aolani resume runs/latest
    [ "$status" -eq 1 ] # it has ended for good
    [ ! -d runs/latest/attempt-4 ]
}

@test "a pause before another attempt ends at once, at a signal and at a limit" {
    run_job '"false"' "" "max_restarts = 9"
    in_background job.toml
    wait_for 60 grep -q "attempt 6 begins in 16" background.err
    kill -TERM "$launcher"
    wait_for 10 is_gone "$launcher" # of the 16 s
    grep -q "stopped before it was begun again" background.err
    # Pauses of 1, 2, 4 and 8 s: the limit lies in the last, whether attempts take 0 or 2 s.
    run_job '"false"' 'time_limit = "15s"' "max_restarts = 9"
    aolani job.toml
    [ "$status" -eq 124 ]
    [[ $stderr == *"the time limit of 15.0 s is reached"*"to be continued"* ]]
    [ ! -d runs/latest/attempt-5 ]
}

@test "a stop while the leavings of a dead head are ended: no attempt runs after it" {
    run_job '"sleep", "60"'
    in_background job.toml
    wait_for 30 ranks_run
    kill_head
    in_background resume -v runs/latest
    wait_for 30 grep -q "ending what the former head left" background.err
    kill -TERM "$launcher"
    wait_for 30 is_gone "$launcher"
    status=0
    wait "$launcher" || status=$?
    [ "$status" -eq 143 ]
    grep -q "stopped by a signal" background.err
}

@test "stop of a run whose head died ends it, and says what may still run" {
    run_job '"sleep", "60"'
    sed -i 's/^head_lease.*/head_lease = "5s"/' job.toml
    in_background job.toml
    wait_for 30 ranks_run
    kill_head
    aolani stop runs/latest
    [ "$status" -eq 0 ]
    [[ $stderr == *"ended with exit status 143: stopped by the user while no head led it"* ]]
    [[ $stderr == *"what that has left on 2 nodes ends by itself"* ]]
    aolani resume runs/latest
    [ "$status" -eq 143 ]
}

@test "one run has one head" {
    run_job '"sleep", "60"'
    in_background job.toml
    wait_for 40 grep -q "pid=$launcher " runs/latest/head
    aolani resume runs/latest
    [ "$status" -eq 1 ]
    [[ $stderr == *"process $launcher on "*" leads it"* ]]
    aolani resume runs/latest --force
    [ "$status" -eq 1 ]
    kill -TERM "$launcher"
    wait "$launcher" || :
    aolani resume runs/latest
    [ "$status" -eq 143 ] # the user's stop is the end of the run
    [ ! -d runs/latest/attempt-2 ]
}

@test "asked to save before the limit: 124, and the next head goes on to the same curve" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    train_for 3 "$W" "$BUILD/trainer-cpu" >train
    chmod +x train
    run_job "\"$W/train\"" 'time_limit = "10s"' '[schedule]
signal = "4s"'
    aolani job.toml
    [ "$status" -eq 124 ]
    [[ $stderr == *"the time limit is "[34].?" s away: the ranks are asked to save and to end"* ]]
    [[ $(run_json .run.sentence) == \
        "all 2 ranks ended with status 0, as asked, before the time limit; to be continued" ]]
    [ "$(attempts cause)" = saved ]
    aolani resume runs/latest
    [ "$status" -eq 124 ]
    # The third may need more than one limit for its steps where the machine is slow.
    n=0
    while [ "$status" -eq 124 ] && [ $n -lt 5 ]; do
        aolani resume runs/latest
        n=$((n + 1))
    done
    [ "$status" -eq 0 ]
    # Each saved before it ended: nothing was computed twice.
    [ "$(run_json '.ledger.rows["rolled back"]')" = 0 ]
    losses loss | cut -d' ' -f1 | sort | uniq -d >twice
    [ ! -s twice ]
    n=$(losses loss | wc -l)
    reference "$n"
    same_losses loss reference "$n" 1e-12
}

@test "a signal of the user's choice goes to the ranks before the limit" {
    program patient <<END
trap 'echo saving; exit 0' USR2
while :; do sleep 0.1; done
END
    run_job "\"$W/patient\"" 'time_limit = "20s"' 'checkpoint_signal = "USR1"
[schedule]
signal = "USR2@18s"'
    aolani job.toml
    [ "$status" -eq 124 ]
    [ "$(cat "$(rank_file 1 out)")" = saving ]
    [[ $(run_json .run.sentence) == *"to be continued" ]]
}

@test "ranks that do not care are stopped at the limit, and the run can still go on" {
    program deaf <<END
[ ! -e "$W/late" ] || exit 0
touch "$W/late"
exec sleep 60
END
    run_job "\"$W/deaf\"" 'time_limit = "3s"
ranks_per_node = 1' '[schedule]
signal = "2s"'
    sed -i 's/nodes = 2/nodes = 1/' job.toml
    aolani job.toml
    [ "$status" -eq 124 ]
    [[ $(run_json .run.sentence) == "the time limit was reached; 1 of 1 ranks had to be ended; to be continued" ]]
    [[ $stderr == *"to go on with it: aolani-run resume "* ]]
    aolani resume runs/latest
    [ "$status" -eq 0 ]
    [ "$(attempts cause)" = "limit success" ]
}

@test "three attempts without a new step end the run, with the reason" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    # It keeps no checkpoint, and never gets beyond the step where it dies.
    program stuck <<END
"$BUILD/trainer-cpu" --steps 10 && exit 5
END
    run_job "\"$W/stuck\"" "" "max_restarts = 50"
    LIMIT=100 aolani job.toml
    [ "$status" -eq 5 ]
    [[ $(run_json .run.sentence) == *"exit 5"*"3 attempts in a row have ended no new step: the run ends here" ]]
    [ "$(sqlite3 runs/latest/run.db 'select count(*) from attempt')" = 4 ]
}

# log_job FIRST-COMMAND: of one rank, whose steps are lines of its output
log_job()
{
    run_job "$1" 'ranks_per_node = 1' 'max_restarts = 50
[steps]
warmup = 0
log_pattern = "step ([0-9]+)"'
    sed -i 's/nodes = 2/nodes = 1/' job.toml
}

@test "steps that each epoch numbers anew are no steps done before" {
    # It saves after each epoch, and dies in the one after the next; no number is above 5.
    program epochs <<END
epoch=\$(cat "$W/epoch" 2>/dev/null || echo 0)
last=\$((epoch + 1))
while [ \$epoch -lt 6 ]; do
    for step in 0 1 2 3 4 5; do
        echo "epoch \$epoch step \$step"
        sleep 0.05
        [ \$epoch -lt \$last ] || [ \$step -lt 3 ] || exit 5
    done
    epoch=\$((epoch + 1))
    echo \$epoch >"$W/epoch"
done
END
    log_job "\"$W/epochs\""
    LIMIT=100 aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(attempts 'exit_status')" = "5 5 5 5 5 0" ]
    [ "$(grep -c "steps: the numbers that log_pattern finds fall within an attempt" \
        <<<"$stderr")" = 1 ]
    [ "$(run_json '.ledger.rows["rolled back"]')" = 0 ]
    [ "$(run_json '.history | map(.has_steps) | any')" = false ]
    # Within an attempt they are counted on: from 0 to 5, and over the fall to 6.
    [ "$(sqlite3 runs/latest/run.db 'select group_concat(step, " ") from
        (select step from step where attempt = 1 order by t_end_ns)')" = "1 2 3 4 5 7 8 9" ]
}

@test "numbers that go on over attempts do tell of steps done before" {
    program global <<END
step=\$(cat "$W/step" 2>/dev/null || echo 0)
while [ \$step -lt 20 ]; do
    echo "step \$step"
    sleep 0.05
    [ \$step != 5 ] || echo 5 >"$W/step"
    [ \$step != 15 ] || [ -e "$W/twice" ] || { touch "$W/twice"; exit 5; }
    step=\$((step + 1))
done
END
    log_job "\"$W/global\""
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(run_json '.ledger.rows["rolled back"] > 0.3')" = true ]
    [ "$(run_json '.history | map(.last_step) | join(" ")')" = "15 19" ]
    [[ $stderr != *"fall within an attempt"* ]]
}

@test "what is not a run, and words that are no signal" {
    aolani resume nowhere
    [ "$status" -eq 2 ]
    mkdir empty
    aolani resume empty
    [ "$status" -eq 2 ]
    aolani resume
    [ "$status" -eq 2 ]
    run_job '"true"' "" '[schedule]
signal = "KILL@5m"'
    aolani check --offline job.toml
    [ "$status" -eq 2 ]
    [[ $stderr == *'job.toml:'*'KILL@5m'* ]]
}
