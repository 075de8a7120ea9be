# SPDX-License-Identifier: MIT
# tap.awk - bats' TAP to lines of tests/run's results. -v suite= -v ended= (how bats ended,
# empty if well).
function flush() { if (have) printf "%s\t%s: %s\t%s\n", status, suite, name, why; have = 0 }
/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0; next }
/^(not )?ok [0-9]+/ {
    flush()
    have = 1; n++; why = ""
    status = /^not/ ? "fail" : "pass"
    name = $0
    sub(/^(not )?ok [0-9]+ /, "", name)
    sub(/ in [0-9]+ms/, "", name)
    if (match(name, / # skip ?/)) {
        why = substr(name, RSTART + RLENGTH)
        name = substr(name, 1, RSTART - 1)
        status = "skip"
        if (why == "") why = "no reason given"
    }
    if (match(name, / # timeout/)) {
        why = substr(name, RSTART + 3)
        name = substr(name, 1, RSTART - 1)
    }
}
END {
    flush()
    if (n < planned || !planned)
        printf "fail\t%s: test %d of %d\t%s\n", suite, n + 1, planned,
            ended == "" ? "the file ended early" : ended
}
