#!/usr/bin/env bash
# kill.t - a worker, a rank, mpirun or a whole run is killed with -9 at any moment. The same command
# again ends with the files, results and events of a run that nobody disturbed.
# MILLRACE_KILLS: how many are killed (12). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1
# As under "millrace run", the code is in the report: mpirun takes seconds over ranks that fail.
export MILLRACE_RUN=kill

: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+200}}"
: "${MILLRACE_KILLS:=12}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"

# 64 good rows, and some that fail in different ways.
make_photos photos 8 8 768
{
    echo source
    for x in {0..7}; do printf "photos/${x}_%d.jpg\n" {0..7}; done
    printf '%s\n' photos/absent.jpg photos 'photos/broken.jpg'
} >manifest.csv
head -c 5000 photos/0_0.jpg >photos/broken.jpg
options=(--job killed --to 400x400 --to '200x200,fit=cover' --to '300x,format=png' manifest.csv)

begin_ms=$(date +%s%3N)
exits 1 'a run that nobody disturbs' "$resize" -o undisturbed "${options[@]}"
whole_ms=$(($(date +%s%3N) - begin_ms))
is "$(report undisturbed .failures)" '{"not-found":1,"unreadable":1,"truncated":1}' \
    'does what it can'
sound undisturbed 'and leaves its folder in order'
outputs undisturbed >expected.files
results undisturbed >expected.results
event_ids undisturbed >expected.ids

# child_of PID NAME: one of its children that has come to life
child_of()
{
    pgrep -P "$1" -f "$2" | shuf -n 1 --random-source=<(yes)
}

# disturb KIND: begins a run in the folder "disturbed" and kills a part of it. Sets $code.
disturb()
{
    local run victim='' name=millrace-resize delay_ms
    if [[ $1 = rank || $1 = mpirun ]]; then
        mpirun -n 2 --oversubscribe --bind-to none "$resize" -o disturbed "${options[@]}" \
            >run.log 2>&1 &
    else
        "$resize" -o disturbed "${options[@]}" >run.log 2>&1 &
    fi
    run=$!
    # Anywhere from the first instruction to the half; later kills find less to do.
    delay_ms=$((whole_ms * (RANDOM % 50) / 100))
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    case $1 in
    worker) name=millrace-imageworker victim=$(child_of "$run" "$name") ;;
    rank) victim=$(child_of "$run" "$name") ;;
    *) victim=$run ;;
    esac
    [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null
    wait "$run" 2>/dev/null
    code=$?
}

# same NAME: the folder "disturbed" holds what "undisturbed" holds
same()
{
    sound disturbed "$1: the folder is in order"
    outputs disturbed | cmp -s - expected.files
    ok $? "$1: the same files"
    results disturbed | cmp -s - expected.results
    ok $? "$1: the same results"
    event_ids disturbed | cmp -s - expected.ids
    ok $? "$1: the same events"
}

# Four kills on one folder, each followed by a run of another kind, before it may end.
kinds=(solo rank worker mpirun)
killed=0
round=0
while [ "$killed" -lt "$MILLRACE_KILLS" ]; do
    rm -rf disturbed
    for i in 0 1 2 3; do
        kind=${kinds[(i + round) % 4]}
        disturb "$kind"
        killed=$((killed + 1))
        echo "# killed a $kind: exit $code"
        [ "$kind" != worker ] || like "$code" '^1$' 'a run outlives its workers'
    done
    launch=()
    ((round % 2)) && launch=(ranks 2)
    "${launch[@]}" "$resize" -o disturbed "${options[@]}" >run.log 2>&1
    is "$(report disturbed .exit_code)" 1 "round $round: the same command again ends" ||
        sed 's/^/# /' run.log >&2
    same "round $round"
    round=$((round + 1))
done

done_testing
