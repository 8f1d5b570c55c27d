#!/usr/bin/env bash
# queue.t - millrace queue from the shell: the whole road of a job, and all that can be asked.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/queue.sh
. "$(dirname "$0")/../tap/queue.sh"
cd "$scratch" || exit 1

make_photos photos 3 2 200
mkdir photos/deep && mv photos/0_0.jpg "photos/deep/a b.jpg"
names=('deep/a b.jpg' 0_1.jpg 1_0.jpg 1_1.jpg 2_0.jpg 2_1.jpg)

# as_resized ID LIST OPTION...: does the job have what millrace resize makes of the same?
as_resized()
{
    local id=$1 list=$2
    shift 2
    rm -rf plain && (cd photos && "$resize" "$@" -o ../plain "../$list" >/dev/null 2>&1)
    [ "$(outputs "state/jobs/$id/results")" = "$(outputs plain)" ] &&
        [ "$(jq -c '[.row, .source, .status, .class]' \
            "state/jobs/$id/results/.millrace/results.ndjson")" = \
            "$(jq -c '[.row, .source, .status, .class]' plain/.millrace/results.ndjson)" ]
}

# A tar of images, as tar makes it.

printf '%s\n' "${names[@]}" >list
tar -C photos -cf images.tar "${names[@]}"
submit --customer acme --to '100x100,format=webp' images.tar
like "$id" '^j[0-9a-f]{32}$' 'a tar is a job'
first=$id
is "$(job "$id" '[.state, .rows, .customer, .to, .tries]')" \
    '["queued",6,"acme","100x100,format=webp",0]' 'which waits'
is "$(job "$id" .manifest_sha256)" "$(sha256sum <images.tar | cut -d' ' -f1)" 'it knows its tar'
drained
is "$code $(cat drain.out)" '0 1 done, 0 to be tried again, 0 given up, 0 passed over' \
    'a drain does it'
is "$(job "$id" '[.state, .done, .failed, .tries]')" '["done",6,0,1]' 'it is done'
as_resized "$id" list --to '100x100,format=webp'
ok $? 'with the results of millrace resize'
is "$(events | grep -c "^//millrace/job/$id ")" 6 'its usage is where it is ingested from'
exits 0 'and can be' millrace-usage ingest --store store state/usage/*.ndjson
is "$(millrace-usage stat --store store --json | jq .events)" 6 'from there'
drained
is "$code $(cut -d, -f1 drain.out)" '0 0 done' 'nothing is left to do'

# Compressed, and with a manifest.

for program in gzip zstd; do
    $program -c images.tar >images.compressed
    submit --customer acme --to 50x images.compressed
    is "$(job "$id" '[.state, .rows]')" '["queued",6]' "a tar by $program"
done
printf '%s\n' source,to,request,customer "${names[0]},60x60,r-1,other" "${names[1]},,r-2," \
    "${names[1]},70x70;80x80,r-3," >photos/manifest.csv
tar -C photos -cf with.tar manifest.csv "${names[@]}"
submit --customer acme --to 90x90 with.tar
with=$id
drained
is "$code $(states)" '0 4 done' 'all are done'
is "$(outputs "state/jobs/$with/results" | cut -d' ' -f3- | LC_ALL=C sort)" \
    './60x60/deep/a b.jpg
./70x70/0_1.jpg
./80x80/0_1.jpg
./90x90/0_1.jpg' 'rows of a manifest bring their own specs'
is "$(jq -r .request "state/jobs/$with/results/.millrace/results.ndjson" | xargs)" 'r-1 r-2 r-3' \
    'and requests'
is "$(cat state/usage/usage-job-"$with"* | jq -r .subject | sort -u)" acme 'but not their customers'

# Manifests of what lies here.

mkdir -p sources && cp -r photos sources/acme
for kind in list csv tsv ndjson; do
    case $kind in
    list) cp list sent ;;
    csv) (echo source && cat list) >sent ;;
    tsv) printf 'request\tsource\n%s\n' "$(sed 's/^/r\t/' list)" >sent ;;
    ndjson) jq -Rc '{source: .}' list >sent ;;
    esac
    id=$("$queue" submit --state state --customer acme --to 40x40 --sources sources - <sent)
    drained --sources sources
    is "$(job "$id" '[.state, .done, .failed]')" '["done",6,0]' "a manifest: $kind, from a pipe"
done
as_resized "$id" list --to 40x40
ok $? 'with the results of millrace resize'
"$queue" submit --state state --customer acme --to 40x40 sent >stdout 2>stderr
is "$?" 65 'without a folder of sources there must be a tar'
"$queue" submit --state state --customer other --to 40x40 --sources sources sent >stdout 2>stderr
is "$?" 65 'and without one for the customer'

exits 66 'a state that is not there is said, and not made' "$queue" drain --state nowhere --once
is "$(find nowhere 2>/dev/null)" '' 'nothing of it'
exits 64 'a customer that is no name of a folder is refused' "$queue" submit --state state \
    --customer ../other --to 10x images.tar

# Keys and receipts.

submit --customer acme --to 100x100 --key k1 images.tar
keyed=$id
submit --customer acme --to 100x100 --key k1 images.tar
is "$id" "$keyed" 'the same key is the same job'
drained
submit --customer acme --to 100x100 --key k1 images.tar
is "$id $(job "$id" .state)" "$keyed done" 'even when it is done'
submit --customer other --to 100x100 --key k1 images.tar
is "$(($(printf '%s\n' "$id" "$keyed" | sort -u | wc -l)))" 2 'of another customer it is another'
exits 65 'the same key for something else' "$queue" submit --state state --customer acme \
    --to 20x20 --key k1 images.tar
millrace-archive keygen --out state/door >/dev/null 2>&1
millrace-archive keygen --out stranger >/dev/null 2>&1
submit --customer acme --to 100x100 --receipt receipt --cluster here images.tar
exits 0 'a receipt can be checked' "$queue" receipt --trust state/door.pub receipt
{ cat receipt && echo; } >longer
exits 0 'also with a line end too many' "$queue" receipt --trust state/door.pub longer
is "$(sed 's/^accepted.*/accepted/' stdout)" "job $id
customer acme
manifest $(sha256sum <images.tar | cut -d' ' -f1)
rows 6
accepted
cluster here" 'and says what was accepted'
exits 65 'by its key alone' "$queue" receipt --trust stranger.pub receipt
sed 's/^rows 6/rows 7/' receipt >forged
exits 65 'a forged one is refused' "$queue" receipt --trust state/door.pub forged
exits 0 'one of several keys will do' "$queue" receipt --trust stranger.pub \
    --trust state/door.pub "state/jobs/$id/receipt"
exits 64 'without a key' "$queue" receipt receipt
exits 66 'without a receipt' "$queue" receipt --trust state/door.pub missing

# Cancelled: before, during, after.

exits 0 'a job that waits is cancelled' "$queue" cancel --state state "$id"
exits 0 'once more' "$queue" cancel --state state "$id"
drained
is "$(job "$id" '[.state, .tries]')" '["cancelled",0]' 'it is not begun'
like "$(job "$id" .reason)" ' at ' 'it says by whom'
exits 1 'a job that is done is not' "$queue" cancel --state state "$first"
like "$(cat stderr)" "$first is done" 'that is said'
is "$(job "$first" .state)" 'done' 'it stays done'
vips perlin large.v 2000 2000 --uchar && vips copy large.v large.png
mkdir many && for i in {1..30}; do ln large.png "many/$i.png"; done
tar --hard-dereference -C many -cf many.tar .
submit --customer acme --to '1000x1000,format=png' many.tar
"$queue" drain --state state --once --workers 1 >drain.out 2>drain.err &
pid=$!
await test -d "state/jobs/$id/work/.millrace"
exits 0 'a job that is being done is cancelled' "$queue" cancel --state state "$id"
wait "$pid"
is "$? $(cat drain.out)" '0 0 done, 0 to be tried again, 0 given up, 1 passed over' \
    'who did it stops'
is "$(job "$id" .state) $(ls -d "state/jobs/$id/results" 2>/dev/null)" 'cancelled ' \
    'there are no results'
is "$(events | grep -c "$id")" 0 'and nothing to bill'
is "$(left_over)" '' 'nothing is left over'

# Stopped, and gone on with.

submit --customer acme --to '1000x1000,format=png' many.tar
"$queue" drain --state state --workers 2 --lease 3s >drain.out 2>drain.err &
pid=$!
until=$((SECONDS + 30))
until [ "$(job "$id" .done)" -gt 0 ] || [ "$SECONDS" -ge "$until" ]; do sleep 0.1; done
like "$(job "$id" '[.state, .done]')" '^."running",[1-9]' 'while it runs its rows are counted'
kill -TERM "$pid"
wait "$pid"
is "$? $(cut -d, -f2 drain.out)" '75  1 to be tried again' 'a drain that is told to end does'
is "$(job "$id" .state)" queued 'the job waits again'
drained
is "$code $(job "$id" '[.state, .tries, .done]')" '0 ["done",2,30]' 'another drain goes on'
is "$(find "state/jobs/$id/results/.millrace" -name 'ledger-*' -size +200c | wc -l)" 2 \
    'with what the first had done'
is "$(events | grep -c "$id") $(events | sort | uniq -d | wc -l)" '30 0' 'each event is there once'

# On ranks.

echo localhost >hosts
submit --customer acme --to 100x100 images.tar
drained --hostfile hosts
is "$(job "$id" '[.state, .done, .failed]')" '["done",6,0]' 'a job is done under millrace run'
as_resized "$id" list --to 100x100
ok $? 'with the same results'

# A job that cannot be done.

submit --customer acme --to 100x100 images.tar
printf 'source,source\n' >"state/jobs/$id/manifest.csv"
for ((i = 0; i < 12; i++)); do
    drained
    [ "$(job "$id" .state)" = dead ] && break
    sleep 1.1
done
is "$code $(job "$id" '[.state, .tries]')" '1 ["dead",6]' 'a job that cannot be done is given up'
like "$(job "$id" .reason)" '5 tries got nothing done.*resize ended with 65' 'it says why'
exits 1 'it cannot be cancelled' "$queue" cancel --state state "$id"
drained
is "$code" 0 'it does not come back'

# Kept for so long, and no longer.

ended=("$keyed" "$id")
touch -d '31 days ago' "state/jobs/$keyed"/* "state/jobs/$id"/*
count=$(find state/jobs -maxdepth 1 -name 'j*' | wc -l)
drained --keep 32d
is "$code $(find state/jobs -maxdepth 1 -name 'j*' | wc -l)" "0 $count" 'jobs are kept'
drained --keep 30d
is "$code $(find state/jobs -maxdepth 1 -name 'j*' | wc -l)" "0 $((count - ${#ended[@]}))" \
    'until they ended so long ago'
like "$(cat drain.err)" '2 jobs removed' 'that is said'
for id in "${ended[@]}"; do
    exits 66 'one is not there any more' "$queue" show --state state "$id"
done
is "$(left_over)" '' 'nothing is left over'
is "$(events | grep -c "^//millrace/job/$keyed ")" 6 'their usage stays'
exits 64 'hardly kept at all' "$queue" drain --state state --keep 5m
exits 64 'kept for a time that is none' "$queue" drain --state state --keep ever

# What is asked wrongly.

exits 64 'no verb' "$queue"
exits 64 'a verb that is none' "$queue" sumbit
exits 0 '--help' "$queue" --help
like "$(head -n 1 stdout)" '^Example:' 'begins with an example'
for verb in submit list show cancel drain receipt; do
    exits 0 "$verb --help" "$queue" "$verb" --help
    like "$(head -n 1 stdout)" '^Example:' 'begins with an example'
done
exits 64 'no state' "$queue" list
exits 64 'an option that is none' "$queue" list --state state --custommer acme
like "$(cat stderr)" 'did you mean --customer' 'near ones are named'
exits 64 'no customer' "$queue" submit --state state --to 9x9 images.tar
exits 64 'no manifest' "$queue" submit --state state --customer acme --to 9x9
exits 66 'one that is not there' "$queue" submit --state state --customer acme --to 9x9 missing
exits 66 'a folder' "$queue" submit --state state --customer acme --to 9x9 photos
exits 65 'a spec that is none' "$queue" submit --state state --customer acme --to 9by9 images.tar
exits 65 'no spec at all' "$queue" submit --state state --customer acme images.tar
exits 64 'a format that is none' "$queue" list --state state --format=xml
exits 64 'a lease that is none' "$queue" drain --state state --lease soon
exits 64 'a lease that is too short' "$queue" drain --state state --lease 0s
exits 66 'hosts that are not there' "$queue" drain --state state --hostfile missing
exits 64 'a queue that is none' "$queue" drain --state state --queue kafka:x
exits 66 'a job that is not there' "$queue" show --state state j0123456789abcdef0123456789abcdef
exits 66 'an id that is none' "$queue" show --state state ../../etc/passwd
exits 66 'nor can it be cancelled' "$queue" cancel --state state ../x
is "$("$queue" list --state state --customer other --format=json | jq -r .customer | sort -u)" \
    other 'jobs can be listed by customer'
like "$("$queue" list --state state | head -n 1)" \
    '^20[0-9-]+T[0-9:.]+Z j[0-9a-f]{32} ' 'for people, a line each'
like "$("$queue" show --state state "$first")" 'state     done' 'and one in full'
[ "$tap_failed" -eq 0 ] || sed 's/^/# /' drain.err >&2
done_testing
