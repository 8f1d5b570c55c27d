#!/usr/bin/env bash
# archive_retention.t - volumes are kept as long as was promised and as long as anything holds them,
# whatever clock the machine has, and end when both are over.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

[ -z "${SAN:-}" ] || skip_all 'a sanitizer wants to be the first library that is loaded'
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || skip_all 'there is no libfaketime'

# at TIME VERB ARGUMENT...: under a clock that says so; times of files are the true ones
at()
{
    local time=$1
    shift
    env "LD_PRELOAD=$library" NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC \
        "FAKETIME=@$time" "$archive" "$@" --from cold
}

# packed_at TIME NAME OPTION...: packs a file into a volume of its own, and sets $volume
packed_at()
{
    local time=$1 name=$2
    shift 2
    mkdir -p files
    echo "$name" >"files/$name"
    touch -d 2016-01-01T00:00:00Z "files/$name"
    volume=$(env "LD_PRELOAD=$library" NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC \
        "FAKETIME=@$time" "$archive" pack --to cold --key auditor.key --parity none "$@" \
        "files/$name" 2>packed.err)
    [ -n "$volume" ] || cat packed.err >&2
}

# expires TIME: tries to end what is due; what it says of the first volume packed is in $said
expires()
{
    at "$1" expire --key auditor.key >expire.out 2>expire.err || cat expire.err >&2
    said=$(sed -n "s/^$first //p" expire.out)
}

# begin: a new archive, whose first volume is due after 60 days; its name is in $first
begin()
{
    rm -rf cold
    packed_at "$1" first --retain 60d
    first=$volume
}

exits 0 'keygen' "$archive" keygen --out auditor
exits 0 'another' "$archive" keygen --out other

# A clock that is right.
begin '2026-12-01 00:00:00'
packed_at '2026-12-01 00:01:00' second
second=$volume
for day in 2026-12-30 2027-01-20; do
    exits 0 "an archive is scrubbed on $day" at "$day 00:00:00" scrub --budget 1m
done
expires '2027-01-29 23:59:59'
is "$said" 'kept: not before 2027-01-30T00:00:00Z' 'a second before it is due a volume is kept'
exits 0 'a dry run needs no key' at '2027-01-30 00:00:01' expire --dry-run
is "$(grep -c ' would expire$' stdout)" 1 'and tells what would be done'
is "$(find cold/volumes -name "$first*" | wc -l)" 4 'but does nothing'
cp -r cold before
expires '2027-01-30 00:00:01'
is "$said" expired 'a second after it expires'
is "$(find cold/volumes -name "$first*")" '' 'its files are gone'
is "$(grep -c "\"kind\":\"expire\",\"volume\":\"$first\"" cold/catalogue.log)" 1 \
    'there is a tombstone in the catalogue'
like "$(tail -n 1 cold/catalogue.log)" '^\{"checkpoint":' 'signed'
like "$(cat expire.out)" "$second kept: not before 2033-12-01T00:01:00Z" 'others are kept'
exits 0 'and intact' at '2027-01-31 00:00:00' verify --trust auditor.pub

# An expiry that was killed behind its tombstone.
cp before/volumes/"$first"* cold/volumes/
at '2027-02-01 00:00:00' expire --dry-run >stdout 2>stderr
like "$(cat stdout)" "$first has expired: files that are left would be removed" \
    'files that an expiry has left are told of'
expires '2027-02-01 00:00:00'
is "$said" 'has expired: files that were left are removed' 'and removed by the next'
is "$(find cold/volumes -name "$first*")" '' 'all of them'
is "$(grep -c '"kind":"expire"' cold/catalogue.log)" 1 'without another tombstone'
exits 66 'what has expired cannot be held' at '2027-02-01 00:00:00' hold --key auditor.key \
    --volume "$first" --name CASE-1
like "$(cat stderr)" 'has expired' 'and that is said'

# An expiry that was killed before its tombstone was signed has never happened.
rm -rf cold && cp -r before cold
last=$(jq -c 'select(.kind)' cold/catalogue.log | tail -n 1)
entry="{\"n\":$(($(jq .n <<<"$last") + 1)),\"time\":\"2027-01-30T00:00:01.000000Z\","
entry+="\"actor\":\"archivist@n07\",\"kind\":\"expire\",\"volume\":\"$first\""
chain=$(jq -r .chain <<<"$last")
chain=$(printf '%s' "$chain$entry" | sha256sum | cut -c 1-32)
echo "$entry,\"chain\":\"$chain\"}" >>cold/catalogue.log
at '2027-01-30 00:00:01' expire --dry-run >stdout 2>stderr
is "$? $(grep -c "$first would expire" stdout)" '0 1' 'a tombstone without a signature is none'

# Holds.
begin '2026-12-01 00:00:00'
exits 64 'a hold needs a key' at '2026-12-02 00:00:00' hold --volume "$first" --name CASE-17
exits 65 'of those who pack here' at '2026-12-02 00:00:00' hold --key other.key --volume "$first" \
    --name CASE-17
like "$(cat stderr)" 'has signed nothing' 'and another is refused with the reason'
exits 64 'a hold has a name' at '2026-12-02 00:00:00' hold --key auditor.key --volume "$first"
exits 64 'that is a line' at '2026-12-02 00:00:00' hold --key auditor.key --volume "$first" \
    --name $'CASE\n17'
exits 0 'a volume is held by a begin of its name' at '2026-12-02 00:00:00' hold --key auditor.key \
    --volume "${first:0:8}" --name CASE-17 --note 'letter of 2 May'
is "$(cat stdout)" "$first held by CASE-17" 'which is said'
is "$(jq -r 'select(.kind == "hold") | "\(.name) \(.note) \(.actor)"' cold/catalogue.log)" \
    'CASE-17 letter of 2 May archivist@n07' 'the catalogue has name, note and actor'
exits 0 'by a record, for another case' at '2026-12-30 00:00:00' hold --key auditor.key \
    --record files/first --name CASE-9
at '2026-12-31 00:00:00' hold --key auditor.key --record files/first --name CASE-9 >stdout 2>stderr
is "$? $(cat stdout) $(grep -c CASE-9 cold/catalogue.log)" "0 $first held by CASE-9 already 1" \
    'a hold is noted once'
exits 0 'time goes by' at '2027-01-30 00:00:00' verify
expires '2027-03-01 00:00:00'
is "$said" 'kept: held by CASE-17, CASE-9' 'a volume that is due is kept by its holds'
exits 65 'a hold that is none cannot be released' at '2027-03-01 00:00:00' release \
    --key auditor.key --all --volume "$first" --name CASE-1
exits 0 'one is released' at '2027-03-01 00:00:00' release --key auditor.key --volume "$first" \
    --name CASE-9 --note settled
is "$(cat stdout)" "$first released by CASE-9, and held by others" 'and that others are left'
expires '2027-03-01 00:00:00'
is "$said" 'kept: held by CASE-17' 'the other still holds'
exits 0 'it is released too' at '2027-03-01 00:00:00' release --key auditor.key --all \
    --name CASE-17
expires '2027-03-01 00:00:00'
is "$said" expired 'then the volume expires'

# Extension.
begin '2026-12-01 00:00:00'
exits 65 'retention gets no shorter' at '2026-12-02 00:00:00' extend --key auditor.key \
    --volume "$first" --to 2027-01-29
like "$(cat stderr)" 'retention only gets longer' 'and that is said'
exits 65 'not by a duration either' at '2026-12-02 00:00:00' extend --key auditor.key \
    --class default --retain 58d
exits 64 'an end is given once' at '2026-12-02 00:00:00' extend --key auditor.key \
    --class default --retain 3y --to 2030-01-01
is "$(grep -c '"kind":"extend"' cold/catalogue.log)" 0 'nothing was noted'
exits 0 'it gets longer' at '2026-12-02 00:00:00' extend --key auditor.key --class default \
    --retain 3y
is "$(cat stdout)" "$first kept until 2029-12-02T00:00:00Z" 'by calendar years'
exits 0 'the same again' at '2026-12-03 00:00:00' extend --key auditor.key --record files/first \
    --to "$(jq -r 'select(.kind == "extend").retain_until' cold/catalogue.log)"
is "$(cat stdout) $(grep -c '"kind":"extend"' cold/catalogue.log)" \
    "$first kept until 2029-12-02T00:00:00Z already 1" 'is noted once'
exits 66 'no volume of the class' at '2026-12-03 00:00:00' extend --key auditor.key --class none \
    --retain 9y
expires '2027-01-30 00:00:01'
is "$said" 'kept: not before 2029-12-02T00:00:00Z' 'the old end means nothing any more'

# Ten years ahead when it expires.
begin '2026-12-01 00:00:00'
expires '2036-12-01 00:00:00'
like "$said" 'kept: not before 2027-01-30T00:00:00Z: the clock says 2036-12-01T00:00:00Z, but' \
    'a clock ten years ahead expires nothing'
like "$said" 'vouch only for time until 2026-12-01T00:00:00Z \(scrub at least every 35 days' \
    'and the reason is given, with the remedy'

# Ten years ahead while it is scrubbed, then right again.
for time in '2036-12-01 00:00:00' '2036-12-01 00:10:00'; do
    exits 0 "it is scrubbed at $time" at "$time" scrub --budget 1m
done
expires '2036-12-01 00:20:00'
like "$said" 'kept: .*until 2026-12-01T00:(19:59|20:0)' \
    'scrubs under that clock vouch for what passed between'
for day in 2026-12-10 2027-01-09; do
    exits 0 "it is checked on $day, the clock being right" at "$day 00:00:00" verify
done
expires '2027-01-30 00:00:01'
like "$said" 'kept: .*until 2027-01-21T00:(09:59|10:0)' \
    'what nobody has seen is not counted: nine days'
expires '2027-02-08 00:00:01'
is "$said" expired 'so it ends nine days late, not early'

# Ten years back while it is scrubbed and when it expires.
begin '2026-12-01 00:00:00'
exits 0 'it is scrubbed ten years before' at '2016-12-01 00:00:00' scrub --budget 1m
expires '2016-12-02 00:00:00'
is "$said" 'kept: not before 2027-01-30T00:00:00Z' 'a clock ten years back expires nothing'
exits 0 'it is right again' at '2027-01-25 00:00:00' verify
expires '2027-01-30 00:00:01'
like "$said" 'kept: .*vouch' 'and the time until then was not witnessed'

# Ten years ahead when it is packed: what is packed then, and behind it, is kept so much longer.
begin '2036-12-01 00:00:00'
packed_at '2026-12-02 00:00:00' behind --retain 60d
for day in 2027-01-01 2027-02-01; do at "$day 00:00:00" verify >stdout 2>&1; done
expires '2027-02-10 00:00:00'
is "$(cat expire.out)" "$first kept: not before 2037-01-30T00:00:00Z
$volume kept: not before 2037-01-30T00:00:00Z" 'packed ten years ahead: kept ten years longer'

# Ten years back when it is packed.
begin '2016-12-01 00:00:00'
expires '2026-12-01 00:00:00'
like "$said" 'kept: not before 2017-01-30T00:00:00Z: .*until 2016-12-01' \
    'packed ten years back, it does not end when the clock is right again'
exits 0 'its time is witnessed' at '2026-12-01 00:00:00' verify
exits 0 'month by month' at '2026-12-31 00:00:00' verify
expires '2027-01-29 23:59:59'
like "$said" '^kept' 'and before sixty days of that are over it is kept'
expires '2027-01-30 00:00:01'
is "$said" expired 'then it ends'

# An archive whose clock went back keeps what is packed as if it had not.
begin '2026-12-01 00:00:00'
packed_at '2016-12-02 00:00:00' behind --retain 60d
expires '2026-12-02 00:00:00'
like "$(cat expire.out)" "$volume kept: not before 2027-01-30T00:00:00Z" \
    'retention counts from the latest time that the catalogue knows'

# An archive that nobody touched for years expires late.
begin '2026-12-01 00:00:00'
expires '2030-01-01 00:00:00'
like "$said" '^kept: .*vouch' 'nobody has witnessed three years'

# Volumes of customers.
rm -rf cold
make_log n01-0-1 1 500 >log.ndjson
jq -c 'select(.subject == "customer-3")' log.ndjson >three.ndjson
jq -c 'select(.subject == "customer-5")' log.ndjson >five.ndjson
for log in three five; do
    "$usage" ingest --store "store-$log" "$log.ndjson" >/dev/null 2>&1
    packed --to cold --key auditor.key --time 2026-12-01T00:00:00Z "store-$log/segments"
done
five=$(tail -n 1 packed.out)
hold=(hold --from cold --key auditor.key --name CASE-3)
exits 0 'what has usage of a customer is held' "$archive" "${hold[@]}" --customer customer-5
is "$(cat stdout)" "$five held by CASE-3" 'and nothing else'
exits 66 'a customer that is nowhere is told' "$archive" "${hold[@]}" --customer customer-5 \
    --customer customer-6
like "$(cat stderr)" 'no volume has usage of the customer customer-6' 'by name'
exits 66 'and so is a record' "$archive" "${hold[@]}" --record usage/customer-6/2026-11-01.ndjson
cp cold/catalogue.log catalogue.before
index=$(find cold/volumes -name '*.index' ! -name "$five*")
cp "$index" index.before
sed -i 's/customer-3/customer-4/' "$index"
exits 65 'an index that is damaged is not searched for what to hold' "$archive" "${hold[@]}" \
    --customer customer-5
like "$(cat stderr)" 'archive repair' 'the remedy is told'
cmp cold/catalogue.log catalogue.before
ok $? 'and nothing is noted'

done_testing
