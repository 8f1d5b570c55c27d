#!/usr/bin/env bash
# door_resize.t - POST /v1/resize: the same bytes as the batch job makes, each charged once,
# whatever is sent and however often.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2054,SC2119,SC2154,SC2317
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
cd "$scratch" || exit 1
make_photos photos 1 1 600
photo=photos/0_0.jpg
for format in png webp gif tif; do vips copy "$photo" "photos/whole.$format"; done

make_state state acme || exit 1
acme=$key
add_key state zeta || exit 1
zeta=$key
key=$acme
start_door one --state state --max-bytes 2Mi --workers 2 --deadline 60 || exit 1

# events [FILTER]: of the state, a line each
events()
{
    cat state/usage/usage-*.ndjson 2>/dev/null | jq -c "${1:-.}"
}

# resized SPEC FILE [CURL OPTION...]: the status
resized()
{
    local spec=$1 file=$2
    shift 2
    call POST "/v1/resize?to=$spec" --data-binary "@$file" "$@"
}

# --- The same as the batch job

specs=(320x320 100x,format=png 64x64,fit=cover,format=webp,q=60 200x100,fit=fill,format=tiff
    x50,format=avif 700x700,upscale=allow)
types=(image/jpeg image/png image/webp image/tiff image/avif image/jpeg)
for i in "${!specs[@]}"; do
    spec=${specs[$i]}
    exits 0 "the batch job: $spec" "$resize" --name 'image-{row}' -o "batch-$i" --to "$spec" \
        <(echo "$photo")
    want=$(echo "batch-$i"/image-*)
    status=$(resized "$spec" "$photo")
    ok "$([ "$status" = 200 ] && cmp -s body "$want"; echo $?)" "$spec: the batch job's bytes"
    is "$(answer_header content-type) $(answer_header content-length)" \
        "${types[$i]} $(stat -c %s "$want")" "$spec: its type and length"
    is "$(answer_header x-millrace-width)x$(answer_header x-millrace-height)" \
        "$(vipsheader -f width "$want")x$(vipsheader -f height "$want")" "$spec: its size"
done
for format in png webp gif tif; do
    is "$(resized 50x50 "photos/whole.$format") $(vipsheader -f width body)" '200 50' \
        "$format comes in"
done
like "$(answer_header x-millrace-cpu-us)" '^[1-9][0-9]*$' 'the CPU is told'
is "$(answer_header x-content-type-options)" nosniff 'no browser is to guess'

# --- Each is charged once, as what it was

is "$(events . | wc -l)" $((${#specs[@]} + 4)) 'there is an event for each'
resized 40x40 "$photo" -H 'X-Request-ID: mine-1' >status
is "$(events 'select(.data.request == "mine-1")' | jq -c '[.type, .source, .subject, .data.op,
    .data.format, .data.status, .data.bytes_in, .data.bytes_out, .data.pixels_in,
    .data.pixels_out]')" "$(printf '["%s","%s","%s","%s","%s","%s",%d,%d,%d,%d]' millrace.image.v1 \
    //millrace/door/main acme resize jpeg ok "$(stat -c %s "$photo")" "$(stat -c %s body)" 360000 \
    1600)" 'which says what was done'
is "$(events 'select(.data.request == "mine-1") | .data.cpu_us')" \
    "$(answer_header x-millrace-cpu-us)" 'and what it cost'
resized 40x40 "$photo" -H 'X-Request-ID: mine-1' >status
is "$(events 'select(.data.request == "mine-1") | .id' | sort -u | wc -l)" 2 \
    'a request id that is used again is charged again'

# --- Idempotency

digest=$(printf 'millrace.door.v1\0acme\0key\0order 66' | sha256sum)
is "$(resized 80x80 "$photo" -H 'Idempotency-Key: order 66')" 200 'a keyed request'
is "$(events "select(.id == \"${digest:0:32}\") | .data.request")" '"order 66"' \
    'its event has the id that follows from its key'
cp body first
cp headers first.headers
is "$(resized 80x80 "$photo" -H 'Idempotency-Key: order 66')" 200 'sent again'
is "$(answer_header idempotent-replayed)" true 'it is a replay'
ok "$(cmp -s body first; echo $?)" 'of the same bytes'
is "$(grep -i '^x-millrace\|^content-type' headers)" "$(grep -i '^x-millrace\|^content-type' \
    first.headers)" 'which says the same of itself'
is "$(events "select(.id == \"${digest:0:32}\")" | wc -l)" 1 'and is not charged again'
is "$(resized 80x80,fit=inside "$photo" -H 'Idempotency-Key: order 66')" 200 \
    'the same spec in other words is the same request'
is "$(resized 81x80 "$photo" -H 'Idempotency-Key: order 66') $(problem_code)" '422 key-reused' \
    'another spec is another request'
is "$(resized 80x80 photos/whole.png -H 'Idempotency-Key: order 66') $(problem_code)" \
    '422 key-reused' 'another body too'
key=$zeta
is "$(resized 80x80 "$photo" -H 'Idempotency-Key: order 66') $(answer_header \
    idempotent-replayed)" '200 ' "another customer's keys are his own"
key=$acme
url_one=$url pid_one=$door_pid admin_one=$admin_url
start_door two --state state || exit 1
is "$(resized 80x80 "$photo" -H 'Idempotency-Key: order 66') $(answer_header \
    idempotent-replayed)" '200 true' 'another door of the same state replays it'
ok "$(cmp -s body first; echo $?)" 'the same bytes'
stop_door
is "$code" 0 'that door ends well'
url=$url_one door_pid=$pid_one admin_url=$admin_one
is "$(resized 80x80 "$photo" -H 'Idempotency-Key;') $(problem_code)" '400 bad-idempotency-key' \
    'an empty key is refused'
is "$(resized 80x80 "$photo" -H 'Idempotency-Key: a' -H 'Idempotency-Key: b') $(problem_code)" \
    '400 bad-idempotency-key' 'two keys are refused'
is "$(resized 80x80 "$photo" -H "Idempotency-Key: $(printf 'x%.0s' {1..256})") $(problem_code)" \
    '400 bad-idempotency-key' 'and one that is too long'
resized 80x80 <(head -c 999 "$photo") -H 'Idempotency-Key: broken' >status
is "$(cat status) $(resized 80x80 "$photo" -H 'Idempotency-Key: broken')" '422 200' \
    'a key of a request that failed may be used again'

# --- What is asked wrongly

for query in '' '?to=' '?to=0x0' '?to=10x10&to=20x20' '?to=10x10&x=1' '?to=10x10;20x20' \
    '?to=10x10,format=exe' '?to=10x10%00,q=1'; do
    is "$(call POST "/v1/resize$query" --data-binary "@$photo")" 400 "the query '$query' is refused"
done
is "$(call POST '/v1/resize?to=10x10' --data-binary '') $(problem_code)" '400 no-body' 'no body'
head -c 3000000 /dev/zero >zeros
is "$(resized 10x10 zeros) $(problem_code)" '413 too-large' 'too many bytes'
is "$(resized 10x10 zeros -H 'Transfer-Encoding: chunked') $(problem_code)" '413 too-large' \
    'too many bytes of which nobody told'
is "$(resized 10x10 "$photo" -H 'Transfer-Encoding: chunked')" 200 'a body in chunks'
is "$(resized 10x10 "$photo" -H 'Content-Type: text/html')" 200 'whatever type it says it is'

# --- Images that are broken or mean harm

for format in jpg png webp gif tif; do
    source=photos/whole.$format
    [ "$format" != jpg ] || source=$photo
    head -c $(($(stat -c %s "$source") / 2)) "$source" >"half.$format"
    is "$(resized 10x10 "half.$format") $(problem_code)" '422 truncated' "half a $format"
done
echo 'no image' >text
is "$(resized 10x10 text) $(problem_code)" '422 unsupported-format' 'no image'
is "$(jq -c '[.status, .retryable]' body)" '[422,false]' 'need not be sent again'
perl -MCompress::Zlib -e '
    sub chunk { my $body = join "", @_;
                return pack("N", length($body) - 4) . $body . pack("N", crc32($body)); }
    print "\x89PNG\r\n\x1a\n", chunk("IHDR", pack("NNCCCCC", 50_000, 50_000, 8, 2, 0, 0, 0)),
        chunk("IDAT", compress("\0" x 1_000_000)), chunk("IEND");' >bomb.png
like "$(resized 10x10 bomb.png) $(problem_code)" '^422 (too-large|too-costly)$' 'a bomb'
if [ -d "$MILLRACE_CORPUS/malformed" ]; then
    while IFS= read -r file; do
        status=$(resized 64x64 "$file")
        [ "$status" = 200 ] && echo 200 || echo "$status $(problem_code)"
    done < <(find "$MILLRACE_CORPUS/malformed" -type f -size -2000k | LC_ALL=C sort) >corpus.got
    is "$(grep -vxE '200|422 (unsupported-format|corrupt|truncated|too-large|too-costly)' \
        corpus.got)" '' 'the malformed files of the corpus end in a status of theirs'
    is "$(resized 10x10 "$photo")" 200 'and the door serves on'
else
    echo "# no corpus at $MILLRACE_CORPUS: its malformed files are skipped"
fi

# --- The books

is "$(metric 'requests_total{route="resize",outcome="served"}')" \
    "$(events 'select(.writer | test("."))' | wc -l)" 'served = events on disk'
is "$(metric 'requests_offered_total{route="resize"}')" "$(curl -s "$admin_url/metrics" |
    awk '/^millrace_door_requests_total\{route="resize"/ { sum += $2 } END { print sum }')" \
    'offered = all that has an outcome'
key=$zeta
is "$(call GET /v1/usage) $(jq -c '[.customer, .harvest, (.days[] | .requests, .pixels_out)]' \
    body)" '200 ["zeta",1,1,6400]' "a customer sees his own usage"
key=$acme
call GET /v1/usage >status
is "$(jq '[.days[].bytes_out] | add' body)" \
    "$(events 'select(.subject == "acme") | .data.bytes_out' | jq -s add)" 'as the events say'
"$BUILD/millrace-usage" ingest --store store state/usage/*.ndjson >/dev/null 2>ingest.log
is "$("$BUILD/millrace-usage" stat --store store --json | jq .events)" "$(events .id | wc -l)" \
    'the batch store takes the log as it is' || cat ingest.log >&2

# --- Images that take too long, or kill

vips gaussnoise noise.v 2500 2500 --sigma 60 &&
    vips cast noise.v 'slow.png[compression=1]' uchar || exit 1
stop_door
is "$code" 0 'the door ends well'
start_door three --state state --max-bytes 32Mi --deadline 60 --workers 1 --wait-max 60 || exit 1
slow='2500x2500,format=webp,effort=6'

# busy_worker: sets worker to the one that is at an image: it has used 0.3 s of CPU time
busy_worker()
{
    local ticks
    worker=$(pgrep -P "$door_pid" -f millrace-imageworker) || return 1
    ticks=$(sed 's/.*) //' "/proc/$worker/stat" | awk '{ print $12 + $13 }') || return 1
    [ "$ticks" -ge $(($(getconf CLK_TCK) * 3 / 10)) ]
}

gone()
{
    ! kill -0 "$1" 2>/dev/null
}

resized "$slow" slow.png -H 'Idempotency-Key: slow' >slow.status &
asked=$!
poll 20 busy_worker
is "$(curl -s -o second -w '%{http_code}' -H "Authorization: Bearer $key" \
    -H 'Idempotency-Key: slow' --data-binary @slow.png "$url/v1/resize?to=$slow") $(jq -r .code \
    second)" '409 in-flight' 'a keyed request that is being worked on is not begun again'
kill -9 "$worker"
first_worker=$worker
poll 20 gone "$first_worker"
poll 20 busy_worker
kill -9 "$worker"
wait "$asked"
is "$(cat slow.status) $(problem_code)" '422 worker-crash' 'an image that kills two workers'
is "$(resized 10x10 slow.png) $(problem_code)" '422 poison' 'is not tried again, by any spec'
is "$(metric worker_deaths_total)" 2 'the deaths are counted'
is "$(resized 10x10 "$photo")" 200 'other images are served'
stop_door
start_door four --state state --max-bytes 32Mi --deadline 1 --workers 1 --wait-max 60 || exit 1
is "$(resized 10x10 slow.png) $(problem_code)" '422 poison' 'nor at another door of the state'
vips invert slow.png 'other.png[compression=1]'
like "$(resized "$slow" other.png) $(problem_code)" '^422 (timeout|too-costly)$' \
    'an image has a deadline'
is "$(resized 10x10 "$photo")" 200 'which ends the image and not the door'
stop_door
is "$code" 0 'the door ends well'
is "$(find state/usage -name '*.open.ndjson')" '' 'and its log is closed'
done_testing
