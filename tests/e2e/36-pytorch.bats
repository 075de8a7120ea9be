#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A PyTorch program that knows nothing of us, on two hosts with two ranks each: where its
# steps come from, and how it goes on from its own checkpoint.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file()
{
    WHY_SKIPPED=
    cluster_up 2
    [ -n "$WHY_SKIPPED" ] || on n1 python3 -c 'import torch.distributed' 2>/dev/null ||
        WHY_SKIPPED="python3-torch is absent"
    export WHY_SKIPPED
    [ -n "$WHY_SKIPPED" ] || {
        cp "$root/tests/e2e/train.py" "$C/share/bin/"
        sed 's/^    # HOOK$/    import aolani; aolani.hook(optimizer, start)/' \
            "$root/tests/e2e/train.py" >"$C/share/bin/train_marked.py"
        cp "$plain/aolani.py" "$C/share/bin/"
        chmod a+r "$C"/share/bin/*.py
    }
}
teardown_file() { cluster_down; }
setup() { maybe_skip; work; }

# torch_job PROGRAM ARGUMENTS STEPS-SECTION [FAILURE-SECTION]
torch_job()
{
    on head sh -c 'rm -f /srv/share/out/checkpoint.pt'
    head_job <<END
[job]
command = ["python3", "$bin/$1", "--checkpoint", "/srv/share/out/checkpoint.pt", $2]
ranks_per_node = 2
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[steps]
$3
[failure]
grace = "2s"
${4-}
END
}

@test "steps of a program that knows nothing of us are found in its output" {
    torch_job train.py '"--steps", "30"' 'log_pattern = "^step ([0-9]+) "'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"steps: lines of the output that match log_pattern; the program marks none itself"* ]]
    [[ $output == *"done after 30 steps"* ]]
    [ "$(head_json .run.step_source)" = log ]
    [ "$(head_json .steps.closed)" -ge 20 ]
    # Rank 0 alone has said what it does.
    [ "$(head_json '[.ranks[] | select(.steps.n > 0).rank] | join(" ")')" = 0 ]
    # Nothing is claimed of who was late.
    [ "$(head_json '.steps | .uncompared == .closed and .culprit_rank == null')" = true ]
    [ "$(head_json .variance)" = null ]
}

@test "a line every five steps gives the mean of five" {
    torch_job train.py '"--steps", "41", "--log-every", "5"' \
        'source = "log"
log_pattern = "^step ([0-9]+) "'
    head_run job.toml
    [ "$status" -eq 0 ]
    on head sqlite3 -version >/dev/null || skip "sqlite3 is absent"
    on head sh -c 'sqlite3 runs/latest/run.db "SELECT count(*), min(step), max(step),
        count(DISTINCT wall_us) FROM step WHERE source = 3"' | tee said
    IFS='|' read -r n first last walls <said
    [ "$n $first $last" = "40 1 40" ]
    [ "$walls" -le 8 ]
    on head sh -c 'sqlite3 runs/latest/run.db "SELECT source, why FROM step_source"' | tee said
    [ "$(cat said)" = "log|steps.source asks for them" ]
}

@test "with one line added it marks them itself, and that counts more" {
    torch_job train_marked.py '"--steps", "30"' 'log_pattern = "^step ([0-9]+) "'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"steps: marked by the program (libaolani)"* ]]
    [ "$(head_json .run.step_source)" = client ]
    [ "$(head_json '[.ranks[] | select(.steps.last_step == 29).rank] | join(" ")')" = "0 1 2 3" ]
    [ "$(head_json '[.ranks[].steps.n] | min')" -ge 25 ]
    # It has not said what it waited.
    [ "$(head_json '.steps | .closed > 20 and .uncompared == .closed')" = true ]
}

@test "after a rank was killed it goes on from its own checkpoint" {
    torch_job train_marked.py '"--steps", "120", "--pause", "0.05"' '' 'max_restarts = 1'
    on head rm -rf runs
    head_start job.toml
    wait_for 60 on head test -s /srv/share/out/checkpoint.pt
    on n2 sh -c 'for p in /proc/[0-9]*; do
        grep -qsz "^RANK=3$" $p/environ && grep -qsz train_marked $p/cmdline &&
            kill -KILL "${p#/proc/}"; done; :'
    wait_for 90 head_ended
    on head cat log
    [ "$(head_status)" = 0 ]
    [ "$(head_json .run.attempts)" = 2 ]
    on head cat runs/latest/attempt-2/rank-0000.out >said
    grep '^resumed at step' said
    from=$(sed -n 's/^resumed at step //p' said)
    [ "$from" -ge 5 ]
    [ "$from" -lt 120 ]
    grep -q '^done after 120 steps' said
    run ! grep "^step $((from - 1)) " said
    [ "$(head_json .run.step_source)" = client ]
    [ "$(head_json '.ranks[0].steps.last_step')" = 119 ]
}

@test "a source that gives no steps is told of, with the way out" {
    torch_job train.py '"--steps", "3"' 'source = "client"'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *'no steps are known: steps.source is "client", and no rank marks its steps; see aolani.h and aolani.py'* ]]
    torch_job train.py '"--steps", "3"' 'log_pattern = "^Step ([0-9]+)"'
    head_run job.toml
    [ "$status" -eq 0 ]
    [[ $output == *"no two lines of a rank's output matched steps.log_pattern"* ]]
}

@test "nothing is left on any host after the end" {
    wait_for 30 nothing_left
}
