#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What NCCL said in the ranks' output, and its topology dump, against the prediction. The
# machine with GPUs is a description that a script in the helper's place writes; what NCCL
# says is printed by the ranks.
load ../lib/e2e

setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    make_machine "$W/two"
    export AOLANI_LIBDIR=$W/two
}
teardown() { wait_for 30 nothing_left_here; }

# Two GPUs, each below a switch with a NIC of its own.
make_machine()
{
    mkdir -p "$1"
    cat >"$1/facts" <<END
numa 0 package=0 cores=0-1 threads=1
bus 0000:10 at=numa:0
  bridge 10:1.0
    bridge 11:0.0
      bridge 12:0.0
        gpu 13:0.0 cuda0 nvml0
      bridge 12:1.0
        nic 14:0.0 mlx5_0,ib0
bus 0000:20 at=numa:0
  bridge 20:1.0
    bridge 21:0.0
      bridge 22:0.0
        gpu 23:0.0 cuda1 nvml1
      bridge 22:1.0
        nic 24:0.0 mlx5_3,ib3
END
    "$root/tests/topology/facts2xml" "$1/facts" >"$1/xml"
    "$BUILD/aolani-describe" --xml "$1/xml" >"$1/message"
    cp "$BUILD"/aolani-agent "$BUILD"/libaolani.so.1 "$1/"
    printf '#!/bin/sh\nbase64 -d <<END\n%s\nEND\n' "$(base64 "$1/message")" \
        >"$1/aolani-describe"
    chmod +x "$1/aolani-describe"
}

# The ranks' program: say.sh, which may use $LOCAL_RANK.
nccl_job()
{
    cat >say.sh
    job <<END
[job]
command = ["sh", "$W/say.sh"]
ranks_per_node = "gpu"
mpi = "none"
[nodes]
backend = "local"
[failure]
grace = "1s"
head_lease = "3s"
END
}
words() { tr -s '\n ' ' ' <<<"$stderr$output"; }
summary() { jq -r "$1" runs/latest/run.json; }

using='echo "h:1:2 [$LOCAL_RANK] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_3:1/IB [RO]; OOB eth0:1<0>"'
receive() # DEVICE /GDRDMA
{
    printf 'echo "h:1:2 [$LOCAL_RANK] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] via NET/%s%s"\n' "$1" "${2-}"
}

@test "as predicted: one line, no warning" {
    nccl_job <<END
$using
$(receive 'IB/$LOCAL_RANK' /GDRDMA)
END
    aolani job.toml
    [ "$status" -eq 0 ]
    [[ $(words) == *"NCCL used the predicted NIC on all 2 ranks"* ]]
    [ "$(summary .run.nccl)" = "NCCL used the predicted NIC on all 2 ranks" ]
    [[ $(words) != *"warning: NCCL"* ]]
    aolani report runs/latest
    [[ $(words) == *"NCCL used the predicted NIC on all 2 ranks"* ]]
}

@test "another NIC, and no GPUDirect RDMA: warnings that name rank, GPU and both NICs" {
    nccl_job <<END
$using
$(receive IB/0)
END
    aolani job.toml -x NCCL_DEBUG=INFO
    [ "$status" -eq 0 ]
    printf '%s\n' "$stderr"
    [[ $(words) == *"NCCL used mlx5_0 for gpu 1 (rank 1 on local0), predicted mlx5_3"* ]]
    [[ $(words) == *"NCCL does not use GPUDirect RDMA on rank 0 on local0 (gpu 0, mlx5_0)"* ]]
    [ "$(summary .run.nccl)" = "NCCL used the predicted NIC on 1 of 2 ranks" ]
}

@test "sockets where there is a NIC are a warning; silence, and a network that one node needs not, claim nothing" {
    nccl_job <<END
echo "h:1:2 [0] NCCL INFO Using network Socket"
END
    aolani job.toml
    [ "$status" -eq 0 ]
    [[ $(words) != *"NCCL uses sockets"* && $(words) != *"NCCL, between nodes"* ]]
    [ "$(summary .run.nccl)" = "" ]
    printf '[local]\nnodes = 2\n' >>job.toml
    aolani job.toml
    [ "$status" -eq 0 ]
    [[ $(words) == *"NCCL uses sockets on rank 0 on local0, though mlx5_0 is there for gpu 0"* ]]
    nccl_job <<END
echo "nothing of NCCL"
head -c 3000000 /dev/zero
END
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(summary .run.nccl)" = "" ]
    [[ $(words) != *"NCCL use"* ]]
}

@test "sockets between nodes that have NICs are said while the job runs; the user may want them" {
    nccl_job <<END
echo "h:1:2 [0] NCCL INFO Using network Socket"
[ -e "$W/off" ] || until [ -e "$W/go" ]; do sleep 0.1; done
END
    printf '[local]\nnodes = 2\n' >>job.toml
    aolani job.toml & # the ranks wait for what is said
    wait_for 30 grep -qs "NCCL has taken sockets for its network, though the node has mlx5_[03]" \
        "$BATS_TEST_TMPDIR/stderr"
    touch go
    wait "$!"
    wait_for 30 nothing_left_here
    touch off
    aolani job.toml -x NCCL_IB_DISABLE=1
    [ "$status" -eq 0 ]
    [[ $(words) != *"NCCL has taken sockets"* ]]
}

@test "an NCCL that says nothing of its network is asked to, where there is one to take" {
    gcc -std=c11 -D_GNU_SOURCE -O2 -rdynamic -I "$root" -o ddp "$root/tests/e2e/nccl/ddp.c" -ldl
    cp "$BUILD/libnccl-profiler-aolani.so" two/
    nccl_job <<END
exec "$W/ddp" 20 -1 0
END
    printf '[local]\nnodes = 2\n[steps]\nsource = "nccl"\n' >>job.toml
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(summary .run.nccl)" = "NCCL said nothing of its network (NCCL_DEBUG=INFO would make it)" ]
    aolani job.toml -x NCCL_NET=Socket
    [ "$(summary .run.nccl)" = "" ]
}

# NCCL's own file, as NCCL would open it.
own_file='f=$(echo "$NCCL_DEBUG_FILE" | sed "s,%p,$$,"); '
heard_job() # on two nodes; standard input: the rank's program
{
    nccl_job
    sed -i "1i $own_file" say.sh
    printf '[local]\nnodes = 2\n[steps]\nsource = "nccl"\n' >>job.toml
    cp "$BUILD/libnccl-profiler-aolani.so" two/
}

@test "NCCL is heard without a word in the output: the network of each node, sockets while it runs" {
    heard_job <<END
[ "\$NCCL_DEBUG,\$NCCL_DEBUG_SUBSYS" = INFO,INIT,NET ] || exit 9
{ $using
if [ "\$NODE_RANK" = 0 ]; then $(receive 'IB/$LOCAL_RANK' /GDRDMA); else
echo "h:1:2 [0] NCCL INFO NET/IB : No device found."
$(receive Socket/0); fi; } >"\$f"
until [ -e "$W/go" ]; do sleep 0.1; done
END
    aolani job.toml & # the ranks wait for what is said
    wait_for 30 grep -qs "on local1: NCCL has taken sockets for its network, though the node has mlx5_[03]" \
        "$BATS_TEST_TMPDIR/stderr"
    touch go
    wait "$!"
    [ "$(summary '.nodes[0].net')" = "ib+gdr" ]
    [ "$(summary '.nodes[1].net')" = "sockets" ]
    [ "$(summary .run.nccl)" = "NCCL used the predicted NIC on 1 of 2 ranks" ]
    grep -q 'uses sockets.* of InfiniBand it says "NET/IB : No device found."' "$BATS_TEST_TMPDIR/stderr"
    [ ! -s runs/latest/attempt-1/rank-0000.out ]
}

@test "what NCCL warns of is said, of many ranks once, and not what follows from a failure" {
    heard_job <<END
warn() { echo "[2026-01-01 00:00:00] h:\$\$:2 [0] net.cc:12 NCCL WARN \$1"; }
warn "connect to 10.0.0.\$RANK<4\$RANK> failed : \033[31mno route" >"\$f"
[ "\$RANK" != 1 ] || { sleep 1; exit 5; }
trap 'warn "peer is gone" >>"\$f"; exit 0' TERM
until [ -e "$W/go" ]; do sleep 0.1; done
END
    aolani job.toml
    [ "$status" -eq 5 ]
    [[ $stderr =~ warning:\ NCCL\ of\ rank\ [01]\ on\ local[01]:\ connect\ to\ 10\.0\.0\.[01]\<4[01]\>\ failed ]]
    [ "$(grep -c '^aolani-run: warning: NCCL of rank' <<<"$stderr")" = 1 ]
    [[ $stderr != *$'\033[31m'* ]]
    [ "$(summary '[.warnings[] | select(startswith("NCCL of rank"))] | length')" = 1 ]
}

@test "what NCCL says as its rank ends is heard, in each attempt" {
    heard_job <<'END'
[ "$RANK" = 0 ] || exec sleep 60
echo "NCCL WARN it ends" >"$f"
exit 5
END
    aolani job.toml --set failure.max_restarts=1
    [ "$status" -eq 5 ]
    [ "$(summary .run.attempts)" = 2 ]
    [ "$(grep -c '^aolani-run: warning: NCCL of rank 0 on local0: it ends' <<<"$stderr")" = 2 ]
}

@test "who sets a variable of NCCL's words has them where he wants them" {
    local file row
    heard_job <<'END'
echo "$NCCL_DEBUG,$NCCL_DEBUG_SUBSYS,$NCCL_DEBUG_FILE"
END
    for row in 'NCCL_DEBUG=WARN=WARN,,' 'NCCL_DEBUG_SUBSYS=ENV=,ENV,' 'NCCL_DEBUG_FILE=/x=,,/x'; do
        aolani job.toml -x "${row%=*}"
        [ "$(<runs/latest/attempt-1/rank-0000.out)" = "${row##*=}" ]
    done
    mkdir home
    echo "NCCL_DEBUG=VERSION" >home/.nccl.conf
    aolani job.toml -x HOME="$W/home"
    [ "$(<runs/latest/attempt-1/rank-0000.out)" = ",," ]
    aolani job.toml -x NCCL_CONF_FILE=.nccl.conf --set job.setup="cd home"
    [ "$(<runs/latest/attempt-1/rank-0000.out)" = ",," ]
    aolani job.toml -x HOME="$W/home" -x NCCL_CONF_FILE=
    [ "$(<runs/latest/attempt-1/rank-0000.out)" = ",," ]
    file=$W/other.conf
    printf '# ours\nNCCL_IB_TIMEOUT=22\n' >"$file"
    aolani job.toml -x HOME="$W/home" -x NCCL_CONF_FILE="$file"
    [[ $(<runs/latest/attempt-1/rank-0000.out) == INFO,INIT,NET,/dev/shm/aolani-*/said-0.%p ]]
}

@test "a real NCCL that finds no GPU: what it warns of is heard" {
    local lib=${CUDA_HOME:-/usr/local/cuda}/lib
    ldconfig -p | grep -q 'libnccl\.so\.2' || [ -e "$lib/libnccl.so.2" ] || skip "there is no libnccl.so.2"
    [ ! -e /dev/nvidiactl ] || skip "this machine has a GPU"
    command -v python3 >/dev/null || skip "there is no python3"
    cp "$root/tests/e2e/ncclinit.py" .
    heard_job <<END
LD_LIBRARY_PATH=\$LD_LIBRARY_PATH:$lib exec python3 "$W/ncclinit.py"
END
    aolani job.toml
    [ "$status" -eq 1 ]
    [[ $(words) == *"warning: NCCL of rank "*": Cuda failure '"* ]]
    [ ! -s runs/latest/attempt-1/rank-0000.out ]
}

@test "a topology dump of this job is compared; an older one is not" {
    dump()
    {
        cat <<END
<system version="1"><cpu numaid="0" arch="x86_64">
<pci busid="0000:13:00.0"><gpu dev="0" rank="0" gdr="1"/></pci>
<pci busid="0000:14:00.0"><nic><net name="mlx5_0" dev="0" gdr="0"/></nic></pci>
</cpu></system>
END
    }
    dump >dump.xml
    touch -d '1 hour ago' dump.xml
    nccl_job <<END
true
END
    aolani job.toml -x NCCL_TOPO_DUMP_FILE="$W/dump.xml"
    [ "$status" -eq 0 ]
    [[ $(words) != *"topology dump"* ]]
    dump >new.xml
    nccl_job <<END
cp "$W/new.xml" "$W/dump.xml"
END
    aolani job.toml -x NCCL_TOPO_DUMP_FILE="$W/dump.xml"
    printf '%s\n' "$stderr"
    [[ $(words) == *"NCCL's topology dump lacks mlx5_3"* ]]
    [[ $(words) == *"NCCL's topology dump says that mlx5_0 cannot do GPUDirect RDMA"* ]]
    [[ $(words) == *"NCCL's topology dump has gpu 0 and mlx5_0 at one CPU, no switch between, predicted PI"* ]]
}

@test "the report and run.json say over which network each node goes" {
    nccl_job <<END
$using
$(receive 'IB/$LOCAL_RANK' /GDRDMA)
END
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(summary .nodes[0].net)" = "ib+gdr" ]
    aolani report runs/latest
    [[ $(words) == *"NCCL, between nodes: local0: ib+gdr"* ]]
}

# What is required is looked for on the nodes first: here on a recorded machine that has it.
proof() # as aolani
{
    [ -d "$W/tree" ] ||
        python3 "$root/tests/audit/build" "$root/tests/audit/bare-metal-8gpu.facts" "$W/tree"
    printf '#!/bin/sh\nexec "%s/aolani-audit" "$@" --root "%s/tree"\n' "$BUILD" "$W" \
        >"$W/two/aolani-audit"
    chmod +x "$W/two/aolani-audit"
    aolani job.toml --set audit.require_net=ib+gdr
}

@test "a run that must prove ib+gdr: every rank says so" {
    nccl_job <<END
$using
$(receive 'IB/$LOCAL_RANK' /GDRDMA)
END
    proof
    [ "$status" -eq 0 ]
    [ "$(summary .nodes[0].net)" = "ib+gdr" ]
}

@test "a run that must prove ib+gdr: without GPUDirect RDMA it is ended at once" {
    nccl_job <<END
$using
$(receive 'IB/$LOCAL_RANK')
sleep 600
END
    proof
    [ "$status" -eq 82 ]
    [[ $(summary .run.sentence) == *"NCCL receives over InfiniBand without GPUDirect RDMA"* ]]
}

@test "a run that must prove ib+gdr: silence is no proof, nor a network that is not used" {
    nccl_job <<END
[ "\$LOCAL_RANK" = 0 ] || exit 0
$using
$(receive 'IB/$LOCAL_RANK' /GDRDMA)
END
    proof
    [ "$status" -eq 82 ]
    [[ $(summary .run.sentence) == *"not proven"*"rank 1 has said nothing of its network"* ]]
    nccl_job <<END
echo "h:1:2 [\$LOCAL_RANK] NCCL INFO Using network IB"
END
    proof
    [ "$status" -eq 82 ]
    [ "$(summary .nodes[0].net)" = "ib, not used" ]
    [[ $(words) == *"no rank has a connection to another node"* ]]
}

@test "the real machines beside the source tree: NCCL's choice as derived by hand" {
    shared=${AOLANI_TOPOLOGIES:-$root/../shared/topologies}
    [ -d "$shared" ] || skip "there is no $shared"
    job <<END
[job]
command = ["true"]
ranks_per_node = "gpu"
END
    # The derivations are in tests/lib/nccl_machines.h.
    while read -r file path gdr want; do
        got=$(env -u AOLANI_LIBDIR "$BUILD/aolani-run" plan job.toml --topology "$shared/$file" --json 2>/dev/null |
            jq -r '[.. | objects | select(has("local_rank") and has("nccl")) | .nccl] |
                [(map(.nic) | join(" ")), (map(.path) | unique | join(",")),
                 (map(.gdr) | unique | map(tostring) | join(","))] | "\(.[1]) \(.[2]) \(.[0])"')
        [ "$got" = "$path $gdr $want" ] || { printf '%s: %s\n' "$file" "$got"; false; }
    done <<END
dgx-a100/derived.hwloc.xml PXB true mlx5_0 mlx5_1 mlx5_2 mlx5_3 mlx5_4 mlx5_5 mlx5_6 mlx5_7
oci-bm-gpu-h100-8/derived.hwloc.xml PXB true mlx5_0 mlx5_3 mlx5_5 mlx5_7 mlx5_9 mlx5_12 mlx5_14 mlx5_16
azure-ndv5-h100-vm/derived.hwloc.xml PHB false mlx5_ib0 mlx5_ib2 mlx5_ib1 mlx5_ib3 mlx5_ib4 mlx5_ib6 mlx5_ib5 mlx5_ib7
aws-g4dn-metal/g4dnmetal.xml PHB,SYS false rdmap197s0 rdmap197s0 rdmap197s0 rdmap197s0 rdmap197s0 rdmap197s0 rdmap197s0 rdmap197s0
smc-h200-snc2/derived.hwloc.xml PIX true mlx5_0 mlx5_1 mlx5_2 mlx5_4 mlx5_5 mlx5_6 mlx5_7 mlx5_8
h200-kvm-flat/derived.hwloc.xml PHB false mlx5_0 mlx5_4 mlx5_2 mlx5_6 mlx5_1 mlx5_5 mlx5_3 mlx5_7
gb200-nvl72-tray/derived.hwloc.xml P2C true mlx5_0 mlx5_1 mlx5_3 mlx5_4
END
}
