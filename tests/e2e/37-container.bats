#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ranks in containers: what they need of their node reaches them, and they end with the job.
# The image is the machine's own root, so that programs find their libraries in it.
load ../lib/e2e

setup_file()
{
    export D=$BATS_FILE_TMPDIR
    mkdir -p "$D/bin" "$D/root" "$D/work"
    # More than this user may have is what podman asks for else.
    printf '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n' >"$D/containers.conf"
    cat >"$D/bin/podman" <<END
#!/bin/sh
CONTAINERS_CONF=$D/containers.conf exec podman --storage-driver=vfs --root "$D/store" --runroot "$D/run" \\
    --events-backend=none "\$@"
END
    # crun refuses a machine that has both versions of control groups.
    cat >"$D/enter" <<END
#!/bin/sh
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
mount --bind / "$D/root" && exec "\$@"
END
    chmod +x "$D/bin/podman" "$D/enter"
    export WHY_SKIPPED
    command -v podman >/dev/null || { WHY_SKIPPED="there is no podman"; return 0; }
    inside "$D/bin/podman" run --rm --network=host --ipc=host --pid=host --cgroups=no-conmon \
        --rootfs "$D/root" true 2>"$D/why" ||
        WHY_SKIPPED="podman cannot start a container here: $(tail -n 1 "$D/why")"
}
inside() { unshare --mount --propagation private "$D/enter" "$@"; }

setup()
{
    work
    export TEST_MARK=$W
}
teardown()
{
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    wait_for 30 nothing_left_here
    [ -n "${WHY_SKIPPED-}" ] || [ -z "$(inside "$D/bin/podman" ps -a --noheading)" ]
    no_sanitizer_words
}

# contained COMMAND_WORDS [KEYS_OF_JOB]: on 2 local nodes
contained()
{
    job <<END
[job]
command = [$1]
container = ["$D/bin/podman", "run", "--rm", "--rootfs", "$D/root"]
${2-}
[nodes]
backend = "local"
[local]
nodes = 2
[failure]
grace = "2s"
END
}
in_job()
{
    status=0
    timeout -k 10 60 unshare --mount --propagation private "$D/enter" \
        "$BUILD/aolani-run" job.toml </dev/null >stdout 2>stderr || status=$?
    cat stdout stderr
    stderr=$(cat stderr)
}

# The job, told to end once its ranks run; $status
stopped_job()
{
    unshare --mount --propagation private "$D/enter" "$BUILD/aolani-run" job.toml \
        </dev/null >stdout 2>stderr 3>&- &
    launcher=$!
    wait_for 30 test -e began.0 -a -e began.1
    kill -TERM $launcher
    status=0
    wait $launcher || status=$?
    cat stderr
}

@test "a training in containers: MPI, steps, the curve of one without" {
    maybe_skip
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    contained "\"$BUILD/trainer-cpu\", \"--steps\", \"40\", \"--loss-file\", \"$W/loss\""
    in_job
    [ "$status" -eq 0 ]
    [ "$(run_json '[.ranks[].steps.n] | map(. > 0) | all')" = true ]
    sed -i '/^container/d; s/loss"/reference"/' job.toml
    in_job
    [ "$status" -eq 0 ]
    same_losses loss reference 40 1e-12
}

@test "NCCL in a container loads the profiler of its node, and tells it of its steps" {
    maybe_skip
    gcc -std=c11 -D_GNU_SOURCE -O2 -rdynamic -I "$root" -o ddp "$root/tests/e2e/nccl/ddp.c" -ldl
    contained '"./ddp", "200", "-1", "0"'
    printf '[steps]\nsource = "nccl"\n' >>job.toml
    in_job
    [ "$status" -eq 0 ]
    for r in 0 1; do
        grep -q "libnccl-profiler-aolani.so: loaded" "$(rank_file $r out)"
    done
    [ "$(run_json .run.step_source)" = nccl ]
    [ "$(run_json .steps.closed)" -gt 10 ]
    [[ $stderr == *"each AllReduce of 4 bytes or more among 2 ranks, profiler v5"* ]]
}

@test "what a rank gets: its variables, its folder; its values stand in no command line" {
    maybe_skip
    cat >rank <<'END'
#!/bin/sh
[ -e /run/.containerenv ] || exit 1
echo "$RANK of $WORLD_SIZE on $AOLANI_NODE: $SECRET in $(pwd)"
[ -w "$AOLANI_STEP_PATH" ] && [ -r "$AOLANI_LIBRARY" ] && echo "lets in"
echo "h:1:2 [0] NCCL WARN from within" >"$(echo "$NCCL_DEBUG_FILE" | sed s/%p/$$/)"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' >"words.$RANK"
END
    chmod +x rank
    contained '"./rank"' 'env = { SECRET = "not for others" }'
    printf '[steps]\nsource = "nccl"\n' >>job.toml # NCCL's own file, which is heard
    in_job
    [ "$status" -eq 0 ]
    [[ $stderr =~ NCCL\ of\ rank\ [01]\ on\ [a-z0-9]+:\ from\ within ]]
    for r in 0 1; do
        grep -qx "$r of 2 on $r: not for others in $W" "$(rank_file $r out)"
        grep -qx "lets in" "$(rank_file $r out)"
        grep -qx SECRET words.$r
        [ "$(grep -c "not for others" words.$r)" = 0 ]
    done
}

@test "a program in Python marks its steps with nothing installed in the image" {
    maybe_skip
    command -v python3 >/dev/null || skip "there is no python3"
    cat >train.py <<'END'
import os, time
import aolani
assert os.path.exists("/run/.containerenv")
assert os.environ["AOLANI_NODE"] == os.environ["RANK"]
let_in = [line.split()[4] for line in open("/proc/self/mountinfo")]
assert os.path.dirname(aolani.__file__) in let_in, aolani.__file__
assert os.path.dirname(os.environ["AOLANI_LIBRARY"]) in let_in
for i in aolani.steps(range(40)):
    time.sleep(0.01)
END
    contained '"python3", "train.py"'
    PYTHONHOME=/of/the/node in_job
    [ "$status" -eq 0 ]
    [ "$(run_json "[.ranks[].steps.n] | map(. > 0) | all")" = true ]
    # The way out where the image has a PYTHONPATH that must stay.
    sed -i "s|\"--rootfs\"|\"--env\", \"PYTHONPATH=/of/the/image\", &|" job.toml
    in_job
    [ "$status" -ne 0 ]
    [[ $stderr == *"No module named 'aolani'"* ]] || grep "No module named 'aolani'" "$(rank_file 0 err)"
    sed -i '1a import sys; sys.path.append(os.path.dirname(os.environ["AOLANI_LIBRARY"]))' train.py
    in_job
    [ "$status" -eq 0 ]
}

@test "the status of the program is that of the job; a signal reaches it" {
    maybe_skip
    contained '"sh", "-c", "exit 7"'
    in_job
    [ "$status" -eq 7 ]
    contained '"sh", "-c", "trap '"'echo saving; exit 0'"' TERM; touch began.$RANK; while :; do sleep 0.1; done"'
    stopped_job
    [ "$status" -eq 143 ]
    grep -qx saving "$(rank_file 0 out)"
}

@test "a program that does not end is ended in its container, and nothing is left" {
    maybe_skip
    contained '"sh", "-c", "trap : TERM; touch began.$RANK; while :; do sleep 0.1; done"'
    sed -i 's/^\[failure\]/[failure]\ngrace = "1s"/; 0,/grace = "2s"/{/grace = "2s"/d}' job.toml
    stopped_job
    [ "$status" -eq 143 ]
    nothing_left_here
}

@test "a tool that is not there, and one that is not known" {
    contained '"true"'
    sed -i "s,$D/bin/podman,$W/no/podman," job.toml
    aolani job.toml
    [ "$status" -eq 127 ]
    [[ $stderr == *"$W/no/podman"* ]]
    sed -i "s,$W/no/podman,docker," job.toml
    aolani check --offline job.toml
    [ "$status" -eq 2 ]
    [[ $stderr == *'job.toml:3'*'"docker": it is none of podman, apptainer, singularity and enroot'* ]]
}
