# queue.sh - what the tests of millrace queue share: source it after tap.sh and resize.sh. The state
# folder is "state".
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

queue=$BUILD/millrace-queue

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
