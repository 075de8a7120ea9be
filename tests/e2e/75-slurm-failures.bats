#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What can go wrong in a job of Slurm's, on a real cluster: after each, nothing runs on any
# host, the queue is empty, and its user was told what has happened.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2030,SC2031
load ../lib/e2e

shared=/srv/share/rider aside=/srv/share/out

setup_file()
{
    slurm_up 5 uneven
    [ -z "${WHY_SKIPPED-}" ] || return 0
    # A limit is a minute at least: this job is looked at last, and has n4 for itself.
    on head sh -c 'cd $1; cat >limit.toml
        printf "#!/bin/sh\nexec %s -o limit.runs limit.toml" $2 >limit.sh
        sbatch --parsable -w n4 -t 1 -o limit.log limit.sh >limit-id' - $aside "$bin/aolani-run" <<END
[job]
command = ["sh", "-c", "trap 'echo saved; exit 0' TERM; while :; do sleep 0.1; done"]
mpi = "none"
END
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown()
{
    [ -z "${WHY_SKIPPED-}" ] || return 0
    [ -n "${BATS_TEST_COMPLETED-}" ] || {
        in_share 'tail -n 40 *.log *.runs/latest/slurm*.out'
        slurm left
    } || :
    on head sh -c 'squeue -h -o %i | grep -vx "$(cat $1/limit-id)" | xargs -r scancel' - $aside || :
    wait_for 60 no_other_jobs
    on head sh -c "cd $shared && rm -rf *"
}

no_other_jobs() { [ -z "$(slurm left | sed "/ limit.sh /d")" ]; }

# ---- jobs: NAME.toml and all that NAME writes lie in the folder that all hosts see

in_share() { on head sh -c "cd $shared && $1" - "${@:2}"; }
# job_file NAME RANKS_PER_NODE [LINE]... <<<SCRIPT: ranks run the script
job_file()
{
    {
        printf '[job]\nranks_per_node = %s\nmpi = "none"\n' "$2"
        printf "command = ['sh', '-c', '''%s''']\n" "$(cat)"
        printf '[failure]\ngrace = "2s"\n'
        printf '%s\n' "${@:3}"
    } | on head tee "$shared/$1.toml" >/dev/null
}
# submit NAME SBATCH_OPTION...: aolani-run as a batch script; $name, $id
submit()
{
    name=$1
    in_share 'printf "%s\n" "#!/bin/sh" "exec $2 -o $1.runs $1.toml" >$1.sh' "$1" "$bin/aolani-run"
    id=$(in_share 'name=$1; shift
        exec sbatch --parsable -x n4 -J $name -o $name.log "$@" $name.sh' "$@")
}
fact() { on head scontrol show -d job "$id" | grep -o "\b$1=[^ ]*" | cut -d= -f2; }
is_over() { ! on head squeue -h -o %i | grep -qx "$id"; }
log_of() { on head cat "$shared/$1.log"; }
said() { on head grep -q -- "$2" "$shared/$1.log"; }
exists() { on head test -e "$shared/$1"; }
run_of() { on head cat "$shared/$1.runs/latest/run.json" | jq -r "$2"; }
# ended CODE: the job is over, with the exit status of aolani-run as the script's
ended()
{
    wait_for 120 is_over
    log_of "$name"
    [ "$(fact ExitCode)" = "$1:0" ]
}
# Hosts that live, but for that of the job with the limit.
live="head n1 n2 n3 n5"
none_left()
{
    local h lines
    for h in $live; do
        lines=$(left_on "$h")
        [ -z "$lines" ] || { echo "$h: $lines"; return 1; }
    done
}
clean() { wait_for 40 none_left; }

# started N: so many ranks have begun
started() { [ "$(on head sh -c "cat $shared/up 2>/dev/null | wc -l")" = "$1" ]; }
# Ranks that say where they are and go on until there is a file "go".
waiter='echo $RANK $(hostname) $CUDA_VISIBLE_DEVICES >>up; while [ ! -e go ]; do sleep 0.1; done'

@test "what the job does not have is said before anything starts" {
    job_file many 2 <<<'echo never'
    submit many -N2 --ntasks-per-node=1
    ended 2
    said many "the job asks for 2 ranks on a node, but has 1 CPU"
    job_file wide 1 '[nodes]' 'count = 3' <<<'echo never'
    submit wide -N2
    ended 2
    said wide "3 nodes"
    job_file other 1 '[nodes]' 'backend = "slurm"' 'hosts = ["n3"]' <<<'echo never'
    submit other -w n1 -N1
    ended 2
    said other n3
    [ -z "$(slurm log n1 | sed -n "/launch task/p")" ]
    clean
}

@test "jobs on one node have GPUs and CPUs of their own" {
    for name in one two; do
        in_share 'mkdir -p $1' $name
        job_file $name 2 '[nodes]' 'count = 2' <<<"cd $shared/$name; $waiter"
        submit $name -w "n[1-2]" -N2 --ntasks-per-node=2 --gres=gpu:1
        ids+=("$id")
    done
    for name in one two; do
        wait_for 60 in_share '[ $(cat $1/up | wc -l) = 4 ]' $name
    done
    # A GPU of a node is in one of the jobs alone.
    [ "$(in_share 'cut -d" " -f2,3 one/up | sort -u >a; cut -d" " -f2,3 two/up | sort -u >b
        cat a b | sort | uniq -d | wc -l; cat a b | wc -l' | xargs)" = "0 4" ]
    in_share 'touch one/go two/go'
    for id in "${ids[@]}"; do
        wait_for 120 is_over
        [ "$(fact ExitCode)" = 0:0 ]
    done
    clean
}

@test "nodes of different size take as many ranks as each of them can" {
    job_file sizes 2 <<<'echo $RANK $(hostname) $LOCAL_WORLD_SIZE'
    submit sizes -w "n3,n5" -N2 --exclusive
    ended 0
    [ "$(log_of sizes | grep -c "n3 2$")" = 2 ]
    [ "$(log_of sizes | grep -c "n5 2$")" = 2 ]
    job_file larger 4 <<<'echo never'
    submit larger -w "n3,n5" -N2 --exclusive
    ended 2
    said larger 'has 2 CPUs on "n5"'
    clean
}

@test "a node that is drained in the middle, and a slurmctld that starts again, stop nothing" {
    job_file drained 1 <<<"$waiter"
    submit drained -N3
    wait_for 60 started 3
    slurm admin scontrol update NodeName=n2 State=drain Reason=test
    slurm ctld stop
    slurm ctld start
    sleep 1
    in_share 'touch go'
    ended 0
    slurm admin scontrol update NodeName=n2 State=resume
    clean
}

@test "a run ends while slurmctld is away" {
    job_file away 1 <<<"$waiter"
    submit away -N3
    wait_for 60 started 3
    slurm ctld stop
    in_share 'touch go'
    wait_for 60 exists away.runs/latest/run.json
    wait_for 60 in_share '[ "$(cat away.log | wc -l)" -gt 5 ]'
    slurm ctld start
    ended 0
    clean
}

# It was cancelled, its user was told so, and nobody was left behind.
cancelled()
{
    wait_for 120 is_over
    log_of "$name"
    [ "$(fact JobState)" = CANCELLED ]
    run_of "$name" .run.sentence
    [ "$(run_of "$name" .run.exit_status)" = 143 ]
    run ! said "$name" "is lost"
}
all_clean() { [ "$(run_of "$1" '[.nodes[].teardown] | unique | join(" ")')" = clean ]; }

@test "scancel of a job that runs stops its ranks, with their grace" {
    job_file running 1 <<<"trap 'sleep 0.2; echo saved \$RANK; exit 3' TERM; $waiter"
    submit running -N3
    wait_for 60 started 3
    on head scancel "$id"
    cancelled
    [ "$(log_of running | grep -c '^saved ')" = 3 ]
    all_clean running
    clean
}

@test "scancel of a job whose ranks do not end, and again while they are made to" {
    job_file ending 1 <<<"trap '' TERM; $waiter"
    submit ending -N3
    wait_for 60 started 3
    on head scancel "$id"
    sleep 1
    on head scancel "$id"
    cancelled
    all_clean ending
    clean
}

# A slurmd that does not answer: the other agents come, this one does not.
hold() { "$cluster" exec -u root "$C" "$1" pkill -STOP -x slurmd; }
let_go() { "$cluster" exec -u root "$C" "$1" pkill -CONT -x slurmd; }

@test "scancel while agents start" {
    job_file starting 1 <<<"$waiter"
    hold n2
    submit starting -N3
    wait_for 60 said starting "starting agents"
    on head scancel "$id"
    wait_for 60 said starting "stopping the job"
    let_go n2
    cancelled
    said starting "before the ranks were started"
    clean
}

# in_salloc NAME OPTION...: the same by salloc, whose command goes on when its job is over
in_salloc()
{
    on head sh -c 'cd $1; name=$2; run=$3; shift 3
        { salloc -x n4 -J $name "$@" $run -o $name.runs $name.toml
            echo status $?; } </dev/null >$name.log 2>&1 &' - $shared "$1" "$bin/aolani-run" "${@:2}"
}
job_named() { id=$(on head squeue -h -n "$1" -o %i) && [ -n "$id" ]; }

@test "an allocation that ends while agents start" {
    job_file early 1 <<<"$waiter"
    hold n2
    in_salloc early -N3
    wait_for 60 said early "starting agents"
    job_named early
    on head scancel "$id"
    wait_for 60 said early "has been revoked"
    let_go n2
    wait_for 120 said early "^status 80"
    log_of early
    [[ $(run_of early .run.sentence) == *"agents could not start"*"Slurm's job is over"* ]]
    clean
}

# wall ADD|DELETE: nodes reach the launcher at no port of its own; srun has others
wall()
{
    local h
    for h in n1 n2 n3; do
        [ "$1" = add ] || { "$cluster" exec -u root "$C" $h /usr/sbin/nft delete table inet wall; continue; }
        "$cluster" exec -u root "$C" $h /usr/sbin/nft -f - <<'END'
table inet wall {
    chain output { type filter hook output priority 0; tcp dport 47100-47119 drop; }
}
END
    done
}
agents_run() { "$cluster" exec -u root "$C" "$1" pgrep -x aolani-agent; }

@test "an allocation that ends before its agents have connected" {
    [ -x /usr/sbin/nft ] || skip "there is no nft (nftables)"
    job_file between 1 '[head]' 'ports = "47100-47119"' <<<"$waiter"
    wall add
    in_salloc between -w "n[1-3]" -N3
    for h in n1 n2 n3; do wait_for 60 agents_run $h; done
    job_named between
    on head scancel "$id"
    wait_for 120 said between "^status 80"
    wall delete
    log_of between
    [[ $(run_of between .run.sentence) == *"agents could not start"*"Slurm's job is over"* ]]
    run ! said between "let nodes reach this machine"
    clean
}

@test "an allocation that ends under its run" {
    job_file late 1 <<<"$waiter"
    in_salloc late -N3
    wait_for 60 started 3
    job_named late
    on head scancel "$id"
    wait_for 120 said late "^status 143"
    log_of late
    all_clean late
    clean
}

@test "scancel of a job that waits, asked for from the login node" {
    on head sbatch -w "n[1-3],n5" --exclusive -o /dev/null --wrap "sleep 100"
    job_file queued 1 '[nodes]' 'backend = "slurm"' 'count = 2' <<<"$waiter"
    on head sh -c 'cd $1; { $2 -o queued.runs queued.toml; echo status $?; } </dev/null \
        >queued.log 2>&1 &' - $shared "$bin/aolani-run"
    wait_for 60 said queued "waits in the queue"
    job_named queued
    on head scancel "$id"
    wait_for 60 said queued "^status"
    log_of queued
    said queued cancel
    [ "$(log_of queued | tail -n 1)" = "status 80" ]
    on head scancel -u rider
    clean
}

@test "without munge the user is told of munge" {
    job_file nomunge 1 <<<"$waiter"
    on head sh -c "cd $shared; { salloc -w "n[1-3]" sh -c 'touch in; while [ ! -e off ]; do sleep 0.1; done
        $bin/aolani-run -o nomunge.runs nomunge.toml; echo status \$?; touch tried
        while [ ! -e on ]; do sleep 0.1; done'; } </dev/null >nomunge.log 2>&1 &"
    wait_for 60 exists in
    slurm munge head stop
    in_share 'touch off'
    wait_for 120 exists tried
    slurm munge head start
    log_of nomunge
    said nomunge "^status 80"
    [[ $(run_of nomunge .run.sentence) == *"munge does not answer"*"munge -n | unmunge"* ]]
    in_share 'touch on'
    clean
}

@test "without munge on a node the node is named" {
    job_file munged 1 <<<"$waiter"
    slurm munge n2 stop
    submit munged -N3
    ended 80
    slurm munge n2 start
    [[ $(run_of munged .run.sentence) == *"could not start: n2: its slurmd does not start a task"* ]]
    clean
}

@test "a slurmd that ends under a run, and comes back, is no matter" {
    job_file daemon 1 <<<"$waiter"
    submit daemon -N3
    wait_for 60 started 3
    slurm slurmd n2 kill
    sleep 1
    slurm slurmd n2 start
    in_share 'touch go'
    ended 0
    all_clean daemon
    clean
}

@test "a job that is preempted stops, waits, and goes on where it was" {
    job_file low 1 '[nodes]' 'count = 2' '[slurm]' 'partition = "low"' \
        'extra = ["--nodelist=n[1-2]"]' '[schedule]' 'requeue = true' \
        <<<"trap 'echo saved \$RANK; exit 0' TERM; $waiter"
    id=$(in_share "$bin/aolani-run submit -q -o low.runs low.toml")
    wait_for 60 started 2
    on head srun -p high -w "n[1-2]" --exclusive true
    # Slurm begins it anew when its credential has expired.
    wait_for 120 started 4
    in_share 'touch go'
    wait_for 120 is_over
    on head sh -c "cat $shared/low.runs/latest/*.out"
    [ "$(fact ExitCode)" = 0:0 ]
    [ "$(run_of low .run.attempts)" = 2 ]
    in_share 'grep -q "stopped by Slurm: the job was requeued or preempted" low.runs/latest/slurm*'
    [ "$(run_of low .run.exit_status)" = 0 ]
    clean
}

@test "the time limit of Slurm ends a run that has none of its own" {
    # It was started before the first test.
    id=$(on head cat $aside/limit-id)
    wait_for 120 is_over
    on head cat $aside/limit.log
    [ "$(on head cat $aside/limit.runs/latest/run.json | jq .run.exit_status)" = 124 ]
    on head grep -q saved $aside/limit.log
    live="$live n4"
    clean
}

@test "hosts that are lost: a spare takes the place of one, the other ends its run" {
    in_share 'mkdir alone spare'
    job_file alone 1 'head_lease = "3s"' <<<"cd $shared/alone; $waiter"
    job_file spare 1 'head_lease = "3s"' 'max_restarts = 1' '[nodes]' 'count = 2' \
        'spares = 1' <<<"cd $shared/spare; $waiter"
    submit spare -w "n[1-2],n5" --no-kill
    with_spare=$id
    submit alone -w "n1,n3" --no-kill
    wait_for 60 in_share '[ $(cat alone/up | wc -l) = 2 -a $(cat spare/up | wc -l) = 2 ]'
    slurm lose n3
    slurm lose n2
    ended 81
    [[ $(run_of alone .run.sentence) == *'node "n3" was lost'* ]]
    [ "$(run_of alone '.nodes[] | select(.name == "n1").teardown')" = clean ]
    wait_for 120 in_share '[ $(cat spare/up | wc -l) = 4 ]'
    [ "$(in_share 'tail -n 2 spare/up' | cut -d' ' -f2 | sort | xargs)" = "n1 n5" ]
    in_share 'touch spare/go'
    name=spare id=$with_spare
    ended 0
    said spare "with n5 in place of n2"
    all_clean spare
    live="head n1 n4 n5"
    clean
}
