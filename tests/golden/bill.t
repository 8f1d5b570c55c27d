#!/usr/bin/env bash
# bill.t - months of random usage with all that goes wrong, billed one after the other, closed and
# corrected: lines, statements and counts are those of an oracle with exact rationals.
# MILLRACE_SEEDS: which months.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 >/dev/null || skip_all 'python3 is not installed'

: "${MILLRACE_SEEDS:=${MILLRACE_TORTURE:+$(seq -s ' ' 1 40)}}"
: "${MILLRACE_SEEDS:=1 2 3}"
echo "# MILLRACE_SEEDS=$MILLRACE_SEEDS"

# same NAME EXPECTED GOT: two files, the first differences of which are shown
same()
{
    diff "$2" "$3" >"$scratch/difference"
    ok $? "$1" || head -n 12 "$scratch/difference" | cut -c 1-160 | sed 's/^/#   /' >&2
}

# month SEED MONTH NUMBER: what has come until now, sealed, billed, compared and closed
month()
{
    local name="seed $1, $2" log
    for log in "months/$3"/*; do
        "$usage" ingest --store store "$log" >/dev/null 2>"$scratch/stderr" ||
            cat "$scratch/stderr" >&2
        logs+=("$log")
    done
    while IFS=$'\t' read -r sealed writer through; do
        [ "$sealed" != "$2" ] || "$usage" seal --store store --writer "$writer" --period "$2" \
            --through "$through" >/dev/null 2>&1
    done <months/seals
    cp "months/$2.json" prices.json
    rate store "$2" --threads $(($1 % 2 + 1))
    is "$code" 0 "$name is billed" || sed 's/^/#   /' "$scratch/stderr" >&2
    python3 "$here/bill_oracle.py" --prices prices.json --period "$2" --out "oracle/$2" \
        --state state --close "${logs[@]}"
    same "$name: lines, ids and all" "oracle/$2/lines.csv" "$run/lines.csv"
    jq -c '{customer, usage, discount, true_up, corrections, credits, credit, rounding, payable}' \
        "$run/statements.ndjson" >got
    same "$name: statements and what became of credits" "oracle/$2/statements.ndjson" got
    jq -S '.counts | .conflict += .conflict_elsewhere | del(.conflict_elsewhere, .quarantined)' \
        "$run/proof.json" >got
    jq -S . "oracle/$2/counts.json" >expected
    same "$name: what became of events" expected got
    exits 0 "$name: verified" "$bill" verify "$run"
    exits 0 "$name: closed" "$bill" close --accept-conflicts "$run"
}

for seed in $MILLRACE_SEEDS; do
    mkdir "$scratch/$seed" && cd "$scratch/$seed" || exit 1
    python3 "$here/bill_months.py" "$seed" months || exit 1
    logs=()
    month "$seed" 2026-10 1
    month "$seed" 2026-11 2
    month "$seed" 2026-12 3
    if [ "$seed" = "${MILLRACE_SEEDS%% *}" ]; then
        # The same events in other files, in another order (and not sealed), are the same bill.
        cat months/[123]/* | sort -r | split -n r/3 - shuffled.
        for log in shuffled.*; do fill other <"$log"; done
        december=(--prices prices.json --period 2026-12 -o fresh)
        other=$("$bill" run --store other "${december[@]}" 2>/dev/null)
        once=$("$bill" run --store store "${december[@]}" 2>/dev/null)
        same 'in another order: the same lines' "$once/lines.csv" "$other/lines.csv"
        same 'the same statements, but for the run and the seals' \
            <(jq -c 'del(.run, .invoice, .preliminary, .harvest)' "$once/statements.ndjson") \
            <(jq -c 'del(.run, .invoice, .preliminary, .harvest)' "$other/statements.ndjson")
        same 'the same conflicts, but for where they are' \
            <(jq -c 'del(.billed.segment, .other.segment)' "$once/conflicts.ndjson" | sort) \
            <(jq -c 'del(.billed.segment, .other.segment)' "$other/conflicts.ndjson" | sort)
        same 'the same percentiles' "$once/stat.json" "$other/stat.json"
    fi
done

done_testing
