#!/bin/bash
# SPDX-License-Identifier: MIT
# launch.sh - how long it takes to start something on every host, beside the launchers that
# people use, in the same run on the same hosts (namespaces; needs root). Medians.
#
# usage: tests/bench/launch.sh [HOSTS [RUNS]]     from the top of the tree, after `make all`
set -euo pipefail

n=${1:-16} runs=${2:-5}
build=${BUILD:-build}
cluster=tests/lib/cluster
reason=$($cluster check) || { echo "skipped: $reason"; exit 0; }
dir=$(mktemp -d /tmp/aolani-bench.XXXXXX)
trap '$cluster down "$dir/c" >/dev/null 2>&1; rm -rf "$dir"' EXIT
$cluster up "$n" "$dir/c"
share=$dir/c/share
mkdir "$share/bin"
[ ! -x "$build/aolani-describe" ] || cp -a "$build/aolani-describe" "$share/bin/"
cp -a "$build"/aolani-run "$build"/aolani-agent "$build"/aolani-pmix "$build"/libaolani.so* "$share/bin/"
mpicc -O2 -o "$share/bin/hello" tests/bench/mpi_hello.c
chmod -R a+rX "$share"

hosts=$(seq -s, -f 'n%g' 1 "$n")
cat >"$share/hostname.toml" <<END
[job]
command = ["hostname"]
workdir = "/tmp"
output = "/tmp/runs"
mpi = "none"
[nodes]
hosts = ["n[1-$n]"]
END
sed 's/"hostname"/"\/srv\/share\/bin\/hello"/; s/mpi = .*/mpi = "pmix"/' \
    "$share/hostname.toml" >"$share/hello.toml"

on_head() { $cluster exec "$dir/c" head "$@"; }

# median of $runs runs, in seconds
time_of()
{
    local i from
    for ((i = 0; i < runs; i++)); do
        from=$EPOCHREALTIME
        on_head timeout 120 sh -c "$1" >/dev/null 2>&1 || { echo failed; return; }
        awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'
    done | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row() { printf '  %-34s %8s s\n' "$1" "$2"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 && b + 0) printf "%.2f", a / b; else print "-" }'; }

run=/srv/share/bin/aolani-run
mpirun="mpirun --host $hosts -np $n --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 --mca plm_rsh_no_tree_spawn 1"
echo "$n hosts, $(nproc) cores, medians of $runs"

echo "hostname on every host"
cold=$(runs=1 time_of "$run /srv/share/hostname.toml")
ours=$(time_of "$run /srv/share/hostname.toml")
ssh=$(time_of "echo $hosts | tr , '\n' | xargs -P 32 -I{} ssh {} hostname")
pdsh=$(time_of "pdsh -R ssh -w $hosts hostname")
mpi=$(time_of "$mpirun hostname")
row "aolani-run, agent not there yet" "$cold"
row "aolani-run" "$ours"
row "ssh, 32 at a time" "$ssh"
row "pdsh" "$pdsh"
row "mpirun over ssh" "$mpi"
echo "  aolani-run / pdsh $(ratio "$ours" "$pdsh"), / ssh $(ratio "$ours" "$ssh"), / mpirun $(ratio "$ours" "$mpi")"

echo "an MPI hello, one rank a host"
ours=$(time_of "$run /srv/share/hello.toml")
mpi=$(time_of "$mpirun /srv/share/bin/hello")
row "aolani-run" "$ours"
row "mpirun over ssh" "$mpi"
echo "  aolani-run / mpirun $(ratio "$ours" "$mpi")"
