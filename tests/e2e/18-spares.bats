#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hosts that cannot be had, and the spare ones that take their places.
load ../lib/e2e

setup_file() { cluster_up 5; }
teardown_file() { cluster_down; }
setup() { work; }
cluster_setup() { maybe_skip; "$cluster" sshd "$C" n2; }

# spares HOSTS [KEYS_OF_NODES]: a job whose ranks say where they run
spares()
{
    head_job <<END
[job]
command = ["sh", "-c", "echo rank \$RANK on \$(hostname)"]
[nodes]
backend = "ssh"
hosts = [$1]
${2-}
[ssh]
connect_timeout = "${TIMEOUT:-30s}"
[failure]
head_lease = "5s"
END
}
on_root() { "$cluster" exec -u root "$C" "$@"; }
ran_on() { on head sh -c 'cat runs/latest/attempt-1/rank-*.out' | sort | xargs; }

@test "nobody answers at a host: a spare takes its place, and it is said everywhere" {
    cluster_setup
    "$cluster" sshd "$C" n2 stop
    spares '"n[1-4]"' 'count = 2
spares = 2'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"warning: n2: "*"onnection refused; n3 takes its place"* ]]
    [ "$(ran_on)" = "rank 0 on n1 rank 1 on n3" ]
    [ "$(head_json '[.nodes[].name] | join(" ")')" = "n1 n3" ]
    [ "$(head_json '[.nodes[].hostname] | join(" ")')" = "n1 n3" ]
    [ "$(head_json '.replaced | map("\(.node) \(.host) \(.by) \(.agent)") | join(", ")')" = \
        "1 n2 n3 not started" ]
    [[ $(head_json '.replaced[0].why') == *"onnection refused"* ]]
    # The journal, as run.db tells it.
    [ "$(on head sqlite3 runs/latest/run.db 'select name, hostname from node' | xargs)" = \
        "n1|n1 n3|n3" ]
    on head sqlite3 runs/latest/run.db \
        "select node, detail from node_event where event = 'replaced'" | grep '^1|.*refused'
    wait_for 30 nothing_left
}

@test "check asks the spares like all others" {
    cluster_setup
    spares '"n[1-2]", "no-such-host"' 'count = 2
spares = 1'
    run on head "$bin/aolani-run" check job.toml
    [ "$status" -eq 80 ]
    [[ $output == *"on 2 hosts and 1 spare, "* ]]
    [[ $output == *"no-such-host: its name does not resolve"* ]]
}

@test "a name that does not resolve, and a host that hangs in the handshake" {
    cluster_setup
    on_root n2 pkill -STOP -x sshd
    TIMEOUT=8s spares '"n[1-2]", "no-such-host", "n[3-4]"' 'count = 3
spares = 2'
    head_run job.toml
    on_root n2 pkill -CONT -x sshd
    [ "$status" -eq 0 ]
    [[ $output == *"warning: no-such-host: "*"does not resolve"*"; n"[34]" takes its place"* ]]
    [[ $output == *"warning: n2: "*"; n"[34]" takes its place"* ]]
    [ "$(head_json '.replaced | map(.host) | sort | join(" ")')" = "n2 no-such-host" ]
    [ "$(head_json '[.ranks[].end] | unique | join(" ")')" = "exit 0" ]
    wait_for 30 nothing_left
}

@test "a spare that is no better: the next one" {
    cluster_setup
    "$cluster" sshd "$C" n2 stop
    spares '"n2", "no-such-host", "n5"' 'count = 1
spares = 2'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"; no-such-host takes its place"*"warning: no-such-host: "*"; n5 takes its place"* ]]
    [ "$(ran_on)" = "rank 0 on n5" ]
    [ "$(head_json '.replaced | map("\(.host) \(.by)") | join(", ")')" = \
        "n2 no-such-host, no-such-host n5" ]
}

@test "all spares are used up: 80, and all that failed is named together" {
    cluster_setup
    "$cluster" sshd "$C" n2 stop
    spares '"n1", "no-such-host[1-2]", "n2"' 'spares = 1'
    head_run job.toml
    [ "$status" -eq 80 ]
    [[ $output == *"agents could not start: "*"no-such-host[1-2]: "*"does not resolve"* ]]
    [[ $output == *"agents could not start: "*"n2: "*"onnection refused"* ]]
    wait_for 30 nothing_left
}

@test "spares that are not needed are not touched" {
    cluster_setup
    spares '"n[1-2]", "no-such-host"' 'spares = 1'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output != *no-such-host* ]]
    [ "$(head_json '.replaced | length')" = 0 ]
}

@test "more spares than hosts: the line of the job file, and 2" {
    cluster_setup
    spares '"n[1-3]"' 'count = 2
spares = 2'
    head_run job.toml
    [ "$status" -eq 2 ]
    [[ $output == *"job.toml:7:10: 2 nodes and 2 spares are asked for, but there are 3 hosts"* ]]
}

# Scripts take the place of ssh here: what reached the first host must be at hand.
@test "an agent of a replaced host that comes late does not speak for the node" {
    cat >ssh <<'END'
#!/bin/sh
for arg; do host=$line; line=$arg; done
[ "$host" = h1 ] || HOME=$TEST_MARK/home exec sh -c "$line"
echo AOLANI-READY "$VERSION"
{ dd bs=8 count=1; dd bs=64k count=1; } 2>/dev/null >"$TEST_MARK/key" # the head, then the rest
echo Connection closed by remote host >&2
exit 255
END
    chmod +x ssh
    mkdir home
    version=$("$BUILD/aolani-run" --version)
    export TEST_MARK=$W VERSION=${version##* }
    job <<'END'
[job]
command = ["sh", "-c", "touch started; until [ -e go ]; do sleep 0.1; done; echo $RANK"]
[head]
address = "127.0.0.1"
[nodes]
hosts = ["h[1-2]"]
spares = 1
[failure]
head_lease = "3s"
END
    "$BUILD/aolani-run" job.toml --ssh-command "$W/ssh" -vv </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 test -e started
    cat log
    grep 'h1: its agent got the key but did not connect, and ssh has ended: Connection closed by remote host; h2' log
    grep 'h2 takes its place; an agent that' log
    { cat key; sleep 1; } | "$BUILD/aolani-agent" --stdio >late 2>&1 3>&- &
    late=$!
    wait_for 40 grep 'a connection from 127.0.0.1 is refused' log
    touch go
    wait $launcher
    wait_for 40 grep 'longer than the lease' late
    wait $late || :
    cat log
    [ "$(run_json '.replaced[0].agent')" = "not proven" ]
    [ "$(cat "$(rank_file 0 out)")" = 0 ]
    wait_for 30 nothing_left_here
}
