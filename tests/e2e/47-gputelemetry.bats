#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What GPUs do, and what the kernel says of them, from a script in the place of aolani-describe
# and a file in the place of /dev/kmsg, to which no process can write as the kernel.
load ../lib/e2e
load ../lib/gpus

setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    command -v python3 >/dev/null || skip "python3 is absent"
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    make_machine "$W/two"
    mapfile -t UUIDS < <(grep -ao 'GPU-[0-9a-f-]\{36\}' "$W/two/message" | uniq)
    export AOLANI_LIBDIR=$W/two AOLANI_TEST_KMSG=$W/kmsg
    echo "3,1,2,-;NVRM: Xid (PCI:0000:13:00): 48, before the job" >kmsg
}
teardown() { wait_for 30 nothing_left_here; }

make_machine()
{
    two_gpus "$1"
    # GpuSample: of each line "UUID field=value ..." of the file `says` a GpuSignal, whose other
    # fields are not known. The file `asked` grows with each answer.
    cat >"$1/gpus.py" <<'END'
import os, struct, sys
FIELDS = range(2, 22)
def varint(v):
    out = b""
    while v > 127:
        out, v = out + bytes([v & 127 | 128]), v >> 7
    return out + bytes([v])
def field(n, b): return varint(n << 3 | 2) + varint(len(b)) + b
def signed(n, v): return varint(n << 3) + varint(2 * v if v >= 0 else -2 * v - 1)
for line in sys.stdin:
    m = b""
    for gpu in open(os.path.join(sys.argv[1], "says")).read().splitlines():
        uuid, *words = gpu.split()
        said = dict(map(int, w.split("=")) for w in words)
        m += field(3, field(1, uuid.encode()) +
                   b"".join(signed(n, said.get(n, -1)) for n in FIELDS))
    m += varint(4 << 3) + varint(1000000000)
    sys.stdout.buffer.write(struct.pack("<I", len(m)) + m)
    sys.stdout.flush()
    open(os.path.join(sys.argv[1], "asked"), "a").write("x")
END
}

# Ranks run until the helper was asked three times; after the first, $1 goes into the log.
gpu_job()
{
    cat >wait.sh <<END
asked() { wc -c <"$W/two/asked"; }
while [ "\$(asked)" -lt 1 ]; do sleep 0.1; done
[ "\$LOCAL_RANK" = 1 ] || cat >>"$W/kmsg" "$W/kernel"
while [ "\$(asked)" -lt 4 ]; do sleep 0.1; done
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
summary() { jq -r "$1" runs/latest/run.json; }

@test "what a GPU did over the run is in the report, run.json and run.db" {
    : >kernel
    # power_us=2 heat_us=3 sm_mhz=6 celsius=8 milliwatts=9 nvlink_errors=11 energy_mj=18
    cat >two/says <<END
${UUIDS[0]} 2=0 3=400000 6=1110 8=91 9=690000 11=7 13=1980 18=600000
${UUIDS[1]} 2=0 3=0 6=1980 8=61 9=300000 11=0 13=1980 18=250000
END
    gpu_job
    aolani job.toml
    printf '%s\n' "$stderr"
    [ "$status" -eq 0 ]
    [[ $(words) == *" GPUs 2 GPUs; "*" 690 W at most; "*" 91 at most"*"SM clock at least 1110 MHz of 1980"* ]]
    [[ $(words) == *"local0 ${UUIDS[0]:0:12} 0 "*" heat "* ]]
    [[ $(words) == *" NVLink errors"* ]]
    [[ $(words) != *"local0 ${UUIDS[1]:0:12}"* ]]
    [ "$(summary '.gpus | length')" = 2 ]
    [ "$(summary '.gpus[0] | [.sm_mhz_least, .ecc_errors, .heat_us > 0] | map(tostring) | join(" ")')" = "1110.0 null true" ] ||
        [ "$(summary '.gpus[0] | [.sm_mhz_least, .ecc_errors, .heat_us > 0] | map(tostring) | join(" ")')" = "1110 null true" ]
    [ "$(summary '.faults | length')" = 0 ]
    [[ $(words) != *Xid* ]]
    if command -v sqlite3 >/dev/null; then
        [ "$(sqlite3 runs/latest/run.db "SELECT sm_mhz, ecc_corrected FROM signal_gpu WHERE uuid = '${UUIDS[0]}' LIMIT 1")" = "1110|" ]
    fi
}

@test "an error that the kernel tells of a GPU is a warning at once, and kept" {
    : >two/says
    cat >kernel <<END
6,10,1000,-;usb 1-1: new device
3,11,1001,-;NVRM: Xid (PCI:0000:23:00): 79, pid=4711, name=python3, GPU has fallen off the bus.
 SUBSYSTEM=pci
3,12,1002,-;NVRM: Xid (PCI:0000:23:00): 79, pid=4711, name=python3, GPU has fallen off the bus.
3,13,1003,-;NVRM: Xid (PCI:0000:99:00): 31, pid=12, MMU Fault
14,14,1004,-;NVRM: Xid (PCI:0000:13:00): 48, a process has written this
END
    gpu_job
    aolani job.toml
    printf '%s\n' "$stderr"
    [ "$status" -eq 0 ]
    [[ $(words) == *"warning: Xid 79 of GPU 0000:23:00.0 (rank 1) on local0: the GPU has fallen off the bus"* ]]
    [[ $(words) == *"warning: Xid 31 of GPU 0000:99:00.0 (not the job's) on local0: "* ]]
    [[ $(words) != *"Xid 48"* ]]
    [ "$(summary '[.faults[] | "\(.xid) \(.n) \(.whose)"] | join("; ")')" = "79 2 rank 1; 31 1 not the job's" ]
    if command -v sqlite3 >/dev/null; then
        [ "$(sqlite3 runs/latest/run.db 'SELECT sum(n) FROM gpu_fault WHERE xid = 79')" = 2 ]
    fi
    aolani report runs/latest
    [[ $(words) == *"Xid 79 of GPU 0000:23:00.0 (rank 1) on local0: "*"; 2 times"* ]]
}

@test "a kernel's log that may not be read is said at -v, and to nobody else" {
    : >kernel
    : >two/says
    gpu_job
    AOLANI_TEST_KMSG=$W/none/kmsg aolani -v job.toml
    [ "$status" -eq 0 ]
    [[ $(words) == *"errors of GPUs (Xid) are not seen: $W/none/kmsg cannot be read: No such file or directory"* ]]
    gpu_job
    AOLANI_TEST_KMSG=$W/none/kmsg aolani job.toml
    [ "$status" -eq 0 ]
    [[ $(words) != *Xid* ]]
}

# The real helper with an NVML that says what a file says, of a driver of this age.
nvml_job() # ERA
{
    mkdir -p lib
    gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -DERA="$1" -o lib/libnvidia-ml.so.1 \
        "$root/tests/lib/nvml_fake.c"
    cat >two/aolani-describe <<END
#!/bin/sh
[ "\$1" = --gpus ] || exec cat "$W/two/message"
while read -r line; do
    echo x >>"$W/two/asked"
    echo "\$line"
done | NVML_FAKE="$W/nvml" LD_LIBRARY_PATH="$W/lib" "$BUILD/aolani-describe" --gpus
END
    cat >two/count.sh <<END
cat >"$W/nvml.new" <<FACTS
driver version=$1.1
gpu bus=00000000:13:00.0 uuid=${UUIDS[0]} sm=1110 sm_max=1980 temp=91 power=690000 reasons=36
field id=75 value=\${1}00000000
field id=82 value=88 type=1
field id=83 value=\${1}00
field id=142 value=\$1
field id=143 value=0
FACTS
mv "$W/nvml.new" "$W/nvml"
END
    : >kernel
    gpu_job
    sh two/count.sh 1
    cat >wait.sh <<END
asked() { wc -l <"$W/two/asked"; }
i=1
while [ "\$(asked)" -lt 4 ]; do
    [ "\$LOCAL_RANK" = 1 ] || sh "$W/two/count.sh" "\$((i += 1))"
    sleep 0.2
done
END
    aolani job.toml
    printf '%s\n' "$stderr"
    [ "$status" -eq 0 ]
}
told() { summary ".gpus[0] | [.celsius_most, .mem_celsius_most, .sm_mhz_least, (.heat_us // 0) > 0, $1] | map(tostring) | join(\" \")" | sed 's/\.0\b//g'; }

@test "a driver of today and one of 2019: what the old one lacks is unknown, not zero" {
    command -v gcc >/dev/null || skip "gcc is absent"
    nvml_job 570
    [ "$(told '.remapped_rows > 0, .reasons')" = "91 88 1110 true true 36" ]
    [[ $(words) == *"local0 ${UUIDS[0]:0:12} 0 "*" 91 1110 power cap (seen), heat "*"remapped"* ]]
    nvml_job 418
    [ "$(told '.remapped_rows, .reasons')" = "91 88 1110 true null 36" ]
    [ "$(summary '.gpus[0].watts > 600')" = true ] # made of the power, without a meter
}
