#!/usr/bin/env bash
# archive_verify.t - verify finds any byte that is not what it was, and says what it did not look
# at; repair and scrub bring back what parity or another copy can, and nothing else.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$scratch" || exit 1

# flip FILE OFFSET [BITS]: changes one byte
flip()
{
    perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1);
        seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ ($ARGV[2] // 16))' "$@"
}

# fresh: a copy of the archive to damage
fresh()
{
    rm -rf work && cp -r cold work
}

# same NAME: the volumes' files are what they were
same()
{
    diff -r cold/volumes work/volumes >/dev/null
    ok $? "$1"
}

make_records records
mkdir few && echo a >few/a && echo b >few/b && touch -d 2026-10-30T12:00:00Z few/a few/b
"$archive" keygen --out auditor >/dev/null 2>&1
"$archive" keygen --out other >/dev/null 2>&1
packed --to cold --key auditor.key --time 2026-12-01T02:00:00Z --parity 6+2 records
large=${volumes[0]}
packed --to cold --key auditor.key --time 2026-12-02T02:00:00Z --parity 2+1 few
small=${volumes[0]}
tar=volumes/$large.tar.zst

fresh
exits 0 'a good archive' "$archive" verify --from work --trust auditor.pub
like "$(cat stdout)" "^$large intact: ([0-9]+) of \1 frames, 307 records, .*
$small intact: 1 of 1 frames, 2 records" 'a line for each volume'
like "$(jq -r 'select(.kind == "check") | "\(.volume) \(.result) \(.scope) \(.actor)"' \
    work/catalogue.log)" "^$large intact whole archivist@n07
$small intact whole archivist@n07\$" 'the checks are in the catalogue'
exits 0 'without --trust' "$archive" verify --from work
is "$(grep -c 'intact but UNTRUSTED' stdout)" 2 'it is intact but UNTRUSTED'
like "$(cat stderr)" UNTRUSTED 'which is said at the end, too'
exits 76 'with another key' "$archive" verify --from work --trust other.pub
like "$(cat stderr)" "$(cat work/keys/*.pub | sed -n '1s/.* //p')" \
    'it fails, and the keys are named'
exits 0 'with both' "$archive" verify --from work --trust other.pub --trust auditor.pub
exits 66 'no archive' "$archive" verify --from nowhere
exits 64 'no --from' "$archive" verify

# Age.
exits 0 'recent checks' "$archive" verify --from work --trust auditor.pub --max-age 1d
is "$(grep -c ' recent ' stdout)" 2 'are passed over, which is said'
before=$(wc -l <work/catalogue.log)
exits 0 '--no-note' "$archive" verify --from work --no-note --max-age 0s
is "$(wc -l <work/catalogue.log)" "$before" 'leaves the catalogue alone'
chmod -R a-w work
if ! touch work/x 2>/dev/null; then
    exits 0 'an archive that cannot be written' "$archive" verify --from work
    like "$(cat stderr)" 'not in the catalogue' 'is verified, and it says that nothing was noted'
fi
chmod -R u+w work
touch "work/volumes/$(printf '0%.0s' {1..32}).tar.zst"
exits 0 'a file of no volume' "$archive" verify --from work --no-note
like "$(cat stdout)" '0{32}\.tar\.zst not committed' 'is told of'

# Samples.
fresh
frames=$(sed -n 's/# frames //p' "cold/volumes/$large.manifest")
exits 0 'a sample' "$archive" verify --from work --trust auditor.pub --sample 1/2
like "$(cat stdout)" "^$large intact: $(((frames + 1) / 2)) of $frames frames" \
    'reads every second frame'
like "$(cat stdout)" "sample: of $((frames + 1)) frames" 'and says how many it read'
is "$(jq -r 'select(.kind == "check").scope' work/catalogue.log | sort -u)" 1/2 'its scope is noted'
exits 0 'all as a sample' "$archive" verify --from work --sample 100%
like "$(cat stdout)" 'and are clean: all of them' 'says so'
exits 0 'a share' "$archive" verify --from work --sample 50%
flip "work/$tar" 3000000
hit=0
for n in 1 2 3; do
    "$archive" verify --from work --no-note --sample $n/3 >sampled 2>/dev/null || hit=$((hit + 1))
done
is "$hit" 1 'a damaged frame is in one of three samples'
for wrong in 0/3 4/3 1/0 0% 101% x 3 1/2/3 -1/2; do
    "$archive" verify --from work --sample "$wrong" >/dev/null 2>&1
    [ $? -eq 64 ] || ok 1 "--sample $wrong is refused"
done

# Many small files in more frames than a sample of three can speak for.
mkdir many
perl -MDigest::SHA=sha256 -e 'for my $i (1 .. 20) { open(my $f, ">", "many/$i") or die;
    print $f sha256("$i $_") for 1 .. 40000 }'
packed --to many.cold --key auditor.key --parity none many
exits 0 'a sample of many frames' "$archive" verify --from many.cold --sample 1/2
read -r _ _ total _ read_count _ < <(grep ^sample stdout)
ok $((read_count < 3 || read_count > total)) 'reads some of them'
if [ "$read_count" -gt 3 ]; then
    like "$(cat stdout)" "fewer than $(perl -e "printf '%.3g', 300 / $read_count") % of all are" \
        'the bound is three divided by how many were read'
fi

# Any byte, anywhere: the smaller volume, so that it can be tried in many places.
# MILLRACE_TORTURE: in all of them.
fresh
rm -rf tiny && "$archive" pack --to tiny --key auditor.key --parity 2+1 --time 2026-12-01 few \
    >/dev/null 2>&1
: "${step:=${MILLRACE_TORTURE:+1}}"
: "${step:=31}"
tried=0 missed=
for file in tiny/catalogue.log tiny/volumes/*; do
    size=$(stat -c %s "$file")
    for ((at = tried % step; at < size; at += step)); do
        flip "$file" "$at" $((1 << (at % 8)))
        "$archive" verify --from tiny --no-note --trust auditor.pub >out 2>&1
        [ $? -eq 76 ] || missed+=" $file:$at"
        flip "$file" "$at" $((1 << (at % 8)))
        tried=$((tried + 1))
    done
    flip "$file" $((size - 1))
    "$archive" verify --from tiny --no-note --trust auditor.pub >out 2>&1
    [ $? -eq 76 ] || missed+=" $file:$((size - 1))"
    flip "$file" $((size - 1))
done
echo "# $tried bytes"
is "$missed" '' 'any changed byte is found'
missed=
for file in tiny/volumes/*; do
    mv "$file" away
    "$archive" verify --from tiny --no-note >out 2>&1
    [ $? -eq 76 ] || missed+=" $file"
    head -c -1 away >"$file"
    "$archive" verify --from tiny --no-note >out 2>&1
    [ $? -eq 76 ] || missed+=" $file cut"
    { cat away && echo; } >"$file"
    "$archive" verify --from tiny --no-note >out 2>&1
    [ $? -eq 76 ] || missed+=" $file grown"
    mv away "$file"
done
is "$missed" '' 'so is any file that is missing, shorter or longer'
exits 0 'and afterwards it is whole' "$archive" verify --from tiny --no-note

# Repair from parity, and from the volume.
fresh
flip "work/$tar" 3000000
flip "work/$tar" 9000000
exits 76 'flipped bytes' "$archive" verify --from work
like "$(cat stdout)" "$large damaged.*frame.*parity can bring them back.*$small intact" \
    'are found, and can be brought back'
exits 0 'repair' "$archive" repair --from work --trust auditor.pub "$large"
like "$(cat stdout)" "$large.tar.zst: [0-9]+ bytes from parity" 'says what it did'
same 'bit for bit'
like "$(jq -r 'select(.kind == "repair") | "\(.scope) \(.note)"' work/catalogue.log)" \
    "$large.tar.zst parity" 'and it is in the catalogue'
exits 0 'repair of what is whole' "$archive" repair "work/volumes/$large.tar.zst"
like "$(cat stderr)" 'nothing to repair' 'changes nothing'
rm "work/volumes/$large.index"
flip "work/volumes/$large.parity" 5000
exits 0 'index and parity' "$archive" repair "work/volumes/$large.tar.zst"
same 'are made again from the volume'
head -c -100000 "cold/$tar" >"work/$tar"
head -c 70000 /dev/urandom >>"work/volumes/$large.parity"
exits 0 'a volume cut short, parity grown' "$archive" repair --from work "$large"
same 'are whole again'

# Beyond parity.
fresh
head -c 5000000 /dev/zero | dd of="work/$tar" conv=notrunc 2>/dev/null
flip "work/volumes/$small.manifest" 40
cp -r work/volumes spoilt
exits 76 'more than parity promises' "$archive" repair --from work "$large"
like "$(cat stdout)" 'cannot be repaired; parity: [0-9]+ of [0-9]+ stripes' 'is reported as that'
exits 76 'a manifest without a copy' "$archive" repair --from work "$small"
diff -r spoilt work/volumes >/dev/null
ok $? 'nothing was touched'
mkdir empty.copy && cp -r cold/catalogue.log cold/keys empty.copy && mkdir empty.copy/volumes
exits 76 'a copy that has not got it' "$archive" repair --from work --copy empty.copy "$large"
exits 76 'a copy that is damaged too' "$archive" repair --from work --copy work "$large"
exits 0 'a good copy' "$archive" repair --from work --copy cold "$large" "$small"
same 'brings it back'
like "$(jq -r 'select(.kind == "repair") | .note' work/catalogue.log | sort -u)" '^cold$' \
    'and is named in the catalogue'
exits 66 'no such volume' "$archive" repair --from work "$(printf '1%.0s' {1..32})"
exits 64 'no name of a volume' "$archive" repair --from work nonsense

# The log.
fresh
"$archive" verify --from work >/dev/null 2>&1
flip work/catalogue.log 300
exits 76 'a damaged log' "$archive" verify --from work
exits 0 'is replaced by a copy' "$archive" repair --from work --copy cold catalogue.log
like "$(cat stdout)" '2 entries of checks.*are gone' 'what is lost is said'
cmp -s work/catalogue.log cold/catalogue.log
ok $? 'by the very bytes'
exits 0 'a log that holds' "$archive" repair --from work --copy cold catalogue.log
like "$(cat stderr)" 'nothing to repair' 'is left alone'
key=$(cd cold && echo keys/*.pub)
flip "work/$key" 90
exits 76 'a damaged key' "$archive" verify --from work
exits 76 'is found where another one is trusted, too' "$archive" verify --from work --no-note \
    --trust auditor.pub
like "$(cat stdout)" "$key damaged" 'and named'
exits 0 'it comes from a copy' "$archive" repair --from work --copy cold catalogue.log
exits 0 'and all is well' "$archive" verify --from work
cp -r cold older
echo c >few/c
packed --to cold --key auditor.key --time 2026-12-03T02:00:00Z --parity 2+1 few
fresh
flip work/catalogue.log 300
exits 65 'a copy that is older' "$archive" repair --from work --copy older catalogue.log
flip work/catalogue.log 300
cmp -s work/catalogue.log cold/catalogue.log
ok $? 'does not replace it'
flip work/catalogue.log 300
exits 65 'another archive' "$archive" repair --from work --copy many.cold catalogue.log
rm work/catalogue.log
exits 0 'a log that is gone' "$archive" repair --from work --copy cold catalogue.log
exits 0 'and all is well' "$archive" verify --from work --trust auditor.pub

# Scrub.
fresh
flip "work/$tar" 3000000
exits 0 'scrub' "$archive" scrub --from work --trust auditor.pub --budget 10m
like "$(cat stdout)" "$large repaired" 'repairs what it finds'
same 'bit for bit'
is "$(jq -r 'select(.kind) | "\(.kind) \(.volume) \(.result // .note)"' work/catalogue.log |
    grep "$large" | tail -n 3 | cut -d' ' -f1,3 | paste -sd,)" \
    'check damaged,repair parity,check intact' 'and notes it all'
exits 0 'no budget' "$archive" scrub --from work --budget 0s
is "$(wc -l <stdout)" 1 'is one volume'
first=$(cut -d' ' -f1 stdout)
exits 0 'once more' "$archive" scrub --from work --budget 0s
[ "$first" != "$(cut -d' ' -f1 stdout)" ]
ok $? 'is another one: those go first whose check is oldest'
rm "work/$tar" && head -c 1000000 /dev/zero >"work/volumes/$small.tar.zst"
exits 76 'without a copy' "$archive" scrub --from work --budget 10m
exits 0 'with a copy' "$archive" scrub --from work --copy cold --budget 10m
same 'the first is healed from the second'
exits 64 'no budget given' "$archive" scrub --from work

# A stream.
"$archive" push --from cold --to - >stream 2>stderr
for bs in 512 10240 1M; do
    dd if=stream bs=$bs status=none |
        "$archive" verify --from - --trust auditor.pub --scratch . >stdout 2>stderr
    is "$? $(grep -c ' intact: ' stdout)" '0 3' "a stream in blocks of $bs"
done
cp stream torn && flip torn $(($(stat -c %s stream) / 2))
"$archive" verify --from - --scratch . <torn >stdout 2>stderr
is $? 76 'a byte of it that is changed is found'
head -c 5000000 stream | "$archive" verify --from - --scratch . >stdout 2>stderr
ok $(($? == 0)) 'a stream that is cut is not good'

# Another program's archive.
if command -v python3 >/dev/null; then
    printf 'x' >"$(printf 'b\377')"
    python3 "$here/../golden/archive_writer.py" foreign --key auditor.key --parity 3+2 \
        records/numbers.txt big=records/random.bin "$(printf 'b\377')" \
        usage/acme%20x/2026-11-03.ndjson=few/a größe=records/größe.txt >foreign.out
    volume=$(cat foreign.out)
    exits 0 "another writer's archive" "$archive" verify --from foreign --trust auditor.pub
    cp -r foreign/volumes foreign.was
    rm "foreign/volumes/$volume.index" "foreign/volumes/$volume.parity"
    exits 0 'its index and parity are rebuilt' "$archive" repair --from foreign "$volume"
    diff -r foreign.was foreign/volumes >/dev/null
    ok $? 'to the byte'
    flip "foreign/volumes/$volume.tar.zst" 200000
    exits 0 'and its parity repairs' "$archive" repair --from foreign "$volume"
    diff -r foreign.was foreign/volumes >/dev/null
    ok $? 'its volume'

    # A tombstone whose writer was killed before it removed the files.
    python3 - "$here/../golden" "$volume" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import archive_writer
log = archive_writer.load_log("foreign/catalogue.log", archive_writer.read_key("auditor.key"))
log.add("2033-12-02T00:00:00.000000Z", "expire", volume=sys.argv[2])
log.sign()
archive_writer.write("foreign/catalogue.log", log.text().encode())
EOF
    exits 0 'an expired volume' "$archive" verify --from foreign --trust auditor.pub
    is "$(grep -c 'expired: scrub removes it' stdout)" 5 'has files yet, which is said'
    exits 0 'scrub' "$archive" scrub --from foreign --budget 1m
    is "$(ls foreign/volumes)" '' 'removes them'
fi

done_testing
