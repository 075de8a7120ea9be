#!/bin/bash
# SPDX-License-Identifier: MIT
# output.sh - the rate at which labelled output arrives from 4 hosts, beside the launchers
# that people use, in the same run on the same hosts (namespaces; needs root): medians of
# whole runs, start and end included. Then the memory of the head meanwhile, and whether a
# head that is stopped for 10 s delays the ranks. What arrives is compared byte for byte
# (mpirun is known to label pieces of lines, and is said to differ).
#
# usage: tests/bench/output.sh [MIB [RUNS]]     MiB of each host; after `make all`
set -euo pipefail

mib=${1:-100} runs=${2:-3} n=4
build=${BUILD:-build}
cluster=tests/lib/cluster
reason=$($cluster check) || { echo "skipped: $reason"; exit 0; }
dir=$(mktemp -d /tmp/aolani-bench.XXXXXX)
trap '$cluster down "$dir/c" >/dev/null 2>&1; rm -rf "$dir"' EXIT
$cluster up "$n" "$dir/c"
share=$dir/c/share
mkdir "$share/bin"
mkdir -m 1777 "$share/out"
[ ! -x "$build/aolani-describe" ] || cp -a "$build/aolani-describe" "$share/bin/"
cp -a "$build"/aolani-run "$build"/aolani-agent "$build"/aolani-pmix "$build"/libaolani.so* "$share/bin/"
${CC:-gcc} -O2 -D_GNU_SOURCE -o "$share/bin/gen" tests/bench/output_gen.c
chmod -R a+rX "$share"

hosts=$(seq -s, -f 'n%g' 1 "$n")
gen="/srv/share/bin/gen $mib"
for size in 1 "$mib"; do
    cat >"$share/job$size.toml" <<END
[job]
command = ["/srv/share/bin/gen", "$size", "/srv/share/out/times"]
workdir = "/tmp"
output = "/tmp/runs"
mpi = "none"
[nodes]
hosts = ["n[1-$n]"]
END
done

on_head() { $cluster exec "$dir/c" head "$@"; }
seconds() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
rate() { awk -v s="$1" -v mib="$((n * mib))" 'BEGIN { printf "%.1f", s + 0 ? mib * 1.048576 / s : 0 }'; }
row() { printf '  %-34s %8s MB/s %8s s\n' "$1" "$(rate "$2")" "$2"; }
fact() { printf '  %-34s %8s %s\n' "$@"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 && b + 0) printf "%.2f", b / a; else print "-" }'; }

# shellcheck disable=SC2034 # used by name
{
    ours="/srv/share/bin/aolani-run -l /srv/share/job$mib.toml"
    pdsh="pdsh -R ssh -w $hosts $gen"
    mpi="mpirun --host $hosts -np $n --tag-output --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 --mca plm_rsh_no_tree_spawn 1 $gen"
}

# ---- is it what was written?

for ((r = 0; r < n; r++)); do want[r]=$(RANK=$r "$share/bin/gen" "$mib" | md5sum); done

# Each labels in its own way: what is left of a rank's lines without the label.
lines_of()
{
    local pattern
    case $1 in
    ours) pattern="^n$(($2 + 1)):$2: " ;;
    pdsh) pattern="^n$(($2 + 1)): " ;;
    mpi) pattern="^\\[1,$2\\]<stdout>:" ;;
    esac
    on_head sed -n "s/$pattern//p" /tmp/got
}
whole()
{
    for ((r = 0; r < n; r++)); do
        [ "$(lines_of "$1" $r | md5sum)" = "${want[r]}" ] || return 1
    done
}
files_whole()
{
    for ((r = 0; r < n; r++)); do
        [ "$(on_head sh -c "cat /tmp/runs/latest/attempt-1/rank-000$r.out" | md5sum)" = "${want[r]}" ] ||
            return 1
    done
}

# ---- the rates

# once NAME KIND: seconds of one run; complaints go to stderr
once()
{
    local from
    on_head sh -c 'rm -rf /tmp/runs /tmp/got'
    from=$EPOCHREALTIME
    case $2 in
    file) on_head timeout 300 sh -c "${!1} >/tmp/got 2>/tmp/words" ;;
    pipe) on_head timeout 300 bash -o pipefail -c "${!1} 2>/tmp/words | cat >/dev/null" ;;
    esac || { echo "  $1 failed: $(on_head tail -n 2 /tmp/words)" >&2; echo 0; return; }
    seconds "$from"
    [ "$2" = pipe ] || whole "$1" || echo "  $1: what arrived is NOT what was written" >&2
    [ "$1" != ours ] || files_whole || echo "  $1: the files are NOT what was written" >&2
}

echo "$n hosts, $mib MiB of 80-byte lines each, labelled; $(nproc) cores, medians of $runs"
# The first start stores the agent on the hosts: that is not what is measured here.
on_head sh -c '/srv/share/bin/aolani-run /srv/share/job1.toml' >/dev/null 2>&1
for kind in file pipe; do
    echo "standard output is a $kind"
    for who in ours pdsh mpi; do : >"$dir/$who"; done
    for ((i = 0; i < runs; i++)); do # in turn, so that what else runs here hits all
        for who in ours pdsh mpi; do once $who $kind >>"$dir/$who"; done
    done
    o=$(median <"$dir/ours") p=$(median <"$dir/pdsh") m=$(median <"$dir/mpi")
    row "aolani-run -l" "$o"
    row "pdsh" "$p"
    row "mpirun --tag-output" "$m"
    echo "  aolani-run's rate / pdsh's $(ratio "$o" "$p"), / mpirun's $(ratio "$o" "$m")"
done

# ---- the head's memory

echo "the head's memory meanwhile"
# shellcheck disable=SC2016
most=$(on_head sh -c 'rm -rf /tmp/runs /tmp/got
    $1 >/tmp/got 2>/dev/null &
    most=0
    while kill -0 $! 2>/dev/null; do
        pss=$(sed -n "s/^Pss: *\([0-9]*\) kB/\1/p" /proc/$!/smaps_rollup 2>/dev/null)
        [ "${pss:-0}" -le $most ] || most=$pss
        sleep 0.02
    done
    echo $most' - "$ours" 2>/dev/null)
fact "most of all samples" "$((most / 1024))" "MiB (PSS)"

# ---- no line at all

echo "1 GB from one host without a newline"
on_head sh -c 'rm -rf /tmp/runs /tmp/got'
cat >"$share/raw.toml" <<'END'
[job]
command = ['sh', '-c', 'head -c 1000000000 /dev/zero | tr "\0" x']
workdir = "/tmp"
output = "/tmp/runs"
mpi = "none"
[nodes]
hosts = ["n1"]
END
from=$EPOCHREALTIME
got=$(on_head sh -c '/srv/share/bin/aolani-run /srv/share/raw.toml 2>/dev/null | md5sum')
took=$(seconds "$from")
fact "took" "$took" s
filed=$(on_head sh -c 'md5sum </tmp/runs/latest/attempt-1/rank-0000.out')
wanted=$(head -c 1000000000 /dev/zero | tr '\0' x | md5sum)
if [ "$got" = "$wanted" ] && [ "$filed" = "$wanted" ]; then echo "  all of it arrived"; else
    echo "  NOT all of it arrived"; fi

# ---- a stopped head

slowest() { sort -n "$share"/out/times.* | tail -n 1; rm "$share"/out/times.*; }
echo "the head stopped for 10 s while the ranks write"
slowest >/dev/null
on_head sh -c "rm -rf /tmp/runs /tmp/got; $ours >/tmp/got 2>/dev/null"
fact "slowest rank, head running" "$(slowest)" s
# shellcheck disable=SC2016
on_head sh -c 'rm -rf /tmp/runs /tmp/got
    $1 >/tmp/got 2>/dev/null &
    until ls /tmp/runs/latest/attempt-1/rank-0000.out; do sleep 0.01; done >/dev/null 2>&1
    kill -STOP $!
    sleep 10
    ls /srv/share/out | grep -c times >/tmp/ended
    kill -CONT $!
    wait $!' - "$ours"
fact "slowest rank, head stopped" "$(slowest)" s
fact "ranks that ended meanwhile" "$(on_head cat /tmp/ended)" "of $n"
if whole ours && files_whole; then echo "  all of it arrived afterwards"; else
    echo "  NOT all of it arrived afterwards"; fi
