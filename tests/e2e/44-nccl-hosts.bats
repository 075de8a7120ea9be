#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The profiler plug-in on hosts that have nothing installed: it comes with the agent, and NCCL
# (which is played, tests/e2e/nccl) loads it from there.
# alone: it tells which rank is late from how long collectives take
load ../lib/e2e

setup_file()
{
    cluster_up 2
    [ -z "${WHY_SKIPPED-}" ] || return 0
    cp "$BUILD/libnccl-profiler-aolani.so" "$C/share/bin/"
    gcc -std=c11 -D_GNU_SOURCE -O2 -I "$root" -o "$C/share/bin/ddp" "$root/tests/e2e/nccl/ddp.c" -ldl
    chmod -R a+rX "$C/share/bin"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }

@test "ranks of two hosts load the profiler from the agent's cache, and the late one is named" {
    head_job <<END
[job]
command = ["$bin/ddp", "500", "3", "8000"]
workdir = "/srv/share/out"
ranks_per_node = 2
mpi = "none"
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[steps]
source = "nccl"
END
    head_run job.toml
    [ "$status" -eq 0 ]
    head_file runs/latest/attempt-1/rank-0002.out |
        grep -qE '^profiler .*/\.cache/aolani/.*/libnccl-profiler-aolani\.so: loaded'
    [ "$(head_json '.run.step_source')" = nccl ]
    [ "$(head_json '.steps.culprit_rank')" = 3 ]
    [ "$(head_json '([.ledger.rows[]] | add) == .run.wall_ms * 1000')" = true ]
    wait_for 30 nothing_left
}
