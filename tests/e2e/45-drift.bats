#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What ranks really have: asked, applied and observed; drift and its end. Agents look twice a
# minute, so all of it happens in one job, which setup_file drives; the tests look at its words.
load ../lib/e2e

# A group of our own with a quota to be set, and the file that sets it.
make_group()
{
    local own
    GROUP='' QUOTA='' NO_QUOTA='' LOW=''
    own=$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ { print $3 }' /proc/self/cgroup)
    if [ -n "$own" ]; then
        GROUP=/sys/fs/cgroup/cpu${own%/}/aolani-drift-$$
        QUOTA=$GROUP/cpu.cfs_quota_us NO_QUOTA=-1 LOW=60000
    else
        own=$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
        GROUP=/sys/fs/cgroup${own%/}/aolani-drift-$$
        QUOTA=$GROUP/cpu.max NO_QUOTA=max LOW="60000 100000"
    fi
    mkdir "$GROUP" 2>/dev/null || GROUP=
    [ -n "$GROUP" ] && [ -w "$QUOTA" ] || QUOTA=
    export GROUP QUOTA NO_QUOTA LOW
}

# Where a line of the launcher's words has this, within so many seconds. Nodes look when it suits
# them, not all at once.
words_within() { wait_for "$1" grep -qE "$2" words >/dev/null || :; }

set_quota() { [ -z "$QUOTA" ] || echo "$1" >"$QUOTA" || :; }

# Every rank has a second thread and writes both numbers down; rank 3 moves itself away.
write_program()
{
    cat >rank.py <<'END'
import os, threading, time
rank = os.environ["RANK"]
cpus = os.sched_getaffinity(0)
hold = threading.Event()
thread = threading.Thread(target=hold.wait, daemon=True)
thread.start()
with open("pids." + rank + ".new", "w") as f:
    print(os.getpid(), thread.native_id, ",".join(map(str, cpus)), file=f)
os.rename("pids." + rank + ".new", "pids." + rank)
while not os.path.exists("go"):
    time.sleep(0.1)
if rank == "3":
    os.sched_setaffinity(0, {int(os.environ["OTHER_CPU"])} | cpus)
while not os.path.exists("back"):
    time.sleep(0.1)
if rank == "3":
    os.sched_setaffinity(0, cpus)
while not os.path.exists("end"):
    time.sleep(0.1)
END
}

all_cpus() { awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status; } # "0-7,9"

start_job()
{
    ALL_CPUS=$(all_cpus)
    export ALL_CPUS
    cat >job.toml <<END
[job]
command = ["python3", "rank.py"]
ranks_per_node = 2
[nodes]
backend = "local"
[local]
nodes = 2
END
    sh -c '[ -z "$GROUP" ] || echo $$ >"$GROUP/cgroup.procs"
           exec timeout -k 10 300 "$0" -v job.toml' "$BUILD/aolani-run" \
        </dev/null >report 2>words 3>&- &
    LAUNCHER=$!
}

move_ranks()
{
    local pid thread rest
    wait_for 30 test -e pids.0 -a -e pids.1 -a -e pids.2 -a -e pids.3 || return 0
    # The look after the first second has seen everything in its place.
    sleep 3
    read -r pid rest <pids.0
    taskset -pc "$ALL_CPUS" "$pid"
    read -r pid thread rest <pids.1
    taskset -pc "$ALL_CPUS" "$thread"
    set_quota "$LOW"
    touch go moved
    SECONDS=0
    words_within 60 'rank 0 on local0: thread .* may run on'
    echo "$SECONDS" >seconds.drift
    words_within 20 'rank 1 on local0: thread .* may run on'
    words_within 20 'rank 3 on local1: thread .* may run on'
    [ -z "$QUOTA" ] || words_within 20 'the cgroup allows 60 %'
}

repair_ranks()
{
    local pid thread cpus
    [ -e moved ] || return 0
    read -r pid thread cpus <pids.0
    taskset -pc "$cpus" "$pid"
    read -r pid thread cpus <pids.1
    taskset -pc "$cpus" "$thread"
    set_quota "$NO_QUOTA"
    touch back
    SECONDS=0
    words_within 60 'rank 0 on local0: no drift of its cores'
    echo "$SECONDS" >seconds.repair
    words_within 20 'rank 1 on local0: no drift of its cores'
    [ -z "$QUOTA" ] || words_within 20 'no drift of their cgroup'
}

setup_file()
{
    export WHY_SKIPPED=
    [ "$(nproc)" -ge 2 ] || WHY_SKIPPED="one CPU: there is nowhere to drift to"
    command -v python3 >/dev/null || WHY_SKIPPED="python3 is absent"
    [ -z "$WHY_SKIPPED" ] || return 0
    export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    work
    make_group
    write_program
    export OTHER_CPU
    start_job_and_drive
}

start_job_and_drive()
{
    # Rank 3's own CPU is added to these by it: one of them is another.
    OTHER_CPU=$(all_cpus | sed 's/[-,].*//')
    start_job
    move_ranks
    repair_ranks
    touch end go back
    wait "$LAUNCHER" || :
    [ -z "$GROUP" ] || rmdir "$GROUP"
}

setup()
{
    maybe_skip
    cd "$BATS_FILE_TMPDIR" || return 1
    cat words
}

binding() { run_json ".ranks[$1].binding$2"; }

@test "asked, applied and observed agree for the cores of 2 nodes x 2 ranks" {
    for r in 0 1 2 3; do
        asked=$(binding $r .asked.cpus)
        [ -n "$asked" ]
        [ "$asked" = "$(awk '{ print $3 }' "pids.$r")" ]
        [ "$(binding $r .applied.cpus)" = "$asked" ]
        [ "$(binding $r .observed.cpus)" = "$asked" ] # repaired by then
        [ "$(binding $r .observed.threads)" -ge 2 ]
    done
    grep -q '^Binding' report words
}

@test "taskset on a running rank is told within 40 s" {
    read -r pid thread cpus <pids.0
    [ "$(cat seconds.drift)" -le 40 ]
    grep -E "warning: rank 0 on local0: thread $pid \(python3\) of pid $pid may run on $ALL_CPUS, asked $cpus \(drift since [0-9.]+ s after the start\)" words
}

@test "taskset on one thread of a rank is told, and names the thread" {
    read -r pid thread cpus <pids.1
    grep -E "warning: rank 1 on local0: thread $thread \(.*\) of pid $pid may run on $ALL_CPUS, asked $cpus" words
}

@test "a rank that moves itself is told of; one that nobody moved is not" {
    read -r pid thread cpus <pids.3
    [ "$(awk '{ print $3 }' pids.3)" != "$OTHER_CPU" ] || skip "it has the CPU that it moves to"
    grep -E "warning: rank 3 on local1: thread $pid \(python3\) of pid $pid may run on" words
    ! grep -E "rank 2 on local1: thread" words
}

@test "a quota of CPU below the ranks' cores is told, in one line for all ranks" {
    [ -n "$QUOTA" ] || skip "no control group with a quota can be made here"
    grep -E 'warning: 4 ranks \(0-3\) drift since [0-9.]+ s after the start, the first: rank [0-3] on local[01]: the cgroup allows 60 % of a CPU for' words
    grep -E '4 ranks \(0-3\): no drift of their cgroup any more' words
}

@test "the repair is told too" {
    [ "$(cat seconds.repair)" -le 40 ]
    grep -E 'rank 0 on local0: no drift of its cores any more, after [0-9]+' words
    grep -E 'rank 1 on local0: no drift of its cores any more, after [0-9]+' words
    [ "$(binding 0 '.checks[] | select(.what == "cpus") | .state')" = "as asked" ]
}

@test "the report and run.json keep the drift with its times" {
    [ "$(binding 0 '.drift | map(select(.what == "cpus")) | length')" = 1 ]
    from=$(binding 0 '.drift[] | select(.what == "cpus") | .from_ms')
    to=$(binding 0 '.drift[] | select(.what == "cpus") | .to_ms')
    [ "$from" -gt 2000 ]
    [ "$to" -gt "$from" ]
    [ "$(binding 2 '.drift | map(select(.what == "cpus")) | length')" = 0 ]
    "$BUILD/aolani-run" report runs/latest >again
    sed -n '/^Binding/,/^$/p' again
    tr -s '\n ' ' ' <again | grep -qE 'rank 0, [0-9][^:]* to [^:]* after the start: thread'
}

@test "what the agents saw is in the journal's database" {
    command -v sqlite3 >/dev/null || skip "sqlite3 is absent"
    [ "$(sqlite3 runs/latest/run.db "SELECT count(DISTINCT rank) FROM binding_check WHERE what = 'cpus' AND state = 'drift'")" -ge 2 ]
}
