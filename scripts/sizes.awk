# SPDX-License-Identifier: MIT
# sizes.awk - lines of a file, lines of a function, depth of braces in it; over the hard
# limit a finding, over the soft one a note. Relies on the format: a function opens with a
# line "{" and ends with a line "}".
function verdict(line, n, soft, hard, what)
{
    if (n > hard) print file ":" line ": " what " (" n ", at most " hard ")"
    else if (n > soft) print file ":" line ": note: " what " (" n ", better " soft ")"
}
function end_of_file(is_c)
{
    if (file == "") return
    is_c = file ~ /\.c$/
    verdict(1, lines, is_c ? soft_c : soft_h, is_c ? hard_c : hard_h, "long file")
}
FNR == 1 { end_of_file(); file = FILENAME; inside = 0; comment = 0; head = "" }
{ lines = FNR; code = $0 }
# Strings, characters and comments hold braces that are none.
{
    gsub(/\\./, "", code); gsub(/"[^"]*"/, "", code); gsub(/'[^']*'/, "", code)
    gsub(/\/\*([^*]|\*[^\/])*\*\//, "", code); sub(/\/\/.*/, "", code)
    if (comment) { if (!sub(/^.*\*\//, "", code)) code = ""; else comment = 0 }
    if (sub(/\/\*.*/, "", code)) comment = 1
}
!inside && /^\{$/ { inside = 1; start = FNR; depth = 0; deepest = 0; name = head }
inside {
    n = length(code)
    for (i = 1; i <= n; i++) {
        c = substr(code, i, 1)
        if (c == "{" && ++depth > deepest) { deepest = depth; deep_at = FNR }
        if (c == "}") depth--
    }
}
inside && /^\}/ {
    inside = 0
    verdict(start, FNR - start + 1, soft_fn, hard_fn, "long function " name)
    verdict(deep_at, deepest, soft_deep, hard_deep, "deep nesting in " name)
}
!inside && match(code, /[a-z_0-9]+\(/) { head = substr(code, RSTART, RLENGTH - 1) }
END { end_of_file() }
