#!/bin/bash
# SPDX-License-Identifier: MIT
# aa.sh - the same program compared with itself, live: does compare call a tax where there
# is none? PAIRS comparisons of RUNS runs on each side, made in turns; the status is 1 when
# more than 2 of 20 are called (5 % of them may be, by what an interval of 95 % is).
#
# usage: BUILD=build [PAIRS=20] [RUNS=3] [STEPS=60] tests/bench/aa.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${BUILD:=$root/build}" "${PAIRS:=20}" "${RUNS:=3}" "${STEPS:=60}"
command -v python3 jq >/dev/null || { echo 'skipped: python3 or jq is absent'; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# one_run NAME: a fixed amount of work a step, so that all that the machine does shows.
one_run()
{
    cat >job.toml <<END
[job]
name = "aa"
command = ["python3", "$root/tests/lib/steps.py", "$BUILD/libaolani.so", "$STEPS", "x40000"]
output = "$1"
[nodes]
backend = "local"
END
    "$BUILD/aolani-run" -q job.toml </dev/null >"$1.out" 2>&1 || { cat "$1.out"; exit 1; }
}

called=0 faster=0
printf '%4s  %9s  %9s  %9s  %9s  %9s  %s\n' pair tau from to 'A differ' 'B differ' verdict
for pair in $(seq "$PAIRS"); do
    a=() b=()
    for i in $(seq "$RUNS"); do
        # Who begins changes, so that what grows with time favours no side.
        if [ $(((pair + i) % 2)) -eq 0 ]; then order='a b'; else order='b a'; fi
        for side in $order; do one_run "$side$pair-$i"; done
        a+=("a$pair-$i") b+=("b$pair-$i")
    done
    "$BUILD/aolani-run" compare "${a[@]}" -- "${b[@]}" --json >result.json
    jq -r --arg pair "$pair" '[$pair, (.tau | .value, .low, .high) * 100, .a.spread * 100,
        .b.spread * 100, .decision.verdict] | @tsv' result.json |
        awk -F'\t' '{ printf "%4d  %+7.2f %%  %+7.2f %%  %+7.2f %%  %7.2f %%  %7.2f %%  %s\n",
                      $1, $2, $3, $4, $5, $6, $7 }'
    called=$((called + $(jq '.tau | if .low > 0 then 1 else 0 end' result.json)))
    faster=$((faster + $(jq '.tau | if .high < 0 then 1 else 0 end' result.json)))
done
echo "a tax was called in $called of $PAIRS comparisons, the opposite in $faster"
[ $((called * 20)) -le $((2 * PAIRS)) ]
