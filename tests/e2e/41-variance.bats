#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One of four ranks shares its core with another program for a third of the run: the first
# lines of the report say so in one sentence, and what it cost.
#
# There may be fewer cores than ranks, so each rank has a control group of its own, and the
# other program runs in that of rank 3: the groups of a core get equal shares of it, and the
# other ranks lose nothing to what happens inside that group. Ranks of the trainer spin while
# they wait, which is time of their own groups too.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

# The place for groups with shares of the CPUs: version 1, or 2 where it may be used below.
groups_place()
{
    local own
    own=$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ { print $3 }' /proc/self/cgroup)
    if [ -n "$own" ]; then
        echo "/sys/fs/cgroup/cpu${own%/}"
    else
        own=$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
        grep -qsw cpu "/sys/fs/cgroup${own%/}/cgroup.subtree_control" &&
            echo "/sys/fs/cgroup${own%/}"
    fi
}

make_groups()
{
    local place r
    place=$(groups_place) || return 0
    GROUP=$place/aolani-variance-$$-r
    for r in 0 1 2 3; do
        mkdir "$GROUP$r" 2>/dev/null || { GROUP=''; return 0; }
    done
}
remove_groups()
{
    local r
    for r in 0 1 2 3; do
        wait_for 40 rmdir "$GROUP$r" || :
    done
}

# What the CPUs were busy with so far, ms.
all_busy_ms()
{
    awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" {
        printf "%.0f\n", ($2 + $3 + $4 + $7 + $8) * 1000 / hz }' /proc/stat
}
# What of it was the ranks', and what this shell has waited for: the launcher, the neighbour.
own_busy_ms()
{
    awk -v ranks="$(run_json '[.ranks[] | .cpu_user_ms + .cpu_sys_ms] | add')" \
        'NR == 2 { gsub(/[ms]/, " "); printf "%.0f\n",
            ranks + 1000 * ($1 * 60 + $2 + $3 * 60 + $4) }' took
}
# More than 10 % of the CPUs went to others: what makes a rank slow is then not for us to say.
others_took()
{
    local share
    times >took # a shell of its own would know of none of them
    share=$((100 * ($(all_busy_ms) - busy_ms - $(own_busy_ms)) /
        (($(date +%s%3N) - began_ms) * $(nproc))))
    echo "others had $share % of the CPUs"
    [ "$share" -ge 10 ]
}

# One run: the trainer, and between two of its steps three busy loops with rank 3: where ranks
# share cores, what one loop takes may drown in what they take from each other.
run_with_neighbour()
{
    local launcher cores neighbours=() status=0 busy_ms began_ms
    busy_ms=$(all_busy_ms)
    began_ms=$(date +%s%3N)
    env --default-signal=INT "$BUILD/aolani-run" job.toml </dev/null >page 2>words 3>&- &
    launcher=$!
    wait_for 60 grep -q '^step 200 ' page
    cores=$(awk '/^Cpus_allowed_list:/ { print $2 }' \
        "/proc/$(tail -n 1 "${GROUP}3/cgroup.procs")/status")
    echo "rank 3 runs on $cores"
    # Each shell joins the group before it becomes a loop; the loop has an end of its own.
    for _ in 1 2 3; do
        CORES=$cores sh -c 'echo $$ >"${GROUP}3/cgroup.procs"
            exec timeout 60 taskset -c "$CORES" sh -c "while :; do :; done"' 3>&- &
        neighbours+=($!)
    done
    wait_for 60 grep -q '^step 400 ' page
    kill "${neighbours[@]}"
    wait "${neighbours[@]}" || : # so that their time is known
    wait "$launcher" || status=$?
    ! others_took || touch busy
    [ "$status" -eq 0 ]
}

setup_file()
{
    export WHY_SKIPPED='' GROUP=''
    [ -x "$BUILD/trainer-cpu" ] || WHY_SKIPPED="mpicc is absent: there is no trainer"
    [ -z "$WHY_SKIPPED" ] || return 0
    export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    work
    export TEST_MARK=$W
    make_groups
    [ -n "$GROUP" ] || { WHY_SKIPPED="no control group of CPUs may be made here"; return 0; }
    cat >rank.sh <<END
echo \$\$ >"$GROUP\$RANK/cgroup.procs"
exec "$BUILD/trainer-cpu" --steps 600 --hidden 96
END
    job <<END
[job]
command = ["sh", "rank.sh"]
ranks_per_node = 4
[nodes]
backend = "local"
[cost]
gpu_hour = 2.5
currency = "USD"
END
    (set -e; run_with_neighbour) >said 2>&1 || touch failed
}
teardown_file()
{
    [ -n "$GROUP" ] || return 0
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    work
    wait_for 30 nothing_left_here
    remove_groups
}
setup()
{
    maybe_skip
    cd "$BATS_FILE_TMPDIR" || return 1
    cat said words page
    [ ! -e failed ]
    [ ! -e busy ] || skip "$(grep '^others had' said) meanwhile"
}

@test "the report names rank, node, steps, mechanism, time and cost in one sentence at its top" {
    aolani report runs
    [ "$status" -eq 0 ]
    # A sentence may be folded; it stands before the first heading.
    top=$(awk '/^Where the time went$/ { exit } { printf "%s ", $0 }' <<<"$output" | tr -s ' ')
    echo "top: $top"
    [[ $top =~ 'rank 3 on local0' ]]
    [[ $top =~ 'steps '[0-9,]+' to '[0-9,]+ ]]
    [[ $top =~ 'other processes on its core' ]]
    [[ $top =~ [0-9]\ ms ]]
    [[ $top =~ USD ]]
}

@test "most of the loss is laid to rank 3 and to other programs, in the steps of its neighbour" {
    [ "$(run_json '.variance.blames[0] | "\(.rank) \(.what)"')" = "3 preempted" ]
    # It began between two steps that were seen: a step or two of slack, as they are printed late.
    sqlite3 runs/latest/run.db "SELECT count(*), sum(step BETWEEN 195 AND 420) FROM culprit
        WHERE rank = 3 AND what = 'preempted'" >steps
    cat steps
    awk -F'|' '{ exit !($1 >= 50 && $2 >= 0.7 * $1) }' steps
}

@test "that rank 3 became slow was said while the job ran" {
    # Said at once, or as what was over when the line was due.
    grep -E '^aolani-run: (warning: )?rank 3 on local0 (is|was) [0-9]+ % slow (since|from) step [0-9]+' words
}
