#!/usr/bin/env bash
# archive_restore.t - list, cat and restore: what is asked for, all of it, whole, and nothing else.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

# Two volumes: records and days of usage; other records, and days that got events later.
make_records records
latin=$(printf 'records/h\351llo')
echo latin >"$latin"
make_log n01-0-1 1 3000 >one.ndjson
make_log n02-0-1 79000 81000 >two.ndjson
make_log n03-0-1 3001 3100 >late.ndjson
"$usage" ingest --store store one.ndjson two.ndjson >/dev/null 2>&1
"$usage" ingest --store late late.ndjson >/dev/null 2>&1
"$archive" keygen --out auditor >/dev/null 2>&1
"$archive" keygen --out other >/dev/null 2>&1
packed --to cold --key auditor.key --time 2026-12-01T02:00:00Z records store/segments
first=${volumes[0]}
mkdir bills
echo sum >bills/lines.csv
packed --to cold --key auditor.key --class bills --time 2026-12-02T02:00:00Z bills late/segments
second=${volumes[0]}
cat "cold/volumes/$first.index" "cold/volumes/$second.index" >indexes
for volume in "$first" "$second"; do
    mkdir "tar.$volume"
    tar --zstd -xf "cold/volumes/$volume.tar.zst" -C "tar.$volume"
done

# entries: lines of the catalogue that tell of a restore
entries()
{
    grep -c '"kind":"restore"' cold/catalogue.log
}

# list

exits 0 'list' "$archive" list --from cold
is "$(cut -d' ' -f1 stdout | uniq -c | sed 's/^ *//')" \
    "$(wc -l <"cold/volumes/$first.index") $first
$(wc -l <"cold/volumes/$second.index") $second" 'has a line for each record of each volume'
cut -d' ' -f2- stdout | cmp - <(jq -r '"\(.size) \(.from) \(.key)"' indexes)
ok $? 'bytes, time, key'
exits 0 'as JSON' "$archive" list --from cold --format=json
jq -c 'del(.volume)' stdout | cmp - <(jq -c . indexes)
ok $? 'it is the lines of the indexes'
is "$(jq -r .volume stdout | uniq)" "$first
$second" 'with the volume'
customer='customer-3'
exits 0 'usage of a customer' "$archive" list --from cold --customer "$customer" --format=json
jq -c 'del(.volume)' stdout | cmp - <(jq -c "select(.customer == \"$customer\")" indexes)
ok $? 'is what jq selects'
exits 0 'by path' "$archive" list --from cold --path 'records/deep/*1.txt'
is "$(wc -l <stdout)" "$(find records/deep -name '*1.txt' | wc -l)" 'is what find does'
exits 0 'by time' "$archive" list --from cold --from-time 2026-11-01 --to-time 2026-11-02
is "$(grep -c . stdout) $(grep -vc ' usage/.*/2026-11-01.ndjson$' stdout)" \
    "$(jq -c 'select(.key | test("^usage/.*2026-11-01"))' indexes | wc -l) 0" \
    'a day is from its first moment to before the next'
exits 0 'of one volume' "$archive" list --from cold --volume "$second"
is "$(wc -l <stdout)" "$(wc -l <"cold/volumes/$second.index")" 'as many as it has'
exits 0 'what nobody has' "$archive" list --from cold --customer nobody
is "$(cat stdout)" '' 'is an empty list'
exits 66 'a key that nobody has' "$archive" list --from cold --record records
like "$(cat stderr)" 'no volume has a record records' 'is named'
exits 66 'a volume that is not there' "$archive" list --from cold --volume "${first//[0-9]/0}"
exits 66 'an archive that is none' "$archive" list --from records
exits 66 'a folder that is not there' "$archive" list --from nowhere
exits 64 'no archive' "$archive" list
exits 64 'a volume that cannot be' "$archive" list --from cold --volume x
exits 64 'a key and a path' "$archive" list --from cold --record a --path b
exits 64 'a time that is none' "$archive" list --from cold --from-time yesterday
exits 64 'an operand' "$archive" list --from cold records
exits 64 'a format that is none' "$archive" list --from cold --format=xml
exits 0 'keys that are not UTF-8' "$archive" list --from cold --record 'records/h%E9llo'
like "$(cat stdout)" 'records/h%E9llo' 'are listed as they are asked for'

exits 0 'volumes' "$archive" list --from cold --volumes
is "$(wc -l <stdout)" 2 'a line each'
like "$(sed -n 2p stdout)" "^$second bills packed 2026-12-02T02:00:00.000000Z retain-until \
2033-12-02T02:00:00.000000Z records $(wc -l <"cold/volumes/$second.index") bytes \
$(stat -c %s "cold/volumes/$second.tar.zst") never-checked\$" 'class, times, records, bytes, check'
"$archive" hold --from cold --key auditor.key --volume "$second" --name CASE-17 --note inquiry \
    >/dev/null 2>&1
exits 0 'a hold' "$archive" list --from cold --volumes --format=json
is "$(jq -c .holds stdout | tail -n 1)" '["CASE-17"]' 'is shown'

# The trail is enough to get at the record with plain tools.
exits 0 'trail' "$archive" list --from cold --trail --record records/random.bin
like "$(cat stdout)" "lies in volumes/$first.tar.zst, frame ([0-9]+) \(([0-9]+) bytes from \
([0-9]+)\), ([0-9]+) bytes into it; SHA-256 ([0-9a-f]{64})" 'where it lies'
from=${BASH_REMATCH[3]} into=${BASH_REMATCH[4]}
is "${BASH_REMATCH[5]}" "$(sha256sum <records/random.bin | cut -c1-64)" 'its digest'
tail -c "+$((from + 1))" "cold/volumes/$first.tar.zst" | zstd -dc 2>/dev/null |
    tail -c "+$((into + 1))" | tar -xO records/random.bin 2>/dev/null | cmp - records/random.bin
ok $? 'zstd and tar find it there'
like "$(cat stdout)" '0 2026-12-01T02:00:00.000000Z archivist@n07 pack class default' \
    'and what was done'
exits 0 'of a held one' "$archive" list --from cold --trail --record bills/lines.csv
like "$(cat stdout)" 'hold CASE-17 note inquiry' 'has the hold'
exits 0 'as JSON' "$archive" list --from cold --trail --record bills/lines.csv --format=json
is "$(jq -r '.kind // .key // .file' stdout)" "bills/lines.csv
volumes/$second.tar.zst
pack
hold" 'record, place, entries'

# restore

exits 0 'restore' "$archive" restore --from cold -o out --volume "$first" --trust auditor.pub
diff -r out "tar.$first"
ok $? 'gives what tar does'
is "$(cd out && find . -type f -printf '%T@ %p\n' | sort)" \
    "$(cd "tar.$first" && find . -type f -printf '%T@ %p\n' | sort)" 'with its times'
cmp "$latin" "out/$latin"
ok $? 'and the bytes of its names'
like "$(cat stderr)" "^millrace archive restore: ([0-9]+) of ([0-9]+) records, ([0-9]+) bytes, are \
whole in out; 0 of them were there before; 0 failed\$" 'and its arithmetic, trusted'
is "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]}" \
    "$(jq -s -r '"\(length) \(length) \(map(.size) | add)"' "cold/volumes/$first.index")" 'in full'
is "$(entries)" 1 'it is noted in the catalogue'
is "$(tail -n 1 cold/catalogue.log | jq -c '[.kind, .volume, .records, .note]')" \
    "[\"restore\",\"$first\",$(wc -l <"cold/volumes/$first.index"),\"volume $first\"]" \
    'what, and why'
find out -printf '%T@ %C@ %i %p\n' | sort >before
exits 0 'again' "$archive" restore --from cold -o out --volume "$first" --note 'second try'
find out -printf '%T@ %C@ %i %p\n' | sort | grep -av ' out$' | cmp - <(grep -av ' out$' before)
ok $? 'changes nothing'
like "$(cat stderr)" '; [1-9][0-9]* of them were there before; 0 failed' 'and says so'
like "$(cat stderr)" 'UNTRUSTED' 'without --trust it says that nobody vouches for the keys'
is "$(tail -n 1 cold/catalogue.log | jq -r .note)" 'second try' 'a note'
exits 0 'without one' "$archive" restore --from cold -o out --volume "$first" --no-note
is "$(entries)" 2 'there is none'
like "$("$archive" restore --from cold -o out2 --trust other.pub 2>&1)" 'CORRUPT|corrupt|key' \
    'with the key of another it fails'
[ ! -e out2 ]
ok $? 'before anything is restored'

echo changed >out/records/empty
exits 1 'a file with other bytes' "$archive" restore --from cold -o out --volume "$first"
like "$(cat stderr)" 'records/empty: out/records/empty: it is there with other bytes' 'is named'
is "$(cat out/records/empty)" changed 'and stays'
exits 0 'unless forced' "$archive" restore --from cold -o out --volume "$first" --force
is "$(cat out/records/empty)" '' 'it is replaced'
rm out/records/empty
ln -s /etc/hostname out/records/empty
exits 1 'a symlink in the way' "$archive" restore --from cold -o out --record records/empty
exits 0 'unless forced' "$archive" restore --from cold -o out --record records/empty --force
[ -f out/records/empty ] && [ ! -L out/records/empty ] && [ -s /etc/hostname ]
ok $? 'is replaced, and not followed'
exits 1 'a folder in the way' sh -c 'mkdir -p out3/records/empty &&
    exec "$0" restore --from cold -o out3 --record records/empty --force' "$archive"
like "$(cat stderr)" 'a folder is in the way' 'is named'

# Volumes that have the same keys: a customer's day, when events came late.
exits 65 'keys that two volumes have' "$archive" restore --from cold -o clash
like "$(cat stderr)" "$first:usage/customer-3/2026-11-01.ndjson has [0-9]+ bytes" 'are listed'
like "$(cat stderr)" "$second:usage/customer-3/2026-11-01.ndjson has [0-9]+ bytes" 'of each volume'
like "$(cat stderr)" 'restore with --by-volume, or choose by --volume' 'with a way out'
is "$(find clash -type f)" '' 'before anything is restored'
exits 0 'by volume' "$archive" restore --from cold -o clash --by-volume
diff -r "clash/$first" "tar.$first" && diff -r "clash/$second" "tar.$second"
ok $? 'both are restored'
key=usage/customer-3/2026-11-01.ndjson
exits 65 'such a key alone' "$archive" restore --from cold -o one --record "$key"
like "$(cat stderr)" "$second:$key has" 'is listed'
exits 0 'until it is chosen' "$archive" restore --from cold -o one --record "$second:$key"
cmp "one/$key" "tar.$second/$key"
ok $? 'by its volume'
exits 0 'by volume, too' "$archive" restore --from cold -o one2 --record "$key" --volume "$first"
cmp "one2/$key" "tar.$first/$key"
ok $? 'as an option'
exits 0 'a customer over volumes' "$archive" cat --from cold --customer customer-3
LC_ALL=C sort stdout | cmp - <(cat tar.*/usage/customer-3/* | LC_ALL=C sort)
ok $? 'is printed from all of them'
exits 0 'a day of a customer' "$archive" cat --from cold --customer customer-3 \
    --from-time 2026-11-01 --to-time 2026-11-02
cat "tar.$first/$key" "tar.$second/$key" | cmp - stdout
ok $? 'volume by volume'

# cat

exits 0 'cat' "$archive" cat --from cold --record records/random.bin
cmp stdout records/random.bin
ok $? 'prints a large record'
exits 0 'cat of nothing much' "$archive" cat --from cold --record records/empty
is "$(cat stdout)" '' 'prints an empty one'
exits 0 'in order of keys' "$archive" cat --from cold --path 'records/deep/*'
(cd records && find deep -type f | LC_ALL=C sort | xargs cat) | cmp - stdout
ok $? 'one behind the other'
exits 66 'what nobody has' "$archive" cat --from cold --path nothing
# shellcheck disable=SC2317 # it is called by exits
cat_onto_full_disk()
{
    "$archive" cat --from cold --record records/numbers.txt >/dev/full
}
exits 74 'a full disk is an error' cat_onto_full_disk

# An archive that cannot be written is read all the same.
cp -r cold readonly
exits 0 'an archive that is being written' flock readonly/lock \
    "$archive" cat --from readonly --record records/empty
like "$(cat stderr)" 'not noted in the catalogue' 'is read, and says that it could not note it'

# Copies: what one volume has lost, another may have.
cp -r records/deep more
echo else >more/else
packed --to twice --key auditor.key --time 2026-12-01T02:00:00Z records/deep
packed --to twice --key auditor.key --time 2026-12-02T02:00:00Z records/deep records/empty
mapfile -t both < <("$archive" list --from twice --volumes | cut -d' ' -f1)
exits 0 'records that volumes have alike' "$archive" restore --from twice -o alike
diff -r records/deep alike/records/deep
ok $? 'are restored once'
: >"twice/volumes/${both[0]}.tar.zst"
exits 0 'a record of a volume that is lost' "$archive" cat --from twice --no-note \
    --record records/deep/r7.txt
is "$(cat stdout)" 'record 7' 'comes from the other'
like "$(cat stderr)" "${both[0]}.tar.zst has 0 bytes" 'and the loss is told'
exits 1 'all of them' "$archive" restore --from twice -o alike2
diff -r records/deep alike2/records/deep
ok $? 'come from the other, too'
like "$(cat stderr)" "volume ${both[0]}: .* 301 records of it are not restored" 'and are counted'

# Damage: a byte of the second frame. What lies in other frames is restored.
cp -r cold damaged
read -r from frame < <("$archive" list --from cold --trail --format=json \
    --record records/random.bin | jq -r 'select(.file) | "\(.frame_offset) \(.frame_bytes)"')
flip()
{
    printf %02x $((0x$(xxd -s "$2" -l 1 -p "$1") ^ 1)) | xxd -r -p |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
flip "damaged/volumes/$first.tar.zst" $((from + frame / 2))
exits 1 'a damaged frame' "$archive" restore --from damaged -o rest --volume "$first"
(cd rest && find . -type f | LC_ALL=C sort) >got
(cd "tar.$first" && find . -type f | grep -av random.bin | LC_ALL=C sort) | cmp - got
ok $? 'costs the records in it, and no others'
like "$(cat stderr)" 'records/random.bin: .*frame [0-9]+ .* is damaged' 'which are named'
diff -r rest/records/deep records/deep
ok $? 'the others are whole'
is "$(find rest -name '.*' ! -name rest)" '' 'nothing else is left'
exits 76 'nothing but damage' "$archive" cat --from damaged --record records/random.bin
flip "damaged/volumes/$first.index" 100
exits 1 'a damaged index' "$archive" list --from damaged
like "$(cat stderr)" "$first.index: it is damaged" 'is named'
is "$(cut -d' ' -f1 stdout | uniq)" "$second" 'and nothing of it is listed'
exits 1 'restoring with it' "$archive" restore --from damaged -o rest2 --by-volume
diff -r "rest2/$second" "tar.$second"
ok $? 'gives the other volume'
exits 76 'a record of that volume' "$archive" cat --from damaged --record records/empty
rm "damaged/volumes/$second.manifest.minisig"
exits 76 'nothing that can be searched' "$archive" restore --from damaged -o rest3
like "$(cat stderr)" "$second.manifest.minisig" 'is named'

# Streams: volumes come one after the other, and none can be looked at twice.
"$archive" push --from cold --to - >tape 2>/dev/null
# shellcheck disable=SC2317 # it is called by exits
of_tape()
{
    dd if=tape bs="$1" status=none | "$archive" "${@:2}" --from -
}
"$archive" list --from cold >listed
exits 0 'list of a stream' of_tape 512 list
cmp stdout listed
ok $? 'is that of the archive'
exits 0 'its volumes' of_tape 10240 list --volumes
cmp stdout <("$archive" list --from cold --volumes)
ok $? 'are those of the archive'
exits 0 'a trail in a stream' of_tape 1M list --trail --record bills/lines.csv
cmp stdout <("$archive" list --from cold --trail --record bills/lines.csv)
ok $? 'is that of the archive'
exits 66 'a key that no volume of it has' of_tape 64k list --record nothing
exits 0 'restore from a stream' of_tape 512 restore -o taped --by-volume
diff -r "taped/$first" "tar.$first" && diff -r "taped/$second" "tar.$second"
ok $? 'restores all of it'
exits 0 'of one volume' of_tape 1M restore -o taped2 --volume "$second"
diff -r taped2 "tar.$second"
ok $? 'that volume'
exits 0 'cat from a stream' of_tape 4096 cat --customer customer-3 --from-time 2026-11-01 \
    --to-time 2026-11-02
cat "tar.$first/$key" "tar.$second/$key" | cmp - stdout
ok $? 'prints what the archive does'
exits 0 'one record' of_tape 4096 cat --record records/random.bin
cmp stdout records/random.bin
ok $? 'is printed once'
exits 1 'keys that clash' of_tape 4096 restore -o taped3
like "$(cat stderr)" "$key: a volume before has other bytes for it: choose by --volume $second" \
    'are told of when they come'
cmp "taped3/$key" "tar.$first/$key" && cmp taped3/bills/lines.csv bills/lines.csv
ok $? 'the first stays, and all else is restored'
exits 65 'a stream that ends early' sh -c 'head -c 3000000 tape | "$0" restore -o taped4 --from -' \
    "$archive"
is "$(find taped4 -type f | wc -l)" 0 'gives no part of a volume'

# Killed at any time, it can be run again.
failed=0
for ((i = 1; i <= 20; i++)); do
    "$archive" restore --from cold -o killed --volume "$first" --no-note 2>/dev/null &
    sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    (cd killed 2>/dev/null && find . -path ./.millrace-restore.tmp -prune -o -type f -print0 |
        xargs -0 -r sha256sum) >sums
    [ ! -s sums ] || (cd "tar.$first" && sha256sum --quiet -c ../sums) >/dev/null || failed=1
    [ $((i % 5)) -eq 0 ] && rm -rf killed
done
ok "$failed" 'whenever it is killed, every file that has its name is whole'
exits 0 'and it can be run again' "$archive" restore --from cold -o killed --volume "$first"
diff -r killed "tar.$first"
ok $? 'to its end'
exits 75 'two at a time' sh -c 'mkdir -p busy/.millrace-restore.tmp &&
    exec flock busy/.millrace-restore.tmp "$0" restore --from cold -o busy --volume "$1"' \
    "$archive" "$first"
like "$(cat stderr)" 'somebody else is restoring into it' 'are one too many'

done_testing
