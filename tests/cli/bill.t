#!/usr/bin/env bash
# bill.t - millrace bill run: from a store to statements, and what is wrong with how it is called.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
issue_prices >prices.json

# A month by hand. acme: 40 CPU hours, of which 10 cost nothing; 500 GB before the 15th, 250 from it
# on; 2 requests of which one failed. 30 x 0.045 + 500 x 0.02 + 250 x 0.018 + 3/1000 x 0.40.
{
    event 1 acme 2026-11-01T00:00:00Z writer=w sequence=1 cpu_us=90000000000 bytes_out=500000000000
    event 2 acme 2026-11-15T00:00:00Z writer=w sequence=2 cpu_us=54000000000 bytes_out=250000000000
    event 3 acme 2026-11-30T23:59:59.999999Z writer=w sequence=3 status=timeout cpu_us=7
    event 4 'b, "ü"' 2026-11-14T23:59:59.999999Z writer=w sequence=4 op=crop \
        cpu_us=36000000000 bytes_out=250000000
    event 5 '' 2026-11-10T10:00:00Z writer=w sequence=5 status=timeout
    event 6 acme 2026-10-31T23:59:59.999999Z writer=w sequence=6
    event 7 acme 2026-12-01T00:00:00Z writer=w sequence=7
} | fill store
seal store 2026-11

rate store 2026-11
is "$code" 0 'a month is billed'
is "$(bare "$run")" ",2026-11,requests,2026-01-01T00:00:00Z,1,1,0.001,1000 Requests,0.4,0.00,usage
acme,2026-11,cpu,2026-01-01T00:00:00Z,1,36000000000,10,CPU Hours,0,0.00,usage
acme,2026-11,cpu,2026-01-01T00:00:00Z,2,108000000000,30,CPU Hours,0.045,1.35,usage
acme,2026-11,egress,2026-01-01T00:00:00Z,1,500000000000,500,GB,0.02,10.00,usage
acme,2026-11,egress,2026-11-15T00:00:00Z,1,250000000000,250,GB,0.018,4.50,usage
acme,2026-11,requests,2026-01-01T00:00:00Z,1,3,0.003,1000 Requests,0.4,0.00,usage
acme,2026-11,discount,,,,,,,-1.58,discount
acme,2026-11,true-up,,,,,,,10.73,true-up
\"b, \"\"ü\"\"\",2026-11,egress,2026-01-01T00:00:00Z,1,250000000,0.25,GB,0.02,0.00,usage
\"b, \"\"ü\"\"\",2026-11,requests,2026-01-01T00:00:00Z,1,1,0.001,1000 Requests,0.4,0.00,usage" \
    'lines are those of a calculation by hand: half a cent goes to the even one, edges to one side'
is "$(jq -c '[.customer, .usage, .discount, .true_up, .payable, .preliminary, .harvest]' \
    "$run/statements.ndjson")" '["","0.00","0.00","0.00","0.00",false,"1.000000"]
["acme","15.85","-1.58","10.73","25.00",false,"1.000000"]
["b, \"ü\"","0.00","0.00","0.00","0.00",false,"1.000000"]' 'and so are the statements'
is "$(proof '.counts | [.read, .billable, .non_billable, .other_period, .duplicate, .conflict]')" \
    '[7,5,0,2,0,0]' 'every event is counted'
is "$(proof '[.harvest, .preliminary, (.invariants | length > 8 and all(.holds))]')" \
    '[1,false,true]' 'every invariant holds'
is "$(find "$run" -type f -printf '%f\n' | sort | paste -sd' ')" "conflicts.ndjson focus.csv \
inputs.txt lines.csv prices.json proof.json stat.json statements.ndjson stores.txt" \
    'the folder has its files'
is "$(jq -r '.files | to_entries[] | "\(.value.sha256)  \(.key)"' "$run/proof.json" |
    (cd "$run" && sha256sum --check --quiet) 2>&1)" '' 'of which the proof has the digests'
is "$(jq -r '.files | to_entries[] | "\(.key) \(.value.bytes)"' "$run/proof.json" | sort)" \
    "$(find "$run" -type f ! -name proof.json ! -name stores.txt -printf '%f %s\n' | sort)" \
    'and the sizes'
is "$(basename "$run")" "2026-11-$(sha256sum "$run/inputs.txt" | cut -c1-16)" \
    'its name is the digest of what it was made from'
is "$(grep -c 'harvest 1.000000$' stderr)" 1 'harvest is told'

# Again

find bills -type f -exec sha256sum {} + | sort >before
stat -c %Y.%i "$run" >>before
first=$run
rate store 2026-11
is "$code $run" "0 $first" 'the same run again is the same folder'
like "$(cat "$scratch/stderr")" 'this run was there already' 'which is said'
find bills -type f -exec sha256sum {} + | sort >after
stat -c %Y.%i "$run" >>after
cmp before after
ok $? 'nothing is changed'
is "$(ls -A bills)" "$(basename "$run")" 'and nothing left over'
sed -i 's/"billable":5/"billable":6/' "$run/proof.json"
rate store 2026-11
is "$code" 76 'another result under the same name is an error'
like "$(cat "$scratch/stderr")" "$first: the same inputs have given another result" \
    'that names the run'
rm -r bills
cp -r store 'store two'
rate store 2026-11 --store 'store two' --memory 64Mi --threads 1
is "$code $run" "0 $first" 'the same segments from two stores are the same run'
cp prices.json 'prices of ümläut.json'
is "$("$bill" run --store 'store two' --prices 'prices of ümläut.json' --period 2026-11 \
    -o 'bills of two' --scratch . 2>stderr)" "bills of two/$(basename "$first")" \
    'names may have spaces'
diff -r -x stores.txt bills 'bills of two'
ok $? 'and are not part of the result'
jq -c .issuer=\"Another\" prices.json >other.json
is "$("$bill" run --store store --prices other.json --period 2026-11 -o bills 2>/dev/null |
    grep -c "$first")" 0 'another price book is another run'

# A store without events, a month without them

: | fill empty
rate empty 2026-11
is "$code $(bare "$run")" '0 acme,2026-11,true-up,,,,,,,25.00,true-up' \
    'of an empty store minima are billed'
is "$(proof '[.harvest, .counts.read, .counts.statements]')" '[1,0,1]' 'and nothing is missing'
rate store 2027-03
is "$code $(proof '[.counts.other_period, .counts.statements]')" '0 [7,1]' \
    'so it is of a month without events'

# Wrong calls

common=(--store store --prices prices.json --period 2026-11 -o wrong)
exits 0 'help' "$bill" --help
like "$(head -n 2 stdout)" 'Example:.*millrace bill run' 'begins with an example'
for verb in check-prices run close explain diff verify show export stat; do
    exits 0 "$verb --help" "$bill" "$verb" --help
    like "$(head -n 2 stdout)" "Example:.*" "$verb: begins with an example"
    exits 64 "$verb without anything" "$bill" "$verb"
    exits 64 "$verb with an option that is not there" "$bill" "$verb" --stroe x
done
exits 64 'no verb' "$bill"
exits 64 'a typo in the verb' "$bill" rnu
exits 64 'a typo in an option' "$bill" run --pricse x "${common[@]}"
like "$(cat stderr)" 'did you mean --prices' 'names the one meant'
for missing in 0 2 4 6; do
    args=("${common[@]:0:missing}" "${common[@]:missing+2}")
    exits 64 "${common[missing]} is needed" "$bill" run "${args[@]}"
    like "$(cat stderr)" "${common[missing]}" 'and named'
done
exits 64 'an operand is none' "$bill" run "${common[@]}" store
for period in 2026-13 2026-1 2026 november 2026-11-01 ''; do
    exits 64 "period \"$period\"" "$bill" run "${common[@]}" --period "$period"
done
exits 64 'threads are not negative' "$bill" run "${common[@]}" --threads=-1
exits 64 'memory is a size' "$bill" run "${common[@]}" --memory lots
exits 64 'memory has a minimum' "$bill" run "${common[@]}" --memory 1Mi
exits 66 'a store that is not there' "$bill" run "${common[@]}" --store absent
like "$(cat stderr)" absent 'is named'
mkdir folder
exits 66 'a folder that is no store' "$bill" run "${common[@]}" --store folder
exits 66 'a price book that is not there' "$bill" run "${common[@]}" --prices absent.json
like "$(cat stderr)" 'absent\.json' 'is named'
sed 's/per_unit/per-unit/' prices.json >wrong.json
exits 65 'a price book with a mistake' "$bill" run "${common[@]}" --prices wrong.json
like "$(cat stderr)" 'wrong\.json: skus\[1\]\.prices\[0\]: .*per-unit' 'that is named by its member'
: >file
exits 73 'bills that cannot be made' "$bill" run "${common[@]}" -o file/bills
is "$(find wrong* -not -name wrong.json)" '' 'none of these has left anything'
exits 66 'show of a customer who has no statement' "$bill" show "$first" nobody
exits 66 'stat of what is no run' "$bill" stat bills
exits 64 'stat by a column that is not there' "$bill" stat --by customer,hours "$first"

# What price books are held against

exits 0 'a good price book' "$bill" check-prices prices.json
is "$(cat stdout)" '' 'about which there is nothing to say'
exits 66 'one that is not there' "$bill" check-prices absent.json
exits 65 'one with a mistake' "$bill" check-prices wrong.json
jq '.skus[1].prices[1].from = "2026-11-16T00:00:00Z"' prices.json >gap.json
exits 1 'one with a gap' "$bill" check-prices gap.json
like "$(cat stdout)" 'gap\.json: .*egress' 'that is told of'
jq '.skus[0].prices += [{"from":"2026-05-01T00:00:00Z","model":"per_unit","unit_price":"1"}]' \
    prices.json >overlap.json
exits 65 'one with two prices at a time' "$bill" check-prices overlap.json
jq '.skus[2].unit.divisor = 1' prices.json >unit.json
exits 1 'one with a unit that was changed in place' "$bill" check-prices \
    --against prices.json unit.json
like "$(cat stdout)" requests 'that is told of'
jq '.skus[1].prices[1].unit_price = "18"' prices.json >jump.json
exits 1 'one with a price that jumps' "$bill" check-prices --against prices.json jump.json
like "$(cat stdout)" egress 'that is told of'

done_testing
