#!/usr/bin/env bash
# door_disk.t - disks that are full, or slow: what cannot be charged is not served, what was charged
# is on disk, and a door that was refused a disk goes on when it has one again. Needs root, to mount
# small file systems.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154,SC2317
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
cd "$scratch" || exit 1
disks=(usage answers jobs)
umount_all()
{
    for disk in "${disks[@]}"; do
        umount -l "$scratch/state/$disk" 2>/dev/null
    done
}
trap 'end_doors; umount_all; rm -rf "$scratch"' EXIT

make_photos photos 1 1 300
photo=photos/0_0.jpg
make_state state acme || exit 1
for disk in "${disks[@]}"; do
    mkdir -p "state/$disk"
    mount -t tmpfs -o size=4m millrace-test "state/$disk" 2>/dev/null ||
        skip_all 'cannot mount small disks'
done

# fill DISK: until there is no room for a page
fill()
{
    cat /dev/zero >"state/$1/filler" 2>/dev/null
}

# The log takes its room ahead, so most of it is taken away before it begins.
fill usage
truncate -s -40K state/usage/filler
start_door one --state state --threads 2 || exit 1

# resized [CURL OPTION...]: the status and the code
resized()
{
    call POST '/v1/resize?to=64x64' --data-binary "@$photo" "$@"
    [ "$(head -c 1 body)" != '{' ] || jq -j '" " + .code' body
}

served()
{
    [ "$(resized)" = 200 ]
}

ready()
{
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/health/ready")" = "$1" ]
}

events()
{
    cat state/usage/*.ndjson
}

# --- The usage log

ok "$(served; echo $?)" 'with room, a request is served'
refused=0 more=0
for ((i = 0; i < 300 && refused < 20; i++)); do
    case $(resized) in
    200) more=$((more + 1)) ;;
    '503 usage-log') refused=$((refused + 1)) ;;
    *) more=-1000 ;;
    esac
done
ok "$([ "$refused" -gt 0 ] && [ "$more" -ge 0 ]; echo $?)" \
    "when the disk is full, after $more more, requests are refused"
is "$(resized) $(answer_header retry-after)" '503 usage-log 2' 'for a while, it says'
ready 503
ok $? 'and the door is not ready'
is "$(call GET /v1/key)" 200 'what is not charged is served'
rm state/usage/filler
poll 20 ready 200
ok $? 'with room again the door is ready'
poll 20 served
ok $? 'and serves'
is "$(events | jq -c . | wc -l)" "$(events | wc -l)" 'every line of the log is an event'
is "$(events | wc -l)" "$(metric 'requests_total{route="resize",outcome="served"}')" \
    'and there are as many as were served'
is "$(events | jq -s '[.[].sequence | tonumber] == [range(1; length + 1)]')" true \
    'numbered without gaps'

# --- Stored answers

fill answers
is "$(resized -H 'Idempotency-Key: full')" 200 'an answer that cannot be stored is given'
is "$(resized -H 'Idempotency-Key: full')" 200 'and made again'
is "$(events | jq -r 'select(.data.request == "full") | .id' | sort -u | wc -l)" 1 \
    'under the same id, so that it is charged once'
rm state/answers/filler
is "$(resized -H 'Idempotency-Key: room') $(resized -H 'Idempotency-Key: room') $(answer_header \
    idempotent-replayed)" '200 200 true' 'with room again answers are stored'

# --- Jobs

for ((i = 0; i < 12; i++)); do
    head -c 150000 /dev/urandom >"photos/noise-$i.jpg"
done
tar -cf large.tar -C photos .
cp "$photo" small.jpg
tar -cf small.tar small.jpg
fill jobs
like "$(call POST '/v1/jobs?to=9x9' --data-binary @large.tar) $(jq -r .code body)" \
    '^503 (no-space|storage)$' 'a job that there is no room for is refused'
like "$(call POST '/v1/jobs?to=9x9' --data-binary @small.tar) $(jq -r .code body)" \
    '^503 (no-space|storage)$' 'a small one as well'
is "$(resized)" 200 'images are resized all the while'
rm state/jobs/filler
is "$(find state/jobs -mindepth 1 ! -path 'state/jobs/.tmp*')" '' 'nothing is left of them'
is "$(call POST '/v1/jobs?to=9x9' --data-binary @small.tar) $(jq -r .state body)" '202 queued' \
    'with room again a job is taken'
stop_door
is "$code" 0 'the door ends well'

# --- A slow disk: half a second for each fdatasync

# LeakSanitizer does not work in a process that is traced.
if [ -n "${SAN:-}" ] || ! strace -f -o /dev/null true 2>/dev/null; then
    echo '# no strace, or a sanitized build: the slow disk is skipped'
    done_testing
fi
door_prefix=(strace -f -qq -o /dev/null -e trace=fdatasync
    -e inject=fdatasync:delay_enter=500000)
start_door slow --state state --threads 2 --wait-max 60 || exit 1
served # so that workers run
before=$(date +%s%N)
for ((i = 0; i < 24; i++)); do
    curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $key" \
        --data-binary "@$photo" "$url/v1/resize?to=64x64" &
    requests[i]=$!
done >statuses
key_us=$(curl -s -o /dev/null -w '%{time_total}' -H "Authorization: Bearer $key" "$url/v1/key" |
    tr -d .)
wait "${requests[@]}"
took_ms=$((($(date +%s%N) - before) / 1000000))
is "$(sort statuses | uniq -c | tr -s ' ')" ' 24 200' 'on a slow disk requests are served'
ok "$([ "$took_ms" -ge 500 ] && [ "$took_ms" -lt 6000 ]; echo $?)" \
    "many by one fdatasync ($took_ms ms for 24; one by one they would take 12000)"
ok "$([ "$((10#$key_us))" -lt 400000 ]; echo $?)" "others do not wait for it ($key_us us)"
is "$(events | jq -c 'select(.data.request != "full")' | wc -l)" \
    "$(events | jq -r 'select(.data.request != "full") | .id' | sort -u | wc -l)" \
    'the log is in order'
pkill -TERM -P "$door_pid" millrace-door
wait "$door_pid"
is $? 0 'the door ends well'
done_testing
