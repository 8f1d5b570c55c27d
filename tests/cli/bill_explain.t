#!/usr/bin/env bash
# bill_explain.t - millrace bill explain and stat: the events behind a line are those that jq
# selects from the logs.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
issue_prices | jq -c '.customers = {"customer-3": {"discount_percent": "5", "minimum": "99.00",
        "credits": [{"id": "c", "amount": "3.00", "from": "2026-01-01T00:00:00Z"}],
        "prices": {"requests": [{"from": "2026-11-10T00:00:00Z", "model": "package",
                                 "package_size": "0.01", "package_price": "1", "free": "0.005"}]}}}
    | .skus += [{"sku": "monthly", "meter": {"op": ["crop"], "quantity": "count"},
        "unit": {"name": "Crops", "divisor": 1},
        "prices": [{"from": "2026-01-01T00:00:00Z", "model": "flat", "amount": "7"}]}]
    | .skus[0].prices[0].tiers[0].up_to = "0.01"' >prices.json

many w 2000 2026-11 >w.ndjson
many v 300 2026-12 >v.ndjson
event 'door "7"' 'a, "b"' 2026-11-05T00:00:00+09:00 source='https://door/é' bytes_out=17 \
    >odd.ndjson
# Copies of some: not one of them counts again.
sed -n '1~50p' w.ndjson |
    sed 's/"writer":"w"/"writer":"x"/; s/"cpu_us":[0-9]*/"cpu_us":1/; s/Z","writer/9Z","writer/' \
        >copies.ndjson
for log in *.ndjson; do fill store <"$log"; done
seal store 2026-11
rate store 2026-11
is "$code $(proof '.counts | [.billable + .non_billable, .duplicate, .conflict, .other_period]')" \
    '0 [2001,40,0,300]' 'a month'
jq 'select(.subject == "customer-3" and .time < "2026-11-10" and .data.op == "resize" and
    .data.status != "ok") | 1' w.ndjson >unpriced
is "$(proof .counts.non_billable)" "$(wc -l <unpriced)" \
    'what no SKU has a price for is not billable'

# behind CUSTOMER SKU FROM FILTER MEMBER: compares what explain tells of the line with what jq finds
behind()
{
    local line
    line=$(line_id "$run" ",$1,2026-11,$2,$3,")
    exits 0 "$1 $2 $3" "$bill" explain "$run" "$line"
    jq -c --arg c "$1" "select(.subject == \$c and (.time | startswith(\"2026-11\")) and ($4)) |
        [.source, .id, .time, .data.$5 // 1]" w.ndjson | LC_ALL=C sort >expected
    jq -c "[.source, .id, .time, .${5%count_*}]" stdout | LC_ALL=C sort | cmp - expected
    ok $? 'the events are those that jq selects'
    [ -s expected ]
    ok $? 'and there are some'
    is "$(jq -r .time stdout | LC_ALL=C sort -c 2>&1)" '' 'in the order of their times'
    is "$(jq -s "map(.${5%count_*}) | add" stdout)" \
        "$(grep -e ",$1,2026-11,$2,$3," "$run/lines.csv" | cut -d, -f7 | paste -sd+ | bc)" \
        'they add up to the lines'
    like "$(cat stderr)" "$1, $2 from $3, all tiers: $(wc -l <stdout) events" 'which is said'
}
behind customer-1 cpu 2026-01-01T00:00:00Z '.data.op == "resize" and .data.status == "ok"' cpu_us
good='.data.status == "ok"'
behind customer-1 egress 2026-01-01T00:00:00Z "$good and .time < \"2026-11-15\"" bytes_out
behind customer-1 egress 2026-11-15T00:00:00Z "$good and .time > \"2026-11-15\"" bytes_out
sed -i 's/"data":{/&"count":1,/' w.ndjson
behind customer-7 requests 2026-01-01T00:00:00Z true count
behind customer-3 requests 2026-11-10T00:00:00Z '.time > "2026-11-10"' count
behind customer-7 monthly 2026-01-01T00:00:00Z '.data.op == "crop"' count

line=$(line_id "$run" '"a, ""b""",2026-11,egress')
exits 0 'a customer with quotes and a comma' "$bill" explain "$run" "$line"
is "$(jq -c 'to_entries | map(.value)' stdout)" \
    '["https://door/é","door \"7\"","2026-11-04T15:00:00.000000Z",17]' 'has one event'
packages=,customer-3,2026-11,requests,2026-11-10T00:00:00Z
first=$("$bill" explain "$run" "$(line_id "$run" "$packages,0,")" 2>/dev/null)
second=$("$bill" explain --threads 2 --memory 32Mi "$run" "$(line_id "$run" "$packages,1,")" \
    2>/dev/null)
[ -n "$first" ] && [ "$first" = "$second" ]
ok $? 'free units and tiers of a version have the same events'
for kind in discount true-up credit:c; do
    exits 65 "no events are behind a $kind of their own" "$bill" explain "$run" \
        "$(line_id "$run" ",customer-3,2026-11,$kind,")"
    like "$(cat stderr)" "is of \"$kind\"" 'which is said'
    is "$(cat stdout)" '' 'and none are told'
done

# Wrong calls

line=$(line_id "$run" customer-1)
exits 66 'a line that is not there' "$bill" explain "$run" 00000000000000000000000000000000
exits 64 'a run without a line' "$bill" explain "$run"
exits 64 'two lines' "$bill" explain "$run" "$line" "$line"
exits 66 'a run that is not there' "$bill" explain bills/2026-11-0000000000000000 "$line"
exits 66 'a store that is not there' "$bill" explain --store absent "$run" "$line"
mv store 'moved store'
exits 66 'a store that was moved' "$bill" explain "$run" "$line"
exits 0 'may be named' "$bill" explain --store 'moved store' "$run" "$line"
exits 66 'stat --by needs it as well' "$bill" stat --by op "$run"
mv 'moved store' store

# Whoever has changed the store is found out.

sed 's/"cpu_us":[0-9]*/"cpu_us":5/' w.ndjson >changed.ndjson
fill other <changed.ndjson
name=$(find other -name '*.segment')
cp -r store lying
for segment in lying/segments/*; do
    [ "$(stat -c %s "$segment")" -lt 20000 ] || cp "$name" "$segment"
done
exits 76 'events that do not add up to the line are an error' "$bill" explain --store lying "$run" \
    "$line"
like "$(cat stderr)" 'the events add up to [0-9]* cpu_us, the lines to [0-9]*' 'that tells both'

# stat --by

# by COLUMNS: what stat --by says without its header, and what jq makes of the logs
by()
{
    "$bill" stat --by "$1" "$run" | sed 1d >got
    jq -r --arg by "$1" 'def of($k): {customer: .subject, source: .source, writer: .writer,
            type: .type, op: .data.op, format: .data.format, status: .data.status,
            day: .time[:10], hour: (.time[:13] + ":00:00Z")}[$k];
        . as $e | [($by | split(",")[] | . as $k | $e | of($k)), (.data | 1, .bytes_in, .bytes_out,
            .pixels_in // 0, .pixels_out // 0, .cpu_us, .wall_us)] | @tsv' w.ndjson |
        awk -F'\t' -v OFS=, '{ k = $1; for (i = 2; i <= NF - 7; i++) k = k OFS $i
            for (i = 0; i < 7; i++) s[k, i] += $(NF - 6 + i)
            n[k] = 1 }
            END { for (k in n) { line = k
                for (i = 0; i < 7; i++) line = line OFS sprintf("%.0f", s[k, i])
                print line } }' |
        LC_ALL=C sort >expected
    grep -v -e door -e '^"a, ""b' got | cmp - expected
    ok $? "by $1, all is added up as jq and awk do"
}
rm -rf store bills
fill store <w.ndjson
fill store <copies.ndjson
fill store <v.ndjson
sed 's/2026-11/2026-10/; s/"id":"./"id":"x/' w.ndjson | fill store
rate store 2026-11
for columns in customer op,status hour,op customer,op,hour day,writer type,source,format; do
    by "$columns"
    is "$(LC_ALL=C sort -c got 2>&1)" '' 'in the order of their bytes'
done
"$bill" stat --by customer,op,hour "$run" >one
is "$(head -n 1 one)" \
    customer,op,hour,events,bytes_in,bytes_out,pixels_in,pixels_out,cpu_us,wall_us \
    'a header comes first'
ranks 3 "$bill" stat --by customer,op,hour "$run" 2>/dev/null | cmp - one
ok $? 'three ranks say the same'

# stat

exits 0 'stat' "$bill" stat "$run"
like "$(cat stdout)" "payable +$(proof .totals.payable)" 'tells what is payable'
exits 0 'stat --json' "$bill" stat --json --top 3 "$run"
is "$(jq -c '[.top[] | [.customer, .payable]]' stdout)" \
    "$(jq -sc 'map([.customer, .payable]) | sort_by([-(.[1] | tonumber), .[0]]) | .[:3]' \
        "$run/statements.ndjson")" \
    'the top customers are those who pay most'
is "$(jq -c '[.stat.ops[] | [.op, .ok, .failed, .cpu_us.max, .cpu_us.sum, .wall_us.max]]' stdout)" \
    "$(jq -sc '[group_by(.data.op)[] | map(.data) | [.[0].op,
        (map(select(.status == "ok")) | length), (map(select(.status != "ok")) | length),
        (map(.cpu_us) | max, add), (map(.wall_us) | max)]]' w.ndjson)" 'ops are those of the logs'
# By nearest rank; from a histogram never below, and above by less than 1/128.
for percentile in p50:0.5 p99:0.99 p99_9:0.999; do
    exact=$(jq -s --argjson p "${percentile#*:}" 'map(select(.data.op == "crop").data.cpu_us) |
        sort | .[(length * $p | ceil) - 1]' w.ndjson)
    got=$(jq ".stat.ops[] | select(.op == \"crop\").cpu_us.${percentile%:*}" stdout)
    ok "$([ "$got" -ge "$exact" ] && [ "$got" -le $((exact + exact / 128)) ]; echo $?)" \
        "${percentile%:*} of cpu_us is that of the events"
done
jq .proof stdout | cmp - <(jq . "$run/proof.json")
ok $? 'the proof is in it'

done_testing
