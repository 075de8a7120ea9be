#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A job that goes on ending steps until one rank stands still, on two hosts with two ranks
# each: the launcher names the rank, says what NCCL's RAS service (which is played) knows of
# it, and that steps go on. Three seconds stand for the thirty that a stall begins after.
load ../lib/e2e

setup_file()
{
    cluster_up 2
    [ -z "${WHY_SKIPPED-}" ] || return 0
    cp "$root/tests/e2e/stall.py" "$C/share/bin/"
    chmod -R a+rX "$C/share/bin"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; work; }

said() { on head grep -E "$1" log; }
wait_said() { wait_for 40 said "$1" || { on head cat log; return 1; }; }

# stall_job [KEY OF [job]]...: on the head, until fifty steps are done
stall_job()
{
    on head sh -c 'rm -rf /srv/share/out/* runs log status'
    head_job <<END
[job]
command = ["python3", "$bin/stall.py", "$bin/libaolani.so", "/srv/share/out"]
ranks_per_node = 2
mpi = "none"
$(printf '%s\n' "$@")
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
END
    on head sh -c '{ AOLANI_TEST_STALL_MS=3000 env --default-signal=INT "$1" job.toml >log 2>&1 </dev/null
        echo $? >status; } >/dev/null 2>&1 &' - "$bin/aolani-run"
    wait_for 40 on head grep -q 'fifty steps' log || { on head cat log; return 1; }
    on head cat /srv/share/out/rank-3 >third
    read -r pid address <third
}
# stall_of FILTER: of what status says of it
stall_of() { on head "$bin/aolani-run" status --json | jq -r ".runs[0].stall | $1"; }
goes_on() { [ "$(stall_of .)" = null ]; }
shown() { on head "$bin/aolani-run" status >shown || :; grep -E "$1" shown; }
wait_shown() { wait_for 40 shown "$1" || { cat shown; return 1; }; }

end_job()
{
    on head touch /srv/share/out/end
    wait_for 40 head_ended
    on head cat log
    [ "$(head_status)" = 0 ]
}

@test "the rank that stands still is named, by its node and by NCCL, and steps go on" {
    stall_job 'env = { NCCL_DEBUG = "WARN" }'
    on head sh -c 'cp /srv/share/out/rank-3 /srv/share/out/missing'
    on n2 kill -STOP "$pid"
    wait_said 'warning: no rank has ended a step for [0-9.]+ s \(usually one in [0-9.]+ ms; the last was step [0-9]+\)'
    wait_said '  rank 3 on n2 is stopped by a signal \(state T\).*; the other 3 '
    wait_said "  NCCL, asked on n[12]: rank 3 \(process $pid on $address\) does not answer"
    wait_said '  more: /.*/attempt-1/stall-[0-9]+.txt'
    wait_said 'still no step after [0-9.]+ s; as far as is known, nothing has changed'
    on n2 kill -CONT "$pid"
    wait_said 'steps go on after'
    end_job
    # A machine that stood still for seconds may have been told of before.
    [ "$(head_json '.stalls[-1] | "\(.ranks) \(.over) \(.attempt)"')" = "3 true 1" ]
    [[ $(head_json '.stalls[-1].text') == "rank 3 on n2 is stopped by a signal"* ]]
    [ "$(head_json '.stalls[-1].ms > 10000')" = true ]
    said 'no step for .* after step [0-9]+: rank 3 on n2 is stopped'
    [ "$(on head stat -c %a runs/latest/attempt-1/stall-1.txt)" = 600 ]
    on head sh -c 'cat runs/latest/attempt-1/stall-*.txt' >text
    cat text
    grep -qE '^ +3 +n2 .* T ' text
    grep -q "Process $pid on node $address managing GPU 1" text
    grep -q 'steps go on after' text
    [[ $(on head sqlite3 runs/latest/run.db 'SELECT ranks, over FROM stall') == *"3|1" ]]
}

@test "a job without NCCL is not asked for it, and one that hangs ends as it is told to" {
    stall_job
    on n1 kill -STOP "$(cut -d' ' -f1 "$C/share/out/rank-1")"
    wait_said 'rank 1 on n1 is stopped by a signal \(state T\)'
    run ! said NCCL
    head_signal INT
    wait_for 60 head_ended
    on head cat log
    [ "$(head_json '.stalls[-1] | "\(.ranks) \(.over)"')" = "1 false" ]
}

@test "status says that a run stands still and who stands out, until steps go on or its head dies" {
    stall_job
    [ "$(stall_of .)" = null ]
    on n2 kill -STOP "$pid"
    wait_shown '^  stall      since 20.*, after step [0-9]+: rank 3 on n2 is stopped'
    cat shown
    grep -qE '^job-.*: running, begun .* ago, no step for [0-9.]+ s$' shown
    grep -qE '^  more       /.*/attempt-1/stall-1.txt$' shown
    # The same words, and the time at which steps ended to.
    words=$(stall_of .text)
    said "^aolani-run:   $(sed 's/[()]/\\&/g' <<<"$words")\$"
    [ "$(stall_of '"\(.ranks) \(.attempt) \(.number) \(now - .since | . > 3 and . < 60)"')" = "3 1 1 true" ]
    since=$(stall_of .since)
    said 'still no step after' || wait_said 'still no step after'
    [ "$(stall_of .since)" = "$since" ]
    on n2 kill -CONT "$pid"
    wait_for 20 goes_on
    run ! shown 'stall|no step'
    shown ': running, '

    # A head that dies leaves the words in the journal; nobody says them of the run any more.
    on n2 kill -STOP "$pid"
    wait_shown '^  stall .*: rank 3 on n2 is stopped'
    head_signal KILL
    wait_for 20 head_ended
    run ! shown 'stall|no step'
    shown ': cut off'
    on head rm -f /srv/share/out/rank-* status
    on head sh -c '{ AOLANI_TEST_STALL_MS=3000 "$1" resume runs/latest >log 2>&1 </dev/null
        echo $? >status; } >/dev/null 2>&1 &' - "$bin/aolani-run"
    until said 'fifty steps'; do
        goes_on
        sleep 0.1
    done
    goes_on
    end_job
}

@test "nothing is left on any host after the end" {
    wait_for 30 nothing_left
}
