#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The audit: this machine, hosts of which one has a slow link and one is busy, and jobs that
# run on nothing less than they require.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

setup_file() { cluster_up 8; }
teardown_file() { cluster_down; }
setup() { work; }

# of the last answer: jq FILTER
said() { jq -r "$1" <<<"$output"; }
is_guest() { grep -q '^flags.* hypervisor' /proc/cpuinfo; }
on_root() { "$cluster" exec -u root "$C" "$@"; }
audit_job()
{
    head_job <<END
[job]
command = ["touch", "/srv/share/out/started"]
[nodes]
hosts = "$1"
${2-}
END
}
# head_audit ARGUMENT...: as head_run, with the answer alone in $output
head_audit()
{
    status=0
    output=$(timeout -k 10 "${LIMIT:-90}" "$cluster" exec "$C" head \
        "$bin/aolani-run" audit "$@" </dev/null 2>"$W/stderr") || status=$?
    stderr=$(cat "$W/stderr")
    echo "--- status $status"
    jq -c '.remarks[], .pairs[], (.nodes[] | [.host, .verdict, .error, .measured.lost,
        .measured.busy])' <<<"$output" || echo "$output"
    printf '%s\n' "--- stderr" "$stderr"
}

@test "this machine: every probe answers once, and what was measured is there" {
    aolani audit --local --json --no-history
    [ "$status" -eq 0 ]
    [ "$(said '.nodes | length')" = 1 ]
    [ "$(said '[.nodes[0].probes[].id] | unique | length')" = \
        "$(said '.nodes[0].probes | length')" ]
    [ "$(said '.nodes[0].probes | length')" -gt 50 ]
    [ "$(said '.nodes[0].measured.cores | length')" -ge 1 ]
    [ "$(said '.nodes[0].measured.memory[0].all_mbytes')" -gt 0 ]
    [ "$(said '.nodes[0].measured.clock_ns.median')" -gt 0 ]
    no_sanitizer_words
    is_guest || return 0
    # In a guest: virtualized, for many reasons, and what leaving it costs.
    [ "$(said '.nodes[0].verdict')" = virtualized ]
    [ "$(said '[.nodes[0].probes[] | select(.topic == "hypervisor" and
        (.verdict == "warn" or .verdict == "fail"))] | length')" -ge 6 ]
    [ "$(said '.nodes[0].measured.exit_ns.median')" -gt 200 ]
    aolani audit --local --no-history --no-measure
    [ "$status" -eq 0 ]
    [[ $output == *virtualized* ]]
}

@test "as a normal user: nothing fails that merely cannot be seen" {
    maybe_skip
    on_root n1 "$bin/aolani-run" audit --local --json --no-history --no-measure >root.json
    on n1 "$bin/aolani-run" audit --local --json --no-history --no-measure >user.json
    # What a job of this user would not have, either: its HCAs, its locked memory.
    more=$(jq -rn --slurpfile r root.json --slurpfile u user.json '
        ($r[0].nodes[0].probes | map({(.id): .verdict}) | add) as $root |
        $u[0].nodes[0].probes[] | select(.verdict == "fail" and $root[.id] != "fail" and
            .id != "NW5" and .id != "KP13") |
        "\(.id) \(.evidence)"')
    echo "$more"
    [ -z "$more" ]
    # Whatever could not be seen says what would tell more, or that it is not there.
    [ "$(jq '[.nodes[0].probes[] | select(.verdict == "unknown" and .evidence == "")] |
        length' user.json)" = 0 ]
}

@test "what to audit has to be said, once" {
    aolani audit
    [ "$status" -eq 2 ]
    [[ $stderr == *"--local"* ]]
    aolani audit --local --root /tmp
    [ "$status" -eq 2 ]
    aolani audit --local -H n1
    [ "$status" -eq 2 ]
    aolani audit --root "$W/nothing"
    [ "$status" -eq 2 ]
    [[ $stderr == *"nothing"* ]]
    aolani audit --local --skip HV99
    [ "$status" -eq 2 ]
    [[ $stderr == *'no probe "HV99"'* ]]
}

@test "a probe that is skipped is not asked" {
    aolani audit --local --json --no-history --no-measure --skip HV1,KP2 --skip TM1
    [ "$status" -eq 0 ]
    [ "$(said '[.nodes[0].probes[] | select(.id == "HV1" or .id == "KP2" or .id == "TM1") |
        select(.verdict != "unknown")] | length')" = 0 ]
    [ "$(said '.nodes[0].measured')" = null ]
}

@test "audits are remembered, unless they shall not be" {
    export XDG_STATE_HOME=$W/state
    aolani audit --local --no-measure --no-history
    [ ! -e "$W/state" ]
    aolani audit --local --no-measure
    [ "$status" -eq 0 ]
    aolani audit --local --no-measure
    [ "$status" -eq 0 ]
    [ "$(cat "$W"/state/aolani/audits/* | wc -l)" -eq 2 ]
    [ -z "$(find "$W/state" -type f ! -perm 600)" ]
}

@test "eight hosts, of which one has a slow link and one is busy: these two are named" {
    maybe_skip
    on_root n3 /usr/sbin/tc qdisc add dev eth0 root tbf rate 20mbit burst 32k latency 50ms ||
        skip "the kernel has no tbf"
    # So many that they are seen beside whatever else this machine is busy with.
    for _ in 1 2 3 4 5 6; do
        on_root n6 bash -c '(exec -a somebody bash -c "while :; do :; done") >/dev/null 2>&1 &'
    done
    audit_job 'n[1-8]'
    head_audit job.toml --json
    on_root n6 pkill -f somebody
    on_root n3 /usr/sbin/tc qdisc del dev eth0 root
    [ "$status" -eq 0 ]
    [ "$(said '[.nodes[] | select(.measured != null)] | length')" = 8 ]
    [ "$(said '[.remarks[] | "\(.kind) \(.host)"] | sort | join(", ")')" = \
        "link n3, noisy n6" ]
    wait_for 30 nothing_left
}

@test "a host that cannot be reached: the others are audited, and the exit status says so" {
    maybe_skip
    audit_job 'n[1-2],n9'
    head_audit job.toml --json --no-measure
    [ "$status" -eq 80 ]
    [ "$(said '[.nodes[] | select(.error == null)] | length')" = 2 ]
    [ "$(said '.nodes[] | select(.host == "n9") | .verdict')" = unknown ]
    [ -n "$(said '.nodes[] | select(.host == "n9") | .error // empty')" ]
}

@test "what a job requires is asked before any rank starts" {
    maybe_skip
    on head rm -f /srv/share/out/started
    audit_job 'n[1-2]' $'[audit]\nrequire_net = "ib"'
    ! compgen -G '/sys/class/infiniband/*' || skip "this machine has HCAs"
    head_run job.toml
    [ "$status" -eq 82 ]
    [[ $output == *"n[1-2]: "*NW1* ]]
    [ ! -e "$C/share/out/started" ]
    head_audit job.toml --json --no-measure
    [ "$status" -eq 82 ]
    audit_job 'n[1-2]'
    head_run job.toml
    [ "$status" -eq 0 ]
    [ -e "$C/share/out/started" ]
    wait_for 30 nothing_left
}

@test "bare metal that is required is not there in a guest" {
    is_guest || skip "this machine is no guest of a hypervisor"
    job <<END
[job]
command = ["touch", "$W/started"]
[local]
nodes = 2
[audit]
require_bare_metal = true
END
    aolani job.toml
    [ "$status" -eq 82 ]
    [[ $stderr == *"virtualized"*HV1* ]]
    [[ $(run_json .run.audit) == "local[0-1]: virtualized "* ]]
    [[ $(run_json .run.sentence) == *"2 of 2 nodes"* ]]
    [ ! -e started ]
    aolani check job.toml
    [ "$status" -eq 82 ]
    nothing_left_here
}

@test "Ctrl-C ends an audit, and leaves nothing" {
    maybe_skip
    audit_job 'n[1-4]'
    head_start audit job.toml
    wait_for 40 on_root n1 pgrep -x aolani-audit
    head_signal INT
    wait_for 40 head_ended
    [ "$(head_status)" = 130 ]
    wait_for 30 nothing_left
}
