#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A busy loop on one rank's core, or more work of its own: the rank is named, while the job runs
# and in the end, and so is what makes it slow.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

setup()
{
    work
    [ "$(nproc)" -ge 2 ] || skip "one core: every rank would share it with the busy loop"
    export TEST_MARK=$W
    hogs=()
}
teardown()
{
    [ ${#hogs[@]} -eq 0 ] || kill "${hogs[@]}" 2>/dev/null || :
    wait_for 30 nothing_left_here
}

db() { sqlite3 runs/latest/run.db "$1"; }
# More than 10 % of the time of that rank: what makes a rank slow is then not for us to say.
others_took()
{
    [ "$(db "SELECT 100 * sum(rundelay_us + stolen_us) / sum(busy_us) FROM step
             WHERE rank = $1")" -ge 10 ]
}

# The process of a rank of this test's job.
rank_process()
{
    local p
    for p in $(pgrep -x trainer-cpu); do
        tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null >environ || continue
        grep -qx "TEST_MARK=$W" environ && grep -qx "RANK=$1" environ && echo "$p" && return
    done
    return 1
}

@test "with a busy loop on the core of rank 1 the final table names rank 1, and other programs" {
    [ -x "$BUILD/trainer-cpu" ] || skip "mpicc is absent: there is no trainer"
    job <<END
[job]
command = ["$BUILD/trainer-cpu", "--steps", "200", "--hidden", "128"]
ranks_per_node = 2
[nodes]
backend = "local"
END
    env --default-signal=INT "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    # In MPI_Init hwloc moves the process from core to core: look when training is under way.
    wait_for 40 grep -q '^step 10 ' log
    cores=$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$(rank_process 1)/status")
    echo "rank 1 runs on $cores"
    [[ $cores =~ ^[0-9]+$ ]] || cores=${cores%%[-,]*}
    # Six: one drives what else runs on the machine to the other cores, and evens it out. Each
    # in a session of its own: the kernel shares a core between sessions (autogroup).
    for _ in 1 2 3 4 5 6; do
        setsid taskset -c "$cores" sh -c 'while :; do :; done' 3>&- &
        hogs+=($!)
    done
    wait "$launcher" || status=$?
    cat log
    [ "${status:-0}" -eq 0 ]
    # With others on its core too, rank 0 is slow as often; who it was drowns in that.
    others_took 0 && skip "others had the core of rank 0 for more than 10 % of its time"
    [ "$(run_json '.steps.culprit_rank')" = 1 ]
    grep -qE '^rank 1 on local0 was [0-9.]+ [mu]?s a step slower' log
    # Of all that was seen of it, this is the most; how much is not for a test to say.
    [ "$(db "SELECT what FROM culprit WHERE rank = 1 AND what <> 'mixed'
             GROUP BY what ORDER BY sum(excess_us) DESC LIMIT 1")" = preempted ]
}

# slow: ranks that do the same and wait for each other, marked as a training program marks its
# steps; once there is a file `work`, rank 1 does three times as much, and with a file `end` all end.
build_slow()
{
    cat >slow.c <<'END'
#define _GNU_SOURCE
#include <aolani.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct shared { atomic_uint arrived, turn, end; };

static void compute(unsigned rounds)
{
    unsigned long x = 1;
    for (unsigned long i = 0; i < rounds * 1000ul; i++)
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    __asm__ volatile("" : : "r"(x));
}

static void meet(struct shared *s)
{
    unsigned turn = s->turn;
    if (atomic_fetch_add(&s->arrived, 1) == 1) {
        s->arrived = 0;
        s->turn++;
    }
    while (s->turn == turn)
        usleep(100);
}

int main(void)
{
    int fd = open("shared", O_RDWR | O_CREAT, 0600), rank = atoi(getenv("RANK"));
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) < 0)
        return 1;
    struct shared *s = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (unsigned step = 0; !s->end; step++) {
        aolani_step_begin(step);
        compute(rank == 1 && access("work", F_OK) == 0 ? 3000 : 1000);
        if (rank == 0 && access("end", F_OK) == 0)
            s->end = 1;
        aolani_wait_begin();
        usleep(5000); // who sleeps most of the time is let run at once, whoever else is there
        meet(s);
        aolani_wait_end();
        aolani_step_end();
    }
}
END
    gcc -std=c11 -O2 -Wall -Wextra -I "$root/proto/client" -o slow slow.c -L "$BUILD" \
        -l:libaolani.so -Wl,-rpath,"$BUILD"
}
reported() { grep -q "$1" log; }
steps_done() { [ "$(od -An -tu4 -j4 -N4 shared)" -ge "$1" ]; } # shared.turn

@test "a rank that does more work is named while it runs, with its work as the reason" {
    ! is_asan || skip "the program itself is not sanitized, and libaolani is"
    build_slow
    job <<END
[job]
command = ["./slow"]
ranks_per_node = 2
mpi = "none"
[nodes]
backend = "local"
END
    "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    hogs+=("$launcher") # to be ended whatever becomes of the test
    wait_for 40 test -s shared
    wait_for 60 steps_done 200 # to know what is usual
    : >work
    wait_for 30 reported '^aolani-run: warning: rank 1 on local0 is [0-9]* % slow since step '
    rm work
    wait_for 30 reported '^aolani-run: rank 1 on local0 is as fast as before since step '
    : >end
    wait "$launcher" || status=$?
    cat log
    [ "${status:-0}" -eq 0 ]
    # Every part has its column, and together they are the whole.
    [ "$(db "SELECT count(*) FROM culprit WHERE abs(excess_us - throttled_us - preempted_us -
             stolen_us - stopped_us - blocked_us - faults_us - gpu_us - link_us - memory_us -
             work_us - gpu_slow_us - network_us - unknown_us) > 13")" = 0 ]
    # The rows of the ledger are the time of the run.
    [ "$(run_json '([.ledger.rows[]] | add) == .run.wall_ms * 1000')" = true ]
    others_took 1 && skip "others had the core of rank 1 for more than 10 % of its time"
    [ "$(db "SELECT what FROM culprit WHERE rank = 1 GROUP BY what ORDER BY sum(loss_us) DESC
             LIMIT 1")" = "own work" ]
    [ "$(db "SELECT what || over FROM spell WHERE rank = 1 ORDER BY excess_us DESC LIMIT 1")" = \
        "own work1" ]
    grep -q '^aolani-run: warning: rank 1 on local0 is .* since step .*: own work or a slower core' log
}
