#!/usr/bin/env bash
# sources.t - sources that grow, shrink, are replaced or disappear while a run reads them. Every row
# ends with a status, and a row that is ok was made of one whole version of its source.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

make_photos photos 2 1 256
before=photos/0_0.jpg after=photos/1_0.jpg
cat "$before" <(head -c 30000 /dev/zero) >grown.jpg

# digest_of FILE: of what a run makes of it when nobody disturbs
digest_of()
{
    "$resize" -o "alone-${1##*/}" --to 64x64 - <<<"$1" >/dev/null &&
        jq -r '.outputs[0].digest' "alone-${1##*/}/.millrace/results.ndjson"
}

# rows FOLDER FILTER: what the filter says of each row, sorted
rows()
{
    jq -r "$2" "$1/.millrace/results.ndjson" | LC_ALL=C sort
}

before_digest=$(digest_of "$before")
after_digest=$(digest_of "$after")
ok "$([ -n "$before_digest" ] && [ "$before_digest" != "$after_digest" ]; echo $?)" \
    'two versions of a source are told apart'
is "$(digest_of grown.jpg)" "$before_digest" 'what is behind the end of an image is not looked at'

# Between the moment when a rank opens a source and the one when its worker reads it, as long as we
# like: these workers start when the file "go" is there.
mkdir held
cp "$resize" held/
cat >held/millrace-imageworker <<END
#!/bin/sh
until [ -e '$scratch/go' ]; do sleep 0.02; done
exec '$BUILD/millrace-imageworker'
END
chmod +x held/millrace-imageworker

# shellcheck disable=SC2317 # called by await
all_open()
{
    [ "$(find "/proc/$run/fd" -lname "$scratch/now/*.jpg" | wc -l)" -eq 5 ]
}

mkdir now
for name in grows shrinks emptied replaced disappears; do cp "$before" "now/$name.jpg"; done
printf '%s\n' now/*.jpg >list
held/millrace-resize -o now-out --workers 5 --to 64x64 list >run.log 2>&1 &
run=$!
await all_open
ok $? 'every source is open'
head -c 100 /dev/zero >>now/grows.jpg
truncate -s -100 now/shrinks.jpg
truncate -s 0 now/emptied.jpg
cp "$after" new.jpg && mv new.jpg now/replaced.jpg
rm now/disappears.jpg
touch go
wait "$run"
is $? 1 'they change, and the run goes on'
sound now-out 'its folder is in order'
size=$(stat -c %s "$before")
is "$(rows now-out '[.source, .class // "ok", .message // .outputs[0].digest] | join(" ")')" \
    "now/disappears.jpg ok $before_digest
now/emptied.jpg io the file changed while it was read
now/grows.jpg io the file changed while it was read
now/replaced.jpg ok $before_digest
now/shrinks.jpg io the file changed while it was read" 'each row says what it met'
is "$(rows now-out '[.source, .bytes_in] | join(" ")')" "now/disappears.jpg $size
now/emptied.jpg 0
now/grows.jpg $((size + 1))
now/replaced.jpg $size
now/shrinks.jpg $((size - 100))" 'and how much it read'
exits 1 'another run may do them again' held/millrace-resize -o now-out --workers 5 --to 64x64 \
    --retry-failed=io list
is "$(rows now-out '[.source, .class // .outputs[0].digest] | join(" ")')" \
    "now/disappears.jpg $before_digest
now/emptied.jpg truncated
now/grows.jpg $before_digest
now/replaced.jpg $before_digest
now/shrinks.jpg truncated" 'as they are then'

# And at any moment, many times.
rounds=40
[ -z "${SAN:-}" ] || rounds=8
mkdir any
for name in grows shrinks replaced disappears; do cp "$before" "any/$name.jpg"; done
for ((i = 0; i < rounds; i++)); do printf '%s\n' any/{grows,shrinks,replaced,disappears}.jpg; done \
    >list

# change: until it is killed
change()
{
    while :; do
        head -c 5000 /dev/zero >>any/grows.jpg
        truncate -s 5000 any/shrinks.jpg
        cp "$after" any/new && mv any/new any/replaced.jpg
        rm any/disappears.jpg
        cat "$before" >any/shrinks.jpg
        cp "$before" any/new && mv any/new any/replaced.jpg
        cp "$before" any/new && mv any/new any/disappears.jpg
        cat "$before" >any/grows.jpg
    done
}

options=(-o any-out --workers 2 --to 64x64 --name '{row}.{ext}' list)
change 2>/dev/null &
changer=$!
"$resize" "${options[@]}" >run.log 2>&1
code=$?
{ kill "$changer" && wait "$changer"; } 2>/dev/null
like "$code" '^[01]$' 'a run over sources that never rest ends'
rows any-out '[.source, .class // "ok"] | join(" ")' | uniq -c | sed 's/^/#/'
sound any-out 'its folder is in order'
is "$(report any-out '[.rows.manifest, .rows.resized + .rows.failed]')" \
    "[$((4 * rounds)),$((4 * rounds))]" 'every row has a status'
is "$(rows any-out '.class // empty' | grep -Evx 'io|truncated|corrupt|not-found')" '' \
    'of those that such a source may have'
is "$(rows any-out 'select(.source == "any/replaced.jpg" and .status != "ok").message')" '' \
    'a source that is replaced by another name is read whole'
is "$(rows any-out '.outputs[].digest' | grep -Evx "$before_digest|$after_digest")" '' \
    'no row that is ok was made of half a source'
is "$(rows any-out "select(.source != \"any/replaced.jpg\").outputs[].digest" | uniq)" \
    "$before_digest" 'nor of another'
is "$(rows any-out 'select(.status == "ok" and .bytes_in == 0).row')" '' 'or of none'
cp "$before" any/shrinks.jpg
cp "$before" any/grows.jpg
cp "$before" any/disappears.jpg
exits 0 'when they rest, all can be done' "$resize" --retry-failed "${options[@]}"
is "$(report any-out '[.complete, (.invariants | all(.holds))]')" '[true,true]' \
    'and the sums agree'

done_testing
