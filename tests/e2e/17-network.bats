#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every network that may lie between the head and its nodes: real firewalls, a router that
# translates, several interfaces, IPv6 alone, and what is cut while a job runs.
load ../lib/e2e

setup_file()
{
    [ -x /usr/sbin/nft ] || { export WHY_SKIPPED="there is no nft (nftables)"; return 0; }
    cluster_up 3
    [ -z "$WHY_SKIPPED" ] || return 0
    local h i=0
    for h in n1 n2 n3 head; do
        i=$((i + 1))
        "$cluster" net "$C" br1 $h eth1 10.78.0.$i/24
    done
    # A network that n3 has with n2 alone.
    "$cluster" net "$C" br2 n2 eth2 10.79.0.2/24
    "$cluster" net "$C" br2 n3 eth2 10.79.0.3/24
    for h in n1:1 n2:2 n3:3 head:fe; do
        on_root "${h%:*}" ip address add fd77::${h#*:}/64 dev eth0 nodad
    done
    for i in 1 2 3; do
        echo "fd77::$i six$i" >>"$C/etc/hosts"
        echo "fd77::$i,six$i,one$i,fe80::* $(cat "$C/n$i/ssh_host_ed25519_key.pub")" \
            >>"$C/etc/ssh/ssh_known_hosts"
    done
    echo "10.77.0.1 one1" >>"$C/etc/hosts"
}
teardown_file() { cluster_down; }
setup()
{
    maybe_skip
    job_of 'n[1-2]'
}
teardown()
{
    [ -z "$WHY_SKIPPED" ] || return 0
    local h
    for h in head n1 n2 n3; do on_root $h /usr/sbin/nft flush ruleset; done
    wait_for 30 nothing_left
}
on_root() { "$cluster" exec -u root "$C" "$@"; }

# wall HOST RULE...: what comes into the host is filtered by these rules, in order
wall()
{
    local host=$1 rule
    shift
    {
        echo 'table inet wall { chain input { type filter hook input priority 0;'
        for rule; do echo "$rule"; done
        echo '}'
        echo '}'
    } | on_root "$host" /usr/sbin/nft -f -
}
no_wall() { on_root "$1" /usr/sbin/nft delete table inet wall; }

# job_of HOSTS [NAME]: each rank says what it was told
job_of()
{
    head_job "${2:-job}" <<END
[job]
command = ["sh", "-c", "echo \$RANK \$MASTER_ADDR"]
[head]
ports = "4100-4101"
[nodes]
backend = "ssh"
hosts = "$1"
[ssh]
connect_timeout = "30s"
[failure]
head_lease = "8s"
END
}
told() { on head sh -c 'cat runs/latest/attempt-1/rank-*.out' | sort | xargs; }

@test "no wall: each node comes to the head directly" {
    head_run -v job.toml
    [ "$status" -eq 0 ]
    # By one of its networks: the first that answers, so mostly the one of ssh.
    [[ $output == *"n1: connected directly, from "* ]]
    [[ $output == *"n2: connected directly, from "* ]]
    [[ $(told) =~ ^0\ (10.77.0.1|10.78.0.1|fd77::1)\ 1\ (.*)$ ]]
    [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
}

@test "only [head] ports are open, and one of them is taken: the other" {
    wall head 'ct state established accept' 'tcp dport 4100-4101 accept' 'drop'
    on head python3 -m http.server 4100 >/dev/null 2>&1 3>&- &
    server=$!
    wait_for 30 on head sh -c 'ss -Hltn "sport = 4100" | grep -q .'
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"n2: connected directly, from "* ]]
    on head python3 -m http.server 4101 >/dev/null 2>&1 3>&- &
    wait_for 30 on head sh -c 'ss -Hltn "sport = 4101" | grep -q .'
    head_run job.toml
    kill $server $!
    on head pkill -f '^python3 -m http.server 410'
    [ "$status" -eq 1 ]
    [[ $output == *"listen for agents: every port from 4100 to 4101 is in use"* ]]
    [[ $output == *"hint: give other [head] ports"* ]]
}

@test "a wall that drops, a wall that resets: over ssh, and why" {
    wall head 'ct state established accept' 'drop'
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"n1: connected over ssh, because it does not reach this machine: "*"10.77.0.254:410"[01]": no answer"* ]]
    no_wall head
    wall head 'ct state established accept' 'meta l4proto tcp reject with tcp reset'
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"n2: connected over ssh, because "*"10.77.0.254:410"[01]": connection refused"* ]]
    run on head "$bin/aolani-run" check job.toml
    [ "$status" -eq 0 ]
    read -rd '' -a words <<<"$output" || true # the page is wrapped
    [[ ${words[*]} == *"not direct "*"10.77.0.254:410"[01]": connection refused, "*" on n[1-2] "* ]]
    [ "$(told)" = "0 10.77.0.1 1 10.77.0.1" ]
}

@test "a first address that swallows all costs nothing where a second answers" {
    wall head 'ip daddr 10.77.0.254 ct state established accept' 'ip daddr 10.77.0.254 drop'
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"n1: connected directly, from "* ]]
    [[ $output != *"connected over ssh"* ]]
}

@test "[head] address chooses the network" {
    on head sed -i 's/^ports/address = "10.78.0.4"\n&/' job.toml
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"n2: connected directly, from 10.78.0.2"* ]]
    [ "$(told)" = "0 10.78.0.1 1 10.78.0.1" ]
}

@test "a router that translates lies between: nodes reach the head, and each other" {
    link n3 down eth0 eth1
    on_root n3 ip route add default via 10.79.0.2
    on_root n2 sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    on_root n2 /usr/sbin/nft -f - <<'END'
table ip nat { chain post { type nat hook postrouting priority 100;
    ip saddr 10.79.0.0/24 oifname != "eth2" masquerade
}
}
END
    head_job job <<END
[job]
command = ["sh", "-c", "echo \$RANK \$MASTER_ADDR"]
[nodes]
backend = "ssh"
hosts = ["n[1-2]", "10.79.0.3"]
END
    printf 'Host 10.79.0.3\n    ProxyJump n2\n' | on head tee .ssh/config >/dev/null
    echo "10.79.0.3 $(cat "$C/n3/ssh_host_ed25519_key.pub")" >>"$C/etc/ssh/ssh_known_hosts"
    head_run -v job.toml
    link n3 up eth0 eth1
    [ "$status" -eq 0 ]
    [[ $output == *"10.79.0.3: connected directly, from 10.7"[78].0.2* ]]
    [ "$(told)" = "0 10.77.0.1 1 10.77.0.1 2 10.77.0.1" ]
}

@test "hosts that have IPv6 alone: as an address, and as a name" {
    for h in n1 n2; do on_root $h ip -4 address flush dev eth0; on_root $h ip -4 address flush dev eth1; done
    job_of 'fd77::1,six2'
    head_run -v job.toml
    for i in 1 2; do
        on_root n$i ip address add 10.77.0.$i/24 dev eth0
        on_root n$i ip address add 10.78.0.$i/24 dev eth1
    done
    [ "$status" -eq 0 ]
    [[ $output == *"fd77::1: connected directly, from fd77::1"* ]]
    [[ $output == *"six2: connected directly, from fd77::2"* ]]
    [ "$(told)" = "0 fd77::1 1 fd77::1" ]
    [ "$(head_json '.nodes | map("\(.name) \(.hostname)") | join(", ")')" = "fd77::1 n1, six2 n2" ]
}

@test "a link-local address with its interface" {
    address=$(on n1 ip -6 -o address show dev eth0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
    [ -n "$address" ] || skip "the hosts have no link-local addresses"
    job_of "$address%eth0"
    on head sed -i 's/^\[ssh\]/&\noptions = ["-oHostKeyAlias=n1"]/' job.toml
    head_run -v job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"connected directly, from f"* ]]
}

@test "two names of one host" {
    job_of 'n1,one1,n2'
    head_run job.toml
    [ "$status" -eq 0 ]
    [ "$(grep -c 'warning: n1 and one1 are the same host$' <<<"$output")" = 1 ]
    [ "$(head_json '.nodes | map("\(.name) \(.hostname)") | join(", ")')" = "n1 n1, one1 n1, n2 n2" ]
    [ "$(on head sqlite3 runs/latest/run.db 'select name, hostname from node' | xargs)" = \
        "n1|n1 one1|n1 n2|n2" ]
}

# link HOST up|down DEV...; with the link its IPv6 addresses go
link()
{
    local host=$1 how=$2 dev
    shift 2
    for dev; do on_root "$host" ip link set "$dev" "$how"; done
    [ "$how" = down ] || on_root "$host" ip address replace "fd77::${host#n}/64" dev eth0 nodad
}

# count NAME HOSTS SECONDS LEASE: lines go on for so long
count()
{
    job_of "$2" "$1"
    on head sed -i "s/^command.*/command = [\"sh\", \"-c\", \"for i in \$(seq -s ' ' $3); do echo \$i; sleep 1; done\"]/
        s/^head_lease.*/head_lease = \"$4\"/; s/^ports.*/ports = \"4200-4299\"/
        1a name = \"$1\"" "$1.toml"
}
# start NAME: in the background, once all agents are up
start()
{
    on head sh -c '{ $0 -v $1.toml >$1.log 2>&1 </dev/null; echo $? >$1.status; } >/dev/null 2>&1 &' \
        "$bin/aolani-run" "$1"
}
counting() { on head grep -qx 2 "$1.log"; }
ended() { on head test -s "$1.status"; }
all_lines() { [ "$(on head grep -xE '[0-9]+' "$1.log" | xargs)" = "$(seq -s ' ' "$2")" ]; }

@test "connections are reset while the job runs: it goes on, over ssh where TCP stays shut" {
    count reset n1 15 20s
    start reset
    wait_for 40 counting reset
    wall head 'tcp dport 4200-4299 reject with tcp reset'
    wait_for 40 ended reset
    on head cat reset.log
    [ "$(on head cat reset.status)" = 0 ]
    on head grep -q 'n1: connected directly' reset.log
    on head grep -q 'n1: connected over ssh' reset.log
    all_lines reset 15
}

nothing_runs_on() { ! left_on "$1" | grep '^process '; }
# All at the same time, since each has to wait.
@test "one of two networks fails, or both: within the lease nothing is lost, beyond it 81" {
    count other n3 6 20s
    count short n1 22 60s
    count long n2 60 3s
    for name in other short long; do start $name; done
    for name in other short long; do wait_for 40 counting $name; done
    link n3 down eth0
    link n1 down eth0 eth1
    link n2 down eth0 eth1
    # Longer than both ends wait for a sign of life.
    sleep 17
    link n1 up eth0 eth1
    link n3 up eth0
    for name in other short long; do wait_for 60 ended $name; done
    # Out of anybody's reach the node has ended what ran there.
    wait_for 30 nothing_runs_on n2
    link n2 up eth0 eth1
    on head cat other.log short.log long.log
    [ "$(on head cat other.status short.status long.status | xargs)" = "0 0 81" ]
    all_lines other 6
    all_lines short 22
    on head grep 'node "n2" is lost: it was out of reach for longer than the lease' long.log
}
