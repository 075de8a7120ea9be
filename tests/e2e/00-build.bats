#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What was built starts, says who it is, and can be installed and taken away.
load ../lib/e2e

setup() { work; }

@test "aolani-run says its version and its verbs" {
    aolani --version
    [ "$status" -eq 0 ]
    [[ $output =~ ^aolani-run\ [0-9]+\.[0-9]+\.[0-9]+ ]]
    aolani --help
    [ "$status" -eq 0 ]
    for verb in run check plan report compare; do [[ $output == *"$verb"* ]]; done
}

@test "each verb has help; an unknown option or verb is exit status 2" {
    for verb in run check plan report compare; do
        aolani $verb --help
        [ "$status" -eq 0 ]
        [ -n "$output" ]
    done
    aolani --no-such-option
    [ "$status" -eq 2 ]
    aolani run
    [ "$status" -eq 2 ]
    aolani run "$W/no-such-file.toml"
    [ "$status" -eq 2 ]
    [[ $stderr == *no-such-file.toml* ]]
}

@test "the agent is static and starts on its own" {
    run "$BUILD/aolani-agent" --version
    [ "$status" -eq 0 ]
    ! is_asan || skip "a sanitized agent is dynamic"
    run readelf -d "$BUILD/aolani-agent"
    [[ $output != *NEEDED* ]]
}

@test "libaolani exports aolani_ alone, in one version" {
    readelf --dyn-syms -W "$BUILD/libaolani.so" |
        awk '$7 != "UND" && $5 != "LOCAL" && $8 ~ /./ && NR > 3 { print $8 }' >symbols
    grep -q '^aolani_step_begin@@AOLANI_1$' symbols
    run grep -vE '^(aolani_[a-z_]+@@AOLANI_1|AOLANI_1)$' symbols
    [ -z "$output" ]
}

@test "aolani.h stands alone, and its calls do nothing outside a job" {
    cat >marks.c <<'END'
#include "aolani.h"
int main(void)
{
    for (unsigned i = 0; i < 3; i++) {
        aolani_step_begin(i);
        aolani_wait_begin();
        aolani_wait_end();
        aolani_step_special();
        aolani_step_end();
    }
    return aolani_stop_requested();
}
END
    gcc -std=c11 -Wall -Wextra -Werror -pedantic -I "$root/proto/client" -o marks marks.c \
        -L "$plain" -l:libaolani.so -Wl,-rpath,"$plain"
    run ./marks
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "make install, run from there, make uninstall leaves nothing" {
    ! is_asan || skip "the sanitized build is not for installing"
    make -s --no-print-directory -C "$root" BUILD="$BUILD" PREFIX=/opt/aolani \
        DESTDIR="$W/root" install >/dev/null
    at=$W/root/opt/aolani
    [ -x "$at/bin/aolani-run" ]
    [ -x "$at/lib/aolani/aolani-agent" ]
    [[ -e $at/lib/libaolani.so && -e $at/include/aolani.h ]]
    job <<'END'
[job]
command = ["echo", "from the installed one"]
[nodes]
backend = "local"
END
    run --separate-stderr timeout 60 "$at/bin/aolani-run" job.toml
    [ "$status" -eq 0 ]
    [ "$output" = "from the installed one" ]
    make -s --no-print-directory -C "$root" BUILD="$BUILD" PREFIX=/opt/aolani \
        DESTDIR="$W/root" uninstall
    [ -z "$(find "$at" -type f -o -type l)" ]
}

@test "scripts/deps is silent when all is there and names its levels" {
    run "$root/scripts/deps" --list build demo
    [ "$status" -eq 0 ]
    [[ $output == *libuv1-dev* && $output == *openmpi-bin* ]]
    run "$root/scripts/deps" nonsense
    [ "$status" -eq 2 ]
}

@test "the judge of make score is right about streams that are made up" {
    command -v python3 >/dev/null || skip "python3 is absent"
    run python3 "$root/tests/score/judge_test.py"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "aolani.py marks the steps of Python programs" {
    command -v python3 >/dev/null || skip "python3 is absent"
    run python3 "$root/tests/unit/client/aolani_py_test.py" "$plain"
    echo "$output"
    [ "$status" -eq 0 ]
}
