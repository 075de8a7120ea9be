#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that do everything wrong, on a simulated node of this machine: the job ends as it
# should, and nothing is left.
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
}

# hostile RANKS SHELL_TEXT [KEYS_OF_JOB]
hostile()
{
    job <<END
[job]
command = ["sh", "-c", '''$2''']
ranks_per_node = $1
mpi = "none"
${3-}
[nodes]
backend = "local"
[failure]
grace = "1s"
head_lease = "3s"
END
}

# Start it, and wait until the file `ready` is there; $launcher, $agent.
start()
{
    "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 test -s ready
    agent=$(pgrep -x aolani-agent -P "$(pgrep -d , -P "$launcher")")
    [ -n "$agent" ]
}
daemon='setsid env -i sh -c "trap : TERM; echo \$\$ >ready; while :; do sleep 1; done" &'
daemon_gone() { ! kill -0 "$(cat ready)" 2>/dev/null; }

@test "a step ring that is truncated, overwritten and removed" {
    hostile 2 'truncate -s 0 "$AOLANI_STEP_PATH"; sleep 0.5
        head -c 500000 /dev/urandom >"$AOLANI_STEP_PATH"; sleep 0.5; rm "$AOLANI_STEP_PATH"'
    aolani job.toml
    [ "$status" -eq 0 ]
}

@test "scratch that the user himself may not enter or change" {
    hostile 1 'd=$OMPI_MCA_orte_tmpdir_base; mkdir -p "$d/a/b" "$d/c"; : >"$d/a/b/f"
        chmod 500 "$d/a/b"; chmod 0 "$d/c"'
    aolani job.toml
    [ "$status" -eq 0 ]
}

@test "a daemon that has dropped its session and its environment" {
    hostile 1 "$daemon while [ ! -s ready ]; do sleep 0.1; done"
    aolani job.toml
    daemon_gone
    [ "$(run_json '.nodes[0].teardown')" = forced ]
}

@test "the same when the agent is killed, and the launcher too" {
    hostile 1 "$daemon sleep 100"
    start
    kill -KILL "$agent" "$launcher"
    wait_for 40 daemon_gone
    wait_for 30 nothing_left_here
}

@test "more ranks on a node than a login has descriptors for" {
    ulimit -Sn 512
    hostile 300 'echo here'
    LIMIT=100 aolani job.toml >/dev/null
    [ "$status" -eq 0 ]
    [ "$(cat runs/latest/attempt-1/rank-*.out | sort | uniq -c | xargs)" = "300 here" ]
}

@test "the setup text runs in a login shell, and its noise is no output" {
    export HOME=$W
    echo 'echo welcome; module() { MODULES="$MODULES $2"; export MODULES; }; SITE=theirs' \
        >.profile
    hostile 1 'echo "$MODULES $SITE"' 'setup = "module load mpi; module load cuda"
env = { SITE = "ours" }'
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 0 out)")" = " mpi cuda ours" ]
    [ ! -s "$(rank_file 0 err)" ]
}
