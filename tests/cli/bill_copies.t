#!/usr/bin/env bash
# bill_copies.t - every event is billed once, whichever of its copies come, in which order and how
# far apart; and numbers at their limits.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
jq -n '
    def sku($name; $meter; $price): {sku: $name, meter: $meter, unit: {name: "Units", divisor: 1},
        prices: [{from: "2026-01-01T00:00:00Z", model: "per_unit", unit_price: $price}]};
    {currency: "USD", minor_digits: 2, rounding: {when: "line", ties: "half-even"}, issuer: "X",
     skus: [(("count", "bytes_out", "cpu_us") | sku(.; {quantity: .}; "0")),
            sku("ok"; {status: ["ok"], quantity: "count"}; "0")]}' >prices.json

# billed NAME LINES CONFLICTS DUPLICATES: the logs in ./1, ./2, ... are billed as "customer sku
# metered", whatever order they come in and whether together or apart
billed()
{
    local name=$1 expected="$2 conflicts=$3 duplicates=$4" order got
    for order in together apart reversed; do
        rm -rf store bills
        case $order in
        together) cat log* | fill store ;;
        apart) for log in log*; do fill store <"$log"; done ;;
        reversed) printf '%s\n' log* | sort -rn | xargs cat | fill store ;;
        esac
        rate store 2026-11
        got="$(sed 1d "$run/lines.csv" | cut -d, -f2,4,7 | tr , ' ' | paste -sd' ')"
        got+=" conflicts=$(proof .counts.conflict) duplicates=$(proof .counts.duplicate)"
        is "$got" "$expected" "$name ($order)"
        [ "$(jq -es 'map(.copies) | add // 0' "$run/conflicts.ndjson")" = "$3" ] ||
            ok 1 "$name ($order): conflicts.ndjson has others"
    done
    rm -f log*
}

first=2026-11-01T00:00:00Z last=2026-11-30T23:59:59.999999Z noon=2026-11-12T12:00:00Z
event 1 acme $first bytes_out=5 cpu_us=7 writer=a sequence=1 >log1
event 1 acme $last bytes_out=5 cpu_us=9 writer=b sequence=8 node=n wall_us=9 >log2
billed 'a copy on the last day of what was measured on the first is a duplicate; the first counts' \
    'acme count 1 acme bytes_out 5 acme cpu_us 7 acme ok 1' 0 1

event 1 acme $first bytes_out=5 writer=a sequence=1 >log1
event 1 acme $first bytes_out=5 writer=a sequence=1 source=//other >log2
event 2 acme $first bytes_out=5 writer=a sequence=3 >log3
billed 'another source or id is another event' \
    'acme count 3 acme bytes_out 15 acme cpu_us 0 acme ok 3' 0 0

event 1 acme $noon bytes_out=5 writer=b sequence=1 >log1
event 1 acme $noon bytes_out=6 writer=a sequence=9 >log2
event 1 acme $noon bytes_out=7 writer=a sequence=10 >log3
billed 'of contradicting copies of one time that of the first writer and sequence counts' \
    'acme count 1 acme bytes_out 6 acme cpu_us 0 acme ok 1' 2 0

event 1 acme 2026-11-12T12:00:00.000002Z bytes_out=5 >log1
event 1 other 2026-11-12T12:00:00.000001Z bytes_out=5 >log2
event 1 other 2026-11-12T12:00:00.000003Z bytes_out=5 >log3
billed 'of contradicting copies the first by time counts; its own copies are duplicates' \
    'other count 1 other bytes_out 5 other cpu_us 0 other ok 1' 1 1

for ok_first in "$first $last" "$last $first"; do
    event 1 acme "${ok_first% *}" status=ok bytes_out=5 >log1
    event 1 acme "${ok_first#* }" status=timeout bytes_out=0 >log2
    event 1 acme "${ok_first#* }" status=corrupt bytes_out=0 >log3
    billed 'an ok counts before failures, which are retries' \
        'acme count 1 acme bytes_out 5 acme cpu_us 0 acme ok 1' 0 2
done

event 1 acme $last status=timeout >log1
event 1 acme $first status=corrupt cpu_us=3 >log2
event 1 acme $noon status=corrupt cpu_us=4 >log3
billed 'failures of other classes contradict each other' \
    'acme count 1 acme bytes_out 0 acme cpu_us 3' 1 1

event 1 acme $last status=ok bytes_out=5 >log1
event 1 acme $noon status=ok bytes_out=6 >log2
event 1 acme $first status=timeout >log3
billed 'so do two that were ok, whatever else failed' \
    'acme count 1 acme bytes_out 6 acme cpu_us 0 acme ok 1' 1 1

# same MEMBERS: an event with these members, verbatim
same()
{
    printf '{"specversion":"1.0","id":"1","type":"t","subject":"acme",%s}\n' "$1"
}
same '"source":"s","time":"2026-11-12T12:00:00Z","data":{"bytes_out":5,"cpu_us":1,"op":"x"}' >log1
same '"time":"2026-11-12T13:00:00.0+01:00", "sequence" : "7","source":"\u0073",
    "data":{"op":"x","status":"","bytes_in":0,"bytes_out":5,"cpu_us":1}' | tr -d '\n' >log2
echo >>log2
same '"source":"s","dataschema":null,"writer":null,"time":"2026-11-12T12:00:00Z",
    "data":{"bytes_out":5,"cpu_us":1,"op":"x"}' | tr -d '\n' >log3
echo >>log3
billed 'how a line is spelled makes no difference' 'acme count 1 acme bytes_out 5 acme cpu_us 1' 0 2

same '"source":"s","time":"2026-11-12T12:00:00Z","a":1,"b":{"c":[2]},"data":{"x":"y"}' >log1
same '"source":"s","time":"2026-11-13T12:00:00Z","b":{"c":[2]},"a":1,"data":{"x":"y"}' >log2
same '"source":"s","time":"2026-11-14T12:00:00Z","b":{"c":[3]},"a":1,"data":{"x":"y"}' >log3
same '"source":"s","time":"2026-11-15T12:00:00Z","b":{"c":[2]},"data":{"x":"y","a":1}' >log4
billed 'unknown members are compared, not their order' \
    'acme count 1 acme bytes_out 0 acme cpu_us 0' 2 1

event 1 acme $noon type=t op=crop format=$'jpeg\ntimeout' status=ok >log1
event 2 acme $noon type=t op=$'crop\njpeg' format=timeout status=ok >log2
event 3 acme $noon type=t op=crop format=jpeg status=$'timeout\nok' >log3
billed 'names with line ends are not taken for others' \
    'acme count 3 acme bytes_out 0 acme cpu_us 0 acme ok 2' 0 0

# Ids of every kind are kept apart.
for id in 00000000000000000000000000000001 0000000000000000000000000000000A \
    0000000000000000000000000000000a 1 01 'a b' ü $'u\u0308' '"' "$(printf 'x%.0s' {1..20000})"; do
    event "$id" acme $noon
done >log1
tac log1 >log2
billed 'ids are compared byte by byte' \
    'acme count 10 acme bytes_out 0 acme cpu_us 0 acme ok 10' 0 10

# What is told of a conflict

event 1 acme 2026-11-12T12:00:00Z bytes_out=5 writer=a sequence=4 >log1
event 1 'ac,me "x"' 2026-11-12T12:00:01Z bytes_out=5 writer=b sequence=5 status=late >log2
event 1 acme 2026-11-12T12:00:01Z bytes_out=6 writer=c sequence=6 >log3
rm -rf store bills
cat log1 log2 log3 log3 | fill store
rate store 2026-11
is "$(jq -c '[.source, .id, (.billed | .subject, .status, .time, .writer, .sequence),
    (.other | .writer, .sequence), .copies]' "$run/conflicts.ndjson")" \
    '["//millrace/job/test","1","acme","ok","2026-11-12T12:00:00.000000Z","a",4,"c",6,2]' \
    'a conflict names both sides, and how many copies there are'
is "$(jq -r '.billed.segment, .other.segment' "$run/conflicts.ndjson" | sort -u)" \
    "$(basename "$(find store -name '*.segment')" .segment)" 'and where they are'
is "$(proof .counts.duplicate)" 1 'a failure beside an ok is a duplicate, whoever is named in it'

# A flood of copies with different contents

rm -rf store bills
seq 20000 | sed 's/.*/{"specversion":"1.0","id":"x","source":"s","type":"t","subject":"acme",'$(
    )'"time":"2026-11-12T12:00:00Z","data":{"bytes_in":&,"status":"ok"}}/' | fill store
exits 0 'twenty thousand contradicting copies of one event' timeout 20 "$bill" run --store store \
    --prices prices.json --period 2026-11 -o bills
run=$(cat stdout)
is "$(proof '.counts | [.billable, .conflict, .duplicate]')" '[1,19999,0]' 'are one event'
is "$(wc -l <"$run/conflicts.ndjson")" 19999 'and so many conflicts'

# 64 bits

max=9223372036854775807
rm -rf store bills
event 1 acme $first bytes_out=$max >log1
event 2 other $first bytes_out=$max >log2
cat log1 log2 | fill store
rate store 2026-11
is "$code $(bare "$run" | grep bytes_out | cut -d, -f1,3,6)" "0 acme,bytes_out,$max
other,bytes_out,$max" 'the largest number is one'
is "$(proof '[.invariants[] | select(.name | test("bytes_out")) | .left] | unique')" \
    '["18446744073709551614"]' 'and a sum over customers may be larger'
exits 0 'its arithmetic is right' "$bill" verify "$run"
for more in 1 $max; do
    rm -rf store bills
    event 3 acme "$last" bytes_out="$more" >log3
    cat log1 log2 log3 | fill store
    for threads in 1 2; do
        rate store 2026-11 --threads $threads
        is "$code" 65 "$more above it is an error ($threads threads)"
        like "$(cat stderr)" 'customer "acme": SKU "bytes_out"' 'that names customer and SKU'
        is "$(find bills -mindepth 1 2>/dev/null)" '' 'and leaves nothing'
    done
done
rm -rf store bills
fill store <log1
jq '.skus[1].prices[0].unit_price = "1"' prices.json >dear.json
rate store 2026-11 --prices dear.json
is "$code" 65 'an amount that does not fit'
like "$(cat stderr)" 'customer "acme": SKU "bytes_out"' 'names customer and SKU'
is "$(find bills -mindepth 1 2>/dev/null)" '' 'and leaves nothing'
jq '.skus[1].prices[0].unit_price = "0.000000001"' prices.json >fits.json
rate store 2026-11 --prices fits.json
is "$code $(bare "$run" | grep bytes_out | cut -d, -f10)" '0 9223372036.85' \
    'an amount that just fits'
event 2 other $first bytes_out=$max | fill store
seal store 2026-11
rate store 2026-11 --prices fits.json
is "$code $(proof .totals.payable)" '0 18446744073.70' 'amounts of all may be more than fit in one'
exits 0 'which is proved' "$bill" verify "$run"
exits 0 'and closed' "$bill" close "$run"

done_testing
