#!/usr/bin/env bash
# bill_late.t - what comes after a month was closed is corrected in the next, once, by the prices of
# its own month; and credits go from month to month.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
zeta='"zeta":{"credits":[{"id":"c","amount":"10.00","from":"2026-10-01T00:00:00Z"}]}'
head='"currency":"USD","minor_digits":2,"rounding":{"when":"line","ties":"half-even"},"issuer":"X"'
cat >october.json <<END
{$head,
 "skus":[{"sku":"requests","meter":{"quantity":"count"},"unit":{"name":"Requests","divisor":1},
          "prices":[{"from":"2026-01-01T00:00:00Z","model":"graduated",
                     "tiers":[{"up_to":"2","unit_price":"1"},{"up_to":null,"unit_price":"0.5"}]}]},
         {"sku":"good","meter":{"status":["ok"],"quantity":"count"},
          "unit":{"name":"Images","divisor":1},
          "prices":[{"from":"2026-01-01T00:00:00Z","model":"per_unit","unit_price":"3"}]}],
 "customers":{"acme":{"discount_percent":"10"},"beta":{"minimum":"5.00"},$zeta}}
END
cat >november.json <<END
{$head,
 "skus":[{"sku":"requests","meter":{"quantity":"count"},"unit":{"name":"Requests","divisor":1},
          "prices":[{"from":"2026-01-01T00:00:00Z","model":"per_unit","unit_price":"2"}]}],
 "customers":{$zeta}}
END

# month MONTH [OPTIONS]...: seals, rates
month()
{
    seal store "$1"
    rate store "$1" --prices november.json "${@:2}"
}

# charged RUN [PATTERN]: customer, period, sku, tier, metered, amount and class of its lines
charged()
{
    bare "$1" | grep -e "${2:-}" | cut -d, -f1-3,5,6,10,11 | sed 's/,/ /g; s/  */ /g'
}

{
    event a1 acme 2026-10-03T00:00:00Z writer=w sequence=1
    event a2 acme 2026-10-04T00:00:00Z writer=w sequence=2
    event a3 acme 2026-10-05T00:00:00Z writer=w sequence=3 status=timeout
    event b1 beta 2026-10-05T00:00:00Z writer=w sequence=4
    event d1 delta 2026-10-05T00:00:02Z writer=w sequence=5
    event z1 zeta 2026-10-05T00:00:00Z writer=w sequence=6
} | fill store
seal store 2026-10
rate store 2026-10 --prices october.json
october=$run
is "$(charged "$october")" 'acme 2026-10 requests 1 2 2.00 usage
acme 2026-10 requests 2 1 0.50 usage
acme 2026-10 good 1 2 6.00 usage
acme 2026-10 discount -0.85 discount
beta 2026-10 requests 1 1 1.00 usage
beta 2026-10 good 1 1 3.00 usage
beta 2026-10 true-up 1.00 true-up
delta 2026-10 requests 1 1 1.00 usage
delta 2026-10 good 1 1 3.00 usage
zeta 2026-10 requests 1 1 1.00 usage
zeta 2026-10 good 1 1 3.00 usage
zeta 2026-10 credit:c -4.00 credit' 'October'
exits 0 'is closed' "$bill" close "$october"

# In November come: a late event, a retry that worked, one that makes up a minimum, one of a new
# customer, a copy by which an event was another customer's, copies that change nothing.
{
    event a4 acme 2026-10-20T00:00:00Z writer=w sequence=7
    event a3 acme 2026-10-25T00:00:00Z writer=w sequence=8
    event b2 beta 2026-10-25T00:00:00Z writer=w sequence=9
    event g1 gamma 2026-10-25T00:00:00Z writer=w sequence=10
    event d1 epsilon 2026-10-05T00:00:01Z writer=w sequence=11
    event a1 acme 2026-10-25T00:00:00Z writer=w sequence=12
    event z1 zeta 2026-10-25T00:00:00Z writer=w sequence=13 status=timeout
    event n1 acme 2026-11-03T00:00:00Z writer=w sequence=14
    event z2 zeta 2026-11-03T00:00:00Z writer=w sequence=15
    event z3 zeta 2026-11-03T00:00:00Z writer=w sequence=16
} | fill store
month 2026-11
november=$run
is "$(charged "$november")" 'acme 2026-11 requests 1 1 2.00 usage
acme 2026-10 requests 2 1 0.50 correction
acme 2026-10 good 1 2 6.00 correction
acme 2026-10 discount -0.65 correction
beta 2026-10 requests 1 1 1.00 correction
beta 2026-10 good 1 1 3.00 correction
beta 2026-10 true-up -1.00 correction
delta 2026-10 requests 1 -1 -1.00 correction
delta 2026-10 good 1 -1 -3.00 correction
epsilon 2026-10 requests 1 1 1.00 correction
epsilon 2026-10 good 1 1 3.00 correction
gamma 2026-10 requests 1 1 1.00 correction
gamma 2026-10 good 1 1 3.00 correction
zeta 2026-11 requests 1 2 4.00 usage
zeta 2026-11 credit:c -4.00 credit' \
    'November has its own lines and corrects October by its own prices'
is "$(proof '.counts | [.billable, .late, .closed, .duplicate, .conflict, .other_period]')" \
    '[3,5,4,3,1,0]' 'late is what counts in October and was not known then'
is "$(jq -c '[.customer, .usage, .corrections, .payable]' "$november/statements.ndjson")" \
    '["acme","2.00","5.85","7.85"]
["beta","0.00","3.00","3.00"]
["delta","0.00","-4.00","-4.00"]
["epsilon","0.00","4.00","4.00"]
["gamma","0.00","4.00","4.00"]
["zeta","4.00","0.00","0.00"]' 'a statement may be negative'
is "$(proof '[.totals.usage, .totals.correction, .totals.credit, .totals.payable]')" \
    '["6.00","12.85","-4.00","14.85"]' 'the proof adds them up'
exits 0 'its arithmetic is right' "$bill" verify "$november"
exits 0 'a correction is explained' "$bill" explain "$november" \
    "$(line_id "$november" ,acme,2026-10,good)"
is "$(jq -r .id stdout | paste -sd' ')" 'a1 a2 a4 a3' 'by all that is known now'
exits 0 'so is one that takes back' "$bill" explain "$november" \
    "$(line_id "$november" ,delta,2026-10,good)"
is "$(cat stdout)" '' 'of which no event is left'
exits 65 'a discount is not' "$bill" explain "$november" \
    "$(line_id "$november" ,acme,2026-10,discount)"

# Another month is not made of the corrections that are already another's.
rate store 2026-12 --prices november.json
is "$(charged "$run" | grep -c correction)" 12 \
    'before November is closed December would correct October'
month 2026-11
is "$run" "$november" 'November is the same when it is made again'
exits 0 'and is closed' "$bill" close --accept-conflicts "$november"
month 2026-12
is "$(charged "$run")" '' 'then there is nothing to correct'
is "$(proof '.counts | [.billable, .late, .closed]')" '[0,0,12]' 'nothing is late'

# Twice late

{
    event a5 acme 2026-10-31T23:59:59.999999Z writer=w sequence=17
    event n2 acme 2026-11-01T00:00:00Z writer=w sequence=18
    event d1 delta 2026-10-05T00:00:00Z writer=w sequence=19
    event z4 zeta 2026-12-01T00:00:00Z writer=w sequence=20
    event z5 zeta 2026-12-01T00:00:00Z writer=w sequence=21
} | fill store
rm store/seals/*
for month in 2026-10:6 2026-11:16 2026-12:21; do
    "$usage" seal --store store --writer w --period "${month%:*}" --through "${month#*:}" \
        >/dev/null 2>&1
done
rate store 2026-12 --prices november.json
december=$run
is "$(charged "$december")" 'acme 2026-10 requests 2 1 0.50 correction
acme 2026-10 good 1 1 3.00 correction
acme 2026-10 discount -0.35 correction
acme 2026-11 requests 1 1 2.00 correction
delta 2026-10 requests 1 1 1.00 correction
delta 2026-10 good 1 1 3.00 correction
epsilon 2026-10 requests 1 -1 -1.00 correction
epsilon 2026-10 good 1 -1 -3.00 correction
zeta 2026-12 requests 1 2 4.00 usage
zeta 2026-12 credit:c -2.00 credit' \
    'December corrects both months, by what was billed and corrected so far'
is "$(proof .preliminary)" false 'it is whole'
exits 0 'and is closed' "$bill" close --accept-conflicts "$december"
rate store 2027-01 --prices november.json
is "$(charged "$run")" '' 'January has nothing to correct'
is "$(sort "$october/lines.csv" "$november/lines.csv" "$december/lines.csv" | grep -v line_id |
    cut -d, -f1 | uniq -d)" '' 'no id of a line comes twice, in all the months'
is "$(jq -s -c 'map(select(.customer == "acme") | .payable | tonumber) | add' \
    "$october/statements.ndjson" "$november/statements.ndjson" "$december/statements.ndjson")" \
    "$(bc <<<'scale=2; (2 + 3 * 0.5 + 5 * 3) * 0.9 + 2 * 2')" 'in all acme has paid what it used'

# Credits: each month opens with what the one before closed with

is "$(jq -c 'select(.customer == "zeta") |
    [.credits[] | [.opening, .granted, .burned, .expired, .closing]]' \
    "$october/statements.ndjson" "$november/statements.ndjson" "$december/statements.ndjson")" \
    '[["0.00","10.00","4.00","0.00","6.00"]]
[["6.00","0.00","4.00","0.00","2.00"]]
[["2.00","0.00","2.00","0.00","0.00"]]' 'a credit is used up month by month'

# Months with nothing late: credits and conflicts of the months before are known all the same

rm -rf store bills
for month in 10 11 12; do
    for i in 1 2; do event $month-$i zeta 2026-$month-15T00:00:00Z; done
    [ $month != 10 ] || event 10-1 zeta 2026-10-15T00:00:01Z bytes_out=7
done >log
accept=(--accept-conflicts)
for month in 10 11 12; do
    grep "2026-$month" log | fill store
    month 2026-$month
    jq -c '[.credits[] | [.opening, .granted, .burned, .closing]], .payable' \
        "$run/statements.ndjson"
    "$bill" close "${accept[@]}" "$run" 2>&1 | grep -o 'is closed'
    accept=()
done >told
is "$(cat told)" '[["0.00","10.00","4.00","6.00"]]
"0.00"
is closed
[["6.00","0.00","4.00","2.00"]]
"0.00"
is closed
[["2.00","0.00","2.00","0.00"]]
"2.00"
is closed' 'a credit is used up where no month is corrected; a conflict is accepted once'
is "$(wc -l bills/2026-1*/conflicts.ndjson | awk '{ print $1 }' | paste -sd' ')" '1 0 0 1' \
    'it is listed with its month'
event late zeta 2026-10-20T00:00:00Z | fill store
month 2027-01
is "$(charged "$run") $(proof '.counts | [.conflict, .conflict_elsewhere]')" \
    'zeta 2026-10 requests 1 1 2.00 correction [0,1]' \
    'nor does it come again when its month is corrected'
event 10-2 zeta 2026-10-15T00:00:01Z bytes_out=7 | fill store
month 2027-01
is "$(proof '.counts | [.conflict, .conflict_elsewhere]') $(jq -r .id "$run/conflicts.ndjson")" \
    '[1,1] 10-2' 'one that came since does'
exits 76 'and is to be accepted' "$bill" close "$run"
exits 0 'before the month is closed' "$bill" close --accept-conflicts "$run"

# Another currency

rm -rf store bills
event a1 acme 2026-11-03T00:00:00Z | fill store
month 2026-11
exits 0 'a month in USD' "$bill" close "$run"

jq -c '.currency = "EUR"' november.json >euro.json
event a2 acme 2026-11-30T00:00:00Z | fill store
rate store 2027-01 --prices euro.json
is "$code" 65 'what was billed in USD'
like "$(cat stderr)" '2026-11 was billed in USD and cannot be corrected in EUR' \
    'is not corrected in EUR'
is "$(find bills -maxdepth 1 -name '.*.tmp')" '' 'of such a run nothing is left'

# One event, copies in two months: it is billed once, whichever month was closed first.
# events_of CUSTOMER: the events that all closed months charge it for
events_of()
{
    cat bills/20*/lines.csv | grep -e ",$1,.*,requests," | cut -d, -f7 | paste -sd+ | bc
}
rm -rf store bills
{
    event x1 retried 2026-10-31T23:59:59Z status=timeout
    event x2 earlier 2026-11-02T00:00:00Z
    event x3 same 2026-10-31T00:00:00Z
} | fill store
seal store 2026-10
rate store 2026-10 --prices october.json
exits 0 'October' "$bill" close "$run"
{
    event x1 retried 2026-11-01T00:00:01Z
    event x3 same 2026-11-30T00:00:00Z
} | fill store
month 2026-11
is "$(charged "$run")" 'earlier 2026-11 requests 1 1 2.00 usage
retried 2026-11 requests 1 1 2.00 usage
retried 2026-10 requests 1 -1 -1.00 correction' \
    'a retry that worked in November takes the failure back from October'
is "$(proof '.counts | [.billable, .late, .closed, .duplicate]')" '[2,0,1,2]' 'and is counted once'
exits 0 'November' "$bill" close "$run"
event x2 earlier 2026-10-30T00:00:00Z | fill store
month 2026-12
is "$(charged "$run")" 'earlier 2026-10 requests 1 1 1.00 correction
earlier 2026-10 good 1 1 3.00 correction
earlier 2026-11 requests 1 -1 -2.00 correction' \
    'an earlier copy, in October, takes the event back from November'
exits 0 'December' "$bill" close "$run"
event x4 far 2026-12-31T00:00:00Z writer=w sequence=1 | fill store
month 2027-01
is "$(charged "$run")" 'far 2026-12 requests 1 1 2.00 correction' 'an event that came late'
exits 0 'January' "$bill" close "$run"
event x4 far 2026-10-01T00:00:00Z writer=w sequence=2 | fill store
month 2027-02
is "$(charged "$run")" 'far 2026-10 requests 1 1 1.00 correction
far 2026-10 good 1 1 3.00 correction
far 2026-12 requests 1 -1 -2.00 correction' 'is taken back however far the earlier copy is'
ranks 3 "$bill" run --store store --prices november.json --period 2027-02 -o bills >stdout \
    2>stderr </dev/null
is "$(cat stdout)" "$run" 'three ranks say the same'
exits 0 'its arithmetic is right' "$bill" verify "$run"
exits 0 'February' "$bill" close "$run"
month 2027-03
is "$(charged "$run")" '' 'then there is nothing to correct'
for customer in retried same earlier far; do
    is "$(events_of $customer)" 1 "in all, $customer is charged for one event"
done

done_testing
