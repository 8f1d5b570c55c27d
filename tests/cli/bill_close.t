#!/usr/bin/env bash
# bill_close.t - millrace bill close and verify: a run becomes the bill of its month once, when it
# is whole, and whoever changes a digit of it is found out.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
issue_prices | jq -c '.customers.acme.credits =
    [{"id": "c", "amount": "3.10", "from": "2026-11-10T00:00:00Z"}]' >prices.json

# closed: what BILLS has closed
closed()
{
    (cd bills && find closed -type f 2>/dev/null | sort | paste -sd' ')
}

{
    event 1 acme 2026-11-03T00:00:00Z writer=w sequence=1 cpu_us=90000000000 bytes_out=512345678901
    event 2 'b, "c"' 2026-11-20T00:00:00Z writer=w sequence=2 cpu_us=54000000000 \
        bytes_out=250000000000
    event 3 'b, "c"' 2026-11-20T00:00:00Z writer=w sequence=3 status=timeout
} | fill store

# Refused

rate store 2026-11
is "$code $(proof .preliminary)" '0 true' 'an unsealed month is PRELIMINARY and no error'
like "$(cat stderr)" 'PRELIMINARY.*1 writers have not sealed' 'which is said'
is "$(jq -c .preliminary "$run/statements.ndjson" | sort -u)" true 'on every statement'
exits 76 'it cannot be closed' "$bill" close "$run"
like "$(cat stderr)" 'harvest is below 1' 'because of that'
is "$(closed)" '' 'and is not'
exits 76 'nor when conflicts would be accepted' "$bill" close --accept-conflicts "$run"
exits 0 'its arithmetic is right nevertheless' "$bill" verify "$run"
preliminary=$run
seal store 2026-11

event 2 'b, "c"' 2026-11-20T00:00:00Z writer=v sequence=1 bytes_out=1 | fill store
seal store 2026-11
rate store 2026-11
is "$(proof '[.preliminary, .counts.conflict]')" '[false,1]' 'copies that contradict each other'
exits 76 'are not closed' "$bill" close "$run"
like "$(cat stderr)" '1 conflicting copies.*--accept-conflicts' 'before someone accepts them'

# Tampered with: in each file one digit after the other is another one.

cp -r "$run" good
wrong=0 tried=0
for file in $(jq -r '.files | keys[]' good/proof.json); do
    size=$(stat -c %s "good/$file")
    for at in 0 $((size / 3)) $((size - 1)); do
        tried=$((tried + 1))
        perl -e 'open my $f, "+<", $ARGV[0]; seek $f, $ARGV[1], 0; read $f, my $c, 1;
            seek $f, $ARGV[1], 0; print $f chr(ord($c) ^ 1)' "$run/$file" "$at"
        "$bill" verify "$run" >stdout 2>stderr
        got=$?
        "$bill" close --accept-conflicts "$run" >/dev/null 2>>stderr
        got+=/$?
        [ $got = 76/76 ] || [ $got = 65/65 ] ||
            { wrong=1 && echo "#   $file byte $at: verify/close $got" >&2; }
        cp "good/$file" "$run/$file"
    done
done
ok $wrong "one bit of a file that is another one ($tried of them) is found, and nothing is closed"
is "$(closed)" '' 'nothing at all'
sed 's/,10\.25,usage/,10.26,usage/' good/lines.csv >"$run/lines.csv"
exits 76 'one digit of lines.csv' "$bill" verify "$run"
like "$(cat stdout)" 'lines.csv: its SHA-256 is not' 'is named by the file'
like "$(cat stdout)" 'customer "acme": line [0-9a-f]{32}' 'and by the line'
exits 76 'keeps a run from being closed' "$bill" close --accept-conflicts "$run"
cp good/lines.csv "$run/lines.csv"
rm "$run/focus.csv"
exits 66 'a file that is missing' "$bill" verify "$run"
like "$(cat stderr)" 'focus\.csv' 'is named'
cp good/focus.csv "$run/focus.csv"

# Whoever changes a file makes its digest fit, too.
# forged FILE NAME EDIT...: edits FILE, and the proof to fit
forged()
{
    local file=$1 name=$2
    shift 2
    "$@" <"good/$file" >"$run/$file"
    cmp -s "good/$file" "$run/$file" && ok 1 "$name: nothing was changed"
    jq -c --arg f "$file" --arg d "$(sha256sum <"$run/$file" | cut -c1-64)" \
        --argjson s "$(stat -c %s "$run/$file")" '.files[$f] = {"sha256":$d,"bytes":$s}' \
        good/proof.json >"$run/proof.json"
    exits 76 "$name, with a digest that fits" "$bill" verify "$run"
    exits 76 "$name: is not closed" "$bill" close --accept-conflicts "$run"
    cp "good/$file" good/proof.json "$run"
}
forged lines.csv 'an amount of lines.csv' sed \
    '/egress/s/,\([0-9]*\)\.\([0-9]*\),usage/,1\1.\2,usage/'
forged lines.csv 'a line less' sed '/egress/d'
forged lines.csv 'a line twice' sed '/egress/p'
forged lines.csv 'a credit of another amount' sed 's/-3\.10,credit/-9.10,credit/'
forged statements.ndjson 'what is payable' sed 's/"payable":"/&1/'
forged statements.ndjson 'a statement less' sed 1d
forged focus.csv 'a cost of focus.csv' sed '2s/^\([0-9]\)/1\1/'
forged conflicts.ndjson 'a conflict less' sed 1d

# The proof itself: no digit of it may be another one. (How large the segments are is all that
# follows from nothing in the folder.)
perl -0ne 'while (/"segments":\[.*?\]|(\d)/g) { print "$-[0]\n" if defined $1 }' \
    good/proof.json >digits
wrong=0 tried=0
for at in $(shuf -n 60 --random-source=<(yes 7) digits); do
    at=$at perl -0pe 'for (substr $_, $ENV{at}, 1) { $_ = ($_ + 1) % 10 }' good/proof.json \
        >"$run/proof.json"
    "$bill" verify "$run" >stdout 2>stderr && {
        wrong=$((wrong + 1))
        echo "#   not found: $(at=$at perl -0ne 'print substr $_, $ENV{at} - 40, 44' \
            "$run/proof.json")" >&2
    }
    tried=$((tried + 1))
done
cp good/proof.json "$run/proof.json"
is "$wrong" 0 "a digit of the proof that is another one ($tried of them) is found"
sed 's/"holds":true/"holds":false/' good/proof.json >"$run/proof.json"
exits 76 'an invariant that did not hold' "$bill" verify "$run"
exits 76 'keeps a run from being closed' "$bill" close --accept-conflicts "$run"
cp good/proof.json "$run/proof.json"
echo '{' >"$run/proof.json"
exits 65 'a proof that is none' "$bill" verify "$run"
exits 65 'keeps a run from being closed' "$bill" close --accept-conflicts "$run"
cp good/proof.json "$run/proof.json"
mv "$run" "${run%?}x"
exits 65 'a run of another name' "$bill" verify "${run%?}x"
mv "${run%?}x" "$run"

# Closed

exits 0 'an untouched run' "$bill" verify "$run"
is "$(cat stdout)" '' 'agrees in all'
diff -r good "$run"
ok $? 'it is what it was'
exits 0 'and is closed' "$bill" close --accept-conflicts "$run"
is "$(closed)" 'closed/2026-11.json' 'by one file'
is "$(jq -c '[.period, .run, .proof_sha256]' bills/closed/2026-11.json)" \
    "[\"2026-11\",\"$(basename "$run")\",\"$(sha256sum <"$run/proof.json" | cut -c1-64)\"]" \
    'that tells which it is, and its digest'
cp bills/closed/2026-11.json word
exits 0 'it is closed once more without harm' "$bill" close --accept-conflicts "$run"
like "$(cat stderr)" 'is closed already' 'which is said'
exits 0 'whoever has accepted conflicts need not again' "$bill" close "$run"
cmp word bills/closed/2026-11.json
ok $? 'nothing is changed'
exits 76 'another run of a closed month' "$bill" close "$preliminary"
jq -c '.issuer = "Another"' prices.json >other.json && closed_run=$run
rate store 2026-11 --prices other.json
is "$code" 0 'may be made'
exits 76 'but not closed' "$bill" close --accept-conflicts "$run"
other=$run
like "$(cat stderr)" "2026-11 is closed by $(basename "$closed_run")" 'because of the first'
rate store 2026-11
is "$code $run" "0 $closed_run" 'the closed run can be made again: it is the same'

# Months in order

rate store 2026-12
december=$run
exits 0 'a month after it' "$bill" close "$run" --accept-conflicts
exits 0 'the one before is still closed' "$bill" close "$closed_run"
rate store 2026-10
exits 76 'a month before it' "$bill" close "$run" --accept-conflicts
like "$(cat stderr)" 'a later period is closed already: 2026-11' 'comes too late'
cp -r bills copy
rm copy/closed/2026-1[12].json
exits 0 'the month before, closed by another run' "$bill" close --accept-conflicts \
    "copy/$(basename "$other")"
exits 76 'a run that was made after the first one was closed' "$bill" close \
    "copy/$(basename "$december")"
like "$(cat stderr)" "made before 2026-11 $(basename "$other") was closed" 'has to be run again'
rm copy/closed/2026-11.json
exits 76 'a run that was made after another was closed, where that is not' "$bill" close \
    "copy/$(basename "$december")"
out=$("$bill" run --store store --prices prices.json --period 2026-12 -o copy 2>/dev/null)
exits 0 'a month without the one before' "$bill" close --accept-conflicts \
    "copy/$(basename "$closed_run")"
exits 76 'that is closed then' "$bill" close --accept-conflicts "$out"
like "$(cat stderr)" 'made before 2026-11.* was closed' 'has to be run again'

# A word that was changed

sed -i 's/"run":"2026-11-./"run":"2026-11-x/' bills/closed/2026-11.json
rate store 2027-01
is "$code" 66 'a closed run that is not there'
printf '{"run":7}' >bills/closed/2026-11.json
rate store 2027-01
is "$code" 65 'a word that is none'
like "$(cat stderr)" 'closed/2026-11\.json' 'is named'
cp word bills/closed/2026-11.json

exits 66 'close of what is not there' "$bill" close bills/2026-11-0000000000000000
exits 66 'close of what is no run' "$bill" close bills
exits 64 'close of two' "$bill" close "$run" "$run"

done_testing
