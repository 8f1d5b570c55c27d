#!/usr/bin/env bash
# door.t - the front door from a new state to a thumbnail; what every answer carries; the listener
# for those who run it; draining.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

make_photos photos 1 1 640
cp photos/*.jpg photo.jpg

# The three commands.
make_state state acme --scopes resize,jobs,usage
like "$key" '^mr_[A-Za-z0-9_-]{43}$' 'a key is added'
start_door first --state state || exit 1
ok 0 'the door says where it listens'
curl -sf -H "Authorization: Bearer $key" --data-binary @photo.jpg \
    "$url/v1/resize?to=320x320,format=webp" -o thumb.webp
ok $? 'a photo is posted'
is "$(vipsheader -f width thumb.webp) $(vipsheader -f height thumb.webp) \
$(vipsheader -f vips-loader thumb.webp)" '320 320 webpload' 'its thumbnail comes back'
is "$(cat state/usage/*.ndjson | jq -r '[.subject, .source, .data.op, .data.status] | join(" ")')" \
    'acme //millrace/door/main resize ok' 'and is on disk as usage'
is "$(jq -r 'select(.subject == "acme") | .data.bytes_in' state/usage/*.ndjson)" \
    "$(stat -c %s photo.jpg)" 'with its bytes'

# Who am I.
is "$(call GET /v1/key)" 200 'a key may ask about itself'
is "$(jq -c '[.customer, .scopes, .epoch]' body)" '["acme",["resize","jobs","usage"],2]' \
    'and is told'
id=$(jq -r .key body)
is "$(answer_header X-Identity-Epoch)" 2 'the answer has the epoch of keys'
like "$(answer_header X-Identity-Age)" '^[0-9]+$' 'and how old they are'
is "$(answer_header Cache-Control)" no-store 'and is not to be stored'
is "$(curl -s -o body -w '%{http_code}' -H "X-API-Key: $key" "$url/v1/key")" 200 \
    'X-API-Key does as well'
is "$(curl -s -o body -w '%{http_code}' -H "authorization: bearer $key" "$url/v1/key")" 200 \
    'the scheme is told whatever its case'
is "$(curl -sI -H "Authorization: Bearer $key" "$url/v1/key" | tr -d '\r' | head -n 1)" \
    'HTTP/1.1 200 OK' 'HEAD is GET without the body'

# Request ids.
call GET /v1/key -H 'X-Request-ID: client_7-B' >/dev/null
is "$(answer_header X-Request-ID)" client_7-B 'the id of a client is kept'
for bad in 'a b' "$(printf 'x%.0s' {1..65})" 'a;b' '<script>' ''; do
    call GET /v1/key -H "X-Request-ID: $bad" >/dev/null
    like "$(answer_header X-Request-ID)" '^[0-9a-f]{32}$' "an id is made in the stead of '$bad'"
done
call GET /v1/key >/dev/null
one=$(answer_header X-Request-ID)
call GET /v1/key >/dev/null
[ "$one" != "$(answer_header X-Request-ID)" ]
ok $? 'and each is another'

# Problems.
refused()
{
    local status=$1 code=$2 name=$3
    shift 3
    is "$(curl -s -o body -D headers -w '%{http_code}' "$@")" "$status" "$name: $status"
    is "$(answer_header Content-Type)" application/problem+json "$name: a problem"
    is "$(jq -c '[.type, .status, .code, .request_id, .instance]' body)" \
        "[\"urn:millrace:problem:$code\",$status,\"$code\",\"$(answer_header X-Request-ID)\",\
\"urn:millrace:request:$(answer_header X-Request-ID)\"]" "$name: $code"
    is "$(jq -c '[(.title | length > 3), (.detail | length > 10), (.retryable | type)]' body)" \
        '[true,true,"boolean"]' "$name: with words"
}
auth="Authorization: Bearer $key"
refused 401 no-key 'no key' "$url/v1/key"
is "$(answer_header WWW-Authenticate)" 'Bearer realm="millrace"' 'no key: says what is wanted'
refused 401 no-key 'another scheme' -H 'Authorization: Basic YTpi' "$url/v1/key"
refused 401 unknown-key 'an unknown key' -H "Authorization: Bearer mr_$(printf 'A%.0s' {1..43})" \
    "$url/v1/key"
refused 401 unknown-key 'no key at all' -H "Authorization: Bearer x" "$url/v1/key"
refused 400 several-keys 'a key twice' -H "$auth" -H "$auth" "$url/v1/key"
refused 400 several-keys 'two headers' -H "$auth" -H "X-API-Key: $key" "$url/v1/key"
refused 404 no-such-path 'no such path' -H "$auth" "$url/v1/keys"
refused 404 no-such-path 'no such path beneath' -H "$auth" "$url/v1/key/"
refused 405 bad-method 'another method' -X DELETE -H "$auth" "$url/v1/key"
is "$(answer_header Allow)" 'GET, HEAD' 'another method: those that are allowed'
refused 405 bad-method 'GET of what is posted' -H "$auth" "$url/v1/resize?to=10x10"
is "$(answer_header Allow)" 'POST' 'GET of what is posted: POST is'
is "$(jq -r .retryable body)" false 'that is not worth a retry'

# Scopes, rates, quotas, expiry.
add_key state narrow --scopes usage
narrow=$key
add_key state quick --scopes resize --rate 1 --burst 3
quick=$key
add_key state small --scopes resize --quota 2
small=$key
# shellcheck disable=SC2317 # poll calls it
knows()
{
    [ "$(curl -s -o body -w '%{http_code}' -H "Authorization: Bearer $1" "$url/v1/key")" != 401 ]
}
poll 5 knows "$small"
ok $? 'new keys are known within seconds'
refused 403 missing-scope 'a key without the scope' -H "Authorization: Bearer $narrow" \
    --data-binary @photo.jpg "$url/v1/resize?to=10x10"
key=$quick
sleep 3
is "$(curl -s -o /dev/null -w '%{http_code} ' -H "Authorization: Bearer $key" \
    "$url/v1/key?[1-5]")" '200 200 200 429 429 ' 'a burst of three is served, and no more'
is "$(call GET /v1/key) $(answer_header Retry-After)" '429 1' 'the rest is told when to come again'
is "$(problem_code) $(jq .retryable body)" 'rate-limited true' 'and why'
is "$(answer_header RateLimit-Policy)" '"default";q=3;w=3' 'the policy is in the headers'
like "$(answer_header RateLimit)" '^"default";r=0;t=1$' 'and what is left'
key=$small
is "$(call GET /v1/key) $(call GET /v1/key)" '200 429' 'the day has its quota' # poll used one
is "$(problem_code)" quota-used-up 'which is told'
key=${auth#*Bearer }

# For those who run it.
is "$(curl -s -o body -w '%{http_code} %{content_type}' "$admin_url/metrics")" \
    '200 text/plain; version=0.0.4; charset=utf-8' 'metrics are served'
is "$(metric 'requests_total{route="resize",outcome="served"}')" 1 'one photo was served'
is "$(metric usage_events_total)" 1 'and is one event'
is "$(metric identity_epoch)" 5 'the epoch is in the metrics'
like "$(metric identity_age_seconds)" '^[0-9]\.[0-9]{6}$' 'and its age'
is "$(curl -s "$admin_url/metrics" | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sort | uniq -d)" '' \
    'no metric is declared twice'
curl -s "$admin_url/metrics" >metrics
is "$(grep -vE '^(# (HELP|TYPE) |millrace_door_[a-z_]+(\{[^}]*\})? [0-9.]+$)' metrics)" '' \
    'all lines are as Prometheus reads them'
curl -s "$admin_url/identity/head" | cmp - state/identity/published/head
ok $? 'the signed head is there for other doors'
snapshot=snapshot-$(awk '/^digest / { print $2 }' state/identity/published/head).lmdb
curl -s "$admin_url/identity/$snapshot" | cmp - "state/identity/published/$snapshot"
ok $? 'and the snapshot'
for path in identity/ identity/keys.sqlite identity/../door.key identity/%2e%2e/door.key \
    "identity/snapshot-$(printf '0%.0s' {1..64}).lmdb" "identity/$snapshot/" v1/key health/ready; do
    is "$(curl -s --path-as-is -o /dev/null -w '%{http_code}' "$admin_url/$path")" 404 \
        "/$path is not"
done
is "$(curl -s -o /dev/null -w '%{http_code}' "$url/metrics")" 404 'metrics are not for clients'
is "$(curl -s -X POST -d x -o /dev/null -w '%{http_code}' "$admin_url/metrics")" 405 \
    'nothing is posted there'

# Another door can have its keys from this one, and keeps them when it is gone.
first_pid=$door_pid first_url=$url first_admin=$admin_url
make_state elsewhere
start_door peer --state elsewhere --identity "$first_admin/identity" \
    --trust state/identity/publisher.pub || exit 1
is "$(call GET /v1/key) $(answer_header X-Identity-Epoch)" '200 5' 'a key is known there too'
add_key state late
poll 5 knows "$key"
ok $? 'and a new one soon'
key=${auth#*Bearer }
peer_pid=$door_pid peer_url=$url
door_pid=$first_pid url=$first_url admin_url=$first_admin

# Health.
is "$(curl -s "$url/health/live") $(curl -s "$url/health/ready")" 'live ready' 'it is well'
curl -s "$url/health/status" >status
is "$(jq -c '[.ready, .identity.epoch, .identity.keys, .queue.ready, .usage.durable,
    .minute.served, (.minute.p50_us > 0), (.minute.cpu_us > 0)]' status)" \
    '[true,6,5,0,1,1,true,true]' 'and tells how it is'

# The access log has a line for each request, and the key's number alone.
stop_door "$door_pid"
is "$code" 0 'SIGTERM ends it with 0'
jq -es 'length > 35 and all(.[]; .time and .id and .method and .path and .route and .outcome
    and (.status | type == "number") and (.wall_us | type == "number"))' first.access >/dev/null
ok $? 'the access log is JSON'
is "$(jq -r 'select(.route == "resize" and .status == 200) | [.customer, .key, .method, .outcome,
    (.bytes_in | tostring), (.cpu_us > 0 | tostring)] | join(" ")' first.access)" \
    "acme $id POST served $(stat -c %s photo.jpg) true" 'a line says all of a request'
is "$(grep -c -e "$key" -e "${key#mr_}" first.access first.log)" 'first.access:0
first.log:0' 'no key is in a log'
is "$(grep -rlF -e "${key#mr_}" state)" '' 'nor anywhere in the state'
is "$(url=$peer_url call GET /v1/key)" 200 'the door that had its keys from it serves on'
stop_door "$peer_pid"
is "$(find state/usage -name '*.open.*')" '' 'the usage log is closed'

# Draining: not ready at once, but serving for the wait, then no more.
start_door second --state state --drain-wait 1.5 || exit 1
kill -TERM "$door_pid"
# shellcheck disable=SC2317 # poll calls it
not_ready()
{
    [ "$(curl -s -o body -w '%{http_code}' "$url/health/ready")" = 503 ]
}
poll 1 not_ready
ok $? 'a door that drains is not ready'
is "$(jq -r .code body)" draining 'and says why'
is "$(curl -s -o /dev/null -w '%{http_code}' -H "$auth" --data-binary @photo.jpg \
    "$url/v1/resize?to=64x64")" 200 'it still serves'
is "$(curl -s "$url/health/live")" live 'and lives'
stop_door "$door_pid"
is "$code" 0 'a second SIGTERM ends the wait'
is "$(curl -s -o /dev/null -w '%{http_code}' "$url/health/live")" 000 'nobody is there any more'
is "$(tail -n 1 second.log)" 'millrace door: all is answered and on disk' 'all is on disk'

# What it gives up.
start_door third --state state || exit 1
is "$(awk '/^NoNewPrivs|^CapEff|^CapPrm/ { print $2 }' "/proc/$door_pid/status" | sort -u |
    tr '\n' ' ')" '0000000000000000 1 ' 'no capabilities, and none to be had'
# shellcheck disable=SC2317 # poll calls it
worker()
{
    call POST '/v1/resize?to=8x8' --data-binary @photo.jpg >/dev/null
    pgrep -P "$door_pid" >/dev/null
}
poll 5 worker
is "$(awk '/^NoNewPrivs|^CapEff/ { print $2 }' "/proc/$(pgrep -P "$door_pid" | head -n 1)/status" |
    tr '\n' ' ')" '0000000000000000 1 ' 'nor for its workers'
vips gaussnoise noise.v 1500 1500 --sigma 60
vips cast noise.v large.png uchar
events=$(cat state/usage/*.ndjson | wc -l)
call POST '/v1/resize?to=2500x2500,format=png,upscale=allow' --data-binary @large.png >slow &
slow=$!
# shellcheck disable=SC2317 # poll calls it
in_hand()
{
    [ "$(metric inline_running)" = 1 ]
}
poll 5 in_hand
ok $? 'a large image is in hand'
kill -TERM "$door_pid"
sleep 0.1
stop_door "$door_pid"
is "$code" 0 'a door that has something in hand ends well'
wait "$slow"
is "$(cat slow)" 200 'when it has answered'
is "$(cat state/usage/*.ndjson | wc -l)" $((events + 1)) 'and logged'
is "$(find state -newer third.log -type f -perm /077 | wc -l)" 0 'its files are its own'

# Whoever scrapes it need not know that it is just starting.
place=$admin_url
admin_port=${place##*:}
scraped=0
for _ in 1 2 3 4 5 6 7 8; do
    (until curl -sf -m 10 "$place/metrics" >/dev/null; do :; done) 2>/dev/null &
    scrape=$!
    if start_door eager --state state --admin "127.0.0.1:$admin_port"; then
        wait "$scrape" && scraped=$((scraped + 1))
        stop_door "$door_pid"
    else
        kill "$scrape"
    fi
done
is "$scraped" 8 'metrics may be asked for while it starts'

# Another user, who may write into the folder that the test has made for itself.
if [ "$(id -u)" -eq 0 ]; then
    chmod 777 .
    make_state theirs
    chown -R nobody theirs
    start_door fourth --state theirs --user nobody || exit 1
    is "$(awk '/^Uid|^CapEff/ { print $2 }' "/proc/$door_pid/status" | tr '\n' ' ')" \
        "$(id -u nobody) 0000000000000000 " 'with --user it becomes another'
    is "$(find theirs/usage -user nobody -type f | wc -l)" 1 'and writes as such'
    stop_door "$door_pid"
fi
done_testing
