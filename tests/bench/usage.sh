#!/usr/bin/env bash
# usage.sh: from logs to bills beside DuckDB, on the same month of events in the same run. Every
# contender takes its turn in each of ROUNDS rounds, each with the first two cores, and what counts
# is the median of the ratios to DuckDB in the same round. A contender's time is that of its whole
# process. DuckDB sums by customer, op and hour and keeps the sums in memory; we rate, prove and
# write statements.
#
# Environment: BUILD (absolute), ROUNDS (3), EVENTS (5000000), BENCH_DIR (build/bench), BIG (1: also
# BIG_EVENTS, 50000000, for memory, linearity and ranks; 60 GB of disk and half an hour more).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:?}" "${ROUNDS:=3}" "${EVENTS:=5000000}" "${BENCH_DIR:=$PWD/build/bench}"
: "${BIG:=}" "${BIG_EVENTS:=50000000}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

here=$PWD/tests/bench
dir=$BENCH_DIR/usage
log=$dir/month.ndjson
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT

# need GIGABYTES: ends the bench where the disk has less
need() {
    local free
    free=$(df --output=avail -BG "$dir" | tail -n 1 | tr -dc 0-9)
    [ "$free" -ge "$1" ] || { echo "usage.sh: $dir needs $1 GB, there are $free" >&2; exit 74; }
}

two_cores() { taskset -c 0,1 "$@"; }

# timed NAME COMMAND...: nanoseconds into the variable took, and the peak of memory (MB) into
# peak[NAME], the highest of all rounds
declare -A peak
timed() {
    local name=$1 begin megabytes
    shift
    begin=$(date +%s%N)
    if ! two_cores /usr/bin/time -f %M -o "$dir/peak" "$@" > "$dir/out" 2> "$dir/err"; then
        cat "$dir/out" "$dir/err" >&2
        exit 1
    fi
    took=$(($(date +%s%N) - begin))
    megabytes=$(($(tail -n 1 "$dir/peak") / 1024))
    [ "$megabytes" -le "${peak[$name]:=0}" ] || peak[$name]=$megabytes
}

duckdb() { timed "$1" node "$BENCH_DIR/duckdb.mjs" "${@:2}"; }
ingest() { # ingest NAME STORE LOG...
    rm -rf "$2"
    timed "$1" "$BUILD/millrace-usage" ingest --store "$2" "${@:3}"
}
bill() { # bill NAME STORE OPTION...
    rm -rf "$dir/bills"
    timed "$1" "$BUILD/millrace-bill" run --store "$2" --prices "$dir/prices.json" \
        --period 2026-11 -o "$dir/bills" "${@:3}"
}

# A month costs CPU by tiers, egress by two prices in turn, and requests by volume.
cat > "$dir/prices.json" << 'END'
{"currency":"USD","minor_digits":2,"rounding":{"when":"line","ties":"half-even"},"issuer":"Bench",
 "skus":[
  {"sku":"cpu","meter":{"op":["resize","thumbnail","convert"],"status":["ok"],"quantity":"cpu_us"},
   "unit":{"name":"CPU Hours","divisor":3600000000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":null,"model":"graduated",
     "tiers":[{"up_to":"10","unit_price":"0"},{"up_to":null,"unit_price":"0.045"}]}]},
  {"sku":"egress","meter":{"status":["ok"],"quantity":"bytes_out"},
   "unit":{"name":"GB","divisor":1000000000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":"2026-11-15T00:00:00Z","model":"per_unit",
              "unit_price":"0.02"},
             {"from":"2026-11-15T00:00:00Z","to":null,"model":"per_unit","unit_price":"0.018"}]},
  {"sku":"requests","meter":{"quantity":"count"},"unit":{"name":"1000 Requests","divisor":1000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":null,"model":"volume",
     "tiers":[{"up_to":"100","unit_price":"0.40"},{"up_to":null,"unit_price":"0.30"}]}]}]}
END

has_duckdb() {
    command -v npm > /dev/null || { echo "# no npm here; DuckDB is left out"; return 1; }
    cp "$here/duckdb.mjs" "$BENCH_DIR/"
    (cd "$BENCH_DIR" && { [ -d node_modules/@duckdb/node-api ] ||
        npm install --no-fund @duckdb/node-api; }) > "$BENCH_DIR/npm.log" 2>&1 ||
        { echo "# @duckdb/node-api cannot be installed; it is left out"; return 1; }
}

# table TITLE BASE NAME...: the medians of these contenders
table() {
    echo "$1"
    awk -v names="${*:2}" 'BEGIN { n = split(names, a); for (i = 1; i <= n; i++) want[a[i]] = 1 }
        want[$2]' "$dir/times" | awk -v base="$2" -v unit=events -f "$here/ratios.awk"
    for name in "${@:2}"; do
        [ -z "${peak[$name]:-}" ] || printf '%-20s %10d MB at most\n' "$name" "${peak[$name]}"
    done
}

need $((EVENTS / 1000000 + 5))
duckdb=
if has_duckdb; then duckdb=1; fi
"$BUILD/tests/bench/usage_generate" -n "$EVENTS" > "$log"
echo "# $EVENTS events, $(du -h --apparent-size "$log" | cut -f1) of NDJSON; $ROUNDS rounds"
for ((round = 1; round <= ROUNDS; round++)); do
    if [ "$duckdb" ]; then
        duckdb duckdb_parquet parquet 2 "$log" "$dir/month.parquet"
        echo "$round duckdb_parquet $EVENTS $took"
        duckdb duckdb_sums sums 2 "$dir/month.parquet"
        echo "$round duckdb_sums $EVENTS $took"
        duckdb duckdb_from_log sums 2 "$log"
        echo "$round duckdb_from_log $EVENTS $took"
    fi
    ingest usage_ingest "$dir/store" "$log"
    ingested=$took
    echo "$round usage_ingest $EVENTS $took"
    bill bill_run "$dir/store"
    echo "$round bill_run $EVENTS $took"
    echo "$round ingest_and_bill $EVENTS $((took + ingested))"
done > "$dir/times"
segments=$(du -sb --apparent-size "$dir/store/segments" | cut -f1)
if [ "$duckdb" ]; then
    table 'From NDJSON to a file for queries' duckdb_parquet usage_ingest
    parquet=$(stat -c %s "$dir/month.parquet")
    awk -v a="$segments" -v b="$parquet" \
        'BEGIN { printf "segments %d bytes, Parquet %d: %.3f of it\n\n", a, b, a / b }'
    table 'From that file to sums, or to statements' duckdb_sums bill_run
    echo
    table 'From NDJSON to sums, or to statements' duckdb_from_log ingest_and_bill
else
    table 'Events a second' usage_ingest bill_run ingest_and_bill
    echo "segments $segments bytes"
fi
[ "$BIG" ] || exit 0

# ranks N: a bill run of the large store by so many ranks of one thread each; seconds
ranks() {
    rm -rf "$dir/bills"
    timed "ranks_$1" mpirun -n "$1" --oversubscribe --bind-to none "$BUILD/millrace-bill" run \
        --threads "$1" --store "$dir/big" --prices "$dir/prices.json" --period 2026-11 \
        -o "$dir/bills"
}
# apart: two runs of one thread beside each other that share nothing, which is what the cores give
apart() {
    rm -rf "$dir"/bills*
    # shellcheck disable=SC2016 # $0 and $1 are the inner shell's
    timed apart bash -c 'for n in 1 2; do
            "$0" run --threads 1 --store "$1/big" --prices "$1/prices.json" --period 2026-11 \
                -o "$1/bills-$n" &
        done
        wait -n && wait -n' "$BUILD/millrace-bill" "$dir"
}

echo
need $((BIG_EVENTS * 6 / 5000000))
rm -f "$log" "$dir/month.parquet"
"$BUILD/tests/bench/usage_generate" -n "$BIG_EVENTS" -s 2 -o "$dir/big-log"
ingest big_ingest "$dir/big" "$dir"/big-log-*.ndjson
rm -f "$dir"/big-log-*.ndjson
echo "# $BIG_EVENTS events"
seconds() { awk -v ns="$took" 'BEGIN { printf "%.2f", ns / 1e9 }'; }
echo "ingest: $(seconds) s, ${peak[big_ingest]} MB at most"
for memory in 1G 64M; do
    bill "small_$memory" "$dir/store" --memory "$memory"
    small=$took
    bill "big_$memory" "$dir/big" --memory "$memory"
    awk -v m="$memory" -v s="$small" -v b="$took" -v n="$EVENTS" -v N="$BIG_EVENTS" \
        -v ps="${peak[small_$memory]}" -v pb="${peak[big_$memory]}" 'BEGIN {
        printf "bill run --memory %s: %.2f s for %d events, %.2f s for %d: %.2f of linear; ", m,
            s / 1e9, n, b / 1e9, N, (b / N) / (s / n)
        printf "%d and %d MB at most\n", ps, pb }'
done
for ((round = 1; round <= ROUNDS; round++)); do
    for n in 1 2; do
        ranks "$n"
        echo "$round ranks_$n $BIG_EVENTS $took"
    done
    apart
    echo "$round apart $((2 * BIG_EVENTS)) $took"
done > "$dir/times"
table 'Ranks of one thread each; two runs beside each other' ranks_1 ranks_2 apart
