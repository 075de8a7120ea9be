#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every rank is bound to the right GPU, NIC and NUMA node, on machines that are not here:
# as facts of our own (tests/topology), and real ones where their folder is.
load ../lib/e2e

setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    work
    export BUILD
}
facts() { "$root/tests/topology/facts2xml" "$@"; }
plan_job()
{
    job <<END
[job]
command = ["true"]
ranks_per_node = "gpu"
END
}

@test "the machines of tests/topology: every row is right" {
    run "$root/tests/topology/check" --facts --times 2
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
    no_sanitizer_words
}

@test "the real machines beside the source tree: every row is right" {
    shared=${AOLANI_TOPOLOGIES:-$root/../shared/topologies}
    [ -d "$shared" ] || skip "there is no $shared"
    run "$root/tests/topology/check" --shared --times 2
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
    no_sanitizer_words
}

@test "other names and another order change nothing in a plan but names" {
    run "$root/tests/topology/same" --seeds 1
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
}

@test "64 nodes of which three differ: those three are named, and how" {
    plan_job
    facts "$root/tests/topology/two-rails.facts" >node.xml
    for i in $(seq -w 1 64); do cp node.xml "gpu$i.xml"; done
    # One NIC is down, a GPU is missing, a package has its cores in two NUMA nodes.
    sed 's/Port1State" value="4"/Port1State" value="1"/' node.xml >gpu07.xml
    grep -v '^ *gpu 93:' "$root/tests/topology/two-rails.facts" >less.facts
    facts less.facts >gpu23.xml
    sed 's/^numa 1 .*/numa 1 package=1 cores=8-11 threads=2 step=16 l3=4\nnuma 2 package=1 cores=12-15 threads=2 step=16 l3=4/
         s/at=numa:1/at=package:1/' "$root/tests/topology/two-rails.facts" >split.facts
    facts split.facts >gpu42.xml
    args=()
    for f in gpu??.xml; do args+=(--topology "$f"); done
    aolani plan job.toml "${args[@]}"
    [ "$status" -eq 0 ]
    [[ $output == *"gpu[01-06,08-22,24-41,43-64]"* ]]
    [[ $output =~ gpu07.*mlx5_ ]]
    [[ $output =~ gpu23.*[Gg][Pp][Uu] ]]
    [[ $output =~ gpu42.*NUMA ]]
    no_sanitizer_words
}

@test "a folder of /sys files says which ports are up, not the export" {
    plan_job
    facts "$root/tests/topology/two-rails.facts" >node.xml
    port=sys/class/infiniband/mlx5_0/ports/1
    mkdir -p $port
    echo "1: DOWN" >$port/state
    echo InfiniBand >$port/link_layer
    aolani plan job.toml --topology node.xml --sysfs sys --json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.nodes[0].ranks[0].nic.name' <<<"$output")" = mlx5_1 ]
    jq -e '.nodes[0].warnings | any(test("mlx5_0.*down"))' <<<"$output"
    echo "4: ACTIVE" >$port/state
    aolani plan job.toml --topology node.xml --sysfs sys --json
    [ "$(jq -r '.nodes[0].ranks[0].nic.name' <<<"$output")" = mlx5_0 ]
}
