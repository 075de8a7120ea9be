# SPDX-License-Identifier: MIT
# cmocka.awk - cmocka's own output to lines of tests/run's results. -v suite= -v why=
# (how the program ended, empty if well). The case that began last and has no verdict is
# the one that hung or crashed. What a case prints last before skip() is its reason.
function emit(status, name, why) { printf "%s\t%s: %s\t%s\n", status, suite, name, why }
/^\[==========\] Running/ { inside = 1; next }
/^\[==========\].* run\./ { inside = 0; next }
!inside { next }
/\[ RUN      \]/ { name = $NF; open = 1; said = "no reason given"; next }
/\[       OK \]/ { emit("pass", $NF, ""); open = 0; n++; next }
/\[  SKIPPED \]/ { emit("skip", $NF, said); open = 0; n++; next }
/\[  FAILED  \]/ || /\[  ERROR   \].*Test failed/ {
    if (open) { emit("fail", name, ""); open = 0; n++; failed++ }
    next
}
/./ { said = $0 }
END {
    if (open) emit("fail", name, why == "" ? "no verdict" : why)
    else if (why != "" && !failed) emit("fail", "whole", why)
    else if (!n) emit("fail", "whole", "no test ran")
}
