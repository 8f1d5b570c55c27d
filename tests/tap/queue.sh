# queue.sh - what the tests of millrace queue share: source it after tap.sh and resize.sh. The state
# folder is "state".
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

queue=$BUILD/millrace-queue
mkdir "$scratch/state"

# submit OPTION...: quietly; the job's id into $id
submit()
{
    id=$("$queue" submit --state state "$@" 2>"$scratch/submit.err" </dev/null)
}

# drained [OPTION]...: does what waits; $code is its exit code
drained()
{
    "$queue" drain --state state --once --lease 1s "$@" >"$scratch/drain.out" \
        2>"$scratch/drain.err" </dev/null
    code=$?
}

# job ID FILTER: what is known of it, through jq
job()
{
    "$queue" show --state state --format=json "$1" | jq -cr "$2"
}

# states: of all jobs, sorted, with their counts
states()
{
    "$queue" list --state state --format=json | jq -r .state | sort | uniq -c | xargs
}

# are_states EXPECTED
are_states()
{
    [ "$(states)" = "$1" ]
}

# events: identities of all that was metered, a line each
events()
{
    find state/usage -name '*.ndjson' -exec cat {} + 2>/dev/null | jq -r '.source + " " + .id'
}

# left_over: what lies where nothing should lie
left_over()
{
    find state/jobs/.tmp -mindepth 1 ! -name clock
    find state/jobs -mindepth 2 -maxdepth 2 -name work
}

# For tests that kill drains. Options of the queue, where it is not the state folder's own:
queue_options=()
declare -a drains=() accepted=()

# make_job: job.tar, of 16 good rows and two that fail; what comes of it undisturbed is in
# expected.files, expected.rows and $per_job, the count of its events
make_job()
{
    make_photos photos 4 4 500
    head -c 3000 photos/0_0.jpg >photos/broken.jpg
    (cd photos && printf 'source\n' >manifest.csv &&
        printf '%s\n' ./*.jpg absent.jpg >>manifest.csv && tar -cf ../job.tar manifest.csv ./*.jpg)
    (cd photos && "$resize" --to '300x300;100x' -o ../expected manifest.csv >/dev/null 2>&1)
    outputs expected >expected.files
    rows_of expected >expected.rows
    per_job=$(usage expected | wc -l)
}

rows_of()
{
    jq -cS '[.row, .source, .status, .class, [.outputs[]?.digest]]' \
        "$1/.millrace/results.ndjson" | sort
}

start_drain()
{
    "$queue" drain --state state "${queue_options[@]}" --lease 2s --workers 1 >>drains.out \
        2>>drains.err </dev/null &
    drains+=($!)
}

# all_beneath PID: it and all that it has started
all_beneath()
{
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do all_beneath "$child"; done
}

# kill_drain: one of them, and, two times of three, what it has started
kill_drain()
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

metered_count()
{
    find state/jobs -name metered | wc -l
}

# all_are_done SECONDS: waits until all that was accepted is done, ends the drains, and looks at
# everything
all_are_done()
{
    local until=$((SECONDS + $1)) wrong=''
    until are_states "${#accepted[@]} done" && [ "$(metered_count)" -eq "${#accepted[@]}" ] ||
        [ "$SECONDS" -ge "$until" ]; do sleep 0.3; done
    is "$(states)" "${#accepted[@]} done" 'every job that was accepted is done'
    is "$(metered_count)" "${#accepted[@]}" 'and metered'
    kill -TERM "${drains[@]}"
    wait "${drains[@]}"
    for id in "${accepted[@]}"; do
        outputs "state/jobs/$id/results" | cmp -s - expected.files || wrong+=" $id:files"
        rows_of "state/jobs/$id/results" | cmp -s - expected.rows || wrong+=" $id:rows"
        [ "$(report "state/jobs/$id/results" '[.complete, all(.invariants[]; .holds)]')" = \
            '[true,true]' ] || wrong+=" $id:report"
    done
    is "$wrong" '' 'each has the results of a run that nobody disturbed'
    is "$(events | wc -l)" $((per_job * ${#accepted[@]})) 'each event was metered'
    is "$(events | sort | uniq -d | wc -l)" 0 'once'
    is "$(find state/jobs -mindepth 2 -maxdepth 2 -name work)" '' 'nothing is left of its work'
    echo "# tries, highest: $("$queue" list --state state --format=json |
        jq -sc 'map(.tries) | [add, max]')"
    [ "$tap_failed" -eq 0 ] || tail -n 60 drains.err | sed 's/^/# /' >&2
}
