#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `aolani-run plan`: of files, of this machine, of hosts; what it prints, and that it starts
# nothing and leaves nothing. Which answers are right is in 23-topologies.
load ../lib/e2e

setup_file()
{
    [ -x "$BUILD/aolani-describe" ] || return 0
    cluster_up 4
    [ -n "${C-}" ] || return 0
    # Hosts of which the third is another than it should be.
    mkdir "$C/share/lib" "$C/share/nodes"
    machines "$C/share/nodes"
    ln -s ../bin/aolani-agent ../bin/aolani-pmix "$C/share/lib/"
    cat >"$C/share/lib/aolani-describe" <<'END'
#!/bin/sh
[ $# = 0 ] || exec /srv/share/bin/aolani-describe "$@"
case $(uname -n) in n3) node=worse ;; *) node=good ;; esac
exec /srv/share/bin/aolani-describe --xml /srv/share/nodes/$node.xml
END
    chmod 755 "$C/share/lib/aolani-describe"
    chmod -R a+rX "$C/share"
}
teardown_file() { cluster_down; }
setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    work
}

# machines FOLDER: good.xml, worse.xml (mlx5_3 is down), short.xml (no gpu 3)
machines()
{
    local facts=$root/tests/topology/two-rails.facts
    "$root/tests/topology/facts2xml" "$facts" >"$1/good.xml"
    grep -v '^ *gpu 93:' "$facts" >"$BATS_FILE_TMPDIR/short.facts"
    "$root/tests/topology/facts2xml" "$BATS_FILE_TMPDIR/short.facts" >"$1/short.xml"
    python3 - "$1/good.xml" "$1/worse.xml" <<'END'
import re, sys
text = open(sys.argv[1]).read()
at = text.index('name="mlx5_3"')
text = text[:at] + re.sub('(Port1State" value=)"4"', r'\1"1"', text[at:])
open(sys.argv[2], "w").write(text)
END
}
plan_job()
{
    job "${1:-job}" <<END
[job]
command = ["no-such-program"]
ranks_per_node = "gpu"
${2-}
END
}

# ---- files

@test "one file: a table that names every part, in 100 columns" {
    machines .
    plan_job
    aolani plan job.toml --topology good.xml
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [[ ${output%%$'\n'*} == "good: 4 ranks" ]]
    [[ $output =~ 2\ +2\ +2\ +83:00\.0\ +mlx5_2\ +PIX.*\ yes\ +1\ +8-11,24-27 ]]
    [[ $output == *"NCCL_IB_HCA==mlx5_0:1,mlx5_1:1,mlx5_2:1,mlx5_3:1"* ]]
    [[ $output == *"UCX_NET_DEVICES: mlx5_0:1; mlx5_1:1; mlx5_2:1; mlx5_3:1"* ]]
    [ "$(awk 'length > 100' <<<"$output")" = "" ]
    [ ! -e runs ]
    no_sanitizer_words
}

@test "JSON has the documented keys" {
    machines .
    plan_job
    aolani plan job.toml --json --topology a=good.xml --topology b=worse.xml
    [ "$status" -eq 0 ]
    jq -e '.nodes | length == 2 and .[0].host == "a" and .[1].host == "b"' <<<"$output"
    jq -e '.nodes[1].ranks[0].rank == 4 and .nodes[1].ranks[0].local_rank == 0' <<<"$output"
    jq -e '.nodes[0].ranks[3] | .gpu.index == 3 and .gpu.pci == "0000:93:00.0" and
           (.gpu | has("uuid") and has("name")) and .nic.name == "mlx5_3" and
           .nic.pci == "0000:94:00.0" and .nic.path == "PIX" and .nic.gdr == true and
           .numa == [1] and .cpus == "12-15,28-31"' <<<"$output"
    jq -e '.nodes[0].env.NCCL_IB_HCA and .nodes[0].warnings == []' <<<"$output"
    jq -e '.nodes[1].warnings | map(select(contains("mlx5_3"))) | length > 0' <<<"$output"
    jq -e '.nodes[1].differs == ["mlx5_3 down"] and .nodes[0].differs == []' <<<"$output"
    jq -e '.differences == [{hosts: ["a"], what: []}, {hosts: ["b"], what: ["mlx5_3 down"]}]' \
        <<<"$output"
    jq -e '[.nodes[].ranks[].nic.path] - ["PIX", "PXB", "PHB", "NODE", "SYS"] == []' <<<"$output"
    no_sanitizer_words
}

@test "a folder of files is that many nodes; what differs is grouped" {
    mkdir nodes
    machines .
    for i in $(seq -w 1 20); do cp good.xml "nodes/gpu0$i.hwloc.xml"; done
    cp worse.xml nodes/gpu015.hwloc.xml
    cp short.xml nodes/gpu007.hwloc.xml
    plan_job
    aolani plan job.toml --topology nodes
    [ "$status" -eq 0 ]
    [[ $output == *"gpu[001-006,008-014,016-020]: 18 nodes alike, 4 ranks on each"* ]]
    [[ $output == *"gpu[001-006,008-014,016-020]: same"* ]]
    [[ $output == *"gpu007: gpu 3 (93:00.0) missing"* ]]
    [[ $output == *"gpu015: mlx5_3 down"* ]]
    no_sanitizer_words
}

@test "files of one name are told apart by their folders, or counted" {
    machines .
    mkdir dgx1 dgx2
    cp good.xml dgx1/node.v2.xml
    cp good.xml dgx2/node.v2.xml
    plan_job
    aolani plan job.toml --topology dgx1/node.v2.xml --topology dgx2/node.v2.xml
    [[ $output == "dgx[1-2]: 2 nodes alike"* ]]
    aolani plan job.toml --topology good.xml --topology good.xml
    [[ $output == "good-[1-2]: 2 nodes alike"* ]]
    aolani plan job.toml --topology x=good.xml --topology x=worse.xml
    [ "$status" -eq 2 ]
    [[ $stderr == *"two topologies are named \"x\""* ]]
}

@test "a machine of 40 GPUs: still in 100 columns" {
    {
        echo "title many"
        echo "numa 0 package=0 cores=0-79"
        for ((i = 0; i < 40; i++)); do
            printf 'bus %04x:10 at=numa:0\n  bridge %04x:10:1.0\n    gpu %04x:11:0.0 cuda%d nvml%d\n' \
                $((i + 1)) $((i + 1)) $((i + 1)) "$i" "$i"
        done
    } >many.facts
    "$root/tests/topology/facts2xml" many.facts >many.xml
    plan_job
    aolani plan job.toml --topology many.xml
    [ "$status" -eq 0 ]
    [[ $output == *"40 ranks"* && $output == *"the UUIDs of gpu 0,1,"* ]]
    [ "$(wc -L <<<"$output")" -le 100 ]
}

@test "a file's name commands no terminal" {
    machines .
    cp good.xml $'a\e[31mb.xml'
    plan_job
    for how in "" "--draw text" "--draw svg" --json; do
        # shellcheck disable=SC2086
        aolani plan job.toml $how --topology $'a\e[31mb.xml'
        [ "$status" -eq 0 ]
        [[ $output == *"[31mb"* && $output != *$'\e'* ]]
    done
}

@test "[bind] of the job file counts: excluded NICs, strict" {
    machines .
    plan_job job '[bind]
exclude_nics = ["mlx5_3"]'
    aolani plan job.toml --json --topology good.xml
    [ "$status" -eq 0 ]
    jq -e '[.nodes[0].ranks[].nic.name] | index("mlx5_3") == null' <<<"$output"
    plan_job strict '[bind]
strict = true'
    aolani plan strict.toml --topology good.xml
    [ "$status" -eq 0 ]
    aolani plan strict.toml --topology worse.xml
    [ "$status" -eq 83 ]
    [ -z "$output" ]
    [[ $stderr == *"mlx5_3"* ]]
    [[ $stderr == *"hint: "* ]]
    aolani plan strict.toml --topology good.xml -r 100
    [ "$status" -eq 83 ]
}

@test "--sysfs: the states of ports are those of a copied /sys, for all nodes or by name" {
    machines .
    plan_job
    mkdir -p sys/b/class/infiniband/mlx5_1/ports/1
    echo "1: DOWN" >sys/b/class/infiniband/mlx5_1/ports/1/state
    aolani plan job.toml --sysfs sys --topology a=good.xml --topology b=good.xml
    [ "$status" -eq 0 ]
    [ "${output##*$'\n'}" = "a: same; b: mlx5_1 down" ]
    aolani plan job.toml --sysfs sys/b --topology a=good.xml --json
    jq -e '[.nodes[0].ranks[].nic.name] | index("mlx5_1") == null' <<<"$output"
}

@test "one rank by default gets all GPUs, and that is said" {
    machines .
    job <<<'[job]
command = ["true"]'
    aolani plan job.toml --topology good.xml
    [ "$status" -eq 0 ]
    [[ $output == "good: 1 rank"* ]]
    [[ $output == *'for a rank on each GPU: [job] ranks_per_node'* ]]
    aolani plan job.toml --topology good.xml -r 1
    [[ $output != *"for a rank on each GPU"* ]]
}

@test "drawings: text, and SVG that is well-formed, whole and without scripts" {
    machines .
    plan_job
    aolani plan job.toml --topology worse.xml --draw text
    [ "$status" -eq 0 ]
    [[ $output =~ "package 0".*"NUMA node 0".*"rank 0  4 cores".*"switch 11:00.0".*"gpu 0".*"<- rank 0" ]]
    [[ $output =~ mlx5_3[^$'\n']*"[port down]" ]]
    aolani plan job.toml --topology good.xml --topology worse.xml --draw svg
    [ "$status" -eq 0 ]
    python3 - stdout <<'END'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg", root.tag
tags = {e.tag[len(ns):] for e in root.iter()}
assert tags == {"svg", "style", "rect", "text"}, tags
words = [t.text for t in root.iter(ns + "text")]
for want in ("good", "worse", "gpu 3", "mlx5_3", "port down", "rank 7", "NUMA node 1"):
    assert want in words, want
w, h = float(root.get("width")), float(root.get("height"))
boxes = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in root.iter(ns + "rect")]
for x, y, bw, bh in boxes:
    assert x >= 0 and y >= 0 and x + bw <= w and y + bh <= h, (x, y, bw, bh)
def inside(a, b):
    return a[0] >= b[0] and a[1] >= b[1] and a[0] + a[2] <= b[0] + b[2] and a[1] + a[3] <= b[1] + b[3]
def apart(a, b):
    return a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
for i, a in enumerate(boxes):
    for b in boxes[:i]:
        assert inside(a, b) or apart(a, b), (a, b)
END
    aolani plan job.toml --topology good.xml --draw svg --json
    [ "$status" -eq 2 ]
    no_sanitizer_words
}

@test "files that cannot be used: each is named, and 2" {
    machines .
    plan_job
    head -c 3000 good.xml >cut.xml
    echo '{}' >notes.xml
    sed 's/<topology version="2[^"]*"/<topology version="3.0"/' good.xml >new.xml
    aolani plan job.toml --topology good.xml --topology cut.xml --topology notes.xml \
        --topology new.xml
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == *"cut.xml"* && $stderr == *"notes.xml"* && $stderr == *"new.xml"* ]]
    [[ $stderr == *"3 of 4 topologies cannot be used"* ]]
    [[ $stderr == *"v2"* ]] # how to export it
    aolani plan job.toml --topology nowhere.xml
    [ "$status" -eq 2 ]
    [[ $stderr == *'"nowhere.xml": No such file'* ]]
    [[ $stderr != *" of 1 "* ]] # said once
    mkdir empty
    aolani plan job.toml --topology empty
    [ "$status" -eq 2 ]
    [[ $stderr == *'"empty" holds no topology'* ]]
    aolani plan job.toml --topology good.xml --sysfs nowhere
    [ "$status" -eq 2 ]
    aolani plan --topology good.xml
    [ "$status" -eq 2 ]
    [[ $stderr == *"which job.toml?"* ]]
    aolani plan nowhere.toml --topology good.xml
    [ "$status" -eq 2 ]
    no_sanitizer_words
}

@test "no helper: what is missing is said" {
    plan_job
    mkdir lib
    AOLANI_LIBDIR=$W/lib aolani plan job.toml --topology job.toml
    [ "$status" -eq 80 ]
    [[ $stderr == *'no "aolani-describe" in'* ]]
}

# ---- this machine

@test "this machine, as two simulated nodes: their ranks share no core" {
    job <<<'[job]
command = ["true"]
ranks_per_node = 1
[local]
nodes = 2'
    aolani plan job.toml --json
    [ "$status" -eq 0 ]
    jq -e '[.nodes[].host] == ["local0", "local1"]' <<<"$output"
    [ "$(nproc)" -lt 2 ] || jq -e '.nodes[0].ranks[0].cpus != .nodes[1].ranks[0].cpus' <<<"$output"
    [ ! -e runs ]
    nothing_left_here
    no_sanitizer_words
}

@test "HWLOC_XMLFILE stands for this machine" {
    machines .
    plan_job
    HWLOC_XMLFILE=good.xml aolani plan job.toml
    [ "$status" -eq 0 ]
    [[ $output == "local0: 4 ranks"* ]]
}

# ---- hosts

hosts_plan()
{
    maybe_skip
    status=0
    output=$(timeout -k 10 90 "$cluster" exec "$C" head env AOLANI_LIBDIR=/srv/share/lib \
        timeout -k 10 80 "$bin/aolani-run" "$@" </dev/null 2>"$W/words") || status=$?
    stderr=$(cat "$W/words")
    printf '%s\n' "--- status $status" "$output" "--- words" "$stderr"
}
hosts_job()
{
    maybe_skip
    head_job <<END
[job]
command = ["no-such-program"]
setup = "touch /srv/share/out/setup"
ranks_per_node = "gpu"
[nodes]
backend = "ssh"
hosts = $1
${2-}
END
}

@test "hosts describe themselves; the one that differs is named; nothing is started or left" {
    hosts_job '["n[1-4]"]'
    hosts_plan plan job.toml
    [ "$status" -eq 0 ]
    [[ $output == "n[1-2,4]: 3 nodes alike, 4 ranks on each"* ]]
    [ "${output##*$'\n'}" = "n[1-2,4]: same; n3: mlx5_3 down" ]
    [ ! -e "$C/share/out/setup" ]
    run ! on head test -e runs
    wait_for 30 nothing_left
}

@test "check names it too" {
    hosts_job '["n[1-4]"]'
    hosts_plan check job.toml
    [[ $output == *"n[1-2,4]: same; n3: mlx5_3 down"* ]]
    wait_for 30 nothing_left
}

@test "a start says in one line that nodes differ" {
    hosts_job '["n[1-4]"]'
    hosts_plan job.toml
    [ "$status" -eq 127 ]
    rm -f "$C/share/out/setup"
    [[ $stderr == *"1 of 4 nodes differs from the others; aolani-run plan "*"job.toml says how"* ]]
    wait_for 30 nothing_left
}

@test "a host that cannot be reached: 80, with its name and the reason" {
    hosts_job '["n1", "nowhere[1-2]"]'
    hosts_plan plan job.toml
    [ "$status" -eq 80 ]
    [ -z "$output" ]
    [[ $stderr == *"nowhere[1-2]: "*"resolve"* ]]
    wait_for 30 nothing_left
}

@test "strict on hosts: 83, and the node that is why" {
    hosts_job '["n[1-4]"]' '[bind]
strict = true'
    hosts_plan plan job.toml
    [ "$status" -eq 83 ]
    [[ $stderr == *'error: node "n'* ]]
    wait_for 30 nothing_left
}

@test "Ctrl-C while hosts are asked: 130, and nothing is left" {
    hosts_job '["n[1-2]"]' '[ssh]
command = ["/home/rider/slow-ssh"]'
    on head sh -c 'cat >slow-ssh; chmod 755 slow-ssh' <<'END'
#!/bin/sh
case "$*" in *n2*) exec sleep 100 ;; esac
exec ssh "$@"
END
    head_start plan job.toml
    wait_for 40 on head grep -q 'waiting for n2' log
    head_signal INT
    wait_for 40 head_ended
    head_file log
    [ "$(head_status)" = 130 ]
    on head rm slow-ssh log status
    wait_for 30 nothing_left
}
