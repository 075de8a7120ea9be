#!/bin/bash
# Goes on with a run of aolani-run. Written by `aolani-run submit`; by hand, one more
# link of the run: sbatch THIS_FILE
#
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --output=/work/runs/llama-TIME-ID/slurm-%j.out
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --job-name=llama
#SBATCH --partition=gpu
#SBATCH --time=0-12:00:00
#SBATCH --no-kill

run='/work/runs/llama-TIME-ID'
aolani='/opt/aolani/bin/aolani-run'

say() { echo "batch.sh: $*" >&2; }

# Whoever submitted this job: it is one of the run's, and `status` and `stop` find it so.
job=${SLURM_JOB_ID:-}
[ -z "$job" ] || grep -qsx "$job" "$run/slurm" || echo "$job" >>"$run/slurm"

if [ ! -x "$aolani" ]; then
    say "there is no program \"$aolani\" on $(hostname); the run was submitted with it"
    say "hint: install aolani-run where every node sees it, then: sbatch \"$run/batch.sh\""
    exit 127
fi

over() { "$aolani" status --over "$run" 2>/dev/null; }

# The links that still wait have nothing left to do.
cancel_waiting()
{
    while read -r id; do
        [ "$id" = "$job" ] || scancel --quiet --state=PENDING "$id" 2>/dev/null
    done <"$run/slurm"
}

if over; then
    say "nothing is left to do for this job"
    cancel_waiting
    exit 0
fi

# A signal to this script is one to the head. Of the ones that end it Slurm tells the head,
# too, which takes two in a moment for one.
head='' told='' ending=''
# shellcheck disable=SC2317
pass_on()
{
    told=1
    case $1 in TERM | INT) ending=1 ;; esac
    [ -z "$head" ] || kill -s "$1" "$head" 2>/dev/null
}
for signal in TERM INT USR1 USR2; do
    # shellcheck disable=SC2064
    trap "pass_on $signal" $signal
done

# Until it ends; a wait that a signal has cut short is begun again.
wait_for()
{
    head=$1
    [ -z "$ending" ] || kill -s TERM "$head" 2>/dev/null
    while :; do
        told=''
        wait "$head"
        status=$?
        [ -n "$told" ] || break
    done
    head=''
}

# A head that ends empties "$run/head"; one that is killed cannot. The run is taken up
# again where it is.
resumed=0
while [ -z "$ending" ]; do
    "$aolani" resume "$run" &
    wait_for $!
    if [ "$status" -le 128 ] || [ ! -s "$run/head" ] || [ -n "$ending" ]; then
        break
    fi
    if [ "$resumed" -eq 5 ]; then
        say "the head was killed (exit status $status) once more; this job gives up"
        break
    fi
    resumed=$((resumed + 1))
    say "the head was killed (exit status $status); resuming in $((resumed * 5)) s, time "\
        "$resumed of 5"
    killed=$status
    sleep $((resumed * 5)) &
    wait_for $!
    status=$killed
done

if over >/dev/null; then
    cancel_waiting
fi
exit "${status:-143}"
