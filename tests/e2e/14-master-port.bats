#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# MASTER_PORT: where it comes from, and what happens when another program is quicker.
load ../lib/e2e

setup_file() { cluster_up 2; }
teardown_file() { cluster_down; }
setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    stranger=
}
teardown()
{
    [ -z "$stranger" ] || kill -KILL "$stranger" 2>/dev/null || :
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

# port_job NODES SHELL_TEXT
port_job()
{
    job <<END
[job]
command = ["sh", "-c", '''$2''']
[nodes]
backend = "local"
[local]
nodes = $1
[failure]
grace = "2s"
END
}

# A program outside of the job that wants the port of each attempt, from the first to the
# last of $1: it learns it from the rank, which waits for it, and binds as programs do.
start_stranger()
{
    cat >stranger.py <<'END'
import os, socket, sys, time
for attempt in range(1, int(sys.argv[1]) + 1):
    while not os.path.exists(f"wanted.{attempt}"):
        time.sleep(0.02)
    s = socket.socket()
    s.bind(("", int(open(f"wanted.{attempt}").read())))
    s.listen()
    globals()[f"kept{attempt}"] = s
    open(f"taken.{attempt}", "w").close()
time.sleep(100)
END
    env -u TEST_MARK python3 stranger.py "$1" >stranger.log 2>&1 3>&- &
    stranger=$!
}

# bind_late OTHERS: rank 0 tells its port, lets the stranger take it where there is one, and
# then does what a rendezvous does: it binds, or fails. The other ranks do OTHERS.
bind_late()
{
    cat <<END
echo attempt \$AOLANI_ATTEMPT restarts \$TORCHELASTIC_RESTART_COUNT port \$MASTER_PORT
cd "\$TEST_MARK"
[ \$RANK = 0 ] || { $1; }
echo \$MASTER_PORT >wanted.tmp; mv wanted.tmp wanted.\$AOLANI_ATTEMPT
if [ \$AOLANI_ATTEMPT -le $STRANGER ]; then
    until [ -e taken.\$AOLANI_ATTEMPT ]; do sleep 0.02; done
fi
exec python3 -c "import os, socket; s = socket.socket()
s.bind((\"\", int(os.environ[\"MASTER_PORT\"]))); s.listen()"
END
}

@test "the port lies outside the range that clients get, and differs from job to job" {
    port_job 2 'echo $MASTER_PORT'
    read -r low high </proc/sys/net/ipv4/ip_local_port_range
    for i in 1 2; do
        aolani job.toml
        [ "$status" -eq 0 ]
        port=$(cat "$(rank_file 0 out)")
        [ "$port" = "$(cat "$(rank_file 1 out)")" ]
        [ "$port" -gt 1024 ]
        [ "$port" -lt "$low" ] || [ "$port" -gt "$high" ]
        echo "$port" >>ports
    done
    [ "$(sort -u ports | wc -l)" = 2 ]
}

@test "a lost race: another attempt, a new port, no restart, status 0" {
    STRANGER=1
    start_stranger 1
    port_job 2 "$(bind_late 'exit 0')"
    aolani job.toml
    [ "$status" -eq 0 ]
    port=$(cat wanted.1)
    [[ $stderr == *"MASTER_PORT $port on "*" was taken by another program; attempt 2 begins"* ]]
    [ "$(run_json .run.attempts)" = 2 ]
    [ "$(run_json .run.exit_status)" = 0 ]
    # The output of both is there, and tells them apart.
    [ "$(cat runs/latest/attempt-1/rank-0000.out)" = "attempt 1 restarts 0 port $port" ]
    grep -q 'Address already in use' runs/latest/attempt-1/rank-0000.err
    grep -q '^attempt 2 restarts 0 port ' runs/latest/attempt-2/rank-0000.out
    run ! grep -q "port $port\$" runs/latest/attempt-2/rank-0000.out
    # So does the journal.
    [ "$(sqlite3 runs/latest/run.db 'SELECT group_concat(attempt || " " || rank || " " || exit_code, ",")
        FROM (SELECT * FROM rank WHERE rank = 0 ORDER BY attempt)')" = "1 0 1,2 0 0" ]
    [[ $stderr == *"attempt 2; those before it came to nothing"* ]]
}

@test "every port taken: after three more attempts it ends with the rank's status" {
    STRANGER=9
    start_stranger 9
    port_job 1 "$(bind_late 'exit 0')"
    LIMIT=100 aolani job.toml
    [ "$status" -eq 1 ]
    [ "$(run_json .run.attempts)" = 4 ]
    [ "$(find runs/latest/ -maxdepth 1 -name 'attempt-*' | wc -l)" = 4 ]
    [[ $stderr == *"as those before it: the job is not begun again"* ]]
    [[ $stderr == *"rank 0 on "*" failed first: exit 1"* ]]
}

@test "a port that a rank of the job has is not lost: one attempt" {
    # The listener outlives rank 0's failure as a child that has dropped its environment.
    port_job 1 'env -i setsid python3 -c "import socket, time, sys; s = socket.socket()
s.bind((\"\", int(sys.argv[1]))); s.listen(); open(sys.argv[2], \"w\"); time.sleep(50)" \
        $MASTER_PORT "$TEST_MARK/up" &
        until [ -e "$TEST_MARK/up" ]; do sleep 0.05; done; exit 3'
    aolani job.toml
    [ "$status" -eq 3 ]
    [ "$(run_json .run.attempts)" = 1 ]
    [ ! -e runs/latest/attempt-2 ]
}

@test "a failure with the port in nobody's hands is no lost race: one attempt" {
    port_job 2 '[ $RANK = 1 ] || exec sleep 60; exit 5'
    aolani job.toml
    [ "$status" -eq 5 ]
    [ ! -e runs/latest/attempt-2 ]
}

@test "an interrupt while an attempt comes to nothing: there is no other" {
    # Rank 0 loses the port and fails; rank 1 holds the attempt up until the interrupt is in.
    STRANGER=9
    start_stranger 9
    port_job 2 "$(bind_late 'trap "touch asked" TERM; while :; do sleep 0.1; done')"
    sed -i 's/grace = .*/grace = "20s"/' job.toml
    "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 30 test -e asked
    kill -INT "$launcher"
    wait_for 40 grep -q 'once more kills its ranks' log
    kill -INT "$launcher" # do not wait for the grace
    wait "$launcher" || status=$?
    cat log
    [ "$status" -eq 1 ] # of the rank that failed, before anybody asked
    [ ! -e runs/latest/attempt-2 ]
    run ! grep -q 'attempt 2 begins' log
}

@test "over ssh: new agents, another port, nothing left of either attempt" {
    maybe_skip
    STRANGER=1
    cd "$C/share/out"
    start_stranger 1 # writes stranger.py; it is to run on the node, though
    kill -KILL "$stranger"
    on n1 sh -c 'cd /srv/share/out; exec python3 stranger.py 1' >/dev/null 2>&1 3>&- &
    stranger=$!
    head_job <<END
[job]
command = ["sh", "-c", '''$(bind_late 'exit 0')''']
env = { TEST_MARK = "/srv/share/out" }
[nodes]
hosts = ["n[1-2]"]
END
    head_run job.toml
    pid=$(on n1 pgrep -f stranger.py)
    on n1 kill -KILL "$pid"
    on n1 sh -c 'rm -f /srv/share/out/*.1 /srv/share/out/*.2'
    [ "$status" -eq 0 ]
    [[ $output == *"on n1 was taken by another program; attempt 2 begins"* ]]
    [ "$(head_json .run.attempts)" = 2 ]
    [ "$(head_json '.nodes | map(.teardown) | unique | join(" ")')" = clean ]
    wait_for 30 nothing_left
}
