#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whatever a program does: its end is told truly, and nothing of it stays behind.
load ../lib/e2e

setup_file()
{
    cluster_up 2
    # A program of this name on the hosts becomes root altogether, as su does.
    [ -n "${WHY_SKIPPED-}" ] ||
        "$cluster" exec -u root "$C" n1 sh -c \
            'cp "$(command -v setpriv)" /srv/becomes-root && chmod 4755 /srv/becomes-root'
}
teardown_file() { cluster_down; }

setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
}
teardown()
{
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    [ -z "${frozen-}" ] || thaw
    wait_for 30 nothing_left_here
    [ -z "${group-}" ] || wait_for 40 rmdir "$group"
    no_sanitizer_words
}

# program_job RANKS COMMAND [KEYS_OF_JOB [KEYS_OF_FAILURE]]: COMMAND is a TOML array
program_job()
{
    job <<END
[job]
command = $2
ranks_per_node = $1
${3-}
[nodes]
backend = "local"
[failure]
grace = "2s"
head_lease = "3s"
${4-}
END
}
# The same for a text of the shell.
shell_job()
{
    local n=$1 text=$2
    shift 2
    program_job "$n" "[\"sh\", \"-c\", '''$text''']" "$@"
}
said() { # the launcher's words in one line
    tr -s ' \n' ' ' <"$BATS_TEST_TMPDIR/stderr"
}
# ends STATUS WORDS...: the run ended so, and said each of the words
ends()
{
    local want=$1 word all
    shift
    all=$(said)
    [ "$status" = "$want" ] || { echo "status $status, not $want"; return 1; }
    for word; do
        [[ $all == *"$word"* ]] || { echo "it does not say: $word"; return 1; }
    done
}

# start FILE...: the job in the background, until each file is there
start()
{
    env --default-signal=INT "$BUILD/aolani-run" "${JOB:-job.toml}" </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 all_there "$@"
}
all_there() { local f; for f; do [ -s "$f" ] || return 1; done; }
launcher_ends() # STATUS
{
    local got=0
    wait "$launcher" || got=$?
    launcher=
    cat log
    [ "$got" = "$1" ]
}
needs() { command -v "$1" >/dev/null || skip "there is no $1"; }

# ---- what cannot be executed

@test "missing, not executable, a folder: 127 and 126, and which it is" {
    echo data >data
    mkdir folder
    program_job 1 "[\"$W/nothing\"]"
    aolani job.toml
    ends 127 "execute \"$W/nothing\": No such file or directory"
    program_job 1 '["no-such-program-anywhere"]'
    aolani job.toml
    ends 127 'find the program "no-such-program-anywhere": not in PATH'
    program_job 1 "[\"$W/data\"]"
    aolani job.toml
    ends 126 "execute \"$W/data\": Permission denied"
    program_job 1 "[\"$W/folder\"]"
    aolani job.toml
    ends 126 "execute \"$W/folder\": Is a directory"
}

@test "a script's interpreter is named, one without a first line is the shell's" {
    printf '#!/no/such/python3\nprint(1)\n' >script
    chmod +x script
    program_job 1 "[\"$W/script\"]"
    aolani job.toml
    ends 127 'its interpreter "/no/such/python3" (first line): No such file or directory'
    printf '#!/bin/sh\r\necho\r\n' >script
    aolani job.toml
    ends 127 'its first line ends as lines of Windows do'
    echo 'echo "by the shell: $1"' >script
    aolani job.toml -- argument
    ends 0
    [ "$output" = "by the shell: argument" ]
}

@test "a program of another machine, a broken one, arguments that are too long: 126" {
    # The first bytes of an ELF file for aarch64, and for x86_64 with nothing behind.
    printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0\1\0\0\0%0100d' 0 >arm
    printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\076\0\1\0\0\0%0100d' 0 >broken
    printf 'bytes\0bytes' >bytes
    chmod +x arm broken bytes
    if [ "$(uname -m)" = x86_64 ] && ! ls /proc/sys/fs/binfmt_misc/qemu-* 2>/dev/null; then
        program_job 1 "[\"$W/arm\"]"
        aolani job.toml
        ends 126 'it was built for aarch64, this node is x86_64'
    fi
    program_job 1 "[\"$W/broken\"]"
    aolani job.toml
    ends 126 "could not execute \"$W/broken\": Exec format error"
    # Not handed to a shell, which would make nonsense of it.
    program_job 1 "[\"$W/bytes\"]"
    aolani job.toml
    ends 126 "could not execute \"$W/bytes\": Exec format error"
    program_job 1 "[\"true\", \"$(printf '%0200000d' 0)\"]"
    aolani job.toml
    ends 126 'Argument list too long'
}

@test "a limit of processes that the ranks meet is said as such" {
    group=$(awk -F: '$2 == "pids" { print "/sys/fs/cgroup/pids" $3 }' /proc/self/cgroup)
    group=$group/aolani-test-$$
    mkdir "$group" 2>/dev/null || { group=; skip "no control group of pids can be made"; }
    echo 30 >"$group/pids.max"
    program_job 64 '["sleep", "100"]' '' ''
    run_in_group job.toml
    ends 126 'Resource temporarily unavailable' 'the limit of processes'
}
# As aolani, in the control group $group
run_in_group()
{
    status=0
    sh -c 'echo $$ >"$0/cgroup.procs"; exec timeout -k 10 60 "$@"' "$group" \
        "$BUILD/aolani-run" "$@" </dev/null >"$W/stdout" 2>"$W/stderr" || status=$?
    output=$(cat stdout)
    stderr=$(cat stderr)
    printf '%s\n' "--- status $status" "$output" "$stderr"
}

# ---- how it ends

@test "a rank that ends at once, well or not" {
    program_job 8 '["true"]'
    aolani job.toml
    ends 0 'all 8 ranks ended with status 0'
    program_job 8 '["false"]'
    aolani job.toml
    ends 1 'failed first: exit 1'
    shell_job 1 'kill -KILL $$'
    aolani job.toml
    ends 137 'rank 0 on local0 failed first: signal 9 (Killed)'
    [[ $(said) != *memory:* ]] # nor is it put down to anything else
}

@test "a rank that fails while hundreds are still being started" {
    shell_job 600 '[ "$RANK" != 5 ] || exit 3; sleep 60'
    aolani job.toml
    ends 3 "rank 5 on" "failed first: exit 3"
    [[ $(run_json '.nodes[0].teardown') != not* ]]
    nothing_left_here
}

@test "killed in the middle of a write: every byte before is there" {
    shell_job 1 'head -c 5000000 /dev/zero | tr "\0" x; printf "half a li"; kill -KILL $$'
    aolani -q job.toml
    ends 137
    { head -c 5000000 /dev/zero | tr '\0' x; printf 'half a li'; } | cmp - "$(rank_file 0 out)"
}

@test "descriptors closed, working directory gone, another name: the status is true" {
    shell_job 1 'exec <&- >&- 2>&-; exit 4'
    aolani job.toml
    ends 4
    shell_job 1 'mkdir gone; cd gone; rmdir ../gone; exit 5'
    aolani job.toml
    ends 5
    needs perl
    program_job 1 '["perl", "-e", "$0 = q(other); exit 6"]'
    aolani job.toml
    ends 6
}

@test "the job's own folders deleted by a rank: its output is whole" {
    shell_job 1 'echo before
        rm -rf ${TMPDIR:-/tmp}/aolani-*-$AOLANI_RUN_ID-n* /dev/shm/aolani-$AOLANI_RUN_ID-n*
        echo after; sleep 0.5; echo end; exit 7'
    aolani job.toml
    ends 7
    [ "$(cat "$(rank_file 0 out)")" = $'before\nafter\nend' ]
}

@test "zombies and thousands of threads are no matter" {
    needs perl
    program_job 1 '["perl", "-e", "fork || exit 5 for 1..200; exit 0"]'
    aolani job.toml
    ends 0
    needs python3
    job <<'END'
[job]
command = ["python3", "-c", '''
import threading, sys, os
threading.stack_size(65536)
go = threading.Event()
for i in range(2000): threading.Thread(target=go.wait, daemon=True).start()
os._exit(8)''']
[nodes]
backend = "local"
END
    aolani job.toml
    ends 8
}

# ---- how it is stopped

@test "TERM ignored: the grace is given in full, then KILL" {
    shell_job 1 'trap "date +%s%N >\"$TEST_MARK/term\"" TERM; echo up >"$TEST_MARK/up"
        while :; do sleep 0.05; date +%s%N >>"$TEST_MARK/alive"; done'
    sed -i 's/^grace = .*/grace = "6s"/' job.toml
    start up
    kill -TERM "$launcher"
    launcher_ends 143
    # KILL comes at any moment, so that only a file that grows has a last time for sure.
    [ $((($(tail -n 1 alive) - $(<term)) / 1000000)) -ge 5000 ]
    [ "$(run_json '.ranks[0].end')" = "signal 9 (Killed)" ]
}

@test "a rank that has stopped itself hears TERM, and KILL ends one that will not" {
    shell_job 2 'trap "echo heard; exit 0" TERM; [ $RANK = 0 ] || trap "" TERM
        echo up >"$TEST_MARK/up$RANK"; kill -STOP $$; while :; do sleep 0.05
        [ $RANK = 0 ] || kill -STOP $$; done'
    start up0 up1
    kill -TERM "$launcher"
    launcher_ends 143
    [ "$(cat "$(rank_file 0 out)")" = heard ]
    [ "$(run_json '.ranks[1].end')" = "signal 9 (Killed)" ]
}

@test "Ctrl-C at any moment of the start leaves nothing" {
    shell_job 2 'setsid sleep 1000 & sleep 1000'
    for ms in 000 020 050 100 200 350 500; do
        env --default-signal=INT "$BUILD/aolani-run" -q job.toml </dev/null >log 2>&1 3>&- &
        launcher=$!
        wait_for 40 grep -qx aolani-run "/proc/$launcher/comm" # before that it is a shell
        sleep "0.$ms"
        kill -INT "$launcher"
        launcher_ends 130
        wait_for 30 nothing_left_here
    done
}

@test "Ctrl-C twice: the second does not wait for the grace" {
    shell_job 2 'trap "" TERM; echo up >"$TEST_MARK/up$RANK"; while :; do sleep 0.1; done' '' \
        ''
    sed -i 's/^grace = .*/grace = "100s"/' job.toml
    start up0 up1
    kill -INT "$launcher"
    wait_for 40 grep -q 'once more kills its ranks' log # two that come at once are one
    kill -INT "$launcher"
    launcher_ends 130
    nothing_left_here
}

# ---- what it leaves running

# Each leaves a process that is hard to find, and says how. They are known by how long they
# sleep: other runs of these tests may be under way on this machine.
id=1$$
@test "daemons, other sessions, other groups, other environments are found and ended" {
    needs perl
    shell_job 2 '(setsid env -i sh -c "sleep '$id'1 & sleep '$id'2 & wait" >/dev/null 2>&1 &)
        (env -i setsid --fork sleep '$id'3) >/dev/null 2>&1
        perl -e "setpgrp; fork and exit; exec qw(sleep '$id'4)" >/dev/null 2>&1
        env -i setsid sh -c "trap \"\" TERM HUP INT; kill -STOP \$\$" >/dev/null 2>&1 &
        sleep 0.2; exit 0'
    aolani job.toml
    ends 0
    [ "$(run_json '.nodes[0].teardown')" = forced ]
    run ! pgrep -f "^sleep ${id}[1-4]$"
}

# No parent-death signal, and an adopter of orphans in between.
free_spirit='["python3", "-c", """
import ctypes, os, sys, time
c = ctypes.CDLL(None)
c.prctl(1, 0, 0, 0, 0); c.prctl(36, 1, 0, 0, 0)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvpe(\"sleep\", [\"sleep\", \"ID\"], {})
    os._exit(0)
open(os.environ[\"TEST_MARK\"] + \"/up\", \"w\").write(str(os.getppid()))
time.sleep(1000)"""]'

@test "a rank that adopts its orphans and wants no signal of its parent's death" {
    needs python3
    program_job 1 "${free_spirit/ID/$id}"
    start up
    kill -TERM "$launcher"
    launcher_ends 143
    run ! pgrep -f "^sleep $id$"
    # Nor does the death of the agent free it.
    rm up
    start up
    kill -KILL "$(cat up)"
    launcher_ends 81
    wait_for 40 no_process "^sleep $id$"
}
no_process() { ! pgrep -f "$1"; }

@test "a PID namespace of its own" {
    unshare --pid --fork true 2>/dev/null || skip "no PID namespace can be made"
    shell_job 1 'unshare --pid --fork sh -c "trap \"\" TERM; sleep '$id' & echo up >$TEST_MARK/up
        wait; sleep '$id'"'
    start up
    kill -TERM "$launcher"
    launcher_ends 143
    wait_for 40 no_process "^sleep $id$"
}

# ---- shared memory

# Makes one of each kind, names them in the file shm.RANK, and does not clean up.
shm_user='["python3", "-c", """
import ctypes, mmap, os, signal, sys, time
mark = os.environ[\"TEST_MARK\"]; rank = os.environ[\"RANK\"]; pid = os.getpid()
keep = []
def shm(name):
    fd = os.open(\"/dev/shm/\" + name, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, 100000); m = mmap.mmap(fd, 100000); m[0:9] = b\"123456789\"; os.close(fd); keep.append(m)
    return name
tag = mark.replace(\"/\", \"\")[-24:]
names = [shm(\"psm_%s%d\" % (tag, pid)), shm(\"sem.mp-%s%d\" % (tag, pid)), shm(\"nccl-%s%d\" % (tag, pid))]
data = shm(\"data-%s%d\" % (tag, pid))
name = \"torch_%d_%s\" % (pid, tag); open(\"/dev/shm/\" + name, \"w\").write(\"x\"); names.append(name)
id = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
open(mark + \"/shm.\" + rank, \"w\").write(\" \".join(names))
open(mark + \"/data.\" + rank, \"w\").write(data)
open(mark + \"/sysv.\" + rank, \"w\").write(str(id))
open(mark + \"/up.\" + rank, \"w\").write(str(os.getppid()))
signal.signal(signal.SIGTERM, signal.SIG_DFL)
end = os.environ.get(\"END\")
def up(r): f = mark + \"/up.%d\" % r; return os.path.exists(f) and os.path.getsize(f) > 0
while end:
    if up(0) and up(1): os.kill(pid, int(end))
    time.sleep(0.1)
time.sleep(1000)"""]'
no_segments() # RANK...
{
    local r name
    for r; do
        while read -r name; do
            [ ! -e "/dev/shm/$name" ] || { echo "/dev/shm/$name is there"; return 1; }
        done < <(tr ' ' '\n' <"shm.$r" | grep .)
        ! ipcs -m -i "$(cat "sysv.$r")" 2>/dev/null | grep -q shmid ||
            { echo "segment $(cat "sysv.$r") is there"; return 1; }
    done
}
# Of a process that died of itself only what its names tell is known.
only_named() { sed -i -E 's/(psm_|sem)[^ ]* //g' "$@"; }
forget()
{
    rm -f /dev/shm/*-"$(tr -d / <<<"$W" | tail -c 25)"* /dev/shm/psm_"$(tr -d / <<<"$W" | tail -c 25)"*
    rm -f up.*
}

@test "shared memory of ended ranks is removed, staged data is told and stays" {
    needs python3
    program_job 2 "$shm_user"
    start up.0 up.1
    kill -TERM "$launcher"
    launcher_ends 143
    no_segments 0 1
    [ -e "/dev/shm/$(cat data.0)" ]
    forget
    # By a signal that is not ours, too.
    END=11 start up.0 up.1
    launcher_ends 139
    only_named shm.*
    no_segments 0 1
    forget
    "$BUILD/aolani-run" -v job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 all_there up.0 up.1
    kill -TERM "$launcher"
    launcher_ends 143
    grep 'local0: removed from /dev/shm: .*psm_' log
    grep 'local0: removed System V shared memory: ' log
    grep "local0: left in /dev/shm: .*data-" log
    forget
}

@test "shared memory of ranks that died with their agent is removed" {
    needs python3
    program_job 2 "$shm_user"
    start up.0 up.1
    kill -KILL "$(cat up.0)"
    launcher_ends 81
    only_named shm.*
    no_segments 0 1
    forget
}

@test "a segment that another job has mapped is not touched" {
    needs python3
    # The name of the first job's, mapped by the second as well.
    program_job 1 "$shm_user"
    start up.0
    first=$launcher
    other=$(cut -d' ' -f1 shm.0)
    job other <<END
[job]
command = ["python3", "-c", """
import mmap, os, time
fd = os.open('/dev/shm/$other', os.O_RDWR); m = mmap.mmap(fd, 100000); os.close(fd)
open('$W/both', 'w').write('x')
time.sleep(1000)"""]
[nodes]
backend = "local"
[failure]
grace = "1s"
END
    JOB=other.toml start both
    kill -TERM "$launcher"
    launcher_ends 143
    [ "$(head -c 9 "/dev/shm/$other")" = 123456789 ]
    kill -TERM "$first"
    launcher=$first
    launcher_ends 143
    no_segments 0
    forget
}

# ---- memory

# A control group with 48 MB in $group.
memory_group()
{
    group=$(awk -F: '$2 ~ /(^|,)memory(,|$)/ { print "/sys/fs/cgroup/memory" $3 }' /proc/self/cgroup)
    if [ -n "$group" ]; then
        group=$group/aolani-test-$$
        mkdir "$group" 2>/dev/null && echo 48M >"$group/memory.limit_in_bytes" 2>/dev/null && return
    else
        group=/sys/fs/cgroup$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)/aolani-test-$$
        mkdir "$group" 2>/dev/null && echo 48M >"$group/memory.max" 2>/dev/null && return
    fi
    rmdir "$group" 2>/dev/null || :
    group=
    skip "no control group of memory can be made"
}

@test "the kernel's kill for want of memory is said as such" {
    memory_group
    program_job 2 '["sh", "-c", "[ $RANK = 1 ] || exec sleep 100; exec tail /dev/zero"]'
    run_in_group job.toml
    ends 137 'the kernel ended rank 1 ' 'for want of memory: oom_kill in ' 'rose from 0 to 1'
}

@test "a child of a rank that the kernel ends is told, and the rank's status is true" {
    memory_group
    shell_job 1 'tail /dev/zero; exit 9'
    run_in_group job.toml
    ends 9 'the kernel ended a process of the job for want of memory, but no rank' \
        'failed first: exit 9'
}

# ---- what cannot be killed

# A file system that is frozen lets no writer go, not even a killed one.
freeze()
{
    mkdir disk
    truncate -s 16M image
    if ! mkfs.ext4 -q image 2>/dev/null || ! mount -o loop image disk 2>/dev/null; then
        skip "no file system can be mounted to be frozen"
    fi
    frozen=$W/disk
    chmod 777 disk
}
thaw()
{
    fsfreeze -u "$frozen" 2>/dev/null || :
    wait_for 40 umount "$frozen"
    frozen=
}

@test "a rank that hangs in the kernel is named, and the job does not hang with it" {
    freeze
    shell_job 2 '[ $RANK = 1 ] || exec sleep 1000
        echo $$ >"$TEST_MARK/up"; exec dd if=/dev/zero of="$TEST_MARK/disk/file" bs=1k' 'time_limit = "3s"'
    fsfreeze -f disk
    aolani job.toml
    pid=$(cat up)
    grep '^State:.*D' "/proc/$pid/status"
    ends 124 'the teardown is not clean' "pid $pid (dd) is left: it hangs in the kernel"
    [[ $(said) != *"killed pid $pid"* ]]
    thaw
    wait_for 40 test ! -e "/proc/$pid"
    # Its folders are what is left, and it was said.
    id=$(run_json .run.id)
    rm -rf /tmp/aolani-*"$id"* /dev/shm/aolani-*"$id"*
    find /sys/fs/cgroup -depth -name "aolani-$id-n*" -exec rmdir {} +
}

@test "a rank that has become root is named, and the end is not clean" {
    maybe_skip
    head_job root <<'END'
[job]
command = ["sh", "-c", "/srv/becomes-root --reuid=0 --clear-groups sleep 1000 & exit $CODE"]
forward_env = ["CODE"]
[nodes]
backend = "ssh"
hosts = ["n1"]
END
    for code in 0 3; do
        want=$code
        [ $code != 0 ] || want=85
        sed "s/CODE/$code/;/forward_env/d;s/\\\$$code/$code/" <<<"$(on head cat root.toml)" | head_job now
        head_run now.toml
        pid=$(sed -n "s/.*warning.* pid \([0-9]*\) (sleep) is left: it has become user 0's.*/\1/p" <<<"$output")
        [ "$("$cluster" exec -u root "$C" n1 cat "/proc/$pid/comm")" = sleep ]
        "$cluster" exec -u root "$C" n1 kill -KILL "$pid"
        [ "$status" -eq $want ]
    done
    "$cluster" exec -u root "$C" n1 sh -c 'rm -rf /tmp/aolani-* /dev/shm/aolani-*'
    wait_for 30 nothing_left
}

@test "a fork bomb within the user's limit of processes" {
    maybe_skip
    head_job bomb <<'END'
[job]
command = ["bash", "-c", "ulimit -u 400; bomb() { bomb | bomb & sleep 0.1; bomb; }; bomb 2>/dev/null; sleep 100"]
time_limit = "3s"
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[failure]
grace = "1s"
END
    head_run -q bomb.toml
    [ "$status" -eq 124 ]
    wait_for 30 nothing_left
}

# ---- two jobs of one user

# start_as NAME: NAME.toml on the head in the background; NAME.log, NAME.pid, NAME.status
start_as()
{
    on head sh -c 'rm -f "$2".status; { env --default-signal=INT "$1" "$2".toml >"$2".log 2>&1 </dev/null &
        echo $! >"$2".pid; wait $!; echo $? >"$2".status; } >/dev/null 2>&1 &' - "$bin/aolani-run" "$1"
}
ended_as() { on head test -s "$1.status"; }

# Both have one name, one command, one folder of runs, and the same hosts.
@test "the end of one job, however it comes, is nothing to another on the same hosts" {
    maybe_skip
    for end in INT KILL agent fails; do
        rm -f "$C"/share/out/go "$C"/share/out/up.* "$C"/share/out/fail
        one=
        for name in one two; do
            head_job $name <<'END'
[job]
name = "same"
command = ["sh", "-c", """
    echo $PPID >/srv/share/out/up.$AOLANI_RUN_ID.$RANK
    until [ -e /srv/share/out/go ]; do
        [ ! -e /srv/share/out/fail ] || [ "$(cat /srv/share/out/fail)" != $AOLANI_RUN_ID ] || exit 3
        sleep 0.1; done"""]
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
[failure]
head_lease = "3s"
grace = "1s"
END
            start_as $name
            wait_for 40 ranks_up "${one:-none}"
            [ -n "$one" ] || one=$(run_up none)
        done
        case $end in
        agent) on n1 kill -KILL "$(cat "$C/share/out/up.$one.0")" ;;
        fails) echo "$one" >"$C/share/out/fail" ;;
        *) on head sh -c "kill -$end \$(cat one.pid)" ;;
        esac
        wait_for 40 ended_as one
        case $end in
        INT) [ "$(on head cat one.status)" = 130 ] ;;
        agent) [ "$(on head cat one.status)" = 81 ] ;;
        fails) [ "$(on head cat one.status)" = 3 ] ;;
        *) ;;
        esac
        wait_for 15 nothing_of "$one"
        run ! ended_as two
        touch "$C/share/out/go"
        wait_for 40 ended_as two
        on head cat two.log
        [ "$(on head cat two.status)" = 0 ]
    done
    wait_for 30 nothing_left
}
# The run whose ranks have said that they are up, but for this one
run_up() { (cd "$C/share/out" && for f in up.*.0; do f=${f#up.}; echo "${f%.0}"; done) | grep -vx "$1"; }
ranks_up() { local id; id=$(run_up "$1") && [ -s "$C/share/out/up.$id.1" ]; }
nothing_of() # RUN
{
    local h
    for h in n1 n2; do
        run ! "$cluster" exec -u root "$C" $h sh -c \
            'grep -lsz "^AOLANI_RUN_ID=$0$" /proc/[0-9]*/environ; ls -d /tmp/aolani-*-$0-n*' "$1"
    done
}
