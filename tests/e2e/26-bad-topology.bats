#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Topologies that are damaged, hostile or strange: one line says what is wrong, in bounded
# time and memory, and nothing dies of them but the helper.
load ../lib/e2e

setup_file()
{
    export H=$BATS_FILE_TMPDIR/hostile
    mkdir "$H"
    "$root/tests/topology/hostile" "$H" "$root/tests/topology/two-rails.facts" >"$H/names"
    "$root/tests/topology/facts2xml" "$root/tests/topology/two-rails.facts" >"$H/good"
}
setup()
{
    [ -x "$BUILD/aolani-describe" ] || skip "built without hwloc: there is no aolani-describe"
    work
    job <<END
[job]
command = ["true"]
ranks_per_node = "gpu"
END
}

# plan FILE ARGUMENT...: with no more memory than a small login node gives; stderr is short,
# and a terminal can show it
plan()
{
    local file=$1
    shift
    if ! is_asan; then ulimit -S -v 2000000; fi
    LIMIT=30 aolani plan job.toml --topology "$file" "$@"
    ulimit -S -v unlimited
    [ "$(printf '%s\n' "$stderr" | wc -l)" -le 4 ]
    ! printf '%s' "$stderr" | LC_ALL=C grep -q '[[:cntrl:]]' || return 1
    no_sanitizer_words
}
# refused FILE WORDS...: exit status 2, the file's name and the words
refused()
{
    local file=$1 w
    shift
    plan "$file"
    [ "$status" -eq 2 ]
    [[ $stderr == *"$file"* ]]
    [ -z "$output" ]
    for w in "$@"; do [[ $stderr == *"$w"* ]] || { echo "lacks: $w"; return 1; }; done
}

@test "an export cut at any length is refused, or complete" {
    size=$(stat -c %s "$H/good")
    for n in 0 1 10 54 55 100 300 1000 $((size / 4)) $((size / 2)) $((size - 1000)) \
        $((size - 100)) $((size - 13)) $((size - 5)); do
        head -c "$n" "$H/good" >cut.xml
        refused cut.xml
    done
    head -c $((size - 1)) "$H/good" >cut.xml # the last line's end
    plan cut.xml
    [ "$status" -eq 0 ]
}

@test "hostile XML: an answer or one line, never a crash, never without end" {
    n=0
    while read -r name; do
        n=$((n + 1))
        plan "$H/$name.xml"
        case $status in
        0 | 2 | 83) ;;
        *) echo "$name: status $status"; return 1 ;;
        esac
        [[ $status -eq 0 || $stderr == *"$name.xml"* || $status -eq 83 ]]
        # Nothing of it may have killed the helper.
        [[ $stderr != *"died reading"* ]] || { echo "$name: it died"; return 1; }
        # The table is fit for a terminal too.
        ! tr -d '\n' <"$W/stdout" | LC_ALL=C grep -q '[[:cntrl:]]' || return 1
    done <"$H/names"
    [ "$n" -gt 60 ]
}

@test "entities are not expanded, and files not read through them" {
    plan "$H/external-entity.xml" --json
    [[ $output != *root:* ]] && [[ $stderr != *root:* ]]
}

@test "a file of 50 MB: refused for its size" {
    refused "$H/50-mb.xml" "MiB"
}

@test "XML of hwloc 3: how to export it for hwloc 2" {
    refused "$H/version-3.xml" "hwloc 3" "v2"
}

@test "no export at all: a picture, JSON, a program, nothing" {
    for name in other-root json elf empty blanks nccl-topology; do
        refused "$H/$name.xml"
    done
}

@test "without I/O: ranks = gpu has no ranks, and the way out is said" {
    "$root/tests/topology/facts2xml" "$root/tests/topology/no-io.facts" >no-io.xml
    plan no-io.xml
    [ "$status" -eq 83 ]
    [[ $stderr == *GPU* || $stderr == *gpu* ]]
}

@test "what is no file, or not ours to read" {
    refused nowhere.xml "No such file"
    mkdir folder
    refused folder "sys"
    mkfifo pipe
    refused pipe "empty"
    refused /dev/zero "MiB"
    ln -s "$H/good" link.xml
    plan link.xml
    [ "$status" -eq 0 ]
    ln -s loop.xml loop.xml
    refused loop.xml "symbolic links"
    if [ "$(id -u)" -ne 0 ]; then
        cp "$H/good" mine.xml
        chmod 000 mine.xml
        refused mine.xml "Permission denied"
    fi
}

@test "a pipe whose writer takes its time is waited for" {
    mkfifo pipe
    # Both ends, so that nobody waits to open it; the rest comes half a second after the first part.
    python3 - "$H/good" <<'END' 3>&- &
import array, fcntl, os, sys, termios, time
fd = os.open("pipe", os.O_RDWR)
data = open(sys.argv[1], "rb").read()
os.write(fd, data[:1000])
open("ready", "w").close()
left = array.array("i", [1])
while left[0]:
    time.sleep(0.05)
    fcntl.ioctl(fd, termios.FIONREAD, left)
time.sleep(0.5)
os.write(fd, data[1000:])
left[0] = 1
while left[0]:
    time.sleep(0.05)
    fcntl.ioctl(fd, termios.FIONREAD, left)
END
    wait_for 40 test -e ready
    plan pipe
    [ "$status" -eq 0 ]
    wait $!
}

@test "a file that its owner lets nobody read" {
    [ "$(id -u)" -eq 0 ] || skip "only root can become somebody else"
    cp "$H/good" mine.xml
    chmod 600 mine.xml
    chmod 755 . "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || :
    cp "$BUILD"/aolani-run "$BUILD"/aolani-agent "$BUILD"/aolani-describe .
    run setpriv --reuid 65534 --regid 65534 --clear-groups ./aolani-run plan job.toml \
        --topology mine.xml
    [ "$status" -ne 0 ]
    [[ $output == *"Permission denied"* ]] || skip "somebody else cannot even reach the folder"
}

@test "a helper that dies, hangs or talks nonsense is an error of that file" {
    mkdir bin
    cp "$BUILD"/aolani-run "$BUILD"/aolani-agent bin/
    BUILD=$W/bin
    # says STATUS_WORDS SCRIPT
    says()
    {
        printf '#!/bin/sh\n%s\n' "$2" >bin/aolani-describe
        chmod 755 bin/aolani-describe
        plan "$H/good"
        [ "$status" -eq 2 ]
        [[ $stderr == *"$1"* ]]
    }
    says "Segmentation fault" 'kill -SEGV $$'
    says "Killed" 'kill -KILL $$'
    says "status 3" 'exit 3'
    says "" 'exit 0'
    says "" 'echo nonsense; exit 0'
    says "bytes" 'exec yes'
    rm bin/aolani-describe
    plan "$H/good"
    [ "$status" -ne 0 ]
    [[ $stderr == *aolani-describe* ]]
}

@test "more ranks than GPUs or cores: said, and refused when strict" {
    plan "$H/good" -r 5
    [ "$status" -eq 0 ]
    plan "$H/good" -r 5 --set bind.strict=true
    [ "$status" -eq 83 ]
    plan "$H/good" -r 17
    [ "$status" -eq 0 ]
    plan "$H/good" -r 17 --set bind.strict=true
    [ "$status" -eq 83 ]
    [ "$(printf '%s\n' "$stderr" | wc -l)" -le 2 ]
}
