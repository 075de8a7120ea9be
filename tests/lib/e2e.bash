# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# e2e.bash - what the end-to-end tests share. BUILD is the folder of the programs.
bats_require_minimum_version 1.5.0
root=$(cd "${BATS_TEST_DIRNAME}/../.." && pwd)
: "${BUILD:=$root/build}"
cluster=$root/tests/lib/cluster
# Programs that only tests need are built beside the programs as shipped.
plain=${BUILD%/asan}
is_asan() { [ "$BUILD" != "$plain" ]; }

# A folder of the test's own, and all its jobs' output below it.
work()
{
    W=$BATS_TEST_TMPDIR
    cd "$W" || return 1
    # Launcher and agents tell what a sanitizer finds in files, or their words may be lost.
    export ASAN_OPTIONS="${ASAN_OPTIONS-}:log_path=$W/sanitizer"
    export LSAN_OPTIONS="suppressions=$root/tests/lib/lsan.supp:print_suppressions=0"
}
no_sanitizer_words() { ! cat "$W"/sanitizer.* 2>/dev/null; }

# job [NAME] <<END: write NAME.toml (job.toml)
job() { cat >"${1:-job}.toml"; }

# aolani ARGUMENT...: run it with no terminal; $status, $output (stdout), $stderr
aolani()
{
    # Not by run, which warns of an exit status 127.
    status=0
    timeout -k 10 "${LIMIT:-60}" "$BUILD/aolani-run" "$@" </dev/null \
        >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
    output=$(cat "$BATS_TEST_TMPDIR/stdout")
    stderr=$(cat "$BATS_TEST_TMPDIR/stderr")
    printf '%s\n' "--- status $status" "--- stdout" "$output" "--- stderr" "$stderr"
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for()
{
    local end=$((SECONDS + $1)) said
    shift
    until said=$("$@" 2>&1); do
        [ $SECONDS -lt $end ] || { echo "still not so: $*"; echo "$said"; return 1; }
        sleep 0.1
    done
}

# Field of the last run: run_json FILTER
run_json() { jq -r "$1" runs/latest/run.json; }
rank_file() { printf 'runs/latest/attempt-1/rank-%04d.%s' "$1" "$2"; }

# The lines "STEP LOSS" of a trainer's --loss-file.
losses() { awk 'NF == 2 && $1 + 0 == $1' "$1"; }

# same_losses A B N TOLERANCE: N steps in both, each pair within the relative tolerance
same_losses()
{
    losses "$1" >"$1.losses"
    losses "$2" >"$2.losses"
    awk -v n="$3" -v tolerance="$4" '
        NR == FNR { a[$1] = $2; next }
        { if (!($1 in a)) next
          d = ($2 - a[$1]) / a[$1]; if (d < 0) d = -d
          if (d > worst) { worst = d; at = $1 }
          both++ }
        END { printf "%d steps in both, worst difference %.3g at step %s\n", both, worst, at
              exit !(both == n && worst <= tolerance) }' "$1.losses" "$2.losses"
}

# train_for ATTEMPTS DIR TRAINER: print the program of a rank that trains until it is ended, but
# in this attempt of the run in DIR for 20 steps more: however fast the machine is today
train_for()
{
    cat <<END
#!/bin/sh
cd "$2" || exit
n=\$(ls -d runs/latest/attempt-* | wc -l) steps=1000000
if [ \$RANK = 0 ]; then
    [ \$n -lt $1 ] || steps=\$((\$(wc -l <loss) + 20))
    echo \$steps >steps.\$n.part
    mv steps.\$n.part steps.\$n
fi
until [ -e steps.\$n ]; do sleep 0.1; done
exec "$3" --steps \$(cat steps.\$n) --loss-file loss --checkpoint saved \\
    --checkpoint-every 20 --resume
END
}

# What this test's runs have left on this machine: a line each. Others may run jobs here too.
left_here()
{
    local dir p marked
    for dir in "$W"/runs/*-*; do
        [ -e "$dir" ] || continue
        # The folder's name ends with the first four digits of the run's id.
        find /tmp /dev/shm -maxdepth 1 -name "aolani-*${dir##*-}????????????-n*" 2>/dev/null
        find /sys/fs/cgroup -maxdepth 6 -name "aolani-${dir##*-}????????????-n*" 2>/dev/null
    done
    marked=$(grep -lsz "^TEST_MARK=$W$" /proc/[0-9]*/environ) || :
    for p in $marked; do
        p=${p%/environ}
        echo "process ${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
    done
    return 0
}
nothing_left_here() { left_here; [ -z "$(left_here)" ]; }

# ---- hosts in namespaces

# bats cannot skip a whole file: setup_file leaves the reason in WHY_SKIPPED, and setup
# begins with maybe_skip.
maybe_skip() { [ -z "${WHY_SKIPPED-}" ] || skip "$WHY_SKIPPED"; }

# In setup_file: cluster_up N.
cluster_up()
{
    WHY_SKIPPED=$("$cluster" check) || { export WHY_SKIPPED; return 0; }
    export C=$BATS_FILE_TMPDIR/hosts N_HOSTS=$1
    "$cluster" up "$1" "$C"
    mkdir -p "$C/share/bin"
    for helper in aolani-describe aolani-audit aolani-slurm; do
        [ ! -x "$BUILD/$helper" ] || cp "$BUILD/$helper" "$C/share/bin/"
    done
    cp "$BUILD"/aolani-run "$BUILD"/aolani-agent "$BUILD"/aolani-pmix "$BUILD"/libaolani.so* \
        "$BUILD"/trainer-cpu "$C/share/bin/"
    cp "$plain"/tests/e2e/* "$C/share/bin/" 2>/dev/null || :
    chmod -R a+rX "$C/share"
    mkdir -m 1777 "$C/share/out" # what programs write on purpose
}
cluster_down() { [ -z "${C-}" ] || "$root/tests/lib/slurm" down "$C"; }

# In setup_file: slurm_up N [VARIANT]... is cluster_up N with a real Slurm on the hosts.
slurm_up()
{
    local v need=""
    for v; do [ "$v" != cgroup ] || need=cgroup; done
    WHY_SKIPPED=$("$root/tests/lib/slurm" check $need) || { export WHY_SKIPPED; return 0; }
    cluster_up "$1"
    "$root/tests/lib/slurm" up "$1" "$C" "${@:2}"
}
# slurm VERB [ARGUMENT...]: tests/lib/slurm VERB on this file's cluster
slurm() { "$root/tests/lib/slurm" "$1" "$C" "${@:2}"; }
no_jobs() { [ -z "$(slurm left)" ]; }

on() { "$cluster" exec "$C" "$@"; }
bin=/srv/share/bin

# head_job [NAME] <<END: write NAME.toml in the home folder on the head
head_job() { on head tee "${1:-job}.toml" >/dev/null; }

# head_run ARGUMENT...: aolani-run on the head, to its end; $status, $output
head_run()
{
    run timeout -k 10 "${LIMIT:-90}" "$cluster" exec "$C" head \
        timeout -k 10 "${LIMIT:-80}" $bin/aolani-run "$@" </dev/null
    printf '%s\n' "--- status $status" "$output"
}

# head_start ARGUMENT...: the same in the background; its words go to log, its end to status
head_start()
{
    on head rm -f log status
    # A shell starts background commands with SIGINT ignored: undo that.
    on head sh -c 'prog=$1; shift; { env --default-signal=INT "$prog" "$@" >log 2>&1 </dev/null
        echo $? >status; } >/dev/null 2>&1 &' - $bin/aolani-run "$@"
}
head_signal() { on head pkill "-$1" -x aolani-run; }
head_status() { on head cat status; }
head_ended() { on head test -s status; }
head_json() { on head cat runs/latest/run.json | jq -r "$1"; }
head_file() { on head cat "$1"; }

# Processes, files and IPC objects on a host; the cache may stay, and on the head the run.
left_on()
{
    local may='^cache '
    [ "$1" != head ] || may='^(cache|home) '
    "$cluster" left "$C" "$1" | grep -vE "$may" || :
}
nothing_left()
{
    local h lines
    while read -r h; do
        lines=$(left_on "$h")
        [ -z "$lines" ] || { echo "$h: $lines"; return 1; }
    done <"$C/names"
}
