#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Output is passed on truly: any bytes, at any speed, whatever becomes of head and reader.
# (1 GB and the rates are for tests/bench/output.sh; what is here is the same, smaller.)
load ../lib/e2e

setup()
{
    work
    export TEST_MARK=$W # marks every process of the test's jobs
}
teardown()
{
    [ -z "${launcher-}" ] || kill -KILL "$launcher" 2>/dev/null || :
    [ -z "${reader-}" ] || kill -KILL "$reader" 2>/dev/null || :
    wait_for 30 nothing_left_here
    no_sanitizer_words
}

# rank_job NODES RANKS_PER_NODE [KEYS_OF_JOB] <<END: each rank runs this perl program
rank_job()
{
    { echo '$| = 1; my $r = $ENV{RANK};'; cat; } >rank.pl
    job <<END
[job]
command = ["perl", "$W/rank.pl"]
ranks_per_node = $2
${3-}
[nodes]
backend = "local"
[local]
nodes = $1
[failure]
grace = "2s"
head_lease = "${LEASE:-60s}"
END
}

# start ARGUMENT...: in the background, stdout to got, the rest to log; $launcher
start()
{
    "$BUILD/aolani-run" "$@" </dev/null >got 2>log &
    launcher=$!
}
ended() { wait "$launcher" && status=0 || status=$?; launcher=; cat log; }
running() { [ -s "$(rank_file 0 out)" ]; }
all_there() { local r; for r; do [ -e "done.$r" ] || return 1; done; }

@test "200 MB without a newline arrive as they are" {
    rank_job 1 1 <<'END'
$| = 0;
my $block = join "", map { chr(97 + $_ % 26) } 1 .. 99_991;
print $block for 1 .. 2000;
END
    start job.toml
    ended
    [ "$status" -eq 0 ]
    perl rank.pl | cmp - got
    cmp got "$(rank_file 0 out)"
}

@test "NUL bytes, broken UTF-8 and escape codes pass" {
    rank_job 2 1 <<'END'
binmode STDOUT;
print map { chr } 0 .. 255;
print "\xff\xfe\xc0\x80\xed\xa0\x80\0\0\0\e[31mred\e[0m\r\e]0;title\a\n";
END
    perl rank.pl >want
    start -l job.toml
    ended
    [ "$status" -eq 0 ]
    for r in 0 1; do
        cmp want "$(rank_file $r out)"
        LC_ALL=C sed -n "s/^[^:]*:$r: //p" got | cmp want -
    done
}

@test "with -l lines of 60 KB are whole, and longer ones are cut into labelled pieces" {
    rank_job 2 2 <<'END'
$| = 0;
for my $i (1 .. 200) {
    my $line = "$r $i " . ($r x (61_000 - $i)) . "\n";
    # In pieces, so that the head sees many a half of it.
    while (length $line) { syswrite STDOUT, substr($line, 0, 9_973, ""); }
}
END
    start -l job.toml
    ended
    [ "$status" -eq 0 ]
    for r in 0 1 2 3; do sed -n "s/^[^:]*:$r: //p" got | cmp - "$(rank_file $r out)"; done
    rank_job 1 2 <<'END'
print "x" x 200_000, "\n";
END
    start -l job.toml
    ended
    [ "$(grep -cvE '^[^:]+:[01]: x+$' got)" = 0 ]
    [ "$(grep -c ':0: ' got)" = 4 ] # 64 KiB each
    [ "$(sed -n 's/^[^:]*:0: //p' got | tr -d '\n' | wc -c)" = 200000 ]
}

@test "64 ranks of 10,000 short lines a second: every line once and whole" {
    rank_job 2 32 <<'END'
for my $s (0 .. 2) {
    for my $i (0 .. 99) {
        syswrite STDOUT, join "", map { sprintf "r%d l%d\n", $r, 10000 * $s + 100 * $i + $_ } 0 .. 99;
        select undef, undef, undef, 0.01 if $i % 10 == 0;
    }
}
END
    LIMIT=100 start -l job.toml
    ended
    [ "$status" -eq 0 ]
    awk '{ sub(/^[^:]*:[0-9]+: /, "") }
         !/^r[0-9]+ l[0-9]+$/ { print "torn: " $0; bad = 1 }
         { split($2, l, "l"); if (l[2] != seen[$1]++) { print "out of order: " $0; bad = 1; exit } }
         END { for (r in seen) { n++; if (seen[r] != 30000) { print r, seen[r]; bad = 1 } }
               exit bad || n != 64 }' got
    [ "$(cat runs/latest/attempt-1/rank-*.out | wc -l)" = 1920000 ]
}

@test "single bytes, and both streams in one, keep their order" {
    rank_job 1 2 <<'END'
if ($r == 0) {
    syswrite STDOUT, chr(97 + $_ % 26) for 1 .. 100_000;
} else {
    open STDERR, ">&", \*STDOUT;
    for (1 .. 20_000) { syswrite STDOUT, "out $_\n"; syswrite STDERR, "err $_\n"; }
}
END
    start job.toml
    ended
    [ "$status" -eq 0 ]
    RANK=0 perl rank.pl | cmp - "$(rank_file 0 out)"
    RANK=1 perl rank.pl | cmp - "$(rank_file 1 out)"
}

@test "stdout and stderr stay apart, each whole" {
    rank_job 2 1 <<'END'
for (1 .. 20_000) { syswrite STDOUT, "$r out $_\n"; syswrite STDERR, "$r err $_\n"; }
END
    "$BUILD/aolani-run" -l job.toml </dev/null >got 2>log
    for r in 0 1; do
        for s in out err; do seq -f "$r $s %g" 20000 | cmp - "$(rank_file $r $s)"; done
        sed -n "s/^[^:]*:$r: //p" got | cmp - "$(rank_file $r out)"
        sed -n "s/^[^:]*:$r: $r err/$r err/p" log | cmp - "$(rank_file $r err)"
    done
}

@test "what a rank's children write after its end arrives, and after the end of all" {
    rank_job 1 2 <<'END'
my $file = "$ENV{TEST_MARK}/late";
pipe my $end_of_rank, my $held;
if (!fork) {
    close $held;
    readline $end_of_rank;
    print "late\n";
    open my $f, ">", $file;
    exit;
}
if ($r == 1) { select undef, undef, undef, 0.05 until -e $file }
END
    start job.toml
    ended
    [ "$status" -eq 0 ]
    [ "$(cat "$(rank_file 0 out)")" = late ]
    # All ranks have ended: what lives on then is given a moment, and is ended.
    [ "$(cat "$(rank_file 1 out)")" = late ] || grep -q "killed pid [0-9]* (perl)" log
}

@test "head -1 as the reader: the job goes on, one warning, files whole, exit status true" {
    rank_job 1 2 <<'END'
for (1 .. 50_000) { syswrite STDOUT, "$r line $_\n"; }
if ($r == 1) { select undef, undef, undef, 0.05 until -e "$ENV{TEST_MARK}/done.0"; exit 7; }
open my $f, ">", "$ENV{TEST_MARK}/done.0";
END
    { "$BUILD/aolani-run" job.toml </dev/null 2>log && echo 0 >status || echo $? >status; } |
        head -1 >got
    cat log
    [ "$(cat status)" = 7 ]
    [ "$(wc -l <got)" = 1 ]
    for r in 0 1; do seq -f "$r line %.0f" 50000 | cmp - "$(rank_file $r out)"; done
    [ "$(grep -c "goes on into" log)" = 1 ]
}

big='$| = 0;
for (1 .. 1_000_000) { printf "rank %d line %09d %s\n", $r, $_, "." x 60; }
open my $f, ">", "'"\$ENV{TEST_MARK}"'/done.$r";'

@test "a reader that takes nothing for now delays no rank, and gets all later" {
    rank_job 2 1 <<<"$big"
    mkfifo pipe
    { until [ -e go ]; do sleep 0.1; done; cat >got; } <pipe &
    reader=$!
    "$BUILD/aolani-run" -l job.toml </dev/null >pipe 2>log &
    launcher=$!
    wait_for 60 all_there 0 1 # they have written all
    kill -0 "$launcher"
    pss=$(awk '/^Pss:/ { print $2 }' "/proc/$launcher/smaps_rollup")
    is_asan || [ "$pss" -lt 65536 ]
    touch go
    ended
    [ "$status" -eq 0 ]
    wait "$reader"
    reader=
    for r in 0 1; do
        RANK=$r TEST_MARK=$W perl rank.pl | tee >(md5sum >want) | cmp - "$(rank_file $r out)"
        sed -n "s/^[^:]*:$r: //p" got | cmp - "$(rank_file $r out)"
    done
}

@test "a stopped head delays no rank, and has all after it goes on" {
    rank_job 2 1 <<<"$big"
    start -l job.toml
    wait_for 30 running
    kill -STOP "$launcher"
    wait_for 60 all_there 0 1 # they have written all, the head still stands
    kill -CONT "$launcher"
    ended
    [ "$status" -eq 0 ]
    for r in 0 1; do
        RANK=$r perl rank.pl | cmp - "$(rank_file $r out)"
        sed -n "s/^[^:]*:$r: //p" got | cmp - "$(rank_file $r out)"
    done
}

# The agents have given the link up after 15 s without a word from the head, which lives.
@test "agents told to end while their head stands still give it the output when it goes on" {
    rank_job 2 1 <<'END'
$SIG{TERM} = sub { print "last words $r\n"; open my $f, ">", "$ENV{TEST_MARK}/done.$r"; exit 0 };
print "begun $r\n";
sleep 1 while 1;
END
    start job.toml --set failure.head_lease=60s
    wait_for 30 grep -q begun "$(rank_file 1 out)"
    kill -STOP "$launcher"
    sleep 18
    for agent in $(pgrep -x aolani-agent); do
        ! tr '\0' '\n' <"/proc/$agent/environ" | grep -qx "TEST_MARK=$W" || kill -TERM "$agent"
    done
    wait_for 10 all_there 0 1
    kill -CONT "$launcher"
    ended
    cat got
    for r in 0 1; do grep -x "last words $r" "$(rank_file $r out)"; done
}

# KiB that the spool files of this test's run hold on the disk
spooled()
{
    local dir
    dir=$(basename "$(readlink -f runs/latest)")
    du -ck /tmp/aolani-*"${dir##*-}"????????????-n*/spool | tail -n 1 | cut -f 1
}
spool_is_small() { [ "$(spooled)" -lt 8192 ]; }

@test "more output than the spool holds: the oldest goes, and what is missing is said" {
    rank_job 1 1 'spool = "4M"' <<<"print 'early', qq(\n); select undef, undef, undef, 0.5; $big select undef, undef, undef, 1;"
    start job.toml
    wait_for 30 running
    kill -STOP "$launcher"
    wait_for 60 all_there 0
    wait_for 40 spool_is_small
    kill -CONT "$launcher"
    ended
    [ "$status" -eq 0 ]
    perl rank.pl >want
    [ "$(stat -c %s want)" = "$(stat -c %s "$(rank_file 0 out)")" ] # nothing is out of place
    said=$(grep -c 'rank 0 on .*: [0-9]* bytes of its stdout from offset [0-9]* on are missing' log)
    [ "$said" -ge 1 ]
    # The file is as written but for those bytes, which are zeros.
    perl -e '
        local $/; open F, $ARGV[0]; my $got = <F>; open F, $ARGV[1]; my $want = <F>;
        open F, $ARGV[2]; my $log = <F>; my $n = 0;
        while ($log =~ /: (\d+) bytes of its stdout from offset (\d+) on/g) {
            substr($want, $2, $1) = "\0" x $1; $n += $1;
        }
        print "$n bytes were said to be missing\n";
        exit !($n > 0 && $got eq $want)' "$(rank_file 0 out)" want log
}

@test "kill -9 of the head in the middle: the spool is bounded, and nothing is left" {
    LEASE=3s rank_job 2 1 'spool = "2M"' <<<"$big sleep 1000;"
    start job.toml
    wait_for 30 running
    kill -KILL "$launcher"
    ended || :
    wait_for 40 spool_is_small
    wait_for 40 nothing_left_here # less than the usual lease
}

@test "a program that writes its own stdout anew loses nothing that was read" {
    rank_job 1 1 <<'END'
sub got { open my $f, "<", "$ENV{TEST_MARK}/got"; local $/; return <$f> // "" }
sub read_is { until (got() =~ /$_[0]/) { select undef, undef, undef, 0.05 } }
syswrite STDOUT, "first\n"; read_is("first");
open my $f, ">", "/dev/stdout"; syswrite $f, "second, which is longer\n"; close $f; read_is("longer\n");
syswrite STDOUT, "third\n"; read_is("third");
seek STDOUT, 0, 0; syswrite STDOUT, "fourth\n"; read_is("fourth");
truncate STDOUT, 0; syswrite STDOUT, "fifth\n";
END
    start job.toml
    ended
    [ "$status" -eq 0 ]
    [ "$(cat got)" = "first
second, which is longer
third
fourth
fifth" ]
}
