#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whoever connects to the head's port, or has a node's key and is up to no good: the job goes
# on. On simulated nodes of this machine; peer.py is the peer.
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W
    command -v python3 >/dev/null || skip "no python3"
}
teardown()
{
    [ -z "${crowd_in-}" ] || exec {crowd_in}>&-
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    wait_for 30 nothing_left_here
}

# A job on two nodes whose ranks write until `go` is there, and then 100,000 bytes; $port.
start()
{
    job <<END
[job]
command = ["sh", "-c", '''echo \$AOLANI_RUN_ID >run
    while [ ! -e go ]; do ${TICK-echo tick}; sleep 0.1; done
    awk "BEGIN { for (i = 0; i < 10000; i++) printf \\"%09d\\\\n\\", i }"''']
mpi = "${MPI-none}"
[nodes]
backend = "local"
[local]
nodes = 2
[failure]
grace = "1s"
head_lease = "5s"
END
    "$BUILD/aolani-run" -v job.toml </dev/null >out 2>log 3>&- &
    launcher=$!
    wait_for 40 test -s run
    port=$(ss -Hltnp | sed -n "s/.*127.0.0.1:\([0-9]*\) .*pid=$launcher,.*/\1/p")
    [ -n "$port" ]
}
peer()
{
    timeout 60 python3 "$root/tests/e2e/peer.py" "$port" "$@" 3>&-
}
# One that has a key: of the first attempt.
knower() { peer "$@" --key runs/latest/key --run "$(cat run)" --generation 65536; }

# The job ends as if nobody had been there.
all_is_well()
{
    : >go
    status=0
    wait "$launcher" || status=$?
    launcher=
    cat log
    [ "$status" -eq 0 ]
    for r in 0 1; do
        [ "$(grep -vcx tick "$(rank_file $r out)")" -eq 10000 ]
        [ "$(grep -vx tick "$(rank_file $r out)" | sort -u | wc -l)" -eq 10000 ]
    done
    [ "$(run_json '[.nodes[].teardown] | unique | join(" ")')" = clean ]
    no_sanitizer_words
}
undisturbed() { ! grep -q 'link lost' log; }

@test "nonsense, cut off or not, gets no answer" {
    start
    [ "$(peer garbage 400)" = "no answer" ]
    undisturbed
    all_is_well
}

@test "a crowd that begins a handshake and holds it leaves descriptors for the job" {
    ulimit -Sn 1024 # as logins have it
    start
    mkfifo in
    ulimit -Sn "$(ulimit -Hn)"
    peer hold 900 <in >held &
    exec {crowd_in}>in
    wait_for 30 test -s held
    [ "$(find "/proc/$launcher/fd" -mindepth 1 | wc -l)" -lt 400 ]
    undisturbed
    run knower speak 1 # and an agent that loses its link comes in again
    [ "$(grep -c ': closed$' <<<"$output")" -eq 9 ]
    all_is_well
    [ "$(grep -c 'write ' log || :)" -eq 0 ]
}

@test "a flood of connections delays no heartbeat and takes no memory" {
    start
    for i in 1 2 3; do peer flood 4 >"n.$i" & floods="${floods-} $!"; done
    # shellcheck disable=SC2086
    wait $floods
    [ "$(cat n.? | awk '{ n += $1 } END { print n }')" -gt 0 ]
    undisturbed
    is_asan || [ "$(awk '/VmHWM/ { print $2 }' "/proc/$launcher/status")" -lt 65536 ]
    all_is_well
}

@test "who is greeted: a node with its own key, once" {
    start
    run knower hello 1
    echo "$output"
    [ "$output" = "another node's key: closed
another job's key: closed
another run: closed
a node that is not there: closed
a higher epoch: closed
its own key: greeted
the same once more: closed" ]
    undisturbed
    all_is_well
}

@test "HELLOs under a node's own key cost no more than a node may" {
    start
    read -r greeted tried <<<"$(knower exchanges 3)"
    echo "$greeted of $tried"
    [ "$greeted" -gt 0 ]
    [ "$greeted" -le 200 ] # 128 at once, and 10 a second
    undisturbed
    all_is_well
}

@test "a node that breaks the rules again and again is given up" {
    TICK=: start # what the agent says in between would count for it
    run knower flap 1
    status=0
    wait "$launcher" || status=$?
    launcher=
    cat log
    [ "$status" -eq 81 ]
    grep -q 'node "local1" is lost: its agent keeps breaking the protocol: ' log
}

@test "a node's key in bad hands: each breach ends that link, the agent calls again" {
    start
    run knower speak 1
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(grep -c ': closed$' <<<"$output")" -eq 9 ]
    all_is_well
}

@test "nodes listen for nobody: no port of an agent, a helper's socket is its user's" {
    [ -x "$BUILD/aolani-pmix" ] || skip "built without PMIx"
    MPI=pmix start
    run ss -Hltnp
    echo "$output"
    [ "$(grep -c aolani-agent <<<"$output")" -eq 0 ]
    # PMIx itself listens for the node's own ranks.
    [ "$(grep aolani-pmix <<<"$output" | grep -vc '127\.0\.0\.1:')" -eq 0 ]
    # shellcheck disable=SC2144
    for d in /tmp/aolani-*"$(cat run)"* /dev/shm/aolani-*"$(cat run)"*; do
        [ ! -d "$d" ] || [ "$(stat -c %a "$d")" = 700 ]
    done
    all_is_well
}
