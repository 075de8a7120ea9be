#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Hosts as they are found: real sshd that refuses, hangs, drops or asks, login shells and
# start-up files of every kind, homes that are full, shared or not for programs, and ways
# there that lead through other hosts. What cannot be started is said in one line.
load ../lib/e2e

setup_file()
{
    cluster_up 8
    [ -z "${WHY_SKIPPED-}" ] || return 0
    # Names come from the file of hosts alone: there is no name server.
    sed -i 's/^hosts:.*/hosts: files/' "$C/etc/nsswitch.conf"
    {
        echo "10.77.0.1 m1 m2 m3 m4 m5"
        echo "10.77.0.55 n5-anew"
    } >>"$C/etc/hosts"
}
teardown_file() { cluster_down; }
setup()
{
    maybe_skip
    on head rm -f .ssh/config
    [ -z "${C-}" ] || changed=$C/changed
}
# The hosts that a test has changed get their sshd back, and their mounts are undone.
teardown()
{
    [ -e "${changed-}" ] || return 0
    while read -r h <&4; do
        at "$h" 'for m in $(awk "{ print \$5 }" /proc/self/mountinfo | sort -r |
            grep -E "^/(home/rider|home/rider/.cache|tmp/aolani-cache-20077|dev/shm/aolani-cache-20077|etc/passwd)$"); do
            umount -l "$m"; done; rm -rf /home/rider/.cache /tmp/aolani-* /dev/shm/aolani-*'
        "$cluster" sshd "$C" "$h" 3>&- 4>&-
    done 4< <(sort -u "$changed")
    rm -f "$changed"
}

# at HOST SCRIPT [ARGUMENT]...: as root there
at() { "$cluster" exec -u root "$C" "$1" sh -ec "$2" - "${@:3}" 3>&-; }
change() { echo "$1" >>"$changed"; }
# sshd_with HOST stop | LINE...
sshd_with() { change "$1"; "$cluster" sshd "$C" "$@" 3>&-; }
# login_shell HOST PATH
login_shell()
{
    change "$1"
    at "$1" 'sed "/^rider:/s|[^:]*$|$1|" /etc/passwd >/run/passwd; mount --bind /run/passwd /etc/passwd' "$2"
}
ssh_config() { on head sh -c 'mkdir -p .ssh; cat >.ssh/config; chmod 600 .ssh/config'; }

# start HOSTS [WORD]...: a job of one rank a node that says where it runs
start()
{
    head_job <<END
[job]
command = ["sh", "-c", "echo rank \$RANK; hostname"]
[nodes]
backend = "ssh"
hosts = "$1"
[ssh]
connect_timeout = "${TIMEOUT:-30s}"
[failure]
head_lease = "5s"
END
    head_run job.toml "${@:2}"
}
works() { start "$@"; [ "$status" -eq 0 ]; }
# fails HOSTS SENTENCE: exit status 80, and this one line
fails()
{
    local line
    start "$1"
    [ "$status" -eq 80 ]
    line=$(head_json .run.sentence) # as it is before the report folds it to the terminal
    printf '%s\n' "expected: $2" "     got: ${line#agents could not start: }"
    [ "$line" = "agents could not start: $2" ]
    [ "$(grep -c 'could not start' <<<"$output")" -eq 1 ]
}

refused='connection refused (is sshd running there, and on this port?)'
denied='permission denied, no key of yours is accepted'
by_hand='log in once by hand with ControlMaster and ControlPersist in ~/.ssh/config: the job uses that connection'

@test "names that do not resolve" {
    fails 'n1,no-such-[1-2]' 'no-such-[1-2]: its name does not resolve (check the spelling, or give it a HostName in ~/.ssh/config)'
}

@test "no sshd there; one that says nothing; nobody there" {
    sshd_with n1 stop
    sshd_with n2 stop
    at n3 'python3 -c "
import os, socket, time
s = socket.socket(); s.bind((\"\", 2222)); s.listen(9)
if os.fork(): os._exit(0)
os.setsid()
for fd in range(3): os.close(fd)
time.sleep(60)"'
    ssh_config <<'END'
Host n3
    Port 2222
END
    TIMEOUT=3s fails 'n[1-4]' "n[1-2]: $refused; n3: it takes the connection, but sshd does not answer (is it overloaded? [ssh] connect_timeout gives it longer)"
    at n4 'ip link set eth0 down'
    change n4
    TIMEOUT=3s start n4
    at n4 'ip link set eth0 up'
    [ "$status" -eq 80 ]
    # Which of the two is a matter of the neighbour table's patience.
    [[ $(head_json .run.sentence) =~ "n4: "("connection timed out (is it up?"|"no route to host (is it up,") ]]
}

@test "a host key that has changed, one that is not known" {
    W=$BATS_TEST_TMPDIR/host
    cp "$C/n4/ssh_host_ed25519_key" "$W.key"
    ssh-keygen -q -t ed25519 -N '' -f "$W.new"
    cat "$W.new" >"$C/n4/ssh_host_ed25519_key"
    cp "$C/n4/ssh_host_ed25519_key.pub" "$W.pub"
    cat "$W.new.pub" >"$C/n4/ssh_host_ed25519_key.pub"
    sshd_with n4
    at n5 'ip address add 10.77.0.55/24 dev eth0'
    fails 'n4,n5-anew' "n4: its host key has changed (if it was installed anew: ssh-keygen -R HOST, then log in once by hand); n5-anew: its host key is not known (log in once by hand, or [ssh] options = [\"-oStrictHostKeyChecking=accept-new\"])"
    cat "$W.key" >"$C/n4/ssh_host_ed25519_key"
    cat "$W.pub" >"$C/n4/ssh_host_ed25519_key.pub"
    works n5-anew --ssh-options -oStrictHostKeyChecking=accept-new
    on head rm -f .ssh/known_hosts
}

@test "a password, a second factor, a ticket is wanted; the key is of no use" {
    sshd_with n1 'AuthenticationMethods password'
    sshd_with n2 'AuthenticationMethods publickey,keyboard-interactive' 'UsePAM yes' 'KbdInteractiveAuthentication yes'
    sshd_with n3 'AuthenticationMethods gssapi-with-mic' 'GSSAPIAuthentication yes'
    sshd_with n4 'DenyUsers rider'
    sshd_with n5 'DenyUsers rider'
    fails 'n[1-3]' "n1: it asks for a password ($by_hand); n2: it asks for a second factor or a password; n3: there is no valid Kerberos ticket (kinit)"
    fails 'n[4-5]' "n[4-5]: $denied; it takes publickey,password (load your key (ssh-add), or put it there (ssh-copy-id HOST))"
}

@test "too many keys; nobody may log in; a login shell that says no" {
    on head sh -c 'for i in 1 2 3; do rm -f .ssh/k$i; ssh-keygen -q -t ed25519 -N "" -f .ssh/k$i; done'
    ssh_config <<'END'
Host n1
    IdentityFile ~/.ssh/k1
    IdentityFile ~/.ssh/k2
    IdentityFile ~/.ssh/k3
END
    sshd_with n1 'MaxAuthTries 1'
    echo 'down for repairs' >"$C/etc/nologin"
    start n2
    rm "$C/etc/nologin"
    [ "$status" -eq 80 ]
    [ "$(head_json .run.sentence)" = 'agents could not start: n2: sshd closed the connection during the login; it said: down for repairs (its log says why)' ]
    login_shell n3 /usr/sbin/nologin
    fails 'n1,n3' 'n1: too many keys were tried (name the right one: IdentityFile and IdentitiesOnly in ~/.ssh/config); n3: it does not let you log in: the account is not available (ask the host'\''s administrator)'
}

@test "ssh itself: not there, an option it does not know" {
    start n1 --ssh-command /no/ssh
    [ "$status" -eq 80 ]
    [ "$(head_json .run.sentence)" = 'agents could not start: n1: start "/no/ssh": No such file or directory (install an ssh client, or name another: [ssh] command)' ]
    ssh_config <<<'NoSuchOption yes'
    fails n1 "n1: /home/rider/.ssh/config: line 1: Bad configuration option: nosuchoption (see ~/.ssh/config and [ssh] options)"
}

# Five names of one host, whose sshd lets one login in at a time and drops the others.
@test "MaxStartups: dropped logins are tried again, without a word" {
    ssh_config <<'END'
Host m*
    HostKeyAlias n1
END
    sshd_with n1 'MaxStartups 1:100:1'
    TIMEOUT=60s works 'm[1-5]'
    [[ $output != *dropped* ]]
    on head rm -rf runs
    TIMEOUT=60s works 'm[1-5]' -v
    [[ $output == *"trying again"* ]]
    # Somebody holds the one place: the tries come to an end.
    on head bash -c 'until exec 9<>/dev/tcp/10.77.0.1/22 && read -r -t 5 banner <&9 &&
        [[ $banner == SSH-* ]]; do sleep 0.1; done; touch /tmp/held; exec sleep 60' 3>&- &
    wait_for 30 on head test -e /tmp/held
    TIMEOUT=3s fails 'm[1-2]' 'm[1-2]: sshd dropped the connection before the login, also when tried again (raise MaxStartups in sshd_config there, or lower [ssh] window)'
    on head sh -c 'rm /tmp/held; pkill -x sleep'
    wait $! || :
}

@test "login shells, and start-up files that print on both streams" {
    n=0 hosts=
    noisy='echo out; echo ssh: connect to host n1 port 22: Connection refused >&2'
    for shell in csh tcsh fish zsh mksh ash bash; do
        case $shell in
        ash) path=$(command -v busybox) ;;
        *) path=$(command -v $shell) ;;
        esac || { echo "# no $shell" >&3; continue; }
        n=$((n + 1))
        hosts+=${hosts:+,}n$n
        login_shell n$n "/run/$shell"
        at n$n 'ln -s "$1" "/run/$2"' "$path" $shell
        on n$n sh -c 'mkdir -p .config/fish
            for f in .cshrc .tcshrc; do echo "echo out; sh -c \"echo noise >&2\"" >$f; done
            for f in .zshenv .config/fish/config.fish .mkshrc; do echo "$1" >$f; done
            echo "$1" >.bashrc' - "$noisy"
    done
    for round in 1 2; do
        works "$hosts"
        [ "$(grep -c '^n[1-8]$' <<<"$output")" -eq $n ]
    done
    [ "$(head_json '.nodes | map(.copied) | any')" = false ]
    for ((i = 1; i <= n; i++)); do
        on n$i rm -rf .cshrc .tcshrc .zshenv .config .mkshrc .bashrc
        at n$i 'find /run -maxdepth 1 -type l -name "*sh" -delete'
    done
}

# small HOST FOLDER [OPTION]: a file system of 200 KB, the agent needs ten times as much
small()
{
    change "$1"
    at "$1" 'mkdir -p "$1"; mount -t tmpfs -o "size=200k,mode=$3$2" tmpfs "$1"
        [ "$3" = 1777 ] || chown rider: "$1"' "$2" "${3:+,$3}" "${4:-700}"
}
place_on() { on "$1" sh -c 'ls -d .cache/aolani/*/aolani-agent /tmp/aolani-cache-*/*/aolani-agent \
    /run/user/*/aolani/*/aolani-agent /dev/shm/aolani-cache-*/*/aolani-agent 2>/dev/null | sed "s|/[^/]*/aolani-agent||"'; }
half_files() { on "$1" find . /tmp /dev/shm -name '.agent*' -o -name '.probe*' 2>/dev/null; }

@test "a home that cannot take the agent: the next place, and nothing left half done" {
    for h in 1 2 3 4 5 6; do on n$h rm -rf .cache; done
    small n1 /home/rider/.cache
    small n2 /home/rider/.cache
    at n2 'mkdir -m 700 /tmp/aolani-cache-20077; chown rider: /tmp/aolani-cache-20077
        mount -t tmpfs -o size=200k,mode=700,uid=20077 tmpfs /tmp/aolani-cache-20077'
    small n3 /home/rider/.cache noexec
    at n3 'mount -o remount,size=64m /home/rider/.cache'
    at n4 'mkdir -m 755 /home/rider/.cache'
    change n4
    small n5 /home/rider/.cache
    at n5 'mkdir -m 777 /tmp/aolani-cache-20077; chown 4711 /tmp/aolani-cache-20077'
    works 'n[1-5]'
    [ "$(place_on n1)" = /tmp/aolani-cache-20077 ]
    [ "$(place_on n2)" = /dev/shm/aolani-cache-20077 ]
    [ "$(place_on n3)" = /tmp/aolani-cache-20077 ]
    [ "$(place_on n4)" = /tmp/aolani-cache-20077 ]
    [ "$(place_on n5)" = /dev/shm/aolani-cache-20077 ]
    [ -z "$(at n5 'ls -A /tmp/aolani-cache-20077')" ]
    for h in 1 2 3 4 5; do [ -z "$(half_files n$h)" ]; done
    works 'n[1-5]'
    [ "$(head_json '.nodes | map(.copied) | any')" = false ]
}

@test "no place at all: each is named with its reason" {
    for h in n6 n7; do
        on $h rm -rf .cache
        small $h /home/rider/.cache noexec
        at $h 'mount -o remount,size=64m /home/rider/.cache
            ln -s /srv/share /tmp/aolani-cache-20077
            mkdir -m 700 /dev/shm/aolani-cache-20077; chown rider: /dev/shm/aolani-cache-20077
            mount -t tmpfs -o size=200k,mode=700,uid=20077 tmpfs /dev/shm/aolani-cache-20077'
    done
    fails 'n[6-7]' 'n[6-7]: no place for the agent: /home/rider/.cache/aolani: programs do not run there (noexec); /tmp/aolani-cache-20077: not a folder of this user; /dev/shm/aolani-cache-20077: No space left on device (make room in one of them, or set AOLANI_CACHE on the nodes to a folder that runs programs)'
    for h in n6 n7; do
        [ -z "$(half_files $h)" ]
    done
}

@test "eight hosts with one home store the agent at once" {
    cp -a "$C/n1/home" "$C/share/home"
    for h in 1 2 3 4 5 6 7 8; do
        change n$h
        at n$h 'mount --bind /srv/share/home /home/rider'
    done
    for round in 1 2; do
        on n1 rm -rf .cache
        works 'n[1-8]'
        [ "$(on n1 sh -c 'ls -A .cache/aolani | wc -l')" = 1 ]
        [ -z "$(half_files n1)" ]
    done
    works 'n[1-8]'
    [ "$(head_json '.nodes | map(.copied) | any')" = false ]
}

@test "ControlMaster: never one of ours, but one that is there is used" {
    ssh_config <<'END'
Host *
    ControlMaster auto
    ControlPath ~/.ssh/mux-%h
    ControlPersist 300
END
    works 'n[1-2]'
    run ! on head sh -c 'ls .ssh/mux-*'
    wait_for 30 nothing_left
    on head sh -c 'ssh -oBatchMode=yes n1 true >/dev/null 2>&1 </dev/null'
    on head test -S .ssh/mux-n1
    # Nothing else leads there now.
    ssh_config <<'END'
Host n1
    ControlPath ~/.ssh/mux-%h
    Port 1
END
    works n1
    on head ssh -O exit n1
    fails n1 "n1: $refused"
}

# n8 leaves the head's network for one that only n7 is on as well.
@test "ProxyJump: a host that the head cannot reach by itself" {
    at n7 'ip address add 10.78.0.7/24 dev eth0'
    at n8 'ip address add 10.78.0.8/24 dev eth0; ip address del 10.77.0.8/24 dev eth0'
    ssh_config <<'END'
Host inner
    HostName 10.78.0.8
    HostKeyAlias n8
    ProxyJump n7
END
    fails 10.78.0.8 "10.78.0.8: network is unreachable (is it up, and on a network that this machine reaches? ProxyJump in ~/.ssh/config leads through another host)"
    works inner
    [[ $output == *n8* ]]
    sshd_with n8 stop
    fails inner "inner: the jump host does not reach it: Connection refused (can the jump host reach it?)"
    sshd_with n7 stop
    fails inner "inner: on the way, at its jump host: $refused"
    at n8 'ip address add 10.77.0.8/24 dev eth0; ip address del 10.78.0.8/24 dev eth0'
    at n7 'ip address del 10.78.0.7/24 dev eth0'
}

@test "a host of another architecture" {
    [ "$(uname -m)" = x86_64 ] || skip "only an x86_64 kernel says that it is another"
    at n1 'printf "#!/bin/sh\nexec setarch i686 /bin/sh \"\$@\"\n" >/run/sh32; chmod 755 /run/sh32'
    login_shell n1 /run/sh32
    fails n1 'n1: the node is i686, this agent is built for x86_64'
}

@test "nothing is left on any host" {
    wait_for 30 nothing_left
}
