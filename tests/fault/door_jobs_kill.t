#!/usr/bin/env bash
# door_jobs_kill.t - doors are killed while they take bulk jobs: what was answered with 202 is done,
# once, and a keyed retry makes no second job.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
cd "$scratch" || exit 1
rounds=${MILLRACE_KILLS:-6}

make_photos photos 1 2 60
tar cf images.tar -C photos .
make_state state acme

# post KEY: the job's id into accepted, if it was answered with 202
post()
{
    curl -s -m 5 -o "answer.$1" -w '%{http_code}' -H "Authorization: Bearer $key" \
        -H "Idempotency-Key: $1" --data-binary @images.tar "$url/v1/jobs?to=20x20" >"status.$1"
    [ "$(cat "status.$1")" = 202 ] || return 1
    jq -r .job "answer.$1" >>accepted
}

sent=0
for ((round = 0; round < rounds; round++)); do
    start_door "door.$round" --state state || exit 1
    posts=()
    for ((i = 0; i < 6; i++)); do
        post "key-$sent" &
        posts+=($!)
        sent=$((sent + 1))
    done
    sleep "0.$((RANDOM % 40 + 10))"
    kill -KILL "$door_pid"
    wait "${posts[@]}" "$door_pid" 2>/dev/null
done
before=$(sort -u accepted 2>/dev/null | wc -l)
start_door last --state state || exit 1
refused=0
for ((i = 0; i < sent; i++)); do
    post "key-$i" || refused=$((refused + 1))
done
is "$refused" 0 "each is taken when it is sent again ($before of $sent were before)"
is "$(sort -u accepted | wc -l)" "$sent" 'a key that was sent twice is one job'
stop_door "$door_pid"
exits 0 'they are done' "$BUILD/millrace-queue" drain --state state --once
is "$("$BUILD/millrace-queue" list --state state --format=json | jq -r .state | sort | uniq -c |
    xargs)" "$sent done" 'all of them'
is "$("$BUILD/millrace-queue" list --state state --format=json | jq -r .job | sort)" \
    "$(sort -u accepted)" 'and no other'
is "$(cat state/usage/*.ndjson | jq -r '.source + .id' | sort | uniq -d | wc -l) $(cat \
    state/usage/*.ndjson | wc -l)" "0 $((sent * 2))" 'each image is metered once'
done_testing
