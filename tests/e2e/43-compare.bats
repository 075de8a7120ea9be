#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real runs compared: a slower program is a tax, the same program is none, and of one run on
# a side nothing is called.
# alone: it tells what others do to its ranks from what its own test does
load ../lib/e2e

setup_file()
{
    command -v python3 >/dev/null || skip "python3 is absent: no program marks steps"
    cd "$BATS_FILE_TMPDIR" || return 1
    ASAN_OPTIONS="${ASAN_OPTIONS-}:log_path=$BATS_FILE_TMPDIR/sanitizer"
    LSAN_OPTIONS="suppressions=$root/tests/lib/lsan.supp:print_suppressions=0"
    export ASAN_OPTIONS LSAN_OPTIONS
    # In turns, so that what the machine does meanwhile hits all alike.
    for i in 1 2 3; do
        one_run "a$i" 30
        one_run "c$i" 30
        one_run "b$i" 36
    done
}
setup() { work; cd "$BATS_FILE_TMPDIR" || return 1; }
teardown() { no_sanitizer_words; }

# one_run NAME MILLISECONDS: a run of 60 such steps
one_run()
{
    cat >"$1.toml" <<END
[job]
name = "steps"
command = ["python3", "$root/tests/lib/steps.py", "$plain/libaolani.so", "60", "$2"]
output = "$1"
[nodes]
backend = "local"
END
    timeout -k 10 60 "$BUILD/aolani-run" -q "$1.toml" </dev/null >"$1.out" 2>&1 ||
        { cat "$1.out"; return 1; }
}

# Another load may sit on one of these runs and not on the next.
calm()
{
    jq -e '(.a.spread < 0.05) and (.b.spread < 0.05)' <<<"$output" >/dev/null ||
        skip "other programs keep this machine too busy to compare anything on it"
}

@test "a program that works a fifth longer is a tax of about 20 %, in base speed" {
    aolani compare a1 a2 a3 -- b1 b2 b3 --json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.tau.between, .tau.within' <<<"$output" | sort -u)" = true ]
    calm
    jq -e '.tau | .value > 0.13 and .value < 0.27 and .low < 0.25 and .high > 0.15' <<<"$output"
    jq -e '.parts."base speed".tau > 0.10' <<<"$output"
    # The parts sum up.
    jq -e '([.parts[].tau] | add) - .tau.value | fabs < 1e-9' <<<"$output"
    # What the run did is another program, and that is said.
    jq -e '.warnings | length == 1 and (.[0] | startswith("program and arguments"))' <<<"$output"
    jq -e '.tau.low > 0' <<<"$output" || skip "the runs differ too much to call it"
    aolani compare a1 a2 a3 -- b1 b2 b3 --days 30
    [[ $output == *"a tax of "*" %: B takes that much longer"* ]]
    [[ $output == *"said in articles"*"15 to 25 %: not measured here"* ]]
    [[ $output == *"30.0 days on A are 3"* ]]
}

@test "the same program on both sides is no tax of 5 %" {
    aolani compare a1 a2 a3 -- c1 c2 c3 --json
    [ "$status" -eq 0 ]
    calm
    jq -e '.tau | .value > -0.05 and .value < 0.05' <<<"$output"
    jq -e '.decision.verdict != "matters" and .warnings == []' <<<"$output"
}

@test "of one run on a side the variance between runs is unknown" {
    aolani compare a1 b1
    [ "$status" -eq 0 ]
    [[ ${output%%$'\n'*} == "" && $output == *"between-run variance unknown: "* ]]
    [[ $output != *"a tax of"* ]]
    [[ $output == *"verdict: not decided"* ]]
}

@test "a run that is none is exit status 2" {
    aolani compare a1 "$W/none"
    [ "$status" -eq 2 ]
    mkdir -p "$W/empty"
    aolani compare a1 "$W/empty"
    [ "$status" -eq 2 ]
    jq '.steps = null' a1/latest/run.json >"$W/run.json"
    aolani compare a1 "$W"
    [ "$status" -eq 2 ]
    [[ $stderr == *"it has no steps to compare"* ]]
}
