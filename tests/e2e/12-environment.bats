#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a rank finds around itself: what travels, the setup text, folder, umask and limits, on
# simulated nodes of this machine and, over real ssh, on hosts that are not alike.
load ../lib/e2e

setup_file() { cluster_up 2; }
teardown_file() { cluster_down; }
setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
    unset AOLANI_JOB_FORWARD_ENV
    # A login shell that is killed may leave a lock of its start-up files behind: none of ours.
    export HOME=$W
}
teardown() { wait_for 30 nothing_left_here; }

# here SHELL_TEXT [KEYS_OF_JOB]: job.toml for this machine, two ranks
here()
{
    job <<END
[job]
command = ["sh", "-c", '''$1''']
ranks_per_node = 2
mpi = "none"
${2-}
[nodes]
backend = "local"
[failure]
grace = "1s"
END
}
# The report's sentence, its lines joined.
sentence() { tr '\n' ' ' <<<"$stderr$output"; }
rank_says() { [ "$(cat "$(rank_file 0 out)")" = "$1" ] || { cat "$(rank_file 0 out)"; false; }; }

# ---- this machine

@test "a simulated node has all that is here, or what is named" {
    export MY_OWN=here NCCL_DEBUG=WARN
    here 'echo "$MY_OWN,$NCCL_DEBUG,${HOME:+home},${PATH:+path},${TEST_MARK:+mark}"'
    aolani job.toml
    rank_says "here,WARN,home,path,mark"
    aolani job.toml --forward-env all
    rank_says "here,WARN,home,path,mark"
    aolani job.toml --forward-env none
    rank_says ",,home,path,"
    aolani job.toml --forward-env 'NCCL_*,MY_OWN'
    rank_says "here,WARN,home,path,"
    aolani job.toml --forward-env 'A=B'
    [ "$status" -eq 2 ]
    [[ $stderr == *'"A=B" is no name of a variable'* ]]
}

@test "-x NAME, -x NAME=VALUE and the table env, of which the last wins" {
    export FROM_HERE="a  b" BOTH=here
    here 'printf "%s|" "$FROM_HERE" "$GIVEN" "$TABLE" "$BOTH" "$EMPTY"' \
        'env = { TABLE = "t", BOTH = "table", EMPTY = "" }'
    aolani job.toml -x FROM_HERE -x 'GIVEN=x=y' -x BOTH=flag
    [ "$status" -eq 0 ]
    rank_says "a  b|x=y|t|flag||"
    aolani job.toml -x NOT_SET_HERE
    [ "$status" -eq 2 ]
    [[ $stderr == *'"NOT_SET_HERE" is not set here'* ]]
}

@test "a working directory with blanks and other letters, and the umask" {
    mkdir 'a b Größe 日本'
    here 'pwd; echo "$PWD"; umask; ./tool' 'workdir = "a b Größe 日本"'
    printf '#!/bin/sh\necho tool\n' >'a b Größe 日本/tool'
    chmod +x 'a b Größe 日本/tool'
    (umask 027 && aolani job.toml)
    rank_says "$(printf '%s\n' "$W/a b Größe 日本" "$W/a b Größe 日本" 0027 tool)"
}

@test "a variable that Linux does not take is told by name and size" {
    here true "env = { HUGE = \"$(head -c 140000 /dev/zero | tr '\0' x)\" }"
    aolani job.toml
    [ "$status" -eq 126 ]
    [[ $(sentence) == *'the variable "HUGE" has 140005 bytes, and Linux takes 131071 at most'* ]]
}

@test "limits are raised, shown and kept; who dies first when memory runs out" {
    here 'ulimit -Sn; ulimit -Sc; [ "$(ulimit -Sl)" = "$(ulimit -Hl)" ] && echo all
        cat /proc/self/oom_score_adj; exec sleep 0.1'
    (ulimit -Sn 777; ulimit -Sc 0; aolani job.toml -v)
    rank_says "$(printf '%s\n' 777 0 all 500)"
    grep -q 'limits of the ranks: memlock .*, stack .*, core 0, nofile 777 on local0' stderr
    [[ $(run_json '.nodes[0].limits') == memlock=*" stack="*" core=0 nofile=777" ]]
}

@test "an agent of root is spared, as far as a rank's is not" {
    [ "$(id -u)" = 0 ] || skip "only root may lower an oom_score_adj"
    sh -c 'echo -500 >/proc/self/oom_score_adj' 2>/dev/null ||
        skip "this root may not lower an oom_score_adj"
    here 'cat /proc/$PPID/oom_score_adj'
    aolani job.toml
    rank_says -500
}

# ---- setup

@test "setup runs once on a node, in a login shell, for all its ranks" {
    echo 'echo welcome; module() { MODULES="$MODULES $2"; export MODULES; }; SITE=theirs
        umask 077; PATH=/usr/bin:/bin:/opt/site; cd /' >.profile
    mkdir venv venv/bin mod
    printf '#!/bin/sh\necho venv\n' >venv/bin/python
    printf '#!/bin/sh\necho mod\n' >mod/tool
    chmod +x venv/bin/python mod/tool
    here 'echo "$MODULES $SITE"; python; tool; umask; pwd; ulimit -Sn; hello 2>/dev/null
        case $PATH in *:/opt/site) echo last;; esac' 'setup = """
            echo run >>times; module load mpi; module load cuda
            export PATH=$PWD/mod:$PATH; hello() { echo exported; }; export -f hello
            ulimit -Sn 55; umask 002; mkdir -p below; cd below"""
        env = { SITE = "ours" }'
    sed -i 's/"sh"/"bash"/' job.toml
    (umask 022 && PATH=$W/venv/bin:$PATH VIRTUAL_ENV=$W/venv aolani job.toml -v)
    rank_says "$(printf '%s\n' ' mpi cuda ours' venv mod 0002 "$W/below" 55 exported last)"
    [ "$(cat times)" = run ]
    grep -q 'local0: job.setup: welcome' stderr
    [ "$(cat "$(rank_file 0 err)")" = "" ]
}

# failing TEXT STATUS SENTENCE [ARGUMENT...]
failing()
{
    here 'touch started' "setup = '''$1'''"
    aolani job.toml "${@:4}"
    [ "$status" -eq "$2" ]
    [[ $(sentence) == *"$3"* ]]
    [ ! -e started ]
    wait_for 30 nothing_left_here
}

@test "a setup that fails ends the job before a rank starts, with its last line" {
    failing 'module() { echo "cannot find $2" >&2; return 3; }
        module load mpi' 82 \
        'the ranks cannot be started: local0: run job.setup: status 3: cannot find mpi'
    failing 'no-such-command' 82 'run job.setup: status 127: setup: line'
    failing 'if true; then' 82 'syntax error'
    failing 'set -e; false; true' 82 'run job.setup: status 1'
    failing 'kill -KILL $$' 82 'run job.setup: signal 9 (Killed)'
    failing 'echo bye; exit 0' 82 'it left its shell before its end: bye'
}

@test "a setup that hangs is ended at its limit, with all below it" {
    failing 'echo getting licence; sleep 1000 & sleep 1000' 82 \
        'run job.setup: not ended within 4.0 s: getting licence (job.setup_limit' \
        --set job.setup_limit=4s # a login shell may take seconds to come so far
}

@test "an interrupt ends the job while setup runs; progress was told" {
    here 'touch started' 'setup = "echo $$ >ready; (sleep 1000) & sleep 1000"'
    env --default-signal=INT timeout -k 5 40 "$BUILD/aolani-run" job.toml </dev/null >log 2>&1 3>&- &
    launcher=$!
    wait_for 40 test -s ready
    wait_for 40 grep -q 'preparing the ranks on 1 node.* (job.setup runs there); waiting for local0' log
    pkill -INT -P $launcher -x aolani-run
    wait $launcher || status=$?
    cat log
    [ "$status" -eq 130 ]
    [ ! -e started ]
    wait_for 30 nothing_left_here
}

@test "what setup leaves in the background lives as long as the job, and may write" {
    here 'sleep 0.3; kill -0 "$(cat pid)" && echo alive' \
        'setup = "(while :; do echo words; sleep 0.05; done) & echo $! >pid; sleep 1000 &"'
    aolani job.toml
    [ "$status" -eq 0 ]
    rank_says alive
    [ "$(run_json '.nodes[0].teardown')" = forced ]
    ! kill -0 "$(cat pid)" 2>/dev/null
}

@test "much noise and a megabyte of environment" {
    here 'echo ${#BIG9}; env | wc -c' 'setup = """
        yes noise | head -c 20000000
        for i in 0 1 2 3 4 5 6 7 8 9; do
            export BIG$i="$(head -c 100000 /dev/zero | tr "\\\\0" x)"; done"""'
    aolani job.toml
    [ "$status" -eq 0 ]
    [ "$(head -n 1 "$(rank_file 0 out)")" = 100000 ]
    [ "$(tail -n 1 "$(rank_file 0 out)")" -gt 1000000 ]
    [ -z "$stderr" ] || [[ $stderr != *noise* ]]
}

@test "the program is sought along the PATH that setup has made" {
    mkdir mod
    printf '#!/bin/sh\necho found\n' >mod/only-there
    chmod +x mod/only-there
    here true "setup = 'export PATH=$W/mod:/bin'"
    sed -i 's/^command.*/command = ["only-there"]/' job.toml
    aolani job.toml
    [ "$status" -eq 0 ]
    rank_says found
    sed -i "s/^setup.*/setup = 'PATH=\/bin'/" job.toml
    aolani job.toml
    [ "$status" -eq 127 ]
    [[ $(sentence) == *'find the program "only-there": not in PATH'* ]]
    aolani job.toml -x "PATH=$W/mod" # the user has the last word
    [ "$status" -eq 0 ]
}

# ---- hosts

# there SHELL_TEXT [KEYS_OF_JOB]: job.toml on the head, one rank on each of two hosts
there()
{
    maybe_skip
    head_job <<END
[job]
command = ["sh", "-c", '''$1''']
mpi = "none"
workdir = "/tmp"
${2-}
[nodes]
backend = "ssh"
hosts = "n[1-2]"
[failure]
grace = "1s"
END
}
# from NAME=VALUE... -- ARGUMENT...: the job, with these variables set on the head
from()
{
    local vars=()
    while [ "$1" != -- ]; do vars+=("$1"); shift; done
    run timeout -k 10 80 "$cluster" exec "$C" head env "${vars[@]}" \
        timeout -k 10 70 "$bin"/aolani-run job.toml "${@:2}" </dev/null
    printf '%s\n' "--- status $status" "$output"
}
host_says() { [ "$(head_file runs/latest/attempt-1/rank-0001.out)" = "$1" ] || { head_file runs/latest/attempt-1/rank-0001.out; false; }; }
asked='for v in NCCL_DEBUG HF_HOME LD_LIBRARY_PATH CUDA_VISIBLE_DEVICES MY_DATA API_KEY \
    SLURM_JOB_ID TMPDIR DISPLAY TZ; do eval "printf \"%s \" \"\${$v:--}\""; done'
given=(NCCL_DEBUG=INFO HF_HOME=/hf LD_LIBRARY_PATH=/opt/lib CUDA_VISIBLE_DEVICES=7 MY_DATA=/d
    API_KEY=secret SLURM_JOB_ID=5 TMPDIR=/tmp DISPLAY=:1 TZ=Asia/Tokyo)

@test "what travels over ssh: auto, all, none, names" {
    there "$asked"
    on head mkdir -p lib
    from "${given[@]}" -- --forward-env auto
    [ "$status" -eq 0 ]
    # The folder of libaolani follows.
    [[ $(head_file runs/latest/attempt-1/rank-0001.out) == "INFO /hf /opt/lib:"*" - - - - - - Asia/Tokyo " ]]
    from "${given[@]}" -- --forward-env all
    [[ $(head_file runs/latest/attempt-1/rank-0001.out) == "INFO /hf /opt/lib:"*" - /d secret - - - Asia/Tokyo " ]]
    from "${given[@]}" -- --forward-env none
    [[ $(head_file runs/latest/attempt-1/rank-0001.out) == "- - "*" - - - - - - - " ]]
    from "${given[@]}" -- --forward-env 'auto,API_*,SLURM_JOB_ID'
    [[ $(head_file runs/latest/attempt-1/rank-0001.out) == "INFO /hf /opt/lib:"*" - - secret 5 - - Asia/Tokyo " ]]
}

@test "a virtual environment of the head is that of the nodes, with setup and without" {
    maybe_skip
    mkdir -p "$C/share/venv/bin"
    printf '#!/bin/sh\necho "venv on $(hostname)"\n' >"$C/share/venv/bin/python"
    chmod -R a+rX "$C/share/venv"
    chmod +x "$C/share/venv/bin/python"
    for setup in '' 'setup = "export MODULE=1"'; do
        there 'python; command -v sed; echo "$VIRTUAL_ENV $MODULE"' "$setup"
        from PATH=/srv/share/venv/bin:/usr/bin:/bin VIRTUAL_ENV=/srv/share/venv --
        [ "$status" -eq 0 ]
        host_says "$(printf '%s\n' 'venv on n2' "$(on n2 sh -c 'command -v sed')" \
            "/srv/share/venv ${setup:+1}")"
    done
    # A folder that only the node's PATH has is still searched.
    on n2 sh -c 'mkdir -p own && printf "#!/bin/sh\necho own\n" >own/tool && chmod +x own/tool
        echo "PATH=\$PATH:\$HOME/own" >.bashrc'
    there 'command -v tool || :'
    from PATH=/usr/bin:/bin --
    host_says "$(on n2 sh -c 'echo $HOME/own/tool')"
    on n2 rm -r own .bashrc
}

@test "a folder that one host does not have names that host" {
    there pwd
    "$cluster" exec -u root "$C" n1 mkdir '/srv/only n1'
    head_run job.toml -w '/srv/only n1'
    [ "$status" -eq 2 ]
    [[ $(tr '\n' ' ' <<<"$output") == *'n2: enter the working directory "/srv/only n1": No such file'* ]]
}

@test "a setup that fails on one host names that host, on both names both" {
    there true 'setup = "test \"$(hostname)\" = n1 || { echo no licence; false; }"'
    head_run job.toml
    [ "$status" -eq 82 ]
    [[ $(tr '\n' ' ' <<<"$output") == *'cannot be started: n2: run job.setup: status 1: no licence'* ]]
    there true 'setup = "no-such-module"'
    head_run job.toml
    [ "$status" -eq 82 ]
    [[ $(tr '\n' ' ' <<<"$output") == *'n[1-2]: run job.setup: status 127: setup: line'* ]]
    wait_for 30 nothing_left
}

@test "limits that differ between hosts are told once, grouped" {
    there 'ulimit -Sn; ulimit -Sl; cat /proc/self/oom_score_adj'
    on n2 sh -c 'echo "ulimit -l 64; ulimit -n 512; ulimit -Hc 0" >.bashrc'
    run timeout -k 10 80 "$cluster" exec "$C" head sh -c \
        "ulimit -Sn 800; exec $bin/aolani-run job.toml" </dev/null
    on n2 rm .bashrc
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"memlock differs: 64 KiB on n2, "*" on n1"* ]]
    [[ $output == *"nofile differs: 512 on n2, "*" on n1"* ]]
    host_says "$(printf '%s\n' 512 64 500)"
    [[ $(head_json '.nodes[1].limits') == "memlock=65536 "*"core=0 nofile=512" ]]
}

@test "nothing is left on any host" {
    maybe_skip
    wait_for 30 nothing_left
}
