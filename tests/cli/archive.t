#!/usr/bin/env bash
# archive.t - packing: what comes out opens with plain tools and holds what went in.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

make_records records
make_log n01-0-1 1 3000 >one.ndjson
make_log n02-0-1 79000 81000 >two.ndjson
"$usage" ingest --store store one.ndjson >/dev/null 2>&1
"$usage" ingest --store store two.ndjson >/dev/null 2>&1
exits 0 'keygen' "$archive" keygen --out auditor

exits 0 'pack' "$archive" pack --to cold --key auditor.key --class audit \
    --time 2026-12-01T02:00:00Z records store/segments
volume=$(cat stdout)
like "$volume" '^[0-9a-f]{32}$' 'prints the name of the volume'
like "$(cat stderr)" 'committed' 'and says that it is committed'
is "$(ls cold/volumes)" "$volume.index
$volume.manifest
$volume.manifest.minisig
$volume.parity
$volume.tar.zst" 'five files belong to it'

# Plain tools.
cd cold/volumes || exit 1
exits 0 'zstd -t' zstd -t "$volume.tar.zst"
exits 0 'sha256sum -c' sha256sum -c --strict "$volume.manifest"
exits 0 'minisign -V' minisign -V -p ../../auditor.pub -m "$volume.manifest"
exits 0 'tar --zstd -t' tar --zstd -tf "$volume.tar.zst"
is "$(LC_ALL=C sort -c "$scratch/stdout" 2>&1)" '' 'names are in bytewise order'
mkdir "$scratch/out" && tar --zstd -xf "$volume.tar.zst" -C "$scratch/out"
is "$(cat "$scratch/stderr")" '' 'tar has nothing to remark'
cd "$scratch" || exit 1
is "$(sha256sum "cold/volumes/$volume.tar.zst" | cut -c1-32)" "$volume" \
    'a volume is named by its digest'
diff -r records out/records
ok $? 'tar restores the files'
is "$(stat -c %Y out/records/numbers.txt)" "$(stat -c %Y records/numbers.txt)" 'and their times'

# Usage is readable, whole, and split by customer and day.
cat out/usage/*/*.ndjson | LC_ALL=C sort >archived
"$usage" cat --store store | LC_ALL=C sort | cmp - archived
ok $? 'usage is there, line for line'
wrong=0
for file in out/usage/*/*.ndjson; do
    customer=$(basename "$(dirname "$file")") day=$(basename "$file" .ndjson)
    [ "$(jq -r '"\(.subject) \(.time[:10])"' "$file" | sort -u)" = "$customer $day" ] || wrong=1
done
ok "$wrong" 'a file for each customer and day'

# Index.
jq -r .key "cold/volumes/$volume.index" >keys
tar --zstd -tf "cold/volumes/$volume.tar.zst" --quoting-style=literal | cmp - keys
ok $? 'the index has every member, in order'
jq -r '"\(.sha256)  \(.key)"' "cold/volumes/$volume.index" >sums
(cd out && sha256sum -c --quiet --strict ../sums)
ok $? 'with its digest'
is "$(jq -r 'select(.key == "records/numbers.txt") | "\(.from) \(.to) \(.size)"' \
    "cold/volumes/$volume.index")" \
    "2026-10-30T12:00:00.000000Z 2026-10-30T12:00:00.000000Z $(stat -c %s records/numbers.txt)" \
    'with its times and size'

# Frames: independent, at most 4 MiB, no small record in two.
zstd -l -v "cold/volumes/$volume.tar.zst" >frames 2>&1
is "$(jq -r 'select(.offset + .size + 512 > 4194304 and .size < 4000000) | .key' \
    "cold/volumes/$volume.index")" '' 'small records lie whole in their frame'

# Manifest and catalogue.
like "$(cat "cold/volumes/$volume.manifest")" '# retain-until 2033-12-01T02:00:00.000000Z' \
    'it is kept for seven years'
is "$(jq -r 'select(.kind) | "\(.n) \(.kind) \(.volume) \(.class) \(.actor) \(.records)"' \
    cold/catalogue.log)" "0 pack $volume audit archivist@n07 $(wc -l <keys)" \
    'the catalogue tells of it'
is "$(jq -r 'select(.kind).manifest' cold/catalogue.log)" \
    "$(sha256sum <"cold/volumes/$volume.manifest" | cut -d' ' -f1)" \
    'with the digest of its manifest'

# Again, grown, and other terms.
exits 0 'the same again' "$archive" pack --to cold --key auditor.key --time 2026-12-02 records \
    store/segments
is "$(cat stdout)" "$volume" 'is the same volume'
like "$(cat stderr)" 'in the archive already' 'which is said'
like "$(jq -r 'select(.kind) | .kind' cold/catalogue.log | paste -sd' ')" '^pack extend$' \
    'and kept from then on'

# Who packs again may delete what was packed: so what is there is looked at, and mended.
cp -a cold mended
again=("$archive" pack --to mended --key auditor.key --time 2026-12-02 records store/segments)
rm "mended/volumes/$volume.tar.zst" && printf X | dd of="mended/volumes/$volume.parity" bs=1 \
    seek=5000 conv=notrunc 2>/dev/null
exits 0 'a volume that is gone' "${again[@]}"
cmp "mended/volumes/$volume.tar.zst" "cold/volumes/$volume.tar.zst" &&
    cmp "mended/volumes/$volume.parity" "cold/volumes/$volume.parity"
ok $? 'is made again'
is "$(jq -r 'select(.kind == "repair") | "\(.scope) \(.note)"' mended/catalogue.log)" '.tar.zst pack
.parity pack' 'which the catalogue tells'
echo >>"mended/volumes/$volume.manifest"
exits 76 'what cannot be made again' "${again[@]}"
like "$(cat stderr)" 'is damaged' 'is not passed over'

# Other keys.
exits 0 'another key' "$archive" keygen --out other
exits 64 'which never signed here' "$archive" pack --to mended --key other.key records/deep
like "$(cat stderr)" '--new-key' 'is asked about'
cp -a cold rekeyed
exits 0 'a new key' "$archive" pack --to rekeyed --key other.key --new-key records/deep
exits 0 'those who trust both' "$archive" verify --from rekeyed --trust auditor.pub \
    --trust other.pub

echo more >records/more
exits 0 'another record' "$archive" pack --to cold --key auditor.key records
second=$(cat stdout)
is "$(grep '^# previous' "cold/volumes/$second.manifest")" \
    "# previous $(sha256sum <"cold/volumes/$volume.manifest" | cut -d' ' -f1)" \
    'manifests are chained'

# Several volumes.
exits 0 'small volumes' "$archive" pack --to split --key auditor.key --volume-size 5M \
    --parity none records
is "$(wc -l <stdout)" "$(find split -name '*.tar.zst' | wc -l)" 'all are told of'
ok $(($(wc -l <stdout) < 3)) 'there are several'
mkdir joined && for v in split/volumes/*.tar.zst; do tar --zstd -xf "$v" -C joined || exit 1; done
diff -r records joined/records
ok $? 'which hold everything'

# Names that are not UTF-8 are encoded in the index, which is in the order of keys all the same.
mkdir names && for name in a big $'b\xff' $'b\xfe/c'; do
    mkdir -p "names/$(dirname "$name")" && echo "$name" >"names/$name"
done
exits 0 'names that are not UTF-8' "$archive" pack --to names.cold --key auditor.key names
is "$(jq -r .key names.cold/volumes/*.index | paste -sd' ')" \
    'names/a names/b%FE/c names/b%FF names/big' 'have keys'
exits 0 'they verify' "$archive" verify --from names.cold --trust auditor.pub
exits 0 'and restore' "$archive" restore --from names.cold -o names.out
diff -r names names.out/names
ok $? 'under the names that they had'

# A log that is lost is not replaced by one that knows less.
cp -a cold nolog && rm nolog/catalogue.log
exits 65 'volumes without a catalogue' "$archive" pack --to nolog --key auditor.key records/deep
like "$(cat stderr)" 'catalogue.log' 'which is named'
is "$(find nolog -name catalogue.log)" '' 'and no new one is begun'

# To a stream, and from it.
"$archive" pack --to - --key auditor.key records 2>stderr | dd obs=512 of=tape 2>/dev/null
tar -tf tape >members
is "$(sed -n 1p members) $(grep -c 'tar.zst$' members)" 'catalogue.log 1' 'a stream is a plain tar'
exits 0 'pull' bash -c "dd if=tape ibs=1M 2>dd | $archive pull --from - --to pulled"
exits 0 'what was pulled verifies' "$archive" verify --from pulled --trust auditor.pub

# What cannot be archived whole is not archived at all.
mkdir odd && ln -s ../records/empty odd/link
exits 65 'a symlink in a folder' "$archive" pack --to none --key auditor.key odd
like "$(cat stderr)" 'odd/link' 'is named'
mkdir within && cp auditor.key records/empty within
exits 65 'the secret key itself' "$archive" pack --to none --key within/auditor.key within
like "$(cat stderr)" 'within/auditor.key' 'is named'
rm within/auditor.key
exits 0 'an archive' "$archive" pack --to within/cold --key auditor.key records/deep
exits 65 'within what it would hold' "$archive" pack --to within/cold --key auditor.key within
like "$(cat stderr)" 'within/cold' 'is named'
exits 66 'nothing there' "$archive" pack --to none --key auditor.key nowhere
exits 66 'no key' "$archive" pack --to none --key no.key records
exits 64 'no such class' "$archive" pack --to none --key auditor.key --class 'a b' records
exits 64 'kept for no time' "$archive" pack --to none --key auditor.key --retain 0d records
exits 64 'a year that is mistyped' "$archive" pack --to none --key auditor.key --time 9999-12-31 \
    records
exits 64 'no threads' "$archive" pack --to none --key auditor.key --threads 0 records
: >empty.segment
exits 65 'a segment without its head' "$archive" pack --to none --key auditor.key empty.segment
exits 64 'no such parity' "$archive" pack --to none --key auditor.key --parity 0+9 records
find store/segments -type f | sort | head -n 1 | xargs -I{} cp {} broken.segment
printf X | dd of=broken.segment bs=1 seek=1000 conv=notrunc 2>/dev/null
exits 65 'a segment that does not hold' "$archive" pack --to none --key auditor.key broken.segment
like "$(cat stderr)" 'broken.segment' 'is named'
is "$(find none -type f -path '*volumes*' -not -path '*/.tmp/*' 2>/dev/null)" '' \
    'nothing was archived'

done_testing
