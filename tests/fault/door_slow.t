#!/usr/bin/env bash
# door_slow.t - slow clients and few descriptors: each phase of a request has its end, those who are
# quick do not notice, and no connection is kept for ever.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$scratch" || exit 1

make_state state acme --scopes resize
vips black small.png 50 50
# 800 kB that do not compress.
vips gaussnoise noise.v 780 780 --sigma 60
vips cast noise.v noise.png uchar
vips bandjoin "noise.png noise.png noise.png" large.png
start_door slow --state state || exit 1

slow()
{
    python3 "$here/door_slow.py" "$1" "${url#http://}" "$key" "${@:2}" >"$1.out" 2>&1 &
    slow_pids+=($!)
}
# within NAME PATTERN FROM TO: what a case printed, and when
within()
{
    local said seconds
    said=$(cat "$1.out")
    seconds=${said##* }
    like "$said" "^$2 [0-9]+$" "$5" && [ "$seconds" -ge "$3" ] && [ "$seconds" -le "$4" ]
    ok $? "$5, after $3 to $4 seconds ($said)"
}
slow_pids=()
slow headers
slow second
slow silent
slow body
slow steady large.png
slow reader large.png
sleep 1
longest=$(for _ in $(seq 40); do
    curl -s -o /dev/null -w '%{time_total}\n' -H "Authorization: Bearer $key" "$url/v1/key"
done | sort -n | tail -n 1)
ok "$(awk -v t="$longest" 'BEGIN { print (t > 1) }')" 'others are served meanwhile, at once'
is "$(call POST '/v1/resize?to=8x8' --data-binary @small.png)" 200 'images too'
wait "${slow_pids[@]}"
within headers closed 4 8 'headers that never end are ended'
within second '200 closed' 4 8 'a second request is too, though one may wait before it'
within silent closed 4 8 'a client that says nothing is not waited for'
within body closed 14 19 'a body that trickles is ended'
within steady 200 15 60 'one that is slow and steady is taken'
within reader cut 19 50 'an answer that nobody reads is given up'
# shellcheck disable=SC2317 # poll calls it
nobody_is_connected()
{
    [ "$(metric connections)" = 0 ]
}
poll 10 nobody_is_connected
ok $? 'and no connection is left'
is "$(metric 'requests_total{route="resize",outcome="gone"}')" 10 'the bodies are in the books'
is "$(metric 'answers_lost_total{route="resize"}')" 1 'and the answer that was not read'
stop_door "$door_pid"
is "$code" 0 'it ends well'

# 64 descriptors.
door_prefix=(prlimit --nofile=64:64)
start_door few --state state --workers 2 || exit 1
door_prefix=()
like "$(cat few.log)" 'notice: [0-9]+ connections at a time' 'a door of 64 descriptors says so'
is "$(call POST '/v1/resize?to=8x8' --data-binary @small.png)" 200 'it serves'
python3 "$here/door_slow.py" headers "${url#http://}" "$key" >crowd.out 2>&1 &
crowd=$!
sleep 0.5
is "$(call GET /v1/key --max-time 60)" 200 'also behind 40 who do not come to an end'
wait "$crowd"
for _ in $(seq 30); do
    curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $key" \
        --data-binary @small.png "$url/v1/resize?to=8x8" >>codes &
    pids+=($!)
done
wait "${pids[@]}"
is "$(sort codes | uniq -c | awk '{ print $1, $2 }')" '30 200' '30 at once are served in turn'
kill -0 "$door_pid"
ok $? 'it lives'
stop_door "$door_pid"
is "$code" 0 'and ends well'
done_testing
