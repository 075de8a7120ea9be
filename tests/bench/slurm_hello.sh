#!/bin/bash
# SPDX-License-Identifier: MIT
# slurm_hello.sh - an MPI hello on every node of one Slurm allocation: aolani-run beside
# srun --mpi=pmix, in turns, on a real Slurm cluster of namespaces (needs root). Medians,
# their ratio, and tries that did not end in time; the status is 1 when the ratio is above
# 0.7, or a try of ours hung. On a quiet machine.
#
# usage: tests/bench/slurm_hello.sh [NODES [TURNS [TRIES]]]   from the top of the tree
#
# TURNS of each are timed; then ours goes on alone until it was tried TRIES times in all.
set -euo pipefail

n=${1:-64} turns=${2:-7} tries=${3:-20} limit=60
build=${BUILD:-build}
cluster=tests/lib/cluster slurm=tests/lib/slurm
reason=$($slurm check) || { echo "skipped: $reason"; exit 0; }
command -v mpicc >/dev/null || { echo "skipped: mpicc is absent"; exit 0; }
[[ $(srun --mpi=list 2>&1) == *pmix* ]] || [ -n "$(find /usr/lib* -name 'mpi_pmix*.so' -print -quit)" ] ||
    { echo "skipped: this Slurm has no PMIx"; exit 0; }
dir=$(mktemp -d /tmp/aolani-bench.XXXXXX)
trap '$slurm down "$dir/c" >/dev/null 2>&1; rm -rf "$dir"' EXIT
$slurm up "$n" "$dir/c" >/dev/null
bin=$dir/c/share/bin
mkdir "$bin"
for f in aolani-run aolani-agent aolani-pmix aolani-describe aolani-audit; do
    [ ! -x "$build/$f" ] || cp -a "$build/$f" "$bin/"
done
cp -a "$build"/libaolani.so* "$bin/"
mpicc -O2 -o "$bin/hello" tests/bench/mpi_hello.c
cat >"$dir/c/share/hello.toml" <<'END'
[job]
command = ["/srv/share/bin/hello"]
workdir = "/tmp"
output = "/tmp/runs"
mpi = "pmix"
END
chmod -R a+rX "$dir/c/share"

# The whole comparison, inside one allocation: "ours SECONDS" or "srun SECONDS" a line,
# "hung" in the place of a time.
cat >"$dir/c/share/rider/turns.sh" <<'END'
n=$1 turns=$2 tries=$3 limit=$4
one()
{
    local name=$1 from=$EPOCHREALTIME took=hung
    shift
    if timeout -k 5 "$limit" "$@" >out 2>&1 </dev/null && grep -q "hello from $n ranks" out; then
        took=$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
    else
        tail -n 5 out | sed 's/^/# /'
    fi
    echo "$name $took"
}
ours() { one "$1" /srv/share/bin/aolani-run /srv/share/hello.toml; }
slurms() { one "$1" srun -N "$n" -n "$n" --mpi=pmix /srv/share/bin/hello; }
# Agents are copied, and files read, once before.
ours first; slurms first
for ((i = 0; i < turns; i++)); do ours ours; slurms srun; done
for ((i = turns; i < tries; i++)); do ours alone; done
END
# shellcheck disable=SC2016
$cluster exec "$dir/c" head sh -c 'cd /srv/share/rider && exec salloc -Q -N "$1" bash turns.sh "$@"' \
    - "$n" "$turns" "$tries" "$limit" >"$dir/times"

grep '^#' "$dir/times" || :
median() { awk -v w="$1" '$1 == w && $2 != "hung" { print $2 }' "$dir/times" | sort -n |
    awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] + 0 }'; }
hung() { grep -cE "^($1) hung" "$dir/times" || :; }
ours=$(median ours) theirs=$(median srun)
echo "an MPI hello on $n nodes of a Slurm allocation, $(nproc) cores, medians of $turns in turns"
printf '  %-34s %8.3f s   %s of %s did not end\n' \
    "aolani-run" "$ours" "$(hung 'ours|alone')" "$((tries > turns ? tries : turns))" \
    "srun --mpi=pmix" "$theirs" "$(hung srun)" "$turns"
printf '  %-34s %8.3f s\n' "aolani-run, agents copied first" \
    "$(awk '$1 == "first" { print $2 + 0; exit }' "$dir/times")"
awk -v a="$ours" -v b="$theirs" -v h="$(hung 'ours|alone')" 'BEGIN {
    printf "  aolani-run / srun %.2f\n", b ? a / b : 0
    exit !(b && a / b <= 0.7 && h == 0) }'
