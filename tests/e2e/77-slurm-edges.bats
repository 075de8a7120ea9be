#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One node of many does not do its part while srun starts the agents, or after: the others
# need not wait for it, its reason is told, and srun does not stay behind.
# shellcheck disable=SC2154,SC2016
load ../lib/e2e

setup_file() { slurm_up 4; }
teardown_file() { cluster_down; }
setup()
{
    maybe_skip
    on head rm -rf $shared/runs
    on head mkdir -p $shared/tools
}
teardown()
{
    [ -n "${C-}" ] || return 0
    on head scancel -u rider
    wait_for 60 no_jobs
}

shared=/srv/share/rider
share_job() { on head tee "$shared/$1.toml" >/dev/null; }
# inside N ARGUMENT...: aolani-run in an allocation of N nodes, with our tools first in PATH;
# then the number of sruns that it has left; $status, $output
inside()
{
    local n=$1
    shift
    run timeout -k 10 58 "$cluster" exec "$C" head sh -c "cd $shared && PATH=$shared/tools:\$PATH"' &&
        export PATH && n=$1 && shift && exec salloc -Q -N"$n" sh -c "\"\$@\"; s=\$?; i=0
        while pgrep -x srun >/dev/null && [ \$i -lt 50 ]; do sleep 0.1; i=\$((i + 1)); done
        echo \"left: \$(pgrep -c -x srun)\"; exit \$s" - "$@"' - "$n" "$bin/aolani-run" "$@" </dev/null
    printf '%s\n' "--- status $status" "$output"
}
all_have()
{
    share_job all <<'END'
[job]
command = ["true"]
END
    inside 4 all.toml
    [ "$status" -eq 0 ]
}

@test "a node that cannot store the agent does not hold up those that have it" {
    all_have
    share_job some <<'END'
[job]
command = ["sh", "-c", "echo on $(hostname)"]
[nodes]
count = 2
spares = 1
END
    on n2 rm -rf .cache/aolani
    on head tee $shared/tools/chmod >/dev/null <<'END'
#!/bin/sh
case "$(hostname) $*" in "n2 "*/.agent.*) exit 1 ;; esac
exec /bin/chmod "$@"
END
    on head chmod 755 $shared/tools/chmod
    inside 3 some.toml
    on head rm $shared/tools/chmod
    [ "$status" -eq 0 ]
    [ "$(grep '^on ' <<<"$output" | sort | xargs)" = "on n1 on n3" ]
    [[ $output == *"could not be stored"*"n3 takes its place"* ]]
}

@test "an agent that ends before it is ready is told of, and not waited for" {
    all_have
    on n2 sh -c 'for f in .cache/aolani/*/aolani-agent; do mv $f $f.kept
        printf "#!/bin/sh\ntest \"\$1\" = --version && exit 0; echo it is broken >&2; exit 3\n" >$f
        chmod 700 $f; done'
    inside 3 all.toml
    on n2 rm -rf .cache/aolani
    [ "$status" -eq 80 ]
    [[ $output == *"n2: its agent ended before it was ready: Exited with exit code 3; it said: it is broken"* ]]
}

@test "a node that is lost while srun still holds its task leaves no srun" {
    share_job lost <<'END'
[job]
command = ["sh", "-c", "echo waits $(hostname); sleep 1000"]
[failure]
head_lease = "3s"
END
    { wait_for 60 on n2 pgrep -x sleep && on n2 pkill -STOP -x 'aolani-(agent|keeper)'; } 3>&- &
    local stopper=$!
    inside 2 lost.toml
    wait "$stopper"
    on n2 pkill -CONT -x 'aolani-(agent|keeper)' || :
    [ "$status" -eq 81 ]
    [[ $output == *"left: 0"* ]]
}
