#!/usr/bin/env bash
# door_usage.t - what a door logs is what the batch store reads, while the door runs, when its log
# has grown, and when it has been closed and renamed; and what cron does with its bulk jobs.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
examples=$tap_here/examples
cd "$scratch" || exit 1

make_photos photos 1 1 100
make_state state acme --scopes resize,jobs,usage || exit 1
start_door door --state state || exit 1

# post COUNT
post()
{
    local i
    for ((i = 0; i < $1; i++)); do
        [ "$(call POST '/v1/resize?to=32x32' --data-binary @photos/0_0.jpg)" = 200 ] || return 1
    done
}
# ingest NAME EVENTS: every log into the store; so many events are there then
ingest()
{
    exits 0 "$1" "$usage" ingest --store store state/usage/*.ndjson
    is "$("$usage" cat --store store | wc -l)" "$2" "gives $2 events"
}

post 5
is "$?" 0 'images are resized'
like "$(cd state/usage && echo *)" '^usage-.*\.open\.ndjson$' 'the log is open'
ingest 'an open log' 5
ingest 'the same again' 5
post 3
ingest 'one that has grown' 8
stop_door "$door_pid"
is "$code" 0 'the door ends'
like "$(cd state/usage && echo *)" '^usage-[^ ]*[0-9]\.ndjson$' 'the log is closed'
ingest 'one that was renamed' 8
is "$(told '.events' | tr '\n' ' ')" '0 ' 'but nothing that is new'

# The same host, another process: another writer.
start_door again --state state || exit 1
post 2
kill_door "$door_pid"
like "$(cd state/usage && echo *)" 'open' 'a door that was killed leaves its log open'
ingest 'both logs' 10
is "$(stat_of store '.writers | map(.sequences) | sort')" '[2,8]' 'each writer counts for itself'
is "$(stat_of store '.writers | map(.ranges | length) | unique')" '[1]' 'without gaps'
is "$("$usage" cat --store store | jq -r '[.subject, .source] | join(" ")' | sort -u)" \
    'acme //millrace/door/main' 'they are of the customer, whatever door it was'
PATH=$examples:$PATH seal-usage.sh store "$(date --utc +%Y-%m)" 2>/dev/null
is "$? $(stat_of store '.seals | map(.through) | sort')" '0 [2,8]' 'and can be sealed'

# Bulk jobs: cron drains them.
start_door bulk --state state || exit 1
bulk_url=$url
mkdir -p tar && cp photos/0_0.jpg tar/a.jpg && echo '{"source":"a.jpg"}' >tar/manifest.ndjson
tar -C tar -cf job.tar manifest.ndjson a.jpg
is "$(call POST '/v1/jobs?to=32x32' --data-binary @job.tar)" 202 'a job is taken'
job=$(jq -r .job body)
while IFS= read -r command; do
    exits 0 "cron: ${command%% *}" env -i PATH="$PATH" STATE="$scratch/state" bash -c "$command"
done < <(sed -nE 's/^([0-9*,]+ ){5}//p' "$examples/crontab" | grep drain)
call GET "/v1/jobs/$job" >/dev/null
is "$(jq -r .state body)" 'done' 'does it'
ingest 'what it used, too,' 11
is "$(call GET /v1/usage) $(jq -c '[.customer, .harvest, (.days | map(.requests) | add)]' body)" \
    '200 ["acme",1,11]' 'a customer sees the same: what other doors and jobs have used is in it'
start_door beside --state state || exit 1
is "$(call GET /v1/usage) $(jq '.days | map(.requests) | add' body)" '200 11' 'at any door'
post 2
url=$bulk_url
is "$(call GET /v1/usage) $(jq '.days | map(.requests) | add' body)" '200 13' \
    'also what comes while it runs'

# What systemd is told to check before the start.
mkdir -p etc
sed "s:/var/lib/millrace/door:$scratch:" "$examples/door.json" >etc/door.json
exits 0 'the example of a configuration is a good one' "$door" --check --state state \
    --listen 127.0.0.1:0 --config etc/door.json

done_testing
