#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From a login node, on a real Slurm: nodes are asked for, waited for, used and given back.
# After each test the queue is empty and nothing runs on any host.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { slurm_up 3; }
teardown_file() { cluster_down; }

setup()
{
    maybe_skip
    head_job <<'END'
[job]
command = ["sh", "-c", "echo rank $RANK of $WORLD_SIZE on $(hostname)"]
ranks_per_node = 2
mpi = "none"
[nodes]
backend = "slurm"
count = 2
[failure]
grace = "2s"
END
    head_job long <<'END'
[job]
command = ["sh", "-c", "touch ~/began; exec sleep 300"]
mpi = "none"
[nodes]
backend = "slurm"
count = 2
[failure]
grace = "2s"
END
}
teardown()
{
    [ -z "${WHY_SKIPPED-}" ] || return 0
    [ -z "${BATS_ERROR_STATUS-}" ] || { on head sh -c 'tail -n 50 log; squeue' || :; }
    on head scancel -u rider || :
    wait_for 60 no_jobs || return 1
    for_all rm -rf began runs log status tty
    wait_for 60 nothing_left
}
as_root() { "$cluster" exec -u root "$C" head "$@"; }
for_all() { local h; while read -r h; do on "$h" "$@"; done <"$C/names"; }

# A job that has all nodes.
block() { on head sbatch --parsable -N3 --exclusive -J block -o /dev/null --wrap 'sleep 600' &&
    wait_for 40 states block RUNNING; }
unblock() { on head scancel -n block; }
# states NAME STATE: of the jobs of this name; no STATE: there are none
states() { [ "$(on head squeue -h -n "$1" -o %T)" = "${2-}" ]; }
said() { on head grep -q -- "$1" log; }
waits() { said "job [0-9]* waits in the queue: position 1 of 1 in \"main\""; }
runs() { on n1 test -e began && on n2 test -e began; }
ended() { wait_for 60 head_ended; on head cat log; }
asks() { on head pgrep -x salloc >/dev/null; }
asks_no_more() { ! asks; }
# Who holds and who watches the nodes has ended with us.
no_helpers() { ! on head pgrep -x 'salloc|cat|scancel' >/dev/null; }

@test "a job asks for nodes, waits, runs, reports, and gives them back" {
    block
    head_start job.toml
    wait_for 40 waits
    said "it is next, as soon as enough nodes are free"
    states job PENDING
    unblock
    ended
    [ "$(head_status)" = 0 ]
    said "Slurm gave job [0-9]* after .* in the queue"
    [ "$(on head sh -c 'grep -h "^rank . of 4 on n[12]$" log | sort' | wc -l)" = 4 ]
    said "all 4 ranks ended with status 0"
    [ "$(head_json '.run.queued_ms > 1000')" = true ]
    said "  before it began it waited .* in Slurm.s queue"
    wait_for 40 no_jobs # cleaned up by Slurm
    no_helpers
}

@test "signals cancel while it waits" {
    local row
    block
    for row in INT=130 TERM=143 HUP=129; do
        head_start job.toml
        wait_for 40 waits
        head_signal "${row%=*}"
        ended
        [ "$(head_status)" = "${row#*=}" ]
        said "cancelled while queued; no job is left"
        states job
        no_helpers
        run ! on head test -e runs
    done
}

@test "on a terminal one Ctrl-C is enough, and the line is taken away" {
    on head sh -c 'command -v script' >/dev/null || skip "script is absent"
    block
    # The terminal's own Ctrl-C, for all of its foreground group.
    on head sh -c 'shows() { for i in $(seq 300); do grep -qs "$1" tty && break; sleep 0.1; done; }
        { shows "position 1 of 1"; printf "\003"; shows "status [0-9]"; } |
        TERM=xterm timeout 60 script -qfec "stty cols 120; $1 job.toml; echo status \$?" tty >/dev/null' \
        - "$bin/aolani-run"
    on head cat -v tty
    on head grep -q 'waits, [0-9.]* s: position 1 of 1' tty
    on head grep -q 'cancelled while queued; no job is left' tty
    on head grep -q 'status 130' tty
    [ "$(on head grep -c 'waits in the queue' tty)" = 0 ]
    states job
    no_helpers
}

@test "a launcher that is killed leaves no job, in the queue or on nodes" {
    block
    head_start job.toml
    wait_for 40 waits
    head_signal KILL
    wait_for 40 states job
    wait_for 40 no_helpers
    unblock
    head_start long.toml
    wait_for 60 runs
    states long RUNNING
    head_signal KILL
    wait_for 60 states long
    wait_for 40 no_helpers
}

@test "the same where the user wants to be asked before a job is cancelled" {
    block
    on head sh -c '{ SCANCEL_INTERACTIVE=true $1 job.toml >log 2>&1 </dev/null; } >/dev/null 2>&1 &' \
        - "$bin/aolani-run"
    wait_for 40 waits
    head_signal KILL
    wait_for 40 states job
    wait_for 40 no_helpers
}

@test "a launcher that is killed as it asks leaves no job" {
    local i
    for i in 0 0.01 0.02 0.05 0.1 0.2; do
        head_start job.toml
        sleep "$i"
        head_signal KILL || :
        wait_for 60 no_jobs
        wait_for 40 no_helpers
    done
}

# Slurm gives them 5 s to clear up, and what they still have nobody will ever take.
@test "a launcher that is killed as ranks write leaves nothing on the nodes" {
    head_start job.toml --set failure.grace=30s --set \
        'job.command=["sh", "-c", "touch ~/began; while :; do echo x; sleep 0.01; done"]'
    wait_for 60 runs
    head_signal KILL
    wait_for 40 no_helpers
    wait_for 60 no_jobs
    for_all rm -rf began
    nothing_left
}

@test "what Slurm refuses is said before anything starts" {
    local row
    for row in "partition=nope|invalid partition specified: nope|sinfo -s" \
        "gres=nope:1|Invalid generic resource|--gres" \
        "gres=gpu:9|Requested node configuration is not available|has no such nodes" \
        "constraint=nope|Invalid feature specification|constraint" \
        "extra=[\"--nosuch\"]|unrecognized option '--nosuch'|options of salloc and sbatch"; do
        IFS='|' read -r key error hint <<<"$row"
        head_run job.toml --set "slurm.$key"
        [ "$status" -eq 2 ]
        [[ $output == *"error: ask Slurm for nodes: $error"*"hint: "*"$hint"* ]]
        no_jobs
    done
    head_run job.toml --set slurm.time=soon
    [ "$status" -eq 2 ]
    [[ $output == *'"soon" is no time for Slurm; write "90m"'* ]]
    run ! on head test -e runs
}

@test "more nodes than there are: check says so, and a run waits with the reason" {
    head_run check job.toml -N9
    [ "$status" -eq 2 ]
    [[ $output == *"on 9 hosts, 2 ranks each"*"has no such nodes"* ]]
    head_start job.toml -N9
    wait_for 40 waits
    said "\(it asks for more nodes than its partition\|its partition does not allow\)"
    head_signal INT
    ended
    [ "$(head_status)" = 130 ]
    states job
}

@test "check asks when it would start, and for no node" {
    head_run check job.toml
    [ "$status" -eq 0 ]
    [[ $output == *'on 2 hosts, 2 ranks each'*'Slurm would start it now, on n[1-2] of partition "main"'* ]]
    head_run check job.toml -p high -A x --qos y --gres gpu:1
    [ "$status" -eq 0 ]
    [[ $output == *'of partition "high"'* ]]
    head_run check --offline job.toml
    [ "$status" -eq 0 ]
    [[ $output == *'job.toml: ok'* && $output != *'would start'* ]]
    on head tee slurm.toml >/dev/null <"$root/configs/slurm.toml"
    head_run check --offline slurm.toml --set 'job.command=["true"]'
    [ "$status" -eq 0 ]
    [[ $output == *'on 4 hosts and 1 spare, a rank for each GPU'* ]]
    head_run check job.toml --set slurm.partition=nope
    [ "$status" -eq 2 ]
    [[ $output == *'invalid partition specified: nope'* ]]
    head_run check job.toml --set schedule.begin=2h
    [ "$status" -eq 0 ]
    [[ $output =~ 'would start it at '20..-..-..' '..:..', in '[12]' h' ]]
    no_jobs
}

@test "audit and plan ask for nodes as a run does" {
    head_run audit job.toml --no-measure --no-history --json
    [ "$status" -eq 0 ]
    [[ $output =~ '"host": '*'"n1"'.*'"host": '*'"n2"' ]]
    wait_for 40 no_jobs
    head_run plan job.toml
    [ "$status" -eq 0 ]
    [[ $output == *'n[1-2]: 2 nodes alike, 2 ranks on each'* ]]
    wait_for 40 no_jobs
    block
    head_start plan job.toml
    wait_for 40 waits
    head_signal INT
    ended
    [ "$(head_status)" = 130 ]
    states job
}

@test "a job that an administrator cancels: in the queue, and at work" {
    block
    head_start job.toml
    wait_for 40 waits
    as_root scancel -n job
    ended
    [ "$(head_status)" = 80 ]
    said "ask Slurm for nodes: Job has been cancelled"
    no_helpers
    unblock
    head_start long.toml
    wait_for 60 runs
    as_root scancel -n long
    ended
    [ "$(head_status)" = 143 ]
    said "stopped by Slurm: the job was cancelled"
    wait_for 40 no_jobs
    no_helpers
}

@test "a salloc that never hears of the job's end holds up nothing" {
    head_start long.toml
    wait_for 60 runs
    on head pkill -STOP -x salloc
    as_root scancel -n long
    ended
    [ "$(head_status)" = 143 ]
    said "stopped by Slurm: the job was cancelled"
    no_helpers
}

@test "Ctrl-C at work gives the nodes back" {
    head_start long.toml
    wait_for 60 runs
    head_signal INT
    ended
    [ "$(head_status)" = 130 ]
    said "stopped by Ctrl-C (Interrupt)"
    wait_for 40 no_jobs
    no_helpers
}

@test "nodes are given back when there is nothing to run on them" {
    head_run job.toml -r 9 --set 'slurm.extra=["--ntasks-per-node=1"]'
    [ "$status" -eq 2 ]
    [[ $output == *"has 1 CPU"* ]]
    wait_for 40 no_jobs
    no_helpers
}

@test "munge is off on the login node" {
    slurm munge head stop
    head_run job.toml
    slurm munge head start
    [ "$status" -eq 80 ]
    [[ $output == *"ask Slurm for nodes: Munge encode failed"*"hint: munged does not answer on this machine"* ]]
    run ! on head test -e runs
}

@test "a controller that does not answer: Ctrl-C ends the wait, or Slurm's patience does" {
    slurm ctld stop
    head_start job.toml
    wait_for 40 asks
    head_signal INT
    ended
    [ "$(head_status)" = 130 ]
    no_helpers
    head_run job.toml
    slurm ctld start
    [ "$status" -eq 80 ]
    [[ $output == *"Unable to contact slurm controller"*"hint: slurmctld does not answer"* ]]
    no_jobs
}

@test "who leaves before the job is seen to be gone has it cancelled later" {
    block
    head_start job.toml
    wait_for 40 waits
    slurm ctld stop
    head_signal INT
    asks # signals that come together are one
    head_signal INT
    wait_for 40 asks_no_more
    head_signal INT
    ended
    [ "$(head_status)" = 130 ]
    said "left before Slurm had said that the job is gone"
    slurm ctld start
    wait_for 60 states job
    wait_for 40 no_helpers
}
