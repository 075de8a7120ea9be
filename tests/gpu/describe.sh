#!/bin/bash
# SPDX-License-Identifier: MIT
# describe.sh - on a machine with NVIDIA GPUs: does aolani-describe say what the driver's own
# tool says, and does its sampler see a process that uses a GPU?
#
# usage: tests/gpu/describe.sh [BUILD]      after make; BUILD is build by default
#
# Prints a line for each thing looked at, "skipped" with the reason where something is not
# here. Exit status 1: something differs.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
describe=${1:-build}/aolani-describe
failed=0
dir=$(mktemp -d) || exit 2
user=
# shellcheck disable=SC2317 # called by the trap
clean() { [ -z "$user" ] || kill "$user" 2>/dev/null; rm -rf "$dir"; }
trap clean EXIT

row() { printf '%-8s %-24s %s\n' "$@"; }
skip() { row skipped "$1" "$2"; }
same() # what, ours, theirs
{
    if [ "$2" = "$3" ]; then row ok "$1" "$2"; return; fi
    row DIFFERS "$1" "ours \"$2\", nvidia-smi's \"$3\""
    failed=1
}

[ -x "$describe" ] || { skip all "$describe is not there: run make"; exit 0; }
command -v nvidia-smi >/dev/null || { skip all 'nvidia-smi is not here'; exit 0; }
smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>"$dir/smi-error"; }
smi index >"$dir/indexes" || { skip all "nvidia-smi: $(head -n 1 "$dir/smi-error" "$dir/indexes" | tail -n 1)"; exit 0; }

# A site's own filter would hide what nvidia-smi shows.
unset CUDA_VISIBLE_DEVICES HWLOC_XMLFILE HWLOC_FSROOT
"$describe" --text >"$dir/text" || { cat "$dir/text"; row DIFFERS describe "exit status $?"; exit 1; }
grep -E '^(source|driver|note|GPU)' "$dir/text"
echo

# ---- GPUs and instances, in order

grep '^GPU' "$dir/text" >"$dir/ours"
uuids() { grep -oE '(GPU|MIG)-[0-9a-f][0-9a-f/GPU-]*' | paste -sd' '; }
# "0000:18:00.0" of "00000000:18:00.0"; the domain keeps what it needs.
buses() { tr 'A-F' 'a-f' | sed -E 's/^0{0,4}([0-9a-f]{4,8}:)/\1/' | paste -sd' '; }
same driver "$(sed -n 's/^driver *NVIDIA //p' "$dir/text")" "$(smi driver_version | head -n 1)"
if nvidia-smi -L | grep -q '^ *MIG '; then
    same 'instances (nvidia-smi -L)' "$(uuids <"$dir/ours" | tr ' ' '\n' | grep MIG | paste -sd' ')" \
        "$(nvidia-smi -L | grep '^ *MIG ' | uuids)"
    skip 'bus ids' 'a GPU is divided (MIG): it is in the list once an instance'
else
    skip 'MIG instances' 'no GPU here is divided'
    same 'indexes' "$(awk '{ print $2 }' "$dir/ours" | paste -sd' ')" "$(paste -sd' ' "$dir/indexes")"
    same 'UUIDs' "$(uuids <"$dir/ours")" "$(smi uuid | paste -sd' ')"
    same 'bus ids' "$(awk '{ print $3 }' "$dir/ours" | paste -sd' ')" "$(smi pci.bus_id | buses)"
fi
for bus in $(smi pci.bus_id | buses); do
    node=$(cat "/sys/bus/pci/devices/$bus/numa_node" 2>/dev/null) || continue
    row so "$bus" "NUMA node $node, CPUs $(cat "/sys/bus/pci/devices/$bus/local_cpulist")"
done

# ---- what a site hides

uuid=$(smi uuid | tail -n 1)
if [ "$(wc -l <"$dir/indexes")" -lt 2 ]; then
    skip 'hidden GPUs' 'there is one GPU'
elif nvidia-smi -L | grep -q '^ *MIG '; then
    skip 'hidden GPUs' 'a GPU is divided (MIG)'
else
    same 'the last by UUID' "$(CUDA_VISIBLE_DEVICES=$uuid "$describe" --text | grep '^GPU' | uuids)" "$uuid"
    same 'the last by number' "$(CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$(tail -n 1 "$dir/indexes") \
        "$describe" --text | grep '^GPU' | uuids)" "$uuid"
fi

# ---- the sampler

cat >"$dir/read.py" <<'END'
import sys
def fields(b):
    at = 0
    def varint():
        nonlocal at
        v = shift = 0
        while True:
            c = b[at]; at += 1
            v |= (c & 127) << shift; shift += 7
            if c < 128: return v
    while at < len(b):
        key = varint()
        if key & 7 == 2:
            n = varint(); yield key >> 3, b[at:at + n]; at += n
        else:
            yield key >> 3, varint()
data = sys.stdin.buffer.read()
for number, use in fields(data[4:4 + int.from_bytes(data[:4], "little")]):
    if number == 2: print("error", use.decode())
    if number != 1: continue
    uuid, seen = "", []
    for n, v in fields(use):
        if n == 1: uuid = v.decode()
        else:
            p = dict(fields(v)); seen.append((p.get(1, 0), p.get(2, 0)))
    print(uuid)
    for pid, size in seen: print("", pid, size)
END
cat >"$dir/use.cu" <<'END'
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    void *at;
    cudaError_t rc = cudaMalloc(&at, 256 << 20);
    if (rc != cudaSuccess)
        return puts(cudaGetErrorString(rc)), 1;
    puts("ready");
    fflush(stdout);
    pause();
}
END
cat >"$dir/use.py" <<'END'
import ctypes, signal
cuda = ctypes.CDLL("libcuda.so.1")
device, context, at = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
for rc in (cuda.cuInit(0), cuda.cuDeviceGet(ctypes.byref(device), 0),
           cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device),
           cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(256 << 20))):
    if rc: raise SystemExit("CUDA error %d" % rc)
print("ready", flush=True)
signal.pause()
END
sample() { echo | timeout 60 "$describe" --gpus; }
if ! command -v python3 >/dev/null; then
    skip sampler 'python3 is not here to read its answers'
    exit $failed
fi
sample | python3 "$dir/read.py" >"$dir/idle"
same "sampler's UUIDs" "$(uuids <"$dir/idle" | tr ' ' '\n' | sort | paste -sd' ')" \
    "$(uuids <"$dir/ours" | tr ' ' '\n' | sort | paste -sd' ')"
if command -v nvcc >/dev/null && nvcc -o "$dir/use" "$dir/use.cu" 2>"$dir/nvcc-error"; then
    how=("$dir/use")
else
    skip 'a CUDA program' "nvcc is not here, or fails: $(head -n 1 "$dir/nvcc-error" 2>/dev/null) (libcuda instead)"
    how=(python3 "$dir/use.py")
fi
uuid=$(uuids <"$dir/ours" | tr ' ' '\n' | tail -n 1)
CUDA_VISIBLE_DEVICES=$uuid "${how[@]}" >"$dir/said" 2>&1 &
user=$!
for ((i = 0; i < 600; i++)); do
    grep -q ready "$dir/said" && break
    kill -0 "$user" 2>/dev/null || break
    sleep 0.1
done
if ! grep -q ready "$dir/said"; then
    skip 'a process on a GPU' "none could be started: $(head -n 1 "$dir/said")"
else
    sample | python3 "$dir/read.py" >"$dir/busy"
    bytes=$(awk -v uuid="$uuid" -v pid="$user" '/^[GM]/ { on = $1 == uuid }
        on && $1 == pid { print $2 }' "$dir/busy")
    if [ -n "$bytes" ]; then
        row ok 'a process on a GPU' "$user on $uuid: $bytes bytes"
        [ "$bytes" -eq 0 ] || [ "$bytes" -ge $((256 << 20)) ] ||
            { row DIFFERS 'its memory' "$bytes bytes, and it took $((256 << 20))"; failed=1; }
    elif nvidia-smi --query-compute-apps=pid --format=csv,noheader | grep -qx "$user"; then
        row DIFFERS 'a process on a GPU' "nvidia-smi sees $user, the sampler: $(paste -sd' ' "$dir/busy")"
        failed=1
    else
        skip 'a process on a GPU' "the driver shows $user to nobody here (another PID namespace?): $(paste -sd' ' "$dir/busy")"
    fi
fi
exit $failed
