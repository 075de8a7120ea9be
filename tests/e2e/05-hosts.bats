#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The test hosts themselves: if these are not real, what runs on them proves nothing.
load ../lib/e2e

setup_file()
{
    WHY_SKIPPED=$("$cluster" check) || { export WHY_SKIPPED; return 0; }
    export C=$BATS_FILE_TMPDIR/hosts
    "$cluster" up 2 "$C"
}
teardown_file() { cluster_down; }
setup() { maybe_skip; }
teardown() { "$cluster" down "$BATS_TEST_TMPDIR/other"; }

@test "hosts are apart: names, machine-ids, files, processes, clocks" {
    for h in n1 n2; do
        [ "$(on head ssh -o BatchMode=yes $h hostname)" = $h ]
        on $h touch /tmp/mine-$h /dev/shm/mine-$h
    done
    [ "$(on n1 cat /etc/machine-id)" != "$(on n2 cat /etc/machine-id)" ]
    run ! on n2 test -e /tmp/mine-n1
    run ! on n2 test -e /dev/shm/mine-n1
    on n1 sh -c 'sleep 77 >/dev/null 2>&1 &'
    run ! on n2 pgrep -x sleep
    if [ -e /proc/self/ns/time ]; then
        [ "$(on n1 cut -d. -f1 /proc/uptime)" -lt "$(on n2 cut -d. -f1 /proc/uptime)" ]
    fi
}

@test "left sees processes, files, shared memory and the cache" {
    on n1 sh -c 'touch /tmp/a ~/b; mkdir -p ~/.cache/x; touch ~/.cache/x/c; ipcmk -M 64
        sleep 78 >/dev/null 2>&1 &' >/dev/null
    run "$cluster" left "$C" n1
    [[ $output == *"process "*"sleep 78"* ]]
    [[ $output == *"file /tmp/a"* && $output == *"home /home/rider/b"* ]]
    [[ $output == *"ipc "* && $output == *"cache x/c"* ]]
    run ! nothing_left
    [[ $output == *"n1: "*"sleep 78"* ]]
}

@test "two clusters at once, and the end of one leaves the other" {
    "$cluster" up 1 "$BATS_TEST_TMPDIR/other"
    other=$(cat "$BATS_TEST_TMPDIR/other/n1/pid")
    [ "$("$cluster" exec "$BATS_TEST_TMPDIR/other" head ssh n1 hostname)" = n1 ]
    "$cluster" down "$BATS_TEST_TMPDIR/other"
    [ ! -e "/proc/$other" ]
    [ ! -e "$BATS_TEST_TMPDIR/other" ]
    [ "$(on head ssh n1 hostname)" = n1 ]
}
