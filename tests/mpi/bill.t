#!/usr/bin/env bash
# bill.t - a bill's bytes do not depend on how many ranks and threads made it, in how much memory,
# and how often it was begun.
# MILLRACE_KILLS: how many ranks are killed (3). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
generate=$BUILD/tests/bench/usage_generate
[ -x "$generate" ] || skip_all "$generate is not built"
cd "$scratch" || exit 1
: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+60}}"
: "${MILLRACE_KILLS:=3}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
lines=110000
[ -z "${SAN:-}" ] || lines=20000
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"
issue_prices | jq -c '.customers += {"customer-1": {"prices": {"egress": [
    {"from": "2026-01-01T00:00:00Z", "model": "per_unit", "unit_price": "7"}]}}}' >prices.json

# October is closed, November has late events of it, copies, contradictions; every customer has few.
"$generate" -n $((lines / 5)) -s 1 -p 2026-10 -c 200000 -o october. 2>/dev/null
"$generate" -n "$lines" -s 2 -p 2026-11 -c 200000 -o november. --late 3 --conflicts 1 2>/dev/null
ls october.* november.* >/dev/null || exit 1
"$usage" ingest --store store --region 4Mi october.* >/dev/null 2>&1
seal store 2026-10
rate store 2026-10 --expect ''
exits 0 'October is closed' "$bill" close --accept-conflicts "$run"
"$usage" ingest --store store --region 4Mi november.* >/dev/null 2>&1
cp -r bills bills.before

november=(--store store --prices prices.json --period 2026-11 --expect '' -o other)
# rated HOW COMMAND...: bill run of November by a command, into bills of its own; sets $run
rated()
{
    local how=$1
    shift
    rm -rf other && cp -r bills.before other
    run=$("$@" "$bill" run "${november[@]}" "${more[@]}" 2>stderr </dev/null)
    is $? 0 "$how" || tail -n 5 stderr >&2
}

more=(--threads 1)
rated 'one thread' env
cp -r "$run" expected
is "$(jq -c --argjson n "$lines" '.counts | [.billable > $n / 2, .duplicate > $n / 200,
    .conflict > $n / 2000, .late > $n / 100, .statements > $n / 10]' expected/proof.json)" \
    '[true,true,true,true,true]' \
    'there is some of everything'
is "$(jq -c '[.invariants[].holds] | unique' expected/proof.json)" '[true]' 'every invariant holds'
more=(--threads 2)
rated 'two threads' env
diff -r expected "$run"
ok $? 'the same bytes'
more=(--threads 2 --memory 48Mi --scratch .)
rated 'little memory' "$BUILD/tests/fault/peak" kib
kib=$(cat kib)
[ -n "${SAN:-}" ] || ok "$([ "$kib" -le 49152 ]; echo $?)" "of which no more is taken: $kib KiB"
diff -r expected "$run"
ok $? 'the same bytes'
if [ -z "${SAN:-}" ]; then # with fewer lines there is nothing to spill
    ranks 2 "$bill" run --store store --prices prices.json --period 2026-11 -o spilled \
        --memory 32Mi --scratch absent >stdout 2>stderr </dev/null
    is $? 74 'so little that it spills: without a folder for that it cannot'
    like "$(cat stderr)" 'absent' 'which is named'
    is "$(find spilled -mindepth 1 2>/dev/null)" '' 'and nothing is left'
fi
more=()
for count in 1 2 3 7; do
    [ $count != 3 ] || more=(--memory 32Mi --scratch "$scratch")
    rated "$count ranks${more:+, little memory}" ranks $count
    diff -r expected "$run"
    ok $? 'the same bytes'
done
# How many ranges there are depends on the memory of a thread, which these ranks do not have alike.
for count in 2 3; do
    more=(--threads 4 --memory 32Mi --scratch "$scratch")
    [ $count = 3 ] || more[1]=3
    rated "$count ranks with threads of unequal number, little memory" ranks $count
    diff -r expected "$run"
    ok $? 'the same bytes'
done
is "$(find . -name '*.tmp')" '' 'nothing is left in any folder'
more=()

# Errors under mpirun: one rank speaks, the exit code is that of the error whichever rank ends
# first.
for i in 1 2 3; do
    event 1 acme 2026-11-01T00:00:00Z bytes_out=9223372036854775807
    event 2 acme 2026-11-02T00:00:00Z bytes_out=9223372036854775807
done | fill large
wrong=0
for count in 2 7; do
    ranks $count "$bill" run --store large --prices prices.json --period 2026-11 -o large.bills \
        >stdout 2>stderr </dev/null
    [ "$? $(grep -c 'customer "acme": SKU "egress"' stderr)" = '65 1' ] || wrong=1
done
ok $wrong 'a sum that does not fit is told by one rank, and is the exit code'
is "$(find large.bills -mindepth 1 2>/dev/null)" '' 'it leaves nothing'
ranks 3 "$bill" run "${november[@]}" --store absent >stdout 2>stderr </dev/null
is "$? $(grep -c 'absent' stderr)" '66 1' 'so is a store that is not there'
ranks 3 "$bill" run --store store --prics x >stdout 2>stderr </dev/null
is "$? $(grep -c 'did you mean --prices' stderr)" '64 1' 'and a typo'

# A rank is killed

begin_ms=$(date +%s%3N)
rated 'three ranks that nobody disturbs' ranks 3
whole_ms=$(($(date +%s%3N) - begin_ms))
for ((i = 0; i < MILLRACE_KILLS; i++)); do
    rm -rf other && cp -r bills.before other
    mpirun -n 3 --oversubscribe --bind-to none "$bill" run "${november[@]}" >stdout 2>stderr \
        </dev/null &
    launcher=$!
    delay_ms=$((whole_ms * (20 + RANDOM % 60) / 100))
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    mapfile -t victims < <(pgrep -P $launcher -f millrace-bill)
    [ ${#victims[@]} -eq 0 ] || kill -KILL "${victims[RANDOM % ${#victims[@]}]}" 2>/dev/null
    wait $launcher
    code=$?
    echo "# killed one of ${#victims[@]} after $delay_ms ms: exit $code"
    for run in other/2026-11-*; do
        [ ! -e "$run" ] || diff -r expected "$run"
        ok $? "a rank that is killed leaves a whole run or none"
    done
    run=$("$bill" run "${november[@]}" 2>stderr)
    diff -r expected "$run"
    ok $? 'the run again gives the same bytes'
done

done_testing
