#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `aolani-run check` of the place: what it finds on the nodes, and that it leaves nothing.
load ../lib/e2e

setup_file() { cluster_up 3; }
teardown_file() { cluster_down; }
setup() { maybe_skip; }

# place_job HOSTS COMMAND [MORE_LINES]
place_job()
{
    head_job <<END
[job]
command = $2
workdir = "/tmp"
ranks_per_node = 2
[nodes]
backend = "ssh"
hosts = $1
${3-}
END
}
head_check()
{
    # Not by run, which warns of an exit status 127.
    status=0
    output=$(timeout -k 10 90 "$cluster" exec "$C" head timeout -k 10 80 "$bin/aolani-run" \
        check job.toml "$@" </dev/null 2>&1) || status=$?
    mapfile -t lines <<<"$output"
    printf '%s\n' "--- status $status" "$output"
}
# Neither a run directory nor anything on a node.
no_trace()
{
    run ! on head test -e runs
    wait_for 30 nothing_left
}

@test "a place where all is well: one line for nodes that are alike, and ok" {
    place_job '["n[1-3]"]' '["sh", "-c", "touch /srv/share/out/started"]'
    head_check
    [ "$status" -eq 0 ]
    [[ $output =~ n\[1-3\]\ +n\[1-3\]\ +direct\ +copied\ +[0-9]+\ +[0-9.]+\ GiB ]]
    [[ $output == *"program  "*"/sh on n[1-3]"* ]]
    [ "${lines[-1]}" = "job.toml: ok" ]
    [ ! -e "$C/share/out/started" ] # no rank was
    no_trace
    # The agents are in the cache now.
    head_check
    [ "$status" -eq 0 ]
    [[ $output =~ n\[1-3\]\ +n\[1-3\]\ +direct\ +there ]]
}

@test "a program that one node lacks: 127, the node and the way out" {
    on n1 sh -c 'printf "#!/bin/sh\n" >/tmp/mine; chmod 755 /tmp/mine'
    on n3 sh -c 'printf "#!/bin/sh\n" >/tmp/mine; chmod 755 /tmp/mine'
    place_job '["n[1-3]"]' '["/tmp/mine"]'
    head_check
    on n1 rm /tmp/mine
    on n3 rm /tmp/mine
    [ "$status" -eq 127 ]
    [[ $output == *"program  /tmp/mine on n[1,3]"* ]]
    [[ $output == *"n2: "*"/tmp/mine"* ]]
    [[ ${lines[-1]} == *": 1 problem" ]]
    no_trace
}

@test "two kinds of trouble are told apart, each with its nodes" {
    on n1 sh -c 'printf "#!/bin/sh\n" >/tmp/mine; chmod 755 /tmp/mine'
    on n3 sh -c 'printf x >/tmp/mine; chmod 644 /tmp/mine'
    place_job '["n[1-3]"]' '["/tmp/mine"]'
    head_check
    on n1 rm /tmp/mine
    on n3 rm /tmp/mine
    [ "$status" -eq 127 ] || [ "$status" -eq 126 ]
    [[ $output == *"n2: "*"No such file"* ]]
    [[ $output == *"n3: "*"ermission denied"* ]]
    [[ ${lines[-1]} == *": 2 problems" ]]
}

@test "hosts that cannot be reached: 80, grouped, beside those that can" {
    place_job '["n1", "nowhere[1-2]"]' '["true"]'
    head_check
    [ "$status" -eq 80 ]
    [[ $output =~ n1\ +n1\ +direct ]]
    [[ $output =~ nowhere\[1-2\]\ +not\ reached ]]
    [[ $output == *"nowhere[1-2]: "*"resolve"* ]]
    no_trace
}

@test "more ranks than cores, strictly: 83" {
    place_job '["n[1-2]"]' '["true"]' '[bind]
strict = true'
    head_check -r 1000
    [ "$status" -eq 83 ]
    no_trace
}

@test "nodes that reach the head but not rank 0's port: 82, and which" {
    place_job '["n[1-3]"]' '["true"]'
    n1=$(on head getent ahostsv4 n1 | awk '{ print $1; exit }')
    "$cluster" exec -u root "$C" n3 ip route add unreachable "$n1/32"
    head_check
    "$cluster" exec -u root "$C" n3 ip route del unreachable "$n1/32"
    [ "$status" -eq 82 ]
    [[ $output =~ n3:\ connect\ to\ \"$n1:[0-9]+\",\ where\ rank\ 0\ would\ listen:\ No\ route ]]
    [[ $output == *"hint: let the nodes reach each other"* ]]
    [[ $output != *"n2: "* ]]
    no_trace
}

@test "--offline asks nobody" {
    place_job '["nowhere[1-9]"]' '["no-such-program"]'
    head_check --offline
    [ "$status" -eq 0 ]
    [[ $output == *": ok"*"on 9 hosts, 2 ranks each"* ]]
}

@test "a mistake in the file is told first, and no host is asked" {
    place_job '["nowhere"]' '["true"]' 'cout = 3'
    head_check
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean"* ]]
    [[ $output != *nowhere:* ]]
}

@test "a slow place: what is waited for is said; Ctrl-C ends it and leaves nothing" {
    on head sh -c 'cat >slow-ssh; chmod 755 slow-ssh' <<'END'
#!/bin/sh
case "$*" in *n2*) exec sleep 100 ;; esac
exec ssh "$@"
END
    place_job '["n[1-2]"]' '["true"]' '[ssh]
command = ["/home/rider/slow-ssh"]'
    head_start check job.toml
    wait_for 40 on head grep -q 'starting agents: 1 of 2 nodes are up; waiting for n2' log
    head_signal INT
    wait_for 40 head_ended
    head_file log
    [ "$(head_status)" = 130 ]
    on head rm slow-ssh log status
    no_trace
}
