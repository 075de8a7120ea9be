#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a node sees of itself while its ranks run reaches run.db: from this machine, and from
# copied counters that a rank moves on.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

setup() { work; }
teardown() { wait_for 30 nothing_left_here; no_sanitizer_words; }

db() { sqlite3 runs/latest/run.db "$1"; }

# put_stat STEAL: of each CPU, in ticks
put_stat()
{
    local i
    for ((i = 0; i < $(nproc --all); i++)); do echo "cpu$i 1 1 1 1 1 1 1 $1 0 0"; done
    echo "intr 1000"
    echo "softirq 1000"
}

@test "signals of this machine: what its kernel offers is known" {
    job <<END
[job]
command = ["sleep", "3"]
ranks_per_node = 2
[nodes]
backend = "local"
END
    aolani job.toml
    [ "$status" -eq 0 ]
    db 'SELECT * FROM signal'
    # Two intervals at least, or their sum: the ranks ran for three seconds.
    [ "$(db 'SELECT sum(interval_ns) > 1500000000 FROM signal')" = 1 ]
    [ "$(db 'SELECT sum(interrupts) > 0 FROM signal')" = 1 ]
    [ "$(db 'SELECT count(*) FROM signal WHERE cpus < 1')" = 0 ]
    if [ -r /proc/pressure/cpu ]; then
        [ "$(db 'SELECT count(*) FROM signal WHERE psi_cpu_us IS NULL')" = 0 ]
    else
        [ "$(db 'SELECT count(*) FROM signal WHERE psi_cpu_us IS NOT NULL')" = 0 ]
    fi
}

@test "steal and errors of a port are told, what is not there is unknown" {
    local port=sys/class/infiniband/mlx5_0/ports/1/counters
    mkdir -p proc $port
    put_stat 1000 >proc/stat
    put_stat 1020 >stat.later
    echo 3 >$port/symbol_error
    echo 9 >$port/link_downed
    # Files are replaced at once: a reader sees the old one or the new one.
    cat >rank.sh <<END
sleep 2.5
mv stat.later proc/stat
echo 10 >later
mv later $port/symbol_error
sleep 2
END
    job <<END
[job]
command = ["sh", "rank.sh"]
[nodes]
backend = "local"
END
    export AOLANI_TEST_PROC=$W/proc AOLANI_TEST_SYS=$W/sys
    aolani job.toml
    [ "$status" -eq 0 ]
    db 'SELECT * FROM signal'
    db 'SELECT * FROM signal_port'
    [ "$(db 'SELECT sum(steal_us) = 200000 * max(cpus) FROM signal')" = 1 ]
    [ "$(db 'SELECT sum(symbol_errors) FROM signal_port')" = 7 ]
    [ "$(db 'SELECT DISTINCT nic, port, downs, recoveries IS NULL FROM signal_port')" = "mlx5_0|1|0|1" ]
    [ "$(db 'SELECT count(*) FROM signal WHERE psi_cpu_us IS NOT NULL')" = 0 ]
}
