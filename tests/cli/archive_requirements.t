#!/usr/bin/env bash
# archive_requirements.t - what those who have to keep records are asked for, under the headings of
# the rules (17 CFR 240.17a-4(f), GDPR). Each is shown once, from end to end, with other programs
# for witnesses; the tests of the verbs have the corners.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

# flip FILE OFFSET: another byte there
flip()
{
    perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1);
        seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ 1)' "$@"
}

# fresh: a copy of the archive to be tampered with
fresh()
{
    rm -rf work && cp -r cold work
}

# whole NAME: is the copy's volume what was packed, to the byte?
whole()
{
    diff -r cold/volumes work/volumes >diff.out
    ok $? "$1"
}

make_records records
cp -rp records original
make_log n01-0-1 1 4000 >log.ndjson
"$usage" ingest --store store log.ndjson >/dev/null 2>&1
exits 0 'keys' "$archive" keygen --out auditor
exits 0 'and those of somebody else' "$archive" keygen --out other
find records -type f >list
exits 0 'records and usage are packed' "$archive" pack --to cold --key auditor.key --retain 7y \
    --time 2026-12-01T02:00:00Z records store/segments
volume=$(cat stdout)
tar=volumes/$volume.tar.zst
verify=(verify --trust auditor.pub --from)

echo '# 1. An alteration or deletion is detected, and the original recreated; or refused.'
fresh
flip "work/$tar" 1000000
exits 76 'an alteration of a volume is detected' "$archive" "${verify[@]}" work
exits 0 'and undone by its parity' "$archive" repair --from work "$volume"
whole 'to the byte'
rm "work/volumes/$volume.index" "work/volumes/$volume.parity"
exits 76 'a deletion is detected' "$archive" "${verify[@]}" work
exits 0 'and undone by the volume' "$archive" repair --from work "$volume"
whole 'to the byte'
rm "work/$tar"
exits 76 'the deletion of a volume is detected' "$archive" "${verify[@]}" work
exits 76 'and without a copy it is not undone' "$archive" repair --from work "$volume"
exits 0 'but with one it is' "$archive" repair --from work --copy cold "$volume"
whole 'to the byte'
sed -i 's/^# retain-until 2033/# retain-until 2027/' "work/volumes/$volume.manifest"
exits 76 'a promise that is altered is detected' "$archive" "${verify[@]}" work
fresh
exits 0 'something is noted' "$archive" hold --from work --key auditor.key --volume "$volume" \
    --name CASE-17
sed -i '/"kind":"hold"/d' work/catalogue.log
exits 76 'and cannot be taken out of the log' "$archive" "${verify[@]}" work
sed 's/record 7/record 8/' records/deep/r7.txt >forged.txt
mkdir -p forgery && cp -rp records forgery/ && cp forged.txt forgery/records/deep/r7.txt
(cd forgery && packed --to ../forged --key ../other.key records)
exits 0 'an archive that somebody forged whole is consistent' "$archive" verify --from forged
like "$(cat stdout)" 'intact but UNTRUSTED' 'but nobody vouches for it'
exits 76 'and by the public key it is refused' "$archive" "${verify[@]}" forged
echo altered >records/deep/r7.txt
exits 0 'an altered file is another record' "$archive" pack --to cold --key auditor.key \
    --time 2026-12-02T02:00:00Z records/deep/r7.txt
exits 0 'beside the original' "$archive" cat --from cold --no-note \
    --record "$volume:records/deep/r7.txt"
cmp -s stdout original/deep/r7.txt
ok $? 'which stays as it was'

echo '# 2. Completeness: input count, bytes, hash = archived; otherwise non-zero exit.'
index=cold/volumes/$volume.index
is "$(jq -r 'select(.customer | not) | .key' "$index" | LC_ALL=C sort)" "$(LC_ALL=C sort list)" \
    'every file is a record'
jq -r 'select(.customer | not) | "\(.sha256)  \(.key)"' "$index" >sums
sed 's,  records/,  original/,' sums | sha256sum -c --quiet --strict
ok $? 'with its hash'
is "$(jq -s 'map(select(.customer | not).size) | add' "$index")" \
    "$(find original -type f -printf '%s\n' | jq -s add)" 'and all bytes'
is "$(sed -n 's/^# record[-a-z]* //p' "cold/volumes/$volume.manifest" | paste -sd' ')" \
    "$(jq -s -r '"\(length) \(map(.size) | add)"' "$index")" 'the signed manifest has both sums'
exits 0 'usage is printed' "$archive" cat --from cold --no-note --path 'usage/*'
LC_ALL=C sort stdout | cmp -s - <("$usage" cat --store store | LC_ALL=C sort)
ok $? 'and every event of the store is there, once'
cp cold/catalogue.log before.log
mkdir given && echo a >given/a && ln -s a given/link
exits 65 'what cannot be archived whole is an error' \
    "$archive" pack --to cold --key auditor.key given
rm given/link
exits 66 'and so is what is missing' "$archive" pack --to cold --key auditor.key given nowhere
(while :; do echo more; done >>given/grows) &
writer=$!
code=0
for ((try = 0; try < 50 && code == 0; try++)); do
    "$archive" pack --to grown --key auditor.key given >packed.out 2>packed.err
    code=$?
done
kill "$writer" && wait "$writer" 2>/dev/null
like "$code $(cat packed.err)" '^75 .*given/grows' 'and what is written to meanwhile'
cmp -s before.log cold/catalogue.log
ok $? 'of none of it anything was archived'

echo '# 3. A record can be downloaded with its audit trail and locating information, readable.'
key=usage/customer-3/2026-11-01.ndjson
exits 0 'it is held' "$archive" hold --from cold --key auditor.key --record "$key" --name CASE-17 \
    --note 'letter of 2 May'
exits 0 'it is checked' "$archive" "${verify[@]}" cold
exits 0 'a record is downloaded' "$archive" restore --from cold --trust auditor.pub -o got \
    --record "$key" --note 'for the auditor'
jq -cS . "got/$key" | LC_ALL=C sort | cmp -s - <("$usage" cat --store store --customer customer-3 \
    --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z | jq -cS . | LC_ALL=C sort)
ok $? 'which is lines that any program reads'
exits 0 'its trail' "$archive" list --from cold --trail --record "$key"
cp stdout trail
is "$(sed -nE 's/^  [0-9]+ [0-9]{4}-[0-9-]+T[0-9:.]+Z (archivist@n07 [a-z]+).*/\1/p' trail |
    paste -sd,)" \
    'archivist@n07 pack,archivist@n07 hold,archivist@n07 check,archivist@n07 restore' \
    'tells who did what, and when'
like "$(cat trail)" 'hold CASE-17 note letter of 2 May' 'and why'
place="lies in ($tar), frame [0-9]+ \(([0-9]+) bytes from ([0-9]+)\), ([0-9]+) bytes into it"
like "$(cat trail)" "$place" 'and where it lies'
read -r file size from into <<<"${BASH_REMATCH[*]:1:4}"
tail -c "+$((from + 1))" "cold/$file" | head -c "$size" | zstd -dcq | tail -c "+$((into + 1))" |
    tar -xO "$key" 2>/dev/null | cmp -s - "got/$key"
ok $? 'there zstd and tar find it, without the rest'
exits 0 'its proof' "$archive" prove --from cold --record "$key"
cp stdout proof
exits 0 'is checked by the public key alone' python3 -B "$tap_here/examples/check-proof.py" proof \
    auditor.pub "got/$key"
like "$(cat stdout)" "^proved: $key" 'and says what it proves'

echo '# 4. A second copy exists: destroy the first, restore.'
exits 0 'the archive is copied' "$archive" push --from cold --to second --trust auditor.pub
cp -r cold lost
rm -rf cold
exits 66 'the first is destroyed' "$archive" list --from cold
exits 0 'everything is restored from the second' "$archive" restore --from second --no-note \
    --trust auditor.pub --volume "$volume" -o again
diff -r original again/records
ok $? 'file by file'
exits 0 'and the first is made again' "$archive" pull --from second --to cold --trust auditor.pub
diff -r --exclude=lock --exclude=.tmp lost cold
ok $? 'to the byte'
exits 0 'and holds' "$archive" "${verify[@]}" cold --no-note

echo '# 5. The index can always be produced, and be rebuilt from the volume alone.'
TZ=UTC tar --zstd -tvf "cold/$tar" --full-time --quoting-style=literal |
    sed -E 's/^[^ ]+ [^ ]+ +([0-9]+) ([^ ]+) ([^ ]+) (.*)/\1 \2T\3 \4/' >by-tar
jq -r '(.from | sub("\\..*"; "")) as $time | "\(.size) \(
    if .customer then (.to | sub("\\..*"; "")) else $time end) \(.key)"' "$index" | cmp -s - by-tar
ok $? 'the index is what tar lists: sizes, times, names'
rm -rf alone && cp -r cold alone
rm "alone/volumes/$volume.index" "alone/volumes/$volume.parity"
exits 0 'without it, and without parity' "$archive" repair --from alone "$volume"
cmp "alone/volumes/$volume.index" "$index"
ok $? 'the volume gives it again, to the byte'

echo '# 6. Retention only lengthens; a hold overrides expiry; a tombstone; no clock is early.'
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -z "${SAN:-}" ] || library= # a sanitizer wants to be loaded first

# at DAY VERB ARGUMENT...: on that day, by the clock
at()
{
    local day=$1
    shift
    env "LD_PRELOAD=$library" NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC \
        "FAKETIME=@$day 00:00:00" "$archive" "$@"
}

# expires DAY ARCHIVE: expire on that day; what it says of the volume that is due is in $said
expires()
{
    at "$1" expire --from "$2" --key auditor.key >expire.out 2>expire.err || cat expire.err >&2
    said=$(sed -n "s/^$due //p" expire.out)
}

if [ -n "$library" ]; then
    due=$(at 2026-12-01 pack --to due --key auditor.key --retain 60d store/segments 2>pack.err)
    beside=$(at 2026-12-01 pack --to due --key auditor.key original 2>pack.err)
    exits 65 'retention gets no shorter' at 2026-12-02 extend --from due --key auditor.key \
        --volume "$due" --retain 30d
    exits 0 'nor does it by packing again' at 2026-12-02 pack --to due --key auditor.key \
        --retain 1d store/segments
    is "$(cat stdout) $(grep -c '"kind":"extend"' due/catalogue.log)" "$due 0" 'the same volume'
    exits 0 'it is held' at 2026-12-02 hold --from due --key auditor.key --volume "$due" \
        --name CASE-17
    for day in 2026-12-30 2027-01-29; do
        exits 0 "time is witnessed on $day" at $day verify --from due --trust auditor.pub
    done
    expires 2027-02-01 due
    is "$said" 'kept: held by CASE-17' 'a hold overrides expiry'
    exits 0 'it is released' at 2027-02-01 release --from due --key auditor.key --all --name CASE-17
    cp -r due back && cp -r due ahead
    expires 2017-02-01 back
    is "$said" 'kept: not before 2027-01-30T00:00:00Z' 'a clock set back expires nothing'
    expires 2037-02-01 ahead
    like "$(sed -n "s/^$beside //p" expire.out)" '^kept: not before 2033-12-01.*can vouch only' \
        'nor does one set forward, of what is not due'
    expires 2027-02-01 due
    is "$said" expired 'a clock that is right does'
    is "$(find due/volumes -name "$due*")" '' 'its files are gone'
    is "$(jq -r 'select(.kind == "expire") | "\(.volume) \(.time[:10]) \(.actor)"' \
        due/catalogue.log)" "$due 2027-02-01 archivist@n07" 'a tombstone is left'
    like "$(tail -n 1 due/catalogue.log)" '^\{"checkpoint":' 'which is signed'
else
    echo '# there is no libfaketime, or a sanitizer: clocks are as they are'
fi

echo '# 7. Erasure of a person defers to retention.'
# Only that is here. Erasure of one among many by shredding the key of a subject is not: volumes are
# not encrypted, and what ends with its retention is a volume with all that is in it.
exits 0 'before its time a customer cannot be erased' "$archive" expire --from cold \
    --key auditor.key
like "$(sed -n "s/^$volume //p" stdout)" '^kept: ' 'the volume is kept'
exits 0 'and the usage is there' "$archive" cat --from cold --no-note --customer customer-3
LC_ALL=C sort stdout | cmp -s - <("$usage" cat --store store --customer customer-3 |
    LC_ALL=C sort)
ok $? 'all of it'
if [ -n "$library" ]; then
    exits 66 'after it there is none' "$archive" cat --from due --no-note --customer customer-3
    exits 0 'a copy from before' "$archive" push --from due --to back
    exits 66 'loses it, too' "$archive" cat --from back --no-note --customer customer-3
    exits 0 'what is beside it is whole' "$archive" "${verify[@]}" back --no-note
    like "$(cat stdout)" "^$beside intact" 'and was not touched'
fi

done_testing
