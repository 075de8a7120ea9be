#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How an agent comes to a host: the script that ssh hands to a login shell, what may stand
# in its way, and what the user is told. A script takes the place of ssh, so that no host
# is needed; every host has a home folder and a /tmp of its own.
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W
    unset XDG_CACHE_HOME XDG_RUNTIME_DIR AOLANI_CACHE
    mkdir tmp shm
    # As sshd does it: the login shell gets one command line.
    script ssh <<'END'
for arg; do host=$line; line=$arg; done
export HOME=${HOST_HOME-$TEST_MARK/$host}
[ "$HOME" = /dev/null ] || mkdir -p "$HOME"
[ -z "${NOISE-}" ] || head -c "$NOISE" /dev/zero | tr '\0' '\n'
line=$(printf %s "$line" | sed "s|/tmp/|$TEST_MARK/tmp/|g; s|/dev/shm/|$TEST_MARK/shm/|g")
exec ${LOGIN_SHELL:-sh} -c "$line"
END
    job <<'END'
[job]
command = ["sh", "-c", "echo rank $RANK"]
[nodes]
backend = "ssh"
hosts = ["h[1-2]"]
[ssh]
connect_timeout = "30s"
[failure]
head_lease = "5s"
END
}
teardown() { wait_for 30 nothing_left_here; }

# script NAME <<END: a program in the test's folder
script() { { echo '#!/bin/sh'; cat; } >"$1"; chmod +x "$1"; }
# boot ARGUMENT...: the job, over the script that is called ssh or $VIA
boot() { aolani job.toml --ssh-command "$W/${VIA:-ssh}" "$@"; }
# The first line after the words on the way: how it ended.
sentence() { tr '\n' ' ' <<<"$stderr"; }

@test "every login shell hands the script on, with and without a cache" {
    for LOGIN_SHELL in sh bash dash ksh mksh zsh csh tcsh fish "busybox sh"; do
        command -v "${LOGIN_SHELL%% *}" >/dev/null || { echo "# no $LOGIN_SHELL" >&3; continue; }
        export LOGIN_SHELL
        rm -rf h1 h2
        boot
        [ "$status" -eq 0 ]
        [ "$(run_json '.nodes | map(.copied) | all')" = true ]
        boot
        [ "$status" -eq 0 ]
        [ "$(run_json '.nodes | map(.copied) | any')" = false ]
    done
}

@test "what start-up files print is passed over, up to a limit" {
    NOISE=100000 boot
    [ "$status" -eq 0 ]
    NOISE=2000000 boot
    [ "$status" -eq 80 ]
    [[ $(sentence) == *"h[1-2]: the node's start-up files print more than"* ]]
}

@test "a home that cannot take the agent: /tmp, then memory, but no folder of somebody else's" {
    uid=$(id -u)
    export HOST_HOME=/dev/null
    boot -N 1
    [ "$status" -eq 0 ]
    [ "$(stat -c %a "tmp/aolani-cache-$uid")" = 700 ]
    mv "tmp/aolani-cache-$uid" elsewhere
    ln -s "$W/elsewhere" "tmp/aolani-cache-$uid"
    boot -N 1
    [ "$status" -eq 0 ]
    [ "$(run_json '.nodes[0].copied')" = true ]
    [ "$(stat -c %a "shm/aolani-cache-$uid")" = 700 ]
    mv "shm/aolani-cache-$uid" elsewhere-too
    ln -s "$W/elsewhere-too" "shm/aolani-cache-$uid"
    boot -N 1
    [ "$status" -eq 80 ]
    [[ $(sentence) == *"h1: no place for the agent: /dev/null/.cache/aolani: Not a directory; \
$W/tmp/aolani-cache-$uid: not a folder of this user; \
$W/shm/aolani-cache-$uid: not a folder of this user"* ]]
    mkdir -m 700 run
    XDG_RUNTIME_DIR=$W/run boot -N 1
    [ "$status" -eq 0 ]
    [ -x "$(echo run/aolani/*/aolani-agent)" ]
    [ "$uid" = 0 ] || return 0
    rm -r "tmp/aolani-cache-$uid" "shm/aolani-cache-$uid"
    mv elsewhere "tmp/aolani-cache-$uid"
    chown 65534 "tmp/aolani-cache-$uid"
    boot -N 1
    [ "$status" -eq 0 ]
    [ -d "shm/aolani-cache-$uid" ]
}

@test "half a copy in the cache is not an agent" {
    boot
    [ "$status" -eq 0 ]
    agent=$(echo h1/.cache/aolani/*/aolani-agent)
    rm "$agent"
    head -c 1000 /bin/sh >"${agent%/*}/.agent.1"
    boot
    [ "$status" -eq 0 ]
    [ "$(run_json '.nodes | map(.copied) | join(" ")')" = "true false" ]
}

@test "a host of another kind is told so, also when its home has an agent" {
    for word in HAVE NEED; do
        script ssh <<END
echo AOLANI-$word s390x
sleep 100
END
        boot
        [ "$status" -eq 80 ]
        [[ $(sentence) == *"h[1-2]: the node is s390x, this agent is built for "* ]]
    done
}

# refused STATUS_LINE [ARGUMENT]...: the script on standard input in place of ssh ends the job
# with 80 and these words, in time, and leaves nothing running.
refused()
{
    script ssh
    begin=$SECONDS
    boot "${@:2}"
    [ "$status" -eq 80 ]
    [[ $(sentence) == *"agents could not start: $1"* ]]
    [ $((SECONDS - begin)) -le 15 ]
    wait_for 30 nothing_left_here
}
hasty=(--set ssh.connect_timeout=3s) # where the time has to run out

@test "a starter that says nothing is ended in time, with all below it" {
    refused 'h[1-2]: no answer from the node within' "${hasty[@]}" <<<'sleep 100; true'
}
@test "a starter that ends at once" {
    refused "h[1-2]: $W/ssh ended with status 0 before the agent was ready" <<<'exit 0'
}
@test "a starter that closes its output" {
    refused "h[1-2]: $W/ssh closed its output before the agent was ready" <<'END'
exec >&-
sleep 100
END
}
@test "a starter that prints garbage" {
    refused 'h[1-2]: no answer from the node within' "${hasty[@]}" <<<'head -c 300000 /dev/urandom; sleep 100'
}
@test "a starter that complains: what it means, the hosts folded, the way out" {
    refused 'h[1-2]: connection refused (is sshd running there' <<'END'
for arg; do host=$line; line=$arg; done
echo "ssh: connect to host $host port 22: Connection refused" >&2
exit 255
END
}
@test "a starter that complains in words of its own" {
    refused 'h[1-2]: tunnel to <host> is closed' <<'END'
for arg; do host=$line; line=$arg; done
echo "tunnel to $host is closed" >&2
exit 3
END
}
@test "a start-up file that ends the shell" {
    refused "h[1-2]: $W/ssh ended with status 0 before the agent was ready (a start-up file" <<'END'
exit 0
END
}
@test "a connection that sshd drops for want of room is tried again, and counted" {
    script ssh-dropped <<'END'
echo "kex_exchange_identification: Connection closed by remote host" >&2
echo "Connection closed by 10.0.0.1 port 22" >&2
exit 255
END
    script second <<'END'
for arg; do host=$line; line=$arg; done
echo x >>"$TEST_MARK/tries-$host"
[ "$(wc -l <"$TEST_MARK/tries-$host")" -ge 3 ] || exec "$TEST_MARK/ssh-dropped"
exec "$TEST_MARK/ssh" "$@"
END
    VIA=second boot
    [ "$status" -eq 0 ]
    [ "$(cat tries-h1 tries-h2 | wc -l)" = 6 ]
    [[ $stderr != *"dropped"* ]]
    VIA=ssh-dropped boot "${hasty[@]}"
    [ "$status" -eq 80 ]
    [[ $(sentence) == *"h[1-2]: sshd dropped the connection before the login, also when tried again (raise MaxStartups"* ]]
}

@test "a starter that does not end when it is told to" {
    refused 'h[1-2]: the agent is version 9.9.9, aolani-run is ' <<'END'
trap '' TERM
echo AOLANI-READY 9.9.9
sleep 9
sleep 9
END
}
@test "an agent of another version" {
    refused 'h[1-2]: the agent is version 9.9.9, aolani-run is ' <<<'echo AOLANI-READY 9.9.9; sleep 9'
}
@test "words from a host reach the terminal without control characters" {
    refused 'h[1-2]: [31mno' <<'END'
printf 'AOLANI-FAIL \033[31mno\007\n'
sleep 9
END
}
@test "an agent that takes its key and dies" {
    version=$("$BUILD/aolani-run" --version)
    refused 'h[1-2]: its agent died: status 3' <<END
echo AOLANI-READY ${version##* }
head -c 8 >/dev/null
exit 3
END
}

@test "a command for ssh that is not there, for a thousand hosts" {
    aolani job.toml -H 'h[1-1000]' --ssh-command "$W/nothing"
    [ "$status" -eq 80 ]
    [[ $(sentence) == *"h[1-1000]: start \"$W/nothing\": No such file"* ]]
}

@test "while agents start the user is told whom the job waits for; an interrupt ends it" {
    script ssh <<<'exec sleep 100'
    env --default-signal=INT timeout -k 5 30 "$BUILD/aolani-run" job.toml \
        --ssh-command "$W/ssh" </dev/null >log 2>&1 3>&- &
    wait_for 40 grep -q 'waiting for h\[1-2\]' log
    pkill -INT -P $! -x aolani-run
    wait $! || status=$?
    cat log
    [ "$status" -eq 130 ]
    grep -q 'before the ranks were started' log
}

@test "started without standard descriptors, it takes none of them for its files" {
    "$BUILD/aolani-run" job.toml --ssh-command "$W/ssh" <&- >&- 2>&-
    [ "$(cat "$(rank_file 1 out)")" = "rank 1" ]
}

# More half-open connections than the head lets wait: the oldest goes, an agent comes in.
@test "strangers that connect and say nothing do not keep agents out" {
    [ "$(ulimit -Hn)" -ge 4096 ] || skip "too few descriptors are allowed for a crowd"
    script slow <<'END'
ss -Hltnp | grep "pid=$PPID," | sed 's/.*:\([0-9]*\) .*/\1/; q' >"$TEST_MARK/port"
until [ -e "$TEST_MARK/crowded" ]; do sleep 0.1; done
exec "$TEST_MARK/ssh" "$@"
END
    crowd=$(cat <<'END'
ulimit -n 4096
until [ -s "$TEST_MARK/port" ]; do sleep 0.1; done
for ((i = 0; i < 1200; i++)); do exec {fd}<>"/dev/tcp/127.0.0.1/$(<"$TEST_MARK/port")"; done
touch "$TEST_MARK/crowded"
sleep 30
END
    )
    bash -c "$crowd" 3>&- &
    VIA=slow boot -N 1 -vv
    kill $! && wait $! || :
    [ "$status" -eq 0 ]
    [[ $stderr == *"makes room for another"* ]]
    [[ $stderr == *"connected to the head"* ]]
    [[ $stderr != *"over the starter's channel"* ]]
}
