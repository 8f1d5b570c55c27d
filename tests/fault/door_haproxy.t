#!/usr/bin/env bash
# door_haproxy.t - three doors behind HAProxy, as examples/haproxy.cfg has them: one is killed, one
# is frozen, and clients see nothing of it but what they can send again.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2094,SC2317 # a path and a verb are both called reads; what poll calls
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
for program in haproxy openssl; do
    command -v "$program" >/dev/null || skip_all "no $program"
done
client=$tap_here/tests/fault/door_client.py
cd "$scratch" || exit 1

make_photos photos 1 1 200
make_state state acme --scopes resize || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out ca.pem \
    2>openssl.log || { cat openssl.log >&2; exit 1; }
cat ca.pem key.pem >door.pem

pids=() places=() admins=()
for ((i = 1; i <= 3; i++)); do
    start_door "door$i" --state state --workers 1 || exit 1
    pids+=("$door_pid") places+=("${url#http://}") admins+=("$admin_url")
    export "MILLRACE_DOOR$i=${url#http://}"
done

started=0
# again I: the door that was killed is started where it was
again()
{
    start_door "again$((++started))" --state state --workers 1 --listen "${places[$1]}" || return 1
    pids[$1]=$door_pid admins[$1]=$admin_url
}

# start_proxy: on a port that is free, in $proxy
start_proxy()
{
    local port
    for ((port = 20000 + $$ % 10000; ; port++)); do
        MILLRACE_BIND=127.0.0.1:$port MILLRACE_CERT=$scratch/door.pem \
            haproxy -f "$tap_here/examples/haproxy.cfg" >haproxy.log 2>&1 </dev/null &
        proxy_pid=$!
        door_pids+=("$proxy_pid")
        proxy=https://localhost:$port
        poll 5 proxy_has_begun
        kill -0 "$proxy_pid" 2>/dev/null && return 0
        grep -q 'cannot bind' haproxy.log || { cat haproxy.log >&2; exit 1; }
    done
}
proxy_has_begun()
{
    ! kill -0 "$proxy_pid" 2>/dev/null || through GET /health/live
}

# through METHOD PATH [CURL OPTION...]: by the proxy; the answer is in body
through()
{
    curl -sf -X "$1" -o body --cacert ca.pem -H "Authorization: Bearer $key" "${@:3}" "$proxy$2"
}

# all_up: do three doors answer by the proxy? Three in a row are three doors only by chance, so the
# log of the proxy is asked who is down.
all_up()
{
    local down up
    down=$(grep -c '^Server reads/.* is DOWN' haproxy.log)
    up=$(grep -c '^Server reads/.* is UP' haproxy.log)
    [ "$down" -eq "$up" ]
}

exits 0 'the example is a good configuration' env MILLRACE_CERT="$scratch/door.pem" \
    haproxy -c -f "$tap_here/examples/haproxy.cfg"
start_proxy
through GET /v1/key
is $? 0 'a key is known behind TLS'
is "$(jq -r .customer body)" acme 'by the door'
is "$(through GET /v1/key --http2 -w '%{http_version}')" 2 'HTTP/2 is spoken'
through POST '/v1/resize?to=32x32,format=png' --data-binary @photos/0_0.jpg
is "$(vipsheader -f width body)" 32 'an image is resized'
is "$(through GET /health/ready -w '%{http_code}' -H 'Host: a b')" 400 \
    'what is no request is refused'

is "$(python3 "$client" slow 190 "$proxy" "$key" ca.pem | tr '\n' ' ')" \
    'beside 200 afterwards 200 ' 'slow clients keep nobody out'
is "$(python3 "$client" slow 201 "$proxy" "$key" ca.pem | tr '\n' ' ')" \
    'beside 429 afterwards 200 ' 'but one address may have only so many requests in hand'

# Killed while requests come.
python3 "$client" reads 4 "$proxy" "$key" ca.pem >reads &
reads_pid=$!
sleep 1
kill_door "${pids[0]}"
# Before the proxy has seen it: the door is still given a third of all.
is "$(python3 "$client" writes 12 "$proxy" "$key" ca.pem photos/0_0.jpg)" '200 12' \
    'posts that were not sent yet go to another door when one is killed'
wait "$reads_pid"
like "$(cat reads)" '^200 [0-9]+$' 'no GET fails when a door is killed'
again 0 || exit 1
poll 20 all_up
is $? 0 'it comes back'

# Frozen.
python3 "$client" reads 8 "$proxy" "$key" ca.pem >reads &
reads_pid=$!
sleep 0.5
kill -STOP "${pids[1]}"
sleep 3
is "$(python3 "$client" writes 12 "$proxy" "$key" ca.pem photos/0_0.jpg)" '200 12' \
    'posts go to the others when one is frozen'
wait "$reads_pid"
like "$(cat reads)" '^200 [0-9]+$' 'no GET fails when a door is frozen'
kill -CONT "${pids[1]}"
poll 20 all_up
is $? 0 'it comes back'

# In flight: an image that takes its time, at a door that is killed then.
vips gaussnoise noise.v 1400 1400 && vips cast noise.v large.png uchar || exit 1
slow='/v1/resize?to=1300x1300,format=webp,effort=9'
# busy: the door that has an image in hand, in $busy
busy()
{
    for busy in 0 1 2; do
        curl -sf "http://${places[$busy]}/health/status" |
            jq -es 'map(.inline.running > 0) == [true]' >/dev/null && return 0
    done
    return 1
}
# Not by HTTP/2: there a stream is refused, and curl sends it again by itself.
# post_and_kill [CURL OPTION...]: a post whose door is killed meanwhile, and started again; its
# status in $status
post_and_kill()
{
    curl -s --http1.1 -o body --cacert ca.pem -H "Authorization: Bearer $key" -w '%{http_code}' \
        "$@" --data-binary @large.png "$proxy$slow" >status &
    local post_pid=$!
    poll 20 busy || exit 1
    kill_door "${pids[$busy]}"
    wait "$post_pid"
    status=$(cat status)
    again "$busy" || exit 1
}
post_and_kill
is "$status" 502 'a post in flight is told that its door is gone'
is "$(jq -r '.code, .retryable' body | tr '\n' ' ')" 'door-lost true ' 'as doors tell of problems'
poll 20 all_up
post_and_kill -H 'Idempotency-Key: large'
through POST "$slow" --data-binary @large.png -H 'Idempotency-Key: large'
is "$(vipsheader -f width body)" 1300 'its keyed retry is served'
# sha256("millrace.door.v1" NUL customer NUL "key" NUL the key), its first half
id=$(printf 'millrace.door.v1\0acme\0key\0large' | sha256sum | head -c 32)
is "$(cat state/usage/*.ndjson | jq -r --arg id "$id" 'select(.id == $id) | .id' | sort -u)" "$id" \
    'and is one event'

# Doors are killed in turn under keyed posts.
poll 20 all_up
python3 "$client" keyed 400 "$proxy" "$key" ca.pem photos/0_0.jpg >keyed &
keyed_pid=$!
for ((i = 0; i < 3; i++)); do
    sleep 0.5
    kill_door "${pids[$i]}"
    again "$i" || exit 1
done
wait "$keyed_pid"
is "$(sed -n 's/^served //p' keyed)" 400 'every keyed post is served in the end'
for pid in "${pids[@]}"; do
    stop_door "$pid"
done
for ((i = 0; i < 400; i++)); do
    printf 'millrace.door.v1\0acme\0key\0photo-%d' "$i" | sha256sum | head -c 32
    echo
done | sort >expected
cat state/usage/*.ndjson >all.ndjson
jq -r .id all.ndjson | sort -u >ids
is "$(comm -23 expected ids | wc -l)" 0 'each is an event'
is "$(jq -cs --rawfile expected expected '($expected | split("\n")) as $ids | map(select(.id |
    IN($ids[]))) | map([.id, .subject, (.data | del(.node, .cpu_us, .wall_us, .request))]) |
    unique | length' all.ndjson)" 400 'and is billed once, however often it was done'

kill -TERM "$proxy_pid"
done_testing
