#!/usr/bin/env bash
# queue_drain.t - drains are killed with -9 at any moment, alone or with all that they have started,
# while others go on and jobs are submitted. Every job that was accepted is done, once.
# MILLRACE_KILLS: how many are killed (20). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/queue.sh
. "$(dirname "$0")/../tap/queue.sh"
cd "$scratch" || exit 1

: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+200}}"
: "${MILLRACE_KILLS:=20}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"

make_photos photos 4 4 500
head -c 3000 photos/0_0.jpg >photos/broken.jpg
(cd photos && printf 'source\n' >manifest.csv && printf '%s\n' ./*.jpg absent.jpg >>manifest.csv)
(cd photos && tar -cf ../job.tar manifest.csv ./*.jpg)
(cd photos && "$resize" --to '300x300;100x' -o ../expected manifest.csv >/dev/null 2>&1)
outputs expected >expected.files
jq -cS '[.row, .source, .status, .class, [.outputs[]?.digest]]' \
    expected/.millrace/results.ndjson | sort >expected.rows
per_job=$(usage expected | wc -l)
declare -a drains=() accepted=()

start_drain()
{
    "$queue" drain --state state --lease 2s --workers 1 >>drains.out 2>>drains.err </dev/null &
    drains+=($!)
}

# all_beneath PID: it and all that it has started
all_beneath()
{
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do all_beneath "$child"; done
}

# kill_one: one of the drains, and, two times of three, what it has started
kill_one()
{
    local at=$((RANDOM % ${#drains[@]})) victims
    victims=${drains[$at]}
    [ $((RANDOM % 3)) -eq 0 ] || victims=$(all_beneath "${drains[$at]}")
    # shellcheck disable=SC2086
    kill -9 $victims 2>/dev/null
    wait "${drains[$at]}" 2>/dev/null
    unset "drains[$at]"
    drains=("${drains[@]}")
}

for ((i = 0; i < 3; i++)); do start_drain; done
for ((round = 0; round < MILLRACE_KILLS; round++)); do
    if [ $((round % 2)) -eq 0 ]; then
        submit --customer "c$((round % 3))" --key "k$round" --to '300x300;100x' job.tar &&
            accepted+=("$id")
    fi
    sleep "0.$(printf %03d $((RANDOM % 700)))"
    kill_one
    start_drain
done
until=$((SECONDS + 120 + MILLRACE_KILLS * 2))
until are_states "${#accepted[@]} done" || [ "$SECONDS" -ge "$until" ]; do sleep 0.3; done
is "$(states)" "${#accepted[@]} done" 'every job that was accepted is done'
is "${#accepted[@]}" $(((MILLRACE_KILLS + 1) / 2)) 'and all were accepted'
until [ "$(find state/jobs -name metered | wc -l)" -eq "${#accepted[@]}" ] ||
    [ "$SECONDS" -ge "$until" ]; do sleep 0.3; done
is "$(find state/jobs -name metered | wc -l)" "${#accepted[@]}" 'and metered'
kill -TERM "${drains[@]}"
wait "${drains[@]}"

wrong=''
for id in "${accepted[@]}"; do
    outputs "state/jobs/$id/results" | cmp -s - expected.files || wrong+=" $id:files"
    jq -cS '[.row, .source, .status, .class, [.outputs[]?.digest]]' \
        "state/jobs/$id/results/.millrace/results.ndjson" | sort | cmp -s - expected.rows ||
        wrong+=" $id:rows"
    [ "$(report "state/jobs/$id/results" '[.complete, all(.invariants[]; .holds)]')" = \
        '[true,true]' ] || wrong+=" $id:report"
done
is "$wrong" '' 'each has the results of a run that nobody disturbed'
is "$(events | wc -l)" $((per_job * ${#accepted[@]})) 'each event was metered'
is "$(events | sort | uniq -d | wc -l)" 0 'once'
is "$(find state/jobs -mindepth 2 -maxdepth 2 -name work)" '' 'nothing is left of its work'
echo "# tries: $("$queue" list --state state --format=json | jq -s 'map(.tries) | [add, max]' -c)"

# Sent again, by a client that has not heard of it.
submit --customer c0 --key k0 --to '300x300;100x' job.tar
is "$id" "${accepted[0]}" 'the same key is the same job'
is "$(states)" "${#accepted[@]} done" 'and makes no other'
[ "$tap_failed" -eq 0 ] || tail -n 60 drains.err | sed 's/^/# /' >&2
done_testing
