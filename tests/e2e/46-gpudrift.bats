#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Who has memory on the ranks' GPUs, from a script in the place of aolani-describe: it describes
# a machine with two GPUs, then tells what the tests put into files.
load ../lib/e2e
load ../lib/gpus

setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    command -v python3 >/dev/null || skip "python3 is absent"
    [ "$(readlink /proc/self/ns/pid)" = "pid:[4026531836]" ] ||
        skip "in a PID namespace nobody can know who is meant"
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    make_machine "$W/two"
    FIRST=$(grep -ao 'GPU-[0-9a-f-]\{36\}' "$W/two/message" | head -n 1)
    export AOLANI_LIBDIR=$W/two
}
teardown() { wait_for 30 nothing_left_here; }

make_machine()
{
    two_gpus "$1"
    # One answer for each line of the file `says`: "UUID PID" of who has memory, or "exit".
    cat >"$1/gpus.py" <<'END'
import os, struct, sys
def field(n, b): return bytes([n << 3 | 2, len(b)]) + b
def varint(v):
    out = b""
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])
asked = os.path.join(sys.argv[1], "asked")
for line in sys.stdin:
    if line == "s\n": # without processes
        sys.stdout.buffer.write(bytes(4))
        sys.stdout.flush()
        continue
    n = len(open(asked).read()) if os.path.exists(asked) else 0
    open(asked, "a").write("x")
    says = open(os.path.join(sys.argv[1], "says")).read().splitlines()
    words = says[min(n, len(says) - 1)].split()
    if words == ["exit"]:
        sys.exit(3)
    m = b""
    for gpu, pid in zip(words[::2], words[1::2]):
        m += field(1, field(1, gpu.encode()) + field(2, b"\x08" + varint(int(pid))))
    sys.stdout.buffer.write(struct.pack("<I", len(m)) + m)
    sys.stdout.flush()
END
}

# Ranks run until the helper was asked twice, however loaded the machine is, and a little on.
gpu_job()
{
    cat >wait.sh <<END
while [ "\$(wc -c <"$W/two/asked")" -lt 2 ]; do
    sleep 0.1
done
sleep 3
END
    : >"$W/two/asked"
    job <<END
[job]
command = ["sh", "$W/wait.sh"]
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

@test "somebody else on a rank's GPU is told, with the name of both" {
    gpu_job
    echo "$FIRST $$" >"$W/two/says"
    aolani job.toml
    printf '%s\n' "$stderr"
    [ "$status" -eq 0 ]
    [[ $(words) == *"warning: rank 0 on local0: pid $$ ("*"), which is not of the job, has memory on its GPU gpu 0 (drift since "* ]]
    [[ $(words) != *"rank 1 on local0: pid"* ]]
    [ "$(jq -r '.ranks[0].binding.checks[] | select(.what == "gpu") | .state' runs/latest/run.json)" = drift ]
}

@test "drift that cannot be seen any more is not said to be over" {
    gpu_job
    printf '%s\n' "$FIRST $$" exit >"$W/two/says"
    aolani -v job.toml
    printf '%s\n' "$stderr"
    [ "$status" -eq 0 ]
    [[ $(words) == *"which is not of the job, has memory on its GPU"* ]]
    [[ $(words) != *"no drift of its gpu any more"* ]]
    [[ $(words) == *"rank 0 on local0: its gpu cannot be verified any more, after drift of "*": aolani-describe --gpus ended with status 3"* ]]
}
