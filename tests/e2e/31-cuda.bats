#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The trainer for CUDA: what it says where there is no GPU, and, on a GPU that is made of memory
# (tests/lib/gpu_host.c), that it is the trainer for CPUs in all but speed.
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    host=$plain/tests/e2e/trainer-host
}
teardown() { wait_for 30 nothing_left_here; }

need_cuda()
{
    [ -x "$plain/trainer-cuda" ] || skip "nvcc, cuBLAS or NCCL is absent: there is no trainer-cuda"
}
need_host() { [ -x "$host" ] || skip "a C++ compiler is absent"; }
need_cpu() { [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"; }

# train NODES RANKS_PER_NODE [ENV]... -- PROGRAM ARGUMENT...
train()
{
    local nodes=$1 ranks=$2 env=()
    shift 2
    while [ "$1" != -- ]; do env+=("$1"); shift; done
    shift
    job <<END
[job]
command = [$(printf '"%s", ' "$@")]
env = { $(IFS=,; echo "${env[*]}") }
ranks_per_node = $ranks
[nodes]
backend = "local"
[local]
nodes = $nodes
[failure]
grace = "2s"
END
    LIMIT=100 aolani job.toml
}
said() { cat runs/latest/attempt-1/rank-*; }

small=(--steps 30 --hidden 48 --positions 8 --layers 2)

@test "trainer-cuda lists its flags, and refuses wrong ones at once" {
    need_cuda
    run "$plain/trainer-cuda" --help
    [ "$status" -eq 0 ]
    for flag in --steps --precision --bucket-mb --verify-sum --graph --peak-tflops --no-marks; do
        [[ $output == *"  $flag "* ]]
    done
    run "$plain/trainer-cuda" --precision fp16
    [ "$status" -eq 2 ]
    [ "$output" = 'trainer-cuda: --precision "fp16": not one of fp64, fp32, tf32, bf16' ]
    run "$plain/trainer-cuda" --bucket-mb 0
    [ "$status" -eq 2 ]
    run "$plain/trainer-cuda" --no-such-flag
    [ "$status" -eq 2 ]
    [[ $output == *"no such flag"* ]]
}

@test "trainer-cuda says why there is no CUDA device" {
    need_cuda
    # A GPU is hidden; where there is none, the driver may be absent, too.
    CUDA_VISIBLE_DEVICES='' run timeout 60 "$plain/trainer-cuda" --steps 1
    [ "$status" -eq 1 ]
    [[ $output == "trainer-cuda: no CUDA device: cudaGetDeviceCount: "*"(cudaError"*"built for CUDA "* ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "flags of a GPU are none of trainer-cpu's" {
    need_cpu
    run "$BUILD/trainer-cpu" --precision fp64
    [ "$status" -eq 2 ]
    [[ $output == *"--precision: no such flag"* ]]
}

@test "the same losses as on the CPU, on 2 nodes x 2 ranks, sums verified" {
    need_host
    need_cpu
    train 2 2 -- "$host" "${small[@]}" --precision fp64 --verify-sum 10 --loss-file "$W/gpu"
    [ "$status" -eq 0 ]
    [ "$(said | grep -c 'NCCL.s sums of .* over 4 ranks are those of the CPU')" = 3 ]
    [ "$(run_json '.ranks[3].steps.n')" -ge 25 ]
    train 1 1 -- "$BUILD/trainer-cpu" "${small[@]}" --loss-file "$W/cpu"
    [ "$status" -eq 0 ]
    same_losses gpu cpu 30 1e-10
    train 1 2 -- "$host" "${small[@]}" --precision bf16 --graph --loss-file "$W/bf16"
    [ "$status" -eq 0 ]
    same_losses bf16 cpu 30 0.05
    run same_losses bf16 cpu 30 1e-7 # it would be no BF16
    [ "$status" -ne 0 ]
    said | grep -E '^[0-9.]+ ms a step, [0-9.e+-]+ TFLOP/s a GPU in bf16; no MFU'
}

@test "a checkpoint of either back end is the other's" {
    need_host
    need_cpu
    train 1 1 -- "$BUILD/trainer-cpu" "${small[@]}" --loss-file "$W/whole"
    [ "$status" -eq 0 ]
    more=("${small[@]}" --checkpoint "$W/kept" --resume --loss-file "$W/parts")
    train 1 2 -- "$host" "${more[@]}" --steps 10 --precision fp64 --graph
    [ "$status" -eq 0 ]
    train 1 1 -- "$BUILD/trainer-cpu" "${more[@]}" --steps 20
    [ "$status" -eq 0 ]
    said | grep -q "resumed after step 10"
    train 1 4 -- "$host" "${more[@]}" --precision fp64
    [ "$status" -eq 0 ]
    said | grep -q "resumed after step 20"
    same_losses parts whole 30 1e-10
}

@test "without marks a job sees no steps" {
    need_host
    train 1 2 -- "$host" "${small[@]}" --no-marks
    [ "$status" -eq 0 ]
    [ "$(run_json '[.ranks[].steps.n // 0] | add')" = 0 ]
}

@test "a wrong sum is found and ends the job" {
    need_host
    train 1 2 'GPU_HOST_WRONG = "1"' -- "$host" "${small[@]}" --verify-sum 5
    [ "$status" -eq 1 ]
    said | grep -q -e "--verify-sum: number .* of the gradient is "
}

# Without a launcher, which would end the others itself.
@test "all ranks end when one of them is killed" {
    need_host
    pids=()
    port=$((20000 + $$ % 10000))
    for r in 0 1 2; do
        RANK=$r LOCAL_RANK=$r WORLD_SIZE=3 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port \
            "$host" --steps 1000000 --streams 3 --positions 2 --log-every 5 >"out.$r" 2>&1 3>&- &
        pids+=($!)
    done
    wait_for 60 grep -q "^step 5" out.0
    kill -KILL "${pids[1]}"
    for r in 0 2; do
        status=0
        wait "${pids[$r]}" || status=$?
        tail -n 2 "out.$r"
        [ "$status" -eq 1 ]
        grep -q "is gone" "out.$r"
    done
}

@test "what fails on one rank ends all, with the call and the place" {
    need_host
    # The 60th call of each device: somewhere in the first steps.
    train 1 2 'GPU_HOST_FAIL = "60"' -- "$host" "${small[@]}"
    [ "$status" -eq 1 ]
    said | grep -q ", in the .*: made to fail"
    train 1 2 'GPU_HOST_FREE = "4096"' -- "$host" "${small[@]}"
    [ "$status" -eq 1 ]
    said | grep -q "the training takes .* GiB free"
    train 1 2 'GPU_HOST_NONE = "1"' -- "$host" "${small[@]}"
    [ "$status" -eq 1 ]
    said | grep -q "trainer-cuda: no CUDA device: "
}
