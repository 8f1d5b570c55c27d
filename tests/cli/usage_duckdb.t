#!/usr/bin/env bash
# usage_duckdb.t - what is billed, by customer, op and hour, is what DuckDB's SQL makes of the same
# logs: months with copies near and far, conflicts, late events, clocks that are off and members
# that nobody knows.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
bench=$(cd "$(dirname "$0")/../bench" && pwd)
cd "$scratch" || exit 1

command -v npm >/dev/null || skip_all 'npm is not here'
mkdir duckdb && cp "$bench/duckdb.mjs" duckdb
(cd duckdb && timeout 300 npm install --no-fund @duckdb/node-api) >npm.log 2>&1 ||
    skip_all '@duckdb/node-api cannot be installed by npm'
generate=$BUILD/tests/bench/usage_generate

cat >prices.json <<'END'
{"currency":"USD","minor_digits":2,"rounding":{"when":"line","ties":"half-even"},"issuer":"Test",
 "skus":[{"sku":"requests","meter":{"quantity":"count"},"unit":{"name":"Requests","divisor":1},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":null,"model":"per_unit","unit_price":"0.001"}]}]}
END

# compare NAME: the logs NAME-*.ndjson in a store, billed and summed, beside the oracle's sums
compare()
{
    local name=$1 run
    rm -rf store bills
    exits 0 "$name: logs go into a store" \
        millrace usage ingest --store store "$name"-*.ndjson
    exits 0 "$name: the month is billed" millrace bill run --store store --prices prices.json \
        --period 2026-11 -o bills
    run=$(tail -n 1 stdout)
    exits 0 "$name: DuckDB sums it" node duckdb/duckdb.mjs oracle 2026-11 "$name-*.ndjson" \
        oracle.csv
    exits 0 "$name: usage is summed by customer, op and hour" \
        millrace bill stat --by=customer,op,hour "$run"
    LC_ALL=C sort stdout >ours
    LC_ALL=C sort oracle.csv >theirs
    is "$(head -n 1 stdout)" "$(head -n 1 oracle.csv)" "$name: the columns are the same"
    cmp ours theirs >cmp.log 2>&1
    ok $? "$name: and so is every sum of $(wc -l <theirs) lines" ||
        diff ours theirs | head -n 10 >&2
}

"$generate" -n 200000 -s 1 -d 3 -c 500 -o plain -t totals.json
compare plain
is "$(awk -F , '{ events += $4 } END { print events }' ours)" "$(jq .distinct totals.json)" \
    'plain: every event counts once'
"$generate" -n 200000 -s 2 -d 5 -x 2 -l 3 -k 90 -u 5 -f 10 -c 20 -w 5 -o hard
compare hard
is "$(awk -F , 'NR > 1 { print substr($3, 1, 7) }' oracle.csv | sort -u)" 2026-11 \
    'hard: what is of another month is not of this one'
# Copies and conflicts nearly everywhere, of one customer at that.
"$generate" -n 200000 -s 3 -d 40 -x 20 -f 30 -k 3600 -c 1 -w 2 -o copies
compare copies

done_testing
