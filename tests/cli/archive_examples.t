#!/usr/bin/env bash
# archive_examples.t - the scripts of examples/ for cold storage: a closed bill goes there each
# month with the usage behind it, and comes back each quarter.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1
examples=$tap_here/examples
issue_prices >prices.json
exits 0 'keygen' "$archive" keygen --out auditor
exits 0 'another' "$archive" keygen --out other

# month MONTH: usage, seals, and a bill that is closed
month()
{
    many w 8 "$1" | fill store
    seal store "$1"
    rate store "$1"
    "$bill" close "$run" >/dev/null 2>close.log || cat close.log >&2
}
store=("$examples/archive-month.sh" store bills cold auditor.key)
drill=("$examples/restore-drill.sh" cold auditor.pub)

# The month

many w 8 2026-10 | fill store
exits 66 'a month that is not closed' "${store[@]}" 2026-10
like "$(cat stderr)" '2026-10 is not closed' 'is not archived'
is "$(ls -d cold 2>/dev/null)" '' 'and nothing is made'
month 2026-10
october=$(basename "$run")
first=$(ls store/segments)
exits 0 'a month that is closed' "${store[@]}" 2026-10
volume=$(cat stdout)
like "$volume" '^[0-9a-f]{32}$' 'is packed into a volume'
mkdir out && tar --zstd -xf "cold/volumes/$volume.tar.zst" -C out
diff -r "bills/$october" "out/bills/$october"
ok $? 'with the run'
cmp "bills/closed/2026-10.json" out/bills/closed/2026-10.json
ok $? 'the word that it is closed'
cat out/usage/*/*.ndjson | LC_ALL=C sort | cmp - <("$usage" cat --store store | LC_ALL=C sort)
ok $? 'and every event behind it'
cp cold/catalogue.log before.log
exits 0 'the same again' "${store[@]}" 2026-10
is "$(cat stdout)" '' 'packs nothing'
cmp cold/catalogue.log before.log
ok $? 'and changes nothing'

month 2026-11
november=$(basename "$run")
cd /
exits 0 'the next month, from another folder, with options' "$examples/archive-month.sh" \
    "$scratch/store" "$scratch/bills" "$scratch/cold" "$scratch/auditor.key" 2026-11 \
    --retain 10y --class invoices
cd "$scratch" || exit 1
second=$(cat stdout)
is "$("$archive" list --from cold --format=json --volume "$second" |
    jq -r 'select(.customer | not) | .key' | LC_ALL=C sort)" \
    "$({ find "bills/$november" -type f && echo bills/closed/2026-11.json; } | LC_ALL=C sort)" \
    'the run has the same names as if it had been packed beside it'
is "$(jq -r 'select(.kind == "pack") | .class' cold/catalogue.log | paste -sd' ')" \
    'bills invoices' 'options are those of pack'
for name in store/segments/*; do
    grep -q "${name##*/}" <<<"$first" || echo "$name"
done >new
mapfile -t new <new
tar --zstd -xOf "cold/volumes/$second.tar.zst" --wildcards 'usage/*' | LC_ALL=C sort |
    cmp - <("$usage" cat "${new[@]}" | LC_ALL=C sort)
ok $? 'only segments that October had not are packed with it'
exits 0 'the archive is whole' "$archive" verify --from cold --trust auditor.pub

# A run that was changed after it was closed is not archived.
month 2026-12
sed -i '2s/1/2/' "$run/lines.csv"
exits 76 'a bill that does not verify' "${store[@]}" 2026-12
is "$(jq -r 'select(.kind == "pack").n' cold/catalogue.log | wc -l)" 2 'is not archived'

# The quarter

entries() { jq -r 'select(.kind == "restore") | .note' cold/catalogue.log; }
before=$(entries | wc -l)
exits 0 'a drill' "${drill[@]}" 7
is "$(grep -c '^ok \["[0-9a-f]\{32\}",".*",[0-9]*\]$' stdout)" 7 'restores as many as asked for'
is "$(entries | tail -n +$((before + 1)) | grep -c '^restore drill of 20')" 7 \
    'and leaves as much evidence'
exits 0 'a drill of all there is' "${drill[@]}" 1000
is "$(grep -c '^ok ' stdout)" "$("$archive" list --from cold | wc -l)" 'restores every record'
exits 65 'a drill with another key' "$examples/restore-drill.sh" cold other.pub
cp -r cold kept

size=$(stat -c %s "cold/volumes/$volume.tar.zst")
printf 'X' | dd of="cold/volumes/$volume.tar.zst" bs=1 seek=$((size / 3)) conv=notrunc status=none
exits 1 'a drill of a damaged archive fails' "${drill[@]}" 1000
like "$(cat stdout)" 'FAILED "[^"]*": ' 'and tells the record'
rm -rf cold && cp -r kept cold
rm "cold/volumes/$second.index"
exits 1 'so does one of an archive that lost an index' "${drill[@]}" 3
rm -rf cold && cp -r kept cold
exits 66 'where there is no archive' "$examples/restore-drill.sh" nowhere auditor.pub
exits 64 'and with no key' "$examples/restore-drill.sh" cold

# What cron is told: last month's bill, as of the clock.
last=$(date --utc --date "$(date --utc +%Y-%m-01) -1 day" +%Y-%m)
rm -rf store bills cold
month "$last"
while IFS= read -r command; do
    exits 0 "cron: ${command%% *}" env -i PATH="$examples:$PATH" STORE=store BILLS=bills COLD=cold \
        COPY=copy KEY=auditor.key TRUST=auditor.pub bash -c "$command"
done < <(sed -nE 's/^([0-9*,]+ ){5}//p' "$examples/crontab" | grep -E 'archive|drill')
exits 0 'the second copy is whole' "$archive" verify --from copy --trust auditor.pub
is "$(jq -r 'select(.kind) | .kind' cold/catalogue.log | sort | uniq -c | tr -s ' \n' ' ')" \
    " 1 check 1 pack $("$archive" list --from cold | head -n 20 | wc -l) restore " \
    'the catalogue tells of the month, the check and the drill'

done_testing
