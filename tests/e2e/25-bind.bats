#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The plan applied: what every rank finds of its binding, who wins where the user says
# otherwise, and what a node is worth whose aolani-describe fails. The machine with GPUs and
# NICs is a description that a script in the helper's place writes.
load ../lib/e2e

setup_file()
{
    WHY_NO_HOSTS=$("$cluster" check) || { export WHY_NO_HOSTS; return 0; }
    cluster_up 2
    make_machine "$C/share/two"
    chmod -R a+rX "$C/share"
}
teardown_file() { cluster_down; }
setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    work
    export TEST_MARK=$W # marks every process of the test's jobs
}
teardown()
{
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

hosts() { [ -z "${WHY_NO_HOSTS-}" ] || skip "$WHY_NO_HOSTS"; }

# A folder of programs in which aolani-describe is a script: libdir FOLDER SCRIPT_TEXT
libdir()
{
    mkdir -p "$1"
    cp "$BUILD"/aolani-agent "$BUILD"/libaolani.so.1 "$1/"
    [ -z "${2-}" ] || { printf '#!/bin/sh\n%s\n' "$2" >"$1/aolani-describe"
        chmod +x "$1/aolani-describe"; }
}

# Two GPUs, each with a NIC below its switch, as two CPUs see them: of a node of this test's
# own size. The script carries the message in itself, for it travels alone.
make_machine()
{
    [ -x "$BUILD/aolani-describe" ] || return 0
    mkdir -p "$1"
    cat >"$1/facts" <<END
numa 0 package=0 cores=${2:-0-1} threads=1
${3-}
bus 0000:10 at=numa:0
  bridge 10:1.0
    gpu 11:0.0 cuda0 nvml0
    nic 12:0.0 mlx5_0,ib0
  bridge 10:2.0
    gpu 13:0.0 cuda1 nvml1
    nic 14:0.0 mlx5_3,ib3
END
    "$root/tests/topology/facts2xml" "$1/facts" >"$1/xml"
    "$BUILD/aolani-describe" --xml "$1/xml" >"$1/message"
    "$BUILD/aolani-describe" --xml "$1/xml" --text |
        sed -n 's/^GPU .*\(GPU-[0-9a-f-]*\).*/\1/p' >"$1/uuids"
    libdir "$1" "base64 -d <<END
$(base64 "$1/message")
END"
}

# What a rank has of the variables, a line each: "2 NCCL_IB_HCA==mlx5_0:1"
show_env='env | grep -E "^(CUDA_|NCCL_|UCX_|ROCR_|OMP_NUM)" | sort | sed "s/^/$RANK /"'
gpu_job()
{
    cat <<END
[job]
command = ["sh", "-c", '''$show_env''']
ranks_per_node = "gpu"
mpi = "none"
$1
END
}
here()
{
    job <<END
$(gpu_job "${1-}")
[nodes]
backend = "local"
[failure]
grace = "1s"
head_lease = "3s"
END
}
# of RANK: its variables as the last run has them
# But for what comes with NCCL, whatever is bound.
of() { sort -u runs/latest/attempt-1/rank-*.out | sed -n "s/^$1 //p" | grep -vE '^NCCL_(RAS_ADDR=|DEBUG)'; }
# The stderr of the last run, its lines joined.
words() { tr -s '\n ' ' ' <<<"$stderr$output"; }
n_times() { words | grep -oF "$1" | wc -l; }

# ---- what the ranks find

@test "on 2 hosts x 2 GPUs every rank is told its GPUs and NICs" {
    hosts
    { gpu_job; printf '%s\n' '[nodes]' 'backend = "ssh"' 'hosts = ["n[1-2]"]'; } |
        head_job gpus
    run on head env AOLANI_LIBDIR=/srv/share/two timeout 60 "$bin/aolani-run" gpus.toml
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
    a=$(sed -n 1p "$C/share/two/uuids") b=$(sed -n 2p "$C/share/two/uuids")
    [[ -n $a && -n $b ]]
    for rank in 0 1 2 3; do
        if [ $((rank % 2)) = 0 ]; then own=mlx5_0:1; else own=mlx5_3:1; fi
        got=$(on head sh -c 'cat runs/latest/attempt-1/rank-*.out' | sed -n "s/^$rank //p" |
            grep -v '^NCCL_RAS_ADDR=127\.0\.0\.1:')
        want="CUDA_DEVICE_ORDER=PCI_BUS_ID
CUDA_VISIBLE_DEVICES=$a,$b
NCCL_IB_HCA==mlx5_0:1,mlx5_3:1
OMP_NUM_THREADS=1
UCX_NET_DEVICES=$own"
        [ "$got" = "$want" ] || { printf '%s\n' "rank $rank has" "$got"; false; }
    done
    [[ $output != *warning* ]]
}

@test "a rank that sees its own GPU alone; no NICs; no GPUs" {
    make_machine "$W/two"
    export AOLANI_LIBDIR=$W/two
    here
    aolani job.toml --set bind.gpu=own
    [ "$status" -eq 0 ]
    [ "$(of 1 | grep VISIBLE)" = "CUDA_VISIBLE_DEVICES=$(sed -n 2p two/uuids)" ]
    [ "$(of 0 | grep NCCL)" = "$(of 1 | grep NCCL)" ]
    aolani job.toml --set bind.nic=none
    [ "$(of 0 | grep -cE 'NCCL|UCX')" = 0 ]
    aolani job.toml --set bind.gpu=none -r 2
    [ "$(of 0 | grep -c CUDA_VIS)" = 0 ]
}

# ---- who wins

@test "what the user set wins, and is said once" {
    make_machine "$W/two"
    export AOLANI_LIBDIR=$W/two
    here
    aolani job.toml -x NCCL_IB_HCA=mlx5_9
    [ "$status" -eq 0 ]
    [ "$(of 1 | grep NCCL)" = "NCCL_IB_HCA=mlx5_9" ]
    [[ $(words) == *'warning: NCCL_IB_HCA stays "mlx5_9", as job.env (or -x) has it, and that wins over the binding'\''s "=mlx5_0:1,mlx5_3:1" on local0'* ]]
    UCX_NET_DEVICES=mlx5_7:1 aolani job.toml # which the head forwards
    [ "$(of 0 | grep UCX)" = "UCX_NET_DEVICES=mlx5_7:1" ]
    [ "$(n_times 'UCX_NET_DEVICES stays')" = 2 ] # as it comes, and in the report
    [[ $(words) == *'as the environment here has it'* ]]
    # The same as ours is nothing to speak of.
    aolani job.toml -x NCCL_IB_HCA==mlx5_0:1,mlx5_3:1
    [[ $(words) != *stays* ]]
}

@test "what the setup text set wins; a filter of the site is looked through" {
    make_machine "$W/two"
    export AOLANI_LIBDIR=$W/two
    export HOME=$W # no start-up files
    here 'setup = "export NCCL_IB_HCA=mlx5_3"'
    CUDA_VISIBLE_DEVICES=6,7 aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(of 0 | grep NCCL)" = "NCCL_IB_HCA=mlx5_3" ]
    [[ $(words) == *'local0: NCCL_IB_HCA stays "mlx5_3": job.setup has set it, and that wins over the binding'\''s "=mlx5_0:1,mlx5_3:1"'* ]]
    [ "$(of 0 | grep VISIBLE)" = "CUDA_VISIBLE_DEVICES=$(paste -sd, two/uuids)" ]
    here 'setup = "export CUDA_VISIBLE_DEVICES=1"'
    CUDA_VISIBLE_DEVICES=6,7 aolani job.toml
    [ "$(of 0 | grep VISIBLE)" = "CUDA_VISIBLE_DEVICES=1" ]
    [[ $(words) == *'CUDA_VISIBLE_DEVICES stays "1"'* ]]
}

# ---- cores and memory

@test "OMP_NUM_THREADS counts the cores of a rank" {
    here
    aolani job.toml -r 1
    [ "$(of 0 | grep OMP)" = "OMP_NUM_THREADS=$(lscpu -p=core,socket | grep -v '#' | sort -u | wc -l)" ]
    aolani job.toml -r 1 -x OMP_NUM_THREADS=7
    [ "$(of 0 | grep OMP)" = "OMP_NUM_THREADS=7" ]
}

# policy ARGUMENT...: as the kernel has it of the rank's pages
policy()
{
    aolani memory.toml "$@"
    sed -n '1s/^[^ ]* //; 1s/ .*//p' "$(rank_file 0 out)"
}

@test "the memory of a rank belongs to its NUMA node" {
    [ -r /proc/self/numa_maps ] || skip "this kernel knows no NUMA"
    [ "$(nproc)" -gt 1 ] || skip "there is but one CPU"
    # One CPU of the first node is all it has; the other node is elsewhere.
    make_machine "$W/numa" 0 'numa 1 package=1 cores=1 threads=1'
    export AOLANI_LIBDIR=$W/numa
    sed 's/sh", "-c".*/cat", "\/proc\/self\/numa_maps"]/' <(here; cat job.toml) >memory.toml
    [[ $(policy -r 1 --set bind.memory=prefer | tail -n 1) == prefer* ]]
    [ "$(policy -r 1 --set bind.memory=bind | tail -n 1)" = bind:0 ]
    [ "$(policy -r 1 --set bind.memory=none | tail -n 1)" = default ]
}

@test "memory that is not there ends the job before a rank starts, unless it is only preferred" {
    [ -r /proc/self/numa_maps ] || skip "this kernel knows no NUMA"
    [ ! -e /sys/devices/system/node/node77 ] || skip "this machine is larger than the test"
    make_machine "$W/far"
    sed -i 's/^numa 0/numa 77/; s/numa:0/numa:77/; 1a numa 78 package=1 cores=2 threads=1' \
        far/facts
    "$root/tests/topology/facts2xml" far/facts >far/xml
    "$BUILD/aolani-describe" --xml far/xml >far/message
    libdir "$W/far" "exec cat '$W/far/message'"
    export AOLANI_LIBDIR=$W/far
    here
    local how
    for how in memory=bind strict=true; do
        aolani job.toml -r 1 --set bind.$how
        [ "$status" -eq 83 ]
        [[ $(words) == *'bind memory to NUMA node 77: it is not there'* ]]
    done
    aolani job.toml -r 1
    [ "$status" -eq 0 ]
    [[ $(words) == *'the memory of ranks is not bound to their NUMA nodes: Invalid argument'* ]]
    aolani job.toml -r 1 --set bind.memory=none
    [ "$status" -eq 0 ]
}

# ---- a helper that fails

# fails SCRIPT_TEXT WORDS: and the job runs all the same
fails()
{
    libdir "$W/lib" "$1"
    here
    aolani job.toml -r 2
    [ "$status" -eq 0 ]
    [[ $(words) == *"$2"* ]]
    [ "$(of 1 | grep OMP)" != "" ]
}

@test "a helper that is missing, crashes or talks nonsense costs a node nothing but its GPUs" {
    export AOLANI_LIBDIR=$W/lib
    fails "" 'local0: what it is made of is not known: the helper "aolani-describe" is not beside the agent'
    fails 'echo oh >&2; kill -SEGV $$' \
        'local0: what it is made of is not known: aolani-describe ended by signal 11 (Segmentation fault): oh'
    fails 'echo nonsense' 'what aolani-describe said cannot be used: it does not decode'
    fails 'cat /dev/zero' 'aolani-describe said more than the 768 KiB that are taken'
    [ "$(run_json '.nodes[0].teardown')" = clean ]
    aolani job.toml # "gpu" ranks cannot be counted without it
    [ "$status" -eq 83 ]
}

@test "with strict, a node that cannot be described is refused" {
    export AOLANI_LIBDIR=$W/lib
    libdir "$W/lib" 'exit 3'
    here
    aolani job.toml -r 1 --set bind.strict=true
    [ "$status" -eq 83 ]
    [[ $(words) == *'aolani-describe ended with status 3'* ]]
}

@test "a helper that hangs is ended after 20 s" {
    export AOLANI_LIBDIR=$W/lib
    SECONDS=0
    fails 'sleep 1000 & sleep 1000' 'aolani-describe did not answer within 20 s and was ended'
    [ "$SECONDS" -ge 19 ]
}

is_hanging() { [ -e hanging ]; }
hang_in_background()
{
    libdir "$W/lib" "touch '$W/hanging'; sleep 1000 & sleep 1000"
    here
    AOLANI_LIBDIR=$W/lib "$BUILD/aolani-run" job.toml -r 1 >log 2>&1 </dev/null &
    job_pid=$!
    wait_for 40 is_hanging
}

@test "a job that is stopped while its nodes describe themselves leaves nothing" {
    hang_in_background
    SECONDS=0
    kill -TERM $job_pid
    status=0
    wait $job_pid || status=$?
    cat log
    [ "$SECONDS" -lt 15 ] # not the helper's 20
    [ "$status" -eq 143 ]
    grep -q ' clean' log
    [ "$(grep -ci 'killed' log)" = 0 ]
    nothing_left_here
}

@test "an agent that is killed takes its helper along" {
    hang_in_background
    helper=$(pgrep -f "^/bin/sh $W/lib/aolani-describe")
    agent=$(awk '/^PPid/ { print $2 }' "/proc/$helper/status")
    kill -KILL "$agent"
    wait $job_pid || :
    cat log
    wait_for 30 nothing_left_here
}
