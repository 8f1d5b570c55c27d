#!/usr/bin/env bash
# door_kill.t - a door is killed under load, again and again: no answered request lacks its event,
# keyed requests are charged once however often they are sent, and the next door starts.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154,SC2317
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 >/dev/null || skip_all 'no python3'
cd "$scratch" || exit 1
make_photos photos 1 1 200
photo=photos/0_0.jpg
make_state state acme || exit 1
rounds=10
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=100

# lines: the events of all logs, those that a kill has cut off aside
lines()
{
    find state/usage -name '*.ndjson' -exec cat {} + | jq -cR 'fromjson? // empty'
}

# answered COUNT: have so many been?
answered()
{
    [ "$(grep -c '^200' answers)" -ge "$1" ]
}

: >answers
unbalanced=0 bad=0 lost=0
for ((round = 0; round < rounds; round++)); do
    start_door "round-$round" --state state --access-log none || exit 1
    before=$(lines | wc -l) until=$(($(grep -c '^200' answers) + RANDOM % 40 + 5))
    python3 "$here/door_offers.py" "$url" "$key" "$photo" 4 answers 2>"offers-$round.log" &
    clients=$!
    poll 60 answered "$until"
    curl -s "$admin_url/metrics" >metrics
    kill_door 2>/dev/null
    wait "$clients" || bad=$((bad + 1))
    # What the books said was served a moment before the end is on disk.
    served=$(awk '$1 == "millrace_door_requests_total{route=\"resize\",outcome=\"served\"}" {
        print $2 }' metrics)
    [ -n "$served" ] && [ "$served" -le $(($(lines | wc -l) - before)) ] ||
        unbalanced=$((unbalanced + 1))
    lines | jq -r .data.request | sort -u >charged
    grep '^200' answers | cut -d' ' -f2 | sort >answered
    lost=$((lost + $(comm -23 answered charged | wc -l)))
done
ok "$([ "$(wc -l <answered)" -ge $((rounds * 5)) ]; echo $?)" \
    "$(wc -l <answered) requests were answered in $rounds rounds"
is "$bad" 0 'the clients saw nothing but answers and ends of connections'
is "$lost" 0 'no answered request lacks its event'
is "$unbalanced" 0 'what was said to be served is on disk'
is "$(awk '$1 != 200 && $1 != "offered" && $1 != 503' answers)" '' 'nothing was refused for nothing'
ok "$([ "$(lines | wc -l)" -ge "$(wc -l <answered)" ]; echo $?)" 'there are as many events'

# Those that were not answered are sent again, to two doors.
grep '^offered' answers | cut -d' ' -f2 | sort >offered
comm -23 offered answered >unanswered
ok "$([ -s unanswered ]; echo $?)" "$(wc -l <unanswered) keyed requests were not answered"
start_door again --state state || exit 1
url_again=$url pid_again=$door_pid
start_door too --state state || exit 1
while read -r name; do
    for url in "$url_again" "$url"; do
        call POST '/v1/resize?to=32x32' -H "Idempotency-Key: $name" --data-binary "@$photo"
        echo
    done
done <unanswered | sort | uniq -c >again
is "$(awk '{ print $2 }' again)" 200 'sent again at two doors, each is served'
stop_door
is "$code" 0 'a door ends well'
stop_door "$pid_again"
is "$code" 0 'and the other'

"$BUILD/millrace-usage" ingest --store store state/usage/*.ndjson >ingest.out 2>ingest.log
ok "$([ $? -le 1 ]; echo $?)" 'the store takes the logs, torn ends and all' || cat ingest.log >&2
"$BUILD/millrace-usage" cat --store store | jq -r .data.request | sort -u >in-store
is "$(comm -23 answered in-store | wc -l)" 0 'with all that was answered'
# A name is a request: a keyed one has one identity, whoever served it.
is "$("$BUILD/millrace-usage" cat --store store | jq -r 'select(.data.request != null) |
    [.data.request, .id] | @tsv' | sort -u | cut -f1 | uniq -d | wc -l)" 0 \
    'and each request is charged once'
done_testing
