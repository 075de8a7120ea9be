#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --stdin: every byte to one rank, bounded, stopped by nothing. -u: lines as they are written.
load ../lib/e2e

setup_file() { cluster_up 2; }
teardown_file() { cluster_down; }
setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    size=100000000
    ! is_asan || size=10000000
    helper=
}
teardown()
{
    [ -z "$helper" ] || kill "$helper" 2>/dev/null || :
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

# local_job RANKS SHELL_TEXT
local_job()
{
    job <<END
[job]
command = ["sh", "-c", '''$2''']
ranks_per_node = $1
[nodes]
backend = "local"
[bind]
cpu = "none"
[failure]
grace = "2s"
END
}

# fed ARGUMENT...: as aolani, with the standard input of the caller
fed()
{
    status=0
    timeout -k 10 "${LIMIT:-60}" "$BUILD/aolani-run" "$@" >stdout 2>stderr || status=$?
    printf '%s\n' "--- status $status" "--- stdout"
    head -c 1000 stdout
    echo "--- stderr"
    cat stderr
}

sum_job='test $RANK = 1 || exec cat; exec sha256sum'

@test "100 MB arrive byte for byte at one rank, and at no other" {
    head -c "$size" /dev/urandom >big
    local_job 3 "$sum_job"
    fed job.toml --stdin 1 <big
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 1 out)")" = "$(sha256sum <big)" ]
    [ "$(cat "$(rank_file 0 out)" "$(rank_file 2 out)")" = "" ]
    fed job.toml --stdin 1 < <(cat big)
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 1 out)")" = "$(sha256sum <big)" ]
}

@test "whatever standard input is: empty, closed, a socket, a folder" {
    local_job 2 "$sum_job"
    empty=$(sha256sum </dev/null)
    fed job.toml --stdin 1 </dev/null
    [ "$(cat "$(rank_file 1 out)")" = "$empty" ]
    fed job.toml --stdin 1 <&-
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 1 out)")" = "$empty" ]
    timeout 60 python3 - "$BUILD/aolani-run" <<'END'
import socket, subprocess, sys, threading
ours, theirs = socket.socketpair()
def feed():
    ours.sendall(b'x' * 1000000)
    ours.shutdown(socket.SHUT_WR)
threading.Thread(target=feed).start()
subprocess.run([sys.argv[1], 'job.toml', '--stdin', '1'], stdin=theirs, check=True)
END
    [ "$(cat "$(rank_file 1 out)")" = "$(head -c 1000000 /dev/zero | tr '\0' x | sha256sum)" ]
    fed job.toml --stdin 1 </tmp
    [ "$status" -eq 1 ]
    grep -q "read standard input: Is a directory" stderr
}

@test "a rank that the job has not: 2, before anything starts" {
    local_job 2 'cat'
    fed job.toml --stdin 2 </dev/null
    [ "$status" -eq 2 ]
    [ "$(head -n 1 stderr)" = "aolani-run: error: --stdin 2: the job has 2 ranks" ]
    [ ! -e runs ]
    fed job.toml --stdin one </dev/null
    [ "$status" -eq 2 ]
}

@test "without --stdin nothing is read, nor by a job that does not start" {
    local_job 1 'cat'
    { fed job.toml >log; cat; } < <(echo mine) >left
    [ "$(cat left)" = mine ]
    job <<'END'
[job]
command = ["/nonexistent"]
[nodes]
backend = "local"
END
    { fed job.toml --stdin 0 >log; cat; } < <(echo mine) >left
    cat log
    [ "$status" -eq 127 ]
    [ "$(cat left)" = mine ]
}

@test "a rank that never reads, or reads no more: the job ends, memory stays bounded" {
    local_job 1 'sleep 2'
    timeout 60 python3 - "$BUILD/aolani-run" >peak <<'END'
import resource, subprocess, sys
yes = subprocess.Popen(['yes'], stdout=subprocess.PIPE)
run = subprocess.Popen([sys.argv[1], 'job.toml', '--stdin', '0'], stdin=yes.stdout)
yes.stdout.close()
assert run.wait() == 0
yes.wait()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
    cat peak
    is_asan || [ "$(cat peak)" -lt 65536 ] # KiB, of the largest process
    local_job 1 'head -n 1; exec <&-
        until grep -q "reads no more" "$TEST_MARK/stderr"; do
            [ ! -e "$TEST_MARK/quiet" ] || { sleep 1; break; }
            sleep 0.1
        done
        echo end'
    fed -v job.toml --stdin 0 < <(exec yes)
    [ "$(cat "$(rank_file 0 out)")" = "y
end" ]
    grep -q "rank 0 on local0 reads no more standard input" stderr
    touch quiet
    fed job.toml --stdin 0 < <(exec yes)
    run ! grep -q "standard input" stderr
}

@test "input that stays open does not hold the job's end" {
    local_job 1 'head -n 1'
    mkfifo fifo
    exec 9<>fifo
    echo line >&9
    fed job.toml --stdin 0 <&9
    exec 9>&-
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 0 out)")" = line ]
}

@test "a rank that dies, a stop: what it had not read hurts nobody" {
    local_job 1 'head -c 10 >/dev/null; kill -SEGV $$'
    fed job.toml --stdin 0 < <(exec yes)
    [ "$status" -eq 139 ]
    rm -r runs
    local_job 1 'echo up; exec sleep 1000'
    mkfifo fifo
    yes >fifo 2>/dev/null &
    helper=$!
    "$BUILD/aolani-run" job.toml --stdin 0 <fifo >log 2>&1 &
    wait_for 40 grep -q up runs/latest/attempt-1/rank-0000.out
    kill -TERM $!
    status=0
    wait $! || status=$?
    [ "$status" -eq 143 ]
}

# on_terminal MODE ARGUMENT...: the launcher in a session with a terminal, in its foreground
# or background. Prints how it ended; that something stopped it is a failure.
on_terminal()
{
    cat >terminal.py <<'END'
import fcntl, os, signal, sys, termios, time
program, mode, args = sys.argv[1], sys.argv[2], sys.argv[3:]

def wait_for(what):
    for _ in range(600):
        if what():
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    sys.exit('still not so')

def printed(text):
    def look():
        try:
            return text in open('runs/latest/attempt-1/rank-0000.out').read()
        except OSError:
            return False
    return look

def waiting():  # typed, and there for whoever is in the foreground
    return int.from_bytes(fcntl.ioctl(slave, termios.FIONREAD, b'\0' * 4), sys.byteorder)

screen = b''
def show():
    global screen
    try:
        screen += os.read(master, 4096)
    except OSError:
        pass

def shown(text):
    def look():
        show()
        return text in screen
    return look

master, slave = os.openpty()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
os.set_blocking(master, False)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    if mode != 'background':
        os.tcsetpgrp(slave, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.dup2(slave, 0)
    os.dup2(os.open('words', os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND), 1)
    os.dup2(slave if mode == 'interrupt' else 1, 2)
    os.execv(program, [program] + args)
try:
    os.setpgid(pid, pid)
except OSError:
    pass
if mode == 'background':
    os.write(master, b'mine\n')
    if '--stdin' in args:
        wait_for(printed('up'))
        time.sleep(1)  # a launcher that reads would be stopped by now
        assert waiting() == 5 and not printed('mine')()
        assert os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == 0
        os.tcsetpgrp(slave, pid)  # as fg does
        wait_for(printed('mine'))
        os.write(master, b'\x04')
elif mode == 'foreground':
    os.write(master, b'one\ntwo')
    wait_for(printed('one'))
    assert not printed('two')()
    os.write(master, b'\n\x04')
elif mode == 'interrupt':
    wait_for(printed('up'))
    os.write(master, b'\x03')
    wait_for(shown(b'Ctrl-C again stops'))
    os.write(master, b'line\n')
    wait_for(printed('line'))
    os.write(master, b'\x03')
    wait_for(shown(b'stopping the job'))

def ended():
    global ws
    show()
    got, ws = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
    return got
wait_for(ended)
if os.WIFSTOPPED(ws):
    os.kill(pid, signal.SIGKILL)
    sys.exit('stopped by signal %d' % os.WSTOPSIG(ws))
if mode == 'background' and '--stdin' not in args:
    assert waiting() == 5
print('status', os.waitstatus_to_exitcode(ws))
END
    timeout 60 setsid --wait python3 terminal.py "$BUILD/aolani-run" "$@"
}

@test "in the background of a terminal it is never stopped, and reads once it is in front" {
    local_job 1 'echo up; exec cat'
    run on_terminal background job.toml
    echo "$output"
    [ "$output" = "status 0" ]
    rm -r runs
    run on_terminal background job.toml --stdin 0
    echo "$output"
    [ "$output" = "status 0" ]
    [ "$(cat "$(rank_file 0 out)")" = "up
mine" ]
}

@test "a terminal: lines as they are typed, Ctrl-D ends them" {
    local_job 1 'exec cat'
    run on_terminal foreground job.toml --stdin 0
    echo "$output"
    [ "$output" = "status 0" ]
    [ "$(cat "$(rank_file 0 out)")" = "one
two" ]
}

@test "Ctrl-C means with --stdin what it means without" {
    local_job 1 'echo up; exec cat'
    run on_terminal interrupt job.toml --stdin 0
    echo "$output"
    [ "$output" = "status 130" ]
}

@test "a link that is cut again and again: nothing is lost, nothing comes twice" {
    maybe_skip
    head_job <<'END'
[job]
command = ["sh", "-c", '''test $RANK != 1 || exec sha256sum''']
[nodes]
backend = "ssh"
hosts = ["n[1-2]"]
END
    on head sh -c 'rm -f status; seq 300000 >numbers
        { i=0; while [ $i -lt 30 ]; do
            sed -n "$((i * 10000 + 1)),$((i * 10000 + 10000))p" numbers
            i=$((i + 1)); sleep 0.1
        done | /srv/share/bin/aolani-run job.toml --stdin 1 >out 2>log
        echo $? >status; } >/dev/null 2>&1 </dev/null &'
    local cuts=0
    for _ in 1 2 3 4; do
        sleep 0.7
        "$cluster" exec -u root "$C" head ss -K state established dport != 22 sport != 22 >killed || :
        cat killed
        cuts=$((cuts + $(grep -c 10.77 killed || :)))
    done
    wait_for 60 head_ended
    on head cat log
    [ "$(head_status)" = 0 ]
    [ "$(head_file runs/latest/attempt-1/rank-0001.out)" = "$(head_file numbers | sha256sum)" ]
    [ "$cuts" -gt 0 ] || skip "the kernel cannot end others' connections"
}

# ---- -u

@test "-u: a line of Python arrives while the rank sleeps; without it, it does not" {
    job <<'END'
[job]
command = ["python3", "-c", "import sys, time; print(1); print('up', file=sys.stderr); time.sleep(60)"]
[nodes]
backend = "local"
[failure]
grace = "2s"
END
    local how
    unset PYTHONUNBUFFERED
    for how in -q -qu; do
        rm -rf runs
        "$BUILD/aolani-run" $how job.toml </dev/null >log 2>err &
        helper=$!
        wait_for 40 grep -q up err
        if [ $how = -qu ]; then
            wait_for 40 grep -q 1 log
        else
            sleep 1
            [ ! -s log ]
        fi
        kill -TERM $helper
        wait $helper || :
    done
}

@test "-u: 64 ranks, no byte is changed, standard error is a stream of its own" {
    local_job 64 'printf "a\tb\r\n\377\000\004\032\021\023\n"; echo "$RANK: no terminal" >&2
        test -t 1 && ! test -t 2 && ! test -t 0'
    aolani -u job.toml >log
    [ "$status" -eq 0 ]
    printf 'a\tb\r\n\377\000\004\032\021\023\n' >right
    for i in $(seq 0 63); do
        cmp right "$(rank_file "$i" out)"
        [ "$(cat "$(rank_file "$i" err)")" = "$i: no terminal" ]
    done
}

@test "-u: large output, by way of /dev/stdout, of children that outlive their rank" {
    head -c $((size / 10)) /dev/urandom >big
    local_job 2 'test $RANK = 0 || {
            until [ -e "$TEST_MARK/said" ]; do sleep 0.1; done
            exit 0
        }
        cat big
        echo by name >/dev/stdout
        (sleep 1; echo late; echo later >/dev/stdout; : >"$TEST_MARK/said") &
        exit 0'
    fed -u job.toml </dev/null >log
    [ "$status" -eq 0 ]
    { cat big && printf 'by name\nlate\nlater\n'; } >right
    cmp right "$(rank_file 0 out)"
}

@test "-u and --stdin when the agent is killed: 81, what was read is kept, nothing is left" {
    local_job 1 'echo $PPID; exec cat'
    mkfifo fifo
    exec 9<>fifo
    "$BUILD/aolani-run" -u --stdin 0 job.toml <&9 >log 2>err 9<&- &
    helper=$!
    wait_for 40 test -s runs/latest/attempt-1/rank-0000.out
    echo line >&9
    wait_for 40 grep -q line runs/latest/attempt-1/rank-0000.out
    kill -KILL "$(head -n 1 "$(rank_file 0 out)")"
    status=0
    wait $helper || status=$?
    exec 9<&-
    cat err
    [ "$status" -eq 81 ]
    [ "$(tail -n 1 "$(rank_file 0 out)")" = line ]
}

@test "-u where there are no pseudo-terminals, or too few: 80, and the way out" {
    unshare -m true 2>/dev/null || skip "namespaces are not to be had"
    local_job 8 'true'
    local how
    for how in "tmpfs none" "devpts -o newinstance,max=3,ptmxmode=0666 devpts"; do
        status=0
        unshare -m sh -c "mount -t $how /dev/pts && exec \"\$@\"" - \
            "$BUILD/aolani-run" -u job.toml </dev/null 2>stderr || status=$?
        cat stderr
        [ "$status" -eq 80 ]
        grep -q 'local0: .*pseudo-terminals: .*"/dev/pt' stderr
        grep -q "without -u" stderr
        unshare -m sh -c "mount -t $how /dev/pts && exec \"\$@\"" - \
            "$BUILD/aolani-run" job.toml </dev/null 2>stderr
    done
}
