#!/usr/bin/env bash
# bill_show.t - from the log of a program that was made from formats/README.md alone to a statement
# on the screen: millrace bill show, export and diff.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
command -v python3 >/dev/null || skip_all 'python3 is not installed'
cd "$scratch" || exit 1
issue_prices >prices.json

# A program of somebody else's, by "Usage event v1".
cat >writer.py <<'END'
import hashlib, json
for row in range(1, 1001):
    key = "\0".join(["millrace.image.v1", "demo", str(row), "0"])
    data = {"op": "resize", "status": "ok", "bytes_out": 1000000000, "cpu_us": 3600000000}
    event = {"specversion": "1.0", "id": hashlib.sha256(key.encode()).hexdigest()[:32],
             "source": "//millrace/job/demo", "type": "millrace.image.v1",
             "subject": "acme" if row % 4 else 'b, "c" é', "writer": "theirs",
             "time": f"2026-11-{1 + row % 30:02d}T12:00:00.000000Z", "data": data,
             "sequence": f"{row:020d}"}
    print(json.dumps(event))
END
python3 writer.py >theirs.ndjson
exits 0 'the log of another program is read' "$usage" ingest --store store theirs.ndjson
is "$(jq -c '[.lines, .events, .quarantined]' stdout)" '[1000,1000,0]' 'every line of it'
exits 0 'and sealed' "$usage" seal --store store --writer theirs --period 2026-11 --through 1000
rate store 2026-11
is "$code $(proof '[.preliminary, .harvest, .counts.billable]')" '0 [false,1,1000]' 'it is billed'
# acme has 750 CPU hours, of which 10 cost nothing; what was used before the 15th costs more.
expected=$(awk 'BEGIN {
    for (row = 1; row <= 1000; row++) if (row % 4) { n++; if (row % 30 < 14) early++ }
    usage = (n - 10) * 0.045 + early * 0.02 + (n - early) * 0.018 + 0.30
    printf "%.2f", usage }')
is "$(jq -r 'select(.customer == "acme").usage' "$run/statements.ndjson")" "$expected" \
    'the sum is what awk reckons'
exits 0 'and closed' "$bill" close "$run"

# show

exits 0 'show' "$bill" show "$run" acme
payable=$(jq -r 'select(.customer == "acme").payable' "$run/statements.ndjson")
like "$(cat stdout)" "Payable +$payable" 'tells what is payable'
like "$(cat stdout)" 'Harvest 100 %' 'and that nothing is missing'
is "$(awk 'length > 100' stdout)" '' 'no line is too long for a screen'
exits 0 'a customer with a comma and quotes' "$bill" show "$run" 'b, "c" é'
like "$(cat stdout)" 'for b, "c" é, 2026-11' 'is found'
exits 0 'as JSON' "$bill" show --format=json "$run" acme
is "$(jq -cS . stdout)" "$(jq -cS 'select(.customer == "acme")' "$run/statements.ndjson")" \
    'it is the line of statements.ndjson'
exits 0 'as a page' "$bill" show --format=html "$run" 'b, "c" é'
like "$(cat stdout)" '<html.*b, &quot;c&quot; é.*</html>' 'with the name escaped'
exits 64 'another format' "$bill" show --format=pdf "$run" acme
exits 64 'no customer' "$bill" show "$run"
exits 66 'a customer who is not there' "$bill" show "$run" Acme
like "$(cat stderr)" '"Acme"' 'is named'

# export

exits 0 'export' "$bill" export --focus=1.2 "$run"
cmp stdout "$run/focus.csv"
ok $? 'is what the run has written'
"$bill" export "$run" | cmp - "$run/focus.csv"
ok $? '1.2 is what is taken'
exits 64 'another version' "$bill" export --focus=0.5 "$run"
is "$(python3 -c '
import csv, json, sys
from decimal import Decimal
costs = {}
for row in csv.DictReader(open(sys.argv[1], newline="")):
    costs[row["InvoiceId"]] = costs.get(row["InvoiceId"], 0) + Decimal(row["BilledCost"])
for line in open(sys.argv[2]):
    statement = json.loads(line)
    assert costs.pop(statement["invoice"]) == Decimal(statement["payable"])
print(len(costs))' "$run/focus.csv" "$run/statements.ndjson")" 0 \
    'by invoice it adds up to what is payable'

# diff

before=$run
exits 0 'diff of a run with itself' "$bill" diff "$run" "$run"
is "$(cat stdout)" customer,sku,metered_from,metered_to,amount_from,amount_to,difference 'is empty'
jq -c '.skus[1].prices[1].unit_price = "0.02" | .customers = {}' prices.json >trial.json
trial=$("$bill" run --store store --prices trial.json --period 2026-11 -o trial 2>/dev/null)
exits 0 'diff of a month under another price book' "$bill" diff "$before" "$trial"
python3 - "$before" "$trial" >expected.csv <<'END'
import csv, sys
from decimal import Decimal
sums = [{}, {}]
for side in (0, 1):
    for row in csv.DictReader(open(sys.argv[1 + side] + "/lines.csv", newline="")):
        for sku in (row["sku"], "payable"):
            sum_ = sums[side].setdefault((row["customer"], sku == "payable", sku), [0, Decimal(0)])
            sum_[0] += int(row["metered"] or 0) if sku != "payable" else 0
            sum_[1] += Decimal(row["amount"])
out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow("customer sku metered_from metered_to amount_from amount_to difference".split())
for key in sorted(set(sums[0]) | set(sums[1]), key=lambda k: (k[0].encode(), k[1], k[2].encode())):
    a, b = (side.get(key, [0, Decimal("0.00")]) for side in sums)
    if a != b:
        out.writerow([key[0], key[2], a[0], b[0], a[1], b[1], b[1] - a[1]])
END
cmp stdout expected.csv
ok $? 'is what Python makes of the lines'
is "$(wc -l <stdout)" 6 'customer by customer'
jq -c '.currency = "EUR"' trial.json >euro.json
euro=$("$bill" run --store store --prices euro.json --period 2026-11 -o trial 2>/dev/null)
exits 65 'two currencies' "$bill" diff "$trial" "$euro"
exits 66 'a run that is not there' "$bill" diff "$trial" trial/2026-11-0000000000000000
exits 64 'one run alone' "$bill" diff "$trial"

done_testing
