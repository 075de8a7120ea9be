#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Jobs on simulated nodes of this machine: exit statuses, output, limits, mistakes.
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

# local_job NODES RANKS_PER_NODE SHELL_TEXT [KEYS_OF_JOB [KEYS_OF_FAILURE]]
local_job()
{
    job <<END
[job]
command = ["sh", "-c", '''$3''']
ranks_per_node = $2
${4-}
[nodes]
backend = "local"
[local]
nodes = $1
[failure]
grace = "2s"
${5-}
END
}

@test "the trainer converges on 2 nodes x 2 ranks and the run is reported" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    job <<END
[job]
command = ["$BUILD/trainer-cpu", "--steps", "60", "--loss-file", "$W/loss"]
ranks_per_node = 2
[nodes]
backend = "local"
[local]
nodes = 2
END
    LIMIT=100 aolani job.toml
    [ "$status" -eq 0 ]
    losses loss >seen
    [ "$(wc -l <seen)" = 60 ]
    awk 'NR == 1 { first = $2 } { last = $2 } END { exit !(last < 0.9 * first) }' seen
    [ "$(run_json .run.exit_status)" = 0 ]
    [ "$(run_json '.ranks | length')" = 4 ]
    [ "$(run_json '.nodes | map(select(.teardown == "clean")) | length')" = 2 ]
    [ "$(run_json '.ranks[3].steps.n')" -ge 50 ]
}

@test "the run directory holds what it should, the key for nobody else" {
    local_job 2 1 'echo out $RANK; echo err $RANK >&2'
    aolani job.toml
    [ "$status" -eq 0 ]
    for f in run.json spec.toml run.db journal; do [ -s "runs/latest/$f" ]; done
    [ "$(stat -c %a runs/latest/key)" = 600 ]
    [ "$(cat "$(rank_file 1 out)")" = "out 1" ]
    [ "$(cat "$(rank_file 1 err)")" = "err 1" ]
    # The resolved job file is a job file.
    aolani check --offline runs/latest/spec.toml
    [ "$status" -eq 0 ]
    aolani report runs/latest
    [ "$status" -eq 0 ]
    [ "$(sqlite3 runs/latest/run.db 'pragma integrity_check')" = ok ]
}

@test "ranks know who and where they are" {
    local_job 2 2 'env'
    aolani job.toml -- more
    [ "$status" -eq 0 ]
    for r in 0 1 2 3; do
        f=$(rank_file $r out)
        grep -qx "RANK=$r" "$f"
        grep -qx WORLD_SIZE=4 "$f"
        grep -qx "LOCAL_RANK=$((r % 2))" "$f"
        grep -qx LOCAL_WORLD_SIZE=2 "$f"
        grep -qx "NODE_RANK=$((r / 2))" "$f"
        grep -q '^MASTER_ADDR=.' "$f"
        grep -qE '^MASTER_PORT=[0-9]+$' "$f"
        grep -qx "OMPI_COMM_WORLD_RANK=$r" "$f"
    done
    [ "$(sort -u <(grep -h ^MASTER_ runs/latest/attempt-1/rank-*.out) | wc -l)" = 2 ]
}

@test "no secret in the arguments or the environment of an agent or a rank" {
    # Of this job's own processes: the shell and those above it, up to the launcher.
    local_job 1 2 'env; p=$$; while [ $p -gt 1 ]; do
        tr "\0" "\n" </proc/$p/cmdline; tr "\0" "\n" </proc/$p/environ
        [ "$(cat /proc/$p/comm)" != aolani-run ] || break
        p=$(cut -d" " -f4 /proc/$p/stat); done'
    aolani job.toml >/dev/null
    [ "$status" -eq 0 ]
    grep -q aolani-agent "$(rank_file 0 out)" # they were seen
    grep -q aolani-run "$(rank_file 0 out)"
    for key in "$(head -c 16 runs/latest/key)" \
        "$(od -An -tx1 runs/latest/key | tr -d ' \n' | head -c 16)"; do
        [ ${#key} -eq 16 ]
        run ! grep -rqF -e "$key" runs/latest/attempt-1
    done
}

@test "the exit status is that of the rank that failed first" {
    local_job 2 2 '[ $RANK = 2 ] && exit 7; trap "exit 9" TERM; sleep 60 & wait'
    aolani job.toml
    [ "$status" -eq 7 ]
    [[ $stderr == *"rank 2"* ]]
    [ "$(run_json '.ranks[2].end')" = "exit 7" ]
}

@test "a signal is 128 and its number" {
    local_job 1 2 '[ $RANK = 1 ] && kill -SEGV $$; sleep 60'
    aolani job.toml
    [ "$status" -eq 139 ]
    [[ $stderr == *"rank 1"* ]]
}

@test "a program that is not there is 127, one that cannot be executed 126" {
    job <<'END'
[job]
command = ["/nonexistent/program"]
[nodes]
backend = "local"
END
    aolani job.toml
    [ "$status" -eq 127 ]
    echo 'not a program' >data
    chmod 644 data
    job <<END
[job]
command = ["$W/data"]
[nodes]
backend = "local"
END
    aolani job.toml
    [ "$status" -eq 126 ]
}

@test "labels: every line begins with its node and rank" {
    local_job 2 2 'for i in 1 2 3; do echo line $i of $RANK; done; printf "no newline"'
    aolani -l job.toml
    [ "$status" -eq 0 ]
    [ "$(echo "$output" | grep -cE '^[^: ]+:[0-3]: (line [123] of [0-3]|no newline)$')" = 16 ]
    [ "$(echo "$output" | wc -l)" = 16 ]
    # The files have none.
    [ "$(head -n 1 "$(rank_file 3 out)")" = "line 1 of 3" ]
}

@test "output files hold the exact bytes" {
    head -c 3000001 /dev/urandom >bytes
    local_job 2 2 "cat '$W/bytes'; printf 'end of %s' \$RANK; head -c 1000 '$W/bytes' >&2"
    aolani job.toml
    [ "$status" -eq 0 ]
    for r in 0 1 2 3; do
        { cat bytes; printf 'end of %s' $r; } | cmp - "$(rank_file $r out)"
        head -c 1000 bytes | cmp - "$(rank_file $r err)"
    done
}

@test "the time limit is 124, and the grace is kept" {
    local_job 1 2 'trap "" TERM; sleep 60; sleep 60' 'time_limit = "2s"'
    begin=$SECONDS
    aolani job.toml
    [ "$status" -eq 124 ]
    [ $((SECONDS - begin)) -le 15 ]
}

@test "five mistakes are told at once with line and caret" {
    cat >five.toml <<'END'
[job]
comand = ["true"]
ranks_per_node = "many"
time_limit = "3 parsecs"

[nodes]
backend = "slrum"
hosts = ["n[1-"]
END
    aolani five.toml
    [ "$status" -eq 2 ]
    for line in 2 3 4 7 8; do
        echo "$stderr" | grep -qE "^five\.toml:$line:[0-9]+: "
    done
    [ "$(echo "$stderr" | grep -cE '^[ |0-9]*\^')" -ge 5 ]
    [[ $stderr == *command* ]] # did you mean
    [ ! -e runs ]
    aolani check five.toml
    [ "$status" -eq 2 ]
}

@test "check --show says every value and who set it" {
    local_job 3 2 true
    AOLANI_FAILURE_GRACE=7s aolani check --show job.toml
    [ "$status" -eq 0 ]
    [[ $output =~ local\.nodes\ +3\ +.*job\.toml ]]
    [[ $output =~ failure\.grace\ +\"7s\"\ +AOLANI_FAILURE_GRACE ]]
}

# start FILE...: the job in the background, until each rank made its file
start()
{
    env "${SIGNALS---default-signal=INT}" "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 all_there "$@"
}
all_there() { local f; for f; do [ -e "$f" ] || return 1; done; }

@test "without a terminal the first interrupt stops the job with its grace" {
    local_job 2 1 'trap "echo stopped; exit 0" TERM; touch "$TEST_MARK/up$RANK"
        while :; do sleep 0.1; done'
    start up0 up1
    kill -INT "$launcher"
    wait "$launcher" || status=$?
    cat log
    [ "$status" -eq 130 ]
    grep -qx stopped "$(rank_file 0 out)"
    grep -qx stopped "$(rank_file 1 out)"
}

@test "an interrupt stops a job that a script has put into the background" {
    local_job 1 1 'touch "$TEST_MARK/up"; sleep 100'
    SIGNALS=--ignore-signal=INT start up
    kill -INT "$launcher"
    wait "$launcher" || status=$?
    [ "$status" -eq 130 ]
}

@test "under nohup a hangup is nothing to the job" {
    local_job 1 1 'touch "$TEST_MARK/up"; until [ -e "$TEST_MARK/on" ]; do sleep 0.1; done'
    SIGNALS=--ignore-signal=HUP start up
    kill -HUP "$launcher"
    sleep 0.5
    touch on
    wait "$launcher"
}

@test "USR1 reaches every rank" {
    local_job 2 1 'trap "echo usr1; exit 0" USR1; touch "$TEST_MARK/up$RANK"
        while :; do sleep 0.1; done'
    start up0 up1
    kill -USR1 "$launcher"
    wait "$launcher"
    grep -qx usr1 "$(rank_file 0 out)"
    grep -qx usr1 "$(rank_file 1 out)"
}

@test "USR1 before there are ranks goes nowhere, and does the job no harm" {
    export HOME=$W # no start-up files
    local_job 2 1 'echo ran' 'setup = "touch $TEST_MARK/up; until [ -e $TEST_MARK/on ]; do sleep 0.1; done"'
    start up
    kill -USR1 "$launcher"
    wait_for 40 grep -q 'no rank runs yet' log
    touch on
    wait "$launcher"
    cat log
    grep -qx ran "$(rank_file 0 out)"
    grep -qx ran "$(rank_file 1 out)"
}

@test "what a rank leaves running is found and ended" {
    local_job 2 1 'setsid sleep 1000 >/dev/null 2>&1 & exit 0'
    aolani job.toml
    [ "$status" -eq 0 ]
    nothing_left_here
}

@test "a killed launcher: the lease ends the ranks" {
    local_job 2 1 'touch "$TEST_MARK/up$RANK"; while :; do sleep 0.1; done' '' \
        'head_lease = "3s"'
    start up0 up1
    kill -KILL "$launcher"
    wait_for 40 nothing_left_here
}

@test "every job file in configs passes check" {
    for f in "$root"/configs/*.toml; do
        case $f in */site*.toml) continue ;; esac
        # Their program is the build's own trainer: put it where they look.
        sed "s|\.\./build/|$BUILD/|" "$f" >checked.toml
        aolani check --offline checked.toml
        [ "$status" -eq 0 ]
    done
}

@test "of two programs of a rank that mark steps the first counts, and that is said" {
    command -v python3 >/dev/null || skip "python3 is absent"
    # As torchrun would start them; the second one begins while the first one lives.
    cat >marks.py <<'END'
import os, sys, time
import aolani
first, last = int(sys.argv[1]), int(sys.argv[2])
def say(what):
    open("%s.%s.%s" % (what, os.environ["OUTER"], first), "w").close()
for i in range(first, last):
    with aolani.step(i):
        time.sleep(0.02)
    say("began")
say("did")
while not os.path.exists("over." + os.environ["OUTER"]):
    time.sleep(0.02)
END
    local_job 1 2 "
        export OUTER=\$RANK
        cd '$W'
        RANK=0 python3 marks.py 0 10 &
        until [ -e began.\$OUTER.0 ]; do sleep 0.05; done
        [ \$OUTER = 1 ] || RANK=1 LOCAL_RANK=1 WORLD_SIZE=2 python3 marks.py 100 105 &
        until [ -e did.\$OUTER.0 ] && { [ -e did.\$OUTER.100 ] || [ \$OUTER = 1 ]; }; do
            sleep 0.05
        done
        touch over.\$OUTER
        wait"
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(grep -c "warning: rank 0: steps are marked by more than one process; those of the first" \
        <<<"$stderr")" = 1 ]
    [[ $stderr != *"rank 1: steps are marked"* ]]
    [ "$(sqlite3 runs/latest/run.db 'select rank, count(*), max(step) from step group by rank' |
        xargs)" = "0|10|9 1|10|9" ]
}
