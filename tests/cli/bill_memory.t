#!/usr/bin/env bash
# bill_memory.t - a bill run takes no more memory than --memory says, all in all: what the process
# ever held at once, as the kernel counts it. The price book has so many SKUs that the sums of all
# customers together are several times that much.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
generate=$BUILD/tests/bench/usage_generate
peak=$BUILD/tests/fault/peak
[ -x "$generate" ] || skip_all "$generate is not built"
[ -z "${SAN:-}" ] || skip_all 'sanitizers take memory of their own'
cd "$scratch" || exit 1

jq -n '{currency: "USD", minor_digits: 2, rounding: {when: "line", ties: "half-even"},
    issuer: "Test", skus: [range(60) | {sku: "s\(.)", unit: {name: "Requests", divisor: 1},
        meter: {op: (if . == 0 then ["convert", "thumbnail"] else ["op-\(.)"] end),
                quantity: "count"},
        prices: [{from: "2026-01-01T00:00:00Z", to: null, model: "per_unit",
                  unit_price: "0.01"}]}]}' >prices.json
"$generate" -n 150000 -p 2026-11 -c 200000 -o log. 2>/dev/null
"$usage" ingest --store store --region 4Mi log.* >/dev/null 2>&1
rm -f log.*

# run MEMORY THREADS: a bill run into MEMORY; sets $kib to its peak
run()
{
    "$peak" kib "$bill" run --store store --prices prices.json --period 2026-11 -o "$1" \
        --memory "$1" --threads "$2" --scratch . >stdout 2>stderr </dev/null
    is $? 0 "a run with --memory $1 and $2 threads" || cat stderr
    kib=$(cat kib)
}

# within MIB
within() { ok "$([ "$kib" -le $(($1 * 1024)) ]; echo $?)" "it takes no more: $kib KiB"; }

run 1Gi 2
is "$(jq '.counts.statements > 10000' 1Gi/*/proof.json)" true 'there are many statements'
run 64Mi 2
within 64
diff -r 1Gi 64Mi >&2
ok $? 'the same bytes'
run 32Mi 2
within 32
diff -r 1Gi 32Mi >&2
ok $? 'the same bytes'
run 32Mi 1
within 32

done_testing
